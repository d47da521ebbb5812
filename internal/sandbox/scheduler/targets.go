package scheduler

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire/model"
)

// checkTarget refuses what cannot be invoked, rather than lose invocations in silence.
func (s *Service) checkTarget(ctx context.Context, req *wire.Request, e entry) error {
	t := e.Target
	if err := s.checkKind(req, t); err != nil {
		return err
	}
	if t.DeadLetterConfig != nil && t.DeadLetterConfig.Arn != nil {
		queue := *t.DeadLetterConfig.Arn
		if !wire.IsARN(queue, "sqs") || strings.HasSuffix(queue, ".fifo") { // a FIFO queue is none: configuring-schedule-dlq.html
			return validation("DeadLetterConfig Arn %s must be that of a standard Amazon SQS queue.", queue) // the words are ours
		}
	}
	if err := policy.PassRole(ctx, req, *t.RoleArn, ServiceName); err != nil {
		return err
	}
	// The text is that of https://github.com/aws/aws-sdk-js-v3/issues/6494
	if _, err := s.Roles.AssumeServiceRole(ctx, req.Scope, ServiceName, *t.RoleArn, groupARN(req.Scope, e.Group), "check"); err != nil {
		return validation("The execution role you provide must allow AWS EventBridge Scheduler to assume the role.")
	}
	return nil
}

// elsewhere are the services that the Scheduler has templates for and the sandbox has not.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-templated.html
var elsewhere = []string{"codebuild", "codepipeline", "ecs", "inspector", "kinesis", "firehose", "sagemaker"}

func badARN() error { return validation("Provided Arn is not in correct format.") }

// checkKind checks what each kind of target asks for. The texts that no recording of AWS
// was found for are marked.
func (s *Service) checkKind(req *wire.Request, t types.Target) error {
	if _, _, ok := universal(*t.Arn); ok {
		return s.checkUniversal(t)
	}
	a, ok := wire.ParseARN(*t.Arn)
	if !ok || a.Resource == "" {
		return badARN()
	}
	if slices.Contains(elsewhere, a.Service) {
		return wire.Errorf(http.StatusNotImplemented, "NotImplemented",
			"the sandbox invokes Lambda, Step Functions, SQS, SNS, event buses and the operations that it serves, not %s", *t.Arn)
	}
	bus := a.Service == "events"
	switch {
	case templateOf(a) == "", wire.ScopeOfARN(a) != req.Scope: // other accounts and regions are no targets, managing-targets.html
		return badARN()
	case a.Service == "sqs" && strings.HasSuffix(a.Resource, ".fifo") && (t.SqsParameters == nil || t.SqsParameters.MessageGroupId == nil):
		return validation("SqsParameters with a MessageGroupId must be set for a FIFO queue.") // unsure
	case a.Service != "sqs" && t.SqsParameters != nil:
		return validation("SqsParameters can only be set for an Amazon SQS target.") // unsure
	case bus && t.EventBridgeParameters == nil:
		return validation("EventBridgeParameters must be set for an EventBridge target.") // unsure
	case bus && !sourceAllowed(aws.ToString(t.EventBridgeParameters.Source)):
		return validation("1 validation error detected: Value '%s' at 'target.eventBridgeParameters.source' failed to satisfy constraint: Member must "+
			"satisfy regular expression pattern: %s",
			aws.ToString(t.EventBridgeParameters.Source), sourcePattern)
	case !bus && t.EventBridgeParameters != nil:
		return validation("EventBridgeParameters can only be set for an EventBridge target.") // unsure
	case (bus || a.Service == "states") && t.Input != nil && !json.Valid([]byte(*t.Input)):
		return validation("Input must be valid JSON.") // unsure
	}
	return nil
}

// templateOf is the operation of the template for an ARN, "" if there is none.
func templateOf(a arn.ARN) string {
	kind, _, _ := strings.Cut(a.Resource, ":")
	switch a.Service {
	case "lambda":
		if kind == "function" {
			return "Invoke"
		}
	case "states":
		if kind == "stateMachine" {
			return "StartExecution"
		}
	case "sqs":
		return "SendMessage"
	case "sns":
		return "Publish"
	case "events":
		if strings.HasPrefix(a.Resource, "event-bus/") {
			return "PutEvents"
		}
	}
	return ""
}

// universal reads the ARN of a universal target.
func universal(text string) (service, operation string, ok bool) {
	a, _ := wire.ParseARN(text)
	rest, ok := strings.CutPrefix(a.Resource, "aws-sdk:")
	if !ok || a.Service != id || a.Region != "" || a.AccountID != "" {
		return "", "", false
	}
	service, operation, ok = strings.Cut(rest, ":")
	if operation != "" {
		r := []rune(operation)
		r[0] = unicode.ToUpper(r[0])
		operation = string(r)
	}
	return service, operation, ok
}

// readOnly are how operations begin that are no targets.
// https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html
var readOnly = strings.Fields(`Get Describe List Poll Receive Search Scan Query Select Read Lookup Discover Validate BatchGet BatchDescribe BatchRead TransactGet
	AdminGet AdminList TestMigration Retrieve TestConnection TranslateDocument IsAuthorized IsAuthorizedWithToken InvokeModel`)

// checkUniversal refuses what AWS has no operation for and what the sandbox does not
// serve, and an input that lacks what the operation needs. Its members are those of the
// API with a capital.
func (s *Service) checkUniversal(t types.Target) error {
	service, operation, _ := universal(*t.Arn)
	if !model.Serves(service, operation) || slices.ContainsFunc(readOnly, func(p string) bool { return strings.HasPrefix(operation, p) }) {
		return validation("%s is not a supported target.", *t.Arn) // unsure: no recording of AWS was found
	}
	if !s.router.Has(service, operation) {
		return wire.Errorf(http.StatusNotImplemented, "NotImplemented", "the sandbox does not serve %s", *t.Arn)
	}
	var in map[string]any
	if text := aws.ToString(t.Input); text != "" {
		if err := json.Unmarshal([]byte(text), &in); err != nil {
			return validation("Invalid RequestJson provided. Reason The request is not valid JSON.") // unsure
		}
	}
	var absent []string
	for _, name := range constraint.Required(service, operation) {
		r := []rune(name)
		r[0] = unicode.ToUpper(r[0])
		if _, given := in[string(r)]; !given {
			absent = append(absent, string(r))
		}
	}
	if len(absent) > 0 { // as users quote AWS, with members of another case
		return validation("Invalid RequestJson provided. Reason Request payload is missing the following field(s): %s.", strings.Join(absent, ", "))
	}
	return nil
}

// sourcePattern is the model's pattern of the shape Source. It looks ahead, which Go's
// expressions don't: sourceAllowed says the same.
const sourcePattern = `^(?=[/\.\-_A-Za-z0-9]+)((?!aws\.).*)|(\$(\.[\w_-]+(\[(\d+|\*)\])*)*)$`

var (
	sourceBegins = lazyregexp.New(`^[/.\-_A-Za-z0-9]`)
	sourcePath   = lazyregexp.New(`^\$(\.[\w-]+(\[(\d+|\*)\])*)*$`)
)

func sourceAllowed(s string) bool {
	return sourceBegins.MatchString(s) && !strings.HasPrefix(s, "aws.") || sourcePath.MatchString(s)
}
