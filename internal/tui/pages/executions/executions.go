// Package executions is the table of a pipeline's executions: it refreshes itself,
// starts one or many, stops and redrives. The pipeline's page embeds it. It may
// import what pages may.
package executions

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// pageSize is how many executions a call returns at most.
const pageSize = 1000

// query selects what is listed.
type query struct {
	statuses []executions.Status
	words    string // the statuses in words, "" for all
	since    string // as typed
	name     string
	limit    int
}

func (q *query) filtered() bool { return len(q.statuses) > 0 || q.since != "" || q.name != "" }

// Panel is the table. Its methods are called by the program's goroutine.
type Panel struct {
	*ui.Host
	th *theme.Screen
	id spec.ID

	machine *pipelines.Machine
	owner   ui.Loader[*pipelines.Machine]
	look    ui.Loader[page]
	query   query
	list    []executions.Execution // the newest first
	counts  map[executions.Status]int
	more    bool // there may be older ones
	hidden  bool
	stale   bool // something has changed while hidden
	told    bool // ends are heard of
	looks   int
	failed  error // of the newest answer, of the machine or of the list
	busy    string
	grid    *widget.Grid
	upload  *upload
	// runs when the machine is known: what was asked for before.
	pending func() tea.Cmd
}

// New returns the table of a pipeline's executions.
func New(h *ui.Host, id spec.ID) *Panel {
	p := &Panel{Host: h, th: &h.Env.Theme, id: id, query: query{limit: pageSize}}
	p.grid = widget.NewGrid(p.th,
		widget.Column{Title: "STATUS", Min: 11, Compare: func(a, b int) int { return cmp.Compare(p.list[a].Status, p.list[b].Status) }},
		widget.Column{Title: "NAME", Min: 22, Max: 60, Flex: 3, Compare: func(a, b int) int { return cmp.Compare(p.list[a].Name, p.list[b].Name) }},
		widget.Column{Title: "STARTED", Min: 9, Compare: func(a, b int) int { return p.list[b].Start.Compare(p.list[a].Start) }},
		widget.Column{Title: "TOOK", Min: 7, Right: true, Compare: func(a, b int) int {
			now := p.Env.Now()
			return cmp.Compare(p.list[b].Duration(now), p.list[a].Duration(now))
		}},
		widget.Column{Title: "REDRIVES", Min: 8, Right: true, Drop: 2, Compare: func(a, b int) int { return cmp.Compare(p.list[b].Redrives, p.list[a].Redrives) }},
		widget.Column{Title: "THROUGH", Min: 10, Max: 24, Flex: 1, Drop: 3, Compare: func(a, b int) int { return cmp.Compare(through(&p.list[a]), through(&p.list[b])) }},
		widget.Column{Title: "TIME (UTC)", Min: 19, Drop: 4},
	)
	p.grid.Marking = true
	p.grid.SetRows(rows{p})
	return p
}

// through is the alias and version by which it was started.
func through(e *executions.Execution) string {
	var parts []string
	if e.Alias != "" {
		parts = append(parts, e.Alias[strings.LastIndexByte(e.Alias, ':')+1:])
	}
	if e.Version != "" {
		parts = append(parts, "version "+e.Version[strings.LastIndexByte(e.Version, ':')+1:])
	}
	return strings.Join(parts, ", ")
}

// rows are the executions as the grid asks for them.
type rows struct{ p *Panel }

func (r rows) Len() int { return len(r.p.list) }

func (r rows) Key(i int) string { return r.p.list[i].ARN }

// Hay is what the filter looks through.
func (r rows) Hay(i int) string {
	e := &r.p.list[i]
	return e.Name + " " + widget.ExecutionWord(e.Status)
}

func (r rows) Cell(i, column int) widget.Cell {
	e, th := &r.p.list[i], r.p.th
	switch column {
	case 0:
		style := widget.ExecutionStyle(th, e.Status)
		return widget.Cell{Text: widget.ExecutionGlyph(th, e.Status) + " " + widget.ExecutionWord(e.Status), Style: style}
	case 1:
		return widget.Cell{Text: e.Name}
	case 2:
		return widget.Cell{Text: render.Age(e.Start, r.p.Env.Now()), Style: th.Muted}
	case 3:
		return widget.Cell{Text: render.Duration(e.Duration(r.p.Env.Now()))}
	case 4:
		if e.Redrives == 0 {
			return widget.Cell{}
		}
		return widget.Cell{Text: render.Number(int64(e.Redrives)), Style: th.Warn}
	case 5:
		return widget.Cell{Text: through(e), Style: th.Muted}
	}
	return widget.Cell{Text: e.Start.UTC().Format("2006-01-02 15:04:05"), Style: th.Muted}
}

