package scheduler

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/courier"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// due puts a schedule on the timetable. One that was changed is on it once more: the entry
// that is read when its time comes says whether it has.
func (s *Service) due(e entry) {
	if !e.Due.IsZero() {
		s.timetable.Add(e.key(), e.Due)
	}
}

func (s *Service) loadTimetable() error {
	s.timetable.Reset()
	return s.DB.View(func(tx *store.Tx) error {
		return store.Each(tx, schedulesBucket, "", "", func(_ string, e entry) bool {
			s.due(e)
			return true
		})
	})
}

// runTimetable fires what is due until ctx is done.
func (s *Service) runTimetable(ctx context.Context) {
	failed := map[string]int{}
	for ctx.Err() == nil {
		key, wait := s.timetable.Next(s.now())
		if key == "" {
			s.timetable.Wait(ctx, s.Clock, wait)
			continue
		}
		err := s.fire(key)
		if err == nil {
			delete(failed, key)
			continue
		}
		failed[key]++
		s.Log.Error("a schedule has to wait", "schedule", key, "error", err.Error())
		s.timetable.Add(key, s.now().Add(courier.Backoff(failed[key])))
	}
}

// fire keeps the invocation of a schedule that is due, together with the time of its next
// one. What is older than its retry policy allows is not made up for.
func (s *Service) fire(key string) error {
	var next entry
	var tickets []courier.Ticket
	err := s.DB.Update(func(tx *store.Tx) error {
		next, tickets = entry{}, nil
		e, found, err := store.Get[entry](tx, schedulesBucket, key)
		now := s.now()
		if err != nil || !found || e.Due.IsZero() || e.Due.After(now) {
			return err
		}
		at, i := e.At, e.invocation()
		after := at
		if caught := now.Add(-e.window()); caught.After(after) {
			after = caught // what was missed besides while the sandbox did not run
		}
		e.plan(after)
		i.Last = e.At.IsZero()
		if fresh := now.Sub(at) <= e.window()+i.age(); fresh && e.State == types.ScheduleStateEnabled {
			t, err := s.courier.Keep(tx, i, now)
			if err != nil {
				return err
			}
			tickets = append(tickets, t)
		} else if i.Last {
			return end(tx, e)
		}
		next = e
		return store.Put(tx, schedulesBucket, key, e)
	})
	if err == nil {
		s.courier.Begin(tickets...)
		s.due(next)
	}
	return err
}

// end does what a schedule wants when it is over: the last of its times has been.
func end(tx *store.Tx, e entry) error {
	if e.Completion == types.ActionAfterCompletionDelete && e.State == types.ScheduleStateEnabled {
		return tx.Delete(schedulesBucket, e.key())
	}
	return store.Put(tx, schedulesBucket, e.key(), e)
}

// forget ends a schedule with its last invocation, unless it was changed meanwhile.
func forget(tx *store.Tx, i invocation) error {
	if !i.Last {
		return nil
	}
	e, found, err := store.Get[entry](tx, schedulesBucket, i.Schedule)
	if err != nil || !found || !e.At.IsZero() || !e.Modified.Equal(i.Modified) {
		return err
	}
	return end(tx, e)
}

// invocation is one invocation of a target, as it is kept until it is done.
type invocation struct {
	Scope    wire.Scope
	Schedule string // its key
	ARN      string // of the schedule
	Group    string // its group's ARN
	ID       string
	At       time.Time // that the schedule named
	Modified time.Time // when the schedule was changed last before
	Target   types.Target
	Last     bool
	Tries    int // that have failed
}

func (e entry) invocation() invocation {
	return invocation{
		Scope: e.Scope, Schedule: e.key(), ARN: e.arn(), Group: groupARN(e.Scope, e.Group), ID: wire.NewID(), At: e.At, Modified: e.Modified, Target: e.Target,
	}
}

// age is how old an invocation may become.
func (i invocation) age() time.Duration {
	return time.Duration(*i.Target.RetryPolicy.MaximumEventAgeInSeconds) * time.Second
}
