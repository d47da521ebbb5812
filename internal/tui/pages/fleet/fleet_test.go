package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/costs"
	domain "github.com/pipelinetui/pipelinetui/internal/fleet"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/fleet"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

const (
	irisMachine  = "arn:aws:states:us-east-1:000000000000:stateMachine:ptui-acme-iris-dev"
	batchMachine = "arn:aws:states:us-east-1:000000000000:stateMachine:ptui-acme-iris-batch-dev"
)

func open(t *testing.T, s *datatest.Source, q domain.Query, opts ...tuitest.Option) *tuitest.Session {
	t.Helper()
	return tuitest.Open(t, s, func(h *ui.Host) ui.Page { return fleet.New(h, q) }, opts...)
}

// add adds an execution.
func add(s *datatest.Source, machine, name string, status types.ExecutionStatus, ago time.Duration, name2, cause string) {
	start := datatest.Recorded.Add(-ago)
	stop := start.Add(2 * time.Second)
	arn := strings.Replace(machine, ":stateMachine:", ":execution:", 1) + ":" + name
	d := &sfn.DescribeExecutionOutput{
		ExecutionArn: &arn, Name: &name, StateMachineArn: &machine, Status: status, StartDate: &start, Input: aws.String(`{"amount":` + name[len(name)-1:] + `}`),
		RedriveStatus: types.ExecutionRedriveStatusRedrivable, StateMachineVersionArn: aws.String(machine + ":3"),
	}
	if status != types.ExecutionStatusRunning {
		d.StopDate, d.Error, d.Cause = &stop, &name2, &cause
	}
	s.API.Add(&datatest.Record{Machine: machine, Describe: d, Definition: `{"StartAt":"A"}`, Events: []types.HistoryEvent{{
		Id: 1, Timestamp: &start, Type: types.HistoryEventTypeExecutionStarted, ExecutionStartedEventDetails: &types.ExecutionStartedEventDetails{Input: d.Input},
	}}})
}

// many adds executions that failed for two reasons, of two pipelines, and one that runs.
func many(s *datatest.Source) {
	for i := range 3 {
		for _, m := range []string{irisMachine, batchMachine} {
			add(s, m, fmt.Sprintf("bad-%d", i), types.ExecutionStatusFailed, time.Duration(i+1)*time.Hour, "Model.TooLarge", fmt.Sprintf("the input has %d bytes, the model takes 100", 1000+i))
		}
	}
	add(s, irisMachine, "late-1", types.ExecutionStatusTimedOut, 30*time.Minute, "States.Timeout", "")
	add(s, irisMachine, "moving-1", types.ExecutionStatusRunning, 5*time.Minute, "", "")
}

func TestScreens(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	many(s)
	for _, size := range []struct{ w, h int }{{200, 60}, {120, 40}, {80, 24}, {60, 16}} {
		x := open(t, s, domain.Query{}, tuitest.Size(size.w, size.h))
		x.Until("order-6")
		x.Golden(fmt.Sprintf("list-%dx%d", size.w, size.h))
		x.Press("c")
		x.Until("causes of")
		x.Golden(fmt.Sprintf("alike-%dx%d", size.w, size.h))
	}
	x := open(t, s, domain.Query{Group: true}, tuitest.ASCII())
	x.Until("causes of")
	x.Golden("alike-ascii")
}

