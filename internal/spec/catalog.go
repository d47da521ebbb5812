package spec

import (
	"io/fs"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// Catalog is the templates that pipelines can be made of. Read-only.
type Catalog struct {
	templates []*Template
}

// LoadCatalog reads every template of builtin (one folder each) and those of
// dirs: a dir is the folder of one template or of several. A later template
// takes the place of an earlier one of the same name.
func LoadCatalog(builtin fs.FS, dirs ...string) (*Catalog, error) {
	return nil, fault.New(fault.Unsupported, "not built yet")
}

// List returns the templates by name.
func (c *Catalog) List() []*Template { return slices.Clone(c.templates) }

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
	return nil, fault.New(fault.NotFound, "there is no template %q", name).
		WithHint("Choose one of %s.", strings.Join(c.Names(), ", "))
}
