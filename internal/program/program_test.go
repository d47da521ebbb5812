package program

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// everything switches all options on.
var everything = map[string]any{
	"kmsMode": "customer", "deadLetter": true, "alarms": true, "retention.resultsDays": 90, "dataCapturePercent": 10,
	"minInstances": 1, "maxInstances": 4, "subnets": []string{"subnet-1", "subnet-2"}, "securityGroups": []string{"sg-1"},
	"preprocess.subnets": []string{"subnet-1"}, "preprocess.securityGroups": []string{"sg-1"},
	"preprocess.reservedConcurrency": 10, "preprocess.environment": map[string]string{"MODE": "fast"},
	"modelEnvironment": map[string]string{"SAGEMAKER_PROGRAM": "inference.py"}, "volumeGb": 40,
	"modelDownloadTimeoutSec": 600, "containerStartupTimeoutSec": 300, "includeExecutionData": true, "logLevel": "ALL",
}

func TestDefaultResources(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, nil)
	got := execute(t, p, tmpl, testEnv).list()
	want, err := os.ReadFile(filepath.Join("testdata", "resources.golden"))
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(filepath.Join("testdata", "resources.golden"), []byte(got), 0o600))
		return
	}
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(string(want), got))
}

// Each option adds exactly its own resources to those of the default.
func TestOptionsAddResources(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, nil)
	base := execute(t, p, tmpl, testEnv).names()
	for name, c := range map[string]struct {
		change  map[string]any
		added   []string
		removed []string
	}{
		"customer key": {change: map[string]any{"kmsMode": "customer"}, added: []string{"key", "key-alias"}},
		"dead letters": {change: map[string]any{"deadLetter": true}, added: []string{"dlq", "dlq-policy", "status", "status-dlq"}},
		"alarms": {change: map[string]any{"alarms": true}, added: []string{
			"alarm-failed", "alarm-throttled", "alarm-timed-out", "alarm-function-errors", "alarm-function-throttles", "alarm-5xx", "alarm-model-errors",
		}},
		"retention":      {change: map[string]any{"retention.resultsDays": 7}},
		"scaling":        {change: map[string]any{"maxInstances": 2}, added: []string{"scale", "scale-policy"}},
		"fixed size":     {change: map[string]any{"minInstances": 2, "maxInstances": 2}},
		"serverless":     {change: map[string]any{"endpointKind": "serverless", "maxInstances": 3}},
		"no versions":    {change: map[string]any{"versioning": false}, removed: []string{"data-versioning"}},
		"logs off":       {change: map[string]any{"logLevel": "OFF"}, removed: []string{"states-logs"}},
		"capture":        {change: map[string]any{"dataCapturePercent": 5}},
		"unknown to us":  {change: map[string]any{"versioning": nil, "alarms": nil, "deadLetter": nil, "kmsMode": nil}},
		"tracing off":    {change: map[string]any{"tracing": false}},
		"in a network":   {change: map[string]any{"subnets": []string{"subnet-1"}, "securityGroups": []string{"sg-1"}}},
		"model in image": {change: map[string]any{"modelDataUrl": nil}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, tmpl := pipelineOf(t, c.change)
			want := slices.DeleteFunc(append(slices.Clone(base), c.added...), func(s string) bool { return slices.Contains(c.removed, s) })
			slices.Sort(want)
			require.Empty(t, cmp.Diff(want, execute(t, p, tmpl, testEnv).names()))
		})
	}
}

