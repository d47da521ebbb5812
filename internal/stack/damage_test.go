package stack

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

const healthyStack = "acme.other.dev"

// goodState is the file of a stack with n resources.
func goodState(t *testing.T, stack string, made time.Time, n int) []byte {
	t.Helper()
	urn := func(typ, name string) string { return "urn:pulumi:" + stack + "::pipelinetui::" + typ + "::" + name }
	root := urn(rootType, "pipelinetui-"+stack)
	resources := []map[string]any{{"urn": root, "type": rootType, "custom": false}}
	for i := 1; i < n; i++ {
		resources = append(resources, map[string]any{
			"urn": urn(stashType, "s"+strings.Repeat("x", i)), "type": stashType, "custom": true, "id": "1", "parent": root,
		})
	}
	raw, err := json.Marshal(map[string]any{"version": 3, "checkpoint": map[string]any{
		"stack": stack, "latest": map[string]any{"manifest": map[string]any{"time": made}, "resources": resources},
	}})
	require.NoError(t, err)
	return raw
}

// stateFiles opens an engine over a damaged stack and one that is well.
func stateFiles(t *testing.T, damaged []byte) (f *fixture, dir string) {
	t.Helper()
	f = withoutCLI(t)
	dir, ok := f.stacksDir()
	require.True(t, ok)
	require.NoError(t, os.MkdirAll(dir, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, testStack+".json"), damaged, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, healthyStack+".json"), goodState(t, healthyStack, time.Unix(1e9, 0), 3), 0o600))
	return f, dir
}

// damages are ways in which a state can be broken, with a word of what is said.
func damages(t *testing.T) map[string]struct{ content, says string } {
	t.Helper()
	good := string(goodState(t, testStack, time.Unix(1e9, 0), 3))
	with := func(latest string) string { return `{"version":3,"checkpoint":{"latest":` + latest + `}}` }
	urn := `"urn:pulumi:` + testStack + `::p::t::a"`
	return map[string]struct{ content, says string }{
		"empty":                  {"", "it is empty"},
		"blank":                  {"  \n", "it is empty"},
		"zeros":                  {strings.Repeat("\x00", 64), "it is not JSON at byte 1"},
		"half of it":             {good[:len(good)/2], "it is cut off after"},
		"garbage":                {"<html>no</html>", "it is not JSON"},
		"a list":                 {"[]", "it does not hold what it should"},
		"null":                   {"null", "it has no version"},
		"another document":       {`{"a":1}`, "it has no version"},
		"a URN that is none":     {with(`{"resources":[{"urn":"urn:}]}pulumi:s::p::t::b","type":"t"}]}`), "resource 1 has a URN that is none"},
		"a URN of parts":         {with(`{"resources":[{"urn":"urn:pulumi:s::p","type":"t"}]}`), "resource 1 has a URN that is none"},
		"no URN":                 {with(`{"resources":[{"urn":` + urn + `,"type":"t"},{"type":"t"}]}`), "resource 2 is missing"},
		"null resources":         {with(`{"resources":null}`), "its resources are null"},
		"a null resource":        {with(`{"resources":[null]}`), "resource 1 is missing"},
		"a null operation":       {with(`{"resources":[{"urn":` + urn + `,"type":"t"}],"pending_operations":[null]}`), "pending operation 1 is missing"},
		"an empty operation":     {with(`{"resources":[{"urn":` + urn + `,"type":"t"}],"pending_operations":[{"type":"creating"}]}`), "pending operation 1 is missing"},
		"an operation on no URN": {with(`{"resources":[],"pending_operations":[{"type":"creating","resource":{"urn":"x"}}]}`), "pending operation 1 has a URN that is none"},
		"a resource twice":       {with(`{"resources":[{"urn":` + urn + `,"type":"t"},{"urn":` + urn + `,"type":"t"}]}`), "resource 2 is there twice"},
		"a parent that is gone":  {with(`{"resources":[{"urn":` + urn + `,"type":"t","parent":"urn:pulumi:` + testStack + `::p::t::b"}]}`), "leans on one that is not before it"},
		"its beginning is gone":  {strings.Replace(good, rootOf(t, good), "", 1), "leans on one that is not before it"},
		"another stack's":        {string(goodState(t, healthyStack, time.Unix(1e9, 0), 3)), `resource 1 is of another stack, "` + healthyStack + `"`},
		"resources of no kind":   {with(`{"resources":[1,2]}`), "it does not hold what it should"},
		"cut off zip":            {string(zipped(t, []byte(good))[:20]), "compressed, and damaged"},
	}
}

