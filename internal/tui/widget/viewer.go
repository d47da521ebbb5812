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
	// place.Top is the first line in sight; there is no line under a cursor.
	place Cursor
	left  int
	// Wrap breaks long lines; without it left and right scroll.
	Wrap    bool
	query   *Filter
	matches []int // places in wrapped
	match   int
	follow  bool
}

// NewViewer returns an empty viewer that wraps.
func NewViewer(th *theme.Screen) *Viewer { return &Viewer{th: th, Wrap: true, query: NewFilter(th)} }

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
func (v *Viewer) Top() { v.place.Top, v.left, v.follow = 0, 0, false }

// Text is what is shown, without styles.
func (v *Viewer) Text() string { return ansi.Strip(strings.Join(v.lines, "\n")) }

// Capturing tells that a search is being typed.
func (v *Viewer) Capturing() bool { return v.query.Typing() }

// Searching tells that a search is set.
func (v *Viewer) Searching() bool { return v.query.Text() != "" }

// Update takes a key or the mouse's wheel and reports whether it was the viewer's.
func (v *Viewer) Update(msg tea.Msg) bool {
	switch m := msg.(type) {
	case tea.KeyMsg:
		before := v.query.Text()
		if v.query.Press(m) {
			if v.query.Text() != before {
				v.find()
			}
			return true
		}
		return v.press(m)
	case tea.MouseMsg:
		return v.move(m)
	}
	return false
}

// move scrolls by a key or the wheel.
func (v *Viewer) move(msg tea.Msg) bool {
	m, ok := MotionOf(msg)
	if !ok {
		return false
	}
	before := v.place.Top
	if v.place.Top = m.Of(before, max(1, len(v.wrapped)-v.place.height+1), v.place.height); m.Ends > 0 {
		v.place.Top = math.MaxInt32 // another text may be on its way; View knows where its end is
	}
	v.follow = v.follow && v.place.Top >= before
	return true
}

func (v *Viewer) press(m tea.KeyMsg) bool {
	switch {
	case keys.Top.Is(m):
		v.Top()
	case v.move(m):
	case keys.Left.Is(m) && !v.Wrap:
		v.left = max(0, v.left-8)
	case keys.Right.Is(m) && !v.Wrap:
		v.left += 8
	case keys.Next.Is(m) && v.Searching():
		v.goTo(v.match + 1)
	case keys.Previous.Is(m) && v.Searching():
		v.goTo(v.match - 1)
	default:
		return false
	}
	return true
}

// find looks the query up, from the present place on.
func (v *Viewer) find() {
	v.matches, v.match = nil, 0
	if !v.Searching() {
		return
	}
	q := strings.ToLower(v.query.Text())
	first := -1
	for i, l := range v.wrapped {
		if strings.Contains(strings.ToLower(ansi.Strip(l)), q) {
			if first < 0 && i >= v.place.Top {
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
	if at < v.place.Top || at >= v.place.Top+v.place.height {
		v.place.Top = max(0, min(at-v.place.height/3, len(v.wrapped)-v.place.height))
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
	if v.Searching() {
		v.find()
	}
}

// Height is how many lines of the width the text takes, the line of the search
// included.
func (v *Viewer) Height(width int) int {
	v.layout(width)
	n := len(v.wrapped)
	if v.query.Shown() {
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
	if v.query.Shown() {
		rows--
	}
	v.place.height = rows
	v.place.Top = max(0, min(v.place.Top, len(v.wrapped)-rows))
	if v.follow {
		v.place.Top = max(0, len(v.wrapped)-rows)
	}
	out := make([]string, 0, height)
	for i := v.place.Top; i < min(len(v.wrapped), v.place.Top+rows); i++ {
		l := v.wrapped[i]
		if !v.Wrap && v.left > 0 {
			l = ansi.TruncateLeft(l, v.left, "")
		}
		if v.Searching() {
			l = v.mark(l)
		}
		out = append(out, Fit(l, width, v.th.Glyphs.Ellipsis))
	}
	body := Box(strings.Join(out, "\n"), width, rows)
	if rows < height {
		tally := "  " + v.th.Muted.Render(v.tally())
		line := v.query.View(width-ansi.StringWidth(tally)) + tally
		if rows == 0 {
			return Fit(line, width, "")
		}
		body += "\n" + Fit(line, width, "")
	}
	return body
}

func (v *Viewer) tally() string {
	if len(v.matches) == 0 {
		if !v.Searching() {
			return ""
		}
		return "no match"
	}
	return fmt.Sprintf("%d of %d", v.match+1, len(v.matches))
}

// mark shows where the query is in a line; such a line loses its other styles.
func (v *Viewer) mark(line string) string {
	plain := ansi.Strip(line)
	low, q := strings.ToLower(plain), strings.ToLower(v.query.Text())
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
	p := &v.place
	if len(v.wrapped) <= p.height {
		return ""
	}
	return fmt.Sprintf("%d-%d of %d", p.Top+1, min(p.Top+p.height, len(v.wrapped)), len(v.wrapped))
}

// Keys are the viewer's own keys.
func (v *Viewer) Keys() keys.Group {
	return keys.Group{Title: "Text", Bindings: append([]keys.Binding{keys.SearchText, keys.Next, keys.Previous}, keys.Moving().Bindings...)}
}
