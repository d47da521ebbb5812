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
		{
			[]string{"-f", filepath.Join(dir, "model.tar.gz")},
			problem{File: filepath.Join(dir, "model.tar.gz"), Rule: "encoding", Message: "the file is compressed with gzip, not UTF-8 text"},
		},
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
	got := problems("up", "acme/fraud", "--template", "realtime", "--set", "maxInstances=0", "--set", "image=sandbox/linear", "--set",
		"modelDataUrl=s3://b/k", "--region", "us-east-1", "--yes", "-o", "json")
	require.Len(t, got, 1)
	require.Equal(t, "--set maxInstances", got[0].Source)
	require.Equal(t, "parameters.maxInstances", got[0].Path)
	// Settings are told by where they were given, checks of a command's own flags by the flag.
	dir = t.TempDir()
	config := filepath.Join(dir, "config.yaml")
	require.NoError(t, os.WriteFile(config, []byte("parallel: none\ncolour: red\n"), 0o600))
	full := filepath.Join(dir, "full")
	require.NoError(t, os.WriteFile(full, []byte("{}"), 0o600))
	for _, tc := range []struct {
		args []string
		want problem
	}{
		{[]string{"list", "--target", "mars"}, problem{Source: "--target", Rule: "flag", Value: "mars"}},
		{[]string{"list", "--endpoint-url", "ftp://me:hunter2@h"}, problem{Source: "--endpoint-url", Rule: "flag", Value: "ftp://me:xxxxx@h"}},
		{[]string{"list", "--config", config}, problem{File: config, Rule: "setting", Path: "parallel", Value: "none"}},
		{[]string{"list", "--config", config}, problem{File: config, Rule: "unknown-key", Path: "colour"}},
		{[]string{"run", "a/b"}, problem{Source: "--input", Rule: "flag"}},
		{[]string{"run", "a/b", "--input", "1e999"}, problem{Source: "--input", Rule: "flag", Value: "1e999"}},
		{[]string{"run", "a/b", "--input", "{}", "--name", "a b"}, problem{Source: "--name", Rule: "flag", Value: "a b"}},
		{[]string{"run", "a/b", "--input", "{}", "--timeout", "3s"}, problem{Source: "--timeout", Rule: "flag", Value: "3s"}},
		{[]string{"run", "a/b", "--inputs", "x.txt"}, problem{Source: "--inputs", Rule: "flag", Value: "x.txt"}},
		{[]string{"run", "a/b", "--inputs", "x.csv", "--batch", "a b"}, problem{Source: "--batch", Rule: "flag", Value: "a b"}},
		{[]string{"executions", "list", "a/b", "--since", "soon"}, problem{Source: "--since", Rule: "flag", Value: "soon"}},
		{[]string{"executions", "list", "a/b", "--status", "DONE"}, problem{Source: "--status", Rule: "flag", Value: "DONE"}},
		{[]string{"executions", "export", "a/b", "x", "--out", filepath.Join(full, "x")}, problem{Source: "--out", Rule: "flag", Value: filepath.Join(full, "x")}},
		{[]string{"executions", "errors", "a/b", "x", "--items", filepath.Join(full, "x")}, problem{Source: "--items", Rule: "flag", Value: filepath.Join(full, "x")}},
		{[]string{"executions", "map-run", "set", "a/b", "x", "--yes"}, problem{Source: "--concurrency", Rule: "flag"}},
		{[]string{"up", "a/b", "--yes", "--running", "maybe"}, problem{Source: "--running", Rule: "flag", Value: "maybe"}},
		{[]string{"up", "-f", "x", "--template", "realtime", "--yes"}, problem{Source: "--template", Rule: "flag", Value: "realtime"}},
	} {
		var found []problem
		for _, p := range problems(append(tc.args, "-o", "json")...) {
			require.NotEmpty(t, p.Message, tc.args)
			require.NotEmpty(t, p.Hint, tc.args)
			p.Message, p.Hint = "", ""
			found = append(found, p)
		}
		require.Contains(t, found, tc.want, tc.args)
	}
}

// TestNobodyIsToldPasswords: a backend's URL may hold one, and so may what is said of it.
func TestNobodyIsToldPasswords(t *testing.T) {
	t.Parallel()
	w := newHome(t, t.TempDir())
	const url = "https://me:hunter2@127.0.0.1:1/x"
	for _, args := range [][]string{
		{"list", "--backend", url},
		{"list", "--backend", "me:hunter2@host"},
		{"list", "--backend", "ftp://me:hun/ter2@host"},
		{"list", "--endpoint-url", "ftp://me:hunter2@host"},
		{"list", "--endpoint-url=https://me:hunter2@"},
		{"doctor", "--backend", url},
		{"up", "a/b", "--backend", url, "--yes"},
		{"list", "--backend", "s3://b?endpoint=h&access_token=hunter2"},
	} {
		for _, form := range []string{"table", "json"} {
			l := w.run(t, append(args, "-o", form, "--debug")...)
			require.NotEqual(t, ExitOK, l.code)
			for _, said := range []string{l.out.String(), l.errs.String()} {
				require.NotContains(t, said, "hunter2", args)
				require.NotContains(t, said, "ter2@", args)
			}
		}
	}
}
