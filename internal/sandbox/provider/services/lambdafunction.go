package services

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/schema"
)

const noFunction = "ResourceNotFoundException"

func lambdaResources() []Resource {
	return []Resource{lambdaFunction(), lambdaAlias(), lambdaPermission(), lambdaLayer(), lambdaLayerPermission(), lambdaMapping(), lambdaURL()}
}

type functionArgs struct {
	Architectures    []string             `pulumi:"architectures,computed" check:"items=1..1"`
	Code             *schema.Blob         `pulumi:"code,local,archive"`
	DeadLetterConfig *functionDeadLetter  `pulumi:"deadLetterConfig"`
	Description      *string              `pulumi:"description" check:"len=0..256"`
	Environment      *functionEnvironment `pulumi:"environment"`
	EphemeralStorage *functionStorage     `pulumi:"ephemeralStorage,computed"`
	Handler          *string              `pulumi:"handler" check:"len=1..128;match=^\\S+$"`
	ImageURI         *string              `pulumi:"imageUri,local"`
	KmsKeyArn        *string              `pulumi:"kmsKeyArn" check:"arn"`
	Layers           []string             `pulumi:"layers"`
	LoggingConfig    *functionLogging     `pulumi:"loggingConfig,computed"`
	MemorySize       *int                 `pulumi:"memorySize" default:"128" check:"min=128;max=10240"`
	Name             *string              `pulumi:"name,replace,computed" check:"len=1..140;match=^(arn:[\\w-]+:lambda:[a-z0-9-]+:\\d{12}:function:)?[a-zA-Z0-9_-]{1,64}$"`
	PackageType      *string              `pulumi:"packageType,replace" default:"Zip" check:"enum=Zip|Image"`
	Publish          *bool                `pulumi:"publish,local" default:"false"`
	Reserved         *int                 `pulumi:"reservedConcurrentExecutions" default:"-1" check:"min=-1"`
	Role             string               `pulumi:"role,required" check:"arn"`
	Runtime          *string              `pulumi:"runtime" check:"enum=@lambda-runtimes"`
	S3Bucket         *string              `pulumi:"s3Bucket,local"`
	S3Key            *string              `pulumi:"s3Key,local"`
	S3ObjectVersion  *string              `pulumi:"s3ObjectVersion,local"`
	SkipDestroy      *bool                `pulumi:"skipDestroy,local" default:"false"`
	SnapStart        *functionSnapStart   `pulumi:"snapStart"`
	SourceCodeHash   *string              `pulumi:"sourceCodeHash,computed"`
	Timeout          *int                 `pulumi:"timeout" default:"3" check:"min=1;max=900"`
	TracingConfig    *functionTracing     `pulumi:"tracingConfig,computed"`
	VpcConfig        *functionVpc         `pulumi:"vpcConfig"`
	Tagged
}

type functionDeadLetter struct {
	TargetArn string `pulumi:"targetArn,required" check:"arn"`
}

type functionEnvironment struct {
	Variables map[string]string `pulumi:"variables"`
}

type functionStorage struct {
	Size *int `pulumi:"size,computed" check:"min=512;max=10240"`
}

type functionLogging struct {
	ApplicationLogLevel *string `pulumi:"applicationLogLevel" check:"enum=TRACE|DEBUG|INFO|WARN|ERROR|FATAL"`
	LogFormat           string  `pulumi:"logFormat,required" check:"enum=JSON|Text"`
	LogGroup            *string `pulumi:"logGroup,computed" check:"len=1..512;match=^[\\w.\\-/#]+$"`
	SystemLogLevel      *string `pulumi:"systemLogLevel" check:"enum=DEBUG|INFO|WARN"`
}

type functionSnapStart struct {
	ApplyOn            string  `pulumi:"applyOn,required" check:"enum=PublishedVersions|None"`
	OptimizationStatus *string `pulumi:"optimizationStatus,computed"`
}

type functionTracing struct {
	Mode string `pulumi:"mode,required" check:"enum=Active|PassThrough"`
}

type functionVpc struct {
	DualStack        *bool    `pulumi:"ipv6AllowedForDualStack"`
	SecurityGroupIDs []string `pulumi:"securityGroupIds,required,set"`
	SubnetIDs        []string `pulumi:"subnetIds,required,set"`
	VpcID            *string  `pulumi:"vpcId,computed"`
}

