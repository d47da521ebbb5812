package api

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/failure"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/integration"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/interpreter"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// testedState is what the context object calls the state under test.
const testedState = "StateName"

// test is one state to be run by itself, as TestState is asked.
type test struct {
	in   *sfn.TestStateInput
	st   *asl.State
	mock *interpreter.Mock
}

func (s *Handlers) testState(ctx context.Context, req *wire.Request, in *sfn.TestStateInput) (*sfn.TestStateOutput, error) {
	if in.RoleArn != nil {
		if err := checkRole(*in.RoleArn); err != nil {
			return nil, err
		}
		if err := s.passRole(ctx, req, *in.RoleArn); err != nil {
			return nil, err
		}
	}
	t := &test{in: in}
	if err := t.parse(); err != nil {
		return nil, err
	}
	if err := t.checkMock(); err != nil {
		return nil, err
	}
	trial := interpreter.Trial{Scope: req.Scope, State: t.st, Name: testedState, RoleARN: in.RoleArn, Mock: t.mock}
	if c := in.StateConfiguration; c != nil {
		trial.Retries, trial.FailedIterations = c.RetrierRetryCount, c.MapIterationFailureCount
	}
	var err error
	if trial.Input, err = checkInput(in.Input); err != nil {
		return nil, err
	}
	if trial.Context, err = t.context(); err != nil {
		return nil, err
	}
	if trial.Variables, err = t.variables(); err != nil {
		return nil, err
	}
	out, err := s.Executions.Try(ctx, trial)
	if err != nil {
		return nil, err
	}
	if d := out.InspectionData; d.Variables == nil && trial.Variables.Len() > 0 {
		d.Variables = in.Variables
	}
	if in.InspectionLevel == "" || in.InspectionLevel == types.InspectionLevelInfo {
		out.InspectionData = nil
	}
	return out, nil
}

// parse finds the state in the definition: the definition itself, or a state of a
// state machine.
func (t *test) parse() error {
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
func (t *test) checkMock() error {
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
	t.mock = &interpreter.Mock{}
	if e := m.ErrorOutput; e != nil {
		t.mock.Failure = failure.Given(e.Error, e.Cause)
		return nil
	}
	v, err := value.Parse(*m.Result)
	if err != nil {
		return validation("Mocked result must be valid JSON")
	}
	t.mock.Result = v
	return t.checkResult(v)
}

// waitsForOthers reports whether a task goes on after its call, until a worker, a job
// or the holder of its token ends it. TestState takes these with a mock only, says the
// API reference of TestState; AWS's own words are not known.
func waitsForOthers(resource string) bool {
	i, _ := asl.ParseIntegration(resource)
	return i.Pattern != "" || asl.IsActivity(resource)
}

func (t *test) checkResult(v any) error {
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

// variables are the workflow variables of the test; nil if it has none.
func (t *test) variables() (*value.Object, error) {
	if t.in.Variables == nil {
		return nil, nil
	}
	v, err := value.Parse(*t.in.Variables)
	o, ok := v.(*value.Object)
	if err != nil || !ok {
		return nil, validation("Invalid variables provided: must be a JSON object")
	}
	return o, nil
}

// context is the test's own context object; nil if it has none.
func (t *test) context() (*value.Object, error) {
	if t.in.Context == nil {
		return nil, nil
	}
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
		return nil, validation("Invalid Context object provided: Context object contains 'Task' when state is not a Task state with a '.sync' or " +
			"'.waitForTaskToken' service integration pattern")
	}
	return o, nil
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
