package lambda

import (
	"os/exec"
	"syscall"
)

// setProcessGroup makes the process the leader of a group of its own, which the
// kernel ends when the service is gone.
func setProcessGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
