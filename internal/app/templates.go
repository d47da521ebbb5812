package app

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/check"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/templates"
)

// TemplateFolder is the folder of one template, which may be broken.
type TemplateFolder struct {
	// Name is that of the folder; Shown is how a user would call it.
	Name, Shown string
	FS          fs.FS
}

// CheckTemplates checks templates: those of the folders and names given, or all
// that there are. A folder may hold one template or several.
func (a *App) CheckTemplates(args []string) ([]check.Report, error) {
	folders, err := a.templateFolders(args)
	if err != nil {
		return nil, err
	}
	opts := checkOptions()
	reports := make([]check.Report, len(folders))
	for i, f := range folders {
		reports[i] = check.Template(f.FS, f.Shown, opts)
	}
	return reports, nil
}

// templateFolders finds what is to be checked.
func (a *App) templateFolders(args []string) ([]TemplateFolder, error) {
	all := builtinFolders()
	for _, dir := range filepath.SplitList(a.opts.Settings.String(settings.Templates)) {
		own, err := foldersIn(dir)
		if err != nil {
			return nil, err
		}
		all = append(all, own...)
	}
	if len(args) == 0 {
		return all, nil
	}
	var out []TemplateFolder
	for _, arg := range args {
		if info, err := os.Stat(arg); err == nil && info.IsDir() {
			in, err := foldersIn(arg)
			if err != nil {
				return nil, err
			}
			out = append(out, in...)
			continue
		}
		f, err := named(arg, all)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// named finds a template by the name of its folder, the last one first: it takes
// the place of those before.
func named(name string, all []TemplateFolder) (TemplateFolder, error) {
	var names []string
	for i := len(all) - 1; i >= 0; i-- {
		names = append(names, all[i].Name)
		if all[i].Name == name {
			return all[i], nil
		}
		// One that is wrong has its name all the same, most often; what is wrong is said
		// by who reads it in earnest.
		if t, _ := spec.ReadTemplate(all[i].FS, all[i].Shown); t != nil && t.Name == name {
			return all[i], nil
		}
	}
	if strings.ContainsRune(name, filepath.Separator) {
		return TemplateFolder{}, fault.New(fault.NotFound, "there is no folder %s", name).
			WithHint("Create it with `pipelinetui templates new %s`.", name)
	}
	e := fault.New(fault.NotFound, "there is no template and no folder %q", name)
	if s := spec.Suggest(name, names); s != "" {
		return TemplateFolder{}, e.WithHint("Did you mean %q?", s)
	}
	return TemplateFolder{}, e.WithHint("Give a folder, or one of %s.", strings.Join(names, ", "))
}

func builtinFolders() []TemplateFolder {
	var out []TemplateFolder
	for _, name := range BuiltinTemplates() {
		sub, err := fs.Sub(templates.FS, name)
		if err != nil {
			continue // only for names that are no paths
		}
		out = append(out, TemplateFolder{Name: name, Shown: "templates/" + name, FS: sub})
	}
	return out
}

// BuiltinTemplates are the names of the templates that the program brings along.
func BuiltinTemplates() []string {
	entries, err := fs.ReadDir(templates.FS, ".")
	if err != nil {
		return nil // an embedded folder can be read
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// foldersIn returns the template in a folder, or those one level below.
func foldersIn(dir string) ([]TemplateFolder, error) {
	one := func(dir string) TemplateFolder {
		name := filepath.Base(dir)
		if abs, err := filepath.Abs(dir); err == nil {
			name = filepath.Base(abs)
		}
		return TemplateFolder{Name: name, Shown: filepath.ToSlash(filepath.Clean(dir)), FS: os.DirFS(dir)}
	}
	holds := func(dir, file string) bool {
		_, err := os.Stat(filepath.Join(dir, file))
		return err == nil
	}
	if holds(dir, spec.TemplateFile) || holds(dir, spec.DefinitionFile) {
		return []TemplateFolder{one(dir)}, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		kind := fault.Invalid
		if errors.Is(err, fs.ErrNotExist) {
			kind = fault.NotFound
		}
		return nil, fault.New(kind, "the folder %s can't be read: %s", dir, fault.Reason(err)).WithHint("Correct the path, or create it with `pipelinetui templates new`.").Because(err)
	}
	var out []TemplateFolder
	for _, e := range entries {
		if sub := filepath.Join(dir, e.Name()); e.IsDir() && holds(sub, spec.TemplateFile) {
			out = append(out, one(sub))
		}
	}
	if len(out) == 0 {
		return nil, fault.New(fault.NotFound, "the folder %s holds no template", dir).
			WithHint("Create one with `pipelinetui templates new %s`.", filepath.Join(dir, "my-template"))
	}
	return out, nil
}

// checkOptions tell the check what the blocks of package program are.
func checkOptions() check.Options {
	o := check.Options{Provided: program.Provided(), Integrations: program.Integrations(), Trial: trial}
	for _, b := range program.Blocks() {
		o.Blocks = append(o.Blocks, check.Block{
			Name: b.Name, Title: b.Title, Needs: b.Needs, Requires: b.Requires, Reads: b.Reads, Provides: b.Provides, Exports: b.Exports,
		})
	}
	return o
}

// anyAccount stands for the account that a template will be used in.
const anyAccount = "000000000000"

// trial makes the program of a pipeline out of defaults and examples, as `up`
// would, and does not run it.
func trial(t *spec.Template) error {
	p, ok, err := spec.Trial(t, sandboxRegion)
	if err != nil || !ok {
		return err
	}
	partition, _ := spec.Partition(sandboxRegion)
	_, err = program.Pipeline(p, t, program.Env{Account: anyAccount, Region: sandboxRegion, Partition: partition})
	return err
}
