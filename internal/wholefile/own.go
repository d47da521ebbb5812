package wholefile

import (
	"io"
	"io/fs"
	"os"
	"runtime"
	"syscall"
)

// NoFile is in the chain of the errors of Open and Read: what has a file's name is a folder, a
// pipe or the like. Its text goes on from the path.
type NoFile struct{ Mode fs.FileMode }

func (n NoFile) Error() string {
	switch {
	case n.Mode.IsDir():
		return "it is a folder"
	case n.Mode&fs.ModeNamedPipe != 0:
		return "it is a pipe"
	default:
		return "it is no file (" + n.Mode.Type().String() + ")"
	}
}

// Open is os.OpenFile for a file of the program's own, whose name it has not been given by
// anybody. What is no file is refused, and never waited for: the open of a pipe ends when
// somebody opens the other end of it, and no signal ends it before.
func Open(path string, flag int, perm fs.FileMode) (*os.File, error) {
	if info, err := os.Stat(path); err == nil {
		if err := isFile(path, info); err != nil { // before the open does something to it
			return nil, err
		}
	}
	f, err := os.OpenFile(path, flag|nonBlocking(), perm)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = isFile(path, info) // it may be another one by now
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// nonBlocking means nothing to a file.
func nonBlocking() int {
	if runtime.GOOS == "windows" {
		return 0
	}
	return syscall.O_NONBLOCK
}

// Read is os.ReadFile for such a file.
func Read(path string) ([]byte, error) {
	f, err := Open(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// isFile takes the null device for a file: who has linked something there knows why.
func isFile(path string, info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	if null, err := os.Stat(os.DevNull); err == nil && os.SameFile(null, info) {
		return nil
	}
	return &fs.PathError{Op: "open", Path: path, Err: NoFile{info.Mode()}}
}
