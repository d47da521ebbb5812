package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// What a killed operation leaves behind is a lock, and pending operations: the
// engine writes down what it is about to do before it does it. It never looks at
// them again, except to warn: a resource whose creation was cut off is in nobody's
// state, costs money, and is in the way of the next creation under its name.
//
// Recovery makes the state tell the truth again before the next operation. Each
// pending creation whose id can be told becomes an entry of the state; then a
// refresh of just these resources looks whether they are there, takes in those
// that are, and drops those that are not.

// unlockDead removes a file backend's stale locks. Those of other backends are
// only seen when one is in the way, see mend.
func (r *Run) unlockDead() error {
	if !r.recovers() || !r.job.Recovery.ClearDeadLocks {
		return nil
	}
	locks, known := r.engine.fileLocks(r.job.Stack)
	if !known || !allStale(locks) {
		return nil
	}
	if err := removeLocks(locks); err != nil {
		return err
	}
	r.tellCleared(locks)
	return nil
}

// recovers tells whether this operation may repair the stack.
func (r *Run) recovers() bool {
	return r.job.Recovery != nil && r.op != OperationPreview && !r.job.DryRun
}

func (r *Run) tellCleared(locks []Lock) {
	for _, l := range locks {
		r.warn("cleared the lock of %s@%s, process %d, since %s: that process is gone, its operation was cut off",
			l.User, l.Host, l.PID, l.Since.UTC().Format(time.RFC3339))
	}
}

func (r *Run) warn(format string, args ...any) {
	r.emit(Event{Type: EventDiagnostic, Diagnostic: &Diagnostic{Severity: SeverityWarning, Message: fmt.Sprintf(format, args...)}})
}

// settle compares the state with what the caller decided upon, and repairs what
// was cut off. It reads the state only if one of the two asks for it.
func (r *Run) settle() error {
	expects := r.job.Expect != "" || r.op == OperationPreview
	repairs := r.recovers() && r.job.Recovery.Settle != nil
	if !expects && !repairs {
		return nil
	}
	dep, err := r.engine.snapshot(r.setup, r.place)
	if errors.Is(err, fault.NotFound) {
		dep, err = &apitype.DeploymentV3{}, nil // removed elsewhere: the operation itself will see
	}
	if err != nil {
		return err
	}
	r.result.Basis = basisOf(dep)
	if r.job.Expect != "" && r.job.Expect != r.result.Basis {
		return changedMeanwhile(r.job.Stack)
	}
	if !repairs || len(dep.PendingOperations) == 0 {
		return nil
	}
	return r.repair(pendingOf(dep))
}

// repair settles every pending operation and makes the state tell what is there.
func (r *Run) repair(pending []PendingOperation) error {
	ids := map[string]string{}
	for _, op := range pending {
		if op.IsEngines() {
			continue
		}
		id, err := r.job.Recovery.Settle(r.setup, op)
		if err != nil {
			return fault.Wrap(err, "find out what became of %s", op)
		}
		if op.Creating() {
			ids[op.URN] = id
		}
		r.warn("%s was cut off while %s: looking what became of it", op.Name, op.Kind)
	}
	if r.setup.Err() != nil {
		return canceledBefore("repair "+r.job.Stack, r.setup.Err())
	}
	targets, err := r.engine.adopt(r.place, ids)
	if err != nil {
		return err
	}
	r.result.Recovered = pending
	return r.engine.look(r.place, targets)
}

// IsEngines tells whether the resource is one of the engine's own, which exist in
// the state alone: providers and stashes.
func (p PendingOperation) IsEngines() bool { return strings.HasPrefix(p.Type, "pulumi:") }

