// Package execution is the page of one execution: the state machine as a graph
// coloured by what has happened, the visits over time, all events, inputs and
// outputs, Map Runs, and the log of a Lambda step. It may import what pages may.
package execution

import (
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// tab is a view of the execution.
type tab int

const (
	tabGraph tab = iota
	tabTimeline
	tabEvents
	tabData
	tabRuns
	tabLogs
	tabs
)

// Page shows one execution. Its methods are called by the program's goroutine.
type Page struct {
	*ui.Host
	th  *theme.Screen
	id  spec.ID
	arn string

	// gen numbers what was asked for: answers to older questions are dropped.
	gen     int
	machine *pipelines.Machine
	// machineErr is why the machine could not be opened: nothing works then.
	machineErr error
	graph      *widget.Graph // nil as long as the definition is not known
	graphWhy   string        // why there is no graph
	// definition is what the graph shows: of the state machine as it is now until it
	// is known what the execution itself runs.
	definition definition
	details    *executions.Details // as described last
	// ran is the revision that it runs, of the machine and version that it was looked up for.
	ran         *pipelines.Ran
	ranMachine  *pipelines.Machine
	ranVersion  string
	ranRedriven time.Time
	detailsErr  error
	described   ui.Loader[*executions.Details]

	watch    *executions.Watch
	watchErr error // the history could not be read, or not to its end
	watching bool
	// express says that AWS keeps no history of it, only how it ended.
	express bool
	line    *executions.Timeline
	events  []*executions.Event
	read    time.Time
	busy    string // what was asked for and is under way: "stopping"

	tab   tab
	gantt *widget.Gantt
	list  *eventList
	// visit is the selected visit, -1 for none; state is its state, which may be one
	// that was not visited.
	visit int
	state string
	// chosen says that the user has selected something; until then the selection
	// follows what runs or failed.
	chosen bool
	// What was found last of what costs a walk through all visits.
	nodesOf  nodesKey
	nodesAre map[string]widget.NodeState
	trail    executions.Trail
	same     sameState

	prettied map[string][]string
	doc      document
	runs     mapRuns
	logs     logs
	// As drawn last, for the mouse.
	width, bodyTop, graphWidth, eventsWidth, eventsHeight int
}

// New returns the page of an execution. The ID may be empty for one that is known
// by its ARN only.
func New(h *ui.Host, id spec.ID, arn string) *Page {
	th := &h.Env.Theme
	p := &Page{Host: h, th: th, id: id, arn: arn, line: &executions.Timeline{}, gantt: widget.NewGantt(th), visit: -1}
	p.list = newEventList(th)
	p.doc.viewer, p.doc.whole = widget.NewViewer(th), true
	p.logs.viewer = widget.NewViewer(th)
	p.runs.grid = newFailureGrid(th)
	return p
}

var _ ui.Page = (*Page)(nil)

// Init implements ui.Page.
func (p *Page) Init() tea.Cmd { return p.loadMachine() }

// Title implements ui.Page.
func (p *Page) Title() string { return p.name() }

// name is the execution's name.
func (p *Page) name() string { return p.arn[strings.LastIndexByte(p.arn, ':')+1:] }

// Age implements ui.Page.
func (p *Page) Age() time.Time {
	if !p.running() {
		return time.Time{} // it won't change any more
	}
	return p.read
}

// status is what is known of the execution's status, "" if nothing is.
func (p *Page) status() executions.Status {
	switch {
	case p.line.Status != "" && (p.details == nil || p.watching || p.line.Status == p.details.Status):
		return p.line.Status
	case p.details != nil:
		return p.details.Status
	}
	return p.line.Status
}

func (p *Page) running() bool {
	s := p.status()
	return s == executions.Running || s == executions.PendingRedrive
}

// Capturing implements ui.Page.
func (p *Page) Capturing() bool {
	switch p.tab {
	case tabEvents:
		return p.list.capturing()
	case tabData:
		return p.doc.viewer.Capturing()
	case tabRuns:
		return p.runs.grid.Capturing()
	case tabLogs:
		return p.logs.viewer.Capturing()
	case tabGraph, tabTimeline, tabs:
	}
	return false
}

// Update implements ui.Page.
func (p *Page) Update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case tea.KeyMsg:
		return p.key(m)
	case tea.MouseMsg:
		p.mouse(m)
		return p.opened()
	case ui.Reload:
		return p.restart()
	case ui.Beat, ui.Shown:
		return tea.Batch(p.lookAgain(), p.opened(), p.deaf())
	}
	if cmd, ok := p.loaded(msg); ok {
		return cmd
	}
	return p.acted(msg)
}

// Pace implements ui.Page: the clock of what runs goes on.
func (p *Page) Pace() ui.Pace {
	if p.running() || p.status() == "" || p.tab == tabRuns {
		return ui.Beating
	}
	return ui.Still
}

// follow selects what runs or failed, as long as the user has selected nothing.
func (p *Page) follow() {
	if p.chosen || len(p.line.Visits) == 0 {
		return
	}
	at := len(p.line.Visits) - 1
	if f := p.line.Failed(); f != nil {
		at = f.Index
	} else {
		for i := at; i >= 0; i-- {
			if p.line.Visits[i].Status.Open() {
				at = i
				break
			}
		}
	}
	p.visit, p.state = at, p.line.Visits[at].State
}

// choose selects a visit for good and shows it everywhere.
func (p *Page) choose(visit int) {
	if visit < 0 || visit >= len(p.line.Visits) {
		return
	}
	p.visit, p.state, p.chosen = visit, p.line.Visits[visit].State, true
	if p.graph != nil {
		p.graph.Select(p.state)
	}
	p.gantt.Set(p.line)
	p.gantt.Select(visit)
}

