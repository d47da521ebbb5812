package services

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/schema"
)

func schedulerResources() []Resource { return []Resource{schedule(), scheduleGroup()} }

const noSchedule = "ResourceNotFoundException"

// Targets that have parameters of ECS, Kinesis or SageMaker pipelines are refused.
type scheduleArgs struct {
	Description *string            `pulumi:"description" check:"len=0..512"`
	EndDate     *string            `pulumi:"endDate"`
	Window      scheduleWindow     `pulumi:"flexibleTimeWindow,required"`
	GroupName   *string            `pulumi:"groupName,replace,computed" check:"len=1..64;match=^[0-9A-Za-z_.-]+$"`
	KmsKeyArn   *string            `pulumi:"kmsKeyArn" check:"arn"`
	Name        *string            `pulumi:"name,replace,computed" check:"len=1..64;match=^[0-9A-Za-z_.-]+$"`
	NamePrefix  *string            `pulumi:"namePrefix,replace,computed,local" check:"len=1..38;match=^[0-9A-Za-z_.-]+$"`
	Expression  string             `pulumi:"scheduleExpression,required" check:"len=1..256"`
	Timezone    *string            `pulumi:"scheduleExpressionTimezone" default:"UTC" check:"len=1..50"`
	StartDate   *string            `pulumi:"startDate"`
	State       *string            `pulumi:"state" default:"ENABLED" check:"enum=ENABLED|DISABLED"`
	Target      scheduleTargetArgs `pulumi:"target,required"`
}

type scheduleWindow struct {
	Minutes *int   `pulumi:"maximumWindowInMinutes" check:"min=1;max=1440"`
	Mode    string `pulumi:"mode,required" check:"enum=OFF|FLEXIBLE"`
}

type scheduleTargetArgs struct {
	Arn         string               `pulumi:"arn,required" check:"arn"`
	DeadLetters *scheduleDeadLetters `pulumi:"deadLetterConfig"`
	Event       *scheduleEvent       `pulumi:"eventbridgeParameters"`
	Input       *string              `pulumi:"input"`
	Retry       *scheduleRetry       `pulumi:"retryPolicy,computed"`
	RoleArn     string               `pulumi:"roleArn,required" check:"arn"`
	Sqs         *scheduleSqs         `pulumi:"sqsParameters"`
}

type scheduleDeadLetters struct {
	Arn string `pulumi:"arn,required" check:"arn"`
}

type scheduleEvent struct {
	DetailType string `pulumi:"detailType,required" check:"len=1..128"`
	Source     string `pulumi:"source,required" check:"len=1..256"`
}

type scheduleRetry struct {
	Age      *int `pulumi:"maximumEventAgeInSeconds" default:"86400" check:"min=60;max=86400"`
	Attempts *int `pulumi:"maximumRetryAttempts" default:"185" check:"min=0;max=185"`
}

type scheduleSqs struct {
	Group *string `pulumi:"messageGroupId" check:"len=1..128"`
}

type scheduleState struct {
	scheduleArgs
	Arn string `pulumi:"arn"`
}

func schedule() Resource {
	return define(Def[scheduleArgs, scheduleState]{
		Type: "aws:scheduler/schedule:Schedule", Title: "EventBridge Scheduler Schedule", Named: &Naming{Property: "name", Prefix: "namePrefix", Max: 64},
		CheckFn: func(in *scheduleArgs, _ func(string) bool) []schema.Failure {
			return checkDates(map[string]*string{"startDate": in.StartDate, "endDate": in.EndDate})
		},
		CreateFn: func(ctx context.Context, c *Call, in *scheduleArgs) (string, error) {
			x, err := in.api()
			if err != nil {
				return "", err
			}
			group := deref(in.GroupName)
			if group == "" {
				group = defaultBus
			}
			return idUnless(c.untilAssumable(ctx, func() error {
				_, err := c.Scheduler().CreateSchedule(ctx, x)
				return err
			}), group+"/"+*in.Name)
		},
		ReadFn: readSchedule,
		UpdateFn: func(ctx context.Context, c *Call, _ string, _ *scheduleState, in *scheduleArgs) error {
			x, err := in.api()
			if err != nil {
				return err
			}
			return c.untilAssumable(ctx, func() error {
				_, err := c.Scheduler().UpdateSchedule(ctx, &scheduler.UpdateScheduleInput{
					Name: x.Name, GroupName: x.GroupName, Description: x.Description, StartDate: x.StartDate, EndDate: x.EndDate, FlexibleTimeWindow: x.FlexibleTimeWindow,
					KmsKeyArn: x.KmsKeyArn, ScheduleExpression: x.ScheduleExpression, ScheduleExpressionTimezone: x.ScheduleExpressionTimezone, State: x.State, Target: x.Target,
				})
				return err
			})
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, _ *scheduleState) error {
			group, name, _ := strings.Cut(id, "/")
			_, err := c.Scheduler().DeleteSchedule(ctx, &scheduler.DeleteScheduleInput{GroupName: &group, Name: &name})
			return gone(err, noSchedule)
		},
	})
}

