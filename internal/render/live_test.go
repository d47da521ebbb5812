package render

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/theme"
)

func working(t *testing.T, begun time.Time, planned int, running ...string) *stack.Progress {
	t.Helper()
	p := &stack.Progress{}
	urn := func(name string) string { return "urn:pulumi:s::p::aws:x/y:Y::" + name }
	var rows []stack.Row
	for i := range planned {
		name := strings.Repeat("p", i+1)
		rows = append(rows, stack.Row{URN: urn(name), Type: "aws:x/y:Y", Name: name, Op: stack.OpCreate})
	}
	if planned > 0 {
		p.Expect(rows)
	}
	p.Apply(stack.Event{Time: begun, Type: stack.EventPrelude})
	step := func(kind stack.EventType, name string, at time.Time) {
		p.Apply(stack.Event{Time: at, Type: kind, Resource: &stack.Step{URN: urn(name), Type: "aws:x/y:Y", Name: name, Op: stack.OpCreate}})
	}
	step(stack.EventResourcePre, "p", begun)
	step(stack.EventResourceOutputs, "p", begun)
	for i, name := range running {
		step(stack.EventResourcePre, name, begun.Add(time.Duration(i)*time.Second))
	}
	return p
}

func TestLiveView(t *testing.T) {
	t.Parallel()
	begun := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	l := Live{
		Total: 50, Done: 3, Failed: 1, Started: begun, Now: begun.Add(12*time.Second + 300*time.Millisecond),
		Running: []Working{
			{"acme/fraud", working(t, begun, 12, "endpoint", "pre")},
			{"umbrella/churn/prod", working(t, begun, 0, "bad\x1b[31m\nname")},
			{"initech/iris", nil},
		},
	}
	st := theme.New(io.Discard, theme.NoColors, true)
	require.Equal(t, []string{
		"acme/fraud            1/14  create endpoint 12s, create pre 11s",
		"umbrella/churn/prod    1 done  create bad name 12s",
		"initech/iris         starting",
		"3 of 50 pipelines, 1 failed, 3 running, 44 waiting · 12s",
	}, l.Lines(st))

	for width := 1; width < 90; width++ {
		l.Width = width
		for _, line := range l.Lines(st) {
			require.Less(t, ansi.StringWidth(line), max(2, width), "%d: %q", width, line)
		}
	}
	l.Width = 0
	for height := 1; height < 6; height++ {
		l.Height = height
		require.LessOrEqual(t, len(l.Lines(st)), max(1, height-1))
	}
	l.Height = 3
	require.Equal(t, "3 of 50 pipelines, 1 failed, 3 running (2 not shown), 44 waiting · 12s", l.Lines(st)[1])
	for _, line := range (Live{Total: 2, Running: l.Running}).Lines(st) {
		require.NotContains(t, line, "\x1b")
	}
}
