package dialog

import (
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// Reader shows a text of any length: it scrolls, is searched and copied.
type Reader struct {
	th     *theme.Screen
	title  string
	what   string
	text   string
	viewer *widget.Viewer
	extra  []Choice
}

// NewReader returns a dialog that shows a text from outside; what names the text
// for the message after it was copied: "the error". Extra are further keys, each
// delivering a message and closing the dialog.
func NewReader(th *theme.Screen, title, what, text string, extra ...Choice) *Reader {
	d := &Reader{th: th, title: render.Line(title, 0), what: what, text: text, viewer: widget.NewViewer(th), extra: clean(extra)}
	d.viewer.SetJSON(text)
	return d
}

// Title is the head of the box.
func (d *Reader) Title() string { return d.title }

// Grave is false.
func (d *Reader) Grave() bool { return false }

// Large is true: long lines are what it is for.
func (d *Reader) Large() bool { return true }

// Keys are what can be pressed.
func (d *Reader) Keys() keys.Map {
	first := make([]keys.Binding, 0, len(d.extra)+2)
	for _, c := range d.extra {
		first = append(first, keys.New(c.Label, c.Help, c.Key).Unless(c.Off))
	}
	return keys.Map{{Title: d.title, Bindings: append(first, keys.Copy, keys.Pager, keys.Back)}, d.viewer.Keys()}
}

// Update takes keys and the wheel.
func (d *Reader) Update(msg tea.Msg) (tea.Msg, bool, tea.Cmd) {
	if d.viewer.Capturing() {
		d.viewer.Update(msg)
		return nil, false, nil
	}
	for _, c := range d.extra {
		if m, ok := msg.(tea.KeyMsg); ok && m.String() == c.Key && c.Off == "" {
			return c.Answer, true, nil
		}
	}
	if text, what, ok := d.viewer.Copied(msg); ok {
		return nil, false, ui.Send(ui.Copy{Text: text, What: what})
	}
	switch {
	case keys.Pager.Is(msg):
		return nil, false, ui.Send(ui.Pager{Text: d.text})
	case keys.Copy.Is(msg):
		return nil, false, ui.Send(ui.Copy{Text: d.text, What: d.what})
	case keys.Back.Is(msg) && d.viewer.Searching():
		d.viewer.Update(msg)
	case keys.Back.Is(msg), keys.Open.Is(msg):
		return nil, true, nil
	default:
		d.viewer.Update(msg)
	}
	return nil, false, nil
}

// View draws the text, and below it the keys.
func (d *Reader) View(width, height int) string {
	foot := ""
	for _, c := range d.extra {
		style := d.th.Hint
		if c.Off != "" {
			style = d.th.Disabled
		}
		foot += d.th.Key.Render(keys.Label(c.Key, d.th.Glyphs.Unicode)) + " " + style.Render(c.Label) + "   "
	}
	foot += d.th.Key.Render("y") + " " + d.th.Hint.Render("copy") + "   " + d.th.Key.Render("esc") + " " + d.th.Hint.Render("back")
	rows := max(1, height-2)
	body := d.viewer.View(width, min(rows, d.viewer.Height(width)))
	if place := d.viewer.Place(); place != "" {
		foot += "   " + d.th.Muted.Render(place)
	}
	return widget.Lines(body, "", widget.Fit(foot, width, d.th.Glyphs.Ellipsis))
}

// ErrorText is an error whole, those of a list apart, each with its hint. What is foreign in
// it draws nothing: an error may quote what a file or AWS has said.
func ErrorText(err error) string {
	list, ok := err.(fault.List) //nolint:errorlint // a list inside another error has that error's words
	if !ok {
		list = fault.List{err}
	}
	parts := make([]string, len(list))
	for i, e := range list {
		parts[i] = e.Error()
		if hint := fault.HintOf(e); hint != "" {
			parts[i] += "\n" + hint
		}
	}
	return render.Safe(strings.Join(parts, "\n\n"))
}

var _ ui.Dialog = (*Reader)(nil)
