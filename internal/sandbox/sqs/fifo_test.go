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
)

// fifoQueue is a FIFO queue with what a test does to it.
type fifoQueue struct {
	t   *testing.T
	c   *sdk.Client
	url *string
}

func (q fifoQueue) send(group, dedup, body string) *sdk.SendMessageOutput {
	q.t.Helper()
	in := &sdk.SendMessageInput{QueueUrl: q.url, MessageBody: &body, MessageGroupId: &group}
	if dedup != "" {
		in.MessageDeduplicationId = &dedup
	}
	out, err := q.c.SendMessage(q.t.Context(), in)
	require.NoError(q.t, err)
	return out
}

func (q fifoQueue) receive(most int32) (bodies string, got []types.Message) {
	q.t.Helper()
	out, err := q.c.ReceiveMessage(q.t.Context(), &sdk.ReceiveMessageInput{
		QueueUrl: q.url, MaxNumberOfMessages: most, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
	})
	require.NoError(q.t, err)
	var all []string
	for _, m := range out.Messages {
		all = append(all, *m.Body)
	}
	return strings.Join(all, " "), out.Messages
}

func (q fifoQueue) bodies(most int32) string { s, _ := q.receive(most); return s }

// The order of a group holds, whatever is hidden, comes back or is gone.
func TestFIFOOrder(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w)
	q := fifoQueue{t, c, create(t, c, "q.fifo", map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "true", "MessageRetentionPeriod": "60"})}
	for _, body := range []string{"a1", "a2", "a3", "b1"} {
		q.send(body[:1], "", body)
	}
	got, taken := q.receive(2)
	require.Equal(t, "a1 a2", got)
	require.Equal(t, "a", taken[0].Attributes["MessageGroupId"])
	require.Less(t, taken[0].Attributes["SequenceNumber"], taken[1].Attributes["SequenceNumber"])
	require.Equal(t, "b1", q.bodies(10), "the other group only")
	w.Reopen(t)
	_, q.c = register(t, w)
	require.Empty(t, q.bodies(10))
	a := attributes(t, q.c, q.url)
	require.Equal(t, []string{"1", "3"}, []string{a["ApproximateNumberOfMessages"], a["ApproximateNumberOfMessagesNotVisible"]})

	// The second comes back before the first: it waits for it all the same.
	hide := func(m types.Message, seconds int32) error {
		_, err := q.c.ChangeMessageVisibility(ctx, &sdk.ChangeMessageVisibilityInput{QueueUrl: q.url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds})
		return err
	}
	require.NoError(t, hide(taken[1], 0))
	require.Empty(t, q.bodies(10))
	require.NoError(t, hide(taken[0], 0))
	got, taken = q.receive(1)
	require.Equal(t, "a1", got)
	remove := func(m types.Message) error {
		_, err := q.c.DeleteMessage(ctx, &sdk.DeleteMessageInput{QueueUrl: q.url, ReceiptHandle: m.ReceiptHandle})
		return err
	}
	require.NoError(t, remove(taken[0]))
	require.NoError(t, remove(taken[0]), "gone already")
	got, taken = q.receive(10)
	require.Equal(t, "a2 a3", got)
	w.Clock.Advance(31 * time.Second)
	require.ErrorContains(t, remove(taken[0]), "Reason: The receipt handle has expired.")
	require.ErrorContains(t, hide(taken[0], 9), "Reason: Message does not exist or is not available for visibility timeout change.")
	require.Equal(t, "a2 a3 b1", q.bodies(10))
	w.Clock.Advance(time.Minute)
	require.Empty(t, q.bodies(10), "too old")
}

// What is sent twice within five minutes arrives once, deleted or not; the scope of
// that is the queue or the group.
func TestFIFODeduplication(t *testing.T) {
	t.Parallel()
	w := iamtest.New(t)
	_, c := register(t, w)
	for scope, want := range map[string]string{"queue": "x", "messageGroup": "x y"} {
		q := fifoQueue{t, c, create(t, c, scope+".fifo", map[string]string{
			"FifoQueue": "true", "ContentBasedDeduplication": "true", "DeduplicationScope": scope, "FifoThroughputLimit": "perMessageGroupId",
		})}
		first := q.send("g", "id", "x")
		again := q.send("g", "id", "other")
		require.Equal(t, []string{*first.MessageId, *first.SequenceNumber}, []string{*again.MessageId, *again.SequenceNumber})
		q.send("h", "id", "y")
		got, taken := q.receive(10)
		require.Equal(t, want, got)
		for _, m := range taken {
			_, err := c.DeleteMessage(t.Context(), &sdk.DeleteMessageInput{QueueUrl: q.url, ReceiptHandle: m.ReceiptHandle})
			require.NoError(t, err)
		}
		q.send("g", "id", "z")
		require.Empty(t, q.bodies(10), "though it was deleted")
		w.Clock.Advance(5 * time.Minute)
		q.send("g", "id", "z")
		q.send("g", "", "body")
		q.send("g", "", "body")
		require.Equal(t, "z body", q.bodies(10))
	}
}

