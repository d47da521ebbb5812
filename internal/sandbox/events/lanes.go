package events

import (
	"context"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// lane is what is under way to one target. One that takes its time holds up its own
// events only; to an API destination nobody sends more in a second than its owner allows.
type lane struct {
	busy    int
	waiting []string // keys of deliveries, in order

	window   time.Time       // the second that is counted
	used     int             // calls that have a place in it or in those behind it
	admitted map[string]bool // keys that have a place, and come back when its time has come
}

// idle tells that a lane knows nothing that a new one would not.
func (l *lane) idle() bool { return l.busy == 0 && l.used == 0 && len(l.admitted) == 0 }

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
				s.deliveries.add(key, now.Add(wait))
				return
			}
		}
	}
	if !s.deliveries.enter(arn, key) {
		return // whoever leaves the lane goes on with it
	}
	for key != "" && ctx.Err() == nil {
		s.attempt(ctx, key, s.deliver)
		key = s.deliveries.leave(arn)
	}
}

// lane is that of a target. The caller holds the lock.
func (q *dispatcher) lane(arn string) *lane {
	if q.lanes == nil {
		q.lanes = map[string]*lane{}
	}
	if q.lanes[arn] == nil {
		q.lanes[arn] = &lane{admitted: map[string]bool{}}
	}
	return q.lanes[arn]
}

// admit gives a delivery a place in the first second that has one left, and tells how long
// that is away: InvocationRateLimitPerSecond of
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreateApiDestination.html
func (q *dispatcher) admit(arn, key string, perSecond int, now time.Time) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lane(arn)
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

// enter takes one of the lane's places; if there is none the delivery waits in it.
func (q *dispatcher) enter(arn, key string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lane(arn)
	if l.busy == perLane {
		l.waiting = append(l.waiting, key)
		return false
	}
	l.busy++
	return true
}

// leave gives the place to the delivery that waits first, which it returns, or back.
func (q *dispatcher) leave(arn string) (key string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lane(arn)
	if len(l.waiting) == 0 {
		if l.busy--; l.idle() {
			delete(q.lanes, arn)
		}
		return ""
	}
	key, l.waiting = l.waiting[0], l.waiting[1:]
	return key
}
