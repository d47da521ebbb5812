package app

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/sandbox"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// What SageMaker tells of a deployment: instances that take traffic, and when the wait ends
// (sagemaker/latest/APIReference/API_PendingProductionVariantSummary.html has the message).
func TestRolloutOf(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)
	out := &sagemaker.DescribeEndpointOutput{
		EndpointName: aws.String("e"), EndpointStatus: types.EndpointStatusUpdating,
		ProductionVariants: []types.ProductionVariantSummary{{CurrentInstanceCount: aws.Int32(7)}},
		PendingDeploymentSummary: &types.PendingDeploymentSummary{ProductionVariants: []types.PendingProductionVariantSummary{{
			CurrentInstanceCount: aws.Int32(1), DesiredInstanceCount: aws.Int32(7),
			VariantStatus: []types.ProductionVariantStatus{{
				Status: types.VariantStatusBaking, StartTime: &began,
				StatusMessage: aws.String("Baking for 600 seconds (WaitIntervalInSeconds) with traffic enabled on canary capacity of 1 instance(s)."),
			}},
		}}},
	}
	p := &spec.Pipeline{ID: spec.ID{Env: "dev"}, Parameters: spec.Values{"rollout.strategy": "canary", "rollout.size": "10%"}}
	r := rolloutOf(p, out, 1)
	require.Equal(t, []int{7, 1, 7, 10}, []int{r.Old, r.New, r.Wanted, r.Percent})
	require.Equal(t, "Baking", r.Phase)
	require.Equal(t, began.Add(10*time.Minute), r.Next)
	require.False(t, r.TurningBack)
	out.EndpointStatus = types.EndpointStatusRollingBack
	r = rolloutOf(p, out, 60)
	require.Equal(t, began.Add(10*time.Second), r.Next)
	require.True(t, r.TurningBack)
}

// The share of the traffic is the plan's: a fleet of one instance is there whole at each step.
func TestTrafficOf(t *testing.T) {
	t.Parallel()
	canary, linear := spec.Rollout{Strategy: spec.Canary, Size: 20, Percent: true}, spec.Rollout{Strategy: spec.Linear, Size: 25, Percent: true}
	for _, c := range []struct {
		plan spec.Rollout
		at   stack.Rollout
		want int
	}{
		{canary, stack.Rollout{Wanted: 1}, 0},
		{canary, stack.Rollout{New: 1, Wanted: 1, Message: "Baking for 600 seconds (WaitIntervalInSeconds) with traffic enabled on canary capacity of 1 instance(s)."}, 20},
		{canary, stack.Rollout{New: 1, Wanted: 1, Message: "Activating traffic on full capacity of 1 instance(s)."}, 100},
		{canary, stack.Rollout{New: 1, Wanted: 1}, 0},
		{canary, stack.Rollout{New: 1, Wanted: 4}, 20},
		{canary, stack.Rollout{New: 1, Wanted: 4, TurningBack: true}, 0},
		{spec.Rollout{Strategy: spec.Canary, Size: 2}, stack.Rollout{New: 2, Wanted: 5}, 40},
		{linear, stack.Rollout{New: 2, Wanted: 4}, 50},
		{linear, stack.Rollout{New: 1, Wanted: 1}, 0},
		{linear, stack.Rollout{New: 3, Wanted: 3}, 0},
		{linear, stack.Rollout{New: 4, Wanted: 4}, 100},
		{spec.Rollout{Strategy: spec.Rolling, Size: 1}, stack.Rollout{Old: 3, New: 1, Wanted: 4}, 25},
		{spec.Rollout{Strategy: spec.AllAtOnce}, stack.Rollout{New: 1, Wanted: 1}, 100},
	} {
		require.Equal(t, c.want, trafficOf(c.plan, &c.at), "%+v of %+v", c.at, c.plan)
	}
}