// chooseState selects a state, and of its visits the one that failed or the last.
func (p *Page) chooseState(state string) {
	p.state, p.chosen, p.visit = state, true, -1
	for i := range p.line.Visits {
		v := &p.line.Visits[i]
		if v.State != state {
			continue
		}
		if p.visit >= 0 && p.line.Visits[p.visit].Status == executions.VisitFailed && v.Status != executions.VisitFailed {
			continue
		}
		p.visit = i
	}
	if p.visit >= 0 {
		p.gantt.Set(p.line)
		p.gantt.Select(p.visit)
	}
}

// selected is the selected visit, or nil.
func (p *Page) selected() *executions.Visit {
	if p.visit < 0 || p.visit >= len(p.line.Visits) {
		return nil
	}
	return &p.line.Visits[p.visit]
}

// sameState are the visits of a state, as far as those of a timeline were looked at.
type sameState struct {
	line   *executions.Timeline
	state  string
	seen   int
	visits []int
}

// visitsOf are the indexes of the visits of a state. The slice is not to be changed
// and holds until the next call.
func (p *Page) visitsOf(state string) []int {
	s := &p.same
	if s.line != p.line || s.state != state {
		*s = sameState{line: p.line, state: state}
	}
	for ; s.seen < len(p.line.Visits); s.seen++ {
		if p.line.Visits[s.seen].State == state {
			s.visits = append(s.visits, s.seen)
		}
	}
	return s.visits
}

// nextVisit goes by visits of the same state.
func (p *Page) nextVisit(by int) {
	all := p.visitsOf(p.state)
	if k := slices.Index(all, p.visit); k >= 0 {
		p.choose(all[max(0, min(k+by, len(all)-1))])
	}
}

// graphOf is the graph of what the execution runs: of a child of a Map Run the
// item processor of its Map. express says that AWS keeps no history of it.
func graphOf(definition, arn string) (g asl.Graph, express bool, err error) {
	m, err := asl.Parse(definition, asl.Options{})
	if err != nil {
		return asl.Graph{}, false, err
	}
	// AWS gives the definition of the whole machine, or of the item processor alone.
	if label := labelOf(arn); label != "" {
		m.Walk(func(s *asl.State) {
			if s.Map != nil && s.Map.Distributed && (s.Map.Label == label || s.Map.Label == "" && strings.HasPrefix(s.Name, label)) {
				inner := asl.Machine{Workflow: *s.Map.Processor}
				m, express = &inner, s.Map.ExecutionType == "EXPRESS"
			}
		})
	}
	return m.Graph(), express, nil
}

// labelOf is the Map Run's label in the ARN of a child execution, "" in others:
// arn:aws:states:REGION:ACCOUNT:execution:MACHINE/LABEL:NAME.
func labelOf(arn string) string {
	parts := strings.Split(arn, ":")
	if len(parts) < 8 {
		return ""
	}
	_, label, _ := strings.Cut(parts[6], "/")
	return label
}

// shownTabs are the titles of the tabs.
func shownTabs(width int) []string {
	if width < 76 {
		return []string{"Graph", "Time", "Events", "Data", "Map", "Logs"}
	}
	return []string{"Graph", "Timeline", "Events", "Input/Output", "Map Runs", "Logs"}
}

// Keys implements ui.Page.
func (p *Page) Keys() keys.Map {
	var own []keys.Binding
	moving := keys.Moving()
	switch p.tab {
	case tabGraph:
		own = append(own, keys.Open, keys.ShowInput, keys.NextVisit, keys.PreviousVisit, keys.GoToVisit, keys.FollowState.As(p.cmdLine("watch")))
		if p.graph != nil {
			moving = p.graph.Keys()
		}
	case tabTimeline:
		own = append(own, keys.Open, keys.ShowInput, keys.NextVisit, keys.PreviousVisit, keys.GoToVisit, keys.FollowState)
		moving = p.gantt.Keys()
	case tabEvents:
		own = append(own, keys.Open, keys.Search, keys.EventKind.As(p.cmdLine("history")), keys.EventState, keys.Copy, keys.Save, keys.Pager)
	case tabData:
		own = append(own, keys.ShowInput, keys.ShowOutput, keys.ShowAttempts, keys.ShowWhole, keys.Copy, keys.Save, keys.Pager, keys.NextVisit, keys.PreviousVisit, keys.GoToVisit)
		moving = p.doc.viewer.Keys()
	case tabRuns:
		if p.runs.selected() == nil { // there is nothing that a key could be for
			break
		}
		own = append(own, keys.Open, keys.ShowChildren.As(p.childrenLine), keys.MoreFailures, keys.SetMapRun.Unless(p.runs.noSet(p)).As(p.setLine), keys.NextRun, keys.PreviousRun)
		moving = p.runs.grid.Keys()
	case tabLogs:
		own = append(own, keys.LogScope, keys.ReadLogs, keys.Copy, keys.Save, keys.Pager)
		moving = p.logs.viewer.Keys()
	case tabs:
	}
	first := keys.Group{Title: shownTabs(120)[p.tab], Bindings: own}
	if len(own) == 0 { // the footer shows the first group
		return keys.Map{p.actionKeys(), moving, {Title: "Tabs", Bindings: []keys.Binding{keys.ToTab, keys.NextTab, keys.PrevTab}}}
	}
	return keys.Map{first, p.actionKeys(), moving, {Title: "Tabs", Bindings: []keys.Binding{keys.ToTab, keys.NextTab, keys.PrevTab}}}
}
