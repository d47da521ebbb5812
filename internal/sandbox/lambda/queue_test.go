package lambda

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func crowd(max int) (*pool, *clock.Fake) {
	c := clock.NewFake(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	return newPool(&Service{Config: Config{Clock: c, MaxEnvironments: max}}), c
}

func of(name string) version {
	return version{Config: types.FunctionConfiguration{FunctionArn: aws.String("arn:" + name), FunctionName: aws.String(name), Version: aws.String(latest)}}
}

// busy is an environment at work.
func (p *pool) busy(v version) *environment {
	e := &environment{s: p.s, key: environmentKey(v), version: v, expires: p.s.Clock.Now().Add(time.Hour), dead: make(chan struct{})}
	p.all[e] = struct{}{}
	return e
}

// Whoever came first is served first, and nobody who comes later overtakes.
func TestInvocationsWaitInOrder(t *testing.T) {
	t.Parallel()
	p, _ := crowd(1)
	v := of("f")
	e := p.busy(v)
	got := make(chan int, 200)
	var waiters []*waiter
	for range 100 {
		g, w, err := p.line(e.key)
		require.NoError(t, err)
		require.Nil(t, g.env)
		require.NotNil(t, w, "the machine is full")
		waiters = append(waiters, w)
	}
	for i, w := range waiters {
		go func() {
			g, err := p.await(context.Background(), w)
			if assert.NoError(t, err) {
				got <- i
				p.release(g.env)
			}
		}()
	}
	p.release(e)
	for i := range 100 {
		require.Equal(t, i, <-got)
	}
	g, w, err := p.line(e.key)
	require.NoError(t, err)
	require.Nil(t, w)
	require.Same(t, e, g.env, "free again")
}

// By the pace of those before, the next would wait beyond all patience: it is
// told at once, as AWS tells it, so that a Retry comes later.
func TestFullQueueThrottlesEarly(t *testing.T) {
	t.Parallel()
	p, c := crowd(1)
	v := of("slow")
	e := p.busy(v)
	for range 20 {
		_, _, err := p.line(e.key)
		require.NoError(t, err, "nothing is known of the pace yet")
	}
	for range 3 {
		c.Advance(10 * time.Second)
		p.release(e) // goes to the next in the queue
	}
	_, _, err := p.line(e.key)
	require.Error(t, err)
	werr := wire.AsError(err)
	require.Equal(t, 429, werr.Status)
	require.Equal(t, "TooManyRequestsException", werr.Code)
	require.Equal(t, "Rate Exceeded.", werr.Message)
	require.Equal(t, "ConcurrentInvocationLimitExceeded", werr.Fields["Reason"])
}

// Environments stay with their function while somebody waits for them, but not
// for longer than the first of another function has patience for.
func TestNoFunctionStarvesAnother(t *testing.T) {
	t.Parallel()
	p, c := crowd(1)
	mine, other := of("mine"), of("other")
	e := p.busy(other)
	_, first, err := p.line(environmentKey(mine))
	require.NoError(t, err)
	for range 10 {
		_, _, err := p.line(e.key)
		require.NoError(t, err)
	}
	p.release(e)
	require.Empty(t, first.given, "the second in line can use it as it is")
	c.Advance(turn)
	p.release(e)
	g := <-first.given
	require.Nil(t, g.env)
	require.Same(t, e, g.victim, "it is ended for the one who waited")
	require.Equal(t, 1, p.starting)
	require.Len(t, p.waiters, 9)
}

// Where everybody has waited for long, an environment works for a while before it is ended for
// another function: starting one for each invocation would be all that is done.
func TestEnvironmentsWorkBeforeTheyEnd(t *testing.T) {
	t.Parallel()
	p, c := crowd(1)
	mine, other := of("mine"), of("other")
	e := p.busy(other)
	_, first, err := p.line(environmentKey(mine))
	require.NoError(t, err)
	var others []*waiter
	for range 3 {
		_, w, err := p.line(e.key)
		require.NoError(t, err)
		others = append(others, w)
	}
	c.Advance(turn)
	p.release(e)
	require.Empty(t, first.given, "it has only begun to work")
	c.Advance(turn / 2)
	p.release(e)
	require.Empty(t, first.given)
	require.Same(t, e, (<-others[0].given).env)
	require.Same(t, e, (<-others[1].given).env)
	c.Advance(turn / 2)
	p.release(e)
	require.Same(t, e, (<-first.given).victim)
	require.Empty(t, others[2].given)
}

func TestWaitingEnds(t *testing.T) {
	t.Parallel()
	p, c := crowd(1)
	p.busy(of("f"))
	_, w, err := p.line("key")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { _, err := p.await(context.Background(), w); done <- err }()
	require.NoError(t, c.WaitTimers(t.Context(), 1))
	c.Advance(patience)
	require.Equal(t, "TooManyRequestsException", wire.AsError(<-done).Code)
	require.Empty(t, p.waiters)
}
