package events_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *setup) waitTimers(t *testing.T, n int) {
	t.Helper()
	require.NoError(t, s.Clock.WaitTimers(t.Context(), n))
}

// count waits until an archive has some events.
func (s *setup) count(t *testing.T, archive string, want int64) {
	t.Helper()
	require.Eventually(t, func() bool {
		out, err := s.bridge.DescribeArchive(t.Context(), &sdk.DescribeArchiveInput{ArchiveName: &archive})
		return err == nil && out.EventCount == want
	}, time.Minute, 5*time.Millisecond)
}

// Archives are filled by rules that EventBridge manages (so do the tests of
// https://github.com/getmoto/moto that were verified against AWS; the lists and errors are
// recorded in https://github.com/localstack/localstack,
// tests/aws/services/events/test_archive_and_replay.snapshot.json).
func TestArchives(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	create := func(name, bus, pattern string, days int32) error {
		in := &sdk.CreateArchiveInput{ArchiveName: &name, EventSourceArn: &bus, RetentionDays: &days}
		if pattern != "" {
			in.EventPattern = &pattern
		}
		_, err := s.bridge.CreateArchive(ctx, in)
		return err
	}
	require.Equal(t, "Event bus none does not exist.", iamtest.RequireCode(t, create("all", busARN+"none", "", 0), "ResourceNotFoundException").ErrorMessage())
	iamtest.RequireCode(t, create("all", busARN+"default", `{"a":1}`, 0), "InvalidEventPatternException")
	require.NoError(t, create("all", busARN+"default", "", 2))
	require.NoError(t, create("some", busARN+"default", `{"source":["x"]}`, 0))
	require.Equal(t, "Archive all already exists.", iamtest.RequireCode(t, create("all", busARN+"default", "", 0), "ResourceAlreadyExistsException").ErrorMessage())
	rules, err := s.bridge.ListRules(ctx, &sdk.ListRulesInput{})
	require.NoError(t, err)
	require.Equal(t, "Events-Archive-all", *rules.Rules[0].Name)
	require.JSONEq(t, `{"replay-name":[{"exists":false}]}`, *rules.Rules[0].EventPattern)
	require.JSONEq(t, `{"source":["x"],"replay-name":[{"exists":false}]}`, *rules.Rules[1].EventPattern)
	_, err = s.bridge.DisableRule(ctx, &sdk.DisableRuleInput{Name: rules.Rules[0].Name})
	iamtest.RequireCode(t, err, "ManagedRuleException")
	targets, err := s.bridge.ListTargetsByRule(ctx, &sdk.ListTargetsByRuleInput{Rule: rules.Rules[0].Name})
	require.NoError(t, err)
	require.Equal(t, "arn:aws:events:us-east-1:::", *targets.Targets[0].Arn)

	s.put(t, "default", "x", map[string]any{"n": 1})
	s.put(t, "default", "y", map[string]any{"n": 2})
	s.count(t, "all", 2)
	s.count(t, "some", 1)
	list, err := s.bridge.ListArchives(ctx, &sdk.ListArchivesInput{NamePrefix: aws.String("so")})
	require.NoError(t, err)
	require.Len(t, list.Archives, 1)
	require.Positive(t, list.Archives[0].SizeBytes)
	_, err = s.bridge.ListArchives(ctx, &sdk.ListArchivesInput{NamePrefix: aws.String("so"), State: types.ArchiveStateEnabled})
	require.Equal(t, "At most one filter is allowed for ListArchives. Use either : State, EventSourceArn, or NamePrefix.",
		iamtest.RequireCode(t, err, "ValidationException").ErrorMessage())

	// After its days an archive has them no more.
	s.Clock.Advance(73 * time.Hour)
	kept := func(name string) (out struct{ EventCount int64 }) { // from inside: a signature would be too old
		raw, err := s.Router.Invoke(ctx, iamtest.Scope, wire.Principal{Account: iamtest.Account, Admin: true}, "eventbridge", "DescribeArchive", []byte(`{"ArchiveName":"`+name+`"}`))
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(raw, &out))
		return out
	}
	require.Zero(t, kept("all").EventCount)
	require.EqualValues(t, 1, kept("some").EventCount)
	s.Clock.Advance(-73 * time.Hour)
	_, err = s.bridge.DeleteArchive(ctx, &sdk.DeleteArchiveInput{ArchiveName: aws.String("all")})
	require.NoError(t, err)
	_, err = s.bridge.DescribeArchive(ctx, &sdk.DescribeArchiveInput{ArchiveName: aws.String("all")})
	require.Equal(t, "Archive all does not exist.", iamtest.RequireCode(t, err, "ResourceNotFoundException").ErrorMessage())
	rules, err = s.bridge.ListRules(ctx, &sdk.ListRulesInput{})
	require.NoError(t, err)
	require.Len(t, rules.Rules, 1)
}

