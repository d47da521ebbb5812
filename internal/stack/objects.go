package stack

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// Objects reads the objects of a backend that is an object store. The CLI gives up
// on all stacks if the state of one cannot be read, so that somebody else has to
// look. Names begin with ".pulumi/". Implementations are safe for concurrent use.
type Objects interface {
	// List returns the objects below a prefix that ends in a slash.
	List(ctx context.Context, prefix string) ([]Object, error)
	Read(ctx context.Context, name string) ([]byte, error)
	// URL is where an object is, for people: "s3://bucket/.pulumi/...".
	URL(name string) string
}

// Object is one object of a backend.
type Object struct {
	Name     string
	Modified time.Time
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
	found = slices.DeleteFunc(found, func(o Object) bool { return objectStack(o.Name) == "" })
	list := make([]Summary, len(found))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(objectReaders)
	for i, o := range found {
		g.Go(func() error {
			s := Summary{Name: objectStack(o.Name), Resources: -1, LastUpdate: o.Modified.UTC()}
			raw, err := store.Read(gctx, o.Name)
			if err != nil {
				return err
			}
			dep, err := decodeCheckpoint(s.Name, raw)
			switch {
			case err == nil:
				s.LastUpdate, s.Resources = dep.Manifest.Time.UTC(), len(dep.Resources)
			case !errors.Is(err, errForeign):
				s.Err = e.damagedObject(store, s.Name, o.Name, err)
			}
			list[i] = s
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b Summary) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(list, func(a, b Summary) bool { return a.Name == b.Name }), nil
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
			return e.damagedObject(store, stack, name, err)
		}
		return nil
	}
	return nil
}

func (e *Engine) damagedObject(store Objects, stack, name string, why error) error {
	return fault.New(fault.Damaged, "the state of %s is damaged: %s: %v. What it has made still exists, but is not recorded", stack, store.URL(name), why).Because(why).
		WithHint("Put an earlier version of the object in its place, or the copy that the engine keeps beside it (`aws s3 cp %s.bak %s`); then run `pipelinetui refresh %s` to see what has changed since.",
			store.URL(name), store.URL(name), pipelineName(stack))
}
