package api

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// maxTokens is how many client tokens of redrives are remembered.
const maxTokens = 10

func (s *Handlers) redriveExecution(_ context.Context, req *wire.Request, in *sfn.RedriveExecutionInput) (*sfn.RedriveExecutionOutput, error) {
	arn := aws.ToString(in.ExecutionArn)
	rec, def, err := s.execution(req, arn)
	if err != nil {
		return nil, err
	}
	token := aws.ToString(in.ClientToken)
	if token != "" && rec.RedriveAt != nil && slices.Contains(rec.Tokens, token) {
		return &sfn.RedriveExecutionOutput{RedriveDate: rec.RedriveAt}, nil
	}
	switch status, reason := rec.Redrivable(s.now()); status {
	case types.ExecutionRedriveStatusRedrivable:
	case types.ExecutionRedriveStatusRedrivableByMapRun:
		return nil, record.NotRedrivable("Execution was started by a Map Run and is redriven by its parent execution")
	default:
		return nil, record.NotRedrivable(aws.ToString(reason))
	}
	if token != "" {
		rec.Tokens = append(rec.Tokens, token)
		rec.Tokens = rec.Tokens[max(0, len(rec.Tokens)-maxTokens):]
	}
	redriven, err := s.Executions.Redrive(rec, def)
	if err != nil {
		return nil, err
	}
	return &sfn.RedriveExecutionOutput{RedriveDate: &redriven}, nil
}
