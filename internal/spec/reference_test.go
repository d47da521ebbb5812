package spec_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// Every key of the schema is on the page, with meaning, rule and example.
func TestReferenceHasEveryKey(t *testing.T) {
	t.Parallel()
	cat := builtin(t)
	raw, err := spec.JSONSchema(cat)
	require.NoError(t, err)
	var schema any
	require.NoError(t, json.Unmarshal(raw, &schema))
	keys := map[string]bool{}
	keysOf(schema, keys)
	require.Greater(t, len(keys), 60)

	rows := map[string][]string{}
	for line := range strings.Lines(spec.Reference(cat)) {
		if name, ok := strings.CutPrefix(line, "| `"); ok {
			cells := strings.Split(strings.ReplaceAll(name, `\|`, "/"), " | ")
			require.Len(t, cells, 5, line)
			rows[strings.TrimSuffix(cells[0], "`")] = cells
		}
	}
	for key := range keys {
		found := false
		for name := range rows {
			found = found || name == key || strings.HasSuffix(name, "."+key)
		}
		require.True(t, found || hasPart(rows, key), "%s is not on the page", key)
	}
	for name, cells := range rows {
		require.NotEmpty(t, strings.TrimSpace(cells[1]), "%s has no meaning", name)
		require.NotEmpty(t, strings.TrimSpace(cells[2]), "%s has no rule", name)
		switch name {
		case "defaults", "tenants", "pipelines", "parameters":
		default:
			require.NotEqual(t, "|", strings.TrimSpace(cells[4]), "%s has no example", name)
		}
	}
}

// keysOf are the names of all properties of a schema.
func keysOf(v any, keys map[string]bool) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			keysOf(x, keys)
		}
	case map[string]any:
		if properties, ok := v["properties"].(map[string]any); ok {
			for key := range properties {
				keys[key] = true
			}
		}
		for key, x := range v {
			if key != "examples" && key != "default" {
				keysOf(x, keys)
			}
		}
	}
}

// hasPart tells whether a key is that of a group of parameters: preprocess of preprocess.code.
func hasPart(rows map[string][]string, key string) bool {
	for name := range rows {
		if strings.HasPrefix(name, key+".") || strings.Contains(name, "."+key+".") {
			return true
		}
	}
	return false
}

// The example of each parameter is one that the schema takes.
func TestReferenceExamplesAreTaken(t *testing.T) {
	t.Parallel()
	cat := builtin(t)
	raw, err := spec.JSONSchema(cat)
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("spec.json", strings.NewReader(string(raw))))
	for _, tmpl := range cat.List() {
		s, err := c.Compile("spec.json#/$defs/parameters-" + tmpl.Name)
		require.NoError(t, err)
		for i := range tmpl.Parameters {
			p := &tmpl.Parameters[i]
			text, err := json.Marshal(map[string]any{p.Name: p.Sample()})
			require.NoError(t, err)
			var v any
			require.NoError(t, json.Unmarshal(text, &v))
			require.NoError(t, s.Validate(v), "%s %s", tmpl.Name, text)
		}
	}
}
