package app

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/pipelinetui/pipelinetui/internal/artifacts"
	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/outside"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// Rebuild returns an existing pipeline as it was asked for, secrets included, with set
// ("name=value") on top. What was on another machine need not be here: a template that
// is not known is that of the stack, and local artifacts that are gone are taken from
// the pipeline's bucket. What is here is used.
func (a *App) Rebuild(ctx context.Context, x *Existing, over spec.Overrides) (*spec.Pipeline, error) {
	doc, err := a.Spec(ctx, x)
	if err == nil && doc == nil {
		err = x.Err
	}
	if err != nil {
		return nil, err
	}
	if doc == nil {
		return nil, fault.New(fault.NotFound, "the stack of %s holds no spec any more: it was destroyed meanwhile", x.ID).
			WithHint("Run `pipelinetui up -f` with its spec to make it anew.")
	}
	cat, err := outside.Do(ctx, "the template of "+x.ID.String(), func() (*spec.Catalog, error) { return a.catalogFor(ctx, x) })
	if err != nil {
		return nil, err
	}
	o := a.SpecOptions(nil).With(over)
	if o.Copies, err = a.fetchCopies(ctx, cat, doc, o); err != nil {
		return nil, err
	}
	// It looks at the files that the parameters name.
	return outside.Do(ctx, "the files of "+x.ID.String(), func() (*spec.Pipeline, error) { return spec.FromDocument(doc, cat, o) })
}

// TemplateOf returns the template of a pipeline: that of the catalog or, where there is
// none, that of its stack, once the stack was read.
func (a *App) TemplateOf(ctx context.Context, p *spec.Pipeline) (*spec.Template, error) {
	pinned, _ := a.pinned.Load(p)
	if t, ok := pinned.(*spec.Template); ok {
		return t, nil
	}
	cat, err := a.Catalog(ctx)
	if err != nil {
		return nil, err
	}
	t, err := cat.Lookup(p.Template)
	if err == nil {
		return t, nil
	}
	a.broughtMu.Lock()
	defer a.broughtMu.Unlock()
	if own := a.brought[p.ID]; own != nil && own.Name == p.Template {
		return own, nil
	}
	// A new pipeline like one that brought its template: if all that have brought one of
	// this name mean the same (the folder is named by what is in it).
	var like *spec.Template
	for _, t := range a.brought {
		switch {
		case t.Name != p.Template:
		case like != nil && like.Origin != t.Origin:
			return nil, fault.New(fault.Conflict, "several stacks have a template %s of their own, and they differ", p.Template).
				WithHint("Name the folder of the one that is meant with --templates or PIPELINETUI_TEMPLATES.")
		default:
			like = t
		}
	}
	if like != nil {
		return like, nil
	}
	return nil, err
}

// catalogFor is the catalog with the template of a stack, if no folder has it: what the
// stack brings along is not looked at unless it is needed.
func (a *App) catalogFor(ctx context.Context, x *Existing) (*spec.Catalog, error) {
	cat, err := a.Catalog(ctx)
	if err != nil || x.State == nil || x.State.Template == nil {
		return cat, err
	}
	p, err := spec.ReadDocument(x.State.Spec)
	if err != nil {
		return cat, nil // those who read it in earnest say it
	}
	if _, err := cat.Lookup(p.Template); err == nil {
		return cat, nil
	}
	t, err := a.templateIn(x.State)
	if err != nil {
		return nil, err
	}
	if t.Name != p.Template {
		return cat, nil // another one: it is missing
	}
	a.broughtMu.Lock()
	defer a.broughtMu.Unlock()
	a.brought[x.ID] = t
	return cat.With(t), nil
}

// templateIn reads the template that a stack has with it. Its files are put into a
// folder: the engine reads some of them there. Damaged is only what is wrong in the
// stack, not what is wrong here.
func (a *App) templateIn(s *stack.State) (*spec.Template, error) {
	return a.templateFrom(s.Template, "the stack "+s.Stack)
}

// templateFrom is templateIn for the files themselves; where says what has them.
func (a *App) templateFrom(raw []byte, where string) (*spec.Template, error) {
	const byFolder = "Name the folder of the template with --templates or PIPELINETUI_TEMPLATES."
	files, err := templateFiles(raw)
	if err != nil {
		return nil, fault.New(fault.Damaged, "the template in %s can't be read: %v", where, err).Because(err).WithHint(byFolder)
	}
	fill := func(tmp string) error {
		for _, name := range slices.Sorted(maps.Keys(files)) {
			if err := putFile(tmp, name, files[name]); err != nil {
				return err
			}
		}
		return nil
	}
	whole := func(dir string) (bool, error) {
		for name, data := range files {
			here, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
			if err != nil || !bytes.Equal(here, data) {
				return false, err
			}
		}
		return true, nil
	}
	dir, err := a.cached("templates", program.DigestOf(raw), fill, whole)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the template of %s can't be put into a folder here: %v", where, err).Because(err).
			WithHint("Make the folder writable for you, or set PIPELINETUI_HOME to another one.")
	}
	t, err := spec.LoadTemplate(os.DirFS(dir), "template in "+where)
	if err != nil {
		return nil, fault.New(fault.Unsupported, "the template in %s is none for this version of pipelinetui: %v", where, err).Because(err).
			WithHint("Use the version that made the pipeline, or a newer one. %s", byFolder)
	}
	t.Origin = dir
	return t, nil
}

