package program

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// sampleDefinition is a sample with the bucket of a pipeline and its code's digest.
func sampleDefinition(t *testing.T, name string, p *spec.Pipeline, tmpl *spec.Template) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "asl", name))
	require.NoError(t, err)
	sum, err := hashCode(tmpl.FS, preprocessCode)
	require.NoError(t, err)
	return []byte(strings.NewReplacer(sampleBucket, p.Names(testAccount).Bucket, "CODE_DIGEST", "sha256:"+sum).Replace(string(data)))
}

// The template's definition, filled in, is the sample that was proved against
// the States Language validators.
func TestDefinitionOfRealtime(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, nil)
	r := execute(t, p, tmpl, testEnv)
	text, ok := r.inputs(t, "machine")["definitionString"].(string)
	require.True(t, ok)
	data := sampleDefinition(t, "realtime.asl.json", p, tmpl)
	var want, got any
	require.NoError(t, json.Unmarshal(data, &want))
	require.NoError(t, json.Unmarshal([]byte(text), &got))
	require.Empty(t, cmp.Diff(want, got, cmpopts.IgnoreMapEntries(func(k string, _ any) bool {
		return k == "Comment" || k == "Cause" // words for people
	})))
	require.NotContains(t, text, "${")
	require.NotContains(t, text, "\\u0026", "the text is for people too")
}

func TestDefinitionFollowsParameters(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, map[string]any{"executionTimeoutSec": 3600, "invokeTimeoutSec": 45, "preprocess.timeoutSec": 100})
	text := execute(t, p, tmpl, testEnv).inputs(t, "machine")["definitionString"].(string)
	var d struct {
		TimeoutSeconds int
		States         map[string]struct{ TimeoutSeconds int }
	}
	require.NoError(t, json.Unmarshal([]byte(text), &d))
	require.Equal(t, 3600, d.TimeoutSeconds)
	require.Equal(t, 45, d.States["InvokeEndpoint"].TimeoutSeconds)
	require.Equal(t, 130, d.States["Preprocess"].TimeoutSeconds)
}

// What is planned before anything exists is what is deployed.
func TestDefinitionIsAsPlanned(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, nil)
	pl, err := newPlan(p, tmpl, testEnv)
	require.NoError(t, err)
	require.Equal(t, pl.definition.json, executePlan(t, pl).inputs(t, "machine")["definitionString"])
}

// A definition with a secret in it is a secret.
func TestSecretInDefinition(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, map[string]any{"logLevel": "ERROR"})
	for i, param := range tmpl.Parameters {
		if param.Name == "logLevel" {
			tmpl.Parameters[i].Secret = true
		}
	}
	tmpl.Definition = []byte(`{"Comment":"${logLevel}"}`)
	tmpl.Substitutions = nil
	r := execute(t, p, tmpl, testEnv)
	require.True(t, r.made["machine"].inputs["definitionString"].IsSecret())
	require.Equal(t, `{"Comment":"ERROR"}`, r.inputs(t, "machine")["definitionString"])
}

func TestRender(t *testing.T) {
	t.Parallel()
	values := map[string]any{
		"s": "text", "quote": `a "b" & <c>`, "n": 7, "f": 1.5, "b": true, "l": []string{"x", "y"}, "m": map[string]string{"k": "v"}, "a.b": 3,
	}
	for name, c := range map[string]struct{ in, want, err string }{
		"types":             {`{"a":"${s}","b":"${n}","c":"${f}","d":"${b}","e":"${l}","f":"${m}"}`, `{"a":"text","b":7,"c":1.5,"d":true,"e":["x","y"],"f":{"k":"v"}}`, ""},
		"in a text":         {`["<${s}-${n}-${f}-${b}-${a.b}>"]`, `["<text-7-1.5-true-3>"]`, ""},
		"stays JSON":        {`{"a":"x${quote}"}`, `{"a":"xa \"b\" & <c>"}`, ""},
		"numbers are kept":  {`{"a":1e3,"b":12345678901234567890}`, `{"a":1e3,"b":12345678901234567890}`, ""},
		"sorted":            {`{"b":1,"a":2}`, `{"a":2,"b":1}`, ""},
		"JSONata stays":     {`{"a":"{% ${\"k\": $x} %}","b":"{% $map($s, function($v){$v}) %}"}`, `{"a":"{% ${\"k\": $x} %}","b":"{% $map($s, function($v){$v}) %}"}`, ""},
		"in an expression":  {`{"a":"{% ${n} + $length('${s}') %}"}`, `{"a":"{% 7 + $length('text') %}"}`, ""},
		"breaks expression": {`{"a":"{% '${quote}' %}"}`, ``, "a quote"},
		"unknown":           {`{"a":"${zzz}"}`, ``, "nothing provides ${zzz}"},
		"unknown in a text": {`{"a":"- ${zzz}"}`, ``, "nothing provides ${zzz}"},
		"list in a text":    {`{"a":"- ${l}"}`, ``, "a list or map"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tree, err := decodeJSON([]byte(c.in))
			require.NoError(t, err)
			got, err := render(tree, values)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}
