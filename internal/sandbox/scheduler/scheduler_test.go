package scheduler_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	eventsdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	iamsdk "github.com/aws/aws-sdk-go-v2/service/iam"
	sdk "github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	snssdk "github.com/aws/aws-sdk-go-v2/service/sns"
	sqssdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/events"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/agenda"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kms"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/scheduler"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/sns"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/sqs"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

type setup struct {
	*iamtest.World
	c      *sdk.Client
	queues *sqssdk.Client
	stop   func() // as a restart does
	role   string
	start  time.Time // when the test began
}

const accountARN = ":us-east-1:000000000000:"

func newSetup(t *testing.T, gates ...wire.Gate) *setup {
	t.Helper()
	start := time.Now().UTC().Truncate(time.Minute)
	s := &setup{World: iamtest.At(t, t.TempDir()+"/store.db", clock.NewFake(start)), start: start}
	for _, g := range gates {
		s.Router.SetGate(g)
	}
	s.register(t)
	s.role = s.execution(t, "runner", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sqs:SendMessage","sqs:CreateQueue",`+
		`"sns:Publish","events:PutEvents"],"Resource":"*"}]}`)
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
	n, err := sns.New(sns.Config{DB: s.DB, Clock: s.Clock, Dir: t.TempDir()})
	require.NoError(t, err)
	n.Register(s.Router)
	require.NoError(t, n.Start(t.Context()))
	e, err := events.New(events.Config{DB: s.DB, Clock: s.Clock, Roles: s.IAM})
	require.NoError(t, err)
	e.Register(s.Router)
	d := e.Deliveries()
	require.NoError(t, e.Start(t.Context()))
	require.NoError(t, d.Start(t.Context()))
	x, err := scheduler.New(scheduler.Config{DB: s.DB, Clock: s.Clock, Roles: s.IAM})
	require.NoError(t, err)
	x.Register(s.Router)
	require.NoError(t, x.Start(t.Context()))
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		require.NoError(t, x.Close())
		require.NoError(t, d.Close())
		require.NoError(t, e.Close())
		require.NoError(t, n.Close())
	}
	t.Cleanup(s.stop)
	s.c, s.queues = sdk.NewFromConfig(s.config()), sqssdk.NewFromConfig(s.config())
}

// time is the time so many minutes after the start, wall the same without a zone.
func (s *setup) time(minutes int) string { return s.wall(minutes) + "Z" }

func (s *setup) wall(minutes int) string {
	return s.start.Add(time.Duration(minutes) * time.Minute).Format("2006-01-02T15:04:05")
}

// resigner signs what an SDK has signed once more, at the test's time.
type resigner struct{ *setup }

func (r resigner) Do(h *http.Request) (*http.Response, error) {
	scope := strings.Split(h.Header.Get("Authorization"), "/")
	h.Header.Del("Authorization")
	body := []byte{}
	if h.Body != nil {
		var err error
		if body, err = io.ReadAll(h.Body); err != nil {
			return nil, err
		}
		h.Body = io.NopCloser(bytes.NewReader(body))
	}
	sum, keys := sha256.Sum256(body), r.IAM.Admin
	err := v4.NewSigner().SignHTTP(h.Context(), aws.Credentials{AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.SecretAccessKey}, h,
		hex.EncodeToString(sum[:]), scope[3], scope[2], r.Clock.Now())
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(h)
}

func (s *setup) config() aws.Config {
	c := s.Admin()
	c.HTTPClient = resigner{s}
	return c
}

