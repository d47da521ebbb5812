package logstream_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/logstream"
)

// groups answer with their lines since a time.
type groups struct {
	lines map[string][]types.FilteredLogEvent
	calls int
	since []int64
	each  func(call int)
	fails func(call int) error
}

func (g *groups) FilterLogEvents(_ context.Context, in *cloudwatchlogs.FilterLogEventsInput, _ ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.FilterLogEventsOutput, error) {
	g.calls++
	if g.each != nil {
		g.each(g.calls)
	}
	if g.fails != nil {
		if err := g.fails(g.calls); err != nil {
			return nil, err
		}
	}
	g.since = append(g.since, aws.ToInt64(in.StartTime))
	list, ok := g.lines[*in.LogGroupName]
	if !ok {
		return nil, &types.ResourceNotFoundException{}
	}
	out := &cloudwatchlogs.FilterLogEventsOutput{}
	for _, e := range list {
		if *e.Timestamp >= aws.ToInt64(in.StartTime) {
			out.Events = append(out.Events, e)
		}
	}
	return out, nil
}

func event(id string, at time.Time) types.FilteredLogEvent {
	return types.FilteredLogEvent{EventId: &id, Timestamp: aws.Int64(at.UnixMilli()), Message: aws.String(id + "\n"), LogStreamName: aws.String("s")}
}

// Groups are merged by time, a late line is seen, and none is seen twice.
func TestFollow(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	g := &groups{lines: map[string][]types.FilteredLogEvent{"a": {event("a1", begin), event("a2", begin.Add(2*time.Second))}, "b": {event("b1", begin.Add(time.Second))}}}
	g.each = func(call int) {
		switch call {
		case 4:
			g.lines["a"] = append(g.lines["a"], event("late", begin.Add(time.Second)), event("a3", begin.Add(40*time.Second)))
		case 10:
			stop()
		}
	}
	r := &logstream.Reader{
		API: g, Clock: quick{now: begin.Add(time.Hour)}, Unlimited: true,
		Groups: []logstream.Group{{Source: "f", Name: "a"}, {Source: "e", Name: "b"}, {Source: "x", Name: "none"}},
	}
	var got []string
	err := r.Follow(ctx, begin.Add(-time.Minute), func(lines []logstream.Line) error {
		for _, l := range lines {
			got = append(got, l.Source+":"+l.Text)
		}
		return nil
	}, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []string{"f:a1", "e:b1", "f:a2", "f:late", "f:a3"}, got)
	require.Equal(t, []string{"none"}, r.Missing())
	require.Equal(t, begin.Add(25*time.Second).UnixMilli(), g.since[len(g.since)-1], "looks reach back a little")
}

// A network that is away for a while ends nothing once something was read; one that was never
// there is told at once.
func TestFollowLivesThroughAnOutage(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	gone := errors.New("no such host")
	for _, c := range []struct {
		name       string
		from, to   int // the looks that fail
		away       int
		wantsError bool
	}{{"for three looks", 2, 5, 3, false}, {"from the beginning", 1, 100, 0, true}} {
		ctx, stop := context.WithCancel(t.Context())
		g := &groups{lines: map[string][]types.FilteredLogEvent{"a": {event("a1", begin)}}}
		g.fails = func(call int) error {
			if call == 6 {
				g.lines["a"] = append(g.lines["a"], event("a2", begin.Add(time.Second)))
			}
			if call >= c.from && call < c.to {
				return gone
			}
			return nil
		}
		r := &logstream.Reader{API: g, Clock: quick{now: begin.Add(time.Minute)}, Unlimited: true, Groups: []logstream.Group{{Source: "f", Name: "a"}}}
		var got []string
		away := 0
		err := r.Follow(ctx, begin.Add(-time.Minute), func(lines []logstream.Line) error {
			for _, l := range lines {
				if got = append(got, l.Text); l.Text == "a2" {
					stop()
				}
			}
			return nil
		}, func(err error) { require.ErrorContains(t, err, "no such host"); away++ })
		stop()
		require.Equal(t, c.away, away, c.name)
		if c.wantsError {
			require.ErrorContains(t, err, "no such host", c.name)
			continue
		}
		require.ErrorIs(t, err, context.Canceled, c.name)
		require.Equal(t, []string{"a1", "a2"}, got, c.name)
	}
}

// quick is a clock on which nobody waits, and no time passes.
type quick struct {
	clock.Real
	now time.Time
}

func (q quick) Now() time.Time { return q.now }

