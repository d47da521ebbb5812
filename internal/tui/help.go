package tui

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

// hint is a binding as the footer shows it.
func hint(th *theme.Screen, b keys.Binding) string {
	if b.Off != "" {
		return th.KeyOff.Render(b.Label(th.Glyphs.Unicode) + " " + b.Short)
	}
	return th.Key.Render(b.Label(th.Glyphs.Unicode)) + " " + th.Hint.Render(b.Short)
}

// help is the page of all keys: those of the page, then those that work
// everywhere.
type help struct {
	th     *theme.Screen
	viewer *widget.Viewer
	m      keys.Map
	width  int
}

func newHelp(e *ui.Env, m keys.Map) *help {
	return &help{th: &e.Theme, viewer: widget.NewViewer(&e.Theme), m: append(m[:len(m):len(m)], keys.Everywhere(), keys.Typing())}
}

// newBoxHelp is the help of a box: what works everywhere but there is not told.
func newBoxHelp(e *ui.Env, m keys.Map) *help {
	rest := keys.Group{Title: keys.Everywhere().Title, Bindings: keys.Typing().Bindings}
	return &help{th: &e.Theme, viewer: widget.NewViewer(&e.Theme), m: append(m[:len(m):len(m)], rest)}
}

func (h *help) Title() string { return "Keys" }
func (h *help) Grave() bool   { return false }

func (h *help) Keys() keys.Map {
	return keys.Map{{Bindings: []keys.Binding{keys.Back, keys.Search, keys.Up, keys.Down}}}
}

func (h *help) Update(msg tea.Msg) (tea.Msg, bool, tea.Cmd) {
	if h.viewer.Update(msg) {
		return nil, false, nil
	}
	return nil, keys.Back.Is(msg) || keys.Help.Is(msg) || keys.Quit.Is(msg) || keys.Open.Is(msg), nil
}

func (h *help) View(width, height int) string {
	if h.width != width {
		h.width = width
		h.viewer.SetLines(h.lines(width))
	}
	rows := len(h.lines(width))
	if rows <= height || height < 3 {
		return h.viewer.View(width, min(height, rows))
	}
	body := h.viewer.View(width, height-1)
	return widget.Lines(body, widget.Fit(h.th.Muted.Render(h.viewer.Place()), width, ""))
}

func (h *help) lines(width int) []string {
	keyWidth := 8
	for _, g := range h.m {
		for _, b := range g.Bindings {
			keyWidth = max(keyWidth, ansi.StringWidth(b.Labels(h.th.Glyphs.Unicode)))
		}
	}
	var out []string
	for i, g := range h.m {
		if i > 0 {
			out = append(out, "")
		}
		out = append(out, h.th.Title.Render(g.Title))
		for _, b := range g.Bindings {
			text := b.Help
			style := h.th.Hint
			if b.Off != "" {
				text += " (not now: " + render.Line(b.Off, 0) + ")"
				style = h.th.Disabled
			}
			for j, l := range strings.Split(ansi.Wrap(text, max(10, width-keyWidth-4), ""), "\n") {
				head := strings.Repeat(" ", keyWidth)
				if j == 0 {
					head = h.th.Key.Render(widget.Fit(b.Labels(h.th.Glyphs.Unicode), keyWidth, ""))
				}
				out = append(out, "  "+head+"  "+style.Render(l))
			}
		}
	}
	return out
}
