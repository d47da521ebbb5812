package services

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
)

type busArgs struct {
	DeadLetters *busDeadLetters `pulumi:"deadLetterConfig"`
	Description *string         `pulumi:"description" check:"len=0..512"`
	Source      *string         `pulumi:"eventSourceName,replace"`
	Key         *string         `pulumi:"kmsKeyIdentifier" check:"len=0..2048"`
	Name        *string         `pulumi:"name,replace,computed" check:"len=1..256;match=^[0-9A-Za-z/_.-]+$"`
	Tagged
}

type busDeadLetters struct {
	Arn *string `pulumi:"arn" check:"arn"`
}

type busState struct {
	busArgs
	Arn string `pulumi:"arn"`
}

func (in *busArgs) deadLetters() *types.DeadLetterConfig {
	if in.DeadLetters == nil {
		return nil
	}
	return &types.DeadLetterConfig{Arn: set(in.DeadLetters.Arn)}
}

func eventBus() Resource {
	return define(Def[busArgs, busState]{
		Type: "aws:cloudwatch/eventBus:EventBus", Title: "EventBridge Event Bus", Named: &Naming{Property: "name", Max: 256},
		CreateFn: func(ctx context.Context, c *Call, in *busArgs) (string, error) {
			_, err := c.Events().CreateEventBus(ctx, &eventbridge.CreateEventBusInput{
				Name: in.Name, Description: set(in.Description), EventSourceName: set(in.Source), KmsKeyIdentifier: set(in.Key),
				DeadLetterConfig: in.deadLetters(), Tags: tagList(in.TagsAll, eventTag),
			})
			return idUnless(err, *in.Name)
		},
		ReadFn: func(ctx context.Context, c *Call, id string, last *busState) (*busState, error) {
			out, err := c.Events().DescribeEventBus(ctx, &eventbridge.DescribeEventBusInput{Name: &id})
			if err != nil {
				return nil, gone(err, noRule)
			}
			tags, err := c.Events().ListTagsForResource(ctx, &eventbridge.ListTagsForResourceInput{ResourceARN: out.Arn})
			if err != nil {
				return nil, gone(err, noRule)
			}
			s := &busState{Arn: deref(out.Arn), busArgs: busArgs{
				Description: set(out.Description), Source: last.Source, Key: set(out.KmsKeyIdentifier), Name: out.Name, Tagged: c.tagged(tagMap(tags.Tags, eventTagOf), last.Tagged),
			}}
			if d := out.DeadLetterConfig; d != nil && d.Arn != nil {
				s.DeadLetters = &busDeadLetters{Arn: d.Arn}
			}
			return s, nil
		},
		UpdateFn: func(ctx context.Context, c *Call, id string, last *busState, in *busArgs) error {
			if c.Changed("deadLetterConfig", "description", "kmsKeyIdentifier") {
				_, err := c.Events().UpdateEventBus(ctx, &eventbridge.UpdateEventBusInput{
					Name: &id, Description: set(in.Description),
					KmsKeyIdentifier: set(in.Key), DeadLetterConfig: in.deadLetters(),
				})
				if err != nil {
					return err
				}
			}
			add, remove := tagChanges(last.TagsAll, in.TagsAll)
			if len(remove) > 0 {
				if _, err := c.Events().UntagResource(ctx, &eventbridge.UntagResourceInput{ResourceARN: aws.String(last.Arn), TagKeys: remove}); err != nil {
					return err
				}
			}
			if len(add) == 0 {
				return nil
			}
			_, err := c.Events().TagResource(ctx, &eventbridge.TagResourceInput{ResourceARN: aws.String(last.Arn), Tags: tagList(add, eventTag)})
			return err
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, _ *busState) error {
			_, err := c.Events().DeleteEventBus(ctx, &eventbridge.DeleteEventBusInput{Name: &id})
			return gone(err, noRule)
		},
	})
}
