package wizard

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// inlineChoices is up to how many choices are shown side by side.
const inlineChoices = 6

// control is how a field is answered.
type control int

const (
	typed   control = iota // letters go into it
	toggled                // yes or no
	inline                 // a few choices beside each other
	listed                 // many choices, in a list of their own
	edited                 // a document: lists and maps
	closed                 // fixed, or greyed
)

func controlOf(f Field) control {
	switch {
	case f.Fixed != "" || f.Greyed != "":
		return closed
	case f.Type == spec.TypeBool:
		return toggled
	case f.Type == spec.TypeEnum && len(f.Choices) <= inlineChoices:
		return inline
	case f.Type == spec.TypeEnum:
		return listed
	case f.Type == spec.TypeList || f.Type == spec.TypeMap:
		return edited
	}
	return typed
}

func (p *Page) current() Step {
	steps := p.form.Steps()
	p.step = max(0, min(p.step, len(steps)-1))
	return steps[p.step]
}

func (p *Page) field() Field {
	s := p.current()
	if len(s.Fields) == 0 {
		return Field{}
	}
	p.focus = max(0, min(p.focus, len(s.Fields)-1))
	return p.form.Field(s.Fields[p.focus])
}

// typing tells whether letters go into the field with the focus.
func (p *Page) typing() bool { return controlOf(p.field()) == typed }

// enter goes to a field of the present step.
func (p *Page) enter(focus int) tea.Cmd {
	s := p.current()
	p.focus = max(0, min(focus, len(s.Fields)-1))
	p.seen[s.Name] = true
	return p.focusField()
}

// focusField makes the line of typing that of the field with the focus.
func (p *Page) focusField() tea.Cmd {
	f := p.field()
	p.input.EchoMode = textinput.EchoNormal
	if f.Secret {
		p.input.EchoMode = textinput.EchoPassword
	}
	p.input.Placeholder = f.Default
	if f.Default == "" && f.Example != "" {
		p.input.Placeholder = "such as " + f.Example
	}
	p.input.SetValue(f.Text)
	p.input.CursorEnd()
	if controlOf(f) != typed {
		p.input.Blur()
		return nil
	}
	return p.input.Focus()
}

// move goes to another field, past the ends of a step to the next one.
func (p *Page) move(by int) tea.Cmd {
	cmd := p.left()
	s := p.current()
	switch to := p.focus + by; {
	case to >= len(s.Fields):
		return tea.Batch(cmd, p.moveStep(1))
	case to < 0:
		if p.step == 0 {
			return cmd
		}
		p.step--
		return tea.Batch(cmd, p.enter(len(p.current().Fields)-1))
	default:
		return tea.Batch(cmd, p.enter(to))
	}
}

func (p *Page) moveStep(by int) tea.Cmd {
	cmd := p.left()
	p.top = 0
	switch to := p.step + by; {
	case to >= len(p.form.Steps()):
		return tea.Batch(cmd, p.toReview())
	case to < 0:
		return tea.Batch(cmd, p.back())
	default:
		p.step = to
		return tea.Batch(cmd, p.enter(0))
	}
}

// left has the file looked at that the field names which loses the focus.
func (p *Page) left() tea.Cmd {
	f := p.field()
	if f.Type != spec.TypePath || f.Text == "" || strings.Contains(f.Text, "://") {
		return nil
	}
	param, ok := p.form.parameter(f.Name)
	if !ok {
		return nil
	}
	name, text, dir := f.Name, f.Text, p.opts.Dir
	where := cmp.Or(p.form.copyOf(name), text)
	return p.Do(func(context.Context) tea.Msg {
		_, err := param.Parse(where, dir)
		return lookedMsg{name, text, err}
	})
}

// back goes to the step before: in the first one to the templates, or out.
func (p *Page) back() tea.Cmd {
	switch {
	case p.step > 0:
		p.step--
		p.top = 0
		return p.enter(0)
	case p.open.Change == nil && p.open.Like == nil:
		p.stage = choosing
		return nil
	default:
		return p.leave()
	}
}

