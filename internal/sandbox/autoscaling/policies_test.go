package autoscaling_test

import (
	"context"
	"encoding/json"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	cw "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/autoscaling"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/cloudwatch"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/faults"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const variantID = "endpoint/ep/variant/v"

// stage is a fleet with Application Auto Scaling and CloudWatch around it, both at work.
type stage struct {
	*iamtest.World
	t       *testing.T
	fleet   *fleet
	scaling *sdk.Client
	alarms  *cw.Client
	metrics *cloudwatch.Service
	gate    *faults.Gate
}

func newStage(t *testing.T, count int32) *stage {
	t.Helper()
	w := iamtest.At(t, filepath.Join(t.TempDir(), "db"), clock.Real{}) // signatures are of the machine's time
	w.Clock = clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	gate := faults.New(w.Clock)
	w.Router.SetGate(gate)
	metrics, err := cloudwatch.New(cloudwatch.Config{DB: w.DB, Clock: w.Clock})
	require.NoError(t, err)
	metrics.Register(w.Router)
	f := &fleet{count: count}
	f.ready = func(s *autoscaling.Service) { metrics.SetScaling(s) }
	c, stop := f.open(t, w)
	require.NoError(t, metrics.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, metrics.Close()); stop() })
	require.NoError(t, w.Clock.WaitTimers(t.Context(), 1)) // all alarms were looked at once
	return &stage{World: w, t: t, fleet: f, scaling: c, alarms: cw.NewFromConfig(w.Admin()), metrics: metrics, gate: gate}
}

// pass lets minutes pass, in each of which a metric has a value. It ends early when the
// fleet has a count.
func (s *stage) pass(minutes int, metric string, value float64, until int32) {
	s.t.Helper()
	raw, err := json.Marshal(map[string]any{"Namespace": "AWS/SageMaker", "MetricData": []any{map[string]any{
		"MetricName": metric, "Value": value, "Unit": "None",
		"Dimensions": []any{map[string]string{"Name": "EndpointName", "Value": "ep"}, map[string]string{"Name": "VariantName", "Value": "v"}},
	}}})
	require.NoError(s.t, err)
	for range minutes {
		_, err := s.Router.Invoke(s.t.Context(), iamtest.Scope, wire.Principal{Account: iamtest.Account, Admin: true}, "cloudwatch", "PutMetricData", raw)
		require.NoError(s.t, err)
		for range 12 {
			s.rest()
			if s.fleet.instances() == until {
				return
			}
			s.Clock.Advance(5 * time.Second)
		}
	}
	s.rest()
}

// rest waits until alarms are evaluated and have acted: until the evaluation waits for time
// to pass, and no action is left.
func (s *stage) rest() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	require.NoError(s.t, s.Clock.WaitTimers(ctx, 1))
	require.Eventually(s.t, func() bool {
		left := 0
		err := s.DB.View(func(tx *store.Tx) error {
			return tx.Scan("cloudwatch.actions", "", "", func(string, []byte) (bool, error) { left++; return true, nil })
		})
		return err == nil && left == 0
	}, time.Minute, time.Millisecond)
}

// looked waits until the alarms that were put are evaluated: a state that is set by hand before
// would be undone by that.
func (s *stage) looked() {
	s.t.Helper()
	s.Clock.Advance(10 * time.Second) // all are looked at again
	s.rest()
}

func (s *stage) target(state *types.SuspendedState) {
	s.t.Helper()
	_, err := s.scaling.RegisterScalableTarget(s.t.Context(), &sdk.RegisterScalableTargetInput{
		ServiceNamespace: types.ServiceNamespaceSagemaker, ScalableDimension: dimension, ResourceId: aws.String(variantID),
		MinCapacity: aws.Int32(1), MaxCapacity: aws.Int32(5), SuspendedState: state,
	})
	require.NoError(s.t, err)
}

