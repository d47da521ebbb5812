package bell_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/bell"
)

func TestWait(t *testing.T) {
	t.Parallel()
	c, b := clock.NewFake(time.Now()), bell.New()
	b.Ring()
	b.Ring() // counts once
	require.True(t, b.Wait(t.Context(), c, bell.Forever))
	woken := make(chan bool)
	go func() { woken <- b.Wait(t.Context(), c, time.Minute) }()
	require.NoError(t, c.WaitTimers(t.Context(), 1))
	c.Advance(time.Minute)
	require.True(t, <-woken)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { woken <- b.Wait(ctx, c, bell.Forever) }()
	cancel()
	require.False(t, <-woken)
	now := c.Now()
	require.Equal(t, []time.Duration{bell.Forever, 0, time.Second},
		[]time.Duration{bell.Until(now, time.Time{}), bell.Until(now, now.Add(-time.Hour)), bell.Until(now, now.Add(time.Second))})
}

// Work that fails is done again, less and less often, and as usual once it has succeeded.
func TestRetry(t *testing.T) {
	t.Parallel()
	var r bell.Retry
	failed := errors.New("full")
	require.Equal(t, bell.Forever, r.Wait(nil, bell.Forever))
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		require.Equal(t, want*time.Second, r.Wait(failed, bell.Forever))
	}
	require.Equal(t, time.Millisecond, r.Wait(failed, time.Millisecond), "what is due sooner is")
	require.Equal(t, time.Hour, r.Wait(nil, time.Hour))
	require.Equal(t, time.Second, r.Wait(failed, time.Hour))
}
