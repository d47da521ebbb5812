package sns_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

// unsigned sends a request that nobody has signed.
func (s *setup) unsigned(t *testing.T, q url.Values) (status int, body string) {
	t.Helper()
	res, err := http.Get(s.links.URL + "/?" + q.Encode()) // of the service under test
	require.NoError(t, err)
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res.StatusCode, string(raw)
}

func (s *setup) set(t *testing.T, sub, name, value string) {
	t.Helper()
	_, err := s.c.SetSubscriptionAttributes(t.Context(), &sdk.SetSubscriptionAttributesInput{SubscriptionArn: &sub, AttributeName: &name, AttributeValue: &value})
	require.NoError(t, err)
}

// confirmed subscribes an endpoint of HTTP and confirms it. The endpoint answers what status says.
func (s *setup) confirmed(t *testing.T, topic, endpoint string, attributes map[string]string, calls <-chan string) string {
	t.Helper()
	sub := s.subscribe(t, topic, "http", endpoint, attributes)
	var doc struct{ Token string }
	require.NoError(t, json.Unmarshal([]byte(<-calls), &doc))
	_, err := s.c.ConfirmSubscription(t.Context(), &sdk.ConfirmSubscriptionInput{TopicArn: &topic, Token: &doc.Token})
	require.NoError(t, err)
	return sub
}

// "Amazon SQS queue subscriptions require authentication for deletion. Only the owner of the
// subscription, or the owner of the topic can unsubscribe using the required Amazon Web
// Services signature." https://docs.aws.amazon.com/sns/latest/api/API_Unsubscribe.html
func TestUnsignedUnsubscribe(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	topic := s.topic(t, "t")
	_, queue := s.queue(t, "q", topic)
	for protocol, endpoint := range map[string]string{"sqs": queue, "lambda": "arn:aws:lambda:us-east-1:000000000000:function:f"} {
		sub := s.subscribe(t, topic, protocol, endpoint, nil)
		status, body := s.unsigned(t, url.Values{"Action": {"Unsubscribe"}, "SubscriptionArn": {sub}})
		require.Equal(t, http.StatusForbidden, status, body)
		require.Contains(t, body, "<Code>AuthorizationError</Code>")
		_, err := s.c.GetSubscriptionAttributes(t.Context(), &sdk.GetSubscriptionAttributesInput{SubscriptionArn: &sub})
		require.NoError(t, err, "it is still there")
		_, err = s.c.Unsubscribe(t.Context(), &sdk.UnsubscribeInput{SubscriptionArn: &sub})
		require.NoError(t, err)
	}

	// "This call requires an AWS signature only when the AuthenticateOnUnsubscribe flag is set
	// to "true"." https://docs.aws.amazon.com/sns/latest/api/API_ConfirmSubscription.html
	calls := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		calls <- string(raw)
	}))
	t.Cleanup(server.Close)
	sub := s.subscribe(t, topic, "http", server.URL, nil)
	var doc struct{ Token string }
	require.NoError(t, json.Unmarshal([]byte(<-calls), &doc))
	status, body := s.unsigned(t, url.Values{"Action": {"ConfirmSubscription"}, "TopicArn": {topic}, "Token": {doc.Token}, "AuthenticateOnUnsubscribe": {"true"}})
	require.Equal(t, http.StatusForbidden, status, body)
	got, err := s.c.GetSubscriptionAttributes(t.Context(), &sdk.GetSubscriptionAttributesInput{SubscriptionArn: &sub})
	require.NoError(t, err)
	require.Equal(t, "true", got.Attributes["PendingConfirmation"])
}

