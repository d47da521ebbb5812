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
	// Min is the width in cells that the column wants at least, Max what it takes at
	// most (0: no bound). Flex is its share of the width that is left.
	Min, Max, Flex int
	Right          bool
	// Drop is the order in which columns go when there is no room: the highest
	// first; 0 never goes.
	Drop int
	// Compare orders two rows, by their numbers; nil: not sortable.
	Compare func(a, b int) int
}

// Cell is the content of one cell: outside text, which the grid makes safe, and a
// style. Signs is trusted and drawn before the text as it is. Span gives the cell
// the rest of the line: there are no further cells.
type Cell struct {
	Signs string
	Text  string
	Style lipgloss.Style
	Span  bool
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
	// cursor and top are places in order.
	cursor, top int
	key         string // of the row under the cursor
	height      int    // rows that fitted at the last View
	marks       map[string]bool
	sort        int // column, -1: as the rows come
	reverse     bool
	filter      string
	typing      bool
	hay         []string // lower-case text of each row, for the filter; nil if stale
	// Empty is shown instead of rows.
	Empty string
	// Marking switches marks on, Header the column heads off.
	Marking, NoHeader bool
	// Focused is whether the cursor is drawn as one that keys move.
	Focused bool
}

// NewGrid returns an empty grid in the order of its rows.
func NewGrid(th *theme.Screen, cols ...Column) *Grid {
	return &Grid{th: th, cols: cols, marks: map[string]bool{}, sort: -1, Focused: true, Empty: "nothing here"}
}

// SortBy sorts by a column from now on.
func (g *Grid) SortBy(column int, reverse bool) {
	g.sort, g.reverse = column, reverse
	g.arrange()
}

// SetRows shows other rows. The cursor stays on the row with the same key, or at
// the same place if that is gone.
func (g *Grid) SetRows(r Rows) {
	g.rows, g.hay = r, nil
	g.arrange()
}

// SetFilter shows only rows that contain the text, in any letter case; several
// words must all be there.
func (g *Grid) SetFilter(text string) {
	g.filter = text
	g.arrange()
}

// Filter returns the filter.
func (g *Grid) Filter() string { return g.filter }

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
	if g.cursor < 0 || g.cursor >= len(g.order) {
		return 0, false
	}
	return g.order[g.cursor], true
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
	for _, r := range g.order {
		if g.marks[g.rows.Key(r)] {
			out = append(out, r)
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

// ClearMarks takes all marks off.
func (g *Grid) ClearMarks() { clear(g.marks) }

// Capturing tells that the filter is being typed.
func (g *Grid) Capturing() bool { return g.typing }

// Visible returns the numbers of the rows that were visible at the last View.
func (g *Grid) Visible() []int {
	end := min(len(g.order), g.top+g.height)
	if g.top >= end {
		return nil
	}
	return g.order[g.top:end]
}

func (g *Grid) arrange() {
	g.order = g.order[:0]
	words := strings.Fields(strings.ToLower(g.filter))
	for i := range g.Total() {
		if g.matches(i, words) {
			g.order = append(g.order, i)
		}
	}
	if g.sort >= 0 && g.sort < len(g.cols) && g.cols[g.sort].Compare != nil {
		compare := g.cols[g.sort].Compare
		slices.SortStableFunc(g.order, func(a, b int) int {
			if g.reverse {
				return compare(b, a)
			}
			return compare(a, b)
		})
	}
	at := min(g.cursor, len(g.order)-1)
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
		other, ok := g.rows.(hays)
		for i := range g.hay {
			if ok {
				g.hay[i] = strings.ToLower(other.Hay(i))
				continue
			}
			parts := make([]string, len(g.cols))
			for c := range g.cols {
				parts[c] = g.rows.Cell(i, c).Text
			}
			g.hay[i] = strings.ToLower(strings.Join(parts, " "))
		}
	}
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(g.hay[row], w) })
}

func (g *Grid) moveTo(place int) {
	g.cursor = max(0, min(place, len(g.order)-1))
	g.key = ""
	if r, ok := g.Selected(); ok {
		g.key = g.rows.Key(r)
	}
}

