package program

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lambda"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sns"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sqs"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// slackParameter is the webhook: it is handed on to the function, and is shown to nobody.
const slackParameter = "notify.slack"

// What the notifier function gets, and how long its messages are kept: a notice that is an
// hour old is worth nothing.
const (
	notifierMemory  = 128
	notifierTimeout = 60
	noticesSeconds  = 3600
	// noticesBatch is how many executions one call may be about. Two calls at a time are the
	// fewest that Lambda can be held to. (lambda/latest/dg/services-sqs-scaling.html)
	noticesBatch = 1000
	noticesCalls = 2
)

//go:embed notifier
var notifierFiles embed.FS

// noticesBlock tells people of what goes wrong: a topic with e-mail, to which the pipeline's
// alarms publish, and a function that gathers executions that failed, and batches that ended,
// and tells of those that are alike once, by the topic and in Slack. Nothing is made unless
// somebody is to be told.
func noticesBlock() block {
	return block{
		BlockInfo: BlockInfo{
			Name:    "notices",
			Title:   "Who is told of alarms, failed executions and ended batches (notify)",
			Reads:   []string{"notify.topic", "notify.email", slackParameter, "notify.windowSec", "preprocess.arch", "kmsMode", "logRetentionDays"},
			Exports: []string{"noticesTopicArn"},
		},
		plan: planNotices,
		add:  addNotices,
	}
}

// notify is who is told; ok is false if nobody is.
func (p *plan) notify() (n spec.Notify, ok bool) {
	if !p.has("notices") {
		return n, false
	}
	return spec.NotifyOf(p.pipe)
}

// topicARN is the topic of the notices.
func (p *plan) topicARN(n spec.Notify) string { return or(n.Topic, p.names.NoticesTopicARN) }

func planNotices(p *plan) fault.List {
	n, ok := p.notify()
	if !ok {
		return nil
	}
	var errs fault.List
	if n.Topic != "" {
		// Its form was checked with the parameter: arn:PARTITION:sns:REGION:ACCOUNT:NAME.
		if region := strings.Split(n.Topic+":::", ":")[3]; region != p.env.Region {
			errs = append(errs, fault.New(fault.Invalid, "notify.topic of pipeline %s is in region %q, but alarms publish to topics of their own region, %s",
				p.pipe.ID, region, p.env.Region).
				WithHint("Name a topic of %s, or leave notify.topic out: the pipeline makes one.", p.env.Region))
		}
		if len(n.Email) > 0 {
			errs = append(errs, fault.New(fault.Invalid, "notify.email of pipeline %s is for a topic of the pipeline's own, and notify.topic names another", p.pipe.ID).
				WithHint("Subscribe the addresses to that topic once, for all who use it; or leave notify.topic out."))
		}
	}
	code, err := codeFromTemplate(notifierFiles, "notifier", "")
	if err != nil {
		return append(errs, fault.New(fault.Internal, "read the code of the notifier: %v", err).Because(err))
	}
	p.notifierCode = code
	p.grant(notifierRole,
		allow("Logs", oneOrMany{"logs:CreateLogStream", "logs:PutLogEvents"}, oneOrMany{p.names.NotifierLogsARN + ":*"}),
		allow("ReadNotices", oneOrMany{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}, oneOrMany{p.names.NoticesQueueARN}),
		allow("Publish", oneOrMany{"sns:Publish"}, oneOrMany{p.topicARN(n)}))
	if p.ownKey() {
		p.grant(notifierRole, keyStatement())
	}
	return errs
}

func addNotices(b *build) error {
	n, ok := b.notify()
	if !ok {
		return nil
	}
	role, policy, err := b.addRole(notifierRole, b.names.NotifierRole)
	if err != nil {
		return err
	}
	if err := b.addTopic(n, role); err != nil {
		return err
	}
	queue, err := b.addNoticesQueue(n)
	if err != nil {
		return err
	}
	function, err := b.addNotifier(n, role, policy)
	if err != nil {
		return err
	}
	// By its ARN, which is what the provider keeps: by its name it would look changed at once to
	// whoever compares.
	_, err = lambda.NewEventSourceMapping(b.ctx, "notices-read", &lambda.EventSourceMappingArgs{
		EventSourceArn: queue.Arn, FunctionName: function.Arn, BatchSize: pulumi.Int(b.noticesBatch(n)), MaximumBatchingWindowInSeconds: pulumi.Int(n.WindowSec),
		FunctionResponseTypes: pulumi.StringArray{pulumi.String("ReportBatchItemFailures")},
		ScalingConfig:         &lambda.EventSourceMappingScalingConfigArgs{MaximumConcurrency: pulumi.Int(noticesCalls)},
		Tags:                  b.tags(),
	})
	return err
}

