package sandbox_test

import (
	"bufio"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// botocore sends Expect with every PUT, and takes a "100 Continue" that does not
// come for the end of its wait: the next request on the connection stalls. S3
// answers it however the body is framed (boto/botocore#3755).
func TestContinueAlsoBeforeAnEmptyBody(t *testing.T) {
	t.Setenv(childEnv, "serve")
	i, err := start(t, filepath.Join(t.TempDir(), "sandbox"))
	require.NoError(t, err)
	for _, length := range []int{0, 3} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(i.Endpoint, "http://"))
		require.NoError(t, err)
		// The signature is none, so that the answer is a refusal; what comes before counts.
		_, err = fmt.Fprintf(conn, "PUT /bucket/k HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", length)
		require.NoError(t, err)
		line, err := bufio.NewReader(conn).ReadString('\n')
		require.NoError(t, err)
		if length == 0 {
			require.Equal(t, "HTTP/1.1 100 Continue\r\n", line)
		} else {
			require.Contains(t, line, "HTTP/1.1 4", "a refusal before the body is asked for spares sending it")
		}
		require.NoError(t, conn.Close())
	}
}
