package states

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
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/integration"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/items"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// testedState is what the context object calls the state under test.
const testedState = "StateName"

// maxTrial is how long a test may take; then it fails with States.Timeout, says the API
// reference of TestState.
const maxTrial = 5 * time.Minute

// trial runs one state by itself, for TestState.
type trial struct {
	s      *Service
	scope  wire.Scope
	in     *sfn.TestStateInput
	st     *asl.State
	b      *branch
	mock   *mocked
	data   types.InspectionData
	status types.TestExecutionStatus
}

// mocked is the answer that a test gives in place of the real one.
type mocked struct {
	result any
	text   string
	err    *failure.Failure
}

// inspected takes what the interpreter computes on the way; a nil one takes
// nothing.
type inspected struct{ data *types.InspectionData }

func (i *inspected) set(field func(*types.InspectionData) **string, v any) {
	if i != nil {
		*field(i.data) = aws.String(value.String(v))
	}
}

func (s *Service) testState(ctx context.Context, req *wire.Request, in *sfn.TestStateInput) (*sfn.TestStateOutput, error) {
	if in.RoleArn != nil {
		if err := checkRole(*in.RoleArn); err != nil {
			return nil, err
		}
		if err := s.passRole(ctx, req, *in.RoleArn); err != nil {
			return nil, err
		}
	}
	t := &trial{s: s, scope: req.Scope, in: in}
	if err := t.parse(); err != nil {
		return nil, err
	}
	if err := t.checkMock(); err != nil {
		return nil, err
	}
	if err := t.prepare(ctx); err != nil {
		return nil, err
	}
	defer t.b.x.cancel(nil)
	defer t.b.x.limit()()
	out := t.run()
	out.Status = t.status
	if in.InspectionLevel != "" && in.InspectionLevel != types.InspectionLevelInfo {
		out.InspectionData = &t.data
	}
	return out, nil
}

// parse finds the state in the definition: the definition itself, or a state of a
// state machine.
func (t *trial) parse() error {
	text := aws.ToString(t.in.Definition)
	if t.in.StateName == nil {
		st, err := asl.ParseState(testedState, text, asl.Options{})
		t.st = st
		return invalidDefinition(err)
	}
	m, err := asl.Parse(text, asl.Options{})
	if err != nil {
		return invalidDefinition(err)
	}
	m.Walk(func(st *asl.State) {
		if st.Name == *t.in.StateName {
			t.st = st
		}
	})
	if t.st == nil {
		return validation("State not found in definition")
	}
	return nil
}

func invalidDefinition(err error) error {
	var invalid *asl.Error
	if errors.As(err, &invalid) {
		return wire.Errorf(400, "InvalidDefinition", "Invalid State Machine Definition: '%s'", invalid.Error())
	}
	return err
}

// checkMock applies the rules about mocks.
func (t *trial) checkMock() error {
	m := t.in.Mock
	c := t.in.StateConfiguration
	if m == nil {
		switch {
		case c != nil && c.MapIterationFailureCount != nil:
			return validation("TestState does not support MapIterationFailureCount when a mock is not specified.")
		case t.in.Context != nil:
			return validation("TestState does not support Context when a mock is not specified.")
		case t.st.Type == asl.Map || t.st.Type == asl.Parallel:
			return wire.Errorf(400, "InvalidDefinition", "TestState API does not support Map or Parallel states. Supported state types include: [Task, Wait, Pass, Succeed, Fail, Choice]")
		case t.st.Type == asl.Task && t.in.RoleArn == nil:
			return validation("RoleArn must be specified when testing a Task state")
		case t.st.Type == asl.Task && waitsForOthers(t.st.Resource):
			return wire.Errorf(400, "InvalidDefinition", "TestState API does not support activities, '.sync' or '.waitForTaskToken' when a mock is not specified")
		}
		return nil
	}
	if t.in.RevealSecrets {
		return validation("TestState does not support RevealSecrets when a mock is specified.")
	}
	if m.Result != nil && m.ErrorOutput != nil || m.Result == nil && m.ErrorOutput == nil {
		return validation("A test mock should have only one of the following fields: [result, errorOutput].")
	}
	switch t.st.Type {
	case asl.Task, asl.Map, asl.Parallel:
	default:
		return validation("State type '%s' is not supported when a mock is specified", t.st.Type)
	}
	t.mock = &mocked{}
	if e := m.ErrorOutput; e != nil {
		t.mock.err = failure.Given(e.Error, e.Cause)
		return nil
	}
	v, err := value.Parse(*m.Result)
	if err != nil {
		return validation("Mocked result must be valid JSON")
	}
	t.mock.result, t.mock.text = v, *m.Result
	return t.checkResult(v)
}

// waitsForOthers reports whether a task goes on after its call, until a worker, a job
// or the holder of its token ends it. TestState takes these with a mock only, says the
// API reference of TestState; AWS's own words are not known.
func waitsForOthers(resource string) bool {
	i, _ := asl.ParseIntegration(resource)
	return i.Pattern != "" || asl.IsActivity(resource)
}

