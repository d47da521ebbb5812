// Package form owns the questions that make and change a pipeline, as a pure model:
// which there are, in which steps, what an answer may be, what holds without one, what is
// wrong now, and what a change means for the pipeline there is. The full screen draws it,
// the command line asks it line by line. It goes by spec's rules alone: what an answer may
// be is said nowhere else. It draws nothing and reads no files.
package form

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// AnswersOf are the answers that make a pipeline again. dir is what relative paths
// in them will be relative to.
func AnswersOf(p *spec.Pipeline, t *spec.Template, dir string) (spec.Answers, error) {
	a := spec.Answers{
		Template: p.Template, ID: p.ID, Region: p.Region, Values: map[string]string{}, Tags: maps.Clone(p.Tags),
		AssumeRole: p.AssumeRole, PermissionsBoundary: p.PermissionsBoundary, Copies: map[string]string{},
	}
	var said struct {
		Directory  string         `json:"directory"`
		Protect    *bool          `json:"protect"`
		Parameters map[string]any `json:"parameters"`
	}
	if err := json.Unmarshal(p.Document, &said); err != nil {
		return a, fault.New(fault.Internal, "the spec of %s can't be read", p.ID).Because(err)
	}
	a.Protect = said.Protect
	for name := range said.Parameters {
		param, ok := t.Parameter(name)
		if !ok {
			continue // of an older template
		}
		text := param.Text(p.Parameters[name], p.SecretsOf(name))
		if file, local := p.Files[name]; local {
			original := text
			if !filepath.IsAbs(text) {
				original = filepath.Join(said.Directory, text)
			}
			if filepath.Clean(original) != file {
				a.Copies[name] = file
			}
			if said.Directory != dir {
				text = original
			}
		}
		a.Values[name] = text
	}
	return a, nil
}

// Names of the fields that are no parameters.
const (
	Tenant   = "tenant"
	Model    = "model"
	Env      = "env"
	Region   = "region"
	Tags     = "tags"
	Protect  = "protect"
	Role     = "assumeRole"
	Boundary = "permissionsBoundary"
)

// Steps that every form has.
const (
	IdentityStep = "id"
	otherStep    = "other"
	ungrouped    = ""
)

// Step is one screen of the form.
type Step struct {
	Name, Title, Help string
	Fields            []string
}

// Field is one question with everything that is to be said about it now.
type Field struct {
	Name, Label string
	Type        spec.Type
	Help        string
	// Text is the answer as typed, "" if there is none.
	Text string
	// Default is what holds without an answer, as text.
	Default string
	// Value is what holds now, as text for people: secrets are hidden.
	Value    string
	Unit     string
	Changing string
	Costs    string
	Allowed  string
	Example  string
	Choices  []string
	Secret   bool
	// Covered says that a part of the answer at least is secret: Text may not be shown.
	Covered  bool
	Required bool
	// Fixed says why it can't be changed for this pipeline, Greyed why it means
	// nothing now; "" otherwise.
	Fixed, Greyed string
	// Problem is what is wrong with the answer, "" if nothing is.
	Problem, Hint string
	Artifact      *spec.Artifact
}

// Answered tells whether the user has said anything.
func (f Field) Answered() bool { return f.Text != "" }

// Problem is something wrong, with the field it is best mended in.
type Problem struct {
	Field      string
	Text, Hint string
}

// Form turns answers into fields, problems, and in the end a pipeline, by the
// spec's own rules. It reads no files: what became of looking at them is told it
// by Looked. It is not safe for concurrent use.
type Form struct {
	cat  *spec.Catalog
	opts spec.Options
	a    spec.Answers
	tmpl *spec.Template
	// before is the pipeline that is changed, nil if one is made.
	before *spec.Pipeline
	taken  map[spec.ID]bool
	files  map[string]looked
	// unread is an answer for the tags that is no map of tags: it is kept as it was typed,
	// beside the tags there were, until it is mended.
	unread unread
	// begun are the answers at the beginning, to see whether anything was said.
	begun spec.Answers

	values spec.Values // effective
	// secrets are what of the values is secret, by parameter and entry.
	secrets  map[string]map[string]spec.Secret
	pipeline *spec.Pipeline
	problems []Problem
}

// unread is an answer that can't be read, and why; no text if there is none.
type unread struct {
	text    string
	problem *spec.Problem
}

// looked is what came of looking at an artifact.
type looked struct {
	text string
	err  error
}

