package events

import (
	"strings"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// rates is what was sent to API destinations lately: nobody sends more to one in a second
// than its owner allows.
type rates struct {
	mu sync.Mutex
	of map[string]*rate // by the ARN of an API destination
}

// rate is what was sent to an API destination lately.
type rate struct {
	window time.Time // the second that is counted
	used   int       // calls that have a place in it or in those behind it
}

// destinationOfARN is the scope and name of an API destination; ok is false for another ARN.
func destinationOfARN(text string) (sc wire.Scope, name string, ok bool) {
	a, _ := wire.ParseARN(text)
	path, ok := strings.CutPrefix(a.Resource, "api-destination/")
	name, _, _ = strings.Cut(path, "/")
	return wire.ScopeOfARN(a), name, ok && a.Service == "events"
}

// turn is how long a delivery has to wait until it is its turn; it has its place then.
func (s *Service) turn(d *delivery) time.Duration {
	sc, name, ok := destinationOfARN(d.Target.ARN)
	if !ok {
		return 0
	}
	if d.Placed {
		d.Placed = false
		return 0
	}
	to, err := s.destinationOf(sc, "describe", name)
	if err != nil {
		return 0 // the delivery will tell
	}
	wait := s.rates.admit(d.Target.ARN, int(to.Rate), s.Clock.Now())
	d.Placed = wait > 0
	return wait
}

// admit gives a delivery a place in the first second that has one left, and tells how long
// that is away: InvocationRateLimitPerSecond of
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateApiDestination.html
func (q *rates) admit(arn string, perSecond int, now time.Time) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.of[arn]
	if l == nil {
		l = &rate{}
		q.of[arn] = l
	}
	if gone := now.Sub(l.window) / time.Second; gone > 0 {
		l.used = max(l.used-int(min(gone, time.Duration(l.used)))*perSecond, 0)
		l.window = now
	}
	wait := l.window.Add(time.Duration(l.used/max(perSecond, 1)) * time.Second).Sub(now)
	l.used++
	return wait
}
