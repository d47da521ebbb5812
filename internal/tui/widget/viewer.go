package widget

import (
	"fmt"
	"math"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
)

// Viewer shows a text of any length: it scrolls, wraps or not, and searches. The
// lines are safe already; they may be styled.
type Viewer struct {
	th    *theme.Screen
	lines []string
	// wrapped are the lines as shown at wrapWidth; from[i] is the line that
	// wrapped[i] is a part of.
	wrapped   []string
	wrapWidth int
	top, left int
	height    int
	// Wrap breaks long lines; without it left and right scroll.
	Wrap    bool
	query   string
	typing  bool
	matches []int // places in wrapped
	match   int
	follow  bool
}

// NewViewer returns an empty viewer that wraps.
func NewViewer(th *theme.Screen) *Viewer { return &Viewer{th: th, Wrap: true} }

// SetText shows another text from outside, made safe here.
func (v *Viewer) SetText(text string) {
	v.SetLines(strings.Split(strings.ReplaceAll(render.Safe(text), "\t", "    "), "\n"))
}

// SetLines shows lines that are safe already. The place is kept as far as
// possible.
func (v *Viewer) SetLines(lines []string) {
	v.lines, v.wrapped, v.wrapWidth = lines, nil, 0
}

// Follow keeps the end in sight until the user scrolls up.
func (v *Viewer) Follow() { v.follow = true }

// Top goes to the beginning.
func (v *Viewer) Top() { v.top, v.left, v.follow = 0, 0, false }

// Text is what is shown, without styles.
func (v *Viewer) Text() string { return ansi.Strip(strings.Join(v.lines, "\n")) }

// Capturing tells that a search is being typed.
func (v *Viewer) Capturing() bool { return v.typing }

// Searching tells that a search is set.
func (v *Viewer) Searching() bool { return v.query != "" }

// Update takes a key or the mouse's wheel and reports whether it was the viewer's.
func (v *Viewer) Update(msg tea.Msg) bool {
	switch m := msg.(type) {
	case tea.KeyMsg:
		if v.typing {
			v.typeQuery(m)
			return true
		}
		return v.press(m)
	case tea.MouseMsg:
		switch m.Button {
		case tea.MouseButtonWheelUp:
			v.scroll(-3)
		case tea.MouseButtonWheelDown:
			v.scroll(3)
		default:
			return false
		}
		return true
	}
	return false
}

func (v *Viewer) press(m tea.KeyMsg) bool {
	page := max(1, v.height-1)
	switch {
	case keys.Up.Is(m):
		v.scroll(-1)
	case keys.Down.Is(m):
		v.scroll(1)
	case keys.PageUp.Is(m):
		v.scroll(-page)
	case keys.PageDown.Is(m):
		v.scroll(page)
	case keys.Top.Is(m):
		v.Top()
	case keys.Bottom.Is(m):
		v.top = math.MaxInt32 // View knows where the end is
	case keys.Left.Is(m) && !v.Wrap:
		v.left = max(0, v.left-8)
	case keys.Right.Is(m) && !v.Wrap:
		v.left += 8
	case keys.Search.Is(m):
		v.typing = true
	case keys.Next.Is(m) && v.query != "":
		v.goTo(v.match + 1)
	case keys.Previous.Is(m) && v.query != "":
		v.goTo(v.match - 1)
	case keys.Back.Is(m) && v.query != "":
		v.query, v.matches = "", nil
	default:
		return false
	}
	return true
}

func (v *Viewer) scroll(by int) {
	v.top = max(0, min(v.top+by, len(v.wrapped)-v.height))
	v.follow = v.follow && by > 0
}

func (v *Viewer) typeQuery(m tea.KeyMsg) {
	switch m.String() {
	case "enter":
		v.typing = false
	case "esc":
		v.typing, v.query, v.matches = false, "", nil
	case "backspace":
		if r := []rune(v.query); len(r) > 0 {
			v.query = string(r[:len(r)-1])
		}
		v.find()
	default:
		if m.Type == tea.KeyRunes || m.Type == tea.KeySpace {
			v.query += typed(m)
			v.find()
		}
	}
}

