package widget

import (
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/render"
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

// SortBy sorts by a column from now on.
func (g *Grid) SortBy(column int, reverse bool) {
	g.sort, g.reverse = column, reverse
	g.arrange()
}

// Order is the column that the grid is sorted by, -1 if its rows are as they come.
func (g *Grid) Order() (column int, reverse bool) { return g.sort, g.reverse }

// SetRows shows other rows. The cursor stays on the row with the same key, or at
// the same place if that is gone.
func (g *Grid) SetRows(r Rows) {
	g.rows, g.hay, g.stale = r, nil, true
	g.prune()
	g.arrange()
}

// prune takes the marks off rows that are gone.
func (g *Grid) prune() {
	if len(g.marks) == 0 {
		return
	}
	there := make(map[string]bool, len(g.marks))
	for i := range g.Total() {
		if key := g.rows.Key(i); g.marks[key] {
			there[key] = true
		}
	}
	g.marks = there
}

// GroupBy keeps rows of the same group together, in the order of the groups'
// names, under a heading: heading makes its text, safe and styled, of the name and
// the number of rows that are shown. Nil takes the groups away.
func (g *Grid) GroupBy(group func(row int) string, heading func(group string, rows int) string) {
	g.group, g.heading = group, heading
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

// Changed says that a row shows something else now, under the same key and in the
// same group. It costs far less than SetRows.
func (g *Grid) Changed(row int) {
	g.stale = true
	if g.hay != nil {
		g.hay[row] = g.text(row)
	}
	words := strings.Fields(strings.ToLower(g.filter.Text()))
	if len(words) == 0 && !g.sorted() {
		return
	}
	selected, ok := g.Selected()
	if i := slices.Index(g.order, row); i >= 0 {
		g.order = slices.Delete(g.order, i, i+1)
	}
	if g.matches(row, words) {
		at, _ := slices.BinarySearchFunc(g.order, row, g.compare)
		g.order = slices.Insert(g.order, at, row)
	}
	g.groups = nil
	if at := slices.Index(g.order, selected); ok && at >= 0 {
		g.cursor.At = at
		return
	}
	g.moveTo(g.cursor.At)
}

// SetFilter shows only rows that contain the text, in any letter case; several
// words must all be there. Another filter selects the first row that it shows; one
// that is taken away leaves the selected row selected.
func (g *Grid) SetFilter(text string) {
	g.filter.SetText(text)
	g.refilter()
}

func (g *Grid) refilter() {
	if g.filter.Text() != "" {
		g.cursor, g.key = Cursor{height: g.cursor.height}, ""
	}
	g.arrange()
}

// Filter returns the filter.
func (g *Grid) Filter() string { return g.filter.Text() }

// Len is how many rows are shown, Total how many there are.
func (g *Grid) Len() int { return len(g.order) }

// Shown are the rows that the filter lets through, in their order.
func (g *Grid) Shown() []int { return slices.Clone(g.order) }

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

// Marked returns the numbers of the marked rows that are shown, or that of the
// selected one if none is marked.
func (g *Grid) Marked() []int {
	var out []int
	if len(g.marks) > 0 {
		for _, r := range g.order {
			if g.marks[g.rows.Key(r)] {
				out = append(out, r)
			}
		}
	}
	if len(out) == 0 {
		if r, ok := g.Selected(); ok {
			return []int{r}
		}
	}
	return out
}

// Marks is how many rows are marked.
func (g *Grid) Marks() int { return len(g.marks) }

// MarksShown is how many of the rows that are shown are marked: actions take these.
func (g *Grid) MarksShown() int {
	if len(g.marks) == 0 {
		return 0
	}
	n := 0
	for _, r := range g.order {
		if g.marks[g.rows.Key(r)] {
			n++
		}
	}
	return n
}

// Unmark takes the mark off a row.
func (g *Grid) Unmark(key string) { delete(g.marks, key) }

// SetTitle gives a column another head.
func (g *Grid) SetTitle(column int, title string) { g.cols[column].Title = title }

// ClearMarks takes all marks off.
func (g *Grid) ClearMarks() { clear(g.marks) }

// Capturing tells that the filter is being typed.
func (g *Grid) Capturing() bool { return g.filter.Typing() }

// Visible returns the numbers of the rows that were visible at the last View.
func (g *Grid) Visible() []int {
	out := make([]int, 0, len(g.lines))
	for _, place := range g.lines {
		if place >= 0 && place < len(g.order) {
			out = append(out, g.order[place])
		}
	}
	return out
}

func (g *Grid) sorted() bool {
	return g.sort >= 0 && g.sort < len(g.cols) && g.cols[g.sort].Compare != nil
}

// compare orders all rows: by group, by the column, by their numbers.
func (g *Grid) compare(a, b int) int {
	if g.group != nil {
		if c := strings.Compare(g.group(a), g.group(b)); c != 0 {
			return c
		}
	}
	if g.sorted() {
		x, y := a, b
		if g.reverse {
			x, y = b, a
		}
		if c := g.cols[g.sort].Compare(x, y); c != 0 {
			return c
		}
	}
	return a - b
}

func (g *Grid) arrange() {
	g.order, g.groups = g.order[:0], nil
	words := strings.Fields(strings.ToLower(g.filter.Text()))
	for i := range g.Total() {
		if g.matches(i, words) {
			g.order = append(g.order, i)
		}
	}
	if g.group != nil || g.sorted() {
		slices.SortFunc(g.order, g.compare)
	}
	at := min(g.cursor.At, len(g.order)-1)
	if g.key != "" {
		if i := slices.IndexFunc(g.order, func(r int) bool { return g.rows.Key(r) == g.key }); i >= 0 {
			at = i
		}
	}
	g.moveTo(max(0, at))
}

func (g *Grid) matches(row int, words []string) bool {
	if len(words) == 0 {
		return true
	}
	if g.hay == nil {
		g.hay = make([]string, g.Total())
		for i := range g.hay {
			g.hay[i] = g.text(i)
		}
	}
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(g.hay[row], w) })
}