func TestPropertiesOfDefaults(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, nil)
	r := execute(t, p, tmpl, testEnv)
	names := p.Names(testAccount)

	require.Equal(t, names.Bucket, r.inputs(t, "data")["bucket"])
	require.Equal(t, true, r.inputs(t, "data")["forceDestroy"])
	require.False(t, r.made["data"].protect)
	sse := r.inputs(t, "data-sse")["rules"].([]any)[0].(map[string]any)
	require.Equal(t, map[string]any{"sseAlgorithm": "AES256"}, sse["applyServerSideEncryptionByDefault"])

	pre := r.inputs(t, "pre")
	require.Equal(t, "python3.13", pre["runtime"])
	require.Equal(t, []any{"arm64"}, pre["architectures"])
	require.Equal(t, float64(256), pre["memorySize"])
	require.Equal(t, float64(30), pre["timeout"])
	require.Equal(t, true, pre["publish"])
	require.Equal(t, map[string]any{"mode": "Active"}, pre["tracingConfig"])
	require.Equal(t, map[string]any{"variables": map[string]any{
		"PIPELINETUI_BUCKET": names.Bucket, "PIPELINETUI_PIPELINE": "acme/churn",
	}}, pre["environment"])
	for _, unset := range []string{"reservedConcurrentExecutions", "deadLetterConfig", "kmsKeyArn", "vpcConfig"} {
		require.NotContains(t, pre, unset)
	}
	require.Equal(t, "1", r.inputs(t, "pre-live")["functionVersion"])

	model := r.inputs(t, testBase+"-m")
	require.NotContains(t, model, "name")
	require.Equal(t, map[string]any{
		"image": p.Parameters["image"], "mode": "SingleModel", "modelDataUrl": "s3://models/churn/model.tar.gz",
	}, model["primaryContainer"])
	require.NotContains(t, model, "vpcConfig")
	require.Equal(t, true, model["enableNetworkIsolation"])

	config := r.inputs(t, testBase+"-c")
	require.NotContains(t, config, "name")
	require.NotContains(t, config, "kmsKeyArn")
	require.NotContains(t, config, "dataCaptureConfig")
	require.Equal(t, []any{map[string]any{
		"variantName": "AllTraffic", "modelName": testBase + "-m-0a1b2c3", "initialVariantWeight": float64(1),
		"instanceType": "ml.m5.large", "initialInstanceCount": float64(1),
	}}, config["productionVariants"])
	endpoint := r.inputs(t, "endpoint")
	require.Equal(t, testBase+"-ep", endpoint["endpointName"])
	require.Equal(t, true, endpoint["retainAllVariantProperties"])
	require.NotContains(t, endpoint, "excludeRetainedVariantProperties")
	require.Equal(t, "60m", r.made["endpoint"].timeouts)

	machine := r.inputs(t, "machine")
	require.Equal(t, testBase, machine["stateMachineName"])
	require.Equal(t, "STANDARD", machine["stateMachineType"])
	require.Equal(t, map[string]any{"type": "AWS_OWNED_KEY"}, machine["encryptionConfiguration"], "said, not left out")
	logging := machine["loggingConfiguration"].(map[string]any)
	require.Equal(t, "ERROR", logging["level"])
	require.Equal(t, false, logging["includeExecutionData"])
	require.Contains(t, fmt.Sprint(logging["destinations"]), "log-group:/aws/vendedlogs/states/"+testBase+":*")
	require.True(t, r.made["version"].retain)
	require.Equal(t, "r1", r.inputs(t, "version")["stateMachineRevisionId"])
	require.Equal(t, []any{map[string]any{
		"stateMachineVersionArn": names.StateMachineARN + ":1", "weight": float64(100),
	}}, r.inputs(t, "alias")["routingConfiguration"])
	for _, role := range []string{"states-role", "lambda-role", "sagemaker-role"} {
		require.Equal(t, "/pipelinetui/", r.inputs(t, role)["path"])
		require.NotContains(t, r.inputs(t, role), "permissionsBoundary")
	}
}

