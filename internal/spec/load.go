package spec

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// specFile is the whole of a spec file.
type specFile struct {
	APIVersion *node `json:"apiVersion"`
	Defaults   *node `json:"defaults"`
	Tenants    *node `json:"tenants"`
	Pipelines  *node `json:"pipelines"`
}

// pipelineFile is one entry of pipelines.
type pipelineFile struct {
	settings

	Tenant *node `json:"tenant"`
	Model  *node `json:"model"`
}

// Load reads a spec file. Errors come as a fault.List, all at once, each of
// kind Invalid with "file:line:column" as its Op.
func Load(path string, cat *Catalog, opts Options) (*Set, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the spec %s can't be read: %s", path, fault.Reason(err)).
			WithHint("%s", readHint(err)).Because(err)
	}
	return Parse(path, data, filepath.Dir(path), cat, opts)
}

// Parse is Load of a text that has been read. name stands in the places of errors,
// dir is the folder from which relative paths start.
func Parse(name string, data []byte, dir string, cat *Catalog, opts Options) (*Set, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fault.New(fault.Internal, "the folder of %s is unknown", name).Because(err)
	}
	return parse(name, data, dir, cat, opts)
}

// readHint is the way out where a file can't be read.
func readHint(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "Name an existing file with -f."
	case errors.Is(err, fs.ErrPermission):
		return "Ask its owner for the right to read it, or `chmod u+r` it if it is yours; its folders have to be open to you too."
	case errors.Is(err, syscall.EISDIR):
		return "Name the spec file in this folder with -f."
	}
	return "Check the disk or the network that the file is on, and try again."
}

func parse(path string, data []byte, dir string, cat *Catalog, opts Options) (*Set, error) {
	root, errs := parseYAML(path, data)
	if len(errs) > 0 {
		return nil, sortErrors(errs)
	}
	l := &loader{resolver: newResolver(cat, opts), dir: dir, root: root}
	var err error
	if l.opts.Dir, err = workDir(opts.Dir); err != nil {
		return nil, err
	}
	set := l.load()
	if errs := l.finish(); len(errs) > 0 {
		return nil, errs
	}
	return set, nil
}

func workDir(dir string) (string, error) {
	if dir == "" {
		dir = "."
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fault.New(fault.Internal, "the working directory is unknown").Because(err)
	}
	return abs, nil
}

type loader struct {
	*resolver

	dir  string
	root *node
}

func (l *loader) load() *Set {
	var file specFile
	l.errs = append(l.errs, decode(l.root, &file)...)
	if l.root.kind != kindMap {
		return nil
	}
	l.apiVersion(file.APIVersion)
	set, errs := parseSet(l.opts.Set, l.opts.Dir)
	l.errs = append(l.errs, errs...)
	l.errs = append(l.errs, set.check()...)
	defaults := l.layer(file.Defaults, rankDefaults, "defaults")
	tenants := l.tenants(file.Tenants)
	return l.pipelines(file.Pipelines, defaults, tenants, set)
}

func (l *loader) apiVersion(n *node) {
	switch {
	case n == nil:
		l.fail(l.root.pos.errorf("the file has no apiVersion").WithHint("Begin it with `apiVersion: %s`.", APIVersion))
	case n.value != APIVersion:
		l.fail(n.pos.errorf("apiVersion is %q, but this program knows %q", n.text, APIVersion).
			WithHint("Write `apiVersion: %s`, or use a newer pipelinetui.", APIVersion))
	}
}

// layer reads the settings of defaults or of a tenant; absent is empty.
func (l *loader) layer(n *node, rank rank, name string) *layer {
	out := &layer{rank: rank, dir: l.dir}
	if n == nil || n.kind == kindNull {
		return out
	}
	d := decoder{path: name}
	l.errs = append(l.errs, d.decode(n, &out.settings)...)
	l.errs = append(l.errs, out.check()...)
	return out
}

func (l *loader) tenants(n *node) map[string]*layer {
	if n == nil || n.kind == kindNull {
		return nil
	}
	if n.kind != kindMap {
		l.fail(typeError(n, "tenants", "a map"))
		return nil
	}
	tenants := map[string]*layer{}
	for _, e := range n.entries {
		if err := tenantPart.check(e.key); err != nil {
			err.Op = e.pos.String()
			l.fail(err)
		}
		tenants[e.key] = l.layer(e.value, rankTenant, "tenants."+e.key)
	}
	return tenants
}

func (l *loader) pipelines(n *node, defaults *layer, tenants map[string]*layer, set *layer) *Set {
	if n == nil || n.kind != kindList || len(n.items) == 0 {
		at := l.root.pos
		if n != nil {
			at = n.pos
		}
		l.fail(at.errorf("the file has no list of pipelines").WithHint("Add `pipelines: [{tenant: acme, model: fraud, ...}]`."))
		return nil
	}
	out := &Set{}
	first := map[string]pos{}
	var claims Claims
	for _, item := range n.items {
		a := l.ask(item, defaults, tenants, set)
		if a == nil {
			continue
		}
		if at, twice := first[a.id.StackName()]; twice {
			l.fail(a.at.errorf("pipeline %s is there twice, first in line %d", a.id, at.line).
				WithHint("Remove one of the two, or give it another model or env."))
			continue
		}
		first[a.id.StackName()] = a.at
		a.layers = append(a.layers, set)
		p := l.resolve(a)
		if p == nil {
			continue
		}
		if e := claims.Add(p, p.RoleAccount()); e != nil {
			e.Op = a.at.String()
			l.fail(e)
			continue
		}
		out.Pipelines = append(out.Pipelines, *p)
	}
	l.unused(defaults, tenants)
	return out
}

