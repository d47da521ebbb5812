package sagemaker_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	astypes "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	sm "github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/faults"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/limits"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/sagemaker"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const (
	one = `{"format":"linear/v1","weights":[[0,0]],"bias":[1],"activation":"identity"}`
	two = `{"format":"linear/v1","weights":[[0,0]],"bias":[2],"activation":"identity"}`
)

// fleets makes an endpoint "iris" of four instances that answers 1, and the configuration
// "new" of one that answers 2.
func fleets(t *testing.T, w *world) {
	t.Helper()
	for name, text := range map[string]string{"iris": one, "second": two} {
		w.objects.put("models/"+name+".tar.gz", archive(t, map[string]string{"model.json": text}))
		require.NoError(t, w.model(name, image, "s3://models/"+name+".tar.gz"))
	}
	four := func(in *sm.CreateEndpointConfigInput) { in.ProductionVariants[0].InitialInstanceCount = aws.Int32(4) }
	require.NoError(t, w.config("old", four))
	require.NoError(t, w.config("new", func(in *sm.CreateEndpointConfigInput) {
		four(in)
		in.ProductionVariants[0].ModelName = aws.String("second")
	}))
	require.NoError(t, w.endpoint("iris", "old"))
	require.Equal(t, types.EndpointStatusInService, w.settle("iris").EndpointStatus)
}

func percent(n int32) *types.CapacitySize {
	return &types.CapacitySize{Type: types.CapacitySizeTypeCapacityPercent, Value: &n}
}

func instances(n int32) *types.CapacitySize {
	return &types.CapacitySize{Type: types.CapacitySizeTypeInstanceCount, Value: &n}
}

// routed is a blue/green deployment of a type with a size, waits of 600 and 300 s and, as
// the case may be, an alarm.
func routed(kind types.TrafficRoutingConfigType, size *types.CapacitySize, alarms ...string) *types.DeploymentConfig {
	t := &types.TrafficRoutingConfig{Type: kind, WaitIntervalInSeconds: aws.Int32(600)}
	switch kind {
	case types.TrafficRoutingConfigTypeCanary:
		t.CanarySize = size
	case types.TrafficRoutingConfigTypeLinear:
		t.LinearStepSize = size
	case types.TrafficRoutingConfigTypeAllAtOnce:
	}
	out := &types.DeploymentConfig{BlueGreenUpdatePolicy: &types.BlueGreenUpdatePolicy{
		TrafficRoutingConfiguration: t, TerminationWaitInSeconds: aws.Int32(300), MaximumExecutionTimeoutInSeconds: aws.Int32(7200),
	}}
	return watched(out, alarms...)
}

func rolling(size, back *types.CapacitySize, alarms ...string) *types.DeploymentConfig {
	return watched(&types.DeploymentConfig{RollingUpdatePolicy: &types.RollingUpdatePolicy{
		MaximumBatchSize: size, RollbackMaximumBatchSize: back, WaitIntervalInSeconds: aws.Int32(600),
	}}, alarms...)
}

func watched(dc *types.DeploymentConfig, alarms ...string) *types.DeploymentConfig {
	for _, name := range alarms {
		if dc.AutoRollbackConfiguration == nil {
			dc.AutoRollbackConfiguration = &types.AutoRollbackConfig{}
		}
		dc.AutoRollbackConfiguration.Alarms = append(dc.AutoRollbackConfiguration.Alarms, types.Alarm{AlarmName: aws.String(name)})
	}
	return dc
}

func (w *world) update(cfg string, dc *types.DeploymentConfig, change ...func(*sm.UpdateEndpointInput)) error {
	in := &sm.UpdateEndpointInput{EndpointName: aws.String("iris"), EndpointConfigName: &cfg, DeploymentConfig: dc}
	for _, f := range change {
		f(in)
	}
	_, err := w.ctl.UpdateEndpoint(w.t.Context(), in)
	return err
}

// share is the part of requests that the new model answers.
func (w *world) share(n int) float64 {
	w.t.Helper()
	fresh := 0
	for range n {
		out, err := w.invoke("iris", "application/json", `{"instances":[[1,2]]}`)
		require.NoError(w.t, err)
		if strings.Contains(string(out.Body), `"value":2`) {
			fresh++
		}
	}
	return float64(fresh) / float64(n)
}