func TestPropertiesOfEverything(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, everything)
	p.Protect = true
	p.PermissionsBoundary = "arn:aws:iam::123456789012:policy/boundary"
	r := execute(t, p, tmpl, testEnv)
	names := p.Names(testAccount)

	require.Equal(t, false, r.inputs(t, "data")["forceDestroy"])
	require.True(t, r.made["data"].protect)
	require.True(t, r.made["key"].protect)
	require.Equal(t, float64(30), r.inputs(t, "key")["deletionWindowInDays"])
	sse := r.inputs(t, "data-sse")["rules"].([]any)[0].(map[string]any)
	require.Equal(t, map[string]any{"sseAlgorithm": "aws:kms", "kmsMasterKeyId": testKey}, sse["applyServerSideEncryptionByDefault"])
	require.Equal(t, true, sse["bucketKeyEnabled"])
	rules := r.inputs(t, "data-lifecycle")["rules"].([]any)
	require.Len(t, rules, 4)

	pre := r.inputs(t, "pre")
	require.Equal(t, float64(10), pre["reservedConcurrentExecutions"])
	require.Equal(t, map[string]any{"targetArn": names.DeadLettersARN}, pre["deadLetterConfig"])
	require.Equal(t, testKey, pre["kmsKeyArn"])
	require.Equal(t, map[string]any{"subnetIds": []any{"subnet-1"}, "securityGroupIds": []any{"sg-1"}}, pre["vpcConfig"])
	require.Equal(t, "fast", pre["environment"].(map[string]any)["variables"].(map[string]any)["MODE"])

	require.Equal(t, map[string]any{"subnets": []any{"subnet-1", "subnet-2"}, "securityGroupIds": []any{"sg-1"}}, r.inputs(t, testBase+"-m")["vpcConfig"])
	config := r.inputs(t, testBase+"-c")
	require.Equal(t, testKey, config["kmsKeyArn"])
	variant := config["productionVariants"].([]any)[0].(map[string]any)
	require.Equal(t, float64(40), variant["volumeSizeInGb"])
	require.Equal(t, float64(600), variant["modelDataDownloadTimeoutInSeconds"])
	require.Equal(t, float64(300), variant["containerStartupHealthCheckTimeoutInSeconds"])
	require.Equal(t, map[string]any{
		"enableCapture": true, "initialSamplingPercentage": float64(10), "destinationS3Uri": "s3://" + names.Bucket + "/capture",
		"kmsKeyId": testKey, "captureOptions": []any{map[string]any{"captureMode": "Input"}, map[string]any{"captureMode": "Output"}},
	}, config["dataCaptureConfig"])
	scale := r.inputs(t, "scale")
	require.Equal(t, "endpoint/"+names.Endpoint+"/variant/AllTraffic", scale["resourceId"])
	require.Equal(t, float64(4), scale["maxCapacity"])
	require.Equal(t, map[string]any{
		"type": "CUSTOMER_MANAGED_KMS_KEY", "kmsKeyId": testKey, "kmsDataKeyReusePeriodSeconds": float64(300),
	}, r.inputs(t, "machine")["encryptionConfiguration"])
	for _, role := range []string{"states-role", "lambda-role", "sagemaker-role"} {
		require.Equal(t, p.PermissionsBoundary, r.inputs(t, role)["permissionsBoundary"])
	}
	for _, logs := range []string{"pre-logs", "states-logs"} {
		require.Equal(t, testKey, r.inputs(t, logs)["kmsKeyId"])
		require.Equal(t, float64(30), r.inputs(t, logs)["retentionInDays"])
	}
	var pattern map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.inputs(t, "status")["eventPattern"].(string)), &pattern))
	require.Equal(t, map[string]any{
		"stateMachineArn": []any{names.StateMachineARN}, "status": []any{"FAILED", "TIMED_OUT", "ABORTED"},
	}, pattern["detail"])
	require.Equal(t, map[string]any{"StateMachineArn": names.StateMachineARN}, r.inputs(t, "alarm-failed")["dimensions"])
}

func TestServerless(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, map[string]any{
		"endpointKind": "serverless", "networkIsolation": false, "provisionedConcurrency": 2, "dataCapturePercent": 10,
		"kmsMode": "customer", "maxInstances": 5,
	})
	r := execute(t, p, tmpl, testEnv)
	config := r.inputs(t, testBase+"-c")
	require.Equal(t, []any{map[string]any{
		"variantName": "AllTraffic", "modelName": testBase + "-m-0a1b2c3", "initialVariantWeight": float64(1),
		"serverlessConfig": map[string]any{"memorySizeInMb": float64(2048), "maxConcurrency": float64(20), "provisionedConcurrency": float64(2)},
	}}, config["productionVariants"])
	require.NotContains(t, config, "kmsKeyArn")
	require.NotContains(t, config, "dataCaptureConfig")
	require.NotContains(t, r.names(), "scale")
}

func TestMachineWithItsOwnDisksGetsNoKey(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, map[string]any{"kmsMode": "customer", "instanceType": "ml.g5.xlarge"})
	r := execute(t, p, tmpl, testEnv)
	require.NotContains(t, r.inputs(t, testBase+"-c"), "kmsKeyArn")
}

