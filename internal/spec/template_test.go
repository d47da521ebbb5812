package spec_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// TestRealtimeDefaults pins name, type and default of every parameter: scripts
// and stored pipelines rely on them, and what costs money stays off.
func TestRealtimeDefaults(t *testing.T) {
	t.Parallel()
	tmpl, err := builtin(t).Lookup("realtime")
	require.NoError(t, err)
	none := map[string]string{}
	want := []struct {
		name string
		typ  spec.Type
		def  any
	}{
		{"image", spec.TypeString, nil},
		{"modelDataUrl", spec.TypePath, nil},
		{"modelEnvironment", spec.TypeMap, none},
		{"endpointKind", spec.TypeEnum, "instance"},
		{"instanceType", spec.TypeEnum, "ml.m5.large"},
		{"serverlessMemoryMb", spec.TypeEnum, 2048},
		{"serverlessMaxConcurrency", spec.TypeInt, 20},
		{"provisionedConcurrency", spec.TypeInt, 0},
		{"volumeGb", spec.TypeInt, nil},
		{"modelDownloadTimeoutSec", spec.TypeInt, nil},
		{"containerStartupTimeoutSec", spec.TypeInt, nil},
		{"dataCapturePercent", spec.TypeInt, 0},
		{"invoker", spec.TypeEnum, "sdk"},
		{"initialInstances", spec.TypeInt, 1},
		{"minInstances", spec.TypeInt, 1},
		{"maxInstances", spec.TypeInt, 1},
		{"targetInvocationsPerInstance", spec.TypeFloat, 100.0},
		{"preprocess.code", spec.TypePath, ""},
		{"preprocess.handler", spec.TypeString, "handler.handler"},
		{"preprocess.runtime", spec.TypeEnum, "python3.13"},
		{"preprocess.arch", spec.TypeEnum, "arm64"},
		{"preprocess.memoryMb", spec.TypeInt, 256},
		{"preprocess.timeoutSec", spec.TypeInt, 30},
		{"preprocess.reservedConcurrency", spec.TypeInt, -1},
		{"preprocess.environment", spec.TypeMap, none},
		{"executionTimeoutSec", spec.TypeInt, 900},
		{"invokeTimeoutSec", spec.TypeInt, 70},
		{"logLevel", spec.TypeEnum, "ERROR"},
		{"includeExecutionData", spec.TypeBool, false},
		{"tracing", spec.TypeBool, true},
		{"logRetentionDays", spec.TypeEnum, 30},
		{"networkIsolation", spec.TypeBool, true},
		{"subnets", spec.TypeList, []string{}},
		{"securityGroups", spec.TypeList, []string{}},
		{"kmsMode", spec.TypeEnum, "aws-managed"},
		{"versioning", spec.TypeBool, true},
		{"retention.resultsDays", spec.TypeInt, 0},
		{"deadLetter", spec.TypeBool, false},
		{"alarms", spec.TypeBool, false},
		{"events", spec.TypeEnum, "poll"},
		{"notify.topic", spec.TypeString, ""},
		{"notify.email", spec.TypeList, []string{}},
		{"notify.slack", spec.TypeString, ""},
		{"notify.windowSec", spec.TypeInt, 60},
		{"rollout.strategy", spec.TypeEnum, "by-env"},
		{"rollout.size", spec.TypeString, ""},
		{"rollout.interval", spec.TypeString, ""},
		{"rollout.bake", spec.TypeString, ""},
		{"rollout.timeout", spec.TypeString, ""},
		{"rollout.alarms", spec.TypeList, []string{}},
		{"thresholds.endpoint5xx", spec.TypeInt, 1},
		{"thresholds.endpoint4xx", spec.TypeInt, 0},
		{"thresholds.modelErrors", spec.TypeInt, 1},
		{"thresholds.latencyP99Ms", spec.TypeInt, 0},
		{"thresholds.functionErrors", spec.TypeInt, 1},
		{"thresholds.functionThrottles", spec.TypeInt, 1},
		{"thresholds.executionsFailed", spec.TypeInt, 1},
		{"thresholds.deadLetters", spec.TypeInt, 1},
	}
	require.Len(t, tmpl.Parameters, len(want))
	for i, w := range want {
		p := tmpl.Parameters[i]
		require.Equal(t, w.name, p.Name)
		require.Equal(t, w.typ, p.Type, p.Name)
		require.Equal(t, w.def, p.Default, p.Name)
		require.NotEmpty(t, p.Group, p.Name)
		require.NotEmpty(t, p.Allowed(), p.Name)
		if p.Default != nil && p.Type != spec.TypePath {
			v, err := p.Parse(p.Format(p.Default, nil), "")
			require.NoError(t, err, "Parse reads what Format writes: %s", p.Name)
			require.Empty(t, cmp.Diff(p.Default, v), p.Name)
		}
	}
	require.Equal(t, "built-in", tmpl.Origin)
	instances, ok := tmpl.Parameter("instanceType")
	require.True(t, ok)
	require.Len(t, instances.Enum, 224)
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(instances.Choices()))), 224)
}

