package events_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	iamsdk "github.com/aws/aws-sdk-go-v2/service/iam"
	lambdasdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	awssecrets "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	sqssdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// service makes a role that EventBridge may assume.
func (s *setup) service(t *testing.T, name, policy string) string {
	t.Helper()
	c := iamsdk.NewFromConfig(s.Admin())
	out, err := c.CreateRole(t.Context(), &iamsdk.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	require.NoError(t, err)
	_, err = c.PutRolePolicy(t.Context(), &iamsdk.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("p"), PolicyDocument: &policy})
	require.NoError(t, err)
	return *out.Role.Arn
}

func (s *setup) ruleOn(t *testing.T, bus, name, pattern string, targets ...types.Target) {
	t.Helper()
	_, err := s.bridge.PutRule(t.Context(), &sdk.PutRuleInput{Name: &name, EventBusName: &bus, EventPattern: &pattern})
	require.NoError(t, err)
	_, err = s.bridge.PutTargets(t.Context(), &sdk.PutTargetsInput{Rule: &name, EventBusName: &bus, Targets: targets})
	require.NoError(t, err)
}

func (s *setup) put(t *testing.T, bus, source string, detail any) {
	t.Helper()
	raw, err := json.Marshal(detail)
	require.NoError(t, err)
	out, err := s.bridge.PutEvents(t.Context(), &sdk.PutEventsInput{Entries: []types.PutEventsRequestEntry{
		{EventBusName: &bus, Source: &source, DetailType: aws.String("t"), Detail: aws.String(string(raw)), Time: aws.Time(s.Clock.Now())},
	}})
	require.NoError(t, err)
	require.Zero(t, out.FailedEntryCount)
}

// letter waits for the next message of a queue, with its attributes.
func (s *setup) letter(t *testing.T, url string) (body string, attributes map[string]string) {
	t.Helper()
	attributes = map[string]string{}
	require.Eventually(t, func() bool {
		out, err := s.queues.ReceiveMessage(t.Context(), &sqssdk.ReceiveMessageInput{QueueUrl: &url, MessageAttributeNames: []string{"All"}})
		if err != nil || len(out.Messages) == 0 {
			return false
		}
		body = *out.Messages[0].Body
		for k, v := range out.Messages[0].MessageAttributes {
			attributes[k] = *v.StringValue
		}
		return true
	}, time.Minute, 5*time.Millisecond)
	return body, attributes
}

// destination makes a server of this machine, and an API destination that leads to it.
func (s *setup) destination(t *testing.T, name string, serve http.HandlerFunc) (arn string) {
	t.Helper()
	srv := httptest.NewServer(serve)
	t.Cleanup(srv.Close)
	c, err := s.bridge.CreateConnection(t.Context(), &sdk.CreateConnectionInput{
		Name: &name, AuthorizationType: types.ConnectionAuthorizationTypeApiKey, AuthParameters: &types.CreateConnectionAuthRequestParameters{
			ApiKeyAuthParameters: &types.CreateConnectionApiKeyAuthRequestParameters{ApiKeyName: aws.String("X-Key"), ApiKeyValue: aws.String("hidden")},
			InvocationHttpParameters: &types.ConnectionHttpParameters{QueryStringParameters: []types.ConnectionQueryStringParameter{
				{Key: aws.String("q"), Value: aws.String("1"), IsValueSecret: true},
			}},
		},
	})
	require.NoError(t, err)
	require.Equal(t, types.ConnectionStateAuthorized, c.ConnectionState)
	d, err := s.bridge.CreateApiDestination(t.Context(), &sdk.CreateApiDestinationInput{
		Name: &name, ConnectionArn: c.ConnectionArn, HttpMethod: types.ApiDestinationHttpMethodPost, InvocationEndpoint: aws.String(srv.URL + "/*/x"),
	})
	require.NoError(t, err)
	require.Equal(t, types.ApiDestinationStateActive, d.ApiDestinationState)
	return *d.ApiDestinationArn
}

