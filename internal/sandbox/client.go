package sandbox

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

const (
	// startPatience bounds the wait for a daemon to become ready.
	startPatience = 30 * time.Second
	// stopPatience bounds the wait for a daemon to end in good order, killPatience
	// for one that was killed.
	stopPatience = 10 * time.Second
	killPatience = 5 * time.Second
)

// Start returns the daemon of the folder. If there is none it runs exe with args
// as a process of its own, which outlives the caller; that process must call
// Serve for the same folder. Start returns when requests are taken. Several
// callers at the same time, in one process or in several, get the same daemon.
// Errors are *fault.Error; if the process ends at once the error has the last
// thing it said.
func Start(ctx context.Context, dir, exe string, args ...string) (Info, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Info{}, fault.New(fault.Internal, "make the sandbox's folder: %s", err).Because(err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startPatience, errSlow)
	defer cancel()
	lock, err := waitLock(ctx, startLockPath(dir))
	if err != nil {
		return Info{}, startError(ctx, dir, err)
	}
	defer lock.release()
	held, _, err := lockHolder(lockPath(dir))
	if err != nil {
		return Info{}, startError(ctx, dir, err)
	}
	if held {
		info, err := awaitReady(ctx, dir, nil)
		if !errors.Is(err, errEnded) {
			return info, startError(ctx, dir, err)
		}
	}
	return spawn(ctx, dir, exe, args)
}

var (
	errSlow  = errors.New("it did not become ready in time")
	errEnded = errors.New("it ended")
)

func startError(ctx context.Context, dir string, err error) error {
	var known *fault.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return err
	case errors.Is(context.Cause(ctx), errSlow):
		return fault.New(fault.Timeout, "the sandbox did not become ready within %s", startPatience).Because(err).
			WithHint("Look at %s.", LogPath(dir))
	case ctx.Err() != nil:
		return fault.New(fault.Canceled, "start of the sandbox canceled").Because(ctx.Err())
	}
	return fault.New(fault.Internal, "start the sandbox: %s", err).Because(err).WithHint("Look at %s.", LogPath(dir))
}

func spawn(ctx context.Context, dir, exe string, args []string) (Info, error) {
	out, err := os.OpenFile(LogPath(dir), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return Info{}, startError(ctx, dir, err)
	}
	defer func() { _ = out.Close() }()
	from, err := out.Seek(0, io.SeekEnd)
	if err != nil {
		return Info{}, startError(ctx, dir, err)
	}
	cmd := exec.Command(exe, args...) //nolint:noctx // the daemon must outlive ctx
	cmd.Stdout, cmd.Stderr, cmd.Dir = out, out, dir
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return Info{}, startError(ctx, dir, err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // also reaps the daemon if it ends before this process
		close(ended)
	}()
	info, err := awaitReady(ctx, dir, ended)
	if err == nil {
		return info, nil
	}
	if errors.Is(err, errEnded) {
		return Info{}, lastError(LogPath(dir), from)
	}
	_ = cmd.Process.Kill()
	<-ended
	return Info{}, startError(ctx, dir, err)
}

// awaitReady waits until the daemon that holds the lock answers. ended tells of
// the end of a child; without it a lock that became free means the end.
func awaitReady(ctx context.Context, dir string, ended <-chan struct{}) (Info, error) {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		info, found, err := readInfo(dir)
		if err == nil && found {
			held, _, err := lockHolder(lockPath(dir))
			if err != nil {
				return Info{}, err
			}
			if held && healthy(ctx, info) {
				return info, nil
			}
		}
		if ended == nil {
			if held, _, err := lockHolder(lockPath(dir)); err == nil && !held {
				return Info{}, errEnded
			}
		}
		select {
		case <-tick.C:
		case <-ended:
			return Info{}, errEnded
		case <-ctx.Done():
			return Info{}, ctx.Err()
		}
	}
}

// healthy asks the daemon itself, so that a stranger on its port is not taken
// for it.
func healthy(ctx context.Context, info Info) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, info.Endpoint+HealthPath, nil)
	if err != nil {
		return false
	}
	// A proxy from the environment must not come between.
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return false
	}
	defer func() { _ = res.Body.Close() }()
	var h struct {
		ID string `json:"id"`
	}
	err = json.NewDecoder(io.LimitReader(res.Body, 4096)).Decode(&h)
	return err == nil && res.StatusCode == http.StatusOK && h.ID == info.ID
}

