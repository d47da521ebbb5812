package executions

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/charmbracelet/x/exp/golden"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
)

type recorded struct {
	Name   string
	Expect struct{ Status, Output, Error, Cause string }
	Events []types.HistoryEvent
}

func histories(t testing.TB) []recorded {
	t.Helper()
	raw, err := os.ReadFile("testdata/histories.json")
	require.NoError(t, err)
	var out []recorded
	require.NoError(t, json.Unmarshal(raw, &out))
	require.NotEmpty(t, out)
	return out
}

func eventsOf(h []types.HistoryEvent) []Event {
	out := make([]Event, len(h))
	for i := range h {
		out[i] = fromHistory(&h[i])
	}
	return out
}

// draw writes a timeline as text, a line for each visit.
func draw(t *Timeline) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s events=%d", t.Status, t.Duration(t.Stop), t.LastID)
	if t.Error != "" {
		fmt.Fprintf(&b, " error=%s", t.Error)
	}
	if v := t.Failed(); v != nil {
		fmt.Fprintf(&b, " failed=%s#%d", v.State, v.Index)
	}
	b.WriteByte('\n')
	for i := range t.Visits {
		v := &t.Visits[i]
		fmt.Fprintf(&b, "%s%d %s %s %s %s", strings.Repeat("  ", v.Depth+1), v.Index, v.State, v.Type, v.Status, v.Duration(t.Stop))
		if v.Iteration != nil {
			fmt.Fprintf(&b, " iteration=%d", *v.Iteration)
		}
		for _, a := range v.Attempts {
			fmt.Fprintf(&b, " [%s", a.Status)
			if a.Error != "" {
				b.WriteString(" " + a.Error)
			}
			b.WriteString("]")
		}
		if v.Map != nil {
			fmt.Fprintf(&b, " map=%d/%d failed=%d aborted=%d run=%t", v.Map.Succeeded, v.Map.Total, v.Map.Failed, v.Map.Aborted, v.Map.Run != "")
		}
		if v.Error != "" {
			fmt.Fprintf(&b, " error=%s", v.Error)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestTimelineOfRecordedHistories(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, h := range histories(t) {
		var tl Timeline
		for _, e := range eventsOf(h.Events) {
			tl.Apply(e)
			tl.Apply(e) // a repeated event changes nothing
		}
		require.Equal(t, Status(h.Expect.Status), tl.Status, h.Name)
		require.Equal(t, h.Expect.Error, tl.Error, h.Name)
		require.Equal(t, h.Expect.Cause, tl.Cause, h.Name)
		require.Empty(t, tl.Current(), h.Name)
		entered := 0
		for _, e := range h.Events {
			if strings.HasSuffix(string(e.Type), "StateEntered") {
				entered++
			}
		}
		require.Len(t, tl.Visits, entered, h.Name)
		require.Equal(t, int64(len(h.Events)), tl.Totals().Events, h.Name)
		if tl.Status == Succeeded {
			require.Nil(t, tl.Failed(), h.Name)
		}
		fmt.Fprintf(&all, "%s\n  %s\n", h.Name, draw(&tl))
	}
	golden.RequireEqual(t, []byte(all.String()))
}

// TestTimelineIsTheSameInPieces: applying a history event by event must give the
// same as applying it again from a prefix on, since a watch may see overlaps.
func TestTimelineIsTheSameInPieces(t *testing.T) {
	t.Parallel()
	for _, h := range histories(t) {
		events := eventsOf(h.Events)
		var whole Timeline
		for _, e := range events {
			whole.Apply(e)
		}
		for cut := range events {
			var tl Timeline
			for _, e := range events[:cut] {
				tl.Apply(e)
			}
			for _, e := range events {
				tl.Apply(e)
			}
			diff := cmp.Diff(&whole, &tl, cmpopts.IgnoreUnexported(Timeline{}, Visit{}))
			require.Empty(t, diff, h.Name)
		}
	}
}

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// script builds events: "previous type [state] [error]".
func script(lines ...string) []Event {
	out := make([]Event, len(lines))
	for i, l := range lines {
		f := strings.Fields(l)
		e := Event{ID: int64(i + 1), Time: t0.Add(time.Duration(i+1) * time.Second), Type: f[1]}
		_, _ = fmt.Sscan(f[0], &e.Previous)
		if len(f) > 2 {
			switch {
			case strings.Contains(e.Type, "State") || e.Type == "EvaluationFailed":
				e.State = f[2]
			default:
				e.Error = f[2]
			}
		}
		out[i] = e
	}
	return out
}

func TestTimeline(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		events []Event
		want   string
	}{
		{
			"parallel branches", script(
				"0 ExecutionStarted", "0 ParallelStateEntered P", "2 ParallelStateStarted",
				"3 TaskStateEntered A", "3 TaskStateEntered B", "4 TaskScheduled", "5 TaskScheduled", "7 TaskStarted", "6 TaskStarted",
				"9 TaskSucceeded", "10 TaskStateExited A", "8 TaskSucceeded", "12 TaskStateExited B",
				"13 ParallelStateSucceeded", "13 ParallelStateExited P", "15 ExecutionSucceeded"),
			`SUCCEEDED 15s events=16
  0 P Parallel succeeded 13s [succeeded]
    1 A Task succeeded 7s [succeeded]
    2 B Task succeeded 8s [succeeded]
`,
		},
		{
			"a branch fails and the Parallel is caught", script(
				"0 ExecutionStarted", "0 ParallelStateEntered P", "2 ParallelStateStarted",
				"3 TaskStateEntered A", "3 WaitStateEntered B", "4 TaskScheduled", "6 TaskStarted", "7 TaskFailed Boom",
				"8 ParallelStateFailed", "9 ParallelStateExited P", "10 PassStateEntered C", "11 PassStateExited C", "12 ExecutionSucceeded"),
			`SUCCEEDED 12s events=13
  0 P Parallel caught 8s [failed]
    1 A Task failed 6s [failed Boom] error=Boom
    2 B Wait aborted 5s
  3 C Pass succeeded 1s
`,
		},
		{
			"nested parallel", script(
				"0 ExecutionStarted", "0 ParallelStateEntered P", "2 ParallelStateStarted", "3 ParallelStateEntered Q", "4 ParallelStateStarted",
				"5 PassStateEntered A", "6 PassStateExited A", "7 ParallelStateSucceeded", "7 ParallelStateExited Q",
				"9 ParallelStateSucceeded", "9 ParallelStateExited P", "11 ExecutionSucceeded"),
			`SUCCEEDED 11s events=12
  0 P Parallel succeeded 9s [succeeded]
    1 Q Parallel succeeded 5s [succeeded]
      2 A Pass succeeded 1s
`,
		},
		{
			"retries, then failure", script(
				"0 ExecutionStarted", "0 TaskStateEntered A", "2 TaskScheduled", "3 TaskStarted", "4 TaskTimedOut States.Timeout",
				"5 TaskScheduled", "6 TaskStarted", "7 TaskFailed Boom", "8 ExecutionFailed Boom"),
			`FAILED 8s events=9 error=Boom failed=A#0
  0 A Task failed 7s [timedOut States.Timeout] [failed Boom] error=Boom
`,
		},
		{
			"stopped", script("0 ExecutionStarted", "0 WaitStateEntered W", "2 WaitStateAborted W", "3 ExecutionAborted Stop"),
			`ABORTED 3s events=4 error=Stop
  0 W Wait aborted 1s
`,
		},
		{
			"timed out", script("0 ExecutionStarted", "0 TaskStateEntered A", "2 TaskScheduled", "3 TaskStarted", "4 ExecutionTimedOut"),
			`TIMED_OUT 4s events=5 failed=A#0
  0 A Task timedOut 3s [timedOut]
`,
		},
		{
			"redriven to success", script(
				"0 ExecutionStarted", "0 TaskStateEntered A", "2 TaskScheduled", "3 TaskStarted", "4 TaskFailed Boom", "5 ExecutionFailed Boom",
				"6 ExecutionRedriven", "7 TaskScheduled", "8 TaskStarted", "9 TaskSucceeded", "10 TaskStateExited A", "11 ExecutionSucceeded"),
			`SUCCEEDED 11s events=12
  0 A Task succeeded 9s [failed Boom] [succeeded]
`,
		},
		{
			"Map Run redriven to success", script(
				"0 ExecutionStarted", "0 MapStateEntered M", "2 MapStateStarted", "3 MapRunStarted", "4 MapRunFailed Too.Many", "5 MapStateFailed",
				"6 ExecutionFailed Too.Many", "7 ExecutionRedriven", "8 MapRunRedriven", "9 MapRunSucceeded", "10 MapStateSucceeded", "10 MapStateExited M",
				"12 ExecutionSucceeded"),
			`SUCCEEDED 12s events=13
  0 M Map succeeded 10s [failed] [succeeded] map=0/0 failed=0 aborted=0 run=false
`,
		},
		{
			"Map Run redriven and failed", script(
				"0 ExecutionStarted", "0 MapStateEntered M", "2 MapStateStarted", "3 MapRunStarted", "4 MapRunFailed Too.Many", "5 MapStateFailed",
				"6 ExecutionFailed Too.Many", "7 ExecutionRedriven", "8 MapRunRedriven", "9 MapRunFailed Too.Many", "10 MapStateFailed", "11 ExecutionFailed Too.Many"),
			`FAILED 11s events=12 error=Too.Many failed=M#0
  0 M Map failed 10s [failed] [failed] map=0/0 failed=0 aborted=0 run=false error=Too.Many
`,
		},
		{
			"still running", script("0 ExecutionStarted", "0 TaskStateEntered A", "2 TaskScheduled", "3 TaskStarted"),
			`RUNNING 0s events=4
  0 A Task running 0s [running]
`,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var tl Timeline
			for _, e := range c.events {
				tl.Apply(e)
			}
			require.Equal(t, c.want, draw(&tl))
		})
	}
}

