package fetch

import (
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// behindAProxy has a process of this test fetch an address.
const behindAProxy = "FETCH_BEHIND_A_PROXY"

// A download goes through the proxy of the environment, with its password, and trusts the
// certificates of the environment: both are read once in a process, hence one of its own.
func TestBehindAProxy(t *testing.T) {
	if address := os.Getenv(behindAProxy); address != "" {
		text, err := Text(t.Context(), address)
		require.NoError(t, err)
		require.Equal(t, "what the mirror has", text)
		return
	}
	t.Parallel()
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		t.Skip("certificates are those of the system here, and not of SSL_CERT_FILE")
	}
	mirror := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "what the mirror has")
	}))
	mirror.Config.ErrorLog = log.New(io.Discard, "", 0) // of who does not trust it
	mirror.StartTLS()
	t.Cleanup(mirror.Close)
	var mu sync.Mutex
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := (&http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}).BasicAuth()
		mu.Lock()
		asked = append(asked, r.Method+" "+r.Host+" "+user+" "+password)
		mu.Unlock()
		up, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", mirror.Listener.Addr().String())
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer up.Close()
		down, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer down.Close()
		_, _ = io.WriteString(down, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(up, down) }()
		_, _ = io.Copy(down, up)
	}))
	t.Cleanup(proxy.Close)
	dir := t.TempDir()
	own := filepath.Join(dir, "own.pem")
	require.NoError(t, os.WriteFile(own, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: mirror.Certificate().Raw}), 0o600))
	fetched := func(certificates string) (string, error) {
		self, err := os.Executable()
		require.NoError(t, err)
		cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestBehindAProxy$")
		cmd.Env = append(os.Environ(), behindAProxy+"=https://example.com/x", "HTTPS_PROXY=http://me:secret@"+proxy.Listener.Addr().String(),
			"https_proxy=", "NO_PROXY=", "no_proxy=", "SSL_CERT_FILE="+certificates, "SSL_CERT_DIR="+dir+"/none")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := fetched(own)
	require.NoError(t, err, "%s", out)
	mu.Lock()
	require.Equal(t, []string{"CONNECT example.com:443 me secret"}, asked)
	mu.Unlock()
	out, err = fetched(filepath.Join(dir, "none.pem"))
	require.Error(t, err)
	require.Contains(t, out, "certificate")
	require.NotContains(t, out, "secret")
}