// How fast waits pass is what the sandbox that runs says, whatever this process was told.
func TestHasteIsThatOfTheSandbox(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	env := map[string]string{
		"PIPELINETUI_HOME": home, "PIPELINETUI_SANDBOX_HASTE": "100", "PIPELINETUI_SANDBOX_ENDPOINT_DELAY": "3s", "PIPELINETUI_SANDBOX_IMAGES": "a=http://127.0.0.1:1",
	}
	a := newTestApp(t, env, nil)
	startTestSandbox(t, func(o *sandbox.ServeOptions) {
		o.Dir, o.Haste, o.EndpointDelay = filepath.Join(home, "sandbox"), 7, 3*time.Second
	})
	require.Equal(t, 7, a.haste(&Target{embedded: true}))
	require.Equal(t, 1, a.haste(&Target{}), "AWS's own time")
	info, err := a.SandboxStart(t.Context())
	require.NoError(t, err)
	require.Equal(t, 7, info.Settings.Haste)
	require.Equal(t, []SandboxDifference{
		{"sandboxHaste", "7", "100", "environment PIPELINETUI_SANDBOX_HASTE"},
		{"sandboxImages", "", "a=http://127.0.0.1:1", "environment PIPELINETUI_SANDBOX_IMAGES"},
	}, info.Differs)
	unasked, err := newTestApp(t, map[string]string{"PIPELINETUI_HOME": home}, nil).SandboxStatus()
	require.NoError(t, err)
	require.Empty(t, unasked.Differs, "nothing was asked for")
	detail, err := a.checkSandbox()
	require.Equal(t, "haste 7, endpoint delay 3s", detail)
	require.ErrorContains(t, err, "it runs with sandboxHaste 7; 100 is asked for")
	require.Contains(t, fault.HintOf(err), "sandbox stop")
}

// News never comes behind the end of a stream, which is its last event.
func TestNewsOfARolloutStandsBeforeTheEnd(t *testing.T) {
	t.Parallel()
	events, news := make(chan stack.Event), make(chan stack.Rollout, 1)
	go func() {
		events <- stack.Event{Seq: 1, Type: stack.EventPrelude}
		events <- stack.Event{Seq: 2, Type: stack.EventEnd}
		news <- stack.Rollout{Phase: "late"}
		close(events)
	}()
	var got []stack.EventType
	for ev := range withRollouts(events, news, time.Now) {
		got = append(got, ev.Type)
	}
	require.Equal(t, []stack.EventType{stack.EventPrelude, stack.EventEnd}, got)
	events = make(chan stack.Event)
	for ev := range withRollouts(events, news, time.Now) {
		require.Equal(t, stack.EventRollout, ev.Type)
		require.Equal(t, "late", ev.Rollout.Phase)
		break
	}
}

// Who can't turn a rollout back from here is told what is under way, whose it is, and what to do.
func TestNotTurnable(t *testing.T) {
	t.Parallel()
	id := spec.ID{Tenant: "acme", Model: "iris", Env: "dev"}
	split := []string{"function: version 1 takes 80% of the calls, version 2 takes 20%"}
	held := []stack.Lock{{User: "ann", Host: "build", PID: 12}}
	dead := []stack.Lock{{User: "ann", Host: "build", PID: 12, Stale: true}}
	const back = "`pipelinetui rollback acme/iris` goes back to revision 1. "
	for name, c := range map[string]struct {
		split       []string
		locks       []stack.Lock
		says, hints string
		goesBack    bool
	}{
		"nothing":                  {nil, nil, "no rollout of acme/iris is under way", "history", true},
		"an update moves an alias": {split, held, "ann@build (pid 12) is at work on acme/iris, of which no endpoint moves over but an alias (function: version 1", "Ctrl-C there", false},
		"an update bakes":          {nil, held, "but ann@build (pid 12) is at work on it", "Ctrl-C there", false},
		"an update was killed":     {split, dead, "one was cut off (function: version 1 takes 80%", "goes on with it", true},
		"who it is is not known":   {split, nil, "or its rollout was cut off (function", "If none is", true},
	} {
		err := notTurnable(id, c.split, c.locks, back)
		require.Equal(t, fault.Conflict, fault.KindOf(err), name)
		require.ErrorContains(t, err, c.says, name)
		require.Contains(t, fault.HintOf(err), c.hints, name)
		require.Equal(t, c.goesBack, strings.Contains(fault.HintOf(err), back), name) // what would meet a lock is not named
	}
}

