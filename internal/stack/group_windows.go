package stack

import (
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

// ownGroup starts a process in a group of its own, to which a console's Ctrl-C does not come.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}

// send asks the CLI to stop by a Ctrl-Break, which Go takes for an interrupt, or ends it.
func send(p *os.Process, sig syscall.Signal) {
	if sig == syscall.SIGKILL {
		_ = p.Kill() // it may have ended just now
		return
	}
	_ = windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(p.Pid))
}

// gone tells whether there is no such process.
func gone(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return true
	}
	_ = p.Release()
	return false
}