// An API destination gets the event with what its connection and the target add; errors of
// the server are tried again, until the target's policy is exhausted, and then go to the
// dead-letter queue, with the attributes of
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
func TestAPIDestinationsAndRetries(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	got := make(chan *http.Request, 1)
	bodies := make(chan string, 1)
	failing := make(chan struct{}, 16)
	good := s.destination(t, "good", func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- r.Clone(t.Context())
		bodies <- string(body)
	})
	bad := s.destination(t, "bad", func(w http.ResponseWriter, _ *http.Request) {
		failing <- struct{}{}
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	_, dead := s.queue(t, "dead", "r")
	role := s.service(t, "caller", iamtest.Allow("events:InvokeApiDestination", "*"))
	s.rule(t, "r", `{"source":["x"]}`, types.Target{
		Id: aws.String("good"), Arn: &good, RoleArn: &role, InputPath: aws.String("$.detail"),
		HttpParameters: &types.HttpParameters{PathParameterValues: []string{"a b"}, HeaderParameters: map[string]string{"H": "1"}},
	}, types.Target{
		Id: aws.String("bad"), Arn: &bad, RoleArn: &role, DeadLetterConfig: &types.DeadLetterConfig{Arn: &dead}, RetryPolicy: &types.RetryPolicy{MaximumRetryAttempts: aws.Int32(2)},
	})
	s.put(t, "default", "x", map[string]any{"n": 1})
	r := <-got
	require.Equal(t, "/a%20b/x?q=1", r.RequestURI)
	require.Equal(t, []string{"hidden", "1"}, []string{r.Header.Get("X-Key"), r.Header.Get("H")})
	require.JSONEq(t, `{"n":1}`, <-bodies)

	// The store has the retries: they go on after a restart.
	<-failing
	s.waitTimers(t, 1)
	s.stop()
	s.Reopen(t)
	s.register(t)
	for range 2 {
		s.waitTimers(t, 1)
		s.Clock.Advance(5 * time.Second)
		<-failing
	}
	body, attributes := s.letter(t, s.URL+"/000000000000/dead")
	require.Contains(t, body, `"source":"x"`)
	require.Contains(t, attributes["ERROR_MESSAGE"], "503")
	delete(attributes, "ERROR_MESSAGE")
	require.Equal(t, map[string]string{
		"RULE_ARN": "arn:aws:events:us-east-1:000000000000:rule/r", "TARGET_ARN": bad, "ERROR_CODE": "ERROR_FROM_TARGET",
		"EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts", "RETRY_ATTEMPTS": "2",
	}, attributes)
}

// A destination gets no more in a second than its InvocationRateLimitPerSecond; what waits
// for that is no try.
func TestDestinationsHaveTheirRate(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	var mu sync.Mutex
	calls := map[time.Time]int{}
	arn := s.destination(t, "d", func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		calls[s.Clock.Now()]++
	})
	_, err := s.bridge.UpdateApiDestination(t.Context(), &sdk.UpdateApiDestinationInput{Name: aws.String("d"), InvocationRateLimitPerSecond: aws.Int32(2)})
	require.NoError(t, err)
	role := s.service(t, "caller", iamtest.Allow("events:InvokeApiDestination", "*"))
	s.rule(t, "r", `{"source":["x"]}`, types.Target{Id: aws.String("t"), Arn: &arn, RoleArn: &role, RetryPolicy: &types.RetryPolicy{MaximumRetryAttempts: aws.Int32(0)}})
	for range 5 {
		s.put(t, "default", "x", map[string]any{})
	}
	total := func() (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, k := range calls {
			n += k
		}
		return n
	}
	for _, want := range []int{2, 4, 5} {
		require.Eventually(t, func() bool { return total() == want }, 2*time.Minute, time.Millisecond)
		if want < 5 {
			require.NoError(t, s.Clock.WaitTimers(s.waits(t), 1))
			s.Clock.Advance(time.Second)
		}
	}
	require.Len(t, calls, 3, "two in a second at most")
}

// A destination that takes its time holds up no other target.
func TestSlowDestinationsHoldUpThemselves(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.stop()
	s.client = &http.Client{} // with all the patience there is
	s.Reopen(t)
	s.register(t)
	release, done := make(chan struct{}), make(chan struct{}, 64)
	slow := s.destination(t, "slow", func(http.ResponseWriter, *http.Request) {
		<-release
		done <- struct{}{}
	})
	free := sync.OnceFunc(func() { close(release) })
	t.Cleanup(free)
	role := s.service(t, "caller", iamtest.Allow("events:InvokeApiDestination", "*"))
	s.rule(t, "slow", `{"source":["x"]}`, types.Target{Id: aws.String("t"), Arn: &slow, RoleArn: &role})
	url, arn := s.queue(t, "q", "r")
	s.rule(t, "r", `{"source":["y"]}`, types.Target{Id: aws.String("q"), Arn: &arn})
	for range 40 {
		s.put(t, "default", "x", map[string]any{})
	}
	s.put(t, "default", "y", map[string]any{})
	require.Contains(t, s.next(t, url), `"source":"y"`)
	require.Empty(t, done)
	free()
	for range 40 {
		<-done
	}
}