// TestRealtimeDefinition fills the substitutions in and compares with what the
// machine has to do: preprocess, check, invoke, store.
func TestRealtimeDefinition(t *testing.T) {
	t.Parallel()
	tmpl, err := builtin(t).Lookup("realtime")
	require.NoError(t, err)
	require.Equal(t, []string{
		"accountId", "bucketName", "codeDigest", "endpointName", "executionTimeoutSec", "invokeTimeoutSec", "invokerFunctionArn", "invokerTaskTimeoutSec",
		"modelDigest", "partition", "preprocessFunctionArn", "preprocessTaskTimeoutSec", "revision",
	}, tmpl.UsedSubstitutions())
	require.NotContains(t, string(tmpl.Definition), "123456789012", "no name of any account is left")
	var m struct {
		Comment, QueryLanguage, StartAt string
		States                          map[string]struct {
			Type, Resource, Next, Default, Error string
			TimeoutSeconds                       any
			End                                  bool
			Retry                                []struct{ ErrorEquals []string }
		}
	}
	require.NoError(t, json.Unmarshal(tmpl.Definition, &m))
	require.Equal(t, "JSONata", m.QueryLanguage)
	require.Contains(t, m.Comment, "template="+tmpl.Name+" v"+tmpl.Version)
	require.Equal(t, "Preprocess", m.StartAt)
	for name, resource := range map[string]string{
		"Preprocess":     "arn:${partition}:states:::lambda:invoke",
		"InvokeEndpoint": "arn:${partition}:states:::aws-sdk:sagemakerruntime:invokeEndpoint",
		"StoreResult":    "arn:${partition}:states:::aws-sdk:s3:putObject",
	} {
		require.Equal(t, resource, m.States[name].Resource)
		require.NotEmpty(t, m.States[name].Retry, name)
	}
	require.Equal(t, "Pipeline.PreprocessContract", m.States["NoBody"].Error)
	require.Equal(t, "Pipeline.PayloadTooLarge", m.States["PayloadTooLarge"].Error)
	require.True(t, m.States["StoreResult"].End)
}

func TestTemplateJSON(t *testing.T) {
	t.Parallel()
	tmpl, err := builtin(t).Lookup("realtime")
	require.NoError(t, err)
	text, err := json.Marshal(tmpl)
	require.NoError(t, err)
	var back map[string]any
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, "realtime", back["name"])
	require.Equal(t, map[string]any{"instances": []any{[]any{5.1, 3.5, 1.4, 0.2}}}, back["example"])
	require.Len(t, back["parameters"], len(tmpl.Parameters))
	require.NotEmpty(t, back["outputs"])
}

func TestCatalog(t *testing.T) {
	t.Parallel()
	cat := builtin(t)
	_, err := cat.Lookup("realtme")
	require.ErrorIs(t, err, fault.NotFound)
	require.Equal(t, `Did you mean "realtime"?`, fault.HintOf(err))
	_, err = cat.Lookup("zzzzzzzzzz")
	require.Equal(t, "Choose one of batch, realtime.", fault.HintOf(err))

	_, err = spec.LoadCatalog(templatesFS(), filepath.Join(t.TempDir(), "none"))
	require.ErrorContains(t, err, "there is no folder of templates")

	// a user's template of the same name takes the place of the built-in one,
	// from its own folder as from the folder around it
	dir := t.TempDir()
	write(t, dir, "mine/template.yaml", strings.ReplaceAll(tiny, "name: tiny", "name: realtime"))
	write(t, dir, "mine/statemachine.asl.json", machine)
	write(t, dir, "notes/readme.md", "no template")
	for _, d := range []string{dir, filepath.Join(dir, "mine")} {
		cat, err := spec.LoadCatalog(templatesFS(), d)
		require.NoError(t, err)
		require.Equal(t, []string{"batch", "realtime"}, cat.Names())
		tmpl, err := cat.Lookup("realtime")
		require.NoError(t, err)
		require.Equal(t, filepath.Join(dir, "mine"), tmpl.Origin)
		require.Equal(t, "Tiny", tmpl.Title)
	}
}

