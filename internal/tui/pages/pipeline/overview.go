package pipeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/charmbracelet/lipgloss"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// The sections of the overview, in their order: the digit is not shown.
const (
	inStatus     = "1Status"
	inOutputs    = "2Outputs"
	inParameters = "3Parameters"
	inTags       = "4Tags"
	inNames      = "5Names"
)

// fact is one line of the overview.
type fact struct {
	section, name string
	// value is what the line shows, whole the same in full, for the reader and the
	// clipboard; "" if it is the value.
	value, whole string
	style        *lipgloss.Style
	// hidden says that the value is a secret and can't be copied.
	hidden bool
	help   string
}

// text is the value in full.
func (f fact) text() string {
	if f.whole != "" {
		return f.whole
	}
	return f.value
}

// factRows are the facts as the grid sees them.
type factRows struct{ p *Page }

func (r factRows) Len() int             { return len(r.p.rows) }
func (r factRows) Key(i int) string     { return r.p.rows[i].section + "/" + r.p.rows[i].name }
func (r factRows) section(i int) string { return r.p.rows[i].section }

func (r factRows) Cell(i, column int) widget.Cell {
	f, th := r.p.rows[i], &r.p.Env.Theme
	if column == 0 {
		return widget.Cell{Text: f.name, Style: th.Key}
	}
	c := widget.Cell{Text: f.value}
	if f.style != nil {
		c.Style = *f.style
	}
	return c
}

func newFacts(p *Page) *widget.Grid {
	th := &p.Env.Theme
	g := widget.NewGrid(th, widget.Column{Min: 22, Max: 26, Flex: 1}, widget.Column{Min: 20, Flex: 4})
	g.NoHeader = true
	g.SetRows(factRows{p})
	g.GroupBy(factRows{p}.section, func(section string, _ int) string { return " " + th.Title.Render(section[1:]) })
	return g
}

// refreshFacts makes the lines anew.
func (p *Page) refreshFacts() {
	p.rows = p.rows[:0]
	if p.state.Known {
		p.statusFacts()
		p.outputFacts()
		p.parameterFacts()
		p.tagFacts()
		p.nameFacts()
	}
	p.facts.SetRows(factRows{p})
}

func (p *Page) add(section, name, value string) *fact {
	p.rows = append(p.rows, fact{section: section, name: name, value: value})
	return &p.rows[len(p.rows)-1]
}

// maybe adds a line to the status if there is something to say.
func (p *Page) maybe(name, value string) {
	if value != "" {
		p.add(inStatus, name, value)
	}
}

func (p *Page) statusFacts() {
	th := &p.Env.Theme
	for _, err := range []error{p.p.Err, p.liveErr()} {
		if err != nil {
			f := p.add(inStatus, "error", err.Error())
			f.whole, f.style = dialog.ErrorText(err), &th.Bad
			p.maybe("what helps", fault.HintOf(err))
		}
	}
	cond := p.condition()
	p.add(inStatus, "status", string(cond.Status))
	switch {
	case cond.Note != "":
		p.add(inStatus, "now", cond.Note)
	case cond.Err != nil && p.p.State != nil:
		f := p.add(inStatus, "why", cond.Err.Error())
		f.whole, f.style = dialog.ErrorText(cond.Err), &th.Warn
		p.maybe("what helps", fault.HintOf(cond.Err))
	}
	if s := p.p.Spec; s != nil {
		title := s.Template + " version " + s.TemplateVersion
		if p.template != nil {
			title += ": " + p.template.Title
		}
		p.add(inStatus, "template", title)
		p.add(inStatus, "region", s.Region)
		p.maybe("deploys as", s.AssumeRole)
		p.maybe("boundary", s.PermissionsBoundary)
		protect := "off: destroy deletes the data too"
		if s.Protect {
			protect = "on: destroy is refused as long as it is"
		}
		p.add(inStatus, "protection", protect)
	}
	p.maybe("endpoint", p.live.Value.Endpoint)
	for _, s := range p.live.Value.Shared {
		p.add(inStatus, "alias", s.String())
	}
	if p.live.Value.Executions() {
		p.add(inStatus, "executions", p.live.Value.Text(p.live.Value.Running)+" running, "+p.live.Value.Text(p.live.Value.Failed)+" failed in 24h")
		if last := p.live.Value.Last; last != nil {
			p.add(inStatus, "last run", string(last.Status)+", "+last.Name+", "+render.Stamp(last.Start))
		}
	}
	if last := p.p.Last(); last != nil {
		p.add(inStatus, "last operation", pipelines.KindWord(last.Kind)+" "+last.Result+", "+render.Stamp(last.Start)+", "+render.Changes(last.Changes, true))
	}
	p.add(inStatus, "drift", driftWords(p.p.Drift()))
	p.maybe("created", render.Stamp(p.p.Created()))
	if s := p.p.State; s != nil {
		p.maybe("changed", render.Stamp(s.Updated))
		p.add(inStatus, "resources", strconv.Itoa(s.Count()))
		p.maybe("secrets kept by", s.SecretsProvider)
	}
}

