package execution_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/datatest"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/execution"
	"github.com/pipelinetui/pipelinetui/internal/tui/tuitest"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// arnOf is the ARN of a recorded execution.
func arnOf(t testing.TB, s *datatest.Source, name string) string {
	t.Helper()
	arn := ""
	s.API.Change(name, func(r *datatest.Record) { arn = *r.Describe.ExecutionArn })
	if arn == "" {
		t.Fatalf("no recording of %s", name)
	}
	return arn
}

func open(t *testing.T, s *datatest.Source, id spec.ID, name string, opts ...tuitest.Option) *tuitest.Session {
	t.Helper()
	arn := arnOf(t, s, name)
	return tuitest.Open(t, s, func(h *ui.Host) ui.Page { return execution.New(h, id, arn) }, opts...)
}

// sizes are the screens that goldens are made at.
var sizes = []struct {
	name          string
	width, height int
}{{"120x40", 120, 40}, {"80x24", 80, 24}, {"60x16", 60, 16}} // a table

func TestScreens(t *testing.T) {
	t.Parallel()
	for _, size := range sizes {
		t.Run(size.name, func(t *testing.T) {
			t.Parallel()
			s := datatest.New(t)
			x := open(t, s, datatest.Iris, "order-1", tuitest.Size(size.width, size.height))
			x.Until("succeeded")
			// What has ended is described once more when its whole history is there.
			x.Wait("the end of the history", func() bool { return s.API.Calls("DescribeExecution") >= 2 })
			x.Until("StoreResult") // which the history alone tells
			for _, tab := range []string{"graph", "timeline", "events", "data"} {
				x.Press(map[string]string{"graph": "1", "timeline": "2", "events": "3", "data": "4"}[tab])
				x.Golden("succeeded-" + tab + "-" + size.name)
			}
			x = open(t, s, datatest.Iris, "order-2", tuitest.Size(size.width, size.height))
			x.Until("Preprocess: InvalidFlower")
			x.Golden("failed-graph-" + size.name)
			x.Press("enter")
			x.Golden("failed-error-" + size.name)
			x = open(t, s, datatest.IrisBatch, "flowers-1", tuitest.Size(size.width, size.height))
			x.Until("ScoreDataset: ")
			x.Golden("batch-graph-" + size.name)
			x.Press("5")
			x.Until("children")
			x.Until("×1")
			x.Golden("batch-mapruns-" + size.name)
		})
	}
}

func TestASCII(t *testing.T) {
	t.Parallel()
	x := open(t, datatest.New(t), datatest.Iris, "order-2", tuitest.Size(80, 24), tuitest.ASCII())
	x.Until("Preprocess: InvalidFlower")
	x.Golden("ascii-graph")
	for _, r := range x.Screen() {
		require.Less(t, r, rune(128), "%q in\n%s", r, x.Screen())
	}
}

func TestDrillDown(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	x := open(t, s, datatest.IrisBatch, "flowers-1", tuitest.Size(120, 40), tuitest.Routed())
	x.Until("ExceedToleratedFailureThreshold")
	x.Press("5")
	x.Until("×1")
	x.Press("enter")
	x.Until("flowers-1 › f1074a3b")
	x.Until("flower 104: petal_length is missing")
	x.Press("3")
	x.Until("AWS keeps no history of express executions")
	// What it consists of is known, and how it ended as a whole.
	x.Press("1")
	x.Until("of an express execution only this is known")
	x.Golden("express-graph-120x40")
	// Back to the parent, and the other way from the child.
	x.Press("p")
	x.Until("› flowers-1")
}

