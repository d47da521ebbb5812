package sns_test

import (
	"context"
	"crypto/sha1" // version 1 of the signature
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	lambdasdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	sdk "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	sqssdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/events"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kms"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/sns"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/sqs"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const prefix = "arn:aws:sns:us-east-1:000000000000:"

type setup struct {
	*iamtest.World
	dir    string
	svc    *sns.Service
	bus    *events.Service
	links  *httptest.Server
	c      *sdk.Client
	queues *sqssdk.Client
	log    *slog.Logger // nil: none
}

func newSetup(t *testing.T) *setup {
	t.Helper()
	s := &setup{World: iamtest.New(t), dir: filepath.Join(t.TempDir(), "mail")}
	s.links = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.svc.Links(s.Router).ServeHTTP(w, r) }))
	t.Cleanup(s.links.Close)
	s.register(t)
	s.start(t)
	return s
}

// register makes the services without starting the deliveries.
func (s *setup) register(t *testing.T) {
	t.Helper()
	q, err := sqs.New(sqs.Config{DB: s.DB, Clock: s.Clock})
	require.NoError(t, err)
	q.Register(s.Router)
	s.bus, err = events.New(events.Config{DB: s.DB, Clock: s.Clock, Roles: s.IAM})
	require.NoError(t, err)
	s.bus.Register(s.Router)
	s.svc, err = sns.New(sns.Config{DB: s.DB, Clock: s.Clock, Dir: s.dir, Endpoint: s.links.URL, Log: s.log})
	require.NoError(t, err)
	s.svc.Register(s.Router)
	s.c, s.queues = sdk.NewFromConfig(s.Admin()), sqssdk.NewFromConfig(s.Admin())
}

func (s *setup) start(t *testing.T) {
	t.Helper()
	svc := s.svc
	require.NoError(t, svc.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, svc.Close()) })
}

func (s *setup) topic(t *testing.T, name string) string {
	t.Helper()
	out, err := s.c.CreateTopic(t.Context(), &sdk.CreateTopicInput{Name: &name})
	require.NoError(t, err)
	return *out.TopicArn
}

// queue makes a queue that lets SNS send for a topic.
func (s *setup) queue(t *testing.T, name, topic string) (url, arn string) {
	t.Helper()
	arn = "arn:aws:sqs:us-east-1:000000000000:" + name
	in := &sqssdk.CreateQueueInput{QueueName: &name}
	if topic != "" {
		in.Attributes = map[string]string{"Policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},` +
			`"Action":"sqs:SendMessage","Resource":"` +
			arn + `","Condition":{"ArnEquals":{"aws:SourceArn":"` + topic + `"}}}]}`}
	}
	out, err := s.queues.CreateQueue(t.Context(), in)
	require.NoError(t, err)
	return *out.QueueUrl, arn
}

func (s *setup) subscribe(t *testing.T, topic, protocol, endpoint string, attributes map[string]string) string {
	t.Helper()
	out, err := s.c.Subscribe(t.Context(), &sdk.SubscribeInput{TopicArn: &topic, Protocol: &protocol, Endpoint: &endpoint, Attributes: attributes, ReturnSubscriptionArn: true})
	require.NoError(t, err)
	return *out.SubscriptionArn
}

// next waits for the next message of a queue and takes it.
func (s *setup) next(t *testing.T, url string) (body string, attributes map[string]string) {
	t.Helper()
	require.Eventually(t, func() bool {
		out, err := s.queues.ReceiveMessage(t.Context(), &sqssdk.ReceiveMessageInput{QueueUrl: &url, MessageAttributeNames: []string{"All"}})
		if err != nil || len(out.Messages) == 0 {
			return false
		}
		m := out.Messages[0]
		body, attributes = *m.Body, map[string]string{}
		for name, v := range m.MessageAttributes {
			attributes[name] = aws.ToString(v.StringValue)
		}
		_, err = s.queues.DeleteMessage(t.Context(), &sqssdk.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle})
		return err == nil
	}, time.Minute, time.Millisecond)
	return body, attributes
}

func (s *setup) publish(t *testing.T, topic, message string, attributes map[string]types.MessageAttributeValue) string {
	t.Helper()
	out, err := s.c.Publish(t.Context(), &sdk.PublishInput{TopicArn: &topic, Message: &message, MessageAttributes: attributes})
	require.NoError(t, err)
	return *out.MessageId
}

// get follows a link of a message.
func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url) // a link of the service under test
	require.NoError(t, err)
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode, string(raw))
	return string(raw)
}

