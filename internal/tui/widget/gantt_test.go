package widget

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/theme"
)

type recording struct {
	Name   string
	Events []executions.Event
}

// recorded are histories that AWS made.
func recorded(t testing.TB) []recording {
	t.Helper()
	raw, err := os.ReadFile("../../executions/testdata/histories.json")
	require.NoError(t, err)
	var have []struct {
		Name   string
		Events []types.HistoryEvent
	}
	require.NoError(t, json.Unmarshal(raw, &have))
	require.NotEmpty(t, have)
	out := make([]recording, len(have))
	for i, h := range have {
		events, err := executions.New(executions.Config{API: oneHistory{events: h.Events}}).History(t.Context(), "arn", executions.HistoryOptions{})
		require.NoError(t, err)
		out[i] = recording{h.Name, events}
	}
	return out
}

// oneHistory is a Step Functions with one history.
type oneHistory struct {
	executions.API
	events []types.HistoryEvent
}

func (h oneHistory) GetExecutionHistory(context.Context, *sfn.GetExecutionHistoryInput, ...func(*sfn.Options)) (*sfn.GetExecutionHistoryOutput, error) {
	return &sfn.GetExecutionHistoryOutput{Events: h.events}, nil
}

func timelineOf(events []executions.Event) *executions.Timeline {
	var t executions.Timeline
	for _, e := range events {
		t.Apply(e)
	}
	return &t
}

func TestGanttOfRecordedHistories(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, r := range recorded(t) {
		line := timelineOf(r.Events)
		g := NewGantt(screen(true))
		g.Set(line)
		now := r.Events[len(r.Events)-1].Time
		fmt.Fprintf(&all, "--- %s\n%s\n", r.Name, trimRight(g.View(100, 2+len(line.Visits), now)))
	}
	golden.RequireEqual(t, []byte(all.String()))
}

func TestGanttWhileItRuns(t *testing.T) {
	t.Parallel()
	for _, r := range recorded(t) {
		if !strings.Contains(r.Name, "etry") || len(r.Events) < 8 {
			continue
		}
		g := NewGantt(screen(false))
		line := timelineOf(r.Events[:len(r.Events)/2])
		g.Set(line)
		now := r.Events[len(r.Events)/2-1].Time
		one := g.View(70, 6, now)
		two := g.View(70, 6, now.Add(10*time.Second))
		require.Contains(t, one, ">", "what runs has a tip")
		require.NotEqual(t, one, two, "and grows")
		return
	}
	t.Fatal("no history with a retry")
}

func TestGanttFoldsAndFollows(t *testing.T) {
	t.Parallel()
	line := manyVisits(300)
	g := NewGantt(screen(true))
	g.Set(line)
	now := line.Start.Add(time.Hour)
	require.Len(t, g.rows, 1, "a large Map is folded")
	require.True(t, g.Update(tea.KeyMsg{Type: tea.KeyHome}))
	require.True(t, g.Update(tea.KeyMsg{Type: tea.KeyRight}))
	require.Len(t, g.rows, 301)
	g.View(80, 10, now)
	require.True(t, g.Update(tea.KeyMsg{Type: tea.KeyEnd}))
	require.Contains(t, g.View(80, 10, now), "299 Item")
	require.True(t, g.Update(tea.KeyMsg{Type: tea.KeyLeft}), "to the Map")
	i, ok := g.Selected()
	require.True(t, ok)
	require.Zero(t, i)
	require.True(t, g.Update(tea.KeyMsg{Type: tea.KeyLeft}), "and fold it")
	require.Len(t, g.rows, 1)
	g.Select(150)
	i, _ = g.Selected()
	require.Equal(t, 150, i)
	require.Len(t, g.rows, 301, "what hides it is unfolded")
}

// manyVisits is an inline Map of n iterations that runs.
func manyVisits(n int) *executions.Timeline {
	t := &executions.Timeline{}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	id := int64(0)
	add := func(previous int64, kind, state string, iteration *int) int64 {
		id++
		at = at.Add(time.Millisecond)
		t.Apply(executions.Event{ID: id, Previous: previous, Time: at, Type: kind, State: state, Iteration: iteration, Length: &n})
		return id
	}
	start := add(0, "ExecutionStarted", "", nil)
	entered := add(start, "MapStateEntered", "All", nil)
	begun := add(entered, "MapStateStarted", "", nil)
	for i := range n {
		it := add(begun, "MapIterationStarted", "All", &i)
		in := add(it, "PassStateEntered", "Item", nil)
		out := add(in, "PassStateExited", "Item", nil)
		add(out, "MapIterationSucceeded", "All", &i)
	}
	return t
}

func TestGanttAtAnySize(t *testing.T) {
	t.Parallel()
	d := draw{rand.New(rand.NewPCG(7, 7))} // the same numbers each time are what is wanted
	for _, r := range recorded(t) {
		g := NewGantt(screen(d.between(0, 1) == 1))
		for n := range r.Events {
			g.Set(timelineOf(r.Events[:n+1]))
			w, h := d.between(1, 130), d.between(1, 12)
			lines := strings.Split(g.View(w, h, r.Events[n].Time), "\n")
			require.Len(t, lines, h)
			for _, l := range lines {
				require.Equal(t, w, ansi.StringWidth(l), "%s", r.Name)
			}
			g.Update(tea.KeyMsg{Type: []tea.KeyType{tea.KeyUp, tea.KeyDown, tea.KeyLeft, tea.KeyRight, tea.KeyEnd}[d.between(0, 4)]})
			g.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("z")})
		}
	}
}

func BenchmarkGantt(b *testing.B) {
	line := manyVisits(6000)
	th := theme.NewScreen(io.Discard, theme.ScreenOptions{Unicode: true, Colors: theme.Colors256})
	g := NewGantt(&th)
	g.Set(line)
	g.Select(3000)
	now := line.Start.Add(time.Hour)
	for b.Loop() {
		g.Set(line)
		g.Update(tea.KeyMsg{Type: tea.KeyDown})
		g.View(120, 40, now)
	}
}