// until lets time pass bit by bit until the endpoint is as is wanted.
func (w *world) until(what string, ok func(*sm.DescribeEndpointOutput) bool) *sm.DescribeEndpointOutput {
	w.t.Helper()
	var out *sm.DescribeEndpointOutput
	require.Eventually(w.t, func() bool {
		waits := w.waits()
		out = w.describe("iris")
		if ok(out) {
			return true
		}
		if waits {
			w.clock.Advance(250 * time.Millisecond)
		}
		return false
	}, time.Minute, time.Millisecond, what)
	return out
}

// message waits for a variant of the new fleet to be told of in some words.
func (w *world) message(text string) *types.PendingProductionVariantSummary {
	w.t.Helper()
	var v types.PendingProductionVariantSummary
	w.until(text, func(out *sm.DescribeEndpointOutput) bool {
		if out.PendingDeploymentSummary == nil {
			return false
		}
		v = out.PendingDeploymentSummary.ProductionVariants[0]
		return aws.ToString(v.VariantStatus[0].StatusMessage) == text
	})
	return &v
}

func (w *world) rest() *sm.DescribeEndpointOutput {
	w.t.Helper()
	return w.until("rest", func(out *sm.DescribeEndpointOutput) bool {
		return out.EndpointStatus != types.EndpointStatusUpdating && out.EndpointStatus != types.EndpointStatusRollingBack
	})
}

// A canary has its share of the traffic while it bakes, then the new fleet has all of it
// and bakes again.
// https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-blue-green-canary.html
func TestCanary(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.haste = 60 })
	fleets(t, w)
	dc := routed(types.TrafficRoutingConfigTypeCanary, percent(25))
	require.NoError(t, w.update("new", dc))
	w.message("Launching 4 instance(s).")
	require.Zero(t, w.share(20))
	v := w.message("Baking for 600 seconds (WaitIntervalInSeconds) with traffic enabled on canary capacity of 1 instance(s).")
	require.Equal(t, types.VariantStatusBaking, v.VariantStatus[0].Status)
	require.Equal(t, int32(1), *v.CurrentInstanceCount)
	require.Equal(t, int32(4), *v.DesiredInstanceCount)
	require.InDelta(t, 0.25, w.share(200), 0.02)
	out := w.describe("iris")
	require.Equal(t, "old", *out.EndpointConfigName)
	require.Equal(t, int32(4), *out.ProductionVariants[0].CurrentInstanceCount, "the old fleet of a blue/green deployment stays whole")
	require.Equal(t, dc, out.LastDeploymentConfig)
	requireCode(t, w.update("old", nil), "ValidationException", "Cannot update in-progress endpoint")
	_, err := w.ctl.DeleteEndpoint(t.Context(), &sm.DeleteEndpointInput{EndpointName: aws.String("iris")})
	requireCode(t, err, "ValidationException", "Cannot update in-progress endpoint")

	began := w.clock.Now()
	w.message("Baking for 300 seconds (TerminationWaitInSeconds) with traffic enabled on full capacity of 4 instance(s).")
	require.InDelta(t, 10, w.clock.Now().Sub(began).Seconds(), 3, "600 s pass in 10")
	require.InDelta(t, 1, w.share(20), 0)
	out = w.rest()
	require.Equal(t, types.EndpointStatusInService, out.EndpointStatus)
	require.Equal(t, "new", *out.EndpointConfigName)
	require.Nil(t, out.PendingDeploymentSummary)
	require.Nil(t, out.FailureReason)
	require.InDelta(t, 1, w.share(20), 0)
}

