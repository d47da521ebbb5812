package spec

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// The files of a template's folder.
const (
	TemplateFile   = "template.yaml"
	DefinitionFile = "statemachine.asl.json"
)

// Catalog is the templates that pipelines can be made of. Read-only.
type Catalog struct {
	templates []*Template // by name
}

// BuiltIn is the Origin of templates that the program brings along.
const BuiltIn = "built-in"

// With returns the catalog with one more template, which takes the place of one of the
// same name.
func (c *Catalog) With(t *Template) *Catalog {
	out := &Catalog{templates: slices.DeleteFunc(slices.Clone(c.templates), func(old *Template) bool { return old.Name == t.Name })}
	out.templates = append(out.templates, t)
	slices.SortFunc(out.templates, func(a, b *Template) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// LoadCatalog reads every template of builtin (one folder each) and those of
// dirs: a dir is the folder of one template or of several. A later template
// takes the place of an earlier one of the same name. Errors come as a
// fault.List, those of all templates at once.
func LoadCatalog(builtin fs.FS, dirs ...string) (*Catalog, error) {
	c := &Catalog{}
	var errs problems
	add := func(fsys fs.FS, shown, origin string) {
		t, wrong := ReadTemplate(fsys, shown)
		if len(wrong) > 0 {
			errs = append(errs, wrong...)
			return
		}
		t.Origin = origin
		c.templates = slices.DeleteFunc(c.templates, func(old *Template) bool { return old.Name == t.Name })
		c.templates = append(c.templates, t)
	}
	if builtin != nil {
		errs = append(errs, eachFolder(builtin, "templates", func(fsys fs.FS, shown string) { add(fsys, shown, BuiltIn) })...)
	}
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		if err != nil || !info.IsDir() {
			e := pos{}.problem(CodeArtifact, "there is no folder of templates %s", dir).WithHint("Correct the path, or create it with `pipelinetui templates new`.")
			if dead := (*fault.DeadLink)(nil); errors.As(fault.Reason(err), &dead) {
				e.Msg += ": " + dead.Error()
			}
			errs = append(errs, e.Because(err))
			continue
		}
		fsys := os.DirFS(dir)
		if _, err := fs.Stat(fsys, TemplateFile); err == nil {
			add(fsys, dir, dir)
			continue
		}
		errs = append(errs, eachFolder(fsys, dir, func(fsys fs.FS, shown string) { add(fsys, shown, shown) })...)
	}
	slices.SortFunc(c.templates, func(a, b *Template) int { return strings.Compare(a.Name, b.Name) })
	if len(errs) > 0 {
		return nil, errs.err()
	}
	return c, nil
}

// eachFolder calls f for every folder that holds a template.
func eachFolder(fsys fs.FS, shown string, f func(fsys fs.FS, shown string)) problems {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return problems{pos{}.problem(CodeArtifact, "the templates in %s can't be read: %s", shown, fault.Reason(err)).WithHint("Make the folder readable for you.").Because(err)}
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		sub, err := fs.Sub(fsys, e.Name())
		if err != nil {
			continue
		}
		if _, err := fs.Stat(sub, TemplateFile); err == nil {
			f(sub, filepath.Join(shown, e.Name()))
		}
	}
	return nil
}

// List returns the templates by name.
func (c *Catalog) List() []*Template { return slices.Clone(c.templates) }

// has tells whether any template has a parameter of the name.
func (c *Catalog) has(parameter string) bool {
	return slices.ContainsFunc(c.templates, func(t *Template) bool { _, ok := t.Parameter(parameter); return ok })
}

// Names returns the names of the templates.
func (c *Catalog) Names() []string {
	names := make([]string, len(c.templates))
	for i, t := range c.templates {
		names[i] = t.Name
	}
	return names
}

// Lookup returns a template by name, or NotFound.
func (c *Catalog) Lookup(name string) (*Template, error) {
	for _, t := range c.templates {
		if t.Name == name {
			return t, nil
		}
	}
	e := fault.New(fault.NotFound, "there is no template %q", name)
	if s := suggest(name, c.Names()); s != "" {
		return nil, e.WithHint("Did you mean %q?", s)
	}
	return nil, e.WithHint("Choose one of %s.", strings.Join(c.Names(), ", "))
}
