package widget

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
)

// foldFrom is from how many visits inside a Map or Parallel one begins folded.
const foldFrom = 60

// Gantt draws an execution's visits of states over time: one row each, what is
// inside a Map or Parallel below it, with attempts and the waits between them. It
// draws visible rows only.
type Gantt struct {
	th   *theme.Screen
	line *executions.Timeline
	// order are the visits by place, children after their parent; rows those that
	// are not folded away.
	order, rows []int
	inside      []int // how many visits lie inside each
	folded      map[int]bool
	cursor      Cursor // among rows
	selected    int    // visit
	follow      bool
	zoomed      bool
	inks        []ink
	widest      int // name with its indent
}

// The inks of a Gantt's canvas beside those of a graph, as indexes.
const (
	gPlain = iota
	gMuted
	gName
	gFocus
	gCursor
	gGood
	gBad
	gWarn
	gBusy
	gRest
	gColumn
)

// NewGantt returns an empty chart that follows what runs.
func NewGantt(th *theme.Screen) *Gantt {
	return &Gantt{
		th: th, folded: map[int]bool{}, selected: -1, follow: true,
		inks: []ink{
			inkOf(th.Muted), inkOf(th.Title), inkOf(th.Focus), inkOf(th.Cursor), inkOf(th.Good), inkOf(th.Bad), inkOf(th.Warn), inkOf(th.Busy),
			inkOf(th.BarRest), inkOf(th.Column),
		},
	}
}

// Set shows a timeline; call it again whenever it has changed.
func (g *Gantt) Set(t *executions.Timeline) {
	same := g.line == t && len(g.order) == len(t.Visits)
	g.line = t
	if !same {
		g.arrange()
	}
	if g.follow {
		g.selectNewest()
	}
}

// selectNewest selects what failed, or what runs, or the last visit.
func (g *Gantt) selectNewest() {
	if f := g.line.Failed(); f != nil {
		if g.selected != f.Index {
			g.Select(f.Index)
			g.follow = true
		}
		return
	}
	for i := len(g.line.Visits) - 1; i >= 0; i-- {
		if g.line.Visits[i].Status.Open() {
			g.put(i)
			return
		}
	}
	if n := len(g.line.Visits); n > 0 && !g.line.Status.Terminal() {
		g.put(n - 1)
	} else if g.selected < 0 && n > 0 {
		g.put(0)
	}
}

// arrange puts visits below those that they are inside of, by iteration.
func (g *Gantt) arrange() {
	visits := g.line.Visits
	children := make(map[int][]int, 8)
	g.inside = make([]int, len(visits))
	for i := len(visits) - 1; i >= 0; i-- {
		if p := visits[i].Parent; p >= 0 {
			g.inside[p] += 1 + g.inside[i]
		}
	}
	g.widest = 0
	for i := range visits {
		children[visits[i].Parent] = append(children[visits[i].Parent], i)
		name := cellsOf(safeLine(visits[i].State)) + 2*visits[i].Depth
		if visits[i].Iteration != nil {
			name += len(strconv.Itoa(*visits[i].Iteration)) + 1
		}
		g.widest = max(g.widest, name)
		if _, known := g.folded[i]; !known && g.inside[i] >= foldFrom {
			g.folded[i] = true
		}
	}
	g.order = g.order[:0]
	var add func(parent int)
	add = func(parent int) {
		c := children[parent]
		slices.SortStableFunc(c, func(a, b int) int { return cmp.Compare(iteration(&visits[a]), iteration(&visits[b])) })
		for _, i := range c {
			g.order = append(g.order, i)
			add(i)
		}
	}
	add(-1)
	g.fold()
}

func iteration(v *executions.Visit) int {
	if v.Iteration == nil {
		return -1
	}
	return *v.Iteration
}

// fold finds the rows that are to be seen.
func (g *Gantt) fold() {
	g.rows = g.rows[:0]
	for k := 0; k < len(g.order); k++ {
		i := g.order[k]
		g.rows = append(g.rows, i)
		if g.folded[i] {
			k += g.inside[i]
		}
	}
	g.cursor.At = max(0, slices.Index(g.rows, g.shown(g.selected)))
}

