package fault_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// What Go's own client says of a way that leads nowhere is of the network; what was stopped,
// and what is wrong with the address, is not.
func TestErrorsOfTheNetwork(t *testing.T) {
	t.Parallel()
	served := httptest.NewTLSServer(http.NotFoundHandler())
	defer served.Close()
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) }))
	defer plain.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	get := func(ctx context.Context, address string, proxy *url.URL) error {
		c := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		require.NoError(t, err)
		resp, err := c.Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err
	}
	at, err := url.Parse(plain.URL)
	require.NoError(t, err)
	stopped, stop := context.WithCancel(t.Context())
	stop()
	badURL := &url.Error{Op: "parse", URL: "http://[", Err: errors.New("missing ']' in host")}
	for name, tt := range map[string]struct {
		err  error
		want fault.Kind
	}{
		"refused":           {get(t.Context(), gone.URL, nil), fault.Unreachable},
		"certificate":       {get(t.Context(), served.URL, nil), fault.Unreachable},
		"TLS of none":       {get(t.Context(), "https://"+at.Host, nil), fault.Unreachable},
		"proxy":             {get(t.Context(), "https://example.invalid", at), fault.Unreachable},
		"name":              {&url.Error{Op: "Get", URL: "x", Err: &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}}, fault.Unreachable},
		"no answer in time": {&net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}, fault.Unreachable},
		"wrapped":           {fault.Wrap(fmt.Errorf("ask: %w", get(t.Context(), gone.URL, nil)), "look"), fault.Unreachable},
		"stopped":           {get(stopped, gone.URL, nil), fault.Canceled},
		"a port of ours":    {&net.OpError{Op: "listen", Err: errors.New("in use")}, fault.Internal},
		"no address":        {badURL, fault.Internal},
		"no scheme":         {get(t.Context(), "ftp://example.invalid/", nil), fault.Internal},
		"anything else":     {errors.New("x"), fault.Internal},
	} {
		require.Error(t, tt.err, name)
		require.Equal(t, tt.want, fault.KindOf(tt.err), "%s: %v", name, tt.err)
	}
}
