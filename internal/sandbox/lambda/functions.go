package lambda

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// timeFormat is the API's for LastModified.
const timeFormat = "2006-01-02T15:04:05.000-0700"

var rolePattern = regexp.MustCompile(`^arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+$`)

func (s *Service) createFunction(ctx context.Context, req *wire.Request, in *awslambda.CreateFunctionInput) (*types.FunctionConfiguration, error) {
	ref, err := s.parse(str(in.FunctionName), "")
	if err != nil {
		return nil, err
	}
	arn := s.arn(ref.name, "")
	if err := req.Authorize(ctx, "lambda:CreateFunction", arn, nil); err != nil {
		return nil, err
	}
	if err := refuseUnserved(in); err != nil {
		return nil, err
	}
	c := types.FunctionConfiguration{
		FunctionName: &ref.name, FunctionArn: &arn, Version: aws.String(latest), PackageType: types.PackageTypeZip, State: types.StateActive,
		LastUpdateStatus: types.LastUpdateStatusSuccessful, Description: aws.String(""), Timeout: aws.Int32(3), MemorySize: aws.Int32(128),
		Architectures: []types.Architecture{types.ArchitectureX8664}, EphemeralStorage: &types.EphemeralStorage{Size: aws.Int32(512)},
		TracingConfig: &types.TracingConfigResponse{Mode: types.TracingModePassThrough},
		SnapStart:     &types.SnapStartResponse{ApplyOn: types.SnapStartApplyOnNone, OptimizationStatus: types.SnapStartOptimizationStatusOff},
		LoggingConfig: &types.LoggingConfig{LogFormat: types.LogFormatText, LogGroup: aws.String("/aws/lambda/" + ref.name)},
	}
	if len(in.Architectures) > 0 {
		c.Architectures = in.Architectures
	}
	if err := s.configure(ctx, req, &c, &awslambda.UpdateFunctionConfigurationInput{
		DeadLetterConfig: in.DeadLetterConfig, Description: in.Description, Environment: in.Environment, EphemeralStorage: in.EphemeralStorage,
		Handler: in.Handler, KMSKeyArn: in.KMSKeyArn, LoggingConfig: in.LoggingConfig, MemorySize: in.MemorySize, Role: in.Role, Runtime: in.Runtime,
		Timeout: in.Timeout, TracingConfig: in.TracingConfig, VpcConfig: in.VpcConfig, Layers: in.Layers, FileSystemConfigs: in.FileSystemConfigs, SnapStart: in.SnapStart,
	}); err != nil {
		return nil, err
	}
	f := function{Name: ref.name, Tags: in.Tags, Latest: version{Config: c}}
	if err := s.setCode(ctx, req, &f.Latest, in.Code); err != nil {
		return nil, err
	}
	f.Latest.touch(s.Clock.Now().Format(timeFormat))
	out := f.Latest
	err = s.DB.Update(func(tx *store.Tx) error {
		if tx.GetRaw(dbFunctions, f.Name) != nil {
			return errConflict("Function already exist: %s", f.Name)
		}
		if in.Publish {
			if out, err = s.publish(tx, &f, ""); err != nil {
				return err
			}
		}
		return store.Put(tx, dbFunctions, f.Name, f)
	})
	if err != nil {
		return nil, err
	}
	// AWS prepares the function behind the reply; here it is ready already, and
	// the next read says so.
	reply := out.Config
	reply.State, reply.StateReason, reply.StateReasonCode = types.StatePending, aws.String("The function is being created."), types.StateReasonCodeCreating
	reply.LastUpdateStatus = ""
	return &reply, nil
}

func refuseUnserved(in *awslambda.CreateFunctionInput) error {
	switch {
	case in.PackageType == types.PackageTypeImage || in.ImageConfig != nil:
		return errInvalid("The sandbox does not run container images; use PackageType Zip.")
	case in.CodeSigningConfigArn != nil:
		return errInvalid("The sandbox does not serve code signing.")
	case in.DurableConfig != nil || in.CapacityProviderConfig != nil || in.TenancyConfig != nil:
		return errInvalid("The sandbox does not serve durable functions, capacity providers or tenant isolation.")
	case len(in.Architectures) > 1:
		return errInvalid("Architectures must have exactly one value.")
	}
	return nil
}

