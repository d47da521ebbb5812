// Package pipeline is the page of one pipeline: what it is, what it consists of,
// what was done to it, how it runs and what can be done with it. It may import
// what pages may and the panel of executions, which is one of its tabs.
package pipeline

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/executions"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/health"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/logs"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/results"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// The tabs.
const (
	tabOverview = iota
	tabResources
	tabExecutions
	tabUpdates
	tabDefinition
	tabRevisions
	tabLogs
	tabHealth
	tabResults
)

var titles = []string{"Overview", "Resources", "Executions", "Updates", "Definition", "Revisions", "Logs", "Health", "Results"}

// Page is one pipeline.
type Page struct {
	*ui.Host
	id      spec.ID
	tab     int
	state   ui.Loader[reading]
	looked  time.Time          // when state was answered last, well or not
	p       pipelines.Pipeline // of the last good answer
	backend string             // as it was known when it was asked for
	// template is nil if it is not known.
	template *spec.Template
	locks    []stack.Lock
	// held is who holds the stack, looked at between two readings of the state.
	held ui.Loader[[]stack.Lock]
	// wantLock says that the user has asked who holds it.
	wantLock bool

	live    ui.Loader[pipelines.Live]
	history ui.Loader[[]stack.Update]
	machine ui.Loader[machine]
	// wants are the tabs that were opened: only then is read what they need.
	wantHistory, wantMachine, wantRevisions bool

	revisions ui.Loader[[]pipelines.Revision]
	// rolled is the newest revision when a rollback was begun here, 0 if none was.
	rolled int
	past   *widget.Grid

	facts   *widget.Grid
	rows    []fact
	tree    *widget.Tree
	parts   *resources
	opened  bool
	updates *widget.Grid
	graph   *widget.Graph
	// drawn says that graph and text are of definition.
	drawn      bool
	definition string
	// graphErr is why there is no graph.
	graphErr error
	text     *widget.Viewer
	asText   bool
	runs     *executions.Panel
	running  bool // runs was begun
	// panels are the other tabs that look after themselves; begun are those that were opened.
	panels map[int]panel
	begun  map[int]bool
	// start asks for the form to start an execution as soon as the page is open.
	start bool
	// input is what that form begins with; "" is the template's example.
	input string

	heard hearing

	job, lastJob *ui.Job
	rebuilding   stack.Operation
	shown        bool
	// bodyTop and tabsAt are lines of the last View, for the mouse.
	bodyTop, tabsAt int
	tabsIn          int // cells of the line of tabs
}

// Messages of the page.
type (
	rebuiltMsg struct {
		operation stack.Operation
		pipelines []*spec.Pipeline
		back      *pipelines.Revision // what a rollback brings back, nil if it is none
		err       error
	}
	savedMsg struct {
		file, note string
		err        error
	}
)

// panel is a tab that reads what it shows by itself.
type panel interface {
	// Init begins to read; it is called once, when the tab is opened.
	Init() tea.Cmd
	Update(msg tea.Msg) tea.Cmd
	View(width, height int) string
	Keys() keys.Map
	Capturing() bool
	// Clears tells that esc takes something away in it rather than the page.
	Clears() bool
	Age() time.Time
}

// reading is what is read of the state, and of who holds the stack.
type reading struct {
	pipeline pipelines.Pipeline
	template *spec.Template
	locks    []stack.Lock
}

// machine is the state machine with its graph, or why there is none.
type machine struct {
	*pipelines.Machine
	graph *asl.Graph
	parse error
}

// New returns the page of a pipeline, on a tab: its title in lower case, "run" for
// the executions with the form to start one, "" for the first one.
func New(h *ui.Host, id spec.ID, tab string) ui.Page {
	th := &h.Env.Theme
	p := &Page{Host: h, id: id, text: widget.NewViewer(th), runs: executions.New(h, id), start: tab == "run"}
	p.panels, p.begun = map[int]panel{tabLogs: logs.New(h, id), tabHealth: health.New(h, id), tabResults: results.New(h, id)}, map[int]bool{}
	p.facts = newFacts(p)
	p.parts = &resources{page: p}
	p.tree = newTree(th)
	p.updates = newUpdates(p)
	p.past = newRevisions(p)
	for i, t := range titles {
		if strings.EqualFold(t, tab) {
			p.tab = i
		}
	}
	if p.start {
		p.tab = tabExecutions
	}
	return p
}

