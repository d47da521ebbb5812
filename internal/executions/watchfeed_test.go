package executions

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
)

// spoken is a feed that tells what a test says.
type spoken chan Heard

// Ends implements Feed.
func (s spoken) Ends(ctx context.Context) ([]Ended, error) {
	select {
	case h := <-s:
		return h.Ends, h.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s spoken) listen(context.Context) Feed { return s }

func endOfRun(name string, status Status, redrives int) Heard {
	return Heard{Ends: []Ended{{
		Whole:   true,
		Details: Details{Execution: Execution{ARN: arnFor(name), Name: name, Status: status, Start: t0, Stop: t0.Add(time.Hour), Redrives: redrives}, Output: `{"told":1}`},
	}}}
}

// quiet is a watch of an execution of which nothing is heard for long: it looks every minute at
// most where its feed is known to tell, every 15 seconds where that is not known.
func quiet(t *testing.T, told ...Heard) (*fakeAPI, *clock.Fake, spoken, *Watch) {
	t.Helper()
	clk := clock.NewFake(t0)
	api := newFake(clk)
	api.add(&fakeRun{name: "x", status: types.ExecutionStatusRunning, start: t0, events: long(3)[:3]})
	c := New(Config{API: api, Clock: clk, Limits: Limits{Unlimited: true}})
	feed := make(spoken)
	w := c.Watch(t.Context(), arnFor("x"), feed.listen)
	require.NoError(t, clk.WaitTimers(t.Context(), 1))
	for _, h := range told {
		feed <- h
	}
	for clk.Now().Before(t0.Add(20 * time.Minute)) {
		require.NoError(t, clk.WaitTimers(t.Context(), 1))
		clk.Advance(time.Second)
	}
	return api, clk, feed, w
}

func TestWatchHearsOfTheEnd(t *testing.T) {
	t.Parallel()
	api, clk, feed, w := quiet(t, endOfRun("another", Succeeded, 0))
	require.NoError(t, clk.WaitTimers(t.Context(), 1))
	looks, asked := api.count("GetExecutionHistory"), api.count("DescribeExecution")
	api.with("x", func(r *fakeRun) { r.events, r.status, r.stop = long(3), types.ExecutionStatusSucceeded, clk.Now() })
	feed <- endOfRun("x", Succeeded, 0)
	require.Len(t, collect(w), len(long(3)), "no time has passed")
	out, err := w.Wait()
	require.NoError(t, err)
	require.Equal(t, Succeeded, out.Status)
	require.JSONEq(t, `{"told":1}`, out.Output)
	require.Equal(t, looks+1, api.count("GetExecutionHistory"))
	require.Equal(t, asked, api.count("DescribeExecution"), "the event has told all")
	require.Empty(t, w.Lost())
}

// An end of before a redrive comes late: the execution goes on.
func TestWatchIsNotEndedByAnOldEnd(t *testing.T) {
	t.Parallel()
	api, clk, feed, w := quiet(t)
	defer w.Cancel()
	feed <- endOfRun("x", Failed, 0)
	require.NoError(t, clk.WaitTimers(t.Context(), 1))
	api.with("x", func(r *fakeRun) { r.events, r.status, r.stop = long(3), types.ExecutionStatusSucceeded, clk.Now() })
	feed <- endOfRun("x", Succeeded, 1)
	out, err := w.Wait()
	require.NoError(t, err)
	require.Equal(t, Succeeded, out.Status)
}

// A feed is relied on no further than it has told something, and its end is told.
func TestWatchWithoutItsFeed(t *testing.T) {
	t.Parallel()
	silent, _, _, w := quiet(t)
	w.Cancel()
	heard, clk, feed, w := quiet(t, endOfRun("another", Succeeded, 0))
	require.Greater(t, silent.count("GetExecutionHistory"), heard.count("GetExecutionHistory")+30)
	feed <- Heard{Err: errors.New("the queue is gone")}
	require.EqualError(t, <-w.Lost(), "the queue is gone")
	before := heard.count("GetExecutionHistory")
	for range 3 * 60 {
		require.NoError(t, clk.WaitTimers(t.Context(), 1))
		clk.Advance(time.Second)
	}
	require.Greater(t, heard.count("GetExecutionHistory"), before+8, "as without one")
	w.Cancel()
}