// New returns a form. before is the pipeline that the answers are to change,
// nil to make one.
func New(cat *spec.Catalog, opts spec.Options, a spec.Answers, before *spec.Pipeline) *Form {
	f := &Form{cat: cat, opts: opts, a: a, before: before, files: map[string]looked{}}
	f.a.Values, f.a.Tags = maps.Clone(a.Values), maps.Clone(a.Tags)
	if f.a.Values == nil {
		f.a.Values = map[string]string{}
	}
	if f.a.Tags == nil {
		f.a.Tags = map[string]string{}
	}
	f.opts.SkipFiles = true
	f.begun = f.copy()
	f.update()
	return f
}

func (f *Form) copy() spec.Answers {
	a := f.a
	a.Values, a.Tags, a.Copies = maps.Clone(f.a.Values), maps.Clone(f.a.Tags), maps.Clone(f.a.Copies)
	return a
}

// Answers returns a copy of the answers.
func (f *Form) Answers() spec.Answers { return f.copy() }

// ID names the pipeline as far as it was answered.
func (f *Form) ID() spec.ID { return f.a.ID }

// Template is the template in question, nil before one was chosen.
func (f *Form) Template() *spec.Template { return f.tmpl }

// Changed tells whether anything was answered since the form began.
func (f *Form) Changed() bool { return f.unread.text != "" || !reflect.DeepEqual(f.a, f.begun) }

// Taken tells the form which pipelines there are already.
func (f *Form) Taken(ids []spec.ID) {
	f.taken = map[spec.ID]bool{}
	for _, id := range ids {
		f.taken[id] = true
	}
	f.update()
}

// Looked tells the form what came of looking at the file that a field names.
func (f *Form) Looked(field, text string, err error) {
	f.files[field] = looked{text, err}
	f.update()
}

// Choose takes a template. Answers that it knows the parameters of are kept.
func (f *Form) Choose(template string) {
	f.a.Template = template
	f.update()
}

// Set takes an answer; "" takes it back.
func (f *Form) Set(field, text string) {
	switch field {
	case Tenant:
		f.a.ID.Tenant = text
	case Model:
		f.a.ID.Model = text
	case Env:
		f.a.ID.Env = text
	case Region:
		f.a.Region = text
	case Role:
		f.a.AssumeRole = text
	case Boundary:
		f.a.PermissionsBoundary = text
	case Protect:
		f.a.Protect = nil
		if b := text == "true"; text != "" && b != f.protectDefault() {
			f.a.Protect = &b
		}
	case Tags:
		f.setTags(text)
	default:
		if text == "" {
			delete(f.a.Values, field)
		} else {
			f.a.Values[field] = text
		}
	}
	f.update()
}

// setTags takes tags as JSON. What can't be read changes none of those there are.
func (f *Form) setTags(text string) {
	f.unread = unread{}
	if text == "" {
		f.a.Tags = map[string]string{}
		return
	}
	tags, problem := spec.ParseTags(text)
	if problem != nil {
		f.unread = unread{text, problem}
		return
	}
	f.a.Tags = tags
}

func (f *Form) protectDefault() bool { return f.a.ID.Env == spec.ProdEnv }

func (f *Form) text(field string) string {
	switch field {
	case Tenant:
		return f.a.ID.Tenant
	case Model:
		return f.a.ID.Model
	case Env:
		return f.a.ID.Env
	case Region:
		return f.a.Region
	case Role:
		return f.a.AssumeRole
	case Boundary:
		return f.a.PermissionsBoundary
	case Protect:
		if f.a.Protect != nil {
			return fmt.Sprint(*f.a.Protect)
		}
		return ""
	case Tags:
		if f.unread.text != "" {
			return f.unread.text
		}
		if len(f.a.Tags) == 0 {
			return ""
		}
		raw, err := json.Marshal(f.a.Tags)
		if err != nil {
			return ""
		}
		return string(raw)
	}
	return f.a.Values[field]
}

