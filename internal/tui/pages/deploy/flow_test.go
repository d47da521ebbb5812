package deploy_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/deploy"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// played is an operation whose events and results are given.
type played struct {
	updates chan pipelines.Update
	results []pipelines.Outcome
}

func play(events []stack.Event, results ...pipelines.Outcome) *played {
	o := &played{updates: make(chan pipelines.Update, len(events)), results: results}
	for _, e := range events {
		o.updates <- pipelines.Update{ID: results[0].ID, Event: e}
	}
	close(o.updates)
	return o
}

func (o *played) Updates() <-chan pipelines.Update { return o.updates }
func (o *played) Wait() []pipelines.Outcome        { return o.results }
func (o *played) Cancel()                          {}
func (o *played) Kill()                            {}
func (o *played) Running() []spec.ID               { return nil }

var _ pipelines.Operation = (*played)(nil)

// recordedEvents are those of a stream of the real engine.
func recordedEvents(t testing.TB, file string) []stack.Event {
	t.Helper()
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	var out []stack.Event
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e stack.Event
		require.NoError(t, json.Unmarshal(lines.Bytes(), &e))
		out = append(out, e)
	}
	return out
}

// Somebody has changed a function's memory and deleted the endpoint: the report
// names both, and the way back.
func TestDrift(t *testing.T) {
	t.Parallel()
	events := recordedEvents(t, "testdata/drift.jsonl")
	raw, err := os.ReadFile("testdata/drift.json")
	require.NoError(t, err)
	var drift []stack.Drift
	require.NoError(t, json.Unmarshal(raw, &drift))
	for _, size := range sizes() {
		t.Run(name("drift", size), func(t *testing.T) {
			t.Parallel()
			s := datatest.New(t)
			s.OperateFunc = func(context.Context, pipelines.Request) (pipelines.Operation, error) {
				return play(events, pipelines.Outcome{ID: datatest.Iris, Result: stack.Result{Drift: drift, Changes: map[stack.Op]int{stack.OpUpdate: 1, stack.OpDelete: 1}}}), nil
			}
			x := open(t, s, stack.OperationRefresh, size, datatest.Iris)
			x.Until("Correct the record")
			x.Golden(name("refresh-ask", size))
			x.Press("y")
			x.Until("drifted")
			x.Golden(name("drift", size))
			x.Press("u")
			last := x.Requests()[len(x.Requests())-1].(ui.OpenDeploy)
			require.Equal(t, stack.OperationUp, last.Request.Operation)
		})
	}
}

// What is applied is what was previewed: the results go along, pipelines without
// changes and those whose preview failed stay out.
func TestExpect(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	made := map[stack.Operation]pipelines.Request{}
	s.OperateFunc = func(_ context.Context, req pipelines.Request) (pipelines.Operation, error) {
		made[req.Operation] = req
		events, err := datatest.Events(datatest.PreviewCreate, "acme/iris", fresh)
		if err != nil {
			return nil, err
		}
		if req.Operation == stack.OperationUp {
			return nil, fault.New(fault.Conflict, "globex/flowers has changed since the preview").WithHint("Preview it again.")
		}
		return play(events,
			pipelines.Outcome{ID: fresh, Result: stack.Result{Basis: "7", Changes: map[stack.Op]int{stack.OpCreate: 27}}},
			pipelines.Outcome{ID: datatest.Iris, Result: stack.Result{Basis: "8", Changes: map[stack.Op]int{stack.OpSame: 27}}},
			pipelines.Outcome{ID: datatest.Churn, Err: fault.New(fault.Locked, "the stack is locked").WithHint("Run `pipelinetui unlock globex/churn`.")}), nil
	}
	x := open(t, s, stack.OperationUp, [2]int{100, 30}, fresh, datatest.Iris, datatest.Churn)
	x.Until("Apply to globex/flowers (2 left alone)")
	require.Contains(t, x.Screen(), "the stack is locked")
	require.Contains(t, x.Screen(), "pipelinetui unlock")
	x.Press("y")
	x.Until("did not begin")
	req := made[stack.OperationUp]
	require.Len(t, req.Pipelines, 1)
	require.Equal(t, fresh, req.Pipelines[0].ID)
	require.Equal(t, map[spec.ID]string{fresh: "7"}, req.Expect)
	require.Contains(t, x.Screen(), "has changed since the preview")
	require.Contains(t, x.Screen(), "hint: Preview it again.")
	x.Press("p")
	x.Until("Apply to globex/flowers")
}