// Init asks for the state machine.
func (p *Panel) Init() tea.Cmd { return p.loadMachine() }

// Age is when the list was read last.
func (p *Panel) Age() time.Time { return p.look.At }

// Pace is that of what reads by itself.
func (p *Panel) Pace() ui.Pace { return ui.Beating }

func (p *Panel) loading() bool { return p.owner.Asking() || p.look.Asking() }

// err is why nothing can be listed, or why the last look failed.
func (p *Panel) err() error { return p.failed }

// Capturing tells that the filter is being typed.
func (p *Panel) Capturing() bool { return p.grid.Capturing() }

func (p *Panel) loadMachine() tea.Cmd {
	source, id := p.Env.Source, p.id
	return p.owner.Ask(p.Host, func(ctx context.Context) (*pipelines.Machine, error) { return source.Machine(ctx, id) })
}

// load reads the list: the newest page, or with whole all that is shown. Nothing is
// read while the table is out of sight.
func (p *Panel) load(whole bool) tea.Cmd {
	if p.hidden {
		p.look.Drop()
		p.stale = true
		return nil
	}
	if p.machine == nil {
		return p.loadMachine()
	}
	q := p.query
	whole = whole || q.filtered() || q.limit <= pageSize
	if !whole {
		q.limit = pageSize
	}
	client, arn, now := p.machine.Client, p.machine.ARN, p.Env.Now()
	return p.look.Ask(p.Host, func(ctx context.Context) (page, error) {
		in := executions.ListInput{Machine: arn, Statuses: q.statuses, Name: q.name, Limit: q.limit}
		var err error
		if in.Since, err = executions.ParseSince(q.since, now); err != nil {
			return page{}, err
		}
		list, err := client.List(ctx, in)
		return page{whole, list, q}, err
	})
}

// reload reads everything for a query that has changed.
func (p *Panel) reload() tea.Cmd {
	return p.load(true)
}

// Update takes what the page was told.
func (p *Panel) Update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case tea.KeyMsg:
		return p.key(m)
	case tea.MouseMsg:
		m.Y -= headRows
		p.grid.Update(m)
		return nil
	case ui.Beat:
		return p.beat()
	case ui.Shown:
		p.hidden = false
		return p.shown()
	case ui.Hidden:
		p.hidden = true
		return nil
	case ui.Reload:
		return p.afresh()
	case ui.LaunchChanged:
		return p.launchMoved(m.Launch)
	case ui.Changed:
		if slices.Contains(m.IDs, p.id) {
			return p.afresh()
		}
		return nil
	}
	switch {
	case p.owner.Take(msg):
		return p.gotMachine()
	case p.look.Take(msg):
		p.gotList()
		return nil
	}
	return p.acted(msg)
}

// page is what one look at the list brings: the newest executions up to a limit, or
// with whole all that are to be shown.
type page struct {
	whole bool
	list  []executions.Execution
	of    query
}

// beat looks at the newest page when it is time.
func (p *Panel) beat() tea.Cmd {
	every, whole := ui.RunsQuiet, ui.RunsWhole
	if p.told {
		whole = ui.RunsHeard
	}
	if p.launching() || !p.told && p.counts[executions.Running] > 0 {
		every = ui.RunsMoving
	}
	if p.look.Err != nil {
		every = ui.RetryAfter
	}
	now := p.Env.Now()
	switch {
	case p.hidden || p.loading():
		return nil
	case p.owner.Err != nil && p.owner.Due(now, ui.RetryAfter):
		return p.loadMachine()
	case p.machine == nil || !p.look.Due(now, every):
		return nil
	}
	p.looks++
	return p.load(p.looks%whole == 0)
}

