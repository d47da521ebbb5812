package app

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/templates"
)

// storedIn is a pipeline whose stack has a spec that names a template, and a template.
func storedIn(name, template string) *Existing {
	id := spec.ID{Tenant: "acme", Model: "iris", Env: "dev"}
	doc := `{"apiVersion":"` + spec.APIVersion + `","tenant":"acme","model":"iris","env":"dev","template":"` + name + `","templateVersion":"1","region":"us-east-1"}`
	return &Existing{ID: id, State: &stack.State{Stack: "acme.iris.dev", Spec: []byte(doc), Template: []byte(template)}}
}

// ownTemplate is the realtime template under another name, as a stack keeps it.
func ownTemplate(t *testing.T, name string) string {
	t.Helper()
	files := map[string]string{}
	root, err := fs.Sub(templates.FS, "realtime")
	require.NoError(t, err)
	require.NoError(t, fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(root, path)
		files[path] = string(data)
		return err
	}))
	files[spec.TemplateFile] = strings.Replace(files[spec.TemplateFile], "name: realtime", "name: "+name, 1)
	raw, err := json.Marshal(files)
	require.NoError(t, err)
	return string(raw)
}

// TestTheTemplateInAStack: it is looked at only where no folder has the template, and
// what is wrong on this machine is not called damage of the stack.
func TestTheTemplateInAStack(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, nil, nil)
	for _, template := range []string{`{"template.yaml": 1}`, `[]`, `{"template.yaml": "format: of tomorrow"}`} {
		cat, err := a.catalogFor(t.Context(), storedIn("realtime", template))
		require.NoError(t, err, template)
		_, err = cat.Lookup("realtime")
		require.NoError(t, err)
	}
	for template, kind := range map[string]fault.Kind{
		`{"template.yaml": 1}`:             fault.Damaged,
		`{"template.yaml": {"hex": "0g"}}`: fault.Damaged,
		`{"template.yaml": {}}`:            fault.Damaged,
		`{"../out": "x"}`:                  fault.Damaged,
		`[]`:                               fault.Damaged,
		`{"template.yaml": "format: of tomorrow"}`:  fault.Unsupported,
		`{"template.yaml": "x", "a": "", "a/b":""}`: fault.Invalid, // no folder holds these
	} {
		_, err := a.catalogFor(t.Context(), storedIn("homemade", template))
		require.Equal(t, kind, fault.KindOf(err), "%s: %v", template, err)
		require.NotEmpty(t, fault.HintOf(err))
	}
	x := storedIn("homemade", ownTemplate(t, "homemade"))
	cat, err := a.catalogFor(t.Context(), x)
	require.NoError(t, err)
	own, err := cat.Lookup("homemade")
	require.NoError(t, err)

	// A folder that somebody has changed is made anew.
	file := filepath.Join(own.Origin, spec.TemplateFile)
	was, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, change := range []func() error{
		func() error { return os.WriteFile(file, []byte("name: evil"), 0o600) },
		func() error { return os.Remove(file) },
	} {
		require.NoError(t, change())
		_, err = a.catalogFor(t.Context(), x)
		require.NoError(t, err)
		is, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(was), string(is))
	}
	left, err := os.ReadDir(filepath.Dir(own.Origin))
	require.NoError(t, err)
	for _, entry := range left {
		require.NotContains(t, entry.Name(), ".new-")
	}

	home := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(home, "cache"), nil, 0o600))
	a = newTestApp(t, map[string]string{"PIPELINETUI_HOME": home}, nil)
	_, err = a.catalogFor(t.Context(), x)
	require.ErrorIs(t, err, fault.Invalid)
	require.ErrorContains(t, err, "can't be put into a folder here")
	_, err = a.catalogFor(t.Context(), storedIn("realtime", ownTemplate(t, "homemade")))
	require.NoError(t, err)
}

// TestACachedCopyIsChecked: what lies in the cache is used only if it is what was
// deployed.
func TestACachedCopyIsChecked(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, nil, nil)
	good := []byte("the code")
	digest := program.DigestOf(good)
	whole := func(dir string) (bool, error) { return program.CheckCopy(filepath.Join(dir, "x.zip"), digest, false) }
	fills := 0
	fill := func(tmp string) error {
		fills++
		return putFile(tmp, "x.zip", good)
	}
	for i, want := range []int{1, 1, 2} {
		dir, err := a.cached("artifacts", digest, fill, whole)
		require.NoError(t, err)
		require.Equal(t, want, fills)
		is, err := os.ReadFile(filepath.Join(dir, "x.zip"))
		require.NoError(t, err)
		require.Equal(t, good, is)
		if i == 1 {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "x.zip"), []byte("other code"), 0o600))
		}
	}
}

