package diagram

import (
	"slices"

	"github.com/charmbracelet/x/ansi"
)

// alignments is how often the columns are balanced between what is above and
// below.
const alignments = 8

// columns gives each vertex its column: as near to its neighbours as the order
// in its layer allows.
func (f *flow) columns() {
	for _, layer := range f.layers {
		x := 0
		for i, v := range layer {
			if i > 0 {
				x += f.apart(layer[i-1], v)
			}
			f.vertices[v].x = x
		}
	}
	up, down := make([][]link, len(f.vertices)), make([][]link, len(f.vertices))
	for _, l := range f.links {
		up[l.to] = append(up[l.to], l)
		down[l.from] = append(down[l.from], l)
	}
	for round := range alignments {
		for i := range f.layers {
			layer := f.layers[i]
			if round%2 == 1 {
				layer = f.layers[len(f.layers)-1-i]
			}
			want, weight := make([]float64, len(layer)), make([]float64, len(layer))
			for k, v := range layer {
				want[k], weight[k] = float64(f.vertices[v].x), 0.01
				near := up[v]
				if round%2 == 1 {
					near = down[v]
				}
				if len(near) == 0 {
					continue
				}
				sum, total := 0.0, 0.0
				for _, l := range near {
					// A long line is best straight, and one that goes back matters least.
					w := 1.0
					if f.vertices[l.from].node < 0 && f.vertices[l.to].node < 0 {
						w = 8
					} else if l.kind != Next {
						w = 0.1
					}
					other, own := f.leaves(l), f.arrives(l)
					if round%2 == 1 {
						other, own = own, other
					}
					sum += w * float64(other-own+f.vertices[v].x)
					total += w
				}
				want[k], weight[k] = sum/total, total
			}
			f.settle(layer, want, weight)
		}
	}
	low := 0
	for i, v := range f.vertices {
		if i == 0 || v.x < low {
			low = v.x
		}
	}
	for i := range f.vertices {
		v := &f.vertices[i]
		v.x -= low
		f.w = max(f.w, v.x+v.w)
		if v.label > 0 {
			f.w = max(f.w, v.x+v.w/2+2+v.label)
		}
	}
}

// apart is the least distance from the left of a vertex to the left of the next.
func (f *flow) apart(a, b int) int {
	va, vb := &f.vertices[a], &f.vertices[b]
	d := va.w + siblingGap
	if va.node < 0 && vb.node < 0 {
		d = 2 + va.w
	}
	if va.label > 0 {
		d = max(d, va.w/2-vb.w/2+va.label+4)
	}
	return d
}

// settle moves the vertices of a layer to the columns nearest to those wanted
// that keep their order and distance (pool adjacent violators).
func (f *flow) settle(layer []int, want, weight []float64) {
	type pool struct {
		sum, weight float64
		n           int
	}
	offsets := make([]int, len(layer))
	for i := 1; i < len(layer); i++ {
		offsets[i] = offsets[i-1] + f.apart(layer[i-1], layer[i])
	}
	var pools []pool
	for i := range layer {
		pools = append(pools, pool{(want[i] - float64(offsets[i])) * weight[i], weight[i], 1})
		for len(pools) > 1 {
			a, b := pools[len(pools)-2], pools[len(pools)-1]
			if a.sum/a.weight <= b.sum/b.weight {
				break
			}
			pools = append(pools[:len(pools)-2], pool{a.sum + b.sum, a.weight + b.weight, a.n + b.n})
		}
	}
	i := 0
	for _, p := range pools {
		x := p.sum / p.weight
		at := int(x)
		if x < float64(at) {
			at-- // round down, below 0 too
		}
		for range p.n {
			f.vertices[layer[i]].x = at + offsets[i]
			i++
		}
	}
}

// leaves and arrives are the columns of a link's ends if nothing better is found:
// the middle of a box, its right side for a line that goes back, beside the middle
// for a Catch.
func (f *flow) leaves(l link) int {
	v := &f.vertices[l.from]
	switch {
	case v.node < 0:
		return v.x
	case l.kind == Back:
		return v.x + v.w - 3
	case l.kind == Catch && f.vertices[l.to].x < v.x:
		return v.x + v.w/2 - 3
	case l.kind == Catch:
		return v.x + v.w/2 + 3
	}
	return v.x + v.w/2
}

func (f *flow) arrives(l link) int {
	v := &f.vertices[l.to]
	switch {
	case v.node < 0:
		return v.x
	case l.kind == Back:
		return v.x + v.w - 3
	}
	return v.x + v.w/2
}

