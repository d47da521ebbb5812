package cli

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
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
		require.NoError(t, os.WriteFile(filepath.Join(dir, "tool"), nil, mode)) // has to be executable
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
	streams, _, _ := console.Buffers("")
	signals := make(chan os.Signal, 1)
	e := newSession(nil, streams, func(string) (string, bool) { return "", false }).deps
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
	err = attend(e, cmd, signals)
	require.Equal(t, ExitCode(5), codeOf(err))
}

// aws sqs of the aws CLI's version 1 would go to the real AWS.
func TestExecKeepsSQSInside(t *testing.T) {
	t.Parallel()
	for version, refused := range map[string]bool{"aws-cli/1.45.11 Python/3.11.7": true, "aws-cli/2.17.0 Python/3.12.1": false} {
		aws := filepath.Join(t.TempDir(), "aws")
		require.NoError(t, wholefile.WriteProgram(aws, []byte("#!/bin/sh\necho '"+version+"'\n")))
		for _, c := range []struct {
			sqs  bool
			args []string
		}{
			{true, []string{"sqs", "list-queues"}},
			{true, []string{"--region", "eu-west-1", "--output=json", "--debug", "sqs", "list-queues"}},
			{true, []string{"sqs", "send-message", "--message-body", "s3"}},
			{false, []string{"--endpoint-url", "http://127.0.0.1:1", "sqs", "list-queues"}},
			{false, []string{"sqs", "list-queues", "--endpoint-url=http://127.0.0.1:1"}},
			{false, []string{"s3", "ls", "sqs"}},
			{false, []string{"--profile", "sqs", "s3", "ls"}},
			{false, nil},
		} {
			err := leavesSandbox(t.Context(), exec.CommandContext(t.Context(), aws, c.args...)) // a test's own
			if refused && c.sqs {
				require.ErrorIs(t, err, fault.Unsupported, "%v", c.args)
				require.Contains(t, fault.HintOf(err), "--endpoint-url")
				continue
			}
			require.NoError(t, err, "%s %v", version, c.args)
		}
	}
}
