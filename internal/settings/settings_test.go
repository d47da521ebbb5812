package settings

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

func environ(m map[string]string) func(string) (string, bool) {
	return func(k string) (string, bool) { v, ok := m[k]; return v, ok }
}

func TestResolvePrecedence(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(home, "config.yaml"), []byte("region: eu-west-1\nparallel: 3\noutput: yaml\nsandboxImages: {a/b: 'http://x'}\n"), 0o600))
	base := map[string]string{"PIPELINETUI_HOME": home}
	with := func(extra map[string]string) func(string) (string, bool) {
		m := map[string]string{}
		for k, v := range base {
			m[k] = v
		}
		for k, v := range extra {
			m[k] = v
		}
		return environ(m)
	}
	tests := []struct {
		name, setting, want, source string
		env, flags                  map[string]string
	}{
		{name: "default", setting: Target, want: "sandbox", source: "default"},
		{name: "file", setting: Region, want: "eu-west-1", source: filepath.Join(home, "config.yaml")},
		{name: "file number", setting: Parallel, want: "3", source: filepath.Join(home, "config.yaml")},
		{name: "file map", setting: SandboxImages, want: "a/b=http://x", source: filepath.Join(home, "config.yaml")},
		{name: "standard variable beats file", setting: Region, want: "us-west-2", source: "environment AWS_REGION", env: map[string]string{"AWS_REGION": "us-west-2"}},
		{
			name: "own variable beats standard one", setting: Region, want: "eu-north-1", source: "environment PIPELINETUI_REGION",
			env: map[string]string{"AWS_REGION": "us-west-2", "PIPELINETUI_REGION": "eu-north-1"},
		},
		{name: "empty variable counts as unset", setting: Region, want: "eu-west-1", source: filepath.Join(home, "config.yaml"), env: map[string]string{"AWS_REGION": ""}},
		{
			name: "flag beats all", setting: Region, want: "ap-south-1", source: "flag --region", env: map[string]string{"PIPELINETUI_REGION": "x"},
			flags: map[string]string{"region": "ap-south-1"},
		},
		{name: "no-color flag", setting: Color, want: "never", source: "flag --no-color", flags: map[string]string{"no-color": "true"}},
		{name: "NO_COLOR", setting: Color, want: "never", source: "environment NO_COLOR", env: map[string]string{"NO_COLOR": "1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := Resolve(Sources{Flags: tt.flags, Environ: with(tt.env)})
			require.NoError(t, err)
			require.Equal(t, tt.want, s.String(tt.setting))
			require.Equal(t, tt.source, s.Get(tt.setting).Source)
		})
	}
}

