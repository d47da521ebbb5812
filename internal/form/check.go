package form

import (
	"reflect"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// Problem is something wrong, with the field it is best mended in.
type Problem struct {
	Field      string
	Text, Hint string
}

// looked is what came of looking at an artifact.
type looked struct {
	text string
	err  error
}

// Looked tells the form what came of looking at the file that a field names.
func (f *Form) Looked(field, text string, err error) {
	f.files[field] = looked{text, err}
	f.update()
}

// update works out what follows from the answers.
func (f *Form) update() {
	f.tmpl, f.pipeline, f.problems = nil, nil, nil
	if f.a.Template == "" {
		return
	}
	t, err := f.cat.Lookup(f.a.Template)
	if err != nil {
		f.problems = []Problem{{Text: err.Error(), Hint: fault.HintOf(err)}}
		return
	}
	f.tmpl = t
	parsed := spec.Values{}
	f.secrets = map[string]map[string]spec.Secret{}
	for name, text := range f.a.Values {
		if p, ok := t.Parameter(name); ok {
			if v, secrets, err := parse(p, text, f.opts.Dir); err == nil {
				parsed[name], f.secrets[name] = v, secrets
			}
		}
	}
	f.values = t.Effective(parsed)
	f.check()
}

// parse reads an answer without looking at files.
func parse(p *spec.Parameter, text, dir string) (any, map[string]spec.Secret, error) {
	if p.Type == spec.TypePath && !strings.Contains(text, "://") {
		return text, nil, nil
	}
	return p.Read(text, dir)
}

// said are the answers that make the pipeline: only what differs from the defaults and
// applies.
func (f *Form) said() spec.Answers {
	a := f.copy()
	for name, text := range f.a.Values {
		p, ok := f.tmpl.Parameter(name)
		if !ok || len(p.When.Unmet(f.values)) > 0 {
			delete(a.Values, name)
			continue
		}
		if v, secrets, err := parse(p, text, f.opts.Dir); err == nil && len(secrets) == 0 && p.Default != nil && reflect.DeepEqual(v, p.Default) {
			delete(a.Values, name)
		}
	}
	for name := range a.Copies {
		if f.CopyOf(name) == "" {
			delete(a.Copies, name)
		}
	}
	return a
}

// check holds everything against the rules.
func (f *Form) check() {
	p, err := spec.Build(f.said(), f.cat, f.opts)
	for _, x := range spec.Problems(err) {
		f.problems = append(f.problems, f.problem(x))
	}
	if x := f.unread.problem; x != nil {
		f.problems = append(f.problems, Problem{Field: Tags, Text: x.Msg, Hint: x.Hint})
	}
	id := f.a.ID
	if id.Env == "" {
		id.Env = spec.DefaultEnv
	}
	if f.before == nil && f.taken[id] {
		f.problems = append(f.problems, Problem{Field: Model, Text: id.String() + " exists already", Hint: "Choose another name, or change the existing pipeline from the list."})
	}
	for name, l := range f.files {
		if l.err == nil || l.text != f.a.Values[name] {
			continue
		}
		for _, x := range spec.Problems(l.err) {
			f.problems = append(f.problems, Problem{Field: name, Text: x.Msg, Hint: x.Hint})
		}
	}
	f.sort()
	if len(f.problems) == 0 {
		f.pipeline = p
	}
}

// problem is a problem with the field that it is about.
func (f *Form) problem(x *spec.Problem) Problem {
	p := Problem{Field: x.Path.Setting(f.tmpl), Text: x.Msg, Hint: x.Hint}
	named := p.Field == Tenant || p.Field == Model
	if p.Field != "" && (x.Rule == spec.CodeMissing && f.text(p.Field) == "" || named && f.text(p.Field) == "") {
		p.Text, p.Hint = p.Field+" has to be given", ""
	}
	return p
}

// sort puts the problems in the order of the form.
func (f *Form) sort() {
	order := map[string]int{}
	for _, s := range f.Steps() {
		for _, name := range s.Fields {
			order[name] = len(order) + 1
		}
	}
	slices.SortStableFunc(f.problems, func(a, b Problem) int { return order[a.Field] - order[b.Field] })
}

// Problems are all that is wrong now, in the order of the form.
func (f *Form) Problems() []Problem { return f.problems }

// Check judges an answer by the rules of its field alone; what it means beside the
// others is told once it was Set. No answer is right.
func (f *Form) Check(field, text string) error {
	if text == "" {
		return nil
	}
	if p, ok := f.Parameter(field); ok {
		_, err := p.Parse(text, f.opts.Dir)
		return err
	}
	if field == Tags {
		if _, x := spec.ParseTags(text); x != nil {
			return fault.New(fault.Invalid, "%s", x.Msg).WithHint("%s", x.Hint)
		}
	}
	trial := New(f.cat, f.opts, f.copy(), nil)
	trial.Set(field, text)
	for _, p := range trial.problems {
		if p.Field == field {
			return fault.New(fault.Invalid, "%s", p.Text).WithHint("%s", p.Hint)
		}
	}
	return nil
}

// Pipeline is what the answers make, nil as long as there are problems. Artifacts
// were not looked at: Resolve does that.
func (f *Form) Pipeline() *spec.Pipeline { return f.pipeline }

// Resolve makes the pipeline with everything checked, files too. It reads them,
// so it is not for Update; it may run beside the form.
func (f *Form) Resolve() func() (*spec.Pipeline, error) {
	a, opts, cat := f.copy(), f.opts, f.cat
	if f.tmpl != nil {
		a = f.said()
	}
	opts.SkipFiles = false
	if x := f.unread.problem; x != nil {
		return func() (*spec.Pipeline, error) {
			return nil, fault.New(fault.Invalid, "%s", x.Msg).WithHint("%s", x.Hint)
		}
	}
	return func() (*spec.Pipeline, error) { return spec.Build(a, cat, opts) }
}

// Refused takes the errors of Resolve: they belong to fields as any others.
func (f *Form) Refused(err error) {
	for _, x := range spec.Problems(err) {
		p := f.problem(x)
		// What is wrong without looking at files was said already.
		if !slices.ContainsFunc(f.problems, func(x Problem) bool { return x.Field == p.Field }) {
			f.problems = append(f.problems, p)
		}
	}
	f.sort()
	if len(f.problems) > 0 {
		f.pipeline = nil
	}
}
