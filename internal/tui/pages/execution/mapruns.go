package execution

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/pump"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// How many failed children are looked at: each costs a description, of which AWS
// allows few a second.
const (
	firstFailures = 20
	moreFailures  = 500
	maxChildren   = 1000
	// childrenEvery is how often children are listed again while the run goes on.
	childrenEvery = 10 * time.Second
)

// listing is what the grid under a Map Run lists.
type listing int

const (
	listGroups listing = iota // failures by error and cause
	listFailed
	listRunning
	listAll
	listings
)

func (l listing) String() string {
	return [...]string{"failures by error and cause", "children that failed", "children that run", "all children"}[l%listings]
}

func (l listing) statuses() []executions.Status {
	switch l {
	case listFailed:
		return []executions.Status{executions.Failed, executions.TimedOut, executions.Aborted}
	case listRunning:
		return []executions.Status{executions.Running}
	case listGroups, listAll, listings:
	}
	return nil
}

// mapRuns are the Map Runs of the execution.
type mapRuns struct {
	list    []*mapRun
	open    int
	listing listing
	grid    *widget.Grid
	top     int // of the grid, as drawn last
	changes int // how often progress was told
}

// mapRun is one of them, with what was read of it.
type mapRun struct {
	arn, state string
	visit      int
	watch      *executions.MapRunWatch
	progress   executions.MapRunProgress
	known      bool
	err        error

	failures    []executions.Failure
	failuresErr error
	asked       int // how many failures were asked for last
	asking      bool
	askedDone   bool // they were asked for after the run's end
	children    map[listing][]executions.Execution
	listed      map[listing]time.Time
	childErr    error
}

type (
	runMsg struct {
		gen   int
		run   *mapRun
		batch pump.Batch[executions.MapRunProgress]
	}
	runEndedMsg struct {
		gen int
		run *mapRun
		err error
	}
	failuresMsg struct {
		run  *mapRun
		list []executions.Failure
		err  error
	}
	childrenMsg struct {
		run  *mapRun
		of   listing
		list []executions.Execution
		err  error
	}
)

func newFailureGrid(th *theme.Screen) *widget.Grid {
	return widget.NewGrid(th,
		widget.Column{Title: "", Min: 7, Max: 8, Right: true},
		widget.Column{Title: "STATUS", Min: 10},
		widget.Column{Title: "WHAT", Min: 30, Max: 100, Flex: 1},
		widget.Column{Title: "", Min: 8, Max: 40, Drop: 1, Flex: 1},
	)
}

func (r *mapRuns) cancel() {
	for _, x := range r.list {
		if x.watch != nil {
			x.watch.Cancel()
		}
	}
}

// sync takes in Map Runs that have begun, and watches those that run.
func (r *mapRuns) sync(p *Page) tea.Cmd {
	var cmds []tea.Cmd
	for i := range p.line.Visits {
		v := &p.line.Visits[i]
		if v.Map == nil || v.Map.Run == "" {
			continue
		}
		run := r.find(v.Map.Run)
		if run == nil {
			run = &mapRun{arn: v.Map.Run, state: v.State, visit: i, children: map[listing][]executions.Execution{}, listed: map[listing]time.Time{}}
			r.list = append(r.list, run)
			r.open = len(r.list) - 1
		}
		if v.Status.Open() {
			cmds = append(cmds, run.begin(p))
		}
	}
	return tea.Batch(cmds...)
}

func (r *mapRuns) find(arn string) *mapRun {
	for _, x := range r.list {
		if x.arn == arn {
			return x
		}
	}
	return nil
}

func (r *mapRuns) selected() *mapRun {
	if r.open < 0 || r.open >= len(r.list) {
		return nil
	}
	return r.list[r.open]
}

// begin watches the run; of one that has ended that is one look.
func (x *mapRun) begin(p *Page) tea.Cmd {
	if x.watch != nil || p.machine == nil {
		return nil
	}
	x.err = nil
	x.watch = p.machine.Client.WatchMapRun(p.Context(), x.arn)
	return x.next(p)
}

func (x *mapRun) next(p *Page) tea.Cmd {
	gen := p.gen
	return ui.Next(p.Host, x.watch.Events(), func(b pump.Batch[executions.MapRunProgress]) tea.Msg { return runMsg{gen, x, b} })
}

// opened reads what the open tab needs and has not been read.
func (p *Page) opened() tea.Cmd {
	switch p.tab {
	case tabRuns:
		x := p.runs.selected()
		if x == nil {
			return nil
		}
		return tea.Batch(x.begin(p), p.runs.read(p, x))
	case tabLogs:
		return p.logs.read(p, false)
	case tabGraph, tabTimeline, tabEvents, tabData, tabs:
	}
	return nil
}

