// Package integration owns how Step Functions speaks to other services: the names of
// optimised and of SDK integrations, the Java SDK that stands between the language and
// an API (names of members, times, blobs, exceptions), and the schemas that mocks are
// held against. It knows nothing of executions and makes no calls.
package integration

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/pipelinetui/pipelinetui/internal/asl"
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
	"servicequotas": "ServiceQuotas", "ecr": "Ecr", "iam": "Iam", "cloudwatchlogs": "CloudWatchLogs", "kms": "Kms", "sqs": "Sqs", "sns": "Sns", "eventbridge": "EventBridge",
	"cloudwatch": "CloudWatch", "applicationautoscaling": "ApplicationAutoScaling", "dynamodb": "DynamoDb", "secretsmanager": "SecretsManager", "ssm": "Ssm",
	"scheduler": "Scheduler", "cloudcontrol": "CloudControl", "resourcegroupstaggingapi": "ResourceGroupsTaggingApi", "cloudformation": "CloudFormation",
}

// JavaClient is the class name of AWS's Java client of a service (its id in Step
// Functions' resources); ok is false of one that is not known here.
func JavaClient(service string) (name string, ok bool) {
	name, ok = clients[service]
	return name, ok
}

// optimizedPrefix are the prefixes of optimised integrations where they differ.
var optimizedPrefix = map[string]string{
	"lambda": "Lambda", "states": "StepFunctions", "sqs": "SQS", "sns": "SNS", "events": "EventBridge", "sagemaker": "SageMaker", "dynamodb": "DynamoDB",
}

// Target returns the router's service and operation of an integration.
func Target(i asl.Integration) (service, operation string) {
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

// Client is who makes a task's calls on AWS: a client of one of its Java SDKs.
type Client struct {
	// Prefix begins the names of errors: "Lambda" in "Lambda.ServiceException".
	Prefix string
	// SDK is set for aws-sdk integrations, which go by the newer of the SDKs.
	SDK bool
}

// Function is the client of tasks whose resource is a function's ARN.
var Function = Client{Prefix: "Lambda"}

// ClientOf is the client of an integration's tasks.
func ClientOf(i asl.Integration) Client {
	service, _ := Target(i)
	c := Client{SDK: i.SDK(), Prefix: optimizedPrefix[i.Service]}
	if c.Prefix == "" {
		c.Prefix = clients[service]
	}
	if c.Prefix == "" {
		c.Prefix = upper(service)
	}
	return c
}

// olderClients are the names by which AWS's first Java SDK, which the optimised
// integrations go by, calls the services in its exceptions.
var olderClients = map[string]string{
	"lambda": "AWSLambda", "sfn": "AWSStepFunctions", "sqs": "AmazonSQS", "sns": "AmazonSNS", "dynamodb": "AmazonDynamoDBv2",
	"eventbridge": "AmazonCloudWatchEvents", "sagemaker": "AmazonSageMaker",
}

// Cause is the text of the exception that the client throws.
func (c Client) Cause(service string, e *wire.Error) string {
	name := olderClients[service]
	switch {
	case c.SDK && service == "s3":
		return Cause(service, e)
	case c.SDK:
		return Cause(service, e) + " (SDK Attempt Count: 1)"
	case name == "":
		return Cause(service, e)
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

// ErrorName is the name of an API's error in the language: the client's prefix
// and the class name of the exception in AWS's Java SDK.
func (c Client) ErrorName(service string, e *wire.Error) string {
	prefix := c.Prefix
	api := model.Of(service)
	known := api != nil && slices.Contains(api.Errors, e.Code)
	if strings.HasPrefix(e.Code, "AccessDenied") && !c.SDK {
		known = false // the older SDK is from before any service modelled that
	}
	if !known {
		if !c.SDK {
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

// Cause is the text of an exception of AWS's Java SDK.
func Cause(service string, e *wire.Error) string {
	name, ok := JavaClient(service)
	if !ok {
		name = upper(service)
	}
	text := fmt.Sprintf("%s (Service: %s, Status Code: %d, Request ID: %s", e.Message, name, statusOf(e), wire.NewID())
	if service == "s3" {
		text += ", Extended Request ID: " + wire.NewID()
	}
	return text + ")"
}
