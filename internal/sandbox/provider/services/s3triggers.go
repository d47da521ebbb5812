package services

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

type notificationArgs struct {
	Bucket      string             `pulumi:"bucket,required,replace"`
	Eventbridge *bool              `pulumi:"eventbridge" default:"false"`
	Functions   []notifiedFunction `pulumi:"lambdaFunctions"`
	Queues      []notifiedQueue    `pulumi:"queues"`
	Topics      []notifiedTopic    `pulumi:"topics"`
}

type notifiedEvents struct {
	Events []string `pulumi:"events,required,set"`
	Prefix *string  `pulumi:"filterPrefix"`
	Suffix *string  `pulumi:"filterSuffix"`
	ID     *string  `pulumi:"id,computed"`
}

type notifiedFunction struct {
	notifiedEvents
	Arn *string `pulumi:"lambdaFunctionArn" check:"arn"`
}

type notifiedQueue struct {
	notifiedEvents
	Arn string `pulumi:"queueArn,required" check:"arn"`
}

type notifiedTopic struct {
	notifiedEvents
	Arn string `pulumi:"topicArn,required" check:"arn"`
}

type notificationState struct{ notificationArgs }

func (e notifiedEvents) events() []types.Event {
	return each(e.Events, func(name string) types.Event { return types.Event(name) })
}

func (e notifiedEvents) filter() *types.NotificationConfigurationFilter {
	var rules []types.FilterRule
	for name, v := range map[types.FilterRuleName]*string{types.FilterRuleNamePrefix: set(e.Prefix), types.FilterRuleNameSuffix: set(e.Suffix)} {
		if v != nil {
			rules = append(rules, types.FilterRule{Name: name, Value: v})
		}
	}
	if rules == nil {
		return nil
	}
	return &types.NotificationConfigurationFilter{Key: &types.S3KeyFilter{FilterRules: rules}}
}

func eventsOf(id *string, events []types.Event, f *types.NotificationConfigurationFilter) notifiedEvents {
	out := notifiedEvents{ID: id, Events: each(events, func(e types.Event) string { return string(e) })}
	if f == nil || f.Key == nil {
		return out
	}
	for _, r := range f.Key.FilterRules {
		if r.Name == types.FilterRuleNamePrefix || r.Name == "Prefix" {
			out.Prefix = set(r.Value)
		} else {
			out.Suffix = set(r.Value)
		}
	}
	return out
}

func s3Notification() Resource {
	put := func(ctx context.Context, c *Call, in *notificationArgs) (string, error) {
		n := &types.NotificationConfiguration{
			LambdaFunctionConfigurations: each(in.Functions, func(f notifiedFunction) types.LambdaFunctionConfiguration {
				return types.LambdaFunctionConfiguration{Id: set(f.ID), Events: f.events(), Filter: f.filter(), LambdaFunctionArn: f.Arn}
			}),
			QueueConfigurations: each(in.Queues, func(q notifiedQueue) types.QueueConfiguration {
				return types.QueueConfiguration{Id: set(q.ID), Events: q.events(), Filter: q.filter(), QueueArn: aws.String(q.Arn)}
			}),
			TopicConfigurations: each(in.Topics, func(t notifiedTopic) types.TopicConfiguration {
				return types.TopicConfiguration{Id: set(t.ID), Events: t.events(), Filter: t.filter(), TopicArn: aws.String(t.Arn)}
			}),
		}
		if deref(in.Eventbridge) {
			n.EventBridgeConfiguration = &types.EventBridgeConfiguration{}
		}
		return idUnless(c.Propagated(ctx, func() error {
			_, err := c.S3().PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{Bucket: aws.String(in.Bucket), NotificationConfiguration: n})
			return err
		}, "Unable to validate the following destination configurations"), in.Bucket)
	}
	return define(Def[notificationArgs, notificationState]{
		Type: "aws:s3/bucketNotification:BucketNotification", Title: "S3 Bucket Notification", CreateFn: put,
		ReadFn: func(ctx context.Context, c *Call, id string, _ *notificationState) (*notificationState, error) {
			out, err := c.S3().GetBucketNotificationConfiguration(ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: &id})
			if err != nil {
				return nil, gone(err, noBucket)
			}
			if out.EventBridgeConfiguration == nil && len(out.LambdaFunctionConfigurations)+len(out.QueueConfigurations)+len(out.TopicConfigurations) == 0 {
				return nil, ErrGone
			}
			return &notificationState{notificationArgs{
				Bucket: id, Eventbridge: aws.Bool(out.EventBridgeConfiguration != nil),
				Functions: each(out.LambdaFunctionConfigurations, func(f types.LambdaFunctionConfiguration) notifiedFunction {
					return notifiedFunction{eventsOf(f.Id, f.Events, f.Filter), f.LambdaFunctionArn}
				}),
				Queues: each(out.QueueConfigurations, func(q types.QueueConfiguration) notifiedQueue {
					return notifiedQueue{eventsOf(q.Id, q.Events, q.Filter), deref(q.QueueArn)}
				}),
				Topics: each(out.TopicConfigurations, func(t types.TopicConfiguration) notifiedTopic {
					return notifiedTopic{eventsOf(t.Id, t.Events, t.Filter), deref(t.TopicArn)}
				}),
			}}, nil
		},
		UpdateFn: func(ctx context.Context, c *Call, _ string, _ *notificationState, in *notificationArgs) error {
			_, err := put(ctx, c, in)
			return err
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, _ *notificationState) error {
			_, err := c.S3().PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{Bucket: &id, NotificationConfiguration: &types.NotificationConfiguration{}})
			return gone(err, noBucket)
		},
	})
}