// NewRun returns the page of a pipeline with the form to start an execution, which begins
// with an input: JSON, or the path of a file behind an @.
func NewRun(h *ui.Host, id spec.ID, input string) ui.Page {
	p := New(h, id, "run").(*Page) // New makes nothing else
	p.input = input
	return p
}

// Init begins to read.
func (p *Page) Init() tea.Cmd {
	p.shown = true
	for _, job := range p.Env.Jobs.Running() {
		p.follow(job)
	}
	cmd := p.open(p.tab)
	if p.start {
		cmd = tea.Batch(cmd, p.runs.StartWith(p.input))
	}
	return tea.Batch(p.read(), cmd, p.work())
}

// Title is the page's part of the path.
func (p *Page) Title() string { return p.id.String() }

// Age is when what is shown was read.
func (p *Page) Age() time.Time {
	if p.tab == tabExecutions {
		return p.runs.Age()
	}
	if x := p.panels[p.tab]; x != nil {
		return x.Age()
	}
	return p.looked
}

// Pace implements ui.Page: it reads by itself, and shows ages.
func (p *Page) Pace() ui.Pace {
	if p.job != nil || !p.state.Known && p.state.Err == nil {
		return ui.Spinning
	}
	return ui.Beating
}

// Capturing tells that a filter or a search is being typed.
func (p *Page) Capturing() bool {
	if x := p.panels[p.tab]; x != nil {
		return x.Capturing()
	}
	switch p.tab {
	case tabOverview:
		return p.facts.Capturing()
	case tabResources:
		return p.tree.Capturing()
	case tabExecutions:
		return p.runs.Capturing()
	case tabUpdates:
		return p.updates.Capturing()
	case tabRevisions:
		return p.past.Capturing()
	default:
		return p.showsText() && p.text.Capturing()
	}
}

// Update takes keys, answers and broadcasts.
func (p *Page) Update(msg tea.Msg) tea.Cmd {
	var cmd tea.Cmd
	switch m := msg.(type) {
	case tea.KeyMsg:
		return tea.Batch(p.key(m), p.work())
	case tea.MouseMsg:
		return tea.Batch(p.mouse(m), p.work())
	case rebuiltMsg:
		return p.rebuilt(m)
	case savedMsg:
		return p.saved(m)
	case unlockMsg:
		return p.unlock(m.shown)
	case unlockedMsg:
		return p.unlocked(m)
	case mendMsg:
		return p.mend(m)
	case copiesMsg:
		return p.offerCopy(m)
	case restoreMsg:
		return p.restore()
	case restoredMsg:
		return p.restored(m)
	case saveAsMsg:
		return p.save(m)
	case copyMsg:
		return ui.Send(ui.Copy(m))
	case heardMsg:
		return tea.Batch(p.hear(m), p.work())
	case ui.JobChanged:
		p.jobChanged(m.Job)
		cmd = p.toPanels(msg)
	case ui.Changed:
		if slices.Contains(m.IDs, p.id) {
			cmd = tea.Batch(p.reload(), p.toPanels(msg))
		}
	case ui.Reload:
		cmd = tea.Batch(p.reload(), p.toOpen(msg))
	case ui.Placed: // names and locks depend on where we are
		cmd = p.toPanels(msg)
		if p.Env.Place().Backend != p.backend {
			cmd = tea.Batch(cmd, p.reload())
		}
	case ui.Shown:
		p.shown = true
		cmd = p.toOpen(msg)
	case ui.Hidden:
		p.shown = false
		cmd = p.toPanels(msg)
	case ui.Beat:
		cmd = p.toOpen(msg)
	default:
		var mine bool
		if mine, cmd = p.answered(msg); !mine {
			cmd = p.toPanels(msg)
		}
	}
	return tea.Batch(cmd, p.work())
}

