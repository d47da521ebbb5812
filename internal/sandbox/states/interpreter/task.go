package interpreter

import (
	"context"
	"errors"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/optional"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/failure"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/history"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/journal"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/tokens"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// taskRun is one attempt of a Task state.
type taskRun struct {
	b    *branch
	st   *asl.State
	ev   *evaluation
	args any

	integration asl.Integration
	lambda      bool // resource is a function's ARN
	activity    bool

	timeout, heartbeat int64 // seconds, 0 for none
	role               string
	principal          wire.Principal
}

// task runs a Task state up to its result; the phases tell what a restart finds.
func (b *branch) task(st *asl.State, ev *evaluation) error {
	t := &taskRun{b: b, st: st, ev: ev, lambda: asl.IsLambda(st.Resource), activity: asl.IsActivity(st.Resource)}
	t.integration, _ = asl.ParseIntegration(st.Resource)
	switch b.cur.Phase {
	case phaseTask:
		if t.activity { // nothing was under way: no worker has seen it
			result, err := t.runActivity()
			return t.end(result, err)
		}
		return t.end(nil, t.lost())
	case phaseCallback:
		result, err := t.await()
		return t.end(result, err)
	}
	if err := t.prepare(); err != nil {
		return err
	}
	if err := t.schedule(); err != nil {
		return err
	}
	result, err := t.perform()
	return t.end(result, err)
}

// waits reports whether the task goes on after its call: it waits for a token,
// a worker or a job.
func (t *taskRun) waits() bool { return t.activity || t.integration.Pattern != "" }

// prepare evaluates what the task is given.
func (t *taskRun) prepare() error {
	st, ev := t.st, t.ev
	if t.waits() { // a task that waits for a job has a token too, which may end it earlier
		token := tokens.New()
		t.b.step(func(*stepper) { t.b.cur.Token = token })
		ev = ev.withToken(token)
		t.ev = ev
	}
	in, err := ev.input()
	if err != nil {
		return err
	}
	scope := ev.with(in)
	least := int64(1)
	if st.QueryLanguage == asl.JSONata {
		least = 0 // which bounds nothing
	}
	if t.timeout, _, err = scope.integer(st.TimeoutSeconds, least, maxSeconds); err != nil {
		return err
	}
	if t.heartbeat, _, err = scope.integer(st.HeartbeatSeconds, least, maxSeconds); err != nil {
		return err
	}
	if st.Credentials != nil {
		v, err := scope.template(st.Credentials)
		if err != nil {
			return err
		}
		// A role that is none must not become the machine's own.
		if t.role, err = scope.textOf(v, "Credentials", "RoleArn", true); err != nil {
			return err
		}
	}
	if t.args, err = ev.parameters(); err == nil {
		err = ev.given(t.args)
	}
	if err != nil {
		return err
	}
	if t.activity && !record.ActivityExists(t.b.x.s.DB, t.b.x.rec.Scope, st.Resource) {
		return ev.runtime("The activity %s does not exist.", st.Resource)
	}
	return nil
}

// schedule records that the task begins. After it returns, that is on disk.
func (t *taskRun) schedule() error {
	d := &history.Details{TimeoutInSeconds: optional.Of(t.timeout), HeartbeatInSeconds: optional.Of(t.heartbeat)}
	if t.role != "" {
		d.TaskCredentials = &history.TaskCredentials{RoleARN: t.role}
	}
	text := value.String(t.args)
	started := t.service()
	typ := "TaskScheduled"
	switch {
	case t.lambda:
		typ, d.Resource = "LambdaFunctionScheduled", t.st.Resource
		d.HeartbeatInSeconds, started = nil, nil
		d.WithInput(text)
	case t.activity:
		typ, d.Resource = "ActivityScheduled", t.st.Resource
		d.WithInput(text)
	default:
		d.Resource, d.ResourceType, d.Region, d.Parameters = started.Resource, started.ResourceType, t.b.x.rec.Scope.Region, &text
	}
	t.b.step(func(s *stepper) {
		s.event(typ, d)
		switch {
		case t.activity:
		case t.lambda:
			s.event("LambdaFunctionStarted", nil)
		default:
			s.event("TaskStarted", started)
		}
		c := &t.b.cur
		c.Phase, c.Heartbeat = phaseTask, t.heartbeat
		if c.Token != "" {
			t.register()
		}
		if t.timeout > 0 {
			c.Deadline = t.b.x.s.now().Add(time.Duration(t.timeout) * time.Second)
		}
	})
	return t.b.sync()
}

// service names the integration in events.
func (t *taskRun) service() *history.Details {
	if t.lambda || t.activity {
		return &history.Details{}
	}
	resource := t.integration.Operation
	if t.integration.Pattern != "" {
		resource += "." + t.integration.Pattern
	}
	return &history.Details{Resource: resource, ResourceType: t.integration.Service}
}

// event names an event of the task's kind: TaskFailed, LambdaFunctionFailed or
// ActivityFailed.
func (t *taskRun) event(what string) string {
	switch {
	case t.lambda:
		return "LambdaFunction" + what
	case t.activity:
		return "Activity" + what
	default:
		return "Task" + what
	}
}

// resourceName is how AWS names the task in the cause of a data limit.
func (t *taskRun) resourceName() string {
	if t.lambda || t.activity {
		return t.st.Resource
	}
	return t.integration.Service
}

// end records the outcome of the attempt.
func (t *taskRun) end(result any, err error) error {
	f, failed := failure.Of(err)
	if err != nil && !failed {
		return err // who cut it short records that
	}
	var text string
	if !failed {
		text = value.String(result)
		switch {
		case len(text) > record.MaxData:
			f, failed = failure.Of(failure.TooLarge(t.resourceName()))
		case value.Deep(result):
			f, failed = failure.Of(failure.TooDeep(t.resourceName()))
		}
	}
	t.b.step(func(s *stepper) {
		c := &t.b.cur
		if t.b.cur.Token != "" {
			t.b.x.puts = append(t.b.x.puts, journal.Put{Bucket: record.BucketTokens, Key: c.Token})
		}
		c.Token, c.Job, c.Deadline, c.Side = "", "", time.Time{}, 0
		if !failed {
			s.event(t.event("Succeeded"), t.service().WithOutput(text))
			c.Phase, c.Result = phaseResult, docOf(result)
			return
		}
		what := "Failed"
		if f.Error == failure.Timeout {
			what = "TimedOut"
		}
		s.event(t.event(what), t.service().WithFailure(f.ErrorText(), f.CauseText()))
		c.Phase, c.Failure = phaseFailed, f
	})
	return nil
}

// lost is the failure of a task that was under way when the process ended: its
// outcome is not known, which is what AWS reports when a service's client fails.
func (t *taskRun) lost() error {
	return failure.New(t.client().Prefix+".SdkClientException", "The connection to the service was lost while the task was under way, and its outcome is not known.").Err()
}

// perform makes the call and, for tasks that go on after it, waits for their end.
func (t *taskRun) perform() (any, error) {
	if t.activity {
		return t.runActivity()
	}
	ctx, stop := t.limited()
	defer stop()
	var err error
	if t.principal, err = t.caller(ctx); err != nil {
		return nil, err
	}
	result, err := t.call(ctx)
	if err != nil {
		return nil, t.timedOut(ctx, err)
	}
	if !t.waits() {
		return result, nil
	}
	return t.submitted(result)
}

// caller is who makes the task's calls.
func (t *taskRun) caller(ctx context.Context) (wire.Principal, error) {
	p, err := t.b.x.principal()
	if err == nil && t.role != "" {
		p, err = t.b.x.s.assumeRole(ctx, t.b.x.rec.Scope, p, t.role, t.b.x.rec.Name)
	}
	if err != nil {
		var we *wire.Error
		if errors.As(err, &we) {
			return p, failure.New(failure.Permissions, we.Message).Err()
		}
		return p, failure.New(failure.Permissions, err.Error()).Err()
	}
	return p, nil
}

// limited bounds a call by the task's TimeoutSeconds, on the service's clock.
func (t *taskRun) limited() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(t.b.ctx)
	if t.b.cur.Deadline.IsZero() {
		return ctx, func() { cancel(nil) }
	}
	timer := t.b.x.s.Clock.NewTimer(t.b.cur.Deadline.Sub(t.b.x.s.Clock.Now()))
	guard.Go(t.b.x.s.Log, "a task's deadline", func() {
		select {
		case <-timer.C():
			cancel(errTaskTime)
		case <-ctx.Done():
		}
	}, nil)
	return ctx, func() { timer.Stop(); cancel(nil) }
}

var errTaskTime = errors.New("task timed out")

// timedOut turns an error that the deadline brought about into States.Timeout,
// and one that the execution's end brought about into that.
func (t *taskRun) timedOut(ctx context.Context, err error) error {
	if t.b.ctx.Err() != nil {
		return t.b.interruption(err)
	}
	if errors.Is(context.Cause(ctx), errTaskTime) {
		return (&failure.Failure{Error: failure.Timeout, NoCause: true}).Err()
	}
	return err
}
