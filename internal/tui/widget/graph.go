package widget

import (
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/diagram"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
)

// NodeState is what one execution has made of a state.
type NodeState struct {
	// Status is empty if the state was not reached.
	Status executions.VisitStatus
	// Current says that this is where the execution is now.
	Current bool
	// Note is short: how long it took, how often it was visited.
	Note string
	// Counts is about the iterations of a Map.
	Counts string
	// To are the states that it has led to.
	To []string
}

// Graph draws a state machine: boxes and lines, or an indented list where there is
// no room for them. One state is selected; arrows move to the nearest one in
// their direction.
type Graph struct {
	th       *theme.Screen
	graph    asl.Graph
	layout   *diagram.Layout
	out      [][]asl.Edge // edges by the state that they leave
	states   map[string]NodeState
	taken    map[diagram.Edge]bool // lines that the execution has gone along
	order    []int                 // boxes as they are read
	selected int
	x, y     int // corner in sight
	// moved says that the user has scrolled or selected since; until then the
	// current state stays in sight.
	moved      bool
	w, h       int
	outline    bool // drawn as a list at the last View
	AsList     bool // the user wants the list
	NoFocus    bool
	inks       []ink
	lines      []outlineLine
	scrollable bool
}

// The inks of a Graph's canvas, as indexes.
const (
	inkPlain = iota
	inkLine
	inkCatch
	inkBack
	inkMuted
	inkName
	inkFocus
	inkCursor
	inkGood
	inkBad
	inkWarn
	inkBusy
	inkTaken
)

// NewGraph returns a widget for a graph, laid out already.
func NewGraph(th *theme.Screen, g asl.Graph) *Graph {
	w := &Graph{th: th, graph: g, layout: diagram.New(g), out: make([][]asl.Edge, len(g.Nodes))}
	for _, e := range g.Edges {
		i := w.layout.ByName[e.From]
		w.out[i] = append(w.out[i], e)
	}
	w.inks = []ink{
		inkOf(th.Border), inkOf(th.Warn), inkOf(th.Key), inkOf(th.Muted), inkOf(th.Title),
		inkOf(th.Focus.Bold(true)), inkOf(th.Cursor), inkOf(th.Good), inkOf(th.Bad), inkOf(th.Warn), inkOf(th.Busy.Bold(true)), inkOf(th.Good.Bold(true)),
	}
	w.order = w.layout.Reading()
	w.lines = w.outlineLines()
	if len(w.order) > 0 {
		w.selected = w.order[0]
	}
	return w
}

// SetStates shows how far an execution has come. States that are not in the map
// were not reached; a nil map shows the definition alone.
func (g *Graph) SetStates(states map[string]NodeState) {
	g.states = states
	g.taken = g.takenOf(states)
	if g.moved {
		return
	}
	for i, b := range g.layout.Boxes {
		if states[b.Node.Name].Current {
			g.selected = i
		}
	}
}

// takenOf are the lines between states and those that they have led to.
func (g *Graph) takenOf(states map[string]NodeState) map[diagram.Edge]bool {
	out := map[diagram.Edge]bool{}
	for i, b := range g.layout.Boxes {
		s := states[b.Node.Name]
		for _, name := range s.To {
			to, ok := g.layout.ByName[name]
			if !ok {
				continue
			}
			of := diagram.Edge{From: i, To: to, Catch: s.Status == executions.VisitCaught}
			if len(g.layout.Paths[of]) == 0 { // it was caught in another visit, or in none
				of.Catch = !of.Catch
			}
			out[of] = true
		}
	}
	return out
}

// Select selects a state by name.
func (g *Graph) Select(name string) {
	if i, ok := g.layout.ByName[name]; ok {
		g.selected, g.moved = i, true
	}
}

// Size is the size of the whole drawing.
func (g *Graph) Size() (width, height int) { return g.layout.Width, g.layout.Height }

// Show selects a state as long as the user has selected none.
func (g *Graph) Show(name string) {
	if i, ok := g.layout.ByName[name]; ok && !g.moved {
		g.selected = i
	}
}

// Follow selects the current state again from now on.
func (g *Graph) Follow() { g.moved = false }

// Selected returns the selected state.
func (g *Graph) Selected() (asl.Node, bool) {
	if g.selected >= len(g.layout.Boxes) {
		return asl.Node{}, false
	}
	return g.layout.Boxes[g.selected].Node, true
}