// noticesBatch is how many messages a call gets: without a window Lambda gives no more than
// ten. (lambda/latest/api/API_CreateEventSourceMapping.html)
func (p *plan) noticesBatch(n spec.Notify) int {
	if n.WindowSec == 0 {
		return 10
	}
	return noticesBatch
}

// addTopic makes the topic with its policy and its e-mail, unless one is given.
func (b *build) addTopic(n spec.Notify, role *iam.Role) error {
	b.topic = pulumi.String(n.Topic)
	b.export("noticesTopicArn", b.topic)
	if n.Topic != "" {
		return nil
	}
	topic, err := sns.NewTopic(b.ctx, "notices", &sns.TopicArgs{
		Name: pulumi.String(b.names.Notices), DisplayName: pulumi.String(b.pipe.ID.String()), KmsMasterKeyId: b.keyArn(), Tags: b.tags(),
	})
	if err != nil {
		return err
	}
	text, err := document(b.topicPolicy())
	if err != nil {
		return err
	}
	// It names the role, which SNS has to find.
	policy, err := sns.NewTopicPolicy(b.ctx, "notices-policy", &sns.TopicPolicyArgs{Arn: topic.Arn, Policy: pulumi.String(text)}, pulumi.DependsOn([]pulumi.Resource{role}))
	if err != nil {
		return err
	}
	b.topic = topic.Arn
	b.export("noticesTopicArn", topic.Arn)
	for _, address := range n.Email {
		sum := sha256.Sum256([]byte(address))
		if _, err := sns.NewTopicSubscription(b.ctx, "notices-mail-"+hex.EncodeToString(sum[:4]), &sns.TopicSubscriptionArgs{
			Topic: topic.Arn, Protocol: pulumi.String("email"), Endpoint: pulumi.String(address),
		}, pulumi.DependsOn([]pulumi.Resource{policy})); err != nil {
			return err
		}
	}
	return nil
}

// topicPolicy lets the pipeline's alarms and its notifier publish, and nobody else, whatever
// their own policies say.
func (p *plan) topicPolicy() []statement {
	topic, publish := oneOrMany{p.names.NoticesTopicARN}, oneOrMany{"sns:Publish"}
	return []statement{
		statement{
			Sid: "Alarms", Effect: "Allow", Principal: &principal{Service: "cloudwatch.amazonaws.com"}, Action: publish, Resource: topic,
		}.when("ArnLike", "aws:SourceArn", p.arn("cloudwatch", "alarm:"+p.names.Base+"-*")).
			when("StringEquals", "aws:SourceAccount", p.env.Account),
		{Sid: "Notifier", Effect: "Allow", Principal: &principal{AWS: p.names.NotifierRoleARN}, Action: publish, Resource: topic},
		statement{Sid: "NobodyElse", Effect: "Deny", Principal: &principal{All: true}, Action: publish, Resource: topic}.
			when("ArnNotEquals", "aws:PrincipalArn", p.names.NotifierRoleARN).
			when("Bool", "aws:PrincipalIsAWSService", "false"),
	}
}

