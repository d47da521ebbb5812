package widget

import (
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
)

// Branches are what a Tree shows: rows that hang under each other. Column 0 is
// the one that the branches are drawn in. As with Rows, call SetRows for every
// change.
type Branches interface {
	Rows
	// Parent is the number of the row that this one hangs under, -1 for a root.
	// Rows under the same parent are shown in the order of their numbers.
	Parent(row int) int
	// Shut tells whether what hangs under the row is hidden until the user opens it.
	Shut(row int) bool
}

// Tree is a Grid of rows that hang under each other and can be opened and shut.
// The user's choices stay with a row's key.
type Tree struct {
	th   *theme.Screen
	grid *Grid
	rows Branches
	// order are all rows, parents before their children; each with how it hangs.
	order []hang
	open  []int // places in order that the grid shows
	// chosen is what the user has opened (true) and shut (false), by key.
	chosen   map[string]bool
	filtered bool // the grid shows all rows, of which it filters
	// Empty is shown instead of rows, NoHeader switches the column heads off,
	// Focused is whether the cursor is drawn as one that keys move.
	Empty    string
	NoHeader bool
	Focused  bool
}

// hang is how a row hangs in the tree.
type hang struct {
	row    int
	depth  int
	branch bool // has rows under it
	last   bool // of its parent's
	// span is the number of rows under it, at any depth; they follow it in order.
	span  int
	above int // place of its parent in order, -1 for a root
}

// NewTree returns an empty tree.
func NewTree(th *theme.Screen, cols ...Column) *Tree {
	return &Tree{th: th, grid: NewGrid(th, cols...), chosen: map[string]bool{}, Focused: true, Empty: "nothing here"}
}

// SetRows shows other rows; cursor and what is open stay with the keys.
func (t *Tree) SetRows(b Branches) {
	t.rows = b
	t.order = t.order[:0]
	if b != nil {
		t.hangAll()
	}
	t.arrange()
}

func (t *Tree) hangAll() {
	n := t.rows.Len()
	// Children as linked lists: first and next, in the order of their numbers.
	first, next, roots := make([]int, n), make([]int, n), -1
	for i := range first {
		first[i], next[i] = -1, -1
	}
	for i := n - 1; i >= 0; i-- {
		if p := t.rows.Parent(i); p >= 0 && p < n && p != i {
			next[i], first[p] = first[p], i
		} else {
			next[i], roots = roots, i
		}
	}
	var walk func(row, depth, above int)
	walk = func(row, depth, above int) {
		for ; row >= 0; row = next[row] {
			at := len(t.order)
			t.order = append(t.order, hang{row: row, depth: depth, branch: first[row] >= 0, last: next[row] < 0, above: above})
			walk(first[row], depth+1, at)
			t.order[at].span = len(t.order) - at - 1
		}
	}
	walk(roots, 0, -1)
}

// arrange hands the rows to the grid that are not inside a shut branch; with a
// filter all of them.
func (t *Tree) arrange() {
	t.open = t.open[:0]
	if t.filtered && t.grid.Filter() == "" && t.rows != nil {
		t.order = t.order[:0]
		t.hangAll() // as it was without a filter
	}
	t.filtered = t.grid.Filter() != ""
	for i := 0; i < len(t.order); i++ {
		t.open = append(t.open, i)
		if h := t.order[i]; h.branch && !t.filtered && !t.isOpen(i) {
			i += h.span
		}
	}
	t.grid.SetRows(treeRows{t})
	if t.filtered {
		t.close()
	}
}

// close finds which rows are the last shown ones of their parents: a filter leaves
// others out.
func (t *Tree) close() {
	done := map[int]bool{}
	for i := range t.order {
		t.order[i].last = false
	}
	for _, at := range slices.Backward(t.grid.order) {
		h := &t.order[t.open[at]]
		h.last = !done[h.above]
		done[h.above] = true
	}
}

func (t *Tree) isOpen(place int) bool {
	row := t.order[place].row
	if open, ok := t.chosen[t.rows.Key(row)]; ok {
		return open
	}
	return !t.rows.Shut(row)
}

