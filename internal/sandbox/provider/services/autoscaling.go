package services

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
)

func autoscalingResources() []Resource {
	return []Resource{scalingTarget(), scalingPolicy(), scheduledAction()}
}

const noScaling = "ObjectNotFoundException"

// scalable is what identifies a scalable target.
type scalable struct {
	ResourceID        string `pulumi:"resourceId,required,replace"`
	ScalableDimension string `pulumi:"scalableDimension,required,replace"`
	ServiceNamespace  string `pulumi:"serviceNamespace,required,replace"`
}

// parseScalable reads NAMESPACE/RESOURCE/ID/DIMENSION.
func parseScalable(id string) (scalable, error) {
	namespace, rest, ok1 := strings.Cut(id, "/")
	res, dimension, ok2 := cutLast(rest, "/")
	if !ok1 || !ok2 {
		return scalable{}, fmt.Errorf("unexpected format of id %q, expected NAMESPACE/RESOURCE_ID/DIMENSION", id)
	}
	return scalable{ResourceID: res, ScalableDimension: dimension, ServiceNamespace: namespace}, nil
}

type targetArgs struct {
	scalable
	MaxCapacity    int             `pulumi:"maxCapacity,required" check:"min=0"`
	MinCapacity    int             `pulumi:"minCapacity,required" check:"min=0"`
	RoleArn        *string         `pulumi:"roleArn,computed" check:"arn"`
	SuspendedState *suspendedState `pulumi:"suspendedState,computed"`
	Tagged
}

// suspendedState has its fields named as those of the SDK, for recast.
type suspendedState struct {
	DynamicScalingInSuspended  *bool `pulumi:"dynamicScalingInSuspended"`
	DynamicScalingOutSuspended *bool `pulumi:"dynamicScalingOutSuspended"`
	ScheduledScalingSuspended  *bool `pulumi:"scheduledScalingSuspended"`
}

type targetState struct {
	targetArgs
	Arn string `pulumi:"arn"`
}

func scalingTarget() Resource {
	return define(Def[targetArgs, targetState]{
		Type: "aws:appautoscaling/target:Target", Title: "Application Auto Scaling Target",
		CreateFn: func(ctx context.Context, c *Call, in *targetArgs) (string, error) {
			return idUnless(registerTarget(ctx, c, in, in.TagsAll), in.ResourceID)
		},
		ReadFn:   readTarget,
		UpdateFn: updateTarget,
		DeleteFn: func(ctx context.Context, c *Call, _ string, last *targetState) error {
			_, err := c.Autoscaling().DeregisterScalableTarget(ctx, &applicationautoscaling.DeregisterScalableTargetInput{
				ResourceId: aws.String(last.ResourceID), ScalableDimension: types.ScalableDimension(last.ScalableDimension),
				ServiceNamespace: types.ServiceNamespace(last.ServiceNamespace),
			})
			return gone(err, noScaling)
		},
		ImportFn: func(_ context.Context, _ *Call, id string, o *targetState) (string, error) {
			var err error
			o.scalable, err = parseScalable(id)
			return o.ResourceID, err
		},
	})
}

func registerTarget(ctx context.Context, c *Call, in *targetArgs, tags map[string]string) error {
	suspended, err := recast[*types.SuspendedState](in.SuspendedState)
	if err != nil {
		return err
	}
	return c.Propagated(ctx, func() error {
		_, err := c.Autoscaling().RegisterScalableTarget(ctx, &applicationautoscaling.RegisterScalableTargetInput{
			ResourceId: aws.String(in.ResourceID), ScalableDimension: types.ScalableDimension(in.ScalableDimension),
			ServiceNamespace: types.ServiceNamespace(in.ServiceNamespace), MaxCapacity: i32(&in.MaxCapacity), MinCapacity: i32(&in.MinCapacity),
			RoleARN: set(in.RoleArn), SuspendedState: suspended, Tags: nilIfEmpty(tags),
		})
		return err
	}, "Unable to assume IAM role")
}

