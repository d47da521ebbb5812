// Package deploy owns the pages of operations: what is about to happen, the
// question whether it shall, how it goes, and what came of it. It knows the
// engine's events only through stack.Progress. It may import what pages may, no
// other page.
package deploy

import (
	"context"
	"slices"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// phase is how far an operation has come.
type phase int

const (
	looking  phase = iota // the preview runs, or states are read
	asking                // the user is asked
	working               // it runs
	finished              // it has ended, or could not begin
)

// pane is a part of the page that keys can go to.
type pane int

const (
	treePane pane = iota
	listPane
	logPane
)

// below is what the lower part of the page shows.
type below int

const (
	belowAuto below = iota // the log if there is room
	belowLog
	belowOutputs
	belowNothing
)

// Page is one operation, from the question to its end.
type Page struct {
	*ui.Host

	req   pipelines.Request
	phase phase
	// preview looks ahead, job is the operation itself; nil until they are begun.
	preview, job *ui.Job
	// states are the pipelines as read, for what begins without a preview.
	states  map[spec.ID]pipelines.Pipeline
	unread  []spec.ID
	reading int // generation
	// executions are how many run on what is to be deleted or replaced; uncounted are
	// the pipelines of which that is not known yet, impatient that the user waits for it.
	executions map[spec.ID]atWork
	uncounted  []spec.ID
	impatient  bool

	// What is shown, made anew when something has changed.
	figures  []figures
	dangers  []danger
	rows     *resources
	outputs  []string
	logSeen  int // log entries taken into logLines, dropped ones included
	wholeLog bool
	logLines []string

	tree   *widget.Tree // with or without time, as phase wants it
	live   bool         // tree has the columns of a running operation
	list   *widget.Grid
	log    *widget.Viewer
	detail *detail

	selected  spec.ID
	focus     pane
	below     below
	details   bool
	unchanged bool
	follow    bool
	own       bool   // the preview is this page's own
	size      [2]int // of the last View, for the mouse
}

// Messages of the page's own.
type (
	stateMsg struct {
		gen        int
		id         spec.ID
		pipeline   pipelines.Pipeline
		err        error
		executions atWork
	}
	countedMsg struct {
		of    *ui.Job // the preview
		id    spec.ID
		found atWork
	}
	nameMsg   struct{ how pipelines.Running }
	applyMsg  struct{ how pipelines.Running }
	cancelMsg struct{}
	killMsg   struct{}
)

// New returns the page of an operation that is to begin: an update is previewed
// first, destroy and refresh show what there is, and all of them ask.
func New(h *ui.Host, req pipelines.Request) ui.Page {
	p := newPage(h, req)
	if req.Operation == stack.OperationPreview {
		p.req.Operation = stack.OperationUp
	}
	return p
}

// ForJob returns the page of an operation that runs or ran.
func ForJob(h *ui.Host, job *ui.Job) ui.Page {
	p := newPage(h, job.Request)
	if job.Request.Operation == stack.OperationPreview {
		p.req.Operation = stack.OperationUp
		p.preview = job
	} else {
		p.job, p.phase = job, working
	}
	return p
}

func newPage(h *ui.Host, req pipelines.Request) *Page {
	th := &h.Env.Theme
	p := &Page{Host: h, req: req, states: map[spec.ID]pipelines.Pipeline{}, follow: true}
	p.list = widget.NewGrid(th,
		widget.Column{Title: "PIPELINE", Min: 14, Max: longestName},
		widget.Column{Title: "", Min: 8, Drop: 1},
		widget.Column{Title: "", Min: 10, Max: 44, Flex: 1, Drop: 3},
		widget.Column{Title: "", Min: 5, Right: true, Drop: 2})
	p.list.NoHeader = true
	p.log = widget.NewViewer(th)
	p.log.Wrap = false
	p.log.Follow()
	p.newTree(false)
	if len(req.Pipelines) > 0 {
		p.selected = req.Pipelines[0].ID
	}
	return p
}

func (p *Page) newTree(live bool) {
	cols := []widget.Column{
		{Title: "RESOURCE", Min: 22, Max: 36, Flex: 3},
		{Title: "TYPE", Min: 18, Max: 28, Flex: 2, Drop: 2},
		{Title: "CHANGE", Min: 10, Max: 15, Flex: 1},
	}
	if live {
		cols[statusColumn] = widget.Column{Title: "STATUS", Min: 13, Max: 16, Flex: 1}
		cols = append(cols, widget.Column{Title: "TIME", Min: 6, Right: true}, widget.Column{Title: "MESSAGE", Min: 12, Flex: 4, Drop: 1})
	} else {
		cols = append(cols, widget.Column{Title: "", Min: 20, Flex: 4, Drop: 1})
	}
	p.tree, p.live = widget.NewTree(&p.Env.Theme, cols...), live
}

// Init begins the preview, or reads what there is.
func (p *Page) Init() tea.Cmd {
	switch {
	case p.job != nil || p.preview != nil:
		return p.moved()
	case p.req.Operation == stack.OperationUp:
		return p.lookAhead()
	default:
		return p.readStates()
	}
}

// lookAhead previews what is asked for.
func (p *Page) lookAhead() tea.Cmd {
	req := p.req
	req.Operation, req.Expect = stack.OperationPreview, nil
	p.uncounted, p.impatient = nil, false
	job, cmd := p.Env.Jobs.Start(req)
	p.preview, p.job, p.phase, p.own = job, nil, looking, true
	p.follow = true
	p.rebuild()
	return cmd
}

func (p *Page) readStates() tea.Cmd {
	p.reading++
	p.phase, p.job = looking, nil
	p.unread = nil
	for _, x := range p.req.Pipelines {
		p.unread = append(p.unread, x.ID)
	}
	p.rebuild()
	return p.readNext()
}

func (p *Page) readNext() tea.Cmd {
	if len(p.unread) == 0 {
		p.phase = asking
		p.rebuild()
		p.toTop()
		return nil
	}
	gen, id, source := p.reading, p.unread[0], p.Env.Source
	asks := p.req.Operation == stack.OperationDestroy
	return p.Do(func(ctx context.Context) tea.Msg {
		m := stateMsg{gen: gen, id: id}
		m.pipeline, m.err = source.Read(ctx, id)
		if m.err == nil && asks {
			m.executions = countRunning(ctx, source, m.pipeline)
		}
		return m
	})
}

// apply begins the operation itself.
func (p *Page) apply(how pipelines.Running) tea.Cmd {
	req := p.req
	req.Pipelines = p.applicable()
	if len(req.Pipelines) == 0 || p.against(keys.Apply) != "" {
		return nil
	}
	req.Expect = map[spec.ID]string{}
	if p.preview != nil {
		req.Expect = pipelines.Expect(p.preview.Results, req.Pipelines)
	}
	if req.Operation == stack.OperationDestroy {
		for _, x := range req.Pipelines {
			if read := p.states[x.ID]; read.State != nil {
				req.Expect[x.ID] = read.State.Basis
			}
		}
	}
	req.Settle = p.toSettle(req.Pipelines, how)
	job, cmd := p.Env.Jobs.Start(req)
	for _, x := range req.Pipelines {
		if rows := p.expected(x.ID); rows != nil {
			progress := &stack.Progress{}
			progress.Expect(rows)
			job.Progress[x.ID] = progress
		}
	}
	p.job, p.phase = job, working
	p.logSeen, p.logLines, p.wholeLog, p.focus = 0, nil, false, treePane
	p.details, p.follow = false, true
	p.log.Follow()
	return tea.Batch(cmd, p.moved())
}

// expected are the rows that an operation will work on, as far as that is known.
func (p *Page) expected(id spec.ID) []stack.Row {
	if p.preview != nil {
		if progress := p.preview.Progress[id]; progress != nil {
			return progress.Rows()
		}
		return nil
	}
	return p.existing(id)
}

// existing are the resources of a stack as rows.
func (p *Page) existing(id spec.ID) []stack.Row {
	x, ok := p.states[id]
	if !ok || x.State == nil {
		return nil
	}
	op := stack.OpDelete
	switch {
	case p.req.Operation == stack.OperationRefresh:
		op = stack.OpRefresh
	case x.Spec != nil && x.Spec.Protect:
		op = stack.OpSame
	}
	rows := make([]stack.Row, 0, len(x.State.Resources))
	for _, r := range x.State.Resources {
		row := stack.Row{URN: r.URN, Type: r.Type, Name: r.Name, Parent: r.Parent, ID: r.ID, Op: op, Status: stack.StatusPending}
		if !row.IsProvider() {
			rows = append(rows, row)
		}
	}
	return rows
}

// applicable are the pipelines that the operation would work on.
func (p *Page) applicable() []*spec.Pipeline {
	var out []*spec.Pipeline
	for _, x := range p.req.Pipelines {
		switch p.req.Operation {
		case stack.OperationUp:
			if p.preview != nil && slices.ContainsFunc(p.preview.Results, func(r pipelines.Outcome) bool {
				return r.ID == x.ID && r.Err == nil && r.Result.HasChanges()
			}) {
				out = append(out, x)
			}
		default:
			read, ok := p.states[x.ID]
			if ok && read.Spec != nil {
				x = read.Spec
			}
			if ok && !p.isProtected(x) && fault.KindOf(read.Err) != fault.Damaged {
				out = append(out, x)
			}
		}
	}
	return out
}

// against says why a key can't be used now, "" if it can.
func (p *Page) against(b keys.Binding) string {
	switch b.Keys[0] {
	case keys.Apply.Keys[0]:
		return p.againstApply()
	case keys.TurnBack.Keys[0]:
		return p.againstTurnBack()
	case keys.Execute.Keys[0], keys.Reapply.Keys[0]:
		return p.Env.ReadOnly()
	case keys.Abort.Keys[0]:
		if job := p.shown(); job != nil && job.Killed {
			return "it is being stopped by force already"
		}
	case keys.Problem.Keys[0]:
		if _, ok := p.problem(); !ok {
			return "nothing has failed"
		}
	}
	return ""
}

func (p *Page) againstApply() string {
	if reason := p.Env.ReadOnly(); reason != "" {
		return reason
	}
	todo := p.applicable()
	for _, x := range todo {
		if job := p.Env.Jobs.Of(x.ID); job != nil {
			return job.Request.Verb() + " " + x.ID.String() + " is running; " + keys.Jobs.Label(false) + " shows it"
		}
	}
	switch {
	case len(todo) > 0:
		return ""
	case p.damaged() == len(p.req.Pipelines):
		return "nothing can be done to a damaged state; M on the pipeline's page puts a copy in its place"
	case p.req.Operation == stack.OperationDestroy && len(p.states) > 0:
		return "protected pipelines are not deleted"
	case p.failures() > 0:
		return "the preview has failed"
	}
	return "there is nothing to change"
}

// damaged counts the pipelines whose state cannot be used.
func (p *Page) damaged() int {
	n := 0
	for _, x := range p.req.Pipelines {
		if fault.KindOf(p.states[x.ID].Err) == fault.Damaged {
			n++
		}
	}
	return n
}

func (p *Page) failures() int {
	n := 0
	for _, f := range p.figures {
		if f.state == failed {
			n++
		}
	}
	return n
}

// shown is the job that is looked at, nil if there is none.
func (p *Page) shown() *ui.Job {
	if p.job != nil {
		return p.job
	}
	return p.preview
}

// Watches tells the root that the page shows how a job ends.
func (p *Page) Watches(job *ui.Job) bool { return job == p.job || job == p.preview }

// moved takes in what a job has done since.
func (p *Page) moved() (cmd tea.Cmd) {
	job := p.shown()
	if job == nil {
		return nil
	}
	switch {
	case job.Done() && p.job != nil:
		if p.phase != finished {
			p.phase = finished
			p.rebuild()
			if p.follow && p.failures() == 0 {
				p.toTop() // and not where the last look happened to be
			}
			p.toFailed()
		}
	case job.Done() && job.Err == nil && !job.Cancelled && !job.Killed:
		if p.phase != asking {
			p.phase = asking
			p.rebuild()
			p.toTop()
			cmd = p.count()
		}
	case job.Done():
		p.phase = finished
	}
	p.rebuild()
	return cmd
}

// rebuild makes what is shown from what is known.
func (p *Page) rebuild() {
	job := p.shown()
	before := p.figures
	p.figures = make([]figures, 0, len(p.req.Pipelines))
	p.dangers = nil
	for i, x := range p.req.Pipelines {
		switch {
		case job != nil && i < len(before) && before[i].fresh(job):
			p.figures = append(p.figures, before[i])
		case job != nil && p.job == nil || job != nil && asked(job, x.ID):
			p.figures = append(p.figures, figure(job, x.ID))
		default:
			p.figures = append(p.figures, p.still(x))
		}
		if p.phase == asking && !p.isProtected(x) {
			p.dangers = append(p.dangers, dangers(x.ID, p.expected(x.ID))...)
		}
	}
	p.list.SetRows(listRows{p})
	p.showTree()
	p.takeLog()
	p.takeOutputs()
}

// longestName bounds the column of names; those of the lengths that are allowed fit.
const longestName = 64

// widestName is how many cells the longest name of a pipeline takes.
func (p *Page) widestName() int {
	n := 0
	for _, x := range p.req.Pipelines {
		n = max(n, len(x.ID.String())) // names are ASCII
	}
	return n
}

func asked(job *ui.Job, id spec.ID) bool {
	return slices.ContainsFunc(job.Request.Pipelines, func(x *spec.Pipeline) bool { return x.ID == id })
}

// still is a pipeline that no job works on.
func (p *Page) still(pipeline *spec.Pipeline) figures {
	id := pipeline.ID
	f := figures{id: id}
	if p.job != nil {
		f.state = notBegun
		return f
	}
	x, ok := p.states[id]
	switch {
	case ok && x.Err != nil:
		f.state, f.err = failed, x.Err
	case ok && p.isProtected(pipeline):
		f.stays = true
	case ok:
		rows := p.existing(id)
		f.total, f.changes = len(rows), map[stack.Op]int{stack.OpDelete: len(rows)}
		if p.req.Operation == stack.OperationRefresh {
			f.changes = map[stack.Op]int{stack.OpRefresh: len(rows)}
		}
	}
	return f
}

func (p *Page) figure(id spec.ID) figures {
	for _, f := range p.figures {
		if f.id == id {
			return f
		}
	}
	return figures{id: id}
}

// showTree fills the tree with the selected pipeline's resources.
func (p *Page) showTree() {
	l := look{live: p.job != nil, details: p.details, unchanged: p.unchanged}
	var rows []stack.Row
	f := p.figure(p.selected)
	switch job := p.shown(); {
	case job == nil:
		rows = p.existing(p.selected)
		l.unchanged = true
	case p.job != nil && f.result != nil && len(f.result.Result.Drift) > 0:
		l.live, l.drift = false, true
		for _, d := range f.result.Result.Drift {
			rows = append(rows, stack.Row{URN: d.URN, Type: d.Type, Name: d.Name, Op: d.Op, Diff: d.Diff, Status: stack.StatusDone})
		}
	default:
		if progress := job.Progress[p.selected]; progress != nil {
			rows = progress.Rows()
		}
		if job.Request.Operation == stack.OperationRefresh {
			l.unchanged = true
		}
	}
	if p.live != l.live {
		p.newTree(l.live)
	}
	p.rows = newResources(&p.Env.Theme, p.Env.Now, rows, l)
	p.tree.Empty = p.emptyTree()
	p.tree.SetRows(p.rows)
	if p.follow && p.phase == working {
		p.toRunning()
	}
}

// toRunning puts the cursor on the first resource that is being worked on.
func (p *Page) toRunning() {
	for _, want := range []stack.Status{stack.StatusRunning, stack.StatusPending} {
		for i, e := range p.rows.entries {
			if e.parent < 0 && p.rows.rows[e.row].Status == want {
				p.tree.Reveal(i)
				return
			}
		}
	}
}

// toTop puts the cursor on what matters most.
func (p *Page) toTop() {
	if p.rows.Len() > 0 {
		p.tree.Reveal(0)
	}
}

// toFailed goes to the first failure: that is what one wants to see.
func (p *Page) toFailed() {
	for _, f := range p.figures {
		if f.state == failed && p.figure(p.selected).state != failed {
			p.selected = f.id
			p.list.Select(f.id.String())
			p.showTree()
			break
		}
	}
	for i, e := range p.rows.entries {
		if e.parent < 0 && p.rows.rows[e.row].Status == stack.StatusFailed {
			p.tree.Reveal(i)
			return
		}
	}
}

// isProtected tells that a pipeline would be left out of a destroy.
func (p *Page) isProtected(x *spec.Pipeline) bool {
	read := p.states[x.ID]
	return p.req.Operation == stack.OperationDestroy && (x.Protect || read.Spec != nil && read.Spec.Protect)
}

func (p *Page) emptyTree() string {
	f := p.figure(p.selected)
	switch {
	case p.phase == looking:
		return "looking ..."
	case f.state == failed && f.err != nil:
		return "nothing was found out; " + keys.Problem.Keys[0] + " shows the error"
	case f.state == waiting && p.phase == working:
		return "waits for its turn"
	case f.state == notBegun:
		return "not begun"
	case p.req.Operation == stack.OperationUp && p.phase == asking:
		return "Nothing to change: everything is as it is asked for.\n" + keys.Unchanged.Keys[0] + " shows what there is."
	case p.phase == working:
		return "nothing is being changed yet"
	default:
		return "no resources"
	}
}

// Update takes keys, the mouse, answers and the news of jobs.
func (p *Page) Update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case ui.JobChanged:
		if m.Job == p.shown() {
			return p.moved()
		}
	case ui.Reload:
		return p.again()
	case stateMsg:
		return p.takeState(m)
	case countedMsg:
		return p.takeCount(m)
	case nameMsg:
		return p.askName(m.how)
	case applyMsg:
		return p.apply(m.how)
	case turnBackMsg:
		return p.turnBack(m)
	case turnedMsg:
		if m.err != nil {
			return ui.Send(ui.Failed(m.err))
		}
		return ui.Send(ui.Toast{Text: m.done})
	case cancelMsg:
		if job := p.shown(); job != nil && !job.Done() {
			job.Cancel()
		}
	case killMsg:
		if job := p.shown(); job != nil && !job.Done() {
			job.Kill()
		}
	case tea.KeyMsg:
		return p.key(m)
	case tea.MouseMsg:
		return p.mouse(m)
	}
	return nil
}

