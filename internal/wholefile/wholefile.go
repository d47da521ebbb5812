//go:build !windows

// Package wholefile writes files that are there whole or not at all, whatever ends the program
// meanwhile, and files that are to be executed. It imports nothing of this module.
package wholefile

import (
	"os"

	"github.com/google/renameio/v2"
)

// File is one that has its name only once CloseAtomicallyReplace has given it to it; Cleanup
// takes away what has not got that far.
type File = renameio.PendingFile

// New begins a file; perm are the permissions of a new one.
func New(path string, perm os.FileMode) (*File, error) {
	return renameio.NewPendingFile(path, renameio.WithPermissions(perm))
}

// WriteFile is os.WriteFile. The permissions of a file that was there stay.
func WriteFile(path string, data []byte, perm os.FileMode) error {
	return renameio.WriteFile(path, data, perm)
}
