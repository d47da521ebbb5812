package deploy_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/deploy"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// runs makes so many executions run on every pipeline.
func runs(s *datatest.Source, n int) {
	s.LiveFunc = func(context.Context, pipelines.Pipeline) (pipelines.Live, error) {
		return pipelines.Live{Running: pipelines.Counted(n), At: datatest.Recorded}, nil
	}
}

func TestDestroyAsksAboutWhatRuns(t *testing.T) {
	t.Parallel()
	for _, size := range sizes() {
		t.Run(name("destroy", size), func(t *testing.T) {
			t.Parallel()
			s := datatest.New(t)
			runs(s, 3)
			x := open(t, s, stack.OperationDestroy, size, datatest.Iris, datatest.Churn)
			x.Until("Delete 2 pipelines")
			x.Press("y")
			x.Until("3 executions are running")
			x.Golden(name("destroy-running", size))
			x.Advance(time.Second)
			x.Press("s")
			x.Until("are stopped first")
			x.Golden(name("destroy-stops", size))
			x.Advance(time.Second)
			x.Type("destroy 2 pipelines")
			x.Press("enter")
			x.Until("2 succeeded")
			// globex/churn has no machine yet; it may have one by then.
			require.Equal(t, map[spec.ID]pipelines.Running{datatest.Iris: pipelines.RunningStop, datatest.Churn: pipelines.RunningStop}, s.Requests()[0].Settle)
		})
	}
}

func TestDestroyAtOnce(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	runs(s, 1)
	x := open(t, s, stack.OperationDestroy, [2]int{80, 24}, datatest.Iris)
	x.Until("Delete acme/iris")
	x.Press("y")
	x.Until("1 execution is running")
	x.Advance(time.Second)
	x.Press("esc")
	x.Press("y")
	x.Until("1 execution is running")
	x.Advance(time.Second)
	x.Press("y")
	x.Until("They will fail")
	x.Advance(time.Second)
	x.Type("acme/iris")
	x.Press("enter")
	x.Until("deleted")
	require.Len(t, s.Requests(), 1)
	require.Empty(t, s.Requests()[0].Settle)
}

// Only what an update takes the ground away from is waited for.
func TestReplaceAsksAboutWhatRuns(t *testing.T) {
	t.Parallel()
	for _, size := range sizes() {
		t.Run(name("replace", size), func(t *testing.T) {
			t.Parallel()
			s := datatest.New(t)
			runs(s, pipelines.LiveLimit)
			x := open(t, s, stack.OperationUp, size, datatest.Iris, fresh)
			x.Until("to replace")
			x.Press("y")
			x.Until("1000+ executions are running")
			x.Golden(name("replace-running", size))
			x.Advance(time.Second)
			x.Press("w")
			x.Until("Next:")
			up := s.Requests()[1]
			require.Equal(t, stack.OperationUp, up.Operation)
			require.Len(t, up.Pipelines, 2)
			require.Equal(t, map[spec.ID]pipelines.Running{datatest.Iris: pipelines.RunningWait}, up.Settle)
		})
	}
}

// Who is quicker than the count is asked when it is there, not sooner and not never.
func TestTheQuestionWaitsForTheCount(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	gate := make(chan struct{})
	s.LiveFunc = func(context.Context, pipelines.Pipeline) (pipelines.Live, error) {
		<-gate
		return pipelines.Live{Running: pipelines.Counted(2)}, nil
	}
	req := pipelines.Request{Operation: stack.OperationUp, Pipelines: pipeline(t, s, datatest.Iris)}
	x := tuitest.Open(t, s, func(h *ui.Host) ui.Page { return deploy.New(h, req) }, tuitest.Now(datatest.Recorded), tuitest.Hurried())
	x.Until("Apply to")
	x.Hit("y")
	x.Until("counting what runs")
	require.Len(t, s.Requests(), 1)
	close(gate)
	x.Until("2 executions are running")
}

// What can't be counted is said, and stops nobody. The text is foreign.
func TestWhatRunsIsNotKnown(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	s.LiveFunc = func(context.Context, pipelines.Pipeline) (pipelines.Live, error) {
		return pipelines.Live{}, fault.New(fault.Denied, "no\x1b[2J list\u202e for you")
	}
	x := open(t, s, stack.OperationDestroy, [2]int{80, 24}, datatest.Iris)
	x.Until("Delete acme/iris")
	x.Press("y")
	x.Until("It is not known how many run on acme/iris")
	require.NotContains(t, x.Screen(), "\u202e")
	x.Advance(time.Second)
	x.Press("w")
	x.Until("waited for first")
}