func TestGroupsAndTheirExecutions(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	many(s)
	x := open(t, s, domain.Query{}, tuitest.Size(120, 30))
	x.Until("moving-1")
	require.Zero(t, s.API.Calls("DescribeExecution"), "errors are not asked for")
	x.Press("c")
	x.Until("Model.TooLarge: the input has <n> bytes")
	require.Contains(t, x.Screen(), "4 causes of 9 executions")
	asked := s.API.Calls("DescribeExecution")
	require.Equal(t, 9, asked)
	x.Press("enter")
	x.Until("bad-2")
	require.NotContains(t, x.Screen(), "late-1")
	require.Contains(t, x.Screen(), "6 failed")
	x.Press("enter")
	request := x.Requests()[0].(ui.OpenExecution)
	require.Contains(t, request.ARN, ":bad-0")
	require.Equal(t, "acme", request.ID.Tenant)
	x.Press("esc")
	x.Until("causes of")
	x.Press("c")
	x.Until("late-1")
	require.Equal(t, asked, s.API.Calls("DescribeExecution"), "what is known is not asked for again")
	x.Advance(time.Minute)
	require.Equal(t, asked, s.API.Calls("DescribeExecution"), "nor by itself")
	s.API.Change("late-1", func(r *datatest.Record) { r.Describe.Status, r.Describe.StopDate = types.ExecutionStatusRunning, nil })
	x.Send(ui.Reload{})
	x.UntilGone("late-1")
	require.Equal(t, asked, s.API.Calls("DescribeExecution"), "what ended as before is known")
	x.Press("F")
	x.Until("moving-1")
}

// A limit finds the newest of all pipelines, and what an earlier answer has is not asked for.
func TestMore(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	for i := range 8 { // each newer than all before: AWS lists the newest first
		add(s, []string{irisMachine, batchMachine}[i%2], fmt.Sprintf("old-%d", i), types.ExecutionStatusFailed, -time.Duration(i+1)*time.Minute, "Model.Old", "old")
	}
	names := func(c domain.Choice) (list []string, found *domain.Found) {
		t.Helper()
		found, err := s.Fleet(t.Context(), c, func(func() string) {})
		require.NoError(t, err)
		for _, x := range found.List {
			list = append(list, x.Pipeline+" "+x.Name+" "+x.Error)
		}
		return list, found
	}
	all, _ := names(domain.Choice{})
	for n := range len(all) {
		some, found := names(domain.Choice{Limit: n + 1})
		require.Equal(t, all[:n+1], some)
		require.Equal(t, n+1 < len(all), found.More)
	}
	bad := domain.Choice{Statuses: domain.Failures(), Described: true}
	all, _ = names(bad)
	before := s.API.Calls("DescribeExecution")
	bad.Limit = 5
	_, found := names(bad)
	bad.Limit, bad.Had = 0, found.List
	some, _ := names(bad)
	require.Equal(t, all, some)
	require.Equal(t, len(all), s.API.Calls("DescribeExecution")-before)
	bad.Error = "Model.*"
	some, _ = names(bad)
	require.Len(t, some, 8)
}

func TestWhich(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	many(s)
	x := open(t, s, domain.Query{}, tuitest.Size(120, 30))
	x.Until("moving-1")
	x.Press("p")
	x.Type("acme/iris-*")
	x.Press("enter")
	x.UntilGone("moving-1")
	require.Contains(t, x.Screen(), "executions of acme/iris-*")
	x.Press("p", "ctrl+u")
	x.Type("[")
	x.Press("enter")
	x.Until("Of which pipelines?")
	x.Press("ctrl+u", "enter")
	x.Until("moving-1")
	x.Press("e")
	x.Type("Model.*")
	x.Press("enter")
	x.UntilGone("moving-1")
	require.Contains(t, x.Screen(), "6 failed")
	require.Contains(t, x.Screen(), "error Model.*")
	x.Press("i")
	x.Type("amount > 1")
	x.Press("enter")
	x.Until("it reads amount of nothing")
	x.Press("ctrl+u")
	x.Type("$input.amount > 1")
	x.Press("enter")
	x.Until("2 failed")
	x.Press("t", "1")
	x.Until("no execution is like that")
	x.Press("0")
	x.Until("moving-1")
	x.Press("f", "t")
	x.UntilGone("moving-1")
	x.Until("late-1")
	x.Press("f", "a")
	x.Until("moving-1")
	x.Press("n")
	x.Type("bad-1")
	x.Press("enter")
	x.Until("2 failed")
}

