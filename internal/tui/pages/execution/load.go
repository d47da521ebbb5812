package execution

import (
	"context"
	"errors"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/tui/pump"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

type (
	machineMsg struct {
		gen     int
		machine *pipelines.Machine
		err     error
	}
	eventsMsg struct {
		gen   int
		batch pump.Batch[executions.Event]
	}
	watchedMsg struct {
		gen int
		err error
	}
)

func (p *Page) loadMachine() tea.Cmd {
	source, id, arn, gen := p.Env.Source, p.id, p.arn, p.gen
	return p.Do(func(ctx context.Context) tea.Msg {
		var m *pipelines.Machine
		var err error
		if id.Tenant != "" {
			m, err = source.Machine(ctx, id)
		} else {
			m, err = source.MachineOf(ctx, arn)
		}
		return machineMsg{gen, m, err}
	})
}

func (p *Page) loadDetails() tea.Cmd {
	if p.machine == nil {
		return nil
	}
	client, arn := p.machine.Client, p.arn
	return p.described.Ask(p.Host, func(ctx context.Context) (*executions.Details, error) { return client.Describe(ctx, arn) })
}

// begin watches the execution from its beginning.
func (p *Page) begin() tea.Cmd {
	if p.express {
		return p.loadDetails()
	}
	source, of := p.Env.Source, p.machine.Pipeline
	p.watch = p.machine.Client.Watch(p.Context(), p.arn, func(ctx context.Context) executions.Feed { return source.Ends(ctx, of) })
	p.watching, p.watchErr = true, nil
	return tea.Batch(p.loadDetails(), p.next())
}

// lookAgain asks for the status of a child without history until it has ended.
func (p *Page) lookAgain() tea.Cmd {
	if !p.express || !p.running() || !p.described.Due(p.Env.Now(), ui.ExpressEvery) {
		return nil
	}
	return p.loadDetails()
}

// deaf tells that the end is not heard of any more.
func (p *Page) deaf() tea.Cmd {
	if p.watch == nil {
		return nil
	}
	select {
	case err := <-p.watch.Lost():
		return ui.Send(ui.Deaf(err))
	default:
		return nil
	}
}

func (p *Page) next() tea.Cmd {
	gen := p.gen
	return ui.Next(p.Host, p.watch.Events(), func(b pump.Batch[executions.Event]) tea.Msg { return eventsMsg{gen, b} })
}

// restart reads everything again, from the beginning.
func (p *Page) restart() tea.Cmd {
	if p.watch != nil {
		p.watch.Cancel()
	}
	p.runs.cancel()
	p.gen++
	p.described.Drop()
	p.machineErr, p.detailsErr, p.watchErr = nil, nil, nil
	p.definition.asked = p.definition.asked && p.definition.own
	p.logs.key = ""
	if p.machine == nil {
		return p.loadMachine()
	}
	// What is shown stays until the new events are there.
	p.watching = false
	p.line, p.events = &executions.Timeline{}, nil
	p.list.reset()
	p.doc.key = ""
	p.runs.list = nil
	return p.begin()
}

// loaded takes what was asked for; ok is false for other messages.
func (p *Page) loaded(msg tea.Msg) (cmd tea.Cmd, ok bool) {
	if p.described.Take(msg) {
		p.details, p.detailsErr = p.described.Value, p.described.Err
		if p.detailsErr == nil {
			p.read = p.Env.Now()
		}
		return p.loadDefinition(), true
	}
	switch m := msg.(type) {
	case machineMsg:
		if m.gen != p.gen {
			return nil, true
		}
		return p.gotMachine(m), true
	case definitionMsg:
		p.gotDefinition(m)
		return nil, true
	case eventsMsg:
		if m.gen != p.gen {
			return nil, true
		}
		return p.gotEvents(m.batch), true
	case watchedMsg:
		if m.gen != p.gen {
			return nil, true
		}
		p.watching, p.busy = false, ""
		if !errors.Is(m.err, fault.Canceled) {
			p.watchErr = m.err
		}
		// The end may have come just now: what can be done with it has changed.
		return tea.Batch(p.loadDetails(), p.opened()), true
	}
	if cmd, ok := p.runs.loaded(p, msg); ok {
		return cmd, true
	}
	return p.logs.loaded(p, msg)
}

func (p *Page) gotMachine(m machineMsg) tea.Cmd {
	if p.machineErr = m.err; m.err != nil {
		return nil
	}
	p.machine = m.machine
	if p.id.Tenant == "" {
		p.id = m.machine.ID
	}
	p.express = p.draw(m.machine.Definition)
	switch {
	case p.express:
		p.tab = tabData
	case m.machine.Definition == "":
		p.tab = tabTimeline
	}
	return p.begin()
}

func (p *Page) gotEvents(b pump.Batch[executions.Event]) tea.Cmd {
	for i := range b.Items {
		p.line.Apply(b.Items[i])
		// Pointers, because events are large: a list of them is never copied.
		p.events = append(p.events, &b.Items[i])
	}
	p.list.append(p.events)
	if len(b.Items) > 0 {
		p.read = p.Env.Now()
		p.follow()
	}
	cmds := []tea.Cmd{p.runs.sync(p)}
	if !b.Closed {
		return tea.Batch(append(cmds, p.next())...)
	}
	w, gen := p.watch, p.gen
	return tea.Batch(append(cmds, p.Do(func(context.Context) tea.Msg {
		_, err := w.Wait()
		return watchedMsg{gen, err}
	}))...)
}

// historyWhy says why there are no events, "" if that is no wonder.
func (p *Page) historyWhy() string {
	switch {
	case p.machineErr != nil:
		return explain(p.machineErr)
	case p.express, errors.Is(p.watchErr, fault.Unsupported):
		return "AWS keeps no history of express executions: their events are in the log group of the state machine only, if logging is on. Input, output and error are kept (tab 4)."
	case p.watchErr != nil:
		return explain(p.watchErr)
	case p.machine == nil, p.watching && len(p.events) == 0:
		return "reading the history"
	}
	return ""
}

// explain is an error with what to do about it.
func explain(err error) string {
	text := err.Error()
	var f *fault.Error
	if errors.As(err, &f) && f.Hint != "" {
		text += "\n" + f.Hint
	}
	return strings.TrimSpace(text)
}
