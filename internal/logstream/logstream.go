// Package logstream owns reading several log groups as one: in the order of time, each
// line once, followed as they grow, within a share of the account's quota.
//
// It talks to CloudWatch Logs only, prints nothing, and knows nothing of pipelines.
package logstream

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"golang.org/x/time/rate"

	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/ledger"
)

const (
	// quota is the FilterLogEvents a second of an account in the regions that have least
	// (AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html); a third of it is taken.
	quota = 5.0
	share = 1.0 / 3
	// Poll is how often a group that is followed is asked for more.
	Poll = 3 * time.Second
	// outage is for how long a follower that has read something waits for a network.
	outage = 5 * time.Minute
	// overlap is how far back each look reaches again: lines come late, and those of one
	// millisecond come apart.
	overlap = 15 * time.Second
)

// API is the part of the CloudWatch Logs client that is used. *cloudwatchlogs.Client
// implements it.
type API interface {
	cloudwatchlogs.FilterLogEventsAPIClient
}

var _ API = (*cloudwatchlogs.Client)(nil)

// Group is a log group that is read.
type Group struct {
	// Source is what it is called where its lines are shown: "function".
	Source string
	Name   string
	// Prefix leaves out streams whose names begin otherwise; Filter is a filter pattern of
	// CloudWatch Logs; each may be empty.
	Prefix, Filter string
}

// Line is one line.
type Line struct {
	Source string
	Stream string
	Time   time.Time
	Text   string

	id string
}

// Reader reads log groups of one account and region. It is for one goroutine.
type Reader struct {
	API    API
	Groups []Group
	Clock  clock.Clock
	// Unlimited says that the server has no quota.
	Unlimited bool
	// Shared is the ledger of the account and region that other programs of this home take
	// their tokens from too; nil: this reader paces itself alone.
	Shared *ledger.Ledger
	// Take says which lines are wanted; nil: all. What is not is kept nowhere.
	Take func(*Line) bool
	// Passed hears after each page how many lines were looked at so far; it may be nil.
	Passed func(lines int64)

	limiter *rate.Limiter
	missing map[string]bool
	newest  time.Time // of all lines that were looked at
	passed  int64
}

// pace takes a call from the share of the quota.
func (r *Reader) pace(ctx context.Context) error {
	if r.limiter == nil {
		r.limiter = rate.NewLimiter(rate.Limit(quota*share), 2)
		if r.Unlimited {
			r.limiter = rate.NewLimiter(rate.Inf, 1)
		}
		r.missing = map[string]bool{}
	}
	now := r.Clock.Now()
	if r.Shared != nil && !r.Unlimited {
		if d, _, err := r.Shared.Take(ctx, "FilterLogEvents", ledger.Bucket{Burst: 2, PerSecond: quota * share}, now); err == nil {
			return clock.Sleep(ctx, r.Clock, d) // one call at most is lost to who is told to stop
		}
	}
	return clock.Sleep(ctx, r.Clock, r.limiter.ReserveN(now, 1).DelayFrom(now))
}

// Missing are the groups that were not there at the last look: nothing has been written
// to them, perhaps.
func (r *Reader) Missing() (out []string) {
	for _, g := range r.Groups {
		if r.missing[g.Name] {
			out = append(out, g.Name)
		}
	}
	return out
}

// Read reads the lines of all groups since a time and before another (zero: now), the
// oldest first, and keeps the newest limit of them (0: all); left is how many were left out
// for that. It holds about twice as many of each group meanwhile. The lines of a group that is
// not there are none.
func (r *Reader) Read(ctx context.Context, since, until time.Time, limit int) (lines []Line, left int, err error) {
	for _, g := range r.Groups {
		some, over, err := r.group(ctx, g, since, until, bound{lines: limit})
		if err != nil {
			return nil, 0, err
		}
		lines, left = append(lines, some...), left+over
	}
	inOrder(lines)
	if over := len(lines) - limit; limit > 0 && over > 0 {
		lines, left = lines[over:], left+over
	}
	return lines, left, nil
}

func inOrder(lines []Line) {
	slices.SortStableFunc(lines, func(a, b Line) int { return a.Time.Compare(b.Time) })
}

// bound is how many lines, and how many bytes of them, are wanted at most; 0 is all.
type bound struct{ lines, bytes int }

// over is how many of the oldest lines are beyond the bound.
func (b bound) over(lines []Line) int {
	return Beyond(len(lines), b.lines, b.bytes, func(i int) int { return len(lines[i].Text) })
}

// Beyond is how many of the oldest of n lines are beyond a bound of lines and of bytes (0:
// none); size is the bytes of one. The newest line is within, however long it is.
func Beyond(n, lines, bytes int, size func(i int) int) int {
	first, held := 0, 0
	if lines > 0 {
		first = max(0, n-lines)
	}
	for i := n - 1; bytes > 0 && i >= first; i-- {
		if held += size(i); held > bytes && i < n-1 {
			return i + 1
		}
	}
	return first
}