func (t *trial) checkResult(v any) error {
	list, isList := v.([]any)
	switch t.st.Type {
	case asl.Map:
		_, isObject := v.(*value.Object)
		switch written := t.st.Map.Writer != nil && t.st.Map.Writer.Resource != ""; {
		case written && !isObject:
			return validation("Mocked result must be a JSON object.")
		case !written && !isList:
			return validation("Mocked result must be an array.")
		}
		if c := t.in.StateConfiguration; c != nil && c.MapIterationFailureCount != nil && isList && int(*c.MapIterationFailureCount) > len(list) {
			return validation("Map iteration failure count must be less than or equal to the number of Map iterations")
		}
	case asl.Parallel:
		if !isList {
			return validation("Mocked result must be an array.")
		}
		if len(list) != len(t.st.Branches) {
			return validation("Mocked result must contain the same number of items as number of Parallel branches.")
		}
	default:
		return integration.CheckMock(t.st.Resource, v, t.in.Mock.FieldValidationMode)
	}
	return nil
}

// prepare makes the execution around the state.
func (t *trial) prepare(ctx context.Context) error {
	input, err := checkInput(t.in.Input)
	if err != nil {
		return err
	}
	machine := wire.NewID()
	rec := record.Execution{Summary: record.Summary{Scope: t.scope, Machine: machine, Name: wire.NewID(), Status: record.Running, Start: t.s.now()}, Express: true, RoleARN: aws.ToString(t.in.RoleArn), Input: input}
	deadline := rec.Start.Add(maxTrial)
	rec.Deadline = &deadline
	x := &execution{
		s: t.s, def: &record.Revision{Scope: t.scope, Machine: machine, RoleARN: rec.RoleARN, Type: record.Express}, rec: rec, done: make(chan struct{}), dirty: map[string]*branch{},
	}
	x.inspected = &inspected{&t.data}
	x.ctx, x.cancel = context.WithCancelCause(ctx)
	x.principal = x.assumeRole
	if x.context, err = t.contextObject(&rec); err != nil {
		return err
	}
	v, err := value.Parse(input)
	if err != nil {
		return err
	}
	t.b = &branch{x: x, ctx: x.ctx, path: "0", cur: cursor{State: t.st.Name, Input: docOf(v), EnteredAt: rec.Start, Entered: 1}}
	if err := t.variables(); err != nil {
		return err
	}
	t.data.Input = aws.String(input)
	if c := t.in.StateConfiguration; c != nil && c.RetrierRetryCount != nil {
		t.b.cur.Retries = int(*c.RetrierRetryCount)
	}
	return nil
}

// variables sets the workflow variables of the test.
func (t *trial) variables() error {
	if t.in.Variables == nil {
		return nil
	}
	v, err := value.Parse(*t.in.Variables)
	o, ok := v.(*value.Object)
	if err != nil || !ok {
		return validation("Invalid variables provided: must be a JSON object")
	}
	for i := range o.Len() {
		k, v := o.At(i)
		t.b.setVar(k, v, 0) // AWS does not say that a test's own count
	}
	if o.Len() > 0 {
		t.data.Variables = t.in.Variables
	}
	return nil
}

// contextObject is the test's own, or one made up.
func (t *trial) contextObject(rec *record.Execution) (*value.Object, error) {
	if t.in.Context != nil {
		v, err := value.Parse(*t.in.Context)
		o, ok := v.(*value.Object)
		if err != nil || !ok {
			return nil, validation("Invalid Context object provided: must be a JSON object")
		}
		if err := checkContext(o); err != nil {
			return nil, err
		}
		i, _ := asl.ParseIntegration(t.st.Resource)
		if _, has := o.Get("Task"); has && i.Pattern == "" {
			return nil, validation("Invalid Context object provided: Context object contains 'Task' when state is not a Task state with a '.sync' or '.waitForTaskToken' service integration pattern")
		}
		return o, nil
	}
	input, err := value.Parse(rec.Input)
	if err != nil {
		return nil, err
	}
	var role any
	if t.in.RoleArn != nil {
		role = *t.in.RoleArn
	}
	state := value.Of("Name", testedState, "EnteredTime", asl.Timestamp(rec.Start))
	switch t.st.Type {
	case asl.Task, asl.Map, asl.Parallel:
		n := int64(0)
		if c := t.in.StateConfiguration; c != nil && c.RetrierRetryCount != nil {
			n = int64(*c.RetrierRetryCount)
		}
		state.Set("RetryCount", value.Int(n))
	}
	return value.Of(
		"Execution", value.Of("Id", record.ARN(rec.Scope, "express", rec.Machine+":"+rec.Name), "Input", input, "Name", rec.Name, "RoleArn", role, "StartTime", asl.Timestamp(rec.Start)),
		"StateMachine", value.Of("Id", rec.MachineARN(), "Name", rec.Machine),
		"State", state,
	), nil
}

