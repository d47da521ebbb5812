package cli

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// What the sandbox has counted of executions is told of one pipeline and of several.
func TestMetrics(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	one, two := w.pipeline(t, "metrics/one"), w.pipeline(t, "metrics/two")
	w.run(t, "run", one.String(), "--input", `{}`, "--wait").ends(t, ExitOK)
	w.run(t, "run", one.String(), "--input", `{"do":"fail"}`, "--wait").ends(t, ExitExecution)
	doc := w.run(t, "metrics", one.String(), "-o", "json").ends(t, ExitOK).doc(t, "Metrics")
	metrics := map[string]any{}
	for _, m := range doc["pipelines"].([]any)[0].(map[string]any)["metrics"].([]any) {
		metrics[m.(map[string]any)["name"].(string)] = m.(map[string]any)["total"]
	}
	require.InDelta(t, 2, metrics["executions.started"], 0)
	require.InDelta(t, 1, metrics["executions.failed"], 0)
	require.NotContains(t, metrics, "endpoint.invocations", "it has no endpoint")
	w.run(t, "metrics", one.String(), "--since", "24h").ends(t, ExitOK, "executions.succeeded", "executions.time.p99")
	w.run(t, "metrics", "metrics/*").ends(t, ExitOK, one.String(), two.String(), "STARTED")
	// A place that lets nobody in: the others are told of, and it is no success.
	for _, name := range []string{"metrics/shut", "metrics/closed"} {
		shut, err := spec.ParseID(name)
		require.NoError(t, err)
		w.plant(t, shut, w.machineOf(t, shut), func(doc map[string]any) { doc["assumeRole"] = "arn:aws:iam::" + sandbox.Account + ":role/nobody" })
	}
	some := w.run(t, "metrics", "metrics/*", "-o", "json").ends(t, ExitCredentials, "sts:AssumeRole").doc(t, "Metrics")
	require.Len(t, some["pipelines"], 4)
	w.run(t, "metrics", "metrics/shut").ends(t, ExitCredentials, "metrics/shut", "AssumeRole")
	w.run(t, "metrics").ends(t, ExitUsage, "--all")
	w.run(t, "metrics", one.String(), "--since", "1s").ends(t, ExitUsage, "whole minutes")
	w.run(t, "metrics", one.String(), "--watch", "-o", "json").ends(t, ExitUsage, "no end", "-o jsonl")
	w.run(t, "metrics", one.String(), "--every", "1s", "--watch").ends(t, ExitUsage, "10s or more")
}