// ports settles the columns of all links. Where a box has only one line at a side,
// the line may be straight.
func (f *flow) ports() {
	in, out := make([]int, len(f.vertices)), make([]int, len(f.vertices))
	for i := range f.links {
		l := &f.links[i]
		l.sx, l.tx = f.leaves(*l), f.arrives(*l)
		in[l.to]++
		out[l.from]++
	}
	inside := func(v *vertex, x int) bool { return v.node >= 0 && x >= v.x+2 && x <= v.x+v.w-3 }
	for i := range f.links {
		l := &f.links[i]
		switch {
		case l.kind == Back:
		case in[l.to] == 1 && inside(&f.vertices[l.to], l.sx):
			l.tx = l.sx
		case out[l.from] == 1 && inside(&f.vertices[l.from], l.tx):
			l.sx = l.tx
		}
	}
}

// net is what leaves one vertex in one column: its lines share a track.
type net struct {
	from, sx int
	links    []int
	lo, hi   int
	track    int
}

// route draws the lines of all gaps between layers and gives the vertices their
// rows.
func (f *flow) route() {
	f.ports()
	gaps := make([][]int, len(f.layers))
	for i, l := range f.links {
		layer := f.vertices[l.from].layer
		gaps[layer] = append(gaps[layer], i)
	}
	y := 0
	for layer, row := range f.layers {
		height := 1
		for _, v := range row {
			height = max(height, f.vertices[v].h)
		}
		for _, i := range row {
			v := &f.vertices[i]
			v.y = y
			if v.node < 0 { // a line that passes this layer
				l := f.lineOf(i)
				for k := range height {
					f.pass(v.x, y+k, l.kind)
					f.trace(l.of, v.x, y+k)
				}
				v.h = height
			}
		}
		y += height
		if layer < len(f.layers)-1 {
			y = f.gap(gaps[layer], y)
		}
	}
	f.h = y
}

// lineOf is the link that leaves a bend.
func (f *flow) lineOf(bend int) link {
	for _, l := range f.links {
		if l.from == bend {
			return l
		}
	}
	return link{}
}

// trace notes that a line runs through a cell.
func (f *flow) trace(of Edge, x, y int) { f.paths[of] = append(f.paths[of], Cell{x, y}) }

func (f *flow) pass(x, y int, kind Kind) {
	f.strokes = append(f.strokes, stroke{Cell: Cell{x, y}, upright: true, kind: kind})
}

// gap draws the links between two layers from row y on and returns the row of the
// next layer.
func (f *flow) gap(links []int, y int) int {
	nets := f.nets(links)
	tracks := assignTracks(nets, f.links, links)
	returns, labelled := 0, 0
	for _, i := range links {
		l := f.links[i]
		if l.kind == Back && f.vertices[l.from].node >= 0 {
			returns = 1
		}
		if l.label != "" {
			labelled = 1
		}
	}
	first := y + returns
	last := first + tracks + labelled // of the arrows
	for _, n := range nets {
		f.drawNet(n, y, first, last)
	}
	if labelled > 0 {
		f.drawLabels(links, last-1)
	}
	return last + 1
}

// nets groups the links of a gap by where they leave.
func (f *flow) nets(links []int) []*net {
	byPort := map[Cell]*net{}
	var out []*net
	for _, i := range links {
		l := f.links[i]
		k := Cell{l.from, l.sx}
		n := byPort[k]
		if n == nil {
			n = &net{from: l.from, sx: l.sx, lo: l.sx, hi: l.sx, track: -1}
			byPort[k] = n
			out = append(out, n)
		}
		n.links = append(n.links, i)
		n.lo, n.hi = min(n.lo, l.tx), max(n.hi, l.tx)
	}
	return out
}

