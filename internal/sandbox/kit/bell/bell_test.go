package bell_test

import (
	"context"
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
	require.Equal(t, []time.Duration{bell.Forever, 0, time.Second}, []time.Duration{bell.Until(now, time.Time{}), bell.Until(now, now.Add(-time.Hour)), bell.Until(now, now.Add(time.Second))})
}
