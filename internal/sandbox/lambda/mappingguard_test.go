package lambda_test

import (
	"encoding/json"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const stranger = "111111111111"

// strangersFunction makes the function fn in another account, with a role that may all.
func (s *sandbox) strangersFunction(t *testing.T) (arn string) {
	t.Helper()
	there := wire.ScopeOf(stranger, home.Region)
	call := func(service, operation string, in map[string]any) {
		raw, err := json.Marshal(in)
		require.NoError(t, err)
		_, err = s.router.Invoke(t.Context(), there, wire.Principal{Account: stranger, ARN: there.Root(), Admin: true}, service, operation, raw)
		require.NoError(t, err)
	}
	call("iam", "CreateRole", map[string]any{
		"RoleName":                 "all",
		"AssumeRolePolicyDocument": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
	})
	call("lambda", "CreateFunction", map[string]any{
		"FunctionName": "fn", "Runtime": "python3.12", "Handler": "h.f", "Role": there.GlobalARN("iam", "role/all"),
		"Code": map[string]any{"ZipFile": pack(t, map[string]string{"h.py": "def f(e, c): return e"})},
	})
	return there.ARN("lambda", "function:fn")
}

// A mapping's reader acts as the function's role: who has a mapping made for a function
// of another account would read that account's queues.
func TestEventSourceMappingOfAnothersFunction(t *testing.T) {
	t.Parallel()
	s := withQueues(t, t.TempDir())
	c, ctx := s.as(t, "admin"), t.Context()
	theirs := s.strangersFunction(t)
	s.python(t, "def handler(e, c): pass", nil)
	_, source := s.queue(t, "work", map[string]string{"VisibilityTimeout": "30"})
	for _, name := range []string{theirs, stranger + ":function:fn", theirs + ":$LATEST"} {
		_, err := c.CreateEventSourceMapping(ctx, &awslambda.CreateEventSourceMappingInput{FunctionName: &name, EventSourceArn: &source})
		require.ErrorContains(t, err, "InvalidParameterValueException: Function does not exist", name)
	}
	made, err := c.CreateEventSourceMapping(ctx, &awslambda.CreateEventSourceMappingInput{FunctionName: str(arn("fn")), EventSourceArn: &source, Enabled: aws.Bool(false)})
	require.NoError(t, err)
	_, err = c.UpdateEventSourceMapping(ctx, &awslambda.UpdateEventSourceMappingInput{UUID: made.UUID, FunctionName: &theirs})
	require.ErrorContains(t, err, "InvalidParameterValueException: Function does not exist")
	list, err := c.ListEventSourceMappings(ctx, &awslambda.ListEventSourceMappingsInput{FunctionName: &theirs})
	require.NoError(t, err)
	require.Empty(t, list.EventSourceMappings)
}

// Who makes a mapping with tags needs the right to tag mappings, and none on all that there is.
func TestTagsOfANewEventSourceMapping(t *testing.T) {
	t.Parallel()
	s := withQueues(t, t.TempDir())
	ctx := t.Context()
	s.python(t, "def handler(e, c): pass", nil)
	_, source := s.queue(t, "work", map[string]string{"VisibilityTimeout": "30"})
	place, _, _ := strings.Cut(arn(""), ":function:")
	for name, on := range map[string]string{"mappings": place + ":event-source-mapping:*", "functions": arn("*")} {
		_, cfg := s.world.User(t, name, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"lambda:CreateEventSourceMapping","Resource":"*"},
			{"Effect":"Allow","Action":"lambda:TagResource","Resource":"`+on+`"}]}`)
		s.mu.Lock()
		s.users[name] = cfg
		s.mu.Unlock()
		_, err := s.as(t, name).CreateEventSourceMapping(ctx, &awslambda.CreateEventSourceMappingInput{
			FunctionName: str("fn"), EventSourceArn: &source, Enabled: aws.Bool(false), Tags: map[string]string{"team": "ml"},
		})
		if name == "mappings" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, "is not authorized to perform: lambda:TagResource on resource: arn:aws:lambda:")
		require.ErrorContains(t, err, ":event-source-mapping:*")
	}
}

// Tags of a mapping decide, and its function.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
func TestTagsOfEventSourceMappingsDecide(t *testing.T) {
	t.Parallel()
	s := withQueues(t, t.TempDir())
	c, ctx := s.as(t, "admin"), t.Context()
	s.python(t, "def handler(e, c): pass", nil)
	other := s.python2(t)
	user := func(name, condition string) *awslambda.Client {
		_, cfg := s.world.User(t, name, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"lambda:*","Resource":"*","Condition":`+condition+`}]}`)
		s.mu.Lock()
		s.users[name] = cfg
		s.mu.Unlock()
		return s.as(t, name)
	}
	tagged, owner := user("tagged", `{"StringEquals":{"aws:ResourceTag/team":"ml"}}`), user("owner", `{"ArnEquals":{"lambda:FunctionArn":"`+arn("fn")+`"}}`)
	made := func(queue, function, team string) *awslambda.CreateEventSourceMappingOutput {
		_, source := s.queue(t, queue, map[string]string{"VisibilityTimeout": "30"})
		out, err := c.CreateEventSourceMapping(ctx, &awslambda.CreateEventSourceMappingInput{
			FunctionName: &function, EventSourceArn: &source, Enabled: aws.Bool(false), Tags: map[string]string{"team": team},
		})
		require.NoError(t, err)
		return out
	}
	ours, theirs := made("ours", "fn", "ml"), made("theirs", other, "web")
	for _, who := range []*awslambda.Client{tagged, owner} {
		_, err := who.GetEventSourceMapping(ctx, &awslambda.GetEventSourceMappingInput{UUID: ours.UUID})
		require.NoError(t, err)
		_, err = who.UpdateEventSourceMapping(ctx, &awslambda.UpdateEventSourceMappingInput{UUID: ours.UUID, BatchSize: aws.Int32(3)})
		require.NoError(t, err)
		for _, uuid := range []*string{theirs.UUID, str("none")} {
			_, err = who.GetEventSourceMapping(ctx, &awslambda.GetEventSourceMappingInput{UUID: uuid})
			require.Equal(t, "AccessDeniedException", code(t, err))
			_, err = who.UpdateEventSourceMapping(ctx, &awslambda.UpdateEventSourceMappingInput{UUID: uuid})
			require.Equal(t, "AccessDeniedException", code(t, err))
			_, err = who.DeleteEventSourceMapping(ctx, &awslambda.DeleteEventSourceMappingInput{UUID: uuid})
			require.Equal(t, "AccessDeniedException", code(t, err))
		}
	}
	_, err := tagged.TagResource(ctx, &awslambda.TagResourceInput{Resource: ours.EventSourceMappingArn, Tags: map[string]string{"a": "b"}})
	require.NoError(t, err)
	_, err = tagged.TagResource(ctx, &awslambda.TagResourceInput{Resource: theirs.EventSourceMappingArn, Tags: map[string]string{"team": "ml"}})
	require.Equal(t, "AccessDeniedException", code(t, err))
	_, err = owner.UpdateEventSourceMapping(ctx, &awslambda.UpdateEventSourceMappingInput{UUID: ours.UUID, FunctionName: &other})
	require.Equal(t, "AccessDeniedException", code(t, err), "it may not be turned to another function")
}

