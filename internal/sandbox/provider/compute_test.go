package provider_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/pipelinetui/pipelinetui/internal/sandbox"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider"
)

func trustOf(service string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"` + service + `.amazonaws.com"}}]}`
}

// roleFor makes a role that the service may assume and that may do everything.
func roleFor(d *driver, service string) *res {
	r := d.mustCreate(roleType, service, map[string]any{"assumeRolePolicy": trustOf(service)})
	d.mustCreate("aws:iam/rolePolicy:RolePolicy", service, map[string]any{
		"role": r.id, "policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`,
	})
	return r
}

// handler is an archive with one Python handler.
func handler(t *testing.T, body string) resource.PropertyValue {
	t.Helper()
	a, err := resource.NewTextAsset("def handler(event, context):\n    " + body + "\n")
	require.NoError(t, err)
	ar, err := resource.NewAssetArchive(map[string]any{"handler.py": a})
	require.NoError(t, err)
	return resource.NewArchiveProperty(ar)
}

func function(t *testing.T, role *res, body string, more map[string]any) resource.PropertyMap {
	t.Helper()
	m := props(with(map[string]any{
		"name": "fn", "role": role.text("arn"), "runtime": "python3.13", "handler": "handler.handler", "publish": true,
	}))
	for k, v := range props(more) {
		m[k] = v
	}
	m["code"] = handler(t, body)
	return m
}

func TestLifeFunction(t *testing.T) {
	t.Parallel()
	d, cfg := sandboxed(t, map[string]any{})
	role := roleFor(d, "lambda")
	full := map[string]any{
		"architectures": []any{"arm64"}, "description": "d", "timeout": 30, "memorySize": 256, "reservedConcurrentExecutions": 5,
		"environment": map[string]any{"variables": map[string]any{"STAGE": "dev"}}, "tracingConfig": map[string]any{"mode": "Active"},
		"loggingConfig": map[string]any{"logFormat": "JSON", "logGroup": "/aws/lambda/fn", "applicationLogLevel": "INFO", "systemLogLevel": "WARN"},
		"tags":          tags("a", "1"), "deadLetterConfig": map[string]any{"targetArn": "arn:aws:sqs:us-east-1:000000000000:q"},
	}
	first := function(t, role, "return 1", full)
	f, err := d.create(functionType, "f", first)
	require.NoError(t, err)
	require.Equal(t, "1", f.text("version"))
	require.Equal(t, f.text("arn")+":1", f.text("qualifiedArn"))
	require.NotEmpty(t, f.text("codeSha256"))
	require.Regexp(t, `^[0-9a-f]{64}$`, f.text("sourceCodeHash"), "the archive's hash, as the official provider has it")
	d.requireSettled(f, first)

	alias := d.mustCreate("aws:lambda/alias:Alias", "live", map[string]any{"name": "live", "functionName": f.id, "functionVersion": "1"})
	require.Equal(t, f.text("arn")+":live", alias.text("arn"))

	// New code makes a new version; so does a new configuration; tags do not.
	second := function(t, role, "return 2", full)
	require.Equal(t, []string{"code"}, paths(d.diff(f, d.mustCheck(f.urn, f.inputs, second))))
	require.NoError(t, d.update(f, second))
	require.Equal(t, "2", f.text("version"))
	d.requireSettled(f, second)

	third := function(t, role, "return 2", map[string]any{"description": "other", "timeout": 5, "tags": tags("b", "2")})
	require.NoError(t, d.update(f, third))
	require.Equal(t, "3", f.text("version"))
	d.requireSettled(f, third)
	got, err := lambda.NewFromConfig(cfg).GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String("fn")})
	require.NoError(t, err)
	require.Nil(t, got.Concurrency)
	require.Equal(t, map[string]string{"b": "2"}, got.Tags)
	if e := got.Configuration.Environment; e != nil {
		require.Empty(t, e.Variables)
	}

	require.NoError(t, d.update(alias, props(map[string]any{"name": "live", "functionName": f.id, "functionVersion": "3", "description": "x"})))
	d.requireSettled(alias, props(map[string]any{"name": "live", "functionName": f.id, "functionVersion": "3", "description": "x"}))
	imported := d.read(&res{urn: alias.urn, id: "fn/live"})
	require.Equal(t, alias.id, imported.id)

	out, err := lambda.NewFromConfig(cfg).Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String(alias.text("arn"))})
	require.NoError(t, err)
	require.Equal(t, "2", string(out.Payload))

	for _, r := range []*res{alias, f} {
		d.delete(r)
		d.delete(r)
		require.Empty(t, d.read(r).id)
	}
}

