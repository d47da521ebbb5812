package form_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/form"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/templates"
)

func catalog(t testing.TB) *spec.Catalog {
	t.Helper()
	cat, err := spec.LoadCatalog(templates.FS)
	require.NoError(t, err)
	return cat
}

func filled(t testing.TB, dir string, set ...string) *form.Form {
	t.Helper()
	f := form.New(catalog(t), spec.Options{Region: "us-east-1", Dir: dir}, spec.Answers{}, nil)
	f.Choose("realtime")
	for i := 0; i+1 < len(set); i += 2 {
		f.Set(set[i], set[i+1])
	}
	return f
}

// complete are answers without a problem.
func complete() []string {
	return []string{"tenant", "acme", "model", "fraud", "image", "sandbox/linear", "modelDataUrl", "s3://models/fraud/model.tar.gz"}
}

func with(more ...string) []string { return append(complete(), more...) }

func TestFormProblems(t *testing.T) {
	t.Parallel()
	type problem struct{ Field, Text string }
	for _, c := range []struct {
		name string
		set  []string
		want []problem
	}{
		{"nothing wrong", complete(), nil},
		{"nothing answered", nil, []problem{
			{"tenant", "tenant has to be given"},
			{"model", "model has to be given"},
			{"image", "image has to be given"},
			{"modelDataUrl", "modelDataUrl has to be given"},
		}},
		{"a bad name hides nothing", with("tenant", "ACME!", "preprocess.memoryMb", "1"), []problem{
			{"tenant", `tenant "ACME!" is not allowed: it must be 1 to 16 of a-z, 0-9 and single hyphens, first a letter, last no hyphen`},
			{"preprocess.memoryMb", "preprocess.memoryMb is 1, but it must be an int from 128 to 10240"},
		}},
		{"a bad env", with("env", "Prod"), []problem{
			{"env", `env "Prod" is not allowed: it must be 1 to 8 of a-z and 0-9, first a letter`},
		}},
		{"a bad region", with("region", "mars"), []problem{
			{"region", `region "mars" is not an AWS region: it must look like us-east-1`},
		}},
		{"a relation", with("minInstances", "3"), []problem{
			{"minInstances", "minInstances (3) is more than maxInstances (1)"},
		}},
		{"together", with("subnets", "subnet-0a1b2c3d"), []problem{
			{"subnets", "subnets without securityGroups"},
		}},
		{"several in the order of the form", with("preprocess.timeoutSec", "x", "volumeGb", "0"), []problem{
			{"volumeGb", "volumeGb is 0, but it must be an int from 1 to 512"},
			{"preprocess.timeoutSec", `preprocess.timeoutSec must be an int from 1 to 900, not a string (x)`},
		}},
		{"a tag", with("tags", `{"aws:x":"1"}`), []problem{
			{"tags", "tags.aws:x: keys that begin with aws: are AWS's own"},
		}},
		{"a role", with("assumeRole", "me"), []problem{
			{"assumeRole", `assumeRole is "me", but it must be the ARN of a role such as arn:aws:iam::111122223333:role/deployer`},
		}},
		{"what does not apply is not checked", with("endpointKind", "serverless", "volumeGb", "0"), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := filled(t, t.TempDir(), c.set...)
			var got []problem
			for _, p := range f.Problems() {
				got = append(got, problem{p.Field, p.Text})
			}
			require.Empty(t, cmp.Diff(c.want, got))
			require.Equal(t, len(c.want) == 0, f.Pipeline() != nil)
		})
	}
}

