//go:build unix && !solaris && !aix

package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// errLocked says that somebody else holds the lock.
var errLocked = errors.New("locked by another process")

// pollInterval is how often a lock or a starting daemon is looked at.
const pollInterval = 5 * time.Millisecond

// fileLock is an exclusive lock on a file. The kernel drops it when the process
// ends; the file itself stays, so that nobody locks a file that was replaced.
type fileLock struct{ f *os.File }

func tryLock(path string) (*fileLock, error) {
	f, err := wholefile.Open(path, os.O_RDWR|os.O_CREATE, 0o600)
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

// note writes into the file who holds the lock.
func (l *fileLock) note(s state) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := l.f.Truncate(0); err != nil {
		return err
	}
	_, err = l.f.WriteAt(append(raw, '\n'), 0)
	return err
}

func (l *fileLock) release() { _ = l.f.Close() }

// lockHolder tells whether the lock is held, and what the holder has noted of
// itself (nothing yet, or only its number if it is of an older version).
func lockHolder(path string) (held bool, noted state, err error) {
	f, err := wholefile.Open(path, os.O_RDONLY, 0)
	if errors.Is(err, os.ErrNotExist) {
		return false, state{}, nil
	}
	if err != nil {
		return false, state{}, err
	}
	defer func() { _ = f.Close() }()
	// A shared lock is enough to see; closing the file drops it.
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if err == nil {
		return false, state{}, nil
	}
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return false, state{}, err
	}
	raw := make([]byte, 4096)
	n, _ := f.ReadAt(raw, 0)
	raw = bytes.TrimSpace(raw[:n])
	if pid, err := strconv.Atoi(string(raw)); err == nil {
		return true, state{PID: pid}, nil
	}
	if err := json.Unmarshal(raw, &noted); err != nil {
		return true, state{}, nil // it is being written
	}
	return true, noted, nil
}

// detach lets the child live on when this process or its terminal ends.
func detach(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// isFull tells whether there was no space left for what was to be written.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// stopSignals end the daemon in good order.
var stopSignals = []os.Signal{syscall.SIGTERM, syscall.SIGINT}
