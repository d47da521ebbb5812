package executions

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/pipelinetui/pipelinetui/internal/clock"
)

// pace runs a fake clock until stop is called: as soon as n timers are waited for,
// that is, when all of n workers have nothing else to do. When fewer are left it
// gives them a moment of real time.
func pace(clk *clock.Fake, n int) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for clk.WaitTimers(ctx, 1) == nil {
			moment, end := context.WithTimeout(ctx, 2*time.Millisecond)
			_ = clk.WaitTimers(moment, n)
			end()
			clk.Advance(10 * time.Millisecond)
		}
	}()
	return func() { cancel(); <-done }
}

// BenchmarkLaunch launches 10,000 executions against the quota of the largest
// regions and reports which part of what AWS's bucket allows was used; none may be
// lost or doubled.
func BenchmarkLaunch(b *testing.B) {
	const n = 10_000
	for b.Loop() {
		clk := clock.NewFake(t0)
		stop := pace(clk, launchers)
		api := newFake(clk)
		c := New(Config{API: api, Class: ClassA, Clock: clk})
		l := c.Launch(b.Context(), LaunchInput{Machine: alias, Batch: "b", Items: items(n)})
		go func() {
			for range l.Events() { // the events are not wanted
			}
		}()
		res, err := l.Wait()
		names := map[string]bool{}
		for _, r := range api.runs {
			names[r.name] = true
		}
		if err != nil || res.Started != n || len(api.runs) != n || len(names) != n {
			b.Fatalf("started %d of %d, %d there, %d of them different: %v", res.Started, n, len(api.runs), len(names), err)
		}
		took := clk.Now().Sub(t0).Seconds()
		ours := (n - 1256) / 290.0
		aws := (n - 1300) / 300.0
		b.ReportMetric(ours/took*100, "%of-our-bucket")
		b.ReportMetric(aws/took*100, "%of-aws-bucket")
		stop()
	}
}

// BenchmarkWatchBatch watches 10,000 executions that end one after the other within
// five minutes. It reports how long after its end an execution is counted as ended
// (half of them, 99 of 100, all of them), and which part of a third of each API's
// quota, burst included, was used until then.
func BenchmarkWatchBatch(b *testing.B) {
	const (
		n     = 10_000
		every = 30 * time.Millisecond
	)
	for b.Loop() {
		clk := clock.NewFake(t0)
		api := newFake(clk)
		names := make([]string, n)
		ends := func(i int) time.Time { return t0.Add(time.Duration(i+1) * every) }
		for i := range n {
			names[i] = fmt.Sprintf("b-%06d", i)
			api.runs = append(api.runs, &fakeRun{name: names[i], status: types.ExecutionStatusRunning, start: t0.Add(time.Duration(i) * time.Millisecond)})
		}
		ended := 0
		api.before = func(string, int) error {
			api.mu.Lock()
			defer api.mu.Unlock()
			for ; ended < n && !ends(ended).After(clk.Now()); ended++ {
				api.runs[ended].status, api.runs[ended].stop = types.ExecutionStatusSucceeded, ends(ended)
			}
			return nil
		}
		stop := pace(clk, 1)
		c := New(Config{API: api, Class: ClassA, Clock: clk})
		w := c.WatchBatch(b.Context(), alias, names, nil)
		var stale []time.Duration
		for p := range w.Events() {
			// They end in order, so the count tells which ones it holds.
			for i := len(stale); i < p.Succeeded; i++ {
				stale = append(stale, p.At.Sub(ends(i)))
			}
		}
		if _, err := w.Wait(); err != nil || len(stale) != n {
			b.Fatalf("%d of %d were seen to end: %v", len(stale), n, err)
		}
		took := clk.Now().Sub(t0).Seconds()
		stop()
		slices.Sort(stale)
		b.ReportMetric(stale[n/2].Seconds(), "s-stale-half")
		b.ReportMetric(stale[n*99/100].Seconds(), "s-stale-99%")
		b.ReportMetric(stale[n-1].Seconds(), "s-stale-all")
		share := func(op operation) float64 {
			q, _ := quotaOf(op, ClassA)
			return float64(api.count(string(op))) / ((q.burst + q.perSecond*took) / 3) * 100
		}
		b.ReportMetric(share(opList), "%of-third-list")
		b.ReportMetric(share(opDescribe), "%of-third-describe")
	}
}

// BenchmarkTimeline applies the longest history there can be.
func BenchmarkTimeline(b *testing.B) {
	events := eventsOf(long(12_499))
	b.ReportAllocs()
	for b.Loop() {
		var t Timeline
		for _, e := range events {
			t.Apply(e)
		}
		if t.Status != Succeeded {
			b.Fatal(t.Status)
		}
	}
}