// untilAssumable waits for a role that is new.
func (c *Call) untilAssumable(ctx context.Context, fn func() error) error {
	return c.Propagated(ctx, fn, "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.")
}

func (in *scheduleArgs) api() (*scheduler.CreateScheduleInput, error) {
	t := in.Target
	out := &scheduler.CreateScheduleInput{
		Name: in.Name, GroupName: set(in.GroupName), Description: set(in.Description), KmsKeyArn: set(in.KmsKeyArn),
		FlexibleTimeWindow: &types.FlexibleTimeWindow{MaximumWindowInMinutes: i32(in.Window.Minutes), Mode: types.FlexibleTimeWindowMode(in.Window.Mode)},
		ScheduleExpression: aws.String(in.Expression), ScheduleExpressionTimezone: set(in.Timezone), State: types.ScheduleState(deref(in.State)),
		Target: &types.Target{Arn: aws.String(t.Arn), RoleArn: aws.String(t.RoleArn), Input: set(t.Input)},
	}
	var err error
	if out.StartDate, err = timeOf(in.StartDate); err != nil {
		return nil, err
	}
	if out.EndDate, err = timeOf(in.EndDate); err != nil {
		return nil, err
	}
	if t.DeadLetters != nil {
		out.Target.DeadLetterConfig = &types.DeadLetterConfig{Arn: aws.String(t.DeadLetters.Arn)}
	}
	if t.Event != nil {
		out.Target.EventBridgeParameters = &types.EventBridgeParameters{DetailType: aws.String(t.Event.DetailType), Source: aws.String(t.Event.Source)}
	}
	if t.Retry != nil {
		out.Target.RetryPolicy = &types.RetryPolicy{MaximumEventAgeInSeconds: i32(t.Retry.Age), MaximumRetryAttempts: i32(t.Retry.Attempts)}
	}
	if t.Sqs != nil {
		out.Target.SqsParameters = &types.SqsParameters{MessageGroupId: set(t.Sqs.Group)}
	}
	return out, nil
}

func readSchedule(ctx context.Context, c *Call, id string, last *scheduleState) (*scheduleState, error) {
	group, name, ok := strings.Cut(id, "/")
	if !ok {
		return nil, fmt.Errorf("unexpected format of id %q, expected GROUP/NAME", id)
	}
	out, err := c.Scheduler().GetSchedule(ctx, &scheduler.GetScheduleInput{GroupName: &group, Name: &name})
	if err != nil {
		return nil, gone(err, noSchedule)
	}
	t := scheduleTargetArgs{Arn: deref(out.Target.Arn), RoleArn: deref(out.Target.RoleArn), Input: set(out.Target.Input)}
	if d := out.Target.DeadLetterConfig; d != nil && d.Arn != nil {
		t.DeadLetters = &scheduleDeadLetters{Arn: *d.Arn}
	}
	if e := out.Target.EventBridgeParameters; e != nil {
		t.Event = &scheduleEvent{DetailType: deref(e.DetailType), Source: deref(e.Source)}
	}
	if r := out.Target.RetryPolicy; r != nil {
		t.Retry = &scheduleRetry{Age: num(r.MaximumEventAgeInSeconds), Attempts: num(r.MaximumRetryAttempts)}
	}
	if q := out.Target.SqsParameters; q != nil && q.MessageGroupId != nil {
		t.Sqs = &scheduleSqs{Group: q.MessageGroupId}
	}
	return &scheduleState{Arn: deref(out.Arn), scheduleArgs: scheduleArgs{
		Description: set(out.Description), StartDate: sameDate(out.StartDate, last.StartDate), EndDate: sameDate(out.EndDate, last.EndDate),
		Window:    scheduleWindow{Minutes: num(out.FlexibleTimeWindow.MaximumWindowInMinutes), Mode: string(out.FlexibleTimeWindow.Mode)},
		GroupName: out.GroupName, KmsKeyArn: set(out.KmsKeyArn), Name: out.Name, Expression: deref(out.ScheduleExpression),
		Timezone: out.ScheduleExpressionTimezone, State: text(out.State), Target: t,
	}}, nil
}