func TestFunctionDrift(t *testing.T) {
	t.Parallel()
	d, cfg := sandboxed(t, map[string]any{})
	role := roleFor(d, "lambda")
	inputs := function(t, role, "return 1", nil)
	f, err := d.create(functionType, "f", inputs)
	require.NoError(t, err)
	c := lambda.NewFromConfig(cfg)
	_, err = c.UpdateFunctionCode(t.Context(), &lambda.UpdateFunctionCodeInput{FunctionName: aws.String("fn"), ZipFile: otherZip(t)})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		out, err := c.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: aws.String("fn")})
		return err == nil && out.LastUpdateStatus == "Successful"
	}, time.Minute, 10*time.Millisecond)
	_, err = c.TagResource(t.Context(), &lambda.TagResourceInput{Resource: aws.String(f.text("arn")), Tags: map[string]string{"who": "me"}})
	require.NoError(t, err)

	live := d.read(f)
	require.Equal(t, []string{"code", "tags"}, paths(d.diff(live, d.mustCheck(f.urn, live.inputs, inputs))))
	require.NoError(t, d.update(live, inputs))
	require.Equal(t, f.text("codeSha256"), live.text("codeSha256"))
	d.requireSettled(live, inputs)
}

// otherZip is a zip file with another handler.
func otherZip(t *testing.T) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	f, err := w.Create("handler.py")
	require.NoError(t, err)
	_, err = f.Write([]byte("def handler(event, context):\n    return 'drift'\n"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return buf.Bytes()
}

func TestLifePermission(t *testing.T) {
	t.Parallel()
	d, _ := sandboxed(t, map[string]any{})
	f, err := d.create(functionType, "f", function(t, roleFor(d, "lambda"), "return 1", nil))
	require.NoError(t, err)
	base := map[string]any{"action": "lambda:InvokeFunction", "function": f.id, "principal": "events.amazonaws.com", "statementId": "events"}
	for name, l := range map[string]life{
		"service": {
			first: with(base, "sourceArn", "arn:aws:events:us-east-1:000000000000:rule/r", "sourceAccount", testAccount), second: base, replaces: true,
		},
		"account": {first: with(base, "statementId", "account", "principal", testAccount)},
	} {
		l.token, l.importID = "aws:lambda/permission:Permission", func(r *res) string { return f.id + "/" + r.id }
		t.Run(name, func(t *testing.T) { t.Parallel(); l.run(t, d) })
	}
}

func TestFunctionOfUnassumableRole(t *testing.T) {
	t.Parallel()
	d, _ := sandboxed(t, map[string]any{})
	role := roleFor(d, "states")
	_, err := d.create(functionType, "f", function(t, role, "return 1", nil))
	require.ErrorContains(t, err, "creating Lambda Function (fn)")
	require.ErrorContains(t, err, "cannot be assumed by Lambda")
}

func TestRelativeAssetIsRefused(t *testing.T) {
	t.Parallel()
	d, _ := sandboxed(t, map[string]any{})
	role := roleFor(d, "lambda")
	t.Run("archive", func(t *testing.T) {
		t.Parallel()
		in := function(t, role, "", nil)
		in["code"] = resource.NewArchiveProperty(&resource.Archive{Path: "code", Hash: "x", Sig: resource.ArchiveSig})
		require.ErrorContains(t, createRaw(t, d, functionType, in), "must be absolute")
	})
}

// createRaw creates without the hashing that driver does.
func createRaw(t *testing.T, d *driver, token string, in resource.PropertyMap) error {
	t.Helper()
	_, err := d.clients["aws"].Create(t.Context(), &pulumirpc.CreateRequest{Urn: urn(token, "x"), Properties: packPlain(t, in)})
	return err
}

// weights uploads a model for the sandbox's own image.
func weights(t *testing.T, d *driver) {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	doc := []byte(`{"format":"linear/v1","weights":[[1,2]],"bias":[0],"activation":"identity"}`)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: "model.json", Mode: 0o600, Size: int64(len(doc))}))
	_, err := w.Write(doc)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, z.Close())
	path := filepath.Join(t.TempDir(), "model.tar.gz")
	require.NoError(t, os.WriteFile(path, buf.Bytes(), 0o600))
	file, err := resource.NewPathAsset(path)
	require.NoError(t, err)
	d.mustCreate(bucketType, "models", map[string]any{"bucket": "models"})
	_, err = d.create("aws:s3/bucketObjectv2:BucketObjectv2", "weights", resource.PropertyMap{
		"bucket": resource.NewStringProperty("models"), "key": resource.NewStringProperty("model.tar.gz"), "source": resource.NewAssetProperty(file),
	})
	require.NoError(t, err)
}

