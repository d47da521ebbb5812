package stack

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// operationsOf are the starts of all operations on the test's stack.
func operationsOf(e *Engine) map[Operation]func(context.Context) (*Run, error) {
	job := Job{Stack: testStack, Program: stashes(`{}`)}
	return map[Operation]func(context.Context) (*Run, error){
		OperationPreview: func(ctx context.Context) (*Run, error) { return e.Preview(ctx, job) },
		OperationUp:      func(ctx context.Context) (*Run, error) { return e.Up(ctx, job) },
		OperationRefresh: func(ctx context.Context) (*Run, error) { return e.Refresh(ctx, job) },
		OperationDestroy: func(ctx context.Context) (*Run, error) { return e.Destroy(ctx, job) },
	}
}

func waitFor(t *testing.T, start func(context.Context) (*Run, error)) (Result, []Event, error) {
	t.Helper()
	run, err := start(t.Context())
	return wait(t, run, err)
}

// TestWhatIsNoFolderIsNotEmpty: neither is what root cannot look into.
func TestWhatIsNoFolderIsNotEmpty(t *testing.T) {
	t.Parallel()
	f, dir := stateFiles(t, goodState(t, testStack, time.Unix(1e9, 0), 3))
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, os.WriteFile(dir, nil, 0o600))
	says := func(err error) {
		t.Helper()
		require.ErrorIs(t, err, fault.Damaged)
		require.ErrorContains(t, err, dir+", which should be a folder of the state backend, is no folder")
		require.NotEmpty(t, fault.HintOf(err))
	}
	_, err := f.List(t.Context())
	says(err)
	_, err = f.State(t.Context(), testStack)
	says(err)
	for _, start := range operationsOf(f.Engine) {
		_, _, err = waitFor(t, start)
		says(err)
	}
	require.Empty(t, f.Spawned())
}

// history writes an entry of the test's stack's history.
func history(t *testing.T, f *fixture, kind, changes string) {
	t.Helper()
	dir := f.historyDir(testStack)
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, testStack+"-1700000000000000000.history.json"),
		[]byte(`{"kind":"`+kind+`","result":"succeeded","startTime":1700000000,"endTime":1700000001,"resourceChanges":{`+changes+`}}`), 0o600))
}

// TestAMissingStateIsARow: a stack whose file is gone, and whose history says that it made
// something, is one that is damaged; the copy that is left takes its place.
func TestAMissingStateIsARow(t *testing.T) {
	t.Parallel()
	f, dir := stateFiles(t, goodState(t, testStack, time.Unix(1e9, 0), 3))
	file := filepath.Join(dir, testStack+".json")
	history(t, f, "update", `"create":2,"same":1`)
	require.NoError(t, os.Rename(file, file+".bak"))
	says := func(err error) {
		t.Helper()
		require.ErrorIs(t, err, fault.Damaged)
		require.ErrorContains(t, err, file+": it is missing, and update 1 of its history left 3 resources")
		require.Contains(t, fault.HintOf(err), "`pipelinetui cancel acme/iris/dev --restore`")
		require.Contains(t, fault.HintOf(err), "If it was removed on purpose, remove its history too: "+f.historyDir(testStack))
	}
	list, err := f.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, []string{testStack, healthyStack}, []string{list[0].Name, list[1].Name}, "by name")
	says(list[0].Err)
	_, err = f.State(t.Context(), testStack)
	says(err)
	_, err = f.History(t.Context(), testStack, 0)
	says(err)
	for _, start := range operationsOf(f.Engine) {
		_, _, err = waitFor(t, start)
		says(err)
	}
	require.Empty(t, f.Spawned(), "nothing was begun, nor made beside it")

	c, aside, err := f.Restore(t.Context(), testStack)
	require.NoError(t, err)
	require.Equal(t, file+".bak", c.File)
	require.Empty(t, aside, "there was nothing to keep")
	state, err := f.State(t.Context(), testStack)
	require.NoError(t, err)
	require.Equal(t, 3, len(state.Resources))
}

// TestWhatWasRemovedIsNotMissing: the engine leaves a copy of what it removed, and for a
// moment its history.
func TestWhatWasRemovedIsNotMissing(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*testing.T, *fixture){
		"no history":               func(*testing.T, *fixture) {},
		"destroyed":                func(t *testing.T, f *fixture) { history(t, f, "destroy", `"delete":3`) },
		"nothing was made or left": func(t *testing.T, f *fixture) { history(t, f, "update", ``) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, dir := stateFiles(t, goodState(t, testStack, time.Unix(1e9, 0), 3))
			file := filepath.Join(dir, testStack+".json")
			if name == "nothing was made or left" {
				require.NoError(t, os.Remove(file))
			} else {
				require.NoError(t, os.Rename(file, file+".bak"))
			}
			leave(t, f)
			list, err := f.List(t.Context())
			require.NoError(t, err)
			require.Len(t, list, 1)
			_, err = f.State(t.Context(), testStack)
			require.ErrorIs(t, err, fault.NotFound)
			_, _, err = f.Restore(t.Context(), testStack)
			require.ErrorIs(t, err, fault.NotFound)
		})
	}
}

// TestADamagedLayoutIsNamedAndMended: meta.yaml says nothing that the stacks do not say.
func TestADamagedLayoutIsNamedAndMended(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]struct{ content, says string }{
		"empty":    {"", "it is empty"},
		"garbage":  {"\x00\x01{", "it names no version"},
		"other":    {"a: 1\n", "it names no version"},
		"a folder": {"", "it is a folder"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _ := stateFiles(t, goodState(t, testStack, time.Unix(1e9, 0), 3))
			root, _ := f.backendDir()
			file := layoutFile(root)
			require.NoError(t, f.CheckLayout(t.Context()), "none is none")
			if name == "a folder" {
				require.NoError(t, os.Mkdir(file, 0o700))
			} else {
				require.NoError(t, os.WriteFile(file, []byte(damage.content), 0o600))
			}
			for _, start := range operationsOf(f.Engine) {
				_, _, err := waitFor(t, start)
				require.ErrorIs(t, err, fault.Damaged)
				require.ErrorContains(t, err, file+" is damaged: "+damage.says+". Nothing is lost")
				require.Contains(t, fault.HintOf(err), "`pipelinetui doctor --yes`")
			}
			list, err := f.List(t.Context())
			require.NoError(t, err)
			require.Len(t, list, 2, "the stacks are there")

			aside, err := f.MendLayout(t.Context())
			require.NoError(t, err)
			require.FileExists(t, file)
			_, err = os.Stat(aside)
			require.NoError(t, err, "nothing is thrown away")
			require.NoError(t, f.CheckLayout(t.Context()))
			aside, err = f.MendLayout(t.Context())
			require.NoError(t, err)
			require.Empty(t, aside)
		})
	}
}
