package widget

import (
	"github.com/charmbracelet/bubbles/cursor"
	"github.com/charmbracelet/bubbles/key"
	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
)

// Line is one line of text that is typed: the keys of a shell's line (words, to
// the ends, delete before and after), pasting, and scrolling of what is longer than
// its room. Breaks that are pasted become spaces; the clipboard (ctrl+v) is the root's, which
// brings it as what a terminal pastes. Enter, escape, tab and the
// arrows up and down are never its own. It has the focus from the beginning.
type Line struct {
	th      *theme.Screen
	in      textinput.Model
	example string
}

// NewLine returns a line with a text to begin with.
func NewLine(th *theme.Screen, text string) *Line {
	in := textinput.New()
	in.Prompt = ""
	in.TextStyle, in.PlaceholderStyle, in.Cursor.Style = th.Input, th.Muted, th.Cursor
	// Blinking redraws the screen twice a second for nothing.
	in.Cursor.SetMode(cursor.CursorStatic)
	in.KeyMap.Paste = key.NewBinding()
	in.Focus()
	l := &Line{th: th, in: in}
	l.SetText(text)
	return l
}

// Text is what was typed.
func (l *Line) Text() string { return l.in.Value() }

// SetText replaces the text and goes to its end.
func (l *Line) SetText(text string) {
	l.in.SetValue(text)
	l.in.CursorEnd()
}

// SetExample is shown, muted, as long as nothing was typed.
func (l *Line) SetExample(text string) { l.example = render.Line(text, 0) }

// SetSecret shows dots instead of the text.
func (l *Line) SetSecret(secret bool) {
	l.in.EchoMode = textinput.EchoNormal
	if secret {
		l.in.EchoMode = textinput.EchoPassword
	}
}

// SetFocus says whether keys go into the line: only then its cursor is drawn.
func (l *Line) SetFocus(on bool) {
	if on {
		l.in.Focus()
	} else {
		l.in.Blur()
	}
}

// Update takes a key, or what was pasted.
func (l *Line) Update(msg tea.Msg) {
	l.in, _ = l.in.Update(msg) // a cursor that does not blink asks for nothing
}

// View draws the line in at most width cells: the text and, with the focus, its
// cursor; of a longer text the part around the cursor.
func (l *Line) View(width int) string {
	width = max(2, width)
	if l.in.Value() == "" && l.example != "" {
		text := ansi.Truncate(l.example, width, l.th.Glyphs.Ellipsis)
		if !l.in.Focused() {
			return l.th.Muted.Render(text)
		}
		// On the first character, which is where it is: nothing moves when the focus comes.
		first := ansi.Cut(text, 0, 1)
		return l.th.Cursor.Render(first) + l.th.Muted.Render(text[len(first):])
	}
	l.in.Width = 0
	if ansi.StringWidth(l.in.Value()) >= width || l.in.Value() == "" {
		// A width makes it scroll, and pad what is shorter.
		l.in.Width = width - 1
	}
	l.in.SetCursor(l.in.Position())
	return ansi.Truncate(render.Visible(l.in.View(), true), width, "")
}

// Filter is a Line that "/" opens over a list or a text: enter keeps it, escape
// takes it away, and a key that moves ends the typing and moves.
type Filter struct {
	th     *theme.Screen
	line   *Line
	typing bool
}

// NewFilter returns an empty filter.
func NewFilter(th *theme.Screen) *Filter { return &Filter{th: th} }

// Text is the filter's text, "" if there is none.
func (f *Filter) Text() string {
	if f.line == nil {
		return ""
	}
	return f.line.Text()
}

// SetText replaces the text.
func (f *Filter) SetText(text string) {
	if f.line == nil {
		f.line = NewLine(f.th, "")
	}
	f.line.SetText(text)
}

// Typing tells that keys go into the filter.
func (f *Filter) Typing() bool { return f.typing }

// Shown tells that there is a line to draw.
func (f *Filter) Shown() bool { return f.typing || f.Text() != "" }

// Press takes a key. took is false for a key that the caller is to take itself:
// all keys while nothing is typed but the one that opens the filter, and keys that
// move. What the key has made of the text is to be read by Text.
func (f *Filter) Press(m tea.KeyMsg) (took bool) {
	if !f.typing {
		switch {
		case keys.Search.Is(m):
			f.typing = true
			f.SetText(f.Text())
		case keys.Back.Is(m) && f.Text() != "":
			f.SetText("")
		default:
			return false
		}
		return true
	}
	switch m.Type {
	case tea.KeyEnter:
		f.typing = false
	case tea.KeyEsc:
		f.typing = false
		f.SetText("")
	case tea.KeyUp, tea.KeyDown, tea.KeyPgUp, tea.KeyPgDown:
		f.typing = false
		return false
	default:
		f.line.Update(m)
	}
	return true
}

// View draws the filter in at most width cells: "/text".
func (f *Filter) View(width int) string {
	sign := f.th.Key.Render("/")
	if f.typing {
		return sign + f.line.View(max(2, width-1))
	}
	return sign + ansi.Truncate(f.th.Input.Render(render.Line(f.Text(), 0)), max(1, width-1), f.th.Glyphs.Ellipsis)
}