// adopt rewrites the state: pending creations with an id become entries, and no
// pending operation is left. It returns the resources to look at. The document is
// edited as it is, so that nothing a newer CLI keeps there is lost.
func (e *Engine) adopt(p place, ids map[string]string) ([]string, error) {
	// Not to be killed half-way: the second process holds the lock for a moment.
	ctx := context.Background()
	var doc map[string]json.RawMessage
	if err := e.read(ctx, p, "read the state of "+p.stack, &doc, "stack", "export", "--stack", p.stack); err != nil {
		return nil, err
	}
	edited, targets, err := adoptInto(doc["deployment"], ids)
	if err != nil {
		return nil, fault.New(fault.Internal, "edit the state of %s: %v", p.stack, err).Because(err)
	}
	doc["deployment"] = edited
	raw, err := json.Marshal(doc)
	if err != nil {
		return nil, fault.New(fault.Internal, "edit the state of %s: %v", p.stack, err).Because(err)
	}
	cmd := &command{engine: e}
	_, stderr, code, err := cmd.Run(ctx, p.dir, bytes.NewReader(raw), nil, nil, e.envList(p.env), "stack", "import", "--stack", p.stack)
	if err != nil {
		return nil, e.classifyText("repair the state of "+p.stack, "", stderr, code, err)
	}
	return targets, nil
}

// adoptInto is the edit of adopt.
func adoptInto(deployment json.RawMessage, ids map[string]string) (json.RawMessage, []string, error) {
	var dep map[string]json.RawMessage
	var resources []json.RawMessage
	var pending []struct {
		Type     string             `json:"type"`
		Resource json.RawMessage    `json:"resource"`
		Parsed   apitype.ResourceV3 `json:"-"`
	}
	if err := errors.Join(json.Unmarshal(deployment, &dep), json.Unmarshal(dep["resources"], &resources)); err != nil {
		return nil, nil, err
	}
	if raw := dep["pending_operations"]; raw != nil {
		if err := json.Unmarshal(raw, &pending); err != nil {
			return nil, nil, err
		}
	}
	var targets []string
	for _, op := range pending {
		if err := json.Unmarshal(op.Resource, &op.Parsed); err != nil {
			return nil, nil, err
		}
		urn := string(op.Parsed.URN)
		if op.Type == pendingCreate {
			id := ids[urn]
			if id == "" {
				continue
			}
			var err error
			if resources, err = addEntry(resources, op.Resource, urn, id); err != nil {
				return nil, nil, err
			}
		}
		if !strings.HasPrefix(string(op.Parsed.Type), "pulumi:") && !slices.Contains(targets, urn) {
			targets = append(targets, urn)
		}
	}
	delete(dep, "pending_operations")
	raw, err := json.Marshal(resources)
	if err != nil {
		return nil, nil, err
	}
	dep["resources"] = raw
	out, err := json.Marshal(dep)
	return out, targets, err
}

// addEntry adds a resource that may exist. Where the state has another one under
// the same name in the program, the new one was to replace it: it is marked for
// deletion, and the next update makes a new replacement. Unless the old one was
// deleted first, and its entry only waits for the new one.
func addEntry(resources []json.RawMessage, created json.RawMessage, urn, id string) ([]json.RawMessage, error) {
	var fields map[string]any
	if err := json.Unmarshal(created, &fields); err != nil {
		return nil, err
	}
	fields["id"] = id
	if fields["outputs"] == nil {
		// Providers read from the last state what the id alone does not tell.
		fields["outputs"] = fields["inputs"]
	}
	kept := make([]json.RawMessage, 0, len(resources)+1)
	for _, raw := range resources {
		var r struct {
			URN                string `json:"urn"`
			ID                 string `json:"id"`
			Delete             bool   `json:"delete"`
			PendingReplacement bool   `json:"pendingReplacement"`
		}
		if err := json.Unmarshal(raw, &r); err != nil {
			return nil, err
		}
		if r.URN == urn && !r.Delete {
			switch {
			case r.PendingReplacement:
				continue
			case r.ID == id:
				return resources, nil // recorded after all
			}
			fields["delete"] = true
		}
		kept = append(kept, raw)
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	return append(kept, raw), nil
}

// look refreshes some resources of a stack.
func (e *Engine) look(p place, urns []string) error {
	if len(urns) == 0 {
		return nil
	}
	args := []string{"refresh", "--yes", "--skip-preview", "--stack", p.stack, "--color", "never", "--suppress-outputs", "--suppress-progress"}
	for _, urn := range urns {
		args = append(args, "--target", urn)
	}
	cmd := &command{engine: e}
	stdout, stderr, code, err := cmd.Run(context.Background(), p.dir, nil, nil, nil, e.envList(p.env), args...)
	if err != nil {
		return e.classifyText("look what became of resources of "+p.stack, stdout, stderr+stdout, code, err)
	}
	return nil
}
