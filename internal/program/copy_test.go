package program

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
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
	copies, err := CodeCopies(p, tmpl)
	require.NoError(t, err)
	require.Len(t, copies, 1)
	c := copies[0]
	require.True(t, c.Folder)
	require.Equal(t, "artifacts/code-"+c.Digest[:12]+".zip", c.Key)

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
	require.Contains(t, tmpl.Read, "instance-types.json")
	files := fstest.MapFS{"preprocess/raw": {Data: []byte{0xff, 0}}}
	own := []string{"template.yaml", "statemachine.asl.json", "preprocess/handler.py", "invoker/handler.py"}
	theirs := []string{".git/config", ".env", "notes.md", "keys/id_ed25519", "preprocess/__pycache__/x.py", "other/handler.py"}
	for _, name := range append(theirs, own...) {
		files[name] = &fstest.MapFile{Data: []byte("# " + name)}
	}
	files["dangling"] = &fstest.MapFile{Data: []byte("nowhere"), Mode: fs.ModeSymlink}
	got, err := templateFiles(files, own[:2])
	require.NoError(t, err)
	require.ElementsMatch(t, append(own, "preprocess/raw"), slices.Collect(maps.Keys(got)), "what lies beside it stays here")
	files["invoker/dangling"] = files["dangling"]
	got, err = templateFiles(files, own[:2])
	require.NoError(t, err)
	require.NotContains(t, got, "invoker/handler.py", "half a function is none")
	require.Contains(t, got, "preprocess/handler.py")
	_, err = templateFiles(files, []string{"gone.json"})
	require.Error(t, err)
	r := execute(t, p, tmpl, testEnv)
	require.Equal(t, "pulumi:index:Stash", r.made[TemplateResource].token)
	input, ok := r.inputs(t, TemplateResource)["input"].(map[string]any)
	require.True(t, ok)
	require.Contains(t, input, spec.TemplateFile)

	files["preprocess/big"] = &fstest.MapFile{Data: make([]byte, maxTemplate+1)}
	got, err = templateFiles(files, own[:2])
	require.NoError(t, err)
	require.Nil(t, got, "too much for a state")
}
