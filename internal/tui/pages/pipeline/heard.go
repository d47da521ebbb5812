package pipeline

import (
	"time"

	tea "github.com/charmbracelet/bubbletea"

	domain "github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/tui/pump"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// hearing is what a pipeline with events: push tells of ends of its executions.
type hearing struct {
	ends <-chan domain.Heard // nil if nothing is told
	// asked says that it was asked for since the state was read; at is when something was told.
	asked bool
	at    time.Time
}

type heardMsg struct{ batch pump.Batch[domain.Heard] }

// tune listens to a pipeline that tells of ends, from when that is known to the end of the page.
func (p *Page) tune() tea.Cmd {
	if p.heard.ends != nil || p.heard.asked || p.p.Spec == nil {
		return nil
	}
	p.heard.asked = true
	of := p.p
	feed := p.Env.Source.Ends(p.Context(), &of)
	if feed == nil {
		return nil
	}
	p.heard.ends = domain.Hear(p.Context(), feed)
	return p.listen()
}

func (p *Page) listen() tea.Cmd {
	return ui.Next(p.Host, p.heard.ends, func(b pump.Batch[domain.Heard]) tea.Msg { return heardMsg{b} })
}

// hear takes in ends, and listens on.
func (p *Page) hear(m heardMsg) tea.Cmd {
	var ends []domain.Ended
	var lost error
	for _, h := range m.batch.Items {
		ends = append(ends, h.Ends...)
		lost = h.Err // the last one's
	}
	if len(ends) > 0 {
		p.heard.at = p.Env.Now()
		p.runs.Hear(ends)
	}
	switch {
	case lost != nil:
		p.heard.ends = nil
		p.runs.Deaf()
		return ui.Send(ui.Deaf(lost))
	case m.batch.Closed:
		return nil
	}
	return p.listen()
}
