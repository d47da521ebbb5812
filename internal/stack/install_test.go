package stack

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// release is an archive as Pulumi makes them: programs in a folder, and a trap.
func release(t *testing.T, zipped bool, exe string) []byte {
	t.Helper()
	return releaseOf(t, zipped, exe, "1.2.3")
}

func releaseOf(t *testing.T, zipped bool, exe, version string) []byte {
	t.Helper()
	files := []struct{ name, text string }{
		{"pulumi/" + exe, "#!/bin/sh\necho v" + version + "\n"},
		{"pulumi/pulumi-language-yaml", "yaml"},
		{"pulumi/README.md", "no program"},
		{"../../../pulumi-out", "out"},
	}
	var b bytes.Buffer
	if zipped {
		w := zip.NewWriter(&b)
		for _, f := range files {
			part, err := w.Create(f.name)
			require.NoError(t, err)
			_, err = part.Write([]byte(f.text))
			require.NoError(t, err)
		}
		require.NoError(t, w.Close())
		return b.Bytes()
	}
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: "pulumi/", Typeflag: tar.TypeDir, Mode: 0o755}))
	require.NoError(t, w.WriteHeader(&tar.Header{Name: "pulumi/pulumi-link", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}))
	for _, f := range files {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o755, Size: int64(len(f.text))}))
		_, err := w.Write([]byte(f.text))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, z.Close())
	return b.Bytes()
}

func TestInstallPulumi(t *testing.T) {
	name := pulumiArchive("1.2.3", runtime.GOOS, runtime.GOARCH)
	exe := filepath.Base(FindOptions{Home: "x"}.candidates()[0])
	archive := release(t, strings.HasSuffix(name, ".zip"), exe)
	sum := sha256.Sum256(archive)
	list := hex.EncodeToString(sum[:]) + "  " + name + "\n"
	served := map[string]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := served[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(body))
	}))
	defer server.Close()
	t.Setenv(EnvReleases, server.URL+"/mirror/")
	home := t.TempDir()
	install := func() (string, error) { return InstallPulumi(t.Context(), home, "1.2.3", nil, nil) }
	nothing := func() {
		t.Helper()
		require.NoFileExists(t, filepath.Join(home, "bin", exe))
		left, err := filepath.Glob(filepath.Join(home, "downloads", "*"))
		require.NoError(t, err)
		require.Empty(t, left)
	}

	_, err := install()
	require.ErrorIs(t, err, fault.NotFound)
	require.Contains(t, fault.HintOf(err), EnvReleases)
	served["/mirror/pulumi-1.2.3-checksums.txt"] = "0  another.tar.gz\n"
	_, err = install()
	require.ErrorContains(t, err, name)
	nothing()
	served["/mirror/pulumi-1.2.3-checksums.txt"] = list
	served["/mirror/"+name] = string(archive[:len(archive)-1]) + "x"
	_, err = install()
	require.ErrorContains(t, err, "SHA-256")
	nothing()

	served["/mirror/"+name] = string(archive)
	got, err := install()
	require.NoError(t, err)
	require.Equal(t, filepath.Join(home, "bin", exe), got)
	entries, err := os.ReadDir(filepath.Join(home, "bin"))
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	require.ElementsMatch(t, []string{exe, "pulumi-language-yaml", "pulumi-out"}, names, "programs only, no folder of theirs, no link")
	require.NoFileExists(t, filepath.Join(filepath.Dir(home), "pulumi-out"))
	if runtime.GOOS != "windows" {
		path, v, err := FindPulumi(t.Context(), FindOptions{Explicit: got})
		require.ErrorIs(t, err, fault.Unsupported, "%s %s: it is executable, and too old", path, v)
	}
	_, err = install()
	require.NoError(t, err, "once more, over what is there")
}

// First runs at once, as in a matrix of CI jobs that share a home: one downloads, and all
// have it.
func TestInstallPulumiFromSeveralProcesses(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the CLI of this test is a script")
	}
	const version = "3.250.0"
	name := pulumiArchive(version, runtime.GOOS, runtime.GOARCH)
	archive := releaseOf(t, false, "pulumi", version)
	sum := sha256.Sum256(archive)
	var downloads atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".txt") {
			_, _ = w.Write([]byte(hex.EncodeToString(sum[:]) + "  " + name + "\n"))
			return
		}
		downloads.Add(1)
		_, _ = w.Write(archive)
	}))
	defer server.Close()
	t.Setenv(EnvReleases, server.URL)
	home := t.TempDir()
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			path, err := InstallPulumi(t.Context(), home, version, nil, nil)
			if err != nil || path != filepath.Join(home, "bin", "pulumi") {
				t.Errorf("%s: %v", path, err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, int32(1), downloads.Load())
}

func TestUnpackAZip(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	exe := filepath.Base(FindOptions{Home: "x"}.candidates()[0])
	file := filepath.Join(dir, "x.zip")
	require.NoError(t, os.WriteFile(file, release(t, true, exe), 0o600))
	require.NoError(t, unpackPulumi(file, filepath.Join(dir, "bin")))
	require.FileExists(t, filepath.Join(dir, "bin", exe))
	require.NoError(t, os.WriteFile(file, []byte("no archive"), 0o600))
	require.Error(t, unpackPulumi(file, filepath.Join(dir, "bin")))
	require.Equal(t, "pulumi-v1.2.3-windows-x64.zip", pulumiArchive("1.2.3", "windows", "amd64"))
	require.Equal(t, "pulumi-v1.2.3-darwin-arm64.tar.gz", pulumiArchive("1.2.3", "darwin", "arm64"))
}

// `make pulumi` fetches the same release before there is a program of ours, and says in one
// line why not.
func TestFetchScript(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	name := pulumiArchive("1.2.3", runtime.GOOS, runtime.GOARCH)
	archive := release(t, false, "pulumi")
	sum := sha256.Sum256(archive)
	// What serves it is another goroutine, and only the script's end lies between the two.
	var served sync.Map
	served.Store("/"+name, string(archive))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, ok := served.Load(r.URL.Path); ok {
			_, _ = io.WriteString(w, body.(string))
			return
		}
		http.NotFound(w, r)
	}))
	defer server.Close()
	bin := filepath.Join(t.TempDir(), "bin")
	fetch := func() (string, int) {
		cmd := exec.CommandContext(t.Context(), python, filepath.Join("..", "..", "scripts", "fetch-pulumi.py"), "1.2.3", bin)
		cmd.Env = append(os.Environ(), EnvReleases+"="+server.URL, "no_proxy=*")
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	out, code := fetch()
	require.Equal(t, 3, code, out)
	require.Equal(t, 1, strings.Count(out, "\n"), out)
	served.Store("/pulumi-1.2.3-checksums.txt", strings.Repeat("0", 64)+"  "+name+"\n")
	out, code = fetch()
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "SHA-256")
	require.NoDirExists(t, bin)
	served.Store("/pulumi-1.2.3-checksums.txt", hex.EncodeToString(sum[:])+"  "+name+"\n")
	out, code = fetch()
	require.Equal(t, 0, code, out)
	info, err := os.Stat(filepath.Join(bin, "pulumi"))
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&0o100)
	entries, err := os.ReadDir(bin)
	require.NoError(t, err)
	require.Len(t, entries, 2, "pulumi and its host of YAML")
}
