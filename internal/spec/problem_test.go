package spec_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// told are the problems of a spec, each as "line:column path rule".
func told(t *testing.T, cat *spec.Catalog, text string, opts spec.Options) []string {
	t.Helper()
	_, err := spec.Parse("p.yaml", []byte(text), t.TempDir(), cat, opts)
	out := []string{}
	for _, p := range spec.Problems(err) {
		require.ErrorIs(t, p, fault.Invalid)
		require.NotEmpty(t, p.Hint, p)
		out = append(out, strings.TrimSpace(fmt.Sprintf("%d:%d %s %s", p.Line, p.Column, p.Path, p.Rule)))
	}
	return out
}

// TestProblemsOfAllStages: what is wrong with the YAML, with keys, types, values, rules
// between values, code and names comes at once.
func TestProblemsOfAllStages(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{
		"0:0 parameters.logLevel choice",
		"1:13 apiVersion version",
		"2:69 defaults.colour unknown-key",
		"5:3 tenants.Acme name",
		"8:18 pipelines[0].tags.cost yaml",
		"10:29 pipelines[0].parameters.preprocess.handler handler",
		"11:30 pipelines[0].parameters.preprocess.memoryMb range",
		"12:21 pipelines[0].parameters.maxInstances type",
		"13:7 pipelines[0].parameters.maxInstances duplicate",
		"16:13 pipelines[1].model name",
		"17:42 pipelines[1].parameters.preprocess.timeoutSec atMost",
		"18:35 pipelines[2].env name",
		"18:69 pipelines[2].parameters.tracing type",
		"20:2  yaml",
	}, told(t, builtin(t), `apiVersion: pipelinetui/v9
defaults: {template: realtime, parameters: {image: sandbox/linear}, colour: 1}
tenants:
  acme:
  Acme: {}
pipelines:
  - tenant: acme
    tags: {cost: !!str 12}
    parameters:
      preprocess: {handler: index.handler,
                   memoryMb: 64}
      maxInstances: .nan
      maxInstances: 5
      modelDataUrl: s3://b/k
    model: fraud
  - {model: Fraud_2, tenant: acme,
     parameters: {preprocess.timeoutSec: 900, executionTimeoutSec: 900, modelDataUrl: s3://b/k}}
  - {tenant: acme, model: c, env: production, parameters: {tracing: "yes", modelDataUrl: s3://b/k}}
---
a: 1
`, spec.Options{Region: "us-east-1", Set: []string{"logLevel=LOUD"}}))
}

