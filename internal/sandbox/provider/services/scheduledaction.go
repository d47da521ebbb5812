package services

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/schema"
)

type scheduledActionArgs struct {
	scalable
	EndTime   *string                   `pulumi:"endTime"`
	Name      *string                   `pulumi:"name,replace,computed" check:"len=1..256"`
	Target    scheduledActionCapacities `pulumi:"scalableTargetAction,required"`
	Schedule  string                    `pulumi:"schedule,required" check:"len=1..1600"`
	StartTime *string                   `pulumi:"startTime"`
	Timezone  *string                   `pulumi:"timezone" default:"UTC"`
}

// scheduledActionCapacities has numbers as they are in the SDK's type.
type scheduledActionCapacities struct {
	Max *int `pulumi:"maxCapacity" check:"min=0"`
	Min *int `pulumi:"minCapacity" check:"min=0"`
}

type scheduledActionState struct {
	scheduledActionArgs
	Arn string `pulumi:"arn"`
}

// checkDates refuses times that are not RFC 3339's.
func checkDates(dates map[string]*string) (out []schema.Failure) {
	for name, text := range dates {
		if set(text) == nil {
			continue
		}
		if _, err := time.Parse(time.RFC3339, *text); err != nil {
			out = append(out, schema.Failure{Property: name, Reason: fmt.Sprintf("expected %q to be a valid RFC3339 date, got %q", name, *text)})
		}
	}
	return out
}

// timeOf is the time of a text that was checked.
func timeOf(text *string) (*time.Time, error) {
	if set(text) == nil {
		return nil, nil // no time is none
	}
	at, err := time.Parse(time.RFC3339, *text)
	return &at, err
}

func (in *scheduledActionArgs) put(ctx context.Context, c *Call) error {
	x := &applicationautoscaling.PutScheduledActionInput{
		ScheduledActionName: in.Name, ResourceId: &in.ResourceID, ScalableDimension: types.ScalableDimension(in.ScalableDimension),
		ServiceNamespace: types.ServiceNamespace(in.ServiceNamespace),
		Schedule:         &in.Schedule, Timezone: set(in.Timezone), ScalableTargetAction: &types.ScalableTargetAction{MaxCapacity: i32(in.Target.Max), MinCapacity: i32(in.Target.Min)},
	}
	var err error
	if x.StartTime, err = timeOf(in.StartTime); err != nil {
		return err
	}
	if x.EndTime, err = timeOf(in.EndTime); err != nil {
		return err
	}
	return c.Propagated(ctx, func() error {
		_, err := c.Autoscaling().PutScheduledAction(ctx, x)
		return err
	}, "ObjectNotFound") // a target that is new
}

func scheduledAction() Resource {
	return define(Def[scheduledActionArgs, scheduledActionState]{
		Type: "aws:appautoscaling/scheduledAction:ScheduledAction", Title: "Application Auto Scaling Scheduled Action", Named: &Naming{Property: "name", Max: 255},
		CheckFn: func(in *scheduledActionArgs, known func(string) bool) []schema.Failure {
			if known("scalableTargetAction") && in.Target.Max == nil && in.Target.Min == nil {
				return []schema.Failure{{Property: "scalableTargetAction", Reason: "at least one of maxCapacity, minCapacity must be specified"}}
			}
			return checkDates(map[string]*string{"startTime": in.StartTime, "endTime": in.EndTime})
		},
		CreateFn: func(ctx context.Context, c *Call, in *scheduledActionArgs) (string, error) {
			return idUnless(in.put(ctx, c), strings.Join([]string{*in.Name, in.ServiceNamespace, in.ResourceID}, "-"))
		},
		ReadFn: readScheduledAction,
		UpdateFn: func(ctx context.Context, c *Call, _ string, _ *scheduledActionState, in *scheduledActionArgs) error {
			return in.put(ctx, c)
		},
		DeleteFn: func(ctx context.Context, c *Call, _ string, last *scheduledActionState) error {
			_, err := c.Autoscaling().DeleteScheduledAction(ctx, &applicationautoscaling.DeleteScheduledActionInput{
				ScheduledActionName: last.Name, ResourceId: &last.ResourceID, ScalableDimension: types.ScalableDimension(last.ScalableDimension),
				ServiceNamespace: types.ServiceNamespace(last.ServiceNamespace),
			})
			return gone(err, noScaling)
		},
		ImportFn: func(_ context.Context, _ *Call, id string, o *scheduledActionState) (string, error) {
			target, name, ok := cutLast(id, "/")
			if !ok {
				return "", fmt.Errorf("unexpected format of id %q, expected NAMESPACE/RESOURCE_ID/DIMENSION/NAME", id)
			}
			var err error
			if o.scalable, err = parseScalable(target); err != nil {
				return "", err
			}
			o.Name = aws.String(name)
			return strings.Join([]string{name, o.ServiceNamespace, o.ResourceID}, "-"), nil
		},
	})
}

func readScheduledAction(ctx context.Context, c *Call, _ string, last *scheduledActionState) (*scheduledActionState, error) {
	out, err := c.Autoscaling().DescribeScheduledActions(ctx, &applicationautoscaling.DescribeScheduledActionsInput{
		ServiceNamespace: types.ServiceNamespace(last.ServiceNamespace), ResourceId: &last.ResourceID, ScalableDimension: types.ScalableDimension(last.ScalableDimension),
		ScheduledActionNames: []string{deref(last.Name)},
	})
	if err != nil {
		return nil, gone(err, noScaling)
	}
	if len(out.ScheduledActions) == 0 {
		return nil, ErrGone
	}
	a := out.ScheduledActions[0]
	s := &scheduledActionState{Arn: deref(a.ScheduledActionARN), scheduledActionArgs: scheduledActionArgs{
		scalable: scalable{ResourceID: deref(a.ResourceId), ScalableDimension: string(a.ScalableDimension), ServiceNamespace: string(a.ServiceNamespace)},
		EndTime:  sameDate(a.EndTime, last.EndTime), Name: a.ScheduledActionName, Schedule: deref(a.Schedule), StartTime: sameDate(a.StartTime, last.StartTime), Timezone: a.Timezone,
	}}
	if t := a.ScalableTargetAction; t != nil {
		s.Target = scheduledActionCapacities{Max: num(t.MaxCapacity), Min: num(t.MinCapacity)}
	}
	return s, nil
}