// text is what the filter looks at.
func (g *Grid) text(row int) string {
	if other, ok := g.rows.(hays); ok {
		return strings.ToLower(other.Hay(row))
	}
	parts := make([]string, len(g.cols))
	for c := range g.cols {
		parts[c] = g.rows.Cell(row, c).Text
	}
	return strings.ToLower(strings.Join(parts, " "))
}

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

func (g *Grid) nextSort() {
	for range len(g.cols) + 1 {
		g.sort++
		if g.sort >= len(g.cols) {
			g.sort = -1
		}
		if g.sort < 0 || g.cols[g.sort].Compare != nil && !g.cols[g.sort].Hidden {
			break
		}
	}
	g.arrange()
}

func (g *Grid) toggle() {
	if g.key == "" {
		return
	}
	if g.marks[g.key] {
		delete(g.marks, g.key)
	} else {
		g.marks[g.key] = true
	}
}

func (g *Grid) toggleAll() {
	all := !slices.ContainsFunc(g.order, func(r int) bool { return !g.marks[g.rows.Key(r)] })
	for _, r := range g.order {
		if all {
			delete(g.marks, g.rows.Key(r))
		} else {
			g.marks[g.rows.Key(r)] = true
		}
	}
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

// View draws the grid in a box of the size: heads, rows, and the filter at the
// bottom if there is one.
func (g *Grid) View(width, height int) string {
	if width <= 0 || height <= 0 {
		return ""
	}
	var out []string
	if !g.NoHeader {
		out = append(out, "")
	}
	rows := height - len(out)
	bottom := ""
	if g.filter.Shown() {
		bottom = g.filterLine(width)
		rows--
	}
	g.scroll(max(0, rows))
	g.fill()
	g.look()
	widths := g.widths(width - 2)
	g.drawn, g.drawnIn, g.stale = widths, width-2, false
	if !g.NoHeader {
		out[0] = g.head(widths, width)
	}
	if len(g.order) == 0 && rows > 0 {
		text := g.Empty
		if g.filter.Text() != "" && g.Total() > 0 {
			text = "nothing matches the filter; esc clears it"
		}
		for _, l := range strings.Split(text, "\n") {
			out = append(out, "  "+g.th.Muted.Render(l))
		}
	}
	row := 0
	for _, place := range g.lines {
		if place < 0 {
			out = append(out, g.headingOver(^place, width))
		} else {
			out = append(out, g.line(row, place, widths, width))
			row++
		}
	}
	if bottom != "" {
		for len(out) < height-1 {
			out = append(out, "")
		}
		out = append(out[:height-1], bottom)
	}
	return Box(strings.Join(out, "\n"), width, height)
}

// reveal has the next View scroll from the beginning to the cursor and as many rows under it
// as there is room for.
func (g *Grid) reveal(below int) { g.revealed = below + 1 }

func (g *Grid) scroll(height int) {
	c := &g.cursor
	c.height = height
	if n := g.revealed; n > 0 && len(g.order) > 0 {
		g.revealed = 0
		c.Top = min(c.At, g.first(min(c.At+n, len(g.order))-1))
	}
	c.Top = min(c.Top, c.At)
	if height > 0 && len(g.order) > 0 {
		c.Top = max(c.Top, g.first(c.At))
		c.Top = min(c.Top, g.first(len(g.order)-1))
	}
	c.Top = max(0, min(c.Top, len(g.order)-1))
}

// first is the first place that can be at the top if a later one is to be in sight.
func (g *Grid) first(last int) int {
	if g.group == nil || g.cursor.height < 2 {
		return max(0, last-g.cursor.height+1)
	}
	// The heading of the first group is always drawn.
	used, top := 2, last
	for top > 0 {
		used++
		if g.heads(top) {
			used++
		}
		if used > g.cursor.height {
			break
		}
		top--
	}
	return top
}

// heads tells whether a place is the first one of its group.
func (g *Grid) heads(place int) bool {
	return place == 0 || g.group(g.order[place]) != g.group(g.order[place-1])
}

// fill finds what is in sight from top on.
func (g *Grid) fill() {
	g.lines = g.lines[:0]
	for i := g.cursor.Top; i < len(g.order) && len(g.lines) < g.cursor.height; i++ {
		if g.group != nil && g.cursor.height > 1 && (i == g.cursor.Top || g.heads(i)) {
			if len(g.lines)+2 > g.cursor.height {
				return // a heading alone says nothing
			}
			g.lines = append(g.lines, ^i)
		}
		g.lines = append(g.lines, i)
	}
}

func (g *Grid) headingOver(place, width int) string {
	if g.groups == nil {
		g.groups = map[string]int{}
		for _, r := range g.order {
			g.groups[g.group(r)]++
		}
	}
	group := g.group(g.order[place])
	return Fit(g.heading(group, g.groups[group]), width, g.th.Glyphs.Ellipsis)
}

func (g *Grid) filterLine(width int) string {
	count := g.th.Muted.Render(render.Number(int64(len(g.order))) + " of " + render.Number(int64(g.Total())))
	room := width - cellsOf(count) - 1
	return Fit(g.filter.View(room), room, g.th.Glyphs.Ellipsis) + " " + count
}

func (g *Grid) head(widths []int, width int) string {
	parts := make([]string, 0, len(g.cols))
	for i, c := range g.cols {
		if widths[i] == 0 {
			continue
		}
		title := g.th.Column.Render(ansi.Truncate(g.titleOf(i), widths[i], g.th.Glyphs.Ellipsis))
		if c.Right {
			parts = append(parts, FitRight(title, widths[i], ""))
		} else {
			parts = append(parts, Fit(title, widths[i], ""))
		}
	}
	return Fit("  "+strings.Join(parts, "  "), width, "")
}

// titleOf is a column's head, with the sign of its order.
func (g *Grid) titleOf(i int) string {
	switch {
	case i != g.sort:
		return g.cols[i].Title
	case g.reverse:
		return g.cols[i].Title + g.th.Glyphs.Descending
	}
	return g.cols[i].Title + g.th.Glyphs.Ascending
}

// line draws the n-th row in sight, exactly width cells wide.
func (g *Grid) line(n, place int, widths []int, width int) string {
	on := place == g.cursor.At && g.Focused
	var b strings.Builder
	b.Grow(width * 2)
	used := 0
	for i, c := range g.cols {
		if widths[i] == 0 {
			continue
		}
		if used > 0 {
			b.WriteString("  ")
			used += 2
		}
		cell := &g.sight[n*len(g.cols)+i]
		room := widths[i]
		if cell.Span {
			room = max(1, width-2-used)
		}
		g.cell(&b, cell, room, c.Right, on)
		used += room
		if cell.Span {
			break
		}
	}
	line := b.String()
	if used <= width-2 {
		line += blanks(width - 2 - used)
	} else {
		line = Fit(line, width-2, g.th.Glyphs.Ellipsis)
	}
	mark := " "
	if len(g.marks) > 0 && g.marks[g.rows.Key(g.order[place])] {
		mark = g.th.Marked.Render(g.th.Glyphs.Mark)
	}
	switch {
	case on:
		return g.th.Focus.Render(g.th.Glyphs.Cursor) + g.th.Cursor.Render(ansi.Strip(mark)+line)
	case place == g.cursor.At:
		return g.th.Border.Render(g.th.Glyphs.Cursor) + mark + line
	default:
		return " " + mark + line
	}
}

// cell draws a cell in exactly room cells; under the cursor without styles: the
// line has one background, and the text's own colours would fight it.
func (g *Grid) cell(b *strings.Builder, c *shownCell, room int, right, bare bool) {
	signs, text, width := c.Signs, c.Text, c.width
	if c.Tail && c.signs > room {
		signs, text, width = ansi.TruncateLeft(signs, c.signs-room, ""), "", room
	}
	if width > room {
		text = ansi.Truncate(text, max(1, room-c.signs), g.th.Glyphs.Ellipsis)
		width = c.signs + cellsOf(text)
	}
	if width > room { // signs alone have no room
		b.WriteString(Fit(signs, room, g.th.Glyphs.Ellipsis))
		return
	}
	if right {
		b.WriteString(blanks(room - width))
	}
	if bare {
		b.WriteString(ansi.Strip(signs))
		b.WriteString(text)
	} else {
		b.WriteString(signs)
		in := g.pens.of(c.Style)
		if text != "" {
			b.WriteString(in.open)
			b.WriteString(text)
			b.WriteString(in.end)
		}
	}
	if !right {
		b.WriteString(blanks(room - width))
	}
}

// Keys are the grid's own keys.
func (g *Grid) Keys() keys.Group {
	b := []keys.Binding{keys.Search, keys.Sort, keys.Reverse}
	if g.Marking {
		b = append(b, keys.Mark, keys.MarkAll)
	}
	return keys.Group{Title: "List", Bindings: append(b, keys.Moving().Bindings...)}
}
