package app

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/sandbox"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// What a shell asks while somebody types has to be cheap, and may start nothing.

// Names lists the pipelines of the backend by their names alone, sorted. Of a file
// backend it reads the names of files; any other one is asked, within ctx.
func (a *App) Names(ctx context.Context) ([]spec.ID, error) {
	names, err := outside.Do(ctx, "the backend", func() ([]string, error) {
		names, ok := stack.Names(a.Backend(), Project)
		if ok {
			return names, nil
		}
		e, err := a.Engine(ctx)
		if err != nil {
			return nil, err
		}
		list, err := e.List(ctx)
		for _, s := range list {
			names = append(names, s.Name)
		}
		return names, err
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var out []spec.ID
	for _, name := range names {
		if id, err := spec.ParseStackName(name); err == nil { // others are somebody else's
			out = append(out, id)
		}
	}
	return out, nil
}

// Answers tells whether the target can be asked something without starting the sandbox
// for it.
func (a *App) Answers() bool {
	s := a.opts.Settings
	if s.String(settings.Target) != TargetSandbox || s.String(settings.EndpointURL) != "" {
		return true
	}
	_, running, err := sandbox.Status(a.sandboxDir())
	return err == nil && running
}

// Batches are the names of the batches that were started here on a pipeline.
func (a *App) Batches(id spec.ID) []string {
	entries, _ := os.ReadDir(filepath.Dir(a.BatchJournal(id, "x"))) // there may be none
	var out []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".journal"); ok {
			out = append(out, name)
		}
	}
	return out
}

// FaultCalls are what a fault of the sandbox may name as begun: services, and behind a
// dot their operations.
func FaultCalls(begun string) []string { return sandbox.Calls(begun) }

// FaultCodes are the AWS error codes with which a call is modelled to fail.
func FaultCodes(call string) []string { return sandbox.ErrorCodes(call) }