// A tracking policy has two alarms, as AWS makes them, and scales by the metric when they
// act: up to the maximum, not again while it cools down, and in again when there is little.
// The words of activities are as in listings of AWS's.
// https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
func TestTargetTracking(t *testing.T) {
	t.Parallel()
	s, ctx := newStage(t, 1), t.Context()
	s.target(nil)
	policy, err := s.scaling.PutScalingPolicy(ctx, tracking(variantID, 60))
	require.NoError(t, err)
	require.Len(t, policy.Alarms, 2)
	made, err := s.alarms.DescribeAlarms(ctx, &cw.DescribeAlarmsInput{AlarmNamePrefix: aws.String("TargetTracking-" + variantID + "-Alarm")})
	require.NoError(t, err)
	require.Len(t, made.MetricAlarms, 2)
	high, low := made.MetricAlarms[0], made.MetricAlarms[1]
	require.Equal(t, *policy.Alarms[0].AlarmARN, *high.AlarmArn)
	require.Regexp(t, `-AlarmHigh-[0-9a-f-]{36}$`, *high.AlarmName)
	require.Contains(t, *high.AlarmDescription, "DO NOT EDIT OR DELETE. For TargetTrackingScaling policy "+*policy.PolicyARN+":createdBy/")
	require.Equal(t, []any{"InvocationsPerInstance", cwtypes.StatisticSum, int32(60), int32(3), 60.0, cwtypes.ComparisonOperatorGreaterThanThreshold},
		[]any{*high.MetricName, high.Statistic, *high.Period, *high.EvaluationPeriods, *high.Threshold, high.ComparisonOperator})
	require.Equal(t, []any{int32(15), 54.0, cwtypes.ComparisonOperatorLessThanThreshold}, []any{*low.EvaluationPeriods, *low.Threshold, low.ComparisonOperator})

	s.pass(6, "InvocationsPerInstance", 170, 3)
	require.Equal(t, int32(3), s.fleet.instances(), "as many as bring the metric to the target")
	done, err := s.scaling.DescribeScalingActivities(ctx, &sdk.DescribeScalingActivitiesInput{ServiceNamespace: types.ServiceNamespaceSagemaker})
	require.NoError(t, err)
	require.Equal(t, "Setting desired instance count to 3.", *done.ScalingActivities[0].Description)
	require.Equal(t, "monitor alarm "+*high.AlarmName+" in state ALARM triggered policy tt", *done.ScalingActivities[0].Cause)
	require.Equal(t, types.ScalingActivityStatusCodeSuccessful, done.ScalingActivities[0].StatusCode)

	s.pass(3, "InvocationsPerInstance", 100, 5)
	require.Equal(t, int32(3), s.fleet.instances(), "no more of the same while it cools down")
	s.pass(6, "InvocationsPerInstance", 170, 5)
	require.Equal(t, int32(5), s.fleet.instances(), "an alarm that stays acts each minute, up to the maximum")

	s.target(&types.SuspendedState{DynamicScalingInSuspended: aws.Bool(true)})
	s.pass(22, "InvocationsPerInstance", 24, 2)
	require.Equal(t, int32(5), s.fleet.instances(), "scaling in is suspended")
	s.target(&types.SuspendedState{DynamicScalingInSuspended: aws.Bool(false)})
	s.pass(3, "InvocationsPerInstance", 24, 2)
	require.Equal(t, int32(2), s.fleet.instances())

	in := tracking(variantID, 50)
	in.TargetTrackingScalingPolicyConfiguration.DisableScaleIn = aws.Bool(true)
	changed, err := s.scaling.PutScalingPolicy(ctx, in)
	require.NoError(t, err)
	require.Equal(t, policy.Alarms[:1], changed.Alarms)
	made, err = s.alarms.DescribeAlarms(ctx, &cw.DescribeAlarmsInput{})
	require.NoError(t, err)
	require.Len(t, made.MetricAlarms, 1)
	require.InDelta(t, 50, *made.MetricAlarms[0].Threshold, 0)
	_, err = s.scaling.DeregisterScalableTarget(ctx, &sdk.DeregisterScalableTargetInput{
		ServiceNamespace:  types.ServiceNamespaceSagemaker,
		ScalableDimension: dimension, ResourceId: aws.String(variantID),
	})
	require.NoError(t, err)
	made, err = s.alarms.DescribeAlarms(ctx, &cw.DescribeAlarmsInput{})
	require.NoError(t, err)
	require.Empty(t, made.MetricAlarms, "its alarms go with a policy")
}

