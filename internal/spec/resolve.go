package spec

import (
	"reflect"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// ask is one pipeline as asked for, before its template was looked at.
type ask struct {
	id     ID
	at     pos
	layers []*layer // weakest first
	dir    string   // of the file that says it
	how    string   // how to add a parameter: a format for the hint
	stored bool     // it comes from a stored spec, which nobody but us keeps
	// nameless says that id stands for nothing: what should be there is wrong.
	nameless bool
	// either are the layers that may be meant by the one of the tenant, which is not known.
	either []*layer
}

// String is what errors call it.
func (a *ask) String() string {
	if a.nameless {
		return "the pipeline"
	}
	return a.id.String()
}

// pick returns the strongest node of a setting, or nil. It may be bad.
func (a *ask) pick(of func(*layer) *node) *node {
	for _, l := range slices.Backward(a.layers) {
		if n := of(l); n != nil {
			return n
		}
	}
	return nil
}

// setting is a typed value with where it came from.
type setting struct {
	value   any
	secrets map[string]Secret // of the value, by entry; see Parameter.coerce
	node    *node
	layer   *layer
}

// unknown tells whether a part of the value is not known before deployment, so that
// no rule can be held against it.
func (s setting) unknown() bool {
	for _, x := range s.secrets {
		if x.unknown() {
			return true
		}
	}
	return false
}

// resolver turns asks into pipelines. It remembers what concerns more than one
// pipeline: names in a shared layer that no template knows.
type resolver struct {
	cat     *Catalog
	opts    Options
	errs    problems
	unknown []unknownName
	said    map[string]bool            // errors of rules
	again   int                        // and how often one was left out because it was said
	applied map[*layer]map[string]bool // templates a layer was read for
}

type unknownName struct {
	layer    *layer
	template *Template
	name     string
	pos      pos
	// of is the pipeline of which --set says it; aside that it is not selected.
	of    string
	aside bool
}

func newResolver(cat *Catalog, opts Options) *resolver {
	return &resolver{cat: cat, opts: opts, said: map[string]bool{}, applied: map[*layer]map[string]bool{}}
}

func (r *resolver) fail(e *Problem) { r.errs = append(r.errs, e) }

// finish adds the unknown names: in a layer shared by several templates a name
// is unknown only if none of them has it, and that is told once. Then it sorts
// all errors.
func (r *resolver) finish() error {
	type place struct {
		layer *layer
		name  string
	}
	lack, meant, whose := map[place][]*Template{}, map[place]bool{}, map[place][]string{}
	for _, u := range r.unknown {
		at := place{u.layer, u.name}
		if !slices.Contains(lack[at], u.template) {
			lack[at] = append(lack[at], u.template)
		}
		meant[at] = meant[at] || !u.aside
		whose[at] = append(whose[at], u.of)
	}
	for _, u := range r.unknown {
		at := place{u.layer, u.name}
		without := lack[at]
		if some := len(without) < len(r.applied[u.layer]); some && u.layer.rank != rankSet || !meant[at] {
			continue
		} else if !some {
			whose[at] = nil // it is nobody's
		}
		meant[at] = false // once
		names, known := make([]string, len(without)), []string{}
		for i, t := range without {
			names[i] = t.Name
			known = append(known, t.parameterNames()...)
		}
		slices.Sort(names)
		e := u.pos.problem(CodeParameter, "template %s has no parameter %q", strings.Join(names, " or "), u.name)
		if s := suggest(u.name, known); s != "" {
			e = e.WithHint("Did you mean %q?", s)
		} else {
			e = e.WithHint("`pipelinetui templates show %s` lists its parameters.", names[0])
		}
		if names := whose[at]; len(names) > 0 && names[0] != "" {
			e.Pipeline, e.Pipelines = names[0], names
		}
		r.fail(e)
	}
	return r.errs.sorted().err()
}

// resolve checks one pipeline and fills in what was left out. ok is false if there were
// errors, which it keeps; then of p only what plain settles can be used.
func (r *resolver) resolve(a *ask) (p *Pipeline, ok bool) {
	before, again := len(r.errs), r.again
	p = &Pipeline{ID: a.id}
	t := r.template(a)
	r.plain(a, p)
	if t == nil || len(a.either) > 0 {
		r.whichever(a, t)
		return p, false
	}
	p.Template, p.TemplateVersion = t.Name, t.Version
	known := r.parameters(a, t)
	applied, dormant := r.fill(a, t, p, known)
	checks, said := mergeChecks(t.Checks, a.layers)
	if len(checks) > mostChecks { // each layer has fewer
		r.fail(a.at.in(checksGroup).problem(CodeCount, "%s has %d checks with those of its template, its tenant and the defaults, but there may be %d", a, len(checks), mostChecks).
			WithHint("Take some of the others away: NAME: null."))
	}
	p.Checks = checks
	r.artifacts(t, p, applied, known)
	for _, rule := range t.Rules {
		if !rule.decidable(known, p.Region) {
			continue // one of its values is an error already, or not known yet
		}
		if e := r.rule(rule, p, known, applied, a); e != nil {
			r.fail(e)
		}
	}
	r.errs = append(r.errs, checkNames(a.at, p)...)
	if len(r.errs) > before || r.again > again || len(known.bad) > 0 {
		return p, false
	}
	p.Document = makeDocument(a, p, applied, dormant, said)
	return p, true
}

// template is nil if there is none that is known.
func (r *resolver) template(a *ask) *Template {
	n := a.pick(func(l *layer) *node { return l.Template })
	if n == nil {
		r.fail(a.at.in("template").problem(CodeMissing, "%s has no template", a).WithHint("Add `template: ...` or --template; there are %s.", strings.Join(r.cat.Names(), ", ")))
		return nil
	}
	name, ok := n.value.(string)
	if !ok {
		return nil // said by layer.check, or bad
	}
	t, err := r.cat.Lookup(name)
	if err != nil {
		r.fail(n.problem(CodeTemplate, "%s", err).WithHint("%s", fault.HintOf(err)).Because(err))
	}
	return t
}

// plain settles what is no parameter. The region is "" if it is wrong.
func (r *resolver) plain(a *ask, p *Pipeline) {
	str := func(n *node) string {
		if n == nil {
			return ""
		}
		s, _ := n.value.(string) // layer.check has refused anything else
		return s
	}
	part := r.region(a, p)
	for _, x := range []struct {
		name string
		n    *node
		into *string
	}{
		{"assumeRole", a.pick(func(l *layer) *node { return l.AssumeRole }), &p.AssumeRole},
		{"permissionsBoundary", a.pick(func(l *layer) *node { return l.PermissionsBoundary }), &p.PermissionsBoundary},
	} {
		*x.into = str(x.n)
		if of, err := arn.Parse(*x.into); err == nil && of.Partition != part && part != "" {
			r.fail(x.n.problem(CodePartition, "%s is in partition %s, but %s is in region %s of partition %s", x.name, of.Partition, a, p.Region, part).
				WithHint("Use an ARN that begins with arn:%s:, or another region.", part))
		}
	}
	p.Protect = a.id.Env == ProdEnv
	if n := a.pick(func(l *layer) *node { return l.Protect }); n != nil {
		p.Protect, _ = n.value.(bool) // layer.check has refused anything else
	}
	p.Tags = map[string]string{}
	for _, l := range a.layers {
		if l.Tags != nil {
			for _, e := range l.Tags.entries {
				p.Tags[e.key] = str(e.value)
			}
		}
	}
	r.errs = append(r.errs, checkTagCount(a.at, p.Tags)...)
}

// region settles the region and returns its partition.
func (r *resolver) region(a *ask, p *Pipeline) (partition string) {
	switch n := a.pick(func(l *layer) *node { return l.Region }); {
	case n != nil:
		if name, ok := n.value.(string); ok && checkRegion(n.pos, name) == nil { // else said by layer.check
			p.Region = name
		}
	case r.opts.Region == "":
		r.fail(a.at.in("region").problem(CodeMissing, "%s has no region", a).WithHint("Add `region: ...`, use --region, or set AWS_REGION."))
	default:
		if e := checkRegion(pos{source: r.opts.RegionFrom}.in("region"), r.opts.Region); e != nil {
			r.fail(e)
		} else {
			p.Region = r.opts.Region
		}
	}
	partition, _ = Partition(p.Region)
	return partition
}

// knowledge is what is known of a pipeline's parameters.
type knowledge struct {
	t *Template
	// set are the values that were given and are right, bad the names of those of which
	// something was said, or may have been, that is not.
	set map[string]setting
	bad map[string]bool
}

// doubtful tells that nothing may be concluded from a parameter's value, or from its
// having none: it is wrong, not known before deployment, or it may mean nothing, because
// what decides on that is doubtful.
func (k *knowledge) doubtful(name string) bool {
	if k.bad[name] || k.set[name].unknown() {
		return true
	}
	p, ok := k.t.Parameter(name)
	return ok && slices.ContainsFunc(sortedKeys(p.When), func(on string) bool { return k.bad[on] || k.set[on].unknown() })
}

// parameters reads every layer's parameters by the rules of the template; the
// strongest layer wins.
func (r *resolver) parameters(a *ask, t *Template) *knowledge {
	k := &knowledge{t, map[string]setting{}, map[string]bool{}}
	for _, l := range a.layers {
		said := l.parameters()
		if said == nil {
			continue
		}
		leaves, unknown, errs := flattenParameters(said, t)
		r.errs = append(r.errs, errs...)
		if r.applied[l] == nil {
			r.applied[l] = map[string]bool{}
		}
		first := !r.applied[l][t.Name]
		r.applied[l][t.Name] = true
		for _, u := range unknown.names {
			switch {
			case l.rank == rankSet && !a.nameless: // it may be only some that lack it
				r.unknown = append(r.unknown, unknownName{layer: l, template: t, name: u.key, pos: u.pos, of: a.id.String()})
			case first:
				r.unknown = append(r.unknown, unknownName{layer: l, template: t, name: u.key, pos: u.pos})
			}
			if meant := suggest(u.key, t.parameterNames()); meant != "" && (l.rank >= rankPipeline || !r.cat.has(u.key)) {
				k.spoil(meant)
			}
		}
		for _, name := range unknown.unread {
			k.spoil(name)
		}
		for _, leaf := range leaves {
			r.parameter(a, l, k, leaf)
		}
	}
	return k
}

// spoil forgets what is known of a parameter: something stronger was said of it that
// is wrong.
func (k *knowledge) spoil(name string) {
	delete(k.set, name)
	k.bad[name] = true
}

// parameter reads one value.
func (r *resolver) parameter(a *ask, l *layer, k *knowledge, leaf entry) {
	if leaf.value.takesBack() {
		delete(k.set, leaf.key)
		delete(k.bad, leaf.key)
		return
	}
	p, _ := k.t.Parameter(leaf.key)
	value, secrets, wrong := p.coerce(leaf.value, r.opts.source(l.dir, a.stored && l.rank != rankSet))
	r.errs = append(r.errs, wrong...)
	if len(wrong) > 0 || leaf.value.broken() {
		k.spoil(leaf.key)
		return
	}
	k.set[leaf.key] = setting{value, secrets, leaf.value, l}
	delete(k.bad, leaf.key)
}

// takesBack tells --set name=null: what weaker layers say of the parameter does
// not count, as if it had never been given.
func (n *node) takesBack() bool { return n.raw && n.text == "null" }

// unknownNames are what a layer says that the template does not have.
type unknownNames struct {
	names []entry
	// unread are parameters that may be among what could not be read.
	unread []string
}

// flattenParameters turns nested maps into dotted names: both ways to write are
// allowed. What the template does not have comes back as unknown.
func flattenParameters(n *node, t *Template) (leaves []entry, unknown unknownNames, errs problems) {
	seen := map[string]pos{}
	inside := func(path string) []string {
		return slices.DeleteFunc(t.parameterNames(), func(name string) bool { return path != "" && !strings.HasPrefix(name, path+".") })
	}
	var walk func(n *node, path string)
	walk = func(n *node, path string) {
		if n.bad || n.kind != kindMap || n.partial {
			unknown.unread = append(unknown.unread, inside(path)...)
		}
		for _, e := range n.entries {
			name := join(path, e.key)
			if _, ok := t.Parameter(name); ok {
				if first, twice := seen[name]; twice {
					errs = append(errs, e.pos.problem(CodeDuplicate, "%s is given twice, first in line %d", name, first.line).WithHint("Remove one of the two."))
					continue
				}
				seen[name] = e.pos
				leaves = append(leaves, entry{key: name, pos: e.pos, value: e.value})
				continue
			}
			switch group := len(inside(name)) > 0; {
			case group && !e.value.bad && e.value.kind != kindMap:
				errs = append(errs, typeError(e.value, name, "a map"))
				walk(e.value, name)
			case group:
				walk(e.value, name)
			default:
				unknown.names = append(unknown.names, entry{key: name, pos: e.pos})
			}
		}
	}
	walk(n, "")
	return leaves, unknown, errs
}

// fill adds defaults and resets what does not apply. It returns the settings
// that do, and of a stored spec those that do not.
func (r *resolver) fill(a *ask, t *Template, p *Pipeline, k *knowledge) (applied, dormant map[string]setting) {
	p.Parameters = Values{}
	for _, param := range t.Parameters {
		if s, ok := k.set[param.Name]; ok && s.value != nil {
			p.Parameters[param.Name] = s.value
		} else if param.Default != nil {
			p.Parameters[param.Name] = param.Default
		}
	}
	applied, dormant = map[string]setting{}, map[string]setting{}
	for _, param := range t.Parameters {
		s, given := k.set[param.Name]
		if failing := param.When.failing(p.Parameters); len(failing) > 0 {
			unsure := slices.ContainsFunc(failing, func(name string) bool { return k.bad[name] || k.set[name].unknown() })
			if given && a.stored {
				dormant[param.Name] = s
			}
			if given && !unsure && !s.layer.dormant {
				r.useless(a, t, param, s, failing, p.Parameters, k.set)
			}
			p.Parameters.reset(param)
			continue
		}
		switch {
		case given:
			applied[param.Name] = s
			for entry, secret := range s.secrets {
				if p.Secrets == nil {
					p.Secrets = map[SecretPath]Secret{}
				}
				p.Secrets[SecretPath{param.Name, entry}] = secret
			}
			if param.Required && !isSet(s.value) && !s.unknown() {
				k.bad[param.Name] = true
				r.fail(param.problem(s.node, CodeMissing, "%s is empty, but template %s requires it", param.Name, t.Name).WithHint("Give %s.", param.Allowed()))
			}
		case param.Required && !k.doubtful(param.Name):
			r.fail(a.at.in("parameters", param.Name).problem(CodeMissing, "%s has no %s, which template %s requires", a, param.Name, t.Name).
				WithHint(a.how+": %s", param.Name, param.sampleText(), param.Help))
		}
	}
	return applied, dormant
}

// reset gives the value of a parameter that does not apply.
func (v Values) reset(p Parameter) {
	switch {
	case p.Otherwise != nil:
		v[p.Name] = p.Otherwise
	case p.Default != nil:
		v[p.Name] = p.Default
	default:
		delete(v, p.Name)
	}
}

func (p *Parameter) sampleText() string {
	if p.Example != nil {
		return format(p.Example)
	}
	return "..."
}

// useless reports a value that has no effect, unless it comes from a weaker
// layer than the value that takes the effect away.
func (r *resolver) useless(a *ask, t *Template, p Parameter, s setting, failing []string, v Values, set map[string]setting) {
	off := p.Otherwise
	if off == nil {
		off = p.Default
	}
	if off == nil && !isSet(s.value) || off != nil && reflect.DeepEqual(off, s.value) {
		return
	}
	decided := rankDefault
	for _, name := range failing {
		if by, ok := set[name]; ok {
			decided = max(decided, by.layer.rank)
		}
	}
	if s.layer.rank < decided {
		return
	}
	why := make([]string, len(failing))
	for i, name := range failing {
		why[i] = name + " is " + t.shown(name, v[name], set[name].secrets)
	}
	if s.layer.rank != rankSet {
		r.fail(p.problem(s.node, CodeUseless, "%s does not apply when %s", p.Name, strings.Join(why, " and ")).
			WithHint("Leave %s out; it takes effect when %s.", p.Name, p.When))
		return
	}
	what, flag := p.Name, p.Name
	if s.node.pos.source == rolloutFlag {
		of, _ := t.Parameter(rolloutGroup + "." + rolloutShort[0])
		switch {
		case p.Name == of.Name:
			what, flag = "a rollout", rolloutFlag
		case len(of.When.failing(v)) > 0:
			return // the strategy says it
		}
	}
	e := p.problem(s.node, CodeUseless, "%s does not apply when %s", what, strings.Join(why, " and ")).
		WithHint("Leave %s out, or select only pipelines that take it, by name or by tag (-l); it takes effect when %s.", flag, p.When)
	if !a.nameless {
		e.Pipeline = a.id.String()
	}
	r.fail(e)
}

// artifacts finds the local files, relative to the file that names them.
func (r *resolver) artifacts(t *Template, p *Pipeline, applied map[string]setting, k *knowledge) {
	p.Files = map[string]string{}
	for _, name := range sortedKeys(applied) {
		param, _ := t.Parameter(name)
		s := applied[name]
		value, _ := s.value.(string)
		if param.Type != TypePath || value == "" {
			continue
		}
		if r.opts.SkipFiles {
			if !isURL(value) {
				p.Files[name] = localPath(value, s.layer.dir)
			}
			continue
		}
		if moved := r.opts.Copies[name]; moved != "" && s.layer.rank != rankSet {
			value = moved
		}
		local, errs := param.artifact(s.node, value, s.layer.dir)
		r.errs = append(r.errs, errs...)
		if len(errs) > 0 {
			k.bad[name] = true
		}
		if local != "" {
			p.Files[name] = local
		}
	}
}
