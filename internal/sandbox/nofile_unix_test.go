//go:build unix

package sandbox_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/peer/peertest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox"
)

// TestWhatIsNoFileIsNamed: in the place of a file of the sandbox's own a folder is no riddle,
// and a pipe is waited for by nobody.
func TestWhatIsNoFileIsNamed(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]func(string) error{
		"it is a folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"it is a pipe":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		for _, of := range []string{"lock", "start.lock", "sandbox.log", "data/evaluating"} {
			t.Run(of+", "+name, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				path := filepath.Join(dir, of)
				_, stop := serve(t, sandbox.ServeOptions{Dir: dir})
				require.NoError(t, stop())
				require.NoError(t, os.RemoveAll(path))
				require.NoError(t, put(path))
				says := func(err error) {
					t.Helper()
					require.ErrorIs(t, err, fault.Damaged)
					require.ErrorContains(t, err, path+" cannot be used: "+name)
					require.Contains(t, fault.HintOf(err), "mv "+path)
				}
				if of != "data/evaluating" { // the daemon's alone
					_, err := sandbox.Start(t.Context(), dir, "/bin/false")
					says(err)
				}
				if of == "lock" {
					_, _, err := sandbox.Status(dir)
					says(err)
					_, err = sandbox.Stop(t.Context(), dir)
					says(err)
				}
				if of != "start.lock" { // who starts it, alone
					says(sandbox.Serve(t.Context(), sandbox.ServeOptions{Dir: dir}))
				}
				require.NoError(t, os.Rename(path, path+".away"))
				_, stop = serve(t, sandbox.ServeOptions{Dir: dir})
				require.NoError(t, stop(), "the way out is one")
			})
		}
	}
}

// TestAKeyThatMayNotBeReadIsNotDamaged: a new one is not what helps.
func TestAKeyThatMayNotBeReadIsNotDamaged(t *testing.T) {
	if !peertest.AsNobody(t) {
		return
	}
	dir := t.TempDir()
	_, stop := serve(t, sandbox.ServeOptions{Dir: dir})
	require.NoError(t, stop())
	keys := filepath.Join(dir, "credentials.json")
	require.NoError(t, os.Chmod(keys, 0))
	err := sandbox.Serve(t.Context(), sandbox.ServeOptions{Dir: dir})
	require.ErrorIs(t, err, fault.Denied)
	require.ErrorContains(t, err, keys+" cannot be read: permission denied")
	require.NotContains(t, err.Error(), "damaged")
	require.NotContains(t, fault.HintOf(err), "reset")
}
