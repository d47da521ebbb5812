//go:build unix

package sandbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/sandbox"
)

// inheritable lets every child have the file, as a shell does with `3>&1` or
// `flock 9`.
func inheritable(t *testing.T, f *os.File) {
	t.Helper()
	_, err := unix.FcntlInt(f.Fd(), unix.F_SETFD, 0)
	require.NoError(t, err)
}

// What the caller has open ends with the caller, and what it knows stays with it.
func TestDaemonKeepsNothingOfItsCaller(t *testing.T) {
	t.Setenv(childEnv, "serve")
	secrets := []string{"PULUMI_CONFIG_PASSPHRASE", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "SOMETHING_ELSE"}
	for _, key := range secrets {
		t.Setenv(key, "only-the-caller's")
	}
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer func() { _ = r.Close() }()
	inheritable(t, w)
	lock, err := os.Create(filepath.Join(t.TempDir(), "caller.lock"))
	require.NoError(t, err)
	inheritable(t, lock)
	require.NoError(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)) // a file descriptor

	info, err := start(t, filepath.Join(t.TempDir(), "sandbox"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, r.SetReadDeadline(time.Now().Add(time.Minute)))
	n, err := r.Read(make([]byte, 1))
	require.Zero(t, n)
	require.EqualError(t, err, "EOF", "the daemon holds the other end of the pipe")
	require.NoError(t, lock.Close())
	again, err := os.Open(lock.Name())
	require.NoError(t, err)
	defer func() { _ = again.Close() }()
	require.NoError(t, syscall.Flock(int(again.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), "the daemon holds the caller's lock") // a file descriptor

	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", info.PID))
	if err != nil {
		t.Skip("the environment of another process cannot be read here")
	}
	require.Contains(t, string(environ), "PATH=")
	require.NotContains(t, string(environ), "only-the-caller's")
}

// A daemon that is run by hand loses what it was started with, too.
func TestIsolateBeginsAgain(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "sandbox")
	cmd := exec.CommandContext(t.Context(), exe, dir)
	cmd.Env = append(os.Environ(), childEnv+"=serve", "GITHUB_TOKEN=only-the-caller's")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		stopped(context.WithoutCancel(t.Context()), t, dir)
		_ = cmd.Wait()
	})
	require.Eventually(t, func() bool {
		info, running, err := sandbox.Status(dir)
		return err == nil && running && info.PID == cmd.Process.Pid
	}, 60*time.Second, 5*time.Millisecond, "it is still the process that was started")
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", cmd.Process.Pid))
	if err != nil {
		t.Skip("the environment of another process cannot be read here")
	}
	require.NotContains(t, string(environ), "GITHUB_TOKEN")
}

// bystander is a process that nobody may end.
func bystander(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sleep", "600")
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		select {
		case <-ended:
			if t.Context().Err() == nil {
				t.Error("a process was ended that is not the sandbox")
			}
		default:
		}
		_ = cmd.Process.Kill()
		<-ended
	})
	return cmd
}

func alive(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	require.NoError(t, cmd.Process.Signal(syscall.Signal(0)), "a process was ended that is not the sandbox")
}

// A number in a file is no proof: Stop and Reset send a signal to nobody but the
// folder's daemon.
func TestStopSparesStrangers(t *testing.T) {
	t.Parallel()
	stranger := bystander(t)
	pid := stranger.Process.Pid
	for name, noted := range map[string]string{
		"a number":       strconv.Itoa(pid) + "\n",
		"another start":  fmt.Sprintf(`{"pid":%d,"process":{"pid":%d,"start":"1","boot":"b","namespace":"pid:[1]"}}`, pid, pid),
		"nothing":        "",
		"something else": "text",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			lock, err := os.Create(filepath.Join(dir, "lock"))
			require.NoError(t, err)
			defer func() { _ = lock.Close() }()
			require.NoError(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)) // a file descriptor
			_, err = lock.WriteString(noted)
			require.NoError(t, err)
			raw, err := json.Marshal(map[string]any{"id": "i", "pid": pid, "endpoint": "http://127.0.0.1:1"})
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "state.json"), raw, 0o600))
			_, err = sandbox.Stop(t.Context(), dir)
			require.ErrorIs(t, err, fault.Locked)
			require.ErrorIs(t, sandbox.Reset(t.Context(), dir, sandbox.ResetOptions{}), fault.Locked)
			require.NotEmpty(t, fault.HintOf(err))
			alive(t, stranger)
		})
	}
}

