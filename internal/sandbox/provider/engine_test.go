package provider_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/sandbox"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/templates"
)

// rig is the real engine with the providers of this package and a sandbox.
type rig struct {
	t      *testing.T
	aws    aws.Config
	engine *stack.Engine
}

func newRig(t *testing.T, o sandbox.ServeOptions) *rig {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: not with the real engine")
	}
	path := os.Getenv("PIPELINETUI_PULUMI")
	if path == "" {
		path = filepath.Join("..", "..", "..", "bin", "pulumi")
	}
	path, err := filepath.Abs(path)
	require.NoError(t, err)
	if _, err := os.Stat(path); err != nil {
		t.Skip("no Pulumi CLI: run `make pulumi`, or set PIPELINETUI_PULUMI")
	}
	home := t.TempDir()
	engine, err := stack.Open(t.Context(), stack.Options{
		PulumiPath: path, Home: home, Backend: "file://" + filepath.Join(home, "state"), Env: map[string]string{"PULUMI_CONFIG_PASSPHRASE": "correct horse"},
	})
	require.NoError(t, err)
	return &rig{t: t, aws: startSandbox(t, o), engine: engine}
}

type operation func(stack.Job) (*stack.Run, error)

// do runs one operation with providers of its own. The error is that of the
// operation.
func (r *rig) do(op stack.Operation, job stack.Job, watch ...func(*stack.Run)) (stack.Result, []stack.Event, error) {
	r.t.Helper()
	servers, err := provider.Serve(r.t.Context(), provider.Config{
		AWS: bare(r.aws), Account: testAccount, Region: testRegion, PathStyle: true, PollInterval: 20 * time.Millisecond,
	})
	require.NoError(r.t, err)
	defer servers.Close()
	job.Stack = "acme.iris.dev"
	job.Env = servers.Env()
	start := map[stack.Operation]operation{
		stack.OperationPreview: func(j stack.Job) (*stack.Run, error) { return r.engine.Preview(r.t.Context(), j) },
		stack.OperationUp:      func(j stack.Job) (*stack.Run, error) { return r.engine.Up(r.t.Context(), j) },
		stack.OperationRefresh: func(j stack.Job) (*stack.Run, error) { return r.engine.Refresh(r.t.Context(), j) },
		stack.OperationDestroy: func(j stack.Job) (*stack.Run, error) { return r.engine.Destroy(r.t.Context(), j) },
	}[op]
	run, err := start(job)
	require.NoError(r.t, err)
	for _, w := range watch {
		w(run)
	}
	var events []stack.Event
	for e := range run.Events() {
		events = append(events, e)
	}
	result, err := run.Wait()
	r.t.Logf("%s: %s in %s", op, result.Summary, result.Duration.Round(10*time.Millisecond))
	return result, events, err
}

func (r *rig) must(op stack.Operation, job stack.Job) stack.Result {
	r.t.Helper()
	result, _, err := r.do(op, job)
	require.NoError(r.t, err)
	return result
}

// changes leaves out what did not change.
func changes(r stack.Result) map[stack.Op]int {
	out := map[stack.Op]int{}
	for op, n := range r.Changes {
		if op != "same" && n > 0 {
			out[op] = n
		}
	}
	return out
}

func raw(ctx *pulumi.Context, token, name string, args pulumi.Map, opts ...pulumi.ResourceOption) (*rawResource, error) {
	var r rawResource
	err := ctx.RegisterResource(token, name, args, &r, opts...)
	return &r, err
}

// rawResource is any resource, with the outputs that the program below uses.
type rawResource struct {
	pulumi.CustomResourceState
	Arn     pulumi.StringOutput `pulumi:"arn"`
	Name    pulumi.StringOutput `pulumi:"name"`
	Version pulumi.StringOutput `pulumi:"version"`
}

