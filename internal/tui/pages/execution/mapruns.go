package execution

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
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
	return [...]string{"failures by error and cause", "children that did not succeed", "children that run", "all children"}[l%listings]
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
	// group is the group of failures whose members are listed, by its example; "" if
	// the groups are.
	group   string
	grid    *widget.Grid
	rows    childRows // what it lists
	top     int       // of the grid, as drawn last
	changes int       // how often progress was told
}

// mapRun is one of them, with what was read of it.
type mapRun struct {
	arn, state string
	visit      int
	watch      *executions.MapRunWatch
	progress   executions.MapRunProgress
	known      bool
	err        error

	failures ui.Loader[failures]
	limit    int   // how many failures are looked at
	of       int64 // how many there were when they were asked for
	ended    bool  // they were asked for after the run's end
	children [listings]ui.Loader[[]executions.Execution]
}

// failures are groups of the children that were looked at, of how many that did not
// succeed then.
type failures struct {
	groups     []executions.Failure
	looked, of int64
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
			run = &mapRun{arn: v.Map.Run, state: v.State, visit: i, limit: firstFailures}
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

// read asks for what the grid lists, if it is time: while the run goes on, its
// children change.
func (r *mapRuns) read(p *Page, x *mapRun) tea.Cmd {
	defer r.refill(p)
	now := p.Env.Now()
	ended := x.progress.MapRun.Status.Terminal()
	if r.listing != listGroups {
		l, every := &x.children[r.listing], ui.ChildrenEvery
		switch {
		case l.Err != nil:
			every = ui.RetryAfter
		case ended:
			every = ui.Once
		}
		if !l.Due(now, every) {
			return nil
		}
		client, of := p.machine.Client, r.listing
		return l.Ask(p.Host, func(ctx context.Context) ([]executions.Execution, error) {
			return client.Children(ctx, x.arn, of.statuses(), maxChildren)
		})
	}
	bad := x.progress.MapRun.Children.Unsuccessful()
	switch {
	case !x.known || bad == 0 || x.failures.Asking():
		return nil
	case x.failures.Due(now, ui.Once), ended && !x.ended: // for the first time, and when all are there
	case x.failures.Err == nil && (ended || bad == x.of), !x.failures.Due(now, ui.FailuresEvery):
		return nil
	}
	return x.ask(p)
}

func (x *mapRun) ask(p *Page) tea.Cmd {
	x.of, x.ended = x.progress.MapRun.Children.Unsuccessful(), x.progress.MapRun.Status.Terminal()
	client, limit, of := p.machine.Client, x.limit, x.of
	return x.failures.Ask(p.Host, func(ctx context.Context) (failures, error) {
		groups, err := client.Failures(ctx, x.arn, limit)
		f := failures{groups: groups, of: of}
		for _, g := range groups {
			f.looked += int64(g.Count)
		}
		f.of = max(f.of, f.looked)
		return f, err
	})
}

func (r *mapRuns) loaded(p *Page, msg tea.Msg) (tea.Cmd, bool) {
	for _, x := range r.list {
		if x.took(msg) {
			r.refill(p)
			return nil, true
		}
	}
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
	}
	return nil, false
}

