package autoscaling

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// The alarms of a target tracking policy. Names, description, periods, thresholds and
// actions are as those that AWS makes, of which there are listings: scaling out is three
// periods of a minute above the target, scaling in fifteen below nine tenths of it.
// https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
const (
	outPeriods = 3
	inPeriods  = 15
	inPart     = 0.9
)

// defaultCooldown is that of SageMaker's variants.
// https://docs.aws.amazon.com/autoscaling/application/APIReference/API_TargetTrackingScalingPolicyConfiguration.html
const defaultCooldown = 300

// scaled is the last scaling of a policy.
type scaled struct {
	At    time.Time
	Added int32 // negative: taken away
}

// alarmNames gives a tracking policy names of alarms, those that it has stay.
func (p *scalingPolicy) alarmNames() {
	if p.Tracking == nil {
		return
	}
	if p.High == "" {
		p.High, p.Creator = "TargetTracking-"+p.ResourceID+"-AlarmHigh-"+wire.NewID(), wire.NewID()
	}
	switch {
	case aws.ToBool(p.Tracking.DisableScaleIn):
		p.Low = ""
	case p.Low == "":
		p.Low = "TargetTracking-" + p.ResourceID + "-AlarmLow-" + wire.NewID()
	}
}

// alarms are those of the policy, as the API tells them.
func (p *scalingPolicy) alarms() []types.Alarm {
	out := []types.Alarm{}
	arn, _ := wire.ParseARN(p.ARN)
	sc := wire.ScopeOfARN(arn)
	for _, name := range []string{p.High, p.Low} {
		if name != "" {
			out = append(out, types.Alarm{AlarmName: aws.String(name), AlarmARN: aws.String(sc.ARN("cloudwatch", "alarm:"+name))})
		}
	}
	return out
}

// watch makes or changes the alarms of a tracking policy.
func (s *Service) watch(ctx context.Context, sc wire.Scope, p *scalingPolicy) error {
	if p.Tracking == nil {
		return nil
	}
	by := p.ARN + ":createdBy/" + p.Creator
	put := func(name, comparison string, threshold float64, periods int) error {
		if name == "" {
			return nil
		}
		in := p.metric()
		in["AlarmName"], in["AlarmActions"], in["ComparisonOperator"] = name, []string{by}, comparison
		in["AlarmDescription"] = "DO NOT EDIT OR DELETE. For TargetTrackingScaling policy " + by + "."
		in["Threshold"], in["EvaluationPeriods"] = threshold, periods
		return s.cloudwatch(ctx, sc, "PutMetricAlarm", in)
	}
	return errors.Join(
		put(p.High, "GreaterThanThreshold", *p.Tracking.TargetValue, outPeriods),
		put(p.Low, "LessThanThreshold", *p.Tracking.TargetValue*inPart, inPeriods),
	)
}

// unwatch deletes alarms.
func (s *Service) unwatch(ctx context.Context, sc wire.Scope, names ...string) error {
	var some []string
	for _, name := range names {
		if name != "" {
			some = append(some, name)
		}
	}
	if len(some) == 0 {
		return nil
	}
	return s.cloudwatch(ctx, sc, "DeleteAlarms", map[string]any{"AlarmNames": some})
}

// predefined are the metrics that SageMaker's variants are tracked by.
// https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-add-code-define.html
var predefined = map[types.MetricType]struct{ name, statistic, unit string }{
	types.MetricTypeSageMakerVariantInvocationsPerInstance:                   {"InvocationsPerInstance", "Sum", "None"},
	types.MetricTypeSageMakerVariantConcurrentRequestsPerModelHighResolution: {"ConcurrentRequestsPerModel", "Average", "Count"},
}

