package executions

import (
	"errors"
	"net"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

const docsAPI = "https://docs.aws.amazon.com/step-functions/latest/apireference/"

// rule maps an API error code to a kind and a way out.
type rule struct {
	kind fault.Kind
	hint string
}

func ruleOf(code string) rule {
	const login = "Sign in again or check the credentials; `pipelinetui doctor` shows which are used."
	switch code {
	case "ExecutionDoesNotExist":
		return rule{fault.NotFound, "Run `pipelinetui executions list` to see the executions there are; AWS keeps them for 90 days."}
	case "StateMachineDoesNotExist":
		return rule{fault.NotFound, "Run `pipelinetui up --refresh` on the pipeline: it looks what is really there, and makes what is missing."}
	case "ResourceNotFound":
		return rule{fault.NotFound, ""}
	case "ExecutionAlreadyExists":
		return rule{fault.Conflict, "Choose another --name: a name is free again 90 days after its execution ended."}
	case "StateMachineDeleting", "ConflictException":
		return rule{fault.Conflict, "Wait until the other change has finished and try again."}
	case "ExecutionNotRedrivable":
		return rule{fault.Invalid, "Start a new execution with the same input: `pipelinetui run`."}
	case "ExecutionLimitExceeded":
		return rule{fault.Throttled, "Wait until some of the open executions have ended, or stop some."}
	case "InvalidArn", "InvalidExecutionInput", "InvalidName", "InvalidOutput", "ValidationException", "InvalidParameterValue", "SerializationException":
		return rule{fault.Invalid, ""}
	case "InvalidToken":
		return rule{fault.Conflict, "Run the command again: the list was read for so long that its page token expired."}
	case "StateMachineTypeNotSupported":
		return rule{fault.Unsupported, "Use a STANDARD state machine: EXPRESS ones keep their executions in CloudWatch Logs only."}
	case "AccessDeniedException", "AccessDenied", "KmsAccessDeniedException", "UnauthorizedOperation":
		return rule{fault.Denied, "Ask for the missing permission; the message names the action and the resource."}
	case "ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException",
		"SignatureDoesNotMatch", "MissingAuthenticationToken", "MissingAuthenticationTokenException", "IncompleteSignature", "AuthFailure", "RequestExpired":
		return rule{fault.Unauthenticated, login}
	case "KmsThrottlingException":
		return rule{fault.Throttled, ""}
	}
	return rule{}
}

// classify turns an SDK error into a *fault.Error, once.
func classify(op operation, err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	out := &fault.Error{Kind: fault.Internal, Op: string(op), Err: err}
	var api smithy.APIError
	switch {
	case errors.As(err, &api):
		r := ruleOf(api.ErrorCode())
		if isThrottle(err) {
			r = rule{fault.Throttled, "Try again in a minute, or ask AWS to raise the quota of " + string(op) + "."}
		}
		if r.kind != "" {
			out.Kind, out.Hint = r.kind, r.hint
		}
		out.Msg, out.Docs = messageOf(api), docsAPI+"API_"+string(op)+".html"
	case isNetwork(err):
		out.Kind = fault.Unreachable
		out.Msg = "cannot reach the Step Functions endpoint: " + rootText(err)
		out.Hint = "Check the network, the region and --endpoint-url; `pipelinetui doctor` shows what is used."
	case strings.Contains(err.Error(), "get credentials") || strings.Contains(err.Error(), "get identity"):
		out.Kind = fault.Unauthenticated
		out.Msg = "no usable AWS credentials"
		out.Hint = "Sign in or choose a profile with --profile; `pipelinetui doctor` shows which credentials are used."
	default:
		if k := fault.KindOf(err); k != fault.Internal {
			out.Kind = k
		}
		out.Msg = err.Error()
	}
	return out
}

// messageOf is "Code: text", or the code alone.
func messageOf(api smithy.APIError) string {
	text := strings.TrimRight(api.ErrorMessage(), ". ")
	if text == "" {
		return api.ErrorCode()
	}
	return api.ErrorCode() + ": " + text
}

// rootText is the innermost text that still names the address.
func rootText(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Error()
	}
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err.Error()
}