// A function that is slow to take its events holds up no other target.
func TestSlowFunctionsHoldUpThemselves(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	release, done := make(chan struct{}), make(chan struct{}, 64)
	s.Router.Register(wire.Service{ID: "lambda"})
	wire.Handle(s.Router, "lambda", "Invoke", func(context.Context, *wire.Request, *lambdasdk.InvokeInput) (*lambdasdk.InvokeOutput, error) {
		<-release
		done <- struct{}{}
		return &lambdasdk.InvokeOutput{StatusCode: http.StatusAccepted}, nil
	}, wire.Free("played by the test"))
	free := sync.OnceFunc(func() { close(release) })
	t.Cleanup(free)
	s.rule(t, "slow", `{"source":["x"]}`, types.Target{Id: aws.String("t"), Arn: aws.String("arn:aws:lambda:us-east-1:000000000000:function:slow")})
	url, arn := s.queue(t, "q", "r")
	s.rule(t, "r", `{"source":["y"]}`, types.Target{Id: aws.String("q"), Arn: &arn})
	for range 40 {
		s.put(t, "default", "x", map[string]any{})
	}
	s.put(t, "default", "y", map[string]any{})
	require.Contains(t, s.next(t, url), `"source":"y"`)
	require.Empty(t, done)
	free()
	for range 40 {
		<-done
	}
}

// Missing permissions and targets are not tried again.
func TestHopelessDeliveries(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	url, dead := s.queue(t, "dead", "r")
	_, closed := s.queue(t, "closed", "")
	role := s.service(t, "nothing", iamtest.Allow("s3:GetObject", "*"))
	letters := &types.DeadLetterConfig{Arn: &dead}
	for code, target := range map[string]types.Target{
		"NO_PERMISSIONS":        {Arn: &closed},
		"FAILED_TO_ASSUME_ROLE": {Arn: &closed, RoleArn: aws.String("arn:aws:iam::000000000000:role/none")},
		"NO_RESOURCE":           {Arn: aws.String(busARN + "none"), RoleArn: &role},
	} {
		target.Id, target.DeadLetterConfig = aws.String("t"), letters
		s.rule(t, "r", `{"source":["x"]}`, target)
		s.put(t, "default", "x", map[string]any{})
		_, attributes := s.letter(t, url)
		require.Equal(t, code, attributes["ERROR_CODE"], attributes)
		require.Equal(t, "0", attributes["RETRY_ATTEMPTS"])
		require.NotContains(t, attributes, "EXHAUSTED_RETRY_CONDITION")
	}
	// What is not on this machine is not called.
	c, err := s.bridge.CreateConnection(t.Context(), &sdk.CreateConnectionInput{
		Name: aws.String("far"), AuthorizationType: types.ConnectionAuthorizationTypeBasic, AuthParameters: &types.CreateConnectionAuthRequestParameters{
			BasicAuthParameters: &types.CreateConnectionBasicAuthRequestParameters{Username: aws.String("u"), Password: aws.String("p")},
		},
	})
	require.NoError(t, err)
	d, err := s.bridge.CreateApiDestination(t.Context(), &sdk.CreateApiDestinationInput{
		Name: aws.String("far"), ConnectionArn: c.ConnectionArn, HttpMethod: types.ApiDestinationHttpMethodPost, InvocationEndpoint: aws.String("https://example.com/"),
	})
	require.NoError(t, err)
	caller := s.service(t, "caller", iamtest.Allow("events:InvokeApiDestination", "*"))
	s.rule(t, "r", `{"source":["x"]}`, types.Target{Id: aws.String("t"), Arn: d.ApiDestinationArn, RoleArn: &caller, DeadLetterConfig: letters})
	s.put(t, "default", "x", map[string]any{})
	_, attributes := s.letter(t, url)
	require.Equal(t, "INVALID_PARAMETER", attributes["ERROR_CODE"])
	require.Contains(t, attributes["ERROR_MESSAGE"], "on this machine only")
}

