package lambda_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/events"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/lambda"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/sqs"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

// withQueues is the service with SQS, and EventBridge for its patterns.
func withQueues(t *testing.T, dir string) *sandbox {
	t.Helper()
	var db *store.DB
	s := open(t, dir, func(c *lambda.Config) { db = c.DB })
	queues, err := sqs.New(sqs.Config{DB: db, Endpoint: s.url})
	require.NoError(t, err)
	queues.Register(s.router)
	bus, err := events.New(events.Config{DB: db, Roles: s.world.IAM})
	require.NoError(t, err)
	bus.Register(s.router)
	return s
}

func (s *sandbox) sqs(t *testing.T, operation string, in map[string]any) map[string]any {
	t.Helper()
	raw, err := json.Marshal(in)
	require.NoError(t, err)
	answer, err := s.router.Invoke(t.Context(), home, admin(), "sqs", operation, raw)
	require.NoError(t, err)
	var out map[string]any
	require.NoError(t, json.Unmarshal(answer, &out))
	return out
}

// queue makes a queue that the function's role may read.
func (s *sandbox) queue(t *testing.T, name string, attributes map[string]string) (url, arn string) {
	t.Helper()
	arn = "arn:aws:sqs:us-east-1:" + account + ":" + name
	attributes["Policy"] = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sqs:*","Resource":"` + arn + `"}]}`
	s.sqs(t, "CreateQueue", map[string]any{"QueueName": name, "Attributes": attributes})
	return s.url + "/" + account + "/" + name, arn
}

