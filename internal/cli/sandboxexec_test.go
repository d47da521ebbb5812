package cli

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWorkDirOf(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	require.NoError(t, err)
	for _, c := range []struct {
		want string
		args []string
	}{
		{here, []string{"pulumi", "preview"}},
		{"/p", []string{"pulumi", "-C", "/p", "preview"}},
		{"/p", []string{"/usr/bin/pulumi", "preview", "--cwd=/p"}},
		{"/p", []string{"pulumi", "--cwd", "/p", "up"}},
		{"/p", []string{"pulumi", "-C/p", "up"}},
		{filepath.Join(here, "p"), []string{"pulumi", "-C", "p"}},
		{here, []string{"pulumi", "up", "-C"}},
		{here, []string{"git", "-C", "/p", "status"}},
	} {
		got, err := workDirOf(c.args)
		require.NoError(t, err)
		require.Equal(t, c.want, got, "%v", c.args)
	}
}

func TestOnPath(t *testing.T) {
	t.Parallel()
	first, second := t.TempDir(), t.TempDir()
	for dir, mode := range map[string]os.FileMode{first: 0o644, second: 0o755} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "tool"), nil, mode)) //nolint:gosec // has to be executable
	}
	path := first + string(os.PathListSeparator) + second
	require.Equal(t, filepath.Join(second, "tool"), onPath("tool", path), "the first is not executable")
	require.Empty(t, onPath("tool", first))
	require.Empty(t, onPath("./tool", path), "a path is not searched for")
}

// TestAttendPassesSignalsOn: a signal that only we got goes to the program, whose end
// is ours.
func TestAttendPassesSignalsOn(t *testing.T) {
	t.Parallel()
	streams, _, _ := testIO("")
	signals := make(chan os.Signal, 1)
	e := &env{IO: streams, signals: signals}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `trap 'exit 5' TERM; echo ready; while read -r line; do :; done`)
	stdin, err := cmd.StdinPipe() // stays open: it waits
	require.NoError(t, err)
	defer stdin.Close()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)
	signals <- syscall.SIGTERM
	err = e.attend(cmd)
	require.Equal(t, ExitCode(5), codeOf(err))
}