// An alarm of the user's own acts on a step policy: the step is that in which the metric
// is beyond the threshold.
// https://docs.aws.amazon.com/autoscaling/application/userguide/step-scaling-policy-overview.html
func TestStepScaling(t *testing.T) {
	t.Parallel()
	s, ctx := newStage(t, 2), t.Context()
	s.target(nil)
	step := func(low, high *float64, by int32) types.StepAdjustment {
		return types.StepAdjustment{MetricIntervalLowerBound: low, MetricIntervalUpperBound: high, ScalingAdjustment: &by}
	}
	policy, err := s.scaling.PutScalingPolicy(ctx, &sdk.PutScalingPolicyInput{
		PolicyName: aws.String("st"), ServiceNamespace: types.ServiceNamespaceSagemaker, ScalableDimension: dimension, ResourceId: aws.String(variantID),
		PolicyType: types.PolicyTypeStepScaling,
		StepScalingPolicyConfiguration: &types.StepScalingPolicyConfiguration{
			AdjustmentType: types.AdjustmentTypeChangeInCapacity, Cooldown: aws.Int32(60),
			StepAdjustments: []types.StepAdjustment{step(aws.Float64(0), aws.Float64(10), 1), step(aws.Float64(10), nil, 2)},
		},
	})
	require.NoError(t, err)
	require.Empty(t, policy.Alarms)
	_, err = s.alarms.PutMetricAlarm(ctx, &cw.PutMetricAlarmInput{
		AlarmName: aws.String("own"), Namespace: aws.String("AWS/SageMaker"), MetricName: aws.String("ModelLatency"), Statistic: cwtypes.StatisticMaximum, Period: aws.Int32(60),
		Dimensions:        []cwtypes.Dimension{{Name: aws.String("EndpointName"), Value: aws.String("ep")}, {Name: aws.String("VariantName"), Value: aws.String("v")}},
		EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(100), ComparisonOperator: cwtypes.ComparisonOperatorGreaterThanOrEqualToThreshold,
		AlarmActions: []string{*policy.PolicyARN},
	})
	require.NoError(t, err)
	s.pass(2, "ModelLatency", 115, 4)
	require.Equal(t, int32(4), s.fleet.instances())
	history, err := s.alarms.DescribeAlarmHistory(ctx, &cw.DescribeAlarmHistoryInput{HistoryItemType: cwtypes.HistoryItemTypeAction})
	require.NoError(t, err)
	for _, h := range history.AlarmHistoryItems {
		require.Equal(t, "Successfully executed action "+*policy.PolicyARN, *h.HistorySummary)
	}
}

// act lets an alarm act on a policy at a value of its metric, beyond CloudWatch.
func (s *stage) act(arn, alarm string, value, threshold float64) {
	s.t.Helper()
	require.NoError(s.t, s.fleet.service.ExecutePolicy(s.t.Context(), arn, wire.ScalingAlarm{Name: alarm, Value: value, Threshold: threshold, Known: true}))
}

// "Scale-in activities are blocked until the cooldown period has expired", smaller ones too.
// https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
func TestScaleInCoolsDown(t *testing.T) {
	t.Parallel()
	s := newStage(t, 5)
	s.target(nil)
	made, err := s.scaling.PutScalingPolicy(t.Context(), tracking(variantID, 60))
	require.NoError(t, err)
	low := *made.Alarms[1].AlarmName
	s.act(*made.PolicyARN, low, 36, 54)
	require.Equal(t, int32(3), s.fleet.instances())
	s.Clock.Advance(299 * time.Second)
	s.act(*made.PolicyARN, low, 36, 54)
	require.Equal(t, int32(3), s.fleet.instances(), "one less is a scale-in too")
	s.Clock.Advance(time.Second)
	s.act(*made.PolicyARN, low, 36, 54)
	require.Equal(t, int32(2), s.fleet.instances())
}

// Of several tracking policies each scales out, and in when all are ready to; one that is
// not to scale in does not count. The page is that of TestScaleInCoolsDown.
func TestPoliciesAgreeToScaleIn(t *testing.T) {
	t.Parallel()
	s, ctx := newStage(t, 5), t.Context()
	s.target(nil)
	made, err := s.scaling.PutScalingPolicy(ctx, tracking(variantID, 60))
	require.NoError(t, err)
	in := tracking(variantID, 10)
	in.PolicyName = aws.String("other")
	in.TargetTrackingScalingPolicyConfiguration.PredefinedMetricSpecification.PredefinedMetricType = types.MetricTypeSageMakerVariantConcurrentRequestsPerModelHighResolution
	other, err := s.scaling.PutScalingPolicy(ctx, in)
	require.NoError(t, err)
	low := *made.Alarms[1].AlarmName
	s.act(*made.PolicyARN, low, 48, 54)
	require.Equal(t, int32(5), s.fleet.instances(), "the other is not ready")
	s.looked()
	_, err = s.alarms.SetAlarmState(ctx, &cw.SetAlarmStateInput{AlarmName: other.Alarms[1].AlarmName, StateValue: cwtypes.StateValueAlarm, StateReason: aws.String("test")})
	require.NoError(t, err)
	s.act(*made.PolicyARN, low, 48, 54)
	require.Equal(t, int32(4), s.fleet.instances())
	_, err = s.alarms.SetAlarmState(ctx, &cw.SetAlarmStateInput{AlarmName: other.Alarms[1].AlarmName, StateValue: cwtypes.StateValueOk, StateReason: aws.String("test")})
	require.NoError(t, err)
	in.TargetTrackingScalingPolicyConfiguration.DisableScaleIn = aws.Bool(true)
	_, err = s.scaling.PutScalingPolicy(ctx, in)
	require.NoError(t, err)
	s.Clock.Advance(300 * time.Second)
	s.act(*made.PolicyARN, low, 45, 54)
	require.Equal(t, int32(3), s.fleet.instances())
}