type functionState struct {
	functionArgs
	Arn                string `pulumi:"arn"`
	CodeSha256         string `pulumi:"codeSha256"`
	InvokeArn          string `pulumi:"invokeArn"`
	LastModified       string `pulumi:"lastModified"`
	QualifiedArn       string `pulumi:"qualifiedArn"`
	QualifiedInvokeArn string `pulumi:"qualifiedInvokeArn"`
	SourceCodeSize     int    `pulumi:"sourceCodeSize"`
	Version            string `pulumi:"version"`
}

// The inputs by the call that changes them.
var (
	functionCode   = []string{"architectures", "code", "imageUri", "s3Bucket", "s3Key", "s3ObjectVersion", "sourceCodeHash"}
	functionConfig = []string{
		"deadLetterConfig", "description", "environment", "ephemeralStorage", "handler", "kmsKeyArn", "layers", "loggingConfig",
		"memorySize", "role", "runtime", "snapStart", "timeout", "tracingConfig", "vpcConfig",
	}
)

func lambdaFunction() Resource {
	return define(Def[functionArgs, functionState]{
		Type: "aws:lambda/function:Function", Title: "Lambda Function",
		Named: &Naming{Property: "name", Max: 64}, Slow: 10 * time.Minute,
		CheckFn: checkFunction,
		UnsettledFn: func(changed map[string]bool, in *functionArgs) []string {
			var out []string
			code, config := anyOf(changed, functionCode...), anyOf(changed, functionConfig...)
			if code {
				out = append(out, "codeSha256", "sourceCodeHash", "sourceCodeSize")
			}
			if code || config {
				out = append(out, "lastModified")
			}
			if deref(in.Publish) && (code || config || changed["publish"]) {
				out = append(out, "version", "qualifiedArn", "qualifiedInvokeArn")
			}
			return out
		},
		CreateFn: createFunction, ReadFn: readFunction, UpdateFn: updateFunction, DeleteFn: deleteFunction,
		DriftFn: func(last, live *functionState, in resource.PropertyMap) {
			// Code that someone else deployed shows in the hash only.
			if last.CodeSha256 != "" && last.CodeSha256 != live.CodeSha256 {
				for _, p := range functionCode {
					if p != "architectures" {
						delete(in, resource.PropertyKey(p))
					}
				}
			}
		},
	})
}

func checkFunction(in *functionArgs, known func(string) bool) []schema.Failure {
	var failures []schema.Failure
	fail := func(property, format string, args ...any) {
		failures = append(failures, schema.Failure{Property: property, Reason: fmt.Sprintf(format, args...)})
	}
	if !known("code") || !known("s3Bucket") || !known("imageUri") || !known("packageType") {
		return nil
	}
	sources := 0
	for _, given := range []bool{in.Code != nil, in.S3Bucket != nil, in.ImageURI != nil} {
		if given {
			sources++
		}
	}
	if sources != 1 {
		fail("code", "one of code, s3Bucket, imageUri must be specified, and only one")
	}
	if in.ImageURI == nil && deref(in.PackageType) == "Zip" {
		if in.Handler == nil && known("handler") {
			fail("handler", "handler must be set when packageType is Zip")
		}
		if in.Runtime == nil && known("runtime") {
			fail("runtime", "runtime must be set when packageType is Zip")
		}
	}
	for _, a := range in.Architectures {
		if a != "arm64" && a != "x86_64" {
			fail("architectures", "expected architectures.0 to be one of [\"x86_64\" \"arm64\"], got %s", a)
		}
	}
	return failures
}

// roleRefusals are what Lambda says of a role that may not be known yet.
var roleRefusals = []string{
	"The role defined for the function cannot be assumed by Lambda",
	"The provided execution role does not have permissions",
	"the KMS key is invalid for CreateGrant",
}

