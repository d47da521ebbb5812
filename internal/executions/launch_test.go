package executions

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

func items(n int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for i := range n {
			if !yield(fmt.Appendf(nil, `{"n":%d}`, i+1), nil) {
				return
			}
		}
	}
}

func drainLaunch(l *Launch) []LaunchEvent {
	var out []LaunchEvent
	for e := range l.Events() {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b LaunchEvent) int { return a.Index - b.Index })
	return out
}

func TestLaunchAtThePaceOfTheQuota(t *testing.T) {
	t.Parallel()
	const n = 4000
	b := newBench(t, Config{Class: ClassA})
	l := b.Launch(t.Context(), LaunchInput{Machine: alias, Batch: "night", Items: items(n)})
	events := drainLaunch(l)
	res, err := l.Wait()
	require.NoError(t, err)
	require.Equal(t, LaunchResult{Started: n}, res)
	require.Len(t, events, n)
	for i, e := range events {
		require.Equal(t, i+1, e.Index)
		require.Equal(t, fmt.Sprintf("night-%06d", i+1), e.Name)
		require.Equal(t, arnFor(e.Name), e.ARN)
		require.NoError(t, e.Err)
	}
	require.Len(t, b.api.runs, n, "none lost, none doubled")
	// The burst of 1,256 at once, the rest at 290 a second: 9.46 s.
	took := b.clk.Now().Sub(t0)
	require.InDelta(t, 9.46, took.Seconds(), 0.5)
}

func TestLaunchAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{Limits: Limits{Unlimited: true}})
	journal := filepath.Join(t.TempDir(), "batches", "night.jsonl")
	in := LaunchInput{Machine: alias, Batch: "night", Items: items(50), Journal: journal}

	// The first launch loses its permission after 20 starts.
	b.api.before = func(op string, n int) error {
		if op == "StartExecution" && n > 20 {
			return apiError("AccessDeniedException", "no")
		}
		return nil
	}
	l := b.Launch(t.Context(), in)
	drainLaunch(l)
	res, err := l.Wait()
	requireKind(t, err, fault.Denied, "AccessDeniedException")
	require.Equal(t, 20, res.Started)

	// A crash in the middle of a line, and one whose line was lost.
	raw, err := os.ReadFile(journal)
	require.NoError(t, err)
	lines := strings.SplitAfter(string(raw), "\n")
	lost := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, "arn") && strings.Contains(l, `"index"`) })
	lines = slices.Delete(lines, lost, lost+1)
	require.NoError(t, os.WriteFile(journal, []byte(strings.Join(lines, "")+`{"index":7,"ar`), 0o600))

	b.api.before = nil
	for _, r := range b.api.runs {
		r.status = types.ExecutionStatusSucceeded // so that AWS answers ExecutionAlreadyExists
	}
	calls := b.api.count("StartExecution")
	l = b.Launch(t.Context(), in)
	events := drainLaunch(l)
	res, err = l.Wait()
	require.NoError(t, err)
	require.Equal(t, LaunchResult{Started: 30, Existed: 20}, res)
	require.Len(t, events, 50)
	require.Len(t, b.api.runs, 50)
	require.Equal(t, 31, b.api.count("StartExecution")-calls, "only what is missing or in doubt is started")

	// Another input, another machine, another batch.
	in.Items = func(yield func([]byte, error) bool) { yield([]byte(`{"n":99}`), nil) }
	l = b.Launch(t.Context(), in)
	events = drainLaunch(l)
	requireKind(t, events[0].Err, fault.Conflict, "different input")
	in.Batch = "other"
	l = b.Launch(t.Context(), in)
	require.Empty(t, drainLaunch(l))
	_, err = l.Wait()
	requireKind(t, err, fault.Conflict, `is of batch "night"`)
}

