package checks_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/checks"
	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/results"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// TestJudge tells good answers from bad ones: by the condition, by the time, and by how the
// execution ended.
func TestJudge(t *testing.T) {
	good := checks.Answer{
		Execution: "check-a-1", Status: executions.Succeeded, Took: time.Second,
		Output: json.RawMessage(`{"resultUri":"s3://b/k","revision":3}`), Prediction: json.RawMessage(`{"predictions":[0.25]}`),
	}
	unread := checks.Answer{Execution: "e", Status: executions.Succeeded, Took: time.Second, Output: json.RawMessage(`{}`), Unread: "there is no s3://b/k"}
	failed := checks.Answer{Execution: "e", Status: executions.Failed, Error: "Model", Cause: "no weights"}
	for name, c := range map[string]struct {
		check  spec.Check
		answer checks.Answer
		why    string
	}{
		"condition":           {spec.Check{Condition: "$answer.predictions[0] > 0.2"}, good, ""},
		"all three":           {spec.Check{Condition: "$answer.predictions[0] < $input.most and $output.revision = 3", Input: spec.JSON(`{"most":1}`)}, good, ""},
		"false":               {spec.Check{Condition: "$answer.predictions[0] > 0.5"}, good, "its condition is false"},
		"nothing":             {spec.Check{Condition: "$answer.scores"}, good, "its condition found nothing to look at"},
		"a number is no true": {spec.Check{Condition: "$answer.predictions[0]"}, good, "its condition is neither true nor false: it is 0.25"},
		"a text is no true":   {spec.Check{Condition: `"true" & $answer.x`}, good, `its condition is neither true nor false: it is "true"`},
		"can't be computed":   {spec.Check{Condition: "$answer.predictions[0] > 'a'"}, good, "its condition can't be computed: "},
		"in time":             {spec.Check{Latency: time.Second}, good, ""},
		"too late":            {spec.Check{Latency: 999 * time.Millisecond, Condition: "$answer.predictions[0] > 0.5"}, good, "it took 1s, and may take 999ms"},
		"given up":            {spec.Check{Latency: time.Second}, checks.Answer{Execution: "e"}, "it took longer than 1s and was stopped"},
		"given up at last":    {spec.Check{Condition: "$answer"}, checks.Answer{Execution: "e"}, "it took longer than 1h0m0s and was stopped"},
		"stores nothing":      {spec.Check{Condition: "$answer.x = 1"}, unread, "its answer can't be read: there is no s3://b/k"},
		"only in time":        {spec.Check{Latency: 2 * time.Second}, unread, ""},
		"failed":              {spec.Check{Condition: "true"}, failed, "the execution ended FAILED: Model: no weights"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.check.Input == nil {
				c.check.Input = spec.JSON(`{}`)
			}
			c.check.Name = "a"
			got := checks.Judge(t.Context(), c.check, c.answer)
			require.Equal(t, c.why == "", got.Passed, got.Why)
			require.True(t, strings.HasPrefix(got.Why, c.why), "%q", got.Why)
		})
	}
}

// TestTold wants in one line what was asked, what was answered, and what was wanted.
func TestTold(t *testing.T) {
	r := checks.Judge(t.Context(), spec.Check{Name: "low", Input: spec.JSON(`{"x": [1,
 2]}`), Condition: "$answer < 3"}, checks.Answer{Execution: "check-low-1", Status: executions.Succeeded, Prediction: json.RawMessage(`12`), Output: json.RawMessage(`12`)})
	require.Equal(t, `check low failed: its condition is false. It asked {"x":[1,2]} and was answered 12; its condition is $answer < 3 (execution check-low-1)`, r.String())
	require.Equal(t, []checks.Result{r}, checks.Failed([]checks.Result{{Check: "a", Passed: true}, r, {}}))
	long := checks.Result{Check: "a", Why: "w", Input: json.RawMessage(`"` + strings.Repeat("ä", 500) + `"`)}
	require.Less(t, len([]rune(long.String())), 300)
}

// machine is a state machine whose executions all end at once with one output.
type machine struct {
	executions.API

	output string
}

// empty is a bucket without objects.
type empty struct{ results.API }

func (m machine) StartExecution(_ context.Context, in *sfn.StartExecutionInput, _ ...func(*sfn.Options)) (*sfn.StartExecutionOutput, error) {
	return &sfn.StartExecutionOutput{ExecutionArn: aws.String("arn:aws:states:us-east-1:000000000000:execution:m:" + *in.Name), StartDate: aws.Time(time.Unix(1, 0))}, nil
}

func (m machine) DescribeExecution(_ context.Context, in *sfn.DescribeExecutionInput, _ ...func(*sfn.Options)) (*sfn.DescribeExecutionOutput, error) {
	return &sfn.DescribeExecutionOutput{
		ExecutionArn: in.ExecutionArn, Name: aws.String("e"), StateMachineArn: aws.String("arn:aws:states:us-east-1:000000000000:stateMachine:m"),
		Status: types.ExecutionStatusSucceeded, StartDate: aws.Time(time.Unix(1, 0)), StopDate: aws.Time(time.Unix(2, 0)), Input: aws.String("{}"), Output: &m.output,
	}, nil
}

