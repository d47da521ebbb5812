package stack

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/stretchr/testify/require"
)

// What is read directly from the files of a backend must be what the CLI says.
func TestAFileBackendIsReadAsTheCLIReadsIt(t *testing.T) {
	t.Parallel()
	f := open(t, "")
	empty, ok, err := f.fileList(t.Context())
	require.NoError(t, err)
	require.True(t, ok)
	require.Empty(t, empty)
	for range 2 {
		run, err := f.Up(t.Context(), Job{Stack: testStack, Program: stashes(`{"a":1}`, "one", "two"), Message: "hello"})
		must(t, run, err)
	}
	run, err := f.Up(t.Context(), Job{Stack: "acme.other.dev", Program: stashes(`{}`)})
	must(t, run, err)
	spawned := len(f.Spawned())

	state, err := f.State(t.Context(), testStack)
	require.NoError(t, err)
	list, err := f.List(t.Context())
	require.NoError(t, err)
	history, err := f.History(t.Context(), testStack, 0)
	require.NoError(t, err)
	newest, err := f.History(t.Context(), testStack, 1)
	require.NoError(t, err)
	require.Len(t, f.Spawned(), spawned, "no process is needed")
	require.Equal(t, history[:1], newest)
	require.Equal(t, []int{2, 1}, []int{history[0].Version, history[1].Version})

	p := f.place(testStack, nil)
	dep, err := f.export(t.Context(), p, false)
	require.NoError(t, err)
	if diff := cmp.Diff(stateOf(testStack, dep, false), state); diff != "" {
		t.Errorf("the state differs from the CLI's (-CLI +ours):\n%s", diff)
	}
	require.NoError(t, f.prepare(f.project()))
	require.NoError(t, f.prepare(p))
	var stacks []auto.StackSummary
	require.NoError(t, f.read(t.Context(), f.project(), "list", &stacks, "stack", "ls", "--json"))
	require.Len(t, list, len(stacks))
	for i, s := range summaries(stacks) {
		s.LastUpdate, list[i].LastUpdate = s.LastUpdate.Truncate(1e9), list[i].LastUpdate.Truncate(1e9)
		require.Positive(t, list[i].Resources, "the CLI's list does not count as the engine does")
		s.Resources = list[i].Resources
		require.Equal(t, s, list[i])
	}
	var entries []auto.UpdateSummary
	require.NoError(t, f.read(t.Context(), p, "history", &entries, "stack", "history", "--json", "--stack", testStack))
	for i, u := range updatesOf(entries) {
		u.Version = history[i].Version // the backend has none
		if diff := cmp.Diff(u, history[i]); diff != "" {
			t.Errorf("update %d differs from the CLI's (-CLI +ours):\n%s", i, diff)
		}
	}
}

func TestWhatIsNotUnderstoodIsLeftToTheCLI(t *testing.T) {
	t.Parallel()
	f := withoutCLI(t)
	dir, ok := f.stacksDir()
	require.True(t, ok)
	require.NoError(t, os.MkdirAll(dir, 0o700))
	file := filepath.Join(dir, testStack+".json")
	for name, content := range map[string]string{
		"a later version":  `{"version":99,"checkpoint":{}}`,
		"an older version": `{"version":2,"checkpoint":{}}`,
		"unknown features": `{"version":3,"features":["x"],"checkpoint":{}}`,
	} {
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		_, ok, err := f.fileExport(testStack)
		require.NoError(t, err)
		require.False(t, ok, name)
		list, ok, err := f.fileList(t.Context())
		require.NoError(t, err)
		require.True(t, ok, name)
		require.Len(t, list, 1)
		require.NoError(t, list[0].Err)
		require.Equal(t, -1, list[0].Resources, "not known")
	}
}