func (q quick) NewTimer(time.Duration) clock.Timer { return q.Real.NewTimer(0) }

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"level":"warning","msg":"m","time":"x","b":1,"a":"t"}`:                     "WARN m [{a t} {b 1}]",
		`{"id":"7","type":"TaskFailed","details":{},"execution_arn":"arn"}`:          "ERROR TaskFailed [{details {}} {execution_arn arn} {id 7}]",
		"[ERROR]\t2026-01-31T08:00:00.000Z\tid\tbad":                                 "ERROR [ERROR]\t2026-01-31T08:00:00.000Z\tid\tbad []",
		"2026-01-31T08:00:00.000Z\t6f1b1c1e-0000-4000-8000-000000000000\tINFO\tfine": "INFO 2026-01-31T08:00:00.000Z\t6f1b1c1e-0000-4000-8000-000000000000\tINFO\tfine []",
		`127.0.0.1 - - [31/Jan/2026:08:00:00 +0000] "POST /invocations HTTP/1.1" 503 ` +
			`0 "-" "A/2" 3ms`: `ERROR 127.0.0.1 - - [31/Jan/2026:08:00:00 +0000] "POST /invocations HTTP/1.1" 503 0 "-" "A/2" 3ms []`,
		"Traceback (most recent call last):": "ERROR Traceback (most recent call last): []",
		"the information desk":               " the information desk []",
		`{"half`:                             ` {"half []`,
	} {
		p := logstream.Parse(text)
		require.Equal(t, want, fmt.Sprintf("%s %s %v", p.Level, p.Message, p.Fields))
	}
}

// However many lines there are, and whatever they are stamped with, each comes once.
func TestFollowShowsEachLineOnce(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	g := &groups{lines: map[string][]types.FilteredLogEvent{"b": {event("early", begin)}}}
	const many = 30_000
	for i := range many {
		g.lines["a"] = append(g.lines["a"], event(fmt.Sprint(i), begin.Add(time.Duration(i)*time.Microsecond)))
	}
	g.lines["a"] = append(g.lines["a"], event("tomorrow", begin.Add(24*time.Hour)))
	g.each = func(call int) {
		switch call {
		case 5:
			g.lines["b"] = append(g.lines["b"], event("after", begin.Add(2*time.Second)))
		case 9:
			stop()
		}
	}
	r := &logstream.Reader{API: g, Clock: quick{now: begin.Add(3 * time.Second)}, Unlimited: true, Groups: []logstream.Group{{Source: "f", Name: "a"}, {Source: "e", Name: "b"}}}
	seen := map[string]int{}
	err := r.Follow(ctx, begin.Add(-time.Minute), func(lines []logstream.Line) error {
		for _, l := range lines {
			seen[l.Text]++
		}
		return nil
	}, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, seen, many+3, "the line after one of tomorrow is seen")
	for text, n := range seen {
		require.Equal(t, 1, n, text)
	}
}

// pages answer with many lines, some at a time.
type pages struct{ each, count int }

func (p pages) FilterLogEvents(_ context.Context, in *cloudwatchlogs.FilterLogEventsInput, _ ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.FilterLogEventsOutput, error) {
	var from int
	if in.NextToken != nil {
		if _, err := fmt.Sscan(*in.NextToken, &from); err != nil {
			return nil, err
		}
	}
	out := &cloudwatchlogs.FilterLogEventsOutput{}
	for i := from; i < min(from+p.each, p.count); i++ {
		out.Events = append(out.Events, event(fmt.Sprint(i), time.Unix(int64(i), 0)))
	}
	if from += p.each; from < p.count {
		out.NextToken = aws.String(fmt.Sprint(from))
	}
	return out, nil
}

// What is kept is the newest of what is wanted; the rest is counted.
func TestReadKeepsTheNewest(t *testing.T) {
	t.Parallel()
	var looked int64
	r := &logstream.Reader{
		API: pages{100, 1000}, Clock: quick{}, Unlimited: true, Groups: []logstream.Group{{Name: "a"}, {Name: "b"}},
		Take: func(l *logstream.Line) bool { return l.Text[len(l.Text)-1] == '0' }, Passed: func(n int64) { looked = n },
	}
	lines, left, err := r.Read(t.Context(), time.Time{}, time.Time{}, 7)
	require.NoError(t, err)
	var got []string
	for _, l := range lines {
		got = append(got, l.Text)
	}
	require.Equal(t, []string{"960", "970", "970", "980", "980", "990", "990"}, got)
	require.Equal(t, 193, left)
	require.EqualValues(t, 2000, looked)
	lines, left, err = r.Read(t.Context(), time.Time{}, time.Time{}, 0)
	require.NoError(t, err)
	require.Len(t, lines, 200)
	require.Zero(t, left)
}

// A look brings no more bytes of a group than are wanted, the newest, and one line at least.
func TestFollowerIsBoundByBytes(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	g := &groups{lines: map[string][]types.FilteredLogEvent{}}
	for i := range 20 {
		g.lines["a"] = append(g.lines["a"], event(fmt.Sprintf("%0100d", i), begin.Add(time.Duration(i)*time.Second)))
	}
	for bytes, want := range map[int]int{250: 2, 10: 1, 100: 1, 0: 20, 5000: 20} {
		r := &logstream.Reader{API: g, Clock: quick{now: begin.Add(time.Hour)}, Unlimited: true, Groups: []logstream.Group{{Name: "a"}}}
		f := r.Follower(begin)
		f.Bytes = bytes
		lines, err := f.Next(t.Context())
		require.NoError(t, err)
		require.Len(t, lines, want, "%d bytes", bytes)
		require.EqualValues(t, 20-want, f.Left)
		require.Equal(t, fmt.Sprintf("%0100d", 19), lines[want-1].Text)
	}
}
