//go:build unix

package wholefile_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// TestWhatIsNoFileIsRefusedAtOnce: nobody is at the other end of the pipe, and none comes.
func TestWhatIsNoFileIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.Mkdir(path("folder"), 0o700))
	require.NoError(t, syscall.Mkfifo(path("pipe"), 0o600))
	require.NoError(t, os.Symlink("pipe", path("link")))
	require.NoError(t, os.Symlink(os.DevNull, path("null")))
	require.NoError(t, os.WriteFile(path("file"), []byte("x"), 0o600))
	for name, says := range map[string]string{
		"folder": "it is a folder", "pipe": "it is a pipe", "link": "it is a pipe", "/dev/zero": "it is no file (Dc---------)",
	} {
		file := path(name)
		if filepath.IsAbs(name) {
			file = name
		}
		for _, flag := range []int{os.O_RDONLY, os.O_WRONLY | os.O_CREATE | os.O_APPEND, os.O_RDWR | os.O_CREATE} {
			_, err := wholefile.Open(file, flag, 0o600)
			var no wholefile.NoFile
			require.ErrorAs(t, err, &no, name)
			require.Equal(t, says, no.Error())
			require.ErrorContains(t, err, file+": "+says)
		}
	}
	_, err := wholefile.Read(path("none"))
	require.ErrorIs(t, err, os.ErrNotExist)
	raw, err := wholefile.Read(path("file"))
	require.NoError(t, err)
	require.Equal(t, "x", string(raw))
	raw, err = wholefile.Read(path("null"))
	require.NoError(t, err)
	require.Empty(t, raw)
	f, err := wholefile.Open(path("new"), os.O_WRONLY|os.O_CREATE, 0o600)
	require.NoError(t, err)
	_, err = f.WriteString("y")
	require.NoError(t, err)
	require.NoError(t, f.Close())
}