func (p *Page) fillKeys() keys.Map {
	b := []keys.Binding{keys.NextField, keys.PrevField}
	f := p.field()
	switch controlOf(f) {
	case toggled, inline:
		b = append(b, keys.Toggle, keys.Untoggle, keys.ToDefault)
	case listed, edited:
		b[0] = keys.NextField.Without(keys.PickList.Keys[0]) // which opens the list or the editor here
		b = append(b, keys.PickList, keys.ToDefault)
	case typed:
		b = append(b, keys.ToDefault)
		if f.Type == spec.TypePath {
			b = append(b, keys.Browse)
		}
	}
	return keys.Map{{Title: "Fields", Bindings: append(b, keys.ToReview)}, {Title: "Steps", Bindings: []keys.Binding{keys.NextStep, keys.PrevStep, keys.Back}}}
}

func (p *Page) fillKey(m tea.KeyMsg) tea.Cmd {
	f := p.field()
	kind := controlOf(f)
	switch {
	case keys.ToReview.Is(m):
		return tea.Batch(p.left(), p.toReview())
	case keys.NextStep.Is(m), m.String() == "]" && kind != typed:
		return p.moveStep(1)
	case keys.PrevStep.Is(m), m.String() == "[" && kind != typed:
		return p.moveStep(-1)
	case keys.Back.Is(m):
		return tea.Batch(p.left(), p.back())
	case keys.ToDefault.Is(m):
		p.form.Set(f.Name, "")
		return p.focusField()
	case keys.Browse.Is(m) && f.Type == spec.TypePath && kind == typed:
		return p.browse(f)
	case kind == listed && (keys.PickList.Is(m) || keys.Mark.Is(m)):
		p.pick = newPicker(&p.Env.Theme, f)
		return nil
	case kind == edited && (keys.PickList.Is(m) || keys.Mark.Is(m)):
		return p.edit(f)
	case keys.NextField.Is(m), kind != typed && keys.Down.Is(m):
		return p.move(1)
	case keys.PrevField.Is(m), kind != typed && keys.Up.Is(m):
		return p.move(-1)
	case kind == toggled || kind == inline || kind == listed:
		if by := direction(m); by != 0 {
			p.turn(f, by)
		}
		return nil
	case kind == typed:
		return p.typeInto(f, m)
	}
	return nil
}

func direction(m tea.KeyMsg) int {
	switch {
	case keys.Toggle.Is(m):
		return 1
	case keys.Untoggle.Is(m):
		return -1
	}
	return 0
}

// turn takes the next choice of a field.
func (p *Page) turn(f Field, by int) {
	choices := f.Choices
	if f.Type == spec.TypeBool {
		choices = []string{"false", "true"}
	}
	at := slices.Index(choices, f.Value)
	next := choices[(at+by+len(choices))%len(choices)]
	if next == f.Default {
		next = ""
	}
	p.form.Set(f.Name, next)
}

func (p *Page) typeInto(f Field, m tea.KeyMsg) tea.Cmd {
	var cmd tea.Cmd
	p.input, cmd = p.input.Update(m)
	text := p.input.Value()
	if f.Type != spec.TypeString || f.Name == tenantField || f.Name == modelField || f.Name == envField || f.Name == regionField {
		text = strings.TrimSpace(text)
	}
	if text != f.Text {
		p.form.Set(f.Name, text)
	}
	return cmd
}

// edit opens a list or a map as a document of one entry a line.
func (p *Page) edit(f Field) tea.Cmd {
	name, field := f.Name, f
	param, _ := p.form.parameter(name)
	dir := p.opts.Dir
	encode := func(text string) (string, error) {
		if field.Type == spec.TypeMap {
			return mapText(text, field.Text)
		}
		return listText(text), nil
	}
	check := func(text string) error {
		value, err := encode(text)
		if err != nil || value == "" || param == nil {
			return err
		}
		_, err = param.Parse(value, dir)
		return err
	}
	help := "One entry a line. " + f.Help
	if f.Type == spec.TypeMap {
		help = `One KEY=value a line; KEY={"secret":"..."}, KEY={"secretsManager":"name"} and KEY={"ssm":"/name"} are secrets. ` + f.Help
	}
	return ui.Send(ui.Ask{From: p.Host, Dialog: dialog.NewEditor(&p.Env.Theme, f.Label, help, linesOf(f), check, func(text string) tea.Msg {
		value, err := encode(text)
		if err != nil {
			return nil
		}
		return editedMsg{name, value}
	})})
}

