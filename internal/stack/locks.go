package stack

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/process"
)

// Locks tells who holds a stack; none if it is free.
//
// A file backend's lock files are read directly. Pulumi Cloud tells only that an
// update is in progress. Of an object store (s3, gs, azblob) the CLI tells the
// owner only when refused: there, a `stack init` of the stack, which exists, is
// tried; it takes the lock before it sees that, so the probe itself holds the
// lock for a moment.
func (e *Engine) Locks(ctx context.Context, stack string) ([]Lock, error) {
	if err := checkName(stack); err != nil {
		return nil, err
	}
	if err := e.reachable(ctx); err != nil {
		return nil, err
	}
	if locks, known, err := e.locksNow(ctx, stack); known || err != nil {
		return locks, err
	}
	list, err := e.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		switch {
		case s.Name != stack:
			continue
		case e.isCloud() && s.InProgress:
			return []Lock{{Where: s.URL, Since: s.LastUpdate}}, nil
		case e.isCloud():
			return nil, nil
		}
		return e.probeLock(ctx, stack)
	}
	return nil, notFound(stack)
}

func (e *Engine) probeLock(ctx context.Context, stack string) ([]Lock, error) {
	p := e.place(stack, nil)
	if err := e.prepare(p); err != nil {
		return nil, err
	}
	e.initMu.Lock()
	defer e.initMu.Unlock()
	cmd := &command{engine: e}
	_, stderr, code, err := cmd.Run(context.WithoutCancel(ctx), p.dir, nil, nil, nil, e.envList(p.env),
		"stack", "init", stack, "--no-select", "--secrets-provider", e.opts.SecretsProvider)
	switch {
	case err == nil, strings.Contains(stderr, "already exists"):
		return nil, nil
	}
	if locks, ok := lockedBy(stderr); ok {
		return locks, nil
	}
	return nil, e.classifyText("look for locks of "+stack, "", stderr, code, err)
}

// fileLocks reads the lock files of a file backend (pkg/backend/diy/lock.go);
// false for any other backend.
func (e *Engine) fileLocks(stack string) ([]Lock, bool) {
	root, ok := e.backendDir()
	if !ok {
		return nil, false
	}
	dir := filepath.Join(root, ".pulumi", "locks", "organization", e.opts.Project, stack)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, true
	}
	if err != nil {
		// Nobody can tell whether there is a lock: the engine could not take one either.
		return []Lock{{Where: dir, Broken: true, Reason: fault.Reason(err).Error()}}, true
	}
	var locks []Lock
	for _, entry := range entries {
		// Whatever lies there is a lock to the engine, if only half of one: then it
		// says "unexpected end of JSON input", whatever it is asked for.
		if entry.IsDir() || strings.HasSuffix(entry.Name(), ".attrs") {
			continue
		}
		if l, held := readLock(filepath.Join(dir, entry.Name())); held {
			locks = append(locks, l)
		}
	}
	return locks, true
}

// readLock reads a lock's file; held is false if it has been released just now.
func readLock(path string) (l Lock, held bool) {
	data, err := readRegular(path)
	if errors.Is(err, os.ErrNotExist) {
		return l, false
	}
	var content struct {
		PID       int       `json:"pid"`
		Username  string    `json:"username"`
		Hostname  string    `json:"hostname"`
		Timestamp time.Time `json:"timestamp"`
	}
	if err == nil {
		err = decodeJSON(data, &content)
	}
	if err == nil && content.PID == 0 {
		err = errors.New("it names no process")
	}
	l = Lock{Where: path, User: content.Username, Host: content.Hostname, PID: content.PID, Since: content.Timestamp.UTC()}
	if strings.HasSuffix(path, ".tmp") {
		// A lock is written under another name first. As long as that is not
		// changed, nothing has begun; and if its writer were still at it, taking the
		// file away would only make it fail before it has done anything.
		l.Broken, l.Stale, l.Reason = true, true, "never finished"
	} else {
		l.Broken = err != nil
		l.Stale = isStale(l)
	}
	if err != nil {
		l.Reason = fault.Reason(err).Error()
	}
	if l.Since.IsZero() {
		if info, err := os.Stat(path); err == nil {
			l.Since = info.ModTime().UTC()
		}
	}
	return l, true
}

// Unlock removes a stack's locks, whoever holds them. On a file or object store
// this does not stop the holder: two operations at once can ruin the state, so
// ask first and show Locks. On Pulumi Cloud it cancels the running update.
func (e *Engine) Unlock(ctx context.Context, stack string) error {
	if err := checkName(stack); err != nil {
		return err
	}
	locks, known, err := e.locksNow(ctx, stack)
	if err != nil {
		return err
	}
	if known {
		// One by one, so that a lock which somebody takes meanwhile stays. A lock
		// may be older than its stack: that of an init that was killed.
		return removeLocks(locks)
	}
	p := e.place(stack, nil)
	if err := e.prepare(p); err != nil {
		return err
	}
	cmd := &command{engine: e}
	_, stderr, code, err := cmd.Run(ctx, p.dir, nil, nil, nil, e.envList(p.env), "cancel", "--yes", "--stack", stack)
	if err != nil {
		return e.classifyText("unlock "+stack, "", stderr, code, err)
	}
	return nil
}

// HeldBy is Locks without starting a process: none if nobody holds the stack, or if
// it is not on a file backend. An operation of this machine that has begun, and has not
// come to the engine's lock yet, counts.
func (e *Engine) HeldBy(ctx context.Context, stack string) []Lock {
	held, _ := onDisk(ctx, e, func() ([]Lock, error) { return e.heldBy(stack), nil }) // interrupted: whoever asked is told so
	return held
}

func (e *Engine) heldBy(stack string) []Lock {
	locks, known := e.fileLocks(stack)
	if known && len(locks) == 0 {
		if l, begun := e.begun(e.place(stack, nil)); begun {
			return []Lock{l}
		}
	}
	return locks
}

// DeadLocks are a stack's locks if it is plain that no owner of one runs any
// more. It starts no process, so it knows only those of a file backend.
func (e *Engine) DeadLocks(ctx context.Context, stack string) []Lock {
	locks, known, _ := e.locksNow(ctx, stack) // as in HeldBy
	if !known || !allStale(locks) {
		return nil
	}
	return locks
}

func removeLocks(locks []Lock) error {
	for _, l := range locks {
		if err := os.Remove(l.Where); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fault.New(fault.Denied, "remove the lock %s: %v", l.Where, err).
				WithHint("Check that you may write to the folder of the state backend.").Because(err)
		}
	}
	return nil
}

// allStale tells whether the owners of all locks are gone.
func allStale(locks []Lock) bool {
	return len(locks) > 0 && !slices.ContainsFunc(locks, func(l Lock) bool { return !l.Stale })
}

// isStale tells whether a lock's owner ran on this host and is gone.
func isStale(l Lock) bool {
	host, err := os.Hostname()
	if err != nil || l.PID <= 0 || l.Host != host {
		return false
	}
	if gone(l.PID) {
		return true
	}
	p, known := process.Look(l.PID)
	if !known {
		return false
	}
	// A process that is younger than the lock has only inherited the number.
	// Both clocks are read to the second, so leave some room.
	return p.Zombie || !l.Since.IsZero() && p.Started.After(l.Since.Add(5*time.Second))
}
