package logs_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/logs"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

var home = iamtest.Scope

// sandbox is the service in a world with real IAM.
type sandbox struct {
	*iamtest.World
	svc   *logs.Service
	clock *clock.Fake
	start time.Time // when it was opened
}

func open(t *testing.T) *sandbox {
	t.Helper()
	s := &sandbox{World: iamtest.New(t)}
	s.start = s.Clock.Now()
	s.clock = clock.NewFake(s.start) // another than IAM's: signatures are made by the machine's
	s.serve(t, logs.Config{})
	return s
}

// serve makes the service and registers it.
func (s *sandbox) serve(t *testing.T, c logs.Config) {
	t.Helper()
	var err error
	c.DB, c.Clock, c.Auth = s.DB, s.clock, s.IAM
	s.svc, err = logs.New(c)
	require.NoError(t, err)
	s.svc.Register(s.Router)
}

func (s *sandbox) admin() *cwl.Client { return cwl.NewFromConfig(s.Admin()) }

// principal is the account's user.
func (s *sandbox) principal() wire.Principal { return s.IAM.Principal(home) }

func (s *sandbox) group(t *testing.T, name string) {
	t.Helper()
	_, err := s.admin().CreateLogGroup(t.Context(), &cwl.CreateLogGroupInput{LogGroupName: &name})
	require.NoError(t, err)
}

// put writes messages a second apart, beginning at the sandbox's time.
func (s *sandbox) put(t *testing.T, group, stream string, messages ...string) {
	t.Helper()
	var lines []wire.LogLine
	for i, m := range messages {
		lines = append(lines, wire.LogLine{Time: s.clock.Now().Add(time.Duration(i) * time.Second), Message: m})
	}
	require.NoError(t, s.svc.PutLog(t.Context(), home, s.principal(), group, stream, lines...))
}

func code(t *testing.T, err error) string {
	t.Helper()
	var e smithy.APIError
	require.ErrorAs(t, err, &e)
	return e.ErrorCode()
}

func str(s string) *string { return &s }

// The life of a group as infrastructure tools see it.
func TestGroups(t *testing.T) {
	t.Parallel()
	s := open(t)
	c, ctx := s.admin(), t.Context()
	name, arn := "/aws/vendedlogs/states/ptui", "arn:aws:logs:us-east-1:000000000000:log-group:/aws/vendedlogs/states/ptui"
	_, err := c.CreateLogGroup(ctx, &cwl.CreateLogGroupInput{LogGroupName: &name, Tags: map[string]string{"a": "b"}})
	require.NoError(t, err)
	_, err = c.CreateLogGroup(ctx, &cwl.CreateLogGroupInput{LogGroupName: &name})
	require.Equal(t, "ResourceAlreadyExistsException", code(t, err))
	_, err = c.CreateLogGroup(ctx, &cwl.CreateLogGroupInput{LogGroupName: str("no spaces")})
	require.Equal(t, "InvalidParameterException", code(t, err))
	_, err = c.PutRetentionPolicy(ctx, &cwl.PutRetentionPolicyInput{LogGroupName: &name, RetentionInDays: aws.Int32(30)})
	require.NoError(t, err)
	_, err = c.PutRetentionPolicy(ctx, &cwl.PutRetentionPolicyInput{LogGroupName: &name, RetentionInDays: aws.Int32(31)})
	require.Equal(t, "InvalidParameterException", code(t, err))
	_, err = c.AssociateKmsKey(ctx, &cwl.AssociateKmsKeyInput{LogGroupName: &name, KmsKeyId: str("arn:aws:kms:us-east-1:000000000000:key/1")})
	require.NoError(t, err)
	_, err = c.TagResource(ctx, &cwl.TagResourceInput{ResourceArn: &arn, Tags: map[string]string{"c": "d"}})
	require.NoError(t, err)
	_, err = c.UntagResource(ctx, &cwl.UntagResourceInput{ResourceArn: &arn, TagKeys: []string{"a"}})
	require.NoError(t, err)
	s.Reopen(t)
	s.serve(t, logs.Config{})
	c = s.admin()
	groups, err := c.DescribeLogGroups(ctx, &cwl.DescribeLogGroupsInput{LogGroupNamePrefix: &name})
	require.NoError(t, err)
	require.Len(t, groups.LogGroups, 1)
	g := groups.LogGroups[0]
	require.Equal(t, arn+":*", *g.Arn)
	require.Equal(t, arn, *g.LogGroupArn)
	require.EqualValues(t, 30, *g.RetentionInDays)
	require.Equal(t, "arn:aws:kms:us-east-1:000000000000:key/1", *g.KmsKeyId)
	require.Equal(t, s.start.UnixMilli(), *g.CreationTime)
	require.Equal(t, types.LogGroupClassStandard, g.LogGroupClass)
	tags, err := c.ListTagsForResource(ctx, &cwl.ListTagsForResourceInput{ResourceArn: &arn})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"c": "d"}, tags.Tags)
	_, err = c.DeleteRetentionPolicy(ctx, &cwl.DeleteRetentionPolicyInput{LogGroupName: &name})
	require.NoError(t, err)
	_, err = c.DisassociateKmsKey(ctx, &cwl.DisassociateKmsKeyInput{LogGroupName: &name})
	require.NoError(t, err)
	groups, err = c.DescribeLogGroups(ctx, &cwl.DescribeLogGroupsInput{})
	require.NoError(t, err)
	require.Nil(t, groups.LogGroups[0].RetentionInDays)
	require.Nil(t, groups.LogGroups[0].KmsKeyId)
	_, err = c.DeleteLogGroup(ctx, &cwl.DeleteLogGroupInput{LogGroupName: &name})
	require.NoError(t, err)
	_, err = c.DeleteLogGroup(ctx, &cwl.DeleteLogGroupInput{LogGroupName: &name})
	require.Equal(t, "ResourceNotFoundException", code(t, err))
}

