package executions

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/fault"
)

const runARN = "arn:aws:states:us-east-1:000000000000:mapRun:m/Batch:1b3b3f5e-0000-0000-0000-000000000001"

func (f *fakeAPI) ListMapRuns(ctx context.Context, in *sfn.ListMapRunsInput, _ ...func(*sfn.Options)) (*sfn.ListMapRunsOutput, error) {
	if err := f.enter(ctx, "ListMapRuns"); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	return &sfn.ListMapRunsOutput{}, nil
}

func (f *fakeAPI) DescribeMapRun(ctx context.Context, in *sfn.DescribeMapRunInput, _ ...func(*sfn.Options)) (*sfn.DescribeMapRunOutput, error) {
	if err := f.enter(ctx, "DescribeMapRun"); err != nil {
		return nil, err
	}
	defer f.mu.Unlock()
	return nil, apiError("ResourceNotFound", "Resource not found: '"+*in.MapRunArn+"'")
}

// mapAPI plays two Map Runs whose items end at a fixed rate; one child in ten
// fails.
type mapAPI struct {
	*fakeAPI
	start    time.Time
	total    int64
	rate     float64 // items a second
	children []types.ExecutionListItem
}

const perBatch = 10

func (m *mapAPI) ListMapRuns(_ context.Context, in *sfn.ListMapRunsInput, _ ...func(*sfn.Options)) (*sfn.ListMapRunsOutput, error) {
	if in.NextToken == nil {
		return &sfn.ListMapRunsOutput{MapRuns: []types.MapRunListItem{{MapRunArn: aws.String(runARN + "9")}}, NextToken: aws.String("more")}, nil
	}
	return &sfn.ListMapRunsOutput{MapRuns: []types.MapRunListItem{{MapRunArn: aws.String(runARN)}}}, nil
}

func (m *mapAPI) DescribeMapRun(ctx context.Context, in *sfn.DescribeMapRunInput, _ ...func(*sfn.Options)) (*sfn.DescribeMapRunOutput, error) {
	if err := m.enter(ctx, "DescribeMapRun"); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	start := m.start
	if strings.HasSuffix(*in.MapRunArn, "9") {
		start = start.Add(time.Hour)
	}
	ended := min(m.total, int64(m.clk.Now().Sub(m.start).Seconds()*m.rate))
	failed := ended / perBatch / 10 * perBatch
	out := &sfn.DescribeMapRunOutput{
		MapRunArn: in.MapRunArn, ExecutionArn: aws.String(arnFor("x")), StartDate: &start, Status: types.MapRunStatusRunning, MaxConcurrency: 5,
		ToleratedFailurePercentage: 5,
		ItemCounts:                 &types.MapRunItemCounts{Total: m.total, Succeeded: ended - failed, Failed: failed, Running: m.total - ended},
		ExecutionCounts: &types.MapRunExecutionCounts{
			Total: m.total / perBatch, Succeeded: (ended - failed) / perBatch, Failed: failed / perBatch, PendingRedrive: aws.Int64(2),
		},
	}
	if ended == m.total {
		out.Status, out.StopDate = types.MapRunStatusFailed, aws.Time(m.clk.Now())
	}
	return out, nil
}

func (m *mapAPI) ListExecutions(ctx context.Context, in *sfn.ListExecutionsInput, _ ...func(*sfn.Options)) (*sfn.ListExecutionsOutput, error) {
	if err := m.enter(ctx, "ListExecutions"); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	if in.StateMachineArn != nil || aws.ToString(in.MapRunArn) != runARN {
		return nil, apiError("ValidationException", "give one of the two")
	}
	rows := slices.DeleteFunc(slices.Clone(m.children), func(e types.ExecutionListItem) bool {
		return in.StatusFilter != "" && e.Status != in.StatusFilter
	})
	from, to, next := m.cut(len(rows), in.NextToken, in.MaxResults)
	return &sfn.ListExecutionsOutput{Executions: rows[from:to], NextToken: next}, nil
}