// metric is what an alarm of the policy looks at, as PutMetricAlarm wants it. The one of
// high resolution is looked at by the minute: the sandbox keeps it so.
func (p *scalingPolicy) metric() map[string]any {
	const minute = 60
	if spec := p.Tracking.PredefinedMetricSpecification; spec != nil {
		m, v := predefined[spec.PredefinedMetricType], variant.FindStringSubmatch(p.ResourceID)
		return map[string]any{
			"Namespace": "AWS/SageMaker", "MetricName": m.name, "Statistic": m.statistic, "Unit": m.unit, "Period": minute,
			"Dimensions": []map[string]string{{"Name": "EndpointName", "Value": v[1]}, {"Name": "VariantName", "Value": v[2]}},
		}
	}
	spec := p.Tracking.CustomizedMetricSpecification
	dims := func(list []types.MetricDimension) []map[string]string {
		out := []map[string]string{}
		for _, d := range list {
			out = append(out, map[string]string{"Name": aws.ToString(d.Name), "Value": aws.ToString(d.Value)})
		}
		return out
	}
	if len(spec.Metrics) == 0 {
		out := map[string]any{
			"Namespace": aws.ToString(spec.Namespace), "MetricName": aws.ToString(spec.MetricName), "Statistic": spec.Statistic,
			"Period": minute, "Dimensions": dims(spec.Dimensions),
		}
		if spec.Unit != nil {
			out["Unit"] = *spec.Unit
		}
		return out
	}
	var queries []map[string]any
	for _, q := range spec.Metrics {
		one := map[string]any{"Id": aws.ToString(q.Id), "ReturnData": q.ReturnData == nil || *q.ReturnData}
		if q.Label != nil {
			one["Label"] = *q.Label
		}
		if q.Expression != nil {
			one["Expression"] = *q.Expression
		} else if st := q.MetricStat; st != nil && st.Metric != nil {
			var list []map[string]string
			for _, d := range st.Metric.Dimensions {
				list = append(list, map[string]string{"Name": aws.ToString(d.Name), "Value": aws.ToString(d.Value)})
			}
			one["MetricStat"] = map[string]any{
				"Metric": map[string]any{"Namespace": aws.ToString(st.Metric.Namespace), "MetricName": aws.ToString(st.Metric.MetricName), "Dimensions": list},
				"Period": minute, "Stat": aws.ToString(st.Stat),
			}
		}
		queries = append(queries, one)
	}
	return map[string]any{"Metrics": queries}
}

// cloudwatch calls CloudWatch as the service, whose role is allowed to. In a sandbox
// without CloudWatch there are no alarms.
func (s *Service) cloudwatch(ctx context.Context, sc wire.Scope, operation string, in any) error {
	_, err := s.ask(ctx, sc, operation, in)
	if wire.Unserved(err) {
		return nil
	}
	return err
}

// ask calls CloudWatch as the service, and returns what it answers.
func (s *Service) ask(ctx context.Context, sc wire.Scope, operation string, in any) (json.RawMessage, error) {
	raw, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	p := wire.Principal{Account: sc.Account, Admin: true, Service: serviceName}
	return s.router.Invoke(ctx, sc, p, "cloudwatch", operation, raw)
}

// ExecutePolicy implements wire.Scaling: an alarm acts on a policy.
func (s *Service) ExecutePolicy(ctx context.Context, arn string, a wire.ScalingAlarm) error {
	parsed, ok := wire.ParseARN(arn)
	if !ok {
		return validation("%s is no ARN of a scaling policy.", arn)
	}
	sc := wire.ScopeOfARN(parsed)
	arn, _, _ = strings.Cut(arn, ":createdBy/")
	var p scalingPolicy
	var t target
	var key string
	err := s.DB.View(func(tx *store.Tx) error {
		err := store.Each(tx, policiesBucket, sc.Prefix(), "", func(k string, x scalingPolicy) bool {
			if x.ARN == arn {
				key, p = k, x
			}
			return key == ""
		})
		if err != nil || key == "" {
			return err
		}
		t, _, err = store.Get[target](tx, targetsBucket, sc.Key(p.ResourceID))
		return err
	})
	if err != nil {
		return err
	}
	if key == "" || t.ARN == "" {
		return wire.Errorf(400, "ObjectNotFoundException", "No scaling policy found for ARN: %s", arn)
	}
	return s.follow(ctx, key, t, p, a)
}