// Hear takes in ends that the pipeline has told of; nothing of them is asked.
func (p *Panel) Hear(ends []executions.Ended) {
	p.told = true
	at := make(map[string]*executions.Ended, len(ends))
	for i := range ends {
		at[ends[i].ARN] = &ends[i]
	}
	kept := p.list[:0:0]
	for i := range p.list {
		e := p.list[i]
		if end := at[e.ARN]; end != nil && end.Redrives >= e.Redrives {
			e.Status, e.Stop, e.Redrives = end.Status, end.Stop, end.Redrives
			if len(p.query.statuses) > 0 && !slices.Contains(p.query.statuses, e.Status) {
				delete(at, e.ARN)
				continue // it is not one of those any more
			}
		}
		delete(at, e.ARN)
		kept = append(kept, e)
	}
	if len(at) > 0 {
		p.look.Soon() // of one that is not here yet
	}
	p.list = kept
	p.show()
}

// Deaf says that nothing is heard any more.
func (p *Panel) Deaf() { p.told = false }

// shown looks at once, and reads everything if it may have changed.
func (p *Panel) shown() tea.Cmd {
	switch {
	case p.loading():
		return nil
	case p.stale || p.machine == nil:
		return p.afresh()
	}
	return p.load(false)
}

// afresh reads the machine and the whole list.
func (p *Panel) afresh() tea.Cmd {
	if p.hidden {
		p.stale = true
		return nil
	}
	p.stale = false
	if p.machine == nil {
		return p.loadMachine()
	}
	return tea.Batch(p.loadMachine(), p.reload())
}

func (p *Panel) gotMachine() tea.Cmd {
	first := p.machine == nil
	if p.failed = cmp.Or(p.owner.Err, p.look.Err); p.owner.Err != nil {
		return nil
	}
	p.machine = p.owner.Value
	if !first {
		return nil
	}
	cmd := p.load(true)
	if p.pending != nil {
		f := p.pending
		p.pending = nil
		return tea.Batch(cmd, f())
	}
	return cmd
}

func (p *Panel) gotList() {
	if p.failed = p.look.Err; p.failed != nil {
		return
	}
	m := p.look.Value
	own := p.notListed(m.list)
	if m.whole {
		p.more = len(m.list) >= m.of.limit
		p.list = slices.Concat(own, m.list)
	} else {
		p.list = slices.Concat(own, merge(m.list, p.list))
	}
	p.show()
}

// notListed are executions that were started here a moment ago and that no list
// shows yet.
func (p *Panel) notListed(list []executions.Execution) []executions.Execution {
	var own []executions.Execution
	for _, e := range p.list {
		if e.Machine != startedHere {
			break
		}
		if p.Env.Now().Sub(e.Start) < time.Minute && !slices.ContainsFunc(list, func(x executions.Execution) bool { return x.ARN == e.ARN }) {
			own = append(own, e)
		}
	}
	return own
}

// startedHere marks a row that stands for an execution until AWS lists it.
const startedHere = "started here"

// merge puts the newest executions in front of those that are older than all of
// them.
func merge(newest, before []executions.Execution) []executions.Execution {
	if len(newest) == 0 {
		return newest
	}
	oldest := newest[len(newest)-1].Start
	seen := make(map[string]bool, len(newest))
	for i := range newest {
		seen[newest[i].ARN] = true
	}
	out := slices.Clone(newest)
	for _, e := range before {
		if !e.Start.After(oldest) && !seen[e.ARN] && e.Machine != startedHere {
			out = append(out, e)
		}
	}
	return out
}

// show gives the grid the list as it is now.
func (p *Panel) show() {
	p.counts = map[executions.Status]int{}
	for i := range p.list {
		p.counts[p.list[i].Status]++
	}
	p.grid.SetRows(rows{p})
}

// headRows are the lines above the grid.
const headRows = 1

// View draws the table.
func (p *Panel) View(width, height int) string {
	if width <= 0 || height <= 0 {
		return ""
	}
	foot := p.foot(width)
	rest := height - headRows - len(foot)
	if rest < 2 {
		foot, rest = nil, max(0, height-headRows)
	}
	p.grid.Empty = ansi.Wrap(p.emptyText(), max(1, width-4), "")
	out := append([]string{p.head(width)}, p.grid.View(width, rest))
	return widget.Box(widget.Lines(append(out, foot...)...), width, height)
}

// answered tells that the newest answer is for the query as it is now.
func (p *Panel) answered() bool {
	q := &p.look.Value.of
	return p.look.Known && q.since == p.query.since && q.name == p.query.name && slices.Equal(q.statuses, p.query.statuses)
}