// addNoticesQueue makes the queue in which failures are gathered, and what fills it.
func (b *build) addNoticesQueue(n spec.Notify) (*sqs.Queue, error) {
	queue, err := sqs.NewQueue(b.ctx, "notices-queue", &sqs.QueueArgs{
		Name:                    pulumi.String(b.names.Notices),
		MessageRetentionSeconds: pulumi.Int(noticesSeconds),
		// Six times what a call may take. (lambda/latest/dg/services-sqs-configure.html)
		VisibilityTimeoutSeconds: pulumi.Int(6*notifierTimeout + n.WindowSec),
		SqsManagedSseEnabled:     pulumi.Bool(true),
		Tags:                     b.tags(),
	})
	if err != nil {
		return nil, err
	}
	senders := []statement{b.sendTo("EventBridgeSend", "events.amazonaws.com", b.names.NoticesQueueARN, b.names.NoticesRuleARN)}
	if n.Slack {
		senders = append(senders, statement{
			Sid: "TopicSend", Effect: "Allow", Principal: &principal{Service: "sns.amazonaws.com"}, Action: oneOrMany{"sqs:SendMessage"}, Resource: oneOrMany{b.names.NoticesQueueARN},
		}.when("ArnEquals", "aws:SourceArn", b.topicARN(n)))
	}
	text, err := document(senders)
	if err != nil {
		return nil, err
	}
	allowed, err := sqs.NewQueuePolicy(b.ctx, "notices-queue-policy", &sqs.QueuePolicyArgs{QueueUrl: queue.Url, Policy: pulumi.String(text)})
	if err != nil {
		return nil, err
	}
	statuses := failures()
	if b.maps {
		statuses = append(statuses, "SUCCEEDED")
	}
	pattern, err := json.Marshal(statusPattern(b.names.StateMachineARN, statuses))
	if err != nil {
		return nil, err
	}
	rule, err := cloudwatch.NewEventRule(b.ctx, "notices-rule", &cloudwatch.EventRuleArgs{
		Name:         pulumi.String(b.names.Notices),
		Description:  pulumi.String("pipelinetui: notices of " + b.pipe.ID.String()),
		EventPattern: pulumi.String(string(pattern)),
		Tags:         b.tags(),
	})
	if err != nil {
		return nil, err
	}
	after := pulumi.DependsOn([]pulumi.Resource{allowed})
	if _, err := cloudwatch.NewEventTarget(b.ctx, "notices-target", &cloudwatch.EventTargetArgs{
		Rule: rule.Name, TargetId: pulumi.String("notices"), Arn: queue.Arn,
	}, after); err != nil {
		return nil, err
	}
	if !n.Slack {
		return queue, nil
	}
	// What the topic gets of alarms goes to Slack the same way.
	_, err = sns.NewTopicSubscription(b.ctx, "notices-alarms", &sns.TopicSubscriptionArgs{Topic: b.topic, Protocol: pulumi.String("sqs"), Endpoint: queue.Arn}, after)
	return queue, err
}

// addNotifier makes the function that writes the notices.
func (b *build) addNotifier(n spec.Notify, role *iam.Role, policy pulumi.Resource) (*lambda.Function, error) {
	logs, err := b.addLogGroup("notifier-logs", b.names.NotifierLogs)
	if err != nil {
		return nil, err
	}
	variables := pulumi.StringMap{
		"PIPELINETUI_PIPELINE": pulumi.String(b.pipe.ID.String()),
		"PIPELINETUI_TOPIC":    b.topic,
		"PIPELINETUI_ALARMS":   pulumi.String(b.names.Base + "-"),
	}
	if n.Slack {
		variables["PIPELINETUI_SLACK"] = pulumi.ToSecret(pulumi.String(b.text(slackParameter))).(pulumi.StringOutput)
	}
	return lambda.NewFunction(b.ctx, "notifier", &lambda.FunctionArgs{
		Name:          pulumi.String(b.names.Notifier),
		Description:   pulumi.String("pipelinetui: tells of failures of " + b.pipe.ID.String()),
		Runtime:       pulumi.String(defaultRuntime),
		Handler:       pulumi.String(defaultHandler),
		Architectures: pulumi.StringArray{pulumi.String(or(b.text("preprocess.arch"), defaultArch))},
		MemorySize:    pulumi.Int(notifierMemory),
		Timeout:       pulumi.Int(notifierTimeout),
		Code:          b.notifierCode.archive,
		Role:          role.Arn,
		LoggingConfig: loggingTo(logs),
		Environment:   &lambda.FunctionEnvironmentArgs{Variables: variables},
		KmsKeyArn:     b.keyArn(),
		Tags:          b.tags(),
	}, pulumi.DependsOn([]pulumi.Resource{logs, policy}))
}