// execution makes a role that the Scheduler may assume.
func (s *setup) execution(t *testing.T, name, policy string) string {
	t.Helper()
	c := iamsdk.NewFromConfig(s.config())
	out, err := c.CreateRole(t.Context(), &iamsdk.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"scheduler.amazonaws.com"},"Action":"sts:AssumeRole",` +
			`"Condition":{"StringLike":{"aws:SourceArn":"arn:aws:scheduler` + accountARN + `schedule-group/*"}}}]}`)})
	require.NoError(t, err)
	_, err = c.PutRolePolicy(t.Context(), &iamsdk.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("p"), PolicyDocument: &policy})
	require.NoError(t, err)
	return *out.Role.Arn
}

func (s *setup) queue(t *testing.T, name string) (url, arn string) {
	t.Helper()
	out, err := s.queues.CreateQueue(t.Context(), &sqssdk.CreateQueueInput{QueueName: &name})
	require.NoError(t, err)
	return *out.QueueUrl, "arn:aws:sqs" + accountARN + name
}

var off = &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff}

func (s *setup) input(name, expression, target string) *sdk.CreateScheduleInput {
	return &sdk.CreateScheduleInput{
		Name: &name, ScheduleExpression: &expression, FlexibleTimeWindow: off,
		Target: &types.Target{Arn: &target, RoleArn: &s.role, Input: aws.String("<aws.scheduler.scheduled-time>")},
	}
}

func (s *setup) create(t *testing.T, name, expression, target string, with ...func(*sdk.CreateScheduleInput)) {
	t.Helper()
	in := s.input(name, expression, target)
	for _, f := range with {
		f(in)
	}
	_, err := s.c.CreateSchedule(t.Context(), in)
	require.NoError(t, err)
}

// next waits for the next message of a queue, and takes it out.
func (s *setup) next(t *testing.T, url string) (body string, attributes map[string]string) {
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
		_, err = s.queues.DeleteMessage(t.Context(), &sqssdk.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: out.Messages[0].ReceiptHandle})
		return err == nil
	}, time.Minute, 2*time.Millisecond)
	return body, attributes
}

// advance moves the time on once the timetable waits for it.
func (s *setup) advance(t *testing.T, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	require.NoError(t, s.Clock.WaitTimers(ctx, 1))
	s.Clock.Advance(d)
}

func (s *setup) empty(t *testing.T, url string) {
	t.Helper()
	out, err := s.queues.GetQueueAttributes(t.Context(), &sqssdk.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{"All"}})
	if err == nil {
		require.Equal(t, "0", out.Attributes["ApproximateNumberOfMessages"])
	}
}

// What schedules are like when they are read is recorded from AWS in
// https://github.com/localstack/localstack (tests/aws/services/scheduler/test_scheduler.snapshot.json)
func TestSchedules(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	_, arn := s.queue(t, "q")
	in := s.input("s", "rate(1 minute)", arn)
	in.FlexibleTimeWindow = &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeFlexible, MaximumWindowInMinutes: aws.Int32(60)}
	in.Description, in.ClientToken = aws.String("d"), aws.String("token")
	made, err := s.c.CreateSchedule(ctx, in)
	require.NoError(t, err)
	require.Equal(t, "arn:aws:scheduler"+accountARN+"schedule/default/s", *made.ScheduleArn)
	again, err := s.c.CreateSchedule(ctx, in)
	require.NoError(t, err, "the same token with the same input is the same call")
	require.Equal(t, made.ScheduleArn, again.ScheduleArn)
	other := *in
	other.Description = aws.String("other")
	_, err = s.c.CreateSchedule(ctx, &other)
	iamtest.RequireCode(t, err, "ConflictException")
	other.ClientToken = nil
	_, err = s.c.CreateSchedule(ctx, &other)
	require.Equal(t, "Schedule s already exists.", iamtest.RequireCode(t, err, "ConflictException").ErrorMessage())

	got, err := s.c.GetSchedule(ctx, &sdk.GetScheduleInput{Name: aws.String("s")})
	require.NoError(t, err)
	require.Equal(t, types.ActionAfterCompletionNone, got.ActionAfterCompletion)
	require.Equal(t, []string{"default", "rate(1 minute)", "UTC", "d"}, []string{*got.GroupName, *got.ScheduleExpression, *got.ScheduleExpressionTimezone, *got.Description})
	require.Equal(t, int32(60), *got.FlexibleTimeWindow.MaximumWindowInMinutes)
	require.Equal(t, types.RetryPolicy{MaximumEventAgeInSeconds: aws.Int32(86400), MaximumRetryAttempts: aws.Int32(185)}, *got.Target.RetryPolicy)
	require.Equal(t, got.CreationDate, got.LastModificationDate)

	s.Clock.Advance(time.Second)
	_, err = s.c.UpdateSchedule(ctx, &sdk.UpdateScheduleInput{
		Name: aws.String("s"), ScheduleExpression: aws.String("rate(2 minute)"), FlexibleTimeWindow: off, State: types.ScheduleStateDisabled,
		ActionAfterCompletion: types.ActionAfterCompletionDelete, Target: in.Target,
	})
	require.NoError(t, err)
	got, err = s.c.GetSchedule(ctx, &sdk.GetScheduleInput{Name: aws.String("s")})
	require.NoError(t, err)
	require.Nil(t, got.Description, "what an update does not give has its default")
	require.Nil(t, got.FlexibleTimeWindow.MaximumWindowInMinutes)
	require.Equal(t, types.ScheduleStateDisabled, got.State)
	require.NotEqual(t, got.CreationDate, got.LastModificationDate)

	_, err = s.c.CreateScheduleGroup(ctx, &sdk.CreateScheduleGroupInput{Name: aws.String("g"), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}})
	require.NoError(t, err)
	s.create(t, "s", "rate(1 day)", arn, func(in *sdk.CreateScheduleInput) { in.GroupName = aws.String("g") })
	s.create(t, "t", "rate(1 day)", arn, func(in *sdk.CreateScheduleInput) { in.GroupName = aws.String("g") })
	all, err := s.c.ListSchedules(ctx, &sdk.ListSchedulesInput{MaxResults: aws.Int32(2)})
	require.NoError(t, err)
	require.Len(t, all.Schedules, 2)
	require.Equal(t, types.TargetSummary{Arn: &arn}, *all.Schedules[0].Target)
	rest, err := s.c.ListSchedules(ctx, &sdk.ListSchedulesInput{MaxResults: aws.Int32(2), NextToken: all.NextToken})
	require.NoError(t, err)
	require.Len(t, rest.Schedules, 1)
	require.Nil(t, rest.NextToken)
	some, err := s.c.ListSchedules(ctx, &sdk.ListSchedulesInput{GroupName: aws.String("g"), NamePrefix: aws.String("t")})
	require.NoError(t, err)
	require.Len(t, some.Schedules, 1)
	tags, err := s.c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceArn: aws.String("arn:aws:scheduler" + accountARN + "schedule-group/g")})
	require.NoError(t, err)
	require.Equal(t, []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}, tags.Tags)
	groups, err := s.c.ListScheduleGroups(ctx, &sdk.ListScheduleGroupsInput{})
	require.NoError(t, err)
	require.Equal(t, []string{"default", "g"}, []string{*groups.ScheduleGroups[0].Name, *groups.ScheduleGroups[1].Name})
	first := groups.ScheduleGroups[0].CreationDate
	require.WithinDuration(t, s.Clock.Now(), *first, time.Second)
	s.Clock.Advance(time.Hour)
	still, err := s.c.GetScheduleGroup(ctx, &sdk.GetScheduleGroupInput{Name: aws.String("default")})
	require.NoError(t, err)
	require.Equal(t, *first, *still.CreationDate)

	_, err = s.c.DeleteScheduleGroup(ctx, &sdk.DeleteScheduleGroupInput{Name: aws.String("g")})
	require.NoError(t, err)
	_, err = s.c.GetSchedule(ctx, &sdk.GetScheduleInput{Name: aws.String("s"), GroupName: aws.String("g")})
	require.Equal(t, "Schedule group g does not exist.", iamtest.RequireCode(t, err, "ResourceNotFoundException").ErrorMessage())
	_, err = s.c.DeleteSchedule(ctx, &sdk.DeleteScheduleInput{Name: aws.String("none")})
	require.Equal(t, "Schedule none does not exist.", iamtest.RequireCode(t, err, "ResourceNotFoundException").ErrorMessage())
}

// The first texts are recorded from AWS there too, or quoted in the issues that
// schedules.go and targets.go name.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	_, arn := s.queue(t, "q")
	untrusting, _ := s.Role(t, "untrusting", "")
	for _, x := range []struct {
		expression, target string
		with               func(*sdk.CreateScheduleInput)
		code, text         string
	}{
		{"cron(0 1 * * * *)", arn, nil, "ValidationException", "Invalid Schedule Expression cron(0 1 * * * *)."},
		{" rate(10 minutes)", arn, nil, "ValidationException", "Invalid Schedule Expression  rate(10 minutes)."},
		{"at(2021-12-31T23:59:59Z)", arn, nil, "ValidationException", "Invalid Schedule Expression at(2021-12-31T23:59:59Z)."},
		{
			"rate(1 day)", arn, func(in *sdk.CreateScheduleInput) { in.StartDate = aws.Time(s.start.Add(-6 * time.Minute)) }, "ValidationException",
			"The StartDate you specify cannot be earlier than 5 minutes ago.",
		},
		{
			"rate(1 day)", arn, func(in *sdk.CreateScheduleInput) { in.Target.RoleArn = &untrusting.RoleARN }, "ValidationException",
			"The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
		},
		{"rate(1 day)", "queue", nil, "ValidationException", "Provided Arn is not in correct format."},
		{"rate(1 day)", "arn:aws:sqs:eu-west-1:000000000000:q", nil, "ValidationException", "Provided Arn is not in correct format."},
		{
			"rate(1 day)", "arn:aws:scheduler:::aws-sdk:kms:scheduleKeyDeletion",
			func(in *sdk.CreateScheduleInput) { in.Target.Input = aws.String(`{"keyId":"k"}`) }, "ValidationException",
			"Invalid RequestJson provided. Reason Request payload is missing the following field(s): KeyId.",
		},
		{"rate(1 day)", "arn:aws:scheduler:::aws-sdk:sqs:getQueueUrl", nil, "ValidationException", "arn:aws:scheduler:::aws-sdk:sqs:getQueueUrl is not a supported target."},
		{"rate(1 day)", "arn:aws:scheduler:::aws-sdk:ec2:stopInstances", func(in *sdk.CreateScheduleInput) { in.Target.Input = nil }, "NotImplemented", ""},
		{"rate(1 day)", "arn:aws:events" + accountARN + "event-bus/default", func(in *sdk.CreateScheduleInput) {
			in.Target.Input, in.Target.EventBridgeParameters = aws.String("{}"), &types.EventBridgeParameters{Source: aws.String("aws.mine"), DetailType: aws.String("d")}
		}, "ValidationException", "1 validation error detected: Value 'aws.mine' at 'target.eventBridgeParameters.source' failed to satisfy constraint: " +
			"Member must satisfy regular expression pattern: ^(?=[/\\.\\-_A-Za-z0-9]+)((?!aws\\.).*)|(\\$(\\.[\\w_-]+(\\[(\\d+|\\*)\\])*)*)$"},
		{"rate(1 day)", "arn:aws:ecs" + accountARN + "cluster/c", nil, "NotImplemented", ""},
		{"rate(1 day)", arn, func(in *sdk.CreateScheduleInput) { in.GroupName = aws.String("none") }, "ResourceNotFoundException", "Schedule group none does not exist."},
		{"rate(1 day)", arn, func(in *sdk.CreateScheduleInput) { in.ScheduleExpressionTimezone = aws.String("Mars/Base") }, "ValidationException", ""},
		{"rate(1 day)", arn, func(in *sdk.CreateScheduleInput) { in.FlexibleTimeWindow = &types.FlexibleTimeWindow{Mode: "FLEXIBLE"} }, "ValidationException", ""},
		{"rate(1 day)", arn, func(in *sdk.CreateScheduleInput) {
			in.KmsKeyArn = aws.String("arn:aws:kms" + accountARN + "key/00000000-0000-0000-0000-000000000000")
		}, "ValidationException", ""},
		{
			"rate(1 day)", arn, func(in *sdk.CreateScheduleInput) { in.FlexibleTimeWindow = &types.FlexibleTimeWindow{Mode: "NEVER"} }, "ValidationException",
			"1 validation error detected: Value 'NEVER' at 'flexibleTimeWindow.mode' failed to satisfy constraint: Member must satisfy enum value set: [OFF, FLEXIBLE]",
		},
	} {
		in := s.input("s", x.expression, x.target)
		if x.with != nil {
			x.with(in)
		}
		_, err := s.c.CreateSchedule(ctx, in)
		api := iamtest.RequireCode(t, err, x.code)
		if x.text != "" {
			require.Equal(t, x.text, api.ErrorMessage())
		}
	}
	_, cfg := s.User(t, "u", iamtest.Allow("scheduler:*", "arn:aws:scheduler"+accountARN+"schedule/default/mine-*"))
	mine := sdk.NewFromConfig(cfg)
	in := s.input("theirs", "rate(1 day)", arn)
	_, err := mine.CreateSchedule(ctx, in)
	require.Contains(t, iamtest.RequireCode(t, err, "AccessDeniedException").ErrorMessage(), "scheduler:CreateSchedule")
	in.Name = aws.String("mine-1")
	_, err = mine.CreateSchedule(ctx, in)
	require.Contains(t, iamtest.RequireCode(t, err, "AccessDeniedException").ErrorMessage(), "iam:PassRole")
}

// A rate begins at once, or with its start, and goes on at its pace; a cron by the clock
// of its zone; a one-time schedule comes once. All go on after a crash, and double nothing.
func TestTimes(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	rate, rateARN := s.queue(t, "rate")
	cron, cronARN := s.queue(t, "cron")
	once, onceARN := s.queue(t, "once")
	later, laterARN := s.queue(t, "later")
	s.create(t, "rate", "rate(10 minutes)", rateARN)
	kolkata, err := time.LoadLocation("Asia/Kolkata") // where no night has an hour twice
	require.NoError(t, err)
	s.create(t, "cron", s.start.Add(30*time.Minute).In(kolkata).Format("cron(04 15 * * ? *)"), cronARN,
		func(in *sdk.CreateScheduleInput) { in.ScheduleExpressionTimezone = aws.String("Asia/Kolkata") })
	s.create(t, "once", "at("+s.wall(15)+")", onceARN, func(in *sdk.CreateScheduleInput) { in.ActionAfterCompletion = types.ActionAfterCompletionDelete })
	s.create(t, "kept", "at("+s.wall(15)+")", onceARN, func(in *sdk.CreateScheduleInput) { in.Target.Input = aws.String("kept") })
	s.create(t, "disabled", "at("+s.wall(15)+")", onceARN, func(in *sdk.CreateScheduleInput) { in.State = types.ScheduleStateDisabled })
	s.create(t, "later", "rate(1 hour)", laterARN, func(in *sdk.CreateScheduleInput) {
		in.StartDate, in.EndDate = aws.Time(s.start.Add(20*time.Minute)), aws.Time(s.start.Add(90*time.Minute))
		in.ActionAfterCompletion = types.ActionAfterCompletionDelete
	})
	body, _ := s.next(t, rate)
	require.Equal(t, s.time(0), body)
	s.advance(t, 10*time.Minute)
	body, _ = s.next(t, rate)
	require.Equal(t, s.time(10), body)

	// It stands still from the tenth to the 25th minute.
	s.stop()
	s.Clock.Advance(15 * time.Minute)
	s.Reopen(t)
	s.register(t)
	body, _ = s.next(t, rate)
	require.Equal(t, s.time(20), body)
	got := map[string]bool{}
	for range 2 {
		body, _ = s.next(t, once)
		got[body] = true
	}
	require.Equal(t, map[string]bool{s.time(15): true, "kept": true}, got)
	body, _ = s.next(t, later)
	require.Equal(t, s.time(20), body)
	s.advance(t, 5*time.Minute)
	body, _ = s.next(t, cron)
	require.Equal(t, s.time(30), body, "by the clock of Kolkata")
	body, _ = s.next(t, rate)
	require.Equal(t, s.time(30), body)
	s.advance(t, 50*time.Minute)
	body, _ = s.next(t, later)
	require.Equal(t, s.time(80), body)
	for _, url := range []string{once, later, cron} {
		s.empty(t, url)
	}
	require.Eventually(t, func() bool {
		out, err := s.c.ListSchedules(t.Context(), &sdk.ListSchedulesInput{})
		var names []string
		for _, x := range out.Schedules {
			names = append(names, *x.Name)
		}
		return err == nil && len(names) == 4 && names[0] == "cron" && names[1] == "disabled" && names[2] == "kept" && names[3] == "rate"
	}, time.Minute, time.Millisecond, "those that are over and want it are deleted")
}

// A flexible window moves the invocation within it, not the time that it is of.
func TestFlexibleWindow(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	url, arn := s.queue(t, "q")
	s.create(t, "s", "at("+s.wall(60)+")", arn, func(in *sdk.CreateScheduleInput) {
		in.FlexibleTimeWindow = &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeFlexible, MaximumWindowInMinutes: aws.Int32(15)}
	})
	s.advance(t, time.Hour-time.Second)
	s.empty(t, url)
	s.advance(t, 15*time.Minute+time.Second)
	body, _ := s.next(t, url)
	require.Equal(t, s.time(60), body)
}

// Each template makes its service's call; without an input targets get the event that
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-templated.html shows.
func TestTargets(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	url, arn := s.queue(t, "q")
	bare := func(in *sdk.CreateScheduleInput) { in.Target.Input = nil }
	s.create(t, "event", "at("+s.wall(1)+")", arn, bare)
	s.advance(t, time.Minute)
	body, _ := s.next(t, url)
	var event map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &event))
	require.NotEmpty(t, event["id"])
	delete(event, "id")
	require.Equal(t, map[string]any{
		"version": "0", "detail-type": "Scheduled Event", "source": "aws.scheduler", "account": "000000000000", "time": s.time(1),
		"region": "us-east-1", "resources": []any{"arn:aws:scheduler" + accountARN + "schedule/default/event"}, "detail": "{}",
	}, event)

	topics := snssdk.NewFromConfig(s.config())
	topic, err := topics.CreateTopic(ctx, &snssdk.CreateTopicInput{Name: aws.String("t")})
	require.NoError(t, err)
	open := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["sns.amazonaws.com","events.amazonaws.com"]},` +
		`"Action":"sqs:SendMessage","Resource":"` + arn + `"}]}`
	_, err = s.queues.SetQueueAttributes(ctx, &sqssdk.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"Policy": open}})
	require.NoError(t, err)
	_, err = topics.Subscribe(ctx, &snssdk.SubscribeInput{
		TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Endpoint: &arn,
		Attributes: map[string]string{"RawMessageDelivery": "true"},
	})
	require.NoError(t, err)
	s.create(t, "sns", "at("+s.wall(2)+")", *topic.TopicArn, func(in *sdk.CreateScheduleInput) {
		in.Target.Input = aws.String("hello <aws.scheduler.attempt-number>")
	})
	s.advance(t, time.Minute)
	body, _ = s.next(t, url)
	require.Equal(t, "hello 1", body)

	bridge := eventsdk.NewFromConfig(s.config())
	_, err = bridge.PutRule(ctx, &eventsdk.PutRuleInput{Name: aws.String("r"), EventPattern: aws.String(`{"source":["mine"]}`)})
	require.NoError(t, err)
	_, err = bridge.PutTargets(ctx, &eventsdk.PutTargetsInput{
		Rule:    aws.String("r"),
		Targets: []eventtypes.Target{{Id: aws.String("q"), Arn: &arn, InputPath: aws.String("$.detail")}},
	})
	require.NoError(t, err)
	s.create(t, "bus", "at("+s.wall(3)+")", "arn:aws:events"+accountARN+"event-bus/default", func(in *sdk.CreateScheduleInput) {
		in.Target.Input, in.Target.EventBridgeParameters = aws.String(`{"n":1}`), &types.EventBridgeParameters{Source: aws.String("mine"), DetailType: aws.String("d")}
	})
	s.advance(t, time.Minute)
	body, _ = s.next(t, url)
	require.JSONEq(t, `{"n":1}`, body)

	// A universal target is any operation of the table.
	s.create(t, "sdk", "at("+s.wall(4)+")", "arn:aws:scheduler:::aws-sdk:sqs:createQueue", func(in *sdk.CreateScheduleInput) {
		in.Target.Input = aws.String(`{"QueueName":"made","Attributes":{"VisibilityTimeout":"7"}}`)
	})
	s.advance(t, time.Minute)
	require.Eventually(t, func() bool {
		_, err := s.queues.GetQueueUrl(ctx, &sqssdk.GetQueueUrlInput{QueueName: aws.String("made")})
		return err == nil
	}, time.Minute, time.Millisecond)
}

