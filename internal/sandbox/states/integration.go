package states

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire/model"
)

// optimized maps the services of optimised integrations to the router's ids.
var optimized = map[string]string{
	"lambda": "lambda", "states": "sfn", "sqs": "sqs", "sns": "sns", "events": "eventbridge", "sagemaker": "sagemaker",
	"dynamodb": "dynamodb", "batch": "batch", "ecs": "ecs", "glue": "glue", "codebuild": "codebuild", "athena": "athena",
	"elasticmapreduce": "emr", "eks": "eks", "apigateway": "apigateway", "databrew": "databrew", "bedrock": "bedrock", "mediaconvert": "mediaconvert",
}

// clients are the class names of AWS's Java clients: the prefixes of error names.
var clients = map[string]string{
	"s3": "S3", "lambda": "Lambda", "sagemaker": "SageMaker", "sagemakerruntime": "SageMakerRuntime", "sfn": "Sfn", "sts": "Sts",
	"iam": "Iam", "cloudwatchlogs": "CloudWatchLogs", "kms": "Kms", "sqs": "Sqs", "sns": "Sns", "eventbridge": "EventBridge",
	"cloudwatch": "CloudWatch", "applicationautoscaling": "ApplicationAutoScaling", "dynamodb": "DynamoDb",
}

// optimizedPrefix are the prefixes of optimised integrations where they differ.
var optimizedPrefix = map[string]string{
	"lambda": "Lambda", "states": "StepFunctions", "sqs": "SQS", "sns": "SNS", "events": "EventBridge", "sagemaker": "SageMaker", "dynamodb": "DynamoDB",
}

// target returns the router's service and operation of an integration.
func target(i asl.Integration) (service, operation string) {
	service, operation = i.Service, upper(i.Operation)
	if i.SDK() {
		return strings.TrimPrefix(service, "aws-sdk:"), operation
	}
	return optimized[service], operation
}

func upper(s string) string {
	r := []rune(s)
	if len(r) > 0 {
		r[0] = unicode.ToUpper(r[0])
	}
	return string(r)
}

// resourceKnown judges a Task's resource when a machine is created: AWS refuses
// what it does not know, and so does the sandbox what it does not serve.
func (s *Service) resourceKnown(arn string) error {
	i, ok := asl.ParseIntegration(arn)
	if !ok || s.Router == nil {
		return nil
	}
	service, op := target(i)
	switch pattern := patternKnown(i); {
	case s.Router.Has(service, op) && pattern:
		return nil
	case model.Serves(service, op) && (pattern || !i.SDK()):
		return fmt.Errorf("The resource provided %s is not served by the sandbox: Step Functions may know it on AWS, but it cannot run here.", arn)
	}
	return fmt.Errorf("The resource provided %s is not recognized. The value is not a valid resource ARN, or the resource is not available in this region.", arn)
}

func patternKnown(i asl.Integration) bool {
	switch i.Pattern {
	case "", "waitForTaskToken":
		return true
	case "sync":
		return i.Service == "states" && i.Operation == "startExecution" || i.Service == "sagemaker" && jobs[i.Operation].describe != ""
	case "sync:2":
		return i.Service == "states" && i.Operation == "startExecution"
	}
	return false
}

func (t *taskRun) errorPrefix() string {
	if t.lambda {
		return "Lambda"
	}
	service, _ := target(t.integration)
	if p := optimizedPrefix[t.integration.Service]; p != "" {
		return p
	}
	if p := clients[service]; p != "" {
		return p
	}
	return upper(service)
}