// TestRebuildOfNothing: a stack that was destroyed in between is not there any more, and
// one that could not be read says why.
func TestRebuildOfNothing(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, nil, nil)
	p, err := a.Rebuild(t.Context(), &Existing{State: &stack.State{}}, spec.Overrides{})
	require.Nil(t, p)
	require.ErrorIs(t, err, fault.NotFound)
	_, err = a.Rebuild(t.Context(), &Existing{Err: fault.New(fault.Damaged, "no JSON")}, spec.Overrides{})
	require.ErrorIs(t, err, fault.Damaged)
}

// TestUnzipStaysInside: a copy that somebody has changed writes nowhere else.
func TestUnzipStaysInside(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"../out", "/out", "a/../../out", ".", ""} {
		require.Error(t, putFile(t.TempDir(), name, nil), name)
	}
	dir := t.TempDir()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range []string{"a/b.txt", "../escaped"} {
		w, err := z.Create(name)
		require.NoError(t, err)
		_, err = w.Write([]byte("x"))
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	file := filepath.Join(dir, "copy.zip")
	require.NoError(t, os.WriteFile(file, b.Bytes(), 0o600))
	require.Error(t, unzip(file, filepath.Join(dir, "files")))
	require.NoFileExists(t, filepath.Join(dir, "escaped"))
	require.FileExists(t, filepath.Join(dir, "files", "a", "b.txt"))
}

// TestCodeThatChangesWhileItIsDeployed: the copy of another code than the stored spec
// names is none; whoever unpacked it would be told that it is not what was deployed.
func TestCodeThatChangesWhileItIsDeployed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "index.py")
	require.NoError(t, os.WriteFile(file, []byte("def handler(e, c): return e"), 0o600))
	tmpl := &spec.Template{Name: "x", Blocks: []string{"storage", "preprocess"}}
	p := &spec.Pipeline{Files: map[string]string{"preprocess.code": dir, "modelDataUrl": filepath.Join(dir, "gone")}}
	copies, err := program.CodeCopies(p, tmpl) // and does not read the model
	require.NoError(t, err)
	require.Len(t, copies, 1)
	c := copies[0]
	doc := []byte(`{"apiVersion":"` + spec.APIVersion + `","tenant":"acme","model":"iris","template":"x","artifacts":{"preprocess.code":{"object":"` +
		c.Key + `","sha256":"` + c.Digest + `","folder":true}}}`)
	require.NoError(t, sameAsDeployed(copies, doc))

	require.NoError(t, os.WriteFile(file, []byte("def handler(e, c): return c"), 0o600))
	a := newTestApp(t, nil, nil)
	require.ErrorContains(t, a.keepCopy(t.Context(), nil, "bucket", c), "was changed while the pipeline was brought up", "while it is packed")
	copies, err = program.CodeCopies(p, tmpl)
	require.NoError(t, err)
	require.ErrorContains(t, sameAsDeployed(copies, doc), "was changed while the pipeline was brought up")
}

// An object that an older revision needs as well is known to everybody who prunes.
func TestNeededSince(t *testing.T) {
	t.Parallel()
	of := func(number int, key string) revisions.Record {
		return revisions.Record{Number: number, Begun: time.Unix(int64(number), 0), Content: revisions.Content{Document: map[string]any{
			"artifacts": map[string]any{"preprocess.code": map[string]any{"object": key}},
		}}}
	}
	l := &revisions.Ledger{Revisions: map[string]revisions.Record{"r1": of(1, "a"), "r2": of(2, "b"), "r3": of(3, "a")}}
	require.True(t, neededSince(l, "a").IsZero())
	l.Revisions["r3"] = of(3, "c")
	require.Equal(t, time.Unix(3, 0), neededSince(l, "c"))
	require.Len(t, l.Revisions, 3)
	require.True(t, neededSince(&revisions.Ledger{}, "c").IsZero())
}