// Connections keep what is secret in Secrets Manager, in the form that is recorded from AWS
// in https://github.com/localstack/localstack
// (tests/aws/services/events/test_api_destinations_and_connection.snapshot.json).
func TestConnections(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	vault := awssecrets.NewFromConfig(s.Admin())
	name := aws.String("c")
	_, err := s.bridge.CreateConnection(ctx, &sdk.CreateConnectionInput{
		Name: name, AuthorizationType: types.ConnectionAuthorizationTypeBasic,
		AuthParameters: &types.CreateConnectionAuthRequestParameters{
			BasicAuthParameters: &types.CreateConnectionBasicAuthRequestParameters{Username: aws.String("user"), Password: aws.String("pass")},
		},
	})
	require.NoError(t, err)
	got, err := s.bridge.DescribeConnection(ctx, &sdk.DescribeConnectionInput{Name: name})
	require.NoError(t, err)
	require.Regexp(t, `^arn:aws:events:us-east-1:000000000000:connection/c/[0-9a-f-]{36}$`, *got.ConnectionArn)
	require.Regexp(t, `^arn:aws:secretsmanager:us-east-1:000000000000:secret:events!connection/c/[0-9a-f-]{36}-\w{6}$`, *got.SecretArn)
	require.Equal(t, &types.ConnectionAuthResponseParameters{BasicAuthParameters: &types.ConnectionBasicAuthResponseParameters{Username: aws.String("user")}}, got.AuthParameters)
	secret, err := vault.DescribeSecret(ctx, &awssecrets.DescribeSecretInput{SecretId: got.SecretArn})
	require.NoError(t, err)
	require.Equal(t, "events", *secret.OwningService)
	require.Equal(t, "aws:secretsmanager:owningService", *secret.Tags[0].Key)
	value := func() string {
		out, err := vault.GetSecretValue(ctx, &awssecrets.GetSecretValueInput{SecretId: got.SecretArn})
		require.NoError(t, err)
		return *out.SecretString
	}
	require.JSONEq(t, `{"username":"user","password":"pass"}`, value())
	_, err = s.bridge.UpdateConnection(ctx, &sdk.UpdateConnectionInput{Name: name, AuthParameters: &types.UpdateConnectionAuthRequestParameters{
		BasicAuthParameters: &types.UpdateConnectionBasicAuthRequestParameters{Username: aws.String("new")},
		InvocationHttpParameters: &types.ConnectionHttpParameters{HeaderParameters: []types.ConnectionHeaderParameter{{
			Key:   aws.String("k"),
			Value: aws.String("v"), IsValueSecret: true,
		}}},
	}})
	require.NoError(t, err)
	require.JSONEq(t, `{"username":"new","password":"pass","invocation_http_parameters":{"header_parameters":[{"key":"k","value":"v","is_value_secret":true}]}}`, value())
	list, err := s.bridge.ListConnections(ctx, &sdk.ListConnectionsInput{NamePrefix: name})
	require.NoError(t, err)
	require.Len(t, list.Connections, 1)

	d, err := s.bridge.CreateApiDestination(ctx, &sdk.CreateApiDestinationInput{
		Name: name, ConnectionArn: got.ConnectionArn,
		HttpMethod: types.ApiDestinationHttpMethodPut, InvocationEndpoint: aws.String("https://example.com/api"),
	})
	require.NoError(t, err)
	require.Equal(t, types.ApiDestinationStateActive, d.ApiDestinationState)
	_, err = s.bridge.UpdateApiDestination(ctx, &sdk.UpdateApiDestinationInput{Name: name, InvocationRateLimitPerSecond: aws.Int32(7)})
	require.NoError(t, err)
	gone, err := s.bridge.DeleteConnection(ctx, &sdk.DeleteConnectionInput{Name: name})
	require.NoError(t, err)
	require.Equal(t, types.ConnectionStateDeleting, gone.ConnectionState)
	_, err = vault.DescribeSecret(ctx, &awssecrets.DescribeSecretInput{SecretId: got.SecretArn})
	iamtest.RequireCode(t, err, "ResourceNotFoundException")
	_, err = s.bridge.DescribeConnection(ctx, &sdk.DescribeConnectionInput{Name: name})
	require.Equal(t, "Failed to describe the connection(s). Connection 'c' does not exist.", iamtest.RequireCode(t, err, "ResourceNotFoundException").ErrorMessage())
	left, err := s.bridge.DescribeApiDestination(ctx, &sdk.DescribeApiDestinationInput{Name: name})
	require.NoError(t, err)
	require.Equal(t, types.ApiDestinationStateInactive, left.ApiDestinationState)
	require.EqualValues(t, 7, *left.InvocationRateLimitPerSecond)
	_, err = s.bridge.DeleteApiDestination(ctx, &sdk.DeleteApiDestinationInput{Name: name})
	require.NoError(t, err)
	_, err = s.bridge.DescribeApiDestination(ctx, &sdk.DescribeApiDestinationInput{Name: name})
	require.Equal(t, "Failed to describe the api-destination(s). An api-destination 'c' does not exist.", iamtest.RequireCode(t, err, "ResourceNotFoundException").ErrorMessage())
	_, err = s.bridge.CreateConnection(ctx, &sdk.CreateConnectionInput{
		Name: name, AuthorizationType: types.ConnectionAuthorizationTypeBasic,
		AuthParameters: &types.CreateConnectionAuthRequestParameters{},
	})
	iamtest.RequireCode(t, err, "ValidationException")
}