// What AWS lists anew appears by itself, as long as that costs one call for each pipeline.
func TestListReadsItself(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	x := open(t, s, domain.Query{}, tuitest.Size(120, 30))
	x.Until("order-6")
	before := s.API.Calls("ListExecutions")
	x.Advance(10 * time.Second)
	require.Equal(t, before, s.API.Calls("ListExecutions"))
	many(s)
	x.Advance(ui.FleetEvery)
	x.Until("moving-1")
	x.Send(ui.Hidden{})
	before = s.API.Calls("ListExecutions")
	x.Advance(2 * ui.FleetEvery)
	require.Equal(t, before, s.API.Calls("ListExecutions"), "what is out of sight is not asked for")
}

// An answer that takes long has the page rest: it has used up what others want too.
func TestListRests(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	var asked atomic.Int32
	var x *tuitest.Session
	s.FleetFunc = func(context.Context, domain.Choice, domain.Far) (*domain.Found, error) {
		if asked.Add(1) > 1 {
			x.Clock.Advance(time.Minute)
		}
		return &domain.Found{Asked: 1}, nil
	}
	x = open(t, s, domain.Query{}, tuitest.Size(120, 30))
	x.Until("no execution")
	x.Advance(ui.FleetEvery)
	x.Wait("a slow answer", func() bool { return asked.Load() == 2 })
	x.Advance(4 * time.Minute)
	x.Advance(4 * time.Minute)
	require.EqualValues(t, 2, asked.Load())
	x.Advance(2 * time.Minute)
	x.Wait("another one", func() bool { return asked.Load() == 3 })
}

// The command line of a key chooses what is marked in words that the command has, and of what
// is listed, not of what could not be found.
func TestCommandLinesOfMany(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	many(s)
	x := open(t, s, domain.Query{}, tuitest.Size(120, 30))
	x.Until("moving-1")
	line := func(verb string) string {
		x.Press("*", "=")
		x.Type(verb)
		x.Press("enter", "esc")
		return x.Copied()[len(x.Copied())-1]
	}
	x.Press("f", "x")
	x.UntilGone("moving-1")
	require.Equal(t, "pipelinetui executions redrive --all", line("redrive"))
	require.Equal(t, "pipelinetui executions export --all --status FAILED,TIMED_OUT,ABORTED --out FOLDER", line("export"))
	x.Press("f", "e")
	x.Until("late-1")
	require.Equal(t, "pipelinetui executions redrive --all --failed", line("redrive"))
	x.Press("f", "f")
	x.UntilGone("late-1")
	text := line("redrive")
	require.NotContains(t, text, "--")
	require.Equal(t, 7, strings.Count(text, " && "), text)
	s.FleetFunc = func(context.Context, domain.Choice, domain.Far) (*domain.Found, error) {
		return nil, fmt.Errorf("no credentials")
	}
	x.Press("f", "a")
	x.Until("no credentials")
	require.Contains(t, line("export"), "--status FAILED --out")
}

// An export that is cut off is not told as one that is done, and what is said of the rest is so.
func TestExportIsCutOff(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct{ asks, tells string }{
		"e": {"be gone on with", "stopped"},
		"i": {"inputs begins anew", "no inputs were written"},
	} {
		s := datatest.New(t)
		many(s)
		gate := make(chan struct{})
		s.API.Before = func(op string) error {
			if op == "DescribeExecution" {
				<-gate
			}
			return nil
		}
		x := open(t, s, domain.Query{Name: "bad-"}, tuitest.Size(160, 30))
		x.Until("bad-2")
		x.Press("*", "w", what, "ctrl+u")
		x.Type(filepath.Join(t.TempDir(), "out"))
		x.Hit("enter")
		x.Until("esc stops it")
		x.Hit("esc")
		x.Until(c.asks)
		x.Clock.Advance(time.Second)
		x.Hit("y")
		close(gate)
		x.Until(c.tells)
	}
}

