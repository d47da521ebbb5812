package spec_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

var acme = spec.ID{Tenant: "acme", Model: "m"}

func TestNew(t *testing.T) {
	t.Parallel()
	p, err := build(acme, "tiny", []string{
		"word=xyz", "password=verysecret", "count=3", "share=0.25", "on=true", "colour=red", "size=2",
		"items=i-1, i-2", `vars={"A":"b=c"}`, "region=eu-west-1", "tags.team=ml", `tags={"x":"y"}`, "protect=true",
		"assumeRole=arn:aws:iam::111122223333:role/x", "word=abcde",
	}, tinyCatalog(t), spec.Options{Region: "us-east-1"})
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(spec.Values{
		"word": "abcde", "password": "verysecret", "count": 3, "share": 0.25, "on": true, "colour": "red", "size": 2,
		"items": []string{"i-1", "i-2"}, "vars": map[string]string{"A": "b=c"},
		"code.path": "", "code.entry": "main.run", "code.runtime": "java21",
	}, p.Parameters))
	require.Equal(t, "dev", p.Env)
	require.Equal(t, "eu-west-1", p.Region)
	require.Equal(t, "7", p.TemplateVersion)
	require.Equal(t, map[string]string{"team": "ml", "x": "y"}, p.Tags)
	require.True(t, p.Protect)
	require.Equal(t, "arn:aws:iam::111122223333:role/x", p.AssumeRole)

	p, err = build(acme, "tiny", []string{`items=["i-1"]`, "vars="}, tinyCatalog(t), spec.Options{Region: "us-east-1", Set: []string{"items="}})
	require.NoError(t, err)
	require.Equal(t, []string{}, p.Parameters.Strings("items"))
	require.Equal(t, map[string]string{}, p.Parameters.Map("vars"))
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ set, want string }{
		"no equals":    {"word", `--set: "word" is not name=value | Write it like --set`},
		"no name":      {"=x", `--set: "=x" is not name=value`},
		"unknown":      {"wrd=x", `--set wrd: template tiny has no parameter "wrd" | Did you mean "word"?`},
		"pattern":      {"word=X", `--set word: word is "X", but it must be small letters | The rule is ^[a-z]+$.`},
		"length":       {"word=abcdef", "--set word: word has 6 characters, but it may have 5"},
		"int":          {"count=many", "--set count: count must be an int from 1 to 9, not a string (many)"},
		"int as float": {"count=1.5", "count must be an int from 1 to 9, not a float (1.5)"},
		"too large":    {"count=99999999999999999999999", "count must be an int from 1 to 9, not a float"},
		"range":        {"count=10", "count is 10, but it must be an int from 1 to 9"},
		"above":        {"share=0", "share is 0, but it must be a number above 0"},
		"max":          {"share=1.5", "share is 1.5, but"},
		"bool":         {"on=yes", "on must be true or false, not a string (yes)"},
		"choice":       {"colour=gren", `colour is "gren", but it must be one of red, green | Did you mean "green"?`},
		"int choice":   {"size=3", `size is "3", but it must be one of 1, 2, 4`},
		"json list":    {"items=[", "items must be a list of up to 2, each an i-name: this is not valid JSON"},
		"item":         {"items=i-1,x", `--set items: items is "x", but it must be an i-name`},
		"json map":     {"vars=A:b", `vars must be a map of strings; keys are capital letters: this is not valid JSON | Write JSON, for example {"NAME":"value"}.`},
		"map key":      {`vars={"a":"b"}`, `vars: the key "a" must be capital letters`},
		"map reserved": {`vars={"HOME":"b"}`, `vars: the key "HOME" is reserved`},
		"map is list":  {`vars=["a"]`, "vars must be a map, not a list"},
		"arn":          {"topic=x", `topic is "x", but it must be an ARN`},
		"region":       {"region=mars", `--set region: region "mars" is not an AWS region`},
		"role":         {"assumeRole=x", `--set assumeRole: assumeRole is "x"`},
		"protect":      {"protect=maybe", "--set protect: protect must be true or false"},
		"tag":          {"tags.aws:x=1", "--set tags.aws:x: tags.aws:x: keys that begin with aws: are AWS's own"},
		"tags":         {"tags=a", "--set tags: tags must be a map: this is not valid JSON"},
		"requires":     {"colour=green", "--set colour: acme/m: topic has to be given when colour is green | Name a topic."},
		"missing file": {"code.path=./none", `--set code.path: code.path names "./none", but there is no `},
		"url":          {"code.path=https://x/y", `code.path is "https://x/y", but it must be s3://... or a local folder or a local zip or a local file (.tar.gz)`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := build(acme, "tiny", []string{tc.set}, tinyCatalog(t), spec.Options{Region: "us-east-1"})
			got := lines(t, err, "")
			require.Len(t, got, 1, got)
			require.Contains(t, got[0], tc.want)
			// the same as an override of a spec
			_, err = build(acme, "tiny", nil, tinyCatalog(t), spec.Options{Region: "us-east-1", Set: []string{tc.set}})
			require.Equal(t, got, lines(t, err, ""))
		})
	}
	_, err := build(acme, "tiny", []string{"on=true", "topic=arn:aws:sns:us-east-1:111122223333:x"}, tinyCatalog(t), spec.Options{Region: "us-east-1"})
	require.ErrorContains(t, err, "on and topic can't be used together")
	_, err = build(acme, "tiny", []string{"size=4", "share=1"}, tinyCatalog(t), spec.Options{Region: "us-east-1"})
	require.ErrorContains(t, err, "it can't be that share is 1 and size is 4")
	_, err = build(acme, "", nil, tinyCatalog(t), spec.Options{Region: "us-east-1"})
	require.ErrorContains(t, err, "acme/m has no template")
	_, err = build(acme, "tony", nil, tinyCatalog(t), spec.Options{Region: "us-east-1"})
	require.ErrorContains(t, err, `--template: there is no template "tony"`)
	_, err = build(spec.ID{Tenant: "A", Model: "B"}, "tiny", nil, tinyCatalog(t), spec.Options{Region: "us-east-1"})
	require.ErrorIs(t, err, fault.Invalid)
	_, err = build(acme, "realtime", nil, builtin(t), spec.Options{Region: "us-east-1"})
	got := lines(t, err, "")
	require.Len(t, got, 2)
	require.True(t, strings.HasPrefix(got[0], "acme/m has no image, which template realtime requires | Add --set image="), got[0])
}