// small is a program of a role, a function and its alias.
func small(code, description, model string) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		role, err := raw(ctx, roleType, "role", pulumi.Map{
			"assumeRolePolicy": pulumi.String(trustOf("lambda")), "description": pulumi.String(description), "tags": pulumi.StringMap{"team": pulumi.String("ml")},
		})
		if err != nil {
			return err
		}
		fn, err := raw(ctx, functionType, "pre", pulumi.Map{
			"name": pulumi.String("pre"), "role": role.Arn, "runtime": pulumi.String("python3.13"), "handler": pulumi.String("handler.handler"), "publish": pulumi.Bool(true),
			"code":        pulumi.NewAssetArchive(map[string]any{"handler.py": pulumi.NewStringAsset(code)}),
			"environment": pulumi.Map{"variables": pulumi.StringMap{"TOKEN": pulumi.ToSecret(pulumi.String("hunter2")).(pulumi.StringOutput)}},
		}, pulumi.AdditionalSecretOutputs([]string{}))
		if err != nil {
			return err
		}
		alias, err := raw(ctx, "aws:lambda/alias:Alias", "live", pulumi.Map{"name": pulumi.String("live"), "functionName": fn.Name, "functionVersion": fn.Version})
		if err != nil {
			return err
		}
		smRole, err := raw(ctx, roleType, "sm", pulumi.Map{"assumeRolePolicy": pulumi.String(trustOf("sagemaker"))})
		if err != nil {
			return err
		}
		m, err := raw(ctx, "aws:sagemaker/model:Model", "model", pulumi.Map{
			"executionRoleArn": smRole.Arn, "primaryContainer": pulumi.Map{"image": pulumi.String(model)},
		})
		if err != nil {
			return err
		}
		config, err := raw(ctx, "aws:sagemaker/endpointConfiguration:EndpointConfiguration", "config", pulumi.Map{
			"productionVariants": pulumi.Array{pulumi.Map{
				"variantName": pulumi.String("AllTraffic"), "modelName": m.Name, "instanceType": pulumi.String("ml.m5.large"), "initialInstanceCount": pulumi.Int(1),
			}},
		})
		if err != nil {
			return err
		}
		ctx.Export("alias", alias.Arn)
		ctx.Export("version", fn.Version)
		ctx.Export("config", config.Name)
		return nil
	}
}

const (
	codeOne = "def handler(event, context):\n    return 1\n"
	codeTwo = "def handler(event, context):\n    return 2\n"
)

func TestEngine(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.ServeOptions{})
	config := map[string]stack.ConfigValue{"aws:region": {Value: testRegion}, "aws:defaultTags": {Value: `{"tags":{"managed":"yes"}}`}}
	job := func(p pulumi.RunFunc) stack.Job { return stack.Job{Program: p, Config: config} }
	one := small(codeOne, "one", "sandbox/a")

	preview := r.must(stack.OperationPreview, job(one))
	require.Equal(t, map[stack.Op]int{stack.OpCreate: 7}, changes(preview))
	up := r.must(stack.OperationUp, job(one))
	require.Equal(t, map[stack.Op]int{stack.OpCreate: 7}, changes(up))
	require.Equal(t, "1", up.Outputs["version"].Value)
	require.Empty(t, changes(r.must(stack.OperationPreview, job(one))))
	require.Empty(t, changes(r.must(stack.OperationUp, job(one))))

	// The secret is nowhere in the state in the clear.
	state, err := r.engine.State(t.Context(), "acme.iris.dev")
	require.NoError(t, err)
	for _, res := range state.Resources {
		if res.Type == functionType {
			require.NotContains(t, res.Outputs["environment"], "hunter2")
		}
	}

	// New code: the function is updated, and the alias follows its version.
	two := small(codeTwo, "one", "sandbox/a")
	require.Equal(t, map[stack.Op]int{stack.OpUpdate: 2}, changes(r.must(stack.OperationPreview, job(two))))
	up = r.must(stack.OperationUp, job(two))
	require.Equal(t, map[stack.Op]int{stack.OpUpdate: 2}, changes(up))
	require.Equal(t, "2", up.Outputs["version"].Value)

	// Another image: model and configuration are replaced, under new names.
	name := up.Outputs["config"].Value
	three := small(codeTwo, "one", "sandbox/b")
	up = r.must(stack.OperationUp, job(three))
	require.Equal(t, map[stack.Op]int{stack.OpReplace: 2}, changes(up))
	require.NotEqual(t, name, up.Outputs["config"].Value)

	r.drift(job(three), up)
	destroyed := r.must(stack.OperationDestroy, stack.Job{Remove: true})
	require.Equal(t, map[stack.Op]int{stack.OpDelete: 7}, changes(destroyed))
	roles, err := iam.NewFromConfig(r.aws).ListRoles(t.Context(), &iam.ListRolesInput{})
	require.NoError(t, err)
	require.Empty(t, roles.Roles)
}

