// Package clock owns the seam between code that waits and the time it waits
// for, so that tests advance time instead of sleeping. It imports nothing of
// this module.
package clock

import (
	"context"
	"sync"
	"time"
)

// Clock tells the time and makes timers. Implementations are safe for
// concurrent use.
type Clock interface {
	Now() time.Time
	// NewTimer returns a timer that sends once on C() after d.
	NewTimer(d time.Duration) Timer
}

// Timer is the part of time.Timer that is used.
type Timer interface {
	C() <-chan time.Time
	Stop() bool
}

// Real is the machine's clock.
type Real struct{}

// Now returns time.Now in UTC.
func (Real) Now() time.Time { return time.Now().UTC() }

// NewTimer wraps time.NewTimer.
func (Real) NewTimer(d time.Duration) Timer { return realTimer{time.NewTimer(d)} }

// NewTimerNoted is c.NewTimer. A Fake calls fires when the timer fires, before Advance
// returns and before anything can be received: who counts those that wait has not to wait
// until they have been scheduled. Other clocks do not call it. fires must not use the clock.
func NewTimerNoted(c Clock, d time.Duration, fires func()) Timer {
	if f, ok := c.(*Fake); ok {
		return f.newTimer(d, fires)
	}
	return c.NewTimer(d)
}

type realTimer struct{ t *time.Timer }

func (r realTimer) C() <-chan time.Time { return r.t.C }
func (r realTimer) Stop() bool          { return r.t.Stop() }

// Sleep waits for d on c, or returns ctx's error as soon as it is done.
func Sleep(ctx context.Context, c Clock, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d <= 0 {
		return nil
	}
	t := c.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Fake is a clock that moves only when told to.
type Fake struct {
	mu     sync.Mutex
	now    time.Time
	timers map[*fakeTimer]struct{}
	change chan struct{} // closed and replaced whenever a timer is added
}

// NewFake returns a Fake that starts at now.
func NewFake(now time.Time) *Fake {
	return &Fake{now: now, timers: map[*fakeTimer]struct{}{}, change: make(chan struct{})}
}

// Now returns the fake time.
func (f *Fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// NewTimer returns a timer that fires when Advance passes its time.
func (f *Fake) NewTimer(d time.Duration) Timer { return f.newTimer(d, func() {}) }

func (f *Fake) newTimer(d time.Duration, fires func()) Timer {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := &fakeTimer{f: f, at: f.now.Add(d), c: make(chan time.Time, 1), fires: fires}
	if d <= 0 {
		fires()
		t.c <- f.now
		return t
	}
	f.timers[t] = struct{}{}
	close(f.change)
	f.change = make(chan struct{})
	return t
}

// Advance moves the time on and fires the timers that are due.
func (f *Fake) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
	for t := range f.timers {
		if !t.at.After(f.now) {
			delete(f.timers, t)
			t.fires()
			t.c <- f.now
		}
	}
}

// WaitTimers blocks until at least n timers wait, or ctx is done. Tests call it
// before Advance, in place of a sleep.
func (f *Fake) WaitTimers(ctx context.Context, n int) error {
	for {
		f.mu.Lock()
		have, change := len(f.timers), f.change
		f.mu.Unlock()
		if have >= n {
			return nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

type fakeTimer struct {
	f  *Fake
	at time.Time
	c  chan time.Time
	// fires is told before the timer sends.
	fires func()
}

func (t *fakeTimer) C() <-chan time.Time { return t.c }

func (t *fakeTimer) Stop() bool {
	t.f.mu.Lock()
	defer t.f.mu.Unlock()
	_, waiting := t.f.timers[t]
	delete(t.f.timers, t)
	return waiting
}