// follow scales a variant as a policy wants it on an alarm.
func (s *Service) follow(ctx context.Context, key string, t target, p scalingPolicy, a wire.ScalingAlarm) error {
	count, err := s.count(ctx, t)
	if err != nil {
		if errors.Is(err, errGone) {
			return nil
		}
		return err
	}
	want := min(max(p.wanted(count, a), t.Min), t.Max)
	now := s.Clock.Now().UTC()
	if err := s.remember(key, &p, a, leaves{now, want}); err != nil {
		return err
	}
	if want == count || t.held(want > count) || p.cools(now, want-count) {
		return nil
	}
	if want < count && p.Tracking != nil {
		agreed, most, err := s.agreed(ctx, t, p)
		if err != nil || !agreed {
			return err
		}
		if want = max(want, min(most, t.Max)); want >= count {
			return nil
		}
	}
	done := activity{
		ID: wire.NewID(), ResourceID: t.ResourceID, Began: now, Status: types.ScalingActivityStatusCodeSuccessful,
		Cause:       fmt.Sprintf("monitor alarm %s in state ALARM triggered policy %s", a.Name, p.Name),
		Description: fmt.Sprintf("Setting desired instance count to %d.", want),
		Message:     fmt.Sprintf("Successfully set desired instance count to %d. Change successfully fulfilled by sagemaker.", want),
	}
	failed := s.set(ctx, t, want)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if failed != nil {
		done.Status, done.Message = types.ScalingActivityStatusCodeFailed, fmt.Sprintf("Failed to set desired instance count to %d. Reason: %s", want, wire.AsError(failed).Message)
	}
	done.Ended = s.Clock.Now().UTC()
	return s.DB.Update(func(tx *store.Tx) error {
		current, found, err := store.Get[scalingPolicy](tx, policiesBucket, key)
		if err != nil || !found {
			return err
		}
		if failed == nil {
			current.Last = &scaled{At: done.Ended, Added: want - count}
			if err := store.Put(tx, policiesBucket, key, current); err != nil {
				return err
			}
		}
		return done.note(tx, t)
	})
}

// remember keeps what a tracking policy would leave of its target, for the others of it.
func (s *Service) remember(key string, p *scalingPolicy, a wire.ScalingAlarm, x leaves) error {
	if p.Tracking == nil || a.Name != p.Low || !a.Known {
		return nil
	}
	return s.DB.Update(func(tx *store.Tx) error {
		current, found, err := store.Get[scalingPolicy](tx, policiesBucket, key)
		if err != nil || !found {
			return err
		}
		current.In = &x
		return store.Put(tx, policiesBucket, key, current)
	})
}

// fresh is how long a policy's word counts: its alarm acts every minute while it is on.
const fresh = 3 * time.Minute

// agreed tells whether all tracking policies of a target are ready to scale in: those that
// may, and whose alarm of too little is on, and the most capacity that one of them leaves.
// "It will scale in only if all of the target tracking policies (with the scale-in portion
// enabled) are ready to scale in"; of several policies the one counts "that provides the
// largest capacity for both scale out and scale in".
// https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
// https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking.html
func (s *Service) agreed(ctx context.Context, t target, p scalingPolicy) (ready bool, most int32, err error) {
	all, err := store.ReadAll[scalingPolicy](s.DB, policiesBucket, t.Scope.Key(t.ResourceID)+"|")
	if err != nil {
		return false, 0, err
	}
	var names []string
	for _, other := range all {
		if other.ARN == p.ARN || other.Tracking == nil || other.Low == "" {
			continue
		}
		names = append(names, other.Low)
		if other.In != nil && s.Clock.Now().Sub(other.In.At) < fresh {
			most = max(most, other.In.Count)
		}
	}
	if len(names) == 0 {
		return true, 0, nil
	}
	raw, err := s.ask(ctx, t.Scope, "DescribeAlarms", map[string]any{"AlarmNames": names, "StateValue": "ALARM", "MaxRecords": 100})
	if err != nil {
		return false, 0, err
	}
	var doc struct{ MetricAlarms []struct{ AlarmName string } }
	err = json.Unmarshal(raw, &doc)
	return len(doc.MetricAlarms) == len(names), most, err
}

