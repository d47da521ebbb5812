package stack

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"golang.org/x/sync/errgroup"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// Objects are the objects of a backend that is an object store, read without a process for
// each question, and as the CLI gives up on all stacks if the state of one cannot be read.
// Whatever is not understood, or refused, is left to the CLI; a store that does not answer
// is an error, see ErrNoAnswer. Names begin with ".pulumi/". Implementations are safe for concurrent use.
type Objects interface {
	// List returns the objects whose names begin with a prefix.
	List(ctx context.Context, prefix string) ([]Object, error)
	// Read reads an object; fs.ErrNotExist is in the chain of the error if there is none.
	Read(ctx context.Context, name string) ([]byte, error)
	// Folders are the names of the folders in the one that a prefix, with a slash at its end, names.
	Folders(ctx context.Context, prefix string) ([]string, error)
	// Write writes an object, with fresh only if there is none.
	Write(ctx context.Context, name string, content []byte, fresh bool) error
	// Remove deletes an object. That there is none is no error, or fs.ErrNotExist.
	Remove(ctx context.Context, name string) error
	// URL is where an object is, for people: "s3://bucket/.pulumi/...".
	URL(name string) string
}

// ErrNoAnswer is in the chain of those errors of Objects that come from the way to the
// store and not from the store. The CLI would wait as long for the same, so it is not asked.
var ErrNoAnswer = errors.New("the store does not answer")

// Object is one object of a backend.
type Object struct {
	Name     string
	Modified time.Time
	ETag     string // another one for other content; "" if not known
}

// objectSummary is a checkpoint in short, remembered as long as its object is the same.
type objectSummary struct {
	object  Object
	summary Summary
}

// objectReaders bounds how many objects are read at a time.
const objectReaders = 8

func (e *Engine) objects(ctx context.Context) (Objects, error) {
	if e.opts.Objects == nil {
		return nil, errors.ErrUnsupported
	}
	return e.opts.Objects(ctx)
}

func (e *Engine) objectFolder() string { return ".pulumi/stacks/" + e.opts.Project + "/" }