// drift changes and deletes resources behind Pulumi's back; a refresh finds it
// and an update repairs it.
func (r *rig) drift(job stack.Job, up stack.Result) {
	t := r.t
	t.Helper()
	_, err := lambda.NewFromConfig(r.aws).UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("pre"), Timeout: aws.Int32(77)})
	require.NoError(t, err)
	config, ok := up.Outputs["config"].Value.(string)
	require.True(t, ok)
	_, err = sagemaker.NewFromConfig(r.aws).DeleteEndpointConfig(t.Context(), &sagemaker.DeleteEndpointConfigInput{EndpointConfigName: &config})
	require.NoError(t, err)

	refreshed := r.must(stack.OperationRefresh, stack.Job{})
	kinds := map[string]stack.Op{}
	for _, d := range refreshed.Drift {
		kinds[d.Type] = d.Op
	}
	require.Equal(t, map[string]stack.Op{
		functionType: stack.OpUpdate, "aws:sagemaker/endpointConfiguration:EndpointConfiguration": stack.OpDelete,
	}, kinds)
	repaired := r.must(stack.OperationUp, job)
	require.Equal(t, 1, repaired.Changes[stack.OpCreate])
	out, err := lambda.NewFromConfig(r.aws).GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: aws.String("pre")})
	require.NoError(t, err)
	require.EqualValues(t, 3, aws.ToInt32(out.Timeout))
	require.Empty(t, changes(r.must(stack.OperationPreview, job)))
}

// A failed endpoint is kept in the state, and replaced by the next update.
func TestEngineKeepsWhatFailed(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.ServeOptions{})
	d := serveProviders(t, provider.Config{AWS: bare(r.aws)}, map[string]any{})
	weights(t, d)
	endpoint := func(image string) stack.Job {
		return stack.Job{Config: map[string]stack.ConfigValue{"aws:region": {Value: testRegion}}, Program: func(ctx *pulumi.Context) error {
			role, err := raw(ctx, roleType, "sm", pulumi.Map{"assumeRolePolicy": pulumi.String(trustOf("sagemaker"))})
			if err != nil {
				return err
			}
			policy, err := raw(ctx, "aws:iam/rolePolicy:RolePolicy", "sm",
				pulumi.Map{"role": role.Name, "policy": pulumi.String(strings.ReplaceAll(allow, `"s3:GetObject","s3:ListBucket"`, `"*"`))})
			if err != nil {
				return err
			}
			m, err := raw(ctx, "aws:sagemaker/model:Model", "model", pulumi.Map{
				"executionRoleArn": role.Arn, "primaryContainer": pulumi.Map{"image": pulumi.String(image), "modelDataUrl": pulumi.String("s3://models/model.tar.gz")},
			}, pulumi.DependsOn([]pulumi.Resource{policy}))
			if err != nil {
				return err
			}
			config, err := raw(ctx, "aws:sagemaker/endpointConfiguration:EndpointConfiguration", "config", pulumi.Map{
				"productionVariants": pulumi.Array{pulumi.Map{
					"variantName": pulumi.String("AllTraffic"), "modelName": m.Name, "instanceType": pulumi.String("ml.m5.large"), "initialInstanceCount": pulumi.Int(1),
				}},
			})
			if err != nil {
				return err
			}
			_, err = raw(ctx, endpointType, "endpoint", pulumi.Map{"name": pulumi.String("ep"), "endpointConfigName": config.Name})
			return err
		}}
	}
	_, events, err := r.do(stack.OperationUp, endpoint("123456789012.dkr.ecr.us-east-1.amazonaws.com/none:1"))
	require.Error(t, err)
	require.NotEmpty(t, events)
	state, err := r.engine.State(t.Context(), "acme.iris.dev")
	require.NoError(t, err)
	require.Empty(t, state.Pending)
	kept := false
	for _, res := range state.Resources {
		if res.Type == endpointType {
			kept = true
			require.Len(t, res.InitErrors, 1)
			require.Contains(t, res.InitErrors[0], "unexpected state 'Failed'")
		}
	}
	require.True(t, kept, "the endpoint is forgotten")

	up := r.must(stack.OperationUp, endpoint("sandbox/linear"))
	require.Equal(t, 3, up.Changes[stack.OpReplace], "model, configuration and the endpoint")
	require.Empty(t, changes(r.must(stack.OperationPreview, endpoint("sandbox/linear"))))
	r.must(stack.OperationDestroy, stack.Job{Remove: true})
}

