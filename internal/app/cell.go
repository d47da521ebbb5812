package app

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// cell holds one thing that takes time to open: it is opened when it is first asked for,
// by one at a time, while others who ask wait for the same. Nothing is locked meanwhile:
// each waits no longer than its own context, and what is open already can be looked at at
// any time. The zero value is empty. It is safe for concurrent use.
type cell[T any] struct {
	// tidies is how long the last who does not wait any longer waits all the same: opening
	// it starts processes or makes files, which are taken away when it is cancelled, by
	// this process or by nobody. It is set before the first use.
	tidies time.Duration

	mu     sync.Mutex // held for a moment only
	value  T
	open   bool
	flight *flight[T]
}

// flight is the opening of a cell, from its beginning to its end.
type flight[T any] struct {
	done   chan struct{} // closed at its end; value, err and panic are set then
	value  T
	err    error
	panic  string
	cancel context.CancelFunc
	// waiting counts who waits for it. When the last has gone it is cancelled, and is of
	// no use to whoever comes then, but for waiting for its end.
	waiting int
	// patience is until when its end is waited for after it was cancelled; zero before.
	patience time.Time
}

// get returns what the cell holds, after opening it. What fails is not kept: the next who
// asks tries again. open gets the values of the first caller's context, and is cancelled
// when nobody waits any more.
func (c *cell[T]) get(ctx context.Context, what string, open func(context.Context) (T, error)) (T, error) {
	var none T
	for {
		c.mu.Lock()
		if c.open {
			defer c.mu.Unlock()
			return c.value, nil
		}
		f := c.flight
		abandoned := f != nil && f.waiting == 0
		switch {
		case ctx.Err() != nil:
			c.mu.Unlock()
			return none, stoppedOpening(ctx, what)
		case f == nil:
			f = c.begin(ctx, open)
		}
		if !abandoned {
			f.waiting++
		}
		c.mu.Unlock()

		select {
		case <-f.done:
			if abandoned {
				continue
			}
			if f.panic != "" {
				panic(f.panic)
			}
			return f.value, f.err
		case <-ctx.Done():
			if !abandoned && c.leave(f) && f.endsInTime() {
				return none, f.stopped(ctx, what)
			}
			return none, stoppedOpening(ctx, what)
		}
	}
}

// giveUp cancels a flight, whose end is waited for no longer than it may take to tidy up.
// The caller holds mu.
func (c *cell[T]) giveUp(f *flight[T]) {
	if f.patience.IsZero() {
		f.patience = time.Now().Add(c.tidies)
	}
	f.cancel()
}

// endsInTime waits for the end of a flight that was given up.
func (f *flight[T]) endsInTime() bool {
	timer := time.NewTimer(time.Until(f.patience))
	defer timer.Stop()
	select {
	case <-f.done:
		return true
	case <-timer.C:
		return false
	}
}

// stopped is why a flight that was cancelled has ended: its own words, if it has some.
func (f *flight[T]) stopped(ctx context.Context, what string) error {
	if f.panic != "" {
		panic(f.panic)
	}
	var own *fault.Error
	if errors.As(f.err, &own) && fault.KindOf(f.err) == fault.KindOf(ctx.Err()) {
		return f.err
	}
	return stoppedOpening(ctx, what)
}

func stoppedOpening(ctx context.Context, what string) error {
	return fault.New(fault.KindOf(ctx.Err()), "stopped while opening %s", what).Because(ctx.Err())
}

// begin starts a flight. The caller holds mu.
func (c *cell[T]) begin(ctx context.Context, open func(context.Context) (T, error)) *flight[T] {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := &flight[T]{done: make(chan struct{}), cancel: cancel}
	c.flight = f
	go func() {
		defer cancel()
		defer close(f.done)
		defer c.land(f)
		defer func() {
			// It belongs to those who asked: they know what to do about it.
			if r := recover(); r != nil {
				f.panic = fmt.Sprintf("%v\n%s", r, debug.Stack())
			}
		}()
		f.value, f.err = open(ctx)
	}()
	return f
}

// land keeps what a flight has brought.
func (c *cell[T]) land(f *flight[T]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flight = nil
	if f.err == nil && f.panic == "" && f.waiting > 0 {
		c.value, c.open = f.value, true
	}
}

// leave is for who does not wait any longer. It tells whether that was the last one.
func (c *cell[T]) leave(f *flight[T]) (last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.waiting--
	if f.waiting == 0 {
		c.giveUp(f)
	}
	return f.waiting == 0
}

// end gives up what is being opened, and waits for its end as the last who leaves does.
func (c *cell[T]) end() {
	c.mu.Lock()
	f := c.flight
	if f != nil {
		c.giveUp(f)
	}
	c.mu.Unlock()
	if f != nil {
		f.endsInTime()
	}
}

// peek returns what the cell holds, if it is open. It waits for nothing.
func (c *cell[T]) peek() (T, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value, c.open
}

// dropIf empties the cell if what it holds is of no use any more.
func (c *cell[T]) dropIf(useless func(T) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open && useless(c.value) {
		var none T
		c.value, c.open = none, false
	}
}

// cells are cells by a key. The zero value has none. They are safe for concurrent use.
type cells[K comparable, T any] struct {
	mu  sync.Mutex
	all map[K]*cell[T]
}

// at is the cell of a key.
func (c *cells[K, T]) at(key K) *cell[T] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[K]*cell[T]{}
	}
	if c.all[key] == nil {
		c.all[key] = &cell[T]{}
	}
	return c.all[key]
}

// drop forgets the cells of some keys.
func (c *cells[K, T]) drop(useless func(K) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.all {
		if useless(key) {
			delete(c.all, key)
		}
	}
}
