package awscfg

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// A connection goes black in the middle of an answer: whoever reads it is not held up until
// the kernel gives up.
func TestAnAnswerThatFallsSilentEnds(t *testing.T) {
	t.Parallel()
	end := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "half") // the test reads it
		_ = http.NewResponseController(w).Flush()
		if r.URL.Path == "/black" {
			select {
			case <-end:
			case <-r.Context().Done():
			}
			return
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 996))
	}))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(end) })
	ask := func(path string, silence time.Duration) (string, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, http.NoBody)
		require.NoError(t, err)
		resp, err := listener{next: s.Client(), silence: silence}.Do(req)
		require.NoError(t, err)
		defer func() { require.NoError(t, resp.Body.Close()) }()
		raw, err := io.ReadAll(resp.Body)
		return string(raw), err
	}
	got, err := ask("/black", 50*time.Millisecond)
	require.Equal(t, "half", got)
	require.ErrorContains(t, err, "has said nothing for 50ms")
	require.Equal(t, fault.Unreachable, fault.KindOf(err))
	require.True(t, fault.Passing(err))
	got, err = ask("/", time.Minute)
	require.NoError(t, err)
	require.Len(t, got, 1000)
}

// Credentials have a way of their own through the network: it is away, they are not wrong.
func TestClassifyCredentialsThatCannotBeFetched(t *testing.T) {
	t.Parallel()
	away := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ENETUNREACH}
	refresh := "operation error STS: GetCallerIdentity, get identity: get credentials: failed to refresh cached credentials, "
	for _, c := range []struct {
		err  error
		kind fault.Kind
	}{
		{fmt.Errorf(refresh+"operation error SSO: GetRoleCredentials, request send failed, %w", away), fault.Unreachable},
		{fmt.Errorf(refresh+"no EC2 IMDS role found, operation error ec2imds: GetMetadata, request send failed, %w", away), fault.Unauthenticated},
		{errors.New(refresh + "static credentials are empty"), fault.Unauthenticated},
	} {
		require.Equal(t, c.kind, fault.KindOf(Classify(c.err)), c.err)
		require.Equal(t, c.kind == fault.Unreachable, fault.Passing(Classify(c.err)), c.err)
	}
}
