//go:build unix

// Package peertest tries servers as another user of the machine would, for tests.
package peertest

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Nobody is the number of a user that owns nothing.
const Nobody = 65534

// Ask connects to an address as the user uid, sends text and returns what comes
// back until the server closes the connection. It skips the test where nobody can
// be another user.
func Ask(t testing.TB, uid uint32, address, text string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can be another user")
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash to connect with")
	}
	host, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), bash, "-c", `exec 3<>"/dev/tcp/$1/$2"; printf '%b' "$3" >&3; timeout 20 cat <&3`, "bash", host, port, text)
	cmd.Dir, cmd.Env = "/", []string{"PATH=/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, _ := cmd.Output() // a connection that is reset is a refusal, too
	return string(out)
}

// again is set in the process that AsNobody starts.
const again = "PEERTEST_AGAIN"

// AsNobody runs the test as a user for whom permissions count. It tells whether this process
// is that user's, which does the work; in root's it waits for one that is, and the test is
// done. Parallel has to come after it.
func AsNobody(t *testing.T) bool {
	t.Helper()
	if os.Getuid() != 0 || os.Getenv(again) != "" {
		return true
	}
	dir, err := os.MkdirTemp("", "nobody") //nolint:usetesting // what is above a TempDir is for its owner alone
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // nothing is in it but what its owner has left
	require.NoError(t, os.Chmod(dir, 0o777))
	// By this name it can be run by who cannot see where it is.
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.count=1", "-test.v")
	cmd.Dir, cmd.Env = "/", append(os.Environ(), again+"=yes", "TMPDIR="+dir, "HOME="+dir, "GOCOVERDIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: Nobody, Gid: Nobody}}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist) {
		t.Skipf("no process of another user can be started here: %v", err)
	}
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: "+t.Name(), "it was run")
	return false
}
