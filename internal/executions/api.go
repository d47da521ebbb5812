// Package executions owns everything the tool does with Step Functions
// executions: start, batch, list, describe, stop, redrive, history and watch,
// all within a share of the account's API quotas. Watch yields one stream of
// typed Events per execution, and Timeline is the pure reducer over it.
//
// It is the only user of the Step Functions SDK outside the sandbox. It may
// import fault and clock of this module and nothing else; it prints nothing.
package executions

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
)

// API is the part of the Step Functions client that is used. *sfn.Client
// implements it.
type API interface {
	StartExecution(ctx context.Context, in *sfn.StartExecutionInput, opts ...func(*sfn.Options)) (*sfn.StartExecutionOutput, error)
	DescribeExecution(ctx context.Context, in *sfn.DescribeExecutionInput, opts ...func(*sfn.Options)) (*sfn.DescribeExecutionOutput, error)
	ListExecutions(ctx context.Context, in *sfn.ListExecutionsInput, opts ...func(*sfn.Options)) (*sfn.ListExecutionsOutput, error)
	GetExecutionHistory(ctx context.Context, in *sfn.GetExecutionHistoryInput, opts ...func(*sfn.Options)) (*sfn.GetExecutionHistoryOutput, error)
	StopExecution(ctx context.Context, in *sfn.StopExecutionInput, opts ...func(*sfn.Options)) (*sfn.StopExecutionOutput, error)
	RedriveExecution(ctx context.Context, in *sfn.RedriveExecutionInput, opts ...func(*sfn.Options)) (*sfn.RedriveExecutionOutput, error)
	ListMapRuns(ctx context.Context, in *sfn.ListMapRunsInput, opts ...func(*sfn.Options)) (*sfn.ListMapRunsOutput, error)
	DescribeStateMachineForExecution(ctx context.Context, in *sfn.DescribeStateMachineForExecutionInput,
		opts ...func(*sfn.Options)) (*sfn.DescribeStateMachineForExecutionOutput, error)
	DescribeMapRun(ctx context.Context, in *sfn.DescribeMapRunInput, opts ...func(*sfn.Options)) (*sfn.DescribeMapRunOutput, error)
	UpdateMapRun(ctx context.Context, in *sfn.UpdateMapRunInput, opts ...func(*sfn.Options)) (*sfn.UpdateMapRunOutput, error)
}

var _ API = (*sfn.Client)(nil)

// Connect returns the Step Functions API for an AWS configuration (credentials,
// region, BaseEndpoint). The SDK's own retries are switched off: Client retries
// itself, so that each retry is counted against the quota.
func Connect(cfg aws.Config) API {
	return sfn.NewFromConfig(cfg, func(o *sfn.Options) { o.Retryer = aws.NopRetryer{} })
}
