package custom

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	return dir
}

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string]string{
		KeysFile:     "# mine\nkeys:\n  delete: K\n  palette: [\";\", ctrl+p]\n",
		ThemeFile:    "styles:\n  good: 78\n  bad: {text: \"#ff5f5f\", bold: true}\n  cursor: {background: {light: 189, dark: 60}}\n",
		CommandsFile: "commands:\n  tail:\n    key: f6\n    pages: [Pipeline]\n    run: [aws, logs, tail, $LOG_GROUP, '--x=$REGION-$5-$$HOME']\n    output: true\n",
		ViewsFile:    "views:\n  bad ones: {filter: prod, sort: fail, reverse: true, columns: [tenant, fail]}\n",
	})
	c, wrong := Load(dir, "")
	require.Empty(t, wrong)
	yes := true
	require.Equal(t, map[string][]string{"delete": {"K"}, "palette": {";", "ctrl+p"}}, c.Keys)
	require.Equal(t, map[string]theme.Paint{
		"good": {Text: theme.Color{Light: "78", Dark: "78"}}, "bad": {Text: theme.Color{Light: "#ff5f5f", Dark: "#ff5f5f"}, Bold: &yes},
		"cursor": {Background: theme.Color{Light: "189", Dark: "60"}},
	}, c.Skin)
	require.Equal(t, []ui.View{{Name: "bad ones", Filter: "prod", Sort: "fail", Reverse: true, Columns: []string{"tenant", "fail"}}}, c.Views)
	require.Len(t, c.Commands, 1)
	line, missing := c.Commands[0].Fill(map[string]string{"LOG_GROUP": "/a $REGION", "REGION": "eu-west-1"})
	require.Empty(t, missing)
	require.Equal(t, []string{"aws", "logs", "tail", "/a $REGION", "--x=eu-west-1-$5-$HOME"}, line, "what a value says is no placeholder")
	_, missing = c.Commands[0].Fill(map[string]string{"REGION": "eu-west-1"})
	require.Equal(t, "LOG_GROUP", missing)

	none, wrong := Load(filepath.Join(dir, "nowhere"), "")
	require.Empty(t, wrong)
	require.Empty(t, none.Commands)
}