func TestFormFields(t *testing.T) {
	t.Parallel()
	f := filled(t, "/work", complete()...)
	x := f.Field("instanceType")
	require.Len(t, x.Choices, 224)
	require.Equal(t, "ml.m5.large", x.Default)
	require.Equal(t, "ml.m5.large", x.Value)
	require.False(t, x.Answered())
	require.Empty(t, x.Greyed)
	require.Contains(t, x.Changing, "moves over")

	f.Set("instanceType", "ml.c5.xlarge")
	f.Set("endpointKind", "serverless")
	x = f.Field("instanceType")
	require.Equal(t, "only when endpointKind is instance", x.Greyed)
	require.Equal(t, "ml.c5.xlarge", x.Text, "the answer is kept for when it applies again")
	require.NotContains(t, string(f.Pipeline().Document), "instanceType")
	f.Set("endpointKind", "")
	require.Equal(t, "ml.c5.xlarge", f.Field("instanceType").Value)

	f.Set("preprocess.memoryMb", "256")
	require.NotContains(t, string(f.Pipeline().Document), "memoryMb", "what is the default is not written")

	require.Equal(t, "false", f.Field("protect").Default)
	f.Set("env", "prod")
	require.Equal(t, "true", f.Field("protect").Default)
	f.Set("protect", "false")
	require.False(t, f.Pipeline().Protect)
	f.Set("protect", "true")
	require.True(t, f.Pipeline().Protect)

	f.Set("tags", `{"team":"risk"}`)
	require.Equal(t, "team=risk", f.Field("tags").Value)
	require.Equal(t, map[string]string{"team": "risk"}, f.Pipeline().Tags)

	names, ok := f.Names("111122223333")
	require.True(t, ok)
	require.Equal(t, "ptui-acme-fraud-prod-ep", names.Endpoint)
	f.Set("tenant", "")
	_, ok = f.Names("")
	require.False(t, ok)

	f.Set("tenant", "acme")
	f.Taken([]spec.ID{{Tenant: "acme", Model: "fraud", Env: "prod"}})
	require.Equal(t, "model", f.Problems()[0].Field)
	require.Contains(t, f.Problems()[0].Text, "exists already")
}

func TestFormFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := filled(t, dir, with("modelDataUrl", "./model.tar.gz")...)
	require.NotNil(t, f.Pipeline(), "files are not looked at while typing")
	_, err := f.Resolve()()
	require.Error(t, err)
	f.Refused(err)
	require.Nil(t, f.Pipeline())
	require.Equal(t, "modelDataUrl", f.Problems()[0].Field)
	require.Contains(t, f.Problems()[0].Text, "there is no")

	f.Looked("modelDataUrl", "./model.tar.gz", err)
	require.NotEmpty(t, f.Field("modelDataUrl").Problem)
	f.Set("modelDataUrl", "s3://models/fraud/model.tar.gz")
	require.Empty(t, f.Problems(), "what was seen of another file does not count")
}

// A saved spec gives the same pipeline, from whatever folder it is read.
func TestYAMLRoundTrip(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model.tar.gz"), []byte{0x1f, 0x8b, 8, 0}, 0o600))
	for _, c := range []struct {
		name string
		set  []string
	}{
		{"plain", complete()},
		{"all sorts", with("image", "acme/own", "modelDataUrl", "model.tar.gz", "env", "prod", "protect", "false", "tags", `{"team":"risk: 1","on":"yes","cost":"0123"}`,
			"logLevel", "OFF", "targetInvocationsPerInstance", "12.5", "tracing", "false",
			"modelEnvironment", `{"A":"1","B":"true","C":"a\nb","D":"","E":"~"}`,
			"subnets", "subnet-0a1b2c3d,subnet-0a1b2c3e", "securityGroups", "sg-0a1b2c3d",
			"assumeRole", "arn:aws:iam::111122223333:role/deployer")},
	} {
		for _, where := range []string{dir, t.TempDir()} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				f := filled(t, dir, c.set...)
				want, err := f.Resolve()()
				require.NoError(t, err)
				text, err := want.YAML(f.Template(), where, true)
				require.NoError(t, err)
				file := filepath.Join(where, c.name+".yaml") // two share the folder
				require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
				set, err := spec.Load(file, catalog(t), spec.Options{Region: "eu-west-1"})
				require.NoError(t, err, text)
				got := set.Pipelines[0]
				if where != dir { // the path is absolute then, the file the same
					want.Parameters["modelDataUrl"], got.Parameters["modelDataUrl"] = "", ""
					want.Document, got.Document = nil, nil
				}
				require.Empty(t, cmp.Diff(*want, got))

				// And the form opens with what was made.
				a, err := form.AnswersOf(want, f.Template(), dir)
				if where == dir {
					require.NoError(t, err)
					again, err := form.New(catalog(t), spec.Options{Region: "us-east-1", Dir: dir}, a, want).Resolve()()
					require.NoError(t, err)
					require.Equal(t, string(want.Document), string(again.Document))
				}
			})
		}
	}
}

