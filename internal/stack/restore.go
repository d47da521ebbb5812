package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// Copy is what can take the place of the damaged state of a stack on a file backend, or in an
// object store.
type Copy struct {
	// File is where it comes from: the engine's backup of the state before ("x.bak"),
	// a checkpoint of the history, or the damaged file itself without the entries that
	// nobody can read.
	File string `json:"file"`
	// Made is when the engine wrote it down.
	Made time.Time `json:"made,omitzero"`
	// Resources counts those it records (see Counted).
	Resources int `json:"resources"`
	// Dropped are the entries of the damaged file that are left out: resources and
	// operations that were cut off.
	DroppedResources int `json:"droppedResources,omitempty"`
	DroppedPending   int `json:"droppedPending,omitempty"`

	content []byte
}

// String says what it is, in words that go on from "put".
func (c Copy) String() string {
	n := fault.Count(c.Resources, "resource", "resources")
	if dropped := c.DroppedResources + c.DroppedPending; dropped > 0 {
		entries := "entries"
		if dropped == 1 {
			entries = "entry"
		}
		return fmt.Sprintf("what can be read of it (%s, without %d %s)", n, dropped, entries)
	}
	return fmt.Sprintf("the copy of %s (%s)", c.Made.UTC().Format("2006-01-02 15:04:05 UTC"), n)
}

// usableState refuses states that something is wrong with; nil refuses none.
type usableState = func(*apitype.DeploymentV3) error

// Copies lists what can take the place of a stack's state, the best first.
func (e *Engine) Copies(ctx context.Context, stack string) ([]Copy, error) {
	if err := checkName(stack); err != nil {
		return nil, err
	}
	usable := e.opens(ctx, e.place(stack, nil))
	if _, ok := e.backendDir(); ok {
		return onDisk(ctx, e, func() ([]Copy, error) { return e.copies(stack, usable), nil })
	}
	store, state, err := e.restorable(ctx, stack)
	if err != nil {
		return nil, err
	}
	return e.copiesIn(ctx, store, stack, state, usable), nil
}

// restorable is the object store with a stack's state and the name of that, "" if there is none.
func (e *Engine) restorable(ctx context.Context, stack string) (store Objects, state string, err error) {
	store, ok, err := e.keyedStore(ctx)
	if err != nil {
		return nil, "", err
	}
	if !ok {
		return nil, "", fault.New(fault.Unsupported, "copies of the state are only looked for on a file backend and in S3").
			WithHint("Restore the state from a version or a backup of the backend, or with `pulumi stack import`.")
	}
	state, err = e.objectState(ctx, store, stack)
	return store, state, err
}

// copies is copiesIn on a file backend.
func (e *Engine) copies(stack string, usable usableState) []Copy {
	root, ok := e.backendDir()
	if !ok {
		return nil
	}
	state := ""
	if file, exists, _ := e.stackFile(stack); exists {
		state = e.objectFolder() + filepath.Base(file)
	}
	return e.copiesIn(context.Background(), folder{root}, stack, state, usable) // a folder is asked at once, whatever the context
}

// mostCopies bounds how many damaged copies are looked at on the way to a good one.
const mostCopies = 20

// firstIntact is the first of the copies that can be used, if there is one.
func firstIntact(ctx context.Context, store Objects, stack string, usable usableState, names []string) []Copy {
	for i, name := range names {
		if i == mostCopies {
			break
		}
		raw, err := store.Read(ctx, name)
		if err != nil {
			continue
		}
		dep, err := decodeCheckpoint(stack, raw)
		if err != nil || len(dep.Resources) == 0 || usable != nil && usable(dep) != nil {
			continue
		}
		return []Copy{{File: store.URL(name), Made: dep.Manifest.Time.UTC(), Resources: countOf(dep.Resources), content: raw}}
	}
	return nil
}

