package program

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/stretchr/testify/require"
)

// TestChangingIsTrue holds what the templates say of changing a parameter against what the
// program asks the engine for: a model and an endpoint configuration are never changed but
// made anew, each change of a state machine or of a function publishes a version of it, and
// only endpointKind makes the endpoint anew.
func TestChangingIsTrue(t *testing.T) {
	t.Parallel()
	type values = map[string]any
	network := values{"subnets": []string{"subnet-1"}, "securityGroups": []string{"sg-1"}}
	// What is changed, and what it is changed from where that is not the default.
	cases := map[string]struct{ from, to values }{
		"image":                        {nil, values{"image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/churn:2"}},
		"modelDataUrl":                 {nil, values{"modelDataUrl": "s3://models/churn/other.tar.gz"}},
		"modelEnvironment":             {nil, values{"modelEnvironment": map[string]string{"A": "b"}}},
		"endpointKind":                 {nil, values{"endpointKind": "serverless"}},
		"serverlessMemoryMb":           {values{"endpointKind": "serverless"}, values{"serverlessMemoryMb": 4096}},
		"serverlessMaxConcurrency":     {values{"endpointKind": "serverless"}, values{"serverlessMaxConcurrency": 7}},
		"provisionedConcurrency":       {values{"endpointKind": "serverless"}, values{"provisionedConcurrency": 3}},
		"instanceType":                 {nil, values{"instanceType": "ml.m5.xlarge"}},
		"initialInstances":             {nil, values{"initialInstances": 2}},
		"volumeGb":                     {nil, values{"volumeGb": 40}},
		"modelDownloadTimeoutSec":      {nil, values{"modelDownloadTimeoutSec": 700}},
		"containerStartupTimeoutSec":   {nil, values{"containerStartupTimeoutSec": 700}},
		"dataCapturePercent":           {nil, values{"dataCapturePercent": 10}},
		"invoker":                      {nil, values{"invoker": "lambda"}},
		"minInstances":                 {values{"maxInstances": 4}, values{"minInstances": 2}},
		"maxInstances":                 {nil, values{"maxInstances": 4}},
		"targetInvocationsPerInstance": {values{"maxInstances": 4}, values{"targetInvocationsPerInstance": 77}},
		"preprocess.code":              {nil, nil}, // see below
		"preprocess.memoryMb":          {nil, values{"preprocess.memoryMb": 1024}},
		"preprocess.timeoutSec":        {nil, values{"preprocess.timeoutSec": 77}},
		"executionTimeoutSec":          {nil, values{"executionTimeoutSec": 777}},
		"invokeTimeoutSec":             {nil, values{"invokeTimeoutSec": 33}},
		"networkIsolation":             {nil, values{"networkIsolation": false}},
		"subnets":                      {network, values{"subnets": []string{"subnet-2"}}},
		"securityGroups":               {network, values{"securityGroups": []string{"sg-2"}}},
		"kmsMode":                      {nil, values{"kmsMode": "customer"}},
		"events":                       {nil, values{"events": "push"}},
		"notify.topic":                 {nil, values{"notify.topic": "made"}},
		"notify.email":                 {values{"notify.topic": "made"}, values{"notify.email": []string{"ops@example.com"}}},
		"notify.slack":                 {values{"notify.topic": "made"}, values{"notify.slack": "https://hooks.example.com/one"}},
		"notify.windowSec":             {values{"notify.topic": "made"}, values{"notify.windowSec": 10}},
	}
	for name, to := range (values{
		"rollout.strategy": "canary", "rollout.size": "40%", "rollout.interval": "1m", "rollout.bake": "1m", "rollout.timeout": "2h", "rollout.alarms": []string{"theirs"},
		"thresholds.endpoint5xx": 3, "thresholds.endpoint4xx": 3, "thresholds.modelErrors": 3, "thresholds.latencyP99Ms": 3, "thresholds.functionErrors": 3,
		"thresholds.functionThrottles": 3, "thresholds.executionsFailed": 3, "thresholds.deadLetters": 3,
	}) {
		from := values{"alarms": true, "rollout.strategy": "linear"}
		cases[name] = struct{ from, to values }{from, values{name: to}}
	}
	for _, template := range []string{"realtime", "batch"} {
		_, tmpl := pipelineOfTemplate(t, template, nil)
		for _, param := range tmpl.Parameters {
			c, known := cases[param.Name]
			if param.Changing == "" || template == "batch" && !known {
				continue
			}
			require.True(t, known, "%s says what changing %s does, and nobody has looked", template, param.Name)
			before := effects(t, template, c.from, "")
			after := maps.Clone(c.from)
			if after == nil {
				after = values{}
			}
			maps.Copy(after, c.to)
			code := ""
			if param.Name == "preprocess.code" {
				code = t.TempDir()
				require.NoError(t, os.WriteFile(filepath.Join(code, "handler.py"), []byte("def handler(event, context):\n    return event\n"), 0o600))
			}
			now := effects(t, template, after, code)
			var changed []string
			for _, of := range []string{"model", "endpoint configuration", "state machine", "function"} {
				if !before[of].DeepEquals(now[of]) {
					changed = append(changed, of)
				}
			}
			if slices.Contains(changed, "model") && !slices.Contains(changed, "endpoint configuration") {
				changed = slices.Insert(changed, 1, "endpoint configuration") // it names the model
			}
			var said []string
			text, _, _ := strings.Cut(param.Changing, ";")
			text, _, _ = strings.Cut(text, ", and makes or deletes")
			for _, of := range []string{"model", "endpoint configuration", "state machine", "function"} {
				if strings.Contains(text, of) {
					said = append(said, of)
				}
			}
			if param.Name == "endpointKind" {
				require.Contains(t, param.Changing, "made anew")
				continue
			}
			require.Equal(t, changed, said, "%s: changing %s: %q", template, param.Name, param.Changing)
			require.NotContains(t, param.Changing, "made anew", param.Name)
		}
	}
}

// effects are the inputs of what is made anew, or gets a version, with each change.
func effects(t *testing.T, template string, change map[string]any, code string) map[string]resource.PropertyMap {
	t.Helper()
	p, tmpl := pipelineOfTemplate(t, template, change)
	if code != "" {
		p.Files["preprocess.code"] = code
	}
	r := execute(t, p, tmpl, testEnv)
	digest := regexp.MustCompile("sha256:[0-9a-f]{64}")
	out := map[string]resource.PropertyMap{}
	for name, of := range map[string]string{testBase + "-m": "model", testBase + "-c": "endpoint configuration", "machine": "state machine", "pre": "function"} {
		in := r.made[name].inputs.Copy()
		delete(in, "tags") // of a model and a configuration in place
		delete(in, "reservedConcurrentExecutions")
		if text := in["definitionString"]; text.IsString() {
			// Every revision has its digests there; they change nothing of what it does.
			in["definitionString"] = resource.NewStringProperty(digest.ReplaceAllString(text.StringValue(), "sha256:"))
		}
		out[of] = in
	}
	return out
}
