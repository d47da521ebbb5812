package interpreter

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/failure"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/items"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// maxTrial is how long a test may take; then it fails with States.Timeout, says the API
// reference of TestState.
const maxTrial = 5 * time.Minute

// Trial is one state that is run by itself, for TestState.
type Trial struct {
	Scope   wire.Scope
	State   *asl.State
	Name    string // of the state, in the context object
	Input   string // JSON
	RoleARN *string
	// Context is the context object; nil is one made up.
	Context   *value.Object
	Variables *value.Object
	Mock      *Mock
	// Retries are the attempts before this one; FailedIterations of a Map are told, not run.
	Retries, FailedIterations *int32
}

// Mock is the answer that a test gives in place of the real one: a result, or a failure.
type Mock struct {
	Result  any
	Failure *failure.Failure
}

// trial is one under way.
type trial struct {
	Trial
	s      *Engine
	b      *branch
	data   types.InspectionData
	status types.TestExecutionStatus
}

// inspected takes what the interpreter computes on the way; a nil one takes
// nothing.
type inspected struct{ data *types.InspectionData }

func (i *inspected) set(field func(*types.InspectionData) **string, v any) {
	if i != nil {
		*field(i.data) = aws.String(value.String(v))
	}
}

// Try runs one state by itself. The output has all that the interpreter computed on the
// way.
func (s *Engine) Try(ctx context.Context, what Trial) (*sfn.TestStateOutput, error) {
	t := &trial{Trial: what, s: s}
	if err := t.prepare(ctx); err != nil {
		return nil, err
	}
	defer t.b.x.cancel(nil)
	defer t.b.x.limit()()
	out := t.run()
	out.Status, out.InspectionData = t.status, &t.data
	return out, nil
}

// prepare makes the execution around the state.
func (t *trial) prepare(ctx context.Context) error {
	input, err := value.Parse(t.Input)
	if err != nil {
		return err
	}
	machine := wire.NewID()
	rec := record.Execution{
		Summary: record.Summary{Scope: t.Scope, Machine: machine, Name: wire.NewID(), Status: record.Running, Start: t.s.now()},
		Express: true, RoleARN: aws.ToString(t.RoleARN), Input: t.Input,
	}
	deadline := rec.Start.Add(maxTrial)
	rec.Deadline = &deadline
	x := &execution{
		s: t.s, def: &record.Revision{Scope: t.Scope, Machine: machine, RoleARN: rec.RoleARN, Type: record.Express}, rec: rec, done: make(chan struct{}), dirty: map[string]*branch{},
	}
	x.inspected = &inspected{&t.data}
	x.ctx, x.cancel = context.WithCancelCause(ctx)
	x.principal = x.assumeRole
	if x.context = t.Context; x.context == nil {
		x.context = t.contextObject(&rec, input)
	}
	t.b = &branch{x: x, ctx: x.ctx, path: "0", cur: cursor{State: t.State.Name, Input: docOf(input), EnteredAt: rec.Start, Entered: 1, Retries: int(aws.ToInt32(t.Retries))}}
	for i := range t.Variables.Len() {
		k, v := t.Variables.At(i)
		t.b.setVar(k, v, 0) // AWS does not say that a test's own count
	}
	t.data.Input = aws.String(t.Input)
	return nil
}

// contextObject is one made up.
func (t *trial) contextObject(rec *record.Execution, input any) *value.Object {
	var role any
	if t.RoleARN != nil {
		role = *t.RoleARN
	}
	state := value.Of("Name", t.Name, "EnteredTime", asl.Timestamp(rec.Start))
	switch t.State.Type {
	case asl.Task, asl.Map, asl.Parallel:
		state.Set("RetryCount", value.Int(int64(aws.ToInt32(t.Retries))))
	}
	return value.Of(
		"Execution", value.Of("Id", record.ARN(rec.Scope, "express", rec.Machine+":"+rec.Name), "Input", input, "Name", rec.Name, "RoleArn", role, "StartTime", asl.Timestamp(rec.Start)),
		"StateMachine", value.Of("Id", rec.MachineARN(), "Name", rec.Machine),
		"State", state,
	)
}

