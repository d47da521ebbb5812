package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// wrong are command lines that fail, each at another place: cobra's parser, the
// flags, their groups, the settings, a refusal, the work itself.
var wrong = [][]string{
	{"list", "--bogus"},
	{"frobnicate"},
	{"executions", "frobnicate"},
	{"executions"},
	{"run"},
	{"run", "a/b", "--wait", "--detach"},
	{"up", "a/b"},
	{"up", "a/b", "--yes", "--read-only"},
	{"up", "a/b", "--parallel", "0", "--yes"},
	{"destroy", "a/b", "--parallel", "-3", "--yes"},
	{"list", "--target", "gcp"},
	{"list", "--config", "nowhere.yaml"},
	{"show", "A/b"},
	{"templates", "show", "nothing"},
	{"run", "a/b", "--inputs", "nowhere.csv"},
	{"sandbox", "exec"},
	{"sandbox", "logs"},
	{},
}

func TestEveryFailureHasItsDocument(t *testing.T) {
	t.Parallel()
	for _, args := range wrong {
		for _, flag := range [][]string{{"-o", "json"}, {"-ojson"}, {"--output=json"}, {"-o=json"}} {
			code, out, errOut := runIn(t, nil, append(append([]string{}, args...), flag...)...)
			require.NotEqual(t, ExitOK, code, args)
			requireError(t, []byte(out), code)
			require.NotEmpty(t, errOut)
		}
		code, out, _ := runIn(t, nil, append([]string{"-o", "json"}, args...)...)
		requireError(t, []byte(out), code)
		code, out, _ = runIn(t, map[string]string{"PIPELINETUI_OUTPUT": "json"}, args...)
		requireError(t, []byte(out), code)

		code, out, _ = runIn(t, nil, append(append([]string{}, args...), "-o", "yaml")...)
		var doc map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(out), &doc), out)
		require.Equal(t, int(code), doc["exitCode"], out)

		code, out, _ = runIn(t, nil, append(append([]string{}, args...), "-o", "jsonl")...)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		require.Len(t, lines, 2, "%v: %s", args, out)
		var version, result map[string]any
		require.NoError(t, json.Unmarshal([]byte(lines[0]), &version))
		require.NoError(t, json.Unmarshal([]byte(lines[1]), &result))
		require.Equal(t, "version", version["type"])
		require.Equal(t, console.Version, version["apiVersion"])
		require.Equal(t, "result", result["type"])
		require.Equal(t, "Error", result["kind"])
		require.InDelta(t, int(code), result["exitCode"], 0)
	}
}

// The version line names the command by its path: never an argument, a flag or its value,
// and never nothing, wherever the form of the output was asked for.
func TestTheVersionLineNamesTheCommand(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"up --parallel 0":                            "up",
		"up acme/iris --parallel 0":                  "up",
		"run acme/iris --timeout -5s":                "run",
		"run acme/iris --bogus x":                    "run",
		"run acme/iris extra --wait":                 "run",
		"executions list acme/iris --limit -1":       "executions list",
		"executions acme/iris":                       "executions",
		"executions --region eu-west-1 list --nope":  "executions list",
		"sandbox faults set --region x y --nonsense": "sandbox faults set",
		"--region eu-west-1 list --target gcp":       "list",
		"show A/b":                                   "show",
		"frobnicate acme/iris":                       "pipelinetui",
		"--frobnicate":                               "pipelinetui",
		"":                                           "pipelinetui",
		"up --help":                                  "up",
		"help executions list":                       "executions list",
		"--help":                                     "pipelinetui",
	} {
		for _, args := range []string{"-o jsonl " + line, line + " -o jsonl", "--output=jsonl " + line} {
			_, out, _ := runIn(t, map[string]string{"PIPELINETUI_HOME": t.TempDir()}, strings.Fields(args)...)
			first, _, _ := strings.Cut(out, "\n")
			var version struct{ Type, Command string }
			require.NoError(t, json.Unmarshal([]byte(first), &version), "%s: %s", args, out)
			require.Equal(t, "version", version.Type, args)
			require.Equal(t, want, version.Command, args)
		}
	}
}

