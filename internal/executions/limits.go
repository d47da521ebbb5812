package executions

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/ledger"
)

// Class is the quota class of a region: Step Functions gives the largest regions
// bigger token buckets.
type Class string

// The classes. ClassB is the smaller and the zero value's meaning.
const (
	ClassA Class = "A"
	ClassB Class = "B"
)

// ClassOf returns the class of an AWS region.
// See https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html.
func ClassOf(region string) Class {
	if slices.Contains([]string{"us-east-1", "us-west-2", "eu-west-1"}, region) {
		return ClassA
	}
	return ClassB
}

// Limits says how much of the account's token buckets this process may use. They
// are shared by every caller of the account and region.
type Limits struct {
	// Unlimited switches pacing off, for a server that has no quotas. Throttling
	// errors are still backed off from.
	Unlimited bool
	// ReadShare is the part of the buckets of Describe, List and GetHistory; 0
	// means a third, which leaves room for the console and other tools.
	ReadShare float64
	// WriteShare is the part of the buckets of Start, Stop and Redrive, which run
	// only when the user asks for them; 0 means 29/30 (290 of 300 a second).
	WriteShare float64
}

const (
	defaultReadShare  = 1.0 / 3
	defaultWriteShare = 29.0 / 30
)

type operation string

const (
	opStart    operation = "StartExecution"
	opDescribe operation = "DescribeExecution"
	opList     operation = "ListExecutions"
	opHistory  operation = "GetExecutionHistory"
	opStop     operation = "StopExecution"
	opRedrive  operation = "RedriveExecution"
	opMapRuns  operation = "ListMapRuns"
	opMapRun   operation = "DescribeMapRun"
	opUpdate   operation = "UpdateMapRun"
	opMachine  operation = "DescribeStateMachineForExecution"
)

// quota is one of AWS's token buckets.
type quota struct{ burst, perSecond float64 }

func quotaOf(op operation, class Class) (q quota, write bool) {
	a := class == ClassA
	pick := func(big, small quota) quota {
		if a {
			return big
		}
		return small
	}
	switch op {
	case opStart, opRedrive:
		return pick(quota{1300, 300}, quota{800, 150}), true
	case opStop:
		return pick(quota{1000, 200}, quota{500, 25}), true
	case opDescribe:
		return pick(quota{300, 15}, quota{250, 10}), false
	case opHistory:
		return quota{400, 20}, false
	case opList:
		return pick(quota{200, 5}, quota{100, 2}), false
	case opMapRuns:
		return quota{100, 1}, false
	case opUpdate:
		return quota{100, 1}, true
	case opMapRun, opMachine:
		return quota{200, 1}, false
	}
	return quota{100, 1}, false
}

// unlimitedRate is a rate that nothing reaches, but that throttling can still
// bring down.
const unlimitedRate = 100_000

// limiters holds one limiter per API.
type limiters struct{ by map[operation]*limiter }

// shareWith has all limiters take their tokens from a ledger, which others take from too.
func (l *limiters) shareWith(shared *ledger.Ledger) {
	for op, lim := range l.by {
		lim.shared, lim.name = shared, string(op)
		lim.bucket = ledger.Bucket{Burst: float64(lim.rl.Burst()), PerSecond: float64(lim.full)}
	}
}

func newLimiters(class Class, share Limits, clk clock.Clock) *limiters {
	if share.ReadShare <= 0 {
		share.ReadShare = defaultReadShare
	}
	if share.WriteShare <= 0 {
		share.WriteShare = defaultWriteShare
	}
	l := &limiters{by: map[operation]*limiter{}}
	for _, op := range []operation{opStart, opDescribe, opList, opHistory, opStop, opRedrive, opMapRuns, opMapRun, opUpdate, opMachine} {
		q, write := quotaOf(op, class)
		part := share.ReadShare
		if write {
			part = share.WriteShare
		}
		if share.Unlimited {
			l.by[op] = newLimiter(unlimitedRate, unlimitedRate, clk)
			continue
		}
		l.by[op] = newLimiter(q.perSecond*part, max(1, int(q.burst*part)), clk)
	}
	return l
}

func (l *limiters) of(op operation) *limiter { return l.by[op] }

// limiter is a token bucket that slows down when AWS throttles, since others use
// the same quota, and creeps back to its full rate on success.
type limiter struct {
	clk  clock.Clock
	full rate.Limit
	rl   *rate.Limiter

	// shared has the bucket if other programs take from it too; rl is what is left if it
	// cannot be used.
	shared *ledger.Ledger
	name   string
	bucket ledger.Bucket

	mu     sync.Mutex // over each look at the clock and what rl makes of it
	slowed bool       // the shared bucket is, or was at the last look
}

func newLimiter(perSecond float64, burst int, clk clock.Clock) *limiter {
	return &limiter{clk: clk, full: rate.Limit(perSecond), rl: rate.NewLimiter(rate.Limit(perSecond), burst)}
}

// wait takes a token, in order of arrival.
func (l *limiter) wait(ctx context.Context) error {
	if l.shared != nil {
		now := l.clk.Now()
		if d, slowed, err := l.shared.Take(ctx, l.name, l.bucket, now); err == nil {
			l.note(slowed)
			if err := clock.Sleep(ctx, l.clk, d); err != nil {
				// The token is somebody else's now. If that cannot be told either, the bucket makes another.
				_ = l.shared.Return(context.WithoutCancel(ctx), l.name, l.bucket, l.clk.Now())
				return err
			}
			return nil
		}
	}
	r, now := l.take()
	if err := clock.Sleep(ctx, l.clk, r.DelayFrom(now)); err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		r.CancelAt(l.clk.Now())
		return err
	}
	return nil
}

// take reads the clock and reserves in one: rate.Limiter takes an earlier time that comes
// late for its last one, and gives the tokens since then a second time.
func (l *limiter) take() (*rate.Reservation, time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clk.Now()
	return l.rl.ReserveN(now, 1), now
}

const (
	slowdown = 0.5  // factor per throttling error
	floor    = 0.05 // least part of the full rate
	recovery = 0.02 // part of the full rate regained per success
)

// note remembers whether the shared bucket is slowed down.
func (l *limiter) note(slowed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slowed = slowed
}

// throttled halves the rate and empties the bucket: AWS's own is empty.
func (l *limiter) throttled(ctx context.Context) {
	if l.shared != nil {
		l.note(true)
		if l.shared.Throttled(context.WithoutCancel(ctx), l.name, l.bucket, l.clk.Now()) == nil {
			return
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clk.Now()
	l.rl.SetLimitAt(now, max(l.full*floor, l.rl.Limit()*slowdown))
	if n := int(l.rl.TokensAt(now)); n > 0 {
		l.rl.AllowN(now, n)
	}
}

func (l *limiter) ok(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.shared != nil && l.slowed { // else there is nothing to tell, and no file to write
		l.slowed = l.shared.Succeeded(context.WithoutCancel(ctx), l.name, l.bucket, l.clk.Now()) == nil
	}
	if have := l.rl.Limit(); have < l.full {
		l.rl.SetLimitAt(l.clk.Now(), min(l.full, have+l.full*recovery))
	}
}
