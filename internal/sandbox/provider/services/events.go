package services

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/schema"
)

func eventsResources() []Resource { return []Resource{eventRule(), eventTarget(), eventBus()} }

const (
	noRule     = "ResourceNotFoundException"
	defaultBus = "default"
)

type ruleArgs struct {
	Description        *string `pulumi:"description" check:"len=0..512"`
	EventBusName       *string `pulumi:"eventBusName,replace" default:"default" check:"len=1..1600"`
	EventPattern       *string `pulumi:"eventPattern,json"`
	ForceDestroy       *bool   `pulumi:"forceDestroy,local" default:"false"`
	IsEnabled          *bool   `pulumi:"isEnabled,computed"`
	Name               *string `pulumi:"name,replace,computed" check:"len=1..64;match=^[0-9A-Za-z_.-]+$"`
	NamePrefix         *string `pulumi:"namePrefix,replace,computed,local" check:"len=1..38;match=^[0-9A-Za-z_.-]+$"`
	RoleArn            *string `pulumi:"roleArn" check:"arn"`
	ScheduleExpression *string `pulumi:"scheduleExpression" check:"len=0..256"`
	State              *string `pulumi:"state,computed" check:"enum=DISABLED|ENABLED|ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"`
	Tagged
}

type ruleState struct {
	ruleArgs
	Arn string `pulumi:"arn"`
}

func eventTag(k, v string) types.Tag        { return types.Tag{Key: aws.String(k), Value: aws.String(v)} }
func eventTagOf(t types.Tag) (k, v *string) { return t.Key, t.Value }

// ruleID is NAME on the default bus, else BUS/NAME.
func ruleID(bus, name string) string {
	if bus == "" || bus == defaultBus {
		return name
	}
	return bus + "/" + name
}

func parseRule(id string) (bus, name string) {
	if bus, name, ok := cutLast(id, "/"); ok {
		return bus, name
	}
	return defaultBus, id
}

func eventRule() Resource {
	return define(Def[ruleArgs, ruleState]{
		Type: "aws:cloudwatch/eventRule:EventRule", Title: "EventBridge Rule",
		Named: &Naming{Property: "name", Prefix: "namePrefix", Max: 64},
		CheckFn: func(in *ruleArgs, known func(string) bool) []schema.Failure {
			if known("eventPattern") && known("scheduleExpression") && set(in.EventPattern) == nil && set(in.ScheduleExpression) == nil {
				return []schema.Failure{{Property: "eventPattern", Reason: "one of eventPattern, scheduleExpression must be specified"}}
			}
			return nil
		},
		CreateFn: func(ctx context.Context, c *Call, in *ruleArgs) (string, error) {
			return idUnless(putRule(ctx, c, in, in.TagsAll), ruleID(deref(in.EventBusName), *in.Name))
		},
		ReadFn: readRule,
		UpdateFn: func(ctx context.Context, c *Call, _ string, last *ruleState, in *ruleArgs) error {
			if err := putRule(ctx, c, in, nil); err != nil {
				return err
			}
			add, remove := tagChanges(last.TagsAll, in.TagsAll)
			if len(remove) > 0 {
				if _, err := c.Events().UntagResource(ctx, &eventbridge.UntagResourceInput{ResourceARN: aws.String(last.Arn), TagKeys: remove}); err != nil {
					return err
				}
			}
			if len(add) > 0 {
				_, err := c.Events().TagResource(ctx, &eventbridge.TagResourceInput{ResourceARN: aws.String(last.Arn), Tags: tagList(add, eventTag)})
				return err
			}
			return nil
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, last *ruleState) error {
			bus, name := parseRule(id)
			_, err := c.Events().DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: aws.String(name), EventBusName: aws.String(bus), Force: deref(last.ForceDestroy)})
			return gone(err, noRule)
		},
	})
}

func putRule(ctx context.Context, c *Call, in *ruleArgs, tags map[string]string) error {
	state := types.RuleStateEnabled
	switch {
	case in.State != nil:
		state = types.RuleState(*in.State)
	case in.IsEnabled != nil && !*in.IsEnabled:
		state = types.RuleStateDisabled
	}
	return c.Propagated(ctx, func() error {
		_, err := c.Events().PutRule(ctx, &eventbridge.PutRuleInput{
			Name: in.Name, Description: set(in.Description), EventBusName: in.EventBusName, EventPattern: set(in.EventPattern),
			RoleArn: set(in.RoleArn), ScheduleExpression: set(in.ScheduleExpression), State: state, Tags: tagList(tags, eventTag),
		})
		return err
	}, "cannot be assumed by principal")
}

