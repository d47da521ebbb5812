package data

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWriteFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "a.yaml")
	require.NoError(t, WriteFile(file, "one", 0o644, false))
	require.ErrorIs(t, WriteFile(file, "two", 0o600, false), fs.ErrExist)
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "one", string(raw))
	require.NoError(t, WriteFile(file, "two", 0o600, true))
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), "the mode of what was there does not stay")
	err = WriteFile(filepath.Join(dir, "no", "a"), "x", 0o600, true)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NotContains(t, err.Error(), ".pipelinetui-", "it is about the file that was named")
	require.Error(t, WriteFile(dir, "x", 0o600, true), "a folder")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing half is left")
}
