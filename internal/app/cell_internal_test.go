package app

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

func TestCellIsOpenedOnceForAll(t *testing.T) {
	t.Parallel()
	var c cell[int]
	opened, gate := 0, make(chan struct{})
	entered := make(chan struct{}, 9)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			v, err := c.get(t.Context(), "it", func(context.Context) (int, error) {
				entered <- struct{}{}
				<-gate
				opened++
				return 7, nil
			})
			if v != 7 || err != nil {
				t.Errorf("%d, %v", v, err)
			}
		})
	}
	<-entered
	_, ok := c.peek()
	require.False(t, ok, "what is still being opened is waited for by nobody who only looks")
	close(gate)
	wg.Wait()
	require.Equal(t, 1, opened)
	v, ok := c.peek()
	require.True(t, ok)
	require.Equal(t, 7, v)
	c.dropIf(func(v int) bool { return v == 8 })
	_, ok = c.peek()
	require.True(t, ok)
	c.dropIf(func(v int) bool { return v == 7 })
	_, ok = c.peek()
	require.False(t, ok)
}

// Who leaves does not take the others along; the last who leaves ends it, and who comes
// then begins anew, never beside the old one.
func TestCellOfThoseWhoLeave(t *testing.T) {
	t.Parallel()
	var c cell[int]
	began, end := make(chan context.Context, 1), make(chan struct{})
	slow := func(ctx context.Context) (int, error) {
		began <- ctx
		<-end
		return 1, ctx.Err()
	}
	first, leaveFirst := context.WithCancel(t.Context())
	second, leaveSecond := context.WithCancel(t.Context())
	errs := make(chan error, 2)
	ask := func(ctx context.Context) {
		_, err := c.get(ctx, "the target", slow)
		errs <- err
	}
	go ask(first)
	flight := <-began
	waiting := func(n int) {
		require.Eventually(t, func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.flight.waiting == n
		}, time.Minute, time.Millisecond)
	}
	go ask(second)
	waiting(2)
	leaveFirst()
	err := <-errs
	require.ErrorIs(t, err, fault.Canceled)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "stopped while opening the target")
	require.NoError(t, flight.Err(), "one still waits for it")
	leaveSecond()
	require.ErrorIs(t, <-errs, fault.Canceled)
	<-flight.Done()

	got := make(chan int, 1)
	go func() {
		v, err := c.get(t.Context(), "the target", func(context.Context) (int, error) { return 2, nil })
		if err != nil {
			t.Error(err)
		}
		got <- v
	}()
	select {
	case <-got:
		t.Fatal("two were opened at a time")
	default:
	}
	close(end)
	require.Equal(t, 2, <-got)
}

// What starts a process takes it away when it is given up, which the last who leaves waits
// for, and tells in its own words; as does who closes. What does not end is left alone.
func TestGivingUpWaitsForTheTidying(t *testing.T) {
	t.Parallel()
	own := fault.New(fault.Canceled, "start of the sandbox canceled").Because(context.Canceled)
	a := newTestApp(t, nil, nil)
	require.Equal(t, tidyPatience, a.engine.tidies)
	require.Equal(t, tidyPatience, a.pulumi.tidies)
	require.Equal(t, tidyPatience, a.plugged.tidies)
	require.Equal(t, tidyPatience, a.target.tidies)
	a.target.tidies = time.Hour // no machine is too slow for this test
	var left atomic.Int32
	starting := make(chan struct{}, 1)
	start := func(ctx context.Context) (*Target, error) {
		left.Add(1) // the daemon
		starting <- struct{}{}
		<-ctx.Done()
		left.Add(-1)
		return nil, own
	}
	ctx, interrupt := context.WithCancel(t.Context())
	go func() { <-starting; interrupt() }()
	_, err := a.target.get(ctx, "the target", start)
	require.Same(t, own, err)
	require.Zero(t, left.Load(), "a daemon was left behind")

	go func() { _, _ = a.target.get(context.WithoutCancel(t.Context()), "the target", start) }()
	<-starting
	require.NoError(t, a.Close())
	require.Zero(t, left.Load(), "a daemon was left behind")

	stuck := cell[int]{tidies: time.Nanosecond}
	end := make(chan struct{})
	defer close(end)
	ctx, interrupt = context.WithCancel(t.Context())
	_, err = stuck.get(ctx, "the mount", func(context.Context) (int, error) {
		interrupt()
		<-end
		return 1, nil
	})
	require.ErrorIs(t, err, fault.Canceled)
	require.ErrorContains(t, err, "stopped while opening the mount")
}

func TestCellTriesAgainAfterFailures(t *testing.T) {
	t.Parallel()
	var c cell[int]
	boom := errors.New("boom")
	_, err := c.get(t.Context(), "it", func(context.Context) (int, error) { return 1, boom })
	require.ErrorIs(t, err, boom)
	require.Panics(t, func() {
		_, _ = c.get(t.Context(), "it", func(context.Context) (int, error) { panic("oh") })
	})
	v, err := c.get(t.Context(), "it", func(context.Context) (int, error) { return 2, nil })
	require.NoError(t, err)
	require.Equal(t, 2, v)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	v, err = c.get(gone, "it", nil)
	require.NoError(t, err, "what is open is there for everybody")
	require.Equal(t, 2, v)
}
