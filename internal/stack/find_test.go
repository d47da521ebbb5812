package stack

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// fakeCLI writes a pulumi that knows its version only, and counts in a file how
// often it was asked.
func fakeCLI(t *testing.T, dir, version string) (path, asked string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o700))
	path, asked = filepath.Join(dir, "pulumi"), filepath.Join(dir, "asked")
	script := "#!/bin/sh\necho x >> '" + asked + "'\necho '" + version + "'\n"
	require.NoError(t, wholefile.WriteProgram(path, []byte(script)))
	return path, asked
}

func TestFindPulumi(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	explicit, _ := fakeCLI(t, filepath.Join(root, "explicit"), "v3.256.0")
	beside, _ := fakeCLI(t, filepath.Join(root, "exe"), "v3.255.0")
	home, _ := fakeCLI(t, filepath.Join(root, "home", "bin"), "v3.254.0")
	onPath, _ := fakeCLI(t, filepath.Join(root, "path"), "v3.253.0")
	old, _ := fakeCLI(t, filepath.Join(root, "old"), "v3.100.0")
	next, _ := fakeCLI(t, filepath.Join(root, "next"), "v4.0.0")
	broken, _ := fakeCLI(t, filepath.Join(root, "broken"), "no version")
	exe := filepath.Join(root, "exe", "pipelinetui")
	require.NoError(t, os.WriteFile(exe, nil, 0o600))
	path := filepath.Join(root, "nowhere") + ":relative:" + filepath.Dir(onPath)

	tests := []struct {
		name     string
		opts     FindOptions
		path     string
		version  string
		kind     fault.Kind
		contains string
	}{
		{"explicit first", FindOptions{Explicit: explicit, BesideExe: exe, Home: filepath.Join(root, "home"), Path: path}, explicit, "v3.256.0", "", ""},
		{"beside the executable", FindOptions{BesideExe: exe, Home: filepath.Join(root, "home"), Path: path}, beside, "v3.255.0", "", ""},
		{"beside, given as a folder", FindOptions{BesideExe: filepath.Dir(exe), Path: path}, beside, "v3.255.0", "", ""},
		{"home", FindOptions{Home: filepath.Join(root, "home"), Path: path}, home, "v3.254.0", "", ""},
		{"PATH", FindOptions{Home: filepath.Join(root, "empty"), Path: path}, onPath, "v3.253.0", "", ""},
		{"too old is passed over", FindOptions{BesideExe: filepath.Dir(old), Path: path}, onPath, "v3.253.0", "", ""},
		{"nothing", FindOptions{Home: filepath.Join(root, "empty")}, "", "", fault.NotFound, "no Pulumi CLI found"},
		{"explicit is not there", FindOptions{Explicit: filepath.Join(root, "nowhere"), Path: path}, "", "", fault.NotFound, "no Pulumi CLI at"},
		{"explicit too old", FindOptions{Explicit: old, Path: path}, "", "", fault.Unsupported, "is version 3.100.0, at least " + MinimumVersion},
		{"explicit of the next major version", FindOptions{Explicit: next, Path: path}, "", "", fault.Unsupported, "of major version 3 is needed"},
		{"explicit is something else", FindOptions{Explicit: broken}, "", "", fault.Unsupported, `says its version is "no version"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, version, err := FindPulumi(t.Context(), tt.opts)
			if tt.kind != "" {
				require.ErrorIs(t, err, tt.kind)
				require.Contains(t, err.Error(), tt.contains)
				require.NotEmpty(t, fault.HintOf(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.path, got)
			require.Equal(t, tt.version, version)
		})
	}
}

func TestFindPulumiAsksABinaryOnce(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	path, asked := fakeCLI(t, t.TempDir(), "v3.256.0")
	count := func() int {
		data, err := os.ReadFile(asked)
		require.NoError(t, err)
		return len(data) / 2
	}
	for range 3 {
		_, _, err := FindPulumi(t.Context(), FindOptions{Explicit: path, Home: home})
		require.NoError(t, err)
	}
	require.Equal(t, 1, count())
	script, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, wholefile.WriteProgram(path, append(script, "# another file now\n"...)))
	_, _, err = FindPulumi(t.Context(), FindOptions{Explicit: path, Home: home})
	require.NoError(t, err)
	require.Equal(t, 2, count())
}
