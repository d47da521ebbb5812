package executions

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

func collect(w *Watch) []Event {
	var out []Event
	for e := range w.Events() {
		out = append(out, e)
	}
	return out
}

// grow shows a history in steps: n events more with each look at it.
func (b *bench) grow(name string, all []types.HistoryEvent, step int, end types.ExecutionStatus) {
	shown := 0
	b.api.before = func(op string, _ int) error {
		if op != "GetExecutionHistory" {
			return nil
		}
		shown = min(len(all), shown+step)
		b.api.with(name, func(r *fakeRun) {
			r.events = all[:shown]
			if shown == len(all) {
				r.status, r.stop = end, b.clk.Now()
			}
		})
		return nil
	}
}

func TestWatchSeesEveryEventOnce(t *testing.T) {
	t.Parallel()
	for _, step := range []int{1, 3, 100} {
		b := newBench(t, Config{Limits: Limits{Unlimited: true}})
		b.api.maxPage = 7
		b.api.add(&fakeRun{name: "x", status: types.ExecutionStatusRunning, start: t0, output: `{"ok":true}`})
		all := long(20)
		b.grow("x", all, step, types.ExecutionStatusSucceeded)
		w := b.Watch(t.Context(), arnFor("x"), nil)
		events := collect(w)
		out, err := w.Wait()
		require.NoError(t, err)
		require.Len(t, events, len(all))
		for i, e := range events {
			require.Equal(t, int64(i+1), e.ID)
		}
		require.Equal(t, Succeeded, out.Status)
		require.JSONEq(t, `{"ok":true}`, out.Output)
		require.Equal(t, "x", out.Name)
	}
}

func TestWatchOfAFailure(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.api.add(&fakeRun{
		name: "x", status: types.ExecutionStatusFailed, start: t0, stop: t0.Add(time.Minute), errorName: "Boom", cause: "why",
		events: history("0 ExecutionStarted", "0 TaskStateEntered A", "2 TaskScheduled", "3 TaskFailed Boom", "4 ExecutionFailed Boom"),
	})
	w := b.Watch(t.Context(), arnFor("x"), nil)
	out, err := w.Wait()
	require.NoError(t, err, "nobody has read the events yet")
	want := Outcome{ARN: arnFor("x"), Name: "x", Status: Failed, Error: "Boom", Cause: "why", Start: t0, Stop: t0.Add(time.Minute), FailedState: "A"}
	require.Equal(t, want, out)
	events := collect(w)
	require.Len(t, events, 5, "a slow consumer misses nothing")
	require.Equal(t, "A", events[3].State, "AWS does not name the state of a task event")
	raw, err := json.Marshal(events[3])
	require.NoError(t, err)
	require.JSONEq(t, `{"id":4,"previousId":3,"time":"2026-03-01T12:00:04Z","type":"TaskFailed","state":"A","error":"Boom"}`, string(raw))
}

func TestWatchOfANewcomer(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.api.add(&fakeRun{name: "x", status: types.ExecutionStatusSucceeded, start: t0, events: long(1), hidden: true})
	b.api.before = func(_ string, n int) error {
		if n == 5 {
			b.api.with("x", func(r *fakeRun) { r.hidden = false })
		}
		return nil
	}
	w := b.Watch(t.Context(), arnFor("x"), nil)
	require.Len(t, collect(w), 4)
	_, err := w.Wait()
	require.NoError(t, err)

	w = b.Watch(t.Context(), arnFor("never"), nil)
	require.Empty(t, collect(w))
	_, err = w.Wait()
	requireKind(t, err, fault.NotFound, "ExecutionDoesNotExist")
}