// mapBench is a client over mapAPI whose clock runs by itself.
func mapBench(t *testing.T, class Class, limits Limits) (*Client, *mapAPI) {
	t.Helper()
	clk := clock.NewFake(t0)
	api := &mapAPI{fakeAPI: newFake(clk), start: t0, total: 1000, rate: 20}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for clk.WaitTimers(ctx, 1) == nil {
			clk.Advance(100 * time.Millisecond)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return New(Config{API: api, Class: class, Limits: limits, Clock: clk}), api
}

func TestMapRuns(t *testing.T) {
	t.Parallel()
	c, api := mapBench(t, ClassA, Limits{})
	api.start = t0.Add(-10 * time.Second)
	runs, err := c.MapRuns(t.Context(), arnFor("x"))
	require.NoError(t, err)
	require.Len(t, runs, 2)
	require.Equal(t, []string{runARN, runARN + "9"}, []string{runs[0].ARN, runs[1].ARN}, "the oldest first")
	want := MapRun{
		ARN: runARN, Execution: arnFor("x"), Label: "Batch", Status: Running, Start: api.start, MaxConcurrency: 5, ToleratedFailurePercent: 5,
		Items:    Counts{Total: 1000, Succeeded: 180, Failed: 20, Running: 800},
		Children: Counts{Total: 100, Succeeded: 18, Failed: 2, PendingRedrive: 2},
	}
	require.Empty(t, cmp.Diff(want, runs[0]))
	require.Equal(t, int64(200), runs[0].Items.Ended())
	require.Equal(t, 10*time.Second, runs[0].Duration(t0))
	redriven := MapRun{Start: t0, RedriveDate: t0.Add(time.Hour), Stop: t0.Add(time.Minute)}
	require.Equal(t, time.Minute, redriven.Duration(t0.Add(61*time.Minute)), "a redriven run counts anew")

	plain := newFake(clock.NewFake(t0))
	_, err = New(Config{API: plain, Clock: plain.clk}).DescribeMapRun(t.Context(), runARN)
	requireKind(t, err, fault.NotFound, "Resource not found")
}

func TestChildrenAndFailures(t *testing.T) {
	t.Parallel()
	c, api := mapBench(t, ClassA, Limits{Unlimited: true})
	api.maxPage = 7
	add := func(name string, status types.ExecutionStatus, errorName, cause string) {
		api.runs = append(api.runs, &fakeRun{name: name, status: status, errorName: errorName, cause: cause})
		api.children = append(api.children, types.ExecutionListItem{
			ExecutionArn: aws.String(arnFor(name)), Name: aws.String(name), Status: status, MapRunArn: aws.String(runARN), StartDate: aws.Time(t0),
		})
	}
	for i := range 20 {
		add(fmt.Sprintf("good-%d", i), types.ExecutionStatusSucceeded, "", "")
	}
	add("late", types.ExecutionStatusTimedOut, "States.Timeout", "")
	for i := range 9 {
		add(fmt.Sprintf("bad-%d", i), types.ExecutionStatusFailed, "InvalidFlower", fmt.Sprintf(`{"errorMessage": "flower 3", "requestId": "%d"}`, i))
	}
	for i := range 12 {
		add(fmt.Sprintf("stopped-%d", i), types.ExecutionStatusAborted, "", "")
	}
	add("worse", types.ExecutionStatusFailed, "InvalidFlower", "flower 4")

	all, err := c.Children(t.Context(), runARN, nil, 0)
	require.NoError(t, err)
	require.Len(t, all, 43)
	require.Equal(t, runARN, all[0].MapRun)
	some, err := c.Children(t.Context(), runARN, []Status{TimedOut, Failed}, 3)
	require.NoError(t, err)
	require.Len(t, some, 4)
	_, err = c.Children(t.Context(), runARN, []Status{"ODD"}, 3)
	requireKind(t, err, fault.Invalid, `cannot list child executions by status "ODD"`)

	failures, err := c.Failures(t.Context(), runARN, 0)
	require.NoError(t, err)
	for i := range failures {
		require.Len(t, failures[i].Members, failures[i].Count)
		require.Contains(t, failures[i].Members, failures[i].Example)
		failures[i].Members = nil
	}
	require.Empty(t, cmp.Diff([]Failure{
		{Status: Failed, Error: "InvalidFlower", Message: "flower <n>", Count: 10, Example: arnFor("bad-0"), ExampleMessage: "flower 3"},
		{Status: TimedOut, Error: "States.Timeout", Count: 1, Example: arnFor("late")},
		{Status: Aborted, Count: 12, Example: arnFor("stopped-0")},
	}, failures))
	before := api.count("DescribeExecution")
	failures, err = c.Failures(t.Context(), runARN, 4)
	require.NoError(t, err)
	require.Equal(t, 4, failures[0].Count)
	require.Equal(t, "flower 3", failures[0].Message, "all say the very same")
	require.Empty(t, failures[0].ExampleMessage)
	require.Equal(t, 4, api.count("DescribeExecution")-before, "no more are described than asked for")
}

// A watch shows the run once at the beginning and once at the end, and between
// them asks for no more than a third of the account's one call a second.
func TestWatchMapRun(t *testing.T) {
	t.Parallel()
	c, api := mapBench(t, ClassA, Limits{})
	// The bucket is empty, as after a while of watching.
	for range 66 {
		_, err := c.DescribeMapRun(t.Context(), runARN)
		require.NoError(t, err)
	}
	api.with0(func() { api.start = api.clk.Now() })
	began, before := api.clk.Now(), api.count("DescribeMapRun")
	w := c.WatchMapRun(t.Context(), runARN)
	var seen []MapRunProgress
	for p := range w.Events() {
		seen = append(seen, p)
	}
	last, err := w.Wait()
	require.NoError(t, err)
	require.Equal(t, Failed, last.Status)
	require.Equal(t, int64(1000), last.Items.Ended())
	elapsed := api.clk.Now().Sub(began).Seconds()
	require.InDelta(t, elapsed/3, float64(api.count("DescribeMapRun")-before), 3)
	middle := seen[len(seen)/2]
	require.InDelta(t, 20, middle.Rate, 1)
	require.InDelta(t, float64(1000-middle.MapRun.Items.Ended())/20, middle.Left.Seconds(), 3)
	end := seen[len(seen)-1]
	require.Equal(t, Failed, end.MapRun.Status)
	require.Zero(t, end.Left)

	api.with0(func() { api.start = api.clk.Now().Add(100_000 * time.Hour) }) // the fake clock runs on while this test waits for its turn
	w = c.WatchMapRun(t.Context(), runARN)
	<-w.Events()
	w.Cancel()
	_, err = w.Wait()
	requireKind(t, err, fault.Canceled, "cancelled")
}

// with0 changes the API under its lock.
func (m *mapAPI) with0(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
}

func TestPace(t *testing.T) {
	t.Parallel()
	var p Pace
	require.Zero(t, p.Rate())
	require.Zero(t, p.Left(10))
	p.Add(t0, 0)
	p.Add(t0, 0)
	require.Zero(t, p.Rate(), "no time has passed")
	for i := range 100 {
		p.Add(t0.Add(time.Duration(i)*time.Second), int64(min(i, 50))*10)
	}
	require.InDelta(t, 0, p.Rate(), 0.001, "what was before the window does not count")
	p.Add(t0.Add(100*time.Second), 5)
	require.Zero(t, p.Rate(), "it started again")
	p.Add(t0.Add(110*time.Second), 105)
	require.InDelta(t, 10, p.Rate(), 0.001)
	require.Equal(t, 5*time.Second, p.Left(50))
}
