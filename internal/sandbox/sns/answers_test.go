package sns_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	sqssdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// "For standard topics: The MessageGroupId is optional and is forwarded only to Amazon SQS
// standard subscriptions to activate fair queues."
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
func TestFairQueues(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	topic := s.topic(t, "t")
	url, arn := s.queue(t, "q", topic)
	s.subscribe(t, topic, "sqs", arn, nil)
	_, err := s.c.Publish(ctx, &sdk.PublishInput{TopicArn: &topic, Message: aws.String("x"), MessageGroupId: aws.String("tenant")})
	require.NoError(t, err)
	batch, err := s.c.PublishBatch(ctx, &sdk.PublishBatchInput{TopicArn: &topic, PublishBatchRequestEntries: []types.PublishBatchRequestEntry{
		{Id: aws.String("1"), Message: aws.String("y"), MessageGroupId: aws.String("tenant")},
		{Id: aws.String("2"), Message: aws.String("y"), MessageDeduplicationId: aws.String("d")},
	}})
	require.NoError(t, err)
	require.Len(t, batch.Successful, 1)
	require.Len(t, batch.Failed, 1)
	seen := 0
	require.Eventually(t, func() bool {
		out, err := s.queues.ReceiveMessage(ctx, &sqssdk.ReceiveMessageInput{QueueUrl: &url, MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"All"}})
		if err != nil {
			return false
		}
		for _, m := range out.Messages {
			require.Equal(t, "tenant", m.Attributes["MessageGroupId"])
			seen++
		}
		return seen == 2
	}, time.Minute, time.Millisecond)
}

// "Automatic deletion of unconfirmed subscriptions once they have been in a pending
// confirmation state for 48 hours."
// https://aws.amazon.com/about-aws/whats-new/2023/05/amazon-sns-automatic-deletion-unconfirmed-subscriptions/
func TestUnconfirmed(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	calls := make(chan string, 4)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		calls <- string(raw)
	}))
	t.Cleanup(server.Close)
	topic := s.topic(t, "t")
	// ask is a call at any time: signatures are of the machine's.
	ask := func(operation string, in map[string]string) (string, error) {
		in["TopicArn"] = topic
		raw, err := json.Marshal(in)
		require.NoError(t, err)
		out, err := s.Router.Invoke(ctx, iamtest.Scope, s.IAM.Principal(iamtest.Scope), "sns", operation, raw)
		return string(out), err
	}
	there := func(sub string, pending string) bool {
		of, err := ask("GetTopicAttributes", map[string]string{})
		require.NoError(t, err)
		require.Contains(t, of, `"SubscriptionsPending":"`+pending+`"`)
		list, err := ask("ListSubscriptionsByTopic", map[string]string{})
		require.NoError(t, err)
		_, err = ask("GetSubscriptionAttributes", map[string]string{"SubscriptionArn": sub})
		require.Equal(t, strings.Contains(list, server.URL), err == nil, "%v", err)
		return err == nil
	}
	sub := s.subscribe(t, topic, "http", server.URL, nil)
	var doc struct{ Token, SubscribeURL string }
	require.NoError(t, json.Unmarshal([]byte(<-calls), &doc))
	s.Clock.Advance(48*time.Hour - time.Second)
	require.True(t, there(sub, "1"))
	s.Clock.Advance(time.Second)
	require.False(t, there(sub, "0"))
	_, err := ask("ConfirmSubscription", map[string]string{"Token": doc.Token})
	require.ErrorContains(t, err, "Invalid parameter: Token")
	again, err := ask("Subscribe", map[string]string{"Protocol": "http", "Endpoint": server.URL})
	require.NoError(t, err)
	require.Contains(t, again, "pending confirmation")
	require.NoError(t, json.Unmarshal([]byte(<-calls), &doc))
	get(t, doc.SubscribeURL)
	s.Clock.Advance(49 * time.Hour)
	list, err := ask("ListSubscriptionsByTopic", map[string]string{})
	require.NoError(t, err)
	require.Contains(t, list, server.URL, "a confirmed one stays")
	require.NotContains(t, list, sub, "another one")
}

