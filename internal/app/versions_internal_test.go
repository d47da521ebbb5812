package app

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/plainbody"
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	sandboxlambda "github.com/pipelinetui/pipelinetui/internal/sandbox/lambda"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

const day = 24 * time.Hour

// longAgo is a service's clock that begins 60 days before that of who is asked for the time.
func longAgo(t *testing.T) (w *iamtest.World, at *clock.Fake, cfg aws.Config) {
	t.Helper()
	w = iamtest.New(t)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	cfg = w.Admin()
	cfg.HTTPClient = &http.Client{Transport: plainbody.Transport{Next: transport}}
	return w, clock.NewFake(w.Clock.Now().Add(-60 * day)), cfg
}

// Versions of a state machine go that are old, that no revision, execution or alias needs.
func TestVersionsOfAStateMachineArePruned(t *testing.T) {
	t.Parallel()
	w, at, cfg := longAgo(t)
	svc, err := states.New(states.Config{DB: w.DB, Router: w.Router, Clock: at})
	require.NoError(t, err)
	svc.Register(w.Router)
	require.NoError(t, svc.Start(context.WithoutCancel(t.Context())))
	t.Cleanup(func() { require.NoError(t, svc.Close()) })
	api, runs := sfn.NewFromConfig(cfg), executions.New(executions.Config{API: executions.Connect(cfg), Limits: executions.Limits{Unlimited: true}})
	definition := func(kind string, n int) *string {
		return aws.String(fmt.Sprintf(`{"StartAt": "S%d", "States": {"S%d": {%s}}}`, n, n, kind))
	}
	const long, fails, ends = `"Type": "Wait", "Seconds": 99999999, "End": true`, `"Type": "Fail"`, `"Type": "Succeed"`
	made, err := api.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
		Name: aws.String("m"), Definition: definition(ends, 0), RoleArn: aws.String("arn:aws:iam::000000000000:role/states"),
	})
	require.NoError(t, err)
	machine := *made.StateMachineArn
	arn := func(n int) string { return machine + ":" + strconv.Itoa(n) }
	publish := func(n int, kind string) {
		t.Helper()
		out, err := api.UpdateStateMachine(t.Context(), &sfn.UpdateStateMachineInput{StateMachineArn: &machine, Definition: definition(kind, n), Publish: true})
		require.NoError(t, err)
		require.Equal(t, arn(n), *out.StateMachineVersionArn)
		at.Advance(time.Minute)
	}
	start := func(n int) (execution string) {
		t.Helper()
		out, err := api.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: aws.String(arn(n))})
		require.NoError(t, err)
		return *out.ExecutionArn
	}
	ended := func(execution string) {
		t.Helper()
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			out, err := api.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: &execution})
			require.NoError(c, err)
			require.NotEqual(c, sfntypes.ExecutionStatusRunning, out.Status)
		}, time.Minute, 5*time.Millisecond)
	}

	publish(1, long) // still runs
	start(1)
	publish(2, fails) // has failed long ago
	ended(start(2))
	publish(3, long) // was stopped a while ago
	stopped := start(3)
	publish(4, ends) // somebody's alias leads there
	_, err = api.CreateStateMachineAlias(t.Context(), &sfn.CreateStateMachineAliasInput{
		Name: aws.String("theirs"), RoutingConfiguration: []sfntypes.RoutingConfigurationListItem{{StateMachineVersionArn: aws.String(arn(4)), Weight: 100}},
	})
	require.NoError(t, err)
	publish(5, ends) // a revision that is kept was made of it
	publish(6, ends) // has succeeded
	ended(start(6))
	at.Advance(55 * day)
	_, err = api.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: &stopped})
	require.NoError(t, err)
	ended(stopped)
	publish(7, ends) // has a newer one since half a day only
	at.Advance(w.Clock.Now().Add(-day / 2).Sub(at.Now()))
	publish(8, ends)
	publish(9, ends)

	versions := machineVersions{executions.NewVersions(cfg, machine), runs}
	left := func() (numbers []string) {
		list, _, err := versions.list(t.Context())
		require.NoError(t, err)
		for _, v := range list {
			numbers = append(numbers, v.name[len(machine)+1:])
		}
		return numbers
	}
	needed := map[string]bool{arn(5): true}
	require.NoError(t, prune(t.Context(), versions, needed, 9))
	require.Equal(t, []string{"9", "8", "7", "6", "5", "4", "3", "2", "1"}, left(), "so many are kept anyway")
	for range 2 {
		require.NoError(t, prune(t.Context(), versions, needed, 2))
		require.Equal(t, []string{"9", "8", "7", "5", "4", "3", "1"}, left())
	}

	_, err = api.DeleteStateMachine(t.Context(), &sfn.DeleteStateMachineInput{StateMachineArn: &machine})
	require.NoError(t, err)
	require.Error(t, prune(t.Context(), versions, needed, 2))
}