func TestGroupPages(t *testing.T) {
	t.Parallel()
	s := open(t)
	for i := range 7 {
		s.group(t, fmt.Sprintf("/app/%d", i))
	}
	s.group(t, "/other")
	var got []string
	for p := cwl.NewDescribeLogGroupsPaginator(s.admin(), &cwl.DescribeLogGroupsInput{LogGroupNamePrefix: str("/app/"), Limit: aws.Int32(3)}); p.HasMorePages(); {
		out, err := p.NextPage(t.Context())
		require.NoError(t, err)
		for _, g := range out.LogGroups {
			got = append(got, *g.LogGroupName)
		}
	}
	require.Equal(t, []string{"/app/0", "/app/1", "/app/2", "/app/3", "/app/4", "/app/5", "/app/6"}, got)
}

func TestGetLogEventsPages(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.group(t, "g")
	s.put(t, "g", "st", "a", "b", "c", "d", "e")
	s.put(t, "g", "st2", "other")
	c := s.admin()
	read := func(in cwl.GetLogEventsInput) (string, *cwl.GetLogEventsOutput) {
		in.LogGroupName, in.LogStreamName = str("g"), str("st")
		out, err := c.GetLogEvents(t.Context(), &in)
		require.NoError(t, err)
		text := ""
		for _, e := range out.Events {
			text += *e.Message
		}
		return text, out
	}
	text, out := read(cwl.GetLogEventsInput{})
	require.Equal(t, "abcde", text)
	require.Equal(t, s.start.UnixMilli(), *out.Events[0].Timestamp)

	text, out = read(cwl.GetLogEventsInput{StartFromHead: aws.Bool(true), Limit: aws.Int32(2)})
	require.Equal(t, "ab", text)
	text, out = read(cwl.GetLogEventsInput{Limit: aws.Int32(2), NextToken: out.NextForwardToken})
	require.Equal(t, "cd", text)
	text, out = read(cwl.GetLogEventsInput{Limit: aws.Int32(2), NextToken: out.NextForwardToken})
	require.Equal(t, "e", text)
	last := *out.NextForwardToken
	text, out = read(cwl.GetLogEventsInput{NextToken: &last})
	require.Empty(t, text)
	require.Equal(t, last, *out.NextForwardToken, "at the end the token stays")
	s.put(t, "g", "st", "", "f") // written after a poll reached the end
	s.clock.Advance(10 * time.Second)
	s.put(t, "g", "st", "g")
	text, _ = read(cwl.GetLogEventsInput{NextToken: &last})
	require.Equal(t, "g", text)

	text, out = read(cwl.GetLogEventsInput{Limit: aws.Int32(2)})
	require.Equal(t, "eg", text, "without a token the newest")
	text, _ = read(cwl.GetLogEventsInput{Limit: aws.Int32(2), NextToken: out.NextBackwardToken})
	require.Equal(t, "cd", text)
	text, _ = read(cwl.GetLogEventsInput{StartTime: aws.Int64(s.start.Add(2 * time.Second).UnixMilli()), EndTime: aws.Int64(s.start.Add(4 * time.Second).UnixMilli())})
	require.Equal(t, "cd", text)
	_, err := c.GetLogEvents(t.Context(), &cwl.GetLogEventsInput{LogGroupName: str("g"), LogStreamName: str("nothere")})
	require.Equal(t, "ResourceNotFoundException", code(t, err))
}

