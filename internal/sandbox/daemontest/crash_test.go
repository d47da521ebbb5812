//go:build unix

package daemontest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"
)

// round is one life of the daemon.
type round struct {
	ready     time.Duration
	startKill time.Duration // -1 if the start was left alone
	lived     time.Duration // under load, until the kill
	killed    time.Time
	asked     int // executions acknowledged up to the kill
}

// setting reads a number from the environment.
func setting(t testing.TB, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(t, err, name)
	return n
}

// TestKill kills the daemon again and again under load. CRASH_ROUNDS and
// CRASH_SEED repeat a longer run, or one that failed.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: takes half a minute")
	}
	rounds, seed := setting(t, "CRASH_ROUNDS", 8), setting(t, "CRASH_SEED", uint64(time.Now().UnixNano())) // positive
	t.Logf("CRASH_ROUNDS=%d CRASH_SEED=%d", rounds, seed)
	r := rand.New(rand.NewPCG(seed, 0)) // a test's choices
	w := newWorld(t)
	reference := w.reference(t)
	var table []round
	for i := range rounds {
		table = append(table, w.round(t, r, seed+i+1))
	}
	w.start(t)
	c := connect(w.info)
	ctx, stop := context.WithCancel(t.Context())
	wait := w.settle(ctx, c)
	w.drain(t, c)
	stop()
	wait()
	all, v := w.judge(t.Context(), t, connect(w.info), reference)
	t.Log("\n" + report(table, all, v))
	for kind, list := range map[string][]string{"lost": v.lost, "doubled": v.doubled, "stuck": v.stuck, "wrong": v.wrong} {
		for _, line := range list[:min(len(list), 10)] {
			t.Errorf("%s: %s", kind, line)
		}
	}
	require.NotEmpty(t, all)
}

// reference runs each machine once, undisturbed.
func (w *world) reference(t testing.TB) map[string][]string {
	t.Helper()
	c, out := connect(w.info), map[string][]string{}
	r := rand.New(rand.NewPCG(1, 1)) // a test's choices
	ctx, stop := context.WithCancel(t.Context())
	wait := w.settle(ctx, c)
	for _, m := range w.machines {
		if !m.ordered {
			continue
		}
		name := "reference-" + m.name
		res, err := c.sfn.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &m.arn, Name: &name, Input: aws.String(encode(m.input(r, name, 1)))})
		require.NoError(t, err)
		w.drain(t, c)
		events, err := c.history(ctx, *res.ExecutionArn)
		require.NoError(t, err)
		require.NoError(t, wellFormed(events))
		out[m.name] = skeleton(events)
	}
	stop()
	wait()
	clear(w.finished)
	w.kill()
	return out
}

// round starts the daemon, works with it for a while and kills it. Some starts
// are killed before they are done.
func (w *world) round(t testing.TB, r *rand.Rand, seed uint64) round {
	t.Helper()
	out := round{startKill: -1}
	if r.IntN(3) == 0 {
		out.startKill = time.Duration(r.IntN(150)) * time.Millisecond
		w.spawn(t)
		pause(t.Context(), out.startKill)
		w.kill()
	}
	out.ready = w.start(t)
	ctx, stop := context.WithCancel(t.Context())
	wait := w.load(ctx, seed)
	out.lived = time.Duration(20+r.IntN(900)) * time.Millisecond
	pause(ctx, out.lived)
	w.kill()
	out.killed = time.Now()
	stop()
	wait()
	w.mu.Lock()
	out.asked = len(w.executions)
	w.mu.Unlock()
	return out
}

// settle asks again for what was not answered, and does the activity's tasks.
func (w *world) settle(ctx context.Context, c *clients) (wait func()) {
	done := make(chan struct{})
	again := w.unanswered
	w.unanswered = nil
	for _, s := range again {
		w.begin(ctx, c, s)
	}
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			w.work(ctx, c)
		}
	}()
	return func() { <-done }
}

// drain waits until no execution runs; what still does when none has ended for a minute is
// stuck.
func (w *world) drain(t testing.TB, c *clients) {
	t.Helper()
	before, since := -1, time.Now()
	for time.Since(since) < time.Minute {
		running := 0
		for _, m := range w.machines {
			list, err := c.list(t.Context(), &sfn.ListExecutionsInput{StateMachineArn: &m.arn, StatusFilter: types.ExecutionStatusRunning, MaxResults: 1000})
			require.NoError(t, err)
			running += len(list)
		}
		if running == 0 {
			return
		}
		if running != before {
			before, since = running, time.Now()
		}
		pause(t.Context(), 50*time.Millisecond)
	}
}

// report is the table of the rounds. An execution counts as recovered in each
// round whose kill it outlived.
func report(table []round, all []*outcome, v *verdict) string {
	var b strings.Builder
	out := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "round\tready after\tkilled in start\tkilled under load\tacknowledged\tinterrupted\trecovered\t")
	before, interrupted, starts := 0, 0, 0
	for i, r := range table {
		cut, well := 0, 0
		for _, o := range all {
			if o.desc.StartDate.Before(r.killed) && o.desc.StopDate.After(r.killed) {
				cut++
				if string(o.desc.Status) == o.m.status {
					well++
				}
			}
		}
		start := "-"
		if r.startKill >= 0 {
			starts++
			start = "after " + r.startKill.String()
		}
		fmt.Fprintf(out, "%d\t%s\t%s\tafter %s\t%d\t%d\t%d\t\n", i+1, r.ready.Round(time.Millisecond), start, r.lived, r.asked-before, cut, well)
		before, interrupted = r.asked, interrupted+cut
	}
	_ = out.Flush()
	retried := 0
	for _, o := range all {
		if len(skeleton(o.events)) < len(o.events) {
			retried++
		}
	}
	fmt.Fprintf(&b, "%d kills under load, %d in the start; %d executions acknowledged, interrupted %d times, %d with tasks done again: lost %d, doubled %d, stuck %d, wrong %d\n",
		len(table), starts, len(all)+len(v.stuck)+len(v.lost), interrupted, retried, len(v.lost), len(v.doubled), len(v.stuck), len(v.wrong))
	return b.String()
}
