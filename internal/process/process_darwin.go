package process

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// zombie is SZOMB of <sys/proc.h>.
const zombie = 5

// This describes the running process so that another one can tell whether a
// process that it sees under the same number is this one.
func This() ID {
	p := ID{PID: os.Getpid(), Boot: boot()}
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

func read(pid int) (*unix.KinfoProc, bool) {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	return k, err == nil && int(k.Proc.P_pid) == pid
}

func startOf(pid int) string {
	k, ok := read(pid)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d.%06d", k.Proc.P_starttime.Sec, k.Proc.P_starttime.Usec)
}

// Look tells of the process that has the number now; false if there is none or the
// system does not tell.
func Look(pid int) (State, bool) {
	k, ok := read(pid)
	if !ok {
		return State{}, false
	}
	return State{Zombie: k.Proc.P_stat == zombie, Started: time.Unix(k.Proc.P_starttime.Unix())}, true
}

// Proven tells whether the process that has p's number here is p.
func (p ID) Proven() bool {
	return p.PID > 0 && p.Start != "" && p.Boot == boot() && startOf(p.PID) == p.Start
}

// Elsewhere says where p runs if that is known and not here.
func (p ID) Elsewhere() string {
	if p.Boot != "" && p.Boot != boot() {
		return "on another machine, or before this one was started again"
	}
	return ""
}

// LockedBy finds nobody: the system does not tell who holds an flock.
func LockedBy(string) int { return 0 }

// Signal reaches the process that has been proved to be p.
func (p ID) Signal(sig syscall.Signal) error {
	if !p.Proven() {
		return ErrNotProven
	}
	return syscall.Kill(p.PID, sig)
}
