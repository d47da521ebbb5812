package datatest

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/executions"
)

// Record is one execution of the API.
type Record struct {
	Machine  string // ARN of the state machine
	Describe *sfn.DescribeExecutionOutput
	Events   []types.HistoryEvent
	MapRuns  []*sfn.DescribeMapRunOutput
	// Definition is what it ran; it was not recorded.
	Definition string `json:",omitempty"`
	// MapRun is the ARN of the Map Run that a child belongs to.
	MapRun string
}

// API is Step Functions in memory, filled with recorded executions. It is safe for
// concurrent use.
type API struct {
	mu      sync.Mutex
	records []*Record
	calls   map[string]int
	// Before, if set, may answer a call with an error.
	Before func(operation string) error
	// Now is the time of what is started here.
	Now func() time.Time
}

var _ executions.API = (*API)(nil)

func newAPI(t TB) *API {
	t.Helper()
	raw, err := recorded.ReadFile("recorded/executions.json")
	require.NoError(t, err)
	a := &API{calls: map[string]int{}, Now: func() time.Time { return Recorded }}
	require.NoError(t, json.Unmarshal(raw, &a.records))
	return a
}

// Add adds an execution, the newest.
func (a *API) Add(r *Record) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.records = append([]*Record{r}, a.records...)
}

// Change changes an execution by its name.
func (a *API) Change(name string, f func(*Record)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.records {
		if aws.ToString(r.Describe.Name) == name {
			f(r)
		}
	}
}

// Calls counts the calls of an operation.
func (a *API) Calls(operation string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls[operation]
}

func (a *API) enter(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a.mu.Lock()
	a.calls[op]++
	before := a.Before
	a.mu.Unlock()
	if before != nil {
		if err := before(op); err != nil {
			return err
		}
	}
	a.mu.Lock()
	return nil
}

func apiError(code, message string) error {
	return &smithy.GenericAPIError{Code: code, Message: message}
}

func (a *API) find(arn *string) (*Record, error) {
	for _, r := range a.records {
		if aws.ToString(r.Describe.ExecutionArn) == aws.ToString(arn) {
			return r, nil
		}
	}
	return nil, apiError("ExecutionDoesNotExist", "Execution Does Not Exist: '"+aws.ToString(arn)+"'")
}

// machineOf is a state machine's ARN without version or alias.
func machineOf(arn string) string {
	parts := strings.Split(arn, ":")
	return strings.Join(parts[:min(7, len(parts))], ":")
}

// StartExecution adds a running execution.
func (a *API) StartExecution(ctx context.Context, in *sfn.StartExecutionInput, _ ...func(*sfn.Options)) (*sfn.StartExecutionOutput, error) {
	if err := a.enter(ctx, "StartExecution"); err != nil {
		return nil, err
	}
	defer a.mu.Unlock()
	machine := machineOf(aws.ToString(in.StateMachineArn))
	arn := strings.Replace(machine, ":stateMachine:", ":execution:", 1) + ":" + aws.ToString(in.Name)
	if r, err := a.find(&arn); err == nil {
		if r.Describe.Status == types.ExecutionStatusRunning && aws.ToString(r.Describe.Input) == aws.ToString(in.Input) {
			return &sfn.StartExecutionOutput{ExecutionArn: &arn, StartDate: r.Describe.StartDate}, nil
		}
		return nil, apiError("ExecutionAlreadyExists", "Execution Already Exists: '"+arn+"'")
	}
	now := a.Now()
	a.records = append([]*Record{{
		Machine: machine,
		Describe: &sfn.DescribeExecutionOutput{
			ExecutionArn: &arn, Name: in.Name, StateMachineArn: &machine, Status: types.ExecutionStatusRunning, StartDate: &now, Input: in.Input,
			RedriveStatus: types.ExecutionRedriveStatusNotRedrivable, RedriveStatusReason: aws.String("Execution is RUNNING and cannot be redriven"),
		},
		Events: []types.HistoryEvent{{
			Id: 1, Timestamp: &now, Type: types.HistoryEventTypeExecutionStarted,
			ExecutionStartedEventDetails: &types.ExecutionStartedEventDetails{Input: in.Input},
		}},
	}}, a.records...)
	return &sfn.StartExecutionOutput{ExecutionArn: &arn, StartDate: &now}, nil
}

