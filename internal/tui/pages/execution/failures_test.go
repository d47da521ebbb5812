package execution_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// withFailures adds children to the Map Run of flowers-1 that failed alike, and says
// how many it has then.
func withFailures(s *datatest.Source, n int) {
	var run *sfn.DescribeMapRunOutput
	machine := ""
	s.API.Change("flowers-1", func(r *datatest.Record) { run, machine = r.MapRuns[0], r.Machine })
	run.ExecutionCounts.Failed = int64(n + 1)
	parts := strings.Split(*run.MapRunArn, ":")
	for i := range n {
		name := fmt.Sprintf("child-%03d", i)
		arn := strings.Replace(machine, ":stateMachine:", ":execution:", 1) + "/Batch:" + name
		at := run.StartDate.Add(time.Duration(i) * time.Millisecond)
		s.API.Add(&datatest.Record{Machine: machine, MapRun: strings.Join(parts, ":"), Describe: &sfn.DescribeExecutionOutput{
			ExecutionArn: &arn, Name: &name, StateMachineArn: &machine, Status: types.ExecutionStatusFailed, StartDate: &at, StopDate: &at, MapRunArn: run.MapRunArn,
			Error: aws.String("NoColour"), Cause: aws.String("petal 4 has none"),
		}})
	}
}

func TestAGroupOfFailuresListsItsMembers(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	withFailures(s, 30)
	x := open(t, s, datatest.IrisBatch, "flowers-1", tuitest.Size(120, 40))
	x.Until("ScoreDataset: ")
	x.Press("5")
	x.Until("×20")
	require.Contains(t, x.Screen(), "20 of 34 looked at, m: more", "three were aborted, one had failed before")
	x.Press("m")
	x.Until("×30")
	require.Contains(t, x.Screen(), "31 of 34 looked at", "the aborted ones were not recorded")
	require.NotContains(t, x.Screen(), "m: more")

	x.Press("enter")
	x.Until("child-029")
	require.Contains(t, x.Screen(), "30 with NoColour: petal 4 has none")
	require.Contains(t, x.Screen(), "child-010")
	x.Press("/")
	x.Type("017")
	x.Press("enter", "enter")
	asked, ok := x.Requests()[len(x.Requests())-1].(ui.OpenExecution)
	require.True(t, ok)
	require.True(t, strings.HasSuffix(asked.ARN, ":child-017"), asked.ARN)
	x.Press("esc")
	x.Until("child-018")
	x.Press("esc")
	x.Until("×30")
	require.NotContains(t, x.Screen(), "child-018")
}

// TestFailuresAreReadAgainByThemselves refuses the first look: the page says so, and
// looks again later without a key.
func TestFailuresAreReadAgainByThemselves(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	withFailures(s, 3)
	var refuse atomic.Bool
	s.API.Before = func(op string) error {
		if op == "DescribeExecution" && refuse.Load() {
			return &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not today"}
		}
		return nil
	}
	x := open(t, s, datatest.IrisBatch, "flowers-1", tuitest.Size(120, 40))
	x.Until("ScoreDataset: ")
	refuse.Store(true)
	x.Press("5")
	x.Until("not today")
	refuse.Store(false)
	for range 2 * int(ui.FailuresEvery/time.Second) {
		x.Advance(ui.BeatEvery)
	}
	x.Until("×3")
	require.NotContains(t, x.Screen(), "not today")
}
