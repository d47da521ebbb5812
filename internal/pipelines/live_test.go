package pipelines

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// lists are executions that are there, and what was asked about them.
type lists struct {
	executions.API
	all   []types.ExecutionListItem
	asked []types.ExecutionStatus
	// shared are the aliases that two versions share, as far as sharedErr lets know them.
	shared    []Shared
	sharedErr error
}

func (l *lists) ListExecutions(_ context.Context, in *sfn.ListExecutionsInput, _ ...func(*sfn.Options)) (*sfn.ListExecutionsOutput, error) {
	l.asked = append(l.asked, in.StatusFilter)
	out := &sfn.ListExecutionsOutput{}
	for _, x := range l.all {
		if (in.StatusFilter == "" || in.StatusFilter == x.Status) && len(out.Executions) < int(in.MaxResults) {
			out.Executions = append(out.Executions, x)
		}
	}
	return out, nil
}

func (l *lists) Elsewhere(*Pipeline) (string, error) { return "", nil }
func (l *lists) Endpoint(context.Context, *Pipeline) (string, error) {
	return "", errors.New("not asked")
}

func (l *lists) Shared(context.Context, *Pipeline) ([]Shared, error) {
	return l.shared, l.sharedErr
}

func (l *lists) Executions(context.Context, *Pipeline) (*executions.Client, error) {
	return executions.New(executions.Config{API: l}), nil
}

// ListExecutions is the scarcest of calls (100 at once and 2 a second in most regions, for
// everybody in the account): what nobody looks at is not asked for.
func TestLookAsksForNoMoreThanIsWanted(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	execution := func(name string, status types.ExecutionStatus, ago time.Duration) types.ExecutionListItem {
		return types.ExecutionListItem{Name: &name, ExecutionArn: aws.String("arn:" + name), Status: status, StartDate: aws.Time(now.Add(-ago))}
	}
	p := &Pipeline{
		Spec:  &spec.Pipeline{Region: "eu-west-1"},
		State: &stack.State{Outputs: map[string]stack.Output{"stateMachineArn": {Value: "arn:aws:states:eu-west-1:1:stateMachine:m"}}},
	}
	some := &lists{all: []types.ExecutionListItem{
		execution("e", types.ExecutionStatusSucceeded, time.Minute), execution("d", types.ExecutionStatusRunning, time.Hour),
		execution("c", types.ExecutionStatusFailed, 2*time.Hour), execution("b", types.ExecutionStatusTimedOut, 3*time.Hour),
		execution("a", types.ExecutionStatusFailed, 30*time.Hour),
	}}
	// What runs is one list; what failed is two, for which all that fit on one page are listed once.
	byStatus := []types.ExecutionStatus{types.ExecutionStatusRunning, ""}
	got := Look(t.Context(), some, p, Counts, now)
	require.NoError(t, got.ExecutionsErr)
	require.Equal(t, byStatus, some.asked)
	require.Equal(t, Counted(1), got.Running)
	require.Equal(t, Counted(2), got.Failed)
	require.Nil(t, got.Last)

	some.asked = nil
	all := LookAll(t.Context(), some, []Pipeline{*p}, CountsAndLast, now)
	require.Equal(t, append([]types.ExecutionStatus{""}, byStatus...), some.asked)
	require.Equal(t, "e", all[0].Last.Name)
	require.Equal(t, Counted(1), all[0].Running)
	require.Equal(t, Counted(2), all[0].Failed)

	none := &lists{}
	got = Look(t.Context(), none, p, CountsAndLast, now)
	require.Len(t, none.asked, 1, "nothing of anything")
	require.Equal(t, Counted(0), got.Running)
	require.Equal(t, Counted(0), got.Failed)
	require.Nil(t, got.Last)
}

// Whom two versions share is asked of a pipeline that is not ready, and of no other.
func TestLookAsksForSharedAliases(t *testing.T) {
	t.Parallel()
	some := &lists{shared: []Shared{{Of: "function", Routes: []Route{{"6", 90}, {"7", 10}}}}}
	p := &Pipeline{
		Spec: &spec.Pipeline{Region: "eu-west-1"},
		State: &stack.State{
			Outputs:   map[string]stack.Output{"stateMachineAliasArn": {Value: "arn:aws:states:eu-west-1:1:stateMachine:m:live"}},
			Resources: []stack.Resource{{Name: "alias"}},
		},
	}
	require.Empty(t, Look(t.Context(), some, p, Counts, time.Now()).Shared)
	p.State.Pending = []stack.PendingOperation{{Kind: "updating", Name: "alias"}}
	l := Look(t.Context(), some, p, Counts, time.Now())
	require.Equal(t, "function: version 6 takes 90% of the calls, version 7 takes 10%", l.Shared[0].String())
	// That it is not known takes nothing away from the executions, which were counted.
	some.sharedErr = errors.New("denied")
	p.State.Outputs["stateMachineArn"] = stack.Output{Value: "arn:aws:states:eu-west-1:1:stateMachine:m"}
	l = Look(t.Context(), some, p, Counts, time.Now())
	require.NoError(t, l.ExecutionsErr)
	require.Equal(t, "0", l.Text(l.Running))
	require.ErrorContains(t, l.SharedErr, "denied")
	require.False(t, l.Complete())
}