// Of two tracking policies the one that gives more decides, out and in, whichever is asked
// first: the policy counts "that provides the largest capacity for both scale out and scale
// in". https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking.html
func TestLargestCapacityOfPolicies(t *testing.T) {
	t.Parallel()
	s, ctx := newStage(t, 2), t.Context()
	s.target(nil)
	a, err := s.scaling.PutScalingPolicy(ctx, tracking(variantID, 60))
	require.NoError(t, err)
	in := tracking(variantID, 10)
	in.PolicyName = aws.String("other")
	in.TargetTrackingScalingPolicyConfiguration.PredefinedMetricSpecification.PredefinedMetricType = types.MetricTypeSageMakerVariantConcurrentRequestsPerModelHighResolution
	b, err := s.scaling.PutScalingPolicy(ctx, in)
	require.NoError(t, err)
	s.act(*a.PolicyARN, *a.Alarms[0].AlarmName, 90, 60)
	require.Equal(t, int32(3), s.fleet.instances())
	s.act(*b.PolicyARN, *b.Alarms[0].AlarmName, 15, 10)
	require.Equal(t, int32(5), s.fleet.instances())
	s.act(*a.PolicyARN, *a.Alarms[0].AlarmName, 61, 60)
	require.Equal(t, int32(5), s.fleet.instances())

	s.Clock.Advance(300 * time.Second) // what scaled out cools down
	s.rest()
	for _, name := range []*string{a.Alarms[1].AlarmName, b.Alarms[1].AlarmName} {
		_, err = s.alarms.SetAlarmState(ctx, &cw.SetAlarmStateInput{AlarmName: name, StateValue: cwtypes.StateValueAlarm, StateReason: aws.String("test")})
		require.NoError(t, err)
	}
	s.act(*b.PolicyARN, *b.Alarms[1].AlarmName, 10, 9) // as many as there are
	require.Equal(t, int32(5), s.fleet.instances())
	s.act(*a.PolicyARN, *a.Alarms[1].AlarmName, 12, 54) // one would do for it
	require.Equal(t, int32(5), s.fleet.instances(), "the other wants all")
	s.act(*b.PolicyARN, *b.Alarms[1].AlarmName, 6, 9)
	require.Equal(t, int32(3), s.fleet.instances(), "the other wants one only")
}

// A policy whose alarms cannot be made is not there, or as it was.
func TestPolicyWithoutAlarmsIsTakenBack(t *testing.T) {
	t.Parallel()
	s, ctx := newStage(t, 1), t.Context()
	s.target(nil)
	fail := func(times int) {
		require.NoError(t, s.gate.Set(faults.Config{Rules: []faults.Rule{{Service: "cloudwatch", Operation: "PutMetricAlarm", Error: "LimitExceeded", Status: 400, Times: times}}}))
	}
	fail(1) // the first alarm of two
	_, err := s.scaling.PutScalingPolicy(ctx, tracking(variantID, 60))
	require.Error(t, err)
	list := func() []types.ScalingPolicy {
		out, err := s.scaling.DescribeScalingPolicies(ctx, &sdk.DescribeScalingPoliciesInput{ServiceNamespace: types.ServiceNamespaceSagemaker})
		require.NoError(t, err)
		return out.ScalingPolicies
	}
	alarms := func() []cwtypes.MetricAlarm {
		out, err := s.alarms.DescribeAlarms(ctx, &cw.DescribeAlarmsInput{})
		require.NoError(t, err)
		return out.MetricAlarms
	}
	require.Empty(t, list())
	require.Empty(t, alarms())
	require.NoError(t, s.gate.Set(faults.Config{}))
	_, err = s.scaling.PutScalingPolicy(ctx, tracking(variantID, 60))
	require.NoError(t, err)
	fail(1)
	_, err = s.scaling.PutScalingPolicy(ctx, tracking(variantID, 70))
	require.Error(t, err)
	require.InDelta(t, 60, *list()[0].TargetTrackingScalingPolicyConfiguration.TargetValue, 0)
	require.Len(t, alarms(), 2)
	require.InDelta(t, 60, *alarms()[0].Threshold, 0)
	require.InDelta(t, 54, *alarms()[1].Threshold, 0)
}