// What is wrong has its place, its rule and a way out; the other files hold.
func TestWrongFiles(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ file, text, says, hint string }{
		"an action that there is not":   {KeysFile, "keys:\n  delte: K\n", ":2:3: unknown name \"delte\"", `Did you mean "delete"?`},
		"no YAML":                       {KeysFile, "keys: [\n", ":1:", "It has to be YAML"},
		"another heading":               {KeysFile, "key:\n  delete: K\n", ":1:1: unknown name \"key\"", `Did you mean "keys"?`},
		"a list for a mapping":          {KeysFile, "keys: [a]\n", ":1:7: keys is no mapping", "mapping"},
		"a colour that is none":         {ThemeFile, "styles:\n  good: mauve\n", ":2:9: \"mauve\" is no colour", "0 to 255"},
		"a style that there is not":     {ThemeFile, "styles:\n  god: 1\n", ":2:3: unknown name \"god\"", `Did you mean "good"?`},
		"neither true nor false":        {ThemeFile, "styles:\n  good: {bold: maybe}\n", ":2:16: this is neither true nor false", "true or false"},
		"a command that runs nothing":   {CommandsFile, "commands:\n  x: {key: f6}\n", ":2:3: the command \"x\" runs nothing", "run:"},
		"a placeholder that is none":    {CommandsFile, "commands:\n  x: {run: [a, $PIPLINE]}\n", "nothing stands for $PIPLINE", "$PIPELINE"},
		"a page that there is not":      {CommandsFile, "commands:\n  x: {run: a, pages: Nowhere}\n", "\"Nowhere\" is none", "Pipelines"},
		"a key that is taken":           {CommandsFile, "commands:\n  x: {run: a, key: D, pages: Pipeline}\n", `"D" does something already: destroy`, "another key"},
		"a key that is everywhere":      {CommandsFile, "commands:\n  x: {run: a, key: ctrl+g}\n", `"ctrl+g" does something already`, "another key"},
		"two with one key":              {CommandsFile, "commands:\n  x: {run: a, key: f6}\n  y: {run: a, key: f6}\n", `"f6" is the key of the command "x"`, "another key"},
		"what is no setting":            {CommandsFile, "commands:\n  x: {run: a, confrim: true}\n", "unknown name \"confrim\"", `Did you mean "confirm"?`},
		"a column that there is not":    {ViewsFile, "views:\n  x: {sort: colour}\n", "\"colour\" is none", "tenant, model"},
		"two things with the same name": {ViewsFile, "views:\n  x: {}\n  x: {}\n", ":3:3", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other := CommandsFile
			good := "commands:\n  fine: {run: [true]}\n"
			if tt.file == CommandsFile {
				other, good = ViewsFile, "views:\n  fine: {}\n"
			}
			dir := folder(t, map[string]string{tt.file: tt.text, other: good})
			c, wrong := Load(dir, "")
			require.Len(t, wrong, 1)
			require.Contains(t, wrong[0].Error(), filepath.Join(dir, tt.file))
			require.Contains(t, wrong[0].Error(), tt.says)
			hints := fault.HintOf(wrong[0])
			if list, ok := wrong[0].(fault.List); ok { //nolint:errorlint // it is what Load returns
				hints = ""
				for _, err := range list {
					hints += fault.HintOf(err)
				}
			}
			require.Contains(t, hints, tt.hint)
			require.Equal(t, 1, len(c.Commands)+len(c.Views), "the other file holds, and nothing of the wrong one")
		})
	}
}

func TestViewsAndHistoryAreKept(t *testing.T) {
	t.Parallel()
	dir, home := t.TempDir(), t.TempDir()
	c, _ := Load(dir, home)
	want := []ui.View{{Name: "b: [c]", Filter: "x=1", Columns: []string{"last op"}}, {Name: "a", Tenants: true}}
	for _, v := range append([]ui.View{{Name: "a"}}, want...) {
		require.NoError(t, c.SaveView(v))
	}
	require.Empty(t, c.History())
	require.NoError(t, c.SaveHistory([]string{"up acme/iris", "quit"}))
	again, wrong := Load(dir, home)
	require.Empty(t, wrong)
	require.Equal(t, want, again.Views)
	require.Equal(t, []string{"up acme/iris", "quit"}, again.History())
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing half is left")
	require.True(t, strings.HasSuffix(entries[0].Name(), ViewsFile))

	require.NoError(t, (&Custom{}).SaveHistory([]string{"x"}))
	require.Empty(t, (&Custom{}).History())
}

// Saving a view loses nothing that stands in the file by then: what was written meanwhile
// is kept, and a file with an error is left as it is.
func TestSavingAViewKeepsTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, ViewsFile)
	c, _ := Load(dir, "")
	require.NoError(t, os.WriteFile(file, []byte("views:\n  other: {filter: x}\n"), 0o600))
	require.NoError(t, c.SaveView(ui.View{Name: "mine"}))
	again, wrong := Load(dir, "")
	require.Empty(t, wrong)
	require.Equal(t, []ui.View{{Name: "other", Filter: "x"}, {Name: "mine"}}, again.Views)

	for _, bad := range []string{"views:\n  other: {fliter: x}\n", "views: [\n", "view:\n  other: {}\n"} {
		require.NoError(t, os.WriteFile(file, []byte(bad), 0o600))
		c, wrong := Load(dir, "")
		require.NotEmpty(t, wrong)
		err := c.SaveView(ui.View{Name: "mine"})
		require.ErrorIs(t, err, fault.Invalid)
		require.ErrorContains(t, err, file)
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, bad, string(raw))
	}
}
