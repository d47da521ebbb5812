package sandbox

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/process"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

const (
	// startPatience bounds the wait for a daemon that says nothing to become ready. One that looks
	// through a large store says so in its log.
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
		return Info{}, startFault(err, "make the sandbox's folder")
	}
	ctx, cancel := patient(ctx, LogPath(dir))
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

// patient is a context that ends when the daemon's log, or that of another one that is being
// started, has not grown for startPatience.
func patient(ctx context.Context, log string) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	size := func() int64 {
		info, err := os.Stat(log)
		if err != nil {
			return 0
		}
		return info.Size()
	}
	last, since := size(), time.Now()
	guard.Go(nil, "the patience for the daemon", func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if now := size(); now != last {
				last, since = now, time.Now()
			}
			if time.Since(since) >= startPatience {
				cancel(errSlow)
			}
		}
	}, nil)
	return ctx, func() { cancel(nil) }
}

func startError(ctx context.Context, dir string, err error) error {
	var known *fault.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return err
	case errors.Is(context.Cause(ctx), errSlow):
		return notReady(dir, err)
	case ctx.Err() != nil:
		return fault.New(fault.Canceled, "start of the sandbox canceled").Because(ctx.Err())
	}
	err = startFault(err, "start the sandbox")
	if errors.As(err, &known) && known.Hint == "" {
		known.Hint = "Look at " + LogPath(dir) + "."
	}
	return err
}

// notReady says why a start took too long.
func notReady(dir string, err error) error {
	f := fault.New(fault.Timeout, "the sandbox did not become ready, and has said nothing for %s", startPatience).Because(err).WithHint("Look at %s.", LogPath(dir))
	held, noted, lockErr := lockHolder(lockPath(dir))
	switch where := noted.Process.Elsewhere(); {
	case lockErr != nil || !held:
	case where != "":
		f.Msg = "the sandbox of " + dir + " runs " + where + " and cannot be reached from here"
		f.Hint = "Use it or end it there, or set PIPELINETUI_HOME to a folder of this machine's own."
	case !noted.Process.Proven():
		f.Msg = "the folder " + dir + " is locked by a process that does not answer as its sandbox" + nameOf(lockPath(dir))
		f.Hint = "End that process and try again."
	default:
		f.Hint = "Run `pipelinetui sandbox stop` and try again; the log is " + LogPath(dir) + "."
	}
	return f
}

// nameOf is the number of the process that holds a lock, for a message, if it can
// be told.
func nameOf(path string) string {
	if pid := process.LockedBy(path); pid > 0 {
		return fmt.Sprintf(" (process %d)", pid)
	}
	return ""
}

func spawn(ctx context.Context, dir, exe string, args []string) (Info, error) {
	out, err := wholefile.Open(LogPath(dir), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return Info{}, startError(ctx, dir, err)
	}
	defer func() { _ = out.Close() }()
	from, err := out.Seek(0, io.SeekEnd)
	if err != nil {
		return Info{}, startError(ctx, dir, err)
	}
	cmd := exec.Command(exe, args...) //nolint:noctx // the daemon must outlive ctx
	cmd.Stdout, cmd.Stderr, cmd.Dir, cmd.Env = out, out, dir, Environment(os.Environ())
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return Info{}, startError(ctx, dir, err)
	}
	ended := make(chan struct{})
	guard.Go(nil, "the wait for the daemon", func() {
		_ = cmd.Wait() // also reaps the daemon if it ends before this process
		close(ended)
	}, nil)
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
		held, _, err := lockHolder(lockPath(dir))
		if err != nil {
			return Info{}, err
		}
		if st, found, err := readState(dir); held && err == nil && found && healthy(ctx, st) {
			keys, err := readKeys(dir)
			return st.info(keys), err
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
func healthy(ctx context.Context, st state) bool {
	var h struct {
		ID string `json:"id"`
	}
	status, body := call(ctx, http.MethodGet, st.Endpoint+HealthPath, "")
	return status == http.StatusOK && json.Unmarshal(body, &h) == nil && h.ID == st.ID
}

// askToStop asks the daemon to end, and tells whether it will.
func askToStop(ctx context.Context, st state) bool {
	if st.Endpoint == "" || st.Token == "" || !healthy(ctx, st) {
		return false
	}
	status, _ := call(ctx, http.MethodPost, st.Endpoint+stopPath, "Bearer "+st.Token)
	return status == http.StatusAccepted
}

// call asks the daemon; status is 0 without an answer.
func call(ctx context.Context, method, url, authorization string) (status int, body []byte) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return 0, nil
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	// A proxy from the environment must not come between.
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return 0, nil
	}
	defer func() { _ = res.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(res.Body, 4096))
	if err != nil {
		return 0, nil
	}
	return res.StatusCode, body
}