// The lifecycle of the bucket is always there, since another's would delete models and
// results, and nobody would see it. It ends nothing that can be read unless told to, and
// whether there is retention changes nothing of the bucket itself.
func TestALifecycleAlways(t *testing.T) {
	t.Parallel()
	actions := func(days int, versioning bool) (bucket map[string]any, rules map[string][]string) {
		p, tmpl := pipelineOf(t, map[string]any{"retention.resultsDays": days, "versioning": versioning})
		r := execute(t, p, tmpl, testEnv)
		rules = map[string][]string{}
		for _, rule := range r.inputs(t, "data-lifecycle")["rules"].([]any) {
			rule := rule.(map[string]any)
			for _, action := range []string{"expiration", "noncurrentVersionExpiration", "abortIncompleteMultipartUpload", "transitions"} {
				if rule[action] != nil {
					rules[rule["id"].(string)] = append(rules[rule["id"].(string)], action)
				}
			}
		}
		return r.inputs(t, "data"), rules
	}
	kept, none := actions(0, true)
	require.Equal(t, map[string][]string{"clean": {"abortIncompleteMultipartUpload"}}, none)
	expiring, some := actions(7, true)
	require.Equal(t, map[string][]string{
		"expire-results": {"expiration"}, "expire-batch": {"expiration"}, "expire-staging": {"expiration"},
		"clean": {"noncurrentVersionExpiration", "abortIncompleteMultipartUpload"},
	}, some)
	require.Equal(t, kept, expiring)
	_, unversioned := actions(7, false)
	require.Equal(t, []string{"abortIncompleteMultipartUpload"}, unversioned["clean"])
}

// A resource may be made only after those it would fail without.
func TestOrder(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, everything)
	file := filepath.Join(t.TempDir(), "model.tar.gz")
	require.NoError(t, os.WriteFile(file, []byte(gzipMagic+"weights"), 0o600))
	p.Files["modelDataUrl"] = file
	r := execute(t, p, tmpl, testEnv)
	for name, before := range map[string][]string{
		"machine":          {"states-policy", "states-role", "states-logs", "endpoint", "pre-live", "data", "key"},
		"version":          {"machine"},
		"alias":            {"version"},
		"pre":              {"pre-logs", "lambda-policy", "lambda-role", "dlq", "key", "data"},
		"pre-live":         {"pre"},
		testBase + "-m":    {"sagemaker-policy", "sagemaker-role", "artifact-own-key"},
		testBase + "-c":    {testBase + "-m", "key", "data"},
		"endpoint":         {testBase + "-c", "endpoint-logs"},
		"scale":            {"endpoint"},
		"scale-policy":     {"scale"},
		"artifact-own-key": {"data", "data-sse", "data-own", "data-versioning"},
		"data-lifecycle":   {"data", "data-versioning"},
		"data-policy":      {"data", "data-pab"},
		"status-dlq":       {"status", "dlq", "dlq-policy"},
		"alarm-failed":     {"machine"},
		"states-policy":    {"states-role", "key"},
		"data-sse":         {"data", "key"},
		"key-alias":        {"key"},
		"pre-logs":         {"key"},
		"alarm-throttled":  {"machine"},
	} {
		require.Subset(t, r.made[name].deps, before, "%s waits for too little: %v", name, r.made[name].deps)
	}
	require.Equal(t, []string{"region", "spec"}, r.order[:2], "the spec has to be in the state before anything is made")
	for _, m := range r.made {
		require.Equal(t, m.name != "spec" && m.name != "region", slices.Contains(m.deps, "spec"), "%s and the spec: %v", m.name, m.deps)
	}
}

func TestTagsEverywhere(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, everything)
	r := execute(t, p, tmpl, testEnv)
	want := map[string]any{
		"team": "ml", "pipelinetui:tenant": "acme", "pipelinetui:model": "churn", "pipelinetui:env": "dev",
		"pipelinetui:template": "realtime", "pipelinetui:template-version": "1", "pipelinetui:stack": "acme.churn.dev",
		"pipelinetui:managed": "true",
	}
	untaggable := []string{
		"region", "spec", "fleet", "data-pab", "data-own", "data-sse", "data-versioning", "data-lifecycle", "data-policy", "key-alias", "dlq-policy",
		"status-dlq", "states-policy", "lambda-policy", "sagemaker-policy", "pre-live", "scale-policy", "version", "alias",
		"states-policy-only", "lambda-policy-only", "sagemaker-policy-only", "states-no-attachments", "lambda-no-attachments", "sagemaker-no-attachments",
	}
	for _, name := range r.names() {
		if slices.Contains(untaggable, name) {
			require.NotContains(t, r.inputs(t, name), "tags", name)
			continue
		}
		if name == "machine" || name == "endpoint" { // a list, in a fixed order
			got := map[string]any{}
			var keys []string
			for _, tag := range r.inputs(t, name)["tags"].([]any) {
				m := tag.(map[string]any)
				got[m["key"].(string)] = m["value"]
				keys = append(keys, m["key"].(string))
			}
			require.Equal(t, want, got)
			require.True(t, slices.IsSorted(keys))
			continue
		}
		require.Equal(t, want, r.inputs(t, name)["tags"], name)
	}
}

