package lambda

import (
	"os"
	"os/exec"
	"syscall"
)

// passesFiles says that a process can be given open files besides the three.
// Without, a function ends when its next request for work fails.
const passesFiles = false

func setProcessGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

func exitText(st *os.ProcessState) string { return st.String() }