// find looks the query up, from the present place on.
func (v *Viewer) find() {
	v.matches, v.match = nil, 0
	if v.query == "" {
		return
	}
	q := strings.ToLower(v.query)
	first := -1
	for i, l := range v.wrapped {
		if strings.Contains(strings.ToLower(ansi.Strip(l)), q) {
			if first < 0 && i >= v.top {
				first = len(v.matches)
			}
			v.matches = append(v.matches, i)
		}
	}
	v.goTo(max(0, first))
}

func (v *Viewer) goTo(match int) {
	if len(v.matches) == 0 {
		return
	}
	v.match = (match + len(v.matches)) % len(v.matches)
	at := v.matches[v.match]
	if at < v.top || at >= v.top+v.height {
		v.top = max(0, min(at-v.height/3, len(v.wrapped)-v.height))
	}
	v.follow = false
}

func (v *Viewer) layout(width int) {
	if v.wrapped != nil && v.wrapWidth == width {
		return
	}
	v.wrapWidth = width
	if !v.Wrap {
		v.wrapped = v.lines
	} else {
		v.wrapped = make([]string, 0, len(v.lines))
		for _, l := range v.lines {
			if ansi.StringWidth(l) <= width {
				v.wrapped = append(v.wrapped, l)
				continue
			}
			v.wrapped = append(v.wrapped, strings.Split(ansi.Hardwrap(l, width, true), "\n")...)
		}
	}
	if v.query != "" {
		v.find()
	}
}

// Height is how many lines of the width the text takes, the line of the search
// included.
func (v *Viewer) Height(width int) int {
	v.layout(width)
	n := len(v.wrapped)
	if v.typing || v.query != "" {
		n++
	}
	return n
}

// View draws the part of the text that is in sight.
func (v *Viewer) View(width, height int) string {
	if width <= 0 || height <= 0 {
		return ""
	}
	v.layout(width)
	rows := height
	if v.typing || v.query != "" {
		rows--
	}
	v.height = rows
	v.top = max(0, min(v.top, len(v.wrapped)-rows))
	if v.follow {
		v.top = max(0, len(v.wrapped)-rows)
	}
	out := make([]string, 0, height)
	for i := v.top; i < min(len(v.wrapped), v.top+rows); i++ {
		l := v.wrapped[i]
		if !v.Wrap && v.left > 0 {
			l = ansi.TruncateLeft(l, v.left, "")
		}
		if v.query != "" {
			l = v.mark(l)
		}
		out = append(out, Fit(l, width, v.th.Glyphs.Ellipsis))
	}
	body := Box(strings.Join(out, "\n"), width, rows)
	if rows < height {
		line := v.th.Key.Render("/") + v.th.Input.Render(v.query)
		if v.typing {
			line += v.th.Cursor.Render(" ")
		}
		line += "  " + v.th.Muted.Render(v.tally())
		if rows == 0 {
			return Fit(line, width, "")
		}
		body += "\n" + Fit(line, width, "")
	}
	return body
}

func (v *Viewer) tally() string {
	if len(v.matches) == 0 {
		if v.query == "" {
			return ""
		}
		return "no match"
	}
	return fmt.Sprintf("%d of %d", v.match+1, len(v.matches))
}

// mark shows where the query is in a line; such a line loses its other styles.
func (v *Viewer) mark(line string) string {
	plain := ansi.Strip(line)
	low, q := strings.ToLower(plain), strings.ToLower(v.query)
	if len(low) != len(plain) || !strings.Contains(low, q) {
		return line
	}
	var b strings.Builder
	for {
		i := strings.Index(low, q)
		if i < 0 {
			b.WriteString(plain)
			return b.String()
		}
		b.WriteString(plain[:i] + v.th.Match.Render(plain[i:i+len(q)]))
		plain, low = plain[i+len(q):], low[i+len(q):]
	}
}

// Place says where in the text one is: "12-30 of 400", "" if all is in sight.
func (v *Viewer) Place() string {
	if len(v.wrapped) <= v.height {
		return ""
	}
	return fmt.Sprintf("%d-%d of %d", v.top+1, min(v.top+v.height, len(v.wrapped)), len(v.wrapped))
}

// Keys are the viewer's own keys.
func (v *Viewer) Keys() keys.Group {
	search := keys.Search
	search.Short, search.Help = "search", "search the text; esc ends it"
	return keys.Group{Title: "Text", Bindings: append([]keys.Binding{search, keys.Next, keys.Previous}, keys.Moving().Bindings...)}
}