// took takes in what was asked for about the run.
func (x *mapRun) took(msg tea.Msg) bool {
	if x.failures.Take(msg) {
		return true
	}
	for i := range x.children {
		if x.children[i].Take(msg) {
			return true
		}
	}
	return false
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

// childRows are what the grid lists: groups of failures, the members of one, or
// children.
type childRows struct {
	th       *theme.Screen
	groups   []executions.Failure
	of       *executions.Failure // whose members are listed
	children []executions.Execution
	now      time.Time
}

func (c childRows) Len() int {
	if c.of != nil {
		return len(c.of.Members)
	}
	return len(c.groups) + len(c.children)
}

// Key is the ARN of the row's execution, or of an example of its group.
func (c childRows) Key(i int) string {
	switch {
	case c.of != nil:
		return c.of.Members[i]
	case i < len(c.groups):
		return c.groups[i].Example
	}
	return c.children[i-len(c.groups)].ARN
}

func (c childRows) Cell(i, column int) widget.Cell {
	switch {
	case c.of != nil:
		return c.memberCell(i, column)
	case i < len(c.groups):
		return c.groupCell(&c.groups[i], column)
	}
	e := &c.children[i-len(c.groups)]
	switch column {
	case 0:
		return widget.Cell{Text: render.Duration(e.Duration(c.now)), Style: c.th.Muted}
	case 1:
		return c.status(e.Status)
	case 2:
		return widget.Cell{Text: childName(e.ARN)}
	}
	return widget.Cell{Text: "started " + render.Age(e.Start, c.now), Style: c.th.Muted}
}

func (c childRows) groupCell(f *executions.Failure, column int) widget.Cell {
	switch column {
	case 0:
		return widget.Cell{Text: "×" + render.Number(int64(f.Count)), Style: widget.ExecutionStyle(c.th, f.Status)}
	case 1:
		return c.status(f.Status)
	case 2:
		return widget.Cell{Text: what(f)}
	}
	return widget.Cell{Text: "for example " + childName(f.Example), Style: c.th.Muted}
}

func (c childRows) memberCell(i, column int) widget.Cell {
	switch column {
	case 0:
		return widget.Cell{Text: render.Number(int64(i + 1)), Style: c.th.Muted}
	case 1:
		return c.status(c.of.Status)
	case 2:
		return widget.Cell{Text: childName(c.of.Members[i])}
	}
	return widget.Cell{}
}

func (c childRows) status(s executions.Status) widget.Cell {
	return widget.Cell{Text: widget.ExecutionGlyph(c.th, s) + " " + widget.ExecutionWord(s), Style: widget.ExecutionStyle(c.th, s)}
}

// what is a group's error and message.
func what(f *executions.Failure) string {
	return strings.TrimSuffix(strings.TrimSpace(f.Error+": "+f.Message), ":")
}

func childName(arn string) string { return arn[strings.LastIndexByte(arn, ':')+1:] }

// refill gives the grid the rows of the selected run.
func (r *mapRuns) refill(p *Page) {
	rows := childRows{th: p.th, now: p.Env.Now()}
	if x := r.selected(); x != nil {
		rows.groups, rows.of = nil, nil
		switch {
		case r.listing != listGroups:
			rows.children = x.children[r.listing].Value
		case r.group != "":
			rows.of = x.groupOf(r.group)
		}
		if r.listing == listGroups && rows.of == nil {
			r.group, rows.groups = "", x.failures.Value.groups
		}
	}
	r.rows = rows
	r.grid.SetRows(rows)
}

// groupOf is the group that a child is in, nil if none is.
func (x *mapRun) groupOf(arn string) *executions.Failure {
	for i := range x.failures.Value.groups {
		if f := &x.failures.Value.groups[i]; slices.Contains(f.Members, arn) {
			return f
		}
	}
	return nil
}

// enter lists the members of the selected group, and reports whether there are such:
// of one alone there is nothing to choose.
func (r *mapRuns) enter(p *Page) bool {
	x := r.selected()
	i, ok := r.grid.Selected()
	if x == nil || !ok || r.listing != listGroups || r.group != "" || i >= len(x.failures.Value.groups) || len(x.failures.Value.groups[i].Members) < 2 {
		return false
	}
	r.group = x.failures.Value.groups[i].Example
	r.grid.SetFilter("")
	r.refill(p)
	return true
}

// leave goes back from the members of a group to the groups.
func (r *mapRuns) leave(p *Page) bool {
	if r.group == "" {
		return false
	}
	group := r.group
	r.group = ""
	r.refill(p)
	r.grid.Select(group)
	return true
}

// key takes the keys of the tab that are not the grid's.
func (r *mapRuns) next(p *Page, by int) tea.Cmd {
	if len(r.list) == 0 {
		return nil
	}
	r.open, r.group = (r.open+by+len(r.list))%len(r.list), ""
	return p.opened()
}

func (r *mapRuns) nextListing(p *Page) tea.Cmd {
	r.listing, r.group = (r.listing+1)%listings, ""
	return p.opened()
}

func (r *mapRuns) more(p *Page) tea.Cmd {
	x := r.selected()
	if x == nil || x.failures.Asking() || r.listing != listGroups || !x.known {
		return nil
	}
	x.limit = moreFailures
	return x.ask(p)
}

// child is the ARN of the selected child, or of an example of the selected group; ""
// if there is none.
func (r *mapRuns) child() string {
	if i, ok := r.grid.Selected(); ok && r.selected() != nil {
		return r.rows.Key(i)
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
	return widget.Lines(strings.Join(out, "\n"), widget.Rule(p.th, r.heading(p, x, now), width), r.grid.View(width, rest))
}

// heading says what is listed, of how many, and how old it is while it may change.
func (r *mapRuns) heading(p *Page, x *mapRun, now time.Time) string {
	read, asking := x.children[r.listing].At, x.children[r.listing].Asking()
	parts := []string{r.listing.String()}
	if r.listing == listGroups {
		f := &x.failures
		read, asking = f.At, f.Asking()
		if f.Known {
			parts = append(parts, render.Number(f.Value.looked)+" of "+render.Number(f.Value.of)+" looked at")
		}
		if f.Known && f.Value.looked < f.Value.of && x.limit < moreFailures {
			parts[1] += ", " + keys.MoreFailures.Label(false) + ": more"
		}
		if g := x.groupOf(r.group); g != nil {
			parts = []string{render.Number(int64(len(g.Members))) + " with " + ansi.Truncate(render.Line(what(g), 0), 40, p.th.Glyphs.Ellipsis), "esc: all groups"}
		}
		if f.Known && f.Err != nil {
			parts = append(parts, "not read again: "+render.Line(f.Err.Error(), 60))
		}
	}
	switch {
	case asking && !read.IsZero():
		parts = append(parts, "reading again")
	case !read.IsZero() && !x.progress.MapRun.Status.Terminal():
		parts = append(parts, "read "+render.Age(read, now))
	}
	return strings.Join(append(parts, keys.ShowChildren.Label(false)+": others"), " "+p.th.Glyphs.Dot+" ")
}

func (r *mapRuns) emptyText(x *mapRun) string {
	switch {
	case r.listing == listGroups && x.failures.Asking(), r.listing != listGroups && x.children[r.listing].Asking():
		return "reading"
	case r.listing == listGroups && x.failures.Err != nil:
		return explain(x.failures.Err)
	case r.listing != listGroups && x.children[r.listing].Err != nil:
		return explain(x.children[r.listing].Err)
	case x.progress.MapRun.Items.Total == 0 && !x.progress.MapRun.Status.Terminal():
		return "the items are being read; counts come a little later"
	case r.listing == listGroups && x.progress.MapRun.Children.Unsuccessful() == 0:
		return "no child has failed; what a child made of an item that failed is in its output"
	case r.listing == listGroups && !x.failures.Known, r.listing != listGroups && !x.children[r.listing].Known:
		return "reading"
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
	rules := render.AtOnce(run) + ", tolerates " + render.Tolerated(run)
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