func TestExports(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, nil)
	r := execute(t, p, tmpl, testEnv)
	n := p.Names(testAccount)
	base := map[string]any{
		"stateMachineArn": n.StateMachineARN, "stateMachineVersionArn": n.StateMachineARN + ":1",
		"stateMachineAliasArn": n.StateMachineAliasARN, "bucketName": n.Bucket, "bucketUri": "s3://" + n.Bucket,
		"inputPrefixUri": "s3://" + n.Bucket + "/in/", "resultsPrefixUri": "s3://" + n.Bucket + "/results/",
		"preprocessFunctionArn": n.FunctionAliasARN, "endpointName": n.Endpoint, "modelName": testBase + "-m-0a1b2c3",
		"stateLogGroup": n.StatesLogs, "template": "realtime", "templateVersion": "1",
	}
	require.Empty(t, cmp.Diff(base, r.exports))

	p, tmpl = pipelineOf(t, everything)
	more := maps.Clone(base)
	more["dlqUrl"] = "https://sqs.us-east-1.amazonaws.com/" + testAccount + "/" + n.DeadLetters
	more["kmsKeyArn"] = testKey
	require.Empty(t, cmp.Diff(more, execute(t, p, tmpl, testEnv).exports))

	// Every block says what it exports, and nothing else is exported.
	said := []string{"template", "templateVersion"}
	for _, b := range Blocks() {
		said = append(said, b.Exports...)
	}
	p, tmpl = pipelineOf(t, map[string]any{"invoker": "lambda"})
	arn := execute(t, p, tmpl, testEnv).exports["invokerFunctionArn"]
	require.Equal(t, n.InvokerAliasARN, arn)
	more["invokerFunctionArn"] = arn
	p, tmpl = pipelineOf(t, map[string]any{"notify.topic": spec.MadeTopic, "events": "push"})
	more["eventsTopicArn"] = execute(t, p, tmpl, testEnv).exports["eventsTopicArn"]
	more["noticesTopicArn"] = execute(t, p, tmpl, testEnv).exports["noticesTopicArn"]
	require.ElementsMatch(t, slices.Collect(maps.Keys(more)), said)
}

// The spec is kept as a JSON value, so that a preview shows what changed in it.
func TestSpecIsKept(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, map[string]any{"modelEnvironment": map[string]string{"TOKEN": "s3cret"}})
	for i, param := range tmpl.Parameters {
		if param.Name == "modelEnvironment" {
			tmpl.Parameters[i].Secret = true
		}
	}
	p.Document = []byte(`{"tenant":"acme","parameters":{"image":"i","modelEnvironment":{"TOKEN":"s3cret"}}}`)
	r := execute(t, p, tmpl, testEnv)
	require.Equal(t, "pulumi:index:Stash", r.made["spec"].token)
	var want any
	require.NoError(t, json.Unmarshal(p.Document, &want))
	require.Empty(t, cmp.Diff(want, r.inputs(t, "spec")["input"]))

	in := r.made["spec"].inputs["input"].ObjectValue()
	parameters := in["parameters"].ObjectValue()
	require.True(t, parameters["modelEnvironment"].IsSecret())
	require.False(t, parameters["image"].IsSecret())
	env := r.made[testBase+"-m"].inputs["primaryContainer"].ObjectValue()["environment"]
	require.True(t, env.IsSecret(), "%v", env)
}

