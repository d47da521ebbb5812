package stack

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// A path and a URL are two things: what is special in one is a letter in the other.
func TestAFolderIsABackendWhateverItsName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"plain", "a b", "a#b", "a?b", "50%", "a%41b", "a%b?c#d", "ü", "a+b&c=d", "a?metadata", "%23", "a;b", "[x]*"} {
		path := filepath.Join("/tmp", name, "state")
		backend := FileURL(path)
		normal, err := NormalBackend(backend)
		require.NoError(t, err)
		require.Equal(t, backend, normal, "it is a normal one already")
		dir, ok := fileBackend(backend)
		require.True(t, ok)
		require.Equal(t, path, dir)
		dir, ok = fileBackend(withoutSidecars(backend))
		require.True(t, ok)
		require.Equal(t, path, dir, "with parameters too")
	}
}

func TestATypedBackendIsUnderstood(t *testing.T) {
	t.Parallel()
	home, err := os.UserHomeDir()
	require.NoError(t, err)
	here, err := os.Getwd()
	require.NoError(t, err)
	for typed, want := range map[string]string{
		"file:///a/b":               "/a/b",
		"file:///a/b/":              "/a/b",
		"file:///a/b#c":             "/a/b#c",
		"file:///a/b?c":             "/a/b?c",
		"file:///a/50%":             "/a/50%",
		"file:///a/b%20c":           "/a/b c", // as in any URL
		"file:///a/b c":             "/a/b c",
		"file:///a?metadata=skip":   "/a",
		"file:///a?b?no_tmp_dir=no": "/a?b",
		"file://~":                  home,
		"file://~/x":                filepath.Join(home, "x"),
		"file://~x":                 filepath.Join(here, "~x"),
		"file://x":                  filepath.Join(here, "x"),
		"file://./x":                filepath.Join(here, "x"),
		"file://":                   here,
		"file:/a/b#c":               "/a/b#c",
		"file:x":                    filepath.Join(here, "x"),
	} {
		normal, err := NormalBackend(typed)
		require.NoError(t, err, typed)
		dir, ok := fileBackend(normal)
		require.True(t, ok, typed)
		require.Equal(t, want, dir, typed)
	}
	for _, other := range []string{"s3://bucket?region=x", "https://api.pulumi.com", "gs://b", "azblob://c?x=y", "postgres://u@h/db"} {
		normal, err := NormalBackend(other)
		require.NoError(t, err)
		require.Equal(t, other, normal)
		_, ok := fileBackend(normal)
		require.False(t, ok)
	}
	for _, wrong := range []string{"", "x", "/tmp/x", "%", "ftp://x", "S4://b", "://", "mem://"} {
		_, err := NormalBackend(wrong)
		require.ErrorIs(t, err, fault.Invalid, wrong)
	}
}

// Who mistypes a backend is told so: no empty list, and no new folder.
func TestABackendThatIsNotThereIsAnError(t *testing.T) {
	t.Parallel()
	f := withoutCLI(t)
	missing := filepath.Join(t.TempDir(), "typo")
	f.opts.Backend = FileURL(missing)
	require.NoError(t, f.prepareBackend())
	_, err := f.List(t.Context())
	require.ErrorIs(t, err, fault.Invalid)
	require.ErrorContains(t, err, missing)
	_, err = f.State(t.Context(), testStack)
	require.ErrorIs(t, err, fault.Invalid)
	_, err = f.History(t.Context(), testStack, 0)
	require.ErrorIs(t, err, fault.Invalid)
	_, err = f.Locks(t.Context(), testStack)
	require.ErrorIs(t, err, fault.Invalid)
	require.NoDirExists(t, missing)
	require.NoError(t, os.WriteFile(missing, nil, 0o600))
	_, err = f.List(t.Context())
	require.ErrorContains(t, err, "not a folder")
}

// The key to a stack's secrets lies in its work directory: stacks of one name in
// two backends must not share it.
func TestEachBackendHasItsOwnWorkDirectories(t *testing.T) {
	t.Parallel()
	f := withoutCLI(t)
	dirs := map[string]bool{f.place(testStack, nil).dir: true}
	require.True(t, dirs[filepath.Join(f.home, "work", testStack)], "that of our own backend is the plain one")
	for _, backend := range []string{"file:///a", "file:///b", "s3://a", "s3://a/b", "https://api.pulumi.com"} {
		f.opts.Backend = backend
		dirs[f.place(testStack, nil).dir] = true
	}
	require.Len(t, dirs, 6)
	f.opts.Backend = "s3://a?region=x"
	one := f.place(testStack, nil).dir
	f.opts.Backend = "s3://a/?region=y"
	require.Equal(t, one, f.place(testStack, nil).dir, "parameters are no other place")
	f.opts.Backend = "s3://a"
	require.Equal(t, one, f.place(testStack, nil).dir)
	dirs = map[string]bool{one: true}
	for _, backend := range []string{"s3://a?region=x&prefix=one/", "s3://a?prefix=two/", "s3://a?prefix=two", "gs://a?prefix=two/"} {
		f.opts.Backend = backend
		dirs[f.place(testStack, nil).dir] = true
	}
	require.Len(t, dirs, 5, "but a prefix is")
	f.opts.Backend = "s3://a"
	require.Equal(t, "@cd9c174e4380", f.workSuffix(), "one that is there stays in use")
}