func TestTimelineNamesStates(t *testing.T) {
	t.Parallel()
	events := script("0 ExecutionStarted", "0 ParallelStateEntered P", "2 ParallelStateStarted", "3 TaskStateEntered A", "4 TaskScheduled",
		"5 TaskFailed Boom", "6 ParallelStateFailed", "7 ExecutionFailed")
	for i := range events {
		events[i].State = ""
	}
	events[1].State, events[3].State = "P", "A"
	nameStates(events)
	var got []string
	for _, e := range events {
		got = append(got, e.State)
	}
	require.Equal(t, []string{"", "P", "P", "A", "A", "A", "P", ""}, got)
}

func TestTimelineCurrent(t *testing.T) {
	t.Parallel()
	var tl Timeline
	for _, e := range script("0 ExecutionStarted", "0 ParallelStateEntered P", "2 ParallelStateStarted", "3 TaskStateEntered A", "3 WaitStateEntered B") {
		tl.Apply(e)
	}
	var names []string
	for _, v := range tl.Current() {
		names = append(names, v.State)
	}
	require.Equal(t, []string{"A", "B"}, names)
	require.Equal(t, 3, tl.Totals().Running)
	require.Equal(t, 9*time.Second, tl.Duration(t0.Add(10*time.Second)))
	require.Len(t, tl.VisitsOf("A"), 1)
}

