package fault

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReasonNamesDeadLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.Symlink("/nowhere", at("dead")))
	require.NoError(t, os.Symlink("dead", at("second")))
	require.NoError(t, os.Mkdir(at("folder"), 0o700))
	require.NoError(t, os.Symlink("folder", at("alive")))
	for name, want := range map[string]string{
		"dead":        at("dead") + " is a link to /nowhere, which is not there",
		"second":      at("second") + " is a link to dead, which is not there",
		"dead/deep/x": at("dead") + " is a link to /nowhere, which is not there",
		"absent":      "no such file or directory",
		"folder/x":    "no such file or directory",
		"alive/x":     "no such file or directory",
	} {
		_, err := os.ReadFile(at(name))
		require.EqualError(t, Reason(err), want, name)
		require.ErrorIs(t, Reason(err), fs.ErrNotExist)
	}
	_, err := os.ReadFile("absent-and-relative")
	require.EqualError(t, Reason(err), "no such file or directory")
}