func readTarget(ctx context.Context, c *Call, id string, last *targetState) (*targetState, error) {
	out, err := c.Autoscaling().DescribeScalableTargets(ctx, &applicationautoscaling.DescribeScalableTargetsInput{
		ServiceNamespace: types.ServiceNamespace(last.ServiceNamespace), ResourceIds: []string{id},
		ScalableDimension: types.ScalableDimension(last.ScalableDimension),
	})
	if err != nil {
		return nil, gone(err, noScaling)
	}
	if len(out.ScalableTargets) == 0 {
		return nil, ErrGone
	}
	t := out.ScalableTargets[0]
	s := &targetState{
		targetArgs: targetArgs{
			scalable:    scalable{ResourceID: deref(t.ResourceId), ScalableDimension: string(t.ScalableDimension), ServiceNamespace: string(t.ServiceNamespace)},
			MaxCapacity: deref(num(t.MaxCapacity)), MinCapacity: deref(num(t.MinCapacity)), RoleArn: set(t.RoleARN),
		},
		Arn: deref(t.ScalableTargetARN),
	}
	if s.SuspendedState, err = recast[*suspendedState](t.SuspendedState); err != nil {
		return nil, err
	}
	if s.Arn == "" {
		return s, nil
	}
	tags, err := c.Autoscaling().ListTagsForResource(ctx, &applicationautoscaling.ListTagsForResourceInput{ResourceARN: t.ScalableTargetARN})
	if err != nil {
		return nil, gone(err, noScaling, "ResourceNotFoundException")
	}
	s.Tagged = c.tagged(tags.Tags, last.Tagged)
	return s, nil
}

func updateTarget(ctx context.Context, c *Call, _ string, last *targetState, in *targetArgs) error {
	if c.Changed("maxCapacity", "minCapacity", "roleArn", "suspendedState") {
		if err := registerTarget(ctx, c, in, nil); err != nil {
			return err
		}
	}
	add, remove := tagChanges(last.TagsAll, in.TagsAll)
	if len(remove) > 0 {
		if _, err := c.Autoscaling().UntagResource(ctx, &applicationautoscaling.UntagResourceInput{ResourceARN: aws.String(last.Arn), TagKeys: remove}); err != nil {
			return err
		}
	}
	if len(add) > 0 {
		if _, err := c.Autoscaling().TagResource(ctx, &applicationautoscaling.TagResourceInput{ResourceARN: aws.String(last.Arn), Tags: add}); err != nil {
			return err
		}
	}
	return nil
}

type scalingPolicyArgs struct {
	scalable
	Name       *string         `pulumi:"name,replace,computed" check:"len=1..255"`
	PolicyType *string         `pulumi:"policyType" default:"StepScaling" check:"enum=StepScaling|TargetTrackingScaling"`
	Step       *stepScaling    `pulumi:"stepScalingPolicyConfiguration"`
	Target     *targetTracking `pulumi:"targetTrackingScalingPolicyConfiguration"`
}

type stepScaling struct {
	AdjustmentType         *string          `pulumi:"adjustmentType" check:"enum=ChangeInCapacity|PercentChangeInCapacity|ExactCapacity"`
	Cooldown               *int             `pulumi:"cooldown"`
	MetricAggregationType  *string          `pulumi:"metricAggregationType,computed" check:"enum=Average|Minimum|Maximum"`
	MinAdjustmentMagnitude *int             `pulumi:"minAdjustmentMagnitude"`
	StepAdjustments        []stepAdjustment `pulumi:"stepAdjustments,set"`
}

type stepAdjustment struct {
	Lower      *string `pulumi:"metricIntervalLowerBound" check:"match=^-?[0-9]*\\.?[0-9]*$"`
	Upper      *string `pulumi:"metricIntervalUpperBound" check:"match=^-?[0-9]*\\.?[0-9]*$"`
	Adjustment int     `pulumi:"scalingAdjustment,required"`
}

// The structs below have their fields named as those of the SDK, for recast.