func TestNothingToChange(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	s.OperateFunc = func(_ context.Context, req pipelines.Request) (pipelines.Operation, error) {
		require.Equal(t, stack.OperationPreview, req.Operation)
		return play(nil, pipelines.Outcome{ID: datatest.Iris, Result: stack.Result{Changes: map[stack.Op]int{stack.OpSame: 27}}}), nil
	}
	x := open(t, s, stack.OperationUp, [2]int{80, 24}, datatest.Iris)
	x.Until("Nothing to change")
	x.Press("y")
	require.Contains(t, x.Screen(), "there is nothing to change", "the key says why it does nothing")
}

func TestCancel(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	x := open(t, s, stack.OperationUp, [2]int{80, 24}, fresh)
	x.Until("Apply to")
	s.HoldAfter = 45
	defer s.Release()
	x.Press("y")
	x.Until("19 of 27")
	x.Press("c")
	x.Until("keep waiting")
	x.Press("k") // too early: the dialog is grave
	x.Until("keep waiting")
	x.Advance(time.Second)
	x.Press("f")
	x.Until("Next:")
	require.Contains(t, x.Screen(), "cancelled")
	require.Contains(t, x.Screen(), "preview what is left")
	x.Wait("to note", func() bool {
		return strings.Contains(strings.Join(x.App.Notes(), "\n"), "up globex/flowers: cancelled")
	})
}

// What force can orphan is named.
func TestForceNames(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	x := open(t, s, stack.OperationUp, [2]int{80, 24}, fresh)
	x.Until("Apply to")
	s.HoldAfter = 45
	defer s.Release()
	x.Press("y")
	x.Until("19 of 27")
	x.Press("c")
	x.Advance(time.Second)
	x.Press("down", "down")
	x.Until("ptui-globex-flowers-dev-m may then exist")
}

func TestDestroyTypesTheName(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	x := open(t, s, stack.OperationDestroy, [2]int{80, 24}, datatest.Iris, datatest.Churn, datatest.Fraud)
	x.Until("Delete 2 pipelines")
	x.Press("y")
	x.Advance(time.Second)
	x.Type("acme/iris")
	x.Press("enter")
	x.Until("that is not destroy 2 or dev")
	x.Press("ctrl+u")
	x.Type("destroy 2 pipelines")
	x.Press("enter")
	x.Until("2 succeeded")
	require.Len(t, s.Requests(), 1)
	req := s.Requests()[0]
	require.Len(t, req.Pipelines, 2, "the protected one stays out")
	require.Len(t, req.Expect, 2, "what has changed since it was shown is not deleted")
	for _, p := range req.Pipelines {
		require.Equal(t, "1", req.Expect[p.ID])
	}
}

// A damaged state can be neither destroyed nor refreshed: nothing is asked, and it is said what
// helps. Beside others it is left out.
func TestNothingIsAskedOfADamagedState(t *testing.T) {
	t.Parallel()
	broken := func(s *datatest.Source) {
		s.ReadFunc = func(ctx context.Context, id spec.ID) (pipelines.Pipeline, error) {
			if id == datatest.Churn {
				return pipelines.Pipeline{}, fault.New(fault.Damaged, "the state of globex.churn.dev is damaged: it is empty")
			}
			alone := datatest.New(t)
			return alone.Read(ctx, id)
		}
	}
	s := datatest.New(t)
	broken(s)
	x := open(t, s, stack.OperationDestroy, [2]int{80, 24}, datatest.Churn)
	x.Until("Nothing can be done to a damaged state; M")
	x.Press("y")
	x.Until("yes: nothing can be done") // the toast
	require.NotContains(t, x.Screen(), "Type ")
	require.Empty(t, s.Requests())

	s = datatest.New(t)
	broken(s)
	x = open(t, s, stack.OperationDestroy, [2]int{80, 24}, datatest.Iris, datatest.Churn)
	x.Until("Delete acme/iris in")
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	s.ReadOnly = true
	x := open(t, s, stack.OperationUp, [2]int{80, 24}, fresh)
	x.Until("read-only")
	x.Press("y")
	x.Idle()
	require.Len(t, s.Requests(), 1, "the preview alone")
}

func TestInspect(t *testing.T) {
	t.Parallel()
	for _, size := range sizes() {
		t.Run(name("inspect", size), func(t *testing.T) {
			t.Parallel()
			x := open(t, datatest.New(t), stack.OperationUp, size, datatest.Iris)
			x.Until("to replace")
			x.Press("G", "enter")
			x.Golden(name("inspect", size))
			x.Press("esc", "/")
			x.Type("model")
			x.Press("enter")
			x.Golden(name("filter", size))
		})
	}
}

