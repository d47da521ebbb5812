package spec_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

const local = `
apiVersion: pipelinetui/v1
defaults: {template: realtime, region: eu-west-1, tags: {b: "2", a: "1"}}
tenants: {acme: {assumeRole: 'arn:aws:iam::111122223333:role/x'}}
pipelines:
  - tenant: acme
    model: m
    env: prod
    protect: false
    parameters:
      image: acme/own
      modelDataUrl: ./model.tar.gz
      preprocess: {code: pre, memoryMb: 512}
      modelEnvironment: {A: "<&>"}
`

func localSpec(t *testing.T) (dir string, set *spec.Set) {
	t.Helper()
	dir = t.TempDir()
	write(t, dir, "model.tar.gz", "\x1f\x8bx")
	write(t, dir, "pre/handler.py", "def handler(e, c): return e")
	set, err := spec.Load(write(t, dir, "p.yaml", local), builtin(t), spec.Options{})
	require.NoError(t, err)
	return dir, set
}

func TestDocument(t *testing.T) {
	t.Parallel()
	dir, set := localSpec(t)
	p := set.Pipelines[0]
	require.Equal(t, map[string]string{"modelDataUrl": filepath.Join(dir, "model.tar.gz"), "preprocess.code": filepath.Join(dir, "pre")}, p.Files)
	quoted, err := json.Marshal(dir)
	require.NoError(t, err)
	require.Equal(t, `{"apiVersion":"pipelinetui/v1","tenant":"acme","model":"m","env":"prod","template":"realtime","templateVersion":"1",`+
		`"region":"eu-west-1","assumeRole":"arn:aws:iam::111122223333:role/x","protect":false,"tags":{"a":"1","b":"2"},`+
		`"parameters":{"image":"acme/own","modelDataUrl":"./model.tar.gz","modelEnvironment":{"A":"<&>"},"preprocess.code":"pre","preprocess.memoryMb":512},`+
		`"directory":`+string(quoted)+`}`, string(p.Document))

	again, err := spec.FromDocument(p.Document, builtin(t), spec.Options{Region: "us-east-1"})
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(&p, again))
}

// TestDocumentElsewhere: on a machine without the artifacts the pipeline can be
// read, and updated once they are given anew.
func TestDocumentElsewhere(t *testing.T) {
	t.Parallel()
	doc := []byte(`{"apiVersion":"pipelinetui/v1","tenant":"acme","model":"m","env":"dev","template":"realtime","templateVersion":"1","region":"eu-west-1",` +
		`"parameters":{"image":"acme/own","modelDataUrl":"./model.tar.gz","instanceType":"ml.c5.large"},"directory":"/nowhere"}`)
	_, err := spec.FromDocument(doc, builtin(t), spec.Options{})
	require.ErrorContains(t, err, `the stored spec: modelDataUrl names "./model.tar.gz", but there is no /nowhere/model.tar.gz`)

	p, err := spec.FromDocument(doc, builtin(t), spec.Options{SkipFiles: true})
	require.NoError(t, err)
	require.Equal(t, "/nowhere/model.tar.gz", p.Files["modelDataUrl"])
	require.JSONEq(t, string(doc), string(p.Document))

	dir := t.TempDir()
	write(t, dir, "new.tar.gz", "\x1f\x8bx")
	p, err = spec.FromDocument(doc, builtin(t), spec.Options{Set: []string{"modelDataUrl=new.tar.gz"}, Dir: dir})
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "new.tar.gz"), p.Files["modelDataUrl"])
	require.Contains(t, string(p.Document), filepath.Join(dir, "new.tar.gz"), "a path from a flag is kept as absolute")
	require.NotContains(t, string(p.Document), "nowhere")

	p, err = spec.FromDocument(doc, builtin(t), spec.Options{Set: []string{"modelDataUrl=s3://b/k", "endpointKind=serverless"}})
	require.NoError(t, err, "what an override takes the effect of goes unused")
	require.NotContains(t, string(p.Document), `"instanceType":"ml.c5.large","modelDataUrl"`, "it does not apply any more")
	require.Contains(t, string(p.Document), `"dormant":{"instanceType":"ml.c5.large"}`)
	require.NotContains(t, string(p.Document), "directory")

	plain, err := spec.ReadDocument(doc)
	require.NoError(t, err)
	require.Equal(t, "acme/m", plain.ID.String())
	require.Equal(t, "eu-west-1", plain.Region)
	require.Equal(t, "realtime", plain.Template)
	require.Equal(t, "ml.c5.large", plain.Parameters.String("instanceType"))
}

func TestDocumentRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		doc  string
		kind fault.Kind
		want string
	}{
		"no json":       {"{", fault.Invalid, "not valid JSON"},
		"no object":     {"[]", fault.Invalid, "must be a map"},
		"null":          {"null", fault.Invalid, "must be a map"},
		"newer":         {`{"apiVersion":"pipelinetui/v9"}`, fault.Unsupported, "not of apiVersion pipelinetui/v1"},
		"no version":    {`{"tenant":"a"}`, fault.Unsupported, "not of apiVersion"},
		"unknown key":   {`{"apiVersion":"pipelinetui/v1","x":1}`, fault.Invalid, `unknown key "x"`},
		"no names":      {`{"apiVersion":"pipelinetui/v1"}`, fault.Invalid, "tenant"},
		"number as env": {`{"apiVersion":"pipelinetui/v1","tenant":"a","model":"b","env":5}`, fault.Invalid, "env"},
		"tag":           {`{"apiVersion":"pipelinetui/v1","tenant":"a","model":"b","region":"us-east-1","tags":{"a":1}}`, fault.Invalid, "tags.a must be a string"},
		"no region":     {`{"apiVersion":"pipelinetui/v1","tenant":"a","model":"b","template":"realtime"}`, fault.Invalid, "has no region"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := spec.FromDocument([]byte(tc.doc), builtin(t), spec.Options{})
			require.Equal(t, tc.kind, kindOf(err), "%v", err)
			require.ErrorContains(t, err, tc.want)
			_, err = spec.ReadDocument([]byte(tc.doc))
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func kindOf(err error) fault.Kind { return fault.KindOf(err) }

// A value that another parameter switches off comes back when it is switched on
// again.
func TestDormantParameters(t *testing.T) {
	t.Parallel()
	change := func(doc []byte, set ...string) *spec.Pipeline {
		p, err := spec.FromDocument(doc, builtin(t), spec.Options{Set: set})
		require.NoError(t, err)
		return p
	}
	doc := []byte(`{"apiVersion":"pipelinetui/v1","tenant":"acme","model":"fraud","template":"realtime","templateVersion":"1","region":"us-east-1",
		"parameters":{"image":"acme/own","modelDataUrl":"s3://b/m.tar.gz","instanceType":"ml.c5.xlarge"}}`)
	p := change(doc, "endpointKind=serverless", "serverlessMemoryMb=4096")
	require.Equal(t, "ml.m5.large", p.Parameters["instanceType"], "it does not apply")
	require.Contains(t, string(p.Document), `"dormant":{"instanceType":"ml.c5.xlarge"}`)
	again := change(p.Document)
	require.Equal(t, string(p.Document), string(again.Document), "it stays")

	p = change(p.Document, "endpointKind=instance")
	require.Equal(t, "ml.c5.xlarge", p.Parameters["instanceType"])
	require.Contains(t, string(p.Document), `"dormant":{"serverlessMemoryMb":4096}`)
	require.Equal(t, 4096, change(p.Document, "endpointKind=serverless").Parameters["serverlessMemoryMb"])
	require.NotContains(t, string(change(p.Document, "serverlessMemoryMb=null").Document), "dormant", "taken back")
}

// TestCopiesOfAStoredSpec: what a stack says of its copies becomes paths, so it must be
// what we have written.
func TestCopiesOfAStoredSpec(t *testing.T) {
	t.Parallel()
	digest := strings.Repeat("0a", 32)
	for artifacts, good := range map[string]bool{
		`{"object": "artifacts/code-0a0a0a0a0a0a.zip", "sha256": "` + digest + `", "folder": true}`: true,
		`{"object": "artifacts/code.zip", "sha256": "../../../x"}`:                                  false,
		`{"object": "artifacts/code.zip", "sha256": ""}`:                                            false,
		`{"object": "artifacts/code.zip"}`:                                                          false,
		`{"object": "artifacts/..", "sha256": "` + digest + `"}`:                                    false,
		`{"object": "artifacts/../x", "sha256": "` + digest + `"}`:                                  false,
		`{"object": "", "sha256": "` + digest + `"}`:                                                false,
		`{"object": "other/code.zip", "sha256": "` + digest + `"}`:                                  false,
	} {
		doc := `{"apiVersion":"` + spec.APIVersion + `","tenant":"acme","model":"iris","env":"dev","template":"realtime","templateVersion":"1",` +
			`"region":"us-east-1","parameters":{"modelDataUrl":"/nowhere/m.tar.gz","image":"111122223333.dkr.ecr.us-east-1.amazonaws.com/x:1"},` +
			`"artifacts":{"modelDataUrl":` + artifacts + `}}`
		p, err := spec.FromDocument([]byte(doc), builtin(t), spec.Options{SkipFiles: true})
		if good {
			require.NoError(t, err, artifacts)
			require.Equal(t, digest, p.Kept["modelDataUrl"].SHA256)
			continue
		}
		require.ErrorContains(t, err, "is no copy of an artifact", artifacts)
		read, err := spec.ReadDocument([]byte(doc)) // it can still be destroyed
		require.NoError(t, err)
		require.Nil(t, read.Kept)
	}
}