// https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-blue-green-linear.html
func TestLinearAndAllAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.haste = 600 })
	fleets(t, w)
	require.NoError(t, w.update("new", routed(types.TrafficRoutingConfigTypeLinear, percent(40))))
	w.message("Baking for 600 seconds (WaitIntervalInSeconds) with traffic enabled on linear step capacity of 2 instance(s).")
	require.InDelta(t, 0.4, w.share(200), 0.02)
	w.message("Baking for 600 seconds (WaitIntervalInSeconds) with traffic enabled on linear step capacity of 4 instance(s).")
	require.InDelta(t, 0.8, w.share(200), 0.02)
	require.Equal(t, "new", *w.rest().EndpointConfigName)

	require.NoError(t, w.update("old", routed(types.TrafficRoutingConfigTypeAllAtOnce, nil)))
	w.message("Baking for 300 seconds (TerminationWaitInSeconds) with traffic enabled on full capacity of 4 instance(s).")
	require.Zero(t, w.share(20))
	require.Equal(t, "old", *w.rest().EndpointConfigName)

	// The last deployment configuration can be used again.
	require.NoError(t, w.update("new", nil, func(in *sm.UpdateEndpointInput) { in.RetainDeploymentConfig = aws.Bool(true) }))
	w.message("Baking for 300 seconds (TerminationWaitInSeconds) with traffic enabled on full capacity of 4 instance(s).")
	require.Equal(t, types.TrafficRoutingConfigTypeAllAtOnce, w.rest().LastDeploymentConfig.BlueGreenUpdatePolicy.TrafficRoutingConfiguration.Type)
}

// The old fleet shrinks as the new one grows.
// https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-rolling.html
func TestRolling(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.haste = 600 })
	fleets(t, w)
	require.NoError(t, w.update("new", rolling(instances(2), nil)))
	w.message("Launching 2 instance(s).")
	w.message("Baking for 600 seconds (WaitIntervalInSeconds) with traffic enabled on batch capacity of 2 instance(s).")
	require.InDelta(t, 0.5, w.share(200), 0.02)
	require.Equal(t, int32(2), *w.describe("iris").ProductionVariants[0].CurrentInstanceCount)
	w.message("Baking for 600 seconds (WaitIntervalInSeconds) with traffic enabled on full capacity of 4 instance(s).")
	require.Equal(t, "new", *w.rest().EndpointConfigName)
}

// An alarm in a baking period brings all traffic back to the old fleet, in a rolling
// deployment batch by batch.
func TestAlarmTurnsBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.haste = 60 })
	fleets(t, w)
	w.alarm("bad")
	canary := routed(types.TrafficRoutingConfigTypeCanary, percent(50), "bad")
	requireCode(t, w.update("new", canary), "ValidationException", "cloudwatch:DescribeAlarms")
	w.grant(iamtest.Allow("cloudwatch:DescribeAlarms", "*"))
	requireCode(t, w.update("new", routed(types.TrafficRoutingConfigTypeCanary, percent(50), "bad", "none")), "ValidationException", `Could not find the alarm(s) "none"`)

	for _, dc := range []*types.DeploymentConfig{canary, rolling(percent(50), percent(25), "bad")} {
		w.state("bad", cwtypes.StateValueOk)
		require.NoError(t, w.update("new", dc))
		w.until("bake", func(out *sm.DescribeEndpointOutput) bool {
			return out.PendingDeploymentSummary.ProductionVariants[0].VariantStatus[0].Status == types.VariantStatusBaking
		})
		require.InDelta(t, 0.5, w.share(200), 0.02)
		w.state("bad", cwtypes.StateValueAlarm)
		out := w.until("rollback", func(out *sm.DescribeEndpointOutput) bool {
			return out.EndpointStatus == types.EndpointStatusRollingBack
		})
		if dc.RollingUpdatePolicy == nil {
			require.Zero(t, w.share(50), "all at once")
		} else {
			w.until("a batch", func(out *sm.DescribeEndpointOutput) bool { return *out.ProductionVariants[0].CurrentInstanceCount == 3 })
			require.InDelta(t, 0.25, w.share(200), 0.02)
		}
		require.Contains(t, *out.FailureReason, `"bad"`)
		out = w.rest()
		require.Equal(t, types.EndpointStatusInService, out.EndpointStatus)
		require.Equal(t, "old", *out.EndpointConfigName)
		require.Contains(t, *out.FailureReason, `"bad"`)
		require.Zero(t, w.share(50))
	}
}

