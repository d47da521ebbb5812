package check

import (
	_ "embed"
	"maps"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// operationsText lists the operations of the services that templates use, as the
// AWS SDK has them: "service: operation ...".
//
//go:embed operations.txt
var operationsText string

// operations are the operations of SDK integrations, by service.
func operations() map[string][]string {
	out := map[string][]string{}
	for line := range strings.Lines(operationsText) {
		service, ops, _ := strings.Cut(strings.TrimSpace(line), ":")
		out[service] = strings.Fields(ops)
	}
	return out
}

// streaming are operations that Step Functions leaves out.
var streaming = []string{
	"lambda:invokeWithResponseStream", "sagemakerruntime:invokeEndpointWithResponseStream", "s3:selectObjectContent", "s3:writeGetObjectResponse",
	"cloudwatchlogs:startLiveTail",
}

// aliases are names under which services of SDK integrations are looked for in
// vain.
var aliases = map[string]string{
	"sagemaker-runtime": "sagemakerruntime", "runtime.sagemaker": "sagemakerruntime", "stepfunctions": "sfn", "states": "sfn",
	"logs": "cloudwatchlogs", "cloudwatch-logs": "cloudwatchlogs", "events": "eventbridge", "application-autoscaling": "applicationautoscaling",
	"autoscaling-plans": "autoscalingplans", "monitoring": "cloudwatch",
}

// optimized are the integrations that Step Functions has of its own, with the
// patterns that each one knows besides the plain call.
// (step-functions/latest/dg/integrate-optimized.html)
var optimized = map[string]string{
	"lambda:invoke":     "waitForTaskToken",
	"apigateway:invoke": "waitForTaskToken",
	"http:invoke":       "",
	"sqs:sendMessage":   "waitForTaskToken",
	"sns:publish":       "waitForTaskToken",
	"events:putEvents":  "waitForTaskToken",

	"states:startExecution": "sync sync:2 waitForTaskToken",

	"dynamodb:getItem": "", "dynamodb:putItem": "", "dynamodb:updateItem": "", "dynamodb:deleteItem": "",

	"sagemaker:createEndpoint": "", "sagemaker:createEndpointConfig": "", "sagemaker:createModel": "", "sagemaker:updateEndpoint": "",
	"sagemaker:createHyperParameterTuningJob": "sync", "sagemaker:createLabelingJob": "sync", "sagemaker:createProcessingJob": "sync",
	"sagemaker:createTrainingJob": "sync", "sagemaker:createTransformJob": "sync",

	"batch:submitJob": "sync", "glue:startJobRun": "sync", "databrew:startJobRun": "sync", "ecs:runTask": "sync waitForTaskToken",
	"codebuild:startBuild": "sync", "codebuild:stopBuild": "", "codebuild:batchDeleteBuilds": "", "codebuild:batchGetReports": "",
	"codebuild:startBuildBatch": "sync", "codebuild:stopBuildBatch": "", "codebuild:retryBuildBatch": "sync", "codebuild:deleteBuildBatch": "",
	"athena:startQueryExecution": "sync", "athena:stopQueryExecution": "", "athena:getQueryExecution": "", "athena:getQueryResults": "",
	"bedrock:invokeModel": "waitForTaskToken", "bedrock:createModelCustomizationJob": "sync",
	"mediaconvert:createJob": "sync",
	"eks:call":               "", "eks:runJob": "sync", "eks:createCluster": "sync", "eks:deleteCluster": "sync", "eks:createFargateProfile": "sync",
	"eks:deleteFargateProfile": "sync", "eks:createNodegroup": "sync", "eks:deleteNodegroup": "sync",
	"elasticmapreduce:createCluster": "sync", "elasticmapreduce:terminateCluster": "sync", "elasticmapreduce:addStep": "sync",
	"elasticmapreduce:cancelStep": "", "elasticmapreduce:setClusterTerminationProtection": "",
	"elasticmapreduce:modifyInstanceFleetByName": "", "elasticmapreduce:modifyInstanceGroupByName": "",
	"emr-containers:createVirtualCluster": "", "emr-containers:deleteVirtualCluster": "sync", "emr-containers:startJobRun": "sync",
	"emr-serverless:createApplication": "sync", "emr-serverless:startApplication": "sync", "emr-serverless:stopApplication": "sync",
	"emr-serverless:deleteApplication": "sync", "emr-serverless:startJobRun": "sync", "emr-serverless:cancelJobRun": "sync",
}

// needed are arguments without which a call always fails.
var needed = map[string]string{
	"lambda:invoke": "FunctionName", "sqs:sendMessage": "QueueUrl MessageBody", "sns:publish": "Message", "events:putEvents": "Entries",
	"states:startExecution": "StateMachineArn", "sagemaker:createTransformJob": "TransformJobName ModelName TransformInput TransformOutput TransformResources",
	"aws-sdk:sagemakerruntime:invokeEndpoint":      "EndpointName Body",
	"aws-sdk:sagemakerruntime:invokeEndpointAsync": "EndpointName InputLocation",
	"aws-sdk:s3:putObject":                         "Bucket Key", "aws-sdk:s3:getObject": "Bucket Key", "aws-sdk:s3:listObjectsV2": "Bucket",
	"aws-sdk:s3:headObject": "Bucket Key", "aws-sdk:s3:deleteObject": "Bucket Key", "aws-sdk:lambda:invoke": "FunctionName",
	"aws-sdk:sfn:startExecution": "StateMachineArn", "aws-sdk:sqs:sendMessage": "QueueUrl MessageBody",
}

// resource checks the Resource of a Task.
func (m *machine) resource(s *state, n *value.Node) {
	arn := text(n)
	if m.src.open[n.Offset] || arn == "" || asl.IsLambda(arn) || asl.IsActivity(arn) {
		return
	}
	i, ok := asl.ParseIntegration(arn)
	if _, call, isSDK := strings.Cut(arn, ":states:::aws-sdk:"); isSDK && !ok { // a service with characters that none has
		service, operation, _ := strings.Cut(call, ":")
		i, ok = asl.Integration{Service: "aws-sdk:" + service, Operation: operation}, operation != ""
	}
	if !ok {
		m.on(n, Error, "unknown-resource", "Name an integration such as arn:aws:states:::lambda:invoke, a function, or an activity.",
			"%q is not something that a Task can call", arn)
		return
	}
	if !m.integration(i, n) {
		return
	}
	m.granted(n)
	m.arguments(s, i)
	if i.Pattern == "waitForTaskToken" && !m.passesToken(s) {
		m.on(n, Warning, "no-task-token", "Pass $states.context.Task.Token (in JSONPath: $$.Task.Token) in the arguments.",
			"task %q waits for its token to come back and gives it to nobody", s.name)
	}
}

// integration tells whether Step Functions has an integration, and reports it if
// not.
func (m *machine) integration(i asl.Integration, n *value.Node) bool {
	if i.SDK() {
		return m.sdk(i, n)
	}
	name := i.Service + ":" + i.Operation
	patterns, ok := optimized[name]
	switch {
	case name == "sagemaker:invokeEndpoint" || name == "sagemakerruntime:invokeEndpoint":
		m.on(n, Error, "unknown-integration", "Use arn:aws:states:::aws-sdk:sagemakerruntime:invokeEndpoint, which waits for the answer anyway.",
			"Step Functions has no integration %s", whole(i))
	case !ok:
		hint := suggestion(name, slices.Sorted(maps.Keys(optimized)), "Use an optimized integration, or arn:aws:states:::aws-sdk:<service>:<operation>.")
		if ops := operations()[i.Service]; slices.Contains(ops, i.Operation) {
			hint = "Use arn:aws:states:::aws-sdk:" + name + "."
		}
		m.on(n, Error, "unknown-integration", hint, "Step Functions has no optimized integration %s", whole(i))
	case i.Pattern != "" && !slices.Contains(strings.Fields(patterns), i.Pattern):
		hint := "Use it without ." + i.Pattern + "."
		if patterns != "" {
			hint = "Use it without ." + i.Pattern + ", or with ." + strings.ReplaceAll(patterns, " ", ", .") + "."
		}
		m.on(n, Error, "unknown-integration", hint, "%s does not know .%s", name, i.Pattern)
	default:
		return true
	}
	return false
}

func (m *machine) sdk(i asl.Integration, n *value.Node) bool {
	service := strings.TrimPrefix(i.Service, "aws-sdk:")
	ops, known := operations()[service]
	lower := strings.ToLower(i.Operation[:1]) + i.Operation[1:]
	name := service + ":" + i.Operation
	switch {
	case strings.HasPrefix(i.Pattern, "sync"):
		m.on(n, Error, "unknown-integration", "Poll with a Wait and a Choice state, or use an optimized integration.", "SDK integrations do not know .%s", i.Pattern)
	case aliases[service] != "":
		m.on(n, Error, "unknown-integration", "Write aws-sdk:"+aliases[service]+":"+lower+".", "SDK integrations know no service %s", service)
	case i.Operation != lower:
		m.on(n, Error, "unknown-integration", "Write "+lower+".", "operations of SDK integrations begin with a small letter, unlike %s", i.Operation)
	case service == "sagemaker" && slices.Contains(operations()["sagemakerruntime"], i.Operation):
		m.on(n, Error, "unknown-integration", "Use aws-sdk:sagemakerruntime:"+i.Operation+".", "%s is an operation of the service sagemakerruntime", i.Operation)
	case slices.Contains(streaming, name):
		m.on(n, Error, "unknown-integration", "Use a function.", "Step Functions does not serve %s", name)
	case known && !slices.Contains(ops, i.Operation):
		m.on(n, Error, "unknown-integration", suggestion(i.Operation, ops, "See the operations of the service's API reference."),
			"the service %s has no operation %s", service, i.Operation)
	case strings.ContainsAny(service, "-_.") || service != strings.ToLower(service):
		m.on(n, Error, "unknown-integration", "Write it as the AWS SDK for Java 2.x names its package, without hyphens.", "SDK integrations know no service %s", service)
	case !known:
		hint := suggestion(service, slices.Sorted(maps.Keys(operations())), "Make sure that the AWS SDK for Java 2.x has it.")
		m.on(n, Warning, "unchecked-integration", hint, "the service %s is not known to this check", service)
		return true
	default:
		return true
	}
	return false
}

// granted reports an integration that no block gives the rights for: every
// execution would fail for want of a permission.
func (m *machine) granted(n *value.Node) {
	if m.bare || m.opts.Integrations == nil || m.src.open[n.Offset] || m.said[n.Offset] != "" {
		return
	}
	_, name, ok := strings.Cut(text(n), ":states:::")
	if !ok || slices.Contains(m.opts.Integrations, name) {
		return
	}
	m.on(n, Error, "no-rights", "Use one of "+strings.Join(m.opts.Integrations, ", ")+".", "no block gives a state machine the right to call %s", name)
}

// arguments checks that what a call cannot do without is there.
func (m *machine) arguments(s *state, i asl.Integration) {
	list, ok := needed[i.Service+":"+i.Operation]
	if !ok {
		return
	}
	field := "Parameters"
	if s.jsonata {
		field = "Arguments"
	}
	args := s.node.Get(field)
	if args != nil && !args.IsObject() {
		return // one expression
	}
	for _, want := range strings.Fields(list) {
		if args != nil && has(args, want) {
			continue
		}
		at, hint := s.node, "Add "+want+" to "+field+"."
		if args == nil {
			if s.node.Get("InputPath") != nil || !s.jsonata {
				return // the input itself is the argument
			}
		} else {
			at = args
			for _, f := range args.Fields {
				if strings.EqualFold(strings.TrimSuffix(f.Key, ".$"), want) {
					hint = "Write it " + want + ", not " + f.Key + "."
				}
			}
		}
		m.at(at.Offset, Error, "missing-argument", hint, "task %q calls %s without %s", s.name, i.Operation, want)
	}
}

func (m *machine) passesToken(s *state) bool {
	found := false
	s.leaves(func(l leaf) {
		v := text(l.node)
		found = found || strings.Contains(v, "Task.Token") || strings.Contains(v, "$$.Task") || v == "$$" || strings.Contains(v, "$states.context.Task")
	})
	return found
}

// whole is an integration as it is written behind ":states:::".
func whole(i asl.Integration) string {
	name := i.Service + ":" + i.Operation
	if i.Pattern != "" {
		name += "." + i.Pattern
	}
	return name
}
