package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// halfKnown is an account of which AWS does not tell everything: executions that are gone,
// and definitions that cannot be had the first time.
type halfKnown struct {
	executions.API

	mu     sync.Mutex
	gone   map[string]bool // by name
	status map[string]types.ExecutionStatus
	asked  int // definitions
	// described counts the calls about executions.
	described int
	refuse    error  // of the first definition
	during    func() // whatever is asked about an execution
}

func (h *halfKnown) arn(name string) string {
	return "arn:aws:states:eu-west-1:111122223333:execution:m:" + name
}

func (h *halfKnown) DescribeExecution(_ context.Context, in *sfn.DescribeExecutionInput, _ ...func(*sfn.Options)) (*sfn.DescribeExecutionOutput, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.described++
	name := (*in.ExecutionArn)[strings.LastIndex(*in.ExecutionArn, ":")+1:]
	if h.gone[name] {
		return nil, &types.ExecutionDoesNotExist{Message: aws.String("Execution Does Not Exist: '" + *in.ExecutionArn + "'")}
	}
	status := h.status[name]
	if status == "" {
		status = types.ExecutionStatusFailed
	}
	out := &sfn.DescribeExecutionOutput{
		ExecutionArn: in.ExecutionArn, Name: aws.String(name), Status: status, StartDate: aws.Time(time.Unix(1_700_000_000, 0).UTC()),
		StateMachineVersionArn: aws.String("arn:aws:states:eu-west-1:111122223333:stateMachine:m:1"),
		Error:                  aws.String("Broken"), Cause: aws.String("it broke"), Input: aws.String(`{"name": "` + name + `"}`),
	}
	if status != types.ExecutionStatusRunning {
		out.StopDate = aws.Time(time.Unix(1_700_000_060, 0).UTC())
	}
	return out, nil
}

func (h *halfKnown) DescribeStateMachineForExecution(context.Context, *sfn.DescribeStateMachineForExecutionInput,
	...func(*sfn.Options),
) (*sfn.DescribeStateMachineForExecutionOutput, error) {
	if h.during != nil {
		h.during()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked++
	if h.asked == 1 && h.refuse != nil {
		return nil, h.refuse
	}
	return &sfn.DescribeStateMachineForExecutionOutput{Definition: aws.String(`{"StartAt":"A"}`)}, nil
}

func (h *halfKnown) GetExecutionHistory(context.Context, *sfn.GetExecutionHistoryInput, ...func(*sfn.Options)) (*sfn.GetExecutionHistoryOutput, error) {
	return &sfn.GetExecutionHistoryOutput{}, nil
}

// fleet lists executions as a list of the machine has them now.
func (h *halfKnown) fleet(t *testing.T, names ...string) []*Execution {
	t.Helper()
	c := executions.New(executions.Config{API: h, Limits: executions.Limits{Unlimited: true}})
	out := make([]*Execution, len(names))
	for i, name := range names {
		was := h.gone[name]
		h.gone[name] = false
		d, err := c.Describe(t.Context(), h.arn(name))
		h.gone[name] = was
		require.NoError(t, err)
		out[i] = &Execution{Pipeline: "acme/one", Execution: d.Execution, Client: c}
	}
	return out
}

func quiet(func() string) {}

// What AWS does not tell of is a warning of its pipeline, and the rest is looked at; that it
// is not all is an error in the end.
func TestWhatIsGoneIsAWarning(t *testing.T) {
	t.Parallel()
	h := &halfKnown{gone: map[string]bool{"b": true, "c": true}}
	f := &Found{Asked: 2, List: h.fleet(t, "a", "b", "c", "d")}
	require.NoError(t, f.Unasked())
	all := func(context.Context, *Execution, string) bool { return true }
	require.NoError(t, f.describe(t.Context(), f.List, all, quiet))
	chosen := ""
	for _, x := range f.List {
		if x.chosen {
			chosen += x.Name
		}
	}
	require.Equal(t, "ad", chosen)
	require.Len(t, f.Notices, 1)
	require.ErrorContains(t, f.Notices[0].Err, "2 executions could not be looked at")
	err := f.Unasked()
	require.ErrorIs(t, err, fault.NotFound)
	require.ErrorContains(t, err, "1 of 2 pipelines")

	ctx, stop := context.WithCancel(t.Context())
	stop()
	require.ErrorIs(t, f.describe(ctx, f.List, all, quiet), fault.Canceled)
}

func exporterTo(out string, force bool, chosen int) *exporter {
	return newExporter(&Export{Out: out, Force: force, Note: func(string, ...any) {}, Far: quiet}, chosen)
}

// A file of lines that was cut off is gone on with: what has ended since, or was not chosen
// this time, is not taken over.
func TestLinesOfAnEarlierRun(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "all.jsonl")
	names := func() (list []string) {
		t.Helper()
		text, err := os.ReadFile(out)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			var doc struct{ Execution struct{ Name, Status string } }
			require.NoError(t, json.Unmarshal([]byte(line), &doc))
			list = append(list, doc.Execution.Name+" "+doc.Execution.Status)
		}
		return list
	}
	run := func(h *halfKnown, force bool, chosen ...string) *Exported {
		t.Helper()
		x := exporterTo(out, force, len(chosen))
		require.NoError(t, x.lines(t.Context(), h.fleet(t, chosen...)))
		return x.done
	}
	h := &halfKnown{gone: map[string]bool{"z": true}, status: map[string]types.ExecutionStatus{"b": types.ExecutionStatusRunning}}
	doc := run(h, false, "other", "a", "b", "c", "z")
	require.Equal(t, 4, doc.Written)
	require.Len(t, doc.Failed, 1)
	require.NoFileExists(t, out, "one is missing")

	h.gone, h.status = map[string]bool{}, nil
	doc = run(h, false, "a", "b", "c")
	require.Equal(t, []int{1, 2}, []int{doc.Written, doc.Existed})
	require.Equal(t, []string{"a FAILED", "c FAILED", "b FAILED"}, names())

	// With --force nothing is.
	require.NoError(t, os.Rename(out, out+".part"))
	require.Equal(t, 3, run(h, true, "a", "b", "c").Written)
	require.Len(t, names(), 3)
	// What begins with a line that is kept and ends in half a one.
	text, err := os.ReadFile(out)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(out+".part", append(text, `{"arn":"`...), 0o600))
	doc = run(h, false, "b", "c", "d")
	require.Equal(t, []int{1, 2}, []int{doc.Written, doc.Existed})
	require.Equal(t, []string{"b FAILED", "c FAILED", "d FAILED"}, names())
}

