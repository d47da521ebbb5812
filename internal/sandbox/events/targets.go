package events

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/optional"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Service) registerTargets(r *wire.Router) {
	one := wire.On(onRule)
	wire.Handle(r, id, "PutTargets", s.putTargets, wire.Access{On: onRule, Keys: targetKeys})
	wire.Handle(r, id, "RemoveTargets", s.removeTargets, one)
	wire.Handle(r, id, "ListTargetsByRule", s.listTargets, one)
	wire.Handle(r, id, "PutEvents", s.putEvents, wire.Access{On: onEntries, Keys: entryKeys})
}

// targetKeys are the condition keys of targets.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html
func targetKeys(_ *wire.Request, in wire.Input) map[string][]string {
	keys := map[string][]string{}
	for _, t := range in.Each("Targets") {
		keys["events:TargetArn"] = append(keys["events:TargetArn"], t.Text("Arn"))
	}
	return keys
}

const maxTargets = 5

// target is a target as it is kept.
type target struct {
	ID, ARN, Role    string
	Input, InputPath *string
	Transformer      *transformer
	DeadLetters      string // ARN of a queue
	Retry            *types.RetryPolicy
	Group            string                `json:",omitempty"` // of a FIFO queue
	HTTP             *types.HttpParameters `json:",omitempty"` // of an API destination
	Archive          string                `json:",omitempty"` // the archive that keeps the event, for EventBridge's own rules
}

// elsewhere are the services that EventBridge delivers to and the sandbox does not.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html
var elsewhere = []string{
	"apigateway", "appsync", "batch", "codebuild", "codepipeline", "ec2", "ecs", "execute-api", "firehose", "glue", "inspector", "kinesis",
	"redshift", "redshift-serverless", "route53", "sagemaker", "ssm", "ssm-incidents",
}

// badARN is how AWS refuses an ARN that no target can have, well formed or not.
func badARN(text string) error {
	return validation("Parameter %s is not valid. Reason: Provided Arn is not in correct format.", text)
}

// checkTarget refuses what the sandbox cannot deliver to, rather than lose events in
// silence.
func checkTarget(req *wire.Request, t types.Target) (target, error) {
	out := target{
		ID: aws.ToString(t.Id), ARN: aws.ToString(t.Arn), Role: aws.ToString(t.RoleArn), Input: t.Input, InputPath: t.InputPath,
		Retry: t.RetryPolicy, HTTP: t.HttpParameters,
	}
	a, ok := wire.ParseARN(out.ARN)
	if !ok || a.Resource == "" {
		return out, badARN(out.ARN)
	}
	if err := checkKind(req, a, t); err != nil {
		return out, err
	}
	if t.SqsParameters != nil {
		out.Group = aws.ToString(t.SqsParameters.MessageGroupId)
	}
	var err error
	if out.Transformer, err = checkInput(t); err != nil {
		return out, err
	}
	out.DeadLetters = deadLetters(t.DeadLetterConfig)
	if out.DeadLetters != "" && !wire.IsARN(out.DeadLetters, "sqs") {
		return out, validation("The dead-letter queue of target %s must be an SQS queue.", out.ID)
	}
	return out, nil
}

