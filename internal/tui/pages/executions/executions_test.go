package executions_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/costs"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/frametest"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/executions"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// page is a page with nothing but the table.
type page struct{ *executions.Panel }

func (p page) Title() string { return "executions" }

func open(t testing.TB, s *datatest.Source, id spec.ID, opts ...tuitest.Option) *tuitest.Session {
	t.Helper()
	return tuitest.Open(t, s, func(h *ui.Host) ui.Page { return page{executions.New(h, id)} }, opts...)
}

var _ ui.Page = page{}

func TestScreens(t *testing.T) {
	t.Parallel()
	for _, size := range []struct{ w, h int }{{120, 40}, {80, 24}, {60, 16}} {
		x := open(t, datatest.New(t), datatest.Iris, tuitest.Size(size.w, size.h))
		x.Until("order-6")
		x.Golden(fmt.Sprintf("table-%dx%d", size.w, size.h))
		x.Press("R")
		x.Until("Run acme/iris")
		x.Golden(fmt.Sprintf("run-%dx%d", size.w, size.h))
	}
	x := open(t, datatest.New(t), datatest.Churn, tuitest.Size(80, 24))
	x.Until("has no state machine yet")
	x.Golden("no-machine")
}

func TestFilters(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	x := open(t, s, datatest.Iris, tuitest.Size(100, 30))
	x.Until("order-6")
	x.Press("f", "f")
	x.UntilGone("order-6")
	require.Contains(t, x.Screen(), "order-2")
	x.Press("0")
	x.Until("order-6")
	x.Press("n")
	x.Type("*-3")
	x.Press("enter")
	x.UntilGone("order-6")
	require.Contains(t, x.Screen(), "order-3")
	x.Press("0")
	x.Until("order-6")
	x.Press("t", "o")
	x.Type("1s")
	x.Press("enter")
	x.Until("no execution is like that")
	x.Press("0", "/")
	x.Type("order-4")
	x.Until("1 of 6")
}

func TestNewOnesAppearAndTheSelectionStays(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	x := open(t, s, datatest.Iris, tuitest.Size(100, 30))
	x.Until("order-6")
	x.Press("j", "j")
	machine := ""
	s.API.Change("order-6", func(r *datatest.Record) { machine = r.Machine })
	now := tuitest.Start
	s.API.Add(&datatest.Record{Machine: machine, Describe: &sfn.DescribeExecutionOutput{
		ExecutionArn: aws.String(strings.Replace(machine, "stateMachine", "execution", 1) + ":newer"), Name: aws.String("newer"), StateMachineArn: &machine,
		Status: types.ExecutionStatusRunning, StartDate: &now,
	}})
	before := s.API.Calls("ListExecutions")
	x.Advance(time.Second)
	require.Equal(t, before, s.API.Calls("ListExecutions"), "the quota is spared")
	x.Advance(10 * time.Second)
	x.Until("newer")
	require.Contains(t, x.Screen(), "1 running")
	x.Press("enter")
	require.Contains(t, x.Requests()[0].(ui.OpenExecution).ARN, "order-4") // a test
	x.Press("@")
	require.Contains(t, x.Requests()[1].(ui.OpenExecution).ARN, "newer") // a test
	// What is out of sight is not asked for.
	x.Send(ui.Hidden{})
}

