package events_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	sqssdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/events"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kms"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/secretsmanager"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/sqs"
)

type setup struct {
	*iamtest.World
	events *events.Service
	stop   func() // ends the service, as a restart does
	bridge *sdk.Client
	queues *sqssdk.Client
	client *http.Client // of API destinations; nil is the service's own
}

func newSetup(t *testing.T) *setup {
	t.Helper()
	s := &setup{World: iamtest.New(t)}
	s.register(t)
	return s
}

func (s *setup) register(t *testing.T) {
	t.Helper()
	q, err := sqs.New(sqs.Config{DB: s.DB, Clock: s.Clock})
	require.NoError(t, err)
	q.Register(s.Router)
	k, err := kms.New(kms.Config{DB: s.DB, Clock: s.Clock})
	require.NoError(t, err)
	k.Register(s.Router)
	v, err := secretsmanager.New(secretsmanager.Config{DB: s.DB, Router: s.Router, Clock: s.Clock})
	require.NoError(t, err)
	v.Register(s.Router)
	s.events, err = events.New(events.Config{DB: s.DB, Clock: s.Clock, Roles: s.IAM, Client: s.client})
	require.NoError(t, err)
	s.events.Register(s.Router)
	svc, deliveries := s.events, s.events.Deliveries()
	require.NoError(t, svc.Start(t.Context()))
	require.NoError(t, deliveries.Start(t.Context()))
	s.stop = func() {
		require.NoError(t, deliveries.Close())
		require.NoError(t, svc.Close())
	}
	t.Cleanup(s.stop)
	s.bridge, s.queues = sdk.NewFromConfig(s.Admin()), sqssdk.NewFromConfig(s.Admin())
}

// queue makes a queue that lets the rule send.
func (s *setup) queue(t *testing.T, name, rule string) (url, arn string) {
	t.Helper()
	arn = "arn:aws:sqs:us-east-1:000000000000:" + name
	attributes := map[string]string{}
	if rule != "" {
		attributes["Policy"] = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + arn +
			`","Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:events:us-east-1:000000000000:rule/` + rule + `"}}}]}`
	}
	out, err := s.queues.CreateQueue(t.Context(), &sqssdk.CreateQueueInput{QueueName: &name, Attributes: attributes})
	require.NoError(t, err)
	return *out.QueueUrl, arn
}

func (s *setup) rule(t *testing.T, name, pattern string, targets ...types.Target) {
	t.Helper()
	_, err := s.bridge.PutRule(t.Context(), &sdk.PutRuleInput{Name: &name, EventPattern: &pattern})
	require.NoError(t, err)
	_, err = s.bridge.PutTargets(t.Context(), &sdk.PutTargetsInput{Rule: &name, Targets: targets})
	require.NoError(t, err)
}

// next waits for the next message of the queue.
func (s *setup) next(t *testing.T, url string) string {
	t.Helper()
	var body string
	require.Eventually(t, func() bool {
		out, err := s.queues.ReceiveMessage(t.Context(), &sqssdk.ReceiveMessageInput{QueueUrl: &url})
		if err != nil || len(out.Messages) == 0 {
			return false
		}
		body = *out.Messages[0].Body
		_, err = s.queues.DeleteMessage(t.Context(), &sqssdk.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: out.Messages[0].ReceiptHandle})
		return err == nil
	}, time.Minute, 5*time.Millisecond)
	return body
}

const failures = `{"source":["aws.states"],"detail-type":["Step Functions Execution Status ` +
	`Change"],"detail":{"stateMachineArn":["arn:m"],"status":["FAILED","TIMED_OUT","ABORTED"]}}`

