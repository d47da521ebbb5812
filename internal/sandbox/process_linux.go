package sandbox

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// thisProcess describes this process so that another one can tell whether a
// process that it sees under the same number is this one.
func thisProcess() process {
	p := process{PID: os.Getpid()}
	p.Start, _ = startOf(p.PID)
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

// startOf tells when a process began, in clock ticks since the boot.
func startOf(pid int) (string, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// "pid (name) state ppid ...": the name may hold blanks and parentheses.
	i := bytes.LastIndexByte(raw, ')')
	fields := strings.Fields(string(raw[i+1:]))
	if i < 0 || len(fields) < 20 {
		return "", fmt.Errorf("/proc/%d/stat is not what it should be", pid)
	}
	return fields[19], nil
}

// proven tells whether the process that has p's number here is p.
func (p process) proven() bool {
	boot, namespace := where()
	if p.PID <= 0 || p.Start == "" || boot == "" || namespace == "" || p.Boot != boot || p.Namespace != namespace {
		return false
	}
	start, err := startOf(p.PID)
	return err == nil && start == p.Start
}

// elsewhere says where p runs if that is known and not here.
func (p process) elsewhere() string {
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

// lockedBy finds the process that the kernel has noted for a lock on the file, 0
// if none can be seen from here.
func lockedBy(path string) int {
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
	inode := ":" + strconv.FormatUint(sys.Ino, 10)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// "1: FLOCK ADVISORY WRITE 4711 fd:01:131 0 EOF"
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 || fields[1] != "FLOCK" || !strings.HasSuffix(fields[5], inode) {
			continue
		}
		if pid, err := strconv.Atoi(fields[4]); err == nil && pid > 0 {
			return pid
		}
	}
	return 0
}

// signal reaches the process that has been proved to be p and no other one: the
// handle is taken first (a pidfd), so that the number cannot pass on in between.
func (p process) signal(sig syscall.Signal) error {
	h, err := os.FindProcess(p.PID)
	if err != nil {
		return err
	}
	defer func() { _ = h.Release() }()
	if !p.proven() {
		return errNotProven
	}
	return h.Signal(sig)
}
