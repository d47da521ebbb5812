package stack

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

func (e *Engine) objectHistoryFolder() string { return ".pulumi/history/" + e.opts.Project + "/" }

// absentObject is absentFault on an object store.
func (e *Engine) absentObject(ctx context.Context, store Objects, stack string) error {
	updates, err := e.objectUpdates(ctx, store, stack, 1)
	if err != nil {
		return conclusive(ctx, err)
	}
	copies := func() []Copy { return e.copiesIn(ctx, store, stack, "", nil) }
	if why := e.missingAfter(stack, updates, copies); why != nil {
		return e.damagedObject(ctx, store, stack, e.objectFolder()+stack+".json", why)
	}
	return notFound(stack)
}

// withMissingObjects adds the stacks that have a history, and no state. A stack of which that
// cannot be told is none.
func (e *Engine) withMissingObjects(ctx context.Context, store Objects, list []Summary, remembered []string) []Summary {
	known := make(map[string]bool, len(list))
	for _, s := range list {
		known[s.Name] = true
	}
	names := slices.DeleteFunc(remembered, func(name string) bool { return known[name] || checkName(name) != nil })
	found := make([]Summary, len(names))
	var g errgroup.Group
	g.SetLimit(objectReaders)
	for i, name := range names {
		g.Go(func() error {
			if there, err := e.objectsOf(ctx, store, name); err != nil || len(there) > 0 {
				return nil //nolint:nilerr // made just now, or not known
			}
			if err := e.absentObject(ctx, store, name); fault.KindOf(err) == fault.Damaged {
				found[i] = Summary{Name: name, Resources: -1, Err: err}
			}
			return nil
		})
	}
	_ = g.Wait() // none returns an error
	return append(list, slices.DeleteFunc(found, func(s Summary) bool { return s.Err == nil })...)
}

// copiesIn finds what can take the place of a stack's state, the best first. state is the name
// of what is there now, "" if nothing is; usable, if not nil, refuses some.
func (e *Engine) copiesIn(ctx context.Context, store Objects, stack, state string, usable usableState) []Copy {
	var out []Copy
	for _, suffix := range stateSuffixes {
		out = append(out, firstIntact(ctx, store, stack, usable, []string{e.objectFolder() + stack + suffix + ".bak"})...)
	}
	for _, x := range [][2]string{{"history", stack + "-*.checkpoint.json*"}, {"backups", stack + ".*.json*"}} {
		list, _ := store.List(ctx, path.Join(".pulumi", x[0], e.opts.Project, stack)+"/") // what cannot be listed holds no copy
		var names []string
		for _, o := range list {
			if ok, _ := path.Match(x[1], path.Base(o.Name)); ok { // the pattern is ours
				names = append(names, o.Name)
			}
		}
		slices.Sort(names) // they hold nanoseconds of one width
		slices.Reverse(names)
		out = append(out, firstIntact(ctx, store, stack, usable, names)...)
	}
	slices.SortStableFunc(out, func(a, b Copy) int { return b.Made.Compare(a.Made) })
	if state == "" {
		return out
	}
	raw, err := store.Read(ctx, state)
	if err != nil {
		return out
	}
	c, ok := salvage(stack, store.URL(state), raw)
	if ok && usable != nil {
		dep, err := decodeCheckpoint(stack, c.content)
		ok = err == nil && usable(dep) == nil
	}
	switch {
	case !ok:
	case c.DroppedResources == 0:
		out = slices.Insert(out, 0, c)
	default:
		out = append(out, c)
	}
	return out
}

// objectState is the name of a stack's state in a store: of several forms the newest, "" if
// there is none.
func (e *Engine) objectState(ctx context.Context, store Objects, stack string) (string, error) {
	found, err := e.objectsOf(ctx, store, stack)
	if err != nil || len(found) == 0 {
		return "", err
	}
	return slices.MaxFunc(found, func(a, b Object) int { return a.Modified.Compare(b.Modified) }).Name, nil
}

// restoreObject puts a copy in the place of a state in a store, and returns where what was
// there is kept.
func (e *Engine) restoreObject(ctx context.Context, store Objects, stack, state string, c Copy) (aside string, err error) {
	name := state
	if state == "" {
		name = e.objectFolder() + stack + ".json"
	} else {
		raw, err := store.Read(ctx, state)
		if err != nil {
			return "", fmt.Errorf("keep the damaged state: %w", err)
		}
		kept := asideOf(state)
		if err := store.Write(ctx, kept, raw, true); err != nil {
			return "", fmt.Errorf("keep the damaged state: %w", err)
		}
		aside = store.URL(kept)
	}
	return aside, store.Write(ctx, name, c.content, state == "")
}

// damagedObject is the error about an object of a stack that cannot be used.
func (e *Engine) damagedObject(ctx context.Context, store Objects, stack, name string, why error) error {
	err := fault.New(fault.Damaged, "the state of %s is damaged: %s: %v. What it has made still exists, but is not recorded", stack, store.URL(name), why).Because(why)
	state, _ := e.objectState(ctx, store, stack) // what cannot be listed cannot be restored either
	of := pipelineName(stack)
	if copies := e.copiesIn(ctx, store, stack, state, nil); len(copies) > 0 {
		return err.WithHint("Run `pipelinetui cancel %s --restore` to put %s in its place, then `pipelinetui refresh %s` to see what has changed since.%s",
			of, copies[0], of, onPurpose(state, store.URL(e.objectHistoryFolder()+stack)))
	}
	return err.WithHint("There is no copy of it that can be used: put an earlier version of the object in its place, if the bucket keeps versions. Else move it away, and %s, and delete "+
		"by hand what begins with ptui-%s.", store.URL(e.objectHistoryFolder()+stack), strings.ReplaceAll(stack, ".", "-"))
}

// onPurpose is what else can be done where a state is missing since somebody took it away.
func onPurpose(state, history string) string {
	if state != "" {
		return ""
	}
	return fmt.Sprintf(" If it was removed on purpose, remove its history too: %s.", history)
}
