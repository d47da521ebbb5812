package stack

import "syscall"

// ownGroup starts a process in a group of its own, and has the kernel kill it
// when we are killed. The program and, on the sandbox, the providers run in this
// process: an engine that outlived us would take the broken connection for an
// answer, and forget what was being made instead of keeping it as pending.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
