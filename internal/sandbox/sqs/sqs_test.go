package sqs_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/sqs"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func register(t *testing.T, w *iamtest.World) (*sqs.Service, *sdk.Client) {
	t.Helper()
	s, err := sqs.New(sqs.Config{DB: w.DB, Clock: w.Clock, Endpoint: w.URL})
	require.NoError(t, err)
	s.Register(w.Router)
	return s, sdk.NewFromConfig(w.Admin())
}

func create(t *testing.T, c *sdk.Client, name string, attributes map[string]string) *string {
	t.Helper()
	out, err := c.CreateQueue(t.Context(), &sdk.CreateQueueInput{QueueName: &name, Attributes: attributes})
	require.NoError(t, err)
	return out.QueueUrl
}

func attributes(t *testing.T, c *sdk.Client, url *string) map[string]string {
	t.Helper()
	out, err := c.GetQueueAttributes(t.Context(), &sdk.GetQueueAttributesInput{QueueUrl: url, AttributeNames: []types.QueueAttributeName{"All"}})
	require.NoError(t, err)
	return out.Attributes
}

func TestQueueLifecycle(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w)
	url := create(t, c, "q", map[string]string{"VisibilityTimeout": "60"})
	require.Equal(t, w.URL+"/000000000000/q", *url)
	require.Equal(t, *url, *create(t, c, "q", map[string]string{"VisibilityTimeout": "60", "DelaySeconds": "0"}))
	_, err := c.CreateQueue(ctx, &sdk.CreateQueueInput{QueueName: aws.String("q"), Attributes: map[string]string{"VisibilityTimeout": "61"}})
	iamtest.RequireCode(t, err, "QueueAlreadyExists")
	require.Equal(t, map[string]string{
		"VisibilityTimeout": "60", "DelaySeconds": "0", "MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600", "ReceiveMessageWaitTimeSeconds": "0",
		"SqsManagedSseEnabled": "true", "QueueArn": "arn:aws:sqs:us-east-1:000000000000:q",
		"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0", "ApproximateNumberOfMessagesDelayed": "0",
		"CreatedTimestamp": attributes(t, c, url)["CreatedTimestamp"], "LastModifiedTimestamp": attributes(t, c, url)["LastModifiedTimestamp"],
	}, attributes(t, c, url))

	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"}]}`
	set := func(a map[string]string) error {
		_, err := c.SetQueueAttributes(ctx, &sdk.SetQueueAttributesInput{QueueUrl: url, Attributes: a})
		return err
	}
	require.NoError(t, set(map[string]string{"Policy": policy, "KmsMasterKeyId": "alias/k"}))
	got := attributes(t, c, url)
	require.Equal(t, policy, got["Policy"])
	require.Equal(t, "false", got["SqsManagedSseEnabled"])
	require.NoError(t, set(map[string]string{"Policy": "", "KmsMasterKeyId": "", "SqsManagedSseEnabled": "true"}))
	require.NotContains(t, attributes(t, c, url), "Policy")
	iamtest.RequireCode(t, set(map[string]string{"VisibilityTimeout": "43201"}), "InvalidAttributeValue")
	iamtest.RequireCode(t, set(map[string]string{"Policy": "{"}), "InvalidAttributeValue")
	iamtest.RequireCode(t, set(map[string]string{"Colour": "red"}), "InvalidAttributeName")
	iamtest.RequireCode(t, set(map[string]string{"RedrivePolicy": `{"maxReceiveCount":0,"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:d"}`}), "InvalidAttributeValue")

	_, err = c.TagQueue(ctx, &sdk.TagQueueInput{QueueUrl: url, Tags: map[string]string{"a": "1", "b": "2"}})
	require.NoError(t, err)
	_, err = c.UntagQueue(ctx, &sdk.UntagQueueInput{QueueUrl: url, TagKeys: []string{"a"}})
	require.NoError(t, err)
	tags, err := c.ListQueueTags(ctx, &sdk.ListQueueTagsInput{QueueUrl: url})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"b": "2"}, tags.Tags)

	w.Reopen(t)
	_, c = register(t, w)
	list, err := c.ListQueues(ctx, &sdk.ListQueuesInput{QueueNamePrefix: aws.String("q")})
	require.NoError(t, err)
	require.Equal(t, []string{w.URL + "/000000000000/q"}, list.QueueUrls)
	// The sandbox moved to another port; the old URL still names the queue.
	_, err = c.DeleteQueue(ctx, &sdk.DeleteQueueInput{QueueUrl: url})
	require.NoError(t, err)
	_, err = c.GetQueueAttributes(ctx, &sdk.GetQueueAttributesInput{QueueUrl: url, AttributeNames: []types.QueueAttributeName{"All"}})
	var gone *types.QueueDoesNotExist
	require.ErrorAs(t, err, &gone)
	require.Equal(t, "AWS.SimpleQueueService.NonExistentQueue", gone.ErrorCode())
	_, err = c.CreateQueue(ctx, &sdk.CreateQueueInput{QueueName: aws.String("q.fifo")})
	iamtest.RequireCode(t, err, "InvalidParameterValue")
	_, err = c.CreateQueue(ctx, &sdk.CreateQueueInput{QueueName: aws.String("a b")})
	iamtest.RequireCode(t, err, "InvalidParameterValue")
}

