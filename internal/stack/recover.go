package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
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

// unlockDead removes stale locks of a backend whose locks can be read without a process. Those
// of others are only seen when one is in the way, see settle and mend.
//
// What a full disk has left of a lock that was to be taken goes without being
// asked: nobody ever held it, and the engine would stumble over it for ever.
func (r *Run) unlockDead() error {
	if !r.records() {
		return nil
	}
	found, _, err := r.engine.locksNow(r.setup, r.job.Stack)
	if err != nil {
		return err
	}
	locks := found[r.job.Stack]
	unfinished := slices.DeleteFunc(slices.Clone(locks), func(l Lock) bool { return !l.Broken || !l.Stale })
	if err := r.engine.removeLocks(r.setup, unfinished); err != nil {
		return err
	}
	for _, l := range unfinished {
		r.warn("removed %s: a lock that was never finished, as on a full disk", l.Where)
	}
	locks = slices.DeleteFunc(locks, func(l Lock) bool { return l.Broken && l.Stale })
	for _, l := range locks {
		if l.Broken {
			return lockedFault("take the lock of "+r.job.Stack, []Lock{l}, nil)
		}
	}
	if !r.clears(locks) {
		return nil
	}
	if err := r.engine.removeLocks(r.setup, locks); err != nil {
		return err
	}
	r.tellCleared(locks)
	return nil
}

// clears tells whether this operation may clear the locks.
func (r *Run) clears(locks []Lock) bool {
	return r.recovers() && r.job.Recovery.ClearDeadLocks && allStale(locks)
}

// tellHeld says of a preview that somebody is changing what it looks at, or was cut off
// at that, and how what is left of a lock goes.
func (r *Run) tellHeld() {
	found, _, _ := r.engine.locksNow(r.setup, r.job.Stack) // what does not answer, the preview stumbles over
	locks := found[r.job.Stack]
	if i := slices.IndexFunc(locks, func(l Lock) bool { return !l.Stale && !l.Broken }); i >= 0 {
		r.warn("%s: what is shown may be different when that has ended", locks[i].held())
		return
	}
	for _, l := range locks {
		says := l.held()
		if !l.Broken {
			says += "; that process is gone"
		}
		r.warn("%s. `pipelinetui cancel %s` clears it", says, pipelineName(r.job.Stack))
	}
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
	dep, err := r.engine.snapshot(r.setup, r.place) // what is doubtful counts as pending
	if errors.Is(err, fault.NotFound) {
		dep, err = &apitype.DeploymentV3{}, nil // removed elsewhere: the operation itself will see
	}
	if err != nil {
		return err
	}
	r.seen = dep
	r.result.Basis = basisOf(dep)
	if r.job.Expect != "" && r.job.Expect != r.result.Basis {
		return changedMeanwhile(r.job.Stack)
	}
	pending, half := pendingOf(dep), halfDone(dep)
	if repairs {
		half = append(half, unsure(dep, r.job.Recovery.Unsure)...)
	}
	if !repairs || len(pending)+len(half) == 0 {
		return nil
	}
	if err := r.alone(); err != nil {
		return err
	}
	r.seen = nil // the repair changes it: who needs it next reads it anew
	return r.repair(pending, half)
}

// alone makes sure that nobody holds the stack before anything of it is repaired: whoever is at
// work has pending operations, too, and nothing of theirs was cut off. Where the locks cannot be
// read it costs a process.
func (r *Run) alone() error {
	locks, err := r.engine.Locks(r.setup, r.job.Stack)
	switch {
	case err != nil:
		return fault.Wrap(err, "find out whether somebody is at work on %s, before what was cut off is repaired", r.job.Stack)
	case len(locks) == 0:
		return nil
	case !r.clears(locks):
		return lockedFault("", locks, nil)
	}
	if err := r.engine.clearDead(r.setup, r.job.Stack); err != nil {
		return err
	}
	r.tellCleared(locks)
	return nil
}

// halfDone lists resources that are there, but not as they should be: the last of
// several calls failed, or a wait was ended. What the state says of them is what was
// asked for, if nothing could be read then; an update would find nothing to do.
func halfDone(dep *apitype.DeploymentV3) []PendingOperation {
	var out []PendingOperation
	for i := range dep.Resources {
		if r := &dep.Resources[i]; len(r.InitErrors) > 0 && !isDoubtful(r) && !r.Delete {
			out = append(out, PendingOperation{
				URN: string(r.URN), Type: string(r.Type), Name: nameOf(string(r.URN)), Kind: "updating", ID: string(r.ID),
				Inputs: plainMap(r.Inputs, false),
			})
		}
	}
	return out
}

