//go:build unix

package stack

import (
	"errors"
	"os"
	"syscall"
)

// send reaches the CLI alone for SIGINT, and the whole group for SIGKILL. An
// interrupt of the group would hit providers that share it and would have them
// drop the very calls that a graceful stop waits for.
func send(p *os.Process, sig syscall.Signal) {
	pid := p.Pid
	if sig == syscall.SIGKILL {
		pid = -pid
	}
	_ = syscall.Kill(pid, sig) // it may have ended just now
}

// gone tells whether there is no such process.
func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