// rootOf is the first entry of a good state, with the comma behind it.
func rootOf(t *testing.T, good string) string {
	t.Helper()
	begin := strings.Index(good, `{"custom":false`)
	end := strings.Index(good[begin:], "},")
	require.True(t, begin > 0 && end > 0)
	return good[begin : begin+end+2]
}

func zipped(t *testing.T, raw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(raw)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func TestADamagedStateCostsOneRow(t *testing.T) {
	t.Parallel()
	for name, damage := range damages(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, dir := stateFiles(t, []byte(damage.content))
			list, err := f.List(t.Context())
			require.NoError(t, err)
			require.Len(t, list, 2)
			require.Equal(t, testStack, list[0].Name)
			require.ErrorIs(t, list[0].Err, fault.Damaged)
			require.NoError(t, list[1].Err)
			require.Equal(t, 3, list[1].Resources)

			_, err = f.State(t.Context(), testStack)
			require.ErrorIs(t, err, fault.Damaged)
			require.ErrorContains(t, err, filepath.Join(dir, testStack+".json"))
			require.ErrorContains(t, err, damage.says)
			require.ErrorContains(t, err, "still exists, but is not recorded", "it says what is lost")
			require.NotEmpty(t, fault.HintOf(err))
			_, err = f.State(t.Context(), healthyStack)
			require.NoError(t, err)
			require.Empty(t, f.Spawned(), "no process is needed to see it")
		})
	}
}

func TestADamagedStateIsRestored(t *testing.T) {
	t.Parallel()
	for name, damage := range damages(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, dir := stateFiles(t, []byte(damage.content))
			file := filepath.Join(dir, testStack+".json")
			require.NoError(t, os.WriteFile(file+".bak", goodState(t, testStack, time.Unix(2e9, 0), 5), 0o600))
			_, err := f.State(t.Context(), testStack)
			require.ErrorIs(t, err, fault.Damaged)
			require.Contains(t, fault.HintOf(err), "`pipelinetui cancel acme/iris/dev --restore`")

			c, aside, err := f.Restore(t.Context(), testStack)
			require.NoError(t, err)
			state, err := f.State(t.Context(), testStack)
			require.NoError(t, err)
			require.Equal(t, state.Count(), c.Resources)
			kept, err := os.ReadFile(aside)
			require.NoError(t, err)
			require.Equal(t, damage.content, string(kept), "nothing is thrown away")
			list, err := f.List(t.Context())
			require.NoError(t, err)
			require.Len(t, list, 2, "what was kept is no stack")
			require.NoError(t, list[0].Err)

			_, _, err = f.Restore(t.Context(), testStack)
			require.ErrorIs(t, err, fault.Conflict, "what is well is not replaced")
		})
	}
}

