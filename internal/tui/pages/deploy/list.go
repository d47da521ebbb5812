package deploy

import (
	"errors"
	"slices"
	"strconv"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// jobsPage lists the operations of the session.
type jobsPage struct {
	*ui.Host

	grid *widget.Grid
	rows []work
}

// work is an operation, or a batch of executions that was started; state is made
// when one has moved.
type work struct {
	job    *ui.Job
	launch *ui.Launch
	state  jobState
}

func (e *work) started() time.Time {
	if e.launch != nil {
		return e.launch.Started
	}
	return e.job.Started
}

func (e *work) ended() time.Time {
	if e.launch != nil {
		return e.launch.Ended
	}
	return e.job.Ended
}

type jobState struct {
	state       state
	done, total int
	text        string
}

// List returns the page of all operations of the session.
func List(h *ui.Host) ui.Page {
	p := &jobsPage{Host: h}
	p.grid = widget.NewGrid(&h.Env.Theme,
		widget.Column{Title: "#", Min: 3, Right: true},
		widget.Column{Title: "OPERATION", Min: 9, Max: 10, Flex: 1},
		widget.Column{Title: "PIPELINES", Min: 14, Max: 48, Flex: 3},
		widget.Column{Title: "", Min: 10, Drop: 2},
		widget.Column{Title: "RESULT", Min: 18, Flex: 4},
		widget.Column{Title: "STARTED", Min: 8, Drop: 1, Right: true},
		widget.Column{Title: "TIME", Min: 6, Drop: 3, Right: true})
	p.grid.Empty = "No operations in this session yet.\nUpdates, refreshes and destroys begin on the list of pipelines."
	return p
}

func (p *jobsPage) Init() tea.Cmd {
	p.rebuild()
	return nil
}

func (p *jobsPage) rebuild() {
	p.rows = nil
	for _, j := range p.Env.Jobs.All() {
		p.rows = append(p.rows, work{job: j, state: stateOf(j)})
	}
	for _, l := range p.Env.Launches.All() {
		p.rows = append(p.rows, work{launch: l, state: launchState(l)})
	}
	slices.SortStableFunc(p.rows, func(a, b work) int { return b.started().Compare(a.started()) })
	p.grid.SetRows(p)
}

func stateOf(j *ui.Job) jobState {
	s := jobState{state: running}
	var texts []string
	for _, x := range j.Request.Pipelines {
		f := figure(j, x.ID)
		s.done, s.total = s.done+f.done+f.failed, s.total+f.total
		texts = append(texts, f.text(j.Request.Operation))
	}
	if !j.Done() {
		switch s.text = "working"; {
		case j.Killed:
			s.text = "stopping by force"
		case j.Cancelled:
			s.text = "cancelling"
		}
		return s
	}
	sum := j.Outcome()
	s.state = succeeded
	switch {
	case j.Err != nil:
		s.state, s.text = failed, "did not begin: "+j.Err.Error()
		return s
	case sum.Ending() == pipelines.EndFailed:
		s.state = failed
	case sum.Ending() == pipelines.EndCancelled:
		s.state = cancelled
	}
	if len(texts) == 1 {
		s.text = texts[0]
	} else {
		s.text = strconv.Itoa(sum.Succeeded) + " of " + strconv.Itoa(len(texts)) + " succeeded"
	}
	return s
}

func launchState(l *ui.Launch) jobState {
	s := jobState{state: running, done: l.Dealt(), total: l.Total, text: render.Number(int64(l.Dealt())) + " of " + render.Number(int64(l.Total)) + " started"}
	if !l.Done() {
		return s
	}
	t := l.Summary()
	s.text = t.Text
	switch {
	case errors.Is(l.Err, fault.Canceled):
		s.state = cancelled
	case t.Bad:
		s.state = failed
	default:
		s.state = succeeded
	}
	return s
}

func (p *jobsPage) Len() int { return len(p.rows) }

func (p *jobsPage) Key(row int) string {
	if l := p.rows[row].launch; l != nil {
		return l.ID.String() + " " + l.Name + " " + l.Started.String()
	}
	return strconv.Itoa(p.rows[row].job.Number)
}

func (p *jobsPage) Cell(row, column int) widget.Cell {
	e, th := &p.rows[row], &p.Env.Theme
	s, end := e.state, e.ended()
	number, what := "", "start"
	var on string
	if j := e.job; j != nil {
		number, what = strconv.Itoa(j.Number), j.Request.Verb()
		on = j.Request.What()
	} else {
		on = e.launch.ID.String()
	}
	switch column {
	case 0:
		return widget.Cell{Text: number, Style: th.Muted}
	case 1:
		return widget.Cell{Signs: stateSign(th, s.state, p.Env) + " ", Text: what}
	case 2:
		return widget.Cell{Text: on}
	case 3:
		if !end.IsZero() {
			return widget.Cell{}
		}
		return widget.Cell{Signs: widget.Bar(th, int64(s.done), 0, int64(max(1, s.total)), 10)}
	case 4:
		style := th.Muted
		if s.state == failed {
			style = th.Bad
		}
		return widget.Cell{Text: s.text, Style: style}
	case 5:
		return widget.Cell{Text: render.Age(e.started(), p.Env.Now()), Style: th.Muted}
	default:
		if end.IsZero() {
			end = p.Env.Now()
		}
		return widget.Cell{Text: render.Duration(end.Sub(e.started())), Style: th.Muted}
	}
}

func (p *jobsPage) Update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case ui.JobChanged, ui.LaunchChanged, ui.Shown, ui.Reload:
		p.rebuild()
	case tea.KeyMsg:
		return p.key(m)
	case tea.MouseMsg:
		p.grid.Update(m)
	}
	return nil
}

func (p *jobsPage) key(m tea.KeyMsg) tea.Cmd {
	e := p.selected()
	switch {
	case p.grid.Capturing():
		p.grid.Update(m)
	case keys.Open.Is(m) && e != nil && e.launch != nil:
		return ui.Send(ui.OpenPipeline{ID: e.launch.ID, Tab: "executions"})
	case keys.Open.Is(m) && e != nil:
		return ui.Send(ui.OpenJob{Job: e.job})
	case p.grid.Update(m):
	case keys.Back.Is(m):
		return ui.Send(ui.Back{})
	}
	return nil
}

func (p *jobsPage) selected() *work {
	if row, ok := p.grid.Selected(); ok {
		return &p.rows[row]
	}
	return nil
}

func (p *jobsPage) View(w, h int) string { return p.grid.View(w, h) }

func (p *jobsPage) Keys() keys.Map {
	off := ""
	if p.selected() == nil {
		off = "there is no operation"
	}
	return keys.Map{{Title: "Operations", Bindings: []keys.Binding{keys.Open.Unless(off)}}, p.grid.Keys()}
}

func (p *jobsPage) Capturing() bool { return p.grid.Capturing() }
func (p *jobsPage) Title() string   { return "Operations" }
func (p *jobsPage) Age() time.Time  { return time.Time{} }

var _ ui.Page = (*jobsPage)(nil)
