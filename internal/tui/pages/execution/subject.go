package execution

import (
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// Subject is the execution with its pipeline, for commands of the user's own.
func (p *Page) Subject() ui.Subject {
	s := ui.Subject{Pipeline: p.id, Execution: p.arn}
	if parts := strings.SplitN(p.arn, ":", 6); len(parts) == 6 {
		s.Region = parts[3]
	}
	if p.machine != nil && p.machine.Pipeline != nil && p.machine.Pipeline.State != nil {
		s.Outputs = p.machine.Pipeline.State.Outputs
	}
	return s
}