// "Returns a list of the requester's subscriptions."
// https://docs.aws.amazon.com/sns/latest/api/API_ListSubscriptions.html
func TestSubscriptionsOfTheRequester(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	topic := s.topic(t, "t")
	policy := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"SNS:Subscribe","Resource":"` + topic + `"}}`
	_, err := s.c.SetTopicAttributes(ctx, &sdk.SetTopicAttributesInput{TopicArn: &topic, AttributeName: aws.String("Policy"), AttributeValue: &policy})
	require.NoError(t, err)
	const account = "111122223333"
	other := wire.Scope{Partition: "aws", Account: account, Region: iamtest.Region}
	p := wire.Principal{Account: account, Admin: true, ARN: other.Root()}
	in, err := json.Marshal(map[string]string{"TopicArn": topic, "Protocol": "sqs", "Endpoint": "arn:aws:sqs:us-east-1:" + account + ":q"})
	require.NoError(t, err)
	_, err = s.Router.Invoke(ctx, other, p, "sns", "Subscribe", in)
	require.NoError(t, err)
	ours, err := s.c.ListSubscriptions(ctx, &sdk.ListSubscriptionsInput{})
	require.NoError(t, err)
	require.Empty(t, ours.Subscriptions)
	raw, err := s.Router.Invoke(ctx, other, p, "sns", "ListSubscriptions", []byte("{}"))
	require.NoError(t, err)
	require.Contains(t, string(raw), topic)
	ofTopic, err := s.c.ListSubscriptionsByTopic(ctx, &sdk.ListSubscriptionsByTopicInput{TopicArn: &topic})
	require.NoError(t, err)
	require.Len(t, ofTopic.Subscriptions, 1)
}

// A policy may have one statement without a list, and no version.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
func TestPermissionsBesideOneStatement(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	topic := s.topic(t, "t")
	policy := `{"Statement":{"Sid":"one","Effect":"Allow","Principal":{"AWS":"*"},"Action":"SNS:Publish","Resource":"` + topic + `"}}`
	_, err := s.c.SetTopicAttributes(ctx, &sdk.SetTopicAttributesInput{TopicArn: &topic, AttributeName: aws.String("Policy"), AttributeValue: &policy})
	require.NoError(t, err)
	_, err = s.c.AddPermission(ctx, &sdk.AddPermissionInput{TopicArn: &topic, Label: aws.String("l"), AWSAccountId: []string{"111122223333"}, ActionName: []string{"Publish"}})
	require.NoError(t, err)
	_, err = s.c.AddPermission(ctx, &sdk.AddPermissionInput{TopicArn: &topic, Label: aws.String("one"), AWSAccountId: []string{"111122223333"}, ActionName: []string{"Publish"}})
	require.Equal(t, "Invalid parameter: Statement already exists", iamtest.RequireCode(t, err, "InvalidParameter").ErrorMessage())
	_, err = s.c.RemovePermission(ctx, &sdk.RemovePermissionInput{TopicArn: &topic, Label: aws.String("one")})
	require.NoError(t, err)
	got, err := s.c.GetTopicAttributes(ctx, &sdk.GetTopicAttributesInput{TopicArn: &topic})
	require.NoError(t, err)
	require.NotContains(t, got.Attributes["Policy"], `"one"`)
	require.Contains(t, got.Attributes["Policy"], `"Sid":"l"`)
	require.Contains(t, got.Attributes["Policy"], `"Principal":{"AWS":"arn:aws:iam::111122223333:root"}`, "one alone is no list")
}

// AWS answers with the password of an endpoint masked, as its answers in
// https://github.com/hashicorp/terraform/issues/11108 have it; the log does not have it either.
func TestPasswordsAreMasked(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	var log bytes.Buffer
	require.NoError(t, s.svc.Close())
	s.log = slog.New(slog.NewTextHandler(&log, nil))
	s.Reopen(t)
	s.register(t)
	s.start(t)
	given := make(chan string, 4)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		given <- password
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(server.Close)
	topic := s.topic(t, "t")
	host := strings.TrimPrefix(server.URL, "http://")
	sub := s.subscribe(t, topic, "http", "http://user:sec@ret@"+host+"/a@b", nil)
	require.Equal(t, "sec@ret", <-given)
	require.Equal(t, sub, s.subscribe(t, topic, "http", "http://user:sec@ret@"+host+"/a@b", nil), "the same one")
	require.Equal(t, "sec@ret", <-given)
	masked := "http://user:****@" + host + "/a@b"
	got, err := s.c.GetSubscriptionAttributes(ctx, &sdk.GetSubscriptionAttributesInput{SubscriptionArn: &sub})
	require.NoError(t, err)
	require.Equal(t, masked, got.Attributes["Endpoint"])
	list, err := s.c.ListSubscriptions(ctx, &sdk.ListSubscriptionsInput{})
	require.NoError(t, err)
	require.Equal(t, masked, *list.Subscriptions[0].Endpoint)
	require.Eventually(t, func() bool { return s.pending(t) == 0 }, time.Minute, time.Millisecond)
	require.NoError(t, s.svc.Close())
	require.Contains(t, log.String(), host)
	require.NotContains(t, log.String(), "ret@")
}
