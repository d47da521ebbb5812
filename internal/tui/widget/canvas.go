package widget

import (
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
)

// canvas is a grid of cells that is drawn on in any order and then written line
// by line, with one escape sequence for each run of the same ink. What lies
// outside is cut off.
type canvas struct {
	w, h  int
	cells []spot
	inks  []ink
}

// spot is one cell: a character with what combines with it, "" for the right half
// of a wide one.
type spot struct {
	text string
	ink  int
}

// ink is a style as the sequences around a text: asking lipgloss for each run
// costs more than all the rest of a frame.
type ink struct{ open, end string }

func inkOf(s lipgloss.Style) ink {
	open, end, _ := strings.Cut(s.Render("x"), "x")
	return ink{open, end}
}

// newCanvas returns a blank canvas; ink 0 is no style.
func newCanvas(w, h int, inks ...ink) *canvas {
	c := &canvas{w: w, h: h, cells: make([]spot, max(0, w*h)), inks: append([]ink{{}}, inks...)}
	for i := range c.cells {
		c.cells[i].text = " "
	}
	return c
}

// put draws one line of text and returns its width.
func (c *canvas) put(x, y int, text string, ink int) int {
	at := x
	for text != "" {
		cluster, w := ansi.FirstGraphemeCluster(text, ansi.GraphemeWidth)
		if cluster == "" {
			break
		}
		text = text[len(cluster):]
		if w == 0 {
			continue
		}
		c.set(at, y, cluster, w, ink)
		at += w
	}
	return at - x
}

func (c *canvas) set(x, y int, cluster string, w, ink int) {
	if y < 0 || y >= c.h || x+w <= 0 || x >= c.w {
		return
	}
	if x < 0 || x+w > c.w { // half of a wide character
		for i := max(0, x); i < min(c.w, x+w); i++ {
			c.cells[y*c.w+i] = spot{" ", ink}
		}
		return
	}
	row := c.cells[y*c.w : (y+1)*c.w]
	if row[x].text == "" && x > 0 { // the right half of what is there
		row[x-1].text = " "
	}
	for i := range w {
		row[x+i] = spot{"", ink}
	}
	row[x].text = cluster
	if x+w < c.w && row[x+w].text == "" {
		row[x+w].text = " "
	}
}

// dye gives what is drawn in a cell another ink.
func (c *canvas) dye(x, y, ink int) {
	if x >= 0 && x < c.w && y >= 0 && y < c.h && c.cells[y*c.w+x].text != " " {
		c.cells[y*c.w+x].ink = ink
	}
}

// blank tells that nothing is drawn from one column to another, both included; what
// lies outside is not blank.
func (c *canvas) blank(from, to, y int) bool {
	for x := from; x <= to; x++ {
		if x < 0 || x >= c.w || c.cells[y*c.w+x].text != " " {
			return false
		}
	}
	return true
}

// fill draws a text of one cell n times to the right.
func (c *canvas) fill(x, y, n int, text string, ink int) {
	for i := range n {
		c.set(x+i, y, text, 1, ink)
	}
}

// String is the picture: h lines of w cells.
func (c *canvas) String() string {
	var b strings.Builder
	b.Grow(c.w * c.h * 2)
	for y := range c.h {
		if y > 0 {
			b.WriteByte('\n')
		}
		now := 0
		for _, s := range c.cells[y*c.w : (y+1)*c.w] {
			if s.ink != now && s.text != "" {
				b.WriteString(c.inks[now].end)
				now = s.ink
				b.WriteString(c.inks[now].open)
			}
			b.WriteString(s.text)
		}
		b.WriteString(c.inks[now].end)
	}
	return b.String()
}
