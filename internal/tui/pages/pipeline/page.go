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
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/executions"
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
)

var titles = []string{"Overview", "Resources", "Executions", "Updates", "Definition"}

// What is read, and how often while the page is shown.
const (
	beatEvery = time.Second
	spinEvery = 120 * time.Millisecond
	liveEvery = 12 * time.Second
	// busyEvery is for a stack that somebody else is changing.
	busyEvery  = 5 * time.Second
	retryAfter = 30 * time.Second
)

// Page is one pipeline.
type Page struct {
	*ui.Host
	id  spec.ID
	tab int
	// gen numbers the readings; answers to older ones are dropped.
	gen     int
	reading bool
	known   bool // p was read at least once
	p       data.Pipeline
	readErr error
	readAt  time.Time
	backend string // as it was known then
	// template is nil if it is not known.
	template *spec.Template
	locks    []stack.Lock

	live    data.Live
	liveErr error
	polling bool
	polled  time.Time

	history    []stack.Update
	historyErr error
	// wants are the tabs that were opened: only then is read what they need.
	wantHistory, readingHistory, historyKnown bool

	machine    *data.Machine
	machineErr error
	wantMachine, readingMachine,
	machineKnown bool

	facts   *widget.Grid
	rows    []fact
	tree    *widget.Tree
	parts   *resources
	opened  bool
	updates *widget.Grid
	graph   *widget.Graph
	// graphErr is why there is no graph.
	graphErr error
	text     *widget.Viewer
	asText   bool
	runs     *executions.Panel
	running  bool // runs was begun
	// start asks for the form to start an execution as soon as the page is open.
	start bool
	// input is what that form begins with; "" is the template's example.
	input string

	job, lastJob *ui.Job
	rebuilding   stack.Operation
	shown        bool
	beating      bool
	spinning     bool
	step         int
	// bodyTop and tabsAt are lines of the last View, for the mouse.
	bodyTop, tabsAt int
}

// Messages of the page.
type (
	readMsg struct {
		gen      int
		pipeline data.Pipeline
		template *spec.Template
		locks    []stack.Lock
		at       time.Time
		err      error
	}
	livedMsg struct {
		live data.Live
		at   time.Time
		err  error
	}
	historyMsg struct {
		gen  int
		list []stack.Update
		err  error
	}
	machineMsg struct {
		gen     int
		machine *data.Machine
		graph   *asl.Graph
		parse   error
		err     error
	}
	rebuiltMsg struct {
		operation stack.Operation
		pipelines []*spec.Pipeline
		err       error
	}
	savedMsg struct {
		file, note string
		err        error
	}
	beatMsg struct{}
	spinMsg struct{}
)

// New returns the page of a pipeline, on a tab: its title in lower case, "run" for
// the executions with the form to start one, "" for the first one.
func New(h *ui.Host, id spec.ID, tab string) ui.Page {
	th := &h.Env.Theme
	p := &Page{Host: h, id: id, text: widget.NewViewer(th), runs: executions.New(h, id), start: tab == "run"}
	p.text.Wrap = false
	p.facts = newFacts(p)
	p.parts = &resources{page: p}
	p.tree = newTree(th)
	p.updates = newUpdates(p)
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
	p := New(h, id, "run").(*Page) //nolint:forcetypeassert // New makes nothing else
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
	return p.readAt
}

// Capturing tells that a filter or a search is being typed.
func (p *Page) Capturing() bool {
	switch p.tab {
	case tabOverview:
		return p.facts.Capturing()
	case tabResources:
		return p.tree.Capturing()
	case tabExecutions:
		return p.runs.Capturing()
	case tabUpdates:
		return p.updates.Capturing()
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
	case readMsg:
		p.took(m)
	case livedMsg:
		p.lived(m)
	case historyMsg:
		p.tookHistory(m)
	case machineMsg:
		p.tookMachine(m)
	case rebuiltMsg:
		return p.rebuilt(m)
	case savedMsg:
		return p.saved(m)
	case beatMsg:
		p.beating = false
	case spinMsg:
		p.spinning = false
		p.step++
	case unlockMsg:
		return p.unlock()
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
	case ui.JobChanged:
		p.jobChanged(m.Job)
		cmd = p.toRuns(msg)
	case ui.Changed:
		if slices.Contains(m.IDs, p.id) {
			cmd = tea.Batch(p.reload(), p.toRuns(msg))
		}
	case ui.Reload:
		cmd = tea.Batch(p.reload(), p.toRuns(msg))
	case ui.Placed: // names and locks depend on where we are
		cmd = p.toRuns(msg)
		if p.Env.Place().Backend != p.backend {
			cmd = tea.Batch(cmd, p.reload())
		}
	case ui.Shown:
		p.shown = true
		if p.tab == tabExecutions {
			cmd = p.toRuns(msg)
		}
	case ui.Hidden:
		p.shown = false
		cmd = p.toRuns(msg)
	default:
		cmd = p.toRuns(msg)
	}
	return tea.Batch(cmd, p.work())
}

// toRuns hands a message to the panel of executions, if it was begun.
func (p *Page) toRuns(msg tea.Msg) tea.Cmd {
	if !p.running {
		return nil
	}
	return p.runs.Update(msg)
}

// open shows a tab and asks for what it needs.
func (p *Page) open(tab int) tea.Cmd {
	before := p.tab
	p.tab = tab
	if before == tabExecutions && tab != before {
		return tea.Batch(p.toRuns(ui.Hidden{}), p.open(tab))
	}
	switch tab {
	case tabUpdates:
		p.wantHistory = true
	case tabDefinition:
		p.wantMachine = true
	case tabExecutions:
		if !p.running {
			p.running = true
			return p.runs.Init()
		}
		if before != tab {
			return p.runs.Update(ui.Shown{})
		}
	}
	return nil
}

