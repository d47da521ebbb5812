package cli

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// A command for one pipeline says so when it is given a pattern; rollback takes several, and
// each that has nowhere to go is told by itself.
func TestPatternsWhereOnePipelineIsTaken(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	w.pipeline(t, "several/a")
	w.pipeline(t, "several/b")
	for _, args := range [][]string{
		{"check", "several/*"},
		{"history", "several/*"},
		{"diff", "*/a", "several/b"},
		{"promote", "several/*", "several/b", "--yes"},
		{"show", "several/[ab]"},
		{"logs", "several/?"},
		{"results", "failed", "several/*"},
		{"rollback", "several/*", "--abort", "--yes"},
		{"rollback", "several/*", "--to", "2", "--yes"},
	} {
		w.run(t, args...).ends(t, ExitUsage, "one pipeline")
	}
	g := &engine{}
	(&line{w: w, engine: g}).run(t, "rollback", "several/*", "--yes").ends(t, ExitNotFound, "several/a", "several/b")
	(&line{w: w, engine: g}).run(t, "rollback", "several/a", "several/b", "--yes").ends(t, ExitNotFound, "several/a", "several/b")
	(&line{w: w, engine: g}).run(t, "rollback", "none/*", "--yes").ends(t, ExitNotFound, "none/*")
	require.NotContains(t, g.operations(), stack.OperationUp)
}

// What succeeded without some of its items is named where failures are listed.
func TestItemsThatFailedInWhatSucceeded(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	id := w.pipeline(t, "partly/iris")
	outputs := w.machineArn(t, sfn.NewFromConfig(w.aws()), id.BaseName()+"-storing")
	w.plant(t, id, outputs, func(doc map[string]any) {
		doc["template"] = "batch"
		doc["parameters"] = map[string]any{"inputFormat": "JSONL", "image": "sandbox/linear", "instanceType": "ml.m5.xlarge", "modelDataUrl": "s3://models/model.tar.gz"}
	})
	run := func(name, output string) {
		w.run(t, "run", id.String(), "--input", `{"output": {"manifestUri": "s3://b/m.json", "items": 1000, `+output+`}}`, "--name", name, "--wait").ends(t, ExitOK)
	}
	run("whole", `"itemsFailed": 0`)
	w.run(t, "results", "failed", id.String()).ends(t, ExitOK, "nothing failed")
	run("partly", `"itemsFailed": 42`)
	l := w.run(t, "results", "failed", id.String()).ends(t, ExitOK, "partly succeeded, but 42 of its 1,000 items failed", "results failed partly/iris partly")
	require.NotContains(t, l.out.String(), "whole")
	doc := w.run(t, "results", "failed", id.String(), "-o", "json").ends(t, ExitOK).doc(t, "FailedResults")
	require.InDelta(t, 42, doc["partly"].([]any)[0].(map[string]any)["itemsFailed"], 0)
}
