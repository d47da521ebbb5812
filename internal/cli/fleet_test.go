package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// One question over several pipelines: what failed, alike or not, and what is done about
// it, twice where it was cut off.
func TestFleet(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	one, two := w.pipeline(t, "fleet/one"), w.pipeline(t, "fleet/two")
	for _, id := range []string{one.String(), two.String()} {
		w.run(t, "run", id, "--input", `{"do":"fail","amount":1}`, "--wait").ends(t, ExitExecution)
		w.run(t, "run", id, "--input", `{"do":"fail","amount":200}`, "--wait").ends(t, ExitExecution)
		w.run(t, "run", id, "--input", `{}`, "--wait").ends(t, ExitOK)
		w.run(t, "run", id, "--input", `{"do":"wait"}`).ends(t, ExitOK)
	}
	list := func(args ...string) map[string]any {
		t.Helper()
		return w.run(t, append([]string{"executions", "list", "-o", "json"}, args...)...).ends(t, ExitOK).doc(t, "ExecutionList")
	}
	require.Len(t, list("fleet/*")["executions"], 8)
	require.Len(t, list(one.String(), two.String(), "--status", "RUNNING")["executions"], 2)
	page := list("fleet/*", "--limit", "3")
	require.Len(t, page["executions"], 3)
	require.Equal(t, true, page["more"])
	found := list("fleet/*", "--error", "Invalid*", "--input", "$input.amount > 100")["executions"].([]any)
	require.Len(t, found, 2)
	require.Equal(t, "InvalidFlower", found[0].(map[string]any)["error"])
	require.Empty(t, list("fleet/*", "--error", "Other")["executions"])
	groups := list("fleet/*", "--group")["groups"].([]any)
	require.Len(t, groups, 1)
	group := groups[0].(map[string]any)
	require.InDelta(t, 4, group["count"], 0)
	require.Equal(t, []any{one.String(), two.String()}, group["pipelines"])
	require.Equal(t, []any{"fleet"}, group["tenants"])
	w.run(t, "executions", "list", "fleet/*", "--group").ends(t, ExitOK, "4 × FAILED InvalidFlower: petal_width: missing", "2 pipelines of 1 tenant")
	w.run(t, "executions", "list", "fleet/*", "--group", "--limit", "2").ends(t, ExitOK, "2 × FAILED", "counted are the newest 2, of more")
	require.Equal(t, 0, parsed(t, newExecutionsList, "--all --group").limit, "a count of some is none")
	w.run(t, "executions", "list", "fleet/*", "--failed").ends(t, ExitOK, "PIPELINE", one.String(), "petal_width")
	w.run(t, "executions", "list").ends(t, ExitUsage, "--all")
	w.run(t, "executions", "list", "--all", one.String()).ends(t, ExitUsage, "cannot go together")
	w.run(t, "executions", "list", "fleet/*", "--input", "$input.(").ends(t, ExitUsage, "no JSONata")
	w.run(t, "executions", "list", "fleet/*", "--input", "amount > 1").ends(t, ExitUsage, "$input.amount")

	w.run(t, "executions", "stop", "fleet/*").ends(t, ExitUsage, "--yes")
	// A condition that nothing that runs can satisfy is refused, not left out.
	w.run(t, "executions", "stop", "fleet/*", "--failed", "--yes").ends(t, ExitUsage, "is not running")
	w.run(t, "executions", "stop", "--all", "--failed", "--yes").ends(t, ExitUsage, "is not running")
	w.run(t, "executions", "stop", "fleet/*", "--error", "InvalidFlower", "--yes").ends(t, ExitUsage, "has no error")
	(&line{w: w, tty: true, typed: "n\n"}).run(t, "executions", "stop", "fleet/*").ends(t, ExitCancelled, "Stop 2 executions of 2 pipelines?")
	stopped := w.run(t, "executions", "stop", "fleet/*", "--yes", "-o", "json").ends(t, ExitOK).doc(t, "ExecutionsChanged")
	require.InDelta(t, 2, stopped["done"], 0)
	again := w.run(t, "executions", "stop", "fleet/*", "--yes", "-o", "json").ends(t, ExitOK).doc(t, "ExecutionsChanged")
	require.InDelta(t, 0, again["chosen"], 0, "what was done is not done twice")
	redriven := w.run(t, "executions", "redrive", "fleet/*", "--error", "InvalidFlower", "--input", "$input.amount = 200", "--yes", "-o", "json").
		ends(t, ExitOK).doc(t, "ExecutionsChanged")
	require.InDelta(t, 2, redriven["done"], 0)
	w.run(t, "executions", "stop", "--yes").ends(t, ExitUsage, "between 1 and 2")
}