// Members, texts and codes are those of the API reference and of recordings
// (https://github.com/localstack/localstack, tests/aws/services/sns/test_sns.snapshot.json).
func TestTopics(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	made, err := s.c.CreateTopic(ctx, &sdk.CreateTopicInput{
		Name: aws.String("a"), Attributes: map[string]string{"DisplayName": "A"}, Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
	})
	require.NoError(t, err)
	require.Equal(t, prefix+"a", *made.TopicArn)
	again, err := s.c.CreateTopic(ctx, &sdk.CreateTopicInput{Name: aws.String("a")})
	require.NoError(t, err)
	require.Equal(t, made.TopicArn, again.TopicArn)
	for text, in := range map[string]*sdk.CreateTopicInput{
		"Invalid parameter: Topic Name": {Name: aws.String("a b")},
		"Invalid parameter: Attributes Reason: Topic already exists with different attributes": {Name: aws.String("a"), Attributes: map[string]string{"DisplayName": "B"}},
		"Invalid parameter: Tags Reason: Topic already exists with different tags": {
			Name: aws.String("a"),
			Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("w")}},
		},
		"Invalid parameter: Attributes Reason: AttributeName": {Name: aws.String("b"), Attributes: map[string]string{"Colour": "red"}},
	} {
		_, err := s.c.CreateTopic(ctx, in)
		require.Equal(t, text, iamtest.RequireCode(t, err, "InvalidParameter").ErrorMessage())
	}
	_, err = s.c.CreateTopic(ctx, &sdk.CreateTopicInput{Name: aws.String("a.fifo"), Attributes: map[string]string{"FifoTopic": "true"}})
	iamtest.RequireCode(t, err, "NotImplemented")

	_, err = s.c.SetTopicAttributes(ctx, &sdk.SetTopicAttributesInput{TopicArn: made.TopicArn, AttributeName: aws.String("SignatureVersion"), AttributeValue: aws.String("2")})
	require.NoError(t, err)
	_, err = s.c.AddPermission(ctx, &sdk.AddPermissionInput{TopicArn: made.TopicArn, Label: aws.String("l"), AWSAccountId: []string{"111122223333"}, ActionName: []string{"Publish"}})
	require.NoError(t, err)
	s.Reopen(t)
	s.register(t)
	got, err := s.c.GetTopicAttributes(ctx, &sdk.GetTopicAttributesInput{TopicArn: made.TopicArn})
	require.NoError(t, err)
	require.Equal(t, "A", got.Attributes["DisplayName"])
	require.Equal(t, "2", got.Attributes["SignatureVersion"])
	require.Equal(t, "0", got.Attributes["SubscriptionsConfirmed"])
	require.Equal(t, "000000000000", got.Attributes["Owner"])
	require.Contains(t, got.Attributes["Policy"], `"Sid":"__default_statement_ID"`)
	require.Contains(t, got.Attributes["Policy"], `arn:aws:iam::111122223333:root`)
	require.Contains(t, got.Attributes["EffectiveDeliveryPolicy"], `"numRetries":3`)
	_, err = s.c.RemovePermission(ctx, &sdk.RemovePermissionInput{TopicArn: made.TopicArn, Label: aws.String("l")})
	require.NoError(t, err)

	_, err = s.c.TagResource(ctx, &sdk.TagResourceInput{ResourceArn: made.TopicArn, Tags: []types.Tag{{Key: aws.String("l"), Value: aws.String("w")}}})
	require.NoError(t, err)
	_, err = s.c.UntagResource(ctx, &sdk.UntagResourceInput{ResourceArn: made.TopicArn, TagKeys: []string{"k"}})
	require.NoError(t, err)
	tags, err := s.c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceArn: made.TopicArn})
	require.NoError(t, err)
	require.Equal(t, []types.Tag{{Key: aws.String("l"), Value: aws.String("w")}}, tags.Tags)
	_, err = s.c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceArn: aws.String(prefix + "none")})
	iamtest.RequireCode(t, err, "ResourceNotFound")

	for i := range 101 {
		s.topic(t, fmt.Sprintf("t%03d", i))
	}
	var names []string
	pages := sdk.NewListTopicsPaginator(s.c, &sdk.ListTopicsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Topics), 100)
		for _, x := range page.Topics {
			names = append(names, *x.TopicArn)
		}
	}
	require.Len(t, names, 102)
	_, err = s.c.DeleteTopic(ctx, &sdk.DeleteTopicInput{TopicArn: made.TopicArn})
	require.NoError(t, err)
	_, err = s.c.DeleteTopic(ctx, &sdk.DeleteTopicInput{TopicArn: made.TopicArn})
	require.NoError(t, err, "one that is gone is no error")
	_, err = s.c.GetTopicAttributes(ctx, &sdk.GetTopicAttributesInput{TopicArn: made.TopicArn})
	require.Equal(t, "Topic does not exist", iamtest.RequireCode(t, err, "NotFound").ErrorMessage())
}

