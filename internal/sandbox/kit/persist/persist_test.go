package persist

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
)

func TestWritesUntilThereIsRoom(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := clock.NewFake(time.Now())
	done, tries := make(chan error), 0
	go func() {
		done <- Until(ctx, c, log, "an endpoint", func() error {
			if tries++; tries < 4 {
				return errors.New("no space left on device")
			}
			return nil
		}, "endpoint", "x")
	}()
	for range 3 {
		require.NoError(t, c.WaitTimers(ctx, 1))
		c.Advance(Pause)
	}
	require.NoError(t, <-done)
	require.Equal(t, 4, tries)
	require.Equal(t, 1, strings.Count(out.String(), "no space left on device"), "it is logged once")
	require.Contains(t, out.String(), `msg="an endpoint: kept" endpoint=x tries=4`)

	out.Reset()
	require.NoError(t, Until(ctx, c, log, "an endpoint", func() error { return nil }))
	require.Empty(t, out.String())
}

func TestEndsWithItsService(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	c := clock.NewFake(time.Now())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- Until(ctx, c, log, "x", func() error { return errors.New("full") }) }()
	require.NoError(t, c.WaitTimers(t.Context(), 1))
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	// What is left at the end has one more try, and no pause.
	tries := 0
	require.ErrorIs(t, Until(ctx, c, log, "x", func() error { tries++; return errors.New("full") }), context.Canceled)
	require.Equal(t, 1, tries)
}
