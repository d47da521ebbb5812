package interpreter

import (
	"context"
	"errors"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/failure"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/history"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/integration"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/tokens"
)

// register queues the token's record with the events of the schedule.
func (t *taskRun) register() {
	rec := &tokens.Record{Execution: t.b.x.rec.Key(), Path: t.b.path, Created: t.b.x.s.now(), Beat: t.b.x.s.now()}
	if t.activity {
		rec.Activity, rec.Input = t.st.Resource, value.String(t.args)
	}
	t.b.x.puts = append(t.b.x.puts, tokens.Put(t.b.cur.Token, rec))
}

// submitted records that the call was made, and waits for the end of what it
// began.
func (t *taskRun) submitted(result any) (any, error) {
	job := ""
	if o, ok := result.(*value.Object); ok && t.integration.Pattern != "waitForTaskToken" {
		job = t.jobName(o)
	}
	t.b.step(func(s *stepper) {
		s.event("TaskSubmitted", t.service().WithOutput(value.String(result)))
		t.b.cur.Phase, t.b.cur.Job = phaseCallback, job
	})
	if err := t.b.sync(); err != nil {
		return nil, err
	}
	return t.await()
}

// runActivity hands the task to the activity's workers and waits.
func (t *taskRun) runActivity() (any, error) {
	t.b.step(func(*stepper) { t.b.cur.Phase = phaseCallback })
	if err := t.b.sync(); err != nil {
		return nil, err
	}
	t.b.x.s.Desk.Offer(t.st.Resource, t.b.cur.Token)
	return t.await()
}

// await waits for a token's outcome or a job's end.
func (t *taskRun) await() (any, error) {
	ctx, stop := t.limited()
	defer stop()
	var result any
	var err error
	if t.activity || t.integration.Pattern == "waitForTaskToken" {
		result, err = t.awaitToken(ctx)
	} else if t.principal, err = t.caller(ctx); err == nil {
		result, err = t.awaitJobOrToken(ctx)
	}
	if err != nil {
		return nil, t.timedOut(ctx, err)
	}
	return result, nil
}

func (t *taskRun) awaitToken(ctx context.Context) (any, error) {
	s, token := t.b.x.s, t.b.cur.Token
	changed, stop := s.Desk.Listen(token)
	defer stop()
	for {
		rec, found, err := s.Desk.Get(token)
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, failure.New(failure.Runtime, "The task token is not known any more").Err()
		}
		if rec.Started && t.b.cur.Side == 0 {
			t.b.step(func(st *stepper) {
				t.b.cur.Side = st.event("ActivityStarted", &history.Details{WorkerName: rec.Worker})
			})
		}
		if rec.Done {
			return rec.Outcome()
		}
		if err := t.pause(ctx, changed, &rec); err != nil {
			return nil, err
		}
	}
}