func (p *Panel) emptyText() string {
	switch {
	case p.err() != nil && !p.answered():
		return explain(p.err())
	case !p.answered():
		return "reading the executions"
	case p.query.filtered():
		return "no execution is like that; 0 shows all"
	}
	return "No executions yet.\nR starts one with the template's example as input; b starts one or many from a file."
}

// head says what is listed, and how many in which state.
func (p *Panel) head(width int) string {
	th := p.th
	var parts []string
	for _, s := range []executions.Status{executions.Running, executions.Failed, executions.TimedOut, executions.Aborted, executions.Succeeded} {
		if n := p.counts[s]; n > 0 {
			parts = append(parts, widget.ExecutionStyle(th, s).Render(fmt.Sprintf("%s %s %s", widget.ExecutionGlyph(th, s), render.Number(int64(n)), widget.ExecutionWord(s))))
		}
	}
	left := " " + strings.Join(parts, "  ")
	var which []string
	if p.query.words != "" {
		which = append(which, p.query.words)
	}
	if p.query.since != "" {
		which = append(which, "since "+render.Line(p.query.since, 0))
	}
	if p.query.name != "" {
		which = append(which, "named "+render.Line(p.query.name, 30))
	}
	right := ""
	if len(which) > 0 {
		right = th.Warn.Render(strings.Join(which, ", "))
	}
	if p.more {
		right += th.Muted.Render("  the newest " + render.Number(int64(len(p.list))) + ", m: more")
	}
	if n := p.grid.Marks(); n > 0 {
		shown := p.grid.MarksShown() // actions take these
		right += "  " + th.Marked.Render(render.Number(int64(shown))+" marked")
		if n > shown {
			right += th.Muted.Render(", " + render.Number(int64(n-shown)) + " more hidden by the filter")
		}
	}
	if p.busy != "" {
		right += "  " + th.Busy.Render(p.busy)
	}
	if p.err() != nil && p.machine != nil {
		right = th.Bad.Render(ansi.Truncate(render.Line(p.err().Error(), 0), max(10, width/2), th.Glyphs.Ellipsis))
	}
	room := width - ansi.StringWidth(right) - 1
	if room < 10 {
		return widget.Fit(right, width, th.Glyphs.Ellipsis)
	}
	return widget.Fit(left, room, th.Glyphs.Ellipsis) + right + " "
}

// Keys are what can be done now.
func (p *Panel) Keys() keys.Map {
	none := ""
	if _, ok := p.grid.Selected(); !ok {
		none = "there is no execution"
		if !p.answered() {
			none = "the executions were not read yet"
		}
	}
	unread := ""
	if p.machine == nil {
		unread = "the pipeline has no state machine"
		if p.loading() {
			unread = "the pipeline was not read yet"
		}
	}
	change := p.Env.ReadOnly()
	if change == "" {
		change = unread
	}
	first := func(a, b string) string {
		if a != "" {
			return a
		}
		return b
	}
	own := []keys.Binding{
		keys.Open.Unless(none).As(p.lines(false, "show")), keys.StartOne.Unless(change).As(p.line("run", "--input", "@input.json")),
		keys.StartMany.Unless(change).As(p.line("run", "--inputs", "FILE.jsonl")),
		keys.StopMarked.Unless(first(change, none)).As(p.lines(true, "stop")), keys.RedriveAll.Unless(first(change, none)).As(p.lines(true, "redrive")),
		keys.OpenLatest.Unless(none).As(func() string { return p.Env.CommandLine("executions", "show", p.id.String(), "@latest") }), keys.Copy.Unless(none),
	}
	if p.launching() {
		own = append([]keys.Binding{keys.CancelBatch}, own...)
	}
	if b := p.batch(); b != nil && len(b.Errs) > 0 {
		own = append(own, keys.BatchErrors)
	}
	older := ""
	if !p.more {
		older = "all are shown"
	}
	which := keys.Group{Title: "Which", Bindings: []keys.Binding{
		keys.ByStatus.As(p.listLine), keys.BySince.As(p.listLine), keys.ByName.As(p.listLine), keys.AllOfThem, keys.MoreOfThem.Unless(older),
	}}
	return keys.Map{{Title: "Executions", Bindings: own}, which, p.grid.Keys()}
}