// linesOf is a list or map as lines to edit.
func linesOf(f Field) string {
	if f.Type == spec.TypeMap {
		m := entriesOf(f.Text)
		out := make([]string, 0, len(m))
		for _, k := range slices.Sorted(maps.Keys(m)) {
			v := m[k].shown()
			if m[k].form == nil && strings.ContainsAny(v, "\n\"") {
				raw, err := json.Marshal(v)
				if err != nil {
					continue
				}
				v = string(raw)
			}
			out = append(out, k+"="+v)
		}
		return strings.Join(out, "\n")
	}
	var list []string
	if json.Unmarshal([]byte(f.Text), &list) == nil {
		return strings.Join(list, "\n")
	}
	parts := strings.Split(f.Text, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return strings.Join(parts, "\n")
}

// listText makes an answer of lines.
func listText(text string) string {
	items := []string{}
	for _, l := range strings.Split(text, "\n") {
		if l = strings.TrimSpace(l); l != "" {
			items = append(items, l)
		}
	}
	if len(items) == 0 {
		return ""
	}
	raw, err := json.Marshal(items)
	if err != nil {
		return ""
	}
	return string(raw)
}

// mapEntry is an entry of a map as an answer has it: a text, or a secret in its form.
type mapEntry struct {
	text string
	form map[string]any
}

// shown is the entry as a line of the editor has it. The text of a secret is blanked
// out; a line that is left so keeps it.
func (e mapEntry) shown() string {
	if e.form == nil {
		return e.text
	}
	if _, given := e.form["secret"].(string); given {
		return spec.BlankedSecret
	}
	raw, err := json.Marshal(e.form)
	if err != nil {
		return ""
	}
	return string(raw)
}

// MarshalJSON writes the entry as an answer has it.
func (e mapEntry) MarshalJSON() ([]byte, error) {
	if e.form != nil {
		return json.Marshal(e.form)
	}
	return json.Marshal(e.text)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (e *mapEntry) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '{' {
		return json.Unmarshal(raw, &e.form)
	}
	return json.Unmarshal(raw, &e.text)
}

// entriesOf are the entries of an answer; none if it is no map.
func entriesOf(text string) map[string]mapEntry {
	var m map[string]mapEntry
	if json.Unmarshal([]byte(text), &m) != nil {
		return nil
	}
	return m
}

// mapText makes an answer of KEY=value lines; a value in double quotes or braces is
// JSON. before is the answer that was there: secrets blanked out are taken from it.
func mapText(text, before string) (string, error) {
	old, m := entriesOf(before), map[string]mapEntry{}
	for _, l := range strings.Split(text, "\n") {
		if strings.TrimSpace(l) == "" {
			continue
		}
		k, v, ok := strings.Cut(l, "=")
		k = strings.TrimSpace(k)
		_, twice := m[k]
		switch {
		case !ok || k == "":
			return "", fault.New(fault.Invalid, "a line is not KEY=value").WithHint("Write one KEY=value a line.")
		case twice:
			return "", fault.New(fault.Invalid, "%s is given twice", k).WithHint("Remove one of the two.")
		}
		e := mapEntry{text: v}
		was, there := old[k]
		switch {
		case was.form != nil && v == was.shown():
			e = was
		case v == spec.BlankedSecret && (!there || was.text != v):
			return "", fault.New(fault.Invalid, "%s: there is no secret under this name yet that %s could stand for", k, v).
				WithHint(`Write %s={"secret": "TEXT"}; a secret does not move to another name.`, k)
		case strings.HasPrefix(v, `"`) && strings.HasSuffix(v, `"`) && len(v) > 1:
			var s string
			if json.Unmarshal([]byte(v), &s) == nil {
				e.text = s
			}
		case strings.HasPrefix(strings.TrimSpace(v), "{"):
			if err := spec.CheckSecretText(v); err != nil {
				return "", fault.New(fault.Invalid, "%s: %s", k, err.Msg).WithHint("%s", err.Hint)
			}
			var form map[string]any
			if json.Unmarshal([]byte(v), &form) == nil && isForm(form) {
				e = mapEntry{form: form}
			}
		}
		m[k] = e
	}
	if len(m) == 0 {
		return "", nil
	}
	raw, err := json.Marshal(m)
	return string(raw), err
}

// isForm tells the form of a secret from JSON that happens to be a value.
func isForm(form map[string]any) bool {
	for _, key := range []string{"secret", "secretsManager", "ssm"} {
		if _, ok := form[key]; ok {
			return true
		}
	}
	return false
}
