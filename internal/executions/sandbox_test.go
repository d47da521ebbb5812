package executions_test

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/plainbody"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states"
)

// stepFunctions is a client over the real States Language interpreter and HTTP.
func stepFunctions(t *testing.T) (*executions.Client, func(name, definition string) string) {
	t.Helper()
	w := iamtest.At(t, filepath.Join(t.TempDir(), "store.db"), clock.Real{})
	svc, err := states.New(states.Config{DB: w.DB, Router: w.Router})
	require.NoError(t, err)
	svc.Register(w.Router)
	require.NoError(t, svc.Start(context.WithoutCancel(t.Context())))
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		require.NoError(t, svc.Close())
	})
	cfg := w.Admin()
	cfg.HTTPClient = &http.Client{Transport: plainbody.Transport{Next: transport}}
	raw := sfn.NewFromConfig(cfg)
	create := func(name, definition string) string {
		out, err := raw.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
			Name: &name, Definition: &definition, RoleArn: aws.String("arn:aws:iam::000000000000:role/states"),
		})
		require.NoError(t, err)
		return *out.StateMachineArn
	}
	return executions.New(executions.Config{API: executions.Connect(cfg), Limits: executions.Limits{Unlimited: true}}), create
}

const branchy = `{
  "QueryLanguage": "JSONata", "StartAt": "Each",
  "States": {
    "Each": {"Type": "Map", "Items": "{% $states.input.items %}", "Next": "Both",
      "ItemProcessor": {"StartAt": "Double", "States": {"Double": {"Type": "Pass", "Output": "{% $states.input * 2 %}", "End": true}}}},
    "Both": {"Type": "Parallel", "Next": "Check", "Branches": [
      {"StartAt": "Sum", "States": {"Sum": {"Type": "Pass", "Output": "{% $sum($states.input) %}", "End": true}}},
      {"StartAt": "Pause", "States": {"Pause": {"Type": "Wait", "Seconds": 0, "End": true}}}]},
    "Check": {"Type": "Choice", "Choices": [{"Condition": "{% $states.input[0] > 100 %}", "Next": "TooMuch"}], "Default": "Fine"},
    "TooMuch": {"Type": "Fail", "Error": "Pipeline.TooMuch", "Cause": "{% 'the sum is ' & $string($states.input[0]) %}"},
    "Fine": {"Type": "Succeed", "Output": {"sum": "{% $states.input[0] %}"}}
  }
}`

func TestAgainstTheSandbox(t *testing.T) {
	t.Parallel()
	c, create := stepFunctions(t)
	machine := create("branchy", branchy)
	watch := func(input string) (executions.Outcome, *executions.Timeline) {
		t.Helper()
		s, err := c.Start(t.Context(), executions.StartInput{Machine: machine, Input: []byte(input)})
		require.NoError(t, err)
		w := c.Watch(t.Context(), s.ARN, nil)
		var tl executions.Timeline
		var last int64
		for e := range w.Events() {
			require.Equal(t, last+1, e.ID)
			last = e.ID
			tl.Apply(e)
		}
		out, err := w.Wait()
		require.NoError(t, err)
		return out, &tl
	}

	good, tl := watch(`{"items": [1, 2, 3]}`)
	require.Equal(t, executions.Succeeded, good.Status)
	require.JSONEq(t, `{"sum":12}`, good.Output)
	require.Equal(t, executions.Succeeded, tl.Status)
	each := tl.VisitsOf("Each")[0]
	require.Equal(t, &executions.MapProgress{Total: 3, Started: 3, Succeeded: 3}, each.Map)
	for _, v := range tl.VisitsOf("Double") {
		require.Equal(t, each.Index, v.Parent)
	}
	require.Equal(t, tl.VisitsOf("Both")[0].Index, tl.VisitsOf("Pause")[0].Parent)
	require.Empty(t, tl.Current())

	bad, tl := watch(`{"items": [100]}`)
	require.Equal(t, executions.Failed, bad.Status)
	require.Equal(t, "Pipeline.TooMuch", bad.Error)
	require.Equal(t, "the sum is 200", bad.Cause)
	require.Equal(t, "TooMuch", bad.FailedState)
	require.Equal(t, "TooMuch", tl.Failed().State)

	list, err := c.List(t.Context(), executions.ListInput{Machine: machine})
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, bad.ARN, list[0].ARN, "newest first")
	failed, err := c.List(t.Context(), executions.ListInput{Machine: machine, Statuses: []executions.Status{executions.Failed}})
	require.NoError(t, err)
	require.Len(t, failed, 1)
	latest, err := c.Resolve(t.Context(), machine, executions.Latest)
	require.NoError(t, err)
	require.Equal(t, bad.ARN, latest)
	_, err = c.Resolve(t.Context(), machine, "none")
	require.ErrorIs(t, err, fault.NotFound)

	forward, err := c.History(t.Context(), bad.ARN, executions.HistoryOptions{IncludeData: true})
	require.NoError(t, err)
	back, err := c.History(t.Context(), bad.ARN, executions.HistoryOptions{IncludeData: true, Reverse: true})
	require.NoError(t, err)
	require.Len(t, back, len(forward))
	require.Equal(t, forward[0], back[len(back)-1])

	require.ErrorIs(t, c.Redrive(t.Context(), good.ARN), fault.Invalid)
	require.NoError(t, c.Redrive(t.Context(), bad.ARN))
	out, err := c.Watch(t.Context(), bad.ARN, nil).Wait()
	require.NoError(t, err)
	require.Equal(t, executions.Failed, out.Status)
	d, err := c.Describe(t.Context(), bad.ARN)
	require.NoError(t, err)
	require.Equal(t, 1, d.Redrives)

	_, err = c.Start(t.Context(), executions.StartInput{Machine: machine, Name: bad.Name, Input: []byte(`{"items": [100]}`)})
	require.ErrorIs(t, err, fault.Conflict)
	_, err = c.Start(t.Context(), executions.StartInput{Machine: strings.Replace(machine, "branchy", "none", 1)})
	require.ErrorIs(t, err, fault.NotFound)
}