// Answers that are recorded: https://github.com/localstack/localstack,
// tests/aws/services/sqs/test_sqs.snapshot.json.
func TestFIFORules(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w)
	for name, c0 := range map[string]struct {
		queue      string
		attributes map[string]string
		want       string
	}{
		"no suffix":    {"q", map[string]string{"FifoQueue": "true"}, "must end with .fifo suffix"},
		"suffix alone": {"q.fifo", nil, "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"},
		"false":        {"q", map[string]string{"FifoQueue": "false"}, "InvalidAttributeName: Unknown Attribute FifoQueue."},
		"content":      {"q", map[string]string{"ContentBasedDeduplication": "false"}, "InvalidAttributeName: Unknown Attribute ContentBasedDeduplication."},
		"scope": {
			"q",
			map[string]string{"DeduplicationScope": "queue"},
			"InvalidAttributeName: You can specify the DeduplicationScope only when FifoQueue is set to true.",
		},
		"value": {"q.fifo", map[string]string{"FifoQueue": "true", "DeduplicationScope": "all"}, "InvalidAttributeValue"},
		"dead letters": {"q", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:none",` +
			`"maxReceiveCount":2}`}, "Reason: Dead letter target does not exist."},
		"other kind of queue": {
			"q.fifo",
			map[string]string{
				"FifoQueue":     "true",
				"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:plain","maxReceiveCount":2}`,
			},
			"Reason: Dead letter queue must be same type of queue as the source.",
		},
	} {
		create(t, c, "plain", nil)
		_, err := c.CreateQueue(ctx, &sdk.CreateQueueInput{QueueName: &c0.queue, Attributes: c0.attributes})
		require.ErrorContains(t, err, c0.want, name)
	}
	fifo, plain := create(t, c, "f.fifo", map[string]string{"FifoQueue": "true"}), create(t, c, "plain", nil)
	a := attributes(t, c, fifo)
	require.Equal(t, []string{"true", "false", "queue", "perQueue"}, []string{a["FifoQueue"], a["ContentBasedDeduplication"], a["DeduplicationScope"], a["FifoThroughputLimit"]})
	g, d := aws.String("g"), aws.String("d")
	attribute := func(name, kind, value string) map[string]types.MessageAttributeValue {
		return map[string]types.MessageAttributeValue{name: {DataType: &kind, StringValue: &value}}
	}
	for want, in := range map[string]*sdk.SendMessageInput{
		"MissingParameter: The request must contain the parameter MessageGroupId.": {QueueUrl: fifo, MessageDeduplicationId: d},
		"InvalidParameterValue: The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId " +
			"provided explicitly": {QueueUrl: fifo, MessageGroupId: g},
		"Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for " +
			"this queue type.": {QueueUrl: fifo, MessageGroupId: g, MessageDeduplicationId: d, DelaySeconds: 2},
		"Value a b for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric and punctuation characters. 1 to " +
			"128 in length.": {QueueUrl: plain, MessageGroupId: aws.String("a b")},
		"Value d for parameter MessageDeduplicationId is invalid. Reason: The request include parameter that is not valid for " +
			"this queue type.": {QueueUrl: plain, MessageDeduplicationId: d},
		"The message attribute name 'ö' is invalid. Attribute name can contain A-Z, a-z, 0-9, underscore (_), hyphen (-), and period " +
			"(.) characters.": {QueueUrl: plain, MessageAttributes: attribute("ö", "String", "x")},
		"The message attribute 'n' has an invalid message attribute type, the set of supported type prefixes is Binary, " +
			"Number, and String.": {QueueUrl: plain, MessageAttributes: attribute("n", "Integer", "1")},
		"Message (user) attribute 'n' must contain a non-empty value of type 'String'.": {QueueUrl: plain, MessageAttributes: attribute("n", "String", "")},
	} {
		in.MessageBody = aws.String("x")
		_, err := c.SendMessage(ctx, in)
		require.ErrorContains(t, err, want)
	}
	_, err := c.SendMessageBatch(ctx, &sdk.SendMessageBatchInput{QueueUrl: fifo, Entries: []types.SendMessageBatchRequestEntry{{Id: d, MessageBody: d, MessageGroupId: g}}})
	require.ErrorContains(t, err, "ContentBasedDeduplication enabled")
	_, err = c.SendMessageBatch(ctx, &sdk.SendMessageBatchInput{QueueUrl: plain, Entries: []types.SendMessageBatchRequestEntry{
		{Id: g, MessageBody: aws.String(strings.Repeat("x", 1<<19))}, {Id: d, MessageBody: aws.String(strings.Repeat("x", 1<<19+1))},
	}})
	iamtest.RequireCode(t, err, "AWS.SimpleQueueService.BatchRequestTooLong")
	trace := "Root=1-5759e988-bd862e3fe1be46a994272793"
	_, err = c.SendMessage(ctx, &sdk.SendMessageInput{QueueUrl: plain, MessageBody: d, MessageGroupId: g, MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{
		"AWSTraceHeader": {DataType: aws.String("String"), StringValue: &trace},
	}})
	require.NoError(t, err)
	got := receive(t, c, plain)
	require.Equal(t, []string{trace, "g"}, []string{got[0].Attributes["AWSTraceHeader"], got[0].Attributes["MessageGroupId"]})
}

// A FIFO queue's dead letters keep their group, and hold up nobody any more.
func TestFIFODeadLetters(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w)
	of := map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "true"}
	dead := fifoQueue{t, c, create(t, c, "dead.fifo", of)}
	of["RedrivePolicy"], of["VisibilityTimeout"] = `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead.fifo","maxReceiveCount":"1"}`, "1"
	q := fifoQueue{t, c, create(t, c, "q.fifo", of)}
	require.JSONEq(t, `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead.fifo","maxReceiveCount":1}`, attributes(t, c, q.url)["RedrivePolicy"])
	q.send("g", "", "1")
	q.send("g", "", "2")
	require.Equal(t, "1", q.bodies(1))
	w.Clock.Advance(time.Second)
	require.Equal(t, "2", q.bodies(1))
	got, letters := dead.receive(10)
	require.Equal(t, "1", got)
	require.Equal(t, []string{"g", "arn:aws:sqs:us-east-1:000000000000:q.fifo"}, []string{letters[0].Attributes["MessageGroupId"], letters[0].Attributes["DeadLetterQueueSourceArn"]})
	sources, err := c.ListDeadLetterSourceQueues(ctx, &sdk.ListDeadLetterSourceQueuesInput{QueueUrl: dead.url})
	require.NoError(t, err)
	require.Equal(t, []string{*q.url}, sources.QueueUrls)
}