// answered takes in what the page has asked for itself.
func (p *Page) answered(msg tea.Msg) (bool, tea.Cmd) {
	switch {
	case p.state.Take(msg):
		p.took()
		return true, p.tellLock()
	case p.held.Take(msg):
		if len(p.held.Value) > 0 { // nobody held it when the state was read
			return true, p.read()
		}
	case p.live.Take(msg):
		p.refreshFacts()
	case p.history.Take(msg):
		if p.history.Err == nil {
			p.updates.SetRows(updateRows{p})
		}
	case p.revisions.Take(msg):
		if p.revisions.Err == nil {
			p.tookRevisions()
		}
	case p.machine.Take(msg):
		p.tookMachine()
	default:
		return false, nil
	}
	return true, nil
}

// toRuns hands a message to the panel of executions, if it was begun.
func (p *Page) toRuns(msg tea.Msg) tea.Cmd {
	if !p.running {
		return nil
	}
	return p.runs.Update(msg)
}

// toPanels hands a message to all tabs that look after themselves, as far as they were
// opened.
func (p *Page) toPanels(msg tea.Msg) tea.Cmd {
	cmds := []tea.Cmd{p.toRuns(msg)}
	for tab, x := range p.panels {
		if p.begun[tab] {
			cmds = append(cmds, x.Update(msg))
		}
	}
	return tea.Batch(cmds...)
}

// toOpen hands a message to the open tab, if it looks after itself.
func (p *Page) toOpen(msg tea.Msg) tea.Cmd {
	switch x := p.panels[p.tab]; {
	case p.tab == tabExecutions:
		return p.toRuns(msg)
	case x != nil && p.begun[p.tab]:
		return x.Update(msg)
	}
	return nil
}

// open shows a tab and asks for what it needs.
func (p *Page) open(tab int) tea.Cmd {
	before := p.tab
	p.tab = tab
	if before != tab {
		p.tab = before
		left := p.toOpen(ui.Hidden{})
		p.tab = tab
		return tea.Batch(left, p.enter(tab))
	}
	return p.enter(tab)
}

// enter asks for what the tab that was opened needs.
func (p *Page) enter(tab int) tea.Cmd {
	if x := p.panels[tab]; x != nil {
		if p.begun[tab] {
			return x.Update(ui.Shown{})
		}
		p.begun[tab] = true
		return x.Init()
	}
	switch tab {
	case tabUpdates:
		p.wantHistory = true
	case tabRevisions:
		p.wantRevisions = true
	case tabDefinition:
		p.wantMachine = true
	case tabExecutions:
		if !p.running {
			p.running = true
			return p.runs.Init()
		}
		return p.runs.Update(ui.Shown{})
	}
	return nil
}

// reload reads everything again.
func (p *Page) reload() tea.Cmd {
	p.history.Soon()
	p.revisions.Soon()
	p.machine.Soon()
	p.live.Soon()
	return p.read()
}

// read reads the state, and who holds the stack.
func (p *Page) read() tea.Cmd {
	id, source := p.id, p.Env.Source
	// Of an object store the state is read with its locks, where they can be. To ask another
	// one for the holder takes the lock for a moment where there is none: there it is asked
	// only if there is one.
	files := p.fileBackend()
	p.backend = p.Env.Place().Backend
	return p.state.Ask(p.Host, func(ctx context.Context) (m reading, err error) {
		m.pipeline, err = source.Read(ctx, id)
		if err == nil && m.pipeline.Spec != nil {
			m.template, _ = source.Template(ctx, m.pipeline.Spec) // without one the definition is shown bare
		}
		m.locks = m.pipeline.Summary.Locks
		if files || m.pipeline.Summary.InProgress && len(m.locks) == 0 {
			if locks, err := source.Locks(ctx, id); err == nil {
				m.locks = locks
			}
		}
		return m, err
	})
}

