package report

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/diagram"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

// The size of a cell of the layout in the picture, in CSS pixels: of a letter of a
// monospace font of 13.
const (
	cellWide = 8
	cellHigh = 16
)

// picture is a graph as SVG.
type picture struct {
	Width, Height int
	Boxes         []pictureBox
	Lines         []pictureLine
	Labels        []pictureLabel
	// Story is the picture in words, for who does not see it.
	Story string
}

type pictureBox struct {
	X, Y, W, H          int
	Mood, Name          string
	What, Note, Title   string
	Frame               bool
	TextX, NameY, WhatY int
	NoteX               int
}

type pictureLine struct {
	Path  string
	Class string
	Tips  []string // triangles
}

type pictureLabel struct {
	X, Y int
	Text string
}

// graphOf draws what an execution has made of its definition; nil if that cannot be read or
// is too large to be looked at.
func graphOf(definition string, t *executions.Timeline, now time.Time) *picture {
	if definition == "" {
		return nil
	}
	m, _ := asl.Parse(definition, asl.Options{})
	if m == nil {
		return nil
	}
	g := m.Graph()
	if len(g.Nodes) == 0 || len(g.Nodes) > graphRoom {
		return nil
	}
	l := diagram.New(g)
	p := &picture{Width: l.Width*cellWide + cellWide, Height: l.Height*cellHigh + cellHigh}
	states := sumStates(t, now)
	order := l.Reading()
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(l.Boxes[a].Depth, l.Boxes[b].Depth) })
	reached := 0
	for _, i := range order {
		s := states[l.Boxes[i].Node.Name]
		if s.n > 0 {
			reached++
		}
		p.Boxes = append(p.Boxes, boxOf(&l.Boxes[i], s))
	}
	taken := takenOf(g, t)
	for of, cells := range l.Paths {
		p.Lines = append(p.Lines, lineOf(l, of, cells, taken[of]))
	}
	// Those that were taken are drawn last, over the others; the order is always the same.
	slices.SortFunc(p.Lines, func(a, b pictureLine) int {
		return cmp.Or(cmp.Compare(len(a.Class), len(b.Class)), cmp.Compare(a.Path, b.Path))
	})
	for _, t := range l.Labels {
		p.Labels = append(p.Labels, pictureLabel{t.X * cellWide, t.Y*cellHigh + cellHigh*3/4, line(t.Text, t.Room)})
	}
	p.Story = many(len(g.Nodes), "state", "states") + ", of which " + render.Count(reached, "was", "were") + " reached. The timeline below has the same as a table."
	return p
}

// stateSum is what an execution has made of one state.
type stateSum struct {
	n    int
	mood executions.VisitStatus
	note string
}

func sumStates(t *executions.Timeline, now time.Time) map[string]stateSum {
	out := map[string]stateSum{}
	for i := range t.Visits {
		v := &t.Visits[i]
		s := out[v.State]
		s.n++
		if failed := s.mood == executions.VisitFailed || s.mood == executions.VisitRunning; !failed || v.Status == executions.VisitRunning {
			s.mood = v.Status
		}
		if s.mood == executions.VisitTimedOut {
			s.mood = executions.VisitFailed
		}
		s.note = render.Duration(v.Duration(now))
		if s.n > 1 {
			s.note = "×" + render.Number(int64(s.n))
		} else if r := v.Retries(); r > 0 {
			s.note += " +" + strconv.Itoa(r)
		}
		out[v.State] = s
	}
	return out
}

// takenOf are the lines that an execution has gone along.
func takenOf(g asl.Graph, t *executions.Timeline) map[diagram.Edge]bool {
	at := make(map[string]int, len(g.Nodes))
	for i, n := range g.Nodes {
		at[n.Name] = i
	}
	type pair struct{ from, to string }
	kinds := map[pair][]bool{} // by whether it is a Catch
	for _, e := range g.Edges {
		k := pair{e.From, e.To}
		kinds[k] = append(kinds[k], e.Kind == asl.EdgeCatch)
	}
	var way executions.Trail
	way.Add(t, func(from, to string) bool { return len(kinds[pair{from, to}]) > 0 })
	caught := map[string]bool{}
	for i := range t.Visits {
		caught[t.Visits[i].State] = caught[t.Visits[i].State] || t.Visits[i].Status == executions.VisitCaught
	}
	out := map[diagram.Edge]bool{}
	for from, list := range way.To {
		for _, to := range list {
			isCatch := slices.Contains(kinds[pair{from, to}], true) && (caught[from] || !slices.Contains(kinds[pair{from, to}], false))
			out[diagram.Edge{From: at[from], To: at[to], Catch: isCatch}] = true
		}
	}
	return out
}

