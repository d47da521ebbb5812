package stack

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/sig"
	"github.com/stretchr/testify/require"
)

// TestSpecWithSecrets: a spec that holds secrets is read without them where they
// are blind, and whole where they are not.
func TestSpecWithSecrets(t *testing.T) {
	t.Parallel()
	secret := func(more map[string]any) map[string]any {
		more[sig.Key] = sig.Secret
		return more
	}
	spec := func(hidden map[string]any) apitype.ResourceV3 {
		return apitype.ResourceV3{Inputs: map[string]any{"input": map[string]any{
			"tenant": "acme", "parameters": map[string]any{"image": "x", "environment": hidden},
		}}}
	}
	doc, hidden := specOf(spec(secret(map[string]any{"ciphertext": "v1:abc"})), false)
	require.True(t, hidden)
	require.JSONEq(t, `{"tenant":"acme","parameters":{"image":"x","environment":{"secret":null}}}`, string(doc))

	doc, hidden = specOf(spec(map[string]any{"COLOUR": "blue", "TOKEN": map[string]any{"secret": secret(map[string]any{"ciphertext": "v1:abc"})}}), false)
	require.True(t, hidden)
	require.JSONEq(t, `{"tenant":"acme","parameters":{"image":"x","environment":{"COLOUR":"blue","TOKEN":{"secret":null}}}}`, string(doc))

	doc, hidden = specOf(spec(secret(map[string]any{"plaintext": `{"TOKEN":"xyzzy"}`})), true)
	require.False(t, hidden)
	require.JSONEq(t, `{"tenant":"acme","parameters":{"image":"x","environment":{"TOKEN":"xyzzy"}}}`, string(doc))

	doc, hidden = specOf(spec(map[string]any{"COLOUR": "blue"}), false)
	require.False(t, hidden)
	require.JSONEq(t, `{"tenant":"acme","parameters":{"image":"x","environment":{"COLOUR":"blue"}}}`, string(doc))

	doc, hidden = specOf(apitype.ResourceV3{Inputs: map[string]any{"input": secret(map[string]any{"ciphertext": "v1:abc"})}}, false)
	require.True(t, hidden)
	require.Nil(t, doc)
}
