package form_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/form"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/templates"
)

// secretive is a catalog whose one template has a secret: the image.
func secretive(t *testing.T) *spec.Catalog {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "secretive")
	require.NoError(t, os.CopyFS(dir, templates.FS))
	dir = filepath.Join(dir, "realtime")
	file := filepath.Join(dir, "template.yaml")
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	raw = bytes.Replace(raw, []byte("  - name: image\n"), []byte("  - name: image\n    secret: true\n"), 1)
	raw = bytes.Replace(raw, []byte("name: realtime"), []byte("name: secretive"), 1)
	require.NoError(t, os.WriteFile(file, raw, 0o600))
	cat, err := spec.LoadCatalog(nil, dir)
	require.NoError(t, err)
	return cat
}

// A secret shows nowhere but in the file that has to make the same pipeline.
func TestSecrets(t *testing.T) {
	t.Parallel()
	cat := secretive(t)
	f := form.New(cat, spec.Options{Region: "us-east-1", Dir: "/work"}, spec.Answers{}, nil)
	f.Choose("secretive")
	for i, x := 0, complete(); i < len(x); i += 2 {
		f.Set(x[i], x[i+1])
	}
	x := f.Field("image")
	require.True(t, x.Secret)
	require.Equal(t, "(secret)", x.Value)
	p := f.Pipeline()
	require.NotNil(t, p)
	shown, err := p.YAML(f.Template(), "/work", false)
	require.NoError(t, err)
	require.NotContains(t, shown, "sandbox/linear")
	saved, err := p.YAML(f.Template(), "/work", true)
	require.NoError(t, err)
	require.Contains(t, saved, "image: sandbox/linear")

	f.Set("image", "Not An Image")
	require.NotContains(t, f.Problems()[0].Text, "Not An Image")
}

// Secret entries of a map show in no field and in no difference; a reference shows as
// what it is.
func TestSecretEntries(t *testing.T) {
	t.Parallel()
	cat, err := spec.LoadCatalog(templates.FS)
	require.NoError(t, err)
	opts := spec.Options{Region: "us-east-1", Dir: "/work"}
	f := form.New(cat, opts, spec.Answers{}, nil)
	f.Choose("realtime")
	for i, x := 0, complete(); i < len(x); i += 2 {
		f.Set(x[i], x[i+1])
	}
	f.Set("modelEnvironment", `{"TOKEN":{"secret":"hush"},"URL":{"ssm":"/url"},"MODE":"fast"}`)
	x := f.Field("modelEnvironment")
	require.True(t, x.Covered)
	require.Equal(t, `MODE=fast, TOKEN=(secret), URL={"ssm":"/url"}`, x.Value)
	p := f.Pipeline()
	require.NotNil(t, p, "%v", f.Problems())
	require.True(t, p.HoldsSecrets(f.Template()))

	a, err := form.AnswersOf(p, f.Template(), "/work")
	require.NoError(t, err)
	again := form.New(cat, opts, a, p)
	require.Empty(t, again.Differences())
	require.Equal(t, p.Secrets, again.Pipeline().Secrets)
	again.Set("modelEnvironment", `{"TOKEN":{"secret":"sesame"},"URL":{"ssm":"/url"},"MODE":"fast"}`)
	require.Len(t, again.Differences(), 1)
	again.Set("modelEnvironment", `{"TOKEN":{"secret":"hush"},"URL":{"ssm":"/other"},"MODE":"fast"}`)
	d := again.Differences()
	require.Len(t, d, 1)
	require.NotContains(t, d[0].Before+d[0].After, "hush")
	require.Contains(t, d[0].After, "/other")
}
