package program

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/program/native"
)

// former is what of a state that version 0.1 made, by the real engine, concerns the
// endpoint: with autoscaling, and aws-native's provider behind the endpoint.
func former(t *testing.T, edit func(doc map[string]any)) json.RawMessage {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "migrate", "former.json"))
	require.NoError(t, err)
	if edit == nil {
		return raw
	}
	var doc map[string]any
	require.NoError(t, json.Unmarshal(raw, &doc))
	edit(doc)
	raw, err = json.Marshal(doc)
	require.NoError(t, err)
	return raw
}

func migrated(t *testing.T, raw json.RawMessage) (doc map[string]any, byName map[string]map[string]any) {
	t.Helper()
	out, err := Migrate(raw)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(out, &doc))
	byName = map[string]map[string]any{}
	seen := map[string]bool{}
	for _, r := range doc["resources"].([]any) {
		entry := r.(map[string]any)
		urn := entry["urn"].(string)
		// As the engine wants it: what is referred to stands before.
		provider, _ := entry["provider"].(string)
		if i := strings.LastIndex(provider, "::"); i > 0 {
			require.True(t, seen[provider[:i]], "%s: its provider comes later", urn)
		}
		deps, _ := entry["dependencies"].([]any)
		for _, d := range deps {
			if strings.HasSuffix(d.(string), "::endpoint") || strings.HasSuffix(d.(string), "::"+FleetResource) {
				require.True(t, seen[d.(string)], "%s depends on %s, which comes later", urn, d)
			}
		}
		seen[urn] = true
		byName[urn[strings.LastIndex(urn, "::")+2:]] = entry
	}
	return doc, byName
}

// TestMigrateTakesTheEndpointOver: the entry of another type and provider, with what refers
// to it and what autoscaling hangs on; nothing else is changed, and a second time nothing.
func TestMigrateTakesTheEndpointOver(t *testing.T) {
	t.Parallel()
	before := former(t, nil)
	after, by := migrated(t, before)
	endpoint := by["endpoint"]
	require.Equal(t, kinds.Endpoint, endpoint["type"])
	require.Equal(t, "arn:aws:sagemaker:us-east-1:000000000000:endpoint/ptui-acme-iris-dev-ep", endpoint["id"])
	require.Contains(t, endpoint["provider"], "::pulumi:providers:aws-native::default_1_70_0::")
	inputs := endpoint["inputs"].(map[string]any)
	require.Equal(t, "ptui-acme-iris-dev-ep", inputs["endpointName"])
	require.Equal(t, true, inputs["retainAllVariantProperties"])
	require.Equal(t, map[string]any{"key": "pipelinetui:env", "value": "dev"}, inputs["tags"].([]any)[0])
	require.NotContains(t, inputs, "tagsAll")
	require.NotContains(t, endpoint["outputs"], "__inputs", "the sandbox's provider has none")
	require.Equal(t, "ml.m5.large", by[FleetResource]["replacementTrigger"])
	target := by["scale"]
	require.Contains(t, target["dependencies"], by[FleetResource]["urn"])
	require.Equal(t, []any{endpoint["urn"], by[FleetResource]["urn"]}, target["propertyDependencies"].(map[string]any)["resourceId"])
	text, err := json.Marshal(after)
	require.NoError(t, err)
	require.NotContains(t, string(text), kinds.FormerEndpoint)
	again, err := Migrate(text)
	require.NoError(t, err)
	require.JSONEq(t, string(text), string(again))

	var was map[string]any
	require.NoError(t, json.Unmarshal(before, &was))
	require.Len(t, after["resources"], len(was["resources"].([]any))+1)
	for _, r := range was["resources"].([]any) {
		old := r.(map[string]any)
		name := old["urn"].(string)[strings.LastIndex(old["urn"].(string), "::")+2:]
		if name != "endpoint" && name != "scale" && old["dependencies"] == nil {
			require.Equal(t, old, by[name], name)
		}
		require.Equal(t, old["replacementTrigger"] == nil, by[name]["replacementTrigger"] == nil, name)
	}
}

