package executions

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/pipelinetui/pipelinetui/internal/clock"
)

// pace runs a fake clock as fast as timers are waited for until stop is called.
func pace(clk *clock.Fake) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for clk.WaitTimers(ctx, 1) == nil {
			clk.Advance(10 * time.Millisecond)
		}
	}()
	return func() { cancel(); <-done }
}

// BenchmarkLaunch launches 10,000 executions against the quota of the largest
// regions and reports which part of what AWS's bucket allows was used.
func BenchmarkLaunch(b *testing.B) {
	const n = 10_000
	for b.Loop() {
		clk := clock.NewFake(t0)
		stop := pace(clk)
		api := newFake(clk)
		c := New(Config{API: api, Class: ClassA, Clock: clk})
		l := c.Launch(b.Context(), LaunchInput{Machine: alias, Batch: "b", Items: items(n)})
		go func() {
			for range l.Events() { //nolint:revive // the events are not wanted
			}
		}()
		res, err := l.Wait()
		if err != nil || res.Started != n || len(api.runs) != n {
			b.Fatalf("started %d of %d: %v", res.Started, n, err)
		}
		took := clk.Now().Sub(t0).Seconds()
		ours := (n - 1213) / 280.0
		aws := (n - 1300) / 300.0
		b.ReportMetric(ours/took*100, "%of-our-bucket")
		b.ReportMetric(aws/took*100, "%of-aws-bucket")
		stop()
	}
}

// BenchmarkWatchBatch watches 10,000 executions and reports the list calls a
// second, of which a third of the quota allows 1.67.
func BenchmarkWatchBatch(b *testing.B) {
	const n = 10_000
	for b.Loop() {
		clk := clock.NewFake(t0)
		api := newFake(clk)
		names := make([]string, n)
		for i := range n {
			names[i] = fmt.Sprintf("b-%06d", i)
			api.runs = append(api.runs, &fakeRun{name: names[i], status: types.ExecutionStatusRunning, start: t0.Add(time.Duration(i) * time.Millisecond)})
		}
		ended := 0
		api.before = func(op string, _ int) error {
			if op == "ListExecutions" {
				api.mu.Lock()
				for range 50 {
					if ended < n {
						api.runs[ended].status, api.runs[ended].stop = types.ExecutionStatusSucceeded, clk.Now()
						ended++
					}
				}
				api.mu.Unlock()
			}
			return nil
		}
		stop := pace(clk)
		c := New(Config{API: api, Class: ClassA, Clock: clk})
		w := c.WatchBatch(b.Context(), alias, names)
		var stale, last time.Duration
		for p := range w.Events() {
			at := p.At.Sub(t0)
			stale, last = max(stale, at-last), at
		}
		if _, err := w.Wait(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(api.calls["ListExecutions"])/last.Seconds(), "lists/s")
		b.ReportMetric(stale.Seconds(), "s-stale-at-most")
		stop()
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
