package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestProblemsInMachineOutput: a refused spec is a list of problems, each in fields, one
// problem as many; flags have them too.
func TestProblemsInMachineOutput(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "p.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`apiVersion: pipelinetui/v1
defaults: {template: realtime, region: us-east-1, colour: 1}
pipelines:
  - tenant: acme
    model: fraud
    parameters: {image: sandbox/linear, modelDataUrl: s3://b/k, maxInstances: 0, tracing: !!str yes}
`), 0o600))
	type problem struct {
		File, Source, Path, Rule, Pipeline, Message, Hint string
		Line, Column                                      int
		Value                                             any
	}
	problems := func(args ...string) []problem {
		code, out, _ := runIn(t, nil, args...)
		require.Equal(t, ExitUsage, code, out)
		var doc struct {
			Error struct {
				Kind     string
				Problems []problem
			}
		}
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if strings.Contains(strings.Join(args, " "), "jsonl") {
			out = lines[len(lines)-1]
		}
		require.NoError(t, json.Unmarshal([]byte(out), &doc))
		require.Equal(t, "Invalid", doc.Error.Kind)
		return doc.Error.Problems
	}
	for _, form := range []string{"json", "jsonl"} {
		got := problems("up", "-f", file, "--yes", "-o", form)
		require.Len(t, got, 3)
		require.Equal(t, problem{
			File: file, Line: 6, Column: 79, Path: "pipelines[0].parameters.maxInstances", Rule: "range", Value: 0.0,
			Message: "maxInstances is 0, but it must be an int of at least 1", Hint: "Choose an int of at least 1.",
		}, got[1])
		require.Equal(t, []string{"unknown-key", "range", "yaml"}, []string{got[0].Rule, got[1].Rule, got[2].Rule})
	}
	got := problems("up", "acme/fraud", "--template", "realtime", "--set", "maxInstances=0", "--set", "image=sandbox/linear", "--set", "modelDataUrl=s3://b/k", "--region", "us-east-1", "--yes", "-o", "json")
	require.Len(t, got, 1)
	require.Equal(t, "--set maxInstances", got[0].Source)
	require.Equal(t, "parameters.maxInstances", got[0].Path)
}
