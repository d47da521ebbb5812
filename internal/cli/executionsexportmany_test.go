package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Many executions into a folder, a file of lines, and inputs; each goes on where it was cut off.
func TestExportMany(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	one, two := w.pipeline(t, "exporter/one").String(), w.pipeline(t, "exporter/two").String()
	for _, id := range []string{one, two} {
		w.run(t, "run", id, "--name", "bad", "--input", `{"do":"fail", "amount":1}`, "--wait").ends(t, ExitExecution)
		w.run(t, "run", id, "--name", "good", "--input", `{"amount":2}`, "--wait").ends(t, ExitOK)
	}
	w.run(t, "run", two, "--name", "mapped", "--input", `{"do":"map","items":[{"bad":1},{}]}`, "--wait").ends(t, ExitOK)
	dir := t.TempDir()
	export := func(args ...string) map[string]any {
		t.Helper()
		return w.run(t, append([]string{"executions", "export", "-o", "json"}, args...)...).ends(t, ExitOK).doc(t, "ExecutionsExported")
	}
	counts := func(doc map[string]any, chosen, written, existed int) {
		t.Helper()
		require.InDelta(t, chosen, doc["chosen"], 0)
		require.InDelta(t, written, doc["written"], 0)
		require.InDelta(t, existed, doc["existed"], 0)
	}

	folder := filepath.Join(dir, "all")
	counts(export("exporter/*", "--out", folder), 5, 5, 0)
	file := filepath.Join(folder, "exporter.two.dev", "mapped.json")
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	var doc struct {
		Kind, Pipeline string
		Execution      struct{ Name, Status, Input string }
		Definition     map[string]any
		Events         []struct {
			ID          int64
			Type, State string
		}
		MapRuns        []map[string]any
		FailedChildren []map[string]any
	}
	require.NoError(t, json.Unmarshal(whole, &doc))
	require.Equal(t, "ExecutionExport", doc.Kind)
	require.Equal(t, two, doc.Pipeline)
	require.Equal(t, "mapped", doc.Execution.Name)
	require.NotEmpty(t, doc.Definition)
	require.Equal(t, "ExecutionSucceeded", doc.Events[len(doc.Events)-1].Type)
	require.Len(t, doc.MapRuns, 1)
	require.Len(t, doc.FailedChildren, 1)
	// A second run finds all, one that lost a file and has half of another writes these two.
	counts(export("exporter/*", "--out", folder), 5, 0, 5)
	require.NoError(t, os.Remove(file))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "exporter.one.dev", "bad.json"), []byte(`{"kind":"Exec`), 0o600))
	counts(export("exporter/*", "--out", folder), 5, 2, 3)
	// One that was redriven is another one now.
	w.run(t, "executions", "redrive", one, "bad", "--yes").ends(t, ExitOK)
	w.run(t, "executions", "watch", one, "bad").ends(t, ExitExecution)
	counts(export("exporter/*", "--failed", "--out", folder), 2, 1, 1)

	lines := filepath.Join(dir, "all.jsonl")
	counts(export("exporter/*", "--status", "FAILED,SUCCEEDED", "--out", lines), 5, 5, 0)
	text, err := os.ReadFile(lines)
	require.NoError(t, err)
	require.NoFileExists(t, lines+".part")
	all := bytes.SplitAfter(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	require.Len(t, all, 5)
	for _, l := range all {
		require.True(t, json.Valid(l))
	}
	w.run(t, "executions", "export", "exporter/*", "--out", lines).ends(t, ExitUsage, "--force")
	// It was cut off in its third line.
	require.NoError(t, os.Rename(lines, lines+".part"))
	require.NoError(t, os.Truncate(lines+".part", int64(len(all[0])+len(all[1])+700)))
	counts(export("exporter/*", "--out", lines), 5, 3, 2)
	again, err := os.ReadFile(lines)
	require.NoError(t, err)
	require.Equal(t, string(text), string(again))

	bad := filepath.Join(dir, "bad")
	doc2 := export("exporter/*", "--error", "InvalidFlower", "--inputs", "--out", bad)
	counts(doc2, 2, 2, 0)
	inputs := doc2["files"].(map[string]any)[one].(string)
	text, err = os.ReadFile(inputs)
	require.NoError(t, err)
	require.Equal(t, `{"do":"fail","amount":1}`+"\n", string(text))
	mended := strings.ReplaceAll(string(text), `"do":"fail",`, "")
	require.NoError(t, os.WriteFile(inputs, []byte(mended), 0o600))
	w.run(t, "run", one, "--inputs", inputs, "--batch", "mended", "--wait").ends(t, ExitOK)
	w.run(t, "executions", "export", "exporter/*", "--error", "InvalidFlower", "--inputs", "--out", bad).ends(t, ExitUsage, "--force")
	w.run(t, "executions", "export", one, "--failed", "--inputs", "--out", filepath.Join(dir, "one.jsonl")).ends(t, ExitOK, "run exporter/one --inputs")
	w.run(t, "executions", "export", "exporter/*", "--failed", "--inputs", "--out", filepath.Join(dir, "two.jsonl")).ends(t, ExitUsage, "a file for each pipeline")
	w.run(t, "executions", "export", "exporter/*").ends(t, ExitUsage, "--out FOLDER")
	w.run(t, "executions", "export", "exporter/*", "--out", filepath.Join(inputs, "x")).ends(t, ExitUsage, "cannot be written")
	w.run(t, "executions", "export").ends(t, ExitUsage, "between 1 and 2")

	w.run(t, "executions", "show", two, "mapped", "--limit", "1").ends(t, ExitOK, "and 1 more visits of states")
	shown := w.run(t, "executions", "show", two, "mapped", "--limit", "1", "-o", "json").ends(t, ExitOK).doc(t, "Execution")
	require.Len(t, shown["states"], 1)
	require.InDelta(t, 1, shown["moreStates"], 0)
}
