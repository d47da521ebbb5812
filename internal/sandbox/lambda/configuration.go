package lambda

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// configure applies a configuration to c and checks it.
func (s *Service) configure(ctx context.Context, req *wire.Request, c *types.FunctionConfiguration, in *awslambda.UpdateFunctionConfigurationInput) error {
	if err := checkConfiguration(in); err != nil {
		return err
	}
	if in.Runtime != "" {
		c.Runtime = in.Runtime
		c.RuntimeVersionConfig = &types.RuntimeVersionConfig{RuntimeVersionArn: aws.String(wire.Scope{Partition: req.Partition, Region: req.Region}.
			ARN("lambda", "runtime:"+string(in.Runtime)))}
	}
	if in.Handler != nil {
		c.Handler = in.Handler
	}
	if in.Description != nil {
		c.Description = in.Description
	}
	if in.MemorySize != nil {
		c.MemorySize = in.MemorySize
	}
	if in.Timeout != nil {
		c.Timeout = in.Timeout
	}
	if in.EphemeralStorage != nil {
		c.EphemeralStorage = in.EphemeralStorage
	}
	if in.KMSKeyArn != nil {
		c.KMSKeyArn = in.KMSKeyArn
		if *in.KMSKeyArn == "" {
			c.KMSKeyArn = nil
		}
	}
	if in.Environment != nil {
		c.Environment = &types.EnvironmentResponse{Variables: in.Environment.Variables}
		if len(in.Environment.Variables) == 0 {
			c.Environment = nil
		}
	}
	if in.TracingConfig != nil && in.TracingConfig.Mode != "" {
		c.TracingConfig = &types.TracingConfigResponse{Mode: in.TracingConfig.Mode}
	}
	if in.DeadLetterConfig != nil {
		c.DeadLetterConfig = in.DeadLetterConfig
		if aws.ToString(in.DeadLetterConfig.TargetArn) == "" {
			c.DeadLetterConfig = nil
		}
	}
	if in.VpcConfig != nil {
		c.VpcConfig = vpc(in.VpcConfig)
	}
	setLogging(c, in.LoggingConfig)
	if c.Runtime == "" || c.Handler == nil {
		return errInvalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
	}
	if in.Role != nil && aws.ToString(c.Role) != *in.Role {
		if err := s.checkRole(ctx, req, *in.Role, *c.FunctionArn, *c.FunctionName); err != nil {
			return err
		}
		c.Role = in.Role
	}
	return nil
}

// setLogging fills in the defaults of a logging configuration: the JSON format
// has levels, the text format has none.
func setLogging(c *types.FunctionConfiguration, in *types.LoggingConfig) {
	if in == nil {
		return
	}
	l := *in
	if l.LogFormat == "" {
		l.LogFormat = c.LoggingConfig.LogFormat
	}
	if aws.ToString(l.LogGroup) == "" {
		l.LogGroup = c.LoggingConfig.LogGroup
	}
	if l.LogFormat == types.LogFormatJson {
		if l.ApplicationLogLevel == "" {
			l.ApplicationLogLevel = types.ApplicationLogLevelInfo
		}
		if l.SystemLogLevel == "" {
			l.SystemLogLevel = types.SystemLogLevelInfo
		}
	}
	c.LoggingConfig = &l
}

func vpc(in *types.VpcConfig) *types.VpcConfigResponse {
	if len(in.SubnetIds) == 0 {
		return nil
	}
	return &types.VpcConfigResponse{
		SubnetIds: in.SubnetIds, SecurityGroupIds: in.SecurityGroupIds, Ipv6AllowedForDualStack: in.Ipv6AllowedForDualStack,
		VpcId: aws.String("vpc-" + strings.TrimPrefix(in.SubnetIds[0], "subnet-")),
	}
}

// checkRole demands that the caller may pass the role and that Lambda can assume it.
func (s *Service) checkRole(ctx context.Context, req *wire.Request, role, arn, name string) error {
	if err := policy.PassRole(ctx, req, role, "lambda.amazonaws.com"); err != nil {
		return err
	}
	if _, err := s.Roles.AssumeServiceRole(ctx, req.Scope, "lambda.amazonaws.com", role, arn, name); err != nil {
		return errInvalid("The role defined for the function cannot be assumed by Lambda.")
	}
	return nil
}

// maxEnvironment is the limit of all environment variables together.
const maxEnvironment = 4096

func checkConfiguration(in *awslambda.UpdateFunctionConfigurationInput) error {
	between := func(v *int32, member string, least, most int32) error {
		if v != nil && *v < least {
			return errConstraint(*v, member, constraint.AtLeast(float64(least)))
		}
		if v != nil && *v > most {
			return errConstraint(*v, member, constraint.AtMost(float64(most)))
		}
		return nil
	}
	if err := between(in.Timeout, "timeout", 1, 900); err != nil {
		return err
	}
	if err := between(in.MemorySize, "memorySize", 128, 10240); err != nil {
		return err
	}
	if in.EphemeralStorage != nil {
		if err := between(in.EphemeralStorage.Size, "ephemeralStorage.size", 512, 10240); err != nil {
			return err
		}
	}
	if in.Runtime != "" {
		if err := checkRuntime(in.Runtime); err != nil {
			return err
		}
	}
	switch {
	case len(in.FileSystemConfigs) > 0:
		return errInvalid("The sandbox does not serve file systems for functions.")
	case in.SnapStart != nil && in.SnapStart.ApplyOn == types.SnapStartApplyOnPublishedVersions:
		return errInvalid("The sandbox does not serve SnapStart.")
	case in.ImageConfig != nil:
		return errInvalid("ImageConfig is not supported for functions created with deployment packages.")
	}
	if in.LoggingConfig != nil && in.LoggingConfig.LogFormat == types.LogFormatText && (in.LoggingConfig.ApplicationLogLevel != "" || in.LoggingConfig.SystemLogLevel != "") {
		return errInvalid("LogLevel is not supported when LogFormat is set to \"Text\". Remove LogLevel from your request or change the LogFormat to \"JSON\" and try again.")
	}
	return checkEnvironment(in.Environment)
}

func checkRuntime(r types.Runtime) error {
	if !slices.Contains(r.Values(), r) {
		var known []string
		for _, v := range r.Values() {
			known = append(known, string(v))
		}
		return errInvalid("Value %s at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [%s] or be a valid ARN", r, strings.Join(known, ", "))
	}
	if runtimeOf(r) == nil {
		return errInvalid("The sandbox does not run runtime %s: it runs python3.x, nodejsNN.x and provided.*; choose one of these, or deploy to AWS.", r)
	}
	return nil
}

// reserved are the variables that Lambda sets and nobody may override.
var reserved = []string{
	"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
	"AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_ACCESS_KEY",
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
}

var variableName = lazyregexp.New(`^[a-zA-Z]([a-zA-Z0-9_])+$`)

func checkEnvironment(e *types.Environment) error {
	if e == nil {
		return nil
	}
	size := 0
	var bad []string
	for k, v := range e.Variables {
		size += len(k) + len(v)
		if slices.Contains(reserved, k) {
			bad = append(bad, k)
		} else if !variableName.MatchString(k) {
			return errConstraint(k, "environment.variables", "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]")
		}
	}
	if len(bad) > 0 {
		slices.Sort(bad)
		return errInvalid("Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved "+
			"keys that are currently not supported for modification. Reserved keys used in this request: %s", strings.Join(bad, ", "))
	}
	if size > maxEnvironment {
		return errInvalid("Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit.")
	}
	return nil
}