func readRule(ctx context.Context, c *Call, id string, last *ruleState) (*ruleState, error) {
	bus, name := parseRule(id)
	out, err := c.Events().DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: aws.String(name), EventBusName: aws.String(bus)})
	if err != nil {
		return nil, gone(err, noRule)
	}
	tags, err := c.Events().ListTagsForResource(ctx, &eventbridge.ListTagsForResourceInput{ResourceARN: out.Arn})
	if err != nil {
		return nil, gone(err, noRule)
	}
	return &ruleState{
		ruleArgs: ruleArgs{
			Description: set(out.Description), EventBusName: &bus, EventPattern: set(out.EventPattern), IsEnabled: aws.Bool(out.State != types.RuleStateDisabled),
			Name: out.Name, RoleArn: set(out.RoleArn), ScheduleExpression: set(out.ScheduleExpression), State: text(out.State),
			Tagged: c.tagged(tagMap(tags.Tags, eventTagOf), last.Tagged),
		},
		Arn: deref(out.Arn),
	}, nil
}

// Targets other than by ARN alone (ECS tasks, HTTP endpoints and so on) are
// refused.
type eventTargetArgs struct {
	Arn              string            `pulumi:"arn,required" check:"arn"`
	DeadLetterConfig *targetDeadLetter `pulumi:"deadLetterConfig"`
	EventBusName     *string           `pulumi:"eventBusName,replace" default:"default"`
	ForceDestroy     *bool             `pulumi:"forceDestroy,local" default:"false"`
	Input            *string           `pulumi:"input,json" check:"len=0..8192"`
	InputPath        *string           `pulumi:"inputPath" check:"len=0..256"`
	InputTransformer *inputTransformer `pulumi:"inputTransformer"`
	RetryPolicy      *targetRetry      `pulumi:"retryPolicy"`
	RoleArn          *string           `pulumi:"roleArn" check:"arn"`
	Rule             string            `pulumi:"rule,required,replace" check:"len=1..64"`
	SqsTarget        *sqsTarget        `pulumi:"sqsTarget"`
	TargetID         *string           `pulumi:"targetId,replace,computed" check:"len=1..64;match=^[0-9A-Za-z_.-]+$"`
}

type targetDeadLetter struct {
	Arn *string `pulumi:"arn" check:"arn"`
}

type inputTransformer struct {
	InputPaths    map[string]string `pulumi:"inputPaths"`
	InputTemplate string            `pulumi:"inputTemplate,required" check:"len=1..8192"`
}

type targetRetry struct {
	MaximumEventAgeInSeconds *int `pulumi:"maximumEventAgeInSeconds" check:"min=0"`
	MaximumRetryAttempts     *int `pulumi:"maximumRetryAttempts" check:"min=0"`
}

type sqsTarget struct {
	MessageGroupID *string `pulumi:"messageGroupId"`
}

type eventTargetState struct{ eventTargetArgs }

// targetID is RULE-TARGET on the default bus, else BUS-RULE-TARGET.
func targetID(in *eventTargetArgs) string {
	id := in.Rule + "-" + deref(in.TargetID)
	if bus := deref(in.EventBusName); bus != "" && bus != defaultBus {
		id = bus + "-" + id
	}
	return id
}

