package wizard

import (
	"cmp"
	"context"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/form"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

func (p *Page) current() form.Step {
	steps := p.form.Steps()
	p.step = max(0, min(p.step, len(steps)-1))
	return steps[p.step]
}

func (p *Page) field() form.Field {
	s := p.current()
	if len(s.Fields) == 0 {
		return form.Field{}
	}
	p.focus = max(0, min(p.focus, len(s.Fields)-1))
	return p.form.Field(s.Fields[p.focus])
}

// typing tells whether letters go into the field with the focus.
func (p *Page) typing() bool { return p.field().Control() == form.Typed }

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
	p.input.SetSecret(f.Secret)
	example := f.Default
	if example == "" && f.Example != "" {
		example = "such as " + f.Example
	}
	p.input.SetExample(example)
	p.input.SetText(f.Text)
	p.input.SetFocus(f.Control() == form.Typed)
	return nil
}

// move goes to another field, past the ends of a step to the next one.
func (p *Page) move(by int) tea.Cmd {
	cmd := p.look()
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
	cmd := p.look()
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

// look has the file looked at that the field with the focus names: as soon as it is named,
// for until then nobody knows whether the answer is right.
func (p *Page) look() tea.Cmd {
	f := p.field()
	if f.Type != spec.TypePath || f.Text == "" || strings.Contains(f.Text, "://") {
		return nil
	}
	param, ok := p.form.Parameter(f.Name)
	if !ok {
		return nil
	}
	name, text, dir := f.Name, f.Text, p.opts.Dir
	where := cmp.Or(p.form.CopyOf(name), text)
	p.looking++
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
	switch f.Control() {
	case form.Toggled, form.Inline:
		b = append(b, keys.Toggle, keys.Untoggle, keys.ToDefault)
	case form.Listed, form.Edited:
		b[0] = keys.NextField.Without(keys.PickList.Keys[0]) // which opens the list or the editor here
		b = append(b, keys.PickList, keys.ToDefault)
	case form.Typed:
		b = append(b, keys.ToDefault)
		if f.Type == spec.TypePath {
			b = append(b, keys.Browse)
		}
	}
	return keys.Map{{Title: "Fields", Bindings: append(b, keys.ToReview)}, {Title: "Steps", Bindings: []keys.Binding{keys.NextStep, keys.PrevStep, keys.Back}}}
}

func (p *Page) fillKey(m tea.KeyMsg) tea.Cmd {
	f := p.field()
	kind := f.Control()
	switch {
	case keys.ToReview.Is(m):
		return tea.Batch(p.look(), p.toReview())
	case keys.NextStep.Is(m), m.String() == "]" && kind != form.Typed:
		return p.moveStep(1)
	case keys.PrevStep.Is(m), m.String() == "[" && kind != form.Typed:
		return p.moveStep(-1)
	case keys.Back.Is(m):
		return tea.Batch(p.look(), p.back())
	case keys.ToDefault.Is(m):
		p.form.Set(f.Name, "")
		return p.focusField()
	case keys.Browse.Is(m) && f.Type == spec.TypePath && kind == form.Typed:
		return p.browse(f)
	case kind == form.Listed && (keys.PickList.Is(m) || keys.Mark.Is(m)):
		p.pick = newPicker(&p.Env.Theme, f)
		return nil
	case kind == form.Edited && (keys.PickList.Is(m) || keys.Mark.Is(m)):
		return p.edit(f)
	case keys.NextField.Is(m), kind != form.Typed && keys.Down.Is(m):
		return p.move(1)
	case keys.PrevField.Is(m), kind != form.Typed && keys.Up.Is(m):
		return p.move(-1)
	case kind == form.Toggled || kind == form.Inline || kind == form.Listed:
		if by := direction(m); by != 0 {
			p.turn(f, by)
		}
		return nil
	case kind == form.Typed:
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
func (p *Page) turn(f form.Field, by int) {
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

// typeInto takes a key, or what was pasted, into the field with the focus.
func (p *Page) typeInto(f form.Field, m tea.Msg) tea.Cmd {
	p.input.Update(m)
	text := p.input.Text()
	if f.Type != spec.TypeString || f.Name == form.Tenant || f.Name == form.Model || f.Name == form.Env || f.Name == form.Region {
		text = strings.TrimSpace(text)
	}
	if text == f.Text {
		return nil
	}
	p.form.Set(f.Name, text)
	return p.look()
}

// edit opens a list or a map as a document of one entry a line.
func (p *Page) edit(f form.Field) tea.Cmd {
	check := func(text string) error {
		value, err := f.FromLines(text)
		if err != nil {
			return err
		}
		return p.form.Check(f.Name, value)
	}
	help := "One entry a line. " + f.Help
	if f.Type == spec.TypeMap {
		help = "One KEY=value a line. " + f.Help
		if _, ok := p.form.Parameter(f.Name); ok { // tags hold no secrets
			help = `One KEY=value a line; KEY={"secret":"..."}, KEY={"secretsManager":"name"} and KEY={"ssm":"/name"} are secrets. ` + f.Help
		}
	}
	return ui.Send(ui.Ask{From: p.Host, Dialog: dialog.NewEditor(&p.Env.Theme, f.Label, help, f.Lines(), check, func(text string) tea.Msg {
		value, err := f.FromLines(text)
		if err != nil {
			return nil
		}
		return editedMsg{f.Name, value}
	})})
}