func TestNestedSecretsOfTheSpec(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, map[string]any{"preprocess.environment": map[string]string{"TOKEN": "s3cret"}})
	for i, param := range tmpl.Parameters {
		if param.Name == "preprocess.environment" {
			tmpl.Parameters[i].Secret = true
		}
	}
	p.Document = []byte(`{"parameters":{"preprocess":{"environment":{"TOKEN":"s3cret"},"memoryMb":256,"x":null},"a":[1,true,"t"]}}`)
	r := execute(t, p, tmpl, testEnv)
	in := r.made["spec"].inputs["input"].ObjectValue()["parameters"].ObjectValue()
	require.True(t, in["preprocess"].ObjectValue()["environment"].IsSecret())
	require.Equal(t, resource.NewNumberProperty(256), in["preprocess"].ObjectValue()["memoryMb"])
	require.Equal(t, []any{float64(1), true, "t"}, in["a"].Mappable())
	variables := r.made["pre"].inputs["environment"].ObjectValue()["variables"]
	require.True(t, variables.ObjectValue()["TOKEN"].IsSecret(), "%v", variables)
}

func TestConfig(t *testing.T) {
	t.Parallel()
	p, _ := pipelineOf(t, nil)
	p.Region = "eu-central-1"
	require.Equal(t, map[string]string{"aws:region": "eu-central-1", "aws-native:region": "eu-central-1"}, Config(p, testEnv))

	p.Region, p.AssumeRole = "", "arn:aws:iam::111122223333:role/deployer"
	role := `{"roleArn":"arn:aws:iam::111122223333:role/deployer","sessionName":"ptui-acme-churn-dev"}`
	require.Equal(t, map[string]string{
		"aws:region": testRegion, "aws-native:region": testRegion, "aws:assumeRole": role, "aws-native:assumeRole": role,
	}, Config(p, testEnv))
}

func TestOtherPartition(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, everything)
	p.Region = "cn-north-1"
	p.Parameters["image"] = "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/churn:1"
	pl, err := newPlan(p, tmpl, testEnv)
	require.NoError(t, err)
	for r, statements := range pl.grants {
		text, err := document(append(statements, pl.trust(r)...))
		require.NoError(t, err)
		require.NotContains(t, text, "arn:aws:", r)
		require.NotContains(t, text, "us-east-1", r)
	}
	require.NotContains(t, pl.definition.json, "arn:aws:lambda")
}