func TestEventSourceMapping(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := withQueues(t, dir)
	c, ctx := s.as(t, "admin"), t.Context()
	s.python(t, `
import json
def handler(event, context):
    failed = []
    for r in event["Records"]:
        print("GOT", r["body"], r["eventSource"], r["eventSourceARN"], r["messageAttributes"].get("k", {}).get("stringValue"), r["attributes"]["ApproximateReceiveCount"])
        if "bad" in r["body"]:
            failed.append({"itemIdentifier": r["messageId"]})
    return {"batchItemFailures": failed}
`, nil)
	_, dead := s.queue(t, "dead", map[string]string{})
	url, source := s.queue(t, "work", map[string]string{"VisibilityTimeout": "600", "RedrivePolicy": `{"deadLetterTargetArn":"` + dead + `","maxReceiveCount":"1"}`})
	made, err := c.CreateEventSourceMapping(ctx, &awslambda.CreateEventSourceMappingInput{
		FunctionName: str("fn"), EventSourceArn: &source, FunctionResponseTypes: []types.FunctionResponseType{types.FunctionResponseTypeReportBatchItemFailures},
		FilterCriteria: &types.FilterCriteria{Filters: []types.Filter{{Pattern: str(`{"body":{"kind":["order"]}}`)}}}, Tags: map[string]string{"k": "v"},
	})
	require.NoError(t, err)
	require.Equal(t, "Creating", *made.State)
	require.EqualValues(t, 10, *made.BatchSize)
	got, err := c.GetEventSourceMapping(ctx, &awslambda.GetEventSourceMappingInput{UUID: made.UUID})
	require.NoError(t, err)
	require.Equal(t, "Enabled", *got.State)
	require.Equal(t, arn("fn"), *got.FunctionArn)
	tags, err := c.ListTags(ctx, &awslambda.ListTagsInput{Resource: made.EventSourceMappingArn})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"k": "v"}, tags.Tags)

	send := func(body string) {
		s.sqs(t, "SendMessage", map[string]any{
			"QueueUrl": url, "MessageBody": body,
			"MessageAttributes": map[string]any{"k": map[string]string{"DataType": "String", "StringValue": "attr"}},
		})
	}
	log := func(part string) func() bool {
		return func() bool { return strings.Contains(s.logs.text("/aws/lambda/fn"), part) }
	}
	left := func() string {
		out := s.sqs(t, "GetQueueAttributes", map[string]any{"QueueUrl": url, "AttributeNames": []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"}})
		a, _ := out["Attributes"].(map[string]any)
		visible, _ := a["ApproximateNumberOfMessages"].(string)
		hidden, _ := a["ApproximateNumberOfMessagesNotVisible"].(string)
		return visible + "+" + hidden
	}
	send(`{"kind":"order","n":1}`)
	send(`{"kind":"noise"}`)
	require.Eventually(t, log(`GOT {"kind":"order","n":1} aws:sqs `+source+` attr 1`), time.Minute, 5*time.Millisecond)
	require.Eventually(t, func() bool { return left() == "0+0" }, time.Minute, 5*time.Millisecond, "what is done with is gone, and what no filter lets through")
	require.False(t, log("noise")())
	send(`{"kind":"order","bad":true}`)
	require.Eventually(t, log("bad"), time.Minute, 5*time.Millisecond)
	require.Eventually(t, func() bool { return left() == "0+1" }, time.Minute, 5*time.Millisecond, "what is reported as failed stays")

	// It reads on after a restart; what came in between is not lost.
	s.close()
	s = withQueues(t, dir)
	c = s.as(t, "admin")
	url = s.url + "/" + account + "/work"
	send(`{"kind":"order","n":2}`)
	require.Eventually(t, log(`"n":2`), 2*time.Minute, 5*time.Millisecond)

	updated, err := c.UpdateEventSourceMapping(ctx, &awslambda.UpdateEventSourceMappingInput{UUID: made.UUID, Enabled: aws.Bool(false), BatchSize: aws.Int32(2)})
	require.NoError(t, err)
	require.EqualValues(t, 2, *updated.BatchSize)
	list, err := c.ListEventSourceMappings(ctx, &awslambda.ListEventSourceMappingsInput{EventSourceArn: &source, FunctionName: str("fn")})
	require.NoError(t, err)
	require.Equal(t, "Disabled", *list.EventSourceMappings[0].State)
	gone, err := c.DeleteEventSourceMapping(ctx, &awslambda.DeleteEventSourceMappingInput{UUID: made.UUID})
	require.NoError(t, err)
	require.Equal(t, "Deleting", *gone.State)
	_, err = c.GetEventSourceMapping(ctx, &awslambda.GetEventSourceMappingInput{UUID: made.UUID})
	require.ErrorContains(t, err, "ResourceNotFoundException: The resource you requested does not exist.")
}

// Of two updates at a time neither is lost: what an update was looked at with is what it
// is kept over.
func TestUpdatesOfEventSourceMappingsDoNotMeet(t *testing.T) {
	t.Parallel()
	s := withQueues(t, t.TempDir())
	c, ctx := s.as(t, "admin"), t.Context()
	s.python(t, "def handler(event, context): pass", nil)
	_, source := s.queue(t, "work", map[string]string{"VisibilityTimeout": "30"})
	made, err := c.CreateEventSourceMapping(ctx, &awslambda.CreateEventSourceMappingInput{FunctionName: str("fn"), EventSourceArn: &source, Enabled: aws.Bool(false)})
	require.NoError(t, err)
	for round := range int32(20) {
		batch, most := round%10+1, round+2
		var both errgroup.Group
		both.Go(func() error {
			_, err := c.UpdateEventSourceMapping(ctx, &awslambda.UpdateEventSourceMappingInput{UUID: made.UUID, BatchSize: &batch})
			return err
		})
		both.Go(func() error {
			_, err := c.UpdateEventSourceMapping(ctx, &awslambda.UpdateEventSourceMappingInput{UUID: made.UUID, ScalingConfig: &types.ScalingConfig{MaximumConcurrency: &most}})
			return err
		})
		require.NoError(t, both.Wait())
		got, err := c.GetEventSourceMapping(ctx, &awslambda.GetEventSourceMappingInput{UUID: made.UUID})
		require.NoError(t, err)
		require.Equal(t, []int32{batch, most}, []int32{*got.BatchSize, *got.ScalingConfig.MaximumConcurrency})
	}
}

func TestEventSourceMappingsRefused(t *testing.T) {
	t.Parallel()
	s := withQueues(t, t.TempDir())
	c, ctx := s.as(t, "admin"), t.Context()
	s.python(t, "def handler(e, c): pass", func(in *awslambda.CreateFunctionInput) { in.Timeout = aws.Int32(60) })
	_, source := s.queue(t, "work", map[string]string{"VisibilityTimeout": "30"})
	for want, edit := range map[string]func(*awslambda.CreateEventSourceMappingInput){
		"Unrecognized event source.": func(in *awslambda.CreateEventSourceMappingInput) { in.EventSourceArn = nil },
		"Function does not exist":    func(in *awslambda.CreateEventSourceMappingInput) { in.FunctionName = str("none") },
		"Unsupported DestinationConfig parameter for given event source mapping type.": func(in *awslambda.CreateEventSourceMappingInput) {
			in.DestinationConfig = &types.DestinationConfig{OnFailure: &types.OnFailure{Destination: &source}}
		},
		"Maximum batch window in seconds must be greater than 0 if maximum batch size is " +
			"greater than 10": func(in *awslambda.CreateEventSourceMappingInput) { in.BatchSize = aws.Int32(11) },
		"Queue visibility timeout: 30 seconds is less than Function timeout: 60 seconds": func(*awslambda.CreateEventSourceMappingInput) {},
		"The sandbox reads queues of SQS as event sources only, not arn:aws:kinesis:us-east-1:000000000000:stream/s.": func(in *awslambda.CreateEventSourceMappingInput) {
			in.EventSourceArn = str("arn:aws:kinesis:us-east-1:000000000000:stream/s")
		},
	} {
		in := &awslambda.CreateEventSourceMappingInput{FunctionName: str("fn"), EventSourceArn: &source}
		edit(in)
		_, err := c.CreateEventSourceMapping(ctx, in)
		require.ErrorContains(t, err, want)
		require.Equal(t, "InvalidParameterValueException", code(t, err), want)
	}
	s.sqs(t, "CreateQueue", map[string]any{"QueueName": "closed"})
	_, err := c.CreateEventSourceMapping(ctx, &awslambda.CreateEventSourceMappingInput{FunctionName: str("fn"), EventSourceArn: str("arn:aws:sqs:us-east-1:" + account + ":closed")})
	require.ErrorContains(t, err, "The provided execution role does not have permissions to call ReceiveMessage on SQS")
}
