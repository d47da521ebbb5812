package fleet

import (
	"slices"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// listen hears the pipelines that were asked, as far as they tell of ends.
func (p *Page) listen() tea.Cmd {
	if !p.look.Known {
		return nil
	}
	asked := p.look.Value.Pipelines
	p.ears.Forget(func(id spec.ID) bool {
		return !slices.ContainsFunc(asked, func(x pipelines.Pipeline) bool { return x.ID == id })
	})
	for i := range asked {
		if asked[i].Spec != nil {
			p.ears.Listen(p.Host, &asked[i])
		}
	}
	return p.ears.Next(p.Host)
}

// heard shows ends that pipelines have told of; nothing of them is asked.
func (p *Page) heard(ends map[spec.ID][]executions.Ended, lost error) tea.Cmd {
	var all []executions.Ended
	for _, list := range ends {
		all = append(all, list...)
	}
	if len(all) > 0 && p.look.Known {
		v := &p.look.Value
		p.others = v.Hear(all, v.choice.Statuses) || p.others
		p.show()
	}
	next := p.ears.Next(p.Host)
	if lost != nil {
		return tea.Batch(next, ui.Send(ui.Deaf(lost)))
	}
	return next
}

// told says that all pipelines tell of their ends, and one has: looking is for what begins.
func (p *Page) told() bool {
	if !p.look.Known {
		return false
	}
	asked := p.look.Value.Pipelines
	return slices.ContainsFunc(asked, func(x pipelines.Pipeline) bool { return p.ears.Heard(x.ID) }) &&
		!slices.ContainsFunc(asked, func(x pipelines.Pipeline) bool { return !p.ears.Open(x.ID) })
}
