package stack

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"
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
	if locks, known := e.fileLocks(stack); known {
		return locks, nil
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
	if lock, ok := lockedBy(stderr); ok {
		return []Lock{lock}, nil
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
		return nil, false
	}
	var locks []Lock
	for _, entry := range entries {
		if entry.IsDir() || filepath.Ext(entry.Name()) != ".json" {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		data, err := os.ReadFile(path)
		if err != nil {
			continue // released just now
		}
		var content struct {
			PID       int       `json:"pid"`
			Username  string    `json:"username"`
			Hostname  string    `json:"hostname"`
			Timestamp time.Time `json:"timestamp"`
		}
		_ = json.Unmarshal(data, &content) // an unreadable lock is a lock all the same
		l := Lock{Where: path, User: content.Username, Host: content.Hostname, PID: content.PID, Since: content.Timestamp.UTC()}
		l.Stale = isStale(l)
		locks = append(locks, l)
	}
	return locks, true
}

// Unlock removes a stack's locks, whoever holds them. On a file or object store
// this does not stop the holder: two operations at once can ruin the state, so
// ask first and show Locks. On Pulumi Cloud it cancels the running update.
func (e *Engine) Unlock(ctx context.Context, stack string) error {
	if err := checkName(stack); err != nil {
		return err
	}
	p := e.place(stack, nil)
	if e.exists(p) == absent {
		return notFound(stack)
	}
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