// assignTracks gives each net that is not straight a row of its own, or one
// shared with nets that it does not meet, and returns how many rows there are. A
// net that leaves in the column in which another's line arrives goes above it, so
// that the two don't run over each other.
func assignTracks(nets []*net, all []link, links []int) int {
	arrivals := map[int][]int{} // column -> links
	for _, i := range links {
		arrivals[all[i].tx] = append(arrivals[all[i].tx], i)
	}
	owner := map[int]*net{}
	var todo []*net
	for _, n := range nets {
		for _, i := range n.links {
			owner[i] = n
		}
		if n.lo < n.hi {
			todo = append(todo, n)
		}
	}
	below := map[*net][]*net{}
	waits := map[*net]int{}
	for _, n := range todo {
		for _, i := range arrivals[n.sx] {
			if o := owner[i]; o != n && all[i].tx != all[i].sx {
				below[n] = append(below[n], o)
				waits[o]++
			}
		}
	}
	slices.SortStableFunc(todo, func(a, b *net) int { return a.lo - b.lo })
	rows := 0
	floor := map[*net]int{}
	var used [][]*net
	for len(todo) > 0 {
		k := slices.IndexFunc(todo, func(n *net) bool { return waits[n] == 0 })
		k = max(0, k) // a circle: some lines will run over each other
		n := todo[k]
		todo = slices.Delete(todo, k, k+1)
		row := floor[n]
		for row < len(used) && slices.ContainsFunc(used[row], func(o *net) bool { return n.lo <= o.hi+1 && o.lo <= n.hi+1 }) {
			row++
		}
		for row >= len(used) {
			used = append(used, nil)
		}
		used[row] = append(used[row], n)
		n.track = row
		rows = max(rows, row+1)
		for _, o := range below[n] {
			waits[o]--
			floor[o] = max(floor[o], row+1)
		}
	}
	return rows
}

// drawNet draws a net: down from its box, along its track, down to each target.
func (f *flow) drawNet(n *net, y, first, last int) {
	kind := f.links[n.links[0]].kind
	from := &f.vertices[n.from]
	if from.node >= 0 {
		b := &f.l.out.Boxes[from.node]
		b.Bottom = append(b.Bottom, n.sx-from.x)
		for r := from.y + from.h; r < y; r++ { // a lower box than others of its layer
			f.pass(n.sx, r, kind)
		}
	}
	track := first + n.track
	if n.track < 0 {
		track = last + 1
	}
	for r := y; r < min(track, last+1); r++ {
		f.pass(n.sx, r, kind)
	}
	if n.track >= 0 {
		f.drawTrack(n, track, kind)
	}
	for _, i := range n.links {
		l := f.links[i]
		for r := from.y + from.h; r < min(track, last+1); r++ {
			f.trace(l.of, n.sx, r)
		}
		if n.track >= 0 {
			for x := min(n.sx, l.tx); x <= max(n.sx, l.tx); x++ {
				f.trace(l.of, x, track)
			}
			for r := track + 1; r <= last; r++ {
				f.pass(l.tx, r, l.kind)
				f.trace(l.of, l.tx, r)
			}
		}
		to := &f.vertices[l.to]
		switch {
		case to.node >= 0 && l.kind == Back:
			b := &f.l.out.Boxes[to.node]
			b.Top = append(b.Top, l.tx-to.x)
		case to.node >= 0:
			f.arrows = append(f.arrows, arrow{Cell{l.tx, last}, Down, l.kind})
		}
	}
	if kind == Back && from.node >= 0 {
		f.arrows = append(f.arrows, arrow{Cell{n.sx, y}, Up, kind})
	}
}

func (f *flow) drawTrack(n *net, track int, kind Kind) {
	joint := map[int]uint8{n.sx: Up}
	for _, i := range n.links {
		joint[f.links[i].tx] |= Down
	}
	for x := n.lo; x <= n.hi; x++ {
		bits, ok := joint[x]
		if !ok {
			f.strokes = append(f.strokes, stroke{Cell: Cell{x, track}, lie: true, kind: kind})
			continue
		}
		if x > n.lo {
			bits |= Left
		}
		if x < n.hi {
			bits |= Right
		}
		f.strokes = append(f.strokes, stroke{Cell: Cell{x, track}, joint: bits, kind: kind})
	}
}

// drawLabels writes the labels right of the lines that they belong to, as far as
// there is room before the next line.
func (f *flow) drawLabels(links []int, y int) {
	columns := make([]int, 0, len(links))
	arriving := map[int]int{}
	for _, i := range links {
		columns = append(columns, f.links[i].tx)
		arriving[f.links[i].tx]++
	}
	slices.Sort(columns)
	for _, i := range links {
		l := f.links[i]
		if l.label == "" || arriving[l.tx] > 1 { // whose it is could not be seen
			continue
		}
		end := f.w
		if k, _ := slices.BinarySearch(columns, l.tx+1); k < len(columns) {
			end = columns[k] - 1
		}
		room := min(maxLabel, end-l.tx-2)
		if room < min(6, ansi.StringWidth(l.label)) {
			continue
		}
		f.labels = append(f.labels, Label{Cell{l.tx + 2, y}, l.label, room, l.kind, l.of})
	}
}
