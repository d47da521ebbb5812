package cli

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// runIn runs a command line without a terminal, in a home of its own.
func runIn(t *testing.T, environ map[string]string, args ...string) (ExitCode, string, string) {
	t.Helper()
	if environ == nil {
		environ = map[string]string{}
	}
	if environ["PIPELINETUI_HOME"] == "" {
		environ["PIPELINETUI_HOME"] = t.TempDir()
	}
	streams, out, errOut := console.Buffers("")
	code := Run(t.Context(), args, streams, func(k string) (string, bool) { v, ok := environ[k]; return v, ok }, make(chan os.Signal))
	return code, out.String(), errOut.String()
}

func TestCodeOf(t *testing.T) {
	t.Parallel()
	tests := map[ExitCode]error{
		ExitOK: nil, ExitError: errors.New("x"), ExitUsage: &usageError{err: errors.New("x")},
		ExitCredentials: fault.New(fault.Denied, "x"), ExitDeployment: fault.New(fault.Deployment, "x"),
		ExitNotFound: fault.New(fault.NotFound, "x"), ExitChanges: fault.New(fault.Changes, "x"),
		ExitCancelled: context.Canceled, ExitTimeout: context.DeadlineExceeded,
		ExitExecution: fault.New(fault.Execution, "x"), ExitLocked: fault.New(fault.Locked, "x"),
	}
	for want, err := range tests {
		require.Equal(t, want, codeOf(err), "%v", err)
		if err != nil && want != ExitError {
			require.Equal(t, want, codeOf(fault.Wrap(err, "op")), "wrapped %v", err)
		}
	}
	require.Equal(t, ExitUsage, codeOf(fault.List{fault.New(fault.Invalid, "a"), fault.New(fault.Invalid, "b")}))
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"nothing", nil, "no command was given"},
		{"unknown command", []string{"frob"}, "unknown command"},
		{"unknown flag", []string{"list", "--frob"}, "unknown flag: --frob"},
		{"missing argument", []string{"run"}, "not told which pipeline"},
		{"unknown subcommand", []string{"executions", "frob"}, `unknown command "frob"`},
		{"a shell without a script", []string{"completion", "tcsh"}, "knows bash, fish, powershell, zsh"},
		{"no shell", []string{"completion"}, "needs one of"},
		{"a shell and more", []string{"completion", "bash", "more"}, "more"},
		{"group alone", []string{"sandbox"}, "needs one of"},
		{"bad output", []string{"list", "-o", "xml"}, "xml"},
		{"two waits", []string{"run", "a/b", "--wait", "--detach"}, "none of the others can be"},
		{"up of nothing", []string{"up"}, "was not told which pipelines"},
		{"no yes", []string{"up", "a/b"}, "Add --yes"},
		{"destroy without yes", []string{"destroy", "a/b"}, "Add --yes"},
		{"read-only", []string{"up", "a/b", "--yes", "--read-only"}, "read-only"},
		{"stop read-only", []string{"executions", "stop", "a/b", "@latest", "--yes", "--read-only"}, "read-only"},
		{"bad status", []string{"executions", "list", "a/b", "--status", "DONE"}, "not the status"},
		{"bad since", []string{"executions", "list", "a/b", "--since", "soon"}, "neither a duration nor a time"},
		{"bad name", []string{"show", "A/b"}, "tenant"},
		{"timeout alone", []string{"run", "a/b", "--input", "{}", "--timeout", "1s"}, "without --wait"},
		{"no input", []string{"run", "a/b"}, "needs an input"},
		{"missing config", []string{"list", "--config", "nowhere.yaml"}, "nowhere.yaml"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			code, out, errOut := runIn(t, nil, tt.args...)
			require.Equal(t, ExitUsage, code, errOut)
			require.Contains(t, errOut, tt.want)
			if len(tt.args) > 0 {
				require.Empty(t, out)
			}
		})
	}
}

func TestErrorsInMachineOutputAreOneDocument(t *testing.T) {
	t.Parallel()
	code, out, _ := runIn(t, nil, "up", "a/b", "-o", "json")
	require.Equal(t, ExitUsage, code)
	var doc struct {
		APIVersion, Kind string
		ExitCode         int
		Error            errorDoc
	}
	require.NoError(t, json.Unmarshal([]byte(out), &doc))
	require.Equal(t, console.Version, doc.APIVersion)
	require.Equal(t, "Error", doc.Kind)
	require.Equal(t, 2, doc.ExitCode)
	require.Contains(t, doc.Error.Hint, "--yes")

	for _, args := range [][]string{{"list", "--output", "json", "-o", "xml"}, {"list", "-o", "json", "-o", "xml", "--frob"}} {
		code, out, errOut := runIn(t, nil, args...)
		require.NoError(t, json.Unmarshal([]byte(out), &doc), "%v: %s", args, errOut)
		require.Equal(t, ExitUsage, code, errOut)
		require.Equal(t, "Error", doc.Kind)
	}
}

