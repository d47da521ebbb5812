package services

import (
	"context"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/schema"
)

func sqsResources() []Resource { return []Resource{sqsQueue(), sqsQueuePolicy()} }

// noQueue are the two spellings of "does not exist", of the JSON and of the
// query protocol.
var noQueue = []string{"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "NonExistentQueue"}

type queueArgs struct {
	ContentDedup        *bool   `pulumi:"contentBasedDeduplication" default:"false"`
	DedupScope          *string `pulumi:"deduplicationScope,computed" check:"enum=messageGroup|queue"`
	DelaySeconds        *int    `pulumi:"delaySeconds" default:"0" check:"min=0;max=900"`
	Fifo                *bool   `pulumi:"fifoQueue,replace" default:"false"`
	FifoThroughputLimit *string `pulumi:"fifoThroughputLimit,computed" check:"enum=perQueue|perMessageGroupId"`
	KmsReuseSeconds     *int    `pulumi:"kmsDataKeyReusePeriodSeconds,computed" check:"min=60;max=86400"`
	KmsMasterKeyID      *string `pulumi:"kmsMasterKeyId"`
	MaxMessageSize      *int    `pulumi:"maxMessageSize" default:"262144" check:"min=1024;max=262144"`
	RetentionSeconds    *int    `pulumi:"messageRetentionSeconds" default:"345600" check:"min=60;max=1209600"`
	Name                *string `pulumi:"name,replace,computed" check:"len=1..80;match=^[0-9A-Za-z_-]+(\\.fifo)?$"`
	NamePrefix          *string `pulumi:"namePrefix,replace,computed,local" check:"len=1..54"`
	Policy              *string `pulumi:"policy,computed,policy"`
	ReceiveWaitSeconds  *int    `pulumi:"receiveWaitTimeSeconds" default:"0" check:"min=0;max=20"`
	RedriveAllowPolicy  *string `pulumi:"redriveAllowPolicy,computed,json"`
	RedrivePolicy       *string `pulumi:"redrivePolicy,computed,json"`
	ManagedSSE          *bool   `pulumi:"sqsManagedSseEnabled,computed"`
	VisibilitySeconds   *int    `pulumi:"visibilityTimeoutSeconds" default:"30" check:"min=0;max=43200"`
	Tagged
}

type queueState struct {
	queueArgs
	Arn string `pulumi:"arn"`
	URL string `pulumi:"url"`
}

func sqsQueue() Resource {
	return define(Def[queueArgs, queueState]{
		Type: "aws:sqs/queue:Queue", Title: "SQS Queue",
		Named: &Naming{Property: "name", Prefix: "namePrefix", Max: 80, After: func(in resource.PropertyMap) string {
			if v := in["fifoQueue"]; v.IsBool() && v.BoolValue() {
				return ".fifo"
			}
			return ""
		}},
		CheckFn: func(in *queueArgs, known func(string) bool) []schema.Failure {
			if known("contentBasedDeduplication") && known("fifoQueue") && deref(in.ContentDedup) && !deref(in.Fifo) {
				return []schema.Failure{{Property: "contentBasedDeduplication", Reason: "content-based deduplication can only be set for FIFO queue"}}
			}
			return nil
		},
		CreateFn: createQueue, ReadFn: readQueue, UpdateFn: updateQueue, DeleteFn: deleteQueue,
	})
}

// queueAttributes says how the inputs are called in the API. Only inputs of
// which fn is true are given.
func queueAttributes(in *queueArgs, fn func(property string) bool) map[string]string {
	out := map[string]string{}
	put := func(property string, name types.QueueAttributeName, value *string) {
		if value != nil && fn(property) {
			out[string(name)] = *value
		}
	}
	itoa := func(p *int) *string {
		if p == nil {
			return nil
		}
		return aws.String(strconv.Itoa(*p))
	}
	boolean := func(p *bool) *string {
		if p == nil {
			return nil
		}
		return aws.String(strconv.FormatBool(*p))
	}
	if deref(in.Fifo) {
		// The attributes of FIFO queues are refused for others, whatever they say.
		put("contentBasedDeduplication", types.QueueAttributeNameContentBasedDeduplication, boolean(in.ContentDedup))
		put("fifoQueue", types.QueueAttributeNameFifoQueue, boolean(in.Fifo))
	}
	put("deduplicationScope", types.QueueAttributeNameDeduplicationScope, set(in.DedupScope))
	put("delaySeconds", types.QueueAttributeNameDelaySeconds, itoa(in.DelaySeconds))
	put("fifoThroughputLimit", types.QueueAttributeNameFifoThroughputLimit, set(in.FifoThroughputLimit))
	put("kmsDataKeyReusePeriodSeconds", types.QueueAttributeNameKmsDataKeyReusePeriodSeconds, itoa(in.KmsReuseSeconds))
	put("kmsMasterKeyId", types.QueueAttributeNameKmsMasterKeyId, in.KmsMasterKeyID)
	put("maxMessageSize", types.QueueAttributeNameMaximumMessageSize, itoa(in.MaxMessageSize))
	put("messageRetentionSeconds", types.QueueAttributeNameMessageRetentionPeriod, itoa(in.RetentionSeconds))
	put("policy", types.QueueAttributeNamePolicy, in.Policy)
	put("receiveWaitTimeSeconds", types.QueueAttributeNameReceiveMessageWaitTimeSeconds, itoa(in.ReceiveWaitSeconds))
	put("redriveAllowPolicy", types.QueueAttributeNameRedriveAllowPolicy, in.RedriveAllowPolicy)
	put("redrivePolicy", types.QueueAttributeNameRedrivePolicy, in.RedrivePolicy)
	put("sqsManagedSseEnabled", types.QueueAttributeNameSqsManagedSseEnabled, boolean(in.ManagedSSE))
	put("visibilityTimeoutSeconds", types.QueueAttributeNameVisibilityTimeout, itoa(in.VisibilitySeconds))
	return out
}

func createQueue(ctx context.Context, c *Call, in *queueArgs) (string, error) {
	out, err := c.SQS().CreateQueue(ctx, &sqs.CreateQueueInput{
		QueueName: in.Name, Attributes: queueAttributes(in, func(string) bool { return true }), Tags: nilIfEmpty(in.TagsAll),
	})
	if err != nil {
		return "", err
	}
	return deref(out.QueueUrl), nil
}

// defaultReuse is the default of kmsDataKeyReusePeriodSeconds.
const defaultReuse = 300

func readQueue(ctx context.Context, c *Call, id string, last *queueState) (*queueState, error) {
	url := aws.String(id)
	out, err := c.SQS().GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		return nil, gone(err, noQueue...)
	}
	tags, err := c.SQS().ListQueueTags(ctx, &sqs.ListQueueTagsInput{QueueUrl: url})
	if err != nil {
		return nil, gone(err, noQueue...)
	}
	a := func(n types.QueueAttributeName) string { return out.Attributes[string(n)] }
	number := func(n types.QueueAttributeName) *int {
		if i, err := strconv.Atoi(a(n)); err == nil {
			return &i
		}
		return nil
	}
	reuse := number(types.QueueAttributeNameKmsDataKeyReusePeriodSeconds)
	if reuse == nil {
		reuse = aws.Int(defaultReuse) // SQS tells it of queues with a key only, Terraform's provider of all
	}
	arn := a(types.QueueAttributeNameQueueArn)
	_, name, _ := cutLast(arn, ":")
	return &queueState{
		queueArgs: queueArgs{
			ContentDedup: aws.Bool(a(types.QueueAttributeNameContentBasedDeduplication) == "true"), DedupScope: text(a(types.QueueAttributeNameDeduplicationScope)),
			DelaySeconds: number(types.QueueAttributeNameDelaySeconds), Fifo: aws.Bool(a(types.QueueAttributeNameFifoQueue) == "true"),
			FifoThroughputLimit: text(a(types.QueueAttributeNameFifoThroughputLimit)), KmsReuseSeconds: reuse,
			KmsMasterKeyID: text(a(types.QueueAttributeNameKmsMasterKeyId)), MaxMessageSize: number(types.QueueAttributeNameMaximumMessageSize),
			RetentionSeconds: number(types.QueueAttributeNameMessageRetentionPeriod), Name: &name, Policy: text(a(types.QueueAttributeNamePolicy)),
			ReceiveWaitSeconds: number(types.QueueAttributeNameReceiveMessageWaitTimeSeconds),
			RedriveAllowPolicy: text(a(types.QueueAttributeNameRedriveAllowPolicy)), RedrivePolicy: text(a(types.QueueAttributeNameRedrivePolicy)),
			ManagedSSE: aws.Bool(a(types.QueueAttributeNameSqsManagedSseEnabled) == "true"), VisibilitySeconds: number(types.QueueAttributeNameVisibilityTimeout),
			Tagged: c.tagged(tags.Tags, last.Tagged),
		},
		Arn: arn, URL: id,
	}, nil
}