func TestQueues(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	topic := s.topic(t, "t")
	url, arn := s.queue(t, "q", topic)
	sub := s.subscribe(t, topic, "sqs", arn, nil)
	require.Equal(t, sub, s.subscribe(t, topic, "sqs", arn, nil), "the same one is made once")
	id, err := s.c.Publish(ctx, &sdk.PublishInput{
		TopicArn: &topic, Message: aws.String("hello"), Subject: aws.String("greeting"),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"k": {DataType: aws.String("String"), StringValue: aws.String("v")},
		},
	})
	require.NoError(t, err)
	body, _ := s.next(t, url)
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &got))
	require.Equal(t, []any{"Notification", *id.MessageId, topic, "hello", "greeting", "1"},
		[]any{got["Type"], got["MessageId"], got["TopicArn"], got["Message"], got["Subject"], got["SignatureVersion"]})
	require.Equal(t, map[string]any{"k": map[string]any{"Type": "String", "Value": "v"}}, got["MessageAttributes"])

	// The signature is the certificate's, which anybody may read.
	certificate, _ := got["SigningCertURL"].(string)
	require.Regexp(t, `/SimpleNotificationService-[0-9a-zA-Z]{32}\.pem$`, certificate, "what checkers of messages take")
	require.Regexp(t, `/\?Action=Unsubscribe&SubscriptionArn=`+regexp.QuoteMeta(sub)+`$`, got["UnsubscribeURL"])
	block, _ := pem.Decode([]byte(get(t, certificate)))
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	signature, err := base64.StdEncoding.DecodeString(fmt.Sprint(got["Signature"]))
	require.NoError(t, err)
	signed := fmt.Sprintf("Message\nhello\nMessageId\n%s\nSubject\ngreeting\nTimestamp\n%s\nTopicArn\n%s\nType\nNotification\n", *id.MessageId, got["Timestamp"], topic)
	require.NoError(t, cert.CheckSignature(x509.SHA1WithRSA, []byte(signed), signature), "%x", sha1.Sum([]byte(signed))) // version 1

	_, err = s.c.SetSubscriptionAttributes(ctx, &sdk.SetSubscriptionAttributesInput{
		SubscriptionArn: &sub,
		AttributeName:   aws.String("RawMessageDelivery"), AttributeValue: aws.String("true"),
	})
	require.NoError(t, err)
	s.publish(t, topic, "raw", map[string]types.MessageAttributeValue{"k": {DataType: aws.String("Number"), StringValue: aws.String("7")}})
	body, attributes := s.next(t, url)
	require.Equal(t, "raw", body)
	require.Equal(t, map[string]string{"k": "7"}, attributes)

	_, err = s.c.Publish(ctx, &sdk.PublishInput{TopicArn: &topic, MessageStructure: aws.String("json"), Message: aws.String(`{"default":"d","sqs":"for queues"}`)})
	require.NoError(t, err)
	body, _ = s.next(t, url)
	require.Equal(t, "for queues", body)

	batch, err := s.c.PublishBatch(ctx, &sdk.PublishBatchInput{TopicArn: &topic, PublishBatchRequestEntries: []types.PublishBatchRequestEntry{
		{Id: aws.String("1"), Message: aws.String("one")}, {Id: aws.String("2"), Message: aws.String("")},
	}})
	require.NoError(t, err)
	require.Len(t, batch.Successful, 1)
	require.Equal(t, "Invalid parameter: Empty message", *batch.Failed[0].Message)
	body, _ = s.next(t, url)
	require.Equal(t, "one", body)

	attributesOf, err := s.c.GetSubscriptionAttributes(ctx, &sdk.GetSubscriptionAttributesInput{SubscriptionArn: &sub})
	require.NoError(t, err)
	require.Equal(t, map[string]string{
		"SubscriptionArn": sub, "TopicArn": topic, "Protocol": "sqs", "Endpoint": arn, "Owner": "000000000000", "SubscriptionPrincipal": s.IAM.Principal(iamtest.Scope).ARN,
		"PendingConfirmation": "false", "ConfirmationWasAuthenticated": "true", "RawMessageDelivery": "true",
	}, attributesOf.Attributes)
	list, err := s.c.ListSubscriptionsByTopic(ctx, &sdk.ListSubscriptionsByTopicInput{TopicArn: &topic})
	require.NoError(t, err)
	require.Equal(t, sub, *list.Subscriptions[0].SubscriptionArn)
	_, err = s.c.Unsubscribe(ctx, &sdk.UnsubscribeInput{SubscriptionArn: &sub})
	require.NoError(t, err)
	all, err := s.c.ListSubscriptions(ctx, &sdk.ListSubscriptionsInput{})
	require.NoError(t, err)
	require.Empty(t, all.Subscriptions)
	_, err = s.c.GetSubscriptionAttributes(ctx, &sdk.GetSubscriptionAttributesInput{SubscriptionArn: &sub})
	require.Equal(t, "Subscription does not exist", iamtest.RequireCode(t, err, "NotFound").ErrorMessage())
	of, err := s.c.GetTopicAttributes(ctx, &sdk.GetTopicAttributesInput{TopicArn: &topic})
	require.NoError(t, err)
	require.Equal(t, "1", of.Attributes["SubscriptionsDeleted"])
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	topic := s.topic(t, "t")
	_, queue := s.queue(t, "q", topic)
	for text, in := range map[string]*sdk.SubscribeInput{
		"Invalid parameter: Amazon SNS does not support this protocol string: pigeon": {Protocol: aws.String("pigeon"), Endpoint: aws.String("x")},
		"Invalid parameter: SQS endpoint ARN":                                         {Protocol: aws.String("sqs"), Endpoint: aws.String("http://127.0.0.1/q")},
		"Invalid parameter: Endpoint must match the specified protocol":               {Protocol: aws.String("https"), Endpoint: aws.String("http://127.0.0.1/")},
		"Invalid parameter: Email address":                                            {Protocol: aws.String("email"), Endpoint: aws.String("nobody")},
		"Invalid parameter: Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to " +
			"standard SNS topics": {Protocol: aws.String("sqs"), Endpoint: aws.String(queue + ".fifo")},
		"Invalid parameter: Attributes Reason: AttributeName": {Protocol: aws.String("sqs"), Endpoint: &queue, Attributes: map[string]string{"Colour": "red"}},
		"Invalid parameter: Attributes Reason: Filter policy scope MessageAttributes does not support " +
			"nested filter policy": {Protocol: aws.String("sqs"), Endpoint: &queue, Attributes: map[string]string{"FilterPolicy": `{"a":{"b":["c"]}}`}},
		"Invalid parameter: Attributes Reason: FilterPolicyScope: Invalid value [x]. Please use either MessageBody or " +
			"MessageAttributes": {Protocol: aws.String("sqs"), Endpoint: &queue, Attributes: map[string]string{"FilterPolicyScope": "x"}},
		"Invalid parameter: Attributes Reason: RedrivePolicy: deadLetterTargetArn is " +
			"an invalid arn": {Protocol: aws.String("sqs"), Endpoint: &queue, Attributes: map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"x"}`}},
		"Invalid parameter: Attributes Reason: Delivery protocol [email] does not support raw " +
			"message delivery.": {Protocol: aws.String("email"), Endpoint: aws.String("a@example.com"), Attributes: map[string]string{"RawMessageDelivery": "true"}},
	} {
		in.TopicArn = &topic
		_, err := s.c.Subscribe(ctx, in)
		require.Equal(t, text, iamtest.RequireCode(t, err, "InvalidParameter").ErrorMessage())
	}
	for protocol, endpoint := range map[string]string{"sms": "+491711234567", "http": "http://example.com/"} {
		_, err := s.c.Subscribe(ctx, &sdk.SubscribeInput{TopicArn: &topic, Protocol: &protocol, Endpoint: &endpoint})
		iamtest.RequireCode(t, err, "NotImplemented")
	}
	long := strings.Repeat("x", 256<<10+1)
	for text, in := range map[string]*sdk.PublishInput{
		"InvalidParameter: Invalid parameter: Empty message":                                             {Message: aws.String("")},
		"InvalidParameter: Invalid parameter: Message too long":                                          {Message: &long},
		"InvalidParameter: Invalid parameter: Subject":                                                   {Message: aws.String("x"), Subject: aws.String("a\nb")},
		"InvalidParameter: Invalid parameter: Message Structure - No default entry in JSON message body": {Message: aws.String(`{"sqs":"x"}`), MessageStructure: aws.String("json")},
		"InvalidParameter: Invalid parameter: Message Structure - JSON message body failed to parse":     {Message: aws.String(`{`), MessageStructure: aws.String("json")},

		"InvalidParameter: Invalid parameter: MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for " +
			"this topic type": {Message: aws.String("x"), MessageDeduplicationId: aws.String("g")},
		"InvalidParameter: Invalid parameter: The MessageGroupId parameter must be 1-128 alphanumeric and " +
			"punctuation characters": {Message: aws.String("x"), MessageGroupId: aws.String("a b")},
		"ParameterValueInvalid: The message attribute 'k' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.": {
			Message: aws.String("x"), MessageAttributes: map[string]types.MessageAttributeValue{"k": {DataType: aws.String("Colour"), StringValue: aws.String("v")}},
		},
	} {
		in.TopicArn = &topic
		_, err := s.c.Publish(ctx, in)
		code, message, _ := strings.Cut(text, ": ")
		require.Equal(t, message, iamtest.RequireCode(t, err, code).ErrorMessage())
	}
	_, err := s.c.Publish(ctx, &sdk.PublishInput{TopicArn: aws.String(prefix + "none"), Message: aws.String("x")})
	iamtest.RequireCode(t, err, "NotFound")
	_, err = s.c.PublishBatch(ctx, &sdk.PublishBatchInput{TopicArn: &topic, PublishBatchRequestEntries: []types.PublishBatchRequestEntry{
		{Id: aws.String("1"), Message: aws.String("a")}, {Id: aws.String("1"), Message: aws.String("b")},
	}})
	iamtest.RequireCode(t, err, "BatchEntryIdsNotDistinct")
	_, err = s.c.ConfirmSubscription(ctx, &sdk.ConfirmSubscriptionInput{TopicArn: &topic, Token: aws.String("none")})
	require.Equal(t, "Invalid token", iamtest.RequireCode(t, err, "InvalidParameter").ErrorMessage())
}

// https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
func TestFilters(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	topic := s.topic(t, "t")
	url, arn := s.queue(t, "q", topic)
	sub := s.subscribe(t, topic, "sqs", arn, map[string]string{"RawMessageDelivery": "true", "FilterPolicy": `{"store":["a",{"prefix":"b"}],"price":[{"numeric":[">=",100]}]}`})
	attributes := func(store, price string) map[string]types.MessageAttributeValue {
		out := map[string]types.MessageAttributeValue{"store": {DataType: aws.String("String"), StringValue: &store}}
		if price != "" {
			out["price"] = types.MessageAttributeValue{DataType: aws.String("Number"), StringValue: &price}
		}
		return out
	}
	s.publish(t, topic, "no attributes", nil)
	s.publish(t, topic, "too cheap", attributes("a", "99.5"))
	s.publish(t, topic, "no price", attributes("a", ""))
	s.publish(t, topic, "another store", attributes("c", "100"))
	s.publish(t, topic, "first", attributes("a", "100"))
	body, _ := s.next(t, url)
	require.Equal(t, "first", body)
	s.publish(t, topic, "second", map[string]types.MessageAttributeValue{
		"store": {DataType: aws.String("String.Array"), StringValue: aws.String(`["x","bb"]`)}, "price": {DataType: aws.String("Number"), StringValue: aws.String("2e2")},
	})
	body, _ = s.next(t, url)
	require.Equal(t, "second", body)

	for _, v := range [][2]string{{"FilterPolicyScope", "MessageBody"}, {"FilterPolicy", `{"order":{"kind":["big"]}}`}} {
		_, err := s.c.SetSubscriptionAttributes(ctx, &sdk.SetSubscriptionAttributesInput{SubscriptionArn: &sub, AttributeName: &v[0], AttributeValue: &v[1]})
		require.NoError(t, err)
	}
	s.publish(t, topic, "no document", nil)
	s.publish(t, topic, `{"order":{"kind":"small"}}`, nil)
	s.publish(t, topic, `{"order":{"kind":"big"}}`, nil)
	body, _ = s.next(t, url)
	require.Equal(t, `{"order":{"kind":"big"}}`, body)
	for text, policy := range map[string]string{
		"Invalid parameter: FilterPolicy: Filter policy can not have more than 5 keys": `{"a":["1"],"b":["1"],"c":["1"],"d":["1"],"e":["1"],"f":["1"]}`,
		`Invalid parameter: FilterPolicy: "a" must be an object or an array`:           `{"a":"b"}`,
	} {
		_, err := s.c.SetSubscriptionAttributes(ctx, &sdk.SetSubscriptionAttributesInput{SubscriptionArn: &sub, AttributeName: aws.String("FilterPolicy"), AttributeValue: &policy})
		require.Equal(t, text, iamtest.RequireCode(t, err, "InvalidParameter").ErrorMessage())
	}
	_, err := s.c.SetSubscriptionAttributes(ctx, &sdk.SetSubscriptionAttributesInput{
		SubscriptionArn: &sub, AttributeName: aws.String("FilterPolicy"),
		AttributeValue: aws.String(`{"a":[{"sounds-like":"b"}]}`),
	})
	iamtest.RequireCode(t, err, "InvalidParameter")
}

// An endpoint confirms by the link that it is sent, or by its token; what it could not take
// is sent again, and comes through the death of the sandbox.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	type call struct {
		header http.Header
		body   string
	}
	calls, status := make(chan call, 16), make(chan int, 16)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		calls <- call{r.Header, string(raw)}
		w.WriteHeader(<-status)
	}))
	t.Cleanup(server.Close)
	topic := s.topic(t, "t")
	out, err := s.c.Subscribe(ctx, &sdk.SubscribeInput{TopicArn: &topic, Protocol: aws.String("http"), Endpoint: &server.URL})
	require.NoError(t, err)
	require.Equal(t, "pending confirmation", *out.SubscriptionArn)
	status <- http.StatusOK
	got := <-calls
	require.Equal(t, "SubscriptionConfirmation", got.header.Get("X-Amz-Sns-Message-Type"))
	require.Equal(t, "text/plain; charset=UTF-8", got.header.Get("Content-Type"))
	s.publish(t, topic, "to nobody yet", nil)
	list, err := s.c.ListSubscriptionsByTopic(ctx, &sdk.ListSubscriptionsByTopicInput{TopicArn: &topic})
	require.NoError(t, err)
	require.Equal(t, "PendingConfirmation", *list.Subscriptions[0].SubscriptionArn)
	var doc struct{ Token, SubscribeURL, UnsubscribeURL, Message, MessageId string }
	require.NoError(t, json.Unmarshal([]byte(got.body), &doc))
	require.Contains(t, get(t, doc.SubscribeURL), "<SubscriptionArn>"+topic+":")
	sub, err := s.c.ConfirmSubscription(ctx, &sdk.ConfirmSubscriptionInput{TopicArn: &topic, Token: &doc.Token})
	require.NoError(t, err, "once more is no error")

	id := s.publish(t, topic, "hello", nil)
	status <- http.StatusInternalServerError
	got = <-calls
	require.Equal(t, *sub.SubscriptionArn, got.header.Get("X-Amz-Sns-Subscription-Arn"))
	require.NoError(t, s.Clock.WaitTimers(ctx, 1), "it waits to try again")
	require.NoError(t, s.svc.Close())
	s.Reopen(t)
	s.register(t)
	s.start(t)
	require.NoError(t, s.Clock.WaitTimers(ctx, 1))
	s.Clock.Advance(20 * time.Second)
	status <- http.StatusOK
	got = <-calls
	require.NoError(t, json.Unmarshal([]byte(got.body), &doc))
	require.Equal(t, []string{"hello", id}, []string{doc.Message, doc.MessageId})

	get(t, doc.UnsubscribeURL)
	list, err = s.c.ListSubscriptionsByTopic(ctx, &sdk.ListSubscriptionsByTopicInput{TopicArn: &topic})
	require.NoError(t, err)
	require.Empty(t, list.Subscriptions)

	// https://docs.aws.amazon.com/sns/latest/dg/http-unsubscribe-confirmation-json.html
	status <- http.StatusOK
	got = <-calls
	require.Equal(t, []string{"UnsubscribeConfirmation", *sub.SubscriptionArn}, []string{got.header.Get("X-Amz-Sns-Message-Type"), got.header.Get("X-Amz-Sns-Subscription-Arn")})
	require.NoError(t, json.Unmarshal([]byte(got.body), &doc))
	require.Equal(t, "You have chosen to deactivate subscription "+*sub.SubscriptionArn+".\nTo cancel this operation and restore the subscription, visit "+
		"the SubscribeURL included in this message.", doc.Message)
	require.Contains(t, get(t, doc.SubscribeURL), *sub.SubscriptionArn)
	list, err = s.c.ListSubscriptionsByTopic(ctx, &sdk.ListSubscriptionsByTopicInput{TopicArn: &topic})
	require.NoError(t, err)
	require.Equal(t, *sub.SubscriptionArn, *list.Subscriptions[0].SubscriptionArn, "it is there again")
}

// What cannot be delivered for want of a permission or an endpoint is not tried again.
// https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	topic := s.topic(t, "t")
	url, dead := s.queue(t, "dead", topic)
	_, closed := s.queue(t, "closed", "")
	for _, endpoint := range []string{closed, "arn:aws:sqs:us-east-1:000000000000:none"} {
		sub := s.subscribe(t, topic, "sqs", endpoint, map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + dead + `"}`})
		s.publish(t, topic, "to "+endpoint, nil)
		body, _ := s.next(t, url)
		require.Contains(t, body, `"Message":"to `+endpoint)
		_, err := s.c.Unsubscribe(t.Context(), &sdk.UnsubscribeInput{SubscriptionArn: &sub})
		require.NoError(t, err)
	}
}