// TestMigrateOfOtherStates: of the official plugin, which compares with the inputs that it
// keeps among the outputs; cut off before there was a state machine; without an ARN; with
// an old endpoint that waits for its deletion.
func TestMigrateOfOtherStates(t *testing.T) {
	t.Parallel()
	of := func(doc map[string]any, part string) []map[string]any {
		var out []map[string]any
		for _, r := range doc["resources"].([]any) {
			if entry := r.(map[string]any); strings.Contains(entry["urn"].(string), part) {
				out = append(out, entry)
			}
		}
		return out
	}
	_, by := migrated(t, former(t, func(doc map[string]any) {
		of(doc, "stepfunctions:StateMachine::")[0]["outputs"] = map[string]any{"__inputs": map[string]any{secretSignature: secretValue, "ciphertext": "x"}}
	}))
	kept := by["endpoint"]["outputs"].(map[string]any)["__inputs"].(map[string]any)
	require.Equal(t, secretValue, kept[secretSignature])
	require.Contains(t, kept["plaintext"], `"retainAllVariantProperties":true`)

	doc, by := migrated(t, former(t, func(doc map[string]any) {
		var left []any
		for _, r := range doc["resources"].([]any) {
			if !strings.Contains(r.(map[string]any)["urn"].(string), "aws-native:") {
				left = append(left, r)
			}
		}
		for i, r := range left {
			if strings.Contains(r.(map[string]any)["urn"].(string), "aws-native::") {
				left = append(left[:i:i], left[i+1:]...)
				break
			}
		}
		doc["resources"] = left
	}))
	provider := of(doc, "pulumi:providers:aws-native")
	require.Len(t, provider, 1)
	require.Equal(t, native.Version, provider[0]["inputs"].(map[string]any)["version"])
	require.Equal(t, provider[0]["urn"].(string)+"::"+provider[0]["id"].(string), by["endpoint"]["provider"])

	_, err := Migrate(former(t, func(doc map[string]any) { of(doc, "endpoint:Endpoint")[0]["outputs"] = map[string]any{} }))
	require.ErrorContains(t, err, "does not tell the ARN")

	raw := former(t, func(doc map[string]any) { of(doc, "endpoint:Endpoint")[0]["delete"] = true })
	out, err := Migrate(raw)
	require.NoError(t, err)
	require.JSONEq(t, string(raw), string(out))
}

// The official aws-native drops the name of an endpoint that it reads from what it was given.
func TestMigratePutsANameBack(t *testing.T) {
	t.Parallel()
	doc := func(inputs string, kept bool) json.RawMessage {
		outputs := `{"endpointName":"ep","endpointConfigName":"c"}`
		if kept {
			outputs = `{"endpointName":"ep","endpointConfigName":"c","__inputs":{"4dabf18193072939515e22adb298388d":"1b47061264138c4ac30d75fd1eb44270","ciphertext":"x"}}`
		}
		return json.RawMessage(`{"resources":[{"urn":"urn:pulumi:s::p::` + kinds.Endpoint + `::endpoint","type":"` + kinds.Endpoint +
			`","id":"arn:aws:sagemaker:us-east-1:111122223333:endpoint/ep","inputs":` + inputs + `,"outputs":` + outputs + `}]}`)
	}
	whole := doc(`{"endpointConfigName":"c","endpointName":"ep"}`, true)
	same, err := Migrate(whole)
	require.NoError(t, err)
	require.Equal(t, string(whole), string(same))
	for _, kept := range []bool{true, false} {
		_, by := migrated(t, doc(`{"endpointConfigName":"c"}`, kept))
		require.Equal(t, map[string]any{"endpointConfigName": "c", "endpointName": "ep"}, by["endpoint"]["inputs"])
		inputs, has := by["endpoint"]["outputs"].(map[string]any)["__inputs"].(map[string]any)
		require.Equal(t, kept, has)
		if kept {
			require.JSONEq(t, `{"endpointConfigName":"c","endpointName":"ep"}`, inputs["plaintext"].(string))
		}
	}
}