// Names of executions that macOS and Windows take for the same are files of their own.
func TestFilesOfExecutions(t *testing.T) {
	t.Parallel()
	require.Equal(t, "order-17.json", fileOf("order-17"))
	require.Equal(t, "nightly-000001.json", fileOf("nightly-000001"))
	seen := map[string]string{}
	names := []string{"order", "Order", "ORDER", "caf\u00e9", "cafe\u0301", "con", "CON", "nul.1", "aux", ".", "..", "com1", "NUL.1", strings.Repeat("é", 80), strings.Repeat("é", 79) + "è"}
	for _, name := range names {
		file := fileOf(name)
		require.LessOrEqual(t, len(file), 200)
		require.True(t, utf8.ValidString(file))
		key := strings.ReplaceAll(strings.ToLower(file), "e\u0301", "\u00e9")
		require.Empty(t, seen[key], "%s and %s", seen[key], name)
		require.False(t, reservedName.MatchString(key))
		seen[key] = name
	}
}

// An export into a folder that is cut off says so, whatever it was doing.
func TestFolderIsCutOff(t *testing.T) {
	t.Parallel()
	h := &halfKnown{gone: map[string]bool{}, status: map[string]types.ExecutionStatus{"a": types.ExecutionStatusRunning}}
	list := h.fleet(t, "a")
	ctx, stop := context.WithCancel(t.Context())
	h.during = stop
	e := &Export{Out: t.TempDir(), Note: func(string, ...any) {}, Far: quiet}
	done, err := e.Write(ctx, list)
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, done.Written)
	require.Empty(t, done.Failed)
}

// Files of inputs have their names when they have all inputs.
func TestInputsAreWhole(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "bad.jsonl")
	h := &halfKnown{gone: map[string]bool{"b": true}}
	x := exporterTo(out, false, 2)
	require.NoError(t, x.inputs(t.Context(), h.fleet(t, "a", "b")))
	require.Len(t, x.done.Failed, 1)
	require.NoFileExists(t, out)
	text, err := os.ReadFile(x.done.Files["acme/one"])
	require.NoError(t, err)
	require.Equal(t, `{"name":"a"}`+"\n", string(text)) // one line of a file, to the byte

	ctx, stop := context.WithCancel(t.Context())
	list := h.fleet(t, "a", "b")
	stop()
	x = exporterTo(out, false, 2)
	require.Error(t, x.inputs(ctx, list))
	require.Zero(t, x.done.Written)
	require.NoFileExists(t, out)

	h.gone = map[string]bool{}
	x = exporterTo(out, false, 2)
	require.NoError(t, x.inputs(t.Context(), h.fleet(t, "a", "b")), "it can be run again as it is")
	require.Equal(t, map[string]string{"acme/one": out}, x.done.Files)
	require.FileExists(t, out)
}

