package sandbox

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// thisProcess describes this process so that another one can tell whether a
// process that it sees under the same number is this one.
func thisProcess() process {
	p := process{PID: os.Getpid(), Boot: boot()}
	p.Start = startOf(p.PID)
	return p
}

func boot() string {
	t, err := unix.SysctlTimeval("kern.boottime")
	if err != nil {
		return ""
	}
	return fmt.Sprint(t.Sec)
}

func startOf(pid int) string {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(k.Proc.P_pid) != pid {
		return ""
	}
	return fmt.Sprintf("%d.%06d", k.Proc.P_starttime.Sec, k.Proc.P_starttime.Usec)
}

// proven tells whether the process that has p's number here is p.
func (p process) proven() bool {
	return p.PID > 0 && p.Start != "" && p.Boot == boot() && startOf(p.PID) == p.Start
}

// elsewhere says where p runs if that is known and not here.
func (p process) elsewhere() string {
	if p.Boot != "" && p.Boot != boot() {
		return "on another machine, or before this one was started again"
	}
	return ""
}

func lockedBy(string) int { return 0 }

// signal reaches the process that has been proved to be p.
func (p process) signal(sig syscall.Signal) error {
	if !p.proven() {
		return errNotProven
	}
	return syscall.Kill(p.PID, sig)
}
