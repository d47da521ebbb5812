package widget

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/diagram"
)

// outlineLine is a line of the list: a state, or a transition of it.
type outlineLine struct {
	node int
	// text is the transition; empty on the line of the state itself.
	text   string
	kind   diagram.Kind
	indent int
	of     diagram.Edge // the line of the drawing that says the same
}

// outlineLines are the states in the order of the drawing, each with where it
// leads to. A state that simply leads to the next line is not told.
func (g *Graph) outlineLines() []outlineLine {
	arrow := g.th.Glyphs.Right
	if !g.th.Glyphs.Unicode {
		arrow = "->"
	}
	boxes := g.layout.Boxes
	var out []outlineLine
	for at, i := range g.order {
		b := &boxes[i]
		out = append(out, outlineLine{node: i, indent: b.Depth})
		next := ""
		for _, k := range g.order[at+1:] {
			if boxes[k].Depth <= b.Depth {
				if boxes[k].Parent == b.Parent && boxes[k].Node.Branch == b.Node.Branch {
					next = boxes[k].Node.Name
				}
				break
			}
		}
		for _, e := range g.out[i] {
			if e.Kind == asl.EdgeNext && e.To == next && len(g.out[i]) == 1 {
				continue
			}
			text, kind := arrow+" "+safeLine(e.To), diagram.Next
			if l := diagram.LabelOf(e); l != "" {
				text = l + " " + text
			}
			switch e.Kind {
			case asl.EdgeChoice:
				text = "if " + text
			case asl.EdgeCatch:
				kind = diagram.Catch
			case asl.EdgeNext, asl.EdgeDefault:
			}
			out = append(out, outlineLine{i, text, kind, b.Depth, diagram.Edge{From: i, To: g.layout.ByName[e.To], Catch: kind == diagram.Catch}})
		}
		if b.Node.End && next != "" {
			out = append(out, outlineLine{i, "end", diagram.Next, b.Depth, diagram.Edge{}})
		}
	}
	return out
}

// viewOutline draws the list.
func (g *Graph) viewOutline(width, height int) string {
	at := 0
	for i, l := range g.lines {
		if l.node == g.selected && l.text == "" {
			at = i
		}
	}
	if at < g.y {
		g.y = at
	}
	if at >= g.y+height {
		g.y = at - height + 1
	}
	g.y = max(0, min(g.y, len(g.lines)-height))
	c := newCanvas(width, height, g.inks...)
	for y := range height {
		if y+g.y < len(g.lines) {
			g.drawLine(c, y, g.lines[y+g.y])
		}
	}
	return c.String()
}

func (g *Graph) drawLine(c *canvas, y int, l outlineLine) {
	b := &g.layout.Boxes[l.node]
	x := 2 + 2*l.indent
	if l.text != "" {
		ink := inkMuted
		switch {
		case g.taken[l.of]:
			ink = inkTaken
		case l.kind == diagram.Catch:
			ink = inkWarn
		}
		c.put(x+2, y, ansi.Truncate(l.text, max(0, c.w-x-2), g.th.Glyphs.Ellipsis), ink)
		return
	}
	state := g.states[b.Node.Name]
	on := l.node == g.selected && !g.NoFocus
	status, name := inkMuted, inkName
	if state.Status != "" {
		status = inkOfStatus(state.Status)
	} else if g.states != nil {
		name = inkMuted
	}
	if on {
		c.put(0, y, g.th.Glyphs.Cursor, inkFocus)
		name = inkCursor
	}
	if g.states != nil {
		c.put(x, y, StatusGlyph(g.th, state.Status), status)
		x += 2
	}
	x += c.put(x, y, safeLine(b.Node.Name), name)
	tail := strings.TrimSpace(state.Counts + " " + state.Note)
	room := c.w - cellsOf(tail) - 1
	if room-x-2 > 3 {
		c.put(x+2, y, ansi.Truncate(b.What, room-x-3, g.th.Glyphs.Ellipsis), inkMuted)
	}
	if tail != "" && x+1 < c.w {
		c.put(max(x+1, c.w-cellsOf(tail)), y, tail, status)
	}
}
