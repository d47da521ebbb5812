package spec

import (
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// ask is one pipeline as asked for, before its template was looked at.
type ask struct {
	id     ID
	at     pos
	layers []*layer // weakest first
	dir    string   // of the file that says it
	how    string   // how to add a parameter: a format for the hint
	stored bool     // it comes from a stored spec, which nobody but us keeps
}

// pick returns the strongest node of a setting, or nil.
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
	errs    fault.List
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
}

func newResolver(cat *Catalog, opts Options) *resolver {
	return &resolver{cat: cat, opts: opts, said: map[string]bool{}, applied: map[*layer]map[string]bool{}}
}

func (r *resolver) fail(e *fault.Error) { r.errs = append(r.errs, e) }

// finish adds the unknown names: in a layer shared by several templates a name
// is unknown only if none of them has it, and that is told once. Then it sorts
// all errors.
func (r *resolver) finish() fault.List {
	type place struct {
		layer *layer
		name  string
	}
	lack := map[place][]*Template{}
	for _, u := range r.unknown {
		at := place{u.layer, u.name}
		lack[at] = append(lack[at], u.template)
	}
	for _, u := range r.unknown {
		without := lack[place{u.layer, u.name}]
		if u.layer.rank != rankSet && len(without) < len(r.applied[u.layer]) || without[0] != u.template {
			continue
		}
		names, known := make([]string, len(without)), []string{}
		for i, t := range without {
			names[i] = t.Name
			known = append(known, t.parameterNames()...)
		}
		slices.Sort(names)
		e := u.pos.errorf("template %s has no parameter %q", strings.Join(names, " or "), u.name)
		if s := suggest(u.name, known); s != "" {
			e.WithHint("Did you mean %q?", s)
		} else {
			e.WithHint("`pipelinetui templates show %s` lists its parameters.", names[0])
		}
		r.fail(e)
	}
	return sortErrors(r.errs)
}

// resolve checks one pipeline and fills in what was left out. It returns nil if
// there were errors, which it keeps.
func (r *resolver) resolve(a *ask) *Pipeline {
	before, again := len(r.errs), r.again
	t := r.template(a)
	if t == nil {
		return nil
	}
	p := &Pipeline{ID: a.id, Template: t.Name, TemplateVersion: t.Version}
	r.plain(a, p)
	set, bad := r.parameters(a, t)
	applied, dormant := r.fill(a, t, p, set, bad)
	r.artifacts(t, p, applied, bad)
	for _, rule := range t.Rules {
		if slices.ContainsFunc(rule.names(), func(name string) bool { return bad[name] || applied[name].unknown() }) {
			continue // one of its values is an error already, or not known yet
		}
		if e := r.rule(rule, p, t, applied, a.at); e != nil {
			r.fail(e)
		}
	}
	for _, err := range checkNames(p) {
		r.errs = append(r.errs, prefix(err, a.at.String()))
	}
	if len(r.errs) > before || r.again > again {
		return nil
	}
	p.Document = makeDocument(a, p, applied, dormant)
	return p
}

func (r *resolver) template(a *ask) *Template {
	n := a.pick(func(l *layer) *node { return l.Template })
	if n == nil {
		r.fail(a.at.errorf("%s has no template", a.id).WithHint("Add `template: ...` or --template; there are %s.", strings.Join(r.cat.Names(), ", ")))
		return nil
	}
	name, ok := n.value.(string)
	if !ok {
		return nil // said by layer.check
	}
	t, err := r.cat.Lookup(name)
	if err != nil {
		r.fail(n.pos.errorf("%s", err).WithHint("%s", fault.HintOf(err)).Because(err))
	}
	return t
}

