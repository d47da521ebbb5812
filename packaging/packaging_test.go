// Package packaging tests what a release is installed with. The files beside it are filled
// in and copied by scripts/dist.sh.
package packaging

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// archive is one as scripts/dist.sh makes it, with a script for the program.
func archive(t *testing.T, name, says string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, f := range []struct{ name, text string }{
		{name + "/pipelinetui", "#!/bin/sh\necho " + says + "\n"}, {name + "/man/pipelinetui.1", ".TH\n"},
	} {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o755, Size: int64(len(f.text))}))
		_, err := w.Write([]byte(f.text))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, z.Close())
	return b.Bytes()
}

func sum(raw []byte) string {
	s := sha256.Sum256(raw)
	return hex.EncodeToString(s[:])
}

// The installer puts nothing in place that the list of checksums does not name.
func TestInstaller(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("the installer is for Linux and macOS")
	}
	for _, tool := range []string{"sh", "curl", "tar"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("no " + tool)
		}
	}
	name := "pipelinetui_" + runtime.GOOS + "_" + runtime.GOARCH
	raw := archive(t, name, "pipelinetui 1.2.3")
	served := map[string]string{"/" + name + ".tar.gz": string(raw)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, ok := served[r.URL.Path]; ok {
			_, _ = w.Write([]byte(body))
			return
		}
		http.NotFound(w, r)
	}))
	defer server.Close()
	home := t.TempDir()
	bin := filepath.Join(home, "some where", "bin")
	install := func() (string, error) {
		cmd := exec.CommandContext(t.Context(), "sh", "install.sh", bin)
		cmd.Env = append(os.Environ(), "HOME="+home, "XDG_DATA_HOME=", "PIPELINETUI_URL="+server.URL, "no_proxy=*")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	refused := func(why string) {
		t.Helper()
		out, err := install()
		require.Error(t, err, out)
		require.Contains(t, out, why)
		require.NoDirExists(t, bin)
	}
	refused("cannot download " + server.URL + "/SHA256SUMS")
	served["/SHA256SUMS"] = sum(raw) + "  another.tar.gz\n"
	refused("does not name " + name + ".tar.gz")
	served["/SHA256SUMS"] = strings.Repeat("0", 64) + "  " + name + ".tar.gz\n"
	refused("it must be " + strings.Repeat("0", 64))
	served["/SHA256SUMS"] = sum(raw) + "  " + name + ".tar.gz\n"
	for range 2 { // over itself too
		out, err := install()
		require.NoError(t, err, out)
		require.Contains(t, out, "pipelinetui 1.2.3")
		require.Contains(t, out, "PATH")
	}
	entries, err := os.ReadDir(bin)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.FileExists(t, filepath.Join(home, ".local", "share", "man", "man1", "pipelinetui.1"))
}

// Formula and manifest name what was built, with its own checksum, and nothing else.
func TestManifests(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	dist := t.TempDir()
	files := map[string]string{}
	for _, name := range []string{"pipelinetui_darwin_arm64.tar.gz", "pipelinetui_linux_amd64.tar.gz", "pipelinetui_windows_amd64.zip"} {
		files[name] = "content of " + name
		require.NoError(t, os.WriteFile(filepath.Join(dist, name), []byte(files[name]), 0o600))
	}
	out, err := exec.CommandContext(t.Context(), python, filepath.Join("..", "scripts", "manifests.py"), "1.2.3", "https://x.example/v1.2.3", dist).CombinedOutput()
	require.NoError(t, err, string(out))
	raw, err := os.ReadFile(filepath.Join(dist, "pipelinetui.rb"))
	require.NoError(t, err)
	formula := string(raw)
	for _, name := range []string{"pipelinetui_darwin_arm64.tar.gz", "pipelinetui_linux_amd64.tar.gz"} {
		require.Contains(t, formula, fmt.Sprintf("url \"https://x.example/v1.2.3/%s\"\n      sha256 %q\n", name, sum([]byte(files[name]))))
	}
	require.Equal(t, 2, strings.Count(formula, "sha256"))
	if ruby, err := exec.LookPath("ruby"); err == nil {
		out, err := exec.CommandContext(t.Context(), ruby, "-c", filepath.Join(dist, "pipelinetui.rb")).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	raw, err = os.ReadFile(filepath.Join(dist, "pipelinetui.json"))
	require.NoError(t, err)
	var manifest struct {
		Version      string
		Architecture map[string]struct{ URL, Hash string }
	}
	require.NoError(t, json.Unmarshal(raw, &manifest))
	require.Equal(t, "1.2.3", manifest.Version)
	require.Equal(t, sum([]byte(files["pipelinetui_windows_amd64.zip"])), manifest.Architecture["64bit"].Hash)
}