// What could not be asked of several pipelines is told, and an error: what was found is shown
// all the same.
func TestOneOfSeveralCannotBeAsked(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	one := w.pipeline(t, "unasked/one")
	w.run(t, "run", one.String(), "--input", "{}", "--wait").ends(t, ExitOK)
	two, err := spec.ParseID("unasked/two")
	require.NoError(t, err)
	w.plant(t, two, w.machineOf(t, two), func(doc map[string]any) { doc["assumeRole"] = "arn:aws:iam::000000000000:role/nobody" })
	l := w.run(t, "executions", "list", "unasked/*").ends(t, ExitCredentials, "SUCCEEDED", one.String())
	require.Contains(t, l.errs.String(), "unasked/two: ListExecutions: AccessDenied")
	require.Contains(t, l.errs.String(), "error: 1 of 2 pipelines could not be asked, or not whole")
	l = w.run(t, "executions", "list", "unasked/*", "-o", "json").ends(t, ExitCredentials)
	doc := l.doc(t, "ExecutionList")
	require.Len(t, doc["executions"], 1)
	require.Len(t, doc["warnings"], 1)
	require.Equal(t, "unasked/two", doc["warnings"].([]any)[0].(map[string]any)["pipeline"])
	w.run(t, "executions", "list", one.String(), two.String(), "--group").ends(t, ExitCredentials, "1 of 2 pipelines could not be asked")
	w.run(t, "executions", "list", two.String()).ends(t, ExitCredentials, "role/nobody")
}

func TestExecutionsDiffAndBatches(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	id := w.pipeline(t, "differ/one").String()
	w.run(t, "run", id, "--input", `{"amount":1}`, "--name", "good", "--wait").ends(t, ExitOK)
	w.run(t, "run", id, "--input", `{"do":"fail","amount":2}`, "--name", "bad", "--wait").ends(t, ExitExecution)
	doc := w.run(t, "executions", "diff", id, "good", "bad", "-o", "json").ends(t, ExitOK).doc(t, "ExecutionDiff")
	require.Equal(t, true, doc["sameDefinition"])
	require.Len(t, doc["input"], 2)
	require.Equal(t, "InvalidFlower", doc["after"].(map[string]any)["error"])
	w.run(t, "executions", "diff", id, "good", "bad").ends(t, ExitOK, "input.amount", "Broken", "Fine")
	same := w.run(t, "executions", "diff", id, "good", "good", "-o", "json").ends(t, ExitOK).doc(t, "ExecutionDiff")
	require.Empty(t, same["input"])

	inputs := filepath.Join(t.TempDir(), "in.jsonl")
	require.NoError(t, os.WriteFile(inputs, []byte("{}\n{\"do\":\"fail\"}\n"), 0o600))
	w.run(t, "batches", "list", id).ends(t, ExitOK, "no batches")
	w.run(t, "batches", "resume", id, "monday", "--inputs", inputs).ends(t, ExitNotFound, "was started on this machine")
	w.run(t, "run", id, "--inputs", inputs, "--batch", "monday", "--wait").ends(t, ExitExecution)
	w.run(t, "batches", "list", id).ends(t, ExitOK, "monday", "2")
	shown := w.run(t, "batches", "show", id, "monday", "-o", "json").ends(t, ExitOK).doc(t, "BatchStatus")
	require.Equal(t, map[string]any{"SUCCEEDED": float64(1), "FAILED": float64(1)}, shown["summary"])
	// A batch whose name begins with that of another one is none of it.
	w.run(t, "run", id, "--inputs", inputs, "--batch", "monday-2").ends(t, ExitOK)
	shown = w.run(t, "batches", "show", id, "monday", "-o", "json").ends(t, ExitOK).doc(t, "BatchStatus")
	require.InDelta(t, 2, shown["executions"], 0)
	for _, args := range [][]string{{id, "--batch", "monday"}, {id, "--batch", "monday", "--input", "$exists($input)"}} {
		listed := w.run(t, append([]string{"executions", "list", "-o", "json"}, args...)...).ends(t, ExitOK).doc(t, "ExecutionList")
		require.Len(t, listed["executions"], 2)
	}
	require.Len(t, w.run(t, "results", "list", id, "--batch", "monday", "-o", "json").ends(t, ExitOK).doc(t, "ResultList")["results"], 2)
	w.run(t, "results", "failed", id, "--batch", "monday", "-o", "json").ends(t, ExitOK, `"count": 1`)
	w.run(t, "executions", "stop", id, "--batch", "mon day", "--yes").ends(t, ExitUsage, "batch name")
	w.run(t, "executions", "list", "differ/*", "--name", "[", "--limit", "1").ends(t, ExitUsage, "malformed")
	w.run(t, "batches", "show", id, "tuesday").ends(t, ExitNotFound, "no execution of a batch tuesday")
	w.run(t, "batches", "resume", id, "monday", "--inputs", inputs).ends(t, ExitOK, "2 were there already")
}