// call makes the task's one call.
func (t *taskRun) call(ctx context.Context) (any, error) {
	if t.lambda {
		return t.invokeFunction(ctx, value.Of("FunctionName", t.st.Resource, "Payload", t.args), false)
	}
	service, op := target(t.integration)
	if service == "lambda" && op == "Invoke" && !t.integration.SDK() {
		return t.invokeFunction(ctx, t.args, true)
	}
	if err := t.unknownHost(); err != nil {
		return nil, err
	}
	v, err := t.invoke(ctx, service, op, t.request())
	if err != nil {
		return nil, err
	}
	if t.integration.Service == "events" {
		return v, failedEntries(v)
	}
	if o, ok := v.(*value.Object); ok && !t.integration.SDK() {
		return withMetadata(o), nil
	}
	return v, nil
}

// unknownHost fails a message to a queue whose URL is none: AWS's client takes it
// for a host's name.
func (t *taskRun) unknownHost() error {
	o, ok := t.args.(*value.Object)
	if !ok || t.integration.Service != "sqs" {
		return nil
	}
	v, _ := o.Get("QueueUrl")
	text, _ := v.(string)
	_, host, found := strings.Cut(text, "://")
	if !found {
		host = text
	}
	if host != "" && !strings.Contains(host, "/") {
		return fail("SQS.SdkClientException", "Unable to execute HTTP request: "+host+": Name or service not known").err()
	}
	return nil
}

// failedEntries fails a task that could not put all of its events.
func failedEntries(reply any) error {
	o, _ := reply.(*value.Object)
	failed, _ := o.Get("FailedEntryCount")
	if n, ok := failed.(value.Number); !ok || n.Float64() == 0 {
		return nil
	}
	return fail("EventBridge.FailedEntry", value.String(reply)).err()
}

// withResources adds to an event what it is about: the state machine and the
// execution that it comes from.
func (t *taskRun) withResources(entry *value.Object) *value.Object {
	given, found := entry.Get("Resources")
	list, isList := given.([]any)
	if found && !isList {
		return entry // for the service to refuse
	}
	x := t.b.x
	return entry.With("Resources", append(slices.Clip(list), x.rec.machineARN(), x.arn()))
}

// textMembers are members that optimised integrations take as JSON and hand on
// as text.
var textMembers = map[string][]string{
	"states:startExecution": {"Input"}, "states:startSyncExecution": {"Input"}, "sqs:sendMessage": {"MessageBody"}, "sns:publish": {"Message"},
	"events:putEvents": {"Detail"}, "aws-sdk:sfn:startExecution": {"Input"}, "aws-sdk:sfn:startSyncExecution": {"Input"},
}

// request is what is sent.
func (t *taskRun) request() any {
	names := textMembers[t.integration.Service+":"+t.integration.Operation]
	if names == nil {
		return t.args
	}
	o, ok := t.args.(*value.Object)
	if !ok {
		return t.args
	}
	entries, found := o.Get("Entries")
	if list, isList := entries.([]any); found && isList {
		out := make([]any, len(list))
		for i, e := range list {
			out[i] = e
			if inner, ok := e.(*value.Object); ok {
				out[i] = t.withResources(asText(inner, names))
			}
		}
		return o.With("Entries", out)
	}
	return asText(o, names)
}

func asText(o *value.Object, names []string) *value.Object {
	for _, name := range names {
		switch v, given := o.Get(name); v.(type) {
		case nil:
			if given {
				o = o.Without(name)
			}
		case string:
		default:
			o = o.With(name, value.String(v))
		}
	}
	return o
}