// Choosing what to make is no answer: a form that is left then has nothing to lose.
func TestAChoiceIsNoAnswer(t *testing.T) {
	t.Parallel()
	f := form.New(catalog(t), spec.Options{Region: "us-east-1"}, spec.Answers{}, nil)
	f.Choose("batch")
	f.Choose("realtime")
	require.False(t, f.Changed())
	f.Set("tenant", "acme")
	f.Choose("batch")
	require.True(t, f.Changed())
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	f := filled(t, "/work", complete()...)
	before := f.Pipeline()
	a, err := form.AnswersOf(before, f.Template(), "/work")
	require.NoError(t, err)
	g := form.New(catalog(t), spec.Options{Region: "us-east-1", Dir: "/work"}, a, before)
	require.Empty(t, g.Differences())
	require.False(t, g.Changed())
	require.NotEmpty(t, g.Field("tenant").Fixed)
	g.Set("endpointKind", "serverless")
	require.True(t, g.Changed())
	d := g.Differences()[0]
	require.Equal(t, "endpointKind", d.Name)
	require.Equal(t, "instance", d.Before)
	require.Equal(t, "serverless", d.After)
	require.Contains(t, d.Changing, "does not answer")
}

// While a text is typed the whole form is checked after each key.
func BenchmarkForm(b *testing.B) {
	f := filled(b, "/work", complete()...)
	for b.Loop() {
		f.Set("preprocess.memoryMb", "512")
		f.Set("preprocess.memoryMb", "51")
	}
}

// What is no map of tags is told and kept, and no tag there is gets lost by it.
func TestTagsThatCannotBeReadWipeNone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`team=ml`:               "tags must be a map: this is not valid JSON",
		`{"cost":5}`:            "tags.cost must be a string, not an int (5)",
		`{"cost":null}`:         "tags.cost must be a string",
		`{"x":{"secret":"y"}}`:  "tags.x must be a string, not a map",
		`["team"]`:              "tags must be a map, not a list",
		`null`:                  "tags must be a map",
		`{"a":"b"} {"c":"d"}`:   "tags must be a map: this is not valid JSON",
		`{"a":"b","team":true}`: "tags.team must be a string, not a bool",
	} {
		f := filled(t, t.TempDir(), with("tags", `{"a":"b"}`)...)
		require.ErrorContains(t, f.Check("tags", text), want, text)
		f.Set("tags", text)
		require.Equal(t, text, f.Field("tags").Text, "what was typed is kept")
		require.Contains(t, f.Field("tags").Problem, want, text)
		require.Nil(t, f.Pipeline(), text)
		_, err := f.Resolve()()
		require.ErrorContains(t, err, want, text)
		require.Equal(t, map[string]string{"a": "b"}, f.Answers().Tags, text)
		f.Set("tags", `{"a":"c"}`)
		require.Equal(t, map[string]string{"a": "c"}, f.Pipeline().Tags)
	}
	f := filled(t, t.TempDir(), with("tags", `{"a":"b"}`)...)
	require.NoError(t, f.Check("tags", `{"team":"ml","cost":"5"}`))
	f.Set("tags", "")
	require.Empty(t, f.Pipeline().Tags, "an empty answer takes them away")
}
