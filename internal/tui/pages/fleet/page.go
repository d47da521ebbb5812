// Package fleet is the page of the executions of several pipelines: one list over all of
// them, or over those that failed alike, and what can be done with many at once. What is
// chosen, grouped and done is internal/fleet's, as it is of the command line. It may import
// what pages may.
package fleet

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fleet"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// pageSize is how many executions are listed at first, moreOfThem how many more by a key.
// One more is asked for, to know whether there is one: so it is whole pages of AWS, which are
// of 1000.
const (
	pageSize   = 999
	moreOfThem = 1000
)

// Page is the list.
type Page struct {
	*ui.Host
	th    *theme.Screen
	query fleet.Query
	look  ui.Loader[found]
	// list is what is shown of what was found: those of the group that is open, or all.
	list   []*fleet.Execution
	counts map[executions.Status]int
	groups []fleet.Group
	// inside is the key of the group that is open, "" if none is.
	inside string
	grid   *widget.Grid // of list
	heap   *widget.Grid // of groups
	// ears hear pipelines that tell of ends; others says that some ended that were not found.
	ears   ui.Ears
	others bool
	hidden bool
	stale  bool // something has changed while hidden
	// far says how far what is read is, work what is done with many.
	far  *progress
	work *work
	// begun are the launches of this page that were begun last, place where inputs were
	// written to last.
	begun []*ui.Launch
	place string
}

// found is an answer and the question that it is for.
type found struct {
	*fleet.Found
	query  fleet.Query
	choice fleet.Choice
}

// progress is told by workers how far they are, and asked by frames.
type progress struct{ words atomic.Pointer[string] }

func (p *progress) tell(words func() string) {
	text := words()
	p.words.Store(&text)
}

// String is what was told last.
func (p *progress) String() string {
	if text := p.words.Load(); text != nil {
		return *text
	}
	return ""
}

// New returns the page of what a query chooses.
func New(h *ui.Host, q fleet.Query) *Page {
	p := &Page{Host: h, th: &h.Env.Theme, query: q, far: &progress{}}
	if p.query.Limit == 0 {
		p.query.Limit = pageSize
	}
	p.groupsChoose()
	p.grid, p.heap = p.executionsGrid(), p.groupsGrid()
	return p
}

// groupsChoose has groups be of what failed: of the rest there is no cause.
func (p *Page) groupsChoose() {
	if p.query.Group && len(p.query.Statuses) == 0 {
		p.query.Failed = true
	}
}

// Init begins to read.
func (p *Page) Init() tea.Cmd { return p.load() }

// Title is the page's part of the path.
func (p *Page) Title() string {
	switch n := len(p.query.Patterns); {
	case n == 1:
		return "executions of " + p.query.Patterns[0]
	case n > 1:
		return "executions of " + render.Count(n, "pipeline", "pipelines")
	}
	return "executions of all pipelines"
}

// Age is when the list was read last.
func (p *Page) Age() time.Time { return p.look.At }

// Pace implements ui.Page: a spinner turns as long as something is read or done.
func (p *Page) Pace() ui.Pace {
	if p.look.Asking() || p.work != nil || p.starting() {
		return ui.Spinning
	}
	return ui.Beating
}

// grouped tells whether groups are shown, not executions.
func (p *Page) grouped() bool { return p.query.Group && p.inside == "" }

// table is the grid that is shown.
func (p *Page) table() *widget.Grid {
	if p.grouped() {
		return p.heap
	}
	return p.grid
}

// Capturing tells that the filter is being typed.
func (p *Page) Capturing() bool { return p.table().Capturing() }

// Unsaved names what would be cut off if the page were closed, "" if nothing would.
func (p *Page) Unsaved() string {
	if p.work == nil {
		return ""
	}
	return "what is not done yet of: " + p.work.title
}

// answered tells that what was found is for the query as it is now.
func (p *Page) answered() bool {
	return p.look.Known && slices.Equal(p.query.Args(), p.look.Value.query.Args())
}

// choice is what the query chooses now. Errors are asked for where all that is chosen has
// ended badly.
func (p *Page) choice() (fleet.Choice, error) {
	c, err := p.query.Choice(p.Env.Now())
	bad := func(s executions.Status) bool { return slices.Contains(fleet.Redrivable(), s) }
	c.Described = c.Described || len(c.Statuses) > 0 && !slices.ContainsFunc(c.Statuses, func(s executions.Status) bool { return !bad(s) })
	return c, err
}