func createFunction(ctx context.Context, c *Call, in *functionArgs) (string, error) {
	code, err := functionCodeOf(c, in)
	if err != nil {
		return "", err
	}
	req := &lambda.CreateFunctionInput{
		FunctionName: in.Name, Role: aws.String(in.Role), Architectures: enums[types.Architecture](in.Architectures), Code: code,
		Description: set(in.Description), Handler: set(in.Handler), KMSKeyArn: set(in.KmsKeyArn), Layers: in.Layers,
		MemorySize: i32(in.MemorySize), PackageType: types.PackageType(deref(in.PackageType)), Publish: deref(in.Publish),
		Runtime: types.Runtime(deref(in.Runtime)), Tags: in.TagsAll, Timeout: i32(in.Timeout), LoggingConfig: loggingToAPI(in.LoggingConfig),
	}
	if in.ImageURI != nil {
		req.PackageType = types.PackageTypeImage
	}
	if d := in.DeadLetterConfig; d != nil {
		req.DeadLetterConfig = &types.DeadLetterConfig{TargetArn: set(&d.TargetArn)}
	}
	if e := in.Environment; e != nil && len(e.Variables) > 0 {
		req.Environment = &types.Environment{Variables: e.Variables}
	}
	if s := in.EphemeralStorage; s != nil {
		req.EphemeralStorage = &types.EphemeralStorage{Size: i32(s.Size)}
	}
	if s := in.SnapStart; s != nil {
		req.SnapStart = &types.SnapStart{ApplyOn: types.SnapStartApplyOn(s.ApplyOn)}
	}
	if t := in.TracingConfig; t != nil {
		req.TracingConfig = &types.TracingConfig{Mode: types.TracingMode(t.Mode)}
	}
	if v := in.VpcConfig; v != nil {
		req.VpcConfig = vpcToAPI(v)
	}
	if err := c.Propagated(ctx, func() error {
		_, err := c.Lambda().CreateFunction(ctx, req)
		return err
	}, roleRefusals...); err != nil {
		return "", err
	}
	id := *in.Name
	if err := waitFunction(ctx, c, id); err != nil {
		return id, err
	}
	return id, setConcurrency(ctx, c, id, in.Reserved)
}

func functionCodeOf(c *Call, in *functionArgs) (*types.FunctionCode, error) {
	code := &types.FunctionCode{S3Bucket: set(in.S3Bucket), S3Key: set(in.S3Key), S3ObjectVersion: set(in.S3ObjectVersion), ImageUri: set(in.ImageURI)}
	if in.Code == nil {
		return code, nil
	}
	body, err := c.open(in.Code)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	code.ZipFile, err = io.ReadAll(body)
	return code, err
}

func loggingToAPI(l *functionLogging) *types.LoggingConfig {
	if l == nil {
		return nil
	}
	return &types.LoggingConfig{
		ApplicationLogLevel: types.ApplicationLogLevel(deref(l.ApplicationLogLevel)), LogFormat: types.LogFormat(l.LogFormat),
		LogGroup: set(l.LogGroup), SystemLogLevel: types.SystemLogLevel(deref(l.SystemLogLevel)),
	}
}

func vpcToAPI(v *functionVpc) *types.VpcConfig {
	if v == nil {
		return &types.VpcConfig{SecurityGroupIds: []string{}, SubnetIds: []string{}}
	}
	return &types.VpcConfig{Ipv6AllowedForDualStack: v.DualStack, SecurityGroupIds: v.SecurityGroupIDs, SubnetIds: v.SubnetIDs}
}

// waitFunction waits until the function is active and its last update is over.
func waitFunction(ctx context.Context, c *Call, name string) error {
	return c.Wait(ctx, "Lambda Function "+name+" to become active", func(ctx context.Context) (bool, error) {
		out, err := c.Lambda().GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: aws.String(name)})
		if err != nil {
			return false, err
		}
		if out.State == types.StateFailed {
			return false, fmt.Errorf("the function failed: %s: %s", out.StateReasonCode, deref(out.StateReason))
		}
		if out.LastUpdateStatus == types.LastUpdateStatusFailed {
			return false, fmt.Errorf("the update failed: %s: %s", out.LastUpdateStatusReasonCode, deref(out.LastUpdateStatusReason))
		}
		return out.State != types.StatePending && out.LastUpdateStatus != types.LastUpdateStatusInProgress, nil
	})
}

func setConcurrency(ctx context.Context, c *Call, name string, n *int) error {
	if deref(n) < 0 || n == nil {
		return nil
	}
	_, err := c.Lambda().PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{
		FunctionName: aws.String(name), ReservedConcurrentExecutions: i32(n),
	})
	return err
}

func updateFunction(ctx context.Context, c *Call, id string, last *functionState, in *functionArgs) error {
	// An earlier operation may have been cut off while the function was changing.
	if err := waitFunction(ctx, c, id); err != nil && errors.Is(err, ErrCanceled) {
		return err
	}
	if err := tagFunction(ctx, c, last.Arn, last.TagsAll, in.TagsAll); err != nil {
		return err
	}
	code, config := c.Changed(functionCode...), c.Changed(functionConfig...)
	if config {
		if err := c.Propagated(ctx, func() error {
			_, err := c.Lambda().UpdateFunctionConfiguration(ctx, functionConfigToAPI(id, in))
			return err
		}, roleRefusals...); err != nil {
			return err
		}
		if err := waitFunction(ctx, c, id); err != nil {
			return err
		}
	}
	if code {
		if err := updateCode(ctx, c, id, in); err != nil {
			return err
		}
	}
	if c.Changed("reservedConcurrentExecutions") {
		if err := changeConcurrency(ctx, c, id, in.Reserved); err != nil {
			return err
		}
	}
	if deref(in.Publish) && (code || config || c.Changed("publish")) {
		_, err := c.Lambda().PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: aws.String(id)})
		return err
	}
	return nil
}

