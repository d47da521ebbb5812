package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// parsed gives a command line to a command whose work is to keep its options.
func parsed[O any](t *testing.T, make func(*Deps, action[O]) *cobra.Command, line string) *O {
	t.Helper()
	var got *O
	cmd := make(newSession(nil, nothing(), none).deps, func(_ context.Context, _ *Deps, o *O) error { got = o; return nil })
	cmd.SetArgs(strings.Fields(line))
	require.NoError(t, cmd.ExecuteContext(t.Context()))
	require.NotNil(t, got)
	return got
}

func TestExecutionOptions(t *testing.T) {
	t.Parallel()
	require.Equal(t, &runOptions{pipeline: "a/b", patterns: []string{"a/b"}, input: "{}", name: "n", wait: true, watch: true, timeout: time.Minute},
		parsed(t, newRun, "a/b -i {} --name n --wait --watch --timeout 1m"))
	require.Equal(t, &runOptions{pipeline: "a/b", patterns: []string{"a/b"}, inputs: "x.csv", batch: "m", detach: true}, parsed(t, newRun, "a/b --inputs x.csv --batch m --detach"))
	require.Equal(t, &executionsListOptions{args: []string{"a/b"}, statuses: []string{"FAILED", "RUNNING"}, since: "1h", name: "x*", limit: 7},
		parsed(t, newExecutionsList, "a/b --status FAILED,RUNNING --since 1h --name x* --limit 7"))
	require.Equal(t, &executionsShowOptions{executionOptions{[]string{"a/b", "x"}}, 500}, parsed(t, newExecutionsShow, "a/b x"))
	require.Equal(t, &executionsWatchOptions{executionOptions{[]string{"arn"}}, "", time.Second}, parsed(t, newExecutionsWatch, "arn --timeout 1s"))
	require.Equal(t, &changeOptions{executionOptions: executionOptions{[]string{"a/b", "x"}}, yes: true, cause: "why", errorName: "E"},
		parsed(t, newExecutionsStop, "a/b x -y --cause why --error E"))
	require.Equal(t, &changeOptions{executionOptions: executionOptions{[]string{"a/b", "x"}}}, parsed(t, newExecutionsRedrive, "a/b x"))
	require.Equal(t, &executionsHistoryOptions{executionOptions{[]string{"a/b", "x"}}, 3, true, true}, parsed(t, newExecutionsHistory, "a/b x --limit 3 --reverse --no-data"))
	require.Equal(t, &executionsExportOptions{executionOptions: executionOptions{[]string{"a/b", "x"}}, out: "f", force: true},
		parsed(t, newExecutionsExport, "a/b x --out f --force"))
	require.Equal(t, &itemErrorsOptions{pipeline: "a/b", execution: "x", items: "f", force: true, limit: 0}, parsed(t, newExecutionsErrors, "a/b x --items f --force --limit 0"))
}

