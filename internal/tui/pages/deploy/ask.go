package deploy

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// atWork is how many executions run on a pipeline.
type atWork struct {
	n   pipelines.Count
	err error // why it is not known
}

// countRunning asks how many executions run. That it can't be asked stops nobody.
func countRunning(ctx context.Context, source data.Source, p pipelines.Pipeline) atWork {
	if p.State == nil || p.Output("stateMachineArn") == "" {
		return atWork{}
	}
	if p.Spec == nil {
		return atWork{err: fault.New(fault.Damaged, "the stack does not tell where it is")}
	}
	live, err := source.Live(ctx, p)
	return atWork{n: live.Running, err: cmp.Or(err, live.ExecutionsErr)}
}

// disturbed are the pipelines whose executions lose what they stand on.
func (p *Page) disturbed(list []*spec.Pipeline) []*spec.Pipeline {
	if p.req.Operation == stack.OperationDestroy {
		return list
	}
	var out []*spec.Pipeline
	for _, x := range list {
		if pipelines.Disturbs(p.expected(x.ID)) {
			out = append(out, x)
		}
	}
	return out
}

// countNext asks for the executions of the next pipeline that an update disturbs.
// (A destroy has them with the states that it reads.)
func (p *Page) countNext() tea.Cmd {
	if len(p.uncounted) == 0 {
		if p.impatient {
			p.impatient = false
			return p.ask()
		}
		return nil
	}
	of, id, source := p.preview, p.uncounted[0], p.Env.Source
	return p.Do(func(ctx context.Context) tea.Msg {
		m := countedMsg{of: of, id: id}
		x, err := source.Read(ctx, id)
		switch {
		case err == nil:
			m.found = countRunning(ctx, source, x)
		case fault.KindOf(err) != fault.NotFound:
			m.found.err = err
		}
		return m
	})
}

func (p *Page) count() tea.Cmd {
	p.uncounted, p.impatient, p.executions = nil, false, map[spec.ID]atWork{}
	for _, x := range p.disturbed(p.applicable()) {
		p.uncounted = append(p.uncounted, x.ID)
	}
	return p.countNext()
}

func (p *Page) takeCount(m countedMsg) tea.Cmd {
	if m.of != p.preview || len(p.uncounted) == 0 || p.uncounted[0] != m.id {
		return nil
	}
	p.uncounted = p.uncounted[1:]
	p.executions[m.id] = m.found
	return p.countNext()
}

// ask goes ahead, after other questions if something is going to be lost.
func (p *Page) ask() tea.Cmd {
	if p.against(keys.Apply) != "" {
		return nil
	}
	if len(p.uncounted) > 0 {
		p.impatient = true // asked as soon as it is known what runs
		return nil
	}
	todo := p.applicable()
	running := p.runningText(p.disturbed(todo))
	if p.req.Operation != stack.OperationDestroy {
		if running == "" && len(p.dangers) == 0 {
			return p.apply(pipelines.RunningIgnore)
		}
		return p.askApply(todo, running)
	}
	if running == "" {
		return p.askName(pipelines.RunningIgnore)
	}
	th := &p.Env.Theme
	return ui.Send(ui.Ask{From: p.Host, Dialog: dialog.NewChoose(th, "Destroy "+p.names(todo)+": what runs?",
		th.Warn.Render(th.Glyphs.Warn)+" "+running, true,
		p.settling("wait for them, then destroy", pipelines.RunningWait, nameMsg{pipelines.RunningWait}),
		p.settling("stop them, then destroy", pipelines.RunningStop, nameMsg{pipelines.RunningStop}),
		p.settling("destroy at once", pipelines.RunningIgnore, nameMsg{pipelines.RunningIgnore}))})
}

// settling is one thing that can be done about what runs.
func (p *Page) settling(label string, how pipelines.Running, answer tea.Msg) dialog.Choice {
	c := dialog.Choice{Label: label, Answer: answer}
	switch how {
	case pipelines.RunningWait:
		c.Key, c.Help = "w", "Nothing is changed before the last one has ended, those included that are started meanwhile. "+keys.Abort.Keys[0]+" cancels the waiting."
	case pipelines.RunningStop:
		c.Key, c.Help, c.Danger = "s", "They end as ABORTED, and then the change begins.", true
	default:
		c.Key, c.Help, c.Danger = "y", "They go on, and fail where they need what is gone.", true
	}
	return c
}

