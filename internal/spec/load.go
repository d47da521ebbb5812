package spec

import "github.com/pipelinetui/pipelinetui/internal/fault"

// Load reads a spec file. Errors come as a fault.List, all at once, each of
// kind Invalid with "file:line:column" as its Op.
func Load(path string, cat *Catalog, opts Options) (*Set, error) {
	return nil, fault.New(fault.Unsupported, "not built yet")
}

// New makes a pipeline from flags: a template and "name=value" settings.
func New(id ID, template string, set []string, cat *Catalog, opts Options) (*Pipeline, error) {
	return nil, fault.New(fault.Unsupported, "not built yet")
}

// FromDocument makes a pipeline from its Document, by the rules of the
// templates of today.
func FromDocument(doc []byte, cat *Catalog, opts Options) (*Pipeline, error) {
	return nil, fault.New(fault.Unsupported, "not built yet")
}

// JSONSchema returns the JSON Schema (2020-12) of the spec file.
func JSONSchema(cat *Catalog) ([]byte, error) {
	return nil, fault.New(fault.Unsupported, "not built yet")
}

// Select returns the pipelines that match any of patterns ("acme/fraud",
// "acme/*", none: every one) and all of labels ("tier=gold").
func Select(pipelines []Pipeline, patterns, labels []string) ([]Pipeline, error) {
	return nil, fault.New(fault.Unsupported, "not built yet")
}