// contextFields are the members of a context object and their types.
var contextFields = map[string]map[string]string{
	"Execution":    {"Id": "string", "Input": "any", "Name": "string", "RoleArn": "string", "StartTime": "string", "RedriveCount": "number", "RedriveTime": "string"},
	"State":        {"EnteredTime": "string", "Name": "string", "RetryCount": "number"},
	"StateMachine": {"Id": "string", "Name": "string"},
	"Task":         {"Token": "string"},
}

func checkContext(o *value.Object) error {
	bad := func(format string, args ...any) error {
		return validation("Invalid Context object provided: "+format, args...)
	}
	for i := range o.Len() {
		name, v := o.At(i)
		if name == "Map" {
			return bad("'Map' field is not supported when mocking a Context object")
		}
		fields, known := contextFields[name]
		if !known {
			return bad("Field '%s' is not allowed", name)
		}
		inner, ok := v.(*value.Object)
		if !ok {
			return bad("%s must be an object", name)
		}
		for j := range inner.Len() {
			k, e := inner.At(j)
			want, known := fields[k]
			switch {
			case !known:
				return bad("Field '%s' is not allowed", k)
			case want == "any" || value.TypeName(e) == want:
			default:
				return bad("%s.%s must be a %s", name, k, want)
			}
		}
	}
	return nil
}

// run runs the state and makes the reply.
func (t *trial) run() *sfn.TestStateOutput {
	out := &sfn.TestStateOutput{}
	ev := t.b.evaluation(t.st)
	err := t.execute(ev)
	if err == nil && t.b.cur.Phase == phaseFailed {
		err = t.b.cur.Failure.Err()
	}
	if err == nil && t.b.cur.Phase == phaseResult {
		err = t.b.leave(t.st, ev, t.b.cur.Result.v)
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
	if t.mock == nil {
		return t.b.execute(t.st, ev)
	}
	switch t.st.Type {
	case asl.Map:
		if err := t.mockMap(ev); err != nil {
			return err
		}
	case asl.Parallel:
		if _, err := ev.parameters(); err != nil {
			return err
		}
	default:
		run := &taskRun{b: t.b, st: t.st, ev: ev, lambda: asl.IsLambda(t.st.Resource)}
		run.integration, _ = asl.ParseIntegration(t.st.Resource)
		if err := run.prepare(); err != nil {
			return err
		}
	}
	if t.mock.err != nil {
		return t.mock.err.Err()
	}
	t.b.cur.Phase, t.b.cur.Result = phaseResult, docOf(t.mock.result)
	return nil
}

// mockMap evaluates a Map's settings, and fails it if the test says that more
// iterations failed than it tolerates.
func (t *trial) mockMap(ev *evaluation) error {
	spec := t.st.Map
	if spec.Reader == nil {
		source, _, err := ev.items()
		if err != nil {
			return err
		}
		if t.st.QueryLanguage == asl.JSONPath {
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
	t.data.MaxConcurrency = aws.Int32(int32(n)) //nolint:gosec // at most maxSeconds
	tolerated, counted, err := e.integer(spec.ToleratedFailureCount, 0, maxSeconds)
	if err != nil {
		return err
	}
	if counted {
		t.data.ToleratedFailureCount = aws.Int32(int32(tolerated)) //nolint:gosec // at most maxSeconds
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
	c := t.in.StateConfiguration
	if c == nil || c.MapIterationFailureCount == nil || t.mock.err != nil {
		return nil
	}
	failed := int64(*c.MapIterationFailureCount)
	list, _ := t.mock.result.([]any) // else a writer's reply, by checkResult: it counts no iterations
	byShare := share > 0 && len(list) > 0 && 100*float64(failed)/float64(len(list)) > share
	if counted && failed > count || byShare {
		return failure.New(failure.ToleratedExceeded, "The specified tolerated failure threshold was exceeded").Err()
	}
	return nil
}

func (t *trial) selected(ev *evaluation, all []items.Item) error {
	if t.st.Map.Selector == nil {
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
	used := 0
	if c := t.in.StateConfiguration; c != nil && c.RetrierRetryCount != nil {
		used = int(*c.RetrierRetryCount)
	}
	for i := range t.st.Retry {
		r := &t.st.Retry[i]
		if !caught(r.ErrorEquals, f) {
			continue
		}
		d.RetryIndex = aws.Int32(int32(i)) //nolint:gosec // few
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
	for i := range t.st.Catch {
		if !caught(t.st.Catch[i].ErrorEquals, f) {
			continue
		}
		d.CatchIndex = aws.Int32(int32(i)) //nolint:gosec // few
		t.data.ErrorDetails = d
		if err := t.b.catch(t.st, ev, &t.st.Catch[i], f); err != nil {
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
	if t.st.QueryLanguage == asl.JSONata {
		d.AfterInputPath, d.AfterParameters, d.AfterResultSelector, d.AfterResultPath, d.AfterItemsPath = nil, nil, nil, nil, nil
		if t.st.Type != asl.Task || failed {
			d.Result = nil
		}
		if t.st.Type == asl.Pass || t.st.Type == asl.Parallel {
			d.AfterArguments = nil
		}
		return
	}
	switch t.st.Type {
	case asl.Pass:
		if t.st.Result != nil {
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