func TestTheEnvironmentOfAWSOnTheSandbox(t *testing.T) {
	t.Parallel()
	aws := map[string]string{"PIPELINETUI_HOME": t.TempDir(), "AWS_PROFILE": "work", "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_REGION": "eu-west-1"}
	on := func(flags map[string]string, more ...string) *Settings {
		env := map[string]string{}
		for k, v := range aws {
			env[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			env[more[i]] = more[i+1]
		}
		s, err := Resolve(Sources{Flags: flags, Environ: environ(env)})
		require.NoError(t, err)
		return s
	}
	s := on(nil)
	require.Empty(t, s.String(EndpointURL))
	require.Empty(t, s.String(Profile))
	require.Equal(t, "eu-west-1", s.String(Region), "the region is no access")
	s = on(map[string]string{"target": "aws"})
	require.Equal(t, "http://127.0.0.1:1", s.String(EndpointURL))
	require.Equal(t, "environment AWS_ENDPOINT_URL", s.Get(EndpointURL).Source)
	require.Equal(t, "work", s.String(Profile))
	require.Empty(t, on(map[string]string{"target": "aws"}, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true").String(EndpointURL))
	require.Equal(t, "http://own", on(nil, "PIPELINETUI_ENDPOINT_URL", "http://own").String(EndpointURL))
	require.Equal(t, "work", on(map[string]string{"endpoint-url": "http://other"}).String(Profile), "another server wants the user's credentials")
	require.Equal(t, "own", on(map[string]string{"profile": "own"}).String(Profile))
}

func TestARegionThatIsNone(t *testing.T) {
	t.Parallel()
	for region, want := range map[string]string{"us-east1": "not a region", "eu_west_1": "not a region", "us-east-1a": "its region is us-east-1", "US-EAST-1": "not a region"} {
		_, err := Resolve(Sources{Flags: map[string]string{"region": region}, Environ: environ(map[string]string{"PIPELINETUI_HOME": t.TempDir()})})
		require.ErrorIs(t, err, fault.Invalid)
		require.ErrorContains(t, err, want)
	}
	for _, region := range []string{"us-east-1", "us-gov-west-1", "cn-north-1", "ap-southeast-7", "us-iso-east-1", "eusc-de-east-1"} {
		require.NoError(t, isRegion(region))
	}
}

func TestResolveReportsEverything(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(home, "config.yaml"), []byte("regoin: x\noutput: xml\n"), 0o600))
	_, err := Resolve(Sources{Environ: environ(map[string]string{"PIPELINETUI_HOME": home, "PIPELINETUI_TARGET": "gcp", "PIPELINETUI_SANDBOX_PORT": "0"})})
	require.ErrorIs(t, err, fault.Invalid)
	for _, want := range []string{`unknown setting "regoin"`, `output from`, `"gcp" is not one of sandbox, aws`, "environment PIPELINETUI_SANDBOX_PORT"} {
		require.ErrorContains(t, err, want)
	}
}

func TestResolveBadFile(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	env := environ(map[string]string{"PIPELINETUI_HOME": home})
	_, err := Resolve(Sources{Environ: env, Config: filepath.Join(home, "absent.yaml")})
	require.ErrorIs(t, err, fault.Invalid)
	require.NoError(t, os.WriteFile(filepath.Join(home, "config.yaml"), []byte("a: [\n"), 0o600))
	_, err = Resolve(Sources{Environ: env})
	require.ErrorIs(t, err, fault.Invalid)
}

// Without a home nothing may be kept in the root of the file system; the other
// settings are known all the same, so that the error comes in the form asked for.
func TestResolveWithoutAHome(t *testing.T) {
	t.Parallel()
	s, err := Resolve(Sources{Environ: environ(nil), Flags: map[string]string{"output": "json"}})
	require.ErrorIs(t, err, fault.Invalid)
	require.ErrorContains(t, err, "PIPELINETUI_HOME")
	require.Equal(t, "json", s.String(Output))
	require.Empty(t, s.Paths.Home)
	for _, env := range []map[string]string{{"HOME": "/home/ana"}, {"XDG_DATA_HOME": "/d", "XDG_CONFIG_HOME": "/c"}, {"PIPELINETUI_HOME": t.TempDir()}} {
		_, err := Resolve(Sources{Environ: environ(env)})
		require.NoError(t, err, env)
	}
}

func TestFlagsAreGivenAgain(t *testing.T) {
	t.Parallel()
	s, err := Resolve(Sources{
		Flags:   map[string]string{"target": "aws", "region": "eu-west-1", "read-only": "true", "no-color": "true", "debug": "false"},
		Environ: environ(map[string]string{"PIPELINETUI_HOME": t.TempDir(), "PIPELINETUI_PROFILE": "ops"}),
	})
	require.NoError(t, err)
	require.Equal(t, []string{"--target=aws", "--region=eu-west-1", "--no-color", "--read-only", "--debug=false"}, s.Flags(),
		"what is in the environment is there for the next one, too")

	file := filepath.Join(t.TempDir(), "prod.yaml")
	require.NoError(t, os.WriteFile(file, []byte("target: aws\n"), 0o600))
	s, err = Resolve(Sources{
		Config: file, Flags: map[string]string{"no-color": "false"},
		Environ: environ(map[string]string{"PIPELINETUI_HOME": t.TempDir()}),
	})
	require.NoError(t, err)
	require.Equal(t, []string{"--config=" + file, "--no-color=false"}, s.Flags(), "without the file it would be another target")
}
