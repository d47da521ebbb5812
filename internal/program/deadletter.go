package program

import (
	"encoding/json"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sqs"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// deadLetterSeconds is how long a message is kept: 14 days, the most that SQS
// allows and as long as an execution can be redriven.
const deadLetterSeconds = 14 * 24 * 3600

// deadletterBlock makes a queue that gets a message for every execution that
// ended badly, by an EventBridge rule. The definition itself catches nothing: a
// Catch that leads to a Fail state would make redriving impossible. (SQS makes
// an update take half a minute, so the block is off unless asked for.)
func deadletterBlock() block {
	return block{
		BlockInfo: BlockInfo{
			Name:    "deadletter",
			Title:   "A queue of executions that failed (deadLetter: true)",
			Reads:   []string{"deadLetter"},
			Exports: []string{"dlqUrl"},
		},
		plan: func(*plan) fault.List { return nil },
		add:  addDeadletter,
	}
}

func addDeadletter(b *build) error {
	if !b.deadLetters() {
		return nil
	}
	queue, err := sqs.NewQueue(b.ctx, "dlq", &sqs.QueueArgs{
		Name:                    pulumi.String(b.names.DeadLetters),
		MessageRetentionSeconds: pulumi.Int(deadLetterSeconds),
		SqsManagedSseEnabled:    pulumi.Bool(true),
		Tags:                    b.tags(),
	})
	if err != nil {
		return err
	}
	b.dlq = queue
	policy, err := document([]statement{b.sendTo("EventBridgeSend", "events.amazonaws.com", b.names.DeadLettersARN, b.names.StatusRuleARN)})
	if err != nil {
		return err
	}
	allowed, err := sqs.NewQueuePolicy(b.ctx, "dlq-policy", &sqs.QueuePolicyArgs{
		QueueUrl: queue.Url,
		Policy:   pulumi.String(policy),
	})
	if err != nil {
		return err
	}
	pattern, err := json.Marshal(statusPattern(b.names.StateMachineARN, failures()))
	if err != nil {
		return err
	}
	rule, err := cloudwatch.NewEventRule(b.ctx, "status", &cloudwatch.EventRuleArgs{
		Name:         pulumi.String(b.names.StatusRule),
		Description:  pulumi.String("pipelinetui: failed executions of " + b.pipe.ID.String()),
		EventPattern: pulumi.String(string(pattern)),
		Tags:         b.tags(),
	})
	if err != nil {
		return err
	}
	if _, err := cloudwatch.NewEventTarget(b.ctx, "status-dlq", &cloudwatch.EventTargetArgs{
		Rule:     rule.Name,
		TargetId: pulumi.String("dlq"),
		Arn:      queue.Arn,
	}, pulumi.DependsOn([]pulumi.Resource{allowed})); err != nil {
		return err
	}
	b.export("dlqUrl", queue.Url)
	return nil
}

// sendTo lets a service send to a queue, for one thing of the account only.
func (p *plan) sendTo(sid, service, queue, source string) statement {
	return statement{
		Sid: sid, Effect: "Allow",
		Principal: &principal{Service: service},
		Action:    oneOrMany{"sqs:SendMessage"},
		Resource:  oneOrMany{queue},
	}.when("ArnEquals", "aws:SourceArn", source).
		when("StringEquals", "aws:SourceAccount", p.env.Account)
}

// eventPattern is an EventBridge pattern for executions of one machine.
type eventPattern struct {
	Source     []string    `json:"source"`
	DetailType []string    `json:"detail-type"`
	Detail     eventDetail `json:"detail"`
}

type eventDetail struct {
	StateMachineArn []string `json:"stateMachineArn"`
	Status          []string `json:"status"`
}

// failures are how executions end other than well.
func failures() []string { return []string{"FAILED", "TIMED_OUT", "ABORTED"} }

// statusPattern matches executions of a machine that have come to one of the statuses.
// (step-functions/latest/dg/eventbridge-integration.html)
func statusPattern(machine string, statuses []string) eventPattern {
	return eventPattern{
		Source:     []string{"aws.states"},
		DetailType: []string{"Step Functions Execution Status Change"},
		Detail:     eventDetail{StateMachineArn: []string{machine}, Status: statuses},
	}
}