// run runs the state and makes the reply.
func (t *trial) run() *sfn.TestStateOutput {
	out := &sfn.TestStateOutput{}
	ev := t.b.evaluation(t.State)
	err := t.execute(ev)
	if err == nil && t.b.cur.Phase == phaseFailed {
		err = t.b.cur.Failure.Err()
	}
	if err == nil && t.b.cur.Phase == phaseResult {
		err = t.b.leave(t.State, ev, t.b.cur.Result.v)
	}
	f, failed := failure.Of(err)
	switch {
	case errors.Is(context.Cause(t.b.ctx), failure.ErrTime):
		t.failed(out, ev, &failure.Failure{Error: failure.Timeout, NoCause: true})
	case failed:
		t.failed(out, ev, f)
	case err != nil:
		t.failed(out, ev, failure.New(failure.Runtime, err.Error()))
	default:
		t.status = types.TestExecutionStatusSucceeded
		t.settled(out)
	}
	t.trim(failed)
	return out
}

// settled copies where the state left to.
func (t *trial) settled(out *sfn.TestStateOutput) {
	c := &t.b.cur
	v := c.Input.v
	if c.Done {
		v = c.Result.v
	} else {
		out.NextState = aws.String(c.State)
	}
	out.Output = aws.String(value.String(v))
	if len(t.b.vars) > 0 {
		vars := value.NewObject(len(t.b.vars))
		for k, v := range t.b.vars {
			vars.Set(k, v)
		}
		t.data.Variables = aws.String(value.String(vars))
	}
}

// execute runs the state up to its result, with the mock in place of the call.
func (t *trial) execute(ev *evaluation) error {
	if t.Mock == nil {
		return t.b.execute(t.State, ev)
	}
	switch t.State.Type {
	case asl.Map:
		if err := t.mockMap(ev); err != nil {
			return err
		}
	case asl.Parallel:
		if _, err := ev.parameters(); err != nil {
			return err
		}
	default:
		run := &taskRun{b: t.b, st: t.State, ev: ev, lambda: asl.IsLambda(t.State.Resource)}
		run.integration, _ = asl.ParseIntegration(t.State.Resource)
		if err := run.prepare(); err != nil {
			return err
		}
	}
	if t.Mock.Failure != nil {
		return t.Mock.Failure.Err()
	}
	t.b.cur.Phase, t.b.cur.Result = phaseResult, docOf(t.Mock.Result)
	return nil
}

// mockMap evaluates a Map's settings, and fails it if the test says that more
// iterations failed than it tolerates.
func (t *trial) mockMap(ev *evaluation) error {
	spec := t.State.Map
	if spec.Reader == nil {
		source, _, err := ev.items()
		if err != nil {
			return err
		}
		if t.State.QueryLanguage == asl.JSONPath {
			t.data.AfterItemsPath = aws.String(value.String(source))
		}
		all, _ := items.Of(source) // evaluation.items returns nothing else
		if err := t.selected(ev, all); err != nil {
			return err
		}
	}
	in, err := ev.input()
	if err != nil {
		return err
	}
	e := ev.with(in)
	n, _, err := e.integer(spec.MaxConcurrency, 0, maxSeconds)
	if err != nil {
		return err
	}
	t.data.MaxConcurrency = aws.Int32(int32(n)) // at most maxSeconds
	tolerated, counted, err := e.integer(spec.ToleratedFailureCount, 0, maxSeconds)
	if err != nil {
		return err
	}
	if counted {
		t.data.ToleratedFailureCount = aws.Int32(int32(tolerated)) // at most maxSeconds
	}
	share, err := e.percentage(spec.ToleratedFailurePercentage)
	if err != nil {
		return err
	}
	if spec.ToleratedFailurePercentage.IsSet() {
		t.data.ToleratedFailurePercentage = aws.Float32(float32(share))
	}
	return t.tolerate(tolerated, counted, share)
}