// Instances are whole: 30 % of four is one at a time, and none of them is of no instance.
func TestRollingByWholeInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.haste = 60 })
	fleets(t, w)
	require.NoError(t, w.update("new", rolling(percent(30), nil)))
	baked := map[string]bool{}
	out := w.until("rest", func(out *sm.DescribeEndpointOutput) bool {
		if p := out.PendingDeploymentSummary; p != nil {
			text := aws.ToString(p.ProductionVariants[0].VariantStatus[0].StatusMessage)
			require.NotContains(t, text, " 0 instance(s)")
			if _, capacity, ok := strings.Cut(text, "traffic enabled on "); ok {
				baked[capacity] = true
			}
		}
		return out.EndpointStatus == types.EndpointStatusInService
	})
	require.Equal(t, "new", *out.EndpointConfigName)
	require.Equal(t, map[string]bool{
		"batch capacity of 1 instance(s).": true, "batch capacity of 2 instance(s).": true, "batch capacity of 3 instance(s).": true, "full capacity of 4 instance(s).": true,
	}, baked)
}

// A rolling deployment has given up instances of the old fleet: if they cannot come back
// both fleets go on serving, until another update.
func TestRollbackFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.haste = 60 })
	fleets(t, w)
	w.alarm("bad")
	w.grant(iamtest.Allow("cloudwatch:DescribeAlarms", "*"))
	require.NoError(t, w.update("new", rolling(percent(50), nil, "bad")))
	w.message("Baking for 600 seconds (WaitIntervalInSeconds) with traffic enabled on batch capacity of 2 instance(s).")
	w.objects.remove("models/iris.tar.gz")
	w.state("bad", cwtypes.StateValueAlarm)
	out := w.rest()
	require.Equal(t, types.EndpointStatusUpdateRollbackFailed, out.EndpointStatus)
	require.Contains(t, *out.FailureReason, "Could not access model data at s3://models/iris.tar.gz.")
	require.InDelta(t, 0.5, w.share(200), 0.02)
	_, err := w.ctl.UpdateEndpointWeightsAndCapacities(t.Context(), &sm.UpdateEndpointWeightsAndCapacitiesInput{
		EndpointName: aws.String("iris"), DesiredWeightsAndCapacities: []types.DesiredWeightAndCapacity{{VariantName: aws.String("AllTraffic"), DesiredInstanceCount: aws.Int32(2)}},
	})
	requireCode(t, err, "ValidationException", "in status UpdateRollbackFailed")
	require.Equal(t, types.EndpointStatusUpdateRollbackFailed, w.describe("iris").EndpointStatus)
	w.restart()
	w.state("bad", cwtypes.StateValueOk)
	require.InDelta(t, 0.5, w.share(200), 0.02)
	require.NoError(t, w.update("new", routed(types.TrafficRoutingConfigTypeAllAtOnce, nil)))
	out = w.rest()
	require.Equal(t, types.EndpointStatusInService, out.EndpointStatus)
	require.InDelta(t, 1, w.share(20), 0)
	w.until("one generation of model data", func(*sm.DescribeEndpointOutput) bool { return w.artifacts() == 1 })
}

// What is too busy to answer fails no rollback: the launch is tried again.
func TestBusyStoreFailsNoRollback(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.haste = 60 })
	fleets(t, w)
	w.alarm("bad")
	w.grant(iamtest.Allow("cloudwatch:DescribeAlarms", "*"))
	require.NoError(t, w.update("new", rolling(percent(50), nil, "bad")))
	w.message("Baking for 600 seconds (WaitIntervalInSeconds) with traffic enabled on batch capacity of 2 instance(s).")
	busy := func(is bool) {
		w.objects.mu.Lock()
		defer w.objects.mu.Unlock()
		w.objects.busy = is
	}
	busy(true)
	w.state("bad", cwtypes.StateValueAlarm)
	w.until("asked", func(*sm.DescribeEndpointOutput) bool {
		w.objects.mu.Lock()
		defer w.objects.mu.Unlock()
		return w.objects.asked > 2
	})
	require.Equal(t, types.EndpointStatusRollingBack, w.describe("iris").EndpointStatus)
	busy(false)
	out := w.rest()
	require.Equal(t, types.EndpointStatusInService, out.EndpointStatus)
	require.Equal(t, "old", *out.EndpointConfigName)
}