// reload reads everything again.
func (p *Page) reload() tea.Cmd {
	p.historyKnown, p.machineKnown = false, false
	p.polled = time.Time{}
	return p.read()
}

// read reads the state, and who holds the stack.
func (p *Page) read() tea.Cmd {
	p.gen++
	p.reading, p.readingHistory, p.readingMachine = true, false, false
	gen, id, source, clock := p.gen, p.id, p.Env.Source, p.Env.Clock
	// To ask an object store for the holder takes the lock for a moment where there
	// is none: there it is asked only if there is one.
	files := p.fileBackend()
	p.backend = p.Env.Place().Backend
	return p.Do(func(ctx context.Context) tea.Msg {
		m := readMsg{gen: gen}
		m.pipeline, m.err = source.Read(ctx, id)
		if m.err == nil && m.pipeline.Spec != nil {
			m.template, _ = source.Template(ctx, m.pipeline.Spec) // without one the definition is shown bare
		}
		if files || m.pipeline.Summary.InProgress {
			if locks, err := source.Locks(ctx, id); err == nil {
				m.locks = locks
			}
		}
		m.at = clock.Now()
		return m
	})
}

func (p *Page) took(m readMsg) {
	if m.gen != p.gen {
		return
	}
	p.reading, p.readErr, p.readAt = false, m.err, m.at
	p.locks = m.locks
	if m.err == nil {
		p.p, p.known, p.template = m.pipeline, true, m.template
		p.parts.set(p.p)
		p.tree.SetRows(p.parts)
	}
	p.refreshFacts()
}

func (p *Page) lived(m livedMsg) {
	p.polling, p.polled, p.liveErr = false, m.at, cmp.Or(m.err, m.live.Err())
	if m.err == nil && m.live.Useful() {
		p.live = m.live
	}
	p.refreshFacts()
}

func (p *Page) tookHistory(m historyMsg) {
	if m.gen != p.gen {
		return
	}
	p.readingHistory, p.historyKnown = false, true
	p.historyErr = m.err
	if m.err == nil {
		p.history = m.list
		p.updates.SetRows(updateRows{p})
	}
}

func (p *Page) tookMachine(m machineMsg) {
	if m.gen != p.gen {
		return
	}
	p.readingMachine, p.machineKnown = false, true
	p.machineErr = m.err
	if m.err != nil {
		return
	}
	if p.machine == nil || p.machine.Definition != m.machine.Definition {
		p.setDefinition(m)
	}
	p.machine = m.machine
}

// work begins what is due.
func (p *Page) work() tea.Cmd {
	if !p.shown {
		return nil
	}
	now := p.Env.Now()
	var cmds []tea.Cmd
	if p.liveDue(now) {
		cmds = append(cmds, p.poll())
	}
	if p.readDue(now) {
		cmds = append(cmds, p.read())
	}
	if p.known && p.wantHistory && !p.historyKnown && !p.readingHistory {
		cmds = append(cmds, p.readHistory())
	}
	if p.known && p.wantMachine && !p.machineKnown && !p.readingMachine {
		cmds = append(cmds, p.readMachine())
	}
	if !p.beating {
		p.beating = true
		cmds = append(cmds, p.After(beatEvery, beatMsg{}))
	}
	if !p.spinning && (p.job != nil || !p.known && p.readErr == nil) {
		p.spinning = true
		cmds = append(cmds, p.After(spinEvery, spinMsg{}))
	}
	return tea.Batch(cmds...)
}

// readDue tells that the state is to be looked at again by itself: somebody else is
// changing it, or it could not be read.
func (p *Page) readDue(now time.Time) bool {
	switch {
	case p.reading:
		return false
	case p.readErr != nil:
		return now.Sub(p.readAt) >= retryAfter
	case p.p.Summary.InProgress || len(p.locks) > 0:
		every := busyEvery
		if !p.fileBackend() {
			every = retryAfter
		}
		return p.job == nil && now.Sub(p.readAt) >= every
	}
	return false
}

// fileBackend tells that looking at the stack is as cheap as reading files.
func (p *Page) fileBackend() bool { return strings.HasPrefix(p.Env.Place().Backend, "file://") }

func (p *Page) liveDue(now time.Time) bool {
	every := liveEvery
	if p.liveErr != nil {
		every = retryAfter
	}
	return p.known && p.p.State != nil && p.p.Spec != nil && len(p.p.State.Resources) > 0 && !p.polling && now.Sub(p.polled) >= every
}

func (p *Page) poll() tea.Cmd {
	p.polling = true
	pipeline, source, clock := p.p, p.Env.Source, p.Env.Clock
	return p.Do(func(ctx context.Context) tea.Msg {
		live, err := source.Live(ctx, pipeline)
		return livedMsg{live, clock.Now(), err}
	})
}

func (p *Page) readHistory() tea.Cmd {
	p.readingHistory = true
	gen, id, source := p.gen, p.id, p.Env.Source
	return p.Do(func(ctx context.Context) tea.Msg {
		list, err := source.History(ctx, id, 0)
		return historyMsg{gen, list, err}
	})
}

func (p *Page) readMachine() tea.Cmd {
	p.readingMachine = true
	gen, id, source := p.gen, p.id, p.Env.Source
	return p.Do(func(ctx context.Context) tea.Msg {
		m := machineMsg{gen: gen}
		if m.machine, m.err = source.Machine(ctx, id); m.err != nil {
			return m
		}
		parsed, err := asl.Parse(m.machine.Definition, asl.Options{})
		if m.parse = err; err == nil {
			g := parsed.Graph()
			m.graph = &g
		}
		return m
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