type targetTracking struct {
	CustomizedMetricSpecification *customMetric     `pulumi:"customizedMetricSpecification"`
	DisableScaleIn                *bool             `pulumi:"disableScaleIn" default:"false"`
	PredefinedMetricSpecification *predefinedMetric `pulumi:"predefinedMetricSpecification"`
	ScaleInCooldown               *int              `pulumi:"scaleInCooldown"`
	ScaleOutCooldown              *int              `pulumi:"scaleOutCooldown"`
	TargetValue                   float64           `pulumi:"targetValue,required"`
}

type predefinedMetric struct {
	PredefinedMetricType string  `pulumi:"predefinedMetricType,required" check:"len=1..128"`
	ResourceLabel        *string `pulumi:"resourceLabel" check:"len=0..1023"`
}

type customMetric struct {
	Dimensions []metricDimension `pulumi:"dimensions,set"`
	MetricName *string           `pulumi:"metricName"`
	Metrics    []metricQuery     `pulumi:"metrics"`
	Namespace  *string           `pulumi:"namespace"`
	Statistic  *string           `pulumi:"statistic" check:"enum=Average|Minimum|Maximum|SampleCount|Sum"`
	Unit       *string           `pulumi:"unit"`
}

type metricDimension struct {
	Name  string `pulumi:"name,required"`
	Value string `pulumi:"value,required"`
}

type metricQuery struct {
	Expression *string     `pulumi:"expression"`
	ID         string      `pulumi:"id,required"`
	Label      *string     `pulumi:"label"`
	MetricStat *metricStat `pulumi:"metricStat"`
	ReturnData *bool       `pulumi:"returnData" default:"true"`
}

type metricStat struct {
	Metric metricName `pulumi:"metric,required"`
	Stat   string     `pulumi:"stat,required"`
	Unit   *string    `pulumi:"unit"`
}

type metricName struct {
	Dimensions []metricDimension `pulumi:"dimensions,set"`
	MetricName string            `pulumi:"metricName,required"`
	Namespace  string            `pulumi:"namespace,required"`
}

type scalingPolicyState struct {
	scalingPolicyArgs
	AlarmArns []string `pulumi:"alarmArns"`
	Arn       string   `pulumi:"arn"`
}

func scalingPolicy() Resource {
	return define(Def[scalingPolicyArgs, scalingPolicyState]{
		Type: "aws:appautoscaling/policy:Policy", Title: "Application Auto Scaling Policy", Named: &Naming{Property: "name", Max: 255},
		CreateFn: func(ctx context.Context, c *Call, in *scalingPolicyArgs) (string, error) {
			return idUnless(putScalingPolicy(ctx, c, in), *in.Name)
		},
		ReadFn: readScalingPolicy,
		UpdateFn: func(ctx context.Context, c *Call, _ string, _ *scalingPolicyState, in *scalingPolicyArgs) error {
			return putScalingPolicy(ctx, c, in)
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, last *scalingPolicyState) error {
			_, err := c.Autoscaling().DeleteScalingPolicy(ctx, &applicationautoscaling.DeleteScalingPolicyInput{
				PolicyName: aws.String(id), ResourceId: aws.String(last.ResourceID),
				ScalableDimension: types.ScalableDimension(last.ScalableDimension), ServiceNamespace: types.ServiceNamespace(last.ServiceNamespace),
			})
			return gone(err, noScaling)
		},
		ImportFn: func(_ context.Context, _ *Call, id string, o *scalingPolicyState) (string, error) {
			target, name, _ := cutLast(id, "/")
			var err error
			o.scalable, err = parseScalable(target)
			return name, err
		},
	})
}

func putScalingPolicy(ctx context.Context, c *Call, in *scalingPolicyArgs) error {
	tracking, err := recast[*types.TargetTrackingScalingPolicyConfiguration](in.Target)
	if err != nil {
		return err
	}
	step, err := in.Step.toAPI()
	if err != nil {
		return err
	}
	return c.Propagated(ctx, func() error {
		_, err := c.Autoscaling().PutScalingPolicy(ctx, &applicationautoscaling.PutScalingPolicyInput{
			PolicyName: in.Name, ResourceId: aws.String(in.ResourceID), ScalableDimension: types.ScalableDimension(in.ScalableDimension),
			ServiceNamespace: types.ServiceNamespace(in.ServiceNamespace), PolicyType: types.PolicyType(deref(in.PolicyType)),
			StepScalingPolicyConfiguration: step, TargetTrackingScalingPolicyConfiguration: tracking,
		})
		return err
	}, "Rate exceeded", "is not authorized to perform", "token included in the request is invalid")
}

