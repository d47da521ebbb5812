package program

import (
	"errors"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lambda"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// What the invoker function gets. It holds a request and its answer in memory,
// 25 MB each at most, and waits for the network otherwise.
const (
	invokerMemory = 512
	// invokerMargin is how many seconds it has besides the endpoint's answer, for
	// the body and the result.
	invokerMargin = 20
)

// invokerBlock makes a second Lambda function that calls the endpoint, for
// bodies that a state can't carry: what is not JSON, or over 256 KiB. It reads
// the body from S3 and writes the answer there, so only keys pass through the
// states. Nothing is made unless the parameter invoker is "lambda".
func invokerBlock() block {
	return block{
		BlockInfo: BlockInfo{
			Name:     "invoker",
			Title:    "A Lambda function that calls the endpoint (invoker: lambda)",
			Needs:    []string{"storage", "endpoint"},
			Reads:    []string{"invoker", "invokeTimeoutSec", "preprocess.arch", "tracing", "deadLetter", "kmsMode", "logRetentionDays"},
			Provides: []string{"invokerFunctionArn", "invokerTaskTimeoutSec"},
			Exports:  []string{"invokerFunctionArn"},
		},
		plan: planInvoker,
		add:  addInvoker,
	}
}

// invokes tells whether a function calls the endpoint.
func (p *plan) invokes() bool { return p.has("invoker") && p.text("invoker") == "lambda" }

// invokerTimeout is how long one call of the function may take, in seconds.
func (p *plan) invokerTimeout() int {
	return min(p.numberOr("invokeTimeoutSec", 70)+invokerMargin, maxFunctionSeconds)
}

// maxFunctionSeconds is the most that Lambda allows.
const maxFunctionSeconds = 900

func planInvoker(p *plan) fault.List {
	if !p.invokes() {
		return nil
	}
	p.provide("invokerFunctionArn", p.names.InvokerAliasARN)
	p.provide("invokerTaskTimeoutSec", p.invokerTimeout()+taskMargin)
	p.grant(invokerRole, p.functionGrants(p.names.InvokerLogsARN)...)
	p.grant(invokerRole,
		allow("InvokeEndpoint", oneOrMany{"sagemaker:InvokeEndpoint"}, oneOrMany{p.names.EndpointARN}),
		allow("Results", oneOrMany{"s3:PutObject"}, oneOrMany{p.names.BucketARN + "/" + resultsPrefix + "*"}))
	if p.tmpl.FS == nil {
		return fault.List{fault.New(fault.Invalid, "template %s brings no code for the invoker function", p.tmpl.Name).
			WithHint("Read the template from a folder with %s/ in it.", invokerCode)}
	}
	code, err := codeFromTemplate(p.tmpl.FS, invokerCode, p.tmpl.Origin)
	if out := (*outwardError)(nil); errors.As(err, &out) {
		return fault.List{out.in("template "+p.tmpl.Name, invokerCode)}
	}
	if err != nil {
		return fault.List{fault.New(fault.Invalid, "template %s has no readable code in its folder %s: %v", p.tmpl.Name, invokerCode, err).
			Because(err).WithHint("Add %s/ to the template, or set invoker=sdk.", invokerCode)}
	}
	p.invokerCode = code
	if err := code.checkHandler(defaultRuntime, defaultHandler); err != nil {
		return fault.List{err}
	}
	return nil
}

func addInvoker(b *build) error {
	if !b.invokes() {
		return nil
	}
	role, policy, err := b.addRole(invokerRole, b.names.InvokerRole)
	if err != nil {
		return err
	}
	logs, err := b.addLogGroup("inv-logs", b.names.InvokerLogs)
	if err != nil {
		return err
	}
	args := &lambda.FunctionArgs{
		Name:          pulumi.String(b.names.Invoker),
		Description:   pulumi.String("pipelinetui: calls the endpoint of " + b.pipe.ID.String()),
		Runtime:       pulumi.String(defaultRuntime),
		Handler:       pulumi.String(defaultHandler),
		Architectures: pulumi.StringArray{pulumi.String(or(b.text("preprocess.arch"), defaultArch))},
		MemorySize:    pulumi.Int(invokerMemory),
		Timeout:       pulumi.Int(b.invokerTimeout()),
		Code:          b.invokerCode.archive,
		Publish:       pulumi.Bool(true),
		Role:          role.Arn,
		LoggingConfig: loggingTo(logs),
		TracingConfig: b.tracingOf(),
		Environment: &lambda.FunctionEnvironmentArgs{Variables: pulumi.StringMap{
			"PIPELINETUI_INVOKE_SECONDS": pulumi.Sprintf("%d", b.numberOr("invokeTimeoutSec", 70)),
		}},
		KmsKeyArn: b.keyArn(),
		Tags:      b.tags(),
	}
	if b.dlq != nil {
		args.DeadLetterConfig = &lambda.FunctionDeadLetterConfigArgs{TargetArn: b.dlq.Arn}
	}
	function, err := lambda.NewFunction(b.ctx, "inv", args, pulumi.DependsOn([]pulumi.Resource{logs, policy}))
	if err != nil {
		return err
	}
	live, err := b.addLive("inv-live", function)
	if err != nil {
		return err
	}
	b.invoker = live
	b.output("invokerFunctionArn", live.Arn)
	b.export("invokerFunctionArn", live.Arn)
	return nil
}