// invoke calls an operation as the task's principal. The reply has the names and
// forms of AWS's Java SDK.
func (t *taskRun) invoke(ctx context.Context, service, op string, args any) (any, error) {
	m := messagesOf(service, op)
	raw, err := t.b.x.s.Router.Invoke(ctx, t.b.x.rec.Scope, t.principal, service, op, value.Encode(m.request(args)))
	if err == nil {
		v, err := value.Parse(string(raw))
		if err != nil {
			return nil, fail(errRuntime, err.Error()).err()
		}
		return m.reply(v), nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var we *wire.Error
	if !errors.As(err, &we) {
		return nil, fail(t.errorPrefix()+".SdkClientException", err.Error()).err()
	}
	return nil, fail(t.errorName(service, we), t.cause(service, we)).err()
}

// olderClients are the names by which AWS's first Java SDK, which the optimised
// integrations go by, calls the services in its exceptions.
var olderClients = map[string]string{
	"lambda": "AWSLambda", "sfn": "AWSStepFunctions", "sqs": "AmazonSQS", "sns": "AmazonSNS", "dynamodb": "AmazonDynamoDBv2",
	"eventbridge": "AmazonCloudWatchEvents", "sagemaker": "AmazonSageMaker",
}

// cause is the text of the exception that the task's client throws.
func (t *taskRun) cause(service string, e *wire.Error) string {
	name := olderClients[service]
	switch {
	case t.integration.SDK() && service == "s3":
		return cause(service, e)
	case t.integration.SDK():
		return cause(service, e) + " (SDK Attempt Count: 1)"
	case name == "":
		return cause(service, e)
	}
	return fmt.Sprintf("%s (Service: %s; Status Code: %d; Error Code: %s; Request ID: %s; Proxy: null)", e.Message, name, statusOf(e), e.Code, wire.NewID())
}

func statusOf(e *wire.Error) int {
	if e.Status == 0 {
		return http.StatusBadRequest
	}
	return e.Status
}

// unmodelledNames are the names of such errors in optimised integrations, which
// go by AWS's older Java SDK.
var unmodelledNames = map[string]string{
	"SQS": "AmazonSQSException", "SNS": "AmazonSNSException", "SageMaker": "AmazonSageMakerException", "DynamoDB": "AmazonDynamoDBException",
	"EventBridge": "AmazonCloudWatchEventsException",
}

// errorName is the name of an API's error in the language: the client's prefix
// and the class name of the exception in AWS's Java SDK.
func (t *taskRun) errorName(service string, e *wire.Error) string {
	prefix := t.errorPrefix()
	api := model.Of(service)
	known := api != nil && slices.Contains(api.Errors, e.Code)
	if strings.HasPrefix(e.Code, "AccessDenied") && !t.integration.SDK() {
		known = false // the older SDK is from before any service modelled that
	}
	if !known {
		if !t.integration.SDK() {
			if name := unmodelledNames[prefix]; name != "" {
				return prefix + "." + name
			}
			return prefix + ".AWS" + prefix + "Exception"
		}
		return prefix + "." + prefix + "Exception"
	}
	name := strings.TrimSuffix(e.Code, "Fault")
	if !strings.HasSuffix(name, "Exception") {
		name += "Exception"
	}
	return prefix + "." + name
}

// cause is the text of an exception of AWS's Java SDK.
func cause(service string, e *wire.Error) string {
	name := clients[service]
	if name == "" {
		name = upper(service)
	}
	text := fmt.Sprintf("%s (Service: %s, Status Code: %d, Request ID: %s", e.Message, name, statusOf(e), wire.NewID())
	if service == "s3" {
		text += ", Extended Request ID: " + wire.NewID()
	}
	return text + ")"
}

// withMetadata adds what optimised integrations tell about the HTTP call. A call
// inside the sandbox has no headers of its own; the status and the id are true.
func withMetadata(o *value.Object) *value.Object {
	id := wire.NewID()
	out := o.Clone()
	out.Set("SdkHttpMetadata", httpMetadata(id, -1))
	out.Set("SdkResponseMetadata", value.Of("RequestId", id))
	return out
}

func httpMetadata(id string, length int) *value.Object {
	h := value.Of("Connection", "keep-alive", "Content-Type", "application/json", "x-amzn-RequestId", id)
	if length >= 0 {
		h.Set("Content-Length", fmt.Sprint(length))
	}
	all := value.NewObject(h.Len())
	for i := range h.Len() {
		k, v := h.At(i)
		all.Set(k, []any{v})
	}
	return value.Of("AllHttpHeaders", all, "HttpHeaders", h, "HttpStatusCode", value.Int(http.StatusOK))
}