// What cannot be invoked for now is tried again by the retry policy; then, and at once
// where no retry helps, the dead-letter queue is told, as the execution role.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	dead, deadARN := s.queue(t, "dead")
	letters := func(in *sdk.CreateScheduleInput) { in.Target.DeadLetterConfig = &types.DeadLetterConfig{Arn: &deadARN} }
	s.create(t, "gone", "at("+s.wall(1)+")", "arn:aws:sqs"+accountARN+"none", letters)
	s.advance(t, time.Minute)
	body, attributes := s.next(t, dead)
	require.JSONEq(t, `{"MessageBody":"`+s.time(1)+`","QueueUrl":"http://sqs/000000000000/none"}`, body)
	require.NotEmpty(t, attributes["EXECUTION_ID"])
	require.NotEmpty(t, attributes["ERROR_MESSAGE"])
	require.Equal(t, "0", attributes["RETRY_ATTEMPTS"])
	require.Equal(t, "AWS.SimpleQueueService.NonExistentQueue", attributes["ERROR_CODE"])
	require.Equal(t, []string{s.time(1), "arn:aws:scheduler" + accountARN + "schedule/default/gone", "arn:aws:sqs" + accountARN + "none", ""},
		[]string{attributes["SCHEDULED_TIME"], attributes["SCHEDULE_ARN"], attributes["TARGET_ARN"], attributes["EXHAUSTED_RETRY_CONDITION"]})

	// The role may send letters, and not publish.
	s.role = s.execution(t, "limited", iamtest.Allow("sqs:SendMessage", deadARN))
	topic, err := snssdk.NewFromConfig(s.config()).CreateTopic(t.Context(), &snssdk.CreateTopicInput{Name: aws.String("t")})
	require.NoError(t, err)
	s.create(t, "denied", "at("+s.wall(2)+")", *topic.TopicArn, letters)
	s.advance(t, time.Minute)
	_, attributes = s.next(t, dead)
	require.Equal(t, "AuthorizationError", attributes["ERROR_CODE"])
	require.Contains(t, attributes["ERROR_MESSAGE"], "sns:Publish")
}

