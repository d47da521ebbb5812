package executions

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const (
	machine = "arn:aws:states:us-east-1:000000000000:stateMachine:m"
	alias   = machine + ":live"
)

func arnFor(name string) string {
	return "arn:aws:states:us-east-1:000000000000:execution:m:" + name
}

// fakeRun is one execution of the fake API.
type fakeRun struct {
	name, input, output, errorName, cause string
	status                                types.ExecutionStatus
	start, stop                           time.Time
	events                                []types.HistoryEvent
	redriveStatus, redriveReason          string
	definition                            string
	hidden                                bool // not yet shown by Describe, List and GetHistory
}

// fakeAPI plays Step Functions in memory. before, if set, may answer a call with
// an error.
type fakeAPI struct {
	clk clock.Clock

	mu      sync.Mutex
	runs    []*fakeRun
	calls   map[string]int
	before  func(op string, call int) error
	onStart func(*fakeRun)
	maxPage int
	starts  []time.Time
	updated *sfn.UpdateMapRunInput
	tokens  []string // of redrives, those without an answer too
}

var _ API = (*fakeAPI)(nil)

func newFake(clk clock.Clock) *fakeAPI {
	return &fakeAPI{clk: clk, calls: map[string]int{}, maxPage: 1000}
}

func apiError(code, msg string) error { return &smithy.GenericAPIError{Code: code, Message: msg} }

// enter counts a call and holds the lock when it returns nil.
func (f *fakeAPI) enter(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	f.calls[op]++
	before, n := f.before, f.calls[op]
	f.mu.Unlock()
	if before != nil {
		if err := before(op, n); err != nil {
			return err
		}
	}
	f.mu.Lock()
	return nil
}

func (f *fakeAPI) count(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

func (f *fakeAPI) find(arn string) *fakeRun {
	name := arn[strings.LastIndexByte(arn, ':')+1:]
	for _, r := range f.runs {
		if r.name == name {
			return r
		}
	}
	return nil
}

// with changes an execution under the lock.
func (f *fakeAPI) with(name string, fn func(*fakeRun)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn(f.find(name))
}

func (f *fakeAPI) add(r *fakeRun) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.runs = append(f.runs, r)
}

func (f *fakeAPI) StartExecution(ctx context.Context, in *sfn.StartExecutionInput, _ ...func(*sfn.Options)) (*sfn.StartExecutionOutput, error) {
	if err := f.enter(ctx, "StartExecution"); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	return f.start(in)
}

func (f *fakeAPI) start(in *sfn.StartExecutionInput) (*sfn.StartExecutionOutput, error) {
	if !strings.HasPrefix(*in.StateMachineArn, machine) {
		return nil, apiError("StateMachineDoesNotExist", "State Machine Does Not Exist: '"+*in.StateMachineArn+"'")
	}
	if r := f.find(*in.Name); r != nil {
		if r.status != types.ExecutionStatusRunning || r.input != *in.Input {
			return nil, apiError("ExecutionAlreadyExists", "Execution Already Exists: '"+arnFor(r.name)+"'")
		}
		return &sfn.StartExecutionOutput{ExecutionArn: aws.String(arnFor(r.name)), StartDate: &r.start}, nil
	}
	r := &fakeRun{name: *in.Name, input: *in.Input, status: types.ExecutionStatusRunning, start: f.clk.Now()}
	f.starts = append(f.starts, r.start)
	f.runs = append(f.runs, r)
	if f.onStart != nil {
		f.onStart(r)
	}
	return &sfn.StartExecutionOutput{ExecutionArn: aws.String(arnFor(r.name)), StartDate: &r.start}, nil
}

func gone(arn string) error {
	return apiError("ExecutionDoesNotExist", "Execution Does Not Exist: '"+arn+"'")
}

func (f *fakeAPI) DescribeExecution(ctx context.Context, in *sfn.DescribeExecutionInput, _ ...func(*sfn.Options)) (*sfn.DescribeExecutionOutput, error) {
	if err := f.enter(ctx, "DescribeExecution"); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	r := f.find(*in.ExecutionArn)
	if r == nil || r.hidden {
		return nil, gone(*in.ExecutionArn)
	}
	out := &sfn.DescribeExecutionOutput{
		ExecutionArn: in.ExecutionArn, Name: &r.name, StateMachineArn: aws.String(machine), Status: r.status, StartDate: &r.start, Input: &r.input,
		RedriveStatus: types.ExecutionRedriveStatus(r.redriveStatus),
	}
	set := func(p **string, v string) {
		if v != "" {
			*p = &v
		}
	}
	set(&out.Output, r.output)
	set(&out.Error, r.errorName)
	set(&out.Cause, r.cause)
	set(&out.RedriveStatusReason, r.redriveReason)
	if !r.stop.IsZero() {
		out.StopDate = &r.stop
	}
	return out, nil
}

func (f *fakeAPI) DescribeStateMachineForExecution(ctx context.Context, in *sfn.DescribeStateMachineForExecutionInput,
	_ ...func(*sfn.Options),
) (*sfn.DescribeStateMachineForExecutionOutput, error) {
	if err := f.enter(ctx, "DescribeStateMachineForExecution"); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	r := f.find(*in.ExecutionArn)
	if r == nil || r.hidden {
		return nil, gone(*in.ExecutionArn)
	}
	return &sfn.DescribeStateMachineForExecutionOutput{StateMachineArn: aws.String(machine), Definition: &r.definition}, nil
}