// A replay gives the events of a span of time to the rules again, once, also over a
// restart, and tells its name; rules that it does not name do not see them.
func TestReplays(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	_, arn := s.queue(t, "q", "r")
	_, err := s.bridge.CreateArchive(ctx, &sdk.CreateArchiveInput{ArchiveName: aws.String("a"), EventSourceArn: aws.String(busARN + "default")})
	require.NoError(t, err)
	begin := s.Clock.Now()
	for n := 0; n < 250; n += 10 {
		in := &sdk.PutEventsInput{}
		for i := n; i < n+10; i++ {
			in.Entries = append(in.Entries, types.PutEventsRequestEntry{
				Source: aws.String("x"), DetailType: aws.String("t"), Detail: aws.String(fmt.Sprintf(`{"n":%d}`, i)), Time: aws.Time(begin.Add(time.Duration(i+1) * time.Second)),
			})
		}
		_, err := s.bridge.PutEvents(ctx, in)
		require.NoError(t, err)
	}
	s.count(t, "a", 250)
	for _, name := range []string{"r", "other"} {
		s.rule(t, name, `{"source":["x"]}`, types.Target{Id: aws.String("q"), Arn: &arn})
	}
	start := func(name, bus, archive string, from, to time.Time) error {
		_, err := s.bridge.StartReplay(ctx, &sdk.StartReplayInput{
			ReplayName: &name, EventSourceArn: aws.String("arn:aws:events:us-east-1:000000000000:archive/" + archive), EventStartTime: &from, EventEndTime: &to,
			Destination: &types.ReplayDestination{Arn: aws.String(busARN + bus), FilterArns: []string{"arn:aws:events:us-east-1:000000000000:rule/r"}},
		})
		return err
	}
	from, to := begin.Add(20*time.Second), begin.Add(230*time.Second) // the events 19 to 228
	iamtest.RequireCode(t, start("b", "none", "a", from, to), "ResourceNotFoundException")
	require.ErrorContains(t, start("b", "default", "none", from, to), "Parameter EventSourceArn is not valid. Reason: Archive none does not exist.")
	require.ErrorContains(t, start("b", "default", "a", to, from), "EventStartTime must be before EventEndTime.")
	_, err = s.bridge.CreateEventBus(ctx, &sdk.CreateEventBusInput{Name: aws.String("bus")})
	require.NoError(t, err)
	require.ErrorContains(t, start("b", "bus", "a", from, to), "Cross event bus replay is not permitted.")

	require.NoError(t, start("b", "default", "a", from, to))
	iamtest.RequireCode(t, start("b", "default", "a", from, to), "ResourceAlreadyExistsException")
	require.NoError(t, start("c", "default", "a", from, to))
	cancelled, err := s.bridge.CancelReplay(ctx, &sdk.CancelReplayInput{ReplayName: aws.String("c")})
	require.NoError(t, err)
	require.Equal(t, types.ReplayStateCancelling, cancelled.State)
	_, err = s.bridge.CancelReplay(ctx, &sdk.CancelReplayInput{ReplayName: aws.String("c")})
	require.Equal(t, "Replay c is not in a valid state for this operation.", iamtest.RequireCode(t, err, "IllegalStatusException").ErrorMessage())
	s.stop() // a crash while it is STARTING
	s.Reopen(t)
	s.register(t)
	url := s.URL + "/000000000000/q"
	s.waitTimers(t, 1)
	s.Clock.Advance(time.Second)
	seen := map[float64]bool{}
	for range 210 {
		var e struct {
			Replay string `json:"replay-name"`
			Detail struct{ N float64 }
		}
		require.NoError(t, json.Unmarshal([]byte(s.next(t, url)), &e))
		require.Equal(t, "b", e.Replay)
		require.False(t, seen[e.Detail.N], "twice")
		seen[e.Detail.N] = true
	}
	require.True(t, seen[19] && seen[228] && !seen[18] && !seen[229])
	require.Eventually(t, func() bool {
		out, err := s.bridge.ListReplays(ctx, &sdk.ListReplaysInput{EventSourceArn: aws.String("arn:aws:events:us-east-1:000000000000:archive/a")})
		return err == nil && out.Replays[0].State == types.ReplayStateCompleted && out.Replays[1].State == types.ReplayStateCancelled
	}, time.Minute, 5*time.Millisecond)
	done, err := s.bridge.DescribeReplay(ctx, &sdk.DescribeReplayInput{ReplayName: aws.String("b")})
	require.NoError(t, err)
	require.True(t, begin.Add(229*time.Second).Equal(*done.EventLastReplayedTime))
	s.count(t, "a", 250) // what is replayed is not archived again
}

// A schedule fires once for each of its times while the sandbox runs; the event is recorded
// from AWS in https://github.com/localstack/localstack
// (tests/aws/services/events/test_events_schedule.snapshot.json).
func TestSchedules(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	url, arn := s.queue(t, "q", "r")
	_, err := s.bridge.PutRule(ctx, &sdk.PutRuleInput{Name: aws.String("r"), ScheduleExpression: aws.String("rate(1 minute)")})
	require.NoError(t, err)
	_, err = s.bridge.PutTargets(ctx, &sdk.PutTargetsInput{Rule: aws.String("r"), Targets: []types.Target{{Id: aws.String("q"), Arn: &arn}}})
	require.NoError(t, err)
	begin := s.Clock.Now()
	fired := func() time.Time {
		t.Helper()
		s.waitTimers(t, 1)
		s.Clock.Advance(time.Minute)
		var e map[string]any
		require.NoError(t, json.Unmarshal([]byte(s.next(t, url)), &e))
		require.Equal(t, []any{"aws.events", "Scheduled Event", map[string]any{}, []any{"arn:aws:events:us-east-1:000000000000:rule/r"}},
			[]any{e["source"], e["detail-type"], e["detail"], e["resources"]})
		at, err := time.Parse(time.RFC3339, e["time"].(string))
		require.NoError(t, err)
		return at
	}
	require.Equal(t, begin.Add(time.Minute), fired())
	require.Equal(t, begin.Add(2*time.Minute), fired())

	// While the sandbox does not run nothing fires, and nothing is made up for.
	s.stop()
	s.Clock.Advance(270 * time.Second) // six and a half minutes after the beginning
	s.Reopen(t)
	s.register(t)
	url = s.URL + "/000000000000/q"
	require.Equal(t, begin.Add(7*time.Minute), fired())
}