func requireError(t *testing.T, out []byte, code ExitCode) {
	t.Helper()
	var doc struct {
		Kind     string
		ExitCode ExitCode
		Error    errorDoc
	}
	dec := json.NewDecoder(bytes.NewReader(out))
	require.NoError(t, dec.Decode(&doc), "%s", out)
	require.ErrorIs(t, dec.Decode(&doc), io.EOF, "one document: %s", out)
	require.Equal(t, "Error", doc.Kind)
	require.Equal(t, code, doc.ExitCode)
	require.NotEmpty(t, doc.Error.Message)
}

func TestEverythingThatReadsHasItsDocument(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	for _, args := range [][]string{
		{"version"},
		{"templates", "list"},
		{"templates", "show", "realtime"},
		{"templates", "check", "realtime"},
		{"schema"},
		{"sandbox", "status"},
		{"list", "--help"},
		{"help"},
		{"help", "executions", "list"},
	} {
		for _, form := range []string{console.JSON, console.YAML, console.Lines} {
			code, out, errOut := runIn(t, map[string]string{"PIPELINETUI_HOME": home}, append(append([]string{}, args...), "-o", form)...)
			require.Equal(t, ExitOK, code, "%v: %s", args, errOut)
			var doc map[string]any
			switch form {
			case console.JSON:
				require.NoError(t, json.Unmarshal([]byte(out), &doc), "%v: %s", args, out)
			case console.YAML:
				require.NoError(t, yaml.Unmarshal([]byte(out), &doc), "%v: %s", args, out)
			default:
				lines := strings.Split(strings.TrimSpace(out), "\n")
				require.Len(t, lines, 2, "%v: %s", args, out)
				require.Contains(t, lines[0], `"type":"version"`)
				require.NoError(t, json.Unmarshal([]byte(lines[1]), &doc), "%v: %s", args, out)
				require.Equal(t, "result", doc["type"], args)
			}
			require.NotEmpty(t, doc)
		}
	}
}

func TestThePanicOfACommandIsAnError(t *testing.T) {
	t.Parallel()
	streams, out, errOut := console.Buffers("")
	s := newSession([]string{"-o", "json"}, streams, func(string) (string, bool) { return "", false })
	err := s.execute(t.Context(), &cobra.Command{RunE: func(*cobra.Command, []string) error { panic("ouch") }, SilenceErrors: true, SilenceUsage: true})
	require.ErrorIs(t, err, fault.Internal)
	s.fail(err)
	requireError(t, out.Bytes(), ExitError)
	require.Contains(t, errOut.String(), "ouch")
}

func TestForeignTextIsNeverRaw(t *testing.T) {
	t.Parallel()
	const foreign = "a\x1b]0;title\x07\x1b[31mb\u009b2Jc\u202ed\x7fe\x00f\u2066g"
	for _, form := range []string{console.Table, console.JSON, console.YAML, console.Lines} {
		code, out, errOut := runIn(t, nil, "templates", "show", foreign, "-o", form)
		require.Equal(t, ExitNotFound, code)
		for _, text := range []string{out, errOut} {
			for _, r := range text {
				require.False(t, r != '\n' && (r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069), "%s: %U in %q", form, r, text)
			}
		}
	}
}

// failing is a stream that takes a number of writes.
type failing struct {
	bytes.Buffer
	left int
	err  error
}

func (f *failing) Write(p []byte) (int, error) {
	if f.left--; f.left < 0 {
		return 0, f.err
	}
	return f.Buffer.Write(p)
}

// endless is a stream that has no end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '#'
	}
	return len(p), nil
}

