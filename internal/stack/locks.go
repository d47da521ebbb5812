package stack

import (
	"context"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/process"
)

// Locks tells who holds a stack; none if it is free.
//
// The locks of a file backend, and of an object store that Options.Objects reads, are
// read directly. Pulumi Cloud tells only that an update is in progress. Of any other
// store the CLI tells the owner only when refused: there, a `stack init` of the stack,
// which exists, is tried; it takes the lock before it sees that, so the probe itself
// holds the lock for a moment.
func (e *Engine) Locks(ctx context.Context, stack string) ([]Lock, error) {
	if err := checkName(stack); err != nil {
		return nil, err
	}
	if err := e.reachable(ctx); err != nil {
		return nil, err
	}
	if locks, known, err := e.locksNow(ctx, stack); known || err != nil {
		return locks[stack], err
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
	// Not to be killed half-way, as in initStack.
	stderr, err := e.finish(ctx, p, editPatience, "look for locks of "+stack, nil,
		"stack", "init", stack, "--no-select", "--secrets-provider", e.opts.SecretsProvider)
	if err == nil || strings.Contains(stderr, "already exists") {
		return nil, nil
	}
	if locks, ok := lockedBy(stderr); ok {
		return locks, nil
	}
	return nil, err
}

// Unlock removes locks of a stack that Locks has told of, whoever holds them; one that
// somebody has taken since then stays. On a file or object store this does not stop the
// holder: two operations at once can ruin the state, so show them and ask first. Where
// locks can't be read one by one, the engine's own way takes all of them. On Pulumi Cloud
// it cancels the running update.
func (e *Engine) Unlock(ctx context.Context, stack string, shown []Lock) error {
	if err := checkName(stack); err != nil {
		return err
	}
	if len(shown) == 0 {
		return nil
	}
	if _, files := e.backendDir(); files || slices.ContainsFunc(shown, func(l Lock) bool { return l.name != "" }) {
		// A lock may be older than its stack: that of an init that was killed.
		return e.removeLocks(ctx, shown)
	}
	return e.cancelAll(ctx, stack)
}

// cancelAll has the engine itself remove a stack's locks, all of them.
func (e *Engine) cancelAll(ctx context.Context, stack string) error {
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

// clearDead removes a stack's stale locks. Those that can be read are looked at anew: one
// that somebody has taken meanwhile stays.
func (e *Engine) clearDead(ctx context.Context, stack string) error {
	locks, known, err := e.locksNow(ctx, stack)
	switch {
	case err != nil:
		return err
	case known:
		return e.removeLocks(ctx, slices.DeleteFunc(locks[stack], func(l Lock) bool { return !l.Stale }))
	}
	return e.cancelAll(ctx, stack)
}

// HeldBy tells who holds stacks, by their names, without starting a process: nobody, as far
// as is known, if the backend's locks cannot be read so. It costs what looking at one stack
// does. An operation of this machine that has begun, and has not come to the engine's lock
// yet, counts.
func (e *Engine) HeldBy(ctx context.Context, stacks ...string) map[string][]Lock {
	locks, _, _ := e.locksNow(ctx, stacks...) // interrupted: whoever asked is told so
	held := make(map[string][]Lock, len(stacks))
	for _, stack := range stacks {
		if by := e.orBegun(stack, locks[stack]); len(by) > 0 {
			held[stack] = by
		}
	}
	return held
}

// orBegun are a stack's locks, or if it has none the operation of this machine that has begun.
func (e *Engine) orBegun(stack string, locks []Lock) []Lock {
	if len(locks) == 0 {
		if l, begun := e.begun(e.place(stack, nil)); begun {
			return []Lock{l}
		}
	}
	return locks
}

// hold fills in who holds listed stacks.
func (e *Engine) hold(list []Summary, locks map[string][]Lock) {
	for i := range list {
		s := &list[i]
		s.Locks = e.orBegun(s.Name, locks[s.Name])
		s.InProgress = s.InProgress || len(s.Locks) > 0
	}
}

// DeadLocks are the locks of those stacks, by their names, of which it is plain that no owner
// of one runs any more. It starts no process, see HeldBy.
func (e *Engine) DeadLocks(ctx context.Context, stacks ...string) map[string][]Lock {
	locks, _, _ := e.locksNow(ctx, stacks...) // as in HeldBy
	maps.DeleteFunc(locks, func(_ string, of []Lock) bool { return !allStale(of) })
	return locks
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