func updateQueue(ctx context.Context, c *Call, id string, last *queueState, in *queueArgs) error {
	url := aws.String(id)
	if in.KmsMasterKeyID == nil {
		in.KmsMasterKeyID = aws.String("") // takes the key away if there was one
	}
	if attributes := queueAttributes(in, func(p string) bool { return p != "fifoQueue" && c.Changed(p) }); len(attributes) > 0 {
		if _, err := c.SQS().SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: attributes}); err != nil {
			return err
		}
	}
	add, remove := tagChanges(last.TagsAll, in.TagsAll)
	if len(remove) > 0 {
		if _, err := c.SQS().UntagQueue(ctx, &sqs.UntagQueueInput{QueueUrl: url, TagKeys: remove}); err != nil {
			return err
		}
	}
	if len(add) > 0 {
		if _, err := c.SQS().TagQueue(ctx, &sqs.TagQueueInput{QueueUrl: url, Tags: add}); err != nil {
			return err
		}
	}
	return nil
}

func deleteQueue(ctx context.Context, c *Call, id string, _ *queueState) error {
	if _, err := c.SQS().DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: aws.String(id)}); err != nil {
		return gone(err, noQueue...)
	}
	return c.Wait(ctx, "SQS Queue "+id+" to be deleted", func(ctx context.Context) (bool, error) {
		_, err := c.SQS().GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: aws.String(id)})
		if isCode(err, noQueue...) {
			return true, nil
		}
		return false, err
	})
}