func TestRunAndWait(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	w.pipeline(t, "wait/iris")
	l := w.run(t, "run", "wait/iris", "--input", "{}", "--name", "first").ends(t, ExitOK)
	require.Equal(t, "first\n", l.out.String())
	// As long as one runs, the same name and input start it once.
	w.run(t, "run", "wait/iris", "--input", `{"do": "wait"}`, "--name", "once").ends(t, ExitOK)
	doc := w.run(t, "run", "wait/iris", "--input", `{"do": "wait"}`, "--name", "once", "-o", "json").ends(t, ExitOK).doc(t, "Started")
	require.Equal(t, "wait/iris", doc["pipeline"])
	w.run(t, "executions", "stop", "wait/iris", "once", "--yes").ends(t, ExitOK)
	w.run(t, "run", "wait/iris", "--input", `{"a": 1}`, "--name", "first").ends(t, ExitUsage, "first")
	w.run(t, "run", "wait/iris", "--input", "{}", "--wait").ends(t, ExitOK, "SUCCEEDED", "setosa")
	w.run(t, "run", "wait/iris", "--input", "{}", "--watch").ends(t, ExitOK, "SUCCEEDED", "Fine")
	w.run(t, "run", "wait/iris", "--input", `{"do": "fail"}`, "--wait").ends(t, ExitExecution, "InvalidFlower", "in state Broken", "petal_width: missing")
	doc = w.run(t, "run", "wait/iris", "--input", `{"do": "fail"}`, "--wait", "-o", "json").ends(t, ExitExecution).doc(t, "Execution")
	require.Equal(t, "FAILED", doc["status"])
	require.Equal(t, "Broken", doc["failedState"])
	events, result := w.run(t, "run", "wait/iris", "--input", "{}", "--watch", "-o", "jsonl").ends(t, ExitOK).lines(t, "Execution")
	require.Equal(t, "event", events[0]["type"])
	require.Equal(t, "SUCCEEDED", result["status"])
	w.run(t, "run", "wait/iris", "--input", `{"do": "wait"}`, "--name", "long", "--wait", "--timeout", "10ms").ends(t, ExitTimeout, "not ended after", "executions watch")
	w.run(t, "executions", "stop", "wait/iris", "long", "--yes", "--cause", "enough").ends(t, ExitOK, "ABORTED")

	file := filepath.Join(t.TempDir(), "one.json")
	require.NoError(t, os.WriteFile(file, []byte("{}"), 0o600))
	w.run(t, "run", "wait/iris", "--input", "@"+file, "--wait").ends(t, ExitOK)
	(&line{w: w, typed: "{}"}).run(t, "run", "wait/iris", "--input", "-", "--wait").ends(t, ExitOK)
	require.NoError(t, os.WriteFile(file, append(bytes.Repeat([]byte(" "), 300_006), "{}"...), 0o600))
	w.run(t, "run", "wait/iris", "--input", "@"+file).ends(t, ExitUsage, "input has 300008 bytes")
	(&line{w: w, typed: strings.Repeat(" ", 300_000) + "{}"}).run(t, "run", "wait/iris", "--input", "-").ends(t, ExitUsage, "input has more than 262144 bytes")
	w.run(t, "run", "wait/iris", "--input", "@"+file+".none").ends(t, ExitUsage, "no such file")
	w.run(t, "run", "wait/iris", "--input", "{").ends(t, ExitUsage)
	w.run(t, "run", "wait/nobody", "--input", "{}").ends(t, ExitNotFound, "pipelinetui list")
	w.run(t, "run", "Wait/x", "--input", "{}").ends(t, ExitUsage)
}

func TestRunOfADataSet(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	w.pipeline(t, "dataset/iris")
	file := filepath.Join(t.TempDir(), "items.jsonl")
	require.NoError(t, os.WriteFile(file, []byte("{\"id\": 1}\n"), 0o600))
	l := w.run(t, "run", "dataset/iris", "--input-file", file, "--name", "monday", "--wait")
	// What the template takes decides; one that takes no data set says so.
	if l.code != ExitOK {
		l.ends(t, ExitUsage, "realtime")
	}
	w.run(t, "run", "dataset/iris", "--input-file", file, "--name", "not a name!").ends(t, ExitUsage, "name")
}

// A data set whose execution AWS refuses to start does not stay behind.
func TestADataSetOfARefusedStart(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	id, err := spec.ParseID("dataset/refused")
	require.NoError(t, err)
	outputs := w.machineOf(t, id)
	plant := func() {
		w.plant(t, id, outputs, func(doc map[string]any) {
			doc["template"] = "batch"
			doc["parameters"] = map[string]any{"inputFormat": "JSONL", "image": "sandbox/linear", "instanceType": "ml.m5.xlarge", "modelDataUrl": "s3://models/model.tar.gz"}
		})
	}
	alias := outputs["stateMachineAliasArn"]
	outputs["stateMachineAliasArn"] = fmt.Sprint(alias) + "-gone"
	plant()
	file := filepath.Join(t.TempDir(), "items.jsonl")
	require.NoError(t, os.WriteFile(file, []byte("{\"id\": 1}\n"), 0o600))
	objects := func() int {
		bucket := fmt.Sprint(outputs["bucketName"])
		list, err := w.s3().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket})
		require.NoError(t, err)
		return len(list.Contents)
	}
	l := w.run(t, "run", "dataset/refused", "--input-file", file, "--name", "refused").ends(t, ExitNotFound)
	require.Contains(t, l.errs.String(), " is at s3://", "it got that far: the test sees what it is about")
	require.Zero(t, objects())
	outputs["stateMachineAliasArn"] = alias
	plant()
	w.run(t, "run", "dataset/refused", "--input-file", file, "--name", "taken").ends(t, ExitOK)
	require.Equal(t, 1, objects())
	w.run(t, "run", "dataset/refused", "--input-file", file, "--name", "taken").ends(t, ExitUsage, "already")
	require.Equal(t, 1, objects(), "another execution's data set is not touched")

	// One with a line that is none is refused before it is uploaded.
	require.NoError(t, os.WriteFile(file, []byte("{\"id\": 1}\n\n{\"id\": 2}\n{bad json\n"), 0o600))
	l = w.run(t, "run", "dataset/refused", "--input-file", file, "--name", "bad").ends(t, ExitUsage, "items.jsonl:4", "line 4, column 2")
	require.NotContains(t, l.errs.String(), " is at s3://")
	require.Equal(t, 1, objects())
}