// load reads what is chosen. Nothing is read while the page is out of sight.
func (p *Page) load() tea.Cmd {
	if p.hidden {
		p.stale = true
		return nil
	}
	p.stale, p.others = false, false
	c, err := p.choice()
	far := &progress{}
	p.far = far
	source, q := p.Env.Source, p.query
	asked := c
	if p.look.Known {
		asked.Had = p.look.Value.List
	}
	return p.look.Ask(p.Host, func(ctx context.Context) (found, error) {
		if err != nil {
			return found{}, err
		}
		f, err := source.Fleet(ctx, asked, far.tell)
		return found{f, q, c}, err
	})
}

// Update takes keys, answers and broadcasts.
func (p *Page) Update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case tea.KeyMsg:
		return p.key(m)
	case tea.MouseMsg:
		m.Y -= headRows
		p.table().Update(m)
		return nil
	case ui.Beat:
		return p.beat()
	case ui.Shown:
		if p.hidden = false; p.stale {
			return p.load()
		}
		return nil
	case ui.Hidden:
		p.hidden = true
		return nil
	case ui.LaunchChanged:
		return p.launchMoved(m.Launch)
	case ui.Reload:
		p.ears.ForgetDeaf(func(spec.ID) bool { return true })
		return p.load()
	}
	if p.look.Take(msg) {
		if p.look.Err == nil {
			p.show()
		}
		return p.listen()
	}
	if ends, lost, ok := p.ears.Take(msg); ok {
		return p.heard(ends, lost)
	}
	return p.acted(msg)
}

// beat reads again what costs little: a list without errors and inputs, and after an end that
// was told the errors of what is not known yet.
func (p *Page) beat() tea.Cmd {
	cheap := p.look.Known && p.query.Input == "" && (p.others || !p.look.Value.choice.Described && p.query.Error == "")
	every := max(ui.FleetEvery, min(ui.FleetRest*p.look.Took, ui.FleetMost))
	if p.told() && !p.others {
		every = max(every, ui.FleetTold)
	}
	if p.look.Err != nil {
		every = max(every, ui.RetryAfter)
	}
	if p.hidden || p.work != nil || !cheap && p.look.Err == nil || !p.look.Due(p.Env.Now(), every) {
		return nil
	}
	return p.load()
}

// show gives the grids what was found.
func (p *Page) show() {
	if !p.look.Known {
		return
	}
	p.list, p.groups = p.look.Value.List, nil
	if p.query.Group {
		p.groups = fleet.Groups(p.look.Value.List)
		if p.inside != "" {
			p.list = nil
			if i := slices.IndexFunc(p.groups, func(g fleet.Group) bool { return groupKey(&g) == p.inside }); i >= 0 {
				p.list = p.groups[i].Members
			}
		}
	}
	p.counts = map[executions.Status]int{}
	known := false // an error
	for _, x := range p.list {
		p.counts[x.Status]++
		known = known || x.Error != ""
	}
	p.grid.Hide(colError, !known)
	p.grid.SetRows(rows{p})
	p.heap.SetRows(heaps{p})
}

// groupKey names a group for good: its members and numbers may change.
func groupKey(g *fleet.Group) string {
	return string(g.Status) + "\n" + g.Error + "\n" + executions.Alike(g.Members[0].Cause)
}

// selected is the execution under the cursor, nil if there is none.
func (p *Page) selected() *fleet.Execution {
	if i, ok := p.grid.Selected(); ok && !p.grouped() {
		return p.list[i]
	}
	return nil
}

// group is that under the cursor, nil if there is none.
func (p *Page) group() *fleet.Group {
	if i, ok := p.heap.Selected(); ok && p.grouped() {
		return &p.groups[i]
	}
	return nil
}

// targets are the marked executions that fit, those of marked groups, or what is selected;
// and how many do not fit.
func (p *Page) targets(fits ...executions.Status) (out []*fleet.Execution, others int) {
	var all []*fleet.Execution
	if p.grouped() {
		for _, i := range p.heap.Marked() {
			all = append(all, p.groups[i].Members...)
		}
	} else {
		for _, i := range p.grid.Marked() {
			all = append(all, p.list[i])
		}
	}
	for _, x := range all {
		if len(fits) > 0 && !slices.Contains(fits, x.Status) {
			others++
			continue
		}
		out = append(out, x)
	}
	return out, others
}

// Subject is the selected execution, for commands of the user's own.
func (p *Page) Subject() ui.Subject {
	x := p.selected()
	if x == nil {
		return ui.Subject{}
	}
	return ui.Subject{Pipeline: idOf(x), Execution: x.ARN, Region: regionOf(x.ARN)}
}

// idOf is whose an execution is.
func idOf(x *fleet.Execution) spec.ID {
	id, _ := spec.ParseID(x.Pipeline) // it was made of one
	return id
}

func regionOf(arn string) string {
	if parts := strings.SplitN(arn, ":", 5); len(parts) == 5 {
		return parts[3]
	}
	return ""
}