func TestFilterLogEvents(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.group(t, "g")
	s.put(t, "g", "a/1", "start one", "ERROR boom", "end")
	s.clock.Advance(500 * time.Millisecond)
	s.put(t, "g", "b/1", "start two", "WARN slow ERROR", "end")
	c := s.admin()
	for name, tt := range map[string]struct {
		in   cwl.FilterLogEventsInput
		want string
	}{
		"all, by time":  {cwl.FilterLogEventsInput{}, "start one|start two|ERROR boom|WARN slow ERROR|end|end"},
		"pages":         {cwl.FilterLogEventsInput{Limit: aws.Int32(1)}, "start one|start two|ERROR boom|WARN slow ERROR|end|end"},
		"term":          {cwl.FilterLogEventsInput{FilterPattern: str("ERROR")}, "ERROR boom|WARN slow ERROR"},
		"two terms":     {cwl.FilterLogEventsInput{FilterPattern: str("ERROR slow")}, "WARN slow ERROR"},
		"excluded":      {cwl.FilterLogEventsInput{FilterPattern: str("ERROR -boom")}, "WARN slow ERROR"},
		"either":        {cwl.FilterLogEventsInput{FilterPattern: str("?boom ?two")}, "start two|ERROR boom"},
		"phrase":        {cwl.FilterLogEventsInput{FilterPattern: str(`"start two"`)}, "start two"},
		"prefix":        {cwl.FilterLogEventsInput{LogStreamNamePrefix: str("b/")}, "start two|WARN slow ERROR|end"},
		"streams":       {cwl.FilterLogEventsInput{LogStreamNames: []string{"a/1"}}, "start one|ERROR boom|end"},
		"from":          {cwl.FilterLogEventsInput{StartTime: aws.Int64(s.start.Add(2 * time.Second).UnixMilli())}, "end|end"},
		"up to, not at": {cwl.FilterLogEventsInput{EndTime: aws.Int64(s.start.Add(500 * time.Millisecond).UnixMilli())}, "start one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := tt.in
			in.LogGroupName = str("g")
			var got []string
			for p := cwl.NewFilterLogEventsPaginator(c, &in); p.HasMorePages(); {
				out, err := p.NextPage(t.Context())
				require.NoError(t, err)
				for _, e := range out.Events {
					got = append(got, *e.Message)
				}
			}
			require.Equal(t, tt.want, strings.Join(got, "|"))
		})
	}
	_, err := c.FilterLogEvents(t.Context(), &cwl.FilterLogEventsInput{LogGroupName: str("g"), FilterPattern: str(`[ip, user, status = 4*`)})
	require.Equal(t, "InvalidParameterException", code(t, err))
}