func TestStartOne(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	x := open(t, s, datatest.Iris, tuitest.Size(100, 30))
	x.Until("order-6")
	x.Press("R")
	x.Until("instances")
	x.Type("x")
	x.Until("input is not valid JSON")
	x.Press("ctrl+s")
	require.Zero(t, s.API.Calls("StartExecution"), "what is not valid is not started")
	x.Press("backspace", "ctrl+s")
	x.Wait("to open the new execution", func() bool { return len(x.Requests()) == 1 })
	require.Equal(t, 1, s.API.Calls("StartExecution"))
	x.Until("1 running")

	// From a file: shown first.
	file := filepath.Join(t.TempDir(), "one.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"mine": 42}`), 0o600))
	x.Press("b", "f")
	x.Type(file)
	x.Press("enter")
	x.Until(`"mine": 42`)
	x.Press("ctrl+s")
	x.Wait("to open it", func() bool { return len(x.Requests()) == 2 })

	// As the newest one was, and not at all for want of a bucket key.
	x.Press("R")
	x.Until("instances")
	x.Press("ctrl+l")
	x.Until(`"mine": 42`)
	x.Press("esc", "b")
	x.Until("its template takes no data set")
	x.Press("d", "esc")
	s.ReadOnly = true
	x = open(t, s, datatest.Iris, tuitest.Size(100, 30))
	x.Until("order-6")
	x.Press("R")
	x.Until("read-only")
}

func TestStartOverADataSet(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	x := open(t, s, datatest.IrisBatch, tuitest.Size(100, 30))
	x.Until("flowers-2")
	x.Press("b", "d")
	x.Type("flowers.csv")
	x.Press("enter")
	x.Wait("to start it", func() bool { return len(x.Requests()) == 1 })
	require.Equal(t, 1, s.API.Calls("StartExecution"))
}

// journaled keeps a journal of batches, as the real source does.
type journaled struct {
	*datatest.Source
	dir string
}

func (j journaled) Journal(_ spec.ID, batch string) string { return filepath.Join(j.dir, batch) }

func TestStartMany(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	s.CostsFunc = func(_ spec.ID, executions int64) *costs.Use {
		price, _ := costs.ParseMoney("0.25")
		return &costs.Use{Total: price.Times(costs.Whole(executions))}
	}
	x := tuitest.Open(t, journaled{s, t.TempDir()}, func(h *ui.Host) ui.Page { return page{executions.New(h, datatest.Iris)} }, tuitest.Size(100, 30))
	x.Until("order-6")
	file := filepath.Join(t.TempDir(), "many.jsonl")
	require.NoError(t, os.WriteFile(file, []byte("{\"a\":1}\nnot JSON\n"), 0o600))
	many := func() {
		x.Press("b", "m")
		x.Type(file)
		x.Press("enter")
	}
	many()
	x.Until("many.jsonl:2: input is not valid JSON")
	x.Press("esc")
	require.Zero(t, s.API.Calls("StartExecution"))

	var text strings.Builder
	for i := range 300 {
		fmt.Fprintf(&text, "{\"id\":%d}\n", i)
	}
	require.NoError(t, os.WriteFile(file, []byte(text.String()), 0o600))
	many()
	x.Until("Start 300 executions")
	x.Until("about 75.00 USD by being run")
	x.Press("ctrl+u")
	x.Type("mine")
	x.Press("enter")
	x.Until("batch mine: 300 started, 0 were there already")
	require.Equal(t, 300, s.API.Calls("StartExecution"))
	x.Until("mine-0003")

	// The same batch again starts nothing.
	many()
	x.Until("Start 300 executions")
	x.Press("ctrl+u")
	x.Type("mine")
	x.Press("enter")
	x.Until("batch mine: 0 started, 300 were there already")
	require.Equal(t, 300, s.API.Calls("StartExecution"))
}

// A launch belongs to the session: a page that is opened later shows it, and so does
// the list of operations; leaving asks what is to become of it.
func TestLaunchOutlivesItsPage(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	gate := make(chan struct{})
	s.API.Before = func(op string) error {
		if op == "StartExecution" {
			<-gate
		}
		return nil
	}
	x := tuitest.Open(t, journaled{s, t.TempDir()}, nil, tuitest.Size(100, 30), tuitest.Routed())
	file := filepath.Join(t.TempDir(), "many.jsonl")
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("{}\n", 200)), 0o600))
	open := ui.OpenPipeline{ID: datatest.Iris, Tab: "executions"}
	x.Send(open)
	x.Until("order-6")
	x.Press("b", "m")
	x.Type(file)
	x.Press("enter")
	x.Until("Start 200 executions")
	x.Press("ctrl+u")
	x.Type("mine")
	x.Press("enter")
	x.Until("0 of 200")
	x.Press("esc")
	x.Send(open)
	x.Until("start mine")
	x.Until("0 of 200")
	x.Press("ctrl+o")
	x.Until("0 of 200 started")
	x.Press("enter")
	x.Until("start mine")
	x.Press("ctrl+c")
	x.Until("Batch mine of acme/iris: 0 of 200 executions were started")
	x.Press("w")
	x.Until("then leaving")
	require.False(t, x.Quit())
	close(gate)
	x.Wait("to leave", x.Quit)
	require.Equal(t, 200, s.API.Calls("StartExecution"))
	require.Contains(t, x.App.Notes(), "batch mine: 200 started, 0 were there already")
}

