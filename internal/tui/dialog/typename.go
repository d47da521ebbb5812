package dialog

import (
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// TypeName asks for a text to be typed exactly: for what can't be taken back.
type TypeName struct {
	th          *theme.Screen
	title, text string
	asked       []string
	given       func(line string) bool
	list        []Listed
	viewer      *widget.Viewer
	width       int // for which the viewer's lines were made
	line        *widget.Line
	yes         tea.Msg
	wrong       bool
}

// Listed is a line of what a TypeName is about.
type Listed struct {
	// Name is never cut.
	Name string
	// Note is said beside it, where there is room.
	Note string
	// Stays says that nothing happens to it.
	Stays bool
}

// NewTypeName returns a dialog that delivers yes once want was typed.
func NewTypeName(th *theme.Screen, title, text, want string, yes tea.Msg) *TypeName {
	return NewAssent(th, title, text, nil, []string{want}, func(line string) bool { return strings.TrimSpace(line) == want }, yes)
}

// NewAssent returns a dialog that delivers yes once a line was typed that is given's,
// of which asked are examples to be named. The list is shown whole: it scrolls.
func NewAssent(th *theme.Screen, title, text string, list []Listed, asked []string, given func(string) bool, yes tea.Msg) *TypeName {
	return &TypeName{
		th: th, title: render.Line(title, 0), text: render.Visible(text, true), list: list, viewer: widget.NewViewer(th),
		asked: asked, given: given, line: widget.NewLine(th, ""), yes: yes,
	}
}

// Title is the head of the box.
func (d *TypeName) Title() string { return d.title }

// Grave is false: what is typed too early says nothing by itself, and is not lost.
func (d *TypeName) Grave() bool { return false }

// Keys are what can be pressed.
func (d *TypeName) Keys() keys.Map {
	b := []keys.Binding{keys.New("go ahead", "once the text is typed", "enter")}
	if len(d.list) > 0 {
		b = append(b, keys.ListUp, keys.ListDown)
	}
	return keys.Map{{Title: d.title, Bindings: append(b, keys.Back)}}
}

// Update takes keys.
func (d *TypeName) Update(msg tea.Msg) (tea.Msg, bool, tea.Cmd) {
	switch m := msg.(type) {
	case tea.MouseMsg:
		d.viewer.Update(m)
		return nil, false, nil
	case tea.KeyMsg:
		switch {
		case keys.Back.Is(m):
			return nil, true, nil
		case keys.Open.Is(m):
			if d.given(d.line.Text()) {
				return d.yes, true, nil
			}
			d.wrong = true
			return nil, false, nil
		case keys.ListUp.Is(m), keys.ListDown.Is(m):
			d.viewer.Update(m)
			return nil, false, nil
		}
		d.wrong = false
	}
	d.line.Update(msg)
	return nil, false, nil
}

// leastList is how many lines of the list are shown at least, however long the text.
const leastList = 3

// View draws the text, the list, and the line to type on. Where there is too little
// room the line stays, then the list.
func (d *TypeName) View(width, height int) string {
	asked := make([]string, len(d.asked))
	for i, a := range d.asked {
		asked[i] = d.th.Title.Render(a)
	}
	foot := append([]string{""}, strings.Split(ansi.Wrap("Type "+strings.Join(asked, " or ")+" to go ahead:", width, ""), "\n")...)
	foot = append(foot, "> "+d.line.View(width-2))
	if d.wrong {
		foot = append(foot, d.th.Bad.Render("that is not "+strings.Join(d.asked, " or ")))
	}
	out := strings.Split(ansi.Wrap(d.text, width, ""), "\n")
	room := max(0, height-len(foot))
	if len(d.list) == 0 {
		return strings.Join(append(out[:min(len(out), room)], foot...), "\n")
	}
	if d.width != width {
		d.width = width
		d.viewer.SetLines(d.lines(width))
	}
	all := d.viewer.Height(width)
	out = out[:max(0, min(len(out), room-1-min(leastList, all)))]
	rows := min(all, max(1, room-1-len(out)))
	list := d.viewer.View(width, rows)
	place := ""
	if p := d.viewer.Place(); p != "" {
		place = d.th.Muted.Render("lines " + p + ", " + keys.ListUp.Label(d.th.Glyphs.Unicode) + " " + keys.ListDown.Label(d.th.Glyphs.Unicode))
	}
	if place != "" || len(out)+1+rows+len(foot) <= height {
		out = append(out, place)
	}
	return strings.Join(append(append(out, strings.Split(list, "\n")...), foot...), "\n")
}

// lines are the list, names in one column and notes in the next.
func (d *TypeName) lines(width int) []string {
	widest := 0
	for _, l := range d.list {
		widest = max(widest, ansi.StringWidth(render.Line(l.Name, 0)))
	}
	out := make([]string, 0, len(d.list))
	for _, l := range d.list {
		sign, style := d.th.Delete.Render("-"), d.th.Hint
		if l.Stays {
			sign, style = d.th.Warn.Render(d.th.Glyphs.Warn), d.th.Warn
		}
		line := sign + " " + render.Line(l.Name, 0)
		if note := render.Line(l.Note, 0); note != "" {
			if pad := widest + 4; pad+ansi.StringWidth(note) <= width {
				line = widget.Fit(line, pad, "")
			} else {
				line += "  "
			}
			line += style.Render(note)
		}
		out = append(out, line)
	}
	return out
}

var _ ui.Dialog = (*TypeName)(nil)