// A filter policy without keys is none, however it is written; what is no object is refused.
// https://docs.aws.amazon.com/sns/latest/dg/message-filtering-apply.html
func TestFilterOfNothing(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	topic := s.topic(t, "t")
	url, arn := s.queue(t, "q", topic)
	sub := s.subscribe(t, topic, "sqs", arn, map[string]string{"RawMessageDelivery": "true", "FilterPolicy": "{\n}"})
	require.Equal(t, sub, s.subscribe(t, topic, "sqs", arn, map[string]string{"RawMessageDelivery": "true", "FilterPolicy": "{}"}))
	for _, policy := range []string{"{ }", " {\n}", "{}"} {
		s.set(t, sub, "FilterPolicy", `{"k":["v"]}`)
		s.set(t, sub, "FilterPolicy", policy)
		s.publish(t, topic, "for all", nil)
		body, _ := s.next(t, url)
		require.Equal(t, "for all", body)
		got, err := s.c.GetSubscriptionAttributes(ctx, &sdk.GetSubscriptionAttributesInput{SubscriptionArn: &sub})
		require.NoError(t, err)
		require.NotContains(t, got.Attributes, "FilterPolicy")
	}
	for _, policy := range []string{"null", " null ", "[]", `"x"`, `{"k":[]}`, `{"k":{}}`} {
		_, err := s.c.SetSubscriptionAttributes(ctx, &sdk.SetSubscriptionAttributesInput{SubscriptionArn: &sub, AttributeName: aws.String("FilterPolicy"), AttributeValue: &policy})
		iamtest.RequireCode(t, err, "InvalidParameter")
		_, err = s.c.Subscribe(ctx, &sdk.SubscribeInput{
			TopicArn: &topic, Protocol: aws.String("sqs"), Endpoint: aws.String(arn + "2"),
			Attributes: map[string]string{"FilterPolicy": policy},
		})
		iamtest.RequireCode(t, err, "InvalidParameter")
	}
}

