package deploy

import (
	"strconv"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// jobsPage lists the operations of the session.
type jobsPage struct {
	*ui.Host

	grid *widget.Grid
	jobs []*ui.Job
	// states are those of the jobs, made when one has moved.
	states []jobState
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
	p.jobs = p.Env.Jobs.All()
	p.states = make([]jobState, len(p.jobs))
	for i, j := range p.jobs {
		p.states[i] = stateOf(j)
	}
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
	good, bad, stopped, skipped := j.Outcome()
	s.state = succeeded
	switch {
	case j.Err != nil:
		s.state, s.text = failed, "did not begin: "+j.Err.Error()
		return s
	case bad > 0:
		s.state = failed
	case stopped+skipped > 0:
		s.state = cancelled
	}
	if len(texts) == 1 {
		s.text = texts[0]
	} else {
		s.text = strconv.Itoa(good) + " of " + strconv.Itoa(len(texts)) + " succeeded"
	}
	return s
}

func (p *jobsPage) Len() int           { return len(p.jobs) }
func (p *jobsPage) Key(row int) string { return strconv.Itoa(p.jobs[row].Number) }

func (p *jobsPage) Cell(row, column int) widget.Cell {
	j, s, th := p.jobs[row], p.states[row], &p.Env.Theme
	switch column {
	case 0:
		return widget.Cell{Text: strconv.Itoa(j.Number), Style: th.Muted}
	case 1:
		return widget.Cell{Signs: stateSign(th, s.state, p.Env) + " ", Text: string(j.Request.Operation)}
	case 2:
		return widget.Cell{Text: strings.TrimPrefix(j.Request.Title(), string(j.Request.Operation)+" ")}
	case 3:
		if j.Done() {
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
		return widget.Cell{Text: render.Age(j.Started, p.Env.Now()), Style: th.Muted}
	default:
		end := j.Ended
		if end.IsZero() {
			end = p.Env.Now()
		}
		return widget.Cell{Text: render.Duration(end.Sub(j.Started)), Style: th.Muted}
	}
}

func (p *jobsPage) Update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case ui.JobChanged, ui.Shown, ui.Reload:
		p.rebuild()
	case tea.KeyMsg:
		return p.key(m)
	case tea.MouseMsg:
		p.grid.Update(m)
	}
	return nil
}

func (p *jobsPage) key(m tea.KeyMsg) tea.Cmd {
	j := p.selected()
	switch {
	case p.grid.Capturing():
		p.grid.Update(m)
	case keys.Open.Is(m) && j != nil:
		return ui.Send(ui.OpenJob{Job: j})
	case p.grid.Update(m):
	case keys.Back.Is(m):
		return ui.Send(ui.Back{})
	}
	return nil
}

func (p *jobsPage) selected() *ui.Job {
	if row, ok := p.grid.Selected(); ok {
		return p.jobs[row]
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
