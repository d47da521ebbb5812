package app

import (
	"archive/zip"
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

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/pipelinetui/pipelinetui/internal/artifacts"
	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// Rebuild returns an existing pipeline as it was asked for, secrets included, with set
// ("name=value") on top. What was on another machine need not be here: a template that
// is not known is that of the stack, and local artifacts that are gone are taken from
// the pipeline's bucket. What is here is used.
func (a *App) Rebuild(ctx context.Context, x *Existing, set []string) (*spec.Pipeline, error) {
	doc, err := a.Spec(ctx, x)
	if err != nil {
		return nil, err
	}
	if doc == nil {
		return nil, x.Err
	}
	cat, err := a.catalogFor(x)
	if err != nil {
		return nil, err
	}
	o := a.SpecOptions(set)
	if o.Copies, err = a.fetchCopies(ctx, cat, doc, o); err != nil {
		return nil, err
	}
	return spec.FromDocument(doc, cat, o)
}

// TemplateOf returns the template of a pipeline: that of the catalog or, where there is
// none, that of its stack, once the stack was read.
func (a *App) TemplateOf(p *spec.Pipeline) (*spec.Template, error) {
	cat, err := a.Catalog()
	if err != nil {
		return nil, err
	}
	t, err := cat.Lookup(p.Template)
	if err == nil {
		return t, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
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

// catalogFor is the catalog with the template of a stack, if no folder has it.
func (a *App) catalogFor(x *Existing) (*spec.Catalog, error) {
	cat, err := a.Catalog()
	if err != nil || x.State == nil || x.State.Template == nil {
		return cat, err
	}
	t, err := a.templateIn(x.State)
	if err != nil {
		return nil, err
	}
	if _, err := cat.Lookup(t.Name); err == nil {
		return cat, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.brought[x.ID] = t
	return cat.With(t), nil
}

// templateIn reads the template that a stack has with it. Its files are put into a
// folder: the engine reads some of them there.
func (a *App) templateIn(s *stack.State) (*spec.Template, error) {
	bad := func(err error) error {
		return fault.New(fault.Damaged, "the template in the stack %s can't be read: %v", s.Stack, err).Because(err).
			WithHint("Name the folder of the template with --templates or PIPELINETUI_TEMPLATES.")
	}
	var files map[string]json.RawMessage
	if err := json.Unmarshal(s.Template, &files); err != nil {
		return nil, bad(err)
	}
	dir, err := a.cached("templates", program.DigestOf(s.Template), func(tmp string) error {
		for _, name := range slices.Sorted(maps.Keys(files)) {
			data, err := templateFile(files[name])
			if err == nil {
				err = putFile(tmp, name, data)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, bad(err)
	}
	t, err := spec.LoadTemplate(os.DirFS(dir), "template in the stack "+s.Stack)
	if err != nil {
		return nil, bad(err)
	}
	t.Origin = dir
	return t, nil
}

// templateFile decodes a file as the stack has it.
func templateFile(raw json.RawMessage) ([]byte, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return []byte(text), nil
	}
	var bytes struct{ Hex string }
	if err := json.Unmarshal(raw, &bytes); err != nil {
		return nil, err
	}
	return hex.DecodeString(bytes.Hex)
}

var errPath = errors.New("it names a file outside its folder")

// putFile writes a file below a folder, whatever its name says.
func putFile(dir, name string, data []byte) error {
	if !fs.ValidPath(name) || name == "." {
		return fmt.Errorf("%q: %w", name, errPath)
	}
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

// cached returns a folder of this name, which fill fills if it is not there yet. It is
// there whole or not at all.
func (a *App) cached(kind, name string, fill func(tmp string) error) (string, error) {
	dir := filepath.Join(a.opts.Settings.Paths.Home, "cache", kind, name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".new-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := fill(tmp); err != nil {
		return "", err
	}
	if err := os.Rename(tmp, dir); err != nil {
		if _, there := os.Stat(dir); there == nil {
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
		if _, err := os.Stat(local); !errors.Is(err, fs.ErrNotExist) || spec.Sets(set, name) {
			continue
		}
		kept, ok := p.Kept[name]
		if !ok {
			errs = append(errs, missing(p, name, local, errors.New("its stack has no copy of it: it was made by an older version")))
			continue
		}
		if out[name], err = a.fetchCopy(ctx, p, name, kept); err != nil {
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
func (a *App) fetchCopy(ctx context.Context, p *spec.Pipeline, name string, kept spec.Kept) (string, error) {
	t, err := a.Target(ctx)
	if err != nil {
		return "", err
	}
	bucket := p.Names(t.accountOf(p)).Bucket
	dir, err := a.cached("artifacts", kept.SHA256, func(tmp string) error {
		cfg, err := awscfg.Load(ctx, t.loadFor(p.Region, p.AssumeRole))
		if err != nil {
			return err
		}
		file := filepath.Join(tmp, filepath.Base(kept.Object))
		if err := artifacts.Download(ctx, artifacts.Client(cfg), bucket, kept.Object, file); err != nil {
			return fmt.Errorf("its copy s3://%s/%s can't be had: %w", bucket, kept.Object, awscfg.Classify(err))
		}
		path := file
		if kept.Folder {
			path = filepath.Join(tmp, "files")
			if err := unzip(file, path); err != nil {
				return fmt.Errorf("its copy s3://%s/%s can't be unpacked: %w", bucket, kept.Object, err)
			}
		}
		if same, err := program.CheckCopy(path, kept.SHA256, kept.Folder); err != nil || !same {
			return errors.Join(fmt.Errorf("its copy s3://%s/%s is not what was deployed", bucket, kept.Object), err)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if kept.Folder {
		return filepath.Join(dir, "files"), nil
	}
	return filepath.Join(dir, filepath.Base(kept.Object)), nil
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
	tmpl, err := a.TemplateOf(p)
	if err != nil {
		return err
	}
	copies, err := program.Copies(p, tmpl)
	if err != nil {
		return err
	}
	copies = slices.DeleteFunc(copies, func(c program.Copy) bool { return c.Uploaded })
	if len(copies) == 0 {
		return nil
	}
	cfg, err := awscfg.Load(ctx, t.loadFor(p.Region, p.AssumeRole))
	if err != nil {
		return err
	}
	client, bucket := artifacts.Client(cfg), p.Names(t.accountOf(p)).Bucket
	for _, c := range copies {
		_, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &c.Key})
		if err == nil {
			continue
		}
		if err := a.keepCopy(ctx, client, bucket, c); err != nil {
			return fmt.Errorf("%s: %w", c.Parameter, awscfg.Classify(err))
		}
	}
	return nil
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
	info, err := os.Stat(f.Name())
	if err != nil {
		return err
	}
	store := artifacts.Store{API: client, Bucket: bucket}
	return store.Upload(ctx, []artifacts.File{{Path: f.Name(), Key: c.Key, Size: info.Size()}}, nil)
}
