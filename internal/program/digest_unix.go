//go:build linux || darwin

package program

import (
	"os"

	"golang.org/x/sys/unix"
)

// identityOf is the identity of an open file; false if it is none with a content of its
// own, or it cannot be told.
func identityOf(f *os.File) (fileIdentity, bool) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return fileIdentity{}, false
	}
	return fileIdentity{
		device: uint64(st.Dev), inode: st.Ino, size: st.Size, //nolint:unconvert // a number of another width on some systems
		modified: unix.TimespecToNsec(st.Mtim), changed: unix.TimespecToNsec(st.Ctim),
	}, true
}
