// Package bell owns how the goroutines of services wait: until they are told that there is
// something to do, or until a time comes. Nothing is asked again and again.
package bell

import (
	"context"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
)

// Bell wakes one goroutine. Who rings while it works makes it look once more.
type Bell chan struct{}

// New returns a bell.
func New() Bell { return make(Bell, 1) }

// Ring wakes the goroutine that waits, now or when it waits the next time. It never blocks.
func (b Bell) Ring() {
	select {
	case b <- struct{}{}:
	default: // it has been rung already
	}
}

// Forever is a time that does not come.
const Forever time.Duration = -1

// Wait waits for the bell, or for a time. It returns false when ctx is done.
func (b Bell) Wait(ctx context.Context, c clock.Clock, wait time.Duration) bool {
	var due <-chan time.Time
	if wait >= 0 {
		t := c.NewTimer(wait)
		defer t.Stop()
		due = t.C()
	}
	select {
	case <-due:
	case <-b:
	case <-ctx.Done():
		return false
	}
	return true
}

// Until is how long to wait at a time for another one, Forever for none.
func Until(now, at time.Time) time.Duration {
	if at.IsZero() {
		return Forever
	}
	return max(at.Sub(now), 0)
}

// What has failed is tried again after the first of these, and then after twice as long
// each time, up to the last.
const (
	firstPause = time.Second
	lastPause  = time.Minute
)

// Retry is how long a goroutine waits whose work may fail: nobody rings for work that was
// not done. The zero value is ready; it is for one goroutine.
type Retry struct{ pause time.Duration }

// Wait is how long to wait after work that ended with err and would wait so long without:
// until it is to be tried again, if that comes sooner.
func (r *Retry) Wait(err error, wait time.Duration) time.Duration {
	if err == nil {
		r.pause = 0
		return wait
	}
	r.pause = min(max(2*r.pause, firstPause), lastPause)
	if wait == Forever {
		return r.pause
	}
	return min(wait, r.pause)
}
