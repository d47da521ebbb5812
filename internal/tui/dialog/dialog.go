// Package dialog owns the boxes that ask something: yes or no, a name to be typed,
// a line, a choice, a document. It may import ui, widget, keys, theme and render,
// no page.
package dialog

import (
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/cursor"
	"github.com/charmbracelet/bubbles/textarea"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// Choice is one answer of a Choose.
type Choice struct {
	// Key picks it at once; optional.
	Key   string
	Label string
	// Help is shown for the selected choice.
	Help string
	// Off says why it can't be chosen; "" if it can.
	Off string
	// Answer is delivered to the page.
	Answer tea.Msg
	// Danger is drawn as such.
	Danger bool
}

// Choose asks for one of a few choices. esc chooses nothing, but for Leaving.
type Choose struct {
	th      *theme.Screen
	title   string
	text    string
	choices []Choice
	at      int
	grave   bool
	// again is what esc answers, nil for nothing; leave names it.
	again tea.Msg
	leave keys.Binding
}

// clean makes what choices say fit for the screen: it may have names in it that
// somebody else gave.
func clean(choices []Choice) []Choice {
	out := slices.Clone(choices)
	for i := range out {
		c := &out[i]
		c.Label, c.Help, c.Off = render.Line(c.Label, 0), render.Line(c.Help, 0), render.Line(c.Off, 0)
	}
	return out
}

// NewChoose returns a dialog; text is styled and safe. The first choice is
// selected. A grave one ignores keys for a moment.
func NewChoose(th *theme.Screen, title, text string, grave bool, choices ...Choice) *Choose {
	return &Choose{th: th, title: render.Line(title, 0), text: render.Visible(text, true), choices: clean(choices), grave: grave}
}

// Leaving has esc answer what it has asked for: the dialog came of an esc, and another one
// means it.
func (d *Choose) Leaving(answer tea.Msg, short string) *Choose {
	d.again, d.leave = answer, keys.New(short, short, keys.Back.Keys...)
	return d
}

// NewConfirm asks yes or no; yes is delivered to the page, no is nothing.
func NewConfirm(th *theme.Screen, title, text string, yes tea.Msg) *Choose {
	return NewChoose(th, title, text, true, Choice{Key: "n", Label: "no"}, Choice{Key: "y", Label: "yes", Answer: yes, Danger: true})
}

// Title is the head of the box.
func (d *Choose) Title() string { return d.title }

// Grave tells whether keys are ignored for a moment.
func (d *Choose) Grave() bool { return d.grave }

// Keys are what can be pressed.
func (d *Choose) Keys() keys.Map {
	ends := []keys.Binding{keys.New("choose", "take the selected answer", keys.Open.Keys...), keys.Back}
	if d.again != nil {
		ends[1] = d.leave
	}
	b := ends // the box itself shows what can be chosen
	for _, c := range d.choices {
		if c.Key != "" {
			b = append(b, keys.New(c.Label, c.Help, c.Key).Unless(c.Off))
		}
	}
	return keys.Map{{Title: d.title, Bindings: b}}
}

// Update takes a key.
func (d *Choose) Update(msg tea.Msg) (tea.Msg, bool, tea.Cmd) {
	m, ok := msg.(tea.KeyMsg)
	if !ok {
		return nil, false, nil
	}
	for i, c := range d.choices {
		if c.Key != "" && c.Key == m.String() {
			d.at = i
			return d.take()
		}
	}
	switch {
	case keys.Up.Is(m), keys.Left.Is(m), keys.PrevTab.Is(m):
		d.at = (d.at + len(d.choices) - 1) % len(d.choices)
	case keys.Down.Is(m), keys.Right.Is(m), keys.NextTab.Is(m):
		d.at = (d.at + 1) % len(d.choices)
	case keys.Open.Is(m):
		return d.take()
	case keys.Back.Is(m):
		return d.again, true, nil
	}
	return nil, false, nil
}

func (d *Choose) take() (tea.Msg, bool, tea.Cmd) {
	if d.choices[d.at].Off != "" {
		return nil, false, nil
	}
	return d.choices[d.at].Answer, true, nil
}

// View draws text and choices. Where there is too little room the choices stay, and
// half of the rest is for the text.
func (d *Choose) View(width, height int) string {
	var text, choices, help []string
	if d.text != "" {
		text = append(strings.Split(ansi.Wrap(d.text, width, ""), "\n"), "")
	}
	for i, c := range d.choices {
		choices = append(choices, d.choice(i, c))
		if i == d.at && c.Help != "" {
			help = append([]string{""}, strings.Split(d.th.Muted.Render(ansi.Wrap(c.Help, width, "")), "\n")...)
		}
	}
	room := max(0, height-len(choices))
	if len(text)+len(help) > room {
		ofText := min(len(text), max(room-len(help), (room+1)/2))
		text, help = text[:ofText], help[:min(len(help), room-ofText)]
	}
	return strings.Join(slices.Concat(text, choices, help), "\n")
}

// choice draws one choice.
func (d *Choose) choice(i int, c Choice) string {
	style := d.th.Hint
	if c.Danger {
		style = d.th.Bad
	}
	key := ""
	if c.Key != "" {
		key = d.th.Key.Render(keys.Label(c.Key, d.th.Glyphs.Unicode)) + " "
	}
	label := style.Render(c.Label)
	if c.Off != "" {
		label = d.th.Disabled.Render(c.Label + " (" + c.Off + ")")
	}
	sign := "  "
	if i == d.at {
		sign = d.th.Focus.Render(d.th.Glyphs.Cursor) + " "
		if c.Off == "" {
			label = d.th.Cursor.Render(c.Label)
		}
	}
	return sign + key + label
}

// Prompt asks for one line. Answer makes the message of what was typed; an error
// is shown and the dialog stays.
type Prompt struct {
	th          *theme.Screen
	title, text string
	line        *widget.Line
	answer      func(string) (tea.Msg, error)
	err         error
}

// NewPrompt returns a dialog with a value to begin with.
func NewPrompt(th *theme.Screen, title, text, value string, answer func(string) (tea.Msg, error)) *Prompt {
	return &Prompt{th: th, title: render.Line(title, 0), text: render.Visible(text, true), line: widget.NewLine(th, value), answer: answer}
}

// Title is the head of the box.
func (d *Prompt) Title() string { return d.title }

// Grave is false.
func (d *Prompt) Grave() bool { return false }

// Keys are what can be pressed.
func (d *Prompt) Keys() keys.Map {
	return keys.Map{{Title: d.title, Bindings: []keys.Binding{keys.New("ok", "take what was typed", "enter"), keys.Back}}}
}

// Update takes keys.
func (d *Prompt) Update(msg tea.Msg) (tea.Msg, bool, tea.Cmd) {
	if m, ok := msg.(tea.KeyMsg); ok {
		switch m.String() {
		case "esc":
			return nil, true, nil
		case "enter":
			answer, err := d.answer(d.line.Text())
			if d.err = err; err != nil {
				return nil, false, nil
			}
			return answer, true, nil
		}
		d.err = nil
	}
	d.line.Update(msg)
	return nil, false, nil
}

// View draws the text and the line to type on.
func (d *Prompt) View(width, height int) string {
	var out []string
	if d.text != "" {
		out = strings.Split(ansi.Wrap(d.text, width, ""), "\n")
	}
	foot := []string{"> " + d.line.View(width-2)}
	if d.err != nil {
		foot = append(foot, strings.Split(d.th.Bad.Render(ansi.Wrap(render.Safe(d.err.Error()), width, "")), "\n")...)
	}
	if len(out)+len(foot) > height {
		out = out[:max(0, height-len(foot))]
	}
	return strings.Join(append(out, foot...), "\n")
}

// Editor asks for a document of several lines. ctrl+s takes it.
type Editor struct {
	th          *theme.Screen
	title, text string
	area        textarea.Model
	// check judges the text while it is typed; nil means it is fine.
	check  func(string) error
	answer func(string) tea.Msg
	err    error
	// begun is the text at the beginning; leaving is the key that was pressed over a changed
	// one to leave it: the same again throws it away.
	begun, leaving string
	// extra are further keys, each delivering a message and closing the dialog.
	extra []Choice
}

// NewEditor returns a dialog with a text to begin with.
func NewEditor(th *theme.Screen, title, text, value string, check func(string) error, answer func(string) tea.Msg, extra ...Choice) *Editor {
	area := textarea.New()
	area.ShowLineNumbers, area.Prompt, area.CharLimit, area.MaxHeight = false, "", 0, 0
	area.FocusedStyle.Text, area.FocusedStyle.CursorLine, area.FocusedStyle.Base = th.Input, th.CursorOff, th.Renderer.NewStyle()
	area.FocusedStyle.Placeholder, area.FocusedStyle.EndOfBuffer = th.Muted, th.Muted
	area.Cursor.Style = th.Cursor
	area.Cursor.SetMode(cursor.CursorStatic)
	area.SetValue(value)
	area.Focus()
	d := &Editor{th: th, title: render.Line(title, 0), text: render.Visible(text, true), area: area, check: check, answer: answer, extra: clean(extra)}
	d.begun = area.Value()
	d.err = check(value)
	return d
}

// Title is the head of the box.
func (d *Editor) Title() string { return d.title }

// Grave is false.
func (d *Editor) Grave() bool { return false }

// Large is true: documents have long lines and many.
func (d *Editor) Large() bool { return true }

// Wide is true: what is typed gets all the room.
func (d *Editor) Wide() bool { return true }

// Dirty tells that the text was changed: it would be lost.
func (d *Editor) Dirty() bool { return d.area.Value() != d.begun && d.leaving == "" }

// Keys are what can be pressed.
func (d *Editor) Keys() keys.Map {
	b := []keys.Binding{keys.New("take it", "take the text", "ctrl+s")}
	for _, c := range d.extra {
		b = append(b, keys.New(c.Label, c.Help, c.Key))
	}
	return keys.Map{{Title: d.title, Bindings: append(b, keys.EditOutside, keys.Back)}}
}

// Update takes keys.
func (d *Editor) Update(msg tea.Msg) (tea.Msg, bool, tea.Cmd) {
	if m, ok := msg.(ui.Edited); ok {
		if d.err = m.Err; m.Err != nil {
			return nil, false, nil
		}
		d.area.SetValue(m.Text)
		d.err = d.check(m.Text)
		return nil, false, nil
	}
	if keys.EditOutside.Is(msg) {
		return nil, false, ui.Send(ui.Edit{Text: d.area.Value(), Name: "input.json"})
	}
	if m, ok := msg.(tea.KeyMsg); ok {
		again := d.leaving == m.String()
		d.leaving = ""
		leave := func() bool {
			if d.area.Value() != d.begun && !again {
				d.leaving = m.String()
			}
			return d.leaving == ""
		}
		switch m.String() {
		case "esc":
			return nil, leave(), nil
		case "ctrl+s":
			if d.err = d.check(d.area.Value()); d.err != nil {
				return nil, false, nil
			}
			return d.answer(d.area.Value()), true, nil
		}
		for _, c := range d.extra {
			if c.Key != m.String() {
				continue
			}
			if !leave() {
				return nil, false, nil
			}
			return c.Answer, true, nil
		}
	}
	var cmd tea.Cmd
	d.area, cmd = d.area.Update(msg)
	if _, ok := msg.(tea.KeyMsg); ok {
		d.err = d.check(d.area.Value())
	}
	return nil, false, cmd
}

// View draws the text area and what is wrong with the text.
func (d *Editor) View(width, height int) string {
	var head, foot []string
	if d.text != "" {
		head = strings.Split(ansi.Wrap(d.text, width, ""), "\n")
	}
	foot = append(foot, "")
	if d.err != nil {
		foot = strings.Split(d.th.Bad.Render(ansi.Wrap(render.Safe(d.err.Error()), width, "")), "\n")
		foot = foot[:min(2, len(foot))]
	}
	if d.leaving != "" {
		foot = strings.Split(d.th.Warn.Render(ansi.Wrap("This text is kept nowhere: "+keys.Label(d.leaving, d.th.Glyphs.Unicode)+
			" again throws it away, any other key goes on.", width, "")), "\n")
	}
	line := d.th.Key.Render("^s") + " " + d.th.Hint.Render("take it")
	for _, c := range d.extra {
		line += "   " + d.th.Key.Render(keys.Label(c.Key, d.th.Glyphs.Unicode)) + " " + d.th.Hint.Render(c.Label)
	}
	line += "   " + d.th.Key.Render(keys.EditOutside.Label(d.th.Glyphs.Unicode)) + " " + d.th.Hint.Render(keys.EditOutside.Short)
	foot = append(foot, line+"   "+d.th.Key.Render("esc")+" "+d.th.Hint.Render("back"))
	if len(head) > height/3 {
		head = head[:height/3]
	}
	d.area.SetWidth(max(1, width))
	d.area.SetHeight(max(1, height-len(head)-len(foot)))
	return widget.Lines(append(append(head, render.Visible(d.area.View(), true)), foot...)...)
}

// interface guards
var (
	_ ui.Dialog = (*Choose)(nil)
	_ ui.Dialog = (*Prompt)(nil)
	_ ui.Dialog = (*Editor)(nil)
)
