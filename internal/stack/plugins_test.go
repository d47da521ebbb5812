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
	"runtime"
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
				if d.Kind != "plugin-install" && d.Kind != "plugin-download" || d.Message == "" {
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
	require.ErrorIs(t, err, fault.Unreachable)
	require.ErrorContains(t, err, "install the plugin one 1.2.3")
	require.Contains(t, fault.HintOf(err), "pulumi plugin install resource one v1.2.3")
	require.Contains(t, fault.HintOf(err), "HTTPS_PROXY")
	require.NoDirExists(t, filepath.Join(f.env[envHome], "plugins", "resource-one-v1.2.3"))
}

// Where the plugins are there already, wherever the engine finds them, nothing is fetched.
func TestPluginsThatArePresentElsewhere(t *testing.T) {
	bin, user := t.TempDir(), t.TempDir()
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("HOME", user)
	t.Setenv("USERPROFILE", user)
	f := open(t, "")
	p := Plugin{"one", "1.2.3", "http://127.0.0.1:1"}
	require.Equal(t, []Plugin{p}, f.MissingPlugins([]Plugin{p}))

	t.Setenv("PULUMI_DEBUG_PROVIDERS", "two:7, one:1234")
	require.Empty(t, f.MissingPlugins([]Plugin{p}), "attached")
	t.Setenv("PULUMI_DEBUG_PROVIDERS", "oneself:1234,two")
	require.NotEmpty(t, f.MissingPlugins([]Plugin{p}))

	exe := filepath.Join(bin, p.executable())
	require.NoError(t, os.WriteFile(exe, []byte("#!/bin/sh\n"), 0o700)) // it must be executable
	require.Empty(t, f.MissingPlugins([]Plugin{p}), "on the PATH")
	t.Setenv("PULUMI_IGNORE_AMBIENT_PLUGINS", "true")
	require.NotEmpty(t, f.MissingPlugins([]Plugin{p}), "the CLI does not look there")

	// The user's own folder: taken over whole, without a process.
	own := pluginDir(filepath.Join(user, ".pulumi"), p)
	require.NoError(t, os.MkdirAll(filepath.Join(own, "sub"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(own, p.executable()), []byte("own"), 0o700)) // as above
	require.NoError(t, os.WriteFile(filepath.Join(own, "sub", "x"), []byte("x"), 0o600))
	require.NoError(t, os.WriteFile(own+".partial", nil, 0o600))
	require.Error(t, f.InstallPlugins(t.Context(), []Plugin{p}, nil), "half of one is none")
	require.NoError(t, os.Remove(own+".partial"))
	var told []Download
	require.NoError(t, f.InstallPlugins(t.Context(), []Plugin{p}, func(d Download) { told = append(told, d) }))
	require.Len(t, told, 1)
	require.Equal(t, "taken over from "+own, told[0].Message)
	require.True(t, told[0].Done)
	require.Empty(t, f.Spawned())
	raw, err := os.ReadFile(filepath.Join(pluginDir(f.env[envHome], p), p.executable()))
	require.NoError(t, err)
	require.Equal(t, "own", string(raw))
	require.FileExists(t, filepath.Join(pluginDir(f.env[envHome], p), "sub", "x"))
}

// A mirror is asked in place of Pulumi's servers, and what it gives must be what the list
// of checksums says.
func TestPluginsOfAMirror(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	server, downloads := pluginServer(t)
	t.Setenv(envOverrides, `^github://api\.github\.com/pulumi/pulumi-(?P<name>[a-z]+)$=`+server.URL+"/")
	sums := filepath.Join(t.TempDir(), "SHA256SUMS")
	t.Setenv(EnvPluginSums, sums)
	f := open(t, "")
	p := Plugin{Name: "one", Version: "1.2.3"}
	source, err := f.pluginSource(p)
	require.NoError(t, err)
	require.Equal(t, server.URL+"/", source)

	require.ErrorContains(t, f.InstallPlugins(t.Context(), []Plugin{p}, nil), sums)
	name := "pulumi-resource-one-v1.2.3-" + runtime.GOOS + "-" + runtime.GOARCH + ".tar.gz"
	require.NoError(t, os.WriteFile(sums, []byte(strings.Repeat("0", 64)+"  "+name+"\n"), 0o600))
	err = f.InstallPlugins(t.Context(), []Plugin{p}, nil)
	require.ErrorContains(t, err, strings.Repeat("0", 64))
	require.Empty(t, f.Spawned(), "what is not right is not unpacked")
	require.Equal(t, int32(1), downloads.Load())

	t.Setenv(EnvPluginSums, "")
	require.NoError(t, f.InstallPlugins(t.Context(), []Plugin{p}, nil))
	require.Empty(t, f.MissingPlugins([]Plugin{p}))
	left, err := os.ReadDir(filepath.Join(f.env[envHome], "downloads"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestWhereAPluginComesFrom(t *testing.T) {
	const official = "https://get.pulumi.com/releases/plugins"
	for _, tt := range []struct{ overrides, server, want string }{
		{"", "", official},
		{"", "github://api.github.com/pulumi/pulumi-aws", official},
		{"", "github://api.github.com/other/aws", ""},
		{"", "https://x.example/y", "https://x.example/y"},
		{"https://get.pulumi.com=https://m.example", "", "https://m.example"},
		{"nothing=https://n.example,.*=https://m.example", "", "https://m.example"},
		{"^https://x=https://m.example/$0", "https://x", "https://m.example/https://x"},
		{".*=github://api.github.com/mirror", "", ""},
		{"^github://.*/pulumi-(?P<name>[a-z]+)$=https://m.example/${name}", "", "https://m.example/aws"},
		{".*=https://m.example/${VERSION}", "", ""},
	} {
		t.Setenv(envOverrides, tt.overrides)
		got, err := open(t, "").pluginSource(Plugin{"aws", "1.2.3", tt.server})
		require.NoError(t, err)
		require.Equal(t, tt.want, got, "%+v", tt)
	}
	for _, bad := range []string{"x", "=y", "x=", "(=y", "a=b=c", "a=b,"} {
		_, err := ParseOverrides(bad)
		require.ErrorIs(t, err, fault.Invalid, bad)
		require.NotEmpty(t, fault.HintOf(err))
	}
}
