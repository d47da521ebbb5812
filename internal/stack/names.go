package stack

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

// Glance looks at a backend without an engine, as a shell does at every press of the tab
// key: no process is started, and neither file nor folder is made. That is possible for
// file backends and for object stores that Objects reads; of any other nothing is known. It
// is safe for concurrent use.
type Glance struct{ engine *Engine }

// NewGlance needs the Backend of the options, and takes their Project and Objects. The error
// is that of NormalBackend.
func NewGlance(opts Options) (*Glance, error) {
	backend, err := NormalBackend(opts.Backend)
	if err != nil {
		return nil, err
	}
	return &Glance{&Engine{opts: Options{Backend: backend, Project: cmp.Or(opts.Project, DefaultProject), Objects: opts.Objects}}}, nil
}

// State is Engine.State. That it cannot be read like this is errors.ErrUnsupported.
func (g *Glance) State(ctx context.Context, stack string) (*State, error) {
	if err := checkName(stack); err != nil {
		return nil, err
	}
	found, err := onDisk(ctx, g.engine, func() (told[*apitype.DeploymentV3], error) {
		dep, ok, err := g.engine.fileExport(stack)
		return told[*apitype.DeploymentV3]{dep, ok}, err
	})
	if err == nil && !found.known {
		found.value, found.known, err = g.engine.objectExport(ctx, stack)
	}
	switch {
	case err != nil:
		return nil, err
	case !found.known:
		return nil, errors.ErrUnsupported
	}
	return stateOf(stack, found.value, false), nil
}

// Names lists the stacks by their names alone, without reading their states: it costs what
// listing a folder does. ok is false where that is not possible. A backend that does not
// exist has no stacks.
func (g *Glance) Names(ctx context.Context) (names []string, ok bool) {
	if _, file := fileBackend(g.engine.opts.Backend); !file {
		return g.engine.objectNames(ctx)
	}
	found, err := onDisk(ctx, g.engine, func() (told[[]string], error) {
		names, ok := g.engine.fileNames()
		return told[[]string]{names, ok}, nil
	})
	return found.value, err == nil && found.known
}

func (e *Engine) objectNames(ctx context.Context) (names []string, ok bool) {
	store, ok, err := e.keyedStore(ctx)
	if err != nil || !ok {
		return nil, false
	}
	list, err := store.List(ctx, e.objectFolder())
	for _, o := range list {
		if name := objectStack(o.Name); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, err == nil
}

func (e *Engine) fileNames() (names []string, ok bool) {
	root, ok := fileBackend(e.opts.Backend)
	if !ok {
		return nil, false
	}
	entries, err := os.ReadDir(filepath.Join(root, ".pulumi", "stacks", e.opts.Project))
	if err != nil {
		return nil, errors.Is(err, fs.ErrNotExist)
	}
	for _, entry := range entries {
		if name := stateName(entry); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, true
}