// Reset forgets what the user has opened and shut.
func (t *Tree) Reset() {
	clear(t.chosen)
	t.arrange()
}

// SetAll opens all branches, or shuts all but the roots.
func (t *Tree) SetAll(open bool) {
	for _, h := range t.order {
		if h.branch {
			t.chosen[t.rows.Key(h.row)] = open || h.depth == 0
		}
	}
	t.arrange()
}

// Selected returns the number of the row under the cursor.
func (t *Tree) Selected() (row int, ok bool) {
	place, ok := t.place()
	if !ok {
		return 0, false
	}
	return t.order[place].row, true
}

func (t *Tree) place() (int, bool) {
	at, ok := t.grid.Selected()
	if !ok || at >= len(t.open) {
		return 0, false
	}
	return t.open[at], true
}

// Select puts the cursor on the row with a key; the branches above it are opened.
func (t *Tree) Select(key string) {
	for _, h := range t.order {
		if t.rows.Key(h.row) == key {
			t.SelectRow(h.row)
			return
		}
	}
}

// SelectRow puts the cursor on a row; the branches above it are opened.
func (t *Tree) SelectRow(row int) {
	for i, h := range t.order {
		if h.row != row {
			continue
		}
		opened := false
		for up := t.order[i].above; up >= 0; up = t.order[up].above {
			if !t.isOpen(up) {
				t.chosen[t.rows.Key(t.order[up].row)] = true
				opened = true
			}
		}
		if opened {
			t.arrange()
		}
		t.grid.Select(t.rows.Key(row))
		return
	}
}

// Reveal puts the cursor on a row and scrolls as little from the beginning as it takes
// for the row, and what hangs open under it, to be in sight, wherever the tree was scrolled
// to before. The row itself is in sight in any case.
func (t *Tree) Reveal(row int) {
	t.SelectRow(row)
	place, ok := t.place()
	if !ok {
		return
	}
	below := 0
	for _, at := range t.open {
		if at > place && at <= place+t.order[place].span {
			below++
		}
	}
	t.grid.reveal(below)
}

// Len is how many rows are shown, Total how many there are.
func (t *Tree) Len() int { return t.grid.Len() }

// Total is how many rows there are, shown or not.
func (t *Tree) Total() int { return len(t.order) }

// Filter returns the filter.
func (t *Tree) Filter() string { return t.grid.Filter() }

// SetFilter shows only rows with the text, those above them and those under them.
func (t *Tree) SetFilter(text string) {
	t.grid.SetFilter(text)
	t.refilter()
}

// refilter selects the first row with the text itself: rows above it are shown to
// tell where it is.
func (t *Tree) refilter() {
	t.arrange()
	words := strings.Fields(strings.ToLower(t.grid.Filter()))
	if len(words) == 0 {
		return
	}
	for place, at := range t.grid.order {
		var b strings.Builder
		t.hay(&b, t.open[at])
		own := strings.ToLower(b.String())
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(own, w) }) {
			t.grid.moveTo(place)
			return
		}
	}
	t.grid.moveTo(0)
}

// Capturing tells that the filter is being typed.
func (t *Tree) Capturing() bool { return t.grid.Capturing() }

// Update takes a key or a mouse event (relative to the tree) and reports whether
// it was the tree's.
func (t *Tree) Update(msg tea.Msg) bool {
	if !t.grid.Capturing() {
		switch {
		case keys.Left.Is(msg):
			return t.left()
		case keys.Right.Is(msg):
			return t.right()
		case keys.Sort.Is(msg), keys.Reverse.Is(msg): // a tree has its order
			return false
		}
	}
	before := t.grid.Filter()
	took := t.grid.Update(msg)
	if t.grid.Filter() != before {
		t.refilter()
	}
	if m, ok := msg.(tea.MouseMsg); ok && took && m.Button == tea.MouseButtonLeft {
		// Two cells of the grid stand before the branches.
		if place, ok := t.place(); ok && t.order[place].branch && m.X-2 >= 2*t.order[place].depth && m.X-2 < 2*t.order[place].depth+2 {
			t.Toggle()
		}
	}
	return took
}

