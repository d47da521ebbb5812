package pipeline

import "github.com/pipelinetui/pipelinetui/internal/tui/ui"

// Subject is the pipeline, for commands of the user's own.
func (p *Page) Subject() ui.Subject {
	s := ui.Subject{Pipeline: p.id, Region: p.p.Region()}
	if p.p.State != nil {
		s.Outputs = p.p.State.Outputs
	}
	return s
}