func TestFunctions(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	got := make(chan []byte, 1)
	s.Router.Register(wire.Service{ID: "lambda"})
	wire.Handle(s.Router, "lambda", "Invoke", func(_ context.Context, req *wire.Request, in *lambdasdk.InvokeInput) (*lambdasdk.InvokeOutput, error) {
		require.Equal(t, []string{"sns.amazonaws.com", prefix + "t", "Event"}, []string{req.Principal.Service, req.Principal.Source, string(in.InvocationType)})
		got <- in.Payload
		return &lambdasdk.InvokeOutput{StatusCode: http.StatusAccepted}, nil
	}, wire.Free("played by the test"))
	topic := s.topic(t, "t")
	sub := s.subscribe(t, topic, "lambda", "arn:aws:lambda:us-east-1:000000000000:function:f", nil)
	s.publish(t, topic, "hello", map[string]types.MessageAttributeValue{"k": {DataType: aws.String("String"), StringValue: aws.String("v")}})
	var event struct {
		Records []struct {
			EventSource, EventSubscriptionArn string
			Sns                               map[string]any
		}
	}
	require.NoError(t, json.Unmarshal(<-got, &event))
	r := event.Records[0]
	require.Equal(t, []any{"aws:sns", sub, "hello", nil, map[string]any{"k": map[string]any{"Type": "String", "Value": "v"}}},
		[]any{r.EventSource, r.EventSubscriptionArn, r.Sns["Message"], r.Sns["Subject"], r.Sns["MessageAttributes"]})
	require.Contains(t, r.Sns, "SigningCertUrl")
	require.Contains(t, r.Sns, "UnsubscribeUrl")
}