func TestJobs(t *testing.T) {
	t.Parallel()
	for _, size := range sizes() {
		t.Run(name("jobs", size), func(t *testing.T) {
			t.Parallel()
			s := datatest.New(t)
			x := tuitest.Open(t, s, deploy.List, tuitest.Size(size[0], size[1]), tuitest.Now(datatest.Recorded))
			x.Golden(name("jobs-none", size))
			jobs := x.App.Env().Jobs
			for _, req := range []pipelines.Request{
				{Operation: stack.OperationUp, Pipelines: pipeline(t, s, fresh, datatest.Churn)},
				{Operation: stack.OperationDestroy, Pipelines: pipeline(t, s, datatest.Iris)},
			} {
				_, cmd := jobs.Start(req)
				x.Send(cmd())
				x.Wait("to end", func() bool { return len(jobs.Running()) == 0 })
			}
			x.Golden(name("jobs", size))
			x.Press("down", "enter")
			require.Equal(t, jobs.All()[1], x.Requests()[0].(ui.OpenJob).Job)
		})
	}
}

// Whatever the size, whatever the colours.
func TestLooks(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	req := pipelines.Request{Operation: stack.OperationUp, Pipelines: pipeline(t, s, fresh, datatest.Iris, datatest.Churn)}
	var page ui.Page
	x := tuitest.Open(t, s, func(h *ui.Host) ui.Page { page = deploy.New(h, req); return page }, tuitest.ASCII(), tuitest.Color("light"), tuitest.Now(datatest.Recorded))
	x.Until("Apply to")
	for _, r := range x.Screen() {
		require.Less(t, r, rune(128), "%q", r)
	}
	all := func() {
		t.Helper()
		for _, w := range []int{1, 2, 7, 20, 45, 60, 99, 100, 130} {
			for _, h := range []int{1, 2, 3, 5, 8, 13, 21, 40} {
				require.Len(t, strings.Split(page.View(w, h), "\n"), h)
			}
		}
	}
	all()
	x.Press("y")
	x.Advance(time.Second)
	x.Press("y")
	x.Until("Next:")
	all()
	for _, k := range []string{"v", "v", "tab", "tab", "d", "a", "e", "esc", "f"} {
		x.Press(k)
		all()
	}
	page.Update(tea.MouseMsg{X: 5, Y: 12, Button: tea.MouseButtonLeft, Action: tea.MouseActionPress})
}

// A preview is given up with the page that began it, and only with that one.
func TestLeavingPreview(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	s.HoldAfter = 10
	defer s.Release()
	x := open(t, s, stack.OperationUp, [2]int{80, 24}, fresh)
	x.Until("previewing")
	job := x.App.Env().Jobs.All()[0]
	other := deploy.ForJob(ui.NewHost(x.App.Env()), job)
	other.Update(tea.KeyMsg{Type: tea.KeyEsc})
	require.False(t, job.Cancelled)
	x.Press("esc")
	require.True(t, job.Cancelled)
}

// The log is drawn as a whole once one goes into it.
func TestLog(t *testing.T) {
	t.Parallel()
	x := open(t, datatest.New(t), stack.OperationUp, [2]int{120, 40}, fresh)
	x.Until("Apply to")
	x.Press("y")
	x.Until("Next:")
	x.Press("v", "v") // nothing, then the log
	x.Until("aws-native:stepfunctions:StateMachineAlias created")
	require.NotContains(t, x.Screen(), "aws:iam:RolePolicy created")
	x.Press("tab", "g")
	x.Until("pulumi:index:Stash created")
}

// A command that names a pipeline does not make what the form has changed of it.
func TestAChangedPipelineIsNoCommandBeforeItWasApplied(t *testing.T) {
	t.Parallel()
	for _, unrecorded := range []bool{false, true} {
		s := datatest.New(t)
		req := pipelines.Request{Operation: stack.OperationUp, Pipelines: pipeline(t, s, datatest.Iris), Unrecorded: unrecorded}
		x := tuitest.Open(t, s, func(h *ui.Host) ui.Page { return deploy.New(h, req) }, tuitest.Now(datatest.Recorded))
		x.Until("Apply to acme/iris")
		found := ""
		for _, g := range x.App.Keys() {
			for _, b := range g.Bindings {
				if b.Keys[0] == keys.Apply.Keys[0] && b.Line != nil {
					found = b.Line()
				}
			}
		}
		if unrecorded {
			require.Empty(t, found)
		} else {
			require.Equal(t, "pipelinetui up acme/iris", found)
		}
	}
}
