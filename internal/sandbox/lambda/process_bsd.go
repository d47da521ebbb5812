//go:build unix && !linux

package lambda

import (
	"os/exec"
	"syscall"
)

// setProcessGroup makes the process the leader of a group of its own. When the
// service is gone, its end of the lifeline closes and the bootstraps end it.
func setProcessGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
