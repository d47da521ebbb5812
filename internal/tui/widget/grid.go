package widget

import (
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"

	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
)

// Column describes a column of a Grid.
type Column struct {
	Title string
	// Min is the width in cells that the column has where there is room, Max how wide
	// it grows beyond what is in it (0: no bound). Flex is its share of the width that
	// is left. A column with Flex and without Max is prose: it may be cut. Others are
	// names and numbers: they get what is in them before anything else is wider than it
	// needs, and what can be dropped is dropped before the others are cut.
	Min, Max, Flex int
	Right          bool
	// Drop is the order in which columns go when there is no room: the highest
	// first; 0 never goes.
	Drop int
	// Compare orders two rows, by their numbers; nil: not sortable.
	Compare func(a, b int) int
	// Hidden leaves the column out (Grid.Hide).
	Hidden bool
}

// Cell is the content of one cell: outside text, which the grid makes safe, and a
// style. Signs is trusted and drawn before the text as it is. Span gives the cell
// the rest of the line: there are no further cells.
type Cell struct {
	Signs string
	Text  string
	Style lipgloss.Style
	Span  bool
	// Tail says that Signs are a line over time: without room for all of them the beginning
	// is cut, which is old.
	Tail bool
}

// Rows are what a Grid shows. They are asked for visible rows only, and for all of
// them when a filter is set. Rows do not change behind the grid's back: call
// SetRows for every change.
type Rows interface {
	Len() int
	// Key names a row for good, so that selection and marks stay with it.
	Key(row int) string
	Cell(row, column int) Cell
}

// hays are rows whose filter looks at other text than their own cells.
type hays interface {
	Hay(row int) string
}

// Grid is a table with a cursor, marks, sorting and a filter. It draws visible
// rows only.
type Grid struct {
	th    *theme.Screen
	cols  []Column
	rows  Rows
	order []int // row numbers shown, sorted and filtered
	// cursor is a place in order; the grid finds itself what is in sight, since
	// headings stand between rows.
	cursor Cursor
	key    string // of the row under the cursor
	// revealed are the rows from the cursor on that the next View brings into sight; 0: it
	// scrolls as little as it can.
	revealed int
	marks    map[string]bool
	sort     int // column, -1: as the rows come
	reverse  bool
	filter   *Filter
	hay      []string // lower-case text of each row, for the filter; nil if stale
	group    func(row int) string
	heading  func(group string, rows int) string
	groups   map[string]int // rows shown of each group; nil if stale
	// lines are what the last View drew: places in order, and ^place for the heading
	// over a place. drawn are the widths of the columns then, in a grid of drawnIn
	// cells; sight are the cells of the rows in sight.
	lines, drawn []int
	drawnIn      int
	stale        bool // rows have changed since: the widths are found anew
	sight        []shownCell
	pens         pens
	// Empty is shown instead of rows.
	Empty string
	// Marking switches marks on, Header the column heads off.
	Marking, NoHeader bool
	// Focused is whether the cursor is drawn as one that keys move.
	Focused bool
}

// NewGrid returns an empty grid in the order of its rows.
func NewGrid(th *theme.Screen, cols ...Column) *Grid {
	return &Grid{th: th, cols: cols, marks: map[string]bool{}, filter: NewFilter(th), sort: -1, Focused: true, Empty: "nothing here"}
}

// SetRows shows other rows. The cursor stays on the row with the same key, or at
// the same place if that is gone.
func (g *Grid) SetRows(r Rows) {
	g.rows, g.hay, g.stale = r, nil, true
	g.prune()
	g.arrange()
}

// Hide leaves a column out, or shows it again.
// A column that is left out orders the rows no more: no head would say so.
func (g *Grid) Hide(column int, hidden bool) {
	g.cols[column].Hidden = hidden
	if hidden && column == g.sort {
		g.nextSort()
	}
}

// Len is how many rows are shown, Total how many there are.
func (g *Grid) Len() int { return len(g.order) }

// Total is how many rows there are, shown or not.
func (g *Grid) Total() int {
	if g.rows == nil {
		return 0
	}
	return g.rows.Len()
}

// Selected returns the number of the row under the cursor.
func (g *Grid) Selected() (row int, ok bool) {
	if g.cursor.At < 0 || g.cursor.At >= len(g.order) {
		return 0, false
	}
	return g.order[g.cursor.At], true
}

// Select puts the cursor on the row with a key.
func (g *Grid) Select(key string) {
	for i, r := range g.order {
		if g.rows.Key(r) == key {
			g.moveTo(i)
			return
		}
	}
}

// SetTitle gives a column another head.
func (g *Grid) SetTitle(column int, title string) { g.cols[column].Title = title }

// Capturing tells that the filter is being typed.
func (g *Grid) Capturing() bool { return g.filter.Typing() }

func (g *Grid) moveTo(place int) {
	g.cursor.Put(place, len(g.order))
	g.key = ""
	if r, ok := g.Selected(); ok {
		g.key = g.rows.Key(r)
	}
}

// Update takes a key or a mouse event (relative to the grid) and reports whether
// it was the grid's.
func (g *Grid) Update(msg tea.Msg) bool {
	g.revealed = 0
	switch m := msg.(type) {
	case tea.KeyMsg:
		before := g.filter.Text()
		if g.filter.Press(m) {
			if g.filter.Text() != before {
				g.refilter()
			}
			return true
		}
		return g.press(m)
	case tea.MouseMsg:
		return g.mouse(m)
	}
	return false
}

func (g *Grid) press(m tea.KeyMsg) bool {
	switch {
	case g.cursor.Update(m, len(g.order)):
		g.moveTo(g.cursor.At)
	case keys.Sort.Is(m):
		g.nextSort()
	case keys.Reverse.Is(m):
		g.reverse = !g.reverse
		g.arrange()
	case g.Marking && keys.Mark.Is(m):
		g.toggle()
		g.moveTo(g.cursor.At + 1)
	case g.Marking && keys.MarkAll.Is(m):
		g.toggleAll()
	default:
		return false
	}
	return true
}

func (g *Grid) mouse(m tea.MouseMsg) bool {
	switch {
	case g.cursor.Update(m, len(g.order)):
		g.moveTo(g.cursor.At)
	case m.Button == tea.MouseButtonLeft && m.Action == tea.MouseActionPress:
		return g.click(m.X, m.Y)
	default:
		return false
	}
	return true
}

// click selects the row at a place of the last View; on a column's head it sorts
// by the column, or the other way round.
func (g *Grid) click(x, y int) bool {
	if !g.NoHeader {
		if y == 0 {
			return g.clickHead(x)
		}
		y--
	}
	if y < 0 || y >= len(g.lines) || g.lines[y] < 0 || g.lines[y] >= len(g.order) {
		return false
	}
	g.moveTo(g.lines[y])
	return true
}

func (g *Grid) clickHead(x int) bool {
	at := 2
	for i, w := range g.drawn {
		if w == 0 {
			continue
		}
		if x >= at && x < at+w && g.cols[i].Compare != nil {
			g.SortBy(i, i == g.sort && !g.reverse)
			return true
		}
		at += w + 2
	}
	return false
}

// Keys are the grid's own keys.
func (g *Grid) Keys() keys.Group {
	b := []keys.Binding{keys.Search, keys.Sort, keys.Reverse}
	if g.Marking {
		b = append(b, keys.Mark, keys.MarkAll)
	}
	return keys.Group{Title: "List", Bindings: append(b, keys.Moving().Bindings...)}
}