// Versions of a function go that are old, and that no revision and no alias needs.
func TestVersionsOfAFunctionArePruned(t *testing.T) {
	t.Parallel()
	w, at, cfg := longAgo(t)
	w.Role(t, "fn", "")
	svc, err := sandboxlambda.New(sandboxlambda.Config{
		DB: w.DB, Dir: filepath.Join(t.TempDir(), "lambda"), Roles: w.IAM, Clock: at, Endpoint: func() string { return w.URL },
		Objects: struct{ wire.Objects }{}, Logs: struct{ wire.Logs }{}, // nothing is asked of them
	})
	require.NoError(t, err)
	svc.Register(w.Router)
	require.NoError(t, svc.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, svc.Close()) })
	api, name := lambda.NewFromConfig(cfg), aws.String("fn")
	code := func(n int) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		f, err := z.Create("handler.py")
		require.NoError(t, err)
		_, err = fmt.Fprintf(f, "N = %d\n", n)
		require.NoError(t, errors.Join(err, z.Close()))
		return b.Bytes()
	}
	_, err = api.CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: name, Runtime: lambdatypes.RuntimePython313, Handler: aws.String("handler.handler"), Publish: true,
		Role: aws.String("arn:aws:iam::" + iamtest.Account + ":role/fn"), Code: &lambdatypes.FunctionCode{ZipFile: code(1)},
	})
	require.NoError(t, err)
	publish := func(n int) {
		t.Helper()
		at.Advance(time.Minute)
		out, err := api.UpdateFunctionCode(t.Context(), &lambda.UpdateFunctionCodeInput{FunctionName: name, ZipFile: code(n), Publish: true})
		require.NoError(t, err)
		require.Equal(t, strconv.Itoa(n), *out.Version)
	}
	for n := 2; n <= 12; n++ {
		publish(n)
	}
	at.Advance(w.Clock.Now().Add(-day / 2).Sub(at.Now()))
	publish(13)
	publish(14)
	_, err = api.CreateAlias(t.Context(), &lambda.CreateAliasInput{
		FunctionName: name, Name: aws.String("theirs"), FunctionVersion: aws.String("4"),
		RoutingConfig: &lambdatypes.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{"5": 0.1}},
	})
	require.NoError(t, err)

	versions := functionVersions{api, *name}
	left := func() (numbers []string) {
		list, _, err := versions.list(t.Context())
		require.NoError(t, err)
		for _, v := range list {
			numbers = append(numbers, v.name)
		}
		return numbers
	}
	require.Len(t, left(), 14)
	for range 2 {
		require.NoError(t, prune(t.Context(), versions, map[string]bool{"2": true}, 2))
		require.Equal(t, []string{"14", "13", "12", "5", "4", "2"}, left())
	}
	_, err = api.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: name})
	require.NoError(t, err, "the function itself stays")
}

// heap are versions in memory, of which some can't go.
type heap struct {
	all    []published
	now    time.Time
	keep   map[string]bool
	asked  int
	broken error
}