// stuck holds up all calls of SQS that an account's role makes.
type stuck struct{ account string }

func (g stuck) Admit(ctx context.Context, req *wire.Request) error {
	if req.Account == g.account && req.Service == "sqs" && req.Principal.Role != "" {
		<-ctx.Done()
	}
	return nil
}

// A target of one account that takes its time holds up no other account, though the ARN of
// an operation names neither account nor region.
func TestAccountsDoNotHoldUpOneAnother(t *testing.T) {
	t.Parallel()
	const slow = "111122223333"
	s, ctx := newSetup(t, stuck{slow}), t.Context()
	there := wire.ScopeOf(slow, iamtest.Region)
	call := func(service, operation string, in map[string]any) {
		raw, err := json.Marshal(in)
		require.NoError(t, err)
		_, err = s.Router.Invoke(ctx, there, wire.Principal{Account: slow, ARN: there.GlobalARN("iam", "user/sandbox"), Admin: true}, service, operation, raw)
		require.NoError(t, err)
	}
	call("iam", "CreateRole", map[string]any{
		"RoleName":                 "r",
		"AssumeRolePolicyDocument": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"scheduler.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
	})
	call("iam", "PutRolePolicy", map[string]any{"RoleName": "r", "PolicyName": "p", "PolicyDocument": iamtest.Allow("sqs:*", "*")})
	const target = "arn:aws:scheduler:::aws-sdk:sqs:createQueue"
	for i := range agenda.PerLane {
		call("scheduler", "CreateSchedule", map[string]any{
			"Name": "s" + strconv.Itoa(i), "ScheduleExpression": "at(" + s.wall(1) + ")", "FlexibleTimeWindow": map[string]any{"Mode": "OFF"},
			"Target": map[string]any{"Arn": target, "RoleArn": there.GlobalARN("iam", "role/r"), "Input": `{"QueueName":"theirs"}`},
		})
	}
	s.create(t, "mine", "at("+s.wall(2)+")", target, func(in *sdk.CreateScheduleInput) { in.Target.Input = aws.String(`{"QueueName":"made"}`) })
	s.advance(t, time.Minute)
	s.advance(t, time.Minute)
	require.Eventually(t, func() bool {
		_, err := s.queues.GetQueueUrl(ctx, &sqssdk.GetQueueUrlInput{QueueName: aws.String("made")})
		return err == nil
	}, time.Minute, time.Millisecond)
}