func receive(t *testing.T, c *sdk.Client, url *string) []types.Message {
	t.Helper()
	out, err := c.ReceiveMessage(t.Context(), &sdk.ReceiveMessageInput{
		QueueUrl: url, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
	})
	require.NoError(t, err)
	return out.Messages
}

func TestMessages(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w)
	url := create(t, c, "q", nil)
	sent, err := c.SendMessage(ctx, &sdk.SendMessageInput{QueueUrl: url, MessageBody: aws.String("hällo"), MessageAttributes: map[string]types.MessageAttributeValue{
		"n": {DataType: aws.String("Number"), StringValue: aws.String("1")}, "b": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1}},
	}})
	require.NoError(t, err)
	batch, err := c.SendMessageBatch(ctx, &sdk.SendMessageBatchInput{QueueUrl: url, Entries: []types.SendMessageBatchRequestEntry{
		{Id: aws.String("1"), MessageBody: aws.String("two")},
		{Id: aws.String("2"), MessageBody: aws.String("bad\x01")},
		{Id: aws.String("3"), MessageBody: aws.String("later"), DelaySeconds: 10},
	}})
	require.NoError(t, err)
	require.Len(t, batch.Successful, 2)
	require.Equal(t, "InvalidMessageContents", *batch.Failed[0].Code)

	// What was acknowledged is there after a restart.
	w.Reopen(t)
	_, c = register(t, w)
	got := receive(t, c, url)
	require.Len(t, got, 2)
	require.Equal(t, "hällo", *got[0].Body)
	require.Equal(t, *sent.MessageId, *got[0].MessageId)
	require.Equal(t, *sent.MD5OfMessageAttributes, *got[0].MD5OfMessageAttributes)
	require.Equal(t, []byte{0, 1}, got[0].MessageAttributes["b"].BinaryValue)
	require.Equal(t, "1", got[0].Attributes["ApproximateReceiveCount"])
	require.Equal(t, "two", *got[1].Body)
	require.Empty(t, receive(t, c, url), "they are hidden")
	a := attributes(t, c, url)
	require.Equal(t, "2", a["ApproximateNumberOfMessagesNotVisible"])
	require.Equal(t, "1", a["ApproximateNumberOfMessagesDelayed"])

	_, err = c.DeleteMessage(ctx, &sdk.DeleteMessageInput{QueueUrl: url, ReceiptHandle: got[0].ReceiptHandle})
	require.NoError(t, err)
	_, err = c.ChangeMessageVisibility(ctx, &sdk.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: got[1].ReceiptHandle, VisibilityTimeout: 0})
	require.NoError(t, err)
	again := receive(t, c, url)
	require.Len(t, again, 1)
	require.Equal(t, "2", again[0].Attributes["ApproximateReceiveCount"])
	// An old handle deletes nothing and says nothing; one that is none is refused.
	_, err = c.DeleteMessage(ctx, &sdk.DeleteMessageInput{QueueUrl: url, ReceiptHandle: got[1].ReceiptHandle})
	require.NoError(t, err)
	_, err = c.DeleteMessage(ctx, &sdk.DeleteMessageInput{QueueUrl: url, ReceiptHandle: aws.String("x")})
	iamtest.RequireCode(t, err, "ReceiptHandleIsInvalid")
	w.Clock.Advance(31 * time.Second)
	require.Len(t, receive(t, c, url), 2)
	_, err = c.PurgeQueue(ctx, &sdk.PurgeQueueInput{QueueUrl: url})
	require.NoError(t, err)
	_, err = c.PurgeQueue(ctx, &sdk.PurgeQueueInput{QueueUrl: url})
	iamtest.RequireCode(t, err, "AWS.SimpleQueueService.PurgeQueueInProgress")
	w.Clock.Advance(31 * time.Second)
	require.Empty(t, receive(t, c, url))
	w.Clock.Advance(30 * time.Second)
	_, err = c.PurgeQueue(ctx, &sdk.PurgeQueueInput{QueueUrl: url})
	require.NoError(t, err)
	_, err = c.SendMessage(ctx, &sdk.SendMessageInput{QueueUrl: url, MessageBody: aws.String(strings.Repeat("x", 1<<20+1))})
	iamtest.RequireCode(t, err, "InvalidParameterValue")
}