func TestTemplateRefuses(t *testing.T) {
	t.Parallel()
	base := "name: x\ntitle: X\nversion: \"1\"\nblocks: [storage]\n"
	param := func(rest string) string { return base + "parameters:\n  - {name: a, help: A., " + rest + "}\n" }
	for name, tc := range map[string]struct{ text, machine, want string }{
		"empty":              {"", "", "templates/x/template.yaml:1:1: the file is empty"},
		"unknown key":        {base + "colour: 1\n", "", `templates/x/template.yaml:5:1: unknown key "colour"`},
		"origin is no key":   {base + "origin: a\n", "", `unknown key "origin"`},
		"unknown in a list":  {base + "parameters:\n  - {name: a, typ: int}\n", "", `template.yaml:6:15: unknown key "typ" in parameters | Did you mean "type"?`},
		"wrong type":         {"name: [a]\n", "", "name must be a string, not a list"},
		"bad name":           {strings.ReplaceAll(base, "name: x", "name: X_1"), "", "the template needs a name of small letters"},
		"no version":         {"name: x\ntitle: X\nblocks: [a]\n", "", "the template has no version"},
		"no blocks":          {"name: x\ntitle: X\nversion: \"1\"\n", "", "the template has no blocks"},
		"parameter name":     {base + "parameters:\n  - {name: A, type: int, help: A.}\n", "", `"A" is no name of a parameter`},
		"reserved":           {base + "parameters:\n  - {name: region, type: int, help: A.}\n", "", `a parameter can't be called "region"`},
		"twice":              {base + "parameters:\n  - {name: a, type: int, help: A.}\n  - {name: a, type: int, help: A.}\n", "", `template.yaml:7:6: parameter "a" is there twice`},
		"inside another":     {base + "parameters:\n  - {name: a, type: int, help: A.}\n  - {name: a.b, type: int, help: A.}\n", "", `parameter "a.b" lies inside parameter "a"`},
		"type":               {param("type: number"), "", `parameter a has the unknown type "number"`},
		"no help":            {base + "parameters:\n  - {name: a, type: int}\n", "", "parameter a has no help"},
		"group":              {param("type: int, group: g"), "", `parameter a is in a group "g" that there is not`},
		"default":            {param("type: int, min: 3, default: 2"), "", "default of parameter a: a is 2, but it must be an int of at least 3"},
		"default type":       {param("type: int, default: two"), "", "default of parameter a: a must be an int, not a string (two)"},
		"example":            {param("type: string, pattern: '^x$', example: y"), "", "example of parameter a"},
		"required, default":  {param("type: int, required: true, default: 1"), "", "is required and has a default"},
		"pattern":            {param("type: string, pattern: '('"), "", "missing closing )"},
		"enum without":       {param("type: enum"), "", "parameter a: type and choices don't fit"},
		"choices without":    {param("type: int, enum: [1]"), "", "type and choices don't fit"},
		"mixed choices":      {param("type: enum, enum: [1, b]"), "", "the choices must be all strings or all ints"},
		"bool choices":       {param("type: enum, enum: [true, false]"), "", "the choices must be all strings or all ints"},
		"enum file":          {param("type: enum, enumFile: none.json"), "", "templates/x/none.json can't be read"},
		"path without":       {param("type: path"), "", "parameter a: type and artifact don't fit"},
		"artifact kind":      {param("type: path, artifact: {kinds: [tree]}"), "", `unknown kind of artifact "tree"`},
		"artifact scheme":    {param("type: path, artifact: {kinds: [dir], urls: [ftp]}"), "", `unknown scheme "ftp"`},
		"condition":          {param("type: int, when: {b: 1}"), "", `there is no parameter "b"`},
		"condition operator": {param("type: int, when: {a: {over: 1}}"), "", `unknown key "over"`},
		"condition pattern":  {param("type: int, when: {a: {matches: '('}}"), "", "missing closing )"},
		"condition empty":    {param("type: int, when: {a: }"), "", "has no value to compare with"},
		"rule kind":          {param("type: int") + "rules: [{kind: maybe, help: H.}]\n", "", `unknown kind of rule "maybe"`},
		"rule help":          {param("type: int") + "rules: [{kind: together, parameters: [a]}]\n", "", "the rule has no help"},
		"rule parameters":    {param("type: int") + "rules: [{kind: together, help: H.}]\n", "", "a rule of kind together needs parameters"},
		"rule name":          {param("type: int") + "rules: [{kind: atMost, left: a, right: b, help: H.}]\n", "", `there is no parameter "b"`},
		"forbid":             {param("type: int") + "rules: [{kind: forbid, help: H.}]\n", "", "a rule of kind forbid needs conditions"},
		"handler":            {param("type: int") + "rules: [{kind: handler, parameters: [a], help: H.}]\n", "", "needs three parameters"},
		"total":              {param("type: int") + "rules: [{kind: total, parameters: [a], help: H.}]\n", "", "a rule of kind total needs parameters, and how many bytes"},
		"no machine":         {base, "-", "templates/x/statemachine.asl.json can't be read: file does not exist"},
		"broken machine":     {base, "{", "templates/x/statemachine.asl.json:1:1: unexpected end of JSON input"},
		"substitution": {
			param("type: int") + "substitutions: [{name: bucketName, help: B.}]\n", `{"a": "x${bucketNam}"}`,
			"the definition uses ${bucketNam}, which is not declared | Did you mean ${bucketName}?",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fsys := fstest.MapFS{"x/template.yaml": {Data: []byte(tc.text)}, "x/statemachine.asl.json": {Data: []byte("{}")}}
			switch tc.machine {
			case "":
			case "-":
				delete(fsys, "x/statemachine.asl.json")
			default:
				fsys["x/statemachine.asl.json"].Data = []byte(tc.machine)
			}
			_, err := spec.LoadCatalog(fsys)
			require.Error(t, err)
			require.Contains(t, strings.Join(lines(t, err, ""), "\n"), tc.want)
		})
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	v := spec.Values{"s": "x", "i": 1, "f": 1.5, "b": true, "l": []string{"a"}, "m": map[string]string{"k": "v"}}
	require.Equal(t, []string{"b", "f", "i", "l", "m", "s"}, v.Names())
	require.InDelta(t, 1.0, v.Float("i"), 0, "an int is a number")
	v.Strings("l")[0] = "changed"
	v.Map("m")["k"] = "changed"
	require.Equal(t, []string{"a"}, v.Strings("l"), "accessors give copies")
	require.Equal(t, map[string]string{"k": "v"}, v.Map("m"))
	for _, zero := range []any{v.String("none"), v.Int("s"), v.Float("s"), v.Bool("none"), v.Strings("s"), v.Map("s")} {
		require.True(t, reflect.ValueOf(zero).IsZero())
	}
}