// read asks for what the grid lists.
func (r *mapRuns) read(p *Page, x *mapRun) tea.Cmd {
	defer r.refill(p)
	if r.listing != listGroups {
		now := p.Env.Now()
		// While the run goes on, its children change.
		stale := !x.progress.MapRun.Status.Terminal() && now.Sub(x.listed[r.listing]) >= childrenEvery
		if _, ok := x.children[r.listing]; ok && !stale || x.asking {
			return nil
		}
		x.asking, x.listed[r.listing] = true, now
		client, of := p.machine.Client, r.listing
		return p.Do(func(ctx context.Context) tea.Msg {
			list, err := client.Children(ctx, x.arn, of.statuses(), maxChildren)
			return childrenMsg{x, of, list, err}
		})
	}
	bad := x.progress.MapRun.Children.Unsuccessful()
	ended := x.progress.MapRun.Status.Terminal()
	if !x.known || bad == 0 || x.asking || x.asked > 0 && (x.askedDone || !ended) {
		return nil
	}
	return x.ask(p, max(firstFailures, x.asked))
}

func (x *mapRun) ask(p *Page, limit int) tea.Cmd {
	x.asking, x.asked, x.askedDone = true, limit, x.progress.MapRun.Status.Terminal()
	client := p.machine.Client
	return p.Do(func(ctx context.Context) tea.Msg {
		list, err := client.Failures(ctx, x.arn, limit)
		return failuresMsg{x, list, err}
	})
}

func (r *mapRuns) loaded(p *Page, msg tea.Msg) (tea.Cmd, bool) {
	switch m := msg.(type) {
	case setRunMsg:
		return p.setRun(m), true
	case runSetMsg:
		return p.runSet(m), true
	case runMsg:
		if m.gen != p.gen {
			return nil, true
		}
		if n := len(m.batch.Items); n > 0 {
			m.run.progress, m.run.known = m.batch.Items[n-1], true
			r.changes++
			p.read = p.Env.Now()
		}
		if !m.batch.Closed {
			return tea.Batch(m.run.next(p), p.opened()), true
		}
		w, gen := m.run.watch, p.gen
		return p.Do(func(context.Context) tea.Msg {
			_, err := w.Wait()
			return runEndedMsg{gen, m.run, err}
		}), true
	case runEndedMsg:
		if m.gen == p.gen && !errors.Is(m.err, fault.Canceled) {
			m.run.err = m.err
		}
		return p.opened(), true
	case failuresMsg:
		m.run.asking, m.run.failuresErr = false, m.err
		if m.err == nil {
			m.run.failures = m.list
		}
		r.refill(p)
		return p.opened(), true
	case childrenMsg:
		m.run.asking, m.run.childErr = false, m.err
		m.run.children[m.of] = m.list
		if m.err != nil { // asked for again with the next key, not in a circle
			r.refill(p)
			return nil, true
		}
		return p.opened(), true
	}
	return nil, false
}

// counts are how far each distributed Map is, by state.
func (r *mapRuns) counts() map[string]string {
	if len(r.list) == 0 {
		return nil
	}
	out := make(map[string]string, len(r.list))
	for _, x := range r.list {
		if !x.known {
			continue
		}
		i := x.progress.MapRun.Items
		out[x.state] = render.Number(i.Succeeded) + "/" + render.Number(i.Total)
		if n := i.Failed + i.TimedOut; n > 0 {
			out[x.state] += " " + render.Number(n) + " failed"
		}
	}
	return out
}

// childRows are what the grid lists.
type childRows struct {
	th       *theme.Screen
	failures []executions.Failure
	children []executions.Execution
	now      time.Time
}

func (c childRows) Len() int { return len(c.failures) + len(c.children) }

func (c childRows) Key(i int) string {
	if i < len(c.failures) {
		return c.failures[i].Example
	}
	return c.children[i-len(c.failures)].ARN
}

func (c childRows) Cell(i, column int) widget.Cell {
	if i < len(c.failures) {
		f := &c.failures[i]
		style := widget.ExecutionStyle(c.th, f.Status)
		switch column {
		case 0:
			return widget.Cell{Text: "×" + render.Number(int64(f.Count)), Style: style}
		case 1:
			return widget.Cell{Text: widget.ExecutionGlyph(c.th, f.Status) + " " + widget.ExecutionWord(f.Status), Style: style}
		case 2:
			return widget.Cell{Text: strings.TrimSuffix(strings.TrimSpace(f.Error+": "+f.Message), ":")}
		}
		return widget.Cell{Text: "for example " + childName(f.Example), Style: c.th.Muted}
	}
	e := &c.children[i-len(c.failures)]
	style := widget.ExecutionStyle(c.th, e.Status)
	switch column {
	case 0:
		return widget.Cell{Text: render.Duration(e.Duration(c.now)), Style: c.th.Muted}
	case 1:
		return widget.Cell{Text: widget.ExecutionGlyph(c.th, e.Status) + " " + widget.ExecutionWord(e.Status), Style: style}
	case 2:
		return widget.Cell{Text: childName(e.ARN)}
	}
	return widget.Cell{Text: "started " + render.Age(e.Start, c.now), Style: c.th.Muted}
}

func childName(arn string) string { return arn[strings.LastIndexByte(arn, ':')+1:] }

