package data

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// WriteFile writes a file that the user has named, whole or not at all, with a mode (of
// which the umask takes) that one which was there before does not change. One that exists
// is an fs.ErrExist unless over says to replace it.
func WriteFile(path, text string, mode fs.FileMode, over bool) (err error) {
	if _, err := os.Lstat(path); err == nil && !over {
		return fs.ErrExist
	}
	half := filepath.Join(filepath.Dir(path), fmt.Sprintf(".pipelinetui-%x", rand.Uint64()))
	f, err := os.OpenFile(half, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return named(path, err)
	}
	defer func() { _ = os.Remove(half) }() // there is none left after a rename
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return named(path, err)
	}
	if !over {
		// A link fails if the file has come into being since; some file systems have none.
		if err = os.Link(half, path); err == nil || errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return named(path, os.Rename(half, path))
}

// named is an error of the file that the user has named, not of the one beside it.
func named(path string, err error) error {
	var file *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &file):
		err = file.Err
	case errors.As(err, &link):
		err = link.Err
	}
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: "write", Path: path, Err: err}
}