func TestDataIsWhole(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	long := `{"list":[` + strings.Repeat(`"a value of some length",`, 3000) + `"the end"]}`
	s.API.Change("order-1", func(r *datatest.Record) { r.Describe.Output = &long })
	x := open(t, s, datatest.Iris, "order-1", tuitest.Size(100, 30))
	x.Until("StoreResult")
	x.Press("4", "o", "G")
	x.Until("the end")
	x.Press("y")
	require.Len(t, x.Copied(), 1)
	require.JSONEq(t, long, x.Copied()[0])
	x.Press("/")
	x.Type("the end")
	x.Press("enter")
	x.Until("1 of 1")

	// Saved to a file, which is not overwritten without asking.
	file := filepath.Join(t.TempDir(), "out.json")
	save := func() {
		x.Press("w", "ctrl+u")
		x.Type(file)
		x.Press("enter")
	}
	save()
	x.Until("saved " + file)
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	require.JSONEq(t, long, string(raw))
	require.NoError(t, os.WriteFile(file, []byte("mine"), 0o600))
	save()
	x.Until("Overwrite?")
	x.Press("esc")
	raw, err = os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "mine", string(raw))
	save()
	x.Until("Overwrite?")
	x.Advance(time.Second)
	x.Press("y")
	x.Wait("to write", func() bool { raw, err := os.ReadFile(file); return err == nil && len(raw) > 100 })
	left, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*"))
	require.NoError(t, err)
	require.Equal(t, []string{file}, left, "nothing else is left behind")

	// A path that can't be written to is asked for again, as it was typed.
	wrong := filepath.Join(filepath.Dir(file), "nowhere", "out.json")
	x.Press("w", "ctrl+u")
	x.Type(wrong)
	x.Press("enter")
	x.Until("It was not saved")
	x.Press("ctrl+w") // the last word goes, the rest was kept
	x.Press("ctrl+u")
	x.Type(file)
	x.Press("enter")
	x.Until("Overwrite?")
	x.Advance(time.Second)
	x.Press("n")
	x.Until("To which file?")
	x.Press("esc")
}

func TestActions(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	x := open(t, s, datatest.Iris, "order-2", tuitest.Size(120, 40))
	x.Until("Preprocess: InvalidFlower")
	x.Press("x")
	x.Until("stop: it has ended already")
	x.Press("X")
	x.Until("Redrive order-2")
	x.Advance(time.Second)
	x.Press("y")
	x.Until("redrive order-2: done")
	require.Equal(t, 1, s.API.Calls("RedriveExecution"))

	x = open(t, s, datatest.Iris, "order-1", tuitest.Size(120, 40))
	x.Until("succeeded")
	x.Press("X")
	x.Until("redrive: ")
	x.Press("R")
	x.Until("Run again")
	x.Press("ctrl+s")
	x.Wait("to ask for the new execution", func() bool { return len(x.Requests()) > 0 })
	asked, ok := x.Requests()[0].(ui.OpenExecution)
	require.True(t, ok)

	// The new one runs; it is stopped with a cause.
	x = tuitest.Open(t, s, func(h *ui.Host) ui.Page { return execution.New(h, datatest.Iris, asked.ARN) }, tuitest.Size(120, 40))
	x.Until("running")
	x.Press("x")
	x.Type("too slow")
	x.Press("enter")
	x.Until("with the cause: too slow")
	x.Advance(time.Second)
	x.Press("y")
	x.Wait("to stop it", func() bool { return s.API.Calls("StopExecution") == 1 })

	s.ReadOnly = true
	x = open(t, s, datatest.Iris, "order-2", tuitest.Size(120, 40))
	x.Until("InvalidFlower")
	x.Press("X")
	x.Until("read-only")
	require.Equal(t, 1, s.API.Calls("RedriveExecution"))
}

func TestLogsOfAFunction(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	var asked pipelines.LogQuery
	at := time.Date(2026, 11, 25, 23, 23, 2, 0, time.UTC)
	const id = "55f6227c-f444-4437-bad3-233234c5b11b" // as recorded
	s.LogsFunc = func(_ context.Context, _ spec.ID, q pipelines.LogQuery) ([]pipelines.LogLine, error) {
		asked = q
		return []pipelines.LogLine{
			{Time: at, Stream: "a", Message: "START RequestId: " + id},
			{Time: at, Stream: "b", Message: "another request"},
			{Time: at, Stream: "a", Message: "what it printed\x1b[31m"},
			{Time: at, Stream: "a", Message: "REPORT RequestId: " + id},
			{Time: at, Stream: "a", Message: "later"},
		}, nil
	}
	x := open(t, s, datatest.Iris, "order-2", tuitest.Size(120, 40))
	x.Until("Preprocess: InvalidFlower")
	x.Press("6")
	x.Until("what it printed")
	require.Contains(t, asked.Group, "ptui-acme-iris-dev-pre")
	require.False(t, asked.Since.IsZero())
	require.NotContains(t, x.Screen(), "another request")
	require.NotContains(t, x.Screen(), "later")
	x.Press("f")
	x.Until("another request")
}