// The daemon is found by its own answer, whatever number stands in its lock, and
// by its lock, whatever has become of state.json.
func TestStopFindsTheDaemon(t *testing.T) {
	t.Setenv(childEnv, "serve")
	stranger := bystander(t)
	for name, spoil := range map[string]func(t *testing.T, dir string, i sandbox.Info){
		"the lock names a stranger": func(t *testing.T, dir string, _ sandbox.Info) {
			t.Helper()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "lock"), []byte(strconv.Itoa(stranger.Process.Pid)), 0o600))
		},
		"no state": func(t *testing.T, dir string, _ sandbox.Info) {
			t.Helper()
			require.NoError(t, os.Remove(filepath.Join(dir, "state.json")))
		},
		"half a state": func(t *testing.T, dir string, i sandbox.Info) {
			t.Helper()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "state.json"), []byte(`{"id":"`), 0o600))
			again, running, err := sandbox.Status(dir)
			require.NoError(t, err)
			require.True(t, running)
			require.Equal(t, i.Endpoint, again.Endpoint, "the lock says it too")
		},
		"state of a stranger": func(t *testing.T, dir string, _ sandbox.Info) {
			t.Helper()
			raw := fmt.Sprintf(`{"id":"x","pid":%d,"endpoint":"http://127.0.0.1:1"}`, stranger.Process.Pid)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "state.json"), []byte(raw), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "sandbox")
			info, err := start(t, dir)
			require.NoError(t, err)
			spoil(t, dir, info)
			stopped(t.Context(), t, dir)
			require.Eventually(t, func() bool { return syscall.Kill(info.PID, 0) != nil }, time.Minute, 5*time.Millisecond)
			alive(t, stranger)
		})
	}
}

func TestFilesThatAreDamaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	info, stop := serve(t, sandbox.ServeOptions{Dir: dir})
	check := fill(t, info)
	require.NoError(t, stop())
	keys := filepath.Join(dir, "credentials.json")
	whole, err := os.ReadFile(keys)
	require.NoError(t, err)
	for name, text := range map[string]string{
		"empty": "", "half": string(whole[:len(whole)/2]), "other JSON": `{}`, "list": `[1]`,
		"flipped": strings.Replace(string(whole), info.AccessKeyID, "\xff"+info.AccessKeyID[1:], 1),
	} {
		require.NoError(t, os.WriteFile(keys, []byte(text), 0o600))
		err := sandbox.Serve(t.Context(), sandbox.ServeOptions{Dir: dir})
		require.ErrorContains(t, err, keys, name)
		require.ErrorContains(t, err, "is damaged", name)
		require.Contains(t, fault.HintOf(err), "sandbox reset --keys", name)
	}
	require.NoError(t, sandbox.Reset(t.Context(), dir, sandbox.ResetOptions{KeepData: true}))
	again, stop := serve(t, sandbox.ServeOptions{Dir: dir})
	require.NotEqual(t, info.AccessKeyID, again.AccessKeyID)
	check(again)
	require.NoError(t, os.WriteFile(keys, nil, 0o600))
	_, _, err = sandbox.Status(dir)
	require.ErrorContains(t, err, keys, "also while it runs")
	require.NoError(t, stop())

	db := filepath.Join(dir, "data", "store.db")
	content, err := os.ReadFile(db)
	require.NoError(t, err)
	for name, change := range map[string]func() error{
		"empty":   func() error { return os.WriteFile(db, nil, 0o600) },
		"half":    func() error { return os.WriteFile(db, content[:len(content)/2], 0o600) },
		"other":   func() error { return os.WriteFile(db, []byte(strings.Repeat("text\n", 9000)), 0o600) },
		"missing": func() error { return os.Remove(db) },
	} {
		require.NoError(t, change(), name)
		err := sandbox.Serve(t.Context(), sandbox.ServeOptions{Dir: dir})
		require.ErrorContains(t, err, keys, "one at a time: the key first")
		require.NoError(t, sandbox.Reset(t.Context(), dir, sandbox.ResetOptions{KeepData: true}))
		err = sandbox.Serve(t.Context(), sandbox.ServeOptions{Dir: dir})
		require.ErrorContains(t, err, db+" is damaged", name)
		require.Contains(t, fault.HintOf(err), "`pipelinetui sandbox reset`", name)
		require.NoError(t, os.WriteFile(keys, nil, 0o600))
	}
	require.NoError(t, sandbox.Reset(t.Context(), dir, sandbox.ResetOptions{}))
	_, stop = serve(t, sandbox.ServeOptions{Dir: dir})
	require.NoError(t, stop())
}