func TestFailedExecutionsReachTheQueue(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	url, arn := s.queue(t, "dlq", "status")
	s.rule(t, "status", failures, types.Target{Id: aws.String("dlq"), Arn: &arn})
	put := func(ctx context.Context, machine, status string) {
		s.events.PutEvent(ctx, iamtest.Scope, "aws.states", "Step Functions Execution Status Change", []string{"arn:e"},
			map[string]any{"stateMachineArn": machine, "status": status, "n": 1})
	}
	put(ctx, "arn:m", "SUCCEEDED")
	put(ctx, "arn:other", "FAILED")
	put(ctx, "arn:m", "FAILED")
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(s.next(t, url)), &got))
	require.NotEmpty(t, got["id"])
	delete(got, "id")
	require.Equal(t, map[string]any{
		"version": "0", "detail-type": "Step Functions Execution Status Change", "source": "aws.states", "account": "000000000000",
		"time": s.Clock.Now().Format(time.RFC3339), "region": "us-east-1", "resources": []any{"arn:e"},
		"detail": map[string]any{"stateMachineArn": "arn:m", "status": "FAILED", "n": 1.0},
	}, got)

	// Rules are there after a restart.
	s.stop()
	s.Reopen(t)
	s.register(t)
	put(ctx, "arn:m", "ABORTED")
	url = s.URL + "/000000000000/dlq"
	require.Contains(t, s.next(t, url), "ABORTED")

	_, err := s.bridge.DisableRule(ctx, &sdk.DisableRuleInput{Name: aws.String("status")})
	require.NoError(t, err)
	put(ctx, "arn:m", "FAILED")
	_, err = s.bridge.EnableRule(ctx, &sdk.EnableRuleInput{Name: aws.String("status")})
	require.NoError(t, err)
	put(ctx, "arn:m", "TIMED_OUT")
	require.Contains(t, s.next(t, url), "TIMED_OUT")
}

func TestRuleLifecycle(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	_, arn := s.queue(t, "q", "r")
	name := aws.String("r")
	created, err := s.bridge.PutRule(ctx, &sdk.PutRuleInput{
		Name: name, EventPattern: aws.String(failures), Description: aws.String("d"),
		Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}},
	})
	require.NoError(t, err)
	require.Equal(t, "arn:aws:events:us-east-1:000000000000:rule/r", *created.RuleArn)
	got, err := s.bridge.DescribeRule(ctx, &sdk.DescribeRuleInput{Name: name})
	require.NoError(t, err)
	require.Equal(t, failures, *got.EventPattern)
	require.Equal(t, types.RuleStateEnabled, got.State)
	require.Equal(t, "default", *got.EventBusName)
	require.Nil(t, got.RoleArn)
	_, err = s.bridge.PutTargets(ctx, &sdk.PutTargetsInput{Rule: name, Targets: []types.Target{{Id: aws.String("1"), Arn: &arn, InputPath: aws.String("$.detail")}}})
	require.NoError(t, err)
	targets, err := s.bridge.ListTargetsByRule(ctx, &sdk.ListTargetsByRuleInput{Rule: name})
	require.NoError(t, err)
	require.Equal(t, []types.Target{{Id: aws.String("1"), Arn: &arn, InputPath: aws.String("$.detail")}}, targets.Targets)
	_, err = s.bridge.DeleteRule(ctx, &sdk.DeleteRuleInput{Name: name})
	iamtest.RequireCode(t, err, "ValidationException")

	_, err = s.bridge.TagResource(ctx, &sdk.TagResourceInput{ResourceARN: created.RuleArn, Tags: []types.Tag{{Key: aws.String("b"), Value: aws.String("2")}}})
	require.NoError(t, err)
	_, err = s.bridge.UntagResource(ctx, &sdk.UntagResourceInput{ResourceARN: created.RuleArn, TagKeys: []string{"a"}})
	require.NoError(t, err)
	tags, err := s.bridge.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceARN: created.RuleArn})
	require.NoError(t, err)
	require.Equal(t, []types.Tag{{Key: aws.String("b"), Value: aws.String("2")}}, tags.Tags)

	// A new pattern keeps targets and tags.
	_, err = s.bridge.PutRule(ctx, &sdk.PutRuleInput{Name: name, EventPattern: aws.String(`{"source":["x"]}`)})
	require.NoError(t, err)
	list, err := s.bridge.ListRules(ctx, &sdk.ListRulesInput{NamePrefix: name})
	require.NoError(t, err)
	require.Equal(t, `{"source":["x"]}`, *list.Rules[0].EventPattern)
	_, err = s.bridge.RemoveTargets(ctx, &sdk.RemoveTargetsInput{Rule: name, Ids: []string{"1"}})
	require.NoError(t, err)
	_, err = s.bridge.DeleteRule(ctx, &sdk.DeleteRuleInput{Name: name})
	require.NoError(t, err)
	_, err = s.bridge.DescribeRule(ctx, &sdk.DescribeRuleInput{Name: name})
	iamtest.RequireCode(t, err, "ResourceNotFoundException")
	_, err = s.bridge.DeleteRule(ctx, &sdk.DeleteRuleInput{Name: name})
	require.NoError(t, err)
}

