package guard

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPanicEndsItsOwnWorkOnly(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	err := Run(log, "a test", func() error { panic("boom") }, "execution", "x")
	var p *Panic
	require.ErrorAs(t, err, &p)
	require.EqualError(t, err, "internal error: boom")
	require.Contains(t, out.String(), "execution=x")
	require.Contains(t, out.String(), "TestPanicEndsItsOwnWorkOnly")

	plain := errors.New("plain")
	require.ErrorIs(t, Run(nil, "a test", func() error { return plain }), plain)

	failed := make(chan error, 1)
	Go(nil, "a test", func() { panic("once") }, func(err error) { failed <- err; panic("again") })
	require.ErrorContains(t, <-failed, "once")
	Func(nil, "a test", func() { panic(1) })()
}
