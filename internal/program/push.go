package program

import (
	"encoding/json"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sns"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// pushBlock makes a topic to which EventBridge tells of every execution that ends, so that
// who watches many of them need not ask: each watcher hangs a queue of its own on it. Nothing
// is made unless the parameter events is "push". (docs/decisions/0023)
func pushBlock() block {
	return block{
		BlockInfo: BlockInfo{
			Name:    "push",
			Title:   "A topic of executions that end, for who watches them (events: push)",
			Reads:   []string{"events", "kmsMode"},
			Exports: []string{"eventsTopicArn"},
		},
		plan: func(*plan) fault.List { return nil },
		add:  addPush,
	}
}

// pushes tells whether ends of executions are told.
func (p *plan) pushes() bool { return p.has("push") && p.text("events") == "push" }

// eventsPolicy lets EventBridge publish. It tells a topic not for which rule it does, so that
// a statement with a condition would let nothing through.
// (eventbridge/latest/userguide/eb-use-resource-based.html#eb-sns-permissions)
func (p *plan) eventsPolicy() []statement {
	return []statement{{
		Sid: "EventBridgePublish", Effect: "Allow", Principal: &principal{Service: "events.amazonaws.com"}, Action: oneOrMany{"sns:Publish"}, Resource: oneOrMany{p.names.EventsTopicARN},
	}}
}

func addPush(b *build) error {
	if !b.pushes() {
		return nil
	}
	topic, err := sns.NewTopic(b.ctx, "events", &sns.TopicArgs{Name: pulumi.String(b.names.Events), KmsMasterKeyId: b.keyArn(), Tags: b.tags()})
	if err != nil {
		return err
	}
	text, err := document(b.eventsPolicy())
	if err != nil {
		return err
	}
	policy, err := sns.NewTopicPolicy(b.ctx, "events-policy", &sns.TopicPolicyArgs{Arn: topic.Arn, Policy: pulumi.String(text)})
	if err != nil {
		return err
	}
	pattern, err := json.Marshal(statusPattern(b.names.StateMachineARN, append(failures(), "SUCCEEDED")))
	if err != nil {
		return err
	}
	rule, err := cloudwatch.NewEventRule(b.ctx, "events-rule", &cloudwatch.EventRuleArgs{
		Name:         pulumi.String(b.names.Events),
		Description:  pulumi.String("pipelinetui: ends of executions of " + b.pipe.ID.String()),
		EventPattern: pulumi.String(string(pattern)),
		Tags:         b.tags(),
	})
	if err != nil {
		return err
	}
	if _, err := cloudwatch.NewEventTarget(b.ctx, "events-target", &cloudwatch.EventTargetArgs{
		Rule: rule.Name, TargetId: pulumi.String("events"), Arn: topic.Arn,
	}, pulumi.DependsOn([]pulumi.Resource{policy})); err != nil {
		return err
	}
	b.export("eventsTopicArn", topic.Arn)
	return nil
}
