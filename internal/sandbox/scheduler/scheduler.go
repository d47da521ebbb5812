// Package scheduler owns the sandbox's Amazon EventBridge Scheduler: groups, schedules by
// at, rate and cron in any time zone, flexible windows, retries and dead-letter queues. Its
// targets are those that have a template (Lambda, Step Functions, SQS, SNS, event buses), as
// far as the sandbox has the service, and every operation of the sandbox's table
// (arn:aws:scheduler:::aws-sdk:service:operation). Each invocation is made as the
// schedule's execution role, which has to trust the Scheduler and to be allowed it.
//
// An invocation is kept in the store in the same transaction in which its schedule moves on
// to the next one, so that no crash doubles or loses it. What came due while the sandbox
// did not run is invoked at the next start, once for each schedule and unless it is older
// than its retry policy lets events become.
package scheduler

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/agenda"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/courier"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/defaults"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const (
	groupsBucket      = "scheduler.groups"      // scope's key of the name -> group
	schedulesBucket   = "scheduler.schedules"   // scope's key of group/name -> entry
	invocationsBucket = "scheduler.invocations" // number -> invocation
	// ServiceName is the principal that execution roles have to trust.
	ServiceName = "scheduler.amazonaws.com"
	id          = "scheduler"
)

// Config is what the service needs. DB and Roles are required.
type Config struct {
	DB    *store.DB
	Clock clock.Clock  // nil: the machine's
	Log   *slog.Logger // nil: none
	Roles wire.Roles   // of targets
}

// Service is the Scheduler. It is safe for concurrent use.
type Service struct {
	Config
	router    *wire.Router
	timetable *agenda.Agenda // schedules by when they are due
	courier   *courier.Courier[invocation]

	cancel context.CancelFunc
	done   sync.WaitGroup
}

// New returns the service over the store. It invokes nothing before Start.
func New(c Config) (*Service, error) {
	if c.DB == nil || c.Roles == nil {
		return nil, errors.New("scheduler: DB and Roles are required")
	}
	c.Clock, c.Log = defaults.Of(c.Clock, c.Log)
	s := &Service{Config: c, timetable: agenda.New(), cancel: func() {}}
	s.courier = courier.New(courier.Config[invocation]{
		DB: c.DB, Clock: c.Clock, Log: c.Log, Bucket: invocationsBucket, What: "the invocation of a schedule's target",
		Lane: lane, Bring: s.invoke, Done: forget,
	})
	return s, nil
}

// lane is where an invocation goes: a target of an account in a region. The ARN of an
// operation (arn:aws:scheduler:::aws-sdk:...) names neither.
func lane(i invocation) string { return i.Scope.Key(*i.Target.Arn) }

// Start resumes what was begun, and begins to invoke. The services that targets belong to
// have to run.
func (s *Service) Start(ctx context.Context) error {
	if err := s.courier.Start(ctx); err != nil {
		return err
	}
	if err := s.loadTimetable(); err != nil {
		return err
	}
	var run context.Context
	run, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.done.Go(guard.Func(s.Log, "the timetable of schedules", func() { s.runTimetable(run) }))
	return ctx.Err()
}

// Close ends the invocations that run; what is left goes on after the next Start.
func (s *Service) Close() error {
	s.cancel()
	s.done.Wait()
	return s.courier.Close()
}

// quotas: https://docs.aws.amazon.com/scheduler/latest/UserGuide/scheduler-quotas.html
var quotas = map[string]wire.Quota{
	"CreateSchedule": {Burst: 1000, PerSecond: 1000}, "GetSchedule": {Burst: 1000, PerSecond: 1000}, "UpdateSchedule": {Burst: 1000, PerSecond: 1000},
	"DeleteSchedule": {Burst: 1000, PerSecond: 1000}, "": {Burst: 50, PerSecond: 50},
}

// Register adds the service and its operations to the router, by which it reaches targets.
// Resources are those of
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridgescheduler.html
func (s *Service) Register(r *wire.Router) {
	s.router = r
	r.Register(wire.Service{
		ID: id, Check: constraint.For(id, "ValidationException").Check, Guard: policy.Tagged(s.tagsOf), Quotas: quotas,
		Refusals: wire.Refusals{
			Denied:    &wire.Error{Status: http.StatusForbidden, Code: "AccessDeniedException"},
			Throttled: wire.Errorf(http.StatusTooManyRequests, "ThrottlingException", "Rate exceeded"),
		},
	})
	schedule, group, tagged := wire.On(onSchedule), wire.On(onGroup), wire.On(onARN)
	wire.Handle(r, id, "CreateSchedule", s.create, schedule)
	wire.Handle(r, id, "UpdateSchedule", s.update, schedule)
	wire.Handle(r, id, "GetSchedule", s.get, schedule)
	wire.Handle(r, id, "DeleteSchedule", s.remove, schedule)
	wire.Handle(r, id, "ListSchedules", s.list, schedule)
	wire.Handle(r, id, "CreateScheduleGroup", s.createGroup, group.Tags("scheduler:TagResource"))
	wire.Handle(r, id, "GetScheduleGroup", s.getGroup, group)
	wire.Handle(r, id, "DeleteScheduleGroup", s.removeGroup, group)
	wire.Handle(r, id, "ListScheduleGroups", s.listGroups, group)
	wire.Handle(r, id, "TagResource", s.tag, tagged)
	wire.Handle(r, id, "UntagResource", s.untag, tagged)
	wire.Handle(r, id, "ListTagsForResource", s.listTags, tagged)
}

func (s *Service) now() time.Time { return s.Clock.Now().UTC() }

func validation(format string, args ...any) error {
	return wire.Errorf(http.StatusBadRequest, "ValidationException", format, args...)
}

func missing(format string, args ...any) error {
	return wire.Errorf(http.StatusNotFound, "ResourceNotFoundException", format, args...)
}

func conflict(format string, args ...any) error {
	return wire.Errorf(http.StatusConflict, "ConflictException", format, args...)
}
