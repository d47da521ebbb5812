package api

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

var roleARN = lazyregexp.New(`^arn:aws[a-z-]*:iam::(\d{12}):role/[\w+=,.@/-]+$`)

func checkRole(arn string) error {
	if !roleARN.MatchString(arn) {
		return wire.Errorf(400, "InvalidArn", "Invalid Role Arn: '%s'", arn)
	}
	return nil
}

// passRole checks that the caller may give the role to Step Functions.
func (s *Handlers) passRole(ctx context.Context, req *wire.Request, role string) error {
	return policy.PassRole(ctx, req, role, "states.amazonaws.com")
}

// deliveryActions are what the role of a machine needs to have its log written.
// https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html#cloudwatch-iam-policy
var deliveryActions = []string{
	"logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
	"logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
}

// checkMachineRole checks the role of a machine as CreateStateMachine and
// UpdateStateMachine do: it exists, it trusts Step Functions, and it may have the
// log written that the machine is to have.
func (s *Handlers) checkMachineRole(ctx context.Context, req *wire.Request, machine, role string, logging *types.LoggingConfiguration) error {
	p, err := s.Executions.Assume(ctx, req.Scope, role, machine, "check")
	if err != nil {
		if e := wire.AsError(err); e.Status >= 500 {
			return err
		}
		return wire.Errorf(400, "AccessDeniedException", "Neither the global service principal states.amazonaws.com, nor the regional one is authorized to assume the provided role.")
	}
	if logging == nil || logging.Level == "" || logging.Level == types.LogLevelOff {
		return nil
	}
	as := *req
	as.Principal = p
	for _, action := range deliveryActions {
		if as.Authorize(ctx, action, "*", nil) != nil {
			return wire.Errorf(400, "AccessDeniedException", "The state machine IAM Role is not authorized to access the Log Destination")
		}
	}
	return nil
}