// Statements by label: the lifecycle that is recorded as test_sqs_permission_lifecycle.
func TestPermissions(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w)
	url := create(t, c, "q", nil)
	add := func(label string, accounts, actions []string) error {
		_, err := c.AddPermission(ctx, &sdk.AddPermissionInput{QueueUrl: url, Label: &label, AWSAccountIds: accounts, Actions: actions})
		return err
	}
	one := []string{"111122223333"}
	require.NoError(t, add("a", append(one, "444455556666"), []string{"ReceiveMessage"}))
	require.NoError(t, add("b", one, []string{"*"}))
	const arn = "arn:aws:sqs:us-east-1:000000000000:q"
	require.JSONEq(t, `{"Version":"2008-10-17","Id":"`+arn+`/SQSDefaultPolicy","Statement":[
		{"Sid":"a","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:root","arn:aws:iam::444455556666:root"]},"Action":"SQS:ReceiveMessage","Resource":"`+arn+`"},
		{"Sid":"b","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"SQS:*","Resource":"`+arn+`"}]}`, attributes(t, c, url)["Policy"])
	for want, err := range map[string]error{
		"Value a for parameter Label is invalid. Reason: Already exists.":                                                                add("a", one, []string{"SendMessage"}),
		"Value SQS:RemovePermission for parameter ActionName is invalid. Reason: Only the queue owner is allowed to invoke this action.": add("c", one, []string{"RemovePermission"}),
		"The request must contain the parameter Actions.":                                                                                add("c", one, []string{}),
		"Value [] for parameter PrincipalId is invalid. Reason: Unable to verify.":                                                       add("c", []string{}, []string{"SendMessage"}),
		"OverLimit: 8 Actions were found, maximum allowed is 7.": add("c", one,
			strings.Split("1 2 3 4 5 6 7 8", " ")),
	} {
		require.ErrorContains(t, err, want)
	}
	for _, label := range []string{"b", "a"} {
		_, err := c.RemovePermission(ctx, &sdk.RemovePermissionInput{QueueUrl: url, Label: &label})
		require.NoError(t, err)
	}
	require.NotContains(t, attributes(t, c, url), "Policy")
	none, err := c.GetQueueAttributes(ctx, &sdk.GetQueueAttributesInput{QueueUrl: url, AttributeNames: []types.QueueAttributeName{"Policy"}})
	require.NoError(t, err)
	require.Nil(t, none.Attributes)
	_, err = c.RemovePermission(ctx, &sdk.RemovePermissionInput{QueueUrl: url, Label: aws.String("a")})
	require.ErrorContains(t, err, "Value a for parameter Label is invalid. Reason: can't find label.")
}