// Status tells whether the folder's daemon runs and takes requests.
func Status(dir string) (Info, bool, error) {
	held, _, err := lockHolder(lockPath(dir))
	if err != nil {
		return Info{}, false, fault.New(fault.Internal, "look at the sandbox's lock: %s", err).Because(err)
	}
	if !held {
		return Info{}, false, nil
	}
	info, found, err := readInfo(dir)
	if err != nil {
		return Info{}, false, fault.New(fault.Internal, "read the sandbox's state: %s", err).Because(err)
	}
	return info, found, nil
}

// Stop ends the folder's daemon: in good order, or by force if that takes too
// long. It is no error if there is none. When it returns, the folder is free.
func Stop(ctx context.Context, dir string) error {
	lock, err := stop(ctx, dir)
	if lock != nil {
		lock.release()
	}
	return err
}

// stop ends the daemon and holds its lock, so that none starts meanwhile. The
// lock is nil if the folder does not exist.
func stop(ctx context.Context, dir string) (*fileLock, error) {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	for _, step := range []struct {
		signal   func(int) error
		patience time.Duration
	}{{nil, 0}, {terminate, stopPatience}, {kill, killPatience}} {
		if step.signal != nil {
			held, pid, err := lockHolder(lockPath(dir))
			if err == nil && held && pid > 0 {
				_ = step.signal(pid) // it may have ended by itself: the lock tells
			}
		}
		wait, cancel := context.WithTimeout(ctx, step.patience)
		lock, err := waitLock(wait, lockPath(dir))
		cancel()
		switch {
		case err == nil:
			_ = os.Remove(statePath(dir))
			return lock, nil
		case !errors.Is(err, errLocked):
			return nil, fault.New(fault.Internal, "stop the sandbox: %s", err).Because(err)
		case ctx.Err() != nil:
			return nil, fault.New(fault.KindOf(ctx.Err()), "the sandbox has not ended yet").Because(ctx.Err())
		}
	}
	return nil, fault.New(fault.Timeout, "the sandbox in %s does not end", dir).WithHint("Look for the process that holds %s.", lockPath(dir))
}

// ResetOptions says what Reset removes besides the data.
type ResetOptions struct {
	// RenewCredentials makes the next daemon generate a new key.
	RenewCredentials bool
}

// Reset stops the folder's daemon and deletes everything that was made in it.
// Port, key and log stay, unless the options say otherwise.
func Reset(ctx context.Context, dir string, o ResetOptions) error {
	lock, err := stop(ctx, dir)
	if err != nil || lock == nil {
		return err
	}
	defer lock.release()
	paths := []string{dataPath(dir)}
	if o.RenewCredentials {
		paths = append(paths, credentialsPath(dir))
	}
	for _, p := range paths {
		err := makeWritable(p)
		if err == nil {
			err = os.RemoveAll(p)
		}
		if err != nil {
			return fault.New(fault.Internal, "delete the sandbox's data: %s", err).Because(err)
		}
	}
	return nil
}

// makeWritable lets folders be deleted that code packages brought read-only.
func makeWritable(root string) error {
	return filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err == nil && d.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return err
	})
}

// lastError is why a daemon ended that never became ready: the newest error of
// its log with its kind and hint, else the log's last line.
func lastError(path string, from int64) error {
	f := fault.New(fault.Internal, "the sandbox ended at once: nothing in its log").WithHint("Look at %s.", path)
	raw, err := os.ReadFile(path)
	if err != nil || from > int64(len(raw)) {
		return f
	}
	lines := bufio.NewScanner(bytes.NewReader(raw[from:]))
	lines.Buffer(nil, 1<<20)
	text, found := "", false
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		var rec struct{ Level, Msg, Error, Kind, Hint string }
		if json.Unmarshal([]byte(line), &rec) != nil || rec.Level != "ERROR" {
			text = line
			continue
		}
		found = true
		f = fault.New(fault.Internal, "the sandbox ended at once: %s", cmp.Or(rec.Error, rec.Msg)).WithHint("Look at %s.", path)
		if rec.Kind != "" {
			f.Kind = fault.Kind(rec.Kind)
		}
		if rec.Hint != "" {
			f.Hint = rec.Hint
		}
	}
	if !found && text != "" {
		f.Msg = "the sandbox ended at once: " + text
	}
	return f
}