func TestPutLogEvents(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.group(t, "g")
	c, ctx := s.admin(), t.Context()
	at := func(d time.Duration) *int64 { return aws.Int64(s.start.Add(d).UnixMilli()) }
	put := func(events ...types.InputLogEvent) (*cwl.PutLogEventsOutput, error) {
		return c.PutLogEvents(ctx, &cwl.PutLogEventsInput{LogGroupName: str("g"), LogStreamName: str("st"), LogEvents: events})
	}
	_, err := put(types.InputLogEvent{Message: str("x"), Timestamp: at(0)})
	require.Equal(t, "ResourceNotFoundException", code(t, err))
	_, err = c.CreateLogStream(ctx, &cwl.CreateLogStreamInput{LogGroupName: str("g"), LogStreamName: str("st")})
	require.NoError(t, err)
	_, err = c.CreateLogStream(ctx, &cwl.CreateLogStreamInput{LogGroupName: str("g"), LogStreamName: str("st")})
	require.Equal(t, "ResourceAlreadyExistsException", code(t, err))
	empty, err := c.DescribeLogStreams(ctx, &cwl.DescribeLogStreamsInput{LogGroupName: str("g")})
	require.NoError(t, err)
	require.Nil(t, empty.LogStreams[0].UploadSequenceToken, "before the first event (recorded: github.com/localstack/localstack, test_create_and_delete_log_stream)")
	_, err = put(types.InputLogEvent{Message: str("x"), Timestamp: at(time.Second)}, types.InputLogEvent{Message: str("y"), Timestamp: at(0)})
	require.Equal(t, "InvalidParameterException", code(t, err))
	out, err := put(types.InputLogEvent{Message: str("now"), Timestamp: at(0)}, types.InputLogEvent{Message: str("future"), Timestamp: at(3 * time.Hour)})
	require.NoError(t, err)
	require.EqualValues(t, 1, *out.RejectedLogEventsInfo.TooNewLogEventStartIndex)
	_, err = c.PutRetentionPolicy(ctx, &cwl.PutRetentionPolicyInput{LogGroupName: str("g"), RetentionInDays: aws.Int32(1)})
	require.NoError(t, err)
	out, err = put(types.InputLogEvent{Message: str("expired"), Timestamp: at(-25 * time.Hour)})
	require.NoError(t, err)
	require.EqualValues(t, 1, *out.RejectedLogEventsInfo.ExpiredLogEventEndIndex)

	streams, err := c.DescribeLogStreams(ctx, &cwl.DescribeLogStreamsInput{LogGroupName: str("g"), OrderBy: types.OrderByLastEventTime, Descending: aws.Bool(true)})
	require.NoError(t, err)
	require.Len(t, streams.LogStreams, 1)
	require.Equal(t, *at(0), *streams.LogStreams[0].LastEventTimestamp)

	// The value of an identifier is not told.
	_, err = c.GetLogEvents(ctx, &cwl.GetLogEventsInput{LogGroupIdentifier: str("arn:aws:logs:us-east-1:000000000000:log-group:g:*"), LogStreamName: str("st")})
	require.Equal(t, `1 validation error detected: Value at 'logGroupIdentifier' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w#+=/:,.@-]*`,
		iamtest.RequireCode(t, err, "InvalidParameterException").ErrorMessage())

	// Retention hides events at once, and the next write removes them.
	s.clock.Advance(48 * time.Hour)
	got, err := c.GetLogEvents(ctx, &cwl.GetLogEventsInput{LogGroupName: str("g"), LogStreamName: str("st")})
	require.NoError(t, err)
	require.Empty(t, got.Events)
	s.put(t, "g", "st", "new")
	_, err = c.DeleteRetentionPolicy(ctx, &cwl.DeleteRetentionPolicyInput{LogGroupName: str("g")})
	require.NoError(t, err)
	got, err = c.GetLogEvents(ctx, &cwl.GetLogEventsInput{LogGroupName: str("g"), LogStreamName: str("st")})
	require.NoError(t, err)
	require.Len(t, got.Events, 1)
	require.Equal(t, "new", *got.Events[0].Message)
}

