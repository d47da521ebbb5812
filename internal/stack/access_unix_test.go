//go:build unix

package stack

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/peer/peertest"
)

// mode changes what may be done with a file or folder, until the end of the test.
func mode(t *testing.T, path string, to os.FileMode) {
	t.Helper()
	require.NoError(t, os.Chmod(path, to))
	t.Cleanup(func() { _ = os.Chmod(path, 0o700) }) // so that it can be removed
}

// TestWhatMayNotBeReadIsNotEmpty: a backend that this user may not look into is neither one
// without stacks nor one on which a stack does not exist, whoever asks.
func TestWhatMayNotBeReadIsNotEmpty(t *testing.T) {
	if !peertest.AsNobody(t) {
		return
	}
	good := goodState(t, testStack, time.Unix(1e9, 0), 3)
	for name, shut := range map[string]func(root string) string{
		"the backend": func(root string) string { return root },
		"its books":   func(root string) string { return filepath.Join(root, ".pulumi") },
		"the stacks":  func(root string) string { return filepath.Join(root, ".pulumi", "stacks") },
		"the project": func(root string) string { return filepath.Join(root, ".pulumi", "stacks", DefaultProject) },
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := stateFiles(t, good)
			root, _ := f.backendDir()
			dir := shut(root)
			mode(t, dir, 0)
			_, err := f.List(t.Context())
			denied(t, err, dir)
			_, err = f.State(t.Context(), testStack)
			denied(t, err, dir)
			_, err = f.History(t.Context(), testStack, 0)
			denied(t, err, dir)
			_, err = f.Locks(t.Context(), testStack)
			denied(t, err, dir)
			for _, start := range operationsOf(f.Engine) {
				_, _, err = waitFor(t, start)
				denied(t, err, dir)
			}
			require.Empty(t, f.Spawned(), "nothing was begun")
		})
	}
	t.Run("one that can be looked up in and not listed", func(t *testing.T) {
		f, dir := stateFiles(t, good)
		mode(t, dir, 0o100)
		_, err := f.List(t.Context())
		denied(t, err, dir)
		_, err = f.State(t.Context(), testStack)
		require.NoError(t, err)
	})
	t.Run("one stack", func(t *testing.T) {
		f, dir := stateFiles(t, good)
		file := filepath.Join(dir, testStack+".json")
		mode(t, file, 0)
		list, err := f.List(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 2)
		denied(t, list[0].Err, file)
		require.NoError(t, list[1].Err)
		_, err = f.State(t.Context(), testStack)
		denied(t, err, file)
	})
	t.Run("a history", func(t *testing.T) {
		f, _ := stateFiles(t, good)
		dir := f.historyDir(testStack)
		require.NoError(t, os.MkdirAll(dir, 0o700))
		mode(t, dir, 0)
		_, err := f.History(t.Context(), testStack, 0)
		denied(t, err, dir)
	})
	t.Run("locks", func(t *testing.T) {
		f, _ := stateFiles(t, good)
		root, _ := f.backendDir()
		dir := filepath.Join(root, ".pulumi", "locks", "organization", DefaultProject, testStack)
		require.NoError(t, os.MkdirAll(dir, 0o700))
		mode(t, dir, 0)
		locks, err := f.Locks(t.Context(), testStack)
		require.NoError(t, err)
		require.Len(t, locks, 1)
		require.Contains(t, locks[0].Half(), dir+": permission denied")
	})
}

// TestWhatMayNotBeWrittenIsToldBefore: the engine would try for half a minute.
func TestWhatMayNotBeWrittenIsToldBefore(t *testing.T) {
	if !peertest.AsNobody(t) {
		return
	}
	for _, of := range []string{"stacks/" + DefaultProject, "history/" + DefaultProject + "/" + testStack, "locks/organization/" + DefaultProject, "locks"} {
		t.Run(of, func(t *testing.T) {
			f, _ := stateFiles(t, goodState(t, testStack, time.Unix(1e9, 0), 3))
			root, _ := f.backendDir()
			dir := filepath.Join(root, ".pulumi", of)
			require.NoError(t, os.MkdirAll(dir, 0o700))
			mode(t, dir, 0o500)
			for op, start := range operationsOf(f.Engine) {
				if op == OperationPreview {
					continue // it changes nothing
				}
				_, _, err := waitFor(t, start)
				denied(t, err, dir)
				require.ErrorContains(t, err, "cannot be written")
			}
			require.Empty(t, f.Spawned(), "nothing was begun")
		})
	}
}

// denied wants an error that says that a path may not be read.
func denied(t *testing.T, err error, path string) {
	t.Helper()
	require.ErrorIs(t, err, fault.Denied)
	require.ErrorContains(t, err, path)
	require.ErrorContains(t, err, "permission denied")
	require.NotEmpty(t, fault.HintOf(err))
}