func changeConcurrency(ctx context.Context, c *Call, id string, n *int) error {
	if deref(n) >= 0 {
		return setConcurrency(ctx, c, id, n)
	}
	_, err := c.Lambda().DeleteFunctionConcurrency(ctx, &lambda.DeleteFunctionConcurrencyInput{FunctionName: aws.String(id)})
	return err
}

func updateCode(ctx context.Context, c *Call, id string, in *functionArgs) error {
	code, err := functionCodeOf(c, in)
	if err != nil {
		return err
	}
	if _, err := c.Lambda().UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{
		FunctionName: aws.String(id), Architectures: enums[types.Architecture](in.Architectures), ImageUri: code.ImageUri,
		S3Bucket: code.S3Bucket, S3Key: code.S3Key, S3ObjectVersion: code.S3ObjectVersion, ZipFile: code.ZipFile,
	}); err != nil {
		return err
	}
	return waitFunction(ctx, c, id)
}

// functionConfigToAPI says everything, also what is to be taken away.
func functionConfigToAPI(id string, in *functionArgs) *lambda.UpdateFunctionConfigurationInput {
	req := &lambda.UpdateFunctionConfigurationInput{
		FunctionName: aws.String(id), Description: aws.String(deref(in.Description)), Handler: set(in.Handler), KMSKeyArn: aws.String(deref(in.KmsKeyArn)),
		MemorySize: i32(in.MemorySize), Role: aws.String(in.Role), Runtime: types.Runtime(deref(in.Runtime)), Timeout: i32(in.Timeout),
		Layers: append([]string{}, in.Layers...), LoggingConfig: loggingToAPI(in.LoggingConfig),
		DeadLetterConfig: &types.DeadLetterConfig{TargetArn: aws.String("")},
		Environment:      &types.Environment{Variables: map[string]string{}},
	}
	if d := in.DeadLetterConfig; d != nil {
		req.DeadLetterConfig.TargetArn = aws.String(d.TargetArn)
	}
	if e := in.Environment; e != nil && e.Variables != nil {
		req.Environment.Variables = e.Variables
	}
	if s := in.EphemeralStorage; s != nil {
		req.EphemeralStorage = &types.EphemeralStorage{Size: i32(s.Size)}
	}
	if s := in.SnapStart; s != nil {
		req.SnapStart = &types.SnapStart{ApplyOn: types.SnapStartApplyOn(s.ApplyOn)}
	}
	if t := in.TracingConfig; t != nil {
		req.TracingConfig = &types.TracingConfig{Mode: types.TracingMode(t.Mode)}
	}
	if v := in.VpcConfig; v != nil {
		req.VpcConfig = vpcToAPI(v)
	}
	return req
}

func tagFunction(ctx context.Context, c *Call, arn string, before, after map[string]string) error {
	add, remove := tagChanges(before, after)
	if len(remove) > 0 {
		if _, err := c.Lambda().UntagResource(ctx, &lambda.UntagResourceInput{Resource: aws.String(arn), TagKeys: remove}); err != nil {
			return err
		}
	}
	if len(add) > 0 {
		if _, err := c.Lambda().TagResource(ctx, &lambda.TagResourceInput{Resource: aws.String(arn), Tags: add}); err != nil {
			return err
		}
	}
	return nil
}

func deleteFunction(ctx context.Context, c *Call, id string, last *functionState) error {
	if deref(last.SkipDestroy) {
		return nil
	}
	_, err := c.Lambda().DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String(id)})
	return gone(err, noFunction)
}