func (t *trial) tolerate(count int64, counted bool, share float64) error {
	if t.FailedIterations == nil || t.Mock.Failure != nil {
		return nil
	}
	failed := int64(*t.FailedIterations)
	list, _ := t.Mock.Result.([]any) // else a writer's reply, by checkResult: it counts no iterations
	byShare := share > 0 && len(list) > 0 && 100*float64(failed)/float64(len(list)) > share
	if counted && failed > count || byShare {
		return failure.New(failure.ToleratedExceeded, "The specified tolerated failure threshold was exceeded").Err()
	}
	return nil
}

func (t *trial) selected(ev *evaluation, all []items.Item) error {
	if t.State.Map.Selector == nil {
		return nil
	}
	out := make([]any, len(all))
	for i, item := range all {
		v, err := ev.selectItem(item.Context(i))
		if err != nil {
			return err
		}
		out[i] = v
	}
	t.data.AfterItemSelector = aws.String(value.String(out))
	return nil
}

// failed decides about a failure as an execution would, without waiting.
func (t *trial) failed(out *sfn.TestStateOutput, ev *evaluation, f *failure.Failure) {
	t.status = types.TestExecutionStatusFailed
	out.Error, out.Cause = f.ErrorText(), f.CauseText()
	d := &types.InspectionErrorDetails{}
	used := aws.ToInt32(t.Retries)
	for i := range t.State.Retry {
		r := &t.State.Retry[i]
		if !caught(r.ErrorEquals, f) {
			continue
		}
		d.RetryIndex = aws.Int32(int32(i)) // few
		t.data.ErrorDetails = d
		limit, err1 := ev.number(r.MaxAttempts)
		interval, err2 := ev.number(r.IntervalSeconds)
		rate, err3 := ev.number(r.BackoffRate)
		if errors.Join(err1, err2, err3) != nil || float64(used) >= limit {
			break
		}
		delay := interval * math.Pow(rate, float64(used))
		if r.MaxDelaySeconds > 0 {
			delay = min(delay, float64(r.MaxDelaySeconds))
		}
		d.RetryBackoffIntervalSeconds = aws.Int32(int32(min(delay, math.MaxInt32)))
		t.status = types.TestExecutionStatusRetriable
		return
	}
	for i := range t.State.Catch {
		if !caught(t.State.Catch[i].ErrorEquals, f) {
			continue
		}
		d.CatchIndex = aws.Int32(int32(i)) // few
		t.data.ErrorDetails = d
		if err := t.b.catch(t.State, ev, &t.State.Catch[i], f); err != nil {
			if f2, ok := failure.Of(err); ok {
				out.Error, out.Cause = f2.ErrorText(), f2.CauseText()
			}
			return
		}
		t.status = types.TestExecutionStatusCaughtError
		t.settled(out)
		return
	}
}

// trim leaves what AWS shows for the type of the state.
func (t *trial) trim(failed bool) {
	d := &t.data
	if t.State.QueryLanguage == asl.JSONata {
		d.AfterInputPath, d.AfterParameters, d.AfterResultSelector, d.AfterResultPath, d.AfterItemsPath = nil, nil, nil, nil, nil
		if t.State.Type != asl.Task || failed {
			d.Result = nil
		}
		if t.State.Type == asl.Pass || t.State.Type == asl.Parallel {
			d.AfterArguments = nil
		}
		return
	}
	switch t.State.Type {
	case asl.Pass:
		if t.State.Result != nil {
			d.AfterInputPath, d.AfterParameters = nil, nil
		} else {
			d.Result = nil
		}
	case asl.Parallel:
		d.AfterInputPath, d.AfterParameters, d.Result = nil, nil, nil
	case asl.Map:
		d.Result = nil
	case asl.Task:
	default:
		d.AfterParameters, d.AfterResultSelector, d.AfterResultPath, d.Result = nil, nil, nil, nil
	}
}
