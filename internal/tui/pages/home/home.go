// Package home is the page with all pipelines: a table that reads itself in the
// background, within the API budget, and what can be done with one or several of
// them. It may import what pages may, no other page.
package home

import (
	"cmp"
	"slices"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// Page is the list of pipelines.
type Page struct {
	*ui.Host
	grid *widget.Grid
	// rows are in the order of their names; at finds one.
	rows []*row
	at   map[spec.ID]int

	list ui.Loader[[]pipelines.Pipeline]
	// healthy says that columns show how pipelines are, as pulse was told.
	healthy bool
	pulse   ui.Loader[[]pipelines.Health]
	// ears hear those in sight that tell of ends of executions.
	ears ui.Ears
	// readers and pollers count the questions under way.
	readers, pollers int
	// unread counts the rows whose state is to be read.
	unread int

	shown    bool
	byTenant bool
	tag      string // whose values are a column, "" for none
	// only are the columns that a view has asked for, none for all.
	only []string
	// touched is when the user last pressed a key.
	touched time.Time
	// jobs are the operations that have not ended, as far as rows know of them.
	jobs map[*ui.Job]bool
	// rebuilding is the operation whose pipelines are being checked, "" if none.
	rebuilding stack.Operation
	// making says that the example is being made.
	making bool
	// sum is about all rows; nil if one of them has changed since.
	sum *totals
	// gridTop is the line of the page that the grid begins at.
	gridTop int
}

// Messages of the page.
type (
	readMsg struct {
		id       spec.ID
		pipeline pipelines.Pipeline
		at       time.Time
		err      error
	}
	livedMsg struct {
		id   spec.ID
		live pipelines.Live
		at   time.Time
		err  error
	}
	rebuiltMsg struct {
		operation stack.Operation
		pipelines []*spec.Pipeline
		err       error
	}
)

// New returns the page.
func New(h *ui.Host) ui.Page {
	p := &Page{Host: h, at: map[spec.ID]int{}, jobs: map[*ui.Job]bool{}}
	p.grid = widget.NewGrid(&h.Env.Theme, p.columns()...)
	p.grid.Marking = true
	p.grid.Hide(colTag, true)
	p.showHealth(false)
	p.grid.SetRows(table{p})
	return p
}

// Init begins to read.
func (p *Page) Init() tea.Cmd {
	p.shown, p.touched = true, p.Env.Now()
	for _, job := range p.Env.Jobs.Running() {
		p.follow(job)
	}
	return p.work()
}

// Title is the page's part of the path.
func (p *Page) Title() string { return "pipelines" }

// Age is when the list was read.
func (p *Page) Age() time.Time { return p.list.At }

// Pace implements ui.Page: it reads by itself, and shows ages.
func (p *Page) Pace() ui.Pace {
	if p.moving() {
		return ui.Spinning
	}
	return ui.Beating
}

// Capturing tells that the filter is being typed.
func (p *Page) Capturing() bool { return p.grid.Capturing() }

// Update takes keys, answers and broadcasts.
func (p *Page) Update(msg tea.Msg) tea.Cmd {
	switch msg.(type) {
	case tea.KeyMsg, tea.MouseMsg, ui.Beat:
	default:
		p.sum = nil
	}
	switch m := msg.(type) {
	case tea.KeyMsg:
		p.touched = p.Env.Now()
		return tea.Batch(p.key(m), p.work())
	case tea.MouseMsg:
		p.touched = p.Env.Now()
		return tea.Batch(p.mouse(m), p.work())
	case readMsg:
		p.read(m)
	case livedMsg:
		p.lived(m)
	case rebuiltMsg:
		return p.rebuilt(m)
	case exampleMsg:
		return p.madeExample(m)
	case ui.ShowView:
		p.showView(m.View)
	case askNameMsg:
		return p.askViewName()
	case savedViewMsg:
		return ui.Send(ui.SaveView{View: m.view})
	case ui.JobChanged:
		p.jobChanged(m.Job)
	case ui.Changed:
		p.changed(m.IDs)
	case ui.Reload:
		p.reload()
	case ui.Shown:
		if !p.shown {
			p.list.Soon()
		}
		p.shown, p.touched = true, p.Env.Now()
	case ui.Hidden:
		p.shown = false
	default:
		ends, lost, told := p.ears.Take(msg)
		switch {
		case told:
			return tea.Batch(p.heard(ends, lost), p.work())
		case p.list.Take(msg):
			p.took()
		case p.pulse.Take(msg):
			p.tookPulse()
		}
	}
	return p.work()
}

// took merges a list: rows that are there already keep what they know.
func (p *Page) took() {
	if p.list.Err != nil {
		return
	}
	list := p.list.Value
	same := len(list) == len(p.rows)
	for n := range list {
		x := &list[n]
		i, ok := p.place(n, x.ID)
		same = same && ok
		if !ok {
			continue
		}
		if p.rows[i].merge(x) {
			p.grid.Changed(i)
		}
	}
	if !same {
		p.replace(list)
	}
	p.count()
}

// place is the row of a pipeline, the n-th of the list: mostly the n-th row too.
func (p *Page) place(n int, id spec.ID) (row int, ok bool) {
	if n < len(p.rows) && p.rows[n].p.ID == id {
		return n, true
	}
	row, ok = p.at[id]
	return row, ok
}

// replace sets up rows for another set of pipelines.
func (p *Page) replace(list []pipelines.Pipeline) {
	rows := make([]*row, len(list))
	for i, x := range list {
		if old, ok := p.at[x.ID]; ok {
			rows[i] = p.rows[old]
			continue
		}
		rows[i] = newRow(x)
	}
	slices.SortFunc(rows, func(a, b *row) int { return a.p.ID.Compare(b.p.ID) })
	clear(p.at)
	for i, r := range rows {
		p.at[r.p.ID] = i
	}
	p.rows = rows
	for job := range p.jobs {
		p.follow(job)
	}
	p.grid.SetRows(table{p})
}

// count finds out how many states are to be read.
func (p *Page) count() {
	p.unread = 0
	for _, r := range p.rows {
		if r.unread {
			p.unread++
		}
	}
}

func (p *Page) read(m readMsg) {
	p.readers--
	i, ok := p.at[m.id]
	if !ok {
		return
	}
	r := p.rows[i]
	r.reading = false
	if r.unread {
		r.unread = false
		p.unread--
	}
	if m.err != nil {
		// Of a stack that is gone the list will not tell any more.
		r.readErr, r.retry = m.err, m.at.Add(ui.RetryAfter)
		if isGone(m.err) {
			p.list.Soon()
		}
	} else {
		r.readErr = nil
		r.set(m.pipeline)
		p.ears.ForgetDeaf(func(id spec.ID) bool { return id == m.id })
		if m.pipeline.Err != nil && m.pipeline.State == nil {
			r.retry = m.at.Add(ui.RetryAfter)
		}
	}
	p.grid.Changed(i)
}

func (p *Page) lived(m livedMsg) {
	p.pollers--
	i, ok := p.at[m.id]
	if !ok {
		return
	}
	r := p.rows[i]
	r.polling, r.polled = false, m.at
	r.liveErr = cmp.Or(m.err, m.live.Err())
	if m.err == nil && m.live.Useful() {
		if pipelines.EndpointBusy(m.live.Endpoint) && !pipelines.EndpointBusy(r.live.Endpoint) && r.job == nil {
			p.list.Soon() // somebody else has begun to change it: the list tells who
		}
		r.live, r.told = m.live, nil
		r.words()
	}
	p.grid.Changed(i)
}

// follow notes on the rows what an operation works on.
func (p *Page) follow(job *ui.Job) {
	p.jobs[job] = true
	for _, x := range job.Request.Pipelines {
		if i, ok := p.at[x.ID]; ok {
			p.rows[i].job, p.rows[i].lastJob = job, job
			if job.Request.Operation != stack.OperationPreview { // what was meant to be done is being done
				p.grid.Unmark(p.rows[i].key)
			}
			p.grid.Changed(i)
		}
	}
}

func (p *Page) jobChanged(job *ui.Job) {
	switch {
	case job.Done():
		p.unfollow(job)
	case !p.jobs[job]:
		p.follow(job)
	}
}

// unfollow takes an ended operation off the rows and keeps the drift that a
// refresh has found.
func (p *Page) unfollow(job *ui.Job) {
	delete(p.jobs, job)
	for _, x := range job.Request.Pipelines {
		i, ok := p.at[x.ID]
		if !ok {
			continue
		}
		r := p.rows[i]
		r.lastJob = job
		if r.job == job {
			r.job = nil
		}
		p.grid.Changed(i)
	}
	if job.Request.Operation != stack.OperationRefresh {
		return
	}
	for _, res := range job.Results {
		if i, ok := p.at[res.ID]; ok && res.Err == nil && !res.Skipped {
			p.rows[i].found = pipelines.Drift{Found: len(res.Result.Drift), At: job.Ended}
			p.rows[i].words()
			p.grid.Changed(i)
		}
	}
}

// changed reads again what this session has changed.
func (p *Page) changed(ids []spec.ID) {
	for _, id := range ids {
		if i, ok := p.at[id]; ok {
			p.rows[i].stale()
		}
	}
	p.count()
	p.list.Soon()
}

// reload reads everything in sight again, and what could not be read.
func (p *Page) reload() {
	p.list.Soon()
	for _, i := range p.grid.Visible() {
		p.rows[i].stale()
	}
	for _, r := range p.rows {
		if r.failed() != nil {
			r.stale()
		}
	}
	p.count()
}

// selected is the row under the cursor, nil if there is none.
func (p *Page) selected() *row {
	if i, ok := p.grid.Selected(); ok {
		return p.rows[i]
	}
	return nil
}

// targets are the marked rows, or the one under the cursor.
func (p *Page) targets() []*row {
	marked := p.grid.Marked()
	out := make([]*row, len(marked))
	for i, n := range marked {
		out[i] = p.rows[n]
	}
	return out
}

// Keys are what can be done now.
func (p *Page) Keys() keys.Map {
	return keys.Map{
		{Title: "Pipelines", Bindings: p.actions()},
		{Title: "List", Bindings: []keys.Binding{keys.Search, keys.Sort, keys.Reverse, keys.Mark, keys.MarkAll, keys.ByTenant}},
		keys.Moving(),
	}
}