// Whoever turns a rollout back sets off an alarm of the pipeline's own, that of its checks
// before others: one that the spec names belongs to somebody.
func TestTurnBackSetsOffNobodyElsesAlarm(t *testing.T) {
	t.Parallel()
	there := func(names ...string) []stack.RolloutAlarm {
		var out []stack.RolloutAlarm
		for _, n := range names {
			out = append(out, stack.RolloutAlarm{Name: n})
		}
		return out
	}
	own := []string{"ptui-a-5xx", "ptui-a-checks"}
	require.Equal(t, "ptui-a-checks", brakeOf(own, there("checkout-errors", "ptui-a-5xx", "ptui-a-checks")))
	require.Equal(t, "ptui-a-5xx", brakeOf(own, there("checkout-errors", "ptui-a-5xx", "other-checks")))
	require.Empty(t, brakeOf(own, there("checkout-errors")))
	require.Empty(t, brakeOf(nil, there("checkout-errors")))

	p := irisSet(t, newTestApp(t, nil, nil))[0]
	p.Parameters["rollout.strategy"], p.Parameters["rollout.size"], p.Parameters["rollout.interval"] = "canary", "10%", "10m"
	p.Parameters["rollout.alarms"] = []string{"checkout-errors"}
	mine, others := program.RollbackAlarms(p, program.Env{Account: "123456789012"})
	require.Equal(t, []string{"checkout-errors"}, others)
	require.NotEmpty(t, mine)
	require.NotContains(t, mine, "checkout-errors")
}

// An alarm that is set off is OK again by its next evaluation, which may come before SageMaker
// looks: it is set off until SageMaker turns back. A rollout that is over meanwhile is told as
// what it came to.
// (AmazonCloudWatch/latest/APIReference/API_SetAlarmState.html)
func TestBrakeUntilSageMakerTurnsBack(t *testing.T) {
	t.Parallel()
	const never = 1 << 20
	for name, c := range map[string]struct {
		after int32          // looks
		then  map[string]any // what DescribeEndpoint tells from then on
		says  string
	}{
		"seen at once":      {1, map[string]any{"EndpointStatus": "RollingBack", "EndpointConfigName": "old"}, ""},
		"seen in the end":   {5, map[string]any{"EndpointStatus": "RollingBack", "EndpointConfigName": "old"}, ""},
		"back between":      {2, map[string]any{"EndpointStatus": "InService", "EndpointConfigName": "old"}, ""},
		"through between":   {2, map[string]any{"EndpointStatus": "InService", "EndpointConfigName": "new"}, "came to its end before it could be turned back"},
		"SageMaker is deaf": {never, nil, "has not begun to turn the rollout of acme/iris back, though the alarm ptui-a-5xx was set off"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var looks, set atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !strings.Contains(r.Header.Get("X-Amz-Target"), "DescribeEndpoint") {
					set.Add(1)
					w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
					w.Header().Set("Content-Type", "application/cbor")
					_, _ = w.Write([]byte{0xbf, 0xff}) // an empty map
					return
				}
				answer := map[string]any{
					"EndpointStatus": "Updating", "EndpointConfigName": "old",
					"PendingDeploymentSummary": map[string]any{"EndpointConfigName": "new"},
				}
				if looks.Add(1) > c.after {
					answer = c.then
				}
				w.Header().Set("Content-Type", "application/x-amz-json-1.1")
				_ = json.NewEncoder(w).Encode(answer)
			}))
			t.Cleanup(server.Close)
			fake := clock.NewFake(time.Unix(0, 0))
			a := newTestApp(t, nil, nil)
			a.opts.Clock = fake
			target := &Target{configs: configs{of: map[placeKey]keptConfig{{"us-east-1", ""}: {aws.Config{
				Region: "us-east-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
				Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
			}, time.Now()}}}}
			ended := make(chan error, 1)
			go func() {
				ended <- a.brake(t.Context(), target, &spec.Pipeline{ID: spec.ID{Tenant: "acme", Model: "iris", Env: "dev"}, Region: "us-east-1"},
					&stack.Rollout{Endpoint: "e", Brake: "ptui-a-5xx"})
			}()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			go func() {
				for fake.WaitTimers(ctx, 1) == nil {
					fake.Advance(rolloutPoll)
				}
			}()
			err := <-ended
			if c.says != "" {
				require.ErrorContains(t, err, c.says)
			} else {
				require.NoError(t, err)
			}
			if c.after != never {
				require.Equal(t, c.after, set.Load())
			}
		})
	}
}