func TestBatches(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	w.pipeline(t, "batches/iris")
	file := filepath.Join(t.TempDir(), "many.jsonl")
	require.NoError(t, os.WriteFile(file, []byte("{}\n{\"do\": \"fail\"}\n{}\n"), 0o600))
	w.run(t, "run", "batches/iris", "--inputs", file, "--batch", "monday").ends(t, ExitOK, "batch monday: 3 executions started, 0 were there already")
	w.run(t, "run", "batches/iris", "--inputs", file, "--batch", "monday", "--wait").
		ends(t, ExitExecution, "0 executions started, 3 were there", "1 × InvalidFlower", "1 of 3 executions")
	doc := w.run(t, "run", "batches/iris", "--inputs", file, "--batch", "monday", "--wait", "-o", "json").ends(t, ExitExecution).doc(t, "Batch")
	require.Len(t, doc["executions"], 3)
	require.InDelta(t, 2, doc["summary"].(map[string]any)["SUCCEEDED"], 0) // a test
	(&line{w: w, typed: "{}\n{}\n"}).run(t, "run", "batches/iris", "--inputs", "-", "--wait").ends(t, ExitOK, "2 executions")
	w.run(t, "run", "batches/iris", "--inputs", file, "--batch", "late", "--wait", "--timeout", "1ns").ends(t, ExitTimeout, "has not been started whole after 1ns")
	w.run(t, "run", "batches/iris", "--inputs", file, "--inputs", file+"2").ends(t, ExitUsage, "given twice")
	w.run(t, "preview", "-f", file, "-f", file+"2").ends(t, ExitUsage, "given twice", "one spec")
	w.run(t, "help", "nope").ends(t, ExitUsage, `no command "nope"`)
	w.run(t, "help", "executions", "nope").ends(t, ExitUsage)
	w.run(t, "help", "executions", "list").ends(t, ExitOK)
	w.run(t, "run", "batches/iris", "--inputs", file, "--batch", "no batch!").ends(t, ExitUsage)
	w.run(t, "run", "batches/iris", "--inputs", file+".none").ends(t, ExitUsage)
	bad := filepath.Join(t.TempDir(), "bad.jsonl")
	require.NoError(t, os.WriteFile(bad, []byte("{}\nnonsense\n"), 0o600))
	w.run(t, "run", "batches/iris", "--inputs", bad).ends(t, ExitUsage, "2")
	l := w.run(t, "executions", "list", "batches/iris", "--name", "monday", "--status", "failed")
	l.ends(t, ExitOK, "FAILED")
	require.NotContains(t, l.out.String(), "SUCCEEDED")
}