// sageModel makes a model of the image.
func sageModel(t *testing.T, d *driver, role *res, image string) *res {
	t.Helper()
	weights(t, d)
	return d.mustCreate("aws:sagemaker/model:Model", "model", map[string]any{
		"executionRoleArn": role.text("arn"), "enableNetworkIsolation": true, "tags": tags("a", "1"),
		"primaryContainer": map[string]any{"image": image, "environment": map[string]any{"X": "1"}, "modelDataUrl": "s3://models/model.tar.gz"},
	})
}

func variants(model *res) map[string]any {
	return map[string]any{"productionVariants": []any{map[string]any{
		"variantName": "AllTraffic", "modelName": model.text("name"), "instanceType": "ml.m5.large", "initialInstanceCount": 1, "initialVariantWeight": 1,
		"routingConfigs": []any{map[string]any{"routingStrategy": "LEAST_OUTSTANDING_REQUESTS"}},
	}}, "tags": tags("a", "1")}
}

func TestLifeSageMaker(t *testing.T) {
	t.Parallel()
	d, _ := sandboxed(t, map[string]any{})
	weights(t, d)
	role := roleFor(d, "sagemaker")
	model := map[string]any{
		"executionRoleArn": role.text("arn"), "enableNetworkIsolation": true,
		"primaryContainer": map[string]any{"image": "sandbox/linear", "mode": "SingleModel", "modelDataUrl": "s3://models/model.tar.gz"},
	}
	m := d.mustCreate("aws:sagemaker/model:Model", "m", with(model, "primaryContainer", map[string]any{"image": "sandbox/linear"}))
	capture := map[string]any{
		"enableCapture": true, "initialSamplingPercentage": 10, "destinationS3Uri": "s3://b/capture",
		"captureOptions": []any{map[string]any{"captureMode": "Input"}, map[string]any{"captureMode": "Output"}},
	}
	for name, l := range map[string]life{
		"model": {token: "aws:sagemaker/model:Model", first: model, second: with(model, "tags", tags("a", "1")), outputs: []string{"arn"}},
		"model data": {
			token: "aws:sagemaker/model:Model",
			first: with(model, "primaryContainer", map[string]any{
				"image": "sandbox/linear",
				"modelDataSource": map[string]any{"s3DataSources": []any{map[string]any{
					"compressionType": "Gzip", "s3DataType": "S3Object",
					"s3Uri": "s3://models/model.tar.gz",
				}}},
			}), second: with(model, "enableNetworkIsolation", false), replaces: true, notImported: []string{"primaryContainer"},
		},
		"model vpc": {
			token: "aws:sagemaker/model:Model",
			first: with(model, "vpcConfig", map[string]any{"securityGroupIds": []any{"sg-1"}, "subnets": []any{"subnet-2", "subnet-1"}}), second: model, replaces: true,
		},
		"config": {
			token: "aws:sagemaker/endpointConfiguration:EndpointConfiguration", first: variants(m),
			second: with(variants(m), "tags", tags("b", "2")), outputs: []string{"arn", "name"},
		},
		"capture": {
			token: "aws:sagemaker/endpointConfiguration:EndpointConfiguration",
			first: with(variants(m), "dataCaptureConfig", capture, "kmsKeyArn", "arn:aws:kms:us-east-1:000000000000:key/k"), second: variants(m), replaces: true,
		},
		"serverless": {token: "aws:sagemaker/endpointConfiguration:EndpointConfiguration", first: map[string]any{"productionVariants": []any{map[string]any{
			"variantName": "AllTraffic", "modelName": m.text("name"), "serverlessConfig": map[string]any{"maxConcurrency": 20, "memorySizeInMb": 2048},
		}}}, second: variants(m), replaces: true},
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); l.run(t, d) })
	}
}