// askName has typed what says that it is meant: what goes can't be brought back.
func (p *Page) askName(how pipelines.Running) tea.Cmd {
	todo := p.applicable()
	ids := make([]spec.ID, len(todo))
	for i, x := range todo {
		ids[i] = x.ID
	}
	text := "This deletes " + p.names(todo) + " in " + p.where() + " with endpoints, functions, state machines, roles, and all inputs and results. It can't be taken back."
	switch how {
	case pipelines.RunningWait:
		text = "Executions that run are waited for first. " + text
	case pipelines.RunningStop:
		text = "Executions that run are stopped first. " + text
	case pipelines.RunningIgnore:
		if running := p.runningText(p.disturbed(todo)); running != "" {
			text = running + " They will fail. " + text
		}
	}
	assent := pipelines.AssentTo(ids)
	return ui.Send(ui.Ask{From: p.Host, Dialog: dialog.NewAssent(&p.Env.Theme, "Destroy "+p.names(todo), text, p.goers(), assent.Asked, assent.Given, applyMsg{how})})
}

// goers are the pipelines of a destroy of several, those that stay last.
func (p *Page) goers() []dialog.Listed {
	if len(p.req.Pipelines) < 2 {
		return nil
	}
	todo := map[spec.ID]bool{}
	for _, x := range p.applicable() {
		todo[x.ID] = true
	}
	var goes, stay []dialog.Listed
	for _, x := range p.req.Pipelines {
		l := dialog.Listed{Name: x.ID.String(), Note: x.ID.Env}
		switch {
		case todo[x.ID]:
			if n := p.executions[x.ID].n; n.N > 0 {
				l.Note += ", " + n.Running()
			}
			goes = append(goes, l)
			continue
		case p.isProtected(x):
			l.Note += ", stays: it is protected"
		case fault.KindOf(p.states[x.ID].Err) == fault.Damaged:
			l.Note += ", stays: its state is damaged"
		default:
			l.Note += ", there is none"
		}
		l.Stays = true
		stay = append(stay, l)
	}
	return append(goes, stay...)
}

// askApply asks about an update that takes something away.
func (p *Page) askApply(todo []*spec.Pipeline, running string) tea.Cmd {
	th := &p.Env.Theme
	sign := th.Warn.Render(th.Glyphs.Warn) + " "
	var lines []string
	if running != "" {
		lines = append(lines, sign+running)
	}
	if len(p.dangers) > 0 {
		lines = append(lines, "This takes something away in "+p.where()+":")
	}
	for i, d := range p.dangers {
		if i == 6 {
			lines = append(lines, fmt.Sprintf("and %d more", len(p.dangers)-i))
			break
		}
		lines = append(lines, sign+p.dangerText(d))
	}
	title, text := "Apply "+p.names(todo)+"?", strings.Join(lines, "\n")
	if p.req.Back != nil {
		title = "Roll " + p.names(todo) + " back" + p.to() + "?"
	}
	if running == "" {
		return ui.Send(ui.Ask{From: p.Host, Dialog: dialog.NewConfirm(th, title, text, applyMsg{})})
	}
	return ui.Send(ui.Ask{From: p.Host, Dialog: dialog.NewChoose(th, title, text, true,
		dialog.Choice{Key: "n", Label: "no", Help: "Nothing changes."},
		p.settling("wait for them, then apply", pipelines.RunningWait, applyMsg{pipelines.RunningWait}),
		p.settling("stop them, then apply", pipelines.RunningStop, applyMsg{pipelines.RunningStop}),
		p.settling("apply at once", pipelines.RunningIgnore, applyMsg{pipelines.RunningIgnore}))})
}

// runningText says how many executions an operation would disturb, "" if it is known
// that there are none.
func (p *Page) runningText(list []*spec.Pipeline) string {
	var n pipelines.Count
	var unknown []string
	for _, x := range list {
		found := p.executions[x.ID]
		n = n.Plus(found.n)
		if found.err != nil {
			unknown = append(unknown, x.ID.String()+" ("+render.Line(found.err.Error(), 80)+")")
		}
	}
	var text string
	if n.N > 0 {
		text = n.Running() + "."
	}
	switch {
	case len(unknown) == 0:
		return text
	case text != "":
		text += " "
	}
	return text + "It is not known how many run on " + someOf(unknown) + "."
}

// someOf names a few of many.
func someOf(list []string) string {
	const few = 2
	if len(list) > few {
		return strings.Join(list[:few], ", ") + fmt.Sprintf(" and %d more", len(list)-few)
	}
	return strings.Join(list, ", ")
}

// toSettle are the pipelines whose executions are settled first, nil if none are to be.
func (p *Page) toSettle(list []*spec.Pipeline, how pipelines.Running) map[spec.ID]pipelines.Running {
	if !how.Settles() {
		return nil
	}
	out := map[spec.ID]pipelines.Running{}
	for _, x := range p.disturbed(list) {
		out[x.ID] = how
	}
	return out
}