func TestLongPoll(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w)
	url := create(t, c, "q", nil)
	got := make(chan []types.Message, 1)
	poll := func() {
		out, err := c.ReceiveMessage(ctx, &sdk.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: 20})
		if err != nil {
			t.Error(err)
			got <- nil
			return
		}
		got <- out.Messages
	}
	go poll()
	require.NoError(t, w.Clock.WaitTimers(ctx, 1))
	_, err := c.SendMessage(ctx, &sdk.SendMessageInput{QueueUrl: url, MessageBody: aws.String("now")})
	require.NoError(t, err)
	require.Len(t, <-got, 1)
	go poll()
	require.NoError(t, w.Clock.WaitTimers(ctx, 2)) // the wait, and the hidden message
	w.Clock.Advance(20 * time.Second)
	require.Empty(t, <-got)
	go poll()
	require.NoError(t, w.Clock.WaitTimers(ctx, 2))
	w.Clock.Advance(10 * time.Second) // the message becomes visible again
	require.Len(t, <-got, 1)
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w)
	dead := create(t, c, "dead", nil)
	url := create(t, c, "q", map[string]string{"VisibilityTimeout": "0", "RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":"2"}`})
	_, err := c.SendMessage(ctx, &sdk.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x")})
	require.NoError(t, err)
	require.Len(t, receive(t, c, url), 1)
	require.Len(t, receive(t, c, url), 1)
	require.Empty(t, receive(t, c, url))
	require.Len(t, receive(t, c, dead), 1)
}

func TestWhoMaySend(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w)
	const rule = "arn:aws:events:us-east-1:000000000000:rule/r"
	// deliver sends as an AWS service that acts for a resource.
	deliver := func(service, source, queue string) error {
		in := `{"QueueUrl":"http://sqs/000000000000/` + queue + `","MessageBody":"x"}`
		_, err := w.Router.Invoke(ctx, iamtest.Scope, wire.Principal{Service: service, Source: source}, "sqs", "SendMessage", []byte(in))
		return err
	}
	url := create(t, c, "q", nil)
	const arn = "arn:aws:sqs:us-east-1:000000000000:q"
	require.ErrorContains(t, deliver("events.amazonaws.com", rule, "q"), "no resource-based policy")
	_, err := c.SetQueueAttributes(ctx, &sdk.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"Policy": `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + arn + `","Condition":{"ArnEquals":{"aws:SourceArn":"` + rule + `"},"StringEquals":{"aws:SourceAccount":"000000000000"}}},
		{"Effect":"Deny","Principal":"*","Action":"sqs:PurgeQueue","Resource":"` + arn + `"}]}`}})
	require.NoError(t, err)
	require.NoError(t, deliver("events.amazonaws.com", rule, "q"))
	require.Error(t, deliver("events.amazonaws.com", rule+"2", "q"))
	require.Error(t, deliver("sns.amazonaws.com", rule, "q"))
	require.ErrorContains(t, deliver("events.amazonaws.com", rule, "q2"), "no resource-based policy", "whether there is one is nobody's business")

	_, sender := w.Role(t, "sender", iamtest.Allow("sqs:SendMessage", arn))
	_, nobody := w.Role(t, "nobody", "")
	send := func(cfg aws.Config) error {
		_, err := sdk.NewFromConfig(cfg).SendMessage(ctx, &sdk.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x")})
		return err
	}
	require.NoError(t, send(sender))
	iamtest.RequireCode(t, send(nobody), "AccessDenied")
	_, err = sdk.NewFromConfig(sender).ReceiveMessage(ctx, &sdk.ReceiveMessageInput{QueueUrl: url})
	iamtest.RequireCode(t, err, "AccessDenied")
	// A Deny of the queue's policy holds for everybody.
	_, err = c.PurgeQueue(ctx, &sdk.PurgeQueueInput{QueueUrl: url})
	iamtest.RequireCode(t, err, "AccessDenied")
}

