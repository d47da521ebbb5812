package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fleet"
)

// An execution, a batch and a fleet as pages.
func TestExecutionsReport(t *testing.T) {
	t.Parallel()
	w := inWorld(t)
	one, two := w.pipeline(t, "reporter/one").String(), w.pipeline(t, "reporter/two").String()
	w.run(t, "run", one, "--input", `{"do":"fail","note":"<b>bold</b>"}`, "--name", "bad", "--wait").ends(t, ExitExecution)
	w.run(t, "run", two, "--input", `{"do":"map","items":[{"bad":1},{},{}]}`, "--name", "some", "--wait").ends(t, ExitOK)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	page := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(file(name))
		require.NoError(t, err)
		info, err := os.Stat(file(name))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "inputs are the users' data")
		require.True(t, strings.HasSuffix(string(text), "</html>\n"), "it is whole")
		return string(text)
	}

	doc := w.run(t, "executions", "report", one, "bad", "--out", file("one.html"), "-o", "json").ends(t, ExitOK).doc(t, "ReportMade")
	require.Equal(t, file("one.html"), doc["file"])
	text := page("one.html")
	require.InDelta(t, len(text), doc["bytes"], 0)
	for _, want := range []string{
		"<title>reporter/one bad</title>", "InvalidFlower", "petal_width: missing", "in state <strong>Broken", "<svg class=\"graph\"", "Broken: failed", "Fine: not reached",
		"Input of the execution", `\u003cb\u003ebold`, "Definition", "pipelinetui executions report reporter/one bad --out",
	} {
		if strings.HasPrefix(want, `\u`) {
			require.NotContains(t, text, "<b>bold", "what is in an input is text")
			require.Contains(t, text, "&lt;b&gt;bold")
			continue
		}
		require.Contains(t, text, want)
	}
	w.run(t, "executions", "report", two, "some", "--out", file("map.html")).ends(t, ExitOK, "map.html")
	text = page("map.html")
	for _, want := range []string{"Map Runs", "BadItem", "told so", "child executions", "Each: succeeded"} {
		require.Contains(t, text, want)
	}
	require.Contains(t, w.run(t, "executions", "report", one, "@latest", "--out", "-").ends(t, ExitOK).out.String(), "<!DOCTYPE html>")

	inputs := file("in.jsonl")
	require.NoError(t, os.WriteFile(inputs, []byte("{}\n{\"do\":\"fail\"}\n{\"do\":\"fail\"}\n"), 0o600))
	w.run(t, "run", one, "--inputs", inputs, "--batch", "monday", "--wait").ends(t, ExitExecution)
	w.run(t, "executions", "report", one, "--batch", "monday", "--out", file("batch.html")).ends(t, ExitOK, "3 executions")
	text = page("batch.html")
	for _, want := range []string{
		"Batch monday of reporter/one", "3 executions", "66.7 %", "InvalidFlower",
		"pipelinetui executions show reporter/one monday-", "executions redrive reporter/one --batch monday --error InvalidFlower",
	} {
		require.Contains(t, text, want)
	}
	w.run(t, "executions", "report", one, "--batch", "tuesday", "--out", file("none.html")).ends(t, ExitNotFound, "no execution of a batch tuesday")

	doc = w.run(t, "executions", "report", "reporter/*", "--since", "7d", "--out", file("fleet.html"), "-o", "json").ends(t, ExitOK).doc(t, "ReportMade")
	require.InDelta(t, 5, doc["executions"], 0)
	text = page("fleet.html")
	for _, want := range []string{
		"Executions of reporter/*", "begun since ", "5 executions", one, two, "60.0 %",
		"executions redrive &#39;reporter/*&#39; --since 7d --error InvalidFlower",
	} {
		require.Contains(t, text, want)
	}
	w.run(t, "executions", "report", "reporter/*", "--failed", "--error", "Invalid*", "--reasons", "1", "--out", file("failed.html")).ends(t, ExitOK, "3 executions")
	require.Contains(t, page("failed.html"), "2 failed executions were not asked why")

	w.run(t, "executions", "report", one, "bad").ends(t, ExitUsage, "--out FILE.html")
	w.run(t, "executions", "report", one, "bad", "--out", file("one.html")).ends(t, ExitUsage, "--force")
	w.run(t, "executions", "report", one, "bad", "--out", "-", "-o", "json").ends(t, ExitUsage, "both go to standard output")
	w.run(t, "executions", "report", one, "nothing", "--out", file("nothing.html")).ends(t, ExitNotFound)
	require.NoFileExists(t, file("nothing.html"))
	w.run(t, "executions", "report", one, "bad", "--out", filepath.Join(dir, "no", "x.html")).ends(t, ExitUsage)
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	require.Equal(t, `a 'b*' '' 'it'\''s' '$x > 1' x=1`, commandLine("a", "b*", "", "it's", "$x > 1", "x=1"))
}

// The commands on a page take what the page shows, and no more.
func TestCommandsOfAPage(t *testing.T) {
	t.Parallel()
	g := &fleet.Group{Error: "Broken", Status: executions.Failed}
	o := &executionsReportOptions{executionOptions: executionOptions{args: []string{"acme/*"}}}
	o.fleet.filter, o.fleet.failed, o.fleet.batch = "$input.amount > 100", true, "monday"
	const chosen = `'acme/*' --batch monday --input '$input.amount > 100' --failed --error Broken`
	group := o.groupOf(g, nil)
	require.Equal(t, "pipelinetui executions redrive "+chosen, group.Again)
	require.Equal(t, "pipelinetui executions export "+chosen+" --inputs --out inputs", group.Data)
	o.fleet.error = "Bro*"
	require.NotEmpty(t, o.groupOf(g, nil).Again)
	o.fleet.error = "a part of its cause"
	require.Empty(t, o.groupOf(g, nil).Again, "others have this error too")
}

// The commands of a group take it and none of the others.
func TestCommandsOfAGroup(t *testing.T) {
	t.Parallel()
	of := []*fleet.Execution{
		{Error: "Bad", Cause: "width is missing"},
		{Error: "Bad", Cause: "width is missing"},
		{Error: "Bad", Cause: "row 7 is odd"},
		{Error: "Bad", Cause: "row 8 is odd"},
		{Error: "A*", Cause: "7"},
		{Error: "A*", Cause: "8"},
		{},
	}
	for want, g := range map[string]fleet.Group{
		"Bad: width is missing": {Error: "Bad", Message: "width is missing", Count: 2},
		`A\*`:                   {Error: "A*", Message: "<n>", Count: 2},
		"":                      {Error: "Bad", Message: "row <n> is odd", Count: 2},
	} {
		only, ok := exactly(&g, of)
		require.Equal(t, want != "", ok, g)
		if ok {
			require.Equal(t, want, only)
		}
	}
}
