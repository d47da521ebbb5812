package cli

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// freshRoot is the command line before anything was typed.
func freshRoot() *cobra.Command {
	streams, _, _ := console.Buffers("")
	return newRoot(newSession(nil, streams, func(string) (string, bool) { return "", false }))
}

// An empty value is mostly a variable that was not set: no flag of any command takes it for
// "not given".
func TestNoFlagTakesAnEmptyValue(t *testing.T) {
	t.Parallel()
	flags := 0
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		see := func(f *pflag.Flag) {
			if f.NoOptDefVal == "" {
				flags++
				require.Error(t, f.Value.Set(""), "%s --%s", cmd.CommandPath(), f.Name)
			}
		}
		cmd.Flags().VisitAll(see)
		cmd.PersistentFlags().VisitAll(see)
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(freshRoot())
	require.Greater(t, flags, 100, "it looks at all of them")

	for _, args := range [][]string{
		{"run", "acme/iris", "--inputs", "x.jsonl", "--batch", "", "--yes"},
		{"run", "acme/iris", "--input", "{}", "--name="},
		{"executions", "list", "acme/iris", "--since", ""},
		{"list", "-l", ""},
		{"list", "--columns="},
		{"up", "acme/iris", "--set", "", "--set", "a=b", "--yes"},
		{"list", "--backend", ""},
	} {
		code, out, errOut := runIn(t, nil, append(args, "-o", "json")...)
		require.Equal(t, ExitUsage, code, args)
		require.Contains(t, errOut, "it is empty", args)
		var doc failure
		require.NoError(t, json.Unmarshal([]byte(out), &doc), args)
		require.Equal(t, "flag", doc.Error.Code, args)
		require.NotEmpty(t, doc.Error.Problems[0].Source, args)
		require.NotEmpty(t, doc.Error.Hint, args)
	}
	code, _, errOut := runIn(t, nil, "list", "--help")
	require.Equal(t, ExitOK, code, errOut)
	_, help, _ := runIn(t, nil, "list", "--help")
	require.NotContains(t, help, "[]", "a list of none is no default to show")
}

// Who cannot be asked is told what wanted to ask: the command that was typed.
func TestConsentNamesTheCommand(t *testing.T) {
	t.Parallel()
	typed := map[string][]string{
		"up": {"a/b"}, "rollback": {"a/b"}, "promote": {"a/b", "c/d"}, "destroy": {"a/b"}, "refresh": {"a/b"}, "cancel": {"a/b"},
		"run": {"a/*", "--inputs", "x.jsonl"}, "executions stop": {"a/b", "@latest"}, "executions redrive": {"a/*", "--failed"},
		"executions map-run set": {"a/b", "@latest", "--concurrency", "3"}, "sandbox reset": nil,
	}
	again := map[string][]string{"rollback": {"a/b", "--abort"}, "executions stop": {"--all"}}
	for _, cmd := range leaves(freshRoot()) {
		name := nameOf(cmd)
		if cmd.Flags().Lookup("yes") == nil || name == "doctor" {
			continue // doctor asks nobody
		}
		args, ok := typed[name]
		require.True(t, ok, "how is %s typed?", name)
		for _, args := range [][]string{args, again[name]} {
			if args == nil && name != "sandbox reset" {
				continue
			}
			code, _, errOut := runIn(t, nil, append(strings.Fields(name), args...)...)
			require.Equal(t, ExitUsage, code, errOut)
			require.Contains(t, errOut, "error: "+name+" needs a confirmation", name)
		}
	}
}

// A program that is none is an error like others: who reads documents gets one.
func TestAWrongProgramIsAnErrorDocument(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--jq", ".["}, {"--template", "{{"}, {"--go-template", "{{"}, {"--jq", ".x", "--quiet"}, {"--columns", "nosuch"}, {"--jq", "nosuch(1)"},
	} {
		for _, form := range []string{"json", "jsonl", "yaml"} {
			code, out, errOut := runIn(t, nil, append([]string{"templates", "list", "-o", form}, args...)...)
			require.Equal(t, ExitUsage, code, errOut)
			require.Contains(t, errOut, "error:")
			require.Contains(t, out, "Error", "%v -o %s", args, form)
			require.Contains(t, out, "exitCode", "%v -o %s", args, form)
		}
		code, out, errOut := runIn(t, nil, append([]string{"templates", "list"}, args...)...)
		require.Equal(t, ExitUsage, code, errOut)
		require.Empty(t, out, "nobody asked for a document: %v", args)
	}
}

// The executions of a pipeline are what a report of its name alone is about.
func TestReportOfAPipelineAlone(t *testing.T) {
	t.Parallel()
	page := filepath.Join(t.TempDir(), "x.html")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"acme/iris"}, usualSince},
		{[]string{"acme/iris", "@latest"}, ""},
		{[]string{"arn:aws:states:us-east-1:111122223333:execution:m:x"}, ""},
		{[]string{"acme/*"}, ""},
		{nil, ""},
	} {
		o := &executionsReportOptions{executionOptions: executionOptions{args: tt.args}, out: page}
		require.Equal(t, tt.want != "", o.usual(), tt.args)
		require.Equal(t, tt.want, o.fleet.since, tt.args)
	}
	o := &executionsReportOptions{executionOptions: executionOptions{args: []string{"acme/iris"}}, fleet: manyOptions{batch: "monday"}}
	require.False(t, o.usual(), "all of a batch are meant, whenever it was")
	require.Empty(t, o.fleet.since)
}

// Where output cannot go is nobody's fault here.
func TestOutputThatIsLostHasItsOwnCode(t *testing.T) {
	t.Parallel()
	require.Equal(t, "output", errorCode(fault.New(fault.Output, "x")))
	_, ok := pageOf("output")
	require.True(t, ok)
	require.Equal(t, ExitError, codeOf(fault.New(fault.Output, "x")))
}