// pause waits until the record changes, or a time is up.
func (t *taskRun) pause(ctx context.Context, changed <-chan struct{}, rec *tokens.Record) error {
	var beat <-chan time.Time
	if t.b.cur.Heartbeat > 0 && (!t.activity || rec.Started) {
		due := rec.Beat.Add(time.Duration(t.b.cur.Heartbeat) * time.Second).Sub(t.b.x.s.Clock.Now())
		timer := t.b.x.s.Clock.NewTimer(max(due, 0))
		defer timer.Stop()
		beat = timer.C()
	}
	select {
	case <-changed:
		return nil
	case <-beat:
		now, _, err := t.b.x.s.Desk.Get(t.b.cur.Token)
		if err == nil && (now.Done || now.Beat.After(rec.Beat)) {
			return nil
		}
		return (&failure.Failure{Error: failure.Timeout, NoCause: true, Heartbeat: true}).Err()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// pollEvery is how often the status of a job is read.
const pollEvery = 2 * time.Second

// jobName names the job that a call began.
func (t *taskRun) jobName(reply *value.Object) string {
	if t.integration.Service == "states" {
		arn, _ := reply.Get("ExecutionArn")
		s, _ := arn.(string)
		return s
	}
	args, _ := t.args.(*value.Object)
	name, _ := args.Get(integration.JobOf(t.integration).Name)
	s, _ := name.(string)
	return s
}

// errSettled ends the wait for a job whose task was ended by its token.
var errSettled = errors.New("the task's token was used")

// awaitJobOrToken waits for the end of the job, or for the use of the task's token,
// whichever comes first. Source: a recording of AWS of July 2024, in which
// SendTaskSuccess ends a startExecution.sync.
func (t *taskRun) awaitJobOrToken(ctx context.Context) (any, error) {
	token := t.b.cur.Token
	if token == "" { // begun by a version that made none
		return t.awaitJob(ctx)
	}
	s := t.b.x.s
	ctx, cancel := context.WithCancelCause(ctx)
	changed, stop := s.Desk.Listen(token)
	defer stop()
	ended := make(chan *tokens.Record, 1)
	guard.Go(s.Log, "the wait for a token", func() {
		defer close(ended)
		for {
			if rec, found, err := s.Desk.Get(token); err == nil && found && rec.Done {
				ended <- &rec
				cancel(errSettled)
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}, nil)
	result, err := t.awaitJob(ctx)
	cancel(nil)
	if rec := <-ended; rec != nil {
		return rec.Outcome()
	}
	return result, err
}

func (t *taskRun) awaitJob(ctx context.Context) (any, error) {
	if t.integration.Service == "states" {
		return t.awaitExecution(ctx)
	}
	kind := integration.JobOf(t.integration)
	service, _ := integration.Target(t.integration)
	for {
		v, err := t.invoke(ctx, service, kind.Describe, value.Of(kind.Name, t.b.cur.Job))
		if err != nil {
			return nil, err
		}
		reply, _ := v.(*value.Object)
		status, _ := reply.Get(kind.Status)
		switch status {
		case "Completed":
			return reply, nil
		case "Failed", "Stopped":
			return nil, failure.New(failure.TaskFailed, value.String(reply)).Err()
		}
		timer := t.b.x.s.Clock.NewTimer(pollEvery)
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return nil, context.Cause(ctx)
		}
	}
}

// awaitExecution waits for the end of the execution that the task started.
func (t *taskRun) awaitExecution(ctx context.Context) (any, error) {
	s := t.b.x.s
	named, err := record.ParseARN(t.b.x.rec.Scope, t.b.cur.Job, "execution")
	if err != nil {
		return nil, failure.New(failure.TaskFailed, err.Error()).Err()
	}
	rec, err := s.waitFor(ctx, named.Key())
	if err != nil {
		return nil, err
	}
	parsed := t.integration.Pattern == "sync:2"
	o := s.describeJava(rec, parsed)
	if rec.Status != record.Succeeded {
		return nil, failure.New(failure.TaskFailed, value.String(o)).Err()
	}
	return o, nil
}

// describeJava is DescribeExecution's reply in the form of the optimised
// integration: names sorted, times in milliseconds.
func (s *Engine) describeJava(rec *record.Execution, parsed bool) *value.Object {
	data := func(text string) any {
		if parsed {
			if v, err := value.Parse(text); err == nil {
				return v
			}
		}
		return text
	}
	included := value.Of("Included", true)
	o := value.NewObject(12)
	if rec.Cause != nil {
		o.Set("Cause", *rec.Cause)
	}
	if rec.Error != nil {
		o.Set("Error", *rec.Error)
	}
	o.Set("ExecutionArn", rec.ARN())
	o.Set("Input", data(rec.Input))
	o.Set("InputDetails", included)
	o.Set("Name", rec.Name)
	if rec.Status == record.Succeeded {
		o.Set("Output", data(rec.Output))
		o.Set("OutputDetails", included)
	}
	o.Set("RedriveCount", value.Int(int64(rec.RedriveCount)))
	// AWS's recordings of executions that failed are older than these two.
	if status, reason := rec.Redrivable(s.now()); rec.Status == record.Succeeded && reason != nil {
		o.Set("RedriveStatus", string(status))
		o.Set("RedriveStatusReason", *reason)
	}
	o.Set("StartDate", value.Int(rec.Start.UnixMilli()))
	o.Set("StateMachineArn", rec.MachineARN())
	o.Set("Status", rec.Status)
	if rec.Stop != nil {
		o.Set("StopDate", value.Int(rec.Stop.UnixMilli()))
	}
	return o
}
