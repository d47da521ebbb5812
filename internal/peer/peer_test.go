//go:build unix

package peer

import (
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/peer/peertest"
)

// greet serves "hello" to everybody who is let in.
func greet(t *testing.T, address string, wrap func(net.Listener) net.Listener) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Skipf("no %s here: %s", address, err)
	}
	l = wrap(l)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "hello")
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

func hear(t *testing.T, address string) string {
	t.Helper()
	c, err := (&net.Dialer{Timeout: time.Minute}).DialContext(t.Context(), "tcp", address)
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	raw, _ := io.ReadAll(c) // a reset is a refusal
	return string(raw)
}

func TestOwnConnectionsPass(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		require.Equal(t, "hello", hear(t, greet(t, address, func(l net.Listener) net.Listener { return Listener(l, nil) })), address)
	}
}

// Where the kernel tells another owner, or none, nobody is let in.
func TestOthersAreRefused(t *testing.T) {
	t.Parallel()
	for name, owner := range map[string]func(local, remote netip.AddrPort) (uint32, error){
		"another user": func(netip.AddrPort, netip.AddrPort) (uint32, error) { return 4711, nil },
		"gone":         func(netip.AddrPort, netip.AddrPort) (uint32, error) { return 0, errNotFound },
		"not known":    func(netip.AddrPort, netip.AddrPort) (uint32, error) { return 0, os.ErrPermission },
	} {
		address := greet(t, "127.0.0.1:0", func(l net.Listener) net.Listener {
			checked, ok := Listener(l, nil).(*listener)
			if !ok {
				t.Skip("owners are not known here")
			}
			checked.owner = owner
			return checked
		})
		require.Empty(t, hear(t, address), name)
	}
}

// A program of another user connects over the real kernel.
func TestAnotherUserIsRefused(t *testing.T) {
	t.Parallel()
	if !OwnerKnown {
		t.Skip("owners are not known here")
	}
	open := greet(t, "127.0.0.1:0", func(l net.Listener) net.Listener { return l })
	checked := greet(t, "127.0.0.1:0", func(l net.Listener) net.Listener { return Listener(l, nil) })
	require.Equal(t, "hello", peertest.Ask(t, peertest.Nobody, open, ""))
	require.Empty(t, peertest.Ask(t, peertest.Nobody, checked, ""))
	require.Equal(t, "hello", peertest.Ask(t, 0, checked, ""))
}
