package events

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/bell"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/courier"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/schedule"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// due is when a rule's schedule names its next time after a time.
func (r rule) due(after time.Time) (time.Time, bool) {
	if r.Schedule == "" || r.Disabled {
		return time.Time{}, false
	}
	x, err := schedule.Parse(r.Schedule, nil)
	if err != nil {
		return time.Time{}, false // it was checked when it was put
	}
	for _, t := range []time.Time{r.Since, r.Fired} {
		if t.After(after) {
			after = t
		}
	}
	return x.Next(r.Since, after)
}

// runSchedules fires rules by their schedules until ctx is done. It sleeps until the next
// time of any, or until rules change. Times at which the sandbox did not run are not made
// up for: to its rules it was as if AWS had not been there.
func (s *Service) runSchedules(ctx context.Context) {
	from := s.Clock.Now().UTC()
	var retry bell.Retry
	for {
		now := s.Clock.Now().UTC()
		next, err := s.fire(from, now)
		if err != nil {
			s.Log.Error("a schedule is not kept", "error", err.Error())
		}
		if !s.timetable.Wait(ctx, s.Clock, retry.Wait(err, bell.Until(now, next))) {
			return
		}
	}
}

// fire does what is due by now, and returns the time of what is next, zero for nothing.
func (s *Service) fire(from, now time.Time) (next time.Time, err error) {
	var late []rule
	err = s.DB.View(func(tx *store.Tx) error {
		return store.Each(tx, rulesBucket, "", "", func(_ string, r rule) bool {
			at, ok := r.due(from)
			if ok && !at.After(now) {
				late = append(late, r)
				at, ok = r.due(now)
			}
			if ok && (next.IsZero() || at.Before(next)) {
				next = at
			}
			return true
		})
	})
	for _, r := range late { // what fails for one is tried again, and holds up no other
		if e := s.fireRule(r, from, now); e != nil {
			err = errors.Join(err, fmt.Errorf("rule %s: %w", r.ARN, e))
		}
	}
	return next, err
}

// fireRule keeps the event of a schedule together with the note that it was, so that no
// crash doubles or loses it.
func (s *Service) fireRule(r rule, from, now time.Time) error {
	at, _ := r.due(from)
	p, err := s.post(r.bus(), envelope{
		Version: "0", ID: wire.NewID(), DetailType: "Scheduled Event", Source: "aws.events", Account: r.Scope.Account,
		Time: at.UTC().Format(time.RFC3339), Region: r.Scope.Region, Resources: []string{r.ARN}, Detail: map[string]any{},
	})
	if err != nil {
		return err
	}
	var kept []courier.Ticket
	err = s.DB.Update(func(tx *store.Tx) error {
		current, found, err := store.Get[rule](tx, rulesBucket, r.key())
		if err != nil || !found || current.Disabled || current.Schedule != r.Schedule || !current.Fired.Equal(r.Fired) {
			return err // it was changed meanwhile, which wakes the timetable again
		}
		current.Fired = now
		var m matched
		m.add(current, p, now)
		if kept, err = s.store(tx, m, s.now()); err != nil {
			return err
		}
		return store.Put(tx, rulesBucket, r.key(), current)
	})
	if err == nil {
		s.courier.Begin(kept...)
	}
	return err
}