// artifacts counts the model files that are kept.
func (w *world) artifacts() (n int) {
	w.t.Helper()
	require.NoError(w.t, w.db.View(func(tx *store.Tx) error {
		return tx.Scan(sagemaker.OpaqueBucket, "", "", func(string, []byte) (bool, error) { n++; return true, nil })
	}))
	return n
}

// told has the statuses that state change events told of.
type told struct {
	mu       sync.Mutex
	statuses []any
}

func (h *told) PutEvent(_ context.Context, _ wire.Scope, _, kind string, _ []string, detail any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m, ok := detail.(map[string]any); ok && kind == "SageMaker Endpoint State Change" {
		h.statuses = append(h.statuses, m["EndpointStatus"])
	}
}

// A CloudWatch that is busy says nothing about the alarms, neither when an update is asked
// for nor while it runs; a refusal does. Of a rollback an event tells.
func TestBusyCloudWatchTurnsNothingBack(t *testing.T) {
	t.Parallel()
	heard := &told{}
	w := newWorld(t, func(w *world) { w.haste, w.events = 60, heard })
	fleets(t, w)
	w.alarm("bad")
	w.state("bad", cwtypes.StateValueOk)
	w.grant(iamtest.Allow("cloudwatch:DescribeAlarms", "*"))
	gate := w.gate
	fail := func(r faults.Rule) {
		r.Service, r.Operation = "cloudwatch", "DescribeAlarms"
		require.NoError(t, gate.Set(faults.Config{Rules: []faults.Rule{r}}))
	}
	canary := routed(types.TrafficRoutingConfigTypeCanary, percent(50), "bad")
	fail(faults.Rule{Throttle: true})
	var api smithy.APIError
	require.ErrorAs(t, w.update("new", canary), &api)
	require.NotEqual(t, "ValidationException", api.ErrorCode(), "it is not about the role")
	require.NoError(t, gate.Set(faults.Config{}))
	require.NoError(t, w.update("new", canary))
	for _, r := range []faults.Rule{{Throttle: true}, {Error: "InternalFailure", Status: 500}} {
		fail(r)
		w.until("looked at", func(*sm.DescribeEndpointOutput) bool { return gate.Status().Hits[0] > 2 })
		require.Equal(t, types.EndpointStatusUpdating, w.describe("iris").EndpointStatus)
	}
	require.NoError(t, gate.Set(faults.Config{}))
	w.grant(iamtest.Allow("cloudwatch:PutMetricData", "*"))
	out := w.rest()
	require.Equal(t, "old", *out.EndpointConfigName)
	require.Contains(t, *out.FailureReason, "could not be described with the execution role")
	heard.mu.Lock()
	defer heard.mu.Unlock()
	require.Equal(t, []any{"CREATING", "IN_SERVICE", "UPDATING", "ROLLING_BACK", "IN_SERVICE"}, heard.statuses)
}

// An update that exchanges instances in batches leaves to others all but a batch.
func TestRollingUpdateCountsABatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) {
		w.limits = limits.NewBook()
		w.limits.Set(limits.Key(iamtest.Scope, endpointQuota(t)), 7)
	})
	fleets(t, w)
	require.NoError(t, w.update("new", rolling(instances(2), nil)))
	require.NoError(t, w.config("small", nil))
	require.NoError(t, w.endpoint("other", "small"), "4 instances, a batch of 2 and 1 are 7")
	requireCode(t, w.endpoint("third", "small"), "ResourceLimitExceeded", "is 7 Instances, with current utilization of 7 Instances and a request delta of 1")
}

func endpointQuota(t *testing.T) limits.Quota {
	t.Helper()
	id, ok := limits.Endpoint("ml.m5.large")
	require.True(t, ok)
	q, ok := limits.ByID(id)
	require.True(t, ok)
	return q
}