type queuePolicyArgs struct {
	Policy   string `pulumi:"policy,required,policy"`
	QueueURL string `pulumi:"queueUrl,required,replace"`
}

type queuePolicyState struct{ queuePolicyArgs }

func setQueuePolicy(ctx context.Context, c *Call, url, policy string) error {
	_, err := c.SQS().SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{
		QueueUrl: aws.String(url), Attributes: map[string]string{string(types.QueueAttributeNamePolicy): policy},
	})
	return err
}

func sqsQueuePolicy() Resource {
	return define(Def[queuePolicyArgs, queuePolicyState]{
		Type: "aws:sqs/queuePolicy:QueuePolicy", Title: "SQS Queue Policy",
		CreateFn: func(ctx context.Context, c *Call, in *queuePolicyArgs) (string, error) {
			return idUnless(setQueuePolicy(ctx, c, in.QueueURL, in.Policy), in.QueueURL)
		},
		ReadFn: func(ctx context.Context, c *Call, id string, _ *queuePolicyState) (*queuePolicyState, error) {
			out, err := c.SQS().GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
				QueueUrl: aws.String(id), AttributeNames: []types.QueueAttributeName{types.QueueAttributeNamePolicy},
			})
			if err != nil {
				return nil, gone(err, noQueue...)
			}
			policy := out.Attributes[string(types.QueueAttributeNamePolicy)]
			if policy == "" {
				return nil, ErrGone
			}
			return &queuePolicyState{queuePolicyArgs{Policy: policy, QueueURL: id}}, nil
		},
		UpdateFn: func(ctx context.Context, c *Call, id string, _ *queuePolicyState, in *queuePolicyArgs) error {
			return setQueuePolicy(ctx, c, id, in.Policy)
		},
		DeleteFn: func(ctx context.Context, c *Call, id string, _ *queuePolicyState) error {
			return gone(setQueuePolicy(ctx, c, id, ""), noQueue...)
		},
	})
}
