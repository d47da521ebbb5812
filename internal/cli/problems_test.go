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
	dir := filepath.Dir(file)
	for name, text := range map[string]string{"u16.yaml": "\xff\xfea\x00:\x00", "latin.yaml": "a: 1\nb: \xe4\n", "model.tar.gz": "\x1f\x8b\x08\x00"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	for _, tc := range []struct {
		args []string
		want problem
	}{
		{[]string{"-f", filepath.Join(dir, "none.yaml")}, problem{File: filepath.Join(dir, "none.yaml"), Rule: "unreadable"}},
		{[]string{"-f", dir}, problem{File: dir, Rule: "unreadable"}},
		{[]string{"-f", filepath.Join(dir, "u16.yaml")}, problem{File: filepath.Join(dir, "u16.yaml"), Rule: "encoding", Message: "the file is UTF-16, not UTF-8 text"}},
		{[]string{"-f", filepath.Join(dir, "latin.yaml")}, problem{File: filepath.Join(dir, "latin.yaml"), Line: 2, Column: 4, Rule: "encoding"}},
		{[]string{"-f", filepath.Join(dir, "model.tar.gz")}, problem{File: filepath.Join(dir, "model.tar.gz"), Rule: "encoding", Message: "the file is compressed with gzip, not UTF-8 text"}},
		{[]string{"--foo"}, problem{Source: "--foo", Rule: "flag", Message: "unknown flag: --foo"}},
		{[]string{"-Z"}, problem{Source: "-Z", Rule: "flag"}},
		{[]string{"--parallel", "x"}, problem{Source: "--parallel", Rule: "flag", Value: "x"}},
		{[]string{"--parallel"}, problem{Source: "--parallel", Rule: "flag"}},
		{[]string{"--=x"}, problem{Source: "--=x", Rule: "flag"}},
	} {
		got := problems(append([]string{"preview", "-o", "json"}, tc.args...)...)
		require.Len(t, got, 1, tc.args)
		require.NotEmpty(t, got[0].Message, tc.args)
		require.NotEmpty(t, got[0].Hint, tc.args)
		if got[0].Hint = ""; tc.want.Message == "" {
			got[0].Message = ""
		}
		require.Equal(t, tc.want, got[0])
	}
	got := problems("up", "acme/fraud", "--template", "realtime", "--set", "maxInstances=0", "--set", "image=sandbox/linear", "--set", "modelDataUrl=s3://b/k", "--region", "us-east-1", "--yes", "-o", "json")
	require.Len(t, got, 1)
	require.Equal(t, "--set maxInstances", got[0].Source)
	require.Equal(t, "parameters.maxInstances", got[0].Path)
}