func readFunction(ctx context.Context, c *Call, id string, last *functionState) (*functionState, error) {
	out, err := c.Lambda().GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String(id)})
	if err != nil {
		return nil, gone(err, noFunction)
	}
	f := out.Configuration
	s := &functionState{
		functionArgs: functionArgs{
			Architectures: names(f.Architectures), Description: set(f.Description), Handler: set(f.Handler), KmsKeyArn: set(f.KMSKeyArn),
			MemorySize: num(f.MemorySize), Name: f.FunctionName, PackageType: text(f.PackageType), Reserved: aws.Int(-1), Role: deref(f.Role),
			Runtime: text(f.Runtime), SourceCodeHash: sourceHash(last, f), Timeout: num(f.Timeout), Tagged: c.tagged(out.Tags, last.Tagged),
		},
		Arn: deref(f.FunctionArn), CodeSha256: deref(f.CodeSha256), LastModified: deref(f.LastModified), SourceCodeSize: int(f.CodeSize),
		Version: "$LATEST",
	}
	if out.Concurrency != nil && out.Concurrency.ReservedConcurrentExecutions != nil {
		s.Reserved = num(out.Concurrency.ReservedConcurrentExecutions)
	}
	nestedFunction(s, f)
	if deref(last.Publish) {
		if s.Version, err = latestVersion(ctx, c, id); err != nil {
			return nil, err
		}
	}
	s.QualifiedArn = s.Arn + ":" + s.Version
	s.InvokeArn, s.QualifiedInvokeArn = invokeARN(c, s.Arn), invokeARN(c, s.QualifiedArn)
	return s, nil
}

// archiveHash is the form of Pulumi's own hashes; Lambda's are in base64.
var archiveHash = lazyregexp.New(`^[0-9a-f]{64}$`)

// sourceHash is what the official provider has for sourceCodeHash: what was given,
// else the hash of the archive, by which it sees that the archive has changed.
func sourceHash(last *functionState, f *types.FunctionConfiguration) *string {
	given := deref(last.SourceCodeHash)
	own := given == "" || given == last.CodeSha256 || archiveHash.MatchString(given)
	switch {
	case own && last.Code != nil && last.Code.Archive != nil && last.Code.Archive.Hash != "":
		return &last.Code.Archive.Hash
	case !own:
		return &given
	}
	return f.CodeSha256
}

func nestedFunction(s *functionState, f *types.FunctionConfiguration) {
	for _, l := range f.Layers {
		s.Layers = append(s.Layers, deref(l.Arn))
	}
	if d := f.DeadLetterConfig; d != nil && deref(d.TargetArn) != "" {
		s.DeadLetterConfig = &functionDeadLetter{TargetArn: *d.TargetArn}
	}
	if e := f.Environment; e != nil && len(e.Variables) > 0 {
		s.Environment = &functionEnvironment{Variables: e.Variables}
	}
	if e := f.EphemeralStorage; e != nil {
		s.EphemeralStorage = &functionStorage{Size: num(e.Size)}
	}
	if l := f.LoggingConfig; l != nil {
		s.LoggingConfig = &functionLogging{
			ApplicationLogLevel: text(l.ApplicationLogLevel), LogFormat: string(l.LogFormat), LogGroup: l.LogGroup, SystemLogLevel: text(l.SystemLogLevel),
		}
	}
	if p := f.SnapStart; p != nil && p.ApplyOn != types.SnapStartApplyOnNone {
		s.SnapStart = &functionSnapStart{ApplyOn: string(p.ApplyOn), OptimizationStatus: text(p.OptimizationStatus)}
	}
	if t := f.TracingConfig; t != nil {
		s.TracingConfig = &functionTracing{Mode: string(t.Mode)}
	}
	if v := f.VpcConfig; v != nil && len(v.SubnetIds)+len(v.SecurityGroupIds) > 0 {
		s.VpcConfig = &functionVpc{DualStack: v.Ipv6AllowedForDualStack, SecurityGroupIDs: v.SecurityGroupIds, SubnetIDs: v.SubnetIds, VpcID: set(v.VpcId)}
	}
}

// latestVersion is the newest published version, "$LATEST" if there is none.
func latestVersion(ctx context.Context, c *Call, name string) (string, error) {
	newest, latest := 0, "$LATEST"
	pages := lambda.NewListVersionsByFunctionPaginator(c.Lambda(), &lambda.ListVersionsByFunctionInput{FunctionName: aws.String(name)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", err
		}
		for _, v := range page.Versions {
			if n, err := strconv.Atoi(deref(v.Version)); err == nil && n > newest {
				newest, latest = n, *v.Version
			}
		}
	}
	return latest, nil
}

func invokeARN(c *Call, function string) string {
	return arn.ARN{Partition: c.Partition(), Service: "apigateway", Region: c.Region(), AccountID: "lambda", Resource: "path/2015-03-31/functions/" +
		function + "/invocations"}.String()
}