// TestNoFollowUps: what is wrong only because something else is stays unsaid.
func TestNoFollowUps(t *testing.T) {
	t.Parallel()
	const top = "apiVersion: pipelinetui/v1\n"
	const whole = "template: realtime, region: us-east-1, parameters: {image: sandbox/linear, modelDataUrl: s3://b/k}"
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"a misspelt list":     {top + "pipeline: [{tenant: a, model: b}]\n", []string{"2:1 pipeline unknown-key"}},
		"a misspelt version":  {"apiVersoin: pipelinetui/v1\npipelines: [{tenant: a, model: b, " + whole + "}]\n", []string{"1:1 apiVersoin unknown-key"}},
		"a misspelt model":    {top + "pipelines: [{tenant: a, modell: b, " + whole + "}]\n", []string{"2:25 pipelines[0].modell unknown-key"}},
		"a misspelt template": {top + "pipelines: [{tenant: a, model: b, templat: realtime, region: us-east-1}]\n", []string{"2:35 pipelines[0].templat unknown-key"}},
		"misspelt parameters": {
			top + "pipelines: [{tenant: a, model: b, template: realtime, region: us-east-1, parameter: {image: a/b}}]\n",
			[]string{"2:74 pipelines[0].parameter unknown-key"},
		},
		"a misspelt required parameter": {top + "pipelines: [{tenant: a, model: b, template: realtime, region: us-east-1, parameters: {imag: " +
			"sandbox/linear, modelDataUrl: s3://b/k}}]\n", []string{"2:87 pipelines[0].parameters.imag unknown-parameter"}},
		"defaults that are none":     {top + "defaults: realtime\npipelines: [{tenant: a, model: b}]\n", []string{"2:11 defaults type"}},
		"tenants that are none":      {top + "tenants: [a]\npipelines: [{tenant: a, model: b}]\n", []string{"2:10 tenants type"}},
		"a tenant that is not there": {top + "tenants: {acme: {" + whole + "}}\npipelines: [{tenant: acmee, model: b}]\n", []string{"3:22 pipelines[0].tenant unknown-tenant"}},
		"a tenant's bad name":        {top + "tenants: {Acme: {" + whole + "}}\npipelines: [{tenant: acme, model: b}]\n", []string{"2:11 tenants.Acme name"}},
		"an unknown anchor": {
			top + "pipelines: [{tenant: a, model: b, template: realtime, region: us-east-1, parameters: *base}]\n",
			[]string{"2:86 pipelines[0].parameters yaml"},
		},
		"a merge of nothing": {
			top + "pipelines: [{tenant: a, model: b, template: realtime, region: us-east-1, parameters: {<<: *base}}]\n",
			[]string{"2:91 pipelines[0].parameters yaml"},
		},
		"an anchor in a tag": {top + "x-a: &base !!map {image: sandbox/linear}\npipelines: [{tenant: a, model: b, template: realtime, region: " +
			"us-east-1, parameters: {<<: *base, modelDataUrl: s3://b/k}}]\n", []string{"2:12 x-a yaml"}},
		"a wrong kind of endpoint": {top + "pipelines: [{tenant: a, model: b, " + strings.TrimSuffix(whole, "}") +
			", endpointKind: servrless, serverlessMemoryMb: 2048, minInstances: 3}}]\n", []string{"2:148 pipelines[0].parameters.endpointKind choice"}},
		"a wrong region": {
			top + "pipelines: [{tenant: a, model: b, template: realtime, region: mars, assumeRole: " +
				"'arn:aws-cn:iam::111122223333:role/x', parameters: {image: '111122223333.dkr.ecr.eu-west-1.amazonaws.com/a:1', modelDataUrl: s3://b/k}}]\n",
			[]string{"2:63 pipelines[0].region unknown-region"},
		},
		"a wrong region by itself": {top + "defaults: {" + whole + "}\npipelines: [{tenant: a, model: b, region: [x]}]\n", []string{"3:43 pipelines[0].region type"}},
		"a wrong value put right": {
			top + "defaults: {" + strings.Replace(whole, "image:", "maxInstances: 0, image:", 1) +
				"}\npipelines: [{tenant: a, model: b, parameters: {maxInstances: 1, minInstances: 3}}]\n",
			[]string{"2:78 defaults.parameters.maxInstances range", "3:79 pipelines[0].parameters.minInstances atMost"},
		},
		"the same by a shared layer": {top + "defaults: {" + strings.Replace(whole, "image:", "minInstances: 3, image:", 1) +
			"}\npipelines: [{tenant: a, model: b}, {tenant: a, model: c}]\n", []string{"2:78 defaults.parameters.minInstances atMost"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, told(t, builtin(t), tc.text, spec.Options{}))
		})
	}
}

