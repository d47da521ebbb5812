package spec_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
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

// TestSchemaIsPrecise: an entry without a template has the parameters of the one in
// defaults, unless a tenant has another; a layer that several templates share takes
// the names of all.
func TestSchemaIsPrecise(t *testing.T) {
	t.Parallel()
	cat := builtin(t)
	s := compileSchema(t, cat)
	head := func(template string) string {
		return "apiVersion: pipelinetui/v1\nx-own: [1]\ndefaults: {template: " + template + "}\n"
	}
	one := func(parameters string) string {
		return "pipelines: [{tenant: a, model: b, parameters: {" + parameters + "}}]"
	}
	require.NoError(t, validate(t, s, head("batch")+one("batchSize: 5")))
	require.Error(t, validate(t, s, head("realtime")+one("batchSize: 5")))
	require.Error(t, validate(t, s, head("batch")+one("executionTimeoutSec: 1")))
	require.Error(t, validate(t, s, head("realtime")+one("nope: 5")))
	require.NoError(t, validate(t, s, head("realtime")+"tenants: {a: {template: batch}}\n"+one("batchSize: 5")), "the tenant's counts")
	require.NoError(t, validate(t, s, "apiVersion: pipelinetui/v1\ndefaults: {parameters: {batchSize: 5, invokeTimeoutSec: 60}}\npipelines: [{tenant: a, "+
		"model: b, template: batch}, {tenant: a, model: c, template: realtime}]"))
	require.Error(t, validate(t, s, "apiVersion: pipelinetui/v1\ndefaults: {parameters: {nope: 5}}\npipelines: [{tenant: a, model: b, template: batch}]"))
}

// TestSchemaElsewhere: validators of other languages take the schema, and agree.
// Python's is jsonschema, Node's is ajv in its strict mode: where one is not
// installed, that part is passed over (ajv is found through NODE_PATH).
func TestSchemaElsewhere(t *testing.T) {
	t.Parallel()
	text, err := spec.JSONSchema(builtin(t))
	require.NoError(t, err)
	dir := t.TempDir()
	schema := write(t, dir, "schema.json", string(text))
	one := func(parameters, more string) string {
		return `{"apiVersion": "pipelinetui/v1", "defaults": {"template": "realtime"` + more + `}, "pipelines": [{"tenant": "a", "model": "b", "parameters": {` + parameters + `}}]}`
	}
	specs := write(t, dir, "specs.json", `{"good": [`+strings.Join([]string{
		one(`"image": "sandbox/linear", "preprocess": {"memoryMb": 300}`, `, "tags": {"größe": "a b_.:/=+-@"}`),
		one(`"preprocess.memoryMb": 300`, ""),
		one(``, ""),
	}, ",")+`], "bad": [`+strings.Join([]string{
		one(`"image": 1`, ""), one(`"nope": 1`, ""), one(`"preprocess": {"memoryMb": 1}`, ""), one(`"batchSize": 5`, ""), one(``, `, "tags": {"a": "b*"}`),
		one(``, `, "nope": 1`), `{}`, `[]`, `null`,
	}, ",")+`]}`)
	for name, program := range map[string][]string{
		"python3": {"-c", `
import json, sys
try:
    import jsonschema
except ImportError:
    sys.exit(77)
schema, specs = (json.load(open(f, encoding="utf-8")) for f in sys.argv[1:])
jsonschema.Draft202012Validator.check_schema(schema)
v = jsonschema.Draft202012Validator(schema)
for good in specs["good"]:
    v.validate(good)
for bad in specs["bad"]:
    assert not v.is_valid(bad), bad
`},
		"node": {"-e", `
const read = (f) => JSON.parse(require("fs").readFileSync(f));
const [schema, specs] = process.argv.slice(1).map(read);
let Ajv;
try { Ajv = require("ajv/dist/2020").default; } catch (e) { process.exit(77); }
const v = new Ajv({strict: true, strictTypes: false, allErrors: true}).compile(schema);
for (const good of specs.good) if (!v(good)) throw new Error(JSON.stringify([good, v.errors]));
for (const bad of specs.bad) if (v(bad)) throw new Error("taken: " + JSON.stringify(bad));
`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path, err := exec.LookPath(name)
			if err != nil {
				t.Skipf("no %s on PATH", name)
			}
			out, err := exec.CommandContext(t.Context(), path, append(program, schema, specs)...).CombinedOutput() // the test's own
			var exit *exec.ExitError
			if errors.As(err, &exit) && exit.ExitCode() == 77 {
				t.Skipf("%s has no validator: pip install jsonschema, npm install ajv", name)
			}
			require.NoError(t, err, "%s", out)
		})
	}
}
