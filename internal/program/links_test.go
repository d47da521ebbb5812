package program

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// A link within the folder is its file; one that leads out is refused, wherever the folder
// is packed, hashed or kept.
func TestLinksOutOfTheFolder(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	dir := filepath.Join(top, "code")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "lib"), 0o750))
	for _, name := range []string{"secret", "code/index.py", "code/lib/util.py"} {
		require.NoError(t, os.WriteFile(filepath.Join(top, name), []byte(name), 0o600))
	}
	link := func(target, name string) { require.NoError(t, os.Symlink(target, filepath.Join(dir, name))) }
	link("lib/util.py", "util.py")
	link("../index.py", "lib/index.py")
	link("../code/lib", "loop") // a folder: left out
	code, err := codeFromFolder("preprocess.code", dir)
	require.NoError(t, err)
	require.Len(t, code.files, 4)

	for name, target := range map[string]string{
		"up":       "../secret",
		"absolute": filepath.Join(top, "secret"),
		"chain":    "up2",
		"through":  "out/secret",
		"back":     "../code/index.py", // the folder may lie elsewhere tomorrow
	} {
		extra := map[string]string{"chain": "../secret", "through": ".."}
		at := map[string]string{"chain": "up2", "through": "out"}[name]
		if at != "" {
			link(extra[name], at)
		}
		link(target, "x-"+name)
		_, err := codeFromFolder("preprocess.code", dir)
		var refused *fault.Error
		require.ErrorAs(t, err, &refused, name)
		require.Equal(t, fault.Invalid, refused.Kind, name)
		require.ErrorContains(t, err, "leads out of the folder, to ", name)
		_, _, err = hashFolder(dir)
		require.ErrorContains(t, err, "leads out of the folder", name)
		_, err = codeFromTemplate(os.DirFS(top), "code", top)
		require.ErrorContains(t, err, "leads out of the folder", name)
		require.NoError(t, os.Remove(filepath.Join(dir, "x-"+name)))
		if at != "" {
			require.NoError(t, os.Remove(filepath.Join(dir, at)))
		}
	}
	link("round", "round")
	_, _, err = hashFolder(dir)
	require.ErrorAs(t, err, new(*fs.PathError))
}