func (m machine) GetExecutionHistory(context.Context, *sfn.GetExecutionHistoryInput, ...func(*sfn.Options)) (*sfn.GetExecutionHistoryOutput, error) {
	return &sfn.GetExecutionHistoryOutput{Events: []types.HistoryEvent{{
		Id: 1, Type: types.HistoryEventTypeExecutionSucceeded, Timestamp: aws.Time(time.Unix(2, 0)),
		ExecutionSucceededEventDetails: &types.ExecutionSucceededEventDetails{Output: &m.output},
	}}}, nil
}

func (empty) GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	return nil, &s3types.NoSuchKey{}
}

// An answer that stands nowhere is a check that failed, and no error of the others.
func TestAnAnswerThatIsNotThere(t *testing.T) {
	m := machine{output: `{"resultUri":"s3://b/k"}`}
	target := &checks.Target{
		Client: executions.New(executions.Config{API: m}), Machine: "arn:aws:states:us-east-1:000000000000:stateMachine:m:live",
		Results: empty{}, Clock: clock.Real{},
	}
	got, err := target.Run(t.Context(), spec.Checks{
		{Name: "a", Input: spec.JSON(`{}`), Condition: "$answer.x = 1"},
		{Name: "b", Input: spec.JSON(`{}`), Condition: "$output.resultUri = 's3://b/k'"},
		{Name: "c", Input: spec.JSON(`{}`), Latency: time.Minute},
	}, nil)
	require.NoError(t, err)
	require.Equal(t, "its answer can't be read: there is no s3://b/k", got[0].Why)
	require.True(t, got[0].Wrong)
	require.True(t, got[2].Passed, got[2].Why)
}

// held is a state machine whose history nobody comes to read: the watch of an execution hears
// of nothing.
type held struct {
	machine

	asked   chan struct{}
	status  types.ExecutionStatus
	refuse  error
	stopped atomic.Bool
}

func (h *held) GetExecutionHistory(ctx context.Context, _ *sfn.GetExecutionHistoryInput, _ ...func(*sfn.Options)) (*sfn.GetExecutionHistoryOutput, error) {
	close(h.asked)
	<-ctx.Done()
	return nil, ctx.Err()
}

func (h *held) DescribeExecution(ctx context.Context, in *sfn.DescribeExecutionInput, opts ...func(*sfn.Options)) (*sfn.DescribeExecutionOutput, error) {
	if h.refuse != nil {
		return nil, h.refuse
	}
	out, err := h.machine.DescribeExecution(ctx, in, opts...)
	if out.Status = h.status; h.status == types.ExecutionStatusRunning {
		out.StopDate, out.Output = nil, nil
	}
	return out, err
}

func (h *held) StopExecution(context.Context, *sfn.StopExecutionInput, ...func(*sfn.Options)) (*sfn.StopExecutionOutput, error) {
	h.stopped.Store(true)
	return &sfn.StopExecutionOutput{}, nil
}

// When the time is up it is the clock of Step Functions that judges, and not how long its end
// took to be heard of here.
func TestAnEndThatIsHeardOfLate(t *testing.T) {
	for name, c := range map[string]struct {
		status  types.ExecutionStatus
		refuse  error
		latency time.Duration
		why     string
		stopped bool
		fails   bool
	}{
		"in time":       {status: types.ExecutionStatusSucceeded, latency: 2 * time.Second},
		"too slow":      {status: types.ExecutionStatusSucceeded, latency: 500 * time.Millisecond, why: "it took 1s, and may take 500ms"},
		"failed":        {status: types.ExecutionStatusFailed, latency: 2 * time.Second, why: "the execution ended FAILED"},
		"goes on":       {status: types.ExecutionStatusRunning, latency: 2 * time.Second, why: "it took longer than 2s and was stopped", stopped: true},
		"is not known":  {refuse: &types.InvalidArn{}, latency: 2 * time.Second, stopped: true, fails: true},
		"without limit": {status: types.ExecutionStatusSucceeded},
	} {
		t.Run(name, func(t *testing.T) {
			h := &held{machine: machine{output: `{}`}, asked: make(chan struct{}), status: c.status, refuse: c.refuse}
			clk := clock.NewFake(time.Unix(1, 0))
			target := &checks.Target{
				Client: executions.New(executions.Config{API: h}), Machine: "arn:aws:states:us-east-1:000000000000:stateMachine:m:live",
				Results: empty{}, Clock: clk,
			}
			go func() {
				<-h.asked
				if clk.WaitTimers(t.Context(), 1) == nil {
					clk.Advance(checks.MostWait)
				}
			}()
			got, err := target.Run(t.Context(), spec.Checks{{Name: "a", Input: spec.JSON(`{}`), Latency: c.latency}}, nil)
			require.Equal(t, c.stopped, h.stopped.Load())
			if c.fails {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.why, got[0].Why)
			require.Equal(t, c.why == "", got[0].Passed)
		})
	}
}
