package program

import (
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lambda"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// taskMargin is how many seconds a state waits longer than its function may
// run: the function's own time-out then ends it, with the clearer error.
const taskMargin = 30

// Defaults of a function whose template has no parameter for them.
const (
	defaultRuntime = "python3.13"
	defaultHandler = "handler.handler"
	defaultArch    = "arm64"
	defaultMemory  = 256
	defaultTimeout = 30
)

// preprocessBlock makes the Lambda function that turns the execution's input
// into what the model takes, with its own role and its log group. The state
// machine calls the alias "live", never $LATEST: an execution under way keeps
// the code it began with.
func preprocessBlock() block {
	return block{
		BlockInfo: BlockInfo{
			Name:  "preprocess",
			Title: "A Lambda function in front of the model",
			Needs: []string{"storage"},
			Reads: []string{
				"preprocess.code", "preprocess.runtime", "preprocess.handler", "preprocess.memoryMb", "preprocess.timeoutSec",
				"preprocess.arch", "preprocess.reservedConcurrency", "preprocess.environment", "tracing", "deadLetter",
				"kmsMode", "logRetentionDays", "preprocess.subnets", "preprocess.securityGroups", "invoker", "thresholds.functionErrors",
			},
			Provides: []string{"preprocessFunctionArn", "preprocessTaskTimeoutSec"},
			Exports:  []string{"preprocessFunctionArn"},
		},
		plan: planPreprocess,
		add:  addPreprocess,
	}
}

func planPreprocess(p *plan) fault.List {
	p.provide("preprocessFunctionArn", p.names.FunctionAliasARN)
	p.provide("preprocessTaskTimeoutSec", p.numberOr("preprocess.timeoutSec", defaultTimeout)+taskMargin)
	p.grant(lambdaRole, p.functionGrants(p.names.FunctionLogsARN)...)
	if len(p.list("preprocess.subnets")) > 0 {
		p.grant(lambdaRole, allow("VpcNetworkInterfaces", oneOrMany{
			"ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
			"ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
		}, anything))
	}

	code, err := p.readCode()
	if err != nil {
		return fault.List{err}
	}
	p.code = code
	if err := code.checkHandler(or(p.text("preprocess.runtime"), defaultRuntime), or(p.text("preprocess.handler"), defaultHandler)); err != nil {
		return fault.List{err}
	}
	return nil
}

// functionGrants are the rights of every function: its own logs, the inputs, a
// place for scratch, and what is switched on.
func (p *plan) functionGrants(logs string) []statement {
	grants := []statement{
		allow("Logs", oneOrMany{"logs:CreateLogStream", "logs:PutLogEvents"}, oneOrMany{logs + ":*"}),
		allow("ReadInputs", oneOrMany{"s3:GetObject"}, oneOrMany{p.names.BucketARN + "/" + inputPrefix + "*"}),
		allow("Staging", oneOrMany{"s3:PutObject", "s3:GetObject"}, oneOrMany{p.names.BucketARN + "/" + stagingPrefix + "*"}),
	}
	if p.tracing() {
		grants = append(grants, allow("XRay", oneOrMany{"xray:PutTraceSegments", "xray:PutTelemetryRecords"}, anything))
	}
	if p.deadLetters() {
		grants = append(grants, allow("DeadLetters", oneOrMany{"sqs:SendMessage"}, oneOrMany{p.names.DeadLettersARN}))
	}
	if p.ownKey() {
		grants = append(grants, keyStatement())
	}
	return grants
}

func addPreprocess(b *build) error {
	role, policy, err := b.addRole(lambdaRole, b.names.LambdaRole)
	if err != nil {
		return err
	}
	// The log group comes first: one that Lambda makes by itself never expires
	// and outlives the pipeline.
	logs, err := b.addLogGroup("pre-logs", b.names.FunctionLogs)
	if err != nil {
		return err
	}
	args := b.functionArgs()
	args.Role = role.Arn
	args.LoggingConfig = loggingTo(logs)
	function, err := lambda.NewFunction(b.ctx, "pre", args, pulumi.DependsOn([]pulumi.Resource{logs, policy}))
	if err != nil {
		return err
	}
	watching, _ := b.functionAlarms()
	opts, err := b.bitByBit("pre-live", Shift{Of: ShiftFunction}, watching)
	if err != nil {
		return err
	}
	live, err := b.addLive("pre-live", function, opts...)
	if err != nil {
		return err
	}
	b.function = live
	b.output("preprocessFunctionArn", live.Arn)
	b.export("preprocessFunctionArn", live.Arn)
	return nil
}

// addLive points the alias "live" at the function's version.
func (b *build) addLive(name string, function *lambda.Function, opts ...pulumi.ResourceOption) (*lambda.Alias, error) {
	return lambda.NewAlias(b.ctx, name, &lambda.AliasArgs{
		Name:            pulumi.String(spec.LiveAlias),
		Description:     pulumi.String("what the pipeline runs"),
		FunctionName:    function.Name,
		FunctionVersion: function.Version,
	}, opts...)
}

// loggingTo makes a function log as JSON into a group.
func loggingTo(group *cloudwatch.LogGroup) *lambda.FunctionLoggingConfigArgs {
	return &lambda.FunctionLoggingConfigArgs{
		LogFormat:           pulumi.String("JSON"),
		LogGroup:            group.Name,
		ApplicationLogLevel: pulumi.String("INFO"),
		SystemLogLevel:      pulumi.String("WARN"),
	}
}

// tracingOf is the tracing of every function.
func (b *build) tracingOf() *lambda.FunctionTracingConfigArgs {
	mode := "PassThrough"
	if b.tracing() {
		mode = "Active"
	}
	return &lambda.FunctionTracingConfigArgs{Mode: pulumi.String(mode)}
}

// functionArgs are the arguments of the function, but for role and logs.
func (b *build) functionArgs() *lambda.FunctionArgs {
	args := &lambda.FunctionArgs{
		Name:          pulumi.String(b.names.Function),
		Description:   pulumi.String("pipelinetui: preprocess of " + b.pipe.ID.String()),
		Runtime:       pulumi.String(or(b.text("preprocess.runtime"), defaultRuntime)),
		Handler:       pulumi.String(or(b.text("preprocess.handler"), defaultHandler)),
		Architectures: pulumi.StringArray{pulumi.String(or(b.text("preprocess.arch"), defaultArch))},
		MemorySize:    pulumi.Int(b.numberOr("preprocess.memoryMb", defaultMemory)),
		Timeout:       pulumi.Int(b.numberOr("preprocess.timeoutSec", defaultTimeout)),
		Code:          b.code.archive,
		Publish:       pulumi.Bool(true),
		TracingConfig: b.tracingOf(),
		Environment:   &lambda.FunctionEnvironmentArgs{Variables: b.functionEnvironment()},
		Tags:          b.tags(),
	}
	if n := b.numberOr("preprocess.reservedConcurrency", -1); n >= 0 {
		args.ReservedConcurrentExecutions = pulumi.Int(n)
	}
	if b.dlq != nil {
		args.DeadLetterConfig = &lambda.FunctionDeadLetterConfigArgs{TargetArn: b.dlq.Arn}
	}
	args.KmsKeyArn = b.keyArn()
	if subnets := b.list("preprocess.subnets"); len(subnets) > 0 {
		args.VpcConfig = &lambda.FunctionVpcConfigArgs{
			SubnetIds:        pulumi.ToStringArray(subnets),
			SecurityGroupIds: pulumi.ToStringArray(b.list("preprocess.securityGroups")),
		}
	}
	return args
}

// functionEnvironment is the user's environment with what the tool adds.
func (b *build) functionEnvironment() pulumi.StringMapInput {
	variables := b.environment("preprocess.environment")
	variables["PIPELINETUI_BUCKET"] = b.bucket.Bucket
	variables["PIPELINETUI_PIPELINE"] = pulumi.String(b.pipe.ID.String())
	if b.invokes() {
		variables["PIPELINETUI_INVOKER"] = pulumi.String("lambda")
	}
	return variables
}

// addLogGroup makes a log group with the pipeline's retention and key.
func (b *build) addLogGroup(name, group string) (*cloudwatch.LogGroup, error) {
	return cloudwatch.NewLogGroup(b.ctx, name, &cloudwatch.LogGroupArgs{
		Name:            pulumi.String(group),
		RetentionInDays: pulumi.Int(b.logRetention()),
		KmsKeyId:        b.keyArn(),
		Tags:            b.tags(),
	})
}

// or is s, or another text if s is empty.
func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
