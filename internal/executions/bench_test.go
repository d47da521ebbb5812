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

// queueOf is a feed as a queue of SQS is one: it tells ten ends at most at a time, a second
// after they were, and waits if there are none.
type queueOf struct {
	clk   *clock.Fake
	ends  func(i int) time.Time
	n     int
	told  int
	reads int
}

// Ends implements Feed.
func (q *queueOf) Ends(ctx context.Context) ([]Ended, error) {
	q.reads++
	for until := q.clk.Now().Add(pushWait * time.Second); q.clk.Now().Before(until); {
		var out []Ended
		for ; q.told < q.n && len(out) < pushAtOnce && !q.ends(q.told).Add(time.Second).After(q.clk.Now()); q.told++ {
			name := fmt.Sprintf("b-%06d", q.told)
			out = append(out, Ended{Whole: true, Details: Details{Execution: Execution{
				ARN: arnFor(name), Name: name, Machine: machine, Status: Succeeded, Start: t0.Add(time.Duration(q.told) * time.Millisecond), Stop: q.ends(q.told),
			}}})
		}
		if len(out) > 0 {
			return out, nil
		}
		if err := clock.Sleep(ctx, q.clk, 50*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// BenchmarkWatchBatch watches 10,000 executions that end one after the other within
// five minutes, by poll and by push. It reports how long after its end an execution is counted
// as ended (half of them, 99 of 100, all of them), which part of a third of each API's
// quota, burst included, was used until then, and the calls of each service.
func BenchmarkWatchBatch(b *testing.B) {
	const (
		n     = 10_000
		every = 30 * time.Millisecond
	)
	for _, push := range []bool{false, true} {
		b.Run(map[bool]string{false: "poll", true: "push"}[push], func(b *testing.B) {
			for b.Loop() {
				watchTenThousand(b, n, every, push)
			}
		})
	}
}

func watchTenThousand(b *testing.B, n int, every time.Duration, push bool) {
	b.Helper()
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
	workers := 1
	var feed Feed
	queue := &queueOf{clk: clk, ends: ends, n: n}
	if push {
		workers, feed = 2, queue
	}
	stop := pace(clk, workers)
	c := New(Config{API: api, Class: ClassA, Clock: clk})
	w := c.WatchBatch(b.Context(), alias, names, feed)
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
	b.ReportMetric(float64(api.count(string(opList))), "calls-list")
	b.ReportMetric(float64(api.count(string(opDescribe))), "calls-describe")
	b.ReportMetric(float64(queue.reads), "calls-queue")
}

// BenchmarkListHundredThousand lists 100,000 executions of one machine, all and those that
// failed of a day, on the clock of the quota: how long AWS's bucket makes it, with what calls,
// and how far apart the lines of progress are. B/op and ns/op are the tool's own, the answers of
// the service in memory included.
func BenchmarkListHundredThousand(b *testing.B) {
	const n = 100_000
	for name, in := range map[string]ListInput{
		"all": {Machine: machine}, "failed of a day": {Machine: machine, Statuses: []Status{Failed}, Since: t0.Add(-24 * time.Hour)}, "the newest hundred by name": {Machine: machine, Name: "*7", Limit: 100},
	} {
		b.Run(name, func(b *testing.B) {
			clk := clock.NewFake(t0)
			api := newFake(clk)
			for i := range n {
				status := types.ExecutionStatusSucceeded
				if i%20 == 0 {
					status = types.ExecutionStatusFailed
				}
				api.runs = append(api.runs, &fakeRun{name: fmt.Sprintf("x-%06d", i), status: status, start: t0.Add(-time.Duration(n-i) * 5 * time.Second)})
			}
			stop := pace(clk, 1)
			defer stop()
			b.ReportAllocs()
			for b.Loop() {
				began := clk.Now()
				calls := api.count(string(opList))
				c := New(Config{API: api, Class: ClassA, Clock: clk})
				var last time.Time
				var apart time.Duration
				in.Passed = func(int) {
					if !last.IsZero() {
						apart = max(apart, clk.Now().Sub(last))
					}
					last = clk.Now()
				}
				list, err := c.List(b.Context(), in)
				if err != nil || len(list) == 0 {
					b.Fatal(len(list), err)
				}
				b.ReportMetric(float64(len(list)), "listed")
				b.ReportMetric(float64(api.count(string(opList))-calls), "calls-list")
				b.ReportMetric(clk.Now().Sub(began).Seconds(), "s-by-quota")
				b.ReportMetric(apart.Seconds(), "s-between-lines")
			}
		})
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