// TestWatchWaitsForTheWholeHistory: AWS may tell the end before it shows the last
// events.
func TestWatchWaitsForTheWholeHistory(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	all := long(3)
	b.api.add(&fakeRun{name: "x", status: types.ExecutionStatusSucceeded, start: t0, stop: t0, events: all[:3]})
	looks := 0
	b.api.before = func(op string, _ int) error {
		if op == "GetExecutionHistory" {
			if looks++; looks == 12 {
				b.api.with("x", func(r *fakeRun) { r.events = all })
			}
		}
		return nil
	}
	w := b.Watch(t.Context(), arnFor("x"), nil)
	require.Len(t, collect(w), len(all))
	out, err := w.Wait()
	require.NoError(t, err)
	require.Equal(t, Succeeded, out.Status)

	// If the last events never come, it ends all the same.
	b.api.add(&fakeRun{name: "y", status: types.ExecutionStatusAborted, start: t0, stop: t0, events: all[:3]})
	w = b.Watch(t.Context(), arnFor("y"), nil)
	require.Len(t, collect(w), 3)
	out, err = w.Wait()
	require.NoError(t, err)
	require.Equal(t, Aborted, out.Status)
}

func TestWatchGoesOnAfterARedrive(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	// The description says RUNNING while the history ends with a failure: a redrive
	// has just begun.
	first := history("0 ExecutionStarted", "0 TaskStateEntered A", "2 TaskScheduled", "3 TaskFailed Boom", "4 ExecutionFailed Boom")
	all := history("0 ExecutionStarted", "0 TaskStateEntered A", "2 TaskScheduled", "3 TaskFailed Boom", "4 ExecutionFailed Boom",
		"5 ExecutionRedriven", "6 TaskScheduled", "7 TaskSucceeded", "8 TaskStateExited A", "9 ExecutionSucceeded")
	b.api.add(&fakeRun{name: "x", status: types.ExecutionStatusRunning, start: t0, events: first})
	looks := 0
	b.api.before = func(op string, _ int) error {
		if op == "GetExecutionHistory" {
			if looks++; looks == 3 {
				b.api.with("x", func(r *fakeRun) { r.events, r.status, r.stop = all, types.ExecutionStatusSucceeded, b.clk.Now() })
			}
		}
		return nil
	}
	w := b.Watch(t.Context(), arnFor("x"), nil)
	require.Len(t, collect(w), len(all))
	out, err := w.Wait()
	require.NoError(t, err)
	require.Equal(t, Succeeded, out.Status)
	require.Empty(t, out.FailedState)
}

func TestWatchIsCancelled(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.api.add(&fakeRun{name: "x", status: types.ExecutionStatusRunning, start: t0, events: long(2)[:4]})
	w := b.Watch(t.Context(), arnFor("x"), nil)
	<-w.Events()
	w.Cancel()
	w.Cancel()
	out, err := w.Wait()
	requireKind(t, err, fault.Canceled, "")
	require.Equal(t, Running, out.Status)
	require.Eventually(t, func() bool { _, open := <-w.Events(); return !open }, time.Minute, time.Millisecond)
	<-w.Done()
}

func TestWatchSlowsDown(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{Limits: Limits{Unlimited: true}})
	b.api.add(&fakeRun{name: "x", status: types.ExecutionStatusRunning, start: t0, events: long(1)[:3]})
	w := b.Watch(t.Context(), arnFor("x"), nil)
	defer w.Cancel()
	go func() { _ = collect(w) }()
	require.Eventually(t, func() bool { return b.clk.Now().Sub(t0) > 30*time.Minute }, time.Minute, time.Millisecond)
	calls := b.api.count("GetExecutionHistory")
	// 5 minutes at up to 5 s, the rest (25 minutes or, on a busy machine, some
	// more) at 15 s.
	elapsed := b.clk.Now().Sub(t0)
	require.Less(t, calls, 100+int((elapsed-5*time.Minute)/(15*time.Second)))
	require.Greater(t, calls, 100)
}

// An execution that has ended without a history, as after a disk that was full,
// ends its watch all the same.
func TestWatchEndsWithoutEvents(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{Limits: Limits{Unlimited: true}})
	b.api.add(&fakeRun{name: "x", status: types.ExecutionStatusFailed, start: t0, stop: t0})
	w := b.Watch(t.Context(), arnFor("x"), nil)
	require.Empty(t, collect(w))
	out, err := w.Wait()
	require.NoError(t, err)
	require.Equal(t, Failed, out.Status)
}