// unsure are resources of which the state may say more than is so. What was done to them last
// is not known: they have no kind.
func unsure(dep *apitype.DeploymentV3, is func(typ string) bool) []PendingOperation {
	var out []PendingOperation
	for i := range dep.Resources {
		if r := &dep.Resources[i]; is != nil && is(string(r.Type)) && len(r.InitErrors) == 0 && !isDoubtful(r) && !r.Delete {
			out = append(out, PendingOperation{
				URN: string(r.URN), Type: string(r.Type), Name: nameOf(string(r.URN)), ID: string(r.ID), Inputs: plainMap(r.Inputs, false),
			})
		}
	}
	return out
}

// repair settles every pending operation, and what is half done, and makes the
// state tell what is there.
func (r *Run) repair(pending, half []PendingOperation) error {
	ids := map[string]string{}
	var cut []PendingOperation
	for _, op := range slices.Concat(pending, half) {
		if op.IsEngines() {
			continue
		}
		id, err := r.job.Recovery.Settle(r.setup, op, r.emit)
		if err != nil && r.mayForget(op, err) {
			r.warn("%s is forgotten, and may exist: %v", op.Name, err)
			continue
		}
		if err != nil {
			return fault.Wrap(err, "find out what became of %s", op)
		}
		if op.Creating() {
			ids[op.URN] = id
		}
		cut = append(cut, op)
	}
	if r.setup.Err() != nil {
		return canceledBefore("repair "+r.job.Stack, r.setup.Err())
	}
	r.repairing = true
	var targets []string
	if len(pending) > 0 {
		var err error
		if targets, err = r.engine.adopt(r.setup, r.place, r.result.Basis, ids); err != nil {
			return err
		}
	}
	// Not before the lock was had, by which a backend without files tells that somebody works.
	for _, op := range cut {
		if op.Kind == "" {
			continue // nobody says that it was
		}
		r.warn("%s was cut off while %s: looking what became of it", op.Name, op.Kind)
	}
	for _, op := range half {
		targets = append(targets, op.URN)
	}
	r.result.Recovered = slices.DeleteFunc(slices.Concat(pending, half), func(op PendingOperation) bool { return op.Kind == "" })
	return r.engine.look(r.setup, r.place, targets)
}

// mayForget tells whether the user wants a creation to be forgotten of which it cannot be
// told what became of it, now or later.
func (r *Run) mayForget(op PendingOperation, err error) bool {
	if r.op != OperationRefresh || !r.job.ClearPendingCreates || !op.Creating() {
		return false
	}
	switch fault.KindOf(err) {
	case fault.Unsupported, fault.Damaged, fault.Denied:
		return true
	default:
		return false
	}
}

// IsEngines tells whether the resource is one of the engine's own, which exist in
// the state alone: providers and stashes.
func (p PendingOperation) IsEngines() bool { return strings.HasPrefix(p.Type, "pulumi:") }

// adopt rewrites the state, whose basis is given: pending creations with an id become entries,
// and no pending operation is left. It returns the resources to look at.
func (e *Engine) adopt(ctx context.Context, p place, basis string, ids map[string]string) (targets []string, err error) {
	err = e.editState(ctx, p, basis, func(deployment json.RawMessage) (edited json.RawMessage, err error) {
		edited, targets, err = adoptInto(deployment, ids)
		return edited, err
	})
	return targets, err
}

// editState changes a stack's state behind the engine's back. The document is
// edited as it is, so that nothing a newer CLI keeps there is lost. basis is that of the
// state that the edit was decided upon, "" for the one that is there now.
//
// Nothing locks the stack between the reading and the writing: the lock that the writing takes
// itself is not to be in its own way. So both are looked at right before it, first whether somebody
// holds the stack and then the state: whoever has held it until now has changed it, and whoever
// takes it from now on keeps it until the writing is refused.
func (e *Engine) editState(ctx context.Context, p place, basis string, edit func(deployment json.RawMessage) (json.RawMessage, error)) error {
	if basis == "" {
		dep, err := e.snapshot(ctx, p)
		if err != nil {
			return err
		}
		basis = basisOf(dep)
	}
	reading, done := context.WithTimeout(ctx, editPatience)
	defer done()
	var doc map[string]json.RawMessage
	if err := e.read(reading, p, "read the state of "+p.stack, &doc, "stack", "export", "--stack", p.stack); err != nil {
		return err
	}
	edited, err := edit(doc["deployment"])
	var raw []byte
	if err == nil {
		doc["deployment"] = edited
		raw, err = json.Marshal(doc)
	}
	if err != nil {
		return fault.New(fault.Internal, "edit the state of %s: %v", p.stack, err).Because(err)
	}
	if e.beforeImport != nil {
		e.beforeImport()
	}
	if err := e.unchanged(reading, p, basis); err != nil {
		return err
	}
	// Not to be killed half-way: it holds the lock for a moment.
	_, err = e.finish(ctx, p, editPatience, "repair the state of "+p.stack, bytes.NewReader(raw), "stack", "import", "--stack", p.stack)
	return err
}

