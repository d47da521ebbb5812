package app

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/sandbox"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// What a shell asks while somebody types has to be cheap, and may start nothing.

func (a *App) glance() (*stack.Glance, error) {
	return stack.NewGlance(stack.Options{Backend: a.backendURL(), Project: Project, Objects: backendObjects(a.backendURL())})
}

// Names lists the pipelines of the backend by their names alone, sorted; none where that
// takes an engine.
func (a *App) Names(ctx context.Context) ([]spec.ID, error) {
	look, err := a.glance()
	if err != nil {
		return nil, err
	}
	names, _ := look.Names(ctx)
	slices.Sort(names)
	var out []spec.ID
	for _, name := range names {
		if id, err := spec.ParseStackName(name); err == nil { // others are somebody else's
			out = append(out, id)
		}
	}
	return out, nil
}

// Glance reads a pipeline as Find does, but without an engine: its parameters are those
// that were given, see spec.ReadDocument.
func (a *App) Glance(ctx context.Context, id spec.ID) (*Existing, error) {
	look, err := a.glance()
	if err != nil {
		return nil, err
	}
	x := &Existing{ID: id}
	if x.State, err = look.State(ctx, id.StackName()); err != nil {
		return nil, err
	}
	if x.State.Spec == nil {
		return nil, withoutSpec(id, nil)
	}
	x.Spec, err = spec.ReadDocument(x.State.Spec)
	return x, err
}

// GlanceMachine is the state machine of a pipeline as Glance reads it, and a client for it.
// Answers has to be asked first.
func (a *App) GlanceMachine(ctx context.Context, id spec.ID) (*Machine, error) {
	x, err := a.Glance(ctx, id)
	if err != nil {
		return nil, err
	}
	m, err := pipelines.NewMachine(x)
	if err != nil {
		return nil, err
	}
	m.Client, err = a.Executions(ctx, x.Spec.Region, x.Spec.AssumeRole)
	return m, err
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
	entries, _ := os.ReadDir(a.batchesOf(id)) // there may be none
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