func TestRedriveAGroup(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	many(s)
	s.API.Change("bad-2", func(r *datatest.Record) {
		r.Describe.RedriveStatus, r.Describe.RedriveStatusReason = types.ExecutionRedriveStatusNotRedrivable, aws.String("Execution was started long ago.")
	})
	x := open(t, s, domain.Query{Group: true}, tuitest.Size(120, 30))
	x.Until("causes of")
	x.Press("=")
	x.Type("redrive")
	x.Press("enter")
	require.Equal(t, []string{"pipelinetui executions redrive --all --failed --error Model.TooLarge"}, x.Copied())
	x.Press("X")
	x.Until("Redrive 6 executions of 2 pipelines?")
	require.Contains(t, x.Screen(), "acme/iris-batch  3 executions")
	x.Press("esc")
	require.Zero(t, s.API.Calls("RedriveExecution"))
	x.Press("X")
	x.Until("Redrive 6 executions")
	x.Advance(time.Second)
	described := s.API.Calls("DescribeExecution")
	x.Press("y")
	x.Until("Not all were redriven")
	x.Until("Execution was started long ago")
	x.Until("4 executions redriven, 2 not")
	require.Equal(t, 6, s.API.Calls("RedriveExecution"))
	x.Press("esc")
	x.Until("4 causes")
	require.GreaterOrEqual(t, s.API.Calls("DescribeExecution")-described, 2, "why AWS refuses is asked for")
}

func TestStopMarked(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	many(s)
	x := open(t, s, domain.Query{}, tuitest.Size(120, 30))
	x.Until("moving-1")
	x.Press("*", "x")
	x.Until("Stop moving-1 of acme/iris")
	x.Type("enough")
	x.Press("enter")
	x.Until("1 execution ends as ABORTED, with the cause: enough")
	x.Until("15 of those marked have ended already")
	x.Advance(time.Second)
	x.Press("y")
	x.Until("1 execution stopped")
	require.Equal(t, 1, s.API.Calls("StopExecution"))
	x.Until("1 aborted")
	x.Press("x")
	x.Until("none of them is running")
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	s.ReadOnly = true
	x := open(t, s, domain.Query{Group: true}, tuitest.Size(120, 30))
	x.Until("cause")
	x.Press("X")
	x.Until("read-only")
	require.Zero(t, s.API.Calls("RedriveExecution"))
}

// What is done with many can be cut off: the rest stays as it is, and leaving asks.
func TestCutOff(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	many(s)
	gate := make(chan struct{})
	s.API.Before = func(op string) error {
		if op == "RedriveExecution" {
			<-gate
		}
		return nil
	}
	for i := range 30 {
		name := fmt.Sprintf("more-%d", i)
		arn := strings.Replace(irisMachine, ":stateMachine:", ":execution:", 1) + ":" + name
		now := datatest.Recorded
		s.API.Add(&datatest.Record{Machine: irisMachine, Describe: &sfn.DescribeExecutionOutput{
			ExecutionArn: &arn, Name: &name, StateMachineArn: aws.String(irisMachine), Status: types.ExecutionStatusFailed, StartDate: &now, StopDate: &now,
			RedriveStatus: types.ExecutionRedriveStatusRedrivable, Error: aws.String("More"), Cause: aws.String("more"),
		}})
	}
	x := open(t, s, domain.Query{Group: true}, tuitest.Size(120, 30))
	x.Until("causes of")
	x.Press("X")
	x.Until("Redrive 30 executions")
	x.Advance(time.Second)
	x.Hit("y")
	x.Until("esc stops it")
	x.Hit("j", "X")
	x.Until("something is being done")
	x.Hit("q")
	x.Until("This loses what is not done yet of: redrive 30 executions of 1 pipeline")
	x.Hit("s", "esc")
	x.Until("Stop working?")
	x.Clock.Advance(time.Second)
	x.Hit("y")
	close(gate)
	x.Until("stopped before the rest")
	require.Less(t, s.API.Calls("RedriveExecution"), 30)
}