func (h *heap) list(context.Context) ([]published, time.Time, error) { return h.all, h.now, nil }

func (h *heap) used(_ context.Context, version string, _ time.Time) (bool, error) {
	h.asked++
	return h.keep[version], h.broken
}

func (h *heap) remove(_ context.Context, version string) error {
	rest := make([]published, 0, len(h.all))
	for _, v := range h.all {
		if v.name != version {
			rest = append(rest, v)
		}
	}
	h.all = rest
	return nil
}

// An update looks at a few versions only, and another one at others: some that stay for long
// don't keep the rest.
func TestPruningIsBounded(t *testing.T) {
	t.Parallel()
	h := &heap{now: time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC), keep: map[string]bool{}}
	publish := func(n int) {
		h.all = append([]published{{strconv.Itoa(n), h.now.Add(-time.Duration(500-n) * day)}}, h.all...)
		h.keep[strconv.Itoa(n)] = n%3 > 0
	}
	for n := range 200 {
		publish(n)
	}
	require.NoError(t, prune(t.Context(), h, nil, 5))
	require.Equal(t, prunedAtOnce, h.asked)
	require.Greater(t, len(h.all), 200-prunedAtOnce)
	for n := 200; n < 400; n++ {
		publish(n)
		require.NoError(t, prune(t.Context(), h, nil, 5))
	}
	unneeded := 0
	for _, v := range h.all[5:] {
		if !h.keep[v.name] {
			unneeded++
		}
	}
	require.Less(t, unneeded, prunedAtOnce)

	h.asked, h.broken = 0, errors.New("nobody answers")
	require.ErrorContains(t, prune(t.Context(), h, nil, 5), "nobody answers")
	before := len(h.all)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, prune(ctx, h, nil, 5))
	require.Len(t, h.all, before)
}

// What revisions that are kept were made of is needed, and what the stack has now.
func TestVersionsThatAreNeeded(t *testing.T) {
	t.Parallel()
	const machine = "arn:aws:states:us-east-1:000000000000:stateMachine:m"
	ledger := revisions.Ledger{
		Revisions: map[string]revisions.Record{"r3": {Number: 3}, "r4": {Number: 4}},
		Made:      map[string]revisions.Made{"r2": {Machine: machine + ":2", Function: "2"}, "r3": {Machine: machine + ":3", Function: "5"}},
	}
	raw, err := json.Marshal(ledger)
	require.NoError(t, err)
	s := &stack.State{
		Revisions: raw,
		Outputs:   map[string]stack.Output{"stateMachineArn": {Value: machine}, "stateMachineVersionArn": {Value: machine + ":6"}, "revision": {Value: 4.0}},
		Resources: []stack.Resource{
			{Type: kinds.StateMachineVersion, ID: machine + ":7"},
			{Type: kinds.Function, Name: "pre", ID: "m-pre", Outputs: map[string]any{"version": "8"}},
			{Type: kinds.Function, Name: "inv", ID: "m-inv", Outputs: map[string]any{"version": "1"}},
		},
	}
	needed, err := versionsNeeded(s)
	require.NoError(t, err)
	of := func(what string) (names []string) {
		for _, v := range []string{"1", "2", "3", "4", "5", "6", "7", "8"} {
			if needed[what][v] || needed[what][what+":"+v] {
				names = append(names, v)
			}
		}
		return names
	}
	require.Equal(t, []string{"3", "6", "7"}, of(machine))
	require.Equal(t, []string{"5", "8"}, of("m-pre"))
	require.Equal(t, []string{"1"}, of("m-inv"))
	for version, published := range map[any]bool{"7": true, "$LATEST": false, "": false, nil: false, 7: false} {
		require.Equal(t, published, isNumber(version), "%v", version)
	}
	s.Revisions = []byte("{")
	_, err = versionsNeeded(s)
	require.Error(t, err)
}