// shown is the visit itself, or the folded one that hides it.
func (g *Gantt) shown(visit int) int {
	if g.line == nil || visit < 0 || visit >= len(g.line.Visits) {
		return visit
	}
	out := visit
	for p := g.line.Visits[visit].Parent; p >= 0; p = g.line.Visits[p].Parent {
		if g.folded[p] {
			out = p
		}
	}
	return out
}

// put selects a visit as far as it is shown.
func (g *Gantt) put(visit int) {
	g.selected = g.shown(visit)
	if i := slices.Index(g.rows, g.selected); i >= 0 {
		g.cursor.At = i
	}
}

// Select selects a visit and unfolds what hides it.
func (g *Gantt) Select(visit int) {
	if g.line == nil || visit < 0 || visit >= len(g.line.Visits) {
		return
	}
	g.follow = false
	for p := g.line.Visits[visit].Parent; p >= 0; p = g.line.Visits[p].Parent {
		if g.folded[p] {
			g.folded[p] = false
		}
	}
	g.selected = visit
	g.fold()
}

// Show selects a visit as long as the user has selected none.
func (g *Gantt) Show(visit int) {
	if g.follow {
		g.put(visit)
	}
}

// Follow selects what runs from now on.
func (g *Gantt) Follow() { g.follow = true }

// Selected is the index of the selected visit.
func (g *Gantt) Selected() (visit int, ok bool) {
	if g.cursor.At < 0 || g.cursor.At >= len(g.rows) {
		return 0, false
	}
	return g.rows[g.cursor.At], true
}

// Update takes a key or a mouse event, relative to the chart, and reports whether
// it was the chart's.
func (g *Gantt) Update(msg tea.Msg) bool {
	switch m := msg.(type) {
	case tea.KeyMsg:
		return g.press(m)
	case tea.MouseMsg:
		if place, ok := g.cursor.PlaceAt(m.Y-1, len(g.rows)); ok && m.Button == tea.MouseButtonLeft && m.Action == tea.MouseActionPress {
			g.cursor.At = place
			g.moved()
			return true
		}
		return g.move(m)
	}
	return false
}

func (g *Gantt) press(m tea.KeyMsg) bool {
	switch {
	case g.move(m):
	case keys.Left.Is(m):
		g.close()
	case keys.Right.Is(m):
		g.setFolded(false)
	case keys.GanttZoom.Is(m):
		g.zoomed = !g.zoomed
	default:
		return false
	}
	return true
}

// move moves by a key or the wheel.
func (g *Gantt) move(msg tea.Msg) bool {
	ok := g.cursor.Update(msg, len(g.rows))
	if ok {
		g.moved()
	}
	return ok
}

// moved selects what the user has put the cursor on.
func (g *Gantt) moved() {
	g.follow = false
	if i, ok := g.Selected(); ok {
		g.selected = i
	}
}

// close folds the selected visit, or goes to the one around it.
func (g *Gantt) close() {
	i, ok := g.Selected()
	if !ok {
		return
	}
	if g.inside[i] > 0 && !g.folded[i] {
		g.setFolded(true)
		return
	}
	if p := g.line.Visits[i].Parent; p >= 0 {
		g.follow = false
		g.put(p)
	}
}

func (g *Gantt) setFolded(folded bool) {
	if i, ok := g.Selected(); ok && g.inside[i] > 0 {
		g.folded[i] = folded
		g.follow = false
		g.fold()
	}
}

// span is the time that the chart covers.
func (g *Gantt) span(now time.Time) (from, to time.Time) {
	from, to = g.line.Start, g.line.Stop
	if to.IsZero() {
		to = now
	}
	if i, ok := g.Selected(); ok && g.zoomed {
		v := &g.line.Visits[i]
		from = v.Entered
		if !v.Exited.IsZero() {
			to = v.Exited
		}
	}
	if !to.After(from) {
		to = from.Add(time.Millisecond)
	}
	return from, to
}

