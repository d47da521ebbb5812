//go:build unix

package tui

import (
	"os"

	"golang.org/x/sys/unix"
)

// noShell says why there is no shell that could let the program go on, "" if there is
// one. The kernel does not stop an orphaned process group: one of which no parent is in
// the same session and in another group. (POSIX.1-2017, 3.264 and 2.4.3)
func noShell() string {
	const none = "the program was not started from a shell that could wake it"
	session, err := unix.Getsid(0)
	if err != nil {
		return none
	}
	switch group := unix.Getpgrp(); group {
	case session:
		return none // it leads its session
	case os.Getpid():
		if theirs, err := unix.Getsid(os.Getppid()); err != nil || theirs != session {
			return none
		}
	}
	return ""
}