// The first interrupt ends the wait for an endpoint at once, and nothing is
// lost.
func TestEngineCancel(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.ServeOptions{EndpointDelay: time.Hour})
	d := serveProviders(t, provider.Config{AWS: bare(r.aws)}, map[string]any{})
	role := roleFor(d, "sagemaker")
	config := d.mustCreate("aws:sagemaker/endpointConfiguration:EndpointConfiguration", "c", variants(sageModel(t, d, role, "sandbox/linear")))
	_, _, err := r.do(stack.OperationUp, stack.Job{ // ends though the endpoint takes an hour
		Config: map[string]stack.ConfigValue{"aws:region": {Value: testRegion}},
		Program: func(ctx *pulumi.Context) error {
			_, err := raw(ctx, endpointType, "endpoint", pulumi.Map{"name": pulumi.String("ep"), "endpointConfigName": pulumi.String(config.id)})
			return err
		},
	}, func(run *stack.Run) {
		go func() {
			awaitEndpoint(t, r.aws, "ep")
			run.Cancel()
		}()
	})
	require.Error(t, err)
	state, err := r.engine.State(t.Context(), "acme.iris.dev")
	require.NoError(t, err)
	require.Empty(t, state.Pending)
	found := false
	for _, res := range state.Resources {
		found = found || res.Type == endpointType && res.ID == "ep"
	}
	require.True(t, found, "the endpoint is orphaned")
}

// The whole pipeline of the built-in template: up, no changes, refresh without
// drift, a change, destroy without a trace.
func TestEngineRealtime(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ set, change []string }{
		"defaults":   {nil, []string{"preprocess.memoryMb=512", "logRetentionDays=7"}},
		"serverless": {[]string{"endpointKind=serverless", "logLevel=OFF"}, []string{"endpointKind=serverless", "serverlessMemoryMb=4096", "tracing=false"}},
		"everything": {
			[]string{
				"kmsMode=customer", "retention.resultsDays=30", "deadLetter=true", "alarms=true", "maxInstances=3", "initialInstances=2", "dataCapturePercent=10",
				"preprocess.reservedConcurrency=5", "volumeGb=20", "logLevel=ALL", "includeExecutionData=true", "modelDownloadTimeoutSec=600",
				"containerStartupTimeoutSec=300", `preprocess.environment={"STAGE":"dev"}`, `modelEnvironment={"LEVEL":"debug"}`,
				`subnets=["subnet-0123456789abcdef0","subnet-0123456789abcdef1"]`, `securityGroups=["sg-0123456789abcdef0"]`,
			},
			[]string{"kmsMode=customer", "retention.resultsDays=60", "instanceType=ml.c5.xlarge", "networkIsolation=false", "alarms=true"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, sandbox.ServeOptions{})
			first, second := realtime(t, tc.set), realtime(t, tc.change)
			r.must(stack.OperationUp, first)
			require.Empty(t, changes(r.must(stack.OperationPreview, first)))
			require.Empty(t, r.must(stack.OperationRefresh, stack.Job{}).Drift)

			require.NotEmpty(t, changes(r.must(stack.OperationUp, second)))
			require.Empty(t, changes(r.must(stack.OperationPreview, second)))
			require.Empty(t, r.must(stack.OperationRefresh, stack.Job{}).Drift)

			r.must(stack.OperationDestroy, stack.Job{Remove: true})
			buckets, err := s3.NewFromConfig(r.aws, func(o *s3.Options) { o.UsePathStyle = true }).ListBuckets(t.Context(), &s3.ListBucketsInput{})
			require.NoError(t, err)
			require.Empty(t, buckets.Buckets)
		})
	}
}

// realtime is a job that brings the iris example up with the parameters.
func realtime(t *testing.T, set []string) stack.Job {
	t.Helper()
	catalog, err := spec.LoadCatalog(templates.FS)
	require.NoError(t, err)
	tmpl, err := catalog.Lookup("realtime")
	require.NoError(t, err)
	set = append([]string{"image=sandbox/linear", "modelDataUrl=" + filepath.Join("..", "..", "..", "examples", "iris", "model.tar.gz")}, set...)
	p, err := spec.Build(spec.Answers{ID: spec.ID{Tenant: "acme", Model: "iris", Env: "dev"}, Template: "realtime"}, catalog, spec.Options{Region: testRegion, Set: set})
	require.NoError(t, err)
	env := program.Env{Account: testAccount, Region: testRegion, PlainHTTP: true}
	run, err := program.Pipeline(p, tmpl, env)
	require.NoError(t, err)
	config := map[string]stack.ConfigValue{}
	for k, v := range program.Config(p, env) {
		config[k] = stack.ConfigValue{Value: v}
	}
	return stack.Job{Program: run, Config: config}
}
