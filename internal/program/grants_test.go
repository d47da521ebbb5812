package program

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// RoleGrants has every statement of every role's policy, whichever roles there are.
func TestRoleGrantsAreOfAllRoles(t *testing.T) {
	t.Parallel()
	change := maps.Clone(everything)
	change["notify.topic"] = spec.MadeTopic
	realtime, tmpl := pipelineOf(t, change)
	batch, batchTemplate := pipelineOfTemplate(t, "batch", withInvoker())
	for _, c := range []struct {
		p     *spec.Pipeline
		t     *spec.Template
		roles int
	}{{realtime, tmpl, 4}, {batch, batchTemplate, 3}} {
		raw, err := RoleGrants(c.p, c.t, testEnv)
		require.NoError(t, err)
		var granted []map[string]any
		require.NoError(t, json.Unmarshal(raw, &granted))
		ran := execute(t, c.p, c.t, testEnv)
		roles := 0
		for _, name := range ran.names() {
			if ran.made[name].token != "aws:iam/rolePolicy:RolePolicy" {
				continue
			}
			roles++
			for _, s := range ran.policy(t, name, "policy").(map[string]any)["Statement"].([]any) {
				found := false
				for _, g := range granted {
					found = found || g["Sid"] == s.(map[string]any)["Sid"] && normal(g["Action"]) != nil && jsonOf(t, normal(g["Action"])) == jsonOf(t, s.(map[string]any)["Action"])
				}
				require.True(t, found, "%s: %v", name, s)
			}
		}
		require.Equal(t, c.roles, roles)
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return string(raw)
}
