package app

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

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