// ask reads one entry of pipelines, or returns nil if it says not even which
// pipeline it is.
func (l *loader) ask(n *node, defaults *layer, tenants map[string]*layer, set *layer) *ask {
	var f pipelineFile
	d := decoder{path: "pipelines"}
	l.errs = append(l.errs, d.decode(n, &f)...)
	if n.kind != kindMap {
		return nil
	}
	own := &layer{settings: f.settings, rank: rankPipeline, dir: l.dir}
	l.errs = append(l.errs, own.check()...)
	tenantName, okT := l.part(n, f.Tenant, tenantPart)
	modelName, okM := l.part(n, f.Model, modelPart)
	if !okT || !okM {
		// The rest is read all the same, under a name that stands for nothing, so
		// that its errors are told now too.
		if f.Tenant != nil && f.Model != nil {
			l.resolve(&ask{
				id: ID{Tenant: "x", Model: "x", Env: DefaultEnv}, at: n.pos, dir: l.dir,
				layers: []*layer{defaults, own, set}, how: "Add `%s: %s` to its parameters",
			})
		}
		return nil
	}
	layers := []*layer{defaults}
	if t, ok := tenants[tenantName]; ok {
		layers = append(layers, t)
	} else if len(tenants) > 0 {
		e := f.Tenant.pos.errorf("tenant %q is not among the file's tenants", tenantName)
		if s := suggest(tenantName, sortedKeys(tenants)); s != "" {
			e.WithHint("Did you mean %q? Else add `%s: {}` to tenants.", s, tenantName)
		} else {
			e.WithHint("Add `%s: {}` to tenants.", tenantName)
		}
		l.fail(e)
		return nil
	}
	a := &ask{
		id: ID{Tenant: tenantName, Model: modelName, Env: DefaultEnv}, at: n.pos, dir: l.dir,
		layers: append(layers, own), how: "Add `%s: %s` to its parameters",
	}
	if env := a.pick(func(l *layer) *node { return l.Env }); env != nil {
		if envPart.check(env.text) != nil {
			return nil // said by layer.check
		}
		a.id.Env = env.text
	}
	return a
}

// part reads tenant or model.
func (l *loader) part(n, value *node, p part) (string, bool) {
	if value == nil {
		l.fail(n.pos.errorf("the pipeline has no %s", p.name).WithHint("Add `%s: ...`.", p.name))
		return "", false
	}
	s, ok := value.value.(string)
	if !ok {
		l.fail(typeError(value, p.name, "a string"))
		return "", false
	}
	if e := p.check(s); e != nil {
		e.Op = value.pos.String()
		l.fail(e)
		return "", false
	}
	return s, true
}

// unused checks the parameters of layers that no pipeline was read with, by all
// templates that could be meant.
func (l *loader) unused(defaults *layer, tenants map[string]*layer) {
	layers := []*layer{defaults}
	for _, name := range sortedKeys(tenants) {
		layers = append(layers, tenants[name])
	}
	for _, unread := range layers {
		if l.applied[unread] != nil {
			continue
		}
		for _, t := range l.cat.templates {
			l.parameters(&ask{layers: []*layer{unread}}, t)
		}
	}
}

// New makes a pipeline from flags: a template and "name=value" settings.
func New(id ID, template string, set []string, cat *Catalog, opts Options) (*Pipeline, error) {
	if id.Env == "" {
		id.Env = DefaultEnv
	}
	if err := id.Validate(); err != nil {
		return nil, err
	}
	dir, err := workDir(opts.Dir)
	if err != nil {
		return nil, err
	}
	own, errs := parseSet(set, dir)
	if len(errs) > 0 {
		return nil, errs
	}
	own.rank = rankPipeline
	if template != "" {
		own.Template = textNode(pos{source: "--template"}, template)
	}
	if errs := own.check(); len(errs) > 0 {
		return nil, errs
	}
	return one(&ask{id: id, layers: []*layer{own}, dir: dir, how: "Add --set %s=%s"}, cat, opts)
}

// one resolves a pipeline that comes from no file, with Options.Set on top.
func one(a *ask, cat *Catalog, opts Options) (*Pipeline, error) {
	var err error
	if opts.Dir, err = workDir(opts.Dir); err != nil {
		return nil, err
	}
	r := newResolver(cat, opts)
	set, errs := parseSet(opts.Set, opts.Dir)
	r.errs = append(r.errs, errs...)
	r.errs = append(r.errs, set.check()...)
	for _, l := range a.layers {
		r.errs = append(r.errs, l.check()...)
	}
	a.layers = append(a.layers, set)
	p := r.resolve(a)
	if errs := r.finish(); len(errs) > 0 {
		return nil, errs
	}
	return p, nil
}
