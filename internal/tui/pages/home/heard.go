package home

import (
	"slices"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fleet"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// listen hears the pipelines in sight that tell of ends of their executions. What was in sight
// goes on being heard as long as there is room.
func (p *Page) listen() tea.Cmd {
	seen := p.inSight()
	if p.ears.Full() {
		near := make(map[spec.ID]bool, len(seen))
		for _, i := range seen {
			near[p.rows[i].p.ID] = true
		}
		p.ears.Forget(func(id spec.ID) bool { return !near[id] })
	}
	for _, i := range seen {
		if r := p.rows[i]; r.pollable() && r.p.Spec != nil {
			p.ears.Listen(p.Host, &r.p)
		}
	}
	return p.ears.Next(p.Host)
}

// heard takes in ends that pipelines have told of.
func (p *Page) heard(ends map[spec.ID][]executions.Ended, lost error) tea.Cmd {
	now := p.Env.Now()
	for id, list := range ends {
		if i, ok := p.at[id]; ok {
			p.rows[i].hear(list, now)
			p.grid.Changed(i)
		}
	}
	if lost != nil {
		return ui.Send(ui.Deaf(lost))
	}
	return nil
}

// hear counts executions that have ended since AWS was asked. It is asked again soon, for what
// an end does not tell: what has begun meanwhile.
func (r *row) hear(ends []executions.Ended, now time.Time) {
	r.heard = now
	if !r.live.Asked() || !r.live.Running.Known {
		return
	}
	for i := range ends {
		e := &ends[i]
		key := told{e.ARN, e.Redrives}
		if r.told[key] || !e.Stop.After(r.live.At) {
			continue // it is counted
		}
		if r.told == nil {
			r.told = map[told]bool{}
		}
		r.told[key] = true
		r.live.Running.N = max(0, r.live.Running.N-1)
		if r.live.Failed.Known && slices.Contains(fleet.Failures(), e.Status) {
			r.live.Failed.N++
		}
		if r.live.Last == nil || !e.Start.Before(r.live.Last.Start) {
			last := e.Execution
			r.live.Last = &last
		}
	}
	r.words()
}

// told is an end of an execution: a redriven one ends again.
type told struct {
	arn      string
	redrives int
}

// changing tells that more of it moves than executions, of which it tells by itself.
func (r *row) changing() bool {
	return r.job != nil || r.p.Summary.InProgress || pipelines.EndpointBusy(r.live.Endpoint)
}
