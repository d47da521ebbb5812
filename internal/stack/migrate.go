package stack

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// Migration brings the state of a stack that an earlier version made to the form that the
// program of this one wants.
type Migration struct {
	// From are the types of resources that tell such a state.
	From []string
	// Lost are inputs, by the type of a resource, that a provider has dropped when it read it.
	Lost map[string]string
	// Edit changes the deployment. It touches nothing but the document.
	Edit func(deployment json.RawMessage) (json.RawMessage, error)
	// Why is told to the reader, WhyLost of what was dropped.
	Why, WhyLost string
}

// wanted tells why a state is to be migrated, "" if it is not.
func (m *Migration) wanted(dep *apitype.DeploymentV3) (why string) {
	for _, r := range dep.Resources {
		input, known := m.Lost[string(r.Type)]
		switch {
		case r.Delete:
		case slices.Contains(m.From, string(r.Type)):
			return m.Why
		case known && r.Inputs[input] == nil:
			why = m.WhyLost
		}
	}
	return why
}

// migrate brings the state to the form of this version, if it is not: before an update in
// one step, the writing of the new document, so that a death before it has changed nothing
// and one after it has only to be gone on from. A preview changes nothing: it looks at a
// copy, which the caller discards.
func (r *Run) migrate() (discard func(), err error) {
	discard = func() {}
	m := r.job.Migration
	if m == nil || r.op != OperationUp && r.op != OperationPreview {
		return discard, nil
	}
	dep := r.seen
	if dep == nil {
		if dep, err = r.engine.snapshot(r.setup, r.place); errors.Is(err, fault.NotFound) {
			return discard, nil // removed elsewhere: the operation itself will see
		}
	}
	if err != nil {
		return discard, err
	}
	why := m.wanted(dep)
	if why == "" {
		return discard, nil
	}
	if r.op == OperationUp && !r.job.DryRun {
		if err := r.engine.editState(r.setup, r.place, basisOf(dep), m.Edit); err != nil {
			return discard, fault.Wrap(err, "bring the state of %s to the form of this version", r.job.Stack)
		}
		r.emit(Event{Type: EventDiagnostic, Diagnostic: &Diagnostic{Severity: SeverityInfo, Message: why}})
		return discard, nil
	}
	copied, err := r.engine.copyState(r.setup, r.place, m.Edit)
	if err != nil {
		return discard, fault.Wrap(err, "bring a copy of the state of %s to the form of this version", r.job.Stack)
	}
	r.place = copied
	r.emit(Event{Type: EventDiagnostic, Diagnostic: &Diagnostic{Severity: SeverityInfo, Message: why}})
	return func() { r.engine.discard(copied) }, nil
}

// copyState makes a place with an edited copy of a stack's state, under the same key.
func (e *Engine) copyState(ctx context.Context, p place, edit func(json.RawMessage) (json.RawMessage, error)) (place, error) {
	to := p.scratch()
	to.env[envPassphrase] = p.env[envPassphrase]
	if to.env[envPassphrase] == "" {
		delete(to.env, envPassphrase)
	}
	var doc map[string]json.RawMessage
	if err := e.read(ctx, p, "read the state of "+p.stack, &doc, "stack", "export", "--stack", p.stack); err != nil {
		return to, err
	}
	edited, err := edit(doc["deployment"])
	if err != nil {
		return to, err
	}
	raw, err := json.Marshal(map[string]any{"version": checkpointVersion, "checkpoint": map[string]any{
		"stack": "organization/" + e.opts.Project + "/" + p.stack, "latest": edited,
	}})
	if err != nil {
		return to, err
	}
	if err := e.prepare(to); err != nil {
		return to, err
	}
	root, _ := fileBackend(to.backend)
	if _, err := projectLayout(root); err != nil {
		return to, err
	}
	settings, err := readRegular(p.settingsFile())
	if err == nil {
		err = wholefile.WriteFile(to.settingsFile(), settings, 0o600)
	}
	dir, _ := e.stacksDirOf(to.backend)
	file := filepath.Join(dir, p.stack+".json")
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = writeChanged(file, raw)
	}
	if err != nil {
		e.discard(to)
		return to, notMade(file, err)
	}
	return to, nil
}