// The newest copy that can be used is taken, wherever it lies, and one that can't
// be used is passed over.
func TestTheNewestGoodCopyIsTaken(t *testing.T) {
	t.Parallel()
	f, dir := stateFiles(t, []byte("{"))
	root, _ := f.backendDir()
	history := filepath.Join(root, ".pulumi", "history", DefaultProject, testStack)
	backups := filepath.Join(root, ".pulumi", "backups", DefaultProject, testStack)
	for path, content := range map[string][]byte{
		filepath.Join(dir, testStack+".json.bak"):                                             []byte(`{"version":3`),
		filepath.Join(history, testStack+"-1700000000000000003.checkpoint.json"):              []byte("null"),
		filepath.Join(history, testStack+"-1700000000000000002.checkpoint.json"):              zipped(t, goodState(t, testStack, time.Unix(300, 0), 4)),
		filepath.Join(history, testStack+"-1700000000000000001.checkpoint.json"):              goodState(t, testStack, time.Unix(900, 0), 2),
		filepath.Join(backups, testStack+".1700000000000000009.json"):                         goodState(t, testStack, time.Unix(200, 0), 6),
		filepath.Join(root, ".pulumi", "backups", DefaultProject, "acme.iris.devx", "x.json"): goodState(t, testStack, time.Unix(1e9, 0), 7),
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, content, 0o600))
	}
	copies, err := f.Copies(t.Context(), testStack)
	require.NoError(t, err)
	require.Len(t, copies, 2)
	require.Equal(t, []int{4, 6}, []int{copies[0].Resources, copies[1].Resources})
	_, _, err = f.Restore(t.Context(), testStack)
	require.NoError(t, err)
	state, err := f.State(t.Context(), testStack)
	require.NoError(t, err)
	require.Len(t, state.Resources, 4)
}

// Entries that nobody can read are left out if the engine can go on with the rest.
func TestWhatCanBeReadOfADamagedStateIsKept(t *testing.T) {
	t.Parallel()
	edit := func(t *testing.T, change func(latest map[string]any)) []byte {
		var doc map[string]any
		require.NoError(t, json.Unmarshal(goodState(t, testStack, time.Unix(1e9, 0), 3), &doc))
		change(doc["checkpoint"].(map[string]any)["latest"].(map[string]any)) // made above
		raw, err := json.Marshal(doc)
		require.NoError(t, err)
		return raw
	}
	t.Run("operations", func(t *testing.T) {
		t.Parallel()
		f, dir := stateFiles(t, edit(t, func(latest map[string]any) {
			latest["pending_operations"] = []any{nil, map[string]any{"type": "creating"}}
		}))
		require.NoError(t, os.WriteFile(filepath.Join(dir, testStack+".json.bak"), goodState(t, testStack, time.Unix(2e9, 0), 2), 0o600))
		c, _, err := f.Restore(t.Context(), testStack)
		require.NoError(t, err)
		require.Equal(t, 2, c.DroppedPending)
		require.Equal(t, 3, c.Resources, "no resource is lost, so it is better than a copy from before")
	})
	t.Run("a resource", func(t *testing.T) {
		t.Parallel()
		f, _ := stateFiles(t, edit(t, func(latest map[string]any) {
			latest["resources"] = append(latest["resources"].([]any), map[string]any{"type": "x"}) // made above
		}))
		c, _, err := f.Restore(t.Context(), testStack)
		require.NoError(t, err)
		require.Equal(t, 1, c.DroppedResources)
		require.Contains(t, c.String(), "without 1 entry")
	})
	t.Run("one that others lean on", func(t *testing.T) {
		t.Parallel()
		f, _ := stateFiles(t, edit(t, func(latest map[string]any) {
			latest["resources"].([]any)[0].(map[string]any)["urn"] = "urn" // made above
		}))
		_, _, err := f.Restore(t.Context(), testStack)
		require.ErrorIs(t, err, fault.Damaged)
		require.Contains(t, fault.HintOf(err), "no copy")
	})
}

func TestCompressedStatesAreRead(t *testing.T) {
	t.Parallel()
	f, dir := stateFiles(t, []byte("{"))
	good := goodState(t, testStack, time.Unix(1e9, 0), 4)
	enc, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(dir, testStack+".json")))
	for suffix, content := range map[string][]byte{".json.gz": zipped(t, good), ".json.zst": enc.EncodeAll(good, nil)} {
		path := filepath.Join(dir, testStack+suffix)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		state, err := f.State(t.Context(), testStack)
		require.NoError(t, err)
		require.Len(t, state.Resources, 4)
		list, err := f.List(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 2)
		require.Equal(t, 4, list[0].Resources)
		require.NoError(t, os.Remove(path))
	}
}