func TestPipelineRefuses(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing")
	for name, c := range map[string]struct {
		change func(*spec.Pipeline, *spec.Template, *Env)
		want   []string
	}{
		"unknown block": {func(_ *spec.Pipeline, tm *spec.Template, _ *Env) { tm.Blocks = append(tm.Blocks, "nope") }, []string{`there is no block "nope"`}},
		"block twice":   {func(_ *spec.Pipeline, tm *spec.Template, _ *Env) { tm.Blocks = append(tm.Blocks, "model") }, []string{`block "model" is listed twice`}},
		"no blocks":     {func(_ *spec.Pipeline, tm *spec.Template, _ *Env) { tm.Blocks = nil }, []string{"lists no blocks"}},
		"missing blocks, all at once": {func(_ *spec.Pipeline, tm *spec.Template, _ *Env) {
			tm.Blocks = []string{"endpoint", "alarms"}
		}, []string{
			`block "endpoint" needs block "storage"`, `block "endpoint" needs block "model"`, `block "alarms" needs block "workflow"`,
		}},
		"no image":           {func(p *spec.Pipeline, _ *spec.Template, _ *Env) { delete(p.Parameters, "image") }, []string{`has no image, which block "model" needs`}},
		"account":            {func(_ *spec.Pipeline, _ *spec.Template, e *Env) { e.Account = "12" }, []string{`account id "12"`}},
		"region":             {func(p *spec.Pipeline, _ *spec.Template, _ *Env) { p.Region = "mars" }, []string{`region "mars"`}},
		"definition no JSON": {func(_ *spec.Pipeline, tm *spec.Template, _ *Env) { tm.Definition = []byte("{\n  \"a\": }") }, []string{"line 2, column 8"}},
		"definition a list":  {func(_ *spec.Pipeline, tm *spec.Template, _ *Env) { tm.Definition = []byte("[]") }, []string{"not a JSON object"}},
		"two definitions":    {func(_ *spec.Pipeline, tm *spec.Template, _ *Env) { tm.Definition = []byte("{} {}") }, []string{"after the end"}},
		"unknown substitution": {func(_ *spec.Pipeline, tm *spec.Template, _ *Env) {
			tm.Definition = []byte(`{"States":{"A":{"Type":"Pass","Output":"${nope} ${name}"}}}`)
		}, []string{"uses ${nope}, which neither a parameter nor a block provides"}},
		"parameter without value": {func(p *spec.Pipeline, tm *spec.Template, _ *Env) {
			tm.Definition = []byte(`{"Comment":"${alarms}"}`)
			delete(p.Parameters, "alarms")
		}, []string{"uses ${alarms}, and that parameter has no value"}},
		"unused substitution": {func(_ *spec.Pipeline, tm *spec.Template, _ *Env) {
			tm.Substitutions = []spec.Substitution{{Name: "endpointName"}, {Name: "modelName"}}
		}, []string{"declares the substitution modelName"}},
		"substitution in a key": {func(_ *spec.Pipeline, tm *spec.Template, _ *Env) {
			tm.Definition = []byte(`{"${name}":1}`)
		}, []string{"in the name of a field"}},
		"list inside a text": {func(_ *spec.Pipeline, tm *spec.Template, _ *Env) {
			tm.Definition = []byte(`{"Comment":"x ${subnets}"}`)
		}, []string{"${subnets}: a list or map"}},
		"quote inside an expression": {func(p *spec.Pipeline, tm *spec.Template, _ *Env) {
			tm.Definition = []byte(`{"Output":"{% '${logLevel}' %}"}`)
			p.Parameters["logLevel"] = "a' & $states.input & 'b"
		}, []string{"${logLevel}: a quote"}},
		"call without right": {func(_ *spec.Pipeline, tm *spec.Template, _ *Env) {
			tm.Definition = []byte(`{"States":{"A":{"Type":"Task","Resource":"arn:aws:states:::sagemaker:invokeEndpoint.sync"}}}`)
		}, []string{`state "A" calls "arn:aws:states:::sagemaker:invokeEndpoint.sync"`}},
		"call without block": {func(_ *spec.Pipeline, tm *spec.Template, _ *Env) {
			tm.Definition = []byte(`{"States":{"P":{"Type":"Parallel","Branches":[{"States":{"A":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke"}}}]}}}`)
			tm.Blocks = []string{"storage", "workflow"}
		}, []string{`the template has no block "preprocess"`}},
		"endpoint kind": {func(p *spec.Pipeline, _ *spec.Template, _ *Env) { p.Parameters["endpointKind"] = "async" }, []string{`endpointKind "async"`}},
		"model file missing": {func(p *spec.Pipeline, _ *spec.Template, _ *Env) {
			p.Files["modelDataUrl"] = missing
			p.Files["preprocess.code"] = missing
		}, []string{"modelDataUrl: " + missing, "preprocess.code: " + missing}},
		"model URL": {func(p *spec.Pipeline, _ *spec.Template, _ *Env) {
			p.Parameters["modelDataUrl"] = "https://example.com/m.tar.gz"
		}, []string{"not an address of S3"}},
		"document": {func(p *spec.Pipeline, _ *spec.Template, _ *Env) { p.Document = []byte("nope") }, []string{"document of pipeline acme/churn"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, tmpl := pipelineOf(t, nil)
			env := testEnv
			tmpl.Substitutions = nil // most cases bring a definition of their own
			c.change(p, tmpl, &env)
			run, err := Pipeline(p, tmpl, env)
			require.Nil(t, run)
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
			if name != "document" {
				require.ErrorIs(t, err, fault.Invalid)
				var list fault.List
				require.ErrorAs(t, err, &list)
				require.NotEmpty(t, fault.HintOf(list[0]))
			}
		})
	}
}

// An engine's error reaches the caller with the block it came from; nothing
// panics.
func TestResourceFails(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, nil)
	run, err := Pipeline(p, tmpl, testEnv)
	require.NoError(t, err)
	e := &engine{made: map[string]made{}, fail: "data"}
	err = pulumi.RunErr(run, pulumi.WithMocks("pipelinetui", p.StackName(), e))
	require.Error(t, err)
	require.True(t, strings.Contains(err.Error(), os.ErrPermission.Error()), err.Error())
}

func TestBlocks(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, b := range Blocks() {
		require.NotEmpty(t, b.Title, b.Name)
		for _, need := range b.Needs {
			require.True(t, seen[need], "%s comes before %s, which it needs", b.Name, need)
		}
		require.False(t, seen[b.Name])
		seen[b.Name] = true
	}
	_, errs := selectBlocks([]string{"storage", "workflow"})
	require.Empty(t, errs)
	_, errs = selectBlocks([]string{"preprocess"})
	require.ErrorIs(t, errs.OrNil(), fault.Invalid)
}
