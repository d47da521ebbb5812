package program

import (
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// maxLinks is how many links may follow each other, as for the kernel.
const maxLinks = 40

// outwardError is a link in a folder of code that leads out of the folder.
type outwardError struct{ name, target string }

func (e *outwardError) Error() string {
	return fmt.Sprintf("the link %s leads out of the folder, to %s", e.name, e.target)
}

// in says it of a folder and what names that.
func (e *outwardError) in(parameter, folder string) *fault.Error {
	return fault.New(fault.Invalid, "%s: in %s %s: what it leads to is not uploaded", parameter, folder, e.Error()).Because(e).
		WithHint("Put the file itself in the link's place if it belongs to the function, or delete the link. Relative links within the folder are followed.")
}

// staysInside follows a link as the kernel does, one part of a path after the other, and
// returns an outwardError as soon as it leaves the root.
func staysInside(root fs.FS, name string) error {
	at, rest, last := ".", strings.Split(name, "/"), ""
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		switch {
		case part == "" || part == ".":
			continue
		case part == ".." && at == ".":
			return &outwardError{name, last}
		case part == "..":
			at = path.Dir(at)
			continue
		}
		next := path.Join(at, part)
		info, err := fs.Lstat(root, next)
		if err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return &fs.PathError{Op: "readlink", Path: name, Err: syscall.ELOOP}
		}
		if last, err = fs.ReadLink(root, next); err != nil {
			return err
		}
		if filepath.IsAbs(last) {
			return &outwardError{name, last}
		}
		rest = append(strings.Split(filepath.ToSlash(last), "/"), rest...)
	}
	return nil
}