// refill gives the grid the rows of the selected run.
func (r *mapRuns) refill(p *Page) {
	rows := childRows{th: p.th, now: p.Env.Now()}
	if x := r.selected(); x != nil {
		if r.listing == listGroups {
			rows.failures = x.failures
		} else {
			rows.children = x.children[r.listing]
		}
	}
	r.grid.SetRows(rows)
}

// key takes the keys of the tab that are not the grid's.
func (r *mapRuns) next(p *Page, by int) tea.Cmd {
	if len(r.list) == 0 {
		return nil
	}
	r.open = (r.open + by + len(r.list)) % len(r.list)
	return p.opened()
}

func (r *mapRuns) nextListing(p *Page) tea.Cmd {
	r.listing = (r.listing + 1) % listings
	return p.opened()
}

func (r *mapRuns) more(p *Page) tea.Cmd {
	x := r.selected()
	if x == nil || x.asking || r.listing != listGroups || !x.known {
		return nil
	}
	return x.ask(p, moreFailures)
}

// child is the ARN of the selected child, "" if there is none.
func (r *mapRuns) child() string {
	x := r.selected()
	i, ok := r.grid.Selected()
	switch {
	case x == nil || !ok:
		return ""
	case r.listing == listGroups && i < len(x.failures):
		return x.failures[i].Example
	case r.listing != listGroups && i < len(x.children[r.listing]):
		return x.children[r.listing][i].ARN
	}
	return ""
}

// view draws the selected run: bar, counts, and the grid.
func (r *mapRuns) view(p *Page, width, height int, now time.Time) string {
	x := r.selected()
	if x == nil {
		return p.say("This execution has no Map Run: a Distributed Map state begins one.", width)
	}
	if !x.known {
		if x.err != nil {
			return p.say(explain(x.err), width)
		}
		return p.say("reading the Map Run", width)
	}
	out := r.head(p, x, width, now)
	if height < 10 && len(out) > 3 {
		out = out[:3]
	}
	rest := height - len(out) - 1
	if rest < 2 {
		return widget.Box(strings.Join(out, "\n"), width, height)
	}
	r.grid.Empty = r.emptyText(x)
	r.top = len(out) + 1
	return widget.Lines(strings.Join(out, "\n"), widget.Rule(p.th, r.listing.String()+"  (c: others)", width), r.grid.View(width, rest))
}

func (r *mapRuns) emptyText(x *mapRun) string {
	switch {
	case x.asking:
		return "reading"
	case r.listing == listGroups && x.failuresErr != nil:
		return explain(x.failuresErr)
	case r.listing != listGroups && x.childErr != nil:
		return explain(x.childErr)
	case x.progress.MapRun.Items.Total == 0 && !x.progress.MapRun.Status.Terminal():
		return "the items are being read; counts come a little later"
	case r.listing == listGroups && x.progress.MapRun.Children.Unsuccessful() == 0:
		return "no child has failed"
	}
	return "none"
}

func (r *mapRuns) head(p *Page, x *mapRun, width int, now time.Time) []string {
	th := p.th
	run := &x.progress.MapRun
	style := widget.ExecutionStyle(th, run.Status)
	title := style.Render(widget.ExecutionGlyph(th, run.Status)+" "+widget.ExecutionWord(run.Status)) + "  " + th.Title.Render(render.Line(x.state, 0)) +
		"  " + th.Muted.Render(render.Line(run.Label, 40)) + "  " + render.Duration(run.Duration(now))
	if len(r.list) > 1 {
		title += th.Muted.Render(fmt.Sprintf("  run %d of %d", r.open+1, len(r.list)))
	}
	items := run.Items
	pace := ""
	if x.progress.Rate > 0 && !run.Status.Terminal() {
		pace = fmt.Sprintf("%s items/s", render.Rate(x.progress.Rate))
		if x.progress.Left > 0 {
			pace += ", about " + render.Duration(x.progress.Left) + " left"
		}
	}
	percent := ""
	if items.Total > 0 {
		percent = fmt.Sprintf(" %3d %%", items.Ended()*100/items.Total)
	}
	barWidth := max(10, min(60, width-len(percent)-len(pace)-3))
	bar := widget.Bar(th, items.Ended(), items.Unsuccessful(), items.Total, barWidth) + percent
	if pace != "" {
		bar += "  " + th.Muted.Render(pace)
	}
	rules := fmt.Sprintf("at most %s at the same time, tolerates %s", render.Number(int64(run.MaxConcurrency)), render.Tolerated(run))
	if run.Redrives > 0 {
		rules += ", " + render.Count(run.Redrives, "redrive", "redrives")
	}
	if x.err != nil {
		rules = render.Line(x.err.Error(), 0)
	}
	lines := []string{
		title, bar,
		th.Muted.Render("items     ") + render.Counts(th.Styles, items),
		th.Muted.Render("children  ") + render.Counts(th.Styles, run.Children),
		th.Muted.Render(rules),
	}
	for i, l := range lines {
		lines[i] = widget.Fit(l, width, th.Glyphs.Ellipsis)
	}
	return lines
}