// Transitions returns the edges that leave a state.
func (g *Graph) Transitions(name string) []asl.Edge {
	if i, ok := g.layout.ByName[name]; ok {
		return g.out[i]
	}
	return nil
}

// Update takes a key or a mouse event, relative to the widget, and reports whether
// it was the graph's.
func (g *Graph) Update(msg tea.Msg) bool {
	switch m := msg.(type) {
	case tea.KeyMsg:
		return g.press(m)
	case tea.MouseMsg:
		return g.mouse(m)
	}
	return false
}

func (g *Graph) press(m tea.KeyMsg) bool {
	motion, moves := MotionOf(m)
	switch {
	case moves:
		g.walk(motion)
	case keys.Left.Is(m):
		g.move(-1, 0)
	case keys.Right.Is(m):
		g.move(1, 0)
	case keys.GraphList.Is(m):
		g.AsList = !g.AsList
		return true
	default:
		return false
	}
	g.moved = true
	return true
}

// walk moves in the picture: lines go to the nearest state, pages and the wheel
// scroll, ends go to the first and the last state.
func (g *Graph) walk(m Motion) {
	switch {
	case m.Lines != 0:
		g.move(0, m.Lines)
	case m.Ends != 0:
		g.skip(m.Ends * len(g.order))
	default:
		g.scroll(0, m.Wheel+m.Pages*max(1, g.h-2))
	}
}

func (g *Graph) mouse(m tea.MouseMsg) bool {
	motion, moves := MotionOf(m)
	switch {
	case m.Button == tea.MouseButtonWheelUp && m.Shift:
		g.scroll(-6, 0)
	case m.Button == tea.MouseButtonWheelDown && m.Shift:
		g.scroll(6, 0)
	case moves:
		g.walk(motion)
	case m.Button == tea.MouseButtonWheelLeft:
		g.scroll(-6, 0)
	case m.Button == tea.MouseButtonWheelRight:
		g.scroll(6, 0)
	case m.Button == tea.MouseButtonLeft && m.Action == tea.MouseActionPress:
		i := g.hit(m.X, m.Y)
		if i < 0 {
			return false
		}
		g.selected = i
	default:
		return false
	}
	g.moved = true
	return true
}

// hit is the state at a place of the view, the innermost one, or -1.
func (g *Graph) hit(x, y int) int {
	if g.outline {
		if y+g.y < 0 || y+g.y >= len(g.lines) {
			return -1
		}
		return g.lines[y+g.y].node
	}
	x, y = x+g.x-g.margin(), y+g.y
	found := -1
	for i := range g.layout.Boxes {
		b := &g.layout.Boxes[i]
		if x >= b.X && x < b.X+b.W && y >= b.Y && y < b.Y+b.H && (found < 0 || b.Depth > g.layout.Boxes[found].Depth) {
			found = i
		}
	}
	return found
}

// scroll moves what is in sight, and the selection only as far as it must.
func (g *Graph) scroll(dx, dy int) {
	if g.outline || !g.scrollable {
		g.skip(sign(dy) * max(1, abs(dy)/3))
		return
	}
	g.x, g.y = g.x+dx, g.y+dy
	g.clamp()
	if g.inSight(g.selected) {
		return
	}
	x, y := g.x+g.w/2, g.y+g.h/2
	best, distance := g.selected, -1
	for i := range g.layout.Boxes {
		if !g.inSight(i) {
			continue
		}
		bx, by := g.layout.Boxes[i].Middle()
		if d := abs(bx-x) + 2*abs(by-y); distance < 0 || d < distance {
			best, distance = i, d
		}
	}
	g.selected = best
}

