package program

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// TestCopies: the copy of a folder unpacks to what has its digest; the stored spec names
// it; what does not belong to a function is not in it.
func TestCopies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"handler.py": "def handler(event, context):\n    return event\n", "lib/x.txt": "x", "__pycache__/a.pyc": "junk"} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	p, tmpl := pipelineOf(t, nil)
	p.Files = map[string]string{"preprocess.code": dir}
	copies, err := Copies(p, tmpl)
	require.NoError(t, err)
	require.Len(t, copies, 1)
	c := copies[0]
	require.True(t, c.Folder)
	require.Equal(t, "artifacts/code-"+c.Digest[:12]+".zip", c.Key)
	require.False(t, c.Uploaded)

	var packed bytes.Buffer
	require.NoError(t, c.Write(&packed))
	z, err := zip.NewReader(bytes.NewReader(packed.Bytes()), int64(packed.Len()))
	require.NoError(t, err)
	out := t.TempDir()
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
		src, err := f.Open()
		require.NoError(t, err)
		data, err := io.ReadAll(src)
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(out, f.Name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(out, f.Name), data, 0o600))
	}
	require.Equal(t, []string{"handler.py", "lib/x.txt"}, names)
	same, err := CheckCopy(out, c.Digest, true)
	require.NoError(t, err)
	require.True(t, same)
	require.NoError(t, os.WriteFile(filepath.Join(out, "lib", "x.txt"), []byte("y"), 0o600))
	same, err = CheckCopy(out, c.Digest, true)
	require.NoError(t, err)
	require.False(t, same)

	r := execute(t, p, tmpl, testEnv)
	kept, ok := r.inputs(t, "spec")["input"].(map[string]any)
	require.True(t, ok)
	require.Equal(t, map[string]any{"preprocess.code": map[string]any{"object": c.Key, "sha256": c.Digest, "folder": true}}, kept["artifacts"])
	require.NotContains(t, r.made, TemplateResource, "the program brings its own templates along")
}

// TestTemplateTravels: a template of the user's own is kept with the stack, file by file.
func TestTemplateTravels(t *testing.T) {
	t.Parallel()
	p, tmpl := pipelineOf(t, nil)
	tmpl.Origin = "/home/me/templates/realtime"
	files := fstest.MapFS{"raw": {Data: []byte{0xff, 0}}, ".git/config": {Data: []byte("no")}}
	for _, name := range []string{"template.yaml", "preprocess/handler.py"} {
		files[name] = &fstest.MapFile{Data: []byte("# " + name)}
	}
	got, err := templateFiles(files)
	require.NoError(t, err)
	require.Len(t, got, 3)
	r := execute(t, p, tmpl, testEnv)
	require.Equal(t, "pulumi:index:Stash", r.made[TemplateResource].token)
	input, ok := r.inputs(t, TemplateResource)["input"].(map[string]any)
	require.True(t, ok)
	require.Contains(t, input, spec.TemplateFile)

	files["big"] = &fstest.MapFile{Data: make([]byte, maxTemplate+1)}
	got, err = templateFiles(files)
	require.NoError(t, err)
	require.Nil(t, got, "too much for a state")
}