// editPatience bounds the reading and the writing of a state that is edited, and lookPatience
// the reading of the few resources that were cut off: a backend, or AWS, that says nothing is
// not waited for for ever.
const (
	editPatience = 5 * time.Minute
	lookPatience = 30 * time.Minute
)

// unchanged makes sure that nobody holds a stack, and that its state is still the one of a basis.
func (e *Engine) unchanged(ctx context.Context, p place, basis string) error {
	if p.backend == e.opts.Backend { // nobody else knows of a preview's own
		locks, err := e.Locks(ctx, p.stack)
		if err != nil {
			return err
		}
		if len(locks) > 0 {
			return lockedFault("write the state of "+p.stack, locks, nil)
		}
	}
	dep, err := e.snapshot(ctx, p)
	if err != nil {
		return err
	}
	if basisOf(dep) != basis {
		return fault.New(fault.Conflict, "somebody else has changed the stack %s meanwhile: nothing was written over that", p.stack).
			WithHint("Run the command again: it begins with what is there now.")
	}
	return nil
}

// pendingEntry is a pending operation as it is written down.
type pendingEntry struct {
	Type     string             `json:"type"`
	Resource json.RawMessage    `json:"resource"`
	Parsed   apitype.ResourceV3 `json:"-"`
}

// adoptInto is the edit of adopt.
func adoptInto(deployment json.RawMessage, ids map[string]string) (json.RawMessage, []string, error) {
	var dep map[string]json.RawMessage
	var resources []json.RawMessage
	var pending []pendingEntry
	if err := errors.Join(json.Unmarshal(deployment, &dep), json.Unmarshal(dep["resources"], &resources)); err != nil {
		return nil, nil, err
	}
	if raw := dep["pending_operations"]; raw != nil {
		if err := json.Unmarshal(raw, &pending); err != nil {
			return nil, nil, err
		}
	}
	resources = slices.DeleteFunc(resources, func(raw json.RawMessage) bool {
		var r apitype.ResourceV3
		doubtful := json.Unmarshal(raw, &r) == nil && isDoubtful(&r)
		if doubtful {
			pending = append(pending, pendingEntry{Type: pendingCreate, Resource: raw})
		}
		return doubtful
	})
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
	delete(fields, "delete")
	delete(fields, "initErrors")
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

// lookMessage is what the history says of a look at a few resources, by which it is told from
// a refresh of the whole stack.
const lookMessage = "looked at what was cut off"

// Look tells whether the entry is of a look at what was cut off, which the history calls a
// refresh: nothing follows from it for the rest of the stack.
func (u *Update) Look() bool { return u.Kind == string(OperationRefresh) && u.Message == lookMessage }

// look refreshes some resources of a stack.
func (e *Engine) look(ctx context.Context, p place, urns []string) error {
	if len(urns) == 0 {
		return nil
	}
	args := []string{"refresh", "--yes", "--skip-preview", "--message", lookMessage, "--stack", p.stack, "--color", "never", "--suppress-outputs", "--suppress-progress"}
	for _, urn := range urns {
		args = append(args, "--target", urn)
	}
	_, err := e.finish(ctx, p, lookPatience, "look what became of resources of "+p.stack, nil, args...)
	return err
}

// A creation can also be cut off at the other end: the connection breaks after
// the request was sent. The provider then reports an error, and the engine forgets
// the resource. So it is written into the state here, with doubtMark as its error;
// from then on it counts as a pending creation.
const doubtMark = "pipelinetui: it is not known whether this was made; the next up, destroy or cancel finds out"

// brokenOff tells errors of the way to AWS, after which nobody knows what AWS has
// done; answered those that are AWS's own answer all the same. (The engine's event
// has a status for this, which it does not fill in.)
var (
	brokenOff = lazyregexp.New(`(?i)connection re(fused|set)|broken pipe|\bEOF\b|request send failed|RequestCanceled|` +
		`use of closed|timed? ?out|deadline exceeded|no such host|unreachable|transport is closing|TLS handshake`)
	answered = lazyregexp.New(`api error |StatusCode: 4\d\d|operation CREATE failed`)
)

func isDoubtful(r *apitype.ResourceV3) bool { return slices.Contains(r.InitErrors, doubtMark) }

// doubt takes note of a creation of which nobody knows the end.
func (r *Run) doubt(failed *apitype.ResOpFailedEvent) {
	if failed == nil || failed.Metadata.New == nil {
		return
	}
	switch failed.Metadata.Op {
	case apitype.OpCreate, apitype.OpCreateReplacement:
		if n := *failed.Metadata.New; n.ID == "" && n.Custom && !strings.HasPrefix(n.Type, "pulumi:") {
			r.doubts = append(r.doubts, n)
		}
	}
}

// doubtPlanned takes note of a creation that a preview plans, see Job.Doubt.
func (r *Run) doubtPlanned(step apitype.StepEventMetadata) {
	n := step.New
	if step.Op != apitype.OpCreate || n == nil || !n.Custom || strings.HasPrefix(n.Type, "pulumi:") {
		return
	}
	op := PendingOperation{URN: n.URN, Type: n.Type, Name: nameOf(n.URN), Kind: pendingCreate, Inputs: plainMap(n.Inputs, false)}
	maps.DeleteFunc(op.Inputs, func(_ string, v any) bool { return v == UnknownValue })
	if r.job.Doubt(op) {
		r.planned = append(r.planned, *n)
	}
}

// keepDoubts writes doubtful creations into the state. It does what it can: the
// operation has failed anyhow, for another reason.
func (r *Run) keepDoubts() {
	r.doubts = slices.DeleteFunc(r.doubts, func(d apitype.StepEventStateMetadata) bool {
		row, _ := r.progress.Row(d.URN)
		return !brokenOff.MatchString(row.Error()) || answered.MatchString(row.Error())
	})
	if len(r.doubts) == 0 || !r.recovers() || r.job.Recovery.Settle == nil {
		return
	}
	// The operation has ended, perhaps because it was to: only Kill keeps this from being written.
	if err := r.engine.addDoubts(r.alive, r.place, r.doubts); err != nil {
		for _, d := range r.doubts {
			r.warn("it is not known whether %s was made, and that could not be written down: %v", d.URN, err)
		}
		return
	}
	for _, d := range r.doubts {
		r.warn("it is not known whether %s was made: the next up, destroy or cancel finds out", nameOf(d.URN))
	}
}

func (e *Engine) addDoubts(ctx context.Context, p place, doubts []apitype.StepEventStateMetadata) error {
	if len(doubts) == 0 {
		return nil
	}
	return e.editState(ctx, p, "", func(deployment json.RawMessage) (json.RawMessage, error) {
		var dep map[string]json.RawMessage
		var resources []json.RawMessage
		var known []struct {
			URN    string `json:"urn"`
			ID     string `json:"id"`
			Delete bool   `json:"delete"`
		}
		if err := errors.Join(json.Unmarshal(deployment, &dep), json.Unmarshal(dep["resources"], &resources),
			json.Unmarshal(dep["resources"], &known)); err != nil {
			return nil, err
		}
		// It came after all of them, so it has to go before them.
		var before []string
		providers := map[string]bool{}
		for _, k := range known {
			if !k.Delete && !strings.Contains(k.URN, "::pulumi:") {
				before = append(before, k.URN)
			}
			providers[k.URN+"::"+k.ID] = true
		}
		for _, d := range doubts {
			if !providers[d.Provider] {
				continue // the engine takes no state without the provider of all that is in it
			}
			entry := map[string]any{
				"urn": d.URN, "type": d.Type, "custom": true, "id": "unknown", "inputs": d.Inputs, "outputs": d.Inputs,
				"parent": d.Parent, "provider": d.Provider, "dependencies": before, "initErrors": []string{doubtMark},
			}
			if slices.Contains(before, d.URN) {
				entry["delete"] = true // it was to replace that one
				entry["dependencies"] = slices.DeleteFunc(slices.Clone(before), func(urn string) bool { return urn == d.URN })
			}
			raw, err := json.Marshal(entry)
			if err != nil {
				return nil, err
			}
			resources = append(resources, raw)
			if entry["delete"] == nil {
				before = append(before, d.URN)
			}
		}
		raw, err := json.Marshal(resources)
		if err != nil {
			return nil, err
		}
		dep["resources"] = raw
		return json.Marshal(dep)
	})
}