func (g *Graph) inSight(i int) bool {
	x, y, w, h := g.layout.Boxes[i].Header()
	return y >= g.y && y+h <= g.y+g.h && x < g.x+g.w && x+w > g.x
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

func abs(n int) int { return max(n, -n) }

// move selects the nearest state in a direction.
func (g *Graph) move(dx, dy int) {
	if len(g.layout.Boxes) == 0 {
		return
	}
	if g.outline {
		g.step(dx, dy)
		return
	}
	x, y := g.layout.Boxes[g.selected].Middle()
	best, distance := -1, 0
	for i := range g.layout.Boxes {
		if i == g.selected {
			continue
		}
		b := &g.layout.Boxes[i]
		bx, by := b.Middle()
		// A frame's middle says little about where it is; what counts is the part of it
		// that is nearest.
		if dy != 0 {
			hx, _, w, _ := b.Header()
			bx = max(hx, min(x, hx+w-1))
		}
		ahead, aside := (bx-x)*dx+(by-y)*dy, abs((bx-x)*dy)+abs((by-y)*dx)
		if ahead <= 0 || dx != 0 && aside > 4*diagram.PlainBox {
			continue
		}
		d := ahead + 2*aside
		if dx != 0 {
			d = ahead + 8*aside
		}
		if best < 0 || d < distance {
			best, distance = i, d
		}
	}
	if best >= 0 {
		g.selected = best
	}
}

// step moves in the list: up and down through all states, left to the one around
// and right to the first one inside.
func (g *Graph) step(dx, dy int) {
	switch {
	case dx < 0 && g.layout.Boxes[g.selected].Parent >= 0:
		g.selected = g.layout.Boxes[g.selected].Parent
	case dx > 0:
		before := g.selected
		if g.skip(1); g.layout.Boxes[g.selected].Parent != before {
			g.selected = before
		}
	case dy != 0:
		g.skip(dy)
	}
}

// skip goes by states in the order of reading.
func (g *Graph) skip(by int) {
	if at := slices.Index(g.order, g.selected); at >= 0 {
		g.selected = g.order[max(0, min(at+by, len(g.order)-1))]
	}
}

// margin centres a drawing that is narrower than the view.
func (g *Graph) margin() int { return max(0, (g.w-g.layout.Width)/2) }

func (g *Graph) clamp() {
	g.x = max(0, min(g.x, g.layout.Width-g.w))
	g.y = max(0, min(g.y, g.layout.Height-g.h))
}

// Below this size, or if only a small part of the drawing would be in sight, the
// list says more.
const (
	leastWidth, leastHeight = 40, 9
	mostTimes               = 4
)

func (g *Graph) wantsList(width, height int) bool {
	return g.AsList || width < leastWidth || height < leastHeight || g.layout.Width > mostTimes*width
}

// View draws the graph in a box of the size.
func (g *Graph) View(width, height int) string {
	if width <= 0 || height <= 0 {
		return ""
	}
	g.outline = g.wantsList(width, height)
	g.w, g.h = width, height
	if g.outline {
		return g.viewOutline(width, height)
	}
	g.scrollable = g.layout.Width > width || g.layout.Height > height
	g.reveal()
	c := newCanvas(width, height, g.inks...)
	left := g.margin() - g.x
	g.drawLines(c, left)
	for i := range g.layout.Boxes {
		b := &g.layout.Boxes[i]
		if b.Y-g.y < height && b.Y+b.H-g.y > 0 && b.X+left < width && b.X+b.W+left > 0 {
			g.drawBox(c, i, b.X+left, b.Y-g.y)
		}
	}
	g.drawMore(c)
	return c.String()
}

// reveal scrolls so that the selected state is in sight.
func (g *Graph) reveal() {
	if g.selected < len(g.layout.Boxes) {
		x, y, w, h := g.layout.Boxes[g.selected].Header()
		// With a line or two around it, so that one sees that it goes on.
		if y-2 < g.y {
			g.y = y - 2
		}
		if y+h+2 > g.y+g.h {
			g.y = y + h + 2 - g.h
		}
		w = min(w, g.w-2)
		if x-1 < g.x || x+w+1 > g.x+g.w {
			g.x = x + w/2 - g.w/2
		}
	}
	g.clamp()
}

func (g *Graph) drawLines(c *canvas, left int) {
	for y := range c.h {
		if y+g.y >= len(g.layout.Rows) {
			break
		}
		for _, m := range g.layout.Rows[y+g.y] {
			if x := m.X + left; x >= 0 && x < c.w {
				c.set(x, y, lineSign(m.Mark, g.th.Glyphs.Unicode), 1, inkOfLine(m.Kind))
			}
		}
	}
	for of := range g.taken {
		for _, at := range g.layout.Paths[of] {
			c.dye(at.X+left, at.Y-g.y, inkTaken)
		}
	}
	for _, t := range g.layout.Labels {
		if y := t.Y - g.y; y >= 0 && y < c.h {
			ink := inkMuted
			switch {
			case g.taken[t.Of]:
				ink = inkTaken
			case t.Kind == diagram.Catch:
				ink = inkWarn
			}
			c.put(t.X+left, y, ansi.Truncate(t.Text, t.Room, g.th.Glyphs.Ellipsis), ink)
		}
	}
}

func inkOfLine(k diagram.Kind) int {
	switch k {
	case diagram.Catch:
		return inkCatch
	case diagram.Back:
		return inkBack
	case diagram.Next:
	}
	return inkLine
}

// Directions in which a line leaves a cell.
const (
	up    = diagram.Up
	down  = diagram.Down
	left  = diagram.Left
	right = diagram.Right
)

// joints are the signs of lines that meet, by the directions that they leave in.
var joints = [16][2]string{ // a table
	up | down: {"│", "|"}, left | right: {"─", "-"}, up | left: {"╯", "+"}, up | right: {"╰", "+"}, down | left: {"╮", "+"}, down | right: {"╭", "+"},
	up | down | left: {"┤", "+"}, up | down | right: {"├", "+"}, left | right | up: {"┴", "+"}, left | right | down: {"┬", "+"},
	up | down | left | right: {"┼", "+"}, up: {"│", "|"}, down: {"│", "|"}, left: {"─", "-"}, right: {"─", "-"}, 0: {" ", " "},
}

func lineSign(m diagram.Mark, unicode bool) string {
	pick := func(fine, plain string) string {
		if unicode {
			return fine
		}
		return plain
	}
	switch {
	case m.Arrow == diagram.Down:
		return pick("▼", "v")
	case m.Arrow == diagram.Up:
		return pick("▲", "^")
	case m.Joint == 0 && m.Upright && m.Kind == diagram.Catch:
		return pick("┆", ":")
	case m.Joint == 0 && m.Upright:
		return pick("│", "|")
	case m.Joint == 0 && m.Kind == diagram.Catch:
		return pick("┄", ".")
	case m.Joint == 0:
		return pick("─", "-")
	}
	bits := m.Joint
	if m.Upright {
		bits |= diagram.Up | diagram.Down
	}
	if m.Lie {
		bits |= diagram.Left | diagram.Right
	}
	j := joints[bits]
	return pick(j[0], j[1])
}

// frame are the signs of a box.
type frame struct{ tl, top, tr, side, bl, bottom, br, in, out string }

func frameOf(unicode, heavy bool) frame {
	switch {
	case unicode && heavy:
		return frame{"┏", "━", "┓", "┃", "┗", "━", "┛", "┷", "┯"}
	case unicode:
		return frame{"╭", "─", "╮", "│", "╰", "─", "╯", "┴", "┬"}
	case heavy:
		return frame{"#", "=", "#", "#", "#", "=", "#", "=", "="}
	}
	return frame{"+", "-", "+", "|", "+", "-", "+", "+", "+"}
}

func (g *Graph) drawBox(c *canvas, i, x, y int) {
	b := &g.layout.Boxes[i]
	state := g.states[b.Node.Name]
	on := i == g.selected && !g.NoFocus
	border, status := inkLine, inkMuted
	if g.states != nil && state.Status != "" {
		status = inkOfStatus(state.Status)
		border = status
	}
	s := frameOf(g.th.Glyphs.Unicode, on || state.Current)
	if on {
		border = inkFocus
	}
	c.set(x, y, s.tl, 1, border)
	c.fill(x+1, y, b.W-2, s.top, border)
	c.set(x+b.W-1, y, s.tr, 1, border)
	for r := 1; r < b.H-1; r++ {
		c.set(x, y+r, s.side, 1, border)
		c.set(x+b.W-1, y+r, s.side, 1, border)
	}
	c.set(x, y+b.H-1, s.bl, 1, border)
	c.fill(x+1, y+b.H-1, b.W-2, s.bottom, border)
	c.set(x+b.W-1, y+b.H-1, s.br, 1, border)
	for _, at := range b.Top {
		c.set(x+at, y, s.in, 1, border)
	}
	for _, at := range b.Bottom {
		c.set(x+at, y+b.H-1, s.out, 1, border)
	}
	g.drawMarks(c, b, x, y, border)
	g.drawText(c, b, x+diagram.FrameBorder, y+1, state, on, status)
}

// drawMarks tells on the border where the workflow begins and may end, and that a
// state may lead to itself.
func (g *Graph) drawMarks(c *canvas, b *diagram.Box, x, y, border int) {
	start, end, again := "●", "■", "↺"
	if !g.th.Glyphs.Unicode {
		start, end, again = "o", "#", "@"
	}
	if b.Node.Start {
		c.set(x+2, y, start, 1, border)
	}
	if b.Node.End {
		c.set(x+b.W-3, y+b.H-1, end, 1, border)
	}
	if b.Again {
		c.set(x+b.W-1, y+1, again, 1, inkBack)
	}
}

func (g *Graph) drawText(c *canvas, b *diagram.Box, x, y int, state NodeState, on bool, status int) {
	width := b.W - 2*diagram.FrameBorder
	name := inkName
	if g.states != nil {
		if state.Status == "" {
			name = inkMuted
		}
		c.put(x, y, StatusGlyph(g.th, state.Status), status)
		if on {
			name = inkCursor
		}
		c.put(x+2, y, ansi.Truncate(b.Name, width-2, g.th.Glyphs.Ellipsis), name)
	} else {
		if on {
			name = inkCursor
		}
		c.put(x, y, ansi.Truncate(b.Name, width, g.th.Glyphs.Ellipsis), name)
	}
	note := state.Note
	if state.Counts != "" {
		note = strings.TrimSpace(state.Counts + " " + note)
	}
	note = ansi.Truncate(note, width, g.th.Glyphs.Ellipsis)
	used := cellsOf(note)
	if used > 0 {
		used++
	}
	if rest := width - used; rest > 3 {
		c.put(x, y+1, ansi.Truncate(b.What, rest, g.th.Glyphs.Ellipsis), inkMuted)
	}
	if note != "" {
		c.put(x+width-cellsOf(note), y+1, note, status)
	}
}

// StatusGlyph is the sign of a visit; "" means that the state was not reached.
func StatusGlyph(th *theme.Screen, s executions.VisitStatus) string {
	switch s {
	case executions.VisitSucceeded:
		return th.Glyphs.Good
	case executions.VisitFailed, executions.VisitTimedOut:
		return th.Glyphs.Bad
	case executions.VisitCaught:
		return th.Glyphs.Warn
	case executions.VisitAborted:
		return th.Glyphs.Skipped
	case executions.VisitRunning:
		return th.Glyphs.Busy
	}
	return th.Glyphs.Pending
}

// StatusWord is the word for the status of a visit.
func StatusWord(s executions.VisitStatus) string {
	switch s {
	case "":
		return "not reached"
	case executions.VisitTimedOut:
		return "timed out"
	case executions.VisitRunning, executions.VisitSucceeded, executions.VisitCaught, executions.VisitFailed, executions.VisitAborted:
	}
	return string(s)
}

func inkOfStatus(s executions.VisitStatus) int {
	switch s {
	case executions.VisitSucceeded:
		return inkGood
	case executions.VisitFailed, executions.VisitTimedOut:
		return inkBad
	case executions.VisitCaught, executions.VisitAborted:
		return inkWarn
	case executions.VisitRunning:
		return inkBusy
	}
	return inkMuted
}

// drawMore says at the edges that the drawing goes on there.
func (g *Graph) drawMore(c *canvas) {
	gl := g.th.Glyphs
	if g.y > 0 {
		c.put(g.gapIn(c, 0), 0, gl.Up, inkFocus)
	}
	if g.y+g.h < g.layout.Height {
		c.put(g.gapIn(c, c.h-1), c.h-1, gl.Down, inkFocus)
	}
	if g.x > 0 {
		c.put(0, gapBeside(c, 0), gl.Left, inkFocus)
	}
	if g.x+g.w < g.layout.Width {
		c.put(c.w-1, gapBeside(c, c.w-1), gl.Right, inkFocus)
	}
}

// gapIn is the column nearest to the middle of a row where a sign stands on no text
// and no line: between two other blanks, if there are such.
func (g *Graph) gapIn(c *canvas, y int) int {
	for _, around := range []int{1, 0} {
		for d := range c.w {
			x := c.w/2 + d/2
			if d%2 == 1 {
				x = c.w/2 - 1 - d/2
			}
			if c.blank(x-around, x+around, y) {
				return x
			}
		}
	}
	return c.w - 1
}

// gapBeside is gapIn for a column at the edge.
func gapBeside(c *canvas, x int) int {
	for d := range c.h {
		y := c.h/2 + d/2
		if d%2 == 1 {
			y = c.h/2 - 1 - d/2
		}
		if y >= 0 && y < c.h && c.blank(x, x, y) {
			return y
		}
	}
	return c.h / 2
}

// Keys are the graph's own keys.
func (g *Graph) Keys() keys.Group {
	return keys.Group{Title: "Graph", Bindings: []keys.Binding{
		keys.Up, keys.Down, keys.Left, keys.Right, keys.PageUp, keys.PageDown, keys.Top, keys.Bottom, keys.GraphList,
	}}
}

// safeLine is outside text on one line.
func safeLine(s string) string { return render.Line(s, 0) }
