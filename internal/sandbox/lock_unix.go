//go:build unix && !solaris && !aix

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// errLocked says that somebody else holds the lock.
var errLocked = errors.New("locked by another process")

// pollInterval is how often a lock or a starting daemon is looked at.
const pollInterval = 5 * time.Millisecond

// fileLock is an exclusive lock on a file. The kernel drops it when the process
// ends; the file itself stays, so that nobody locks a file that was replaced.
type fileLock struct{ f *os.File }

func tryLock(path string) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &fileLock{f}, nil
}

// waitLock takes the lock as soon as it is free. It gives up with errLocked when
// ctx is done.
func waitLock(ctx context.Context, path string) (*fileLock, error) {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		l, err := tryLock(path)
		if !errors.Is(err, errLocked) {
			return l, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errLocked
		}
	}
}

// setPID notes in the file who holds the lock.
func (l *fileLock) setPID(pid int) error {
	if err := l.f.Truncate(0); err != nil {
		return err
	}
	_, err := l.f.WriteAt([]byte(strconv.Itoa(pid)+"\n"), 0)
	return err
}

func (l *fileLock) release() { _ = l.f.Close() }

// lockHolder tells whether the lock is held, and by whom if the holder has noted
// that (0 if not yet).
func lockHolder(path string) (held bool, pid int, err error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, 0, nil
	}
	if err != nil {
		return false, 0, err
	}
	defer func() { _ = f.Close() }()
	// A shared lock is enough to see; closing the file drops it.
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if err == nil {
		return false, 0, nil
	}
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return false, 0, err
	}
	raw := make([]byte, 32)
	n, _ := f.ReadAt(raw, 0)
	pid, _ = strconv.Atoi(strings.TrimSpace(string(raw[:n])))
	return true, pid, nil
}

// detach lets the child live on when this process or its terminal ends.
func detach(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

func terminate(pid int) error { return syscall.Kill(pid, syscall.SIGTERM) }
func kill(pid int) error      { return syscall.Kill(pid, syscall.SIGKILL) }

// stopSignals end the daemon in good order.
var stopSignals = []os.Signal{syscall.SIGTERM, syscall.SIGINT}