// A definition that could not be had once is asked for again, and who needed it then fails;
// one that AWS does not show us is left out.
func TestDefinitionIsAskedForAgain(t *testing.T) {
	t.Parallel()
	h := &halfKnown{gone: map[string]bool{}, refuse: &types.InvalidArn{}}
	x := exporterTo("x.jsonl", false, 2)
	e := h.fleet(t, "a")[0]
	require.NotEmpty(t, e.Version)
	_, err := x.definition(t.Context(), e)
	require.Error(t, err)
	for range 3 {
		text, err := x.definition(t.Context(), e)
		require.NoError(t, err)
		require.JSONEq(t, `{"StartAt":"A"}`, string(text))
	}
	require.Equal(t, 2, h.asked, "a good answer is remembered")

	h = &halfKnown{gone: map[string]bool{}, refuse: &types.ExecutionDoesNotExist{}}
	x = exporterTo("x.jsonl", false, 2)
	e = h.fleet(t, "a")[0]
	text, err := x.definition(t.Context(), e)
	require.NoError(t, err)
	require.Empty(t, text, "it is left out of this one")
	text, err = x.definition(t.Context(), e)
	require.NoError(t, err)
	require.NotEmpty(t, text, "but not of others")
}

// Groups are found by what they have in common, in the order of their sizes.
func TestGroups(t *testing.T) {
	t.Parallel()
	var list []*Execution
	for i := range 30_000 {
		// Causes are alike whatever their numbers: words tell these apart.
		word := strings.Map(func(r rune) rune { return 'a' + r - '0' }, fmt.Sprint(i%10_000))
		list = append(list, &Execution{Pipeline: "acme/one", Execution: executions.Execution{Status: executions.Failed}, Error: "E", Cause: "no " + word})
	}
	list = append(list, &Execution{Pipeline: "acme/two", Execution: executions.Execution{Status: executions.TimedOut}, Error: "E", Cause: "no a"})
	groups := Groups(list)
	require.Len(t, groups, 10_001)
	require.Equal(t, 3, groups[0].Count)
	require.Len(t, groups[0].Members, 3)
	require.Equal(t, 1, groups[len(groups)-1].Count)
}

// What has succeeded has no error, and is not asked for one.
func TestErrorIsAskedOfFailuresAlone(t *testing.T) {
	t.Parallel()
	aborted := []executions.Status{executions.Aborted}
	for _, c := range []struct {
		choice Choice
		want   []executions.Status
	}{
		{Choice{Error: "InvalidFlower"}, []executions.Status{executions.Failed, executions.TimedOut, executions.Aborted}},
		{Choice{Error: "InvalidFlower", Statuses: Failures()}, []executions.Status{executions.Failed, executions.TimedOut}},
		{Choice{Error: "InvalidFlower", Statuses: aborted}, aborted},
		{Choice{Input: "$input.amount > 1"}, nil},
	} {
		in, match, err := c.choice.parse()
		require.NoError(t, err)
		require.NotNil(t, match)
		require.Equal(t, c.want, in.Statuses)
	}
}

// What ended is asked once by all commands of a home, unless it was redriven; a file that is
// damaged, or cannot be written, costs calls and nothing else.
func TestEndsAreAskedOnce(t *testing.T) {
	t.Parallel()
	h := &halfKnown{gone: map[string]bool{}, status: map[string]types.ExecutionStatus{"runs": types.ExecutionStatusRunning}}
	dir := filepath.Join(t.TempDir(), "ends")
	asked := func(dir string, redrives int, names ...string) (calls int, list []*Execution) {
		t.Helper()
		list = h.fleet(t, names...)
		for _, x := range list {
			x.Error, x.Cause, x.Redrives = "", "", redrives
		}
		before := h.described
		f := &Found{List: list, memory: memory{dir}}
		require.NoError(t, f.Describe(t.Context(), list, func(func() string) {}))
		return h.described - before, list
	}
	calls, _ := asked(dir, 0, "a", "b", "runs")
	require.Equal(t, 3, calls)
	calls, list := asked(dir, 0, "a", "b", "c", "runs")
	require.Equal(t, 2, calls, "c, and what has not ended")
	require.Equal(t, "it broke", list[0].Cause)
	require.Equal(t, "Broken", list[1].Error)
	calls, _ = asked(dir, 1, "a")
	require.Equal(t, 1, calls, "it was redriven since")

	file := filepath.Join(dir, "acme.one.dev.jsonl")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append([]byte("{\"arn\":\n"), text[:len(text)-7]...), 0o600))
	calls, _ = asked(dir, 0, "a", "b", "d")
	require.Equal(t, 1, calls)
	calls, _ = asked(dir, 0, "a", "b", "d")
	require.Zero(t, calls, "what is written behind half a line is read")

	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("x", memoryBytes)+"\n"), 0o600))
	asked(dir, 0, "a", "b")
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(memoryBytes), "it does not grow for ever")
	calls, _ = asked(dir, 0, "a", "b")
	require.Zero(t, calls)
	calls, _ = asked(filepath.Join(file, "below"), 0, "a")
	require.Equal(t, 1, calls)
}