// TestProblemsHideNoOthers: what is wrong whatever is meant by something else that is
// wrong, or whatever else is wrong beside it, comes with it.
func TestProblemsHideNoOthers(t *testing.T) {
	t.Parallel()
	const top = "apiVersion: pipelinetui/v1\n"
	const base = "template: realtime, region: us-east-1, parameters: {image: sandbox/linear, modelDataUrl: s3://b/k}"
	one := func(parameters string) string {
		return top + "defaults: {" + base + "}\npipelines: [{tenant: a, model: b, parameters: {" + parameters + "}}]\n"
	}
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"an unknown tenant": {
			top + "defaults: {" + base + "}\ntenants: {acme: {}}\npipelines: [{tenant: ghost, model: b, parameters: {maxInstances: 0, colour: 1, preprocess: " +
				"{handler: indexhandler, environment: {A-B: x}}}}]\n",
			[]string{
				"4:22 pipelines[0].tenant unknown-tenant", "4:66 pipelines[0].parameters.maxInstances range", "4:69 pipelines[0].parameters.colour unknown-parameter",
				"4:102 pipelines[0].parameters.preprocess.handler handler", "4:130 pipelines[0].parameters.preprocess.environment.A-B pattern",
			},
		},
		"one where tenants set what it depends on": {
			top + "defaults: {" + base + "}\ntenants: {acme: {parameters: {maxInstances: 4}}, beta: {parameters: {preprocess.runtime: java21}}}\n" +
				"pipelines: [{tenant: ghost, model: b, parameters: {minInstances: 3, preprocess.handler: indexhandler}}]\n",
			[]string{"4:22 pipelines[0].tenant unknown-tenant"},
		},
		"one where tenants name the template": {
			top + "tenants: {acme: {template: realtime}, beta: {template: batch}}\npipelines: [{tenant: ghost, model: b, parameters: {maxInstances: 0, colour: 1}}]\n",
			[]string{"3:22 pipelines[0].tenant unknown-tenant", "3:66 pipelines[0].parameters.maxInstances range"},
		},
		"an unknown tenant beside a bad name": {
			top + "tenants: {Acme!: {}, acme: {}}\npipelines: [{tenant: ghost, model: b, " + base + "}]\n",
			[]string{"2:11 tenants[\"Acme!\"] name", "3:22 pipelines[0].tenant unknown-tenant"},
		},
		"a bad name of a tenant": {
			top + "defaults: {" + base + "}\ntenants: {acme: {}}\npipelines: [{tenant: Acme, model: b, parameters: {maxInstances: 0}}]\n",
			[]string{"4:22 pipelines[0].tenant name", "4:65 pipelines[0].parameters.maxInstances range"},
		},
		"tenants that are none": {
			top + "defaults: {" + base + "}\ntenants: [a]\npipelines: [{tenant: a, model: b, parameters: {maxInstances: 0}}]\n",
			[]string{"3:10 tenants type", "4:62 pipelines[0].parameters.maxInstances range"},
		},
		"an unknown template": {
			top + "pipelines: [{tenant: a, model: b, template: realtme, region: us-east-1, parameters: {maxInstances: 0, colour: 1}}]\n",
			[]string{"2:45 pipelines[0].template unknown-template", "2:100 pipelines[0].parameters.maxInstances range"},
		},
		"a secret in a map": {
			one("modelEnvironment: {A-B: x, Z: null, L: [1], S: {secretsManager: ''}, T: {ssm: ' '}}"),
			[]string{
				"3:67 pipelines[0].parameters.modelEnvironment.A-B pattern", "3:75 pipelines[0].parameters.modelEnvironment.Z type",
				"3:87 pipelines[0].parameters.modelEnvironment.L type", "3:112 pipelines[0].parameters.modelEnvironment.S.secretsManager secret",
				"3:126 pipelines[0].parameters.modelEnvironment.T.ssm secret",
			},
		},
		"code that is not there": {
			one("preprocess: {code: ./nopre, handler: indexhandler}"),
			[]string{"3:67 pipelines[0].parameters.preprocess.code artifact", "3:85 pipelines[0].parameters.preprocess.handler handler"},
		},
		"code that is not there for a handler that may be in it": {
			one("preprocess: {code: ./nopre, handler: index.handler}"),
			[]string{"3:67 pipelines[0].parameters.preprocess.code artifact"},
		},
		"a pipeline that is none": {
			top + "defaults: {" + base + "}\npipelines: [1, {tenant: a, model: b, parameters: {maxInstances: 0}}]\n",
			[]string{"3:13 pipelines[0] type", "3:65 pipelines[1].parameters.maxInstances range"},
		},
		"pipelines that are a map": {top + "pipelines: {a: 1}\n", []string{"2:13 pipelines type"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, told(t, builtin(t), tc.text, spec.Options{}))
		})
	}
}