// Rules of EventBridge have topics as targets. Who publishes is not told, so that neither the
// topic's policy nor its key's may ask for it: "You can't use Condition blocks in Amazon SNS
// topic policies for EventBridge"
// (eventbridge/latest/userguide/eb-use-resource-based.html#eb-sns-permissions); "Adding the
// aws:SourceAccount, aws:SourceArn, and aws:SourceOrgID to a KMS policy is not supported for
// EventBridge-to-encrypted topics" (sns/latest/dg/sns-key-management.html).
func TestRules(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	k, err := kms.New(kms.Config{DB: s.DB, Clock: s.Clock})
	require.NoError(t, err)
	k.Register(s.Router)
	deliveries := s.bus.Deliveries()
	require.NoError(t, deliveries.Start(ctx))
	t.Cleanup(func() { require.NoError(t, deliveries.Close()) })
	call := func(service, operation, in string) string {
		out, err := s.Router.Invoke(ctx, iamtest.Scope, s.IAM.Principal(iamtest.Scope), service, operation, []byte(in))
		require.NoError(t, err, operation)
		return string(out)
	}
	dead, deadARN := s.queue(t, "dead", "")
	_, err = s.queues.SetQueueAttributes(ctx, &sqssdk.SetQueueAttributesInput{QueueUrl: &dead, Attributes: map[string]string{
		"Policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + deadARN + `"}]}`,
	}})
	require.NoError(t, err)
	const (
		free    = ``
		account = `,"Condition":{"StringEquals":{"aws:SourceAccount":"000000000000"}}`
		rule    = `,"Condition":{"ArnLike":{"aws:SourceArn":"*"}}`
	)
	statement := func(principal, action, resource, condition string) string {
		return `{"Effect":"Allow","Principal":` + principal + `,"Action":` + action + `,"Resource":"` + resource + `"` + condition + `}`
	}
	const bridge = `{"Service":"events.amazonaws.com"}`
	for name, c := range map[string]struct {
		policy, key string // conditions of the statements; "-": none of both
		told        bool
	}{
		"allowed":            {policy: free, key: "-", told: true},
		"as-topics-are-made": {policy: "-", key: "-"},
		"by-account":         {policy: account, key: "-"},
		"by-rule":            {policy: rule, key: "-"},
		"key":                {policy: free, key: free, told: true},
		"key-by-account":     {policy: free, key: account},
		"key-by-rule":        {policy: free, key: rule},
	} {
		topic := s.topic(t, name)
		set := func(attribute, value string) {
			_, err := s.c.SetTopicAttributes(ctx, &sdk.SetTopicAttributesInput{TopicArn: &topic, AttributeName: &attribute, AttributeValue: &value})
			require.NoError(t, err)
		}
		if c.policy != "-" {
			set("Policy", `{"Version":"2012-10-17","Statement":[`+statement(bridge, `"sns:Publish"`, topic, c.policy)+`]}`)
		}
		if c.key != "-" {
			policy, err := json.Marshal(`{"Version":"2012-10-17","Statement":[` + statement(`{"AWS":"arn:aws:iam::000000000000:root"}`, `"kms:*"`, "*", "") + "," +
				statement(bridge, `["kms:Decrypt","kms:GenerateDataKey*"]`, "*", c.key) + `]}`)
			require.NoError(t, err)
			var made struct{ KeyMetadata struct{ Arn string } }
			require.NoError(t, json.Unmarshal([]byte(call("kms", "CreateKey", `{"Policy":`+string(policy)+`}`)), &made))
			set("KmsMasterKeyId", made.KeyMetadata.Arn)
		}
		url, arn := s.queue(t, "q-"+name, topic)
		s.subscribe(t, topic, "sqs", arn, map[string]string{"RawMessageDelivery": "true"})
		call("eventbridge", "PutRule", `{"Name":"`+name+`","EventPattern":"{\"source\":[\"`+name+`\"]}"}`)
		call("eventbridge", "PutTargets", `{"Rule":"`+name+`","Targets":[{"Id":"t","Arn":"`+topic+`","Input":"{\"told\":true}","DeadLetterConfig":{"Arn":"`+deadARN+`"}}]}`)
		call("eventbridge", "PutEvents", `{"Entries":[{"Source":"`+name+`","DetailType":"d","Detail":"{}"}]}`)
		if c.told {
			body, _ := s.next(t, url)
			require.JSONEq(t, `{"told":true}`, body, name)
			continue
		}
		body, _ := s.next(t, dead)
		require.Contains(t, body, `"source":"`+name+`"`)
	}
}

// E-mail is kept as files that a person can read.
func TestMail(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	topic := s.topic(t, "t")
	s.subscribe(t, topic, "email", "ops@example.com", nil)
	read := func(n int) []string {
		var out []string
		require.Eventually(t, func() bool {
			names, err := filepath.Glob(filepath.Join(s.dir, "*.eml"))
			return err == nil && len(names) == n
		}, time.Minute, time.Millisecond)
		names, err := filepath.Glob(filepath.Join(s.dir, "*.eml"))
		require.NoError(t, err)
		for _, name := range names {
			raw, err := os.ReadFile(name)
			require.NoError(t, err)
			out = append(out, string(raw))
		}
		return out
	}
	asked := read(1)[0]
	require.Contains(t, asked, "To: ops@example.com\n")
	_, link, _ := strings.Cut(asked, s.links.URL)
	get(t, s.links.URL+strings.TrimSpace(link))
	s.Clock.Advance(time.Second)
	_, err := s.c.Publish(t.Context(), &sdk.PublishInput{TopicArn: &topic, Message: aws.String("The endpoint is down."), Subject: aws.String("ALARM: grüße")})
	require.NoError(t, err)
	told := read(2)[1]
	require.Contains(t, told, "Subject: =?utf-8?q?ALARM:_gr=C3=BC=C3=9Fe?=\n")
	require.Contains(t, told, "\n\nThe endpoint is down.\n")
}

// Who may is decided by identities and the topic's policy, services by the policy alone.
func TestWhoMay(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	topic := s.topic(t, "t")
	_, config := s.User(t, "reader", iamtest.Allow("sns:GetTopicAttributes", "*"))
	c := sdk.NewFromConfig(config)
	_, err := c.GetTopicAttributes(ctx, &sdk.GetTopicAttributesInput{TopicArn: &topic})
	require.NoError(t, err)
	for _, refused := range []func() error{
		func() error { _, err := c.ListTopics(ctx, &sdk.ListTopicsInput{}); return err },
		func() error {
			_, err := c.Publish(ctx, &sdk.PublishInput{TopicArn: &topic, Message: aws.String("x")})
			return err
		},
	} {
		iamtest.RequireCode(t, refused(), "AuthorizationError")
	}
	deny := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"sns:Publish","Resource":"` + topic + `"}]}`
	_, err = s.c.SetTopicAttributes(ctx, &sdk.SetTopicAttributesInput{TopicArn: &topic, AttributeName: aws.String("Policy"), AttributeValue: &deny})
	require.NoError(t, err)
	_, config = s.User(t, "writer", iamtest.Allow("sns:Publish", "*"))
	_, err = sdk.NewFromConfig(config).Publish(ctx, &sdk.PublishInput{TopicArn: &topic, Message: aws.String("x")})
	iamtest.RequireCode(t, err, "AuthorizationError")

	// CloudWatch and others publish for a resource of the topic's account, by the policy that
	// a topic has from the start; of another account they may not.
	in, err := json.Marshal(map[string]string{"TopicArn": s.topic(t, "open"), "Message": "x"})
	require.NoError(t, err)
	for account, allowed := range map[string]bool{"000000000000": true, "111122223333": false} {
		p := wire.Principal{Service: "cloudwatch.amazonaws.com", Source: "arn:aws:cloudwatch:us-east-1:" + account + ":alarm:a"}
		_, err := s.Router.Invoke(ctx, iamtest.Scope, p, "sns", "Publish", in)
		require.Equal(t, allowed, err == nil, "%v", err)
	}
}
