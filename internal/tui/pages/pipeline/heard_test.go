package pipeline_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/executions"
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

// What a pipeline tells of ends is shown at once, and less is asked; without it the list is
// looked at as before, which is said.
func TestEndsAreHeard(t *testing.T) {
	t.Parallel()
	source := datatest.New(t)
	feed := make(spoken)
	source.EndsFunc = func(_ context.Context, p *pipelines.Pipeline) executions.Feed {
		require.Equal(t, datatest.Iris, p.ID)
		return feed
	}
	machine := ""
	source.API.Change("order-6", func(r *datatest.Record) { machine = r.Machine })
	arn := strings.Replace(machine, "stateMachine", "execution", 1) + ":going"
	start := datatest.Recorded.Add(-time.Minute)
	source.API.Add(&datatest.Record{Machine: machine, Describe: &sfn.DescribeExecutionOutput{
		ExecutionArn: &arn, Name: aws.String("going"), StateMachineArn: &machine, Status: types.ExecutionStatusRunning, StartDate: &start,
	}})
	s := open(t, source, datatest.Iris, "executions", tuitest.Size(120, 40))
	s.Until("1 running")
	tell := func(name string, h executions.Heard) {
		for i := range h.Ends {
			h.Ends[i].Details.Execution = executions.Execution{ARN: strings.TrimSuffix(arn, "going") + name, Name: name, Machine: machine, Status: executions.Failed, Start: start, Stop: datatest.Recorded}
		}
		feed <- h
	}
	s.Idle()
	lists := source.API.Calls("ListExecutions")
	tell("going", executions.Heard{Ends: make([]executions.Ended, 1)})
	s.Until("2 failed")
	require.Equal(t, lists, source.API.Calls("ListExecutions"), "nobody was asked for it")

	// What the head says of all is asked soon, not only when its time has come.
	s.Advance(time.Second)
	tell("going", executions.Heard{Ends: make([]executions.Ended, 1)})
	source.API.Change("going", func(r *datatest.Record) { r.Describe.Status = types.ExecutionStatusFailed })
	s.Wait("the head", func() bool {
		if strings.Contains(s.Screen(), "1 running") {
			s.Advance(ui.LiveHeard)
		}
		return !strings.Contains(s.Screen(), "1 running")
	})

	// Of one that is not shown yet the newest are read.
	tell("another", executions.Heard{Ends: make([]executions.Ended, 1)})
	before := source.API.Calls("ListExecutions")
	s.Wait("a look", func() bool {
		s.Send(ui.Beat{})
		return source.API.Calls("ListExecutions") > before
	})

	feed <- executions.Heard{Err: errors.New("the queue is gone")}
	s.Until("looked for instead")
}
