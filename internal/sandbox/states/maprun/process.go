package maprun

import (
	"context"
	"errors"
	"sync"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/failure"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/items"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/journal"
)

// Process reads the items, runs the children and makes the state's output. The items
// are read twice: first to count them, so that nothing begins of what cannot be read
// to its end, then to be handed out.
func (m *Run) Process(ctx context.Context) (any, error) {
	end, err := m.Live.begin(ctx, m.rec.Scope, m.Limits)
	if err != nil {
		return nil, err
	}
	if m.Count != nil {
		defer m.Count(func() int { return m.Live.Open(m.rec.Scope) })()
	}
	defer end()
	p, err := m.Parent.Principal()
	if err != nil {
		return nil, err
	}
	feed, err := m.Parent.Feed(p)
	if err != nil {
		return nil, err
	}
	total := int64(0)
	if err := feed(ctx, true, func(items.Item) error { total++; return nil }); err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.rec.Items.Total, m.rec.Items.Pending = total, total
	if m.Spec.Batcher == nil {
		m.rec.Children.Total, m.rec.Children.Pending = total, total
	}
	m.mu.Unlock()
	m.Journal.Add([]journal.Put{m.Put()}) // a later process knows by it what was read
	m.outputs = &outputs{}
	if err := m.runAll(ctx, feed); err != nil {
		m.export(ctx, p, feed, err)
		return nil, err
	}
	return m.output(ctx, p, feed)
}

// errCut ends the reading of items when no more children begin.
var errCut = errors.New("the map run ends")

// runAll starts the children in order, as many at a time as the run and the memory
// allow, and waits for all of them. The first that fails the run cancels the others.
func (m *Run) runAll(parent context.Context, feed items.Feed) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	defer m.Live.enter(m)()
	defer context.AfterFunc(ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.slots.Broadcast()
	})()
	var first error
	failed := func(err error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if first == nil {
			first = err
			cancel(failure.ErrBranch)
		}
	}
	var wg sync.WaitGroup
	err := m.inputs(ctx, feed, func(input childInput) error {
		weight := weightOfOne + weightOfText*len(input.text)
		if !m.acquire(ctx, weight) {
			return errCut
		}
		i := m.started
		m.started++
		m.counted()
		wg.Go(guard.Func(m.Log, "a Map Run", func() {
			defer m.release(weight)
			if err := m.Parent.Guarded(func() error { return m.child(ctx, i, input) }); err != nil {
				failed(err)
			}
		}))
		return nil
	})
	if err != nil && !errors.Is(err, errCut) {
		failed(err)
	}
	wg.Wait()
	if first == nil && parent.Err() != nil {
		return context.Cause(parent)
	}
	return first
}

// counted counts a child of a batch, of which there are as many as turn out.
func (m *Run) counted() {
	if m.Spec.Batcher == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rec.Children.Total++
	m.rec.Children.Pending++
}

// acquire waits for a free slot and for room; false if ctx is done. A child that is
// larger than the room runs alone.
func (m *Run) acquire(ctx context.Context, weight int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for ctx.Err() == nil {
		limit := m.rec.Concurrency
		if limit == 0 {
			limit = defaultChildren
		}
		if m.active < limit && (m.active == 0 || m.underWay+weight <= maxUnderWay) {
			m.active++
			m.underWay += weight
			return true
		}
		m.slots.Wait()
	}
	return false
}

func (m *Run) release(weight int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.active--
	m.underWay -= weight
	m.slots.Signal()
}

// childInput is the input of a child as text, and of how many items it is made.
type childInput struct {
	text  string
	items int
}

// inputs makes the children's inputs: selected items, alone or in batches.
func (m *Run) inputs(ctx context.Context, feed items.Feed, yield func(childInput) error) error {
	index := 0
	next := func(item items.Item) (any, error) {
		index++
		if m.Spec.Selector == nil {
			return item.Input(), nil
		}
		return m.Parent.Select(item.Context(index - 1))
	}
	if m.Spec.Batcher == nil {
		return feed(ctx, false, func(item items.Item) error {
			v, err := next(item)
			if err != nil {
				return err
			}
			return yield(childInput{value.String(v), 1})
		})
	}
	b, err := m.batcher()
	if err != nil {
		return err
	}
	b.yield = yield
	err = feed(ctx, false, func(item items.Item) error {
		v, err := next(item)
		if err != nil {
			return err
		}
		return b.add(v)
	})
	if err != nil {
		return err
	}
	return b.flush()
}
