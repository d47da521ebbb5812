package stack

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/fsutil"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// pluginServer serves any plugin, as small as can be, and counts the downloads.
func pluginServer(t *testing.T) (server *httptest.Server, downloads *atomic.Int32) {
	t.Helper()
	downloads = &atomic.Int32{}
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "-v1.2.3-")
		if !ok {
			http.NotFound(w, r)
			return
		}
		downloads.Add(1)
		var archive bytes.Buffer
		zip := gzip.NewWriter(&archive)
		files := tar.NewWriter(zip)
		script := []byte("#!/bin/sh\nexit 0\n")
		err := files.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(script))})
		_, werr := files.Write(script)
		if err := errors.Join(err, werr, files.Close(), zip.Close()); err != nil {
			t.Error(err)
		}
		_, _ = w.Write(archive.Bytes())
	}))
	t.Cleanup(server.Close)
	return server, downloads
}

func TestPluginsAreInstalledOnce(t *testing.T) {
	t.Parallel()
	server, downloads := pluginServer(t)
	home := filepath.Join(t.TempDir(), "shared")
	plugins := []Plugin{{"one", "1.2.3", server.URL}, {"two", "1.2.3", server.URL}}
	at := func(o *Options) { o.Env[envHome] = home }

	// Engines as those of different processes: nothing but the folder joins them.
	const processes = 3
	var spawned atomic.Int32
	var wg sync.WaitGroup
	for range processes {
		f := open(t, "", at)
		wg.Go(func() {
			var told []Download
			if err := f.InstallPlugins(t.Context(), plugins, func(d Download) { told = append(told, d) }); err != nil {
				t.Errorf("%v\ncause: %v", err, errors.Unwrap(err))
			}
			spawned.Add(int32(len(f.Spawned())))
			for _, d := range told {
				if d.Kind != "plugin-install" || d.Message == "" {
					t.Errorf("%+v", d)
				}
			}
			if n := len(f.Spawned()); n > 0 && (told[0].ID != "one 1.2.3" && told[0].ID != "plugins" || !told[len(told)-1].Done) {
				t.Errorf("told %+v", told)
			}
		})
	}
	wg.Wait()
	require.Equal(t, int32(2), downloads.Load(), "each plugin is downloaded once")
	require.Equal(t, int32(2), spawned.Load(), "the CLI is started once for each")
	for _, name := range []string{"one", "two"} {
		require.FileExists(t, filepath.Join(home, "plugins", "resource-"+name+"-v1.2.3", "pulumi-resource-"+name))
	}

	// With the plugins there, neither process nor network.
	server.Close()
	f := open(t, "", at)
	require.NoError(t, f.InstallPlugins(t.Context(), plugins, func(d Download) { t.Errorf("told %+v", d) }))
	require.Empty(t, f.Spawned())
}

func TestAPluginThatWasCutOffIsInstalledAnew(t *testing.T) {
	t.Parallel()
	server, downloads := pluginServer(t)
	f := open(t, "")
	p := Plugin{"one", "1.2.3", server.URL}
	dir := filepath.Join(f.env[envHome], "plugins", "resource-one-v1.2.3")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pulumi-resource-one"), []byte("half"), 0o600))
	require.NoError(t, os.WriteFile(dir+".partial", nil, 0o600))
	require.NoError(t, f.InstallPlugins(t.Context(), []Plugin{p}, nil))
	require.Equal(t, int32(1), downloads.Load())
	raw, err := os.ReadFile(filepath.Join(dir, "pulumi-resource-one"))
	require.NoError(t, err)
	require.Contains(t, string(raw), "exit 0")
}

func TestWaitingForAnotherInstallerCanBeGivenUp(t *testing.T) {
	t.Parallel()
	f := open(t, "")
	other := fsutil.NewFileMutex(filepath.Join(f.env[envHome], pluginLock))
	require.NoError(t, other.Lock())
	ctx, cancel := context.WithCancel(t.Context())
	err := f.InstallPlugins(ctx, []Plugin{{"one", "1.2.3", "http://127.0.0.1:1"}}, func(d Download) {
		if strings.Contains(d.Message, "another process") {
			cancel()
		}
	})
	require.ErrorIs(t, err, fault.Canceled)
	require.Empty(t, f.Spawned())
	require.NoError(t, other.Unlock())
}

func TestAPluginThatCannotBeFetched(t *testing.T) {
	t.Parallel()
	server, _ := pluginServer(t)
	server.Close()
	f := open(t, "")
	err := f.InstallPlugins(t.Context(), []Plugin{{"one", "1.2.3", server.URL}}, nil)
	require.ErrorIs(t, err, fault.Internal)
	require.ErrorContains(t, err, "install the plugin one 1.2.3")
	require.Contains(t, fault.HintOf(err), "pulumi plugin install resource one v1.2.3")
	require.Contains(t, fault.HintOf(err), "HTTPS_PROXY")
	require.NoDirExists(t, filepath.Join(f.env[envHome], "plugins", "resource-one-v1.2.3"))
}
