package stack

import (
	"log/slog"
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