// TestTemplateProblemsOfAllStages is the same for template.yaml and its definition.
func TestTemplateProblemsOfAllStages(t *testing.T) {
	t.Parallel()
	_, errs := spec.ReadTemplate(fstest.MapFS{
		"template.yaml": {Data: []byte(`name: Tiny
titel: A title
version: "1"
blocks: [storage]
colour: red
parameters:
  - {name: count, type: int, default: many}
  - {name: size, typ: int, help: How big., default: 3, when: {cuont: 1}}
  - {name: word, type: text, help: A word.}
rules:
  - {kind: atMost, left: count, right: siz, help: Choose.}
  - {kind: nothing, help: Choose.}
`)},
		"statemachine.asl.json": {Data: []byte(`{"a": "${cuont}"}`)},
	}, "tiny")
	var out []string
	for _, p := range errs {
		out = append(out, p.Error())
	}
	require.Equal(t, []string{
		"tiny/statemachine.asl.json:1:8: the definition uses ${cuont}, which is not declared",
		`tiny/template.yaml:1:1: the template needs a name of small letters, not "Tiny"`,
		`tiny/template.yaml:2:1: unknown key "titel" here`,
		`tiny/template.yaml:5:1: unknown key "colour" here`,
		"tiny/template.yaml:7:6: parameter count has no help",
		"tiny/template.yaml:7:39: default of parameter count: count must be an int, not a string (many)",
		`tiny/template.yaml:8:18: unknown key "typ" in parameters`,
		`tiny/template.yaml:8:56: there is no parameter "cuont"`,
		`tiny/template.yaml:9:18: parameter word has the unknown type "text"`,
		`tiny/template.yaml:11:6: there is no parameter "siz"`,
		`tiny/template.yaml:12:6: unknown kind of rule "nothing"`,
	}, out)
}

// TestProblemFields: a Problem has no more to say by its text than by its fields.
func TestProblemFields(t *testing.T) {
	t.Parallel()
	_, err := spec.Build(spec.Answers{ID: acme, Template: "tiny", Values: map[string]string{"count": "12", "password": "HUNTER2", "colour": "green"}},
		tinyCatalog(t), spec.Options{Region: "us-east-1"})
	all := spec.Problems(fault.Wrap(errors.Join(err, errors.New("other")), "up"))
	require.Len(t, all, 3)
	byPath := map[string]*spec.Problem{}
	for _, p := range all {
		byPath[p.Path.String()] = p
	}
	count := byPath["parameters.count"]
	require.Equal(t, spec.CodeRange, count.Rule)
	require.Equal(t, 12, count.Value)
	require.Equal(t, "count is 12, but it must be an int from 1 to 9", count.Msg)
	require.Equal(t, fault.HintOf(count), count.Hint)
	require.Nil(t, byPath["parameters.password"].Value, "a secret")
	rule := byPath["parameters.topic"] // told where colour is, mended there
	require.Equal(t, "acme/m", rule.Pipeline)
	require.Equal(t, "acme/m: "+rule.Msg, rule.Error())
}

// TestSecretsAreInNoProblem: whatever is wrong with a secret, no field shows it.
func TestSecretsAreInNoProblem(t *testing.T) {
	t.Parallel()
	for _, set := range []string{
		"password=HUNTER2", `password={"secret":"HUNTER2"`, `password={"secret":["HUNTER2"]}`, `password=["HUNTER2"]`, `password={"HUNTER2":1}`,
		`word={"secret":"HUNTER2"}`, `word={"secret":{"env":["HUNTER2"]}}`, `vars={"A":{"secret":"HUNTER2"`, `vars={"A":{"secret":{"file":7,"x":"HUNTER2"}}}`,
		`items=[{"secret":"HUNTER2"}]`, `items={"secret":"HUNTER2"}`, `count={"secret":"HUNTER2"}`,
	} {
		_, err := build(acme, "tiny", []string{set}, tinyCatalog(t), spec.Options{Region: "us-east-1"})
		for _, p := range spec.Problems(err) {
			raw, err := json.Marshal(p.Value)
			require.NoError(t, err)
			require.NotContains(t, string(raw), "HUNTER2", set)
		}
	}
}

func TestPathSettings(t *testing.T) {
	t.Parallel()
	tmpl, err := builtin(t).Lookup("realtime")
	require.NoError(t, err)
	for want, path := range map[string]spec.Path{
		"image":                  {"pipelines", 2, "parameters", "image"},
		"preprocess.memoryMb":    {"defaults", "parameters", "preprocess", "memoryMb"},
		"preprocess.environment": {"parameters", "preprocess.environment", "TOKEN"},
		"modelEnvironment":       {"tenants", "acme", "parameters", "modelEnvironment", "A.B"},
		"subnets":                {"parameters", "subnets", 1},
		"tags":                   {"tags", "a.b"},
		"region":                 {"region"},
		"":                       {"pipelines", 2, "parameters", "colour"},
	} {
		require.Equal(t, want, path.Setting(tmpl), path.String())
	}
	require.Equal(t, `pipelines[2].tags["a b"].preprocess.memoryMb`, spec.Path{"pipelines", 2, "tags", "a b", "preprocess.memoryMb"}.String())
}