// TestLaunchOfWhatIsNoMore believes no journal that is of another machine of the same ARN, or so
// old that its executions are forgotten, and asks AWS instead.
func TestLaunchOfWhatIsNoMore(t *testing.T) {
	t.Parallel()
	made := t0.Add(-time.Hour)
	headless := func(t *testing.T, path string, written time.Time) {
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		_, lines, _ := strings.Cut(string(raw), "\n")
		head := fmt.Sprintf(`{"version":1,"stateMachineArn":%q,"batch":"night"}`, alias)
		require.NoError(t, os.WriteFile(path, []byte(head+"\n"+lines), 0o600))
		require.NoError(t, os.Chtimes(path, written, written))
	}
	for name, c := range map[string]struct {
		made     time.Time // of the machine of the second launch
		later    time.Duration
		old      time.Duration // after the first launch an older program has written it; 0: it has a head
		believed bool
	}{
		"the same":                     {made: made, believed: true},
		"not known":                    {believed: true},
		"another one":                  {made: t0.Add(time.Hour)},
		"almost forgotten":             {made: made, later: remembered - time.Hour, believed: true},
		"forgotten":                    {made: made, later: remembered},
		"of an older program":          {made: made, old: time.Minute, believed: true},
		"of an older program, forgot":  {made: made, old: time.Minute, later: remembered + time.Hour},
		"of an older program, another": {made: t0.Add(time.Hour), old: time.Minute, later: 2 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, Config{Limits: Limits{Unlimited: true}})
			in := LaunchInput{Machine: alias, Made: made, Batch: "night", Items: items(5), Journal: filepath.Join(t.TempDir(), "night.journal")}
			launch := func() LaunchResult {
				l := b.Launch(t.Context(), in)
				drainLaunch(l)
				res, err := l.Wait()
				require.NoError(t, err)
				return res
			}
			require.Equal(t, LaunchResult{Started: 5}, launch())
			if c.old > 0 {
				headless(t, in.Journal, t0.Add(c.old))
			}
			b.clk.Advance(c.later)
			b.api.runs, in.Made = nil, c.made
			want := LaunchResult{Started: 5}
			if c.believed {
				want = LaunchResult{Existed: 5}
			}
			require.Equal(t, want, launch())
			require.Equal(t, LaunchResult{Existed: 5}, launch(), "it is written anew")
		})
	}
}

func TestLaunchSkipsBadItems(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	l := b.Launch(t.Context(), LaunchInput{Machine: alias, Batch: "x", Items: func(yield func([]byte, error) bool) {
		_ = yield([]byte(`{}`), nil) && yield([]byte(`{"a":`), nil) && yield(nil, errors.New("row 3 is odd")) && yield([]byte(`1`), nil)
	}})
	events := drainLaunch(l)
	res, err := l.Wait()
	require.NoError(t, err)
	require.Equal(t, LaunchResult{Started: 2, Failed: 2}, res)
	requireKind(t, events[1].Err, fault.Invalid, "item 2: input is not valid JSON at line 1, column 6")
	require.ErrorContains(t, events[2].Err, "row 3 is odd")
	require.Equal(t, "x-000004", events[3].Name)

	for _, bad := range []string{"", "a b", strings.Repeat("a", 74)} {
		l := b.Launch(t.Context(), LaunchInput{Machine: alias, Batch: bad, Items: items(1)})
		drainLaunch(l)
		_, err := l.Wait()
		requireKind(t, err, fault.Invalid, "batch name")
	}
}

func TestLaunchIsCancelled(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{Class: ClassB})
	l := b.Launch(t.Context(), LaunchInput{Machine: alias, Batch: "x", Items: items(1_000_000)})
	for range 800 {
		<-l.Events()
	}
	l.Cancel()
	res, err := l.Wait()
	requireKind(t, err, fault.Canceled, "")
	require.GreaterOrEqual(t, res.Started, 800)
	require.Less(t, res.Started, 1_000_000)
	require.Eventually(t, func() bool { _, open := <-l.Events(); return !open }, time.Minute, time.Microsecond)
}

