package widget

import (
	"fmt"
	"math"
	"slices"
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
	from      []int
	wrapWidth int
	// place.Top is the first line in sight. There is a line under a cursor in a
	// document only: at, among lines; seek has the next View bring it in sight.
	place Cursor
	at    int
	seek  bool
	left  int
	// doc is the document in JSON that is shown, nil for other texts; shown are its
	// lines that are in nothing folded.
	doc   *jsonDocument
	inks  jsonInks
	shown []int
	// Wrap breaks long lines; without it left and right scroll.
	Wrap    bool
	query   *Filter
	matches []int // places in wrapped: set drops them, wrap looks for them anew
	match   int
	// ahead is that the present match is still to be gone to: the text was laid out
	// anew, and the place is before it.
	ahead  bool
	follow bool
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
	v.doc, v.shown = nil, nil
	v.set(lines)
}

// set takes other lines; what was found in those before is nowhere in them.
func (v *Viewer) set(lines []string) {
	v.lines, v.wrapped, v.from, v.wrapWidth = lines, nil, nil, 0
	v.matches, v.match, v.ahead = nil, 0, false
}

// SetJSON shows a document in JSON from outside: coloured, with what is in it to be
// folded, and a cursor. Any other text is shown as it is.
func (v *Viewer) SetJSON(text string) {
	d, ok := parseJSON(text)
	if !ok {
		v.SetText(render.JSON(text, ""))
		return
	}
	v.doc, v.inks, v.at, v.seek = d, newJSONInks(v.th), 0, false
	v.unfolded()
}

// unfolded draws the lines anew after something was folded or opened; the cursor
// stays on its line, or goes to that which hides it.
func (v *Viewer) unfolded() {
	line := 0
	if v.at < len(v.shown) {
		line = v.shown[v.at]
	}
	v.shown = v.doc.shown()
	lines := make([]string, len(v.shown))
	for i, n := range v.shown {
		lines[i] = v.doc.draw(n, &v.inks)
		if n <= line {
			v.at = i
		}
	}
	width := v.wrapWidth
	v.set(lines)
	v.seek = true
	if width > 0 {
		v.wrap(width)
	}
}

// Copied is what a key copies of a document: the value under the cursor, or its
// path; ok is false for other keys, and where there is no document.
func (v *Viewer) Copied(msg tea.Msg) (text, what string, ok bool) {
	if v.doc == nil || v.at >= len(v.shown) {
		return "", "", false
	}
	line := v.shown[v.at]
	switch {
	case keys.CopyPath.Is(msg):
		return v.doc.path(line), "the path", true
	case keys.CopyValue.Is(msg):
		return v.doc.valueAt(line), "the value of " + v.doc.path(line), true
	}
	return "", "", false
}

// Path is where the value under the cursor is, "" where there is no document.
func (v *Viewer) Path() string {
	if v.doc == nil || v.at >= len(v.shown) {
		return ""
	}
	return v.doc.path(v.shown[v.at])
}

// Follow keeps the end in sight until the user scrolls up.
func (v *Viewer) Follow() { v.follow = true }

// Top goes to the beginning.
func (v *Viewer) Top() { v.place.Top, v.at, v.left, v.follow = 0, 0, 0, false }

// Text is what is shown, without styles.
func (v *Viewer) Text() string {
	if v.doc != nil {
		return render.JSON(v.doc.text, "")
	}
	return ansi.Strip(strings.Join(v.lines, "\n"))
}

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
	if v.doc != nil {
		v.at, v.seek = m.Of(v.at, len(v.lines), v.place.height), true
		return true
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
	case v.doc != nil && v.fold(m):
	case v.doc != nil && (keys.Fold.Is(m) || keys.Unfold.Is(m)):
		return false
	case keys.Left.Is(m) && !v.Wrap:
		v.left = max(0, v.left-8)
	case keys.Right.Is(m) && !v.Wrap:
		v.left += 8
	case keys.Next.Is(m) && v.Searching():
		v.step(1)
	case keys.Previous.Is(m) && v.Searching():
		v.step(-1)
	default:
		return false
	}
	return true
}

// fold takes the keys that shut and open what is in a document.
func (v *Viewer) fold(m tea.KeyMsg) bool {
	if v.at >= len(v.shown) {
		return false
	}
	line := v.shown[v.at]
	l := &v.doc.lines[line]
	switch {
	case keys.FoldAll.Is(m):
		v.doc.foldAll(len(v.doc.folded) == 0)
	case keys.Unfold.Is(m) && v.doc.fold(line, false), keys.Fold.Is(m) && v.doc.fold(line, true):
	case keys.Unfold.Is(m):
		v.at, v.seek = min(v.at+1, len(v.shown)-1), true
		return true
	case keys.Fold.Is(m) && l.kind == jsonEnd:
		return v.goToLine(l.end)
	case keys.Fold.Is(m) && l.parent >= 0:
		return v.goToLine(l.parent)
	default:
		return false
	}
	v.unfolded()
	return true
}

// goToLine puts the cursor on a line of the document.
func (v *Viewer) goToLine(line int) bool {
	if at, ok := slices.BinarySearch(v.shown, line); ok {
		v.at, v.seek = at, true
	}
	return true
}

// find looks the query up and goes to the first place from the present one on.
func (v *Viewer) find() {
	v.unfold()
	v.collect()
	if v.Searching() {
		v.goTo(v.match)
	}
}

// unfold opens a document for a search, which looks through what is folded, too.
func (v *Viewer) unfold() {
	if v.doc != nil && v.Searching() && len(v.doc.folded) > 0 {
		v.doc.foldAll(false)
		v.unfolded()
	}
}

