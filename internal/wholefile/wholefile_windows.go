// Package wholefile writes files that are there whole or not at all, whatever ends the program
// meanwhile, and files that are to be executed. It imports nothing of this module.
package wholefile

import (
	"errors"
	"os"
	"path/filepath"
)

// File is one that has its name only once CloseAtomicallyReplace has given it to it; Cleanup
// takes away what has not got that far.
type File struct {
	*os.File

	path string
	done bool
}

// New begins a file; perm are the permissions of a new one, of which Windows knows whether
// it may be written.
func New(path string, perm os.FileMode) (*File, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(perm); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return &File{File: f, path: path}, nil
}

// CloseAtomicallyReplace gives the file its name, in the place of one that has it.
func (f *File) CloseAtomicallyReplace() error {
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), f.path); err != nil {
		return err
	}
	f.done = true
	return nil
}

// Cleanup takes the file away unless it has its name.
func (f *File) Cleanup() error {
	if f.done {
		return nil
	}
	_ = f.Close() // it may be closed
	return os.Remove(f.Name())
}

// WriteFile is os.WriteFile.
func WriteFile(path string, data []byte, perm os.FileMode) error {
	f, err := New(path, perm)
	if err != nil {
		return err
	}
	defer func() { _ = f.Cleanup() }()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}
