package widget

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/render"
)

// How a Grid is drawn: the rows in sight, under headings and heads of columns.

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