// plain settles what is no parameter.
func (r *resolver) plain(a *ask, p *Pipeline) {
	str := func(n *node) string {
		if n == nil {
			return ""
		}
		s, _ := n.value.(string) // layer.check has refused anything else
		return s
	}
	region := a.pick(func(l *layer) *node { return l.Region })
	if p.Region = str(region); region == nil {
		if p.Region = r.opts.Region; p.Region == "" {
			r.fail(a.at.errorf("%s has no region", a.id).WithHint("Add `region: ...`, use --region, or set AWS_REGION."))
			return
		}
		if e := checkRegion(p.Region); e != nil {
			e.Op = "region"
			r.fail(e)
			return
		}
	}
	part, _ := Partition(p.Region)
	for name, n := range map[string]*node{
		"assumeRole":          a.pick(func(l *layer) *node { return l.AssumeRole }),
		"permissionsBoundary": a.pick(func(l *layer) *node { return l.PermissionsBoundary }),
	} {
		text := str(n)
		if of, err := arn.Parse(text); err == nil && of.Partition != part && part != "" {
			r.fail(n.pos.errorf("%s is in partition %s, but %s is in region %s of partition %s", name, of.Partition, a.id, p.Region, part).
				WithHint("Use an ARN that begins with arn:%s:, or another region.", part))
		}
		if name == "assumeRole" {
			p.AssumeRole = text
		} else {
			p.PermissionsBoundary = text
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

// parameters reads every layer's parameters by the rules of the template; the
// strongest layer wins. The names of those with an error come back as bad.
func (r *resolver) parameters(a *ask, t *Template) (set map[string]setting, bad map[string]bool) {
	set, bad = map[string]setting{}, map[string]bool{}
	for _, l := range a.layers {
		if l.Parameters == nil || l.Parameters.kind != kindMap {
			continue
		}
		if r.applied[l] == nil {
			r.applied[l] = map[string]bool{}
		}
		first := !r.applied[l][t.Name]
		r.applied[l][t.Name] = true
		leaves, unknown, errs := flattenParameters(l.Parameters, t)
		for _, u := range unknown {
			if first {
				r.unknown = append(r.unknown, unknownName{l, t, u.key, u.pos})
			}
		}
		for _, leaf := range leaves {
			if leaf.value.takesBack() {
				delete(set, leaf.key)
				continue
			}
			p, _ := t.Parameter(leaf.key)
			value, secrets, wrong := p.coerce(leaf.value, r.opts.source(l.dir, a.stored && l.rank != rankSet))
			errs = append(errs, wrong...)
			if len(wrong) == 0 {
				set[leaf.key] = setting{value, secrets, leaf.value, l}
			} else {
				bad[leaf.key] = true
			}
		}
		r.errs = append(r.errs, errs...)
	}
	return set, bad
}

// takesBack tells --set name=null: what weaker layers say of the parameter does
// not count, as if it had never been given.
func (n *node) takesBack() bool { return n.raw && n.text == "null" }

// flattenParameters turns nested maps into dotted names: both ways to write are
// allowed. What the template does not have comes back as unknown.
func flattenParameters(n *node, t *Template) (leaves, unknown []entry, errs fault.List) {
	seen := map[string]pos{}
	var walk func(n *node, path string)
	walk = func(n *node, path string) {
		for _, e := range n.entries {
			name := join(path, e.key)
			if _, ok := t.Parameter(name); ok {
				if first, twice := seen[name]; twice {
					errs = append(errs, e.pos.errorf("%s is given twice, first in line %d", name, first.line).WithHint("Remove one of the two."))
					continue
				}
				seen[name] = e.pos
				leaves = append(leaves, entry{key: name, pos: e.pos, value: e.value})
				continue
			}
			inside := slices.ContainsFunc(t.Parameters, func(p Parameter) bool { return strings.HasPrefix(p.Name, name+".") })
			switch {
			case inside && e.value.kind == kindMap:
				walk(e.value, name)
			case inside:
				errs = append(errs, typeError(e.value, name, "a map"))
			default:
				unknown = append(unknown, entry{key: name, pos: e.pos})
			}
		}
	}
	walk(n, "")
	return leaves, unknown, errs
}

// fill adds defaults and resets what does not apply. It returns the settings
// that do, and of a stored spec those that do not.
func (r *resolver) fill(a *ask, t *Template, p *Pipeline, set map[string]setting, bad map[string]bool) (applied, dormant map[string]setting) {
	p.Parameters = Values{}
	for _, param := range t.Parameters {
		if s, ok := set[param.Name]; ok && s.value != nil {
			p.Parameters[param.Name] = s.value
		} else if param.Default != nil {
			p.Parameters[param.Name] = param.Default
		}
	}
	applied, dormant = map[string]setting{}, map[string]setting{}
	for _, param := range t.Parameters {
		s, given := set[param.Name]
		if failing := param.When.failing(p.Parameters); len(failing) > 0 {
			unsure := slices.ContainsFunc(failing, func(name string) bool { return bad[name] || set[name].unknown() })
			if given && a.stored {
				dormant[param.Name] = s
			}
			if given && !unsure && !s.layer.dormant {
				r.useless(t, param, s, failing, p.Parameters, set)
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
				bad[param.Name] = true
				r.fail(s.node.pos.errorf("%s is empty, but template %s requires it", param.Name, t.Name).WithHint("Give %s.", param.Allowed()))
			}
		case param.Required && !bad[param.Name]:
			r.fail(a.at.errorf("%s has no %s, which template %s requires", a.id, param.Name, t.Name).
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
func (r *resolver) useless(t *Template, p Parameter, s setting, failing []string, v Values, set map[string]setting) {
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
	r.fail(s.node.pos.errorf("%s does not apply when %s", p.Name, strings.Join(why, " and ")).
		WithHint("Leave %s out; it takes effect when %s.", p.Name, p.When))
}

// artifacts finds the local files, relative to the file that names them.
func (r *resolver) artifacts(t *Template, p *Pipeline, applied map[string]setting, bad map[string]bool) {
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
		bad[name] = bad[name] || len(errs) > 0
		if local != "" {
			p.Files[name] = local
		}
	}
}

var errorPlace = lazyregexp.New(`^(.*?):(\d+):(\d+): `)

// sortErrors puts errors in the order of their file and leaves out repetitions:
// a shared layer is read for every pipeline.
func sortErrors(errs fault.List) fault.List {
	seen := map[string]bool{}
	out := slices.DeleteFunc(slices.Clone(errs), func(err error) bool {
		text := err.Error()
		defer func() { seen[text] = true }()
		return seen[text]
	})
	key := func(err error) (string, int, int) {
		m := errorPlace.FindStringSubmatch(err.Error())
		if m == nil {
			return "", 0, 0
		}
		line, _ := strconv.Atoi(m[2])
		col, _ := strconv.Atoi(m[3])
		return m[1], line, col
	}
	slices.SortStableFunc(out, func(a, b error) int {
		fa, la, ca := key(a)
		fb, lb, cb := key(b)
		if fa != fb {
			return strings.Compare(fa, fb)
		}
		if la != lb {
			return la - lb
		}
		return ca - cb
	})
	return out
}

// prefix puts a place before an error that has none.
func prefix(err error, op string) error {
	var e *fault.Error
	if errors.As(err, &e) && e.Op == "" {
		e.Op = op
	}
	return err
}

// within says before the message of an error what it belongs to.
func within(err error, what string) error {
	var e *fault.Error
	if errors.As(err, &e) {
		e.Msg = what + ": " + e.Msg
	}
	return err
}