// What an operation waits for is said where its progress is.
func TestWaitingIsShown(t *testing.T) {
	t.Parallel()
	for _, size := range sizes() {
		t.Run(name("waiting", size), func(t *testing.T) {
			t.Parallel()
			s := datatest.New(t)
			runs(s, 2)
			o := &played{
				updates: make(chan pipelines.Update, 1),
				results: []pipelines.Outcome{{ID: datatest.Iris, Err: fault.New(fault.Canceled, "stopped waiting for executions: nothing was changed")}},
			}
			s.OperateFunc = func(context.Context, pipelines.Request) (pipelines.Operation, error) {
				o.updates <- pipelines.Update{ID: datatest.Iris, Event: stack.Event{
					Seq: 1, Time: datatest.Recorded, Stack: "acme.iris.dev", Type: stack.EventDiagnostic,
					Diagnostic: &stack.Diagnostic{Severity: stack.SeverityInfo, Message: "2 executions are running: waiting for them to end"},
				}}
				return o, nil
			}
			x := open(t, s, stack.OperationDestroy, size, datatest.Iris)
			x.Until("Delete acme/iris")
			x.Press("y")
			x.Advance(time.Second)
			x.Press("w")
			x.Advance(time.Second)
			x.Type("acme/iris")
			x.Press("enter")
			x.Until("2 executions are running")
			x.Golden(name("waiting", size))
			close(o.updates)
			x.Until("nothing was changed")
		})
	}
}

// A destroy of many says of each whether it goes: by its whole name, with its env, those
// that are protected apart; and all the counts are the same.
func TestDestroyOfManyNamesThemAll(t *testing.T) {
	t.Parallel()
	for _, size := range append(sizes(), [2]int{200, 60}) {
		t.Run(name("destroy-many", size), func(t *testing.T) {
			t.Parallel()
			s := datatest.New(t)
			var ids []spec.ID
			for i := range 27 {
				id := spec.ID{Tenant: "globex-industries", Model: fmt.Sprintf("vision-%02d", i), Env: []string{"dev", "live"}[i%2]}
				s.Add(pipelines.Pipeline{
					ID: id, Spec: &spec.Pipeline{ID: id, Template: "realtime", Region: "us-east-1"},
					State: &stack.State{Stack: id.StackName(), Resources: []stack.Resource{{
						URN:  "urn:pulumi:x::y::aws:s3/bucketV2:BucketV2::data",
						Type: "aws:s3/bucketV2:BucketV2", Name: "data",
					}}},
				})
				ids = append(ids, id)
			}
			x := open(t, s, stack.OperationDestroy, size, slices.Insert(slices.Clone(ids), 3, datatest.Fraud)...)
			x.Until("Destroy 27 of 28 pipelines: 27 resources")
			x.Until("Delete 27 pipelines")
			require.Contains(t, x.Screen(), "globex-industries/vision-01/live ", "whole, with its env")
			x.Golden(name("destroy-many", size))
			x.Press("y")
			x.Until("Destroy 27 pipelines")
			x.Type("destroy") // typed at once, and not lost
			x.Golden(name("destroy-many-type", size))
			seen := map[string]bool{}
			for range 28 {
				for l := range strings.Lines(x.Screen()) {
					for _, id := range ids {
						if strings.Contains(l, "- "+id.String()+" ") {
							seen[id.String()] = true
						}
					}
					if strings.Contains(l, "acme/fraud/prod") && strings.Contains(l, "protected") && strings.Contains(l, "│ ▲") {
						seen["protected"] = true
					}
				}
				x.Press("down")
			}
			require.Len(t, seen, 28)
			x.Type(" 26")
			x.Press("enter")
			x.Until("that is not destroy 27")
			x.Press("backspace")
			x.Type("7")
			x.Press("enter")
			x.UntilGone("to go ahead")
			require.Len(t, s.Requests()[0].Pipelines, 27)
		})
	}
}

// TestToastsDoNotCoverTheQuestion tells several long things while the page asks.
func TestToastsDoNotCoverTheQuestion(t *testing.T) {
	t.Parallel()
	for _, size := range sizes() {
		x := open(t, datatest.New(t), stack.OperationUp, size, datatest.Iris)
		x.Until("Apply to acme/iris")
		question := func() string {
			for _, l := range strings.Split(x.Screen(), "\n") {
				if strings.Contains(l, "Apply to acme/iris") {
					return strings.TrimRight(l, " ")
				}
			}
			return ""
		}
		before := question()
		for range 3 {
			x.Send(ui.Toast{Text: strings.Repeat("this has happened meanwhile, somewhere else; ", 4), Bad: true})
		}
		require.Contains(t, x.Screen(), "meanwhile")
		require.Equal(t, before, question())
	}
}