func TestLifeEndpoint(t *testing.T) {
	t.Parallel()
	cfg := startSandbox(t, sandbox.ServeOptions{EndpointDelay: 20 * time.Millisecond})
	d := serveProviders(t, provider.Config{AWS: bare(cfg)}, map[string]any{})
	role := roleFor(d, "sagemaker")
	model := sageModel(t, d, role, "sandbox/linear")
	one := d.mustCreate("aws:sagemaker/endpointConfiguration:EndpointConfiguration", "one", variants(model))
	two := d.mustCreate("aws:sagemaker/endpointConfiguration:EndpointConfiguration", "two", variants(model))
	life{
		token: endpointType, first: map[string]any{"name": "ep", "endpointConfigName": one.id, "tags": tags("a", "1")},
		second: map[string]any{"name": "ep", "endpointConfigName": two.id, "tags": tags("b", "1"), "deploymentConfig": map[string]any{
			"blueGreenUpdatePolicy": map[string]any{"trafficRoutingConfiguration": map[string]any{"type": "ALL_AT_ONCE", "waitIntervalInSeconds": 60}},
		}},
		outputs: []string{"arn"}, notImported: []string{"deploymentConfig"},
	}.run(t, d)
}

// partial returns what the engine keeps of a resource whose operation failed.
func partial(t *testing.T, err error) *pulumirpc.ErrorResourceInitFailed {
	t.Helper()
	require.Error(t, err)
	for _, detail := range status.Convert(err).Details() {
		if d, ok := detail.(*pulumirpc.ErrorResourceInitFailed); ok {
			return d
		}
	}
	t.Fatalf("the engine would forget the resource: %v", err)
	return nil
}

func TestFailedEndpointIsKeptAndReplaced(t *testing.T) {
	t.Parallel()
	d, _ := sandboxed(t, map[string]any{})
	role := roleFor(d, "sagemaker")
	model := sageModel(t, d, role, "123456789012.dkr.ecr.us-east-1.amazonaws.com/nobody-runs-this:1")
	config := d.mustCreate("aws:sagemaker/endpointConfiguration:EndpointConfiguration", "c", variants(model))
	inputs := props(map[string]any{"name": "ep", "endpointConfigName": config.id})
	_, err := d.create(endpointType, "e", inputs)
	detail := partial(t, err)
	require.Equal(t, "ep", detail.GetId())
	require.Contains(t, detail.GetReasons()[0], "unexpected state 'Failed'")
	r := &res{urn: urn(endpointType, "e"), id: "ep", out: unpack(t, detail.GetProperties())}
	r.inputs = d.mustCheck(r.urn, nil, inputs)
	require.NotEmpty(t, r.text("arn"))

	diff := d.diff(r, r.inputs)
	require.Equal(t, []string{"endpointConfigName"}, diff.GetReplaces())
	require.True(t, diff.GetDeleteBeforeReplace())
	d.delete(r)
	require.Empty(t, d.read(r).id)
}

