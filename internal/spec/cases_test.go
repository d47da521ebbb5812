package spec_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// TestBatchDefinition decides the reader by the format of the data set; all
// else is the same in each.
func TestBatchDefinition(t *testing.T) {
	t.Parallel()
	tmpl, err := builtin(t).Lookup("batch")
	require.NoError(t, err)
	type reader struct {
		Resource     string
		Arguments    map[string]string
		ReaderConfig map[string]string
	}
	const object, list = "arn:${partition}:states:::s3:getObject", "arn:${partition}:states:::s3:listObjectsV2"
	key := map[string]string{"Bucket": "${bucketName}", "Key": "{% $states.input.inputKey %}"}
	prefix := map[string]string{"Bucket": "${bucketName}", "Prefix": "{% $states.input.inputPrefix %}"}
	want := map[string]reader{
		"JSONL":     {object, key, map[string]string{"InputType": "JSONL"}},
		"JSON":      {object, key, map[string]string{"InputType": "JSON"}},
		"CSV":       {object, key, map[string]string{"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "CSVDelimiter": "COMMA"}},
		"INVENTORY": {object, key, map[string]string{"InputType": "MANIFEST"}},
		"S3LIST":    {list, prefix, nil},
		"S3FLATTEN": {list, prefix, map[string]string{"InputType": "JSONL", "Transformation": "LOAD_AND_FLATTEN"}},
	}
	format, ok := tmpl.Parameter("inputFormat")
	require.True(t, ok)
	require.Len(t, format.Enum, len(want))
	for _, choice := range format.Choices() {
		text, err := tmpl.DefinitionFor(spec.Values{"inputFormat": choice})
		require.NoError(t, err)
		var m struct {
			States struct {
				ScoreDataset struct {
					Label      string
					ItemReader reader
				}
			}
		}
		require.NoError(t, json.Unmarshal(text, &m))
		require.Empty(t, cmp.Diff(want[choice], m.States.ScoreDataset.ItemReader), choice)
		require.Equal(t, "Batch", m.States.ScoreDataset.Label)
		require.Equal(t, bytes.Count(tmpl.Definition, []byte("\n")), bytes.Count(text, []byte("\n")), "line numbers stay")
	}
	_, err = tmpl.DefinitionFor(spec.Values{"inputFormat": "XML"})
	require.ErrorContains(t, err, "no case of ${itemReader} fits the parameters")
}

func TestBatchInputs(t *testing.T) {
	t.Parallel()
	cat := builtin(t)
	tmpl, err := cat.Lookup("batch")
	require.NoError(t, err)
	for format, want := range map[string]string{
		"JSONL":     `{"inputKey": "in/run-1/my \"file\".jsonl"}`,
		"INVENTORY": `{"inputKey": "in/run-1/my \"file\".jsonl"}`,
		"S3LIST":    `{"inputPrefix": "in/run-1/"}`,
		"S3FLATTEN": `{"inputPrefix": "in/run-1/"}`,
	} {
		v := spec.Values{"inputFormat": format}
		got, ok := tmpl.InputFor(v, `in/run-1/my "file".jsonl`)
		require.True(t, ok)
		require.JSONEq(t, want, string(got))
		require.Equal(t, strings.HasPrefix(format, "S3"), tmpl.TakesFolder(v))
	}
	tmpl, err = cat.Lookup("realtime")
	require.NoError(t, err)
	_, ok := tmpl.InputFor(nil, "in/a/b")
	require.False(t, ok)
	require.False(t, tmpl.TakesFolder(nil))
}

// TestBatchSharesParameters: what realtime and batch both have means the same in
// both, except for what is said here.
func TestBatchSharesParameters(t *testing.T) {
	t.Parallel()
	cat := builtin(t)
	batch, err := cat.Lookup("batch")
	require.NoError(t, err)
	realtime, err := cat.Lookup("realtime")
	require.NoError(t, err)
	defaults := map[string]any{"executionTimeoutSec": 86400}
	for _, r := range realtime.Parameters {
		if r.Name == "invoker" { // of batch, only Step Functions itself calls the endpoint
			continue
		}
		b, ok := batch.Parameter(r.Name)
		require.True(t, ok, r.Name)
		require.Equal(t, r.Type, b.Type, r.Name)
		require.Equal(t, r.Choices(), b.Choices(), r.Name)
		want := r.Default
		if d, ok := defaults[r.Name]; ok {
			want = d
		}
		require.Equal(t, want, b.Default, r.Name)
	}
	own := map[string]any{
		"inputFormat": "JSONL", "batchSize": 100, "batchBytes": 131072, "maxConcurrency": 50, "scoreConcurrency": 10,
		"childType": "EXPRESS", "toleratedFailurePercent": 5,
	}
	require.Len(t, batch.Parameters, len(realtime.Parameters)-1+len(own))
	for name, want := range own {
		p, ok := batch.Parameter(name)
		require.True(t, ok, name)
		require.Equal(t, want, p.Default, name)
	}
	_, err = os.Stat(filepath.Join("..", "..", "templates", "batch", "preprocess", "handler.py"))
	require.NoError(t, err)
}

func TestBatchRules(t *testing.T) {
	t.Parallel()
	make := func(set ...string) error {
		_, err := build(acme, "batch", append([]string{"image=a/b", "modelDataUrl=s3://a/b"}, set...), builtin(t), spec.Options{Region: "us-east-1"})
		return err
	}
	require.NoError(t, make())
	require.NoError(t, make("preprocess.timeoutSec=900", "childType=STANDARD"))
	require.ErrorContains(t, make("preprocess.timeoutSec=241"), "it can't be that childType is EXPRESS and preprocess.timeoutSec is 241")
	require.ErrorContains(t, make("maxConcurrency=0"), "maxConcurrency is 0")
	require.ErrorContains(t, make("scoreConcurrency=41"), "scoreConcurrency is 41")
	require.ErrorContains(t, make("inputFormat=PARQUET"), "inputFormat")
}

func TestCasesRefuse(t *testing.T) {
	t.Parallel()
	base := "name: x\ntitle: X\nversion: \"1\"\nblocks: [storage]\nparameters:\n  - {name: a, type: int, help: A., default: 1}\n"
	with := func(cases string) string {
		return base + "substitutions:\n  - {name: r, help: R., cases: " + cases + "}\n"
	}
	for name, tc := range map[string]struct{ text, machine, want string }{
		"unknown parameter": {with("[{when: {b: 1}, value: 1}]"), `{"a": "${r}"}`, `template.yaml:8:6: there is no parameter "b"`},
		"no value":          {with("[{when: {a: 1}}]"), `{"a": "${r}"}`, "a case of substitution r has no value"},
		"in a longer text":  {with("[{value: 1}]"), `{"a": "x ${r}"}`, "the definition uses ${r}, which has cases, as a part of a longer string"},
		"undeclared inside": {with(`[{value: {k: "${zz}"}}]`), `{"a": "${r}"}`, "the definition uses ${zz}, which is not declared"},
		"cases in cases": {
			base + "substitutions:\n  - {name: r, help: R., cases: [{value: '${s}'}]}\n  - {name: s, help: S., cases: [{value: 1}]}\n",
			`{"a": "${r}", "b": "${s}"}`, "a case of r uses ${s}, which has cases itself",
		},
		"unknown key":         {with("[{if: {a: 1}, value: 1}]"), `{"a": "${r}"}`, `unknown key "if"`},
		"input of a name":     {base + "inputFile:\n  - value: {k: '${bucket}'}\n", `{}`, "inputFile uses ${bucket} | Use ${key} or ${prefix}."},
		"input of conditions": {base + "inputFile:\n  - {when: {z: 1}, value: {}}\n", `{}`, `there is no parameter "z"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := spec.LoadCatalog(fstest.MapFS{"x/template.yaml": {Data: []byte(tc.text)}, "x/statemachine.asl.json": {Data: []byte(tc.machine)}})
			require.Error(t, err)
			require.Contains(t, strings.Join(lines(t, err, ""), "\n"), tc.want)
		})
	}
	cat, err := spec.LoadCatalog(fstest.MapFS{
		"x/template.yaml":         {Data: []byte(with(`[{when: {a: 2}, value: {k: "${a}"}}, {value: [1, two]}]`))},
		"x/statemachine.asl.json": {Data: []byte(`{"a": "${r}", "b": ["${r}"], "c": "say \"${r}\""}`)},
	})
	require.Nil(t, cat)
	require.ErrorContains(t, err, "as a part of a longer string", "not inside quotes either")
}

// A definition of its own stands in for the template's where its conditions hold.
func TestDefinitionsByParameter(t *testing.T) {
	t.Parallel()
	tmpl, err := builtin(t).Lookup("realtime")
	require.NoError(t, err)
	lambda, err := tmpl.DefinitionFor(spec.Values{"invoker": "lambda"})
	require.NoError(t, err)
	require.Contains(t, string(lambda), `"InvokeModel"`)
	sdk, err := tmpl.DefinitionFor(spec.Values{"invoker": "sdk"})
	require.NoError(t, err)
	require.Equal(t, string(tmpl.Definition), string(sdk))
	require.Len(t, tmpl.Definitions, 1)
	require.Equal(t, "statemachine-lambda.asl.json", tmpl.Definitions[0].File)

	head := "name: x\ntitle: X\nversion: \"1\"\nblocks: [workflow]\nparameters:\n  - {name: mode, type: enum, enum: [a, b], default: a, help: M.}\n"
	for name, c := range map[string]struct{ definitions, err string }{
		"no such file":      {"  - {when: {mode: b}, file: other.asl.json}\n", "other.asl.json can't be read"},
		"outside":           {"  - {when: {mode: b}, file: ../x.json}\n", "a definition needs a file of its own"},
		"the same":          {"  - {when: {mode: b}, file: statemachine.asl.json}\n", "a definition needs a file of its own"},
		"no conditions":     {"  - {file: b.asl.json}\n", "has no conditions"},
		"unknown parameter": {"  - {when: {mood: b}, file: b.asl.json}\n", "mood"},
		"unknown name":      {"  - {when: {mode: b}, file: bad.asl.json}\n", "${zzz}, which is not declared"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, errs := spec.ReadTemplate(fstest.MapFS{
				"template.yaml":         {Data: []byte(head + "definitions:\n" + c.definitions)},
				"statemachine.asl.json": {Data: []byte(`{"a":"${mode}"}`)},
				"b.asl.json":            {Data: []byte(`{}`)},
				"bad.asl.json":          {Data: []byte(`{"a":"${zzz}"}`)},
			}, "x")
			require.ErrorContains(t, asError(errs), c.err)
		})
	}
}