// Steps are the screens of the form, in order. There is only the first one before
// a template was chosen.
func (f *Form) Steps() []Step {
	out := []Step{{
		Name: IdentityStep, Title: "Name", Help: "Whose pipeline it is, for which model, at what stage.",
		Fields: []string{Tenant, Model, Env, Region},
	}}
	if f.tmpl == nil {
		return out
	}
	add := func(name, title, help string) {
		s := Step{Name: name, Title: title, Help: help}
		for _, p := range f.tmpl.Group(name) {
			s.Fields = append(s.Fields, p.Name)
		}
		if len(s.Fields) > 0 {
			out = append(out, s)
		}
	}
	for _, g := range f.tmpl.Groups {
		add(g.Name, g.Title, g.Help)
	}
	add(ungrouped, "More", "What belongs to no group.")
	return append(out, Step{
		Name: otherStep, Title: "Tags and rights", Help: "What all resources carry, and as whom they are made.",
		Fields: []string{Tags, Protect, Role, Boundary},
	})
}

// StepOf is the place of the step with a field, 0 if there is none.
func (f *Form) StepOf(field string) int {
	for i, s := range f.Steps() {
		if slices.Contains(s.Fields, field) {
			return i
		}
	}
	return 0
}

// Field returns a field as it is now.
func (f *Form) Field(name string) Field {
	x, ok := f.fixedField(name)
	if !ok {
		p, known := f.Parameter(name)
		if !known {
			return Field{Name: name}
		}
		x = f.parameterField(p)
	}
	x.Text = f.text(name)
	for _, p := range f.problems {
		if p.Field == name {
			x.Problem, x.Hint = p.Text, p.Hint
			break
		}
	}
	if x.Value == "" {
		x.Value = x.Text
	}
	if x.Value == "" {
		x.Value = x.Default
	}
	return x
}

// Parameter is the parameter that a field is about; the others are settings of every
// pipeline.
func (f *Form) Parameter(name string) (*spec.Parameter, bool) {
	if f.tmpl == nil {
		return nil, false
	}
	return f.tmpl.Parameter(name)
}

func (f *Form) fixedField(name string) (Field, bool) {
	fixed := ""
	if f.before != nil {
		fixed = "a pipeline keeps its name and place for good"
	}
	x := Field{Name: name, Type: spec.TypeString}
	switch name {
	case Tenant:
		x.Label, x.Help, x.Required, x.Fixed, x.Example = "tenant", "Who the pipeline belongs to: a customer, a team.", true, fixed, "acme"
	case Model:
		x.Label, x.Help, x.Required, x.Fixed, x.Example = "model", "What is being served.", true, fixed, "fraud"
	case Env:
		x.Label, x.Help, x.Default, x.Fixed = "env", "The stage. Pipelines of prod are protected unless told otherwise.", spec.DefaultEnv, fixed
	case Region:
		x.Label, x.Help, x.Default, x.Fixed = "region", "The AWS region that everything is made in.", f.opts.Region, fixed
		x.Required = f.opts.Region == ""
	case Tags:
		x.Label, x.Help, x.Type = "tags", "Tags for every resource of the pipeline, for cost reports and policies.", spec.TypeMap
		if x.Value = f.unread.text; x.Value == "" {
			x.Value = entries(f.a.Tags)
		}
	case Protect:
		x.Label, x.Type, x.Default = "protect", spec.TypeBool, fmt.Sprint(f.protectDefault())
		x.Help = "Keep the data from being deleted: destroy is refused until this is switched off."
	case Role:
		x.Label, x.Help, x.Type = "assumeRole", "Role to deploy with, in an account of its own perhaps. Empty: your own identity.", spec.TypeARN
		x.Example = "arn:aws:iam::111122223333:role/deployer"
	case Boundary:
		x.Label, x.Help, x.Type = "permissionsBoundary", "Policy that bounds every role the pipeline makes. Empty: none.", spec.TypeARN
		x.Example = "arn:aws:iam::111122223333:policy/boundary"
	default:
		return x, false
	}
	x.Allowed = spec.AllowedSetting(name)
	return x, true
}

func (f *Form) parameterField(p *spec.Parameter) Field {
	x := Field{
		Name: p.Name, Label: p.Name, Type: p.Type, Help: p.Help, Unit: p.Unit, Changing: p.Changing, Costs: p.Costs,
		Allowed: p.Allowed(), Secret: p.Secret, Required: p.Required, Artifact: p.Artifact,
		Default: p.Format(p.Default, nil), Choices: p.Choices(),
	}
	secrets := f.secrets[p.Name]
	if _, whole := secrets[""]; whole {
		x.Secret = true
	}
	x.Covered = p.Secret || len(secrets) > 0
	if p.Example != nil {
		x.Example = p.Format(p.Example, nil)
	}
	if unmet := p.When.Unmet(f.values); len(unmet) > 0 {
		x.Greyed = "only when " + p.When.String()
		x.Value = p.Format(f.values[p.Name], secrets)
		return x
	}
	if v, ok := f.values[p.Name]; ok {
		x.Value = p.Format(v, secrets)
	}
	switch v := p.Shown(f.values[p.Name], secrets, spec.BlankedSecret).(type) {
	case map[string]string:
		x.Value = entries(v)
	case map[string]any:
		if _, form := secrets[""]; !form {
			x.Value = shownEntries(v)
		}
	case []string:
		x.Value = strings.Join(v, ", ")
	}
	if p.Secret && f.a.Values[p.Name] != "" {
		x.Value = spec.BlankedSecret
	}
	return x
}