func TestCancelEndsTheWait(t *testing.T) {
	t.Parallel()
	cfg := startSandbox(t, sandbox.ServeOptions{EndpointDelay: time.Hour})
	d := serveProviders(t, provider.Config{AWS: bare(cfg)}, map[string]any{})
	role := roleFor(d, "sagemaker")
	config := d.mustCreate("aws:sagemaker/endpointConfiguration:EndpointConfiguration", "c", variants(sageModel(t, d, role, "sandbox/linear")))
	in := d.mustCheck(urn(endpointType, "e"), nil, props(map[string]any{"name": "ep", "endpointConfigName": config.id}))
	ended := make(chan error, 1)
	go func() {
		_, err := d.clients["aws"].Create(context.Background(), &pulumirpc.CreateRequest{Urn: urn(endpointType, "e"), Properties: pack(t, in)})
		ended <- err
	}()
	awaitEndpoint(t, cfg, "ep")
	_, err := d.clients["aws"].Cancel(t.Context(), &emptypb.Empty{})
	require.NoError(t, err)
	select {
	case err := <-ended:
		detail := partial(t, err)
		require.Equal(t, "ep", detail.GetId())
		require.Contains(t, detail.GetReasons()[0], "cancelled")
		require.Equal(t, "Creating", unpack(t, detail.GetProperties())["__status"].StringValue())
	case <-time.After(time.Minute):
		t.Fatal("the wait goes on")
	}
}

func awaitEndpoint(t *testing.T, cfg aws.Config, name string) {
	t.Helper()
	c := sagemaker.NewFromConfig(cfg)
	require.Eventually(t, func() bool {
		_, err := c.DescribeEndpoint(t.Context(), &sagemaker.DescribeEndpointInput{EndpointName: &name})
		return err == nil
	}, time.Minute, 10*time.Millisecond)
}

func TestTimeoutOfTheEngine(t *testing.T) {
	t.Parallel()
	cfg := startSandbox(t, sandbox.ServeOptions{EndpointDelay: time.Hour})
	d := serveProviders(t, provider.Config{AWS: bare(cfg)}, map[string]any{})
	role := roleFor(d, "sagemaker")
	config := d.mustCreate("aws:sagemaker/endpointConfiguration:EndpointConfiguration", "c", variants(sageModel(t, d, role, "sandbox/linear")))
	var err error
	limit := 250 * time.Millisecond
	for n := 0; n < 8 && status.Convert(err).Details() == nil; n++ { // a busy machine has not even asked for the endpoint by then
		in := d.mustCheck(urn(endpointType, "e"), nil, props(map[string]any{"name": fmt.Sprint("ep", n), "endpointConfigName": config.id}))
		limit *= 2
		_, err = d.clients["aws"].Create(t.Context(), &pulumirpc.CreateRequest{Urn: urn(endpointType, "e"), Properties: pack(t, in), Timeout: limit.Seconds()})
	}
	detail := partial(t, err)
	require.Contains(t, detail.GetReasons()[0], "timeout of "+limit.String()+" is over")
	require.NotEmpty(t, unpack(t, detail.GetProperties())["arn"].StringValue())
}