// View draws the chart in a box of the size: a scale, and a row for each visit.
// now is where running bars end.
func (g *Gantt) View(width, height int, now time.Time) string {
	if width <= 0 || height <= 0 {
		return ""
	}
	c := newCanvas(width, height, g.inks...)
	if g.line == nil || len(g.line.Visits) == 0 {
		c.put(2, 0, "no state was entered yet", gMuted)
		return c.String()
	}
	top, end := g.cursor.Sight(len(g.rows), height-1)
	p := g.columns(width, now)
	g.axis(c, p)
	for place := top; place < end; place++ {
		g.row(c, 1+place-top, place, p, now)
	}
	return c.String()
}

// plan is where the columns of a frame are.
type plan struct {
	name, bar, barWidth, took, note int // columns; note is 0 without room
	from                            time.Time
	span                            time.Duration
}

func (g *Gantt) columns(width int, now time.Time) plan {
	p := plan{name: 4}
	name := max(8, min(g.widest+4, width*2/5, 40))
	p.bar = p.name + name + 1
	const took = 8
	end := width
	if width >= 76 {
		end = width - width/4
		p.note = end + 1
	}
	p.took = end - took
	p.barWidth = p.took - 1 - p.bar
	if p.barWidth < 8 { // names and durations matter more
		p.barWidth = 0
		p.bar = p.took - 1
	}
	from, to := g.span(now)
	p.from, p.span = from, to.Sub(from)
	return p
}

// cell is the column, within the bar, of a time.
func (p *plan) cell(t time.Time) int {
	return int(float64(t.Sub(p.from)) / float64(p.span) * float64(p.barWidth))
}

// axis draws the scale.
func (g *Gantt) axis(c *canvas, p plan) {
	c.put(p.name-2, 0, "STATE", gColumn)
	if p.barWidth == 0 {
		return
	}
	step := niceStep(p.span, p.barWidth/11)
	for d := time.Duration(0); d <= p.span; d += step {
		x := int(float64(d) / float64(p.span) * float64(p.barWidth))
		text := render.Duration(d)
		if d == 0 {
			text = "0"
		}
		tick := "|"
		if g.th.Glyphs.Unicode {
			tick = "╵"
		}
		if x+cellsOf(text)+1 <= p.barWidth+p.took-p.bar-p.barWidth {
			c.put(p.bar+x, 0, tick+text, gColumn)
		}
	}
}

// niceStep divides a time into at most n parts of a round length.
func niceStep(span time.Duration, n int) time.Duration {
	least := span / time.Duration(max(1, n))
	for unit := time.Millisecond; ; unit *= 10 {
		for _, m := range []time.Duration{1, 2, 5} {
			if s := unit * m; s >= least && s < time.Minute {
				return s
			}
		}
		if unit > time.Minute {
			break
		}
	}
	for _, s := range []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour} {
		if s >= least {
			return s
		}
	}
	day := 24 * time.Hour
	return (least/day + 1) * day
}

func (g *Gantt) row(c *canvas, y, place int, p plan, now time.Time) {
	i := g.rows[place]
	v := &g.line.Visits[i]
	name := gPlain
	if place == g.cursor.At {
		c.put(0, y, g.th.Glyphs.Cursor, gFocus)
		name = gCursor
	}
	c.put(1, y, StatusGlyph(g.th, v.Status), gInk(v.Status))
	x := p.name + 2*v.Depth
	if g.inside[i] > 0 {
		sign := g.th.Glyphs.Open
		if g.folded[i] {
			sign = g.th.Glyphs.Closed
		}
		c.put(max(2, x-2), y, sign, gMuted)
	}
	text := safeLine(v.State)
	if v.Iteration != nil && (v.Parent < 0 || g.line.Visits[v.Parent].Type == "Map") {
		text = fmt.Sprintf("%d %s", *v.Iteration, text)
	}
	c.put(x, y, ansi.Truncate(text, max(1, p.bar-x-1), g.th.Glyphs.Ellipsis), name)
	if p.barWidth > 0 {
		g.bar(c, y, v, p, now)
	}
	took := render.Duration(v.Duration(now))
	c.put(p.took+max(0, 7-cellsOf(took)), y, took, gInk(v.Status))
	if p.note > 0 {
		note, ink := visitNote(v), gMuted
		if v.Error != "" {
			ink = gInk(v.Status)
		}
		c.put(p.note, y, ansi.Truncate(note, max(1, c.w-p.note), g.th.Glyphs.Ellipsis), ink)
	}
}

