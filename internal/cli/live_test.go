package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// terminal keeps the lines of what a board draws, as a terminal of a width would.
type terminal struct {
	width int
	rows  []string
}

func (s *terminal) play(t *testing.T, raw string) {
	t.Helper()
	for raw != "" {
		switch i := strings.IndexAny(raw, "\x1b\n"); {
		case i < 0:
			t.Fatalf("unfinished line %q", raw)
		case raw[i] == '\n':
			line := raw[:i]
			for len(line) > s.width {
				s.rows, line = append(s.rows, line[:s.width]), line[s.width:]
			}
			s.rows, raw = append(s.rows, line), raw[i+1:]
		default:
			// Only "up N" and "clear below" are used.
			up, rest, ok := strings.Cut(strings.TrimPrefix(raw[i:], "\x1b["), "A\x1b[J")
			require.True(t, ok, "%q", raw)
			n := 0
			for _, c := range up {
				n = n*10 + int(c-'0')
			}
			s.rows, raw = s.rows[:max(0, len(s.rows)-n)], rest
		}
	}
}

func TestBoardLeavesOnlyWhatStays(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	width := 60
	now := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	b := &board{
		w: &out, st: theme.New(&out, theme.NoColors, true), now: func() time.Time { return now },
		size: func() (int, int) { return width, 24 }, live: render.Live{Total: 2, Started: now},
	}
	screen := &terminal{width: width}
	one, two := &stack.Progress{}, &stack.Progress{}
	ids := []spec.ID{{Tenant: "acme", Model: "fraud", Env: "dev"}, {Tenant: "acme", Model: "iris", Env: "dev"}}
	begin := stack.Event{Time: now, Type: stack.EventPrelude}
	for i, p := range []*stack.Progress{one, two} {
		p.Apply(begin)
		b.event(ids[i], p, begin)
	}
	b.draw()
	screen.play(t, strings.ReplaceAll(out.String(), "\r", ""))
	require.Len(t, screen.rows, 3)
	require.Contains(t, screen.rows[2], "0 of 2 pipelines, 2 running")

	// Narrower now: what was drawn has been wrapped by the terminal.
	out.Reset()
	drawn := screen.rows
	width = 20
	screen = &terminal{width: width}
	screen.play(t, strings.Join(drawn, "\n")+"\n")
	require.Greater(t, len(screen.rows), 3)
	end := stack.Event{Time: now, Type: stack.EventEnd, End: &stack.End{Outcome: stack.Failed}}
	one.Apply(end)
	b.event(ids[0], one, end)
	screen.play(t, strings.ReplaceAll(out.String(), "\r", ""))
	out.Reset()
	now = now.Add(time.Second)
	b.draw()
	b.erase()
	b.paused = true
	b.draw()
	screen.play(t, strings.ReplaceAll(out.String(), "\r", ""))
	require.True(t, strings.HasPrefix(strings.Join(screen.rows, ""), "✘ acme/fraud  failed, no changes"), "%q", screen.rows)
	require.NotContains(t, strings.Join(screen.rows, "\n"), "running")
}

func TestNoBoardOffATerminal(t *testing.T) {
	t.Parallel()
	streams, _, _ := console.Buffers("")
	e := newSession(nil, streams, func(string) (string, bool) { return "", false }).deps
	require.Nil(t, newBoard(e, 50, false))
}
