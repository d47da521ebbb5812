package widget

import (
	"strings"

	"github.com/charmbracelet/lipgloss"

	"github.com/pipelinetui/pipelinetui/internal/render"
)

// shownCell is a cell in sight: its text is safe, and how wide it is was measured.
type shownCell struct {
	Cell
	signs, width int // of the signs, and of all
}

// look asks for the cells in sight, once for each View.
func (g *Grid) look() {
	g.pens.fresh(g.th.Renderer)
	g.sight = g.sight[:0]
	for _, place := range g.lines {
		if place < 0 {
			continue
		}
		spanned := false
		for i := range g.cols {
			var c shownCell
			if !g.cols[i].Hidden && !spanned {
				c.Cell = g.rows.Cell(g.order[place], i)
				c.Text = render.Line(c.Text, 0)
				c.signs = cellsOf(c.Signs)
				c.width = c.signs + cellsOf(c.Text)
				spanned = c.Span
			}
			g.sight = append(g.sight, c)
		}
	}
}

// want is how wide each column is to be so that nothing in sight is cut.
func (g *Grid) want() []int {
	out := make([]int, len(g.cols))
	for i := range g.cols {
		if !g.NoHeader {
			out[i] = cellsOf(g.titleOf(i))
		}
		for n := i; n < len(g.sight); n += len(g.cols) {
			if c := &g.sight[n]; !c.Span {
				out[i] = max(out[i], c.width)
			}
		}
		out[i] = max(1, out[i])
	}
	return out
}

// prose tells that a column may be cut while others have what they need.
func (c *Column) prose() bool { return c.Max == 0 && c.Flex > 0 }

// widths gives each column its width, and 0 to one that has no room: it needs what
// is in it, prose and what can be dropped their Min at most. Then names get what is
// in them, then all do, then columns get their Min, and what is left goes by Flex.
// The widths of the last View stay while one scrolls, as long as they cut nothing, so
// that columns do not jump.
func (g *Grid) widths(width int) []int {
	want := g.want()
	need := make([]int, len(g.cols))
	for i := range g.cols {
		c := &g.cols[i]
		switch {
		case c.Hidden:
		case c.prose():
			need[i] = min(want[i], c.Min)
		case c.Drop > 0:
			need[i] = min(want[i], c.Min)
		default:
			need[i] = min(want[i], max(c.Min, c.Max))
		}
	}
	g.drop(need, width)
	if g.holds(need, want, width) {
		return g.drawn
	}
	out := make([]int, len(g.cols))
	spare := width - total(need)
	if spare < 0 {
		// Even without what can be dropped there is too much: all are cut alike.
		for i, n := range need {
			out[i] = min(n, g.cols[i].Min)
		}
		g.pour(out, width-total(out), func(i int) int { return need[i] })
		return out
	}
	copy(out, need)
	named := func(i int) int { // what is in it, unless that is beyond its Max
		if c := &g.cols[i]; !c.prose() {
			return min(want[i], max(c.Min, c.Max))
		}
		return 0
	}
	spare = g.pour(out, spare, named)
	spare = g.pour(out, spare, func(i int) int { return want[i] })
	spare = g.pour(out, spare, func(i int) int { return g.cols[i].Min })
	g.spread(out, spare)
	return out
}

// total is how wide columns are with the gaps between them.
func total(widths []int) int {
	n := -2
	for _, w := range widths {
		if w > 0 {
			n += w + 2
		}
	}
	return max(0, n)
}

// drop takes columns out, those with the highest Drop first, until the others fit.
func (g *Grid) drop(need []int, width int) {
	for total(need) > width {
		worst := -1
		for i, c := range g.cols {
			if need[i] > 0 && c.Drop > 0 && (worst < 0 || c.Drop > g.cols[worst].Drop) {
				worst = i
			}
		}
		if worst < 0 {
			return
		}
		need[worst] = 0
	}
}

// holds tells that the widths of the last View still serve.
func (g *Grid) holds(need, want []int, width int) bool {
	if g.stale || len(g.drawn) != len(need) || g.drawnIn != width || total(need) > width {
		return false
	}
	for i, n := range need {
		if (n > 0) != (g.drawn[i] > 0) || n > 0 && !g.cols[i].prose() && want[i] > g.drawn[i] {
			return false
		}
	}
	return true
}

// pour gives cells to columns that have less than they should, a cell to each in
// turn, and returns what is left.
func (g *Grid) pour(out []int, spare int, should func(i int) int) int {
	for spare > 0 {
		given := false
		for i := range out {
			if out[i] > 0 && out[i] < should(i) && spare > 0 {
				out[i]++
				spare--
				given = true
			}
		}
		if !given {
			break
		}
	}
	return spare
}

// spread shares what is left by Flex. Twice: what a bounded column does not take
// goes to the others.
func (g *Grid) spread(out []int, spare int) {
	flex := 0
	for i, c := range g.cols {
		if out[i] > 0 && (c.Max == 0 || out[i] < c.Max) {
			flex += c.Flex
		}
	}
	for pass := 0; pass < 2 && spare > 0 && flex > 0; pass++ {
		given, next := 0, 0
		for i, c := range g.cols {
			if out[i] == 0 || c.Flex == 0 || c.Max > 0 && out[i] >= c.Max {
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
}

var blankLine = strings.Repeat(" ", 256)

// blanks are n spaces.
func blanks(n int) string {
	switch {
	case n <= 0:
		return ""
	case n <= len(blankLine):
		return blankLine[:n]
	}
	return strings.Repeat(" ", n)
}

// pens remember what styles write around a text: to ask lipgloss for each cell
// costs more than all the rest of a frame.
type pens struct {
	inks map[pen]ink
	dark bool
}

// pen is what of a style matters to a text on one line.
type pen struct {
	fore, back                                  lipgloss.TerminalColor
	bold, faint, italic, under, reverse, strike bool
}

// fresh forgets the inks of the other background: which one there is may turn out
// late.
func (p *pens) fresh(r *lipgloss.Renderer) {
	if dark := r.HasDarkBackground(); p.inks == nil || dark != p.dark {
		p.inks, p.dark = map[pen]ink{}, dark
	}
}

func (p *pens) of(s lipgloss.Style) ink {
	k := pen{
		fore: s.GetForeground(), back: s.GetBackground(), bold: s.GetBold(), faint: s.GetFaint(), italic: s.GetItalic(),
		under: s.GetUnderline(), reverse: s.GetReverse(), strike: s.GetStrikethrough(),
	}
	in, ok := p.inks[k]
	if !ok {
		in = inkOf(s)
		p.inks[k] = in
	}
	return in
}