// checkKind checks what the kinds of targets ask for.
func checkKind(req *wire.Request, a arn.ARN, t types.Target) error {
	text, name := aws.ToString(t.Arn), aws.ToString(t.Id)
	kind, _, _ := strings.Cut(a.Resource, "/")
	needsRole := false
	switch a.Service {
	case "sqs":
		if strings.HasSuffix(a.Resource, ".fifo") && t.SqsParameters == nil {
			return validation("Parameter(s) SqsParameters must be specified for target: %s.", name)
		}
	case "sns":
		if strings.Contains(a.Resource, ":") {
			return badARN(text)
		}
	case "lambda":
		if !strings.HasPrefix(a.Resource, "function:") {
			return badARN(text)
		}
	case "states":
		if !strings.HasPrefix(a.Resource, "stateMachine:") {
			return badARN(text)
		}
		needsRole = true
	case "logs":
		if !strings.HasPrefix(a.Resource, "log-group:") {
			return badARN(text)
		}
		if t.Input != nil || t.InputPath != nil {
			return validation("Input and InputPath are not valid forms of input for target %s. The only valid form of input is InputTransformer.", name)
		}
	case "events":
		switch kind {
		case "event-bus":
			needsRole = wire.ScopeOfARN(a) != req.Scope
		case "api-destination":
			needsRole = true
		default:
			return badARN(text)
		}
	default:
		if slices.Contains(elsewhere, a.Service) {
			return wire.Errorf(http.StatusNotImplemented, "NotImplemented",
				"the sandbox delivers events to Lambda, Step Functions, SQS, CloudWatch Logs, event buses and API destinations, not to %s", text)
		}
		return badARN(text)
	}
	if a.Region != req.Region && kind != "event-bus" {
		return badARN(text)
	}
	if needsRole && aws.ToString(t.RoleArn) == "" {
		return validation("RoleArn is required for target %s.", text) // unsure: not recorded from AWS
	}
	return nil
}

func (t target) output() types.Target {
	out := types.Target{
		Id: aws.String(t.ID), Arn: aws.String(t.ARN), RoleArn: optional.Of(t.Role), Input: t.Input, InputPath: t.InputPath, RetryPolicy: t.Retry,
		HttpParameters: t.HTTP, DeadLetterConfig: deadLetterConfig(t.DeadLetters),
	}
	if t.Transformer != nil {
		out.InputTransformer = &types.InputTransformer{InputPathsMap: t.Transformer.Paths, InputTemplate: &t.Transformer.Template}
	}
	if t.Group != "" {
		out.SqsParameters = &types.SqsParameters{MessageGroupId: &t.Group}
	}
	return out
}

func (s *Service) putTargets(ctx context.Context, req *wire.Request, in *sdk.PutTargetsInput) (*sdk.PutTargetsOutput, error) {
	var targets []target
	for _, t := range in.Targets {
		c, err := checkTarget(req, t)
		if err != nil {
			return nil, err
		}
		targets = append(targets, c)
	}
	for _, t := range targets {
		if t.Role == "" {
			continue
		}
		if err := policy.PassRole(ctx, req, t.Role, ServiceName); err != nil {
			return nil, err
		}
	}
	err := s.changeRule(req, in.EventBusName, in.Rule, func(r *rule) error {
		if err := r.free(false); err != nil {
			return err
		}
		for _, t := range targets {
			if i := slices.IndexFunc(r.Targets, func(old target) bool { return old.ID == t.ID }); i >= 0 {
				r.Targets[i] = t
			} else {
				r.Targets = append(r.Targets, t)
			}
		}
		if len(r.Targets) > maxTargets {
			return fail("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
		}
		return nil
	})
	return &sdk.PutTargetsOutput{FailedEntries: []types.PutTargetsResultEntry{}}, err
}

func (s *Service) removeTargets(_ context.Context, req *wire.Request, in *sdk.RemoveTargetsInput) (*sdk.RemoveTargetsOutput, error) {
	err := s.changeRule(req, in.EventBusName, in.Rule, func(r *rule) error {
		r.Targets = slices.DeleteFunc(r.Targets, func(t target) bool { return slices.Contains(in.Ids, t.ID) })
		return r.free(in.Force)
	})
	return &sdk.RemoveTargetsOutput{FailedEntries: []types.RemoveTargetsResultEntry{}}, err
}

func (s *Service) listTargets(_ context.Context, req *wire.Request, in *sdk.ListTargetsByRuleInput) (*sdk.ListTargetsByRuleOutput, error) {
	r, err := s.ruleOf(req, in.EventBusName, in.Rule)
	if err != nil {
		return nil, err
	}
	some, next, err := page.At(r.Targets, in.NextToken, in.Limit, 100)
	if err != nil {
		return nil, badToken()
	}
	out := &sdk.ListTargetsByRuleOutput{Targets: []types.Target{}, NextToken: next}
	for _, t := range some {
		out.Targets = append(out.Targets, t.output())
	}
	return out, nil
}
