//go:build unix && !solaris && !aix

package sandbox

import (
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// closeInherited closes what has no close-on-exec flag, as nothing has that a Go
// program opens, but for the three standard streams.
func closeInherited() error {
	for _, dir := range []string{"/proc/self/fd", "/dev/fd"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if fd, err := strconv.Atoi(e.Name()); err == nil {
				closeIfInherited(fd)
			}
		}
		return nil
	}
	for fd := 3; fd < 1024; fd++ {
		closeIfInherited(fd)
	}
	return nil
}

func closeIfInherited(fd int) {
	if fd <= 2 {
		return
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
		_ = unix.Close(fd) // it is not ours: nothing is lost
	}
}

// again replaces this process by the same program with other variables.
func again(environ []string) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(exe, os.Args, environ) // this program itself
}