func FuzzTimeline(f *testing.F) {
	kinds := []string{
		"ExecutionStarted", "ExecutionFailed", "ExecutionRedriven", "ExecutionTimedOut", "TaskStateEntered", "TaskStateExited", "TaskScheduled", "TaskFailed", "TaskStarted",
		"MapStateEntered", "MapStateStarted", "MapIterationStarted", "MapIterationFailed", "MapStateFailed", "MapStateExited", "ParallelStateEntered", "ParallelStateStarted",
		"ParallelStateSucceeded", "EvaluationFailed", "FailStateEntered", "WaitStateAborted", "MapRunStarted", "Unheard", "MapRunRedriven",
	}
	f.Add([]byte{0, 0, 4, 0, 6, 1, 7, 2, 1, 3})
	f.Add([]byte{0, 0, 9, 0, 10, 1, 11, 2, 4, 3, 12, 4, 13, 5, 1, 6, 2, 7, 6, 8})
	f.Fuzz(func(t *testing.T, raw []byte) {
		var tl Timeline
		for i := 0; i+1 < len(raw); i += 2 {
			n := int(raw[i+1]) % 3
			tl.Apply(Event{ID: int64(i/2 + 1), Previous: int64(raw[i+1]), Type: kinds[int(raw[i])%len(kinds)], State: "S", Iteration: &n, Length: &n, Time: t0})
		}
		for i, v := range tl.Visits {
			require.Less(t, v.Parent, i, "a visit is inside an earlier one")
		}
		tl.Totals()
		_ = draw(&tl)
	})
}

// Totals sums a Timeline up.
type Totals struct {
	Events     int64 `json:"events"`
	Visits     int   `json:"visits"`
	Running    int   `json:"running"`
	Failed     int   `json:"failed"`
	Retries    int   `json:"retries"`
	Iterations int   `json:"iterations"` // of inline maps, ended ones
}

// Totals counts visits, retries and iterations.
func (t *Timeline) Totals() Totals {
	out := Totals{Events: t.LastID, Visits: len(t.Visits)}
	for i := range t.Visits {
		v := &t.Visits[i]
		switch v.Status {
		case VisitRunning:
			out.Running++
		case VisitFailed, VisitTimedOut:
			out.Failed++
		case VisitSucceeded, VisitCaught, VisitAborted:
		}
		out.Retries += v.Retries()
		if v.Map != nil {
			out.Iterations += v.Map.Succeeded + v.Map.Failed + v.Map.Aborted
		}
	}
	return out
}

// VisitsOf returns the visits of a state, in order.
func (t *Timeline) VisitsOf(state string) []Visit {
	return slices.DeleteFunc(slices.Clone(t.Visits), func(v Visit) bool { return v.State != state })
}

// What a redrive begins is an attempt, and no retry of the state machine's.
func TestARedriveIsNoRetry(t *testing.T) {
	t.Parallel()
	var line Timeline
	for _, e := range script("0 ExecutionStarted", "0 TaskStateEntered A", "2 TaskScheduled", "3 TaskStarted", "4 TaskFailed Boom", "5 ExecutionFailed Boom",
		"6 ExecutionRedriven", "7 TaskScheduled", "8 TaskStarted", "9 TaskFailed Boom", "10 TaskScheduled", "11 TaskStarted") {
		line.Apply(e)
	}
	require.Len(t, line.Visits[0].Attempts, 3)
	require.Equal(t, 1, line.Visits[0].Retries())
	require.Equal(t, 1, line.Totals().Retries)
}
