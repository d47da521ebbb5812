//go:build unix

// Package peertest tries servers as another user of the machine would, for tests.
package peertest

import (
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
