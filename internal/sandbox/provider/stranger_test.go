//go:build unix

package provider_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/peer/peertest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider"
)

// The servers work with the keys of the sandbox's administrator: no other user of
// the machine is let in.
func TestServersRefuseStrangers(t *testing.T) {
	t.Parallel()
	servers, err := provider.Serve(t.Context(), provider.Config{AWS: aws.Config{}, Account: testAccount, Region: testRegion})
	require.NoError(t, err)
	t.Cleanup(servers.Close)
	for name, port := range ports(t, servers) {
		for _, uid := range []uint32{peertest.Nobody, 0} {
			// gRPC is HTTP/2: its preface and no settings, then the end of it all.
			answer := peertest.Ask(t, uid, fmt.Sprintf("127.0.0.1:%d", port), `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0GET / HTTP/1.1\r\n\r\n`)
			require.Equal(t, uid == 0, answer != "", "%s, uid %d", name, uid)
		}
	}
}