func TestStopAndRedriveSeveral(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	x := open(t, s, datatest.Iris, tuitest.Size(100, 30))
	x.Until("order-6")
	x.Press("x")
	x.Until("none of them is running")
	for _, name := range []string{"order-6", "order-5", "order-3"} {
		s.API.Change(name, func(r *datatest.Record) {
			r.Describe.Status = types.ExecutionStatusFailed
			r.Describe.RedriveStatus = types.ExecutionRedriveStatusRedrivable
		})
	}
	s.API.Change("order-5", func(r *datatest.Record) {
		r.Describe.RedriveStatus, r.Describe.RedriveStatusReason = types.ExecutionRedriveStatusNotRedrivable, aws.String("Execution was started long ago.")
	})
	x.Send(ui.Reload{})
	x.Until("4 failed")
	x.Press("*", "X")
	x.Until("Redrive 4 executions?")
	x.Until("2 of those marked run or have succeeded")
	x.Advance(time.Second)
	x.Press("y")
	x.Until("Not all were redriven")
	x.Until("Execution was started long ago")
	x.Press("esc")
	require.Equal(t, 4, s.API.Calls("RedriveExecution"), "AWS says of which it does not")

	x.Until("3 running")
	x.Press("*", "x")
	x.Type("enough")
	x.Press("enter")
	x.Until("Stop 3 executions?")
	x.Until("with the cause: enough")
	x.Advance(time.Second)
	x.Press("y")
	x.Until("3 executions stopped")
	require.Equal(t, 3, s.API.Calls("StopExecution"))
	cause := ""
	s.API.Change("order-6", func(r *datatest.Record) { cause = aws.ToString(r.Describe.Cause) })
	require.Equal(t, "enough", cause)
}

func TestWhatCannotBeListed(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	s.API.Before = func(string) error {
		return &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "no \x1b[31mway"}
	}
	x := open(t, s, datatest.Iris, tuitest.Size(100, 30))
	x.Until("AccessDeniedException: no way")
	x.Press("enter")
	x.Until("the executions were not read yet")
}

