//go:build unix

package e2e

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pipelinetui/pipelinetui/internal/cli"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/sandbox"
)

// cmdPtui is the command line of pipelinetui in this process, with the script's
// variables: ptui ARG.... It is for what only asks, or sets the stage: a process costs
// more than the answer. What changes a pipeline, what is about processes, their
// environment, signals or the folder that they are in is for `exec pipelinetui`.
// `exits CODE ptui ...` and `waitfor REGEXP ptui ...` know it too.
func cmdPtui(ts *testscript.TestScript, neg bool, args []string) {
	code := ptui(ts, args)
	if (code != cli.ExitOK) != neg {
		ts.Fatalf("ptui %q: exit code %d", args, code)
	}
}

// ptui writes both outputs of a command to those of the script's command.
func ptui(ts *testscript.TestScript, args []string) cli.ExitCode {
	out, errs, code := runHere(ts, args)
	_, _ = ts.Stdout().Write(out) // to memory
	_, _ = ts.Stderr().Write(errs)
	return code
}

func runHere(ts *testscript.TestScript, args []string) (stdout, stderr []byte, code cli.ExitCode) {
	for _, c := range []string{"up", "preview", "destroy", "refresh", "exec", "eject", "start", "stop", "reset"} {
		if slices.Contains(args[:min(2, len(args))], c) {
			ts.Fatalf("ptui %s: the engine and other programs are given this process's environment; use exec pipelinetui", c)
		}
	}
	startFirst(ts, args)
	var out, errs bytes.Buffer
	streams := &console.Streams{In: bytes.NewReader(nil), Out: &out, Err: &errs}
	environ := func(name string) (string, bool) {
		v := ts.Getenv(name)
		return v, v != ""
	}
	code = cli.Run(context.Background(), args, streams, environ, make(chan os.Signal))
	return out.Bytes(), errs.Bytes(), code
}

// startFirst starts the script's sandbox unless it runs: this process is no program that
// could become one. Who asks whether it runs is not to find it started.
func startFirst(ts *testscript.TestScript, args []string) {
	if len(args) > 1 && args[0] == "sandbox" && (args[1] == "status" || args[1] == "logs") {
		return
	}
	if _, runs, err := sandbox.Status(filepath.Join(ts.Getenv("PIPELINETUI_HOME"), "sandbox")); err == nil && !runs && !slices.Contains(args, "--quick") {
		ts.Check(ts.Exec("pipelinetui", "sandbox", "start"))
	}
}