// FuzzState reads whatever may stand in the file of a stack: as a whole file, and as
// the state inside it. Nothing may panic, and what is taken must be fit for use.
func FuzzState(f *testing.F) {
	f.Add([]byte(`{"version":3,"checkpoint":{"latest":{"resources":[{"urn":"urn:pulumi:s::p::t::a","type":"t","initErrors":["x"]}]}}}`))
	f.Add([]byte(`{"manifest":{"time":"2020-01-01T00:00:00Z"},"resources":[null],"pending_operations":[null]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		wrapped, err := json.Marshal(map[string]any{"version": 3, "checkpoint": map[string]json.RawMessage{"latest": raw}})
		if err != nil {
			wrapped = nil
		}
		for _, file := range [][]byte{raw, wrapped} {
			dep, err := decodeCheckpoint("", file)
			if err != nil {
				continue
			}
			stateOf(testStack, dep, false)
			stateOf(testStack, dep, true)
			halfDone(dep)
			basisOf(dep)
			deployment, err := json.Marshal(dep)
			require.NoError(t, err)
			ids := map[string]string{}
			for _, op := range pendingOf(dep) {
				ids[op.URN] = "found"
			}
			edited, _, err := adoptInto(deployment, ids)
			if err != nil {
				continue
			}
			_, err = decodeCheckpoint("", []byte(`{"version":3,"checkpoint":{"latest":`+string(edited)+`}}`))
			require.NoError(t, err, "what a repair writes can be read")
		}
		if c, ok := salvage("", "state.json", raw); ok {
			_, err := decodeCheckpoint("", c.content)
			require.NoError(t, err)
		}
	})
}

// A state without resources is that of an empty pipeline only if its history says so.
func TestAStateThatWasEmptiedIsDamaged(t *testing.T) {
	t.Parallel()
	empty := []byte(`{"version":3,"checkpoint":{"stack":"organization/p/s","latest":{"manifest":{"time":"2020-01-01T00:00:00Z"}}}}`)
	entry := func(kind, result string) []byte {
		return []byte(`{"kind":"` + kind + `","result":"` + result + `","startTime":1,"endTime":2,"resourceChanges":{"create":30,"same":6,"delete":1}}`)
	}
	for name, c := range map[string]struct {
		history []byte
		damaged bool
	}{
		"never brought up": {nil, false},
		"brought up":       {entry("update", "succeeded"), true},
		"refreshed":        {entry("refresh", "succeeded"), true},
		"destroyed":        {entry("destroy", "succeeded"), false},
		"failed":           {entry("update", "failed"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, dir := stateFiles(t, empty)
			if c.history != nil {
				history := filepath.Join(filepath.Dir(filepath.Dir(dir)), "history", filepath.Base(dir), testStack)
				require.NoError(t, os.MkdirAll(history, 0o700))
				require.NoError(t, os.WriteFile(filepath.Join(history, testStack+"-1700000000000000001.history.json"), c.history, 0o600))
			}
			list, err := f.List(t.Context())
			require.NoError(t, err)
			require.Len(t, list, 2)
			if !c.damaged {
				require.NoError(t, list[0].Err)
				return
			}
			require.ErrorIs(t, list[0].Err, fault.Damaged)
			require.ErrorContains(t, list[0].Err, "it holds no resources, but update 1 left 36")
		})
	}
}

// What has the name of a state is one, even if it leads nowhere.
func TestALinkToItselfIsADamagedState(t *testing.T) {
	t.Parallel()
	f, dir := stateFiles(t, nil)
	require.NoError(t, os.Remove(filepath.Join(dir, testStack+".json")))
	require.NoError(t, os.Symlink(testStack+".json", filepath.Join(dir, testStack+".json")))
	list, err := f.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.ErrorIs(t, list[0].Err, fault.Damaged)
	_, err = f.State(t.Context(), testStack)
	require.ErrorIs(t, err, fault.Damaged)
}