func TestTemplatesAndSchemaNeedNothing(t *testing.T) {
	t.Parallel()
	code, out, errOut := runIn(t, nil, "templates", "list", "-o", "json")
	require.Equal(t, ExitOK, code, errOut)
	require.Contains(t, out, `"realtime"`)
	code, out, errOut = runIn(t, nil, "templates", "show", "realtime")
	require.Equal(t, ExitOK, code, errOut)
	require.Contains(t, out, "instanceType")
	code, out, errOut = runIn(t, nil, "schema")
	require.Equal(t, ExitOK, code, errOut)
	require.True(t, json.Valid([]byte(out)))
	code, _, errOut = runIn(t, nil, "templates", "show", "realtme")
	require.Equal(t, ExitNotFound, code, errOut)
}

func TestVerdictOfSeveral(t *testing.T) {
	t.Parallel()
	id := func(m string) spec.ID { return spec.ID{Tenant: "acme", Model: m, Env: "dev"} }
	ok := app.PipelineResult{ID: id("a"), Result: stack.Result{Changes: map[stack.Op]int{stack.OpSame: 3}}}
	changed := app.PipelineResult{ID: id("b"), Result: stack.Result{Changes: map[stack.Op]int{stack.OpCreate: 1}}}
	failed := app.PipelineResult{ID: id("c"), Err: fault.New(fault.Deployment, "boom")}
	cancelled := app.PipelineResult{ID: id("d"), Err: fault.New(fault.Canceled, "stopped")}
	tests := []struct {
		name    string
		o       deployOptions
		results []app.PipelineResult
		want    ExitCode
	}{
		{"all well", deployOptions{}, []app.PipelineResult{ok, changed}, ExitOK},
		{"expected none, found some", deployOptions{expect: true}, []app.PipelineResult{ok, changed}, ExitChanges},
		{"expected none, found none", deployOptions{expect: true}, []app.PipelineResult{ok}, ExitOK},
		{"a failure counts more than changes", deployOptions{expect: true}, []app.PipelineResult{changed, failed}, ExitDeployment},
		{"a failure counts more than a cancellation", deployOptions{}, []app.PipelineResult{cancelled, failed}, ExitDeployment},
		{"cancelled", deployOptions{}, []app.PipelineResult{ok, cancelled}, ExitCancelled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, codeOf(verdict(&tt.o, tt.results)))
		})
	}
	require.Equal(t, "4 pipelines: 2 succeeded, 1 failed, 1 cancelled", tally([]app.PipelineResult{ok, changed, failed, cancelled}))
}

func TestVerdictOfAnExecution(t *testing.T) {
	t.Parallel()
	require.NoError(t, verdictOf(executions.Outcome{Status: executions.Succeeded}))
	err := verdictOf(executions.Outcome{
		Name: "x", Status: executions.Failed, FailedState: "Preprocess", Error: "InvalidFlower",
		Cause: `{"errorMessage":"petal_width: missing","errorType":"InvalidFlower","stackTrace":["..."]}`,
	})
	require.Equal(t, ExitExecution, codeOf(err))
	require.ErrorContains(t, err, "in state Preprocess")
	require.ErrorContains(t, err, "petal_width: missing")
	require.NotContains(t, err.Error(), "stackTrace")

	err = verdictOf(executions.Outcome{Name: "x", Status: executions.Failed, Error: "Long", Cause: strings.Repeat("Wé", 100_000)})
	require.Less(t, len(err.Error()), 2000)
	require.Contains(t, err.Error(), "Wé")
	require.Contains(t, fault.HintOf(err), "for all of it")
}

func TestConfirmations(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		want     ExitCode
	}{
		{"yes", "yes\n", ExitOK},
		{"y after nonsense", "maybe\ny\n", ExitOK},
		{"no", "no\n", ExitCancelled},
		{"just return", "\n", ExitCancelled},
		{"end of input", "", ExitCancelled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			streams, _, _ := console.Buffers(tt.in)
			e := newSession(nil, streams, func(string) (string, bool) { return "", false }).deps
			require.Equal(t, tt.want, codeOf(e.YesNo(t.Context(), "Really?", nil)))
		})
	}
	p := &spec.Pipeline{ID: spec.ID{Tenant: "acme", Model: "fraud", Env: "prod"}}
	for in, want := range map[string]ExitCode{"acme/fraud/prod\n": ExitOK, "acme/fraud\n": ExitCancelled, "yes\n": ExitCancelled} {
		streams, _, _ := console.Buffers(in)
		e := newSession(nil, streams, func(string) (string, bool) { return "", false }).deps
		require.Equal(t, want, codeOf((&question{deps: e, o: &deployOptions{}, chosen: chosen{pipelines: []*spec.Pipeline{p}}}).confirmDestroy(t.Context())), in)
	}
}

func TestPatternsWithTenant(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"acme/*/*"}, (&selection{tenant: "acme"}).patterns())
	require.Equal(t, []string{"acme/x"}, (&selection{tenant: "acme", args: []string{"*/x", "other/x"}}).patterns())
}

func TestShellQuote(t *testing.T) {
	t.Parallel()
	require.Equal(t, `'a'\''b; rm'`, fault.Shell(`a'b; rm`))
}
