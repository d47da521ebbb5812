package process

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// This describes the running process so that another one can tell whether a
// process that it sees under the same number is this one.
func This() ID {
	p := ID{PID: os.Getpid()}
	if s, err := read(p.PID); err == nil {
		p.Start = s.start
	}
	p.Boot, p.Namespace = where()
	return p
}

// where names the kernel's run and the set of process numbers that this process
// counts in: containers have their own, and so has another machine.
func where() (boot, namespace string) {
	raw, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // without it nothing is proved
	namespace, _ = os.Readlink("/proc/self/ns/pid")
	return string(bytes.TrimSpace(raw)), namespace
}

// stat is what the kernel's line on a process holds of interest here.
type stat struct {
	state string
	start string // clock ticks since the boot
}

// read takes /proc/PID/stat apart (proc_pid_stat(5)).
func read(pid int) (stat, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	// "pid (name) state ppid ...": the name may hold blanks and parentheses.
	i := bytes.LastIndexByte(raw, ')')
	fields := strings.Fields(string(raw[i+1:]))
	if i < 0 || len(fields) < 20 {
		return stat{}, fmt.Errorf("/proc/%d/stat is not what it should be", pid)
	}
	return stat{state: fields[0], start: fields[19]}, nil
}

// Look tells of the process that has the number now; false if there is none or the
// system does not tell.
func Look(pid int) (State, bool) {
	s, err := read(pid)
	if err != nil {
		return State{}, false
	}
	ticks, err := strconv.ParseInt(s.start, 10, 64)
	boot, booted := bootTime()
	if err != nil || !booted {
		return State{}, false
	}
	return State{Zombie: s.state == "Z" || s.state == "X", Started: boot.Add(sinceBoot(ticks))}, true
}

// sinceBoot is the time of a number of ticks.
func sinceBoot(ticks int64) time.Duration {
	const ticksPerSecond = 100 // USER_HZ, the same on all architectures that Go has
	return time.Duration(ticks) * (time.Second / ticksPerSecond)
}

func bootTime() (time.Time, bool) {
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}, false
	}
	_, rest, ok := strings.Cut(string(raw), "\nbtime ")
	line, _, _ := strings.Cut(rest, "\n")
	sec, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	return time.Unix(sec, 0), ok && err == nil
}

// Proven tells whether the process that has p's number here is p.
func (p ID) Proven() bool {
	boot, namespace := where()
	if p.PID <= 0 || p.Start == "" || boot == "" || namespace == "" || p.Boot != boot || p.Namespace != namespace {
		return false
	}
	s, err := read(p.PID)
	return err == nil && s.start == p.Start
}

// Elsewhere says where p runs if that is known and not here.
func (p ID) Elsewhere() string {
	boot, namespace := where()
	switch {
	case p.Boot == "" || p.Namespace == "":
		return ""
	case p.Boot != boot:
		return "on another machine, or before this one was started again"
	case p.Namespace != namespace:
		return "in another container"
	}
	return ""
}

// LockedBy finds the process that the kernel has noted for an flock on the file, 0
// if none can be seen from here.
func LockedBy(path string) int {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	f, err := os.Open("/proc/locks")
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	return lockedBy(f, uint64(sys.Dev), sys.Ino) //nolint:unconvert,nolintlint // of another type on some architectures
}

// lockedBy finds in the kernel's table of locks who has an flock on a file. It names a
// file by its device and its inode, which other devices have, too (fs/locks.c,
// lock_get_status). Where file systems without a disk (btrfs, overlays) show another
// device to stat than the table has, the inode has to be that of one entry only.
func lockedBy(table io.Reader, dev, inode uint64) int {
	want := fmt.Sprintf("%02x:%02x", unix.Major(dev), unix.Minor(dev))
	var alike []int
	for lines := bufio.NewScanner(table); lines.Scan(); {
		// "1: FLOCK ADVISORY WRITE 4711 fd:01:131 0 EOF"
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 || fields[1] != "FLOCK" {
			continue
		}
		device, number := fields[5], ""
		if i := strings.LastIndexByte(device, ':'); i >= 0 {
			device, number = device[:i], device[i+1:]
		}
		pid, err := strconv.Atoi(fields[4])
		switch {
		case number != strconv.FormatUint(inode, 10) || err != nil || pid <= 0:
		case device == want:
			return pid
		case strings.HasPrefix(want, "00:") && strings.HasPrefix(device, "00:"):
			alike = append(alike, pid)
		}
	}
	if len(alike) == 1 {
		return alike[0]
	}
	return 0
}

// Signal reaches the process that has been proved to be p and no other one: the
// handle is taken first (a pidfd), so that the number cannot pass on in between.
func (p ID) Signal(sig syscall.Signal) error {
	h, err := os.FindProcess(p.PID)
	if err != nil {
		return err
	}
	defer func() { _ = h.Release() }()
	if !p.Proven() {
		return ErrNotProven
	}
	return h.Signal(sig)
}