func boxOf(b *diagram.Box, s stateSum) pictureBox {
	m := visitMood(s.mood)
	out := pictureBox{
		X: b.X*cellWide + cellWide/2, Y: b.Y*cellHigh + cellHigh/2, W: (b.W - 1) * cellWide, H: (b.H - 1) * cellHigh,
		Mood: m, Name: sign(m) + " " + b.Name, Note: s.note, Frame: b.Frame,
		TextX: (b.X + diagram.FrameBorder) * cellWide, NameY: b.Y*cellHigh + cellHigh*7/4, WhatY: b.Y*cellHigh + cellHigh*11/4,
		NoteX: (b.X + b.W - diagram.FrameBorder) * cellWide,
	}
	out.What = line(b.What, b.W-2*diagram.FrameBorder-len(s.note))
	out.Title = line(b.Node.Name, nameRoom) + ": " + statusWord(s.mood)
	return out
}

// statusWord is the status of a visit as a word.
func statusWord(s executions.VisitStatus) string {
	switch s {
	case "":
		return "not reached"
	case executions.VisitTimedOut:
		return "timed out"
	case executions.VisitRunning, executions.VisitSucceeded, executions.VisitCaught, executions.VisitFailed, executions.VisitAborted:
	}
	return line(string(s), nameRoom)
}

// lineOf draws a line along the cells that it runs through: from the lower border of the box
// above to the upper one of the box below.
func lineOf(l *diagram.Layout, of diagram.Edge, cells []diagram.Cell, taken bool) pictureLine {
	in := make(map[diagram.Cell]bool, len(cells))
	for _, c := range cells {
		in[c] = true
	}
	above, below := &l.Boxes[of.From], &l.Boxes[of.To]
	back := above.Y > below.Y
	if back {
		above, below = below, above
	}
	cells = slices.SortedFunc(func(yield func(diagram.Cell) bool) {
		for c := range in {
			if !yield(c) {
				return
			}
		}
	}, func(a, b diagram.Cell) int { return cmp.Or(a.Y-b.Y, a.X-b.X) })
	var d strings.Builder
	segment := func(x1, y1, x2, y2 int) {
		d.WriteString("M" + strconv.Itoa(x1) + " " + strconv.Itoa(y1) + "L" + strconv.Itoa(x2) + " " + strconv.Itoa(y2))
	}
	out := pictureLine{Class: "next"}
	for _, c := range cells {
		x, y := c.X*cellWide+cellWide/2, c.Y*cellHigh+cellHigh/2
		if in[diagram.Cell{X: c.X + 1, Y: c.Y}] {
			segment(x, y, x+cellWide, y)
		}
		if in[diagram.Cell{X: c.X, Y: c.Y + 1}] {
			segment(x, y, x, y+cellHigh)
		}
		if c.Y == above.Y+above.H && slices.Contains(above.Bottom, c.X-above.X) {
			segment(x, y-cellHigh, x, y)
			if back {
				out.Tips = append(out.Tips, tip(x, y-cellHigh, 1))
			}
		}
		if c.Y == below.Y-1 && c.X > below.X && c.X < below.X+below.W-1 {
			segment(x, y, x, y+cellHigh)
			if !back {
				out.Tips = append(out.Tips, tip(x, y+cellHigh, -1))
			}
		}
	}
	out.Path = d.String()
	switch {
	case of.Catch:
		out.Class = "catch"
	case back:
		out.Class = "back"
	}
	if taken {
		out.Class += " taken"
	}
	return out
}

// tip is a triangle at the end of a line that comes from below (1) or from above (-1).
func tip(x, y, from int) string {
	return strconv.Itoa(x) + "," + strconv.Itoa(y) + " " + strconv.Itoa(x-4) + "," + strconv.Itoa(y+7*from) + " " + strconv.Itoa(x+4) + "," + strconv.Itoa(y+7*from)
}