func TestEventsFilter(t *testing.T) {
	t.Parallel()
	x := open(t, datatest.New(t), datatest.Iris, "order-1", tuitest.Size(100, 30))
	x.Until("19 events")
	x.Press("3", "/")
	x.Type("storeresult")
	x.Until("5 of 19 events")
	x.Press("enter", "esc")
	x.Press("f")
	x.Until("10 of 19 events")
	x.Press("f")
	x.Until("0 of 19 events")
	x.Press("esc", "g", "s")
	x.Press("esc", "g", "j", "s")
	x.Until("of Preprocess")
	require.NotContains(t, x.Screen(), "CheckPayload")
	x.Press("enter")
	x.Until("sepal_length")
}

func TestWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	s.API.Before = func(op string) error {
		if op == "GetExecutionHistory" {
			return &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not authorized to perform: states:GetExecutionHistory\x1b[2J"}
		}
		return nil
	}
	x := open(t, s, datatest.Iris, "order-2", tuitest.Size(100, 30))
	x.Until("not authorized to perform:")
	require.NotContains(t, x.Styled(), "\x1b[2J")
	x.Until("Ask for the missing permission")
	x.Press("4")
	x.Until("sepal_length is missing")
}

func TestAHistoryThatBreaksOff(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	arn := longExecution(t, s)
	pages := 0
	s.API.Before = func(op string) error {
		if op == "GetExecutionHistory" {
			if pages++; pages > 2 {
				return &smithy.GenericAPIError{Code: "ExpiredTokenException", Message: "The security token included in the request is expired"}
			}
		}
		return nil
	}
	x := tuitest.Open(t, s, func(h *ui.Host) ui.Page { return execution.New(h, datatest.Iris, arn) }, tuitest.Size(120, 40))
	x.Until("the history could not be read to its end")
	x.Press("3")
	x.Until("2,000 events")
}

func TestAnySize(t *testing.T) {
	t.Parallel()
	s := datatest.New(t)
	x := open(t, s, datatest.IrisBatch, "flowers-1", tuitest.Size(120, 40))
	x.Until("ExceedToleratedFailureThreshold")
	for tab := 1; tab <= 6; tab++ {
		x.Press(strconv.Itoa(tab))
		for w := 60; w <= 200; w += 35 {
			for h := 16; h <= 60; h += 11 {
				x.Resize(w, h)
				x.Screen()
			}
		}
	}
	// Smaller than the root would ever ask for.
	h := ui.NewHost(x.App.Env())
	defer h.Close()
	p := execution.New(h, datatest.Iris, arnOf(t, s, "order-1"))
	for w := 1; w < 30; w += 3 {
		for height := 1; height < 12; height++ {
			require.Len(t, strings.Split(p.View(w, height), "\n"), height)
		}
	}
}

// An execution that was started with another version than the newest is drawn from
// its own definition, which is asked for once; others ask for none.
func TestOwnDefinition(t *testing.T) {
	t.Parallel()
	const older = `{"StartAt":"Ancient","States":{"Ancient":{"Type":"Pass","End":true}}}`
	s := datatest.New(t)
	change := func(version, definition string) {
		s.API.Change("order-1", func(r *datatest.Record) {
			arn := r.Machine + ":" + version
			r.Describe.StateMachineVersionArn, r.Definition = &arn, definition
		})
	}
	const call = "DescribeStateMachineForExecution"
	x := open(t, s, datatest.Iris, "order-1", tuitest.Size(120, 40))
	x.Until("StoreResult")
	x.Idle()
	require.Equal(t, 0, s.API.Calls(call))

	change("7", older)
	x = open(t, s, datatest.Iris, "order-1", tuitest.Size(120, 40))
	x.Until("Ancient")
	x.Until("the pipeline has another one now")
	x.Press("2", "1", "ctrl+r")
	x.Until("Ancient")
	x.Idle()
	require.Equal(t, 1, s.API.Calls(call))

	s.API.Before = func(op string) error {
		if op == call {
			return &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not you"}
		}
		return nil
	}
	x = open(t, s, datatest.Iris, "order-1", tuitest.Size(120, 40))
	x.Until("drawn from the definition as it is now")
	x.Until("StoreResult")
}

// Keys for a Map Run are offered where there is one.
func TestWithoutAMapRunNoKeysForOneAreOffered(t *testing.T) {
	t.Parallel()
	x := open(t, datatest.New(t), datatest.Iris, "order-1", tuitest.Size(120, 40))
	x.Press("5")
	x.Until("This execution has no Map Run")
	require.NotContains(t, x.Screen(), "children")
	x = open(t, datatest.New(t), datatest.IrisBatch, "flowers-1", tuitest.Size(120, 40))
	x.Press("5")
	x.Until("c children")
}