func TestASpecThatHasNoEnd(t *testing.T) {
	t.Parallel()
	streams, _, errOut := console.Buffers("")
	streams.In = endless{}
	home := t.TempDir()
	code := Run(t.Context(), []string{"up", "-f", "-", "--yes"}, streams, func(k string) (string, bool) { return home, k == "PIPELINETUI_HOME" }, nil)
	require.Equal(t, ExitUsage, code)
	require.Contains(t, errOut.String(), "more than")
}

func TestAStreamThatTakesNoMore(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]ExitCode{syscall.EPIPE: ExitOK, syscall.EIO: ExitOK, syscall.ENOSPC: ExitError} {
		streams, _, errOut := console.Buffers("")
		streams.Out = &failing{err: &os.PathError{Op: "write", Path: "/dev/stdout", Err: err}}
		streams.OutTTY = errors.Is(err, syscall.EIO) // of a terminal that was closed, not of a disk that fails
		home := t.TempDir()
		code := Run(t.Context(), []string{"templates", "list", "-o", "jsonl"}, streams, func(k string) (string, bool) { return home, k == "PIPELINETUI_HOME" }, nil)
		require.Equal(t, want, code, errOut.String())
		require.Equal(t, want != ExitOK, strings.Contains(errOut.String(), "could not be written"))
	}
}

// leaves are all commands that can be run.
func leaves(cmd *cobra.Command) []*cobra.Command {
	var out []*cobra.Command
	if cmd.Runnable() {
		out = append(out, cmd)
	}
	for _, c := range cmd.Commands() {
		out = append(out, leaves(c)...)
	}
	return out
}

func TestEveryCommandSaysWhetherItChangesSomething(t *testing.T) {
	t.Parallel()
	streams, _, _ := console.Buffers("")
	root := newRoot(newSession(nil, streams, func(string) (string, bool) { return "", false }))
	want := map[string]effect{}
	for _, name := range strings.Fields("up destroy refresh cancel new run executions_stop executions_redrive sandbox_stop sandbox_reset sandbox_exec " +
		"sandbox_serve sandbox_faults_set sandbox_faults_clear") {
		want[strings.ReplaceAll(name, "_", " ")] = changing
	}
	want["doctor"] = changingWithYes
	for _, cmd := range leaves(root) {
		declared, ok := cmd.Annotations[effectKey]
		require.True(t, ok, "%s does not say what it does: wrap it in reads or changes", cmd.CommandPath())
		if expected, known := want[nameOf(cmd)]; known {
			require.Equal(t, string(expected), declared, cmd.CommandPath())
			delete(want, nameOf(cmd))
		}
		if cmd.Flags().Lookup("yes") != nil {
			require.NotEqual(t, string(reading), declared, "%s asks before it does something, and is not declared to change anything", cmd.CommandPath())
		}
	}
	require.Empty(t, want, "these commands are gone")
}

func TestACommandThatDoesNotSayWhatItDoesIsNotTrusted(t *testing.T) {
	t.Parallel()
	streams, _, _ := console.Buffers("")
	root := newRoot(newSession(nil, streams, func(string) (string, bool) { return "", false }))
	silent, below := &cobra.Command{Use: "silent"}, &cobra.Command{Use: "help"}
	root.AddCommand(silent)
	silent.AddCommand(below)
	require.Equal(t, changing, effectOf(silent), "root reads")
	require.Equal(t, changing, effectOf(below), "only its name is cobra's")
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, args := range [][]string{{"help"}, {"completion"}, {"completion", "bash"}} {
		cmd, _, err := root.Find(args)
		require.NoError(t, err)
		require.Equal(t, reading, effectOf(cmd), args)
	}
}

