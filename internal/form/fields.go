package form

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/spec"
)

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