// A deployment that takes too long is turned back, and so is a fleet that does not become
// healthy.
func TestDeploymentFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.haste = 60 })
	w.images["sandbox/dead"] = "http://127.0.0.1:1"
	fleets(t, w)
	slow := routed(types.TrafficRoutingConfigTypeCanary, percent(50))
	slow.BlueGreenUpdatePolicy.MaximumExecutionTimeoutInSeconds = aws.Int32(600)
	require.NoError(t, w.update("new", slow))
	out := w.rest()
	require.Equal(t, "old", *out.EndpointConfigName)
	require.Contains(t, *out.FailureReason, "MaximumExecutionTimeoutInSeconds of 600 seconds")

	require.NoError(t, w.model("dead", "sandbox/dead:1", ""))
	require.NoError(t, w.config("dead", func(in *sm.CreateEndpointConfigInput) { in.ProductionVariants[0].ModelName = aws.String("dead") }))
	require.NoError(t, w.update("dead", routed(types.TrafficRoutingConfigTypeCanary, percent(50))))
	out = w.rest()
	require.Equal(t, "old", *out.EndpointConfigName)
	require.Contains(t, *out.FailureReason, "did not pass the ping health check")
	require.Zero(t, w.share(20))
}

// What is stored of a deployment goes on after the daemon has died, in each phase.
func TestDeploymentSurvives(t *testing.T) {
	t.Parallel()
	for _, until := range []string{
		"Launching 4 instance(s).", "Activating traffic on canary capacity of 2 instance(s).",
		"Baking for 600 seconds (WaitIntervalInSeconds) with traffic enabled on canary capacity of 2 instance(s).",
		"Activating traffic on full capacity of 4 instance(s).",
		"Baking for 300 seconds (TerminationWaitInSeconds) with traffic enabled on full capacity of 4 instance(s).",
	} {
		t.Run(until, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(w *world) { w.haste = 60 })
			fleets(t, w)
			require.NoError(t, w.update("new", routed(types.TrafficRoutingConfigTypeCanary, percent(50))))
			w.message(until)
			before := w.share(200)
			w.restart()
			require.InDelta(t, before, w.share(200), 0.02)
			out := w.rest()
			require.Equal(t, "new", *out.EndpointConfigName)
			require.InDelta(t, 1, w.share(20), 0)
		})
	}
	t.Run("the rollback", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(w *world) { w.haste = 60 })
		fleets(t, w)
		slow := routed(types.TrafficRoutingConfigTypeCanary, percent(50))
		slow.BlueGreenUpdatePolicy.MaximumExecutionTimeoutInSeconds = aws.Int32(600)
		require.NoError(t, w.update("new", slow))
		w.message("Terminating 4 instance(s).")
		w.restart()
		require.Zero(t, w.share(20))
		require.Equal(t, "old", *w.rest().EndpointConfigName)
		require.Zero(t, w.share(20))
	})
}

// https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-exclusions.html and
// the pages of DeploymentConfig's parts have the rules; the words are ours.
func TestDeploymentIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fleets(t, w)
	require.NoError(t, w.config("renamed", func(in *sm.CreateEndpointConfigInput) { in.ProductionVariants[0].VariantName = aws.String("other") }))
	canary, linear := types.TrafficRoutingConfigTypeCanary, types.TrafficRoutingConfigTypeLinear
	both := routed(types.TrafficRoutingConfigTypeAllAtOnce, nil)
	both.RollingUpdatePolicy = rolling(percent(50), nil).RollingUpdatePolicy
	late := routed(canary, percent(50))
	late.BlueGreenUpdatePolicy.TerminationWaitInSeconds = aws.Int32(3601)
	cases := []struct {
		name, cfg string
		dc        *types.DeploymentConfig
		text      string
	}{
		{"canary over half", "new", routed(canary, percent(51)), "CanarySize must be less than or equal to 50%"},
		{"canary of too many", "new", routed(canary, instances(3)), "CanarySize must be less than or equal to 50%"},
		{"canary without a size", "new", routed(canary, nil), "CanarySize must be specified"},
		{"linear too small", "new", routed(linear, percent(9)), "LinearStepSize must be between 10% and 50%"},
		{"linear without a size", "new", routed(linear, nil), "LinearStepSize must be specified"},
		{"rolling too small", "new", rolling(percent(4), nil), "MaximumBatchSize must be between 5% and 50%"},
		{"rolling too much", "new", rolling(instances(3), nil), "MaximumBatchSize must be between 5% and 50%"},
		{"both policies", "new", both, "Only one of BlueGreenUpdatePolicy and RollingUpdatePolicy"},
		{"a wait beyond the limit", "new", late, "less than or equal to 3600"},
		{"other variants", "renamed", routed(canary, percent(50)), "variant names"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { requireCode(t, w.update(c.cfg, c.dc), "ValidationException", c.text) })
	}
	require.NoError(t, w.update("renamed", nil), "without a policy variants may change")
}