// salvage makes a checkpoint out of a damaged one that is JSON all the same: what
// is no entry is left out. ok is false if nothing can be made of it that the engine
// would take.
func salvage(stack, file string, raw []byte) (c Copy, ok bool) {
	raw, err := unzip(raw)
	var doc, checkpoint, latest map[string]json.RawMessage
	var version int
	if err != nil || errors.Join(json.Unmarshal(raw, &doc), json.Unmarshal(doc["checkpoint"], &checkpoint),
		json.Unmarshal(checkpoint["latest"], &latest), json.Unmarshal(doc["version"], &version)) != nil ||
		version != checkpointVersion || latest == nil {
		return c, false
	}
	resources, dropped, err := keepEntries(latest["resources"], func(raw json.RawMessage) bool {
		var r *apitype.ResourceV3
		return json.Unmarshal(raw, &r) == nil && r != nil && checkEntry(stack, r) == nil
	})
	if err != nil || len(resources) == 0 {
		return c, false
	}
	pending, droppedPending, err := keepEntries(latest["pending_operations"], func(raw json.RawMessage) bool {
		var op *apitype.OperationV2
		return json.Unmarshal(raw, &op) == nil && op != nil && checkEntry(stack, &op.Resource) == nil
	})
	if err != nil || dropped+droppedPending == 0 {
		return c, false
	}
	content, err := assemble(doc, checkpoint, latest, resources, pending)
	if err != nil {
		return c, false
	}
	dep, err := decodeCheckpoint(stack, content)
	if err != nil {
		return c, false
	}
	return Copy{
		File: file, Made: dep.Manifest.Time.UTC(), Resources: len(resources),
		DroppedResources: dropped, DroppedPending: droppedPending, content: content,
	}, true
}

// keepEntries keeps the elements of a list that are good.
func keepEntries(list json.RawMessage, good func(json.RawMessage) bool) (kept []json.RawMessage, dropped int, err error) {
	if len(list) == 0 {
		return nil, 0, nil
	}
	var entries []json.RawMessage
	if err := json.Unmarshal(list, &entries); err != nil {
		return nil, 0, err
	}
	for _, entry := range entries {
		if good(entry) {
			kept = append(kept, entry)
		}
	}
	return kept, len(entries) - len(kept), nil
}

// assemble puts a checkpoint together again; what is not known here stays as it is.
func assemble(doc, checkpoint, latest map[string]json.RawMessage, resources, pending []json.RawMessage) ([]byte, error) {
	set := func(into map[string]json.RawMessage, key string, value any) error {
		raw, err := json.Marshal(value)
		into[key] = raw
		return err
	}
	delete(latest, "pending_operations")
	err := set(latest, "resources", resources)
	if len(pending) > 0 {
		err = errors.Join(err, set(latest, "pending_operations", pending))
	}
	if err := errors.Join(err, set(checkpoint, "latest", latest), set(doc, "checkpoint", checkpoint)); err != nil {
		return nil, err
	}
	return json.Marshal(doc)
}

// Restore puts the best copy in the place of a stack's damaged state and returns
// it. The damaged file is kept beside it, with ".damaged" and the time at its end:
// aside is its name, "" if the file was missing. A state that can be read is not replaced (Conflict), nor is one
// that somebody holds (Locked).
func (e *Engine) Restore(ctx context.Context, stack string) (c Copy, aside string, err error) {
	copies, err := e.Copies(ctx, stack)
	if err != nil {
		return c, "", err
	}
	if _, err = e.State(ctx, stack); err == nil {
		err = e.unsealable(ctx, e.place(stack, nil))
	}
	switch {
	case err == nil:
		return c, "", fault.New(fault.Conflict, "the state of %s is not damaged", stack).
			WithHint("Leave out --restore. `pipelinetui refresh %s` reads what is really there.", pipelineName(stack))
	case fault.KindOf(err) != fault.Damaged:
		return c, "", err
	case len(copies) == 0:
		return c, "", err // it says that there is none
	}
	locks, _, err := e.locksNow(ctx, stack)
	if err != nil {
		return c, "", err
	}
	if of := locks[stack]; len(of) > 0 && !allStale(of) {
		return c, "", lockedFault("restore the state of "+stack, of, nil)
	}
	c = copies[0]
	file, exists, files := e.stackFile(stack)
	if !files {
		store, state, err := e.restorable(ctx, stack)
		if err == nil {
			aside, err = e.restoreObject(ctx, store, stack, state, c)
		}
		return c, aside, err
	}
	if exists {
		aside = asideOf(file)
		if err := keepAside(file, aside); err != nil {
			return c, "", writeFault(aside, err)
		}
	}
	if err := wholefile.WriteFile(file, c.content, 0o600); err != nil {
		return c, "", writeFault(file, err)
	}
	return c, aside, nil
}

func writeFault(file string, err error) error {
	return fault.New(fault.Denied, "write %s: %v", file, fault.Reason(err)).Because(err).
		WithHint("Check that there is space, and that you may write to the folder of the state backend.")
}

// keepAside gives a file a second name, or copies it where that cannot be. A folder in
// its place is moved.
func keepAside(file, aside string) error {
	if os.Link(file, aside) == nil {
		return nil
	}
	if info, err := os.Lstat(file); err == nil && info.IsDir() {
		return os.Rename(file, aside)
	}
	raw, err := readRegular(file)
	if err != nil {
		return err
	}
	return wholefile.WriteFile(aside, raw, 0o600)
}
