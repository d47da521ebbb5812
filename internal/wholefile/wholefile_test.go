package wholefile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// A file has its name once it is whole, in the place of the one before, and nothing is left of
// one that was given up.
func TestFilesAreWholeOrNotThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "a.json")
	is := func(want string) {
		t.Helper()
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, want, string(raw))
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 1)
	}
	require.NoError(t, wholefile.WriteFile(path, []byte("one"), 0o600))
	is("one")
	require.NoError(t, wholefile.WriteFile(path, []byte("two"), 0o600))
	is("two")
	f, err := wholefile.New(path, 0o600)
	require.NoError(t, err)
	_, err = f.WriteString("three")
	require.NoError(t, err)
	require.NoError(t, f.Cleanup())
	is("two")
	f, err = wholefile.New(path, 0o600)
	require.NoError(t, err)
	_, err = f.WriteString("three")
	require.NoError(t, err)
	require.NoError(t, f.CloseAtomicallyReplace())
	require.NoError(t, f.Cleanup())
	is("three")
	require.Error(t, wholefile.WriteFile(filepath.Join(dir, "none", "a"), nil, 0o600))
}