// sameDate is a time as the program wrote it, if it is that time.
func sameDate(at *time.Time, last *string) *string {
	if at == nil {
		return nil
	}
	if last != nil {
		if t, err := time.Parse(time.RFC3339, *last); err == nil && t.Equal(*at) {
			return last
		}
	}
	return aws.String(at.UTC().Format(time.RFC3339))
}

type scheduleGroupArgs struct {
	Name       *string `pulumi:"name,replace,computed" check:"len=1..64;match=^[0-9A-Za-z_.-]+$"`
	NamePrefix *string `pulumi:"namePrefix,replace,computed,local" check:"len=1..38;match=^[0-9A-Za-z_.-]+$"`
	Tagged
}

type scheduleGroupState struct {
	scheduleGroupArgs
	Arn      string  `pulumi:"arn"`
	Created  *string `pulumi:"creationDate"`
	Modified *string `pulumi:"lastModificationDate"`
	State    *string `pulumi:"state"`
}

func groupTag(k, v string) types.Tag        { return types.Tag{Key: aws.String(k), Value: aws.String(v)} }
func groupTagOf(t types.Tag) (k, v *string) { return t.Key, t.Value }

func scheduleGroup() Resource {
	return define(Def[scheduleGroupArgs, scheduleGroupState]{
		Type: "aws:scheduler/scheduleGroup:ScheduleGroup", Title: "EventBridge Scheduler Schedule Group", Named: &Naming{Property: "name", Prefix: "namePrefix", Max: 64},
		CreateFn: func(ctx context.Context, c *Call, in *scheduleGroupArgs) (string, error) {
			_, err := c.Scheduler().CreateScheduleGroup(ctx, &scheduler.CreateScheduleGroupInput{Name: in.Name, Tags: tagList(in.TagsAll, groupTag)})
			return idUnless(err, *in.Name)
		},
		ReadFn: func(ctx context.Context, c *Call, id string, last *scheduleGroupState) (*scheduleGroupState, error) {
			out, err := c.Scheduler().GetScheduleGroup(ctx, &scheduler.GetScheduleGroupInput{Name: &id})
			if err != nil {
				return nil, gone(err, noSchedule)
			}
			tags, err := c.Scheduler().ListTagsForResource(ctx, &scheduler.ListTagsForResourceInput{ResourceArn: out.Arn})
			if err != nil {
				return nil, gone(err, noSchedule)
			}
			return &scheduleGroupState{
				scheduleGroupArgs: scheduleGroupArgs{Name: out.Name, Tagged: c.tagged(tagMap(tags.Tags, groupTagOf), last.Tagged)},
				Arn:               deref(out.Arn), Created: sameDate(out.CreationDate, nil), Modified: sameDate(out.LastModificationDate, nil), State: text(out.State),
			}, nil
		},
		UpdateFn: func(ctx context.Context, c *Call, _ string, last *scheduleGroupState, in *scheduleGroupArgs) error {
			add, remove := tagChanges(last.TagsAll, in.TagsAll)
			if len(remove) > 0 {
				if _, err := c.Scheduler().UntagResource(ctx, &scheduler.UntagResourceInput{ResourceArn: aws.String(last.Arn), TagKeys: remove}); err != nil {
					return err
				}
			}
			if len(add) == 0 {
				return nil
			}
			_, err := c.Scheduler().TagResource(ctx, &scheduler.TagResourceInput{ResourceArn: aws.String(last.Arn), Tags: tagList(add, groupTag)})
			return err
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, _ *scheduleGroupState) error {
			_, err := c.Scheduler().DeleteScheduleGroup(ctx, &scheduler.DeleteScheduleGroupInput{Name: &id})
			return gone(err, noSchedule)
		},
	})
}