// group reads the lines of a group that are wanted, and keeps at least the newest that are
// within the bound, and less than about twice as many.
func (r *Reader) group(ctx context.Context, g Group, since, until time.Time, most bound) (out []Line, left int, err error) {
	held := 0
	in := &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &g.Name}
	if !since.IsZero() {
		in.StartTime = aws.Int64(since.UnixMilli())
	}
	if !until.IsZero() {
		in.EndTime = aws.Int64(until.UnixMilli())
	}
	if g.Prefix != "" {
		in.LogStreamNamePrefix = &g.Prefix
	}
	if g.Filter != "" {
		in.FilterPattern = &g.Filter
	}
	for {
		if err := r.pace(ctx); err != nil {
			return nil, 0, &fault.Error{Kind: fault.KindOf(err), Op: "read logs", Err: err}
		}
		page, err := r.API.FilterLogEvents(ctx, in)
		var gone *types.ResourceNotFoundException
		if errors.As(err, &gone) {
			r.missing[g.Name] = true
			return nil, 0, nil
		}
		if err != nil {
			return nil, 0, fault.Wrap(awscfg.Classify(err), "read the log group %s", g.Name)
		}
		delete(r.missing, g.Name)
		for i := range page.Events {
			l := lineOf(g, &page.Events[i])
			if l.Time.After(r.newest) {
				r.newest = l.Time
			}
			if r.Take == nil || r.Take(&l) {
				out = append(out, l)
				held += len(l.Text)
			}
		}
		if r.passed += int64(len(page.Events)); r.Passed != nil {
			r.Passed(r.passed)
		}
		if most.lines > 0 && len(out) > 2*most.lines || most.bytes > 0 && held > 2*most.bytes {
			over := most.over(out)
			for i := range out[:over] {
				held -= len(out[i].Text)
			}
			out, left = slices.Clone(out[over:]), left+over
		}
		if aws.ToString(page.NextToken) == "" {
			return out, left, nil
		}
		in.NextToken = page.NextToken
	}
}

func lineOf(g Group, e *types.FilteredLogEvent) Line {
	return Line{
		Source: g.Source, Stream: aws.ToString(e.LogStreamName), Time: time.UnixMilli(aws.ToInt64(e.Timestamp)).UTC(),
		Text: strings.TrimRight(aws.ToString(e.Message), "\n"), id: g.Name + "\x00" + aws.ToString(e.EventId),
	}
}

// reached is how far a group that is followed was read.
type reached struct {
	since time.Time
	// known are the lines since then that were handed on, by their ids.
	known map[string]time.Time
}

// Follower reads log groups as they grow, look by look. It is for one goroutine, as its
// Reader is.
type Follower struct {
	// Limit bounds the lines of a group that one look brings, the newest, and Bytes the
	// bytes of these lines; 0 is all.
	Limit, Bytes int
	// Left is how many lines were left out for that so far.
	Left int64

	r  *Reader
	at []reached
}

// Follower follows from a time on: the first look brings what was logged since.
func (r *Reader) Follower(since time.Time) *Follower {
	f := &Follower{r: r, at: make([]reached, len(r.Groups))}
	for i := range f.at {
		f.at[i] = reached{since, map[string]time.Time{}}
	}
	return f
}

// Next looks once and returns the lines that were not returned before, in order. One that
// comes more than 15 seconds late is not seen. After an error the same is asked for again.
func (f *Follower) Next(ctx context.Context) (lines []Line, err error) {
	begun, fresh, left := make([]time.Time, len(f.at)), make([][]Line, len(f.at)), 0
	for i, g := range f.r.Groups {
		begun[i] = f.r.Clock.Now()
		var over int
		if fresh[i], over, err = f.r.group(ctx, g, f.at[i].since, time.Time{}, bound{f.Limit, f.Bytes}); err != nil {
			return nil, err
		}
		left += over
		if over = (bound{f.Limit, f.Bytes}).over(fresh[i]); over > 0 {
			left += over
			fresh[i] = slices.Clone(fresh[i][over:]) // what is left out is held by nobody
		}
	}
	for i := range f.at {
		lines = append(lines, f.at[i].fresh(fresh[i])...)
		f.at[i].goOn(f.r.newest, begun[i])
	}
	f.Left += int64(left)
	inOrder(lines)
	return lines, nil
}

// Follow hands on lines as they come, those since a time first, until ctx ends or do
// returns an error. Lines are in order within each look; one that comes more than 15
// seconds late is not seen. Once something was read, it lives through minutes in which nobody
// can be asked; away is told of each look that fails, and may be nil.
func (r *Reader) Follow(ctx context.Context, since time.Time, do func([]Line) error, away func(error)) error {
	f := r.Follower(since)
	var seen time.Time // when something was read last
	for {
		lines, err := f.Next(ctx)
		now := r.Clock.Now()
		switch {
		case err == nil:
			seen = now
		case seen.IsZero() || ctx.Err() != nil || !fault.Passing(err) || now.Sub(seen) >= outage:
			return err
		case away != nil:
			away(err)
		}
		if len(lines) > 0 {
			if err := do(lines); err != nil {
				return err
			}
		}
		if err := clock.Sleep(ctx, r.Clock, Poll); err != nil {
			return &fault.Error{Kind: fault.KindOf(err), Op: "follow logs", Err: err}
		}
	}
}

// fresh are the lines that were not handed on before, and remembers them.
func (f *reached) fresh(lines []Line) []Line {
	return slices.DeleteFunc(lines, func(l Line) bool {
		_, known := f.known[l.id]
		f.known[l.id] = l.Time
		return known
	})
}

// goOn has the next look begin shortly before the newest line, and before the look that has
// ended began: a line may be stamped in the future, and while one group is read for long
// another one grows. What lies before is forgotten, since nobody asks for it any more.
func (f *reached) goOn(newest, begun time.Time) {
	if newest.After(begun) {
		newest = begun
	}
	from := newest.Add(-overlap)
	if !from.After(f.since) {
		return
	}
	f.since = from
	maps.DeleteFunc(f.known, func(_ string, t time.Time) bool { return t.Before(from.Truncate(time.Millisecond)) })
}