// collect finds where the query is in the lines as they are shown; the present match
// is the first one from the present place on. It moves nothing.
func (v *Viewer) collect() {
	v.matches, v.match, v.ahead = nil, 0, true
	if !v.Searching() {
		return
	}
	q := strings.ToLower(v.query.Text())
	first := -1
	for i, l := range v.wrapped {
		if strings.Contains(strings.ToLower(ansi.Strip(l)), q) {
			if first < 0 && (v.doc == nil && i >= v.place.Top || v.doc != nil && v.from[i] >= v.at) {
				first = len(v.matches)
			}
			v.matches = append(v.matches, i)
		}
	}
	v.match = max(0, first)
}

// step goes to the next match, or with -1 to the one before.
func (v *Viewer) step(by int) {
	v.unfold()
	if by > 0 && v.ahead && len(v.matches) > 0 && !(v.doc != nil && v.from[v.matches[v.match]] == v.at) {
		by = 0
	}
	v.goTo(v.match + by)
}

func (v *Viewer) goTo(match int) {
	if len(v.matches) == 0 {
		return
	}
	v.match, v.ahead = (match+len(v.matches))%len(v.matches), false
	at := v.matches[v.match]
	if v.doc != nil {
		v.at, v.seek = v.from[at], true
		return
	}
	if at < v.place.Top || at >= v.place.Top+v.place.height {
		v.place.Top = max(0, min(at-v.place.height/3, len(v.wrapped)-v.place.height))
	}
	v.follow = false
}

func (v *Viewer) layout(width int) {
	if v.wrapped != nil && v.wrapWidth == width {
		return
	}
	v.wrap(width)
	if v.Searching() && v.doc == nil {
		v.find()
	}
}

// broken is a line in parts that fit, parted between words where one ends near enough to the
// edge. One that is styled, or has signs that take more than a cell, is parted between words
// wherever it has some.
func broken(line string, room int) []string {
	rest := make([]rune, 0, len(line))
	for _, r := range line {
		if (r < ' ' || r > '~') && !single(r) {
			return strings.Split(ansi.Hardwrap(ansi.Wrap(line, room, ""), room, true), "\n")
		}
		rest = append(rest, r)
	}
	var out []string
	for len(rest) > room {
		at, next := room, room
		for i := room; i > room-room/3; i-- {
			if rest[i] == ' ' {
				at, next = i, i+1
				break
			}
		}
		out, rest = append(out, string(rest[:at])), rest[next:]
	}
	return append(out, string(rest))
}

// wrap breaks lines that are too long.
func (v *Viewer) wrap(width int) {
	v.wrapWidth = width
	room := width
	if v.doc != nil {
		room = max(1, width-1) // the cursor's sign stands before the lines
	}
	v.wrapped, v.from = make([]string, 0, len(v.lines)), make([]int, 0, len(v.lines))
	for i, l := range v.lines {
		if !v.Wrap || cellsOf(l) <= room {
			v.wrapped, v.from = append(v.wrapped, l), append(v.from, i)
			continue
		}
		for _, part := range carryStyle(broken(l, room)) {
			v.wrapped, v.from = append(v.wrapped, part), append(v.from, i)
		}
	}
	v.collect()
}

// carryStyle ends a style at the end of each part of a line, and begins it again in
// the next: the parts are drawn apart from each other.
func carryStyle(parts []string) []string {
	style := ""
	for i, part := range parts {
		before := style
		for rest := part; ; {
			at := strings.Index(rest, "\x1b[")
			if at < 0 {
				break
			}
			rest = rest[at:]
			end := strings.IndexByte(rest, 'm')
			if end < 0 {
				break
			}
			if style = rest[:end+1]; style == "\x1b[m" || style == "\x1b[0m" {
				style = ""
			}
			rest = rest[end+1:]
		}
		if parts[i] = before + part; style != "" {
			parts[i] += "\x1b[0m"
		}
	}
	return parts
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
	if v.doc != nil && v.seek {
		v.reveal(rows)
	}
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
		if v.doc != nil {
			l = v.gutter(i) + l
		}
		out = append(out, Fit(l, width, v.th.Glyphs.Ellipsis))
	}
	body := Box(strings.Join(out, "\n"), width, rows)
	if rows < height {
		tally := "  " + v.th.Muted.Render(v.tally())
		line := v.query.View(width-cellsOf(tally)) + tally
		if rows == 0 {
			return Fit(line, width, "")
		}
		body += "\n" + Fit(line, width, "")
	}
	return body
}

// reveal scrolls so that the line under the cursor is in sight, with all its parts
// if there is room.
func (v *Viewer) reveal(rows int) {
	v.seek = false
	v.at = max(0, min(v.at, len(v.lines)-1))
	first, _ := slices.BinarySearch(v.from, v.at)
	after, _ := slices.BinarySearch(v.from, v.at+1)
	v.place.Top = max(v.place.Top, after-rows)
	v.place.Top = min(v.place.Top, first)
}

// gutter is the sign before a line of a document.
func (v *Viewer) gutter(i int) string {
	if v.from[i] == v.at {
		return v.th.Focus.Render(v.th.Glyphs.Cursor)
	}
	return " "
}

func (v *Viewer) tally() string {
	if len(v.matches) == 0 {
		if !v.Searching() {
			return ""
		}
		if v.doc != nil && len(v.doc.folded) > 0 {
			return "no match in sight"
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
	own := []keys.Binding{keys.SearchText, keys.Next, keys.Previous}
	if v.doc != nil {
		own = append(keys.Document(), own...)
	}
	return keys.Group{Title: "Text", Bindings: append(own, keys.Moving().Bindings...)}
}
