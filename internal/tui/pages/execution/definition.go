package execution

import (
	"context"
	"errors"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// definition is what the graph was drawn from.
type definition struct {
	text string
	// asked says that AWS was asked what the execution runs, own that it has told.
	asked, own bool
	// note says how the graph may differ from the pipeline or from the truth.
	note string
}

type definitionMsg struct {
	text string
	err  error
}

// draw makes the graph of a definition; express says that it is of an execution
// without history.
func (p *Page) draw(text string) (express bool) {
	g, express, err := graphOf(text, p.arn)
	p.definition.text, p.graph, p.graphWhy = text, nil, ""
	p.trail, p.nodesAre = executions.Trail{}, nil // which state can follow which is known anew
	switch {
	case text == "":
		p.graphWhy = "The definition of this state machine is not known here; the timeline shows the states that were entered."
	case err != nil:
		p.graphWhy = "The definition cannot be read: " + err.Error()
	default:
		p.graph = widget.NewGraph(p.th, g)
		if p.state != "" {
			p.graph.Select(p.state)
		}
	}
	return express
}

// loadDefinition asks what the execution runs, unless that is the machine's newest
// version: an account has one such call a second.
func (p *Page) loadDefinition() tea.Cmd {
	d, m := p.details, p.machine
	if d == nil || p.express || p.definition.asked || d.Version != "" && d.Version == m.Version {
		return nil
	}
	p.definition.asked = true
	client, arn := m.Client, p.arn
	return p.Do(func(ctx context.Context) tea.Msg {
		text, err := client.Definition(ctx, arn)
		return definitionMsg{text, err}
	})
}

func (p *Page) gotDefinition(m definitionMsg) {
	d := &p.definition
	switch {
	case errors.Is(m.err, fault.Canceled):
		d.asked = false
	case m.err != nil && p.graph == nil:
		p.graphWhy += "\n" + explain(m.err)
	case m.err != nil:
		d.note = "drawn from the definition as it is now, which may be another than this execution's: " + m.err.Error()
	case m.text == "":
	default:
		d.own, d.note = true, ""
		if m.text == d.text {
			return
		}
		if labelOf(p.arn) == "" && d.text != "" {
			d.note = "drawn from the definition that it ran; the pipeline has another one now"
		}
		p.draw(m.text)
	}
}