func TestLifeStateMachine(t *testing.T) {
	t.Parallel()
	d, cfg := sandboxed(t, map[string]any{})
	role := roleFor(d, "states")
	definition := func(result string) string {
		return `{"StartAt":"P","States":{"P":{"Type":"Pass","Result":"` + result + `","End":true}}}`
	}
	first := map[string]any{
		"stateMachineName": "m", "roleArn": role.text("arn"), "definitionString": definition("1"),
		"tags": []any{map[string]any{"key": "a", "value": "1"}, map[string]any{"key": "b", "value": "2"}},
	}
	m := d.mustCreate(machineType, "m", first)
	require.Equal(t, "m", m.text("name"))
	require.NotEmpty(t, m.text("stateMachineRevisionId"))
	d.requireSettled(m, props(first))

	version := func(name string) *res {
		return d.mustCreate(versionType, name, map[string]any{"stateMachineArn": m.id, "stateMachineRevisionId": m.text("stateMachineRevisionId"), "description": "v"})
	}
	v1 := version("v1")
	require.Equal(t, m.id+":1", v1.id)
	d.requireSettled(v1, v1.inputs)
	route := func(v *res) map[string]any {
		return map[string]any{"name": "live", "routingConfiguration": []any{map[string]any{"stateMachineVersionArn": v.id, "weight": 100}}}
	}
	alias := d.mustCreate("aws-native:stepfunctions:StateMachineAlias", "live", route(v1))
	require.Equal(t, m.id+":live", alias.text("arn"))
	d.requireSettled(alias, props(route(v1)))

	// The same definition in other words is no change.
	same := with(first, "definitionString", "{ \"States\": {\"P\": {\"End\": true, \"Type\": \"Pass\", \"Result\": \"1\"}}, \"StartAt\": \"P\" }")
	require.Empty(t, paths(d.diff(m, d.mustCheck(m.urn, m.inputs, props(same)))))

	second := with(first, "definitionString", definition("2"), "tags", []any{map[string]any{"key": "b", "value": "3"}}, "tracingConfiguration", map[string]any{"enabled": true})
	revision := m.text("stateMachineRevisionId")
	require.NoError(t, d.update(m, props(second)))
	require.NotEqual(t, revision, m.text("stateMachineRevisionId"))
	d.requireSettled(m, props(second))
	v2 := version("v2")
	require.Equal(t, m.id+":2", v2.id)

	// A version that is in use stays, and the error says by whom.
	_, err := d.clients["aws-native"].Delete(t.Context(), &pulumirpc.DeleteRequest{Id: v1.id, Urn: v1.urn, Properties: pack(t, v1.out)})
	require.ErrorContains(t, err, "still in use by "+alias.id)
	require.NoError(t, d.update(alias, props(route(v2))))
	d.requireSettled(alias, props(route(v2)))
	d.delete(v1)
	d.delete(v1)
	require.Empty(t, d.read(v1).id)

	// Tracing goes with the property.
	third := with(second, "tracingConfiguration", nil)
	require.NoError(t, d.update(m, props(third)))
	d.requireSettled(m, props(third))

	// Drift: somebody changed the definition.
	_, err = sfn.NewFromConfig(cfg).UpdateStateMachine(t.Context(), &sfn.UpdateStateMachineInput{StateMachineArn: &m.id, Definition: aws.String(definition("3"))})
	require.NoError(t, err)
	live := d.read(m)
	require.Equal(t, []string{"definitionString"}, paths(d.diff(live, d.mustCheck(m.urn, live.inputs, props(third)))))

	imported := d.read(&res{urn: m.urn, id: m.id})
	require.Equal(t, "m", imported.inputs["stateMachineName"].StringValue())
	for _, r := range []*res{alias, v2, m} {
		d.delete(r)
		d.delete(r)
		require.Empty(t, d.read(r).id)
	}
}

// A deployment that goes step by step ends at once when the user cancels, and
// leaves all traffic where it was.
func TestCanaryRollsBackOnCancel(t *testing.T) {
	t.Parallel()
	d, cfg := sandboxed(t, map[string]any{})
	role := roleFor(d, "states")
	machine := map[string]any{"roleArn": role.text("arn"), "definitionString": `{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}`}
	m := d.mustCreate(machineType, "m", machine)
	publish := func(name string) *res {
		return d.mustCreate(versionType, name, map[string]any{"stateMachineArn": m.id, "stateMachineRevisionId": m.text("stateMachineRevisionId")})
	}
	v1 := publish("v1")
	require.NoError(t, d.update(m, props(with(machine, "definitionString", `{"StartAt":"Q","States":{"Q":{"Type":"Pass","End":true}}}`))))
	v2 := publish("v2")
	preference := func(v *res, kind string) resource.PropertyMap {
		return props(map[string]any{"name": "live", "deploymentPreference": map[string]any{"type": kind, "percentage": 10, "interval": 5, "stateMachineVersionArn": v.id}})
	}
	alias, err := d.create("aws-native:stepfunctions:StateMachineAlias", "live", preference(v1, "CANARY"))
	require.NoError(t, err)
	ended := make(chan error, 1)
	in := d.mustCheck(alias.urn, alias.inputs, preference(v2, "CANARY"))
	go func() {
		_, err := d.clients["aws-native"].Update(context.Background(), &pulumirpc.UpdateRequest{Id: alias.id, Urn: alias.urn, Olds: pack(t, alias.out), News: pack(t, in)})
		ended <- err
	}()
	c := sfn.NewFromConfig(cfg)
	routes := func() []int32 {
		out, err := c.DescribeStateMachineAlias(t.Context(), &sfn.DescribeStateMachineAliasInput{StateMachineAliasArn: &alias.id})
		require.NoError(t, err)
		var w []int32
		for _, r := range out.RoutingConfiguration {
			w = append(w, r.Weight)
		}
		return w
	}
	require.Eventually(t, func() bool { return len(routes()) == 2 }, time.Minute, 10*time.Millisecond)
	_, err = d.clients["aws-native"].Cancel(t.Context(), &emptypb.Empty{})
	require.NoError(t, err)
	require.ErrorContains(t, <-ended, "rolled back")
	require.Equal(t, []int32{100}, routes())
	out, err := c.DescribeStateMachineAlias(t.Context(), &sfn.DescribeStateMachineAliasInput{StateMachineAliasArn: &alias.id})
	require.NoError(t, err)
	require.Equal(t, v1.id, aws.ToString(out.RoutingConfiguration[0].StateMachineVersionArn))
}