func (f *fakeAPI) ListExecutions(ctx context.Context, in *sfn.ListExecutionsInput, _ ...func(*sfn.Options)) (*sfn.ListExecutionsOutput, error) {
	if err := f.enter(ctx, "ListExecutions"); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	var rows []*fakeRun
	for _, r := range f.runs {
		if !r.hidden && (in.StatusFilter == "" || in.StatusFilter == r.status) {
			rows = append(rows, r)
		}
	}
	slices.SortStableFunc(rows, func(a, b *fakeRun) int { return b.start.Compare(a.start) })
	from, to, next := f.cut(len(rows), in.NextToken, in.MaxResults)
	out := &sfn.ListExecutionsOutput{NextToken: next}
	for _, r := range rows[from:to] {
		it := types.ExecutionListItem{ExecutionArn: aws.String(arnFor(r.name)), Name: &r.name, StateMachineArn: aws.String(machine), Status: r.status, StartDate: &r.start}
		if !r.stop.IsZero() {
			it.StopDate = &r.stop
		}
		out.Executions = append(out.Executions, it)
	}
	return out, nil
}

// cut is a page of n rows.
func (f *fakeAPI) cut(n int, token *string, size int32) (from, to int, next *string) {
	if token != nil {
		from, _ = strconv.Atoi(*token)
	}
	to = min(n, from+min(int(size), f.maxPage))
	if to < n {
		next = aws.String(strconv.Itoa(to))
	}
	return from, to, next
}

func (f *fakeAPI) GetExecutionHistory(ctx context.Context, in *sfn.GetExecutionHistoryInput, _ ...func(*sfn.Options)) (*sfn.GetExecutionHistoryOutput, error) {
	if err := f.enter(ctx, "GetExecutionHistory"); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	r := f.find(*in.ExecutionArn)
	if r == nil || r.hidden {
		return nil, gone(*in.ExecutionArn)
	}
	events := slices.Clone(r.events)
	if in.ReverseOrder {
		slices.Reverse(events)
	}
	from, to, next := f.cut(len(events), in.NextToken, in.MaxResults)
	return &sfn.GetExecutionHistoryOutput{Events: events[from:to], NextToken: next}, nil
}

func (f *fakeAPI) StopExecution(ctx context.Context, in *sfn.StopExecutionInput, _ ...func(*sfn.Options)) (*sfn.StopExecutionOutput, error) {
	if err := f.enter(ctx, "StopExecution"); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	r := f.find(*in.ExecutionArn)
	if r == nil {
		return nil, gone(*in.ExecutionArn)
	}
	now := f.clk.Now()
	r.status, r.stop, r.errorName, r.cause = types.ExecutionStatusAborted, now, aws.ToString(in.Error), aws.ToString(in.Cause)
	return &sfn.StopExecutionOutput{StopDate: &now}, nil
}

func (f *fakeAPI) RedriveExecution(ctx context.Context, in *sfn.RedriveExecutionInput, _ ...func(*sfn.Options)) (*sfn.RedriveExecutionOutput, error) {
	f.mu.Lock()
	f.tokens = append(f.tokens, aws.ToString(in.ClientToken))
	f.mu.Unlock()
	if err := f.enter(ctx, "RedriveExecution"); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	r := f.find(*in.ExecutionArn)
	if r.redriveStatus != "" && r.redriveStatus != "REDRIVABLE" {
		return nil, &types.ExecutionNotRedrivable{Message: aws.String("it can't be")}
	}
	r.status = types.ExecutionStatusRunning
	return &sfn.RedriveExecutionOutput{RedriveDate: aws.Time(f.clk.Now())}, nil
}

// bench is a client over the fake API with a clock that runs by itself as fast
// as timers are waited for.
type bench struct {
	api *fakeAPI
	clk *clock.Fake
	*Client
}

func newBench(t *testing.T, cfg Config) *bench {
	t.Helper()
	clk := clock.NewFake(t0)
	b := &bench{api: newFake(clk), clk: clk}
	cfg.API, cfg.Clock = b.api, clk
	b.Client = New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for clk.WaitTimers(ctx, 1) == nil {
			clk.Advance(50 * time.Millisecond)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return b
}

// history turns a script into SDK events, with names and errors.
func history(lines ...string) []types.HistoryEvent {
	var out []types.HistoryEvent
	for _, e := range script(lines...) {
		h := types.HistoryEvent{Id: e.ID, PreviousEventId: e.Previous, Timestamp: aws.Time(e.Time), Type: types.HistoryEventType(e.Type)}
		switch {
		case strings.HasSuffix(e.Type, "StateEntered"):
			h.StateEnteredEventDetails = &types.StateEnteredEventDetails{Name: aws.String(e.State)}
		case strings.HasSuffix(e.Type, "StateExited"):
			h.StateExitedEventDetails = &types.StateExitedEventDetails{Name: aws.String(e.State)}
		case e.Type == "TaskFailed":
			h.TaskFailedEventDetails = &types.TaskFailedEventDetails{Error: aws.String(e.Error)}
		case e.Type == "ExecutionFailed":
			h.ExecutionFailedEventDetails = &types.ExecutionFailedEventDetails{Error: aws.String(e.Error)}
		case e.Type == "ExecutionSucceeded":
			h.ExecutionSucceededEventDetails = &types.ExecutionSucceededEventDetails{Output: aws.String(`{"ok":true}`)}
		}
		out = append(out, h)
	}
	return out
}

// long is a history of n Pass states.
func long(n int) []types.HistoryEvent {
	lines := []string{"0 ExecutionStarted"}
	for i := range n {
		id := len(lines)
		lines = append(lines, fmt.Sprintf("%d PassStateEntered S%d", id, i), fmt.Sprintf("%d PassStateExited S%d", id+1, i))
	}
	return history(append(lines, fmt.Sprintf("%d ExecutionSucceeded", len(lines)))...)
}

func requireKind(t *testing.T, err error, kind error, text string) {
	t.Helper()
	require.Error(t, err)
	require.ErrorIs(t, err, kind)
	require.ErrorContains(t, err, text)
}