// The inputs of several pipelines are one command, from a file for all or a folder with a file
// for each: what "executions export --inputs" has written.
func TestBatchesOfSeveral(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	w.pipeline(t, "several/a")
	w.pipeline(t, "several/b")
	dir := t.TempDir()
	file := filepath.Join(dir, "all.jsonl")
	require.NoError(t, os.WriteFile(file, []byte("{}\n{\"do\": \"fail\"}\n"), 0o600))
	w.run(t, "run", "several/*", "--inputs", file).ends(t, ExitUsage, "--yes")
	w.run(t, "run", "several/*", "--input", "{}", "--yes").ends(t, ExitUsage, "several pipelines take --inputs only")
	w.run(t, "run", "--inputs", file, "--yes").ends(t, ExitUsage, "not told which pipeline")
	w.run(t, "run", "--all", "several/a", "--inputs", file, "--yes").ends(t, ExitUsage, "cannot go together")
	w.run(t, "run", "several/a", "several/none", "--inputs", file, "--yes").ends(t, ExitNotFound, "several/none")
	w.run(t, "run", "none/*", "--inputs", file, "--yes").ends(t, ExitNotFound)
	w.run(t, "run", "several/*", "--inputs", file, "--batch", "first", "--yes").
		ends(t, ExitOK, "several/a", "several/b", "account 000000000000 · region us-east-1", "batch first")
	doc := w.run(t, "run", "several/a", "several/b", "--inputs", file, "--batch", "first", "--wait", "--yes", "-o", "json").
		ends(t, ExitExecution, "2 of 4 executions").doc(t, "Batches")
	for _, b := range doc["batches"].([]any) {
		b := b.(map[string]any)
		require.InDelta(t, 2, b["existed"], 0) // a test
		require.Equal(t, map[string]any{"SUCCEEDED": 1.0, "FAILED": 1.0}, b["summary"])
	}
	require.Empty(t, doc["failed"])
	w.run(t, "run", "several/*", "--inputs", file, "--batch", "late", "--wait", "--timeout", "1ns", "--yes").ends(t, ExitTimeout, "1ns")

	// What failed, mended, is run again.
	out := filepath.Join(dir, "bad")
	w.run(t, "executions", "export", "several/*", "--batch", "first", "--failed", "--inputs", "--out", out).ends(t, ExitOK, "run --inputs "+out)
	for _, name := range []string{"several.a.dev.jsonl", "several.b.dev.jsonl"} {
		require.NoError(t, os.WriteFile(filepath.Join(out, name), []byte("{}\n"), 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(out, "README.md"), []byte("mended by hand"), 0o600))
	w.run(t, "run", "--inputs", out, "--batch", "again", "--wait", "--yes").ends(t, ExitOK, "several/a", "several/b", "SUCCEEDED 1")
	w.run(t, "run", "several/b", "--inputs", out, "--batch", "b", "--yes", "-q").ends(t, ExitOK, "several/b")
	w.run(t, "batches", "list", "several/a").ends(t, ExitOK, "again", "first")

	// Nothing is started if anything is wrong with the folder.
	for name, text := range map[string]string{"nobody.jsonl": "{}", "several.a.dev.json": "{}", "several.a.dev.csv": "x\n1\n", "several.a.dev.part.jsonl": "{}", "several.gone.dev.jsonl": "{}"} {
		path := filepath.Join(out, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		code := ExitUsage
		if name == "several.gone.dev.jsonl" {
			code = ExitNotFound
		}
		w.run(t, "run", "--inputs", out, "--batch", "never", "--yes").ends(t, code)
		if name == "several.gone.dev.jsonl" {
			w.run(t, "run", "--all", "--inputs", out, "--batch", "never", "--yes").ends(t, code, name)
			w.run(t, "run", "several/a", "--inputs", out, "--batch", "a", "--yes").ends(t, ExitOK, "2 files are")
		}
		require.NoError(t, os.Remove(path))
	}
	require.NoError(t, os.WriteFile(filepath.Join(out, "several.b.dev.jsonl"), []byte("{}\nnonsense\n"), 0o600))
	w.run(t, "run", "--inputs", out, "--batch", "never", "--yes").ends(t, ExitUsage, "several.b.dev.jsonl:2")
	w.run(t, "batches", "show", "several/a", "never").ends(t, ExitNotFound)
	w.run(t, "run", "--inputs", t.TempDir(), "--yes").ends(t, ExitUsage, "no files of inputs")

	// One that has no state machine yet fails alone, but not where it is named.
	w.plant(t, spec.ID{Tenant: "several", Model: "half"}, map[string]any{}, nil)
	w.run(t, "run", "several/*", "--inputs", file, "--batch", "most", "--yes").ends(t, ExitNotFound, "several/b", "several/half", "1 of 3 pipelines")
	w.run(t, "batches", "show", "several/a", "most").ends(t, ExitOK)
	w.run(t, "run", "several/a", "several/half", "--inputs", file, "--batch", "none", "--yes").ends(t, ExitNotFound, "has no state machine yet")
	w.run(t, "batches", "show", "several/a", "none").ends(t, ExitNotFound)
}

func TestLookingAtExecutions(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	w.pipeline(t, "looking/iris")
	w.run(t, "executions", "list", "looking/iris").ends(t, ExitOK, "no executions")
	doc := w.run(t, "executions", "list", "looking/iris", "-o", "json").ends(t, ExitOK).doc(t, "ExecutionList")
	require.Equal(t, []any{}, doc["executions"], "none is a list too")
	w.run(t, "run", "looking/iris", "--input", `{"do": "fail"}`, "--name", "bad", "--wait").ends(t, ExitExecution)
	w.run(t, "executions", "list", "looking/iris", "--since", "1h").ends(t, ExitOK, "bad", "FAILED")
	w.run(t, "executions", "list", "looking/iris", "--children-of", "bad").ends(t, ExitNotFound, "no Map Run")
	w.run(t, "executions", "list", "looking/none").ends(t, ExitNotFound)

	w.run(t, "executions", "show", "looking/iris", "@latest").ends(t, ExitOK, "bad", "FAILED", "Error in Broken: InvalidFlower", "Input")
	doc = w.run(t, "executions", "show", "looking/iris", "bad", "-o", "json").ends(t, ExitOK).doc(t, "Execution")
	arn, _ := doc["arn"].(string)
	require.NotEmpty(t, arn)
	w.run(t, "executions", "show", arn).ends(t, ExitOK, "bad")
	w.run(t, "executions", "show", "bad").ends(t, ExitUsage, "not the ARN")
	w.run(t, "executions", "show", "looking/iris", "none").ends(t, ExitNotFound)
	w.run(t, "executions", "watch", "looking/iris", "bad").ends(t, ExitExecution, "Broken")
	w.run(t, "executions", "watch", "looking/iris", "none").ends(t, ExitNotFound)

	w.run(t, "executions", "history", "looking/iris", "bad").ends(t, ExitOK, "ExecutionStarted", "ExecutionFailed")
	doc = w.run(t, "executions", "history", "looking/iris", "bad", "--limit", "2", "--reverse", "-o", "yaml").ends(t, ExitOK).yaml(t)
	require.Len(t, doc["events"], 2)
	events, result := w.run(t, "executions", "history", "looking/iris", "bad", "-o", "jsonl").ends(t, ExitOK).lines(t, "ExecutionHistory")
	require.InDelta(t, len(events), result["count"], 0)

	out := filepath.Join(t.TempDir(), "export.json")
	w.run(t, "executions", "export", "looking/iris", "bad", "--out", out).ends(t, ExitOK, "events")
	raw, err := os.ReadFile(out)
	require.NoError(t, err)
	var export map[string]any
	require.NoError(t, json.Unmarshal(raw, &export))
	require.Equal(t, "ExecutionExport", export["kind"])
	require.NotEmpty(t, export["definition"])
	w.run(t, "executions", "export", "looking/iris", "bad", "--out", out).ends(t, ExitUsage, "exists already", "--force")
	doc = w.run(t, "executions", "export", "looking/iris", "bad", "--out", out, "--force", "-o", "json").ends(t, ExitOK).doc(t, "Exported")
	require.Equal(t, out, doc["file"])
	w.run(t, "executions", "export", "looking/iris", "bad").ends(t, ExitOK).doc(t, "ExecutionExport")
	w.run(t, "executions", "export", "looking/iris", "bad", "--out", filepath.Join(out, "below")).ends(t, ExitUsage, "cannot be written")
	w.run(t, "executions", "export", "looking/iris", "bad", "--out", filepath.Join(t.TempDir(), "no", "x")).ends(t, ExitUsage, "cannot be written")
}

func TestChangingExecutions(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	w.pipeline(t, "change/iris")
	w.run(t, "run", "change/iris", "--input", `{"do": "wait"}`, "--name", "long").ends(t, ExitOK)
	w.run(t, "executions", "stop", "change/iris", "long").ends(t, ExitUsage, "Add --yes")
	(&line{w: w, tty: true, typed: "no\n"}).run(t, "executions", "stop", "change/iris", "long").ends(t, ExitCancelled, "Stop execution long (RUNNING)?")
	(&line{w: w, tty: true, typed: "yes\n"}).run(t, "executions", "stop", "change/iris", "long").ends(t, ExitOK, "ABORTED")
	doc := w.run(t, "executions", "redrive", "change/iris", "long", "--yes", "-o", "json").ends(t, ExitOK).doc(t, "Execution")
	require.Equal(t, "RUNNING", doc["status"])
	w.run(t, "executions", "redrive", "change/iris", "long", "--yes").ends(t, ExitUsage, "redrive long")
	w.run(t, "executions", "stop", "change/iris", "none", "--yes").ends(t, ExitNotFound)
	w.run(t, "executions", "stop", "change/iris", "long", "--yes").ends(t, ExitOK)
}

func TestMapRuns(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	w.pipeline(t, "maps/iris")
	input := `{"do": "map", "items": [{"id": 1}, {"bad": true}, {"id": 3}]}`
	w.run(t, "run", "maps/iris", "--input", input, "--name", "some", "--watch").ends(t, ExitOK, "SUCCEEDED", "BadItem")
	events, result := w.run(t, "run", "maps/iris", "--input", input, "--wait", "-o", "jsonl").ends(t, ExitOK).lines(t, "Execution")
	require.Len(t, result["mapRuns"], 1)
	told := 0
	for _, ev := range events {
		if ev["type"] == "mapRun" {
			told++
		}
	}
	require.NotZero(t, told, "the end of a Map Run is told of")
	w.run(t, "executions", "show", "maps/iris", "some").ends(t, ExitOK, "BadItem")
	l := w.run(t, "executions", "list", "maps/iris", "--children-of", "some", "--status", "FAILED")
	l.ends(t, ExitOK, "FAILED")
	doc := w.run(t, "executions", "list", "maps/iris", "--children-of", "some", "--limit", "2", "-o", "json").ends(t, ExitOK).doc(t, "ExecutionList")
	require.Len(t, doc["executions"], 2)
	doc = w.run(t, "executions", "export", "maps/iris", "some").ends(t, ExitOK).doc(t, "ExecutionExport")
	require.Len(t, doc["failedChildren"], 1)
}

// The items that a function could not take lie in the pipeline's bucket.
func TestItemErrors(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	id := w.pipeline(t, "items/iris")
	w.run(t, "run", "items/iris", "--input", `{"do": "map", "items": [{"id": 1}, {"bad": true}]}`, "--name", "some", "--wait").ends(t, ExitOK)
	w.run(t, "executions", "errors", "items/iris", "some").ends(t, ExitOK, "no item failed")
	bucket := id.BaseName() + "-data"
	w.put(t, bucket, "batch/some/errors/InvalidFlower/2-child.json",
		`[{"id": "a", "error": "InvalidFlower", "cause": "no petals", "item": {"id": "a"}}, {"id": 7, "error": "InvalidFlower", "item": {"id": 7}}]`)
	w.run(t, "executions", "errors", "items/iris", "some").ends(t, ExitOK, "no petals", "InvalidFlower")
	w.run(t, "executions", "errors", "items/iris", "some", "--limit", "1").ends(t, ExitOK, "and 1 more")
	doc := w.run(t, "executions", "errors", "items/iris", "some", "-o", "json").ends(t, ExitOK).doc(t, "ItemErrors")
	require.InDelta(t, 2, doc["count"], 0)
	file := filepath.Join(t.TempDir(), "again.jsonl")
	w.run(t, "executions", "errors", "items/iris", "some", "--items", file, "--limit", "1").ends(t, ExitOK, "2 items")
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "{\"id\":\"a\"}\n{\"id\":7}\n", string(raw))
	w.run(t, "executions", "errors", "items/iris", "some", "--items", file).ends(t, ExitUsage, "exists already")
	w.run(t, "executions", "errors", "items/iris", "none").ends(t, ExitNotFound)
	w.run(t, "executions", "errors", "Items/iris", "none").ends(t, ExitUsage)
}