// Status tells whether the folder's daemon runs and takes requests.
func Status(dir string) (Info, bool, error) {
	held, _, err := lockHolder(lockPath(dir))
	if err != nil {
		return Info{}, false, startFault(err, "look at the sandbox's lock")
	}
	if !held {
		return Info{}, false, nil
	}
	info, found, err := readInfo(dir)
	if err != nil {
		return Info{}, false, startFault(err, "read the sandbox's state")
	}
	return info, found, nil
}

// Stop ends the folder's daemon: in good order, or by force if that takes too
// long. It is no error if there is none, which ran tells. When it returns, the folder is
// free.
func Stop(ctx context.Context, dir string) (ran bool, err error) {
	lock, ran, err := stop(ctx, dir)
	if lock != nil {
		lock.release()
	}
	return ran, err
}

// stop ends the daemon and holds its lock, so that none starts meanwhile; ran tells whether
// there was one. The lock is nil if the folder does not exist. The daemon is asked first, with the
// token that only its own folder has; that works from any container that shares
// the folder and the network. A signal is sent only to a process that is proved to
// be the daemon: the number in a file may be that of a stranger here.
func stop(ctx context.Context, dir string) (lock *fileLock, ran bool, err error) {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil, false, nil
	}
	for _, step := range []struct {
		try      func(context.Context, string) bool
		patience time.Duration
	}{{nil, 0}, {politely, stopPatience}, {bySignal(syscall.SIGTERM), stopPatience}, {bySignal(syscall.SIGKILL), killPatience}} {
		if step.try != nil && !step.try(ctx, dir) {
			continue
		}
		wait, cancel := context.WithTimeout(ctx, step.patience)
		lock, err := waitLock(wait, lockPath(dir))
		cancel()
		switch {
		case err == nil:
			_ = os.Remove(statePath(dir))
			return lock, step.try != nil, nil
		case !errors.Is(err, errLocked):
			return nil, false, startFault(err, "stop the sandbox")
		case ctx.Err() != nil:
			return nil, false, fault.New(fault.KindOf(ctx.Err()), "the sandbox has not ended yet").Because(ctx.Err())
		}
	}
	return nil, false, notStopped(dir)
}

// politely asks the daemon to end.
func politely(ctx context.Context, dir string) bool {
	if st, found, err := readState(dir); err == nil && found && askToStop(ctx, st) {
		return true
	}
	_, noted, err := lockHolder(lockPath(dir))
	return err == nil && askToStop(ctx, noted)
}

// bySignal sends the daemon a signal if it is proved to be it. One of an older
// version, which has noted its number only, is proved by its answer.
func bySignal(sig syscall.Signal) func(context.Context, string) bool {
	return func(ctx context.Context, dir string) bool {
		held, noted, err := lockHolder(lockPath(dir))
		if err != nil || !held {
			return err == nil // it has ended by now: the lock is free
		}
		if noted.Process.PID != 0 {
			return noted.Process.Signal(sig) == nil
		}
		st, found, err := readState(dir)
		if err != nil || !found || st.PID != noted.PID || !healthy(ctx, st) {
			return false
		}
		p, err := os.FindProcess(st.PID)
		return err == nil && p.Signal(sig) == nil
	}
}

// notStopped says who has the lock, as far as that is known.
func notStopped(dir string) error {
	_, noted, err := lockHolder(lockPath(dir))
	f := fault.New(fault.Locked, "the folder %s is locked by a process that is not proved to be its sandbox%s, so it gets no signal", dir, nameOf(lockPath(dir))).
		WithHint("End the process that holds %s, and try again.", lockPath(dir))
	switch where := noted.Process.Elsewhere(); {
	case err != nil:
	case where != "":
		f.Msg = "the sandbox of " + dir + " runs " + where + " and cannot be reached from here"
		f.Hint = "Run `pipelinetui sandbox stop` there."
	case noted.Process.Proven():
		f.Kind, f.Msg = fault.Timeout, fmt.Sprintf("the sandbox in %s (process %d) does not end", dir, noted.PID)
	}
	return f
}

// ResetOptions says what Reset removes besides the data.
type ResetOptions struct {
	// RenewCredentials makes the next daemon generate a new key. One that cannot be
	// read is renewed in any case.
	RenewCredentials bool
	// KeepData leaves what was made in the sandbox.
	KeepData bool
}

// Reset stops the folder's daemon and deletes everything that was made in it.
// Port, key and log stay, unless the options say otherwise.
func Reset(ctx context.Context, dir string, o ResetOptions) error {
	lock, _, err := stop(ctx, dir)
	if err != nil || lock == nil {
		return err
	}
	defer lock.release()
	var paths []string
	if !o.KeepData {
		paths = append(paths, dataPath(dir))
	}
	if _, err := readKeys(dir); err != nil || o.RenewCredentials {
		paths = append(paths, credentialsPath(dir))
	}
	for _, p := range paths {
		err := makeWritable(p)
		if err == nil {
			err = os.RemoveAll(p)
		}
		if err != nil {
			return startFault(err, "delete the sandbox's data")
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
	raw, err := wholefile.Read(path)
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