// An adjustment of any size ends at the target's maximum.
func TestHugeAdjustments(t *testing.T) {
	t.Parallel()
	for kind, by := range map[types.AdjustmentType]int32{
		types.AdjustmentTypeChangeInCapacity:        math.MaxInt32,
		types.AdjustmentTypePercentChangeInCapacity: math.MaxInt32, types.AdjustmentTypeExactCapacity: math.MaxInt32,
	} {
		s := newStage(t, 2)
		s.target(nil)
		made, err := s.scaling.PutScalingPolicy(t.Context(), &sdk.PutScalingPolicyInput{
			PolicyName: aws.String("st"), ServiceNamespace: types.ServiceNamespaceSagemaker, ScalableDimension: dimension, ResourceId: aws.String(variantID),
			PolicyType: types.PolicyTypeStepScaling,
			StepScalingPolicyConfiguration: &types.StepScalingPolicyConfiguration{
				AdjustmentType: kind, StepAdjustments: []types.StepAdjustment{{MetricIntervalLowerBound: aws.Float64(0), ScalingAdjustment: &by}},
			},
		})
		require.NoError(t, err)
		s.act(*made.PolicyARN, "own", 2, 1)
		require.Equal(t, int32(5), s.fleet.instances(), kind)
	}
}

// An alarm goes off by the minute that has begun: the step is that of its value, not of the
// minute before, which did not breach.
func TestStepScalingByTheMinuteUnderWay(t *testing.T) {
	t.Parallel()
	s, ctx := newStage(t, 2), t.Context()
	s.target(nil)
	policy, err := s.scaling.PutScalingPolicy(ctx, &sdk.PutScalingPolicyInput{
		PolicyName: aws.String("st"), ServiceNamespace: types.ServiceNamespaceSagemaker, ScalableDimension: dimension, ResourceId: aws.String(variantID),
		PolicyType: types.PolicyTypeStepScaling,
		StepScalingPolicyConfiguration: &types.StepScalingPolicyConfiguration{
			AdjustmentType: types.AdjustmentTypeChangeInCapacity,
			StepAdjustments: []types.StepAdjustment{
				{MetricIntervalUpperBound: aws.Float64(0), ScalingAdjustment: aws.Int32(-1)},
				{MetricIntervalLowerBound: aws.Float64(0), ScalingAdjustment: aws.Int32(3)},
			},
		},
	})
	require.NoError(t, err)
	_, err = s.alarms.PutMetricAlarm(ctx, &cw.PutMetricAlarmInput{
		AlarmName: aws.String("own"), Namespace: aws.String("AWS/SageMaker"), MetricName: aws.String("ModelLatency"), Statistic: cwtypes.StatisticMaximum, Period: aws.Int32(60),
		Dimensions:        []cwtypes.Dimension{{Name: aws.String("EndpointName"), Value: aws.String("ep")}, {Name: aws.String("VariantName"), Value: aws.String("v")}},
		EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(100), ComparisonOperator: cwtypes.ComparisonOperatorGreaterThanThreshold, AlarmActions: []string{*policy.PolicyARN},
	})
	require.NoError(t, err)
	s.pass(1, "ModelLatency", 50, 0)
	require.Equal(t, int32(2), s.fleet.instances())
	s.pass(1, "ModelLatency", 150, 5)
	require.Equal(t, int32(5), s.fleet.instances())
}

// A SageMaker that is busy says nothing about the variant.
func TestBusySageMakerIsNoValidation(t *testing.T) {
	t.Parallel()
	s := newStage(t, 1)
	require.NoError(t, s.gate.Set(faults.Config{Rules: []faults.Rule{{Service: "sagemaker", Operation: "DescribeEndpoint", Throttle: true}}}))
	_, err := s.scaling.RegisterScalableTarget(t.Context(), target(variantID))
	iamtest.RequireCode(t, err, "ThrottlingException")
	require.NoError(t, s.gate.Set(faults.Config{}))
	_, err = s.scaling.RegisterScalableTarget(t.Context(), target(variantID))
	require.NoError(t, err)
}