func driftWords(d pipelines.Drift) string {
	switch {
	case !d.Known():
		return "not known: no refresh in the history (r looks)"
	case d.Found == 0:
		return "none found by the refresh of " + render.Stamp(d.At)
	case d.Settled:
		return render.Count(d.Found, "resource", "resources") + " found by the refresh of " + render.Stamp(d.At) + "; an update since has put it right"
	default:
		return render.Count(d.Found, "resource", "resources") + " found by the refresh of " + render.Stamp(d.At) + "; u puts it right"
	}
}

func (p *Page) outputFacts() {
	if p.p.State == nil {
		return
	}
	help := map[string]string{}
	if p.template != nil {
		for _, o := range p.template.Outputs {
			help[o.Name] = o.Help
		}
	}
	for _, name := range sorted(p.p.State.Outputs) {
		o := p.p.State.Outputs[name]
		f := p.value(inOutputs, name, o.Value)
		f.help = help[name]
		if o.Secret {
			f.value, f.whole, f.hidden = stack.SecretValue, "", true
		}
	}
}

// value adds a line for any value.
func (p *Page) value(section, name string, v any) *fact {
	if s, ok := v.(string); ok {
		f := p.add(section, name, s)
		if strings.Contains(s, "\n") {
			f.whole = s
		}
		return f
	}
	f := p.add(section, name, compact(v))
	f.whole = pretty(v)
	return f
}

func (p *Page) parameterFacts() {
	if p.p.Spec == nil {
		return
	}
	if p.template == nil {
		for _, name := range sorted(p.p.Spec.Parameters) {
			// Nobody can tell which of them are secret.
			f := p.add(inParameters, name, "")
			f.value, f.whole, f.hidden = "[hidden: the template is not known here]", "", true
		}
		return
	}
	shown := p.p.Spec.Shown(p.template, stack.SecretValue)
	for _, name := range sorted(shown) {
		f := p.value(inParameters, name, shown[name])
		if shown[name] == stack.SecretValue {
			f.whole, f.hidden = "", true
		}
		param, ok := p.template.Parameter(name)
		if !ok {
			continue
		}
		f.help = param.Help
		if param.Unit != "" && !f.hidden {
			f.value += " " + param.Unit
		}
		if file := p.p.Spec.Files[name]; file != "" {
			f.value, f.whole = f.value+"  ("+file+")", file
		}
	}
}

func (p *Page) tagFacts() {
	if p.p.Spec == nil {
		return
	}
	all := p.p.Spec.AllTags()
	for _, name := range sorted(all) {
		p.add(inTags, name, all[name])
	}
}

// nameFacts are the names that exist: those of the state.
func (p *Page) nameFacts() {
	p.add(inNames, "stack", p.id.StackName())
	p.add(inNames, "AWS names begin with", p.id.BaseName())
	if p.p.Spec == nil || p.p.State == nil || len(p.Env.Place().Account) != 12 {
		return
	}
	there := map[string]bool{}
	for _, r := range p.p.State.Resources {
		there[r.ID] = true
		if name, ok := r.Outputs["name"].(string); ok {
			there[name] = true
		}
	}
	n := p.p.Spec.Names(p.Env.Place().Account)
	for _, x := range []struct{ what, name, arn string }{
		{"bucket", n.Bucket, n.BucketARN},
		{"endpoint", n.Endpoint, n.EndpointARN},
		{"state machine", n.StateMachine, n.StateMachineARN},
		{"function", n.Function, n.FunctionARN},
		{"role of the machine", n.StatesRole, n.StatesRoleARN},
		{"role of the function", n.LambdaRole, n.LambdaRoleARN},
		{"role of the endpoint", n.SageMakerRole, ""},
		{"log of the machine", n.StatesLogs, n.StatesLogsARN},
		{"log of the function", n.FunctionLogs, n.FunctionLogsARN},
		{"log of the endpoint", n.EndpointLogs, ""},
		{"dead letters", n.DeadLetters, n.DeadLettersARN},
		{"alarm", n.FailedAlarm, ""},
		{"key", n.KeyAlias, n.KeyAliasARN},
	} {
		if there[x.name] || x.arn != "" && there[x.arn] {
			p.add(inNames, x.what, x.name)
		}
	}
}

func sorted[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// compact is a value on one line.
func compact(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case []string:
		return strings.Join(x, ", ")
	}
	return strings.TrimRight(encode(v, ""), "\n")
}

// pretty is a value as indented JSON.
func pretty(v any) string { return strings.TrimRight(encode(v, "  "), "\n") }

func encode(v any, indent string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return b.String()
}