func eventTarget() Resource {
	return define(Def[eventTargetArgs, eventTargetState]{
		Type: "aws:cloudwatch/eventTarget:EventTarget", Title: "EventBridge Target", Named: &Naming{Property: "targetId", Max: 64},
		CreateFn: func(ctx context.Context, c *Call, in *eventTargetArgs) (string, error) {
			return idUnless(putTarget(ctx, c, in), targetID(in))
		},
		ReadFn: readTargetOfRule,
		UpdateFn: func(ctx context.Context, c *Call, _ string, _ *eventTargetState, in *eventTargetArgs) error {
			return putTarget(ctx, c, in)
		},
		DeleteFn: func(ctx context.Context, c *Call, _ string, last *eventTargetState) error {
			out, err := c.Events().RemoveTargets(ctx, &eventbridge.RemoveTargetsInput{
				Ids: []string{deref(last.TargetID)}, Rule: aws.String(last.Rule), EventBusName: last.EventBusName, Force: deref(last.ForceDestroy),
			})
			if err != nil {
				return gone(err, noRule)
			}
			for _, f := range out.FailedEntries {
				if deref(f.ErrorCode) != noRule {
					return fmt.Errorf("%s: %s", deref(f.ErrorCode), deref(f.ErrorMessage))
				}
			}
			return nil
		},
		ImportFn: func(_ context.Context, _ *Call, id string, o *eventTargetState) (string, error) {
			parts := strings.Split(id, "/")
			if len(parts) < 2 {
				return "", fmt.Errorf("unexpected format of id %q, expected RULE/TARGET_ID or BUS/RULE/TARGET_ID", id)
			}
			n := len(parts)
			o.Rule, o.TargetID, o.EventBusName = parts[n-2], &parts[n-1], aws.String(defaultBus)
			if n > 2 {
				o.EventBusName = aws.String(strings.Join(parts[:n-2], "/"))
			}
			return targetID(&o.eventTargetArgs), nil
		},
	})
}

func putTarget(ctx context.Context, c *Call, in *eventTargetArgs) error {
	t := types.Target{Arn: aws.String(in.Arn), Id: in.TargetID, Input: set(in.Input), InputPath: set(in.InputPath), RoleArn: set(in.RoleArn)}
	if d := in.DeadLetterConfig; d != nil {
		t.DeadLetterConfig = &types.DeadLetterConfig{Arn: set(d.Arn)}
	}
	if x := in.InputTransformer; x != nil {
		t.InputTransformer = &types.InputTransformer{InputTemplate: aws.String(x.InputTemplate), InputPathsMap: x.InputPaths}
	}
	if r := in.RetryPolicy; r != nil {
		t.RetryPolicy = &types.RetryPolicy{MaximumEventAgeInSeconds: i32(r.MaximumEventAgeInSeconds), MaximumRetryAttempts: i32(r.MaximumRetryAttempts)}
	}
	if s := in.SqsTarget; s != nil {
		t.SqsParameters = &types.SqsParameters{MessageGroupId: set(s.MessageGroupID)}
	}
	out, err := c.Events().PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: aws.String(in.Rule), EventBusName: in.EventBusName, Targets: []types.Target{t}})
	if err != nil {
		return err
	}
	for _, f := range out.FailedEntries {
		return fmt.Errorf("%s: %s", deref(f.ErrorCode), deref(f.ErrorMessage))
	}
	return nil
}

func readTargetOfRule(ctx context.Context, c *Call, _ string, last *eventTargetState) (*eventTargetState, error) {
	req := &eventbridge.ListTargetsByRuleInput{Rule: aws.String(last.Rule), EventBusName: last.EventBusName}
	for {
		out, err := c.Events().ListTargetsByRule(ctx, req)
		if err != nil {
			return nil, gone(err, noRule)
		}
		for _, t := range out.Targets {
			if deref(t.Id) == deref(last.TargetID) {
				return targetOf(&t, last), nil
			}
		}
		if req.NextToken = out.NextToken; req.NextToken == nil {
			return nil, ErrGone
		}
	}
}

func targetOf(t *types.Target, last *eventTargetState) *eventTargetState {
	s := &eventTargetState{eventTargetArgs{
		Arn: deref(t.Arn), EventBusName: last.EventBusName, Input: set(t.Input), InputPath: set(t.InputPath), RoleArn: set(t.RoleArn),
		Rule: last.Rule, TargetID: t.Id,
	}}
	if d := t.DeadLetterConfig; d != nil && d.Arn != nil {
		s.DeadLetterConfig = &targetDeadLetter{Arn: d.Arn}
	}
	if x := t.InputTransformer; x != nil {
		s.InputTransformer = &inputTransformer{InputTemplate: deref(x.InputTemplate), InputPaths: nilIfEmpty(x.InputPathsMap)}
	}
	if r := t.RetryPolicy; r != nil {
		s.RetryPolicy = &targetRetry{MaximumEventAgeInSeconds: num(r.MaximumEventAgeInSeconds), MaximumRetryAttempts: num(r.MaximumRetryAttempts)}
	}
	if p := t.SqsParameters; p != nil && p.MessageGroupId != nil {
		s.SqsTarget = &sqsTarget{MessageGroupID: p.MessageGroupId}
	}
	return s
}
