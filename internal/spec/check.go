package spec

import (
	"os"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/linear"
)

// ecrRegion finds the region in the URI of an ECR image.
var ecrRegion = lazyregexp.New(`^\d{12}\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.`)

// rule checks one rule between parameters. The error stands where the last of
// the values it is about was given, or else at the pipeline.
func (r *resolver) rule(rule Rule, p *Pipeline, k *knowledge, given map[string]setting, a *ask) *Problem {
	v, t := p.Parameters, k.t
	if rule.Kind != RuleForbid && !rule.When.holds(v) {
		return nil
	}
	fail := func(names []string, format string, args ...any) *Problem {
		e := a.at.in("parameters", names[0]).problem(ProblemCode(rule.Kind), format, args...)
		best := rankDefault
		for _, name := range names {
			if s, ok := given[name]; ok && s.layer.rank >= best {
				param, _ := t.Parameter(name)
				best, e = s.layer.rank, param.problem(s.node, ProblemCode(rule.Kind), format, args...)
			}
		}
		e = e.WithHint("%s", rule.Help)
		if !a.nameless {
			e.Pipeline = a.id.String()
		}
		if !r.sayOnce(e) {
			return nil
		}
		return e
	}
	set, unset := split(rule.Parameters, v)
	switch rule.Kind {
	case RuleTogether:
		if len(set) > 0 && len(unset) > 0 {
			return fail(set, "%s without %s", strings.Join(set, " and "), strings.Join(unset, " and "))
		}
	case RuleConflicts:
		if len(set) > 1 {
			return fail(set, "%s can't be used together", strings.Join(set, " and "))
		}
	case RuleRequires:
		if len(unset) > 0 {
			e := fail(sortedKeys(rule.When), "%s has to be given when %s", strings.Join(unset, " and "), rule.When)
			if e != nil { // told where the condition was given, mended where nothing was
				e.Path, e.Value = a.at.in("parameters", unset[0]).at.path(), nil
			}
			return e
		}
	case RuleForbid:
		if rule.When.holds(v) {
			return fail(sortedKeys(rule.When), "it can't be that %s", told(rule.When, t, p))
		}
	case RuleAtMost:
		return atMost(rule, p, fail)
	case RuleHandler:
		return r.handler(rule, p, k, fail)
	case RuleModel:
		return r.model(rule, p, fail)
	case RuleRollout:
		if _, wrong := RolloutOf(p); wrong != nil {
			if e := fail([]string{wrong.Parameter}, "%s", wrong.Msg); e != nil {
				return e.WithHint("%s", wrong.Hint)
			}
		}
	case RuleTotal:
		if name, size := rule.total(v); name != "" {
			return fail([]string{name}, tooLong, name, size, rule.Most-rule.Margin)
		}
	case RuleRegion:
		for _, name := range rule.Parameters {
			m := ecrRegion.FindStringSubmatch(v.String(name))
			if m != nil && m[1] != p.Region {
				return fail([]string{name}, "%s is in region %s, but the pipeline is in %s", name, m[1], p.Region)
			}
		}
	}
	return nil
}

// sayOnce tells whether an error of a rule is new: values of a shared layer break it for
// every pipeline that has them, and one line says it. Those of a flag are counted: the one
// line names all of them.
func (r *resolver) sayOnce(e *Problem) bool {
	key := e.place() + "\x00" + e.Msg + "\x00" + e.Hint
	if e.File == "" {
		key += "\x00" + e.Pipeline
	}
	if r.said[key] {
		r.again++
		return false
	}
	r.said[key] = true
	return true
}

// decidable tells whether a rule can be held against what is known: whether a handler
// is one at all, can be told without the code.
func (rule Rule) decidable(k *knowledge, region string) bool {
	names := rule.names()
	if rule.Kind == RuleHandler {
		names = slices.DeleteFunc(names, func(name string) bool { return name == rule.Parameters[0] })
	}
	return !slices.ContainsFunc(names, k.doubtful) && (rule.Kind != RuleRegion || region != "")
}

