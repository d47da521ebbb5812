package spec

import (
	"maps"
	"slices"
)

// mendedElsewhere are the rules that another layer may meet, by what it adds.
var mendedElsewhere = []ProblemCode{CodeMissing, ProblemCode(RuleTogether), ProblemCode(RuleRequires)}

// whichever looks at a pipeline of which it is not known which template (t is nil), or
// which layer of a tenant, is meant: what is wrong whichever it is, does not depend on it
// and is told. What may be missing only because the layer is, is not.
func (r *resolver) whichever(a *ask, t *Template) {
	var told problems
	var unknown map[string][]unknownName
	for i, layers := range a.alternatives(r.cat, t) {
		one := *a
		one.layers, one.either = layers, nil
		trial := newResolver(r.cat, r.opts)
		trial.resolve(&one)
		trial.errs = slices.DeleteFunc(trial.errs, func(p *Problem) bool { return slices.Contains(mendedElsewhere, p.Rule) })
		named := map[string][]unknownName{}
		for _, u := range trial.unknown {
			if u.layer.rank >= rankPipeline {
				named[u.name] = append(named[u.name], u)
			}
		}
		if i == 0 {
			told, unknown = trial.errs, named
			continue
		}
		told = told.common(trial.errs)
		maps.DeleteFunc(unknown, func(name string, _ []unknownName) bool { return len(named[name]) == 0 })
		for name := range unknown {
			unknown[name] = append(unknown[name], named[name]...)
		}
	}
	for _, p := range told {
		if r.sayOnce(p) {
			r.fail(p)
		}
	}
	if t == nil && len(a.either) == 0 {
		return // of another template than there are, nothing is known
	}
	r.lack(unknown)
}

// lack notes names that none of the templates has which a layer was tried with, each
// once: --set is read for every pipeline, and several trials may have one template.
func (r *resolver) lack(unknown map[string][]unknownName) {
	var news []unknownName
	for _, name := range sortedKeys(unknown) {
		noted := map[*Template]bool{}
		for _, u := range unknown[name] {
			if !r.applied[u.layer][u.template.Name] && !noted[u.template] {
				news = append(news, u)
			}
			noted[u.template] = true
		}
	}
	for _, u := range news {
		r.unknown = append(r.unknown, u)
		if r.applied[u.layer] == nil {
			r.applied[u.layer] = map[string]bool{}
		}
		r.applied[u.layer][u.template.Name] = true
	}
}

// alternatives are the layers that may be meant in all, each time weakest first.
func (a *ask) alternatives(cat *Catalog, t *Template) [][]*layer {
	var out [][]*layer
	for _, l := range a.either {
		layers := slices.Clone(a.layers)
		layers[slices.IndexFunc(layers, func(l *layer) bool { return l.rank == rankTenant })] = l
		out = append(out, layers)
	}
	if t != nil || len(out) > 0 || a.stored {
		return out
	}
	for _, t := range cat.templates {
		named := &layer{rank: rankSet, settings: settings{Template: textNode(a.at, t.Name)}}
		out = append(out, append(slices.Clone(a.layers), named))
	}
	return out
}

// common are the problems that are in another list too.
func (ps problems) common(others problems) problems {
	keys := map[string]bool{}
	for _, p := range others {
		keys[p.Error()+"\x00"+p.Path.String()] = true
	}
	return slices.DeleteFunc(ps, func(p *Problem) bool { return !keys[p.Error()+"\x00"+p.Path.String()] })
}