// visitNote says in words what is worth knowing of a visit.
func visitNote(v *executions.Visit) string {
	var parts []string
	if v.Error != "" {
		parts = append(parts, safeLine(v.Error))
	} else if v.Status == executions.VisitTimedOut || v.Status == executions.VisitAborted {
		parts = append(parts, StatusWord(v.Status))
	}
	if n := v.Retries(); n > 0 {
		parts = append(parts, render.Count(n, "retry", "retries"))
	}
	if m := v.Map; m != nil {
		parts = append(parts, MapCounts(m))
	}
	return strings.Join(parts, ", ")
}

// MapCounts says how far the iterations of a Map are.
func MapCounts(m *executions.MapProgress) string {
	if m.Run != "" {
		return "distributed"
	}
	s := fmt.Sprintf("%s/%s", render.Number(int64(m.Succeeded)), render.Number(int64(m.Total)))
	if m.Failed > 0 {
		s += fmt.Sprintf(" %s failed", render.Number(int64(m.Failed)))
	}
	return s
}

// bar draws a visit: what its attempts took, the waits between them faint.
func (g *Gantt) bar(c *canvas, y int, v *executions.Visit, p plan, now time.Time) {
	end := v.Exited
	if end.IsZero() {
		end = now
	}
	a, b := p.cell(v.Entered), p.cell(end)
	b = max(b, a+1)
	paint := func(from, to int, sign string, ink int) {
		for x := max(0, from); x < min(p.barWidth, to); x++ {
			c.set(p.bar+x, y, sign, 1, ink)
		}
	}
	gl := g.th.Glyphs
	if len(v.Attempts) < 2 {
		paint(a, b, g.segment(v.Status), gInk(v.Status))
	} else {
		paint(a, b, gl.BarRest, gRest)
		for i := range v.Attempts {
			t := &v.Attempts[i]
			to := t.Ended
			if to.IsZero() {
				to = end
			}
			from := t.Scheduled
			if from.IsZero() {
				from = t.Started
			}
			x := p.cell(from)
			paint(x, max(p.cell(to), x+1), g.segment(t.Status), gInk(t.Status))
			if i > 0 { // set apart from the one before
				paint(x, x+1, g.begin(), gInk(t.Status))
			}
		}
	}
	if v.Status.Open() && b <= p.barWidth {
		tip := ">"
		if gl.Unicode {
			tip = "▶"
		}
		paint(b-1, b, tip, gBusy)
	}
}

// segment is the sign that a bar is made of: failures look different without
// colour too.
func (g *Gantt) segment(s executions.VisitStatus) string {
	bad, fine := "x", "="
	if g.th.Glyphs.Unicode {
		bad, fine = "▓", "█"
	}
	switch s {
	case executions.VisitFailed, executions.VisitTimedOut, executions.VisitAborted, executions.VisitCaught:
		return bad
	case executions.VisitRunning, executions.VisitSucceeded:
	}
	return fine
}

// begin is the first cell of an attempt that comes after another.
func (g *Gantt) begin() string {
	if g.th.Glyphs.Unicode {
		return "▐"
	}
	return "|"
}

func gInk(s executions.VisitStatus) int {
	switch s {
	case executions.VisitSucceeded:
		return gGood
	case executions.VisitFailed, executions.VisitTimedOut:
		return gBad
	case executions.VisitCaught, executions.VisitAborted:
		return gWarn
	case executions.VisitRunning:
		return gBusy
	}
	return gMuted
}

// Keys are the chart's own keys.
func (g *Gantt) Keys() keys.Group {
	return keys.Group{Title: "Timeline", Bindings: append([]keys.Binding{keys.Left, keys.Right, keys.GanttZoom}, keys.Moving().Bindings...)}
}