func TestARefusedStartKeepsTheInput(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	refuse := true
	s.API.Before = func(op string) error {
		if op == "StartExecution" && refuse {
			return &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not you"}
		}
		return nil
	}
	x := open(t, s, datatest.Iris, tuitest.Size(100, 30))
	x.Until("order-6")
	x.Press("b", "f")
	x.Type("/no/such.json")
	x.Press("enter")
	x.Until("such.json cannot be read")
	require.Contains(t, x.Screen(), "> /no/such.json", "a wrong path is there to be mended")
	file := filepath.Join(t.TempDir(), "one.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"mine": 42}`), 0o600))
	x.Press("ctrl+u")
	x.Type(file)
	x.Press("enter")
	x.Until(`"mine": 42`)
	x.Press("ctrl+s")
	x.Until("It was not started")
	require.Contains(t, x.Screen(), "not you")
	require.Contains(t, x.Screen(), `"mine": 42`)
	refuse = false
	x.Press("ctrl+s")
	x.Wait("to open the new execution", func() bool { return len(x.Requests()) == 1 })
}

// TestAnErrorOfTheMachineDoesNotStick reads the machine again after a while, and shows a
// list that is fresh as one.
func TestAnErrorOfTheMachineDoesNotStick(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	machine, err := s.Machine(t.Context(), datatest.Iris)
	require.NoError(t, err)
	var bad atomic.Bool
	var asked atomic.Int32
	s.MachineFunc = func(context.Context, spec.ID) (*pipelines.Machine, error) {
		asked.Add(1)
		if bad.Load() {
			return nil, fault.New(fault.Throttled, "the state is being written")
		}
		return machine, nil
	}
	x := tuitest.Open(t, s, func(h *ui.Host) ui.Page { return page{executions.New(h, datatest.Iris)} }, tuitest.Size(100, 30))
	x.Until("order-6")
	bad.Store(true)
	x.Send(ui.Reload{})
	x.Wait("to ask", func() bool { return asked.Load() == 2 })
	x.Advance(ui.RunsQuiet)
	x.UntilGone("the state is being written")
	x.Advance(ui.RetryAfter)
	x.Wait("to ask again", func() bool { return asked.Load() == 3 })
}

// TestARefusedLookIsNotRepeatedAtOnce counts the looks after a refusal.
func TestARefusedLookIsNotRepeatedAtOnce(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	x := open(t, s, datatest.Iris, tuitest.Size(100, 30))
	x.Until("order-6")
	s.API.Before = func(string) error {
		return &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "no way"}
	}
	x.Advance(ui.RunsQuiet)
	x.Until("AccessDeniedException")
	before := s.API.Calls("ListExecutions")
	x.Advance(ui.RunsQuiet)
	require.Equal(t, before, s.API.Calls("ListExecutions"))
	x.Advance(ui.RetryAfter)
	x.Wait("to look again", func() bool { return s.API.Calls("ListExecutions") > before })
}

func TestHiddenMarksAreNotCounted(t *testing.T) {
	t.Parallel()
	x := open(t, datatest.New(t), datatest.Iris, tuitest.Size(100, 30))
	x.Until("order-6")
	x.Press("*", "/")
	x.Type("order-4")
	x.Press("enter")
	x.Until("1 marked, 5 more hidden by the filter")
}

func TestAnySize(t *testing.T) {
	t.Parallel()
	x := open(t, datatest.New(t), datatest.Iris, tuitest.Size(80, 24))
	x.Until("order-6")
	h := ui.NewHost(x.App.Env())
	defer h.Close()
	p := executions.New(h, datatest.Iris)
	for w := 1; w < 90; w += 4 {
		for height := 1; height < 14; height++ {
			require.Len(t, strings.Split(p.View(w, height), "\n"), height)
		}
	}
}

func BenchmarkFrame(b *testing.B) {
	s := datatest.New(b)
	machine := ""
	s.API.Change("order-6", func(r *datatest.Record) { machine = r.Machine })
	at := tuitest.Start.Add(-time.Hour)
	for i := range 10_000 {
		start := at.Add(time.Duration(i) * time.Millisecond)
		name := fmt.Sprintf("many-%06d", i)
		s.API.Add(&datatest.Record{Machine: machine, Describe: &sfn.DescribeExecutionOutput{
			ExecutionArn: aws.String(strings.Replace(machine, "stateMachine", "execution", 1) + ":" + name), Name: &name, StateMachineArn: &machine,
			Status: types.ExecutionStatusRunning, StartDate: &start,
		}})
	}
	x := open(b, s, datatest.Iris, tuitest.Size(120, 40), tuitest.Color("dark"))
	for range 10 {
		x.Press("m")
	}
	x.Wait("to list all", func() bool { return strings.Contains(x.Screen(), "10,0") })
	down := keys.Msg("j")
	b.ResetTimer()
	meter := frametest.Start()
	for b.Loop() {
		x.App.Update(down)
		_, _ = io.Discard.Write([]byte(x.App.View()))
	}
	meter.Report(b, b.N)
}
