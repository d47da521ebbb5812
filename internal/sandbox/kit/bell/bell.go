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