func (p *Page) took() {
	p.looked, p.locks, p.heard.asked = p.Env.Now(), nil, false
	if m := p.state.Value; p.state.Err == nil {
		p.p, p.template, p.locks = m.pipeline, m.template, m.locks
		p.parts.set(p.p)
		p.tree.SetRows(p.parts)
	}
	p.refreshFacts()
}

func (p *Page) tookMachine() {
	m := p.machine.Value
	if p.machine.Err != nil || p.drawn && m.Definition == p.definition {
		return
	}
	p.drawn, p.definition = true, m.Definition
	p.setDefinition(m)
}

// work begins what is due.
func (p *Page) work() tea.Cmd {
	if !p.shown {
		return nil
	}
	now := p.Env.Now()
	var cmds []tea.Cmd
	cmds = append(cmds, p.tune())
	if p.liveDue(now) {
		cmds = append(cmds, p.poll())
	}
	if p.readDue(now) {
		cmds = append(cmds, p.read())
	}
	if p.heldDue(now) {
		cmds = append(cmds, p.askHeld())
	}
	if p.state.Known && p.wantHistory && p.history.Due(now, ui.Once) {
		cmds = append(cmds, p.readHistory())
	}
	if p.state.Known && p.wantRevisions && p.revisions.Due(now, ui.Once) {
		cmds = append(cmds, p.readRevisions())
	}
	if p.state.Known && p.wantMachine && p.machine.Due(now, ui.Once) {
		cmds = append(cmds, p.readMachine())
	}
	return tea.Batch(cmds...)
}

// readDue tells that the state is to be looked at again by itself: somebody else is
// changing it, or it could not be read.
func (p *Page) readDue(now time.Time) bool {
	switch {
	case p.state.Err != nil:
		return p.state.Due(now, ui.RetryAfter)
	case p.job != nil || !p.changing():
		return false
	case p.fileBackend():
		return p.state.Due(now, ui.HeldEvery)
	}
	return p.state.Due(now, ui.RetryAfter)
}

// fileBackend tells that looking at the stack is as cheap as reading files.
func (p *Page) fileBackend() bool { return strings.HasPrefix(p.Env.Place().Backend, "file://") }

func (p *Page) liveDue(now time.Time) bool {
	every := ui.LiveOpen
	switch {
	case p.liveErr() != nil:
		every = ui.RetryAfter
	case p.heard.at.After(p.live.At):
		every = ui.LiveHeard
	}
	return p.state.Known && p.p.State != nil && p.p.Spec != nil && len(p.p.State.Resources) > 0 && p.live.Due(now, every)
}

// liveErr is why AWS has not told all that was asked, nil if it has.
func (p *Page) liveErr() error { return cmp.Or(p.live.Err, p.live.Value.Err()) }

func (p *Page) poll() tea.Cmd {
	pipeline, source := p.p, p.Env.Source
	return p.live.Ask(p.Host, func(ctx context.Context) (pipelines.Live, error) {
		live, err := source.Live(ctx, pipeline)
		if err == nil && !live.Useful() { // what is known stays
			err = live.Err()
		}
		return live, err
	})
}

func (p *Page) readHistory() tea.Cmd {
	id, source := p.id, p.Env.Source
	return p.history.Ask(p.Host, func(ctx context.Context) ([]stack.Update, error) { return source.History(ctx, id, 0) })
}

func (p *Page) readMachine() tea.Cmd {
	id, source := p.id, p.Env.Source
	return p.machine.Ask(p.Host, func(ctx context.Context) (m machine, err error) {
		if m.Machine, err = source.Machine(ctx, id); err != nil {
			return m, err
		}
		parsed, parse := asl.Parse(m.Definition, asl.Options{})
		if m.parse = parse; parse == nil {
			g := parsed.Graph()
			m.graph = &g
		}
		return m, nil
	})
}

func (p *Page) follow(job *ui.Job) {
	if slices.ContainsFunc(job.Request.Pipelines, func(x *spec.Pipeline) bool { return x.ID == p.id }) {
		p.job, p.lastJob = job, job
	}
}

func (p *Page) jobChanged(job *ui.Job) {
	switch {
	case !job.Done():
		p.follow(job)
	case p.job == job:
		p.job = nil
	}
}
