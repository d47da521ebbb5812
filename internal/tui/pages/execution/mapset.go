package execution

import (
	"context"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

type (
	// setRunMsg is the answer of what is to be set, runSetMsg how that went.
	setRunMsg struct {
		of       executions.MapRun // as it was when it was asked for
		typed    string
		settings executions.MapRunSettings
	}
	runSetMsg struct {
		asked setRunMsg
		run   *executions.MapRun
		err   error
	}
)

// noSet says why the selected Map Run can't be changed now, "" if it can.
func (r *mapRuns) noSet(p *Page) string {
	x := r.selected()
	switch {
	case p.Env.ReadOnly() != "":
		return p.Env.ReadOnly()
	case x == nil:
		return "there is no Map Run"
	case !x.known:
		return "the Map Run was not read yet"
	case x.progress.MapRun.Status.Terminal():
		return "the Map Run has ended"
	}
	return ""
}

// askSet asks for the settings of the selected Map Run, beginning with those it has.
func (p *Page) askSet() tea.Cmd {
	if why := p.runs.noSet(p); why != "" {
		return ui.Send(ui.Toast{Text: why, Bad: true})
	}
	run := p.runs.selected().progress.MapRun
	return p.promptSet(run, run.Settings().Text(), "")
}

// promptSet asks, beginning with a text; wrong says why that was refused.
func (p *Page) promptSet(run executions.MapRun, text, wrong string) tea.Cmd {
	help := dialog.Where(p.Env, run.ARN) + "How many children run at the same time, and how many items may fail, by number or in percent, before the run " +
		"fails. What runs already goes on."
	if wrong != "" {
		help = "It could not be set: " + wrong + "\n\n" + help
	}
	return p.ask(dialog.NewPrompt(p.th, "Set the Map Run "+run.Label, help, text, func(s string) (tea.Msg, error) {
		settings, err := executions.ParseMapRunSettings(s)
		if err != nil {
			return nil, err
		}
		settings = settings.Except(run.Settings())
		if settings == (executions.MapRunSettings{}) {
			return nil, fault.New(fault.Invalid, "these are its settings already: nothing is to be set")
		}
		return setRunMsg{run, s, settings}, nil
	}))
}

// setLine is the command line that does it.
func (p *Page) setLine() string {
	x := p.runs.selected()
	if x == nil {
		return ""
	}
	return p.Env.CommandLine("executions", "map-run", "set", p.arn, "--label", x.progress.MapRun.Label, "--concurrency", "N")
}

// setRun changes the Map Run and looks at it again.
func (p *Page) setRun(m setRunMsg) tea.Cmd {
	client := p.machine.Client
	return p.Do(func(ctx context.Context) tea.Msg {
		if err := client.SetMapRun(ctx, m.of.ARN, m.settings); err != nil {
			return runSetMsg{asked: m, err: err}
		}
		run, err := client.DescribeMapRun(ctx, m.of.ARN)
		return runSetMsg{m, run, err}
	})
}

func (p *Page) runSet(m runSetMsg) tea.Cmd {
	if m.err != nil {
		return p.promptSet(m.asked.of, m.asked.typed, m.err.Error())
	}
	if x := p.runs.find(m.asked.of.ARN); x != nil {
		x.progress.MapRun = *m.run
	}
	return ui.Send(ui.Toast{Text: "set " + render.Line(m.run.Settings().Text(), 0)})
}