// setCode stores the code of a version.
func (s *Service) setCode(ctx context.Context, req *wire.Request, v *version, code *types.FunctionCode) error {
	raw, err := s.fetch(ctx, req.Principal, code)
	if err != nil {
		return err
	}
	name, sum, err := s.packages.save(raw)
	if err != nil {
		return err
	}
	v.Package, v.Config.CodeSha256, v.Config.CodeSize = name, &sum, int64(len(raw))
	return nil
}

func (v *version) touch(now string) {
	v.Config.LastModified, v.Config.RevisionId = &now, aws.String(wire.NewID())
}

// configure applies a configuration to c and checks it.
func (s *Service) configure(ctx context.Context, req *wire.Request, c *types.FunctionConfiguration, in *awslambda.UpdateFunctionConfigurationInput) error {
	if err := checkConfiguration(in); err != nil {
		return err
	}
	if in.Runtime != "" {
		c.Runtime = in.Runtime
		c.RuntimeVersionConfig = &types.RuntimeVersionConfig{RuntimeVersionArn: aws.String("arn:aws:lambda:" + s.Region + "::runtime:" + string(in.Runtime))}
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
		if str(in.DeadLetterConfig.TargetArn) == "" {
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
	if in.Role != nil && str(c.Role) != *in.Role {
		if err := s.checkRole(ctx, req, *in.Role, *c.FunctionArn, *c.FunctionName); err != nil {
			return err
		}
		c.Role = in.Role
	}
	if c.Role == nil {
		return errConstraint("null", "role", "Member must not be null")
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
	if str(l.LogGroup) == "" {
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
	if !rolePattern.MatchString(role) {
		return errConstraint(role, "role", "Member must satisfy regular expression pattern: "+rolePattern.String())
	}
	if err := req.Authorize(ctx, "iam:PassRole", role, map[string][]string{"iam:PassedToService": {"lambda.amazonaws.com"}}); err != nil {
		return err
	}
	if _, err := s.Roles.AssumeServiceRole(ctx, "lambda.amazonaws.com", role, arn, name); err != nil {
		return errInvalid("The role defined for the function cannot be assumed by Lambda.")
	}
	return nil
}

// maxEnvironment is the limit of all environment variables together.
const maxEnvironment = 4096

func checkConfiguration(in *awslambda.UpdateFunctionConfigurationInput) error {
	between := func(v *int32, member string, least, most int32) error {
		if v != nil && *v < least {
			return errConstraint(*v, member, "Member must have value greater than or equal to "+itoa(int(least)))
		}
		if v != nil && *v > most {
			return errConstraint(*v, member, "Member must have value less than or equal to "+itoa(int(most)))
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
	if h := str(in.Handler); in.Handler != nil && (h == "" || len(h) > 128 || strings.ContainsAny(h, " \t\r\n")) {
		return errConstraint(h, "handler", `Member must satisfy regular expression pattern: [^\s]+`)
	}
	if d := str(in.Description); utf8.RuneCountInString(d) > 256 {
		return errConstraint(d, "description", "Member must have length less than or equal to 256")
	}
	if in.Runtime != "" {
		if err := checkRuntime(in.Runtime); err != nil {
			return err
		}
	}
	switch {
	case len(in.Layers) > 0:
		return errInvalid("The sandbox does not serve layers.")
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
		return errInvalid("Value %s at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: %v or be a valid ARN", r, r.Values())
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

var variableName = regexp.MustCompile(`^[a-zA-Z]([a-zA-Z0-9_])+$`)

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
		return errInvalid("Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: %s", strings.Join(bad, ", "))
	}
	if size > maxEnvironment {
		return errInvalid("Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit.")
	}
	return nil
}

func (s *Service) updateCode(ctx context.Context, req *wire.Request, in *awslambda.UpdateFunctionCodeInput) (*types.FunctionConfiguration, error) {
	ref, err := s.may(ctx, req, "lambda:UpdateFunctionCode", in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if len(in.Architectures) > 1 {
		return nil, errInvalid("Architectures must have exactly one value.")
	}
	var next version
	if err := s.setCode(ctx, req, &next, &types.FunctionCode{ImageUri: in.ImageUri, S3Bucket: in.S3Bucket, S3Key: in.S3Key, S3ObjectVersion: in.S3ObjectVersion, ZipFile: in.ZipFile}); err != nil {
		return nil, err
	}
	return s.update(ref.name, in.RevisionId, in.Publish, in.DryRun, func(v *version) {
		v.Package, v.Config.CodeSha256, v.Config.CodeSize = next.Package, next.Config.CodeSha256, next.Config.CodeSize
		if len(in.Architectures) > 0 {
			v.Config.Architectures = in.Architectures
		}
	})
}

func (s *Service) updateConfiguration(ctx context.Context, req *wire.Request, in *awslambda.UpdateFunctionConfigurationInput) (*types.FunctionConfiguration, error) {
	ref, err := s.may(ctx, req, "lambda:UpdateFunctionConfiguration", in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	f, _, err := s.read(reference{name: ref.name})
	if err != nil {
		return nil, err
	}
	// Checked on a copy first: this asks other services, which a transaction must not.
	c := f.Latest.Config
	if err := s.configure(ctx, req, &c, in); err != nil {
		return nil, err
	}
	revision := in.RevisionId
	if revision == nil {
		revision = f.Latest.Config.RevisionId
	}
	return s.update(ref.name, revision, false, false, func(v *version) { v.Config = c })
}

// update changes $LATEST, which ends its execution environments.
func (s *Service) update(name string, revision *string, publish, dry bool, apply func(*version)) (*types.FunctionConfiguration, error) {
	var out version
	err := s.change(name, func(tx *store.Tx, f *function) error {
		if revision != nil && *revision != str(f.Latest.Config.RevisionId) {
			return errRevision()
		}
		apply(&f.Latest)
		out = f.Latest
		if dry {
			return errUnchanged
		}
		f.Latest.touch(s.Clock.Now().Format(timeFormat))
		out = f.Latest
		if !publish {
			return nil
		}
		var err error
		out, err = s.publish(tx, f, "")
		return err
	})
	if err != nil {
		return nil, err
	}
	s.pool.retire(name, latest)
	reply := out.Config
	if !dry {
		reply.LastUpdateStatus, reply.LastUpdateStatusReason = types.LastUpdateStatusInProgress, aws.String("The function is being created.")
		reply.LastUpdateStatusReasonCode = "Creating"
	}
	return &reply, nil
}

// may authorises an action on a function.
func (s *Service) may(ctx context.Context, req *wire.Request, action string, name, qualifier *string) (reference, error) {
	ref, err := s.parse(str(name), str(qualifier))
	if err != nil {
		return ref, err
	}
	return ref, req.Authorize(ctx, action, s.arn(ref.name, ref.qualifier), nil)
}

func (s *Service) getFunction(ctx context.Context, req *wire.Request, in *awslambda.GetFunctionInput) (*awslambda.GetFunctionOutput, error) {
	ref, err := s.may(ctx, req, "lambda:GetFunction", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	f, v, err := s.read(ref)
	if err != nil {
		return nil, err
	}
	c := s.qualified(ref, v)
	out := &awslambda.GetFunctionOutput{Configuration: &c, Code: &types.FunctionCodeLocation{RepositoryType: aws.String("S3")}}
	if len(f.Tags) > 0 {
		out.Tags = f.Tags
	}
	if f.Reserved != nil {
		out.Concurrency = &types.Concurrency{ReservedConcurrentExecutions: f.Reserved}
	}
	return out, nil
}

// qualified shows a version under the ARN by which it was asked for.
func (s *Service) qualified(ref reference, v version) types.FunctionConfiguration {
	c := v.Config
	if ref.qualifier != "" {
		c.FunctionArn = aws.String(s.arn(ref.name, ref.qualifier))
	}
	return c
}

func (s *Service) getConfiguration(ctx context.Context, req *wire.Request, in *awslambda.GetFunctionConfigurationInput) (*types.FunctionConfiguration, error) {
	ref, err := s.may(ctx, req, "lambda:GetFunctionConfiguration", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	_, v, err := s.read(ref)
	if err != nil {
		return nil, err
	}
	c := s.qualified(ref, v)
	return &c, nil
}

func (s *Service) listFunctions(ctx context.Context, req *wire.Request, in *awslambda.ListFunctionsInput) (*awslambda.ListFunctionsOutput, error) {
	if err := req.Authorize(ctx, "lambda:ListFunctions", "*", nil); err != nil {
		return nil, err
	}
	limit, err := pageSize(in.MaxItems, 50)
	if err != nil {
		return nil, err
	}
	out := &awslambda.ListFunctionsOutput{Functions: []types.FunctionConfiguration{}}
	err = s.DB.View(func(tx *store.Tx) error {
		var inner error
		err := scan(tx, dbFunctions, "", after(in.Marker), func(name string, f function) bool {
			if len(out.Functions) >= limit {
				out.NextMarker = aws.String(lastName(out.Functions))
				return false
			}
			out.Functions = append(out.Functions, f.Latest.Config)
			if in.FunctionVersion == types.FunctionVersionAll {
				inner = scan(tx, dbVersions, name+"\x00", "", func(_ string, v version) bool {
					out.Functions = append(out.Functions, v.Config)
					return true
				})
			}
			return inner == nil
		})
		if err != nil {
			return err
		}
		return inner
	})
	return out, err
}

func lastName(fs []types.FunctionConfiguration) string { return *fs[len(fs)-1].FunctionName }

// after is the smallest key behind a marker.
func after(marker *string) string {
	if str(marker) == "" {
		return ""
	}
	return *marker + "\x01"
}

func pageSize(n *int32, most int) (int, error) {
	if n == nil {
		return most, nil
	}
	if *n < 1 || *n > 10000 {
		return 0, errConstraint(*n, "maxItems", "Member must have value between 1 and 10000")
	}
	return min(int(*n), most), nil
}

func (s *Service) deleteFunction(ctx context.Context, req *wire.Request, in *awslambda.DeleteFunctionInput) (*empty, error) {
	ref, err := s.may(ctx, req, "lambda:DeleteFunction", in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	if ref.qualifier != "" {
		return &empty{}, s.deleteVersion(ref)
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		if _, err := s.get(tx, ref.name); err != nil {
			return err
		}
		for _, bucket := range []string{dbVersions, dbAliases} {
			if err := tx.DeletePrefix(bucket, ref.name+"\x00"); err != nil {
				return err
			}
		}
		return tx.Delete(dbFunctions, ref.name)
	})
	if err == nil {
		s.pool.retire(ref.name, "")
	}
	return &empty{}, err
}

func (s *Service) deleteVersion(ref reference) error {
	if ref.qualifier == latest {
		return errInvalid("$LATEST version cannot be deleted without deleting the function.")
	}
	if !digits.MatchString(ref.qualifier) {
		return errInvalid("Deletion of aliases is not currently supported.")
	}
	err := s.DB.Update(func(tx *store.Tx) error {
		if _, _, err := s.lookup(tx, ref); err != nil {
			return err
		}
		var users []string
		err := scan(tx, dbAliases, ref.name+"\x00", "", func(_ string, a alias) bool {
			if _, weighted := a.Weights[ref.qualifier]; weighted || a.Version == ref.qualifier {
				users = append(users, a.Name)
			}
			return true
		})
		if err != nil {
			return err
		}
		if len(users) > 0 {
			return errConflict("Version %s of function %s is in use by aliases %v.", ref.qualifier, ref.name, users)
		}
		return tx.Delete(dbVersions, versionKey(ref.name, ref.qualifier))
	})
	if err == nil {
		s.pool.retire(ref.name, ref.qualifier)
	}
	return err
}
