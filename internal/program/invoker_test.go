package program

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
)

func withInvoker() map[string]any {
	all := maps.Clone(everything)
	all["invoker"] = "lambda"
	return all
}

// With the invoker "lambda" the definition is the sample that was proved against
// the States Language validators.
func TestDefinitionOfInvoker(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, map[string]any{"invoker": "lambda"})
	text, ok := execute(t, p, tmpl, testEnv).inputs(t, "machine")["definitionString"].(string)
	require.True(t, ok)
	data := sampleDefinition(t, "realtime-lambda-invoker.asl.json", p, tmpl)
	var want, got any
	require.NoError(t, json.Unmarshal(data, &want))
	require.NoError(t, json.Unmarshal([]byte(text), &got))
	require.Empty(t, cmp.Diff(want, got, cmpopts.IgnoreMapEntries(func(k string, _ any) bool { return k == "Comment" })))
	require.NotContains(t, text, "${")
}

// The invoker has a role of its own, with the sample's rights; the state machine
// may invoke it, and no longer the endpoint.
func TestInvokerPolicies(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, withInvoker())
	r := execute(t, p, tmpl, testEnv)
	require.Empty(t, cmp.Diff(sample(t, p, "lambda_invoker"), r.policy(t, "invoker-policy", "policy")))
	require.Empty(t, cmp.Diff(sample(t, p, "trust_lambda"), r.policy(t, "invoker-role", "assumeRolePolicy")))
	states := r.inputs(t, "states-policy")["policy"].(string)
	require.Contains(t, states, `"lambda:InvokeFunction"`)
	require.Contains(t, states, p.Names(testAccount).InvokerARN+":*")
	require.NotContains(t, states, "sagemaker:InvokeEndpoint")
	require.NotContains(t, states, "s3:PutObject")
}

func TestInvokerFunction(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, map[string]any{"invoker": "lambda", "invokeTimeoutSec": 30})
	r := execute(t, p, tmpl, testEnv)
	in := r.inputs(t, "inv")
	require.Equal(t, testBase+"-inv", in["name"])
	require.EqualValues(t, 50, in["timeout"])
	require.Equal(t, map[string]any{"variables": map[string]any{"PIPELINETUI_INVOKE_SECONDS": "30"}}, in["environment"])
	require.Equal(t, "lambda", r.inputs(t, "pre")["environment"].(map[string]any)["variables"].(map[string]any)["PIPELINETUI_INVOKER"])
	require.Contains(t, r.made["machine"].deps, "inv-live")

	p, tmpl = pipelineOf(t, nil)
	plain := execute(t, p, tmpl, testEnv)
	for _, name := range slices.Collect(maps.Keys(plain.made)) {
		require.False(t, strings.HasPrefix(name, "inv"), name)
	}
	require.NotContains(t, plain.inputs(t, "pre")["environment"].(map[string]any)["variables"], "PIPELINETUI_INVOKER")
}
