package events_test

import (
	"bytes"
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

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

// damage makes the records of a bucket unreadable, and returns what mends them.
func (s *setup) damage(t *testing.T, bucket, prefix string) (mend func()) {
	t.Helper()
	whole := map[string][]byte{}
	require.NoError(t, s.DB.Update(func(tx *store.Tx) error {
		err := tx.Scan(bucket, prefix, "", func(key string, raw []byte) (bool, error) {
			whole[key] = bytes.Clone(raw)
			return true, nil
		})
		require.NotEmpty(t, whole)
		for key := range whole {
			require.NoError(t, tx.PutRaw(bucket, key, []byte("[]")))
		}
		return err
	}))
	return func() {
		require.NoError(t, s.DB.Update(func(tx *store.Tx) error {
			for key, raw := range whole {
				require.NoError(t, tx.PutRaw(bucket, key, raw))
			}
			return nil
		}))
	}
}

// soon lets the time pass until something holds. Nobody rings meanwhile.
func (s *setup) soon(t *testing.T, step time.Duration, holds func() bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		s.Clock.Advance(step)
		return holds()
	}, 2*time.Minute, 5*time.Millisecond)
}

func (s *setup) waits(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// What meets an error goes on by itself when it is over: a schedule, a replay, a delivery.
func TestWorkIsTriedAgain(t *testing.T) {
	t.Parallel()
	t.Run("schedule", func(t *testing.T) {
		t.Parallel()
		s, ctx := newSetup(t), t.Context()
		url, arn := s.queue(t, "q", "r")
		s.rule(t, "a", `{"source":["x"]}`, types.Target{Id: aws.String("q"), Arn: &arn})
		_, err := s.bridge.PutRule(ctx, &sdk.PutRuleInput{Name: aws.String("r"), ScheduleExpression: aws.String("rate(1 minute)")})
		require.NoError(t, err)
		_, err = s.bridge.PutTargets(ctx, &sdk.PutTargetsInput{Rule: aws.String("r"), Targets: []types.Target{{Id: aws.String("q"), Arn: &arn}}})
		require.NoError(t, err)
		require.NoError(t, s.Clock.WaitTimers(s.waits(t), 1))
		mend := s.damage(t, "events.rules", iamtest.Scope.Key("a"))
		s.Clock.Advance(time.Minute)
		require.NoError(t, s.Clock.WaitTimers(s.waits(t), 1), "it waits for a time")
		mend()
		s.soon(t, 100*time.Millisecond, func() bool {
			out, err := s.queues.ReceiveMessage(ctx, &sqssdk.ReceiveMessageInput{QueueUrl: &url})
			return err == nil && len(out.Messages) == 1
		})
	})
	t.Run("replay", func(t *testing.T) {
		t.Parallel()
		s, ctx := newSetup(t), t.Context()
		begin := s.Clock.Now()
		archive, err := s.bridge.CreateArchive(ctx, &sdk.CreateArchiveInput{ArchiveName: aws.String("a"), EventSourceArn: aws.String(busARN + "default")})
		require.NoError(t, err)
		s.put(t, "default", "x", map[string]any{})
		require.Eventually(t, func() bool {
			out, err := s.bridge.DescribeArchive(ctx, &sdk.DescribeArchiveInput{ArchiveName: aws.String("a")})
			return err == nil && out.EventCount == 1
		}, 2*time.Minute, 5*time.Millisecond)
		mend := s.damage(t, "events.archived", "")
		_, err = s.bridge.StartReplay(ctx, &sdk.StartReplayInput{
			ReplayName: aws.String("r"), EventSourceArn: archive.ArchiveArn, Destination: &types.ReplayDestination{Arn: aws.String(busARN + "default")},
			EventStartTime: aws.Time(begin.Add(-time.Minute)), EventEndTime: aws.Time(begin.Add(time.Minute)),
		})
		require.NoError(t, err)
		require.NoError(t, s.Clock.WaitTimers(s.waits(t), 1))
		s.Clock.Advance(time.Second)
		require.NoError(t, s.Clock.WaitTimers(s.waits(t), 1), "it waits for a time")
		mend()
		s.soon(t, 100*time.Millisecond, func() bool {
			out, err := s.bridge.DescribeReplay(ctx, &sdk.DescribeReplayInput{ReplayName: aws.String("r")})
			return err == nil && out.State == types.ReplayStateCompleted
		})
	})
	t.Run("delivery", func(t *testing.T) {
		t.Parallel()
		s := newSetup(t)
		called := make(chan int, 10)
		n := 0
		arn := s.destination(t, "d", func(w http.ResponseWriter, _ *http.Request) {
			if n++; n == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			called <- n
		})
		role := s.service(t, "caller", iamtest.Allow("events:InvokeApiDestination", "*"))
		s.rule(t, "r", `{"source":["x"]}`, types.Target{Id: aws.String("t"), Arn: &arn, RoleArn: &role})
		s.put(t, "default", "x", map[string]any{})
		require.Equal(t, 1, <-called)
		require.NoError(t, s.Clock.WaitTimers(s.waits(t), 1))
		mend := s.damage(t, "events.deliveries", "")
		s.Clock.Advance(5 * time.Second)
		require.NoError(t, s.Clock.WaitTimers(s.waits(t), 1), "it waits for a time")
		mend()
		s.soon(t, time.Minute, func() bool { return len(called) == 1 })
	})
}

// A document is one: what stands behind it is refused, as AWS does with text that is no
// JSON.
func TestDocumentsEnd(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	for _, text := range []string{`{"a":1}}`, `{"a":1}]`, `{"a":1} {}`, `{"a":1} x`, `{"a":1},`} {
		out, err := s.bridge.PutEvents(ctx, &sdk.PutEventsInput{Entries: []types.PutEventsRequestEntry{{Source: aws.String("x"), DetailType: aws.String("t"), Detail: &text}}})
		require.NoError(t, err)
		require.EqualValues(t, 1, out.FailedEntryCount, text)
		require.Equal(t, "MalformedDetail", *out.Entries[0].ErrorCode)
	}
	for _, text := range []string{`{"source":["a"]}]`, `{"source":["a"]}}`, `{"source":["a"]} {}`} {
		_, err := s.bridge.PutRule(ctx, &sdk.PutRuleInput{Name: aws.String("r"), EventPattern: &text})
		iamtest.RequireCode(t, err, "InvalidEventPatternException")
		_, err = s.bridge.TestEventPattern(ctx, &sdk.TestEventPatternInput{
			EventPattern: &text,
			Event:        aws.String(`{"id":"1","account":"1","source":"a","time":"2020-01-01T00:00:00Z","region":"r","resources":[],"detail-type":"t","detail":{}}`),
		})
		iamtest.RequireCode(t, err, "InvalidEventPatternException")
	}
	_, err := s.bridge.PutRule(ctx, &sdk.PutRuleInput{Name: aws.String("r"), EventPattern: aws.String("{\"source\":[\"a\"]} \n\t")})
	require.NoError(t, err)
}

// An archive's own rule has its pattern as it was written, great numbers too.
func TestArchivePatternsKeepNumbers(t *testing.T) {
	t.Parallel()
	s, ctx := newSetup(t), t.Context()
	_, err := s.bridge.CreateArchive(ctx, &sdk.CreateArchiveInput{
		ArchiveName: aws.String("a"), EventSourceArn: aws.String(busARN + "default"), EventPattern: aws.String(`{"detail":{"n":[9007199254740993, 1.50]}}`),
	})
	require.NoError(t, err)
	rules, err := s.bridge.ListRules(ctx, &sdk.ListRulesInput{})
	require.NoError(t, err)
	require.Len(t, rules.Rules, 1)
	var got struct{ Detail struct{ N []json.Number } }
	require.NoError(t, json.Unmarshal([]byte(*rules.Rules[0].EventPattern), &got))
	require.Equal(t, []json.Number{"9007199254740993", "1.50"}, got.Detail.N)
}

// What is told while the disk is full is kept when there is room, and what was delivered is
// not delivered again.
func TestNothingIsLostOnAFullDisk(t *testing.T) {
	t.Parallel()
	t.Run("event", func(t *testing.T) {
		t.Parallel()
		s := newSetup(t)
		url, arn := s.queue(t, "q", "r")
		s.rule(t, "r", `{"source":["aws.x"]}`, types.Target{Id: aws.String("q"), Arn: &arn})
		free, refused := s.FillDisk()
		s.events.PutEvent(t.Context(), iamtest.Scope, "aws.x", "X", nil, map[string]any{})
		s.OutliveFullDisk(t, free, refused)
		s.soon(t, 100*time.Millisecond, func() bool {
			out, err := s.queues.ReceiveMessage(t.Context(), &sqssdk.ReceiveMessageInput{QueueUrl: &url})
			return err == nil && len(out.Messages) == 1
		})
	})
	t.Run("delivery", func(t *testing.T) {
		t.Parallel()
		s := newSetup(t)
		type disk struct {
			free    func()
			refused func() int64
		}
		calls := make(chan disk, 8)
		arn := s.destination(t, "d", func(http.ResponseWriter, *http.Request) {
			free, refused := s.FillDisk()
			calls <- disk{free, refused}
		})
		role := s.service(t, "caller", iamtest.Allow("events:InvokeApiDestination", "*"))
		s.rule(t, "r", `{"source":["x"]}`, types.Target{Id: aws.String("t"), Arn: &arn, RoleArn: &role})
		s.put(t, "default", "x", map[string]any{})
		d := <-calls
		s.OutliveFullDisk(t, d.free, d.refused)
		s.soon(t, time.Second, func() bool {
			left, err := store.ReadAll[json.RawMessage](s.DB, "events.deliveries", "")
			return err == nil && len(left) == 0
		})
		require.Empty(t, calls)
	})
}