func TestReadOnlyRefusesWhateverChanges(t *testing.T) {
	t.Parallel()
	streams, _, _ := console.Buffers("")
	for _, cmd := range leaves(newRoot(newSession(nil, streams, func(string) (string, bool) { return "", false }))) {
		if cmd.Annotations[effectKey] == string(reading) {
			continue
		}
		args := strings.Fields(nameOf(cmd))
		if args[len(args)-1] == "exec" {
			args = append(args, "true")
		}
		for range 3 { // as many arguments as it takes
			if cmd.Args == nil || cmd.Args(cmd, args[len(strings.Fields(nameOf(cmd))):]) == nil {
				break
			}
			args = append(args, "a/b")
		}
		if cmd.Flags().Lookup("yes") != nil {
			args = append(args, "--yes")
		}
		code, _, errOut := runIn(t, map[string]string{"PIPELINETUI_READ_ONLY": "true"}, args...)
		require.Equal(t, ExitUsage, code, args)
		require.Contains(t, errOut, "the session is read-only", args)
		require.Contains(t, errOut, "environment PIPELINETUI_READ_ONLY", args)
	}
	_, _, errOut := runIn(t, nil, "refresh", "a/b", "--read-only")
	require.Contains(t, errOut, "preview --refresh")
}

func TestNumbersOutsideOfTheirBounds(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"up", "a/b", "--yes", "--parallel", "0"},
		{"up", "a/b", "--yes", "--parallel", "-3"},
		{"preview", "a/b", "--parallel=1.5"},
		{"executions", "list", "a/b", "--limit", "-1"},
		{"executions", "history", "a/b", "x", "--limit", "-1"},
		{"run", "a/b", "--input", "{}", "--wait", "--timeout", "-1s"},
		{"executions", "watch", "a/b", "x", "--timeout", "-1m"},
		{"sandbox", "faults", "set", "--share", "1.5"},
		{"sandbox", "faults", "set", "--share", "-0.1"},
		{"sandbox", "faults", "set", "--share", "NaN"},
		{"sandbox", "faults", "set", "--times", "0"},
		{"sandbox", "faults", "set", "--status", "99"},
		{"sandbox", "faults", "set", "--latency", "-1s"},
		{"sandbox", "faults", "set", "--jitter", "soon"},
	} {
		code, _, errOut := runIn(t, nil, args...)
		require.Equal(t, ExitUsage, code, args)
		require.Regexp(t, `invalid argument .*(it has to be|is not a)`, errOut, args)
	}
	// No number has a flag of another type: it would have no bounds.
	streams, _, _ := console.Buffers("")
	for _, cmd := range leaves(newRoot(newSession(nil, streams, func(string) (string, bool) { return "", false }))) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if slices.Contains([]string{"int", "int32", "int64", "uint", "uint64", "float", "float64", "duration", "count"}, f.Value.Type()) {
				require.Contains(t, fmt.Sprintf("%T", f.Value), "bounded", "%s --%s", cmd.CommandPath(), f.Name)
			}
		})
	}
}

// Whatever a command is about can be completed, but for what nobody knows beforehand.
func TestWhatACommandIsAboutIsCompleted(t *testing.T) {
	t.Parallel()
	free := []string{"pipelinetui sandbox account add", "pipelinetui sandbox faults clear", "pipelinetui sandbox images add"}
	streams, _, _ := console.Buffers("")
	for _, cmd := range leaves(newRoot(newSession(nil, streams, func(string) (string, bool) { return "", false }))) {
		if _, words, _ := strings.Cut(cmd.Use, " "); words != "" && !strings.HasSuffix(words, "[flags]") && !slices.Contains(free, cmd.CommandPath()) {
			require.True(t, cmd.ValidArgsFunction != nil || len(cmd.ValidArgs) > 0, cmd.CommandPath())
		}
	}
}

func TestReadsThatFailNameTheirReason(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/u16.yaml", []byte("\xff\xfea\x00:\x00"), 0o600))
	for path, want := range map[string]string{
		dir: "That is a folder", dir + "/none.yaml": "no such file", dir + "/u16.yaml": "is UTF-16",
	} {
		code, _, errOut := runIn(t, nil, "preview", "-f", path)
		require.Equal(t, ExitUsage, code)
		require.Contains(t, errOut, want)
		require.Less(t, len(errOut), 500)
	}
}