type corsArgs struct {
	owned
	Rules []corsRule `pulumi:"corsRules,required,set" check:"items=1..100"`
}

type corsRule struct {
	Headers []string `pulumi:"allowedHeaders,set"`
	Methods []string `pulumi:"allowedMethods,required,set"`
	Origins []string `pulumi:"allowedOrigins,required,set"`
	Expose  []string `pulumi:"exposeHeaders,set"`
	ID      *string  `pulumi:"id" check:"len=0..255"`
	MaxAge  *int     `pulumi:"maxAgeSeconds"`
}

type corsState struct{ corsArgs }

func s3CORS() Resource {
	put := func(ctx context.Context, c *Call, in *corsArgs) (string, error) {
		_, err := c.S3().PutBucketCors(ctx, &s3.PutBucketCorsInput{
			Bucket: aws.String(in.Bucket), ExpectedBucketOwner: set(in.ExpectedBucketOwner),
			CORSConfiguration: &types.CORSConfiguration{CORSRules: each(in.Rules, func(r corsRule) types.CORSRule {
				return types.CORSRule{AllowedHeaders: r.Headers, AllowedMethods: r.Methods, AllowedOrigins: r.Origins, ExposeHeaders: r.Expose, ID: set(r.ID), MaxAgeSeconds: i32(r.MaxAge)}
			})},
		})
		return idUnless(err, in.id())
	}
	return define(Def[corsArgs, corsState]{
		Type: "aws:s3/bucketCorsConfigurationV2:BucketCorsConfigurationV2", Title: "S3 Bucket CORS Configuration", CreateFn: put,
		ReadFn: func(ctx context.Context, c *Call, id string, _ *corsState) (*corsState, error) {
			o := ownedBy(id)
			out, err := c.S3().GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: aws.String(o.Bucket), ExpectedBucketOwner: o.ExpectedBucketOwner})
			if err != nil {
				return nil, gone(err, noBucket, "NoSuchCORSConfiguration")
			}
			return &corsState{corsArgs{owned: o, Rules: each(out.CORSRules, func(r types.CORSRule) corsRule {
				return corsRule{r.AllowedHeaders, r.AllowedMethods, r.AllowedOrigins, r.ExposeHeaders, set(r.ID), num(r.MaxAgeSeconds)}
			})}}, nil
		},
		UpdateFn: func(ctx context.Context, c *Call, _ string, _ *corsState, in *corsArgs) error {
			_, err := put(ctx, c, in)
			return err
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, _ *corsState) error {
			o := ownedBy(id)
			_, err := c.S3().DeleteBucketCors(ctx, &s3.DeleteBucketCorsInput{Bucket: aws.String(o.Bucket), ExpectedBucketOwner: o.ExpectedBucketOwner})
			return gone(err, noBucket, "NoSuchCORSConfiguration")
		},
	})
}