// python2 makes a second function.
func (s *sandbox) python2(t *testing.T) string {
	t.Helper()
	_, err := s.as(t, "admin").CreateFunction(t.Context(), &awslambda.CreateFunctionInput{
		FunctionName: str("other"), Runtime: "python3.12", Handler: str("h.f"), Role: str(role),
		Code: &types.FunctionCode{ZipFile: pack(t, map[string]string{"h.py": "def f(e, c): return e"})},
	})
	require.NoError(t, err)
	return "other"
}

// readers counts the goroutines that read for mappings.
func readers() int {
	buf := make([]byte, 4<<20)
	return strings.Count(string(buf[:runtime.Stack(buf, true)]), "(*mappings).read(")
}

// Changes at once leave one reader, and none of a mapping that is gone. It is not
// parallel: it counts the readers of the process.
func TestChangesOfEventSourceMappingsAtOnce(t *testing.T) { // see above
	s := withQueues(t, t.TempDir())
	c, ctx := s.as(t, "admin"), t.Context()
	s.python(t, "def handler(e, c): pass", nil)
	_, source := s.queue(t, "work", map[string]string{"VisibilityTimeout": "30"})
	for range 4 {
		made, err := c.CreateEventSourceMapping(ctx, &awslambda.CreateEventSourceMappingInput{FunctionName: str("fn"), EventSourceArn: &source})
		require.NoError(t, err)
		update := func() {
			in := &awslambda.UpdateEventSourceMappingInput{UUID: made.UUID, BatchSize: aws.Int32(3)}
			if _, err := c.UpdateEventSourceMapping(ctx, in); err != nil && code(t, err) != "ResourceNotFoundException" {
				t.Error(err)
			}
		}
		var all sync.WaitGroup
		for range 6 {
			all.Go(update)
		}
		all.Wait()
		require.Eventually(t, func() bool { return readers() == 1 }, time.Minute, 5*time.Millisecond, "one reader")
		for range 3 {
			all.Go(update)
		}
		all.Go(func() {
			_, err := c.DeleteEventSourceMapping(ctx, &awslambda.DeleteEventSourceMappingInput{UUID: made.UUID})
			if err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		require.Eventually(t, func() bool { return readers() == 0 }, time.Minute, 5*time.Millisecond, "no reader of what is gone")
	}
}

// A batch ends at 6 MB, however many messages it may have.
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
func TestBatchesEndAtThePayloadsLimit(t *testing.T) {
	t.Parallel()
	s := withQueues(t, t.TempDir())
	c, ctx := s.as(t, "admin"), t.Context()
	s.python(t, `
import json
def handler(event, context):
    print("BATCH", len(event["Records"]), len(json.dumps(event, separators=(",", ":"))))
`, nil)
	url, source := s.queue(t, "work", map[string]string{"VisibilityTimeout": "60"})
	const messages = 40
	body := strings.Repeat("x", 200<<10)
	for range messages { // 8 MB
		s.sqs(t, "SendMessage", map[string]any{"QueueUrl": url, "MessageBody": body})
	}
	_, err := c.CreateEventSourceMapping(ctx, &awslambda.CreateEventSourceMappingInput{
		FunctionName: str("fn"), EventSourceArn: &source,
		BatchSize: aws.Int32(100), MaximumBatchingWindowInSeconds: aws.Int32(3),
	})
	require.NoError(t, err)
	batches := regexp.MustCompile(`BATCH (\d+) (\d+)`)
	require.Eventually(t, func() bool {
		got := 0
		for _, m := range batches.FindAllStringSubmatch(s.logs.text("/aws/lambda/fn"), -1) {
			n, err := strconv.Atoi(m[1])
			require.NoError(t, err)
			size, err := strconv.Atoi(m[2])
			require.NoError(t, err)
			require.LessOrEqual(t, size, 6<<20)
			got += n
		}
		return got >= messages // what takes a minute is read again
	}, 5*time.Minute, 10*time.Millisecond)
}
