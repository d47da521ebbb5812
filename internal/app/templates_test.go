package app

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/settings"
)

// appWith returns an App that looks for templates in a folder.
func appWith(t *testing.T, templates string) *App {
	t.Helper()
	environ := func(name string) (string, bool) {
		v, ok := map[string]string{"PIPELINETUI_HOME": t.TempDir(), "PIPELINETUI_TEMPLATES": templates}[name]
		return v, ok
	}
	s, err := settings.Resolve(settings.Sources{Environ: environ})
	require.NoError(t, err)
	return New(Options{Settings: s, Environ: environ})
}

func TestNewTemplatesAreClean(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := appWith(t, dir)
	for _, from := range BuiltinTemplates() {
		files, err := a.NewTemplate(filepath.Join(dir, "my-"+from), from)
		require.NoError(t, err)
		require.Contains(t, files, "template.yaml")
		_, err = a.NewTemplate(filepath.Join(dir, "my-"+from), from)
		require.ErrorIs(t, err, fault.Conflict)
	}
	reports, err := a.CheckTemplates(nil)
	require.NoError(t, err)
	require.Len(t, reports, 2*len(BuiltinTemplates()))
	for _, r := range reports {
		require.Empty(t, r.Findings, r.Folder)
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, len(BuiltinTemplates()), "nothing temporary is left")

	cat, err := a.Catalog(t.Context())
	require.NoError(t, err)
	mine, err := cat.Lookup("my-realtime")
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "my-realtime"), mine.Origin)
}

func TestNewTemplateRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := appWith(t, "")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	for name, want := range map[string]fault.Kind{
		"realtime": fault.Invalid, "My": fault.Invalid, "a_b": fault.Invalid, "file": fault.Conflict, "-": fault.Invalid,
	} {
		_, err := a.NewTemplate(filepath.Join(dir, name), "realtime")
		require.ErrorIs(t, err, want, name)
		require.NotEmpty(t, fault.HintOf(err), name)
	}
	for _, place := range []string{"/proc/x", "/dev/null/x", filepath.Join(dir, "file", "x")} {
		_, err := a.NewTemplate(place, "realtime")
		require.ErrorIs(t, err, fault.Invalid, place)
		require.Contains(t, err.Error(), "cannot be written", place)
		require.NotContains(t, err.Error(), "mkdir", place)
		require.NotEmpty(t, fault.HintOf(err), place)
	}
	_, err := a.NewTemplate(filepath.Join(dir, "x"), "realtme")
	require.ErrorIs(t, err, fault.NotFound)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

func TestTemplatesToCheck(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := appWith(t, dir)
	_, err := a.NewTemplate(filepath.Join(dir, "one"), "realtime")
	require.NoError(t, err)
	for _, args := range [][]string{{"one"}, {dir}, {filepath.Join(dir, "one")}, {"realtime"}} {
		reports, err := a.CheckTemplates(args)
		require.NoError(t, err, args)
		require.Len(t, reports, 1, args)
	}
	for args, want := range map[string]fault.Kind{"on": fault.NotFound, filepath.Join(dir, "two"): fault.NotFound, t.TempDir(): fault.NotFound} {
		_, err := a.CheckTemplates([]string{args})
		require.ErrorIs(t, err, want, args)
		require.NotEmpty(t, fault.HintOf(err))
	}
}