// What goes with a function: layers, what calls it, and a URL.
func TestLifeAroundFunctions(t *testing.T) {
	t.Parallel()
	d, _ := sandboxed(t, map[string]any{})
	role := roleFor(d, "lambda")
	d.mustCreate("aws:iam/rolePolicy:RolePolicy", "reads",
		map[string]any{"role": role.id, "policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sqs:ReceiveMessage",` +
			`"sqs:DeleteMessage","sqs:GetQueueAttributes"],"Resource":"*"}]}`})
	f, err := d.create(functionType, "f", function(t, role, "return 1", nil))
	require.NoError(t, err)
	queue := d.mustCreate("aws:sqs/queue:Queue", "q", map[string]any{"name": "work"})
	more := d.mustCreate("aws:sqs/queue:Queue", "more", map[string]any{"name": "more"})
	kept := d.mustCreate("aws:lambda/eventSourceMapping:EventSourceMapping", "kept", map[string]any{"functionName": "fn", "eventSourceArn": more.text("arn"), "enabled": false})
	require.Equal(t, f.text("arn"), kept.text("functionName"), "however the program calls it, as the provider keeps it")

	layer := props(map[string]any{"layerName": "shared", "description": "d", "compatibleRuntimes": []any{"python3.13"}, "licenseInfo": "MIT"})
	layer["code"] = handler(t, "return 0")
	l, err := d.create("aws:lambda/layerVersion:LayerVersion", "shared", layer)
	require.NoError(t, err)
	require.Equal(t, "1", l.text("version"))
	require.Equal(t, l.text("layerArn")+":1", l.text("arn"))
	d.requireSettled(l, layer)
	layer["code"] = handler(t, "return 1")
	require.Equal(t, []string{"code"}, d.diff(l, d.mustCheck(l.urn, l.inputs, layer)).GetReplaces())

	for name, l := range map[string]life{
		"layer permission": {
			token: "aws:lambda/layerVersionPermission:LayerVersionPermission", outputs: []string{"policy", "revisionId"},
			first: map[string]any{"layerName": l.text("layerArn"), "versionNumber": 1, "statementId": "dev", "action": "lambda:GetLayerVersion", "principal": "111122223333"},
		},
		"mapping": {
			token: "aws:lambda/eventSourceMapping:EventSourceMapping", outputs: []string{"uuid", "state", "functionArn"},
			first: map[string]any{"functionName": "fn", "eventSourceArn": queue.text("arn"), "batchSize": 5, "enabled": false, "tags": tags("a", "1")},
			second: map[string]any{
				"functionName": f.text("arn"), "eventSourceArn": queue.text("arn"), "batchSize": 7, "enabled": false,
				"functionResponseTypes": []any{"ReportBatchItemFailures"},
				"filterCriteria":        map[string]any{"filters": []any{map[string]any{"pattern": `{"body":{"a":[1]}}`}}},
				"scalingConfig":         map[string]any{"maximumConcurrency": 3}, "tags": tags("b", "1"),
			},
		},
		"url": {
			token: "aws:lambda/functionUrl:FunctionUrl", outputs: []string{"functionArn", "functionUrl", "urlId"},
			first:  map[string]any{"functionName": "fn", "authorizationType": "AWS_IAM"},
			second: map[string]any{"functionName": "fn", "authorizationType": "NONE", "cors": map[string]any{"allowOrigins": []any{"https://a.example.com"}, "maxAge": 60}},
		},
	} {
		t.Run(name, func(t *testing.T) { l.run(t, d) })
	}
}
