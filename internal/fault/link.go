package fault

import (
	"os"
	"path/filepath"
)

// DeadLink is why a file is not there though its name is: the name, or a folder on the way to
// it, is a link to something that is gone.
type DeadLink struct {
	Link, To string
	err      error
}

// Error implements error.
func (d *DeadLink) Error() string {
	return d.Link + " is a link to " + d.To + ", which is not there"
}

// Unwrap returns what the system said.
func (d *DeadLink) Unwrap() error { return d.err }

// deadLink finds the link on a path that leads nowhere, nil if there is none. err is what the
// system said of the path.
func deadLink(path string, err error) *DeadLink {
	for p := filepath.Clean(path); ; p = filepath.Dir(p) {
		info, lstatErr := os.Lstat(p)
		if lstatErr == nil {
			if info.Mode()&os.ModeSymlink == 0 {
				return nil // it is there, and what should be in it is not
			}
			if _, statErr := os.Stat(p); statErr == nil {
				return nil
			}
			if to, readErr := os.Readlink(p); readErr == nil {
				return &DeadLink{p, to, err}
			}
			return nil
		}
		if p == filepath.Dir(p) {
			return nil
		}
	}
}