func TestRefused(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	put := func(in *sdk.PutRuleInput) error { _, err := s.bridge.PutRule(ctx, in); return err }
	iamtest.RequireCode(t, put(&sdk.PutRuleInput{Name: aws.String("r"), EventPattern: aws.String(`{"source":"x"}`)}), "InvalidEventPatternException")
	iamtest.RequireCode(t, put(&sdk.PutRuleInput{Name: aws.String("r"), EventPattern: aws.String(`{`)}), "InvalidEventPatternException")
	iamtest.RequireCode(t, put(&sdk.PutRuleInput{Name: aws.String("r")}), "ValidationException")
	iamtest.RequireCode(t, put(&sdk.PutRuleInput{Name: aws.String("r"), ScheduleExpression: aws.String("rate(1 minutes)")}), "ValidationException")
	iamtest.RequireCode(t, put(&sdk.PutRuleInput{Name: aws.String("r"), ScheduleExpression: aws.String("at(2026-11-20T13:00:00)")}), "ValidationException")
	iamtest.RequireCode(t, put(&sdk.PutRuleInput{Name: aws.String("r r"), EventPattern: aws.String(failures)}), "ValidationException")
	iamtest.RequireCode(t, put(&sdk.PutRuleInput{Name: aws.String("r"), EventBusName: aws.String("other"), EventPattern: aws.String(failures)}), "ResourceNotFoundException")
	require.NoError(t, put(&sdk.PutRuleInput{Name: aws.String("r"), EventPattern: aws.String(failures)}))
	target := func(x types.Target) error {
		_, err := s.bridge.PutTargets(ctx, &sdk.PutTargetsInput{Rule: aws.String("r"), Targets: []types.Target{x}})
		return err
	}
	iamtest.RequireCode(t, target(types.Target{Id: aws.String("1"), Arn: aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/t")}), "NotImplemented")
	iamtest.RequireCode(t, target(types.Target{Id: aws.String("1"), Arn: aws.String("arn:aws:sqs:us-east-1:000000000000:q"), Input: aws.String("{")}), "ValidationException")
	_, nobody := s.Role(t, "nobody", "")
	_, err := sdk.NewFromConfig(nobody).DescribeRule(ctx, &sdk.DescribeRuleInput{Name: aws.String("r")})
	iamtest.RequireCode(t, err, "AccessDeniedException")
}

func TestPutEventsAndInputs(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	url, arn := s.queue(t, "q", "r")
	deadURL, dead := s.queue(t, "dead", "r")
	_, closed := s.queue(t, "closed", "")
	s.rule(t, "r", `{"source":[{"prefix":"my."}]}`,
		types.Target{Id: aws.String("path"), Arn: &arn, InputPath: aws.String("$.detail.a")})
	put := func(source, detail string) *sdk.PutEventsOutput {
		out, err := s.bridge.PutEvents(ctx, &sdk.PutEventsInput{Entries: []types.PutEventsRequestEntry{{Source: &source, DetailType: aws.String("t"), Detail: &detail}}})
		require.NoError(t, err)
		return out
	}
	require.NotEmpty(t, *put("my.app", `{"a":{"b":"<x>"}}`).Entries[0].EventId)
	require.JSONEq(t, `{"b":"<x>"}`, s.next(t, url))
	require.Equal(t, "NotAuthorizedForSourceException", *put("aws.states", `{}`).Entries[0].ErrorCode)
	require.Equal(t, "MalformedDetail", *put("my.app", `[]`).Entries[0].ErrorCode)

	s.rule(t, "r", `{"source":[{"prefix":"my."}]}`,
		types.Target{Id: aws.String("path"), Arn: &arn, InputTransformer: &types.InputTransformer{
			InputPathsMap: map[string]string{"b": "$.detail.b", "n": "$.detail.n"}, InputTemplate: aws.String(`{"text":"b is <b>","raw":<b>,"n":<n>}`),
		}},
		types.Target{Id: aws.String("closed"), Arn: &closed, DeadLetterConfig: &types.DeadLetterConfig{Arn: &dead}})
	put("my.app", `{"b":"a \"q\"","n":3}`)
	require.JSONEq(t, `{"text":"b is a \"q\"","raw":"a \"q\"","n":3}`, s.next(t, url))
	require.Contains(t, s.next(t, deadURL), `"source":"my.app"`, "what a queue refuses goes to the dead-letter queue")
}

// What AWS makes of templates is recorded in https://github.com/localstack/localstack,
// tests/aws/services/events/test_events_inputs.snapshot.json.
func TestInputTemplates(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	url, arn := s.queue(t, "q", "r")
	deadURL, dead := s.queue(t, "dead", "r")
	detail := `{"command":"update","payload":{"acc":"0a-7","sf":"baz"},"single":["HIGH"],"multi":["ACTIVE","INACTIVE"],"valid":true}`
	paths := map[string]string{
		"detail-type": "$.detail-type", "command": "$.detail.command", "payload": "$.detail.payload", "user": "$.detail.payload.acc", "single": "$.detail.single",
		"multi": "$.detail.multi", "valid": "$.detail.valid", "none": "$.detail.awsAccountId",
	}
	send := func(template string) {
		t.Helper()
		s.rule(t, "r", `{"source":["my.app"]}`, types.Target{
			Id: aws.String("q"), Arn: &arn, InputTransformer: &types.InputTransformer{InputPathsMap: paths, InputTemplate: &template},
			DeadLetterConfig: &types.DeadLetterConfig{Arn: &dead},
		})
		_, err := s.bridge.PutEvents(ctx, &sdk.PutEventsInput{Entries: []types.PutEventsRequestEntry{{Source: aws.String("my.app"), DetailType: aws.String("My Type"), Detail: &detail}}})
		require.NoError(t, err)
	}
	for _, c := range [][2]string{
		{`{"detailType": <detail-type>,  "command": <command>, "none": <none>}`, `{"detailType": "My Type",  "command": "update", "none": ""}`},
		{`"Event of <detail-type> type, from <none> <command>"`, `"Event of My Type type, from  update"`},
		{`"Payload of <payload> with path users/<user>"`, `"Payload of {acc:0a-7,sf:baz} with path users/0a-7"`},
		{`"<single> of <multi> is <valid>"`, `"[HIGH] of [ACTIVE,INACTIVE] is true"`},
		{`{"path": "users/<user>/second/<user>", "bod": [<user>, "x"], "single": <single>}`, `{"path": "users/0a-7/second/0a-7", "bod": ["0a-7", "x"], "single": ["HIGH"]}`},
	} {
		send(c[0])
		require.Equal(t, c[1], s.next(t, url), c[0])
	}
	// AWS delivers nothing of these; that the dead-letter queue has them is a guess.
	for _, nothing := range []string{`{"payload": "<payload>"}`, `{"path": "users/<payload>", "bod": <payload>}`, `{"single": "<single>"}`} {
		send(nothing)
		require.Contains(t, s.next(t, deadURL), `"command":"update"`, nothing)
	}
	_, err := s.bridge.PutTargets(ctx, &sdk.PutTargetsInput{Rule: aws.String("r"), Targets: []types.Target{{
		Id: aws.String("q"), Arn: &arn, InputTransformer: &types.InputTransformer{InputPathsMap: paths, InputTemplate: aws.String(`{"a":<notdefined>}`)},
	}}})
	require.ErrorContains(t, err, "InputTemplate for target q contains invalid placeholder notdefined.")
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	const event = `{"id":"1","account":"0","source":"aws.s3","time":"2026-01-01T00:00:00Z","region":"us-east-1","resources":["arn:a","arn:b"],"detail-type":"T",
		"detail":{"name":"Model.tar.GZ","size":10.5,"ok":true,"none":null,"ip":"10.0.0.7","tags":["x","y"],"empty":[],"a.b":"dotted","list":[{"k":"1","v":"a"},{"k":"2","v":"b"}]}}`
	for pattern, want := range map[string]bool{
		`{"source":["aws.s3","x"]}`:                                               true,
		`{"source":["x"]}`:                                                        false,
		`{"resources":["arn:b"]}`:                                                 true,
		`{"detail":{"tags":["z"]}}`:                                               false,
		`{"detail":{"ok":[true]}}`:                                                true,
		`{"detail":{"none":[null]}}`:                                              true,
		`{"detail":{"size":[10.50]}}`:                                             true,
		`{"detail":{"size":["10.5"]}}`:                                            false,
		`{"detail":{"size":[{"numeric":[">",10,"<=",10.5]}]}}`:                    true,
		`{"detail":{"size":[{"numeric":["<",10]}]}}`:                              false,
		`{"detail":{"name":[{"prefix":"Model"}]}}`:                                true,
		`{"detail":{"name":[{"prefix":{"equals-ignore-case":"model"}}]}}`:         true,
		`{"detail":{"name":[{"suffix":".gz"}]}}`:                                  false,
		`{"detail":{"name":[{"equals-ignore-case":"model.TAR.gz"}]}}`:             true,
		`{"detail":{"name":[{"wildcard":"M*.tar.*"}]}}`:                           true,
		`{"detail":{"name":[{"wildcard":"M*.zip"}]}}`:                             false,
		`{"detail":{"name":[{"anything-but":"x"}]}}`:                              true,
		`{"detail":{"name":[{"anything-but":["x","Model.tar.GZ"]}]}}`:             false,
		`{"detail":{"name":[{"anything-but":{"prefix":"Mod"}}]}}`:                 false,
		`{"detail":{"missing":[{"anything-but":"x"}]}}`:                           false,
		`{"detail":{"missing":[{"exists":false}]}}`:                               true,
		`{"detail":{"none":[{"anything-but":{"prefix":"x"}}]}}`:                   true,
		`{"detail":{"size":[{"anything-but":{"wildcard":"*x*"}}]}}`:               true,
		`{"detail":{"missing":[{"anything-but":{"suffix":["x"]}}]}}`:              false,
		`{"detail.size":[10.5]}`:                                                  true,
		`{"detail":{"a":{"b":["dotted"]}}}`:                                       true,
		`{"detail":{"a.b":["dotted"],"a":{"c":["x"]}}}`:                           false,
		`{"detail":{"name":[{"exists":true}]}}`:                                   true,
		`{"detail":{"empty":[{"exists":true}]}}`:                                  false,
		`{"detail":{"ip":[{"cidr":"10.0.0.0/24"}]}}`:                              true,
		`{"detail":{"list":{"k":["2"]}}}`:                                         true,
		`{"$or":[{"source":["x"]},{"detail":{"size":[{"numeric":["=",10.5]}]}}]}`: true,
		`{"region":["us-east-1"],"$or":[{"source":["x"]},{"source":["y"]}]}`:      false,
	} {
		t.Run(pattern, func(t *testing.T) {
			t.Parallel()
			out, err := s.bridge.TestEventPattern(t.Context(), &sdk.TestEventPatternInput{Event: aws.String(event), EventPattern: &pattern})
			require.NoError(t, err)
			require.Equal(t, want, out.Result)
		})
	}
}

// What AWS refuses is recorded in https://github.com/localstack/localstack
// (tests/aws/services/events/event_pattern_templates, *_EXC).
func TestPatternsRefused(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	for _, pattern := range []string{
		`{"a":[{"anything-but":["x",null]}]}`, `{"a":[{"anything-but":["x",1]}]}`, `{"a":[{"anything-but":{"prefix":""}}]}`, `{"a":[{"anything-but":{"suffix":""}}]}`,
		`{"a":[{"anything-but":{"prefix":{"equals-ignore-case":"x"}}}]}`, `{"a":[{"numeric":[">",0,">",0]}]}`, `{"a":[{"numeric":["<",5,">",0]}]}`, `{"a":[{"numeric":[">",5,"<",5]}]}`,
		`{"a":[{"numeric":["=",5,"<",6]}]}`, `{"a":[]}`, `{"a":{}}`, `{"a":"x"}`, `{"a":[{"colour":"x"}]}`, `[]`,
	} {
		_, err := s.bridge.TestEventPattern(t.Context(), &sdk.TestEventPatternInput{Event: aws.String(`{"id":"1"}`), EventPattern: &pattern})
		iamtest.RequireCode(t, err, "InvalidEventPatternException")
	}
}