// A question that takes long says how far it is, holds up nobody, and ends with the page.
func TestLongQuestion(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	ended := make(chan struct{})
	s.FleetFunc = func(ctx context.Context, _ domain.Choice, far domain.Far) (*domain.Found, error) {
		far(func() string { return "312 of 1,000 executions looked at" })
		<-ctx.Done()
		close(ended)
		return nil, ctx.Err()
	}
	x := tuitest.Open(t, s, nil, tuitest.Size(100, 30), tuitest.Routed(), tuitest.Hurried())
	x.Until("iris-batch")
	x.Send(ui.OpenExecutions{Query: domain.Query{Failed: true}})
	x.Until("312 of 1,000 executions looked at")
	x.Hit("?")
	x.Until("those that failed alike")
	x.Hit("esc", "esc")
	x.Wait("the question to end", func() bool {
		select {
		case <-ended:
			return true
		default:
			return false
		}
	})
}

func TestExport(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	many(s)
	dir := t.TempDir()
	x := open(t, s, domain.Query{Group: true}, tuitest.Size(120, 30))
	x.Until("causes of")
	export := func(what, place string) {
		t.Helper()
		x.Press("w", what, "ctrl+u")
		x.Type(place)
		x.Press("enter")
	}
	export("i", filepath.Join(dir, "inputs"))
	x.Until("pipelinetui run --inputs")
	x.Press("esc")
	text, err := os.ReadFile(filepath.Join(dir, "inputs", "acme.iris.dev.jsonl"))
	require.NoError(t, err)
	require.Equal(t, "{\"amount\":2}\n{\"amount\":1}\n{\"amount\":0}\n", string(text))
	export("i", filepath.Join(dir, "inputs"))
	x.Until("Write over it?")
	x.Press("w")
	x.Until("pipelinetui run --inputs")
	x.Press("esc")

	all := filepath.Join(dir, "all.jsonl")
	export("e", all)
	x.Until("6 executions written to")
	text, err = os.ReadFile(all)
	require.NoError(t, err)
	require.Equal(t, 6, strings.Count(string(text), "\n"))
	export("e", filepath.Join(dir, "no", "such"))
	x.Until("6 executions written to")
	require.FileExists(t, filepath.Join(dir, "no", "such", "acme.iris.dev", "bad-1.json"))
	export("e", filepath.Join(dir, "no", "such"))
	x.Until("0 executions written to")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "plain"), nil, 0o600))
	export("e", filepath.Join(dir, "plain", "below"))
	x.Until("cannot be written")
}

// What was exported is mended in the editor of the user, by a key.
func TestInputsAreEdited(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	many(s)
	dir := filepath.Join(t.TempDir(), "in")
	x := open(t, s, domain.Query{Group: true}, tuitest.Size(100, 30), tuitest.Programs(tui.Programs{
		Editor: `sed -i '1s/^{/{"mended": 1, /'`,
		Run:    func(c *exec.Cmd, done tea.ExecCallback) tea.Cmd { return func() tea.Msg { return done(c.Run()) } },
	}))
	x.Until("causes of")
	x.Press("w", "i", "ctrl+u")
	x.Type(dir)
	x.Press("enter")
	x.Until("6 inputs were written, for 2 pipelines")
	x.Press("e")
	x.Until("edited: b starts executions with these inputs")
	for _, name := range []string{"acme.iris.dev.jsonl", "acme.iris-batch.dev.jsonl"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Contains(t, string(text), `{"mended": 1, `)
	}
}

// Inputs that were exported run again over all pipelines by one key, and all of them are
// checked before the first is started.
func TestRunAFolder(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	many(s)
	s.CostsFunc = func(id spec.ID, executions int64) *costs.Use {
		if id != datatest.Iris {
			return nil // so that it is at least what the others cost
		}
		price, _ := costs.ParseMoney("0.25")
		return &costs.Use{Total: price.Times(costs.Whole(executions))}
	}
	dir := filepath.Join(t.TempDir(), "in")
	x := open(t, s, domain.Query{Group: true}, tuitest.Size(100, 30))
	x.Until("causes of")
	x.Press("b", "ctrl+u")
	x.Type(dir)
	x.Press("enter")
	x.Until("is no folder")
	x.Press("esc", "w", "i", "ctrl+u")
	x.Type(dir)
	x.Press("enter")
	x.Until("6 inputs were written, for 2 pipelines")
	x.Press("esc")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "acme.nobody.dev.jsonl"), []byte("{}\n[\n"), 0o600))
	x.Press("b", "enter") // the folder is the one that was written
	x.Until("acme.nobody.dev.jsonl:2")
	require.Zero(t, s.API.Calls("StartExecution"))
	require.NoError(t, os.Remove(filepath.Join(dir, "acme.nobody.dev.jsonl")))
	x.Press("esc", "b", "enter")
	x.Until("Start 6 executions of 2 pipelines")
	x.Golden("run-a-folder")
	x.Press("ctrl+u")
	x.Type("mended")
	x.Press("enter")
	x.Until("batch mended of 2 pipelines: 6 started, 0 were there already")
	require.Equal(t, 6, s.API.Calls("StartExecution"))
	x.Press("b", "enter")
	x.Until("Start 6 executions of 2 pipelines")
}