// DescribeExecution returns a record.
func (a *API) DescribeExecution(ctx context.Context, in *sfn.DescribeExecutionInput, _ ...func(*sfn.Options)) (*sfn.DescribeExecutionOutput, error) {
	if err := a.enter(ctx, "DescribeExecution"); err != nil {
		return nil, err
	}
	defer a.mu.Unlock()
	r, err := a.find(in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	out := *r.Describe
	return &out, nil
}

// DescribeStateMachineForExecution returns what a record ran.
func (a *API) DescribeStateMachineForExecution(ctx context.Context, in *sfn.DescribeStateMachineForExecutionInput,
	_ ...func(*sfn.Options),
) (*sfn.DescribeStateMachineForExecutionOutput, error) {
	if err := a.enter(ctx, "DescribeStateMachineForExecution"); err != nil {
		return nil, err
	}
	defer a.mu.Unlock()
	r, err := a.find(in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	definition := r.Definition
	return &sfn.DescribeStateMachineForExecutionOutput{StateMachineArn: aws.String(r.Machine), Definition: &definition}, nil
}

// page returns the part of n that a call asks for, and the token of the next one.
func page(n int, most int32, token *string) (from, to int, next *string) {
	from, _ = strconv.Atoi(aws.ToString(token))
	if most <= 0 {
		most = 100
	}
	to = min(n, from+int(most))
	if to < n {
		next = aws.String(strconv.Itoa(to))
	}
	return from, to, next
}

// ListExecutions lists records, the newest first.
func (a *API) ListExecutions(ctx context.Context, in *sfn.ListExecutionsInput, _ ...func(*sfn.Options)) (*sfn.ListExecutionsOutput, error) {
	if err := a.enter(ctx, "ListExecutions"); err != nil {
		return nil, err
	}
	defer a.mu.Unlock()
	var all []types.ExecutionListItem
	for _, r := range a.records {
		d := r.Describe
		if in.StatusFilter != "" && d.Status != in.StatusFilter || in.MapRunArn != nil && r.MapRun != *in.MapRunArn ||
			in.StateMachineArn != nil && (r.MapRun != "" || machineOf(*in.StateMachineArn) != r.Machine) {
			continue
		}
		all = append(all, types.ExecutionListItem{
			ExecutionArn: d.ExecutionArn, Name: d.Name, StateMachineArn: d.StateMachineArn, Status: d.Status, StartDate: d.StartDate, StopDate: d.StopDate,
			StateMachineAliasArn: d.StateMachineAliasArn, StateMachineVersionArn: d.StateMachineVersionArn, RedriveCount: d.RedriveCount, RedriveDate: d.RedriveDate, MapRunArn: d.MapRunArn,
		})
	}
	from, to, next := page(len(all), in.MaxResults, in.NextToken)
	return &sfn.ListExecutionsOutput{Executions: all[from:to], NextToken: next}, nil
}

// GetExecutionHistory returns the events of a record.
func (a *API) GetExecutionHistory(ctx context.Context, in *sfn.GetExecutionHistoryInput, _ ...func(*sfn.Options)) (*sfn.GetExecutionHistoryOutput, error) {
	if err := a.enter(ctx, "GetExecutionHistory"); err != nil {
		return nil, err
	}
	defer a.mu.Unlock()
	r, err := a.find(in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	events := slices.Clone(r.Events)
	if in.ReverseOrder {
		slices.Reverse(events)
	}
	from, to, next := page(len(events), in.MaxResults, in.NextToken)
	return &sfn.GetExecutionHistoryOutput{Events: events[from:to], NextToken: next}, nil
}

// StopExecution aborts a record.
func (a *API) StopExecution(ctx context.Context, in *sfn.StopExecutionInput, _ ...func(*sfn.Options)) (*sfn.StopExecutionOutput, error) {
	if err := a.enter(ctx, "StopExecution"); err != nil {
		return nil, err
	}
	defer a.mu.Unlock()
	r, err := a.find(in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	now := a.Now()
	if r.Describe.Status == types.ExecutionStatusRunning {
		r.Describe.Status, r.Describe.StopDate, r.Describe.Error, r.Describe.Cause = types.ExecutionStatusAborted, &now, in.Error, in.Cause
		r.Describe.RedriveStatus, r.Describe.RedriveStatusReason = types.ExecutionRedriveStatusRedrivable, nil
		last := r.Events[len(r.Events)-1].Id
		r.Events = append(r.Events, types.HistoryEvent{
			Id: last + 1, PreviousEventId: last, Timestamp: &now, Type: types.HistoryEventTypeExecutionAborted,
			ExecutionAbortedEventDetails: &types.ExecutionAbortedEventDetails{Error: in.Error, Cause: in.Cause},
		})
	}
	return &sfn.StopExecutionOutput{StopDate: &now}, nil
}

// RedriveExecution lets a record run again.
func (a *API) RedriveExecution(ctx context.Context, in *sfn.RedriveExecutionInput, _ ...func(*sfn.Options)) (*sfn.RedriveExecutionOutput, error) {
	if err := a.enter(ctx, "RedriveExecution"); err != nil {
		return nil, err
	}
	defer a.mu.Unlock()
	r, err := a.find(in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	if r.Describe.RedriveStatus != types.ExecutionRedriveStatusRedrivable {
		return nil, apiError("ExecutionNotRedrivable", aws.ToString(r.Describe.RedriveStatusReason))
	}
	now := a.Now()
	count := aws.ToInt32(r.Describe.RedriveCount) + 1
	r.Describe.Status, r.Describe.StopDate, r.Describe.RedriveCount, r.Describe.RedriveDate = types.ExecutionStatusRunning, nil, &count, &now
	r.Describe.Error, r.Describe.Cause = nil, nil
	last := int64(0) // a record may have no history
	if n := len(r.Events); n > 0 {
		last = r.Events[n-1].Id
	}
	r.Events = append(r.Events, types.HistoryEvent{
		Id: last + 1, PreviousEventId: last, Timestamp: &now, Type: types.HistoryEventTypeExecutionRedriven,
		ExecutionRedrivenEventDetails: &types.ExecutionRedrivenEventDetails{RedriveCount: &count},
	})
	return &sfn.RedriveExecutionOutput{RedriveDate: &now}, nil
}

// ListMapRuns lists the Map Runs of a record.
func (a *API) ListMapRuns(ctx context.Context, in *sfn.ListMapRunsInput, _ ...func(*sfn.Options)) (*sfn.ListMapRunsOutput, error) {
	if err := a.enter(ctx, "ListMapRuns"); err != nil {
		return nil, err
	}
	defer a.mu.Unlock()
	r, err := a.find(in.ExecutionArn)
	if err != nil {
		return nil, err
	}
	out := &sfn.ListMapRunsOutput{}
	for _, m := range r.MapRuns {
		out.MapRuns = append(out.MapRuns, types.MapRunListItem{
			ExecutionArn: m.ExecutionArn, MapRunArn: m.MapRunArn, StartDate: m.StartDate, StopDate: m.StopDate, StateMachineArn: &r.Machine,
		})
	}
	return out, nil
}

// UpdateMapRun changes a Map Run of a record.
func (a *API) UpdateMapRun(ctx context.Context, in *sfn.UpdateMapRunInput, _ ...func(*sfn.Options)) (*sfn.UpdateMapRunOutput, error) {
	if err := a.enter(ctx, "UpdateMapRun"); err != nil {
		return nil, err
	}
	defer a.mu.Unlock()
	for _, r := range a.records {
		for _, m := range r.MapRuns {
			if aws.ToString(m.MapRunArn) != aws.ToString(in.MapRunArn) {
				continue
			}
			if in.MaxConcurrency != nil {
				m.MaxConcurrency = *in.MaxConcurrency
			}
			if in.ToleratedFailureCount != nil {
				m.ToleratedFailureCount = *in.ToleratedFailureCount
			}
			if in.ToleratedFailurePercentage != nil {
				m.ToleratedFailurePercentage = *in.ToleratedFailurePercentage
			}
			return &sfn.UpdateMapRunOutput{}, nil
		}
	}
	return nil, apiError("ResourceNotFound", "Map Run does not exist")
}

// DescribeMapRun returns a Map Run of a record.
func (a *API) DescribeMapRun(ctx context.Context, in *sfn.DescribeMapRunInput, _ ...func(*sfn.Options)) (*sfn.DescribeMapRunOutput, error) {
	if err := a.enter(ctx, "DescribeMapRun"); err != nil {
		return nil, err
	}
	defer a.mu.Unlock()
	for _, r := range a.records {
		for _, m := range r.MapRuns {
			if aws.ToString(m.MapRunArn) == aws.ToString(in.MapRunArn) {
				out := *m
				return &out, nil
			}
		}
	}
	return nil, apiError("ResourceNotFound", "Map Run does not exist")
}

// Names lists the recorded executions.
func (a *API) Names() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []string
	for _, r := range a.records {
		out = append(out, aws.ToString(r.Describe.Name))
	}
	return out
}

// Poison changes what the API tells of every execution, but for its name.
func (a *API) Poison(change func(v any)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.records {
		name := r.Describe.Name
		change(r.Describe)
		r.Describe.Name = name
		change(&r.Events)
		change(&r.MapRuns)
	}
}
