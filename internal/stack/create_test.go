package stack

import (
	"encoding/json"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// A stack that is made here is the one that `pulumi stack init` makes, and its key is
// one that the CLI takes: with the right passphrase, and not with another one.
func TestANewStackIsThatOfTheCLI(t *testing.T) {
	t.Parallel()
	documents, settings := [2]map[string]any{}, [2]*workspace.ProjectStack{}
	for i, more := range []map[string]string{nil, {"PULUMI_DIY_BACKEND_GZIP": "false"}} { // the second is left to the CLI
		f := open(t, "")
		p := f.place(testStack, more)
		created, err := f.ensure(t.Context(), p, true)
		require.NoError(t, err)
		require.True(t, created)
		require.Len(t, f.Spawned(), i)

		file, exists, known := f.stackFile(testStack)
		require.True(t, exists && known)
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(raw, &documents[i]))
		latest := documents[i]["checkpoint"].(map[string]any)["latest"].(map[string]any) // a test
		delete(latest["manifest"].(map[string]any), "time")                              // a test
		state := latest["secrets_providers"].(map[string]any)["state"].(map[string]any)  // a test
		settings[i], err = f.settings(p)
		require.NoError(t, err)
		require.Equal(t, settings[i].EncryptionSalt, state["salt"])
		state["salt"] = ""

		var stacks []map[string]any
		require.NoError(t, f.read(t.Context(), p, "list", &stacks, "stack", "ls", "--json"))
		require.Len(t, stacks, 1)
		require.Equal(t, testStack, stacks[0]["name"])
		require.NoError(t, f.setSecret(t.Context(), p, "a:b", "c"))
		p.env = map[string]string{envPassphrase: "wrong"}
		require.ErrorContains(t, f.setSecret(t.Context(), p, "a:b", "c"), "passphrase")

		entries, err := os.ReadDir(filepath.Dir(file))
		require.NoError(t, err)
		for _, e := range entries {
			require.NotContains(t, e.Name(), ".tmp", "nothing is left")
		}
	}
	require.Equal(t, documents[1], documents[0])
	require.Equal(t, settings[1].SecretsProvider, settings[0].SecretsProvider)
	require.Equal(t, settings[1].EncryptedKey, settings[0].EncryptedKey)
}

func TestANewStackOverwritesNothing(t *testing.T) {
	t.Parallel()
	f := open(t, "")
	p := f.place(testStack, nil)
	_, err := f.ensure(t.Context(), p, true)
	require.NoError(t, err)
	file, _, _ := f.stackFile(testStack)
	before, err := os.ReadFile(file)
	require.NoError(t, err)
	key, err := f.settings(p)
	require.NoError(t, err)

	// Another machine, which has looked before the stack was there.
	other := open(t, f.backend)
	q := other.place(testStack, nil)
	require.NoError(t, other.prepare(q))
	require.NoError(t, other.initStack(t.Context(), q))
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, before, after)
	adopted, err := other.settings(q)
	require.NoError(t, err)
	require.Equal(t, key.EncryptionSalt, adopted.EncryptionSalt)
	require.Empty(t, other.Spawned())
}

// TestANewStackWithoutHardLinks: what a file system can't do is left to the CLI.
func TestANewStackWithoutHardLinks(t *testing.T) {
	t.Parallel()
	f := open(t, "")
	f.link = func(from, to string) error {
		return &os.LinkError{Op: "link", Old: from, New: to, Err: syscall.EPERM}
	}
	p := f.place(testStack, nil)
	created, err := f.ensure(t.Context(), p, true)
	require.NoError(t, err)
	require.True(t, created)
	require.Len(t, f.Spawned(), 1)
	file, exists, known := f.stackFile(testStack)
	require.True(t, exists && known)
	entries, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	for _, e := range entries {
		require.Contains(t, e.Name(), testStack, "nothing else is left")
		require.NotContains(t, e.Name(), ".tmp")
	}
}

// A salt that was cut off by a full disk is taken from the state again.
func TestASaltThatIsCutOffIsMadeWhole(t *testing.T) {
	t.Parallel()
	f := open(t, "")
	p := f.place(testStack, nil)
	_, err := f.ensure(t.Context(), p, true)
	require.NoError(t, err)
	whole, err := os.ReadFile(p.settingsFile())
	require.NoError(t, err)
	for n := range len(whole) - 2 {
		require.NoError(t, os.WriteFile(p.settingsFile(), whole[:n], 0o600))
		_, err := f.ensure(t.Context(), p, false)
		require.NoError(t, err)
		s, err := f.settings(p)
		require.NoError(t, err)
		require.Regexp(t, saltForm, s.EncryptionSalt, n)
	}
	require.Empty(t, f.Spawned())
}

func TestANewStackThatIsLockedIsRefused(t *testing.T) {
	t.Parallel()
	f := open(t, "")
	root, _ := f.backendDir()
	locks := filepath.Join(root, ".pulumi", "locks", "organization", DefaultProject, testStack)
	require.NoError(t, os.MkdirAll(locks, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(locks, "a.json"), []byte(`{"pid":1,"username":"ann","hostname":"elsewhere"}`), 0o600))
	p := f.place(testStack, nil)
	_, err := f.ensure(t.Context(), p, true)
	require.ErrorIs(t, err, fault.Locked)
	_, exists, _ := f.stackFile(testStack)
	require.False(t, exists)
}