// TestSecretsStayOut: no error text and no formatted value shows a secret.
func TestSecretsStayOut(t *testing.T) {
	t.Parallel()
	cat := tinyCatalog(t)
	_, err := build(acme, "tiny", []string{"password=HUNTER2"}, cat, spec.Options{Region: "us-east-1"})
	got := lines(t, err, "")
	require.Len(t, got, 1)
	require.NotContains(t, got[0], "HUNTER2")
	require.Contains(t, got[0], "password is a secret value, but it must be eight small letters")

	text := "apiVersion: pipelinetui/v1\npipelines: [{tenant: acme, model: m, template: tiny, region: us-east-1, parameters: {password: %s}}]\n"
	for _, value := range []string{"12345678", "[12345678]", "{a: 12345678}"} {
		_, errs := load(t, cat, strings.ReplaceAll(text, "%s", value), spec.Options{})
		require.Len(t, errs, 1)
		require.NotContains(t, errs[0], "12345678")
	}
	tmpl, err := cat.Lookup("tiny")
	require.NoError(t, err)
	require.Equal(t, []string{"password"}, tmpl.Secrets())
	p, ok := tmpl.Parameter("password")
	require.True(t, ok)
	require.Equal(t, "(secret)", p.Format("HUNTER2", nil))
	require.Empty(t, p.Format("", nil))
}

// TestParse is what a wizard does with one answer.
func TestParse(t *testing.T) {
	t.Parallel()
	tmpl, err := builtin(t).Lookup("realtime")
	require.NoError(t, err)
	p, ok := tmpl.Parameter("preprocess.memoryMb")
	require.True(t, ok)
	v, err := p.Parse("512", "")
	require.NoError(t, err)
	require.Equal(t, 512, v)
	_, err = p.Parse("5", "")
	require.EqualError(t, err, "preprocess.memoryMb is 5, but it must be an int from 128 to 10240")
	p, _ = tmpl.Parameter("preprocess.code")
	dir := t.TempDir()
	_, err = p.Parse("code", dir)
	require.ErrorContains(t, err, "but there is no "+dir)
	write(t, dir, "code/handler.py", "x")
	v, err = p.Parse("code", dir)
	require.NoError(t, err)
	require.Equal(t, "code", v)
}

// TestSetNull: null takes a parameter back, to its default or to having no value.
func TestSetNull(t *testing.T) {
	t.Parallel()
	cat := builtin(t)
	id := spec.ID{Tenant: "acme", Model: "m"}
	before, err := build(id, "realtime", []string{
		"image=sandbox/linear", "modelDataUrl=s3://b/m.tar.gz", "volumeGb=20", "preprocess.memoryMb=512",
	}, cat, spec.Options{Region: "us-east-1"})
	require.NoError(t, err)
	require.Equal(t, 20, before.Parameters.Int("volumeGb"))

	after, err := spec.FromDocument(before.Document, cat, spec.Options{Region: "us-east-1", Set: []string{"volumeGb=null", "preprocess.memoryMb=null"}})
	require.NoError(t, err)
	require.False(t, after.Parameters.Has("volumeGb"))
	require.Equal(t, 256, after.Parameters.Int("preprocess.memoryMb"))
	require.NotContains(t, string(after.Document), "volumeGb", "what is kept with the stack forgets it too")

	_, err = spec.FromDocument(before.Document, cat, spec.Options{Region: "us-east-1", Set: []string{"image=null"}})
	require.ErrorContains(t, err, "has no image, which template realtime requires")
	_, err = spec.FromDocument(before.Document, cat, spec.Options{Region: "us-east-1", Set: []string{"volumeG=null"}})
	require.ErrorContains(t, err, `has no parameter "volumeG"`)
}