// objectList lists the project's stacks as fileList does.
func (e *Engine) objectList(ctx context.Context) ([]Summary, error) {
	store, err := e.objects(ctx)
	if err != nil {
		return nil, err
	}
	found, err := store.List(ctx, e.objectFolder())
	if err != nil {
		return nil, err
	}
	remembered, _ := store.Folders(ctx, e.objectHistoryFolder()) // what cannot be read says nothing
	found = slices.DeleteFunc(found, func(o Object) bool { return objectStack(o.Name) == "" })
	list := make([]Summary, len(found))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(objectReaders)
	for i, o := range found {
		g.Go(func() (err error) {
			list[i], err = e.objectSummary(gctx, store, o)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	e.rememberObjects(found, list)
	list = e.withMissingObjects(ctx, store, list, remembered)
	slices.SortFunc(list, func(a, b Summary) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(list, func(a, b Summary) bool { return a.Name == b.Name }), nil
}

// objectSummary is a stack's object in short. It is read only if it is not the one that
// was listed last: a screen asks every few seconds, for hundreds of stacks.
func (e *Engine) objectSummary(ctx context.Context, store Objects, o Object) (Summary, error) {
	e.mu.Lock()
	known, ok := e.objectStacks[o.Name]
	e.mu.Unlock()
	if ok && known.object.ETag == o.ETag && known.object.Modified.Equal(o.Modified) {
		return known.summary, nil
	}
	s := Summary{Name: objectStack(o.Name), Resources: -1, LastUpdate: o.Modified.UTC()}
	raw, err := store.Read(ctx, o.Name)
	if err != nil {
		return Summary{}, err
	}
	dep, err := decodeCheckpoint(s.Name, raw)
	switch {
	case err == nil:
		s.LastUpdate, s.Resources = dep.Manifest.Time.UTC(), countOf(dep.Resources)
	case !errors.Is(err, errForeign):
		s.Err = e.damagedObject(ctx, store, s.Name, o.Name, err)
	}
	return s, nil
}

// rememberObjects keeps what was listed, and forgets what was not. An object without an
// ETag may be another one of the same second.
func (e *Engine) rememberObjects(found []Object, list []Summary) {
	now := make(map[string]objectSummary, len(found))
	for i, o := range found {
		if o.ETag != "" {
			now[o.Name] = objectSummary{o, list[i]}
		}
	}
	e.mu.Lock()
	e.objectStacks = now
	e.mu.Unlock()
}

// keyedStore opens a store that keeps its stacks by project, see layoutOf; ok is false if it
// is another, or cannot be had: then the CLI says what is wrong. The error is that the store
// does not answer, or that ctx ended.
func (e *Engine) keyedStore(ctx context.Context) (store Objects, ok bool, err error) {
	if store, err = e.objects(ctx); err != nil {
		return nil, false, conclusive(ctx, err)
	}
	if ok, _, err = e.layoutOf(ctx, store); !ok {
		return nil, false, err
	}
	return store, true, nil
}

// conclusive is the error of a store, if the CLI could not do better.
func conclusive(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return &fault.Error{Kind: fault.KindOf(ctx.Err()), Op: "read the state backend", Msg: "stopped", Err: ctx.Err()}
	case errors.Is(err, ErrNoAnswer):
		return err
	}
	return nil
}

// objectsOf are a stack's checkpoints in a store: several after a change of the
// compression.
func (e *Engine) objectsOf(ctx context.Context, store Objects, stack string) ([]Object, error) {
	found, err := store.List(ctx, e.objectFolder()+stack+".json")
	return slices.DeleteFunc(found, func(o Object) bool { return objectStack(o.Name) != stack }), err
}

// objectExport reads a stack's checkpoint; ok is false if that is for the CLI to do. The
// error is that the stack does not exist, what is wrong with its object, or that of
// keyedStore.
func (e *Engine) objectExport(ctx context.Context, stack string) (dep *apitype.DeploymentV3, ok bool, err error) {
	store, ok, err := e.keyedStore(ctx)
	if !ok {
		return nil, false, err
	}
	found, err := e.objectsOf(ctx, store, stack)
	if err != nil {
		return nil, false, conclusive(ctx, err)
	}
	switch len(found) {
	case 0:
		if err := e.absentObject(ctx, store, stack); err != nil {
			return nil, true, err
		}
		return nil, false, nil
	case 1:
	default: // several forms: the CLI knows which is the newest
		return nil, false, nil
	}
	raw, err := store.Read(ctx, found[0].Name)
	if err != nil {
		return nil, false, conclusive(ctx, err)
	}
	dep, err = decodeCheckpoint(stack, raw)
	if errors.Is(err, errForeign) {
		return nil, false, nil
	}
	if err != nil {
		return nil, true, e.damagedObject(ctx, store, stack, found[0].Name, err)
	}
	return dep, true, nil
}

// objectListNow is objectList; ok is false if the list is for the CLI to make. The error is
// that of keyedStore.
func (e *Engine) objectListNow(ctx context.Context) (list []Summary, ok bool, err error) {
	if _, ok, err := e.keyedStore(ctx); !ok {
		return nil, false, err
	}
	var locks map[string][]Lock
	var g errgroup.Group
	g.Go(func() (err error) {
		locks, _, err = e.locksNow(ctx)
		return err
	})
	list, err = e.objectList(ctx)
	unheard := g.Wait()
	switch {
	case err != nil:
		return nil, false, conclusive(ctx, err)
	case unheard != nil:
		return nil, false, unheard
	}
	e.hold(list, locks)
	return list, true, nil
}

// objectHistory reads a stack's history as fileHistory does; ok is false if that is for
// the CLI to do. The error is that there is no such stack, or that of keyedStore.
func (e *Engine) objectHistory(ctx context.Context, stack string, limit int) (updates []Update, ok bool, err error) {
	store, ok, err := e.keyedStore(ctx)
	if !ok {
		return nil, false, err
	}
	stacks, err := e.objectsOf(ctx, store, stack)
	switch {
	case err != nil:
		return nil, false, conclusive(ctx, err)
	case len(stacks) == 0:
		return nil, false, e.absentObject(ctx, store, stack)
	}
	updates, err = e.objectUpdates(ctx, store, stack, limit)
	if err != nil {
		return nil, false, conclusive(ctx, err)
	}
	return updates, true, nil
}

// objectUpdates are the entries of a stack's history in a store.
func (e *Engine) objectUpdates(ctx context.Context, store Objects, stack string, limit int) ([]Update, error) {
	entries, err := store.List(ctx, e.objectHistoryFolder()+stack+"/")
	if err != nil {
		return nil, err
	}
	entries = slices.DeleteFunc(entries, func(o Object) bool { return !historyEntry.MatchString(o.Name) })
	slices.SortFunc(entries, func(a, b Object) int { return strings.Compare(b.Name, a.Name) })
	of := len(entries)
	if limit > 0 && of > limit {
		entries = entries[:limit]
	}
	updates := make([]Update, len(entries))
	var g errgroup.Group
	g.SetLimit(objectReaders)
	for i, o := range entries {
		g.Go(func() error {
			raw, err := store.Read(ctx, o.Name)
			updates[i] = updateOf(raw, err, of-i, store.URL(o.Name), func() time.Time { return o.Modified })
			return conclusive(ctx, err) // what cannot be read for another reason is an entry all the same
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return updates, nil
}

// objectStack is the stack whose checkpoint an object is, "" if it is something else.
func objectStack(object string) string {
	for _, suffix := range stateSuffixes {
		if name, ok := strings.CutSuffix(path.Base(object), suffix); ok && checkName(name) == nil {
			return name
		}
	}
	return ""
}

// objectDamage says what is wrong with a stack's object, nil if it is well or not
// known: then the CLI's own error stands.
func (e *Engine) objectDamage(ctx context.Context, stack string) error {
	store, err := e.objects(ctx)
	if err != nil {
		return nil //nolint:nilerr // not known, see above
	}
	for _, suffix := range stateSuffixes {
		name := e.objectFolder() + stack + suffix
		raw, err := store.Read(ctx, name)
		if err != nil {
			continue
		}
		if _, err := decodeCheckpoint(stack, raw); err != nil && !errors.Is(err, errForeign) {
			return e.damagedObject(ctx, store, stack, name, err)
		}
		return nil
	}
	return nil
}