// Toggle opens or shuts the branch under the cursor and reports whether there is
// one.
func (t *Tree) Toggle() bool {
	place, ok := t.place()
	if !ok || !t.order[place].branch {
		return false
	}
	t.set(place, !t.isOpen(place))
	return true
}

func (t *Tree) set(place int, open bool) {
	t.chosen[t.rows.Key(t.order[place].row)] = open
	t.arrange()
}

func (t *Tree) left() bool {
	place, ok := t.place()
	switch {
	case !ok:
		return false
	case t.order[place].branch && t.isOpen(place) && !t.filtered:
		t.set(place, false)
	case t.order[place].above >= 0:
		t.grid.Select(t.rows.Key(t.order[t.order[place].above].row))
	default:
		return false
	}
	return true
}

func (t *Tree) right() bool {
	place, ok := t.place()
	switch {
	case !ok || !t.order[place].branch:
		return false
	case !t.isOpen(place) && !t.filtered:
		t.set(place, true)
	default:
		t.grid.Update(tea.KeyMsg{Type: tea.KeyDown})
	}
	return true
}

// View draws the tree in a box of the size.
func (t *Tree) View(width, height int) string {
	t.grid.Empty, t.grid.NoHeader, t.grid.Focused = t.Empty, t.NoHeader, t.Focused
	return t.grid.View(width, height)
}

// Keys are the tree's own keys.
func (t *Tree) Keys() keys.Group {
	return keys.Group{Title: "Tree", Bindings: append([]keys.Binding{keys.Search, keys.Right, keys.Left}, keys.Moving().Bindings...)}
}

// treeRows are the open rows as the grid sees them.
type treeRows struct{ t *Tree }

func (r treeRows) Len() int           { return len(r.t.open) }
func (r treeRows) Key(row int) string { return r.t.rows.Key(r.t.order[r.t.open[row]].row) }

func (r treeRows) Cell(row, column int) Cell {
	place := r.t.open[row]
	c := r.t.rows.Cell(r.t.order[place].row, column)
	if column == 0 {
		c.Signs = r.t.signs(place, c.Span) + c.Signs
	}
	return c
}

// Hay is the text of the row and of those above and under it: a match shows the
// way to it and what it consists of.
func (r treeRows) Hay(row int) string {
	place := r.t.open[row]
	var b strings.Builder
	for up := r.t.order[place].above; up >= 0; up = r.t.order[up].above {
		if r.t.order[up].depth > 0 { // the root would match for all of its rows
			r.t.hay(&b, up)
		}
	}
	for i := place; i <= place+r.t.order[place].span; i++ {
		r.t.hay(&b, i)
	}
	return b.String()
}

func (t *Tree) hay(b *strings.Builder, place int) {
	for c := range t.grid.cols {
		cell := t.rows.Cell(t.order[place].row, c)
		b.WriteString(ansi.Strip(cell.Signs))
		b.WriteString(cell.Text)
		b.WriteByte(' ')
		if cell.Span {
			break
		}
	}
}

// signs are the lines that lead to a row, and whether it is open. A row that
// spans the line is text of the row above it rather than a branch of its own.
func (t *Tree) signs(place int, span bool) string {
	g, h := t.th.Glyphs, t.order[place]
	var lines []string
	for up := h.above; up >= 0 && t.order[up].depth > 0; up = t.order[up].above {
		if t.order[up].last {
			lines = append(lines, "  ")
		} else {
			lines = append(lines, g.TreeBar)
		}
	}
	var b strings.Builder
	for i := len(lines) - 1; i >= 0; i-- {
		b.WriteString(lines[i])
	}
	switch {
	case h.depth == 0:
	case span:
		b.WriteString("  ")
	case h.last:
		b.WriteString(g.TreeEnd)
	default:
		b.WriteString(g.TreeMid)
	}
	sign := "  "
	if h.branch {
		sign = g.Closed + " "
		if t.filtered || t.isOpen(place) {
			sign = g.Open + " "
		}
	}
	return t.th.Border.Render(b.String() + sign)
}