// TestBuiltinPreprocess: the template's own function is there under the name
// that its defaults say.
func TestBuiltinPreprocess(t *testing.T) {
	t.Parallel()
	p, err := build(acme, "realtime", []string{"image=a/b", "modelDataUrl=s3://a/b"}, builtin(t), spec.Options{Region: "us-east-1"})
	require.NoError(t, err)
	require.Empty(t, p.Files)
	_, err = os.Stat("../../templates/realtime/preprocess/handler.py")
	require.NoError(t, err)
}

// The address of a webhook has a host: anything else would be told to nobody.
func TestSlackAddress(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"realtime", "batch"} {
		tmpl, err := builtin(t).Lookup(name)
		require.NoError(t, err)
		i := slices.IndexFunc(tmpl.Parameters, func(p spec.Parameter) bool { return p.Name == "notify.slack" })
		pattern := regexp.MustCompile(tmpl.Parameters[i].Pattern)
		for _, good := range []string{
			"https://hooks.slack.com/services/T0/B0/x", "https://hooks.example.com", "https://h:8443/", "http://localhost:8080/hook", "http://127.0.0.1",
		} {
			require.Regexp(t, pattern, good)
		}
		for _, bad := range []string{
			"https://", "https:///services/T0", "https://:443/", "https://.", "https://hooks.slack.com/a b", "https://h/\x01", "https://h/\n", "https://user:p@h/", "http://example.com/",
			"https://h:port/", "https://h?x", "ftp://h/",
		} {
			require.NotRegexp(t, pattern, bad)
		}
	}
}