// The texts by which clients tell what was wrong, and visibility in batches.
func TestReceiveLimitsAndVisibilityBatch(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w)
	url := create(t, c, "q", nil)
	_, err := c.ReceiveMessage(ctx, &sdk.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 11})
	require.ErrorContains(t, err, "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.")
	_, err = c.ReceiveMessage(ctx, &sdk.ReceiveMessageInput{QueueUrl: url, WaitTimeSeconds: 21})
	require.ErrorContains(t, err, "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.")
	_, err = c.SendMessage(ctx, &sdk.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x")})
	require.NoError(t, err)
	got, err := c.ReceiveMessage(ctx, &sdk.ReceiveMessageInput{QueueUrl: url})
	require.NoError(t, err)
	require.Len(t, got.Messages, 1)
	out, err := c.ChangeMessageVisibilityBatch(ctx, &sdk.ChangeMessageVisibilityBatchInput{QueueUrl: url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
		{Id: aws.String("a"), ReceiptHandle: got.Messages[0].ReceiptHandle}, {Id: aws.String("b"), ReceiptHandle: aws.String("x")},
	}})
	require.NoError(t, err)
	require.Len(t, out.Successful, 1)
	require.Equal(t, "ReceiptHandleIsInvalid", *out.Failed[0].Code)
	again, err := c.ReceiveMessage(ctx, &sdk.ReceiveMessageInput{QueueUrl: url})
	require.NoError(t, err)
	require.Len(t, again.Messages, 1, "visible at once")
}

// SDKs know the errors of a batch by the codes of the old protocol.
func TestBatches(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w)
	url := create(t, c, "q", nil)
	for code, ids := range map[string][]string{
		"AWS.SimpleQueueService.EmptyBatchRequest":            {},
		"AWS.SimpleQueueService.TooManyEntriesInBatchRequest": {"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"},
		"AWS.SimpleQueueService.BatchEntryIdsNotDistinct":     {"1", "1"},
		"AWS.SimpleQueueService.InvalidBatchEntryId":          {"a b"},
	} {
		entries := []types.SendMessageBatchRequestEntry{}
		for _, id := range ids {
			entries = append(entries, types.SendMessageBatchRequestEntry{Id: aws.String(id), MessageBody: aws.String("x")})
		}
		_, err := c.SendMessageBatch(ctx, &sdk.SendMessageBatchInput{QueueUrl: url, Entries: entries})
		iamtest.RequireCode(t, err, code)
	}
}
