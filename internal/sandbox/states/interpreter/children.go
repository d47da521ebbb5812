package interpreter

import (
	"context"
	"slices"
	"strconv"
	"sync"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/failure"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/history"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/journal"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

// cursor reads a branch's cursor from the store.
func (s *Engine) cursor(execution, path string) (cursor, bool, error) {
	return store.Read[cursor](s.DB, record.BucketCursors, record.CursorKey(execution, path))
}

// childPath names a child's cursor. The state's entry and the round are part of
// it, so that an earlier visit or attempt cannot be mistaken for this one.
func (b *branch) childPath(index int) string {
	return b.childPrefix() + strconv.Itoa(index)
}

func (b *branch) childPrefix() string {
	return b.path + "/" + strconv.FormatInt(b.cur.Entered, 10) + "." + strconv.Itoa(b.cur.Round) + "/"
}

// newChild makes a child that starts with input after the event head, or goes
// on where it stood before a restart.
func (b *branch) newChild(ctx context.Context, w *asl.Workflow, index int, input any, head int64, item *value.Object) (*branch, error) {
	c := &branch{x: b.x, parent: b, ctx: ctx, w: w, path: b.childPath(index), item: b.item}
	if item != nil {
		c.item = item
	}
	c.cur = cursor{State: w.StartAt, Input: docOf(input), Head: head}
	return c, b.x.restore(c)
}

// dropChildren forgets the cursors of finished children; it belongs into the
// step that records the state's result.
func (b *branch) dropChildren() {
	prefix := b.childPrefix()
	b.x.puts = append(b.x.puts, journal.Put{Bucket: record.BucketCursors, Key: record.CursorKey(b.x.rec.Key(), prefix), Prefix: true})
	for path := range b.x.dirty {
		if len(path) > len(prefix) && path[:len(prefix)] == prefix {
			delete(b.x.dirty, path)
		}
	}
}

// parallel runs the branches of a Parallel state at the same time.
func (b *branch) parallel(st *asl.State, ev *evaluation) error {
	if b.cur.Phase != phaseChildren {
		in, err := ev.parameters()
		if err == nil {
			err = ev.given(in)
		}
		if err != nil {
			return err
		}
		b.step(func(s *stepper) {
			c := &b.cur
			c.Side = s.event("ParallelStateStarted", nil)
			c.Phase, c.Items = phaseChildren, docOf(in)
			c.Round++
		})
	}
	out := make([]any, len(st.Branches))
	heads := make([]int64, len(st.Branches))
	end, err := b.runChildren(len(out), len(out), b.cur.Side, func(ctx context.Context, i int, head int64) (int64, error) {
		c, err := b.newChild(ctx, st.Branches[i], i, b.cur.Items.v, head, nil)
		if err != nil {
			return head, err
		}
		b.children[i] = c
		defer c.release()
		out[i], err = c.run()
		heads[i] = c.cur.Head
		return c.cur.Head, err
	})
	if err != nil {
		return b.childrenFailed(st, end, err)
	}
	if err := result(st.Name, out, maxBuilt); err != nil {
		return err
	}
	last := slices.Max(heads)
	b.step(func(s *stepper) {
		b.cur.Head = last
		s.side("ParallelStateSucceeded", last, nil)
		b.childrenDone(out)
	})
	return nil
}

// childrenDone sets the state's result; it belongs into a step.
func (b *branch) childrenDone(out any) {
	b.cur.Phase, b.cur.Result, b.cur.Items, b.cur.Side = phaseResult, docOf(out), doc{}, 0
	b.dropChildren()
}

// childEnd tells how a state's children ended: the last event of the one that
// failed first, and which one that was.
type childEnd struct {
	head  int64
	index int
}

// childrenFailed continues the chain after the child that failed and records the
// state's failure. The children's cursors stay: a redrive goes on from them.
func (b *branch) childrenFailed(st *asl.State, end childEnd, err error) error {
	f, failed := failure.Of(err)
	if !failed {
		return err // who cut this state short records what it cut
	}
	b.step(func(s *stepper) {
		b.abortChildren(s, st, end)
		b.cur.Head, b.cur.Side = end.head, 0
		own := *f
		own.StateFailed = false // that was the child's state
		s.fail(st, &own)
	})
	b.children = nil
	return nil
}

// abortChildren records what the failure of a child ends: the iterations of a Map
// and every state that was entered and not left, that of the failed child
// included. All follow the event at which the child failed. Source: recordings of
// a Map of Tasks that time out and of Parallel states whose Task fails.
func (b *branch) abortChildren(s *stepper, st *asl.State, end childEnd) {
	for i, c := range b.children {
		if c == nil || c.cur.Done && c.cur.Failure == nil || c.cur.Head == 0 {
			continue
		}
		if st.Type == asl.Map {
			typ := "MapIterationAborted"
			if i == end.index {
				typ = "MapIterationFailed"
			}
			s.side(typ, end.head, &history.Details{Name: st.Name, Index: &i})
		}
		c.abortState(s, end.head)
	}
}

// abortState records that the state a branch stands in was cut short.
func (b *branch) abortState(s *stepper, head int64) {
	st := b.w.State(b.cur.State)
	if st == nil || b.cur.Entered == 0 {
		return
	}
	failed := b.cur.Failure != nil
	if !failed {
		b.abortChildren(s, st, childEnd{head: head, index: -1})
	}
	switch {
	case st.Type == asl.Task:
	case failed: // MapStateFailed and ParallelStateFailed have ended it
		return
	case st.Type != asl.Wait && st.Type != asl.Parallel && st.Type != asl.Map:
		return
	}
	s.side(string(st.Type)+"StateAborted", head, nil)
}

// runChildren calls run for each index, at most limit at a time. Each place
// passes on the event that its next child follows. When a child fails the others
// are cancelled; runChildren waits for all of them and returns the end and the
// error of the one that failed first.
func (b *branch) runChildren(n, limit int, head int64, run func(ctx context.Context, i int, head int64) (int64, error)) (childEnd, error) {
	b.bindings() // made here, so that the children only read them
	b.children = make([]*branch, n)
	ctx, cancel := context.WithCancelCause(b.ctx)
	defer cancel(nil)
	var mu sync.Mutex
	var first error
	last := childEnd{head: head, index: -1}
	next := 0
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		if first != nil || next == n {
			return 0, false
		}
		next++
		return next - 1, true
	}
	var wg sync.WaitGroup
	for range min(limit, n) {
		wg.Go(guard.Func(b.x.s.Log, "a branch", func() {
			at := head
			for i, ok := take(); ok; i, ok = take() {
				end := at
				err := b.x.guarded(func() (err error) {
					end, err = run(ctx, i, at)
					return err
				})
				at = end
				if err == nil {
					continue
				}
				mu.Lock()
				if first == nil {
					first, last = err, childEnd{head: end, index: i}
					cancel(failure.ErrBranch)
				}
				mu.Unlock()
			}
		}))
	}
	wg.Wait()
	return last, first
}
