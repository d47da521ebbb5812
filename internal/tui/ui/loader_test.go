package ui_test

import (
	"context"
	"errors"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

func TestLoader(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	fake := clock.NewFake(start)
	env := &ui.Env{Ctx: t.Context(), Clock: fake}
	h := ui.NewHost(env)
	answer := func(cmd tea.Cmd) tea.Msg { return cmd().(ui.Deliver).Msg }
	ask := func(l *ui.Loader[int], n int, err error) tea.Cmd {
		return l.Ask(h, func(context.Context) (int, error) { return n, err })
	}
	var l, other ui.Loader[int]
	require.True(t, l.Due(start, ui.Once), "nothing was asked yet")

	first := ask(&l, 1, nil)
	require.True(t, l.Asking())
	require.False(t, l.Due(start.Add(time.Hour), time.Second), "an answer is awaited")
	second := ask(&l, 2, nil)
	require.False(t, l.Take(answer(first)), "an older question")
	require.False(t, l.Known)
	msg := answer(second)
	require.False(t, other.Take(msg), "not its own")
	require.True(t, l.Take(msg))
	require.Equal(t, 2, l.Value)
	require.Equal(t, start, l.At)

	require.False(t, l.Due(start, time.Second))
	require.True(t, l.Due(start.Add(time.Second), time.Second))
	require.False(t, l.Due(start.Add(time.Hour), ui.Once))
	l.Soon()
	require.True(t, l.Due(start, ui.Once))

	fake.Advance(time.Minute)
	require.True(t, l.Take(answer(ask(&l, 0, errors.New("no")))))
	require.Error(t, l.Err)
	require.Equal(t, 2, l.Value, "what was known stays")
	require.Equal(t, start, l.At, "and is as old as it is")
	require.False(t, l.Due(fake.Now(), ui.Once), "it was asked")

	third := ask(&l, 3, nil)
	l.Soon()
	require.False(t, l.Due(fake.Now(), ui.Once), "one at a time")
	l.Drop()
	require.False(t, l.Take(answer(third)))
	require.True(t, l.Due(fake.Now(), ui.Once))
}

// What is not wanted any more is ended, and its answer is taken by nobody, not even by a
// loader that begins anew in the same place.
func TestLoaderEndsWhatIsNotWanted(t *testing.T) {
	t.Parallel()
	h := ui.NewHost(&ui.Env{Ctx: t.Context(), Clock: clock.NewFake(time.Unix(0, 0))})
	var l ui.Loader[int]
	ask := func() tea.Cmd {
		return l.Ask(h, func(ctx context.Context) (int, error) { return 1, ctx.Err() })
	}
	take := func(cmd tea.Cmd) bool { return l.Take(cmd().(ui.Deliver).Msg) }
	for what, anew := range map[string]func(){"asked again": func() { ask() }, "dropped": l.Drop, "reset": l.Reset, "a fresh one": func() { l = ui.Loader[int]{} }} {
		var seen context.Context
		first := l.Ask(h, func(ctx context.Context) (int, error) {
			seen = ctx //nolint:fatcontext // whether it ends is what is asked
			return 1, nil
		})
		anew()
		second := ask()
		require.False(t, take(first), what)
		if what != "a fresh one" {
			require.ErrorIs(t, seen.Err(), context.Canceled, what)
		}
		require.True(t, take(second), what)
		require.NoError(t, l.Err, what)
	}
	l.Reset()
	require.False(t, l.Known)
	require.True(t, l.Due(time.Unix(0, 0), ui.Once))
}