func TestAuthorisation(t *testing.T) {
	t.Parallel()
	arn := "arn:aws:logs:us-east-1:000000000000:log-group:g"
	s := open(t)
	s.group(t, "g")
	fn, _ := s.Role(t, "fn", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["logs:CreateLogStream","logs:PutLogEvents"],"Resource":"`+arn+`:log-stream:st"}]}`)
	line := wire.LogLine{Time: s.start, Message: "x"}
	require.NoError(t, s.svc.PutLog(t.Context(), home, fn, "g", "st", line))
	var denied *wire.DeniedError
	require.ErrorAs(t, s.svc.PutLog(t.Context(), home, fn, "g", "other", line), &denied)
	require.Equal(t, "logs:CreateLogStream", denied.Action)
	require.ErrorContains(t, s.svc.PutLog(t.Context(), home, fn, "nothere", "st", line), "ResourceNotFound")
	for who, policy := range map[string]string{
		"tagger": iamtest.Allow("logs:ListTagsForResource", arn), "wide": iamtest.Allow("logs:ListTagsForResource", arn+":log-stream:"), "eve": "",
	} {
		_, config := s.Role(t, who, policy)
		_, err := cwl.NewFromConfig(config).ListTagsForResource(t.Context(), &cwl.ListTagsForResourceInput{ResourceArn: &arn})
		if policy != "" {
			require.NoError(t, err, who)
			continue
		}
		require.Equal(t, "AccessDeniedException", code(t, err))
	}
}

// A Deny of either form of a group's ARN denies, whatever allows the other one; to allow
// one is enough.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
func TestDenyOfGroups(t *testing.T) {
	t.Parallel()
	s := open(t)
	group := "arn:aws:logs:us-east-1:000000000000:log-group:"
	for i, row := range []struct {
		allow, deny string
		may         bool
	}{
		{"*", group + "secret:*", false},
		{"*", group + "secret", false},
		{"*", group + "other:*", true},
		{group + "secret", group + "secret:*", false},
		{group + "secret:*", group + "secret", false},
		{group + "secret", group + "other", true},
		{group + "secret:*", group + "other", true},
		{group + "other", group + "another", false},
	} {
		if i == 0 {
			s.group(t, "secret")
		}
		_, config := s.Role(t, fmt.Sprint("r", i), `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",`+
			`"Action":"logs:*","Resource":"`+row.allow+`"},{"Effect":"Deny","Action":"logs:*","Resource":"`+row.deny+`"}]}`)
		c := cwl.NewFromConfig(config)
		_, err := c.PutRetentionPolicy(t.Context(), &cwl.PutRetentionPolicyInput{LogGroupName: str("secret"), RetentionInDays: aws.Int32(30)})
		_, query := c.StartQuery(t.Context(), &cwl.StartQueryInput{LogGroupName: str("secret"), QueryString: str("fields @message"), StartTime: aws.Int64(1), EndTime: aws.Int64(2)})
		for _, err := range []error{err, query} {
			if row.may {
				require.NoError(t, err, row)
			} else {
				require.Equal(t, "AccessDeniedException", code(t, err), row)
			}
		}
	}
}

func TestResourcePolicies(t *testing.T) {
	t.Parallel()
	s := open(t)
	c, ctx := s.admin(), t.Context()
	for i := range 10 {
		_, err := c.PutResourcePolicy(ctx, &cwl.PutResourcePolicyInput{PolicyName: str(fmt.Sprint("p", i)), PolicyDocument: str(`{"Version":"2012-10-17"}`)})
		require.NoError(t, err)
	}
	_, err := c.PutResourcePolicy(ctx, &cwl.PutResourcePolicyInput{PolicyName: str("p10"), PolicyDocument: str(`{}`)})
	require.Equal(t, "LimitExceededException", code(t, err))
	out, err := c.DescribeResourcePolicies(ctx, &cwl.DescribeResourcePoliciesInput{})
	require.NoError(t, err)
	require.Len(t, out.ResourcePolicies, 10)
	_, err = c.DeleteResourcePolicy(ctx, &cwl.DeleteResourcePolicyInput{PolicyName: str("p0")})
	require.NoError(t, err)
}

func TestConcurrentWriters(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.group(t, "g")
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 20 {
				err := s.svc.PutLog(t.Context(), home, s.principal(), "g", fmt.Sprint("s", w%4), wire.LogLine{Time: s.start, Message: fmt.Sprintf("%d/%d", w, i)})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	out, err := s.admin().FilterLogEvents(t.Context(), &cwl.FilterLogEventsInput{LogGroupName: str("g")})
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, e := range out.Events {
		seen[*e.Message] = true
	}
	require.Len(t, out.Events, 160)
	require.Len(t, seen, 160)
}