func TestStopAgainstTheSandbox(t *testing.T) {
	t.Parallel()
	c, create := stepFunctions(t)
	machine := create("slow", `{"StartAt": "Sleep", "States": {"Sleep": {"Type": "Wait", "Seconds": 3600, "End": true}}}`)
	s, err := c.Start(t.Context(), executions.StartInput{Machine: machine})
	require.NoError(t, err)
	w := c.Watch(t.Context(), s.ARN, nil)
	var tl executions.Timeline
	for e := range w.Events() {
		tl.Apply(e)
		if e.Type == "WaitStateEntered" {
			require.Equal(t, "Sleep", tl.Current()[0].State)
			require.NoError(t, c.Stop(t.Context(), s.ARN, "Enough", "stopped by hand"))
		}
	}
	out, err := w.Wait()
	require.NoError(t, err)
	require.Equal(t, executions.Aborted, out.Status)
	require.Equal(t, "Enough", out.Error)
	require.Empty(t, tl.Current())
}

func TestBatchAgainstTheSandbox(t *testing.T) {
	t.Parallel()
	const n = 120
	c, create := stepFunctions(t)
	machine := create("branchy", branchy)
	in := executions.LaunchInput{
		Machine: machine, Batch: "night", Journal: filepath.Join(t.TempDir(), "night.jsonl"),
		Items: func(yield func([]byte, error) bool) {
			for i := range n {
				if !yield(fmt.Appendf(nil, `{"items": [%d]}`, i), nil) {
					return
				}
			}
		},
	}
	launch := func() (names []string, res executions.LaunchResult) {
		l := c.Launch(t.Context(), in)
		for e := range l.Events() {
			require.NoError(t, e.Err)
		}
		res, err := l.Wait()
		require.NoError(t, err)
		for i := range n {
			names = append(names, executions.BatchName("night", i+1))
		}
		return names, res
	}
	names, res := launch()
	require.Equal(t, executions.LaunchResult{Started: n}, res)
	w := c.WatchBatch(t.Context(), machine, names, nil)
	var last executions.BatchProgress
	for p := range w.Events() {
		last = p
	}
	details, err := w.Wait()
	require.NoError(t, err)
	require.Equal(t, 51, last.Succeeded) // sums 0, 2 ... 100
	require.Equal(t, n-51, last.Failed)
	require.True(t, last.Done())
	require.JSONEq(t, `{"sum":100}`, details[50].Output)
	require.Equal(t, "the sum is 102", details[51].Cause)

	_, res = launch()
	require.Equal(t, executions.LaunchResult{Existed: n}, res)
	all, err := c.List(t.Context(), executions.ListInput{Machine: machine, Name: "night-*"})
	require.NoError(t, err)
	require.Len(t, all, n)
	require.WithinDuration(t, time.Now(), all[0].Start, time.Minute)
}
