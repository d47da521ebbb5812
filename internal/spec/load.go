package spec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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

// Load reads a spec file. What is wrong with it comes as a fault.List of Problems, all
// at once.
func Load(path string, cat *Catalog, opts Options) (*Set, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, pos{file: path}.problem(CodeUnreadable, "the spec %s can't be read: %s", path, fault.Reason(err)).
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
	var dead *fault.DeadLink
	switch {
	case errors.As(fault.Reason(err), &dead):
		return "Mend the link, or name the file that is meant with -f."
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
	if root == nil {
		return nil, errs.sorted().err()
	}
	l := &loader{resolver: newResolver(cat, opts), dir: dir, root: root}
	l.errs = errs
	var err error
	if l.opts.Dir, err = workDir(opts.Dir); err != nil {
		return nil, err
	}
	set := l.load()
	if err := l.finish(); err != nil {
		return nil, err
	}
	return set, l.unselected
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
	// unselected is why nothing is selected.
	unselected error
}

func (l *loader) load() *Set {
	var file specFile
	l.errs = append(l.errs, decode(l.root, &file)...)
	if l.root.bad || l.root.kind != kindMap {
		return nil
	}
	l.apiVersion(file.APIVersion)
	set, errs := parseSet(l.opts)
	l.errs = append(l.errs, errs...)
	l.errs = append(l.errs, set.check()...)
	defaults := l.layer(file.Defaults, rankDefaults, "defaults")
	tenants := l.tenants(file.Tenants)
	return l.pipelines(file.Pipelines, defaults, tenants, set)
}

func (l *loader) apiVersion(n *node) {
	switch {
	case n == nil:
		l.fail(l.root.pos.in("apiVersion").problem(CodeMissing, "the file has no apiVersion").WithHint("Begin it with `apiVersion: %s`.", APIVersion))
	case !n.bad && n.value != APIVersion:
		l.fail(n.problem(CodeVersion, "apiVersion is %q, but this program knows %q", n.text, APIVersion).
			WithHint("Write `apiVersion: %s`, or use a newer pipelinetui.", APIVersion))
	}
}

// layer reads the settings of defaults or of a tenant; absent is empty.
func (l *loader) layer(n *node, rank rank, name string) *layer {
	out := &layer{rank: rank, dir: l.dir}
	if n == nil || n.kind == kindNull && !n.bad {
		return out
	}
	d := decoder{path: name}
	l.errs = append(l.errs, d.decode(n, &out.settings)...)
	if n.bad || n.kind != kindMap {
		return unread(rank, n.pos)
	}
	l.errs = append(l.errs, out.check()...)
	return out
}

// tenantLayers are the layers of the tenants, by name.
type tenantLayers struct {
	layers map[string]*layer
	// misnamed are those whose names can be no pipeline's tenant as they are.
	misnamed []string
	// unsure says that there may be others, which could not be read.
	unsure bool
}

// names are those that a pipeline may say.
func (t tenantLayers) names() []string {
	return slices.DeleteFunc(sortedKeys(t.layers), func(name string) bool { return slices.Contains(t.misnamed, name) })
}

// mayHave tells whether a name that is not among the layers may be meant by one that is
// wrong there, or could not be read.
func (t tenantLayers) mayHave(name string) bool {
	return t.unsure || suggest(name, t.misnamed) != ""
}

// mostTried bounds how many layers of tenants are tried for a pipeline whose own is not
// known: there may be thousands of both.
const mostTried = 8

// either are the layers that may be meant by a tenant that is not among them: that of
// another, none, and of what is not known one for every template that it may name.
func (t tenantLayers) either(cat *Catalog, at pos) []*layer {
	if !t.unsure && len(t.layers) <= mostTried {
		out := []*layer{{rank: rankTenant}}
		for _, name := range sortedKeys(t.layers) {
			out = append(out, t.layers[name])
		}
		return out
	}
	var out []*layer
	for _, of := range cat.templates {
		l := unread(rankTenant, at)
		l.Template = textNode(at, of.Name)
		out = append(out, l)
	}
	return out
}

func (l *loader) tenants(n *node) tenantLayers {
	switch {
	case n == nil:
		return tenantLayers{}
	case n.bad:
		return tenantLayers{unsure: true}
	case n.kind == kindNull:
		return tenantLayers{}
	case n.kind != kindMap:
		l.fail(typeError(n, "tenants", "a map"))
		return tenantLayers{unsure: true}
	}
	out := tenantLayers{layers: map[string]*layer{}, unsure: n.partial}
	for _, e := range n.entries {
		if err := tenantPart.check(e.pos, e.key); err != nil {
			l.fail(err)
			out.misnamed = append(out.misnamed, e.key)
		}
		out.layers[e.key] = l.layer(e.value, rankTenant, "tenants."+e.key)
	}
	return out
}

func (l *loader) pipelines(n *node, defaults *layer, tenants tenantLayers, set *layer) *Set {
	defer l.unused(defaults, tenants.layers)
	if n != nil && n.bad {
		return nil
	}
	if n != nil && n.kind != kindList && n.kind != kindNull {
		l.fail(typeError(n, "pipelines", "a list"))
		return nil
	}
	if n == nil || len(n.items) == 0 {
		at := l.root.pos.in("pipelines")
		if n != nil {
			at = n.pos
		}
		l.fail(at.problem(CodeMissing, "the file has no list of pipelines").WithHint("Add `pipelines: [{tenant: acme, model: fraud, ...}]`."))
		return nil
	}
	asked := l.entries(n, defaults, tenants)
	if !l.choose(asked) {
		return nil
	}
	out := &Set{}
	first := map[string]pos{}
	var claims Claims
	for _, e := range asked {
		a := e.ask
		at, twice := first[a.id.StackName()]
		if twice = twice && !a.nameless; twice {
			l.fail(a.at.problem(CodeDuplicate, "pipeline %s is there twice, first in line %d", a.id, at.line).
				WithHint("Remove one of the two, or give it another model or env."))
		} else if !a.nameless {
			first[a.id.StackName()] = a.at
		}
		p, ok := e.looked, false
		if e.aside {
			out.Aside = append(out.Aside, e.of(a)...)
		} else {
			l.errs = append(l.errs, e.errs...)
			a.layers = append(a.layers, set)
			p, ok = l.resolve(a)
		}
		if !twice && !a.nameless && p.Region != "" {
			if e := claims.add(a.at, p, p.RoleAccount()); e != nil {
				l.fail(e)
				continue
			}
		}
		if ok {
			out.Pipelines = append(out.Pipelines, *p)
		}
	}
	return out
}

// asked is one entry of pipelines. What is wrong with it by itself is kept here until it is
// known whether it is selected; looked is what it is without flags, if that was asked.
type asked struct {
	*ask
	errs   problems
	looked *Pipeline
	aside  bool
}

// of are the entry's problems, as those of a pipeline that is not selected.
func (e *asked) of(a *ask) problems {
	for _, p := range e.errs {
		p.Pipeline = a.id.String()
	}
	return e.errs.sorted()
}

// entries reads all entries of pipelines.
func (l *loader) entries(n *node, defaults *layer, tenants tenantLayers) []*asked {
	var out []*asked
	for i, item := range n.items {
		if !item.bad && item.kind != kindMap {
			l.fail(typeError(item, fmt.Sprintf("pipelines[%d]", i), "a map"))
		}
		if item.bad || item.kind != kindMap {
			continue
		}
		before := len(l.errs)
		e := &asked{ask: l.ask(item, defaults, tenants)}
		e.errs = slices.Clone(l.errs[before:])
		l.errs = l.errs[:before]
		out = append(out, e)
	}
	return out
}

// choose lets Options.Select say which entries are meant. It sees them without flags; one
// without a name may be any, and is. It is false if nothing can be selected.
func (l *loader) choose(all []*asked) bool {
	if l.opts.Select == nil {
		return true
	}
	opts := l.opts
	opts.SkipFiles = true
	trials := make([]*resolver, len(all))
	var known []Pipeline
	for i, e := range all {
		trials[i] = newResolver(l.cat, opts)
		if e.looked, _ = trials[i].resolve(e.ask); !e.nameless {
			known = append(known, *e.looked)
		}
	}
	picked, err := l.opts.Select(known)
	if err != nil {
		l.unselected = err
		for i, e := range all {
			l.heed(e.ask, trials[i])
		}
		return false
	}
	names := map[string]bool{}
	for i := range picked {
		names[picked[i].StackName()] = true
	}
	for i, e := range all {
		if e.aside = !e.nameless && !names[e.id.StackName()]; e.aside {
			e.errs = append(e.errs, trials[i].errs...)
			l.heed(e.ask, trials[i])
		}
	}
	return true
}

// heed notes which layers were read for a pipeline that is not selected: a name that they
// share is not unknown if it is known there.
func (l *loader) heed(a *ask, trial *resolver) {
	for _, of := range a.layers {
		if l.applied[of] == nil {
			l.applied[of] = map[string]bool{}
		}
		for name := range trial.applied[of] {
			l.applied[of][name] = true
		}
	}
	for _, u := range trial.unknown {
		u.aside = true
		l.unknown = append(l.unknown, u)
	}
}

// ask reads one entry of pipelines, without what flags say. One whose name is wrong is nameless: the rest of it
// is looked at all the same.
func (l *loader) ask(n *node, defaults *layer, tenants tenantLayers) *ask {
	var f pipelineFile
	d := decoder{path: "pipelines"}
	l.errs = append(l.errs, d.decode(n, &f)...)
	own := &layer{settings: f.settings, rank: rankPipeline, dir: l.dir}
	l.errs = append(l.errs, own.check()...)
	a := &ask{
		id: ID{Tenant: "x", Model: "x", Env: DefaultEnv}, at: n.pos, dir: l.dir,
		layers: []*layer{defaults}, how: "Add `%s: %s` to its parameters",
	}
	tenantName, okT := l.part(n, f.Tenant, tenantPart)
	modelName, okM := l.part(n, f.Model, modelPart)
	switch t, known := tenants.layers[tenantName]; {
	case known:
		a.layers = append(a.layers, t)
	case tenants.unsure || len(tenants.layers) > 0:
		if okT && !tenants.mayHave(tenantName) {
			l.fail(unknownTenant(f.Tenant, tenantName, tenants.names()))
		}
		a.layers = append(a.layers, unread(rankTenant, n.pos))
		a.either = tenants.either(l.cat, n.pos)
	}
	a.layers = append(a.layers, own)
	if a.nameless = !okT || !okM; !a.nameless {
		a.id.Tenant, a.id.Model = tenantName, modelName
	}
	if env := a.pick(func(l *layer) *node { return l.Env }); env != nil {
		if !env.isText() || envPart.check(env.pos, env.text) != nil {
			a.nameless = true // said by layer.check
		} else {
			a.id.Env = env.text
		}
	}
	return a
}

func unknownTenant(n *node, name string, known []string) *Problem {
	e := n.problem(CodeTenant, "tenant %q is not among the file's tenants", name)
	if s := suggest(name, known); s != "" {
		return e.WithHint("Did you mean %q? Else add `%s: {}` to tenants.", s, name)
	}
	return e.WithHint("Add `%s: {}` to tenants.", name)
}

// part reads tenant or model.
func (l *loader) part(n, value *node, p part) (string, bool) {
	if value == nil {
		l.fail(n.pos.in(p.name).problem(CodeMissing, "the pipeline has no %s", p.name).WithHint("Add `%s: ...`.", p.name))
		return "", false
	}
	s, ok := value.value.(string)
	switch {
	case value.bad:
		return "", false
	case !ok:
		l.fail(typeError(value, p.name, "a string"))
		return "", false
	}
	if e := p.check(value.pos, s); e != nil {
		l.fail(e)
		return "", false
	}
	return s, true
}

// unused checks the parameters of layers that no pipeline was read with, by all
// templates that could be meant: the one that the layer names, or any.
func (l *loader) unused(defaults *layer, tenants map[string]*layer) {
	layers := []*layer{defaults}
	for _, name := range sortedKeys(tenants) {
		layers = append(layers, tenants[name])
	}
	for _, unread := range layers {
		if l.applied[unread] != nil {
			continue
		}
		templates := l.cat.templates
		if unread.Template.isText() {
			t, err := l.cat.Lookup(unread.Template.text)
			if err != nil {
				l.fail(unread.Template.problem(CodeTemplate, "%s", err).WithHint("%s", fault.HintOf(err)).Because(err))
			} else {
				templates = []*Template{t}
			}
		}
		for _, t := range templates {
			l.parameters(&ask{layers: []*layer{unread}}, t)
		}
	}
}