func TestWatchBatch(t *testing.T) {
	t.Parallel()
	const n = 2500
	b := newBench(t, Config{Class: ClassA})
	var names []string
	for i := range n {
		names = append(names, BatchName("night", i+1))
		b.api.add(&fakeRun{name: names[i], status: types.ExecutionStatusRunning, start: t0.Add(time.Duration(i) * time.Millisecond), input: "{}"})
		b.api.add(&fakeRun{name: fmt.Sprintf("other-%d", i), status: types.ExecutionStatusRunning, start: t0.Add(time.Duration(i) * time.Millisecond)})
	}
	names = append(names, "never-started")
	// With each look another 500 end: every tenth fails.
	ended := 0
	b.api.before = func(op string, _ int) error {
		if op != "ListExecutions" {
			return nil
		}
		for range 500 {
			if ended == n {
				return nil
			}
			b.api.with(names[ended], func(r *fakeRun) {
				r.status, r.stop, r.output = types.ExecutionStatusSucceeded, b.clk.Now(), `"done"`
				if ended%10 == 0 {
					r.status, r.errorName, r.output = types.ExecutionStatusFailed, "Boom", ""
				}
			})
			ended++
		}
		return nil
	}
	w := b.WatchBatch(t.Context(), alias, names, nil)
	var last BatchProgress
	for p := range w.Events() {
		require.Equal(t, n+1, p.Total)
		require.Equal(t, p.Total, p.Running+p.Succeeded+p.Failed+p.TimedOut+p.Aborted+p.Missing)
		last = p
	}
	details, err := w.Wait()
	require.NoError(t, err)
	require.Equal(t, 2250, last.Succeeded)
	require.Equal(t, 250, last.Failed)
	require.Equal(t, 1, last.Missing)
	require.Len(t, details, n+1)
	require.Equal(t, "Boom", details[0].Error)
	require.JSONEq(t, `"done"`, details[1].Output)
	require.Empty(t, details[2400].Output, "beyond MaxDescribed")
	require.Equal(t, Succeeded, details[2401].Status)
	require.Equal(t, Execution{ARN: arnFor("never-started"), Name: "never-started", Machine: machine}, details[n].Execution)
	require.LessOrEqual(t, b.api.count("DescribeExecution"), 250+MaxDescribed+1)
}

func TestWatchBatchIsCancelled(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{})
	b.api.add(&fakeRun{name: "x-000001", status: types.ExecutionStatusRunning, start: t0})
	w := b.WatchBatch(t.Context(), alias, []string{"x-000001"}, nil)
	require.Equal(t, 1, (<-w.Events()).Running)
	w.Cancel()
	details, err := w.Wait()
	requireKind(t, err, fault.Canceled, "")
	require.Equal(t, Running, details[0].Status)
}

// Two launches of one batch at the same time start and count each execution once:
// the second waits for the first, says so, and finds everything there.
func TestTwoLaunchersCountOnce(t *testing.T) {
	t.Parallel()
	const n = 200
	b := newBench(t, Config{Limits: Limits{Unlimited: true}})
	journal := filepath.Join(t.TempDir(), "night.jsonl")
	var busy atomic.Int32
	// The first holds the journal until the second has met it.
	met := make(chan struct{})
	held := func(yield func([]byte, error) bool) {
		<-met
		items(n)(yield)
	}
	first := b.Launch(t.Context(), LaunchInput{Machine: alias, Batch: "night", Items: held, Journal: journal})
	require.Eventually(t, func() bool { info, err := os.Stat(journal); return err == nil && info.Size() > 0 }, time.Minute, time.Millisecond)
	second := b.Launch(t.Context(), LaunchInput{
		Machine: alias, Batch: "night", Items: items(n), Journal: journal,
		Busy: func() { busy.Add(1); close(met) },
	})
	drainLaunch(first)
	events := drainLaunch(second)
	one, err := first.Wait()
	require.NoError(t, err)
	two, err := second.Wait()
	require.NoError(t, err)
	require.Equal(t, LaunchResult{Started: n}, one)
	require.Equal(t, LaunchResult{Existed: n}, two)
	require.Len(t, events, n)
	require.EqualValues(t, 1, busy.Load())
	require.Len(t, b.api.runs, n)
}

// Waiting for another launch ends when the user says so.
func TestWaitForAnotherLaunchIsCancelled(t *testing.T) {
	t.Parallel()
	b := newBench(t, Config{Limits: Limits{Unlimited: true}})
	journal := filepath.Join(t.TempDir(), "night.jsonl")
	release := make(chan struct{})
	first := b.Launch(t.Context(), LaunchInput{Machine: alias, Batch: "night", Journal: journal, Items: func(func([]byte, error) bool) { <-release }})
	require.Eventually(t, func() bool { info, err := os.Stat(journal); return err == nil && info.Size() > 0 }, time.Minute, time.Millisecond)
	var second *Launch
	ready := make(chan struct{})
	second = b.Launch(t.Context(), LaunchInput{Machine: alias, Batch: "night", Items: items(1), Journal: journal, Busy: func() { <-ready; second.Cancel() }})
	close(ready)
	drainLaunch(second)
	_, err := second.Wait()
	requireKind(t, err, fault.Canceled, "night")
	close(release)
	drainLaunch(first)
	_, err = first.Wait()
	require.NoError(t, err)
}
