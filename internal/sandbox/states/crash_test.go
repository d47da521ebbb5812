package states_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/states"
)

// everyKind has all that starts children, well and with a failure: each of its
// steps is one that a crash may follow.
const everyKind = `{"StartAt":"Both","States":{
	"Both":{"Type":"Parallel","ResultPath":"$.both","Next":"Bad","Branches":[
		{"StartAt":"Inline","States":{"Inline":{"Type":"Map","ItemsPath":"$.items","MaxConcurrency":2,"End":true,"ItemProcessor":{"StartAt":"I","States":{"I":{"Type":"Pass","End":true}}}}}},
		{"StartAt":"Many","States":{"Many":{"Type":"Map","Label":"Many","ItemsPath":"$.items","MaxConcurrency":2,"End":true,"ItemProcessor":{
			"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"T","States":{
			"T":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:000000000000:function:good","End":true,
				"Retry":[{"ErrorEquals":["Lambda.SdkClientException"],"IntervalSeconds":1,"BackoffRate":1}]}}}}}}]},
	"Bad":{"Type":"Map","Label":"Bad","ItemsPath":"$.items","MaxConcurrency":1,"ResultPath":null,"Next":"Limit","Catch":[{"ErrorEquals":["States.ALL"],"ResultPath":"$.bad","Next":"Limit"}],
		"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"F","States":{"F":{"Type":"Fail","Error":"Own"}}}},
	"Limit":{"Type":"Map","QueryLanguage":"JSONata","Label":"Limit","Items":"{% $states.input.items %}","MaxConcurrency":"{% -1 %}","Catch":[{"ErrorEquals":["States.ALL"],"Output":"{% $merge([$states.input, {'limit': $states.errorOutput.Error}]) %}","Next":"BadInline"}],"Next":"BadInline",
		"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"G","States":{"G":{"Type":"Succeed"}}}},
	"BadInline":{"Type":"Map","ItemsPath":"$.items","MaxConcurrency":1,"End":true,"Catch":[{"ErrorEquals":["Own"],"ResultPath":"$.inline","Next":"Last"}],
		"ItemProcessor":{"StartAt":"H","States":{"H":{"Type":"Fail","Error":"Own"}}}},
	"Last":{"Type":"Pass","End":true}}}`

// A service that is killed goes on afterwards as if nothing had been, whichever
// step was the last that is on disk: no state, Map Run or child begins twice, and
// none is lost.
func TestKilledAfterEachStep(t *testing.T) {
	t.Parallel()
	total := killedAt(t, math.MaxInt64)
	require.Greater(t, total, int64(60))
	for n := range total {
		t.Run(strconv.FormatInt(n+1, 10), func(t *testing.T) {
			t.Parallel()
			killedAt(t, n+1)
		})
	}
}

// killedAt runs everyKind with a crash at the n-th write and returns how many
// writes there were.
func killedAt(t *testing.T, n int64) int64 {
	t.Helper()
	var mu sync.Mutex
	calls := map[string]int{}
	w := newWorld(t, func(w *world) {
		w.lambda.all["good"] = function{handle: func(event json.RawMessage) (string, error) {
			mu.Lock()
			defer mu.Unlock()
			calls[string(event)]++
			return string(event), nil
		}}
	})
	dead, writes := w.svc.CrashAt(n)
	m := w.machine("m", everyKind)
	in := &sfn.StartExecutionInput{StateMachineArn: &m, Name: ptr("e"), Input: ptr(`{"items":[1,2,3]}`)}
	if _, err := w.client().StartExecution(t.Context(), in); err == nil {
		w.settled(dead)
	}
	w.close()
	w.open()
	started, err := w.client().StartExecution(t.Context(), in) // the first start may not have been acknowledged
	var exists *sfntypes.ExecutionAlreadyExists
	arn := "arn:aws:states:" + region + ":" + account + ":execution:m:e"
	if err != nil {
		require.ErrorAs(t, err, &exists)
	} else {
		require.Equal(t, arn, *started.ExecutionArn)
	}
	got := w.await(arn)
	require.Equal(t, "SUCCEEDED", got["status"], "%v", got)
	require.JSONEq(t, `{"items":[1,2,3],"both":[[1,2,3],[1,2,3]],"bad":{"Error":"States.ExceedToleratedFailureThreshold","Cause":"The specified tolerated failure threshold was exceeded"},
		"limit":"States.QueryEvaluationError","inline":{"Error":"Own","Cause":null}}`, got["output"].(string))
	w.checkHistory(arn)
	mu.Lock()
	defer mu.Unlock()
	for event, times := range calls {
		require.LessOrEqual(t, times, 2, "calls for %s", event) // the one that was under way may be made again
	}
	require.Len(t, calls, 3)
	return writes.Load()
}

// settled waits until the service is dead or no execution runs.
func (w *world) settled(dead <-chan struct{}) {
	idle := make(chan struct{})
	go func(svc *states.Service) { defer close(idle); svc.Idle() }(w.svc)
	select {
	case <-dead:
	case <-idle:
	}
}

// checkHistory checks that each thing happened as often as it must.
func (w *world) checkHistory(arn string) {
	w.t.Helper()
	count := map[string]int{}
	for i, e := range w.history(arn) {
		m := e.(map[string]any)
		count[m["type"].(string)]++
		if i > 1 {
			require.NotEqual(w.t, "0", fmt.Sprint(m["previousEventId"]), "%v", m)
		}
	}
	for typ, n := range map[string]int{
		"ParallelStateStarted": 1, "MapStateStarted": 5, "MapRunStarted": 2, "MapRunSucceeded": 1, "MapRunFailed": 1, "MapRunRedriven": 0, "MapRunAborted": 0,
		"MapStateFailed": 3, "MapStateSucceeded": 2, "MapStateEntered": 5, "MapStateExited": 5, "EvaluationFailed": 1, "MapIterationStarted": 4,
		"MapIterationSucceeded": 3, "MapIterationFailed": 1,
	} {
		require.Equal(w.t, n, count[typ], "%s in %v", typ, count)
	}
	runs, err := w.client().ListMapRuns(w.t.Context(), &sfn.ListMapRunsInput{ExecutionArn: &arn})
	require.NoError(w.t, err)
	require.Len(w.t, runs.MapRuns, 2)
	for _, r := range runs.MapRuns {
		children, err := w.client().ListExecutions(w.t.Context(), &sfn.ListExecutionsInput{MapRunArn: r.MapRunArn})
		require.NoError(w.t, err)
		want := 3
		if strings.Contains(*r.MapRunArn, "/Bad:") {
			want = 1 // its first failure ends it
		}
		require.Len(w.t, children.Executions, want, *r.MapRunArn)
		for _, c := range children.Executions {
			require.NotEqual(w.t, sfntypes.ExecutionStatusRunning, c.Status)
		}
	}
}

func ptr(s string) *string { return &s }
