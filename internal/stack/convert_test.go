package stack

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

func TestValuesArePlainAndSecretsBlind(t *testing.T) {
	t.Parallel()
	const secret = `{"4dabf18193072939515e22adb298388d":"1b47061264138c4ac30d75fd1eb44270","ciphertext":"x","plaintext":"{\"a\":\"hunter2\"}"}`
	tests := []struct {
		name, in string
		blind    any
		revealed any
	}{
		{"string", `"a"`, "a", "a"},
		{"number in a list", `[1.5]`, []any{1.5}, []any{1.5}},
		{"unknown", `"04da6b54-80e4-46f7-96ec-b56ff0331ba9"`, UnknownValue, UnknownValue},
		{"secret", secret, SecretValue, map[string]any{"a": "hunter2"}},
		{"secret inside", `{"list":[` + secret + `]}`, map[string]any{"list": []any{SecretValue}}, map[string]any{"list": []any{map[string]any{"a": "hunter2"}}}},
		{
			"asset", `{"4dabf18193072939515e22adb298388d":"c44067f5952c0a294b673a41bacd8c17","hash":"0123456789abcdef","path":"a.zip"}`,
			"asset(a.zip, sha256:0123456789ab)", "asset(a.zip, sha256:0123456789ab)",
		},
		{
			"archive", `{"4dabf18193072939515e22adb298388d":"0def7320c3a5731c473e5ecbe6d01bc7","hash":"0123456789abcdef","assets":{}}`,
			"archive(sha256:0123456789ab)", "archive(sha256:0123456789ab)",
		},
		{"resource reference", `{"4dabf18193072939515e22adb298388d":"5cf8f73096256a8f31e491e813e4eb8e","urn":"urn:x","id":"i-1"}`, "i-1", "i-1"},
		{"secret output value", `{"4dabf18193072939515e22adb298388d":"d0e6a833031e9bbcd3f4e8bde6ca49a4","secret":true,"value":"hunter2"}`, SecretValue, "hunter2"},
		{"output value not known", `{"4dabf18193072939515e22adb298388d":"d0e6a833031e9bbcd3f4e8bde6ca49a4"}`, UnknownValue, UnknownValue},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var v any
			require.NoError(t, json.Unmarshal([]byte(tt.in), &v))
			require.Equal(t, tt.blind, plain(v, false))
			require.Equal(t, tt.revealed, plain(v, true))
		})
	}
}

func TestDetailedDiffsLookUpBothSides(t *testing.T) {
	t.Parallel()
	secret := map[string]any{"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "[secret]"}
	md := apitype.StepEventMetadata{
		Op: apitype.OpUpdate, URN: urn(thingType, "a"), Type: thingType,
		Old: &apitype.StepEventStateMetadata{
			Inputs:  map[string]any{"tags": map[string]any{"team": "ml"}, "env": secret, "gone": "x"},
			Outputs: map[string]any{"tags": map[string]any{"team": "ml"}, "size": 1.0, "env": secret, "gone": "x"},
		},
		New: &apitype.StepEventStateMetadata{
			Inputs: map[string]any{"tags": map[string]any{"team": "ai", "new": "1"}, "size": 2.0, "env": secret},
		},
		DetailedDiff: map[string]apitype.PropertyDiff{
			"tags.team": {Kind: apitype.DiffUpdate},
			"tags.new":  {Kind: apitype.DiffAdd},
			"size":      {Kind: apitype.DiffUpdateReplace},
			"env.TOKEN": {Kind: apitype.DiffUpdate, InputDiff: true},
			"gone":      {Kind: apitype.DiffDelete},
		},
	}
	want := []PropertyDiff{
		{Path: "env.TOKEN", Kind: DiffUpdate, Old: SecretValue, New: SecretValue},
		{Path: "gone", Kind: DiffDelete, Old: "x"},
		{Path: "size", Kind: DiffUpdate, Replace: true, Old: 1.0, New: 2.0},
		{Path: "tags.new", Kind: DiffAdd, New: "1"},
		{Path: "tags.team", Kind: DiffUpdate, Old: "ml", New: "ai"},
	}
	if diff := cmp.Diff(want, step(md, true).Diff); diff != "" {
		t.Fatalf("-want +got\n%s", diff)
	}
}

func TestReasonsLoseTheirFrames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, urn, want string }{
		{"plain", "", "plain"},
		{"an unhandled error occurred: 1 error occurred:\n\t* no such thing\n\n", "", "no such thing"},
		{"2 errors occurred:\n\t* one\n\t* two\n\n", "", "one\ntwo"},
		{"1 error occurred:\n\t* creating IAM Role (x): AccessDenied: no", "", "creating IAM Role (x): AccessDenied: no"},
		{"ptest:index:Thing resource 'a': must be blue", urn(thingType, "a"), "must be blue"},
		{"ptest:index:Thing resource 'b': must be blue", urn(thingType, "a"), "ptest:index:Thing resource 'b': must be blue"},
	} {
		require.Equal(t, tt.want, reason(tt.in, tt.urn))
	}
}

func TestMarkupIsRemoved(t *testing.T) {
	t.Parallel()
	require.Equal(t, "error: no", text("<{%fg 1%}>error: <{%reset%}>no<{%reset%}>\n"))
}

// What is there and is no text is not absent.
func TestTextOfAnOutput(t *testing.T) {
	t.Parallel()
	s := &State{Stack: "acme.iris.dev", Outputs: map[string]Output{
		"arn": {Value: "arn:aws:x"}, "number": {Value: 7.0}, "secret": {Value: SecretValue, Secret: true}, "none": {},
	}}
	for name, want := range map[string]string{"arn": "arn:aws:x", "none": "", "absent": ""} {
		got, err := s.Text(name)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, name := range []string{"number", "secret"} {
		_, err := s.Text(name)
		require.ErrorIs(t, err, fault.Damaged)
		require.ErrorContains(t, err, name)
	}
}