// Members of a delivery policy that are not given have their defaults, and a topic's policy is
// that of its subscriptions. AWS's own example gives the number of retries alone.
// https://docs.aws.amazon.com/sns/latest/dg/set-sub-attributes-delivery-policy-json.html
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html#creating-delivery-policy
func TestDeliveryPolicies(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	calls := make(chan string, 16)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		if strings.Contains(string(raw), `"hello"`) {
			w.WriteHeader(http.StatusInternalServerError)
		}
		calls <- string(raw)
	}))
	t.Cleanup(server.Close)
	topic := s.topic(t, "t")
	sub := s.confirmed(t, topic, server.URL, map[string]string{"DeliveryPolicy": `{"healthyRetryPolicy":{"numRetries":2}}`}, calls)
	ofTopic := func(policy string) {
		_, err := s.c.SetTopicAttributes(ctx, &sdk.SetTopicAttributesInput{TopicArn: &topic, AttributeName: aws.String("DeliveryPolicy"), AttributeValue: &policy})
		require.NoError(t, err)
	}
	effective := func() (ofTopic, ofSubscription string) {
		x, err := s.c.GetTopicAttributes(ctx, &sdk.GetTopicAttributesInput{TopicArn: &topic})
		require.NoError(t, err)
		y, err := s.c.GetSubscriptionAttributes(ctx, &sdk.GetSubscriptionAttributesInput{SubscriptionArn: &sub})
		require.NoError(t, err)
		return x.Attributes["EffectiveDeliveryPolicy"], y.Attributes["EffectiveDeliveryPolicy"]
	}
	const rest = `"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"}`
	const request = `{"headerContentType":"text/plain; charset=UTF-8"}`
	a, b := effective()
	require.JSONEq(t, `{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,`+
		`"numRetries":3,`+rest+`,"disableSubscriptionOverrides":false,"defaultRequestPolicy":`+request+`}}`, a)
	require.JSONEq(t, `{"healthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,`+
		`"numRetries":2,`+rest+`,"sicklyRetryPolicy":null,"throttlePolicy":null,"requestPolicy":`+request+`,"guaranteed":false}`, b)

	// tries publishes and counts the tries, one after each pause and none before.
	tries := func(pauses ...time.Duration) {
		t.Helper()
		s.publish(t, topic, "hello", nil)
		<-calls
		for _, pause := range pauses {
			require.NoError(t, s.Clock.WaitTimers(ctx, 1))
			s.Clock.Advance(pause * 8 / 10) // AWS jitters the pauses, by a tenth here
			require.Empty(t, calls)
			require.NoError(t, s.Clock.WaitTimers(ctx, 1))
			s.Clock.Advance(pause - pause*8/10)
			<-calls
		}
		require.Eventually(t, func() bool { return s.pending(t) == 0 }, time.Minute, time.Millisecond)
	}
	tries(20*time.Second, 20*time.Second)
	s.set(t, sub, "DeliveryPolicy", `{"healthyRetryPolicy":{"minDelayTarget":5,"numRetries":2}}`)
	tries(5*time.Second, 20*time.Second)
	s.set(t, sub, "DeliveryPolicy", `{"healthyRetryPolicy":{"minDelayTarget":1,"maxDelayTarget":60,"numRetries":3,"numMinDelayRetries":2,"numMaxDelayRetries":1}}`)
	tries(time.Second, time.Second, time.Minute)

	// Without one of its own the subscription has the topic's; of a topic that allows no other in any case.
	s.set(t, sub, "DeliveryPolicy", "")
	ofTopic(`{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":7,"numRetries":1}}}`)
	a, b = effective()
	require.JSONEq(t, `{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":7,"maxDelayTarget":20,`+
		`"numRetries":1,`+rest+`,"disableSubscriptionOverrides":false,"defaultRequestPolicy":`+request+`}}`, a)
	require.Contains(t, b, `{"healthyRetryPolicy":{"minDelayTarget":7,"maxDelayTarget":20,"numRetries":1,`)
	tries(7 * time.Second)
	s.set(t, sub, "DeliveryPolicy", `{"healthyRetryPolicy":{"numRetries":0}}`)
	tries()
	ofTopic(`{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":7,"numRetries":1},"disableSubscriptionOverrides":true}}`)
	tries(7 * time.Second)

	_, queue := s.queue(t, "q", topic)
	for _, x := range []struct{ sub, policy string }{
		{sub, `{"healthyRetryPolicy":{"numRetries":101}}`},
		{sub, `{"healthyRetryPolicy":{"minDelayTarget":30}}`}, // the greatest is 20
		{sub, `{"healthyRetryPolicy":{"minDelayTarget":0}}`},
		{sub, `{"healthyRetryPolicy":{"numRetries":1,"numNoDelayRetries":2}}`},
		{sub, `{"healthyRetryPolicy":{"backoffFunction":"sudden"}}`},
		{sub, `{"healthyRetryPolicy":{"retries":1}}`},
		{sub, `{"http":{"defaultHealthyRetryPolicy":{"numRetries":1}}}`}, // a topic's
		{sub, `{`},
		// "Only HTTP/S supports custom policies."
		{s.subscribe(t, topic, "sqs", queue, nil), `{"healthyRetryPolicy":{"numRetries":1}}`},
	} {
		_, err := s.c.SetSubscriptionAttributes(ctx, &sdk.SetSubscriptionAttributesInput{SubscriptionArn: &x.sub, AttributeName: aws.String("DeliveryPolicy"), AttributeValue: &x.policy})
		require.Error(t, err, x.policy)
		iamtest.RequireCode(t, err, "InvalidParameter")
	}
}

// A message that was delivered while the disk is full is forgotten when there is room.
func TestDeliveriesOutliveAFullDisk(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	type disk struct {
		free    func()
		refused func() int64
	}
	full, calls := make(chan disk, 8), make(chan string, 8)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		if strings.Contains(string(raw), `"hello"`) {
			free, refused := s.FillDisk()
			full <- disk{free, refused}
		}
		calls <- string(raw)
	}))
	t.Cleanup(server.Close)
	topic := s.topic(t, "t")
	s.confirmed(t, topic, server.URL, nil, calls)
	require.Eventually(t, func() bool { return s.pending(t) == 0 }, time.Minute, time.Millisecond)
	s.publish(t, topic, "hello", nil)
	d := <-full
	s.OutliveFullDisk(t, d.free, d.refused)
	require.Eventually(t, func() bool {
		s.Clock.Advance(time.Second)
		return s.pending(t) == 0
	}, time.Minute, time.Millisecond)
	require.Empty(t, full, "it is delivered once")
}

// pending is how many deliveries are not done.
func (s *setup) pending(t *testing.T) int {
	t.Helper()
	all, err := store.ReadAll[json.RawMessage](s.DB, "sns.deliveries", "")
	require.NoError(t, err)
	return len(all)
}
