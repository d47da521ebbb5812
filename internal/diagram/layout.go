// Package diagram lays state machines out: boxes and lines on a grid of cells as wide and
// high as a letter, for whoever draws them: the terminal in letters, a report as a picture.
package diagram

import (
	"cmp"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

// Sizes of the drawing, in cells.
const (
	maxName    = 44 // longer ones are cut
	maxWhat    = 25
	minBoxText = 14
	noteRoom   = 7  // beside the second line, for durations
	maxLabel   = 26 // of a condition beside its line
	siblingGap = 3
	// sweeps bound the search for an order with few crossings.
	sweeps = 6
)

// Sizes of boxes, in cells.
const (
	PlainBox    = 4 // height: border, name, what it is, border
	FrameHead   = 3 // height of a container above what is in it
	FrameBorder = 2 // cells of border and space at each side of a container
)

// Layout is a state machine laid out: where each state's box is and where
// the lines between them run. It does not change, and is the same for the same
// graph.
type Layout struct {
	// Width and Height are in cells, as all that is in it.
	Width, Height int
	// Boxes are in the order of the graph's nodes; ByName finds them.
	Boxes  []Box
	ByName map[string]int
	// Rows are what lines do in the cells of each row, from left to right.
	Rows   [][]Placed
	Labels []Label
	// Paths are the cells through which each line runs.
	Paths map[Edge][]Cell

	marks map[Cell]Mark
}

// Edge is a line between boxes, as the state machine has it. Rules that lead to the
// same state are one.
type Edge struct {
	From, To int
	Catch    bool
}

// Cell is a place.
type Cell struct{ X, Y int }

// Kind tells transitions apart.
type Kind uint8

// The kinds: the way on, that of an error that is caught, and one that leads back up.
const (
	Next Kind = iota
	Catch
	Back
)

// Directions in which a line leaves a cell.
const (
	Up = 1 << iota
	Down
	Left
	Right
)

// Mark is what lines do in a cell. Lines that only pass through and cross are no
// joint: the upright one is drawn.
type Mark struct {
	Joint        uint8
	Upright, Lie bool
	Arrow        uint8 // Up or Down
	Kind         Kind
}

// Placed is a mark and its column.
type Placed struct {
	X int
	Mark
}

// Label is a text beside a line.
type Label struct {
	Cell
	Text string
	Room int // cells
	Kind Kind
	Of   Edge
}

// Box is a state.
type Box struct {
	Node       asl.Node
	Name, What string // safe, cut to size
	X, Y, W, H int
	Depth      int
	Parent     int // index, -1 at the top
	// Frame says that the states inside it are drawn in it.
	Frame bool
	Again bool // may lead to itself
	// Top and Bottom are columns, from the box's left, where lines join its border.
	Top, Bottom []int
}

// Header is the part of a box that is about the state itself.
func (b *Box) Header() (x, y, w, h int) {
	if b.Frame {
		return b.X, b.Y, b.W, FrameHead
	}
	return b.X, b.Y, b.W, b.H
}

// Middle is the middle of the part of a box that is about the state.
func (b *Box) Middle() (x, y int) {
	bx, by, w, h := b.Header()
	return bx + w/2, by + h/2
}

// Reading is the order in which the drawing is read: from top to bottom and from
// left to right, what is inside a state after it.
func (l *Layout) Reading() []int {
	inside := map[int][]int{}
	for i := range l.Boxes {
		inside[l.Boxes[i].Parent] = append(inside[l.Boxes[i].Parent], i)
	}
	out := make([]int, 0, len(l.Boxes))
	var add func(parent int)
	add = func(parent int) {
		list := inside[parent]
		slices.SortStableFunc(list, func(a, b int) int {
			x, y := &l.Boxes[a], &l.Boxes[b]
			return cmp.Or(cmp.Compare(x.Node.Branch, y.Node.Branch), cmp.Compare(x.Y, y.Y), cmp.Compare(x.X, y.X))
		})
		for _, i := range list {
			out = append(out, i)
			add(i)
		}
	}
	add(-1)
	return out
}

// New lays a graph out from top to bottom.
func New(g asl.Graph) *Layout {
	l := &layouter{g: g, out: &Layout{
		Boxes: make([]Box, len(g.Nodes)), marks: map[Cell]Mark{}, Paths: map[Edge][]Cell{},
		ByName: make(map[string]int, len(g.Nodes)),
	}, inner: map[string][]int{}}
	for i, n := range g.Nodes {
		l.out.ByName[n.Name] = i
		l.inner[n.Parent] = append(l.inner[n.Parent], i)
		l.out.Boxes[i] = newBox(n)
	}
	for i := range l.out.Boxes {
		b := &l.out.Boxes[i]
		b.Parent = -1
		if p, ok := l.out.ByName[b.Node.Parent]; ok && b.Node.Parent != "" {
			b.Parent, b.Depth = p, l.out.Boxes[p].Depth+1
		}
	}
	top := l.flow(l.inner[""])
	l.place(top, 0, 0)
	l.out.Width, l.out.Height = top.w, top.h
	l.out.index()
	return l.out
}

func newBox(n asl.Node) Box {
	b := Box{Node: n, Name: ansi.Truncate(render.Line(n.Name, 0), maxName, ""), What: render.Line(What(n), 0)}
	b.W = max(minBoxText, ansi.StringWidth(b.Name)+2, min(maxWhat, ansi.StringWidth(b.What))+noteRoom) + 2*FrameBorder
	b.H = PlainBox
	return b
}

// What says in short what a state does: "lambda:invoke", "Choice", "Wait 5 s".
func What(n asl.Node) string {
	if n.Type != asl.Task {
		return strings.TrimSpace(string(n.Type) + " " + n.Detail)
	}
	if rest, ok := strings.CutPrefix(n.Detail, "arn:aws:states:::"); ok {
		return strings.TrimPrefix(rest, "aws-sdk:")
	}
	if p := strings.SplitN(n.Detail, ":", 7); len(p) == 7 && p[2] == "lambda" {
		return "lambda " + strings.TrimPrefix(p[6], "function:")
	}
	return "Task " + n.Detail
}

// layouter lays workflows out, the inner ones first.
type layouter struct {
	g     asl.Graph
	out   *Layout
	inner map[string][]int // states by the one around them
	flows map[int][]*flow  // of the Parallel and Map states, by index
}

// flow is one workflow laid out, relative to its corner.
type flow struct {
	l        *layouter
	w, h     int
	vertices []vertex
	links    []link
	layers   [][]int // vertices by layer, from left to right
	strokes  []stroke
	labels   []Label
	arrows   []arrow
	paths    map[Edge][]Cell
}

type stroke struct {
	Cell
	joint        uint8
	upright, lie bool
	kind         Kind
}

type arrow struct {
	Cell
	way  uint8
	kind Kind
}

// vertex is a state in its workflow, or a bend of a line that goes on to the
// next layer.
type vertex struct {
	node  int // index of the box, -1 for a bend
	w, h  int
	layer int
	x, y  int
	label int // cells that a label right of the line into it wants
	order float64
}

// link is a part of a line from one layer to the next.
type link struct {
	from, to int // vertices, from is above
	kind     Kind
	of       Edge
	label    string
	tx, sx   int // columns in which it arrives and leaves
}

// flow lays the states of one workflow, or the branches of a Parallel state that
// share one list, out.
func (l *layouter) flow(states []int) *flow {
	f := &flow{l: l, paths: map[Edge][]Cell{}}
	at := make(map[int]int, len(states)) // box -> vertex
	for _, i := range states {
		l.size(i)
		b := &l.out.Boxes[i]
		at[i] = len(f.vertices)
		f.vertices = append(f.vertices, vertex{node: i, w: b.W, h: b.H})
	}
	f.connect(at)
	f.arrangeLayers()
	f.bend()
	f.sort()
	f.columns()
	f.route()
	return f
}

// size gives a container the size of what is in it.
func (l *layouter) size(i int) {
	b := &l.out.Boxes[i]
	inside := l.inner[b.Node.Name]
	if len(inside) == 0 {
		return
	}
	if l.flows == nil {
		l.flows = map[int][]*flow{}
	}
	branches := map[int][]int{}
	last := 0
	for _, j := range inside {
		n := l.out.Boxes[j].Node.Branch
		branches[n] = append(branches[n], j)
		last = max(last, n)
	}
	width, height := 0, 0
	for n := 0; n <= last; n++ {
		if len(branches[n]) == 0 {
			continue
		}
		f := l.flow(branches[n])
		if len(l.flows[i]) > 0 {
			width += siblingGap
		}
		l.flows[i] = append(l.flows[i], f)
		width += f.w
		height = max(height, f.h)
	}
	b.Frame = true
	// The frame's head also holds counts.
	b.W = max(width, ansi.StringWidth(b.Name)+4, ansi.StringWidth(b.What)+3*noteRoom) + 2*FrameBorder
	b.H = FrameHead + height + 1
}

// place moves a flow to its place in the drawing, with all that is inside.
func (l *layouter) place(f *flow, x, y int) {
	for _, s := range f.strokes {
		at := Cell{s.X + x, s.Y + y}
		m := l.out.marks[at]
		if m.Joint == 0 && !m.Upright || s.upright || s.joint != 0 {
			m.Kind = s.kind
		}
		m.Joint |= s.joint
		m.Upright, m.Lie = m.Upright || s.upright, m.Lie || s.lie
		l.out.marks[at] = m
	}
	for _, a := range f.arrows {
		at := Cell{a.X + x, a.Y + y}
		m := l.out.marks[at]
		m.Arrow, m.Kind = a.way, a.kind
		l.out.marks[at] = m
	}
	for _, t := range f.labels {
		t.X, t.Y = t.X+x, t.Y+y
		l.out.Labels = append(l.out.Labels, t)
	}
	for of, path := range f.paths {
		for _, c := range path {
			l.out.Paths[of] = append(l.out.Paths[of], Cell{c.X + x, c.Y + y})
		}
	}
	for i := range f.vertices {
		v := &f.vertices[i]
		if v.node < 0 {
			continue
		}
		b := &l.out.Boxes[v.node]
		b.X, b.Y = v.x+x, v.y+y
		inner := l.flows[v.node]
		width := -siblingGap
		for _, in := range inner {
			width += in.w + siblingGap
		}
		at := b.X + (b.W-width)/2
		for _, in := range inner {
			l.place(in, at, b.Y+FrameHead)
			at += in.w + siblingGap
		}
	}
}

// index sorts the marks by row.
func (l *Layout) index() {
	l.Rows = make([][]Placed, l.Height)
	for at, m := range l.marks {
		if at.Y >= 0 && at.Y < l.Height {
			l.Rows[at.Y] = append(l.Rows[at.Y], Placed{at.X, m})
		}
	}
	for _, r := range l.Rows {
		slices.SortFunc(r, func(a, b Placed) int { return a.X - b.X })
	}
	l.marks = nil
}

// connect makes the links of the workflow. Rules that lead to the same state are
// one line.
func (f *flow) connect(at map[int]int) {
	type key struct {
		from, to int
		catch    bool
	}
	seen := map[key]int{}
	for _, e := range f.l.g.Edges {
		from, ok := at[f.l.out.ByName[e.From]]
		if !ok {
			continue
		}
		to, ok := at[f.l.out.ByName[e.To]]
		if !ok {
			continue
		}
		text := LabelOf(e)
		k := key{from, to, e.Kind == asl.EdgeCatch}
		if i, ok := seen[k]; ok {
			f.links[i].label += " or " + text
			continue
		}
		seen[k] = len(f.links)
		kind := Next
		if k.catch {
			kind = Catch
		}
		of := Edge{f.l.out.ByName[e.From], f.l.out.ByName[e.To], k.catch}
		f.links = append(f.links, link{from: from, to: to, kind: kind, of: of, label: text})
	}
}

// LabelOf is what is written beside an edge.
func LabelOf(e asl.Edge) string {
	switch e.Kind {
	case asl.EdgeChoice:
		return render.Line(e.Label, 0)
	case asl.EdgeDefault:
		return "default"
	case asl.EdgeCatch:
		return "catch " + render.Line(e.Label, 0)
	case asl.EdgeNext:
	}
	return ""
}

// arrangeLayers finds loops, turns their last link round, and puts each state
// below all that lead to it. A link to the state itself is dropped: its box says
// it.
func (f *flow) arrangeLayers() {
	f.links = slices.DeleteFunc(f.links, func(l link) bool {
		if l.from == l.to {
			f.l.out.Boxes[f.vertices[l.from].node].Again = true
		}
		return l.from == l.to
	})
	out := make([][]int, len(f.vertices))
	for i, l := range f.links {
		out[l.from] = append(out[l.from], i)
	}
	const (
		fresh = iota
		open
		done
	)
	state := make([]int, len(f.vertices))
	var order []int // reverse topological
	// An explicit stack: a definition may be a very long chain.
	type step struct{ v, next int }
	met := 0
	enter := func(v int) {
		// The order in which they are met is that from left to right to begin with.
		state[v], f.vertices[v].order = open, float64(met)
		met++
	}
	visit := func(root int) {
		if state[root] != fresh {
			return
		}
		enter(root)
		stack := []step{{v: root}}
		for len(stack) > 0 {
			s := &stack[len(stack)-1]
			if s.next == len(out[s.v]) {
				state[s.v] = done
				order = append(order, s.v)
				stack = stack[:len(stack)-1]
				continue
			}
			l := &f.links[out[s.v][s.next]]
			s.next++
			switch state[l.to] {
			case open:
				l.kind = Back
			case fresh:
				enter(l.to)
				stack = append(stack, step{v: l.to})
			}
		}
	}
	for i, v := range f.vertices {
		if f.l.out.Boxes[v.node].Node.Start {
			visit(i)
		}
	}
	for i := range f.vertices {
		visit(i)
	}
	for i := range f.links {
		if l := &f.links[i]; l.kind == Back {
			l.from, l.to = l.to, l.from
		}
	}
	// The lines that go back hold no state down: each goes up anyway.
	for _, v := range slices.Backward(order) {
		for _, i := range out[v] {
			if l := f.links[i]; l.kind != Back {
				f.vertices[l.to].layer = max(f.vertices[l.to].layer, f.vertices[v].layer+1)
			}
		}
	}
}

// bend divides links that skip layers.
func (f *flow) bend() {
	links := f.links
	f.links = nil
	for _, l := range links {
		from, to := l.from, l.to
		first, last := f.vertices[from].layer, f.vertices[to].layer
		at := from
		part, text := l, l.label
		// A label stands where its line leaves: at the lower end of one that goes back.
		if l.kind == Back && last > first+1 {
			part.label = ""
		}
		for layer := first + 1; layer < last; layer++ {
			share := float64(layer-first) / float64(last-first)
			f.vertices = append(f.vertices, vertex{
				node: -1, w: 1, layer: layer, order: f.vertices[from].order*(1-share) + f.vertices[to].order*share + 0.5,
			})
			part.from, part.to = at, len(f.vertices)-1
			at = part.to
			f.links = append(f.links, part)
			part.label = ""
		}
		part.from, part.to = at, to
		if l.kind == Back {
			part.label = text
		}
		f.links = append(f.links, part)
	}
	for _, l := range f.links {
		if l.label != "" {
			v := &f.vertices[l.to]
			v.label = max(v.label, min(maxLabel, ansi.StringWidth(l.label)))
		}
	}
	layers := 0
	for _, v := range f.vertices {
		layers = max(layers, v.layer+1)
	}
	f.layers = make([][]int, layers)
	for i, v := range f.vertices {
		f.layers[v.layer] = append(f.layers[v.layer], i)
	}
}

// sort orders each layer so that few lines cross: each vertex goes to the middle
// of its neighbours, down and up again, and the best order stays.
func (f *flow) sort() {
	above, below := f.neighbours()
	place := make([]float64, len(f.vertices))
	number := func() {
		for _, layer := range f.layers {
			for i, v := range layer {
				place[v] = float64(i)
			}
		}
	}
	for _, layer := range f.layers {
		slices.SortStableFunc(layer, func(a, b int) int { return compareFloat(f.vertices[a].order, f.vertices[b].order) })
	}
	number()
	if len(f.vertices) > 2000 {
		return
	}
	best, crossings := f.snapshot(), f.crossings(place)
	for sweep := 0; sweep < sweeps && crossings > 0; sweep++ {
		near := above
		if sweep%2 == 1 {
			near = below
		}
		for i := range f.layers {
			layer := f.layers[i]
			if sweep%2 == 1 {
				layer = f.layers[len(f.layers)-1-i]
			}
			for _, v := range layer {
				f.vertices[v].order = place[v]
				if n := near[v]; len(n) > 0 {
					sum := 0.0
					for _, u := range n {
						sum += place[u]
					}
					f.vertices[v].order = sum / float64(len(n))
				}
			}
			slices.SortStableFunc(layer, func(a, b int) int { return compareFloat(f.vertices[a].order, f.vertices[b].order) })
			for i, v := range layer {
				place[v] = float64(i)
			}
		}
		if n := f.crossings(place); n < crossings {
			best, crossings = f.snapshot(), n
		}
	}
	f.layers = best
}

func compareFloat(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (f *flow) snapshot() [][]int {
	out := make([][]int, len(f.layers))
	for i, l := range f.layers {
		out[i] = slices.Clone(l)
	}
	return out
}

// neighbours are the vertices above and below each.
func (f *flow) neighbours() (above, below [][]int) {
	above, below = make([][]int, len(f.vertices)), make([][]int, len(f.vertices))
	for _, l := range f.links {
		above[l.to] = append(above[l.to], l.from)
		below[l.from] = append(below[l.from], l.to)
	}
	return above, below
}

// crossings counts pairs of links that cross.
func (f *flow) crossings(place []float64) int {
	byLayer := make([][]link, len(f.layers))
	for _, l := range f.links {
		i := f.vertices[l.from].layer
		byLayer[i] = append(byLayer[i], l)
	}
	n := 0
	for _, links := range byLayer {
		for i, a := range links {
			for _, b := range links[i+1:] {
				if (place[a.from]-place[b.from])*(place[a.to]-place[b.to]) < 0 {
					n++
				}
			}
		}
	}
	return n
}
