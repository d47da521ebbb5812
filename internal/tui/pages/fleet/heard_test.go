package fleet_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	domain "github.com/pipelinetui/pipelinetui/internal/fleet"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// spoken is a feed that tells what a test says.
type spoken chan executions.Heard

// Ends implements executions.Feed.
func (s spoken) Ends(ctx context.Context) ([]executions.Ended, error) {
	select {
	case h := <-s:
		return h.Ends, h.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// What pipelines tell of ends is shown at once, and nobody is asked for it; of what is not in
// the list it is looked, also where errors are shown, which is not done by itself.
func TestEndsAreHeard(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	many(s)
	feed := make(spoken)
	s.EndsFunc = func(_ context.Context, p *pipelines.Pipeline) executions.Feed {
		if p.ID != datatest.Iris {
			return nil
		}
		return feed
	}
	x := open(t, s, domain.Query{}, tuitest.Size(120, 40))
	x.Until("1 running")
	x.Idle()
	lists, described := s.API.Calls("ListExecutions"), s.API.Calls("DescribeExecution")
	end := func(name string) executions.Ended {
		return executions.Ended{Details: executions.Details{
			Execution: executions.Execution{
				ARN: "arn:aws:states:us-east-1:000000000000:execution:ptui-acme-iris-dev:" + name, Name: name, Status: executions.Failed,
				Start: datatest.Recorded.Add(-5 * time.Minute), Stop: datatest.Recorded,
			},
			Error: "Model.Odd", Cause: "it is odd",
		}}
	}
	feed <- executions.Heard{Ends: []executions.Ended{end("moving-1")}}
	x.UntilGone("1 running")
	x.Until("Model.Odd")
	require.Equal(t, lists, s.API.Calls("ListExecutions"), "nobody was asked for it")
	require.Equal(t, described, s.API.Calls("DescribeExecution"))

	s.API.Change("moving-1", func(r *datatest.Record) {
		stop, name, cause := datatest.Recorded, "Model.Odd", "it is odd"
		r.Describe.Status, r.Describe.StopDate, r.Describe.Error, r.Describe.Cause = types.ExecutionStatusFailed, &stop, &name, &cause
	})
	x.Press("F")
	x.Until("9 failed")
	x.Idle()
	x.Advance(ui.FleetMost)
	x.Idle()
	require.NotContains(t, x.Screen(), "10 failed", "errors are not read by themselves")
	described = s.API.Calls("DescribeExecution")
	add(s, irisMachine, "late-2", types.ExecutionStatusFailed, time.Minute, "Model.Odd", "it is odd")
	feed <- executions.Heard{Ends: []executions.Ended{end("late-2")}}
	x.Wait("a look", func() bool {
		x.Send(ui.Beat{})
		return s.API.Calls("DescribeExecution") > described
	})
	x.Until("late-2")

	feed <- executions.Heard{Err: errors.New("the queue is gone")}
	x.Until("looked for instead")
}

// A beat comes while the first list is still read.
func TestBeatBeforeTheList(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	listed := make(chan struct{})
	s.FleetFunc = func(context.Context, domain.Choice, domain.Far) (*domain.Found, error) {
		<-listed
		return &domain.Found{}, nil
	}
	x := open(t, s, domain.Query{}, tuitest.Size(120, 40), tuitest.Hurried())
	x.Send(ui.Beat{})
	close(listed)
	x.Until("executions of all pipelines")
}