// As long as it is not known for what is asked now, the page does not say that there is none.
func TestNothingIsSaidTooEarly(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	s.FleetFunc = func(context.Context, domain.Choice, domain.Far) (*domain.Found, error) {
		return &domain.Found{Asked: 2}, nil
	}
	x := open(t, s, domain.Query{Failed: true}, tuitest.Size(100, 20))
	x.Until("nothing has failed")
	answer := make(chan []domain.Notice)
	s.FleetFunc = func(ctx context.Context, _ domain.Choice, _ domain.Far) (*domain.Found, error) {
		select {
		case n := <-answer:
			return &domain.Found{Asked: 2, Notices: n}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	x.Hit("F")
	x.UntilGone("nothing has failed")
	require.NotContains(t, x.Screen(), "no executions yet")
	answer <- nil
	x.Until("no executions yet")
	x.Hit("F")
	x.UntilGone("no executions yet")
	answer <- []domain.Notice{{Pipeline: "acme/iris", Err: errors.New("denied")}}
	x.Until("1 pipeline could not")
	require.NotContains(t, x.Screen(), "nothing has failed")
}

// A pipeline that cannot be asked is told, and the others are shown.
func TestNotAllCouldBeAsked(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	s.FleetFunc = func(context.Context, domain.Choice, domain.Far) (*domain.Found, error) {
		return &domain.Found{Asked: 2, Notices: []domain.Notice{{Pipeline: "acme/iris", Err: fmt.Errorf("AWS says no\x1b[2J")}}}, nil
	}
	x := open(t, s, domain.Query{}, tuitest.Size(120, 30))
	x.Until("not all is here: acme/iris: AWS says no")
	s.FleetFunc = nil
	x.Send(ui.Reload{})
	x.Until("order-6")
	s.FleetFunc = func(context.Context, domain.Choice, domain.Far) (*domain.Found, error) {
		return nil, fmt.Errorf("no credentials")
	}
	x.Send(ui.Reload{})
	x.Until("no credentials")
	require.Contains(t, x.Screen(), "order-6", "what was read stays")
}

// The palette takes what the command line takes.
func TestFromThePalette(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	many(s)
	x := tuitest.Open(t, s, nil, tuitest.Size(120, 30), tuitest.Routed())
	x.Press(":")
	x.Type("executions acme/* --fail")
	x.Until("there is no option --fail here")
	x.Type("ed --since")
	x.Until("--since wants a value")
	x.Type(" 24h --input '$input.amount")
	x.Until("a quote is not closed")
	x.Type(" > 1'")
	x.Until("= pipelinetui executions list 'acme/*' --failed --since 24h --input '$input.amount > 1'")
	x.Press("enter")
	x.Until("executions of acme/*")
	x.Until("2 failed")
	x.Press("ctrl+g", ":")
	x.Type("executions nobody/* --failed")
	x.Until("no pipeline matches nobody/*")
	x.Press("esc", "X")
	x.Until("executions of all pipelines")
	x.Press("esc", "/")
	x.Type("batch")
	x.Press("enter", "X")
	x.Until("executions of acme/iris-batch")
	x.Press("esc", "esc", "*", "X")
	x.Until("executions of 4 pipelines")
}