// templateFiles decodes the files of a template as a stack has them.
func templateFiles(raw []byte) (map[string][]byte, error) {
	var coded map[string]json.RawMessage
	if err := json.Unmarshal(raw, &coded); err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for name, one := range coded {
		data, err := templateFile(one)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		if err := checkPath(name); err != nil {
			return nil, err
		}
		out[name] = data
	}
	return out, nil
}

// templateFile decodes a file as the stack has it.
func templateFile(raw json.RawMessage) ([]byte, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []byte(text), nil
	}
	var coded struct{ Hex *string }
	if err := json.Unmarshal(raw, &coded); err != nil {
		return nil, err
	}
	if coded.Hex == nil {
		return nil, errors.New("it is neither a text nor {\"hex\": ...}")
	}
	return hex.DecodeString(*coded.Hex)
}

var errPath = errors.New("it names a file outside its folder")

// checkPath tells whether a name is that of a file below a folder.
func checkPath(name string) error {
	if !fs.ValidPath(name) || name == "." {
		return fmt.Errorf("%q: %w", name, errPath)
	}
	return nil
}

// putFile writes a file below a folder, whatever its name says.
func putFile(dir, name string, data []byte) error {
	if err := checkPath(name); err != nil {
		return err
	}
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

// cached returns a folder of this name, which fill fills if it is not there yet or whole
// does not find in it what belongs there. It is there whole or not at all.
func (a *App) cached(kind, name string, fill func(tmp string) error, whole func(dir string) (bool, error)) (string, error) {
	dir := filepath.Join(a.opts.Settings.Paths.Home, "cache", kind, name)
	_, err := os.Lstat(dir)
	there := err == nil
	if there {
		if ok, err := whole(dir); ok && err == nil {
			return dir, nil
		}
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".new-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	made := filepath.Join(tmp, "new")
	if err := os.Mkdir(made, 0o700); err != nil {
		return "", err
	}
	if err := fill(made); err != nil {
		return "", err
	}
	if there { // somebody has changed it
		if err := os.Rename(dir, filepath.Join(tmp, "old")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	if err := os.Rename(made, dir); err != nil {
		if ok, _ := whole(dir); ok {
			return dir, nil // another process was faster
		}
		return "", err
	}
	return dir, nil
}

// fetchCopies finds the artifacts of a stored spec that are not on this machine any
// more, and gets their copies from the pipeline's bucket.
func (a *App) fetchCopies(ctx context.Context, cat *spec.Catalog, doc []byte, o spec.Options) (map[string]string, error) {
	set := o.Set
	o.Set, o.SkipFiles = nil, true
	p, err := spec.FromDocument(doc, cat, o)
	if err != nil {
		return nil, nil //nolint:nilerr // said when it is read in earnest, with what is set
	}
	out := map[string]string{}
	var errs fault.List
	for _, name := range slices.Sorted(maps.Keys(p.Files)) {
		local := p.Files[name]
		_, err := outside.Do(ctx, local, func() (fs.FileInfo, error) { return os.Stat(local) })
		if ctx.Err() != nil {
			return nil, err
		}
		if !errors.Is(err, fs.ErrNotExist) || spec.Sets(set, name) {
			continue
		}
		kept, ok := p.Kept[name]
		if !ok {
			errs = append(errs, missing(p, name, local, errors.New("its stack has no copy of it: it was made by an older version")))
			continue
		}
		if out[name], err = a.fetchCopy(ctx, p, kept); err != nil {
			errs = append(errs, missing(p, name, local, err))
		}
	}
	return out, errs.OrNil()
}

// missing is the error of an artifact that is nowhere.
func missing(p *spec.Pipeline, name, local string, err error) error {
	return fault.New(fault.Invalid, "%s: %s is not on this machine (%s), and %s", p.ID, name, local, err).Because(err).
		WithHint("Give it with --set %s=PATH, or run `pipelinetui up -f` with the pipeline's spec where its files are.", name)
}

// fetchCopy returns where the copy of an artifact is on this machine.
func (a *App) fetchCopy(ctx context.Context, p *spec.Pipeline, kept spec.Kept) (string, error) {
	t, err := a.Target(ctx)
	if err != nil {
		return "", err
	}
	bucket := p.Names(t.accountOf(p)).Bucket
	within := filepath.Base(kept.Object)
	if kept.Folder {
		within = "files"
	}
	whole := func(dir string) (bool, error) {
		return program.CheckCopy(filepath.Join(dir, within), kept.SHA256, kept.Folder)
	}
	fill := func(tmp string) error {
		cfg, err := t.awsConfig(ctx, p.Region, p.AssumeRole)
		if err != nil {
			return err
		}
		file := filepath.Join(tmp, filepath.Base(kept.Object))
		if err := artifacts.Download(ctx, artifacts.Client(cfg), bucket, kept.Object, file); err != nil {
			return fmt.Errorf("its copy s3://%s/%s can't be had: %w", bucket, kept.Object, awscfg.Classify(err))
		}
		if kept.Folder {
			if err := unzip(file, filepath.Join(tmp, within)); err != nil {
				return fmt.Errorf("its copy s3://%s/%s can't be unpacked: %w", bucket, kept.Object, err)
			}
		}
		if same, err := whole(tmp); err != nil || !same {
			return errors.Join(fmt.Errorf("its copy s3://%s/%s is not what was deployed", bucket, kept.Object), err)
		}
		return nil
	}
	dir, err := a.cached("artifacts", kept.SHA256, fill, whole)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, within), nil
}

// maxUnpacked bounds what a copy unpacks to: Lambda's limit of a function.
const maxUnpacked = 250 << 20

func unzip(file, dir string) error {
	z, err := zip.OpenReader(file)
	if err != nil {
		return err
	}
	defer func() { _ = z.Close() }() // it was only read
	left := int64(maxUnpacked)
	for _, f := range z.File {
		src, err := f.Open()
		if err != nil {
			return err
		}
		data, err := io.ReadAll(io.LimitReader(src, left+1))
		_ = src.Close() // it was only read
		if left -= int64(len(data)); err == nil && left < 0 {
			err = errors.New("it has more than 250 MB")
		}
		if err == nil {
			err = putFile(dir, f.Name, data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// keepCopies puts the code of a pipeline that was brought up into its bucket, where
// another machine finds it. The error is for a warning: the pipeline is up.
func (a *App) keepCopies(ctx context.Context, t *Target, p *spec.Pipeline) error {
	tmpl, err := a.TemplateOf(ctx, p)
	if err != nil {
		return err
	}
	copies, err := program.CodeCopies(p, tmpl)
	if err != nil || !tmpl.HasBlock("storage") {
		return err
	}
	e, err := a.Engine(ctx)
	if err != nil {
		return err
	}
	s, err := e.State(ctx, p.StackName())
	if err != nil {
		return err
	}
	if err := sameAsDeployed(copies, s.Spec); err != nil {
		return err
	}
	cfg, err := t.awsConfig(ctx, p.Region, p.AssumeRole)
	if err != nil {
		return err
	}
	client, bucket := artifacts.Client(cfg), p.Names(t.accountOf(p)).Bucket
	ledger, err := pipelines.Ledger(s)
	if err != nil {
		return err
	}
	for _, c := range copies {
		if artifacts.Stays(ctx, client, bucket, c.Key, neededSince(ledger, c.Key)) {
			continue
		}
		if err := a.keepCopy(ctx, client, bucket, c); err != nil {
			return fmt.Errorf("%s: %w", c.Parameter, awscfg.Classify(err))
		}
	}
	again := func(ctx context.Context) (*stack.State, error) { return e.State(ctx, p.StackName()) }
	return a.keepRevisions(ctx, s, again, tmpl, client, bucket)
}

// neededSince is when the newest revision began, if it is the only one that needs an object of
// the bucket: till then another machine may have seen that nothing does, and take it away.
func neededSince(l *revisions.Ledger, key string) time.Time {
	last := l.Last()
	if last == nil {
		return time.Time{}
	}
	others := revisions.Ledger{Revisions: maps.Clone(l.Revisions)}
	delete(others.Revisions, revisions.Key(last.Number))
	if others.Objects()[key] {
		return time.Time{}
	}
	return last.Begun
}

// sameAsDeployed tells whether the stored spec names these copies: the code may have been
// edited while the engine ran, and a copy is only good for what was deployed.
func sameAsDeployed(copies []program.Copy, doc []byte) error {
	deployed, err := spec.KeptIn(doc)
	if err != nil {
		return err
	}
	for _, c := range copies {
		if deployed[c.Parameter].SHA256 != c.Digest {
			return changedMeanwhile(c)
		}
	}
	return nil
}

func changedMeanwhile(c program.Copy) error {
	return fmt.Errorf("%s: %s was changed while the pipeline was brought up; bring it up again", c.Parameter, c.Local)
}

func (a *App) keepCopy(ctx context.Context, client *s3.Client, bucket string, c program.Copy) error {
	f, err := os.CreateTemp("", "pipelinetui-copy-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	err = c.Write(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if same, err := program.CheckCopy(c.Local, c.Digest, c.Folder); err != nil || !same {
		return errors.Join(changedMeanwhile(c), err)
	}
	info, err := os.Stat(f.Name())
	if err != nil {
		return err
	}
	store := artifacts.Store{API: client, Bucket: bucket}
	return store.Upload(ctx, []artifacts.File{{Path: f.Name(), Key: c.Key, Size: info.Size()}}, nil)
}
