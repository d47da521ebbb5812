package api

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Handlers) describeMapRun(_ context.Context, req *wire.Request, in *sfn.DescribeMapRunInput) (*sfn.DescribeMapRunOutput, error) {
	r, err := record.ReadMapRun(s.DB, req.Scope, aws.ToString(in.MapRunArn))
	if err != nil {
		return nil, err
	}
	i, c := r.Items, r.Children
	return &sfn.DescribeMapRunOutput{
		MapRunArn: in.MapRunArn, ExecutionArn: aws.String(record.ARNOfKey("execution", r.Execution)), Status: types.MapRunStatus(r.Status),
		StartDate: &r.Start, StopDate: r.Stop, MaxConcurrency: int32(r.Concurrency), // bounded by the definition
		ToleratedFailureCount: r.Tolerated, ToleratedFailurePercentage: float32(r.Percentage), RedriveCount: aws.Int32(int32(r.Redrives)), RedriveDate: r.RedriveAt, // few
		ItemCounts: &types.MapRunItemCounts{
			Pending: i.Pending, Running: i.Running, Succeeded: i.Succeeded, Failed: i.Failed, TimedOut: i.TimedOut, Aborted: i.Aborted,
			Total: i.Total, ResultsWritten: i.Written, FailuresNotRedrivable: aws.Int64(0), PendingRedrive: aws.Int64(0),
		},
		ExecutionCounts: &types.MapRunExecutionCounts{
			Pending: c.Pending, Running: c.Running, Succeeded: c.Succeeded, Failed: c.Failed, TimedOut: c.TimedOut, Aborted: c.Aborted,
			Total: c.Total, ResultsWritten: c.Written, FailuresNotRedrivable: aws.Int64(0), PendingRedrive: aws.Int64(0),
		},
	}, nil
}

func (s *Handlers) listMapRuns(_ context.Context, req *wire.Request, in *sfn.ListMapRunsInput) (*sfn.ListMapRunsOutput, error) {
	arn := aws.ToString(in.ExecutionArn)
	rec, _, err := s.execution(req, arn)
	if err != nil {
		return nil, err
	}
	limit := pageSize(in.MaxResults)
	from, err := place(runList, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &sfn.ListMapRunsOutput{MapRuns: []types.MapRunListItem{}}
	err = s.DB.View(func(tx *store.Tx) error {
		return tx.Scan(record.BucketRuns, rec.Scope.Key(rec.Machine)+"/", from, func(key string, raw []byte) (bool, error) {
			if strings.Contains(key, "#") { // a child of a run, which is no MapRun
				return true, nil
			}
			var r record.MapRun
			if err := json.Unmarshal(raw, &r); err != nil {
				return false, err
			}
			if r.Execution != rec.Key() {
				return true, nil
			}
			if len(out.MapRuns) == limit {
				out.NextToken = runList.Token(key)
				return false, nil
			}
			out.MapRuns = append(out.MapRuns, types.MapRunListItem{
				ExecutionArn: aws.String(arn), MapRunArn: aws.String(r.ARN()), StartDate: &r.Start, StopDate: r.Stop,
				StateMachineArn: aws.String(record.ARN(rec.Scope, "stateMachine", rec.Machine+"/"+r.Label)),
			})
			return true, nil
		})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Handlers) updateMapRun(_ context.Context, req *wire.Request, in *sfn.UpdateMapRunInput) (*sfn.UpdateMapRunOutput, error) {
	arn := aws.ToString(in.MapRunArn)
	r, err := record.ReadMapRun(s.DB, req.Scope, arn)
	if err != nil {
		return nil, err
	}
	if in.MaxConcurrency == nil && in.ToleratedFailureCount == nil && in.ToleratedFailurePercentage == nil {
		return nil, validation("At least one of these must be specified: [maxConcurrency, toleratedFailureCount, toleratedFailurePercentage]")
	}
	live := s.Executions.MapRun(r.Key())
	if live == nil {
		return nil, validation("Map Run %s is not running", arn)
	}
	return &sfn.UpdateMapRunOutput{}, live.Update(in)
}
