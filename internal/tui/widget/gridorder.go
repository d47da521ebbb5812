package widget

import (
	"slices"
	"strings"
)

// Which rows of a Grid are shown, and in which order: the sort, the groups, the filter.

// SortBy sorts by a column from now on.
func (g *Grid) SortBy(column int, reverse bool) {
	g.sort, g.reverse = column, reverse
	g.arrange()
}

// Order is the column that the grid is sorted by, -1 if its rows are as they come.
func (g *Grid) Order() (column int, reverse bool) { return g.sort, g.reverse }

// GroupBy keeps rows of the same group together, in the order of the groups'
// names, under a heading: heading makes its text, safe and styled, of the name and
// the number of rows that are shown. Nil takes the groups away.
func (g *Grid) GroupBy(group func(row int) string, heading func(group string, rows int) string) {
	g.group, g.heading = group, heading
	g.arrange()
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

// Shown are the rows that the filter lets through, in their order.
func (g *Grid) Shown() []int { return slices.Clone(g.order) }

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