// Update takes a key or a mouse event (relative to the grid) and reports whether
// it was the grid's.
func (g *Grid) Update(msg tea.Msg) bool {
	switch m := msg.(type) {
	case tea.KeyMsg:
		if g.typing {
			g.typeFilter(m)
			return true
		}
		return g.press(m)
	case tea.MouseMsg:
		return g.mouse(m)
	}
	return false
}

func (g *Grid) press(m tea.KeyMsg) bool {
	page := max(1, g.height-1)
	switch {
	case keys.Up.Is(m):
		g.moveTo(g.cursor - 1)
	case keys.Down.Is(m):
		g.moveTo(g.cursor + 1)
	case keys.PageUp.Is(m):
		g.moveTo(g.cursor - page)
	case keys.PageDown.Is(m):
		g.moveTo(g.cursor + page)
	case keys.Top.Is(m):
		g.moveTo(0)
	case keys.Bottom.Is(m):
		g.moveTo(len(g.order) - 1)
	case keys.Search.Is(m):
		g.typing = true
	case keys.Back.Is(m) && g.filter != "":
		g.SetFilter("")
	case keys.Sort.Is(m):
		g.nextSort()
	case keys.Reverse.Is(m):
		g.reverse = !g.reverse
		g.arrange()
	case g.Marking && keys.Mark.Is(m):
		g.toggle()
		g.moveTo(g.cursor + 1)
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
		if g.sort < 0 || g.cols[g.sort].Compare != nil {
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

func (g *Grid) typeFilter(m tea.KeyMsg) {
	switch m.String() {
	case "enter":
		g.typing = false
	case "esc":
		g.typing = false
		g.SetFilter("")
	case "backspace":
		if r := []rune(g.filter); len(r) > 0 {
			g.SetFilter(string(r[:len(r)-1]))
		}
	case "ctrl+u":
		g.SetFilter("")
	case "up", "down":
		g.typing = false
		g.press(m)
	default:
		if m.Type == tea.KeyRunes || m.Type == tea.KeySpace {
			g.SetFilter(g.filter + render.Line(string(m.Runes), 0) + map[bool]string{true: " "}[m.Type == tea.KeySpace && len(m.Runes) == 0])
		}
	}
}

func (g *Grid) mouse(m tea.MouseMsg) bool {
	switch {
	case m.Button == tea.MouseButtonWheelUp:
		g.moveTo(g.cursor - 3)
	case m.Button == tea.MouseButtonWheelDown:
		g.moveTo(g.cursor + 3)
	case m.Button == tea.MouseButtonLeft && m.Action == tea.MouseActionPress:
		head := 1
		if g.NoHeader {
			head = 0
		}
		place := g.top + m.Y - head
		if m.Y < head || place >= len(g.order) {
			return false
		}
		g.moveTo(place)
	default:
		return false
	}
	return true
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
	if g.typing || g.filter != "" {
		bottom = g.filterLine(width)
		rows--
	}
	g.height = max(0, rows)
	g.scroll()
	widths := g.widths(width - 2)
	if !g.NoHeader {
		out[0] = g.head(widths, width)
	}
	if len(g.order) == 0 && rows > 0 {
		text := g.Empty
		if g.filter != "" && g.Total() > 0 {
			text = "nothing matches the filter; esc clears it"
		}
		for _, l := range strings.Split(text, "\n") {
			out = append(out, "  "+g.th.Muted.Render(l))
		}
	}
	for i := g.top; i < min(len(g.order), g.top+g.height); i++ {
		out = append(out, g.line(i, widths, width))
	}
	body := Box(strings.Join(out, "\n"), width, height-map[bool]int{true: 1}[bottom != ""])
	if bottom != "" {
		body += "\n" + bottom
	}
	return Box(body, width, height)
}

func (g *Grid) scroll() {
	if g.cursor < g.top {
		g.top = g.cursor
	}
	if g.height > 0 && g.cursor >= g.top+g.height {
		g.top = g.cursor - g.height + 1
	}
	g.top = max(0, min(g.top, len(g.order)-g.height))
}

func (g *Grid) filterLine(width int) string {
	text := g.th.Key.Render("/") + g.th.Input.Render(render.Line(g.filter, 0))
	if g.typing {
		text += g.th.Cursor.Render(" ")
	}
	count := g.th.Muted.Render(render.Number(int64(len(g.order))) + " of " + render.Number(int64(g.Total())))
	return Fit(text, width-ansi.StringWidth(count)-1, g.th.Glyphs.Ellipsis) + " " + count
}

// widths gives each column its width; a dropped one gets 0.
func (g *Grid) widths(width int) []int {
	out := make([]int, len(g.cols))
	shown := make([]bool, len(g.cols))
	for i := range shown {
		shown[i] = true
	}
	need := func() int {
		n := -2
		for i, c := range g.cols {
			if shown[i] {
				n += c.Min + 2
			}
		}
		return n
	}
	for need() > width {
		worst := -1
		for i, c := range g.cols {
			if shown[i] && c.Drop > 0 && (worst < 0 || c.Drop > g.cols[worst].Drop) {
				worst = i
			}
		}
		if worst < 0 {
			break
		}
		shown[worst] = false
	}
	spare, flex := width-need(), 0
	for i, c := range g.cols {
		if shown[i] {
			out[i] = c.Min
			flex += c.Flex
		}
	}
	// Twice: what a bounded column does not take goes to the others.
	for pass := 0; pass < 2 && spare > 0 && flex > 0; pass++ {
		given, next := 0, 0
		for i, c := range g.cols {
			if !shown[i] || c.Flex == 0 || c.Max > 0 && out[i] >= c.Max {
				continue
			}
			add := spare * c.Flex / flex
			if c.Max > 0 {
				add = min(add, c.Max-out[i])
			}
			out[i] += add
			given += add
			if c.Max == 0 || out[i] < c.Max {
				next += c.Flex
			}
		}
		spare, flex = spare-given, next
	}
	return out
}

func (g *Grid) head(widths []int, width int) string {
	parts := make([]string, 0, len(g.cols))
	for i, c := range g.cols {
		if widths[i] == 0 {
			continue
		}
		title := c.Title
		if i == g.sort {
			sign := g.th.Glyphs.Ascending
			if g.reverse {
				sign = g.th.Glyphs.Descending
			}
			title += sign
		}
		title = g.th.Column.Render(ansi.Truncate(title, widths[i], g.th.Glyphs.Ellipsis))
		if c.Right {
			parts = append(parts, FitRight(title, widths[i], ""))
		} else {
			parts = append(parts, Fit(title, widths[i], ""))
		}
	}
	return Fit("  "+strings.Join(parts, "  "), width, "")
}

func (g *Grid) line(place int, widths []int, width int) string {
	row := g.order[place]
	on := place == g.cursor
	var b strings.Builder
	mark := " "
	if len(g.marks) > 0 && g.marks[g.rows.Key(row)] {
		mark = g.th.Marked.Render(g.th.Glyphs.Mark)
	}
	first := true
	for i, c := range g.cols {
		if widths[i] == 0 {
			continue
		}
		if !first {
			b.WriteString("  ")
		}
		first = false
		cell := g.rows.Cell(row, i)
		room := widths[i]
		if cell.Span {
			room = max(1, width-2-ansi.StringWidth(b.String()))
		}
		text := render.Line(cell.Text, max(1, room-ansi.StringWidth(cell.Signs)))
		if on && g.Focused {
			// One background for the whole line; the text's own colours would fight it.
			text = ansi.Strip(cell.Signs) + text
		} else {
			text = cell.Signs + cell.Style.Render(text)
		}
		if c.Right {
			b.WriteString(FitRight(text, room, g.th.Glyphs.Ellipsis))
		} else {
			b.WriteString(Fit(text, room, g.th.Glyphs.Ellipsis))
		}
		if cell.Span {
			break
		}
	}
	line := Fit(b.String(), width-2, g.th.Glyphs.Ellipsis)
	switch {
	case on && g.Focused:
		return g.th.Focus.Render(g.th.Glyphs.Cursor) + g.th.Cursor.Render(ansi.Strip(mark)+line)
	case on:
		return g.th.Border.Render(g.th.Glyphs.Cursor) + mark + line
	default:
		return " " + mark + line
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