// An update sets the counts and weights of the new configuration unless the caller retains
// those that are.
// https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_UpdateEndpoint.html
func TestCapacityIsRetained(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fleets(t, w)
	scaled := func(n int32) {
		_, err := w.ctl.UpdateEndpointWeightsAndCapacities(t.Context(), &sm.UpdateEndpointWeightsAndCapacitiesInput{
			EndpointName: aws.String("iris"), DesiredWeightsAndCapacities: []types.DesiredWeightAndCapacity{{
				VariantName:          aws.String("AllTraffic"),
				DesiredInstanceCount: &n, DesiredWeight: aws.Float32(0.5),
			}},
		})
		require.NoError(t, err)
		w.rest()
	}
	retain := func(excluded ...types.VariantPropertyType) func(*sm.UpdateEndpointInput) {
		return func(in *sm.UpdateEndpointInput) {
			in.RetainAllVariantProperties = aws.Bool(true)
			for _, p := range excluded {
				in.ExcludeRetainedVariantProperties = append(in.ExcludeRetainedVariantProperties, types.VariantProperty{VariantPropertyType: p})
			}
		}
	}
	check := func(count int32, weight float64) {
		t.Helper()
		v := w.rest().ProductionVariants[0]
		require.Equal(t, []int32{count, count}, []int32{*v.CurrentInstanceCount, *v.DesiredInstanceCount})
		require.InDelta(t, weight, *v.CurrentWeight, 0)
	}
	scaled(7)
	require.NoError(t, w.update("new", nil, retain()))
	check(7, 0.5)
	require.NoError(t, w.update("old", nil, retain(types.VariantPropertyTypeDesiredWeight)))
	check(7, 1)
	require.NoError(t, w.update("new", nil))
	check(4, 1)
	// "(Not currently supported.)": sagemaker/latest/APIReference/API_VariantProperty.html
	requireCode(t, w.update("old", nil, retain(types.VariantPropertyTypeDataCaptureConfig)), "ValidationException", "DataCaptureConfig")
}

// https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-scaling-update.html
// https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-delete-with-scaling.html
func TestScaledVariants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fleets(t, w)
	require.NoError(t, w.config("larger", func(in *sm.CreateEndpointConfigInput) {
		in.ProductionVariants[0].InstanceType = types.ProductionVariantInstanceTypeMlM5Xlarge
	}))
	c, ctx := applicationautoscaling.NewFromConfig(w.around.Admin()), t.Context()
	id := aws.String("endpoint/iris/variant/AllTraffic")
	register := func() {
		_, err := c.RegisterScalableTarget(ctx, &applicationautoscaling.RegisterScalableTargetInput{
			ServiceNamespace: astypes.ServiceNamespaceSagemaker, ScalableDimension: astypes.ScalableDimensionSageMakerVariantDesiredInstanceCount,
			ResourceId: id, MinCapacity: aws.Int32(1), MaxCapacity: aws.Int32(9),
		})
		require.NoError(t, err)
	}
	register()
	requireCode(t, w.update("larger", nil), "ValidationException",
		`The variant(s) "AllTraffic" must be deregistered as scalable targets with AutoScaling before they can be removed or have their instance type updated.`)
	require.NoError(t, w.update("new", nil), "another model is allowed")
	w.rest()
	_, err := c.DeregisterScalableTarget(ctx, &applicationautoscaling.DeregisterScalableTargetInput{
		ServiceNamespace: astypes.ServiceNamespaceSagemaker, ScalableDimension: astypes.ScalableDimensionSageMakerVariantDesiredInstanceCount, ResourceId: id,
	})
	require.NoError(t, err)
	require.NoError(t, w.update("larger", nil))
	w.rest()
	register()

	_, cfg := w.around.User(t, "deleter", iamtest.Allow("sagemaker:*", "*"))
	_, err = sm.NewFromConfig(cfg).DeleteEndpoint(ctx, &sm.DeleteEndpointInput{EndpointName: aws.String("iris")})
	requireCode(t, err, "ValidationException", "does not have application-autoscaling:DeregisterScalableTarget permission")
	_, err = w.ctl.DeleteEndpoint(ctx, &sm.DeleteEndpointInput{EndpointName: aws.String("iris")})
	require.NoError(t, err)
	left, err := c.DescribeScalableTargets(ctx, &applicationautoscaling.DescribeScalableTargetsInput{ServiceNamespace: astypes.ServiceNamespaceSagemaker})
	require.NoError(t, err)
	require.Empty(t, left.ScalableTargets)
}

