package events

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/agenda"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// dispatcher is what is to be delivered, by time and in a lane of each target; to an API
// destination nobody sends more in a second than its owner allows.
type dispatcher struct {
	*agenda.Agenda
	mu    sync.Mutex
	rates map[string]*rate // by the ARN of an API destination
}

// rate is what was sent to an API destination lately.
type rate struct {
	window   time.Time       // the second that is counted
	used     int             // calls that have a place in it or in those behind it
	admitted map[string]bool // keys that have a place, and come back when its time has come
}

// destinationOfARN is the scope and name of an API destination; ok is false for another ARN.
func destinationOfARN(text string) (sc wire.Scope, name string, ok bool) {
	a, _ := wire.ParseARN(text)
	path, ok := strings.CutPrefix(a.Resource, "api-destination/")
	name, _, _ = strings.Cut(path, "/")
	return wire.ScopeOfARN(a), name, ok && a.Service == "events"
}

// inLane delivers in the lane of a target, once there is a place.
func (s *Service) inLane(ctx context.Context, key string, d delivery) {
	arn := d.Target.ARN
	if sc, name, ok := destinationOfARN(arn); ok {
		to, err := s.destinationOf(sc, "describe", name)
		now := s.Clock.Now()
		if err == nil { // else the delivery will tell
			if wait := s.deliveries.admit(arn, key, int(to.Rate), now); wait > 0 {
				s.deliveries.Add(key, now.Add(wait))
				return
			}
		}
	}
	s.deliveries.Do(ctx, arn, key, func(key string) { s.attempt(ctx, key, s.deliver) })
}

// admit gives a delivery a place in the first second that has one left, and tells how long
// that is away: InvocationRateLimitPerSecond of
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateApiDestination.html
func (q *dispatcher) admit(arn, key string, perSecond int, now time.Time) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.rates[arn]
	if l == nil {
		l = &rate{admitted: map[string]bool{}}
		q.rates[arn] = l
	}
	if l.admitted[key] {
		delete(l.admitted, key)
		return 0
	}
	if gone := now.Sub(l.window) / time.Second; gone > 0 {
		l.used = max(l.used-int(min(gone, time.Duration(l.used)))*perSecond, 0)
		l.window = now
	}
	wait := l.window.Add(time.Duration(l.used/max(perSecond, 1)) * time.Second).Sub(now)
	l.used++
	if wait > 0 {
		l.admitted[key] = true
	}
	return wait
}
