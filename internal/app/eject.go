package app

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/program/eject"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// Ejected is a Pulumi project made of a pipeline.
type Ejected struct {
	ID      spec.ID
	Stack   string
	Backend string
	// Dir is its folder, absolute.
	Dir       string
	Resources int
	// Files are paths in Dir, sorted.
	Files []string
	// Secrets are the keys of its secret values in the stack's config.
	Secrets []string
	// Sandbox tells that it needs `sandbox exec`.
	Sandbox bool
}

// Eject writes a Pulumi project for an existing pipeline into dir, which must not
// exist or be empty; with force an older project there is replaced, and other files
// stay. A new folder appears whole or not at all. The pipeline and its stack are not
// touched.
func (a *App) Eject(ctx context.Context, id spec.ID, dir string, force bool) (*Ejected, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fault.New(fault.Invalid, "find %s: %v", dir, err).Because(err)
	}
	if _, err := outside.Do(ctx, dir, func() (struct{}, error) { return struct{}{}, vacant(dir, force) }); err != nil {
		return nil, err
	}
	t, err := a.Target(ctx)
	if err != nil {
		return nil, err
	}
	x, err := a.Find(ctx, id)
	if err != nil {
		return nil, err
	}
	rec, p, err := a.record(ctx, t, x)
	if err != nil {
		return nil, err
	}
	tmp, err := scratchBeside(dir)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	out := &Ejected{ID: id, Stack: p.StackName(), Backend: a.Backend(), Dir: dir, Sandbox: t.attached}
	keys := x.State.SecretsProvider
	if keys == "" {
		keys = a.opts.Settings.String(settings.SecretsProvider)
	}
	if err := a.writeProject(ctx, t, p, rec, tmp, keys, out); err != nil {
		return nil, err
	}
	return out, settle(tmp, dir)
}

// record takes down the program that `up` would run for the pipeline today.
func (a *App) record(ctx context.Context, t *Target, x *Existing) (*program.Recording, *spec.Pipeline, error) {
	p, err := a.Rebuild(ctx, x, spec.Overrides{})
	if err != nil {
		return nil, nil, err
	}
	tmpl, err := a.TemplateOf(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	env := t.programEnv(p)
	objects := a.lookUp(ctx, t, Request{Operation: stack.OperationPreview, Pipelines: []*spec.Pipeline{p}})
	if env.Objects, err = objects.of(p, tmpl); err != nil {
		return nil, nil, err
	}
	env.ImageDigest = objects.images.of(p, tmpl)
	if env.Secrets, err = a.readReferences(ctx, t, stack.OperationPreview, []*spec.Pipeline{p}).of(p, tmpl); err != nil {
		return nil, nil, err
	}
	env.Revise = currentRevision(x.State)
	rec, err := program.Record(ctx, p, tmpl, env)
	return rec, p, err
}

// writeProject writes everything into tmp; keys is the kind of the secrets' key.
func (a *App) writeProject(ctx context.Context, t *Target, p *spec.Pipeline, rec *program.Recording, tmp, keys string, out *Ejected) error {
	e, err := a.Engine(ctx)
	if err != nil {
		return err
	}
	o := eject.Options{Pipeline: p.ID.String(), Project: Project, Stack: out.Stack, Readme: eject.Readme{
		SecretsProvider: keys, Sandbox: t.attached, Account: t.Account,
	}}
	if url := a.backendURL(); e.Backend() == url { // else it has a password in it
		o.Backend = url
	}
	out.Backend = e.Backend()
	if !a.inheritsPassphrase() {
		o.Readme.Passphrase = a.opts.Settings.Paths.Passphrase()
	}
	res, err := eject.Write(tmp, rec, o)
	if err != nil {
		return err
	}
	values := t.config(p)
	for key, value := range res.Secrets {
		values[Project+":"+key] = stack.ConfigValue{Value: value, Secret: true}
		out.Secrets = append(out.Secrets, key)
	}
	slices.Sort(out.Secrets)
	if err := e.WriteSettings(ctx, out.Stack, tmp, values); err != nil {
		return err
	}
	out.Resources = res.Resources
	out.Files = slices.Sorted(slices.Values(append(slices.Clone(res.Files), "Pulumi."+out.Stack+".yaml")))
	return nil
}

// vacant refuses a folder that holds something.
func vacant(dir string, force bool) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fault.New(fault.Invalid, "%s is not a folder that can be read", dir).Because(err).WithHint("Name another folder.")
	case len(entries) > 0 && !force:
		return fault.New(fault.Invalid, "the folder %s is not empty", dir).
			WithHint("Name a folder that does not exist, or add --force to replace the project in this one.")
	}
	return nil
}

// scratchBeside makes a folder on the same file system as dir.
func scratchBeside(dir string) (string, error) {
	parent := filepath.Dir(dir)
	err := os.MkdirAll(parent, 0o755) // the parent of a project of the user's
	if err == nil {
		var tmp string
		if tmp, err = os.MkdirTemp(parent, ".eject-*"); err == nil {
			return tmp, os.Chmod(tmp, 0o755) // as above
		}
	}
	return "", outside.WriteFault("the folder", parent, err)
}

// settle puts the finished project in its place: as a whole if nothing is there, and
// else file by file and folder by folder, Pulumi.yaml last. What else is in the
// folder, such as .git, stays.
func settle(tmp, dir string) error {
	bad := func(err error) error {
		return fault.New(fault.Invalid, "the project can't be put into %s: %v", dir, fault.Reason(err)).Because(err).WithHint("Name another folder.")
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := os.Rename(tmp, dir); err != nil {
			return bad(err)
		}
		return nil
	}
	entries, err := os.ReadDir(tmp)
	if err != nil {
		return bad(err)
	}
	slices.SortStableFunc(entries, func(a, b fs.DirEntry) int {
		last := func(e fs.DirEntry) int { return map[bool]int{true: 1}[e.Name() == "Pulumi.yaml"] }
		return last(a) - last(b)
	})
	old := filepath.Join(tmp, ".replaced")
	if err := os.Mkdir(old, 0o700); err != nil {
		return bad(err)
	}
	for _, e := range entries {
		to := filepath.Join(dir, e.Name())
		if err := os.Rename(to, filepath.Join(old, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return bad(err)
		}
		if err := os.Rename(filepath.Join(tmp, e.Name()), to); err != nil {
			return bad(err)
		}
	}
	return nil
}