// The metrics of
// https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html, by variant
// and, so that an alarm can watch one fleet, by configuration too.
func TestEndpointMetrics(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fleets(t, w)
	w.share(4)
	_, err := w.invoke("iris", "application/json", `{"instances":[[1]]}`)
	require.Error(t, err)
	want := map[string]float64{
		"Invocations None": 5, "Invocation4XXErrors None": 1, "Invocation5XXErrors None": 0, "InvocationModelErrors None": 1,
		"InvocationsPerInstance None": 1.25, "ModelLatency Microseconds": -1, "OverheadLatency Microseconds": -1, "ConcurrentRequestsPerModel Count": 5,
	}
	for _, extra := range []map[string]string{nil, {"EndpointConfigName": "old"}} {
		dims := map[string]string{"EndpointName": "iris", "VariantName": "AllTraffic"}
		maps.Copy(dims, extra)
		for name, sum := range want {
			metric, unit, _ := strings.Cut(name, " ")
			in := &cloudwatch.GetMetricStatisticsInput{
				Namespace: aws.String("AWS/SageMaker"), MetricName: &metric, Statistics: []cwtypes.Statistic{cwtypes.StatisticSum}, Period: aws.Int32(3600),
				StartTime: aws.Time(w.clock.Now().Add(-time.Hour)), EndTime: aws.Time(w.clock.Now().Add(time.Hour)), Unit: cwtypes.StandardUnit(unit),
			}
			for _, k := range slices.Sorted(maps.Keys(dims)) {
				v := dims[k]
				in.Dimensions = append(in.Dimensions, cwtypes.Dimension{Name: &k, Value: &v})
			}
			out, err := w.alarms.GetMetricStatistics(t.Context(), in)
			require.NoError(t, err)
			require.Len(t, out.Datapoints, 1, "%s %v", name, dims)
			if sum >= 0 {
				require.InDelta(t, sum, *out.Datapoints[0].Sum, 1e-6, "%s %v", name, dims)
			}
		}
	}
}

// grant gives the execution role a policy.
func (w *world) grant(policy string) {
	w.t.Helper()
	_, err := iam.NewFromConfig(w.around.Admin()).PutRolePolicy(w.t.Context(), &iam.PutRolePolicyInput{
		RoleName: aws.String("endpoint"), PolicyName: aws.String("more"), PolicyDocument: &policy,
	})
	require.NoError(w.t, err)
}

// alarm makes an alarm that no metric changes.
func (w *world) alarm(name string) {
	w.t.Helper()
	_, err := w.alarms.PutMetricAlarm(w.t.Context(), &cloudwatch.PutMetricAlarmInput{
		AlarmName: &name, Namespace: aws.String("Own"), MetricName: aws.String("none"), Statistic: cwtypes.StatisticSum, Period: aws.Int32(60),
		EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(1), ComparisonOperator: cwtypes.ComparisonOperatorGreaterThanThreshold, TreatMissingData: aws.String("ignore"),
	})
	require.NoError(w.t, err)
}

func (w *world) state(name string, to cwtypes.StateValue) {
	w.t.Helper()
	_, err := w.alarms.SetAlarmState(w.t.Context(), &cloudwatch.SetAlarmStateInput{AlarmName: &name, StateValue: to, StateReason: aws.String("test")})
	require.NoError(w.t, err)
}