func (s *stepScaling) toAPI() (*types.StepScalingPolicyConfiguration, error) {
	if s == nil {
		return nil, nil
	}
	out := &types.StepScalingPolicyConfiguration{
		AdjustmentType: types.AdjustmentType(deref(s.AdjustmentType)), Cooldown: i32(s.Cooldown),
		MetricAggregationType: types.MetricAggregationType(deref(s.MetricAggregationType)), MinAdjustmentMagnitude: i32(s.MinAdjustmentMagnitude),
	}
	for _, a := range s.StepAdjustments {
		lower, err1 := bound(a.Lower)
		upper, err2 := bound(a.Upper)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		out.StepAdjustments = append(out.StepAdjustments, types.StepAdjustment{
			ScalingAdjustment: i32(&a.Adjustment), MetricIntervalLowerBound: lower, MetricIntervalUpperBound: upper,
		})
	}
	return out, nil
}

// bound reads a bound of a step; an empty one is infinite.
func bound(s *string) (*float64, error) {
	if deref(s) == "" {
		return nil, nil
	}
	f, err := strconv.ParseFloat(*s, 64)
	if err != nil {
		return nil, fmt.Errorf("the bound of a step must be a number: %w", err)
	}
	return &f, nil
}

func boundText(f *float64) *string {
	if f == nil {
		return nil
	}
	return aws.String(strconv.FormatFloat(*f, 'f', -1, 64))
}

func stepScalingOf(s *types.StepScalingPolicyConfiguration) *stepScaling {
	if s == nil {
		return nil
	}
	return &stepScaling{
		AdjustmentType: text(s.AdjustmentType), Cooldown: num(s.Cooldown), MetricAggregationType: text(s.MetricAggregationType),
		MinAdjustmentMagnitude: num(s.MinAdjustmentMagnitude),
		StepAdjustments: each(s.StepAdjustments, func(a types.StepAdjustment) stepAdjustment {
			return stepAdjustment{
				Lower: boundText(a.MetricIntervalLowerBound), Upper: boundText(a.MetricIntervalUpperBound), Adjustment: deref(num(a.ScalingAdjustment)),
			}
		}),
	}
}

func readScalingPolicy(ctx context.Context, c *Call, id string, last *scalingPolicyState) (*scalingPolicyState, error) {
	out, err := c.Autoscaling().DescribeScalingPolicies(ctx, &applicationautoscaling.DescribeScalingPoliciesInput{
		ServiceNamespace: types.ServiceNamespace(last.ServiceNamespace), PolicyNames: []string{id},
		ResourceId: aws.String(last.ResourceID), ScalableDimension: types.ScalableDimension(last.ScalableDimension),
	})
	if err != nil {
		return nil, gone(err, noScaling)
	}
	if len(out.ScalingPolicies) == 0 {
		return nil, ErrGone
	}
	p := out.ScalingPolicies[0]
	s := &scalingPolicyState{
		scalingPolicyArgs: scalingPolicyArgs{
			scalable: scalable{ResourceID: deref(p.ResourceId), ScalableDimension: string(p.ScalableDimension), ServiceNamespace: string(p.ServiceNamespace)},
			Name:     p.PolicyName, PolicyType: text(p.PolicyType), Step: stepScalingOf(p.StepScalingPolicyConfiguration),
		},
		Arn:       deref(p.PolicyARN),
		AlarmArns: each(p.Alarms, func(a types.Alarm) string { return deref(a.AlarmARN) }),
	}
	if s.Target, err = recast[*targetTracking](p.TargetTrackingScalingPolicyConfiguration); err != nil {
		return nil, err
	}
	if s.Target != nil && s.Target.CustomizedMetricSpecification != nil {
		m := s.Target.CustomizedMetricSpecification
		m.Statistic = set(m.Statistic)
	}
	return s, nil
}
