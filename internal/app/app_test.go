package app

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

func newTestApp(t *testing.T, env map[string]string, flags map[string]string) *App {
	t.Helper()
	if env == nil {
		env = map[string]string{}
	}
	if _, ok := env["PIPELINETUI_HOME"]; !ok {
		env["PIPELINETUI_HOME"] = t.TempDir()
	}
	environ := func(k string) (string, bool) { v, ok := env[k]; return v, ok }
	s, err := settings.Resolve(settings.Sources{Environ: environ, Flags: flags})
	require.NoError(t, err)
	a := New(Options{Settings: s, Environ: environ})
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return a
}

func TestPassphraseIsMadeOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "deep", "passphrase")
	const n = 16
	got := make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			var err error
			if got[i], err = passphrase(path); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	for _, g := range got {
		require.Equal(t, got[0], g)
	}
	require.Len(t, got[0], 43) // 32 bytes in base64
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1, "no temporary file may be left")
}

func TestPassphraseEmptyFileIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "passphrase")
	require.NoError(t, os.WriteFile(path, []byte("\n"), 0o600))
	_, err := passphrase(path)
	require.ErrorIs(t, err, fault.Invalid)
	require.NotEmpty(t, fault.HintOf(err))
}

func TestEngineEnvLeavesTheUsersPassphraseAlone(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	a := newTestApp(t, map[string]string{"PIPELINETUI_HOME": home, "PULUMI_CONFIG_PASSPHRASE": ""}, nil)
	env, err := a.engineEnv(t.Context())
	require.NoError(t, err)
	require.Empty(t, env)
	require.NoFileExists(t, filepath.Join(home, "passphrase"))
}

func TestWithLabels(t *testing.T) {
	t.Parallel()
	row := func(model, tier string) Existing {
		id := spec.ID{Tenant: "acme", Model: model, Env: "dev"}
		return Existing{ID: id, Spec: &spec.Pipeline{ID: id, Tags: map[string]string{"tier": tier}}}
	}
	unreadable := Existing{ID: spec.ID{Tenant: "acme", Model: "lost", Env: "dev"}}
	got, err := withLabels([]Existing{row("a", "gold"), unreadable, row("b", "silver")}, []string{"tier=gold"})
	require.NoError(t, err)
	require.Len(t, got, 2, "the one that cannot be read is kept, undecided")
	require.Equal(t, "a", got[0].ID.Model)
	require.NoError(t, got[0].Undecided)
	require.Equal(t, "lost", got[1].ID.Model)
	require.ErrorIs(t, got[1].Undecided, fault.Damaged)
}

func TestEndpointConfigForTheOfficialPlugins(t *testing.T) {
	t.Parallel()
	c := endpointConfig("http://localhost:4566")
	// pulumi-aws takes a list, aws-native nothing but an object.
	require.Contains(t, c["aws:endpoints"], `[{`)
	require.Contains(t, c["aws:endpoints"], `"sagemaker":"http://localhost:4566"`)
	require.JSONEq(t, `{"cloudcontrol":"http://localhost:4566","sts":"http://localhost:4566"}`, c["aws-native:endpoints"])
}

func TestParseImages(t *testing.T) {
	t.Parallel()
	got, err := parseImages("a/b:1=http://127.0.0.1:1,c=https://x")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"a/b:1": "http://127.0.0.1:1", "c": "https://x"}, got)
	_, err = parseImages("a/b")
	require.ErrorIs(t, err, fault.Invalid)
}

func TestTargetAWSWithoutCredentialsSaysWhatToDo(t *testing.T) {
	// No parallel: the SDK's credential chain reads the process's environment.
	dir := t.TempDir()
	for k, v := range map[string]string{
		"AWS_CONFIG_FILE": filepath.Join(dir, "config"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(dir, "credentials"),
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "",
	} {
		t.Setenv(k, v)
	}
	a := newTestApp(t, nil, map[string]string{"target": "aws", "region": "us-east-1", "endpoint-url": "http://127.0.0.1:1"})
	_, err := a.Target(t.Context())
	require.ErrorIs(t, err, fault.Unauthenticated)
	require.Contains(t, fault.HintOf(err), "AWS_PROFILE")

	a = newTestApp(t, nil, map[string]string{"target": "aws"})
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	_, err = a.Target(t.Context())
	require.ErrorIs(t, err, fault.Invalid)
	require.ErrorContains(t, err, "region")
}