// shownEntries is entries of a map some of whose values are secrets: blanked, or what
// they refer to.
func shownEntries(m map[string]any) string {
	plain := make(map[string]string, len(m))
	for k, v := range m {
		text, ok := v.(string)
		if raw, err := json.Marshal(v); !ok && err == nil {
			text = string(raw)
		}
		plain[k] = text
	}
	return entries(plain)
}

// entries is a map in a line.
func entries(m map[string]string) string {
	parts := make([]string, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, k+"="+m[k])
	}
	return strings.Join(parts, ", ")
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

// CopyOf is where the artifact of an answer is in truth, "" if it is where the answer
// says.
func (f *Form) CopyOf(field string) string {
	if f.a.Values[field] != f.begun.Values[field] {
		return ""
	}
	return f.a.Copies[field]
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

// Names are the AWS names that follow from tenant, model, env and region; false
// as long as these are not right.
func (f *Form) Names(account string) (spec.Names, bool) {
	p := spec.Pipeline{ID: f.a.ID, Region: f.a.Region}
	if p.Env == "" {
		p.Env = spec.DefaultEnv
	}
	if p.Region == "" {
		p.Region = f.opts.Region
	}
	if p.Validate() != nil || p.Region == "" {
		return spec.Names{}, false
	}
	if account == "" {
		account = "000000000000"
	}
	return p.Names(account), true
}

// Difference is one parameter that a change makes other than it was.
type Difference struct {
	Name, Before, After string
	// Changing says what that does to what runs.
	Changing string
}

// Differences are what the answers change of the pipeline there is.
func (f *Form) Differences() []Difference {
	if f.before == nil || f.tmpl == nil {
		return nil
	}
	var out []Difference
	for i := range f.tmpl.Parameters {
		p := &f.tmpl.Parameters[i]
		was, is := f.before.Parameters[p.Name], f.values[p.Name]
		wasSecret, isSecret := f.before.SecretsOf(p.Name), f.secrets[p.Name]
		if reflect.DeepEqual(was, is) && maps.Equal(wasSecret, isSecret) {
			continue
		}
		if p.Type == spec.TypePath && f.before.Files[p.Name] != "" && (f.before.Files[p.Name] == f.absolute(p.Name) || f.CopyOf(p.Name) != "") {
			continue
		}
		out = append(out, Difference{p.Name, p.Format(was, wasSecret), p.Format(is, isSecret), p.Changing})
	}
	protect := f.protectDefault()
	if f.a.Protect != nil {
		protect = *f.a.Protect
	}
	for _, d := range []Difference{
		{Name: Protect, Before: fmt.Sprint(f.before.Protect), After: fmt.Sprint(protect)},
		{Name: Tags, Before: entries(f.before.Tags), After: entries(f.a.Tags), Changing: "in place"},
		{Name: Role, Before: f.before.AssumeRole, After: f.a.AssumeRole},
		{Name: Boundary, Before: f.before.PermissionsBoundary, After: f.a.PermissionsBoundary, Changing: "in place"},
	} {
		if d.Before != d.After {
			out = append(out, d)
		}
	}
	return out
}

func (f *Form) absolute(name string) string {
	text, _ := f.values[name].(string)
	if text == "" || strings.Contains(text, "://") || filepath.IsAbs(text) {
		return text
	}
	return filepath.Join(f.opts.Dir, text)
}

// Idle says in a line what a template's pipelines cost while nothing runs.
func Idle(t *spec.Template) string {
	var parts []string
	if t.HasBlock("endpoint") {
		parts = append(parts, "the endpoint's instances by the hour (nothing if serverless)")
	} else {
		parts = append(parts, "no machines")
	}
	if t.HasBlock("storage") {
		parts = append(parts, "what is stored")
	}
	return strings.Join(parts, ", ")
}