// held tells that the target's scaling in a direction is suspended.
func (t target) held(out bool) bool {
	if out {
		return aws.ToBool(t.Suspended.DynamicScalingOutSuspended)
	}
	return aws.ToBool(t.Suspended.DynamicScalingInSuspended)
}

// cools tells that the last scaling is too near. A larger scale-out is not held up, nor is
// scaling out by a scale-in before it; "scale-in activities are blocked until the cooldown
// period has expired", however much is taken away.
// https://docs.aws.amazon.com/autoscaling/application/userguide/target-tracking-scaling-policy-overview.html
// https://docs.aws.amazon.com/autoscaling/application/userguide/step-scaling-policy-overview.html
func (p *scalingPolicy) cools(now time.Time, added int32) bool {
	if p.Last == nil || added > 0 && p.Last.Added < 0 {
		return false
	}
	var wait *int32
	if p.Step != nil {
		wait = p.Step.Cooldown
	}
	if p.Tracking != nil {
		wait = p.Tracking.ScaleInCooldown
		if p.Last.Added > 0 {
			wait = p.Tracking.ScaleOutCooldown
		}
	}
	if wait == nil {
		wait = aws.Int32(defaultCooldown)
	}
	if now.Sub(p.Last.At) >= time.Duration(*wait)*time.Second {
		return false
	}
	return added < 0 || added <= p.Last.Added
}

// wanted is the count that a policy wants on an alarm.
func (p *scalingPolicy) wanted(count int32, a wire.ScalingAlarm) int32 {
	if !a.Known {
		return count
	}
	if p.Step != nil {
		return stepped(p.Step, count, a.Value-a.Threshold)
	}
	// In proportion, so that the metric comes to the target.
	want := math.Ceil(float64(count)*a.Value / *p.Tracking.TargetValue - 1e-9)
	switch {
	case a.Name == p.High:
		return max(count, bounded(want))
	case aws.ToBool(p.Tracking.DisableScaleIn):
		return count
	}
	return min(count, bounded(want))
}

// stepped applies the step that a breach is in.
// https://docs.aws.amazon.com/autoscaling/application/APIReference/API_StepScalingPolicyConfiguration.html
func stepped(c *types.StepScalingPolicyConfiguration, count int32, breach float64) int32 {
	for _, st := range c.StepAdjustments {
		low, high := math.Inf(-1), math.Inf(1)
		if st.MetricIntervalLowerBound != nil {
			low = *st.MetricIntervalLowerBound
		}
		if st.MetricIntervalUpperBound != nil {
			high = *st.MetricIntervalUpperBound
		}
		// The lower bound is in the step where the metric is above the threshold, else the upper.
		if breach >= 0 && (breach < low || breach >= high) || breach < 0 && (breach <= low || breach > high) {
			continue
		}
		by := aws.ToInt32(st.ScalingAdjustment)
		switch c.AdjustmentType {
		case types.AdjustmentTypeExactCapacity:
			return by
		case types.AdjustmentTypePercentChangeInCapacity:
			change := math.Trunc(float64(count) * float64(by) / 100)
			if change == 0 && by != 0 {
				change = math.Copysign(1, float64(by))
			}
			if least := float64(aws.ToInt32(c.MinAdjustmentMagnitude)); math.Abs(change) < least {
				change = math.Copysign(least, float64(by))
			}
			return bounded(float64(count) + change)
		case types.AdjustmentTypeChangeInCapacity:
		}
		return bounded(float64(count) + float64(by))
	}
	return count
}

// bounded is a number of instances, at most as many as there can be.
func bounded(n float64) int32 { return int32(min(max(n, 0), math.MaxInt32)) }