func (p *Page) takeState(m stateMsg) tea.Cmd {
	if m.gen != p.reading || len(p.unread) == 0 || p.unread[0] != m.id {
		return nil
	}
	p.unread = p.unread[1:]
	if m.err != nil {
		m.pipeline = pipelines.Pipeline{ID: m.id, Err: m.err}
	}
	if m.err == nil || fault.KindOf(m.err) != fault.NotFound {
		p.states[m.id] = m.pipeline
	}
	if p.executions == nil {
		p.executions = map[spec.ID]atWork{}
	}
	p.executions[m.id] = m.executions
	cmd := p.readNext()
	p.rebuild()
	return cmd
}

// Capturing tells that a filter or a search is being typed.
func (p *Page) Capturing() bool {
	return p.tree.Capturing() || p.list.Capturing() || p.log.Capturing() || p.detail != nil && p.detail.viewer.Capturing()
}

// Pace implements ui.Page: a spinner turns while something is looked at or done.
func (p *Page) Pace() ui.Pace {
	if p.phase == looking || p.phase == working {
		return ui.Spinning
	}
	return ui.Still
}

// Asks is how many lines at the end of the page ask something.
func (p *Page) Asks() int {
	if p.phase != asking {
		return 0
	}
	return len(p.foot(p.size[0]))
}

// Title is the operation with its pipeline.
func (p *Page) Title() string { return p.req.Title() }

// Age means nothing here: what is shown is always the newest.
func (p *Page) Age() time.Time { return time.Time{} }

var _ ui.Page = (*Page)(nil)