// names returns every parameter that a rule looks at.
func (rule Rule) names() []string {
	return slices.Concat(rule.Parameters, sortedKeys(rule.When), []string{rule.Left, rule.Right})
}

// told names the values that meet conditions.
func told(cs Conditions, t *Template, p *Pipeline) string {
	parts := make([]string, 0, len(cs))
	for _, name := range sortedKeys(cs) {
		parts = append(parts, name+" is "+t.shown(name, p.Parameters[name], p.SecretsOf(name)))
	}
	return strings.Join(parts, " and ")
}

func split(names []string, v Values) (set, unset []string) {
	for _, name := range names {
		if isSet(v[name]) {
			set = append(set, name)
		} else {
			unset = append(unset, name)
		}
	}
	return set, unset
}

type failer func(names []string, format string, args ...any) *Problem

func atMost(rule Rule, p *Pipeline, fail failer) *Problem {
	left, ok := number(p.Parameters[rule.Left])
	right, ok2 := number(p.Parameters[rule.Right])
	if !ok || !ok2 || left+float64(rule.Margin) <= right {
		return nil
	}
	names := []string{rule.Right, rule.Left}
	if rule.Margin == 0 {
		return fail(names, "%s (%s) is more than %s (%s)", rule.Left, format(left), rule.Right, format(right))
	}
	return fail(names, "%s (%s) must be at least %d less than %s (%s)", rule.Left, format(left), rule.Margin, rule.Right, format(right))
}

// handler looks whether the code holds the file and the function that the handler
// names. Where it is not known which code is meant, it looks at the handler alone.
func (r *resolver) handler(rule Rule, p *Pipeline, k *knowledge, fail failer) *Problem {
	if r.opts.SkipFiles {
		return nil
	}
	code, handler, runtime := rule.Parameters[0], rule.Parameters[1], rule.Parameters[2]
	if !tellsFile(p.Parameters.String(handler), p.Parameters.String(runtime)) {
		return nil
	}
	tree := &codeTree{}
	var missing []string
	var wrong *Problem
	if k.doubtful(code) {
		wrong = checkHandlerForm(p.Parameters.String(handler), p.Parameters.String(runtime))
	} else {
		folder, _, _ := strings.Cut(code, ".")
		var err error
		if tree, err = openCode(p.Files[code], k.t, folder); err != nil {
			return fail([]string{code}, "%s can't be read: %s", code, fault.Reason(err))
		}
		defer func() { _ = tree.close() }() // it was only read
		missing, wrong = CheckHandler(tree, p.Parameters.String(handler), p.Parameters.String(runtime))
	}
	if wrong == nil {
		return nil
	}
	where := ""
	if len(missing) > 0 {
		where = " in the code that comes with the template"
		if local := p.Files[code]; local != "" {
			where = " in " + local
		}
	}
	e := fail([]string{code, handler}, "%s is %q with runtime %s, but %s%s",
		handler, p.Parameters.String(handler), p.Parameters.String(runtime), wrong.Msg, where)
	if e == nil {
		return nil
	}
	if wrong.Hint != "" {
		e = e.WithHint("%s", wrong.Hint)
	}
	for name := range tree.files {
		if _, base, nested := strings.Cut(name, "/"); nested && slices.Contains(missing, base) {
			return e.WithHint("Put %s at the top of the code instead of in a folder, or name the folder in %s.", base, handler)
		}
	}
	return e
}

// model looks whether a local model archive is one that its image can serve.
func (r *resolver) model(rule Rule, p *Pipeline, fail failer) *Problem {
	image, data := rule.Parameters[0], rule.Parameters[1]
	local := p.Files[data]
	if r.opts.SkipFiles || local == "" || !linear.Names(p.Parameters.String(image)) {
		return nil
	}
	f, err := os.Open(local)
	if err == nil {
		defer func() { _ = f.Close() }() // it was only read
		err = linear.CheckArchive(f)
	}
	if err == nil {
		return nil
	}
	return fail([]string{data}, "%s is %q, which the image %s can't serve: %s", data, local, p.Parameters.String(image), fault.Reason(err))
}
