package stack

import (
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestALockedOperationLeavesTheNoteOfTheOther: of two processes that change a stack the
// one that finds it locked puts back what it found, but not over what the other one has
// written when it ended.
func TestALockedOperationLeavesTheNoteOfTheOther(t *testing.T) {
	t.Parallel()
	p := place{dir: t.TempDir()}
	run := func() *Run {
		return &Run{engine: &Engine{log: slog.New(slog.DiscardHandler), dirs: map[string]*sync.Mutex{}}, op: OperationUp, place: p}
	}
	first, second := run(), run()
	first.noteBegin()
	began := first.noted.Started
	second.noteBegin()
	second.noted.Started = began.Add(time.Second) // whatever the clock's grain is
	second.engine.setOutcome(p, OperationUp, second.noted, nil)
	ended := *first.noted
	ended.Ended, ended.Result = began.Add(2*time.Second), Succeeded
	first.engine.setOutcome(p, OperationUp, &ended, nil)
	second.noteEnd(Result{Outcome: Failed})
	got := first.engine.outcomes(p)
	require.NotNil(t, got.Change)
	require.Equal(t, Succeeded, got.Change.Result)
	require.Equal(t, ended.Ended, got.Change.Ended)

	third := run()
	third.noteBegin()
	third.noteEnd(Result{Outcome: Failed})
	require.Equal(t, got, first.engine.outcomes(p), "with nobody else it leaves what was there")
}

// TestAnOperationThatHasBegunHoldsItsStack: until the engine takes its lock, a second or
// two after a new stack is made, the note tells who is at it.
func TestAnOperationThatHasBegunHoldsItsStack(t *testing.T) {
	t.Parallel()
	f := withoutCLI(t)
	r := &Run{engine: f.Engine, op: OperationUp, place: f.place(testStack, nil)}
	require.Empty(t, f.HeldBy(t.Context(), testStack)[testStack])
	r.noteBegin()
	require.NoError(t, writeEmpty(must1(f.stacksDir()), DefaultProject, testStack, "v1", nil, os.Link))
	held := f.HeldBy(t.Context(), testStack)[testStack]
	require.Len(t, held, 1)
	require.Equal(t, os.Getpid(), held[0].PID)
	require.False(t, held[0].Stale || held[0].Broken)
	list, err := f.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.True(t, list[0].InProgress)

	elsewhere := *r.noted
	elsewhere.Host = "elsewhere"
	f.setOutcome(r.place, OperationUp, &elsewhere, nil)
	require.Empty(t, f.HeldBy(t.Context(), testStack)[testStack], "whether a process of another machine runs is not known")
	f.setOutcome(r.place, OperationUp, r.noted, nil)
	r.noteEnd(Result{Outcome: Succeeded})
	require.Empty(t, f.HeldBy(t.Context(), testStack)[testStack])
}

// TestEachFailureKeepsItsReason: the backend knows that updates have failed, not why, and the
// reason of one stays when the next one fails, for another reason.
func TestEachFailureKeepsItsReason(t *testing.T) {
	t.Parallel()
	e := &Engine{log: slog.New(slog.DiscardHandler), dirs: map[string]*sync.Mutex{}}
	p := place{dir: t.TempDir()}
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(n int) time.Time { return began.Add(time.Duration(n) * time.Minute) }
	ran := func(n int, result Outcome, why string) {
		o := outcome{Operation: OperationUp, Started: at(n), Host: "here", PID: 7}
		e.setOutcome(p, OperationUp, &o, nil)
		ended := o
		ended.Ended, ended.Result, ended.Error = at(n).Add(30*time.Second), result, why
		e.setOutcome(p, OperationUp, &ended, nil)
	}
	ran(1, Failed, "turned back")
	ran(2, Succeeded, "")
	ran(3, Canceled, "canceled")
	ran(5, Failed, "no room")
	failed, done := string(Failed), string(Succeeded)
	history := func() []Update {
		return []Update{
			{Version: 5, Kind: "update", Result: failed, Start: at(5)},
			{Version: 4, Kind: "update", Result: failed, Start: at(4)}, // elsewhere
			{Version: 3, Kind: "update", Result: failed, Start: at(3)},
			{Version: 2, Kind: "update", Result: done, Start: at(2)},
			{Version: 1, Kind: "update", Result: failed, Start: at(1)},
		}
	}
	got := e.withOutcomes(p, history(), 0)
	var why []string
	for _, u := range got {
		why = append(why, u.Error)
	}
	require.Equal(t, []string{"no room", "", "canceled", "", "turned back"}, why)
	require.Equal(t, ResultCanceled, got[2].Result)
	require.Len(t, e.withOutcomes(p, history(), 2), 2)

	for n := range 2 * pastMost {
		ran(10+n, Failed, "again")
	}
	require.Len(t, e.outcomes(p).Past, pastMost)
}

func must1[T any](v T, _ bool) T { return v }

// The engine's history has a destroy that was cancelled as one that went well.
func TestACancelledDestroyIsNoSuccess(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	engines := []Update{{Version: 2, Kind: "destroy", Result: string(Succeeded), Start: at, End: at.Add(3 * time.Second)}}
	o := &outcome{Operation: OperationDestroy, Started: at, Ended: at.Add(4 * time.Second), Result: Canceled, Error: "cancelled"}
	got := o.addTo(slices.Clone(engines))
	require.Len(t, got, 1)
	require.Equal(t, ResultCanceled, got[0].Result)
	o.Result = Succeeded
	require.Equal(t, engines, o.addTo(slices.Clone(engines)))
}
