package spec_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v5"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/spec"
)

func compileSchema(t *testing.T, cat *spec.Catalog) *jsonschema.Schema {
	t.Helper()
	text, err := spec.JSONSchema(cat)
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("spec.json", strings.NewReader(string(text))))
	s, err := c.Compile("spec.json")
	require.NoError(t, err)
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	var v any
	require.NoError(t, yaml.Unmarshal([]byte(text), &v))
	data, err := json.Marshal(v)
	require.NoError(t, err)
	var plain any
	require.NoError(t, json.Unmarshal(data, &plain))
	return s.Validate(plain)
}

// TestSchemaAccepts holds the schema against every spec of the examples.
func TestSchemaAccepts(t *testing.T) {
	t.Parallel()
	s := compileSchema(t, builtin(t))
	files, err := filepath.Glob("../../examples/*/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, validate(t, s, string(text)), file)
	}
	require.NoError(t, validate(t, s, header+"tenants: {acme: }\npipelines: [{tenant: acme, model: m, parameters: {preprocess: {memoryMb: 300}, preprocess.timeoutSec: 5}}]\n"))
}

// TestSchemaAgrees: what the schema refuses, the loader refuses, and the other
// way round as far as a schema can tell.
func TestSchemaAgrees(t *testing.T) {
	t.Parallel()
	cat := builtin(t)
	s := compileSchema(t, cat)
	for name, text := range map[string]string{
		"no apiVersion":  "pipelines: [{tenant: a, model: b}]",
		"version":        "apiVersion: v2\npipelines: [{tenant: a, model: b}]",
		"no pipelines":   "apiVersion: pipelinetui/v1",
		"empty":          header + "pipelines: []",
		"unknown key":    header + "colour: 1\npipelines: [{tenant: a, model: b}]",
		"unknown in one": header + "pipelines: [{tenant: a, model: b, colour: 1}]",
		"no model":       header + "pipelines: [{tenant: a}]",
		"bad tenant":     header + "pipelines: [{tenant: A, model: b}]",
		"bad region":     header + "pipelines: [{tenant: a, model: b, region: mars}]",
		"bad role":       header + "pipelines: [{tenant: a, model: b, assumeRole: x}]",
		"tag":            header + "pipelines: [{tenant: a, model: b, tags: {x: 1}}]",
		"template":       header + "pipelines: [{tenant: a, model: b, template: none}]",
		"parameter":      header + "pipelines: [{tenant: a, model: b, parameters: {nope: 1}}]",
		"in group":       header + "pipelines: [{tenant: a, model: b, parameters: {preprocess: {nope: 1}}}]",
		"range":          header + "pipelines: [{tenant: a, model: b, parameters: {preprocess: {memoryMb: 1}}}]",
		"range, dotted":  header + "pipelines: [{tenant: a, model: b, parameters: {preprocess.memoryMb: 1}}]",
		"type":           header + "pipelines: [{tenant: a, model: b, parameters: {tracing: 1}}]",
		"choice":         header + "pipelines: [{tenant: a, model: b, parameters: {instanceType: m5}}]",
		"int choice":     header + "pipelines: [{tenant: a, model: b, parameters: {logRetentionDays: 31}}]",
		"above":          header + "pipelines: [{tenant: a, model: b, parameters: {targetInvocationsPerInstance: 0}}]",
		"image":          header + "pipelines: [{tenant: a, model: b, parameters: {image: nginx}}]",
		"list":           header + "pipelines: [{tenant: a, model: b, parameters: {subnets: [x], securityGroups: [sg-0a1b2c3d]}}]",
		"map":            header + "pipelines: [{tenant: a, model: b, parameters: {modelEnvironment: {A: 1}}}]",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Error(t, validate(t, s, text))
			_, errs := load(t, cat, text, spec.Options{})
			require.NotEmpty(t, errs)
		})
	}
}

// TestSchemaOfSeveralTemplates: parameters are those of the named template.
func TestSchemaOfSeveralTemplates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, file := range tinyFS() {
		write(t, dir, name, string(file.Data))
	}
	cat, err := spec.LoadCatalog(templatesFS(), dir)
	require.NoError(t, err)
	s := compileSchema(t, cat)
	one := func(template, parameters string) string {
		return "apiVersion: pipelinetui/v1\npipelines: [{tenant: a, model: b, template: " + template + ", parameters: {" + parameters + "}}]"
	}
	require.NoError(t, validate(t, s, one("tiny", "word: abc")))
	require.NoError(t, validate(t, s, one("realtime", "maxInstances: 2")))
	require.Error(t, validate(t, s, one("tiny", "maxInstances: 2")))
	require.Error(t, validate(t, s, one("realtime", "word: abc")))
}
