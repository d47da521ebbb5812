//go:build unix

package lambda

import (
	"os"
	"os/exec"
	"syscall"
)

// passesFiles says that a process can be given open files besides the three.
const passesFiles = true

// killGroup ends the process and what it started.
func killGroup(cmd *exec.Cmd) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // gone already: fine
}

// exitText is how AWS words the end of a process.
func exitText(st *os.ProcessState) string {
	if ws, ok := st.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return "signal: " + ws.Signal().String()
	}
	return st.String()
}
