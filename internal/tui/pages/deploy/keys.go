package deploy

import (
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// Keys are what can be done in this phase.
func (p *Page) Keys() keys.Map {
	if p.detail != nil {
		return p.detail.keys()
	}
	var first []keys.Binding
	add := func(b ...keys.Binding) {
		for _, x := range b {
			first = append(first, x.Unless(p.against(x)).As(p.lineOf(x)))
		}
	}
	switch p.phase {
	case looking:
		if p.preview != nil {
			add(keys.Abort)
		}
	case asking:
		add(keys.Apply, keys.Decline, keys.Details)
	case working:
		add(keys.Abort)
		if len(p.rollouts()) > 0 {
			add(keys.TurnBack)
		}
		if p.failures() > 0 {
			add(keys.Problem)
		}
	case finished:
		if _, ok := p.problem(); ok {
			add(keys.Problem)
		}
		if p.selectedExists() {
			add(keys.Visit)
			if p.req.Operation == stack.OperationUp {
				add(keys.Execute)
			}
		}
		if p.drifted() {
			add(keys.Reapply)
		}
		if p.req.Operation != stack.OperationDestroy {
			add(keys.Anew)
		}
	}
	add(keys.Inspect)
	more := []keys.Binding{keys.Details, keys.Unchanged}
	if p.shown() != nil {
		more = append(more, keys.BottomPane, keys.Follow)
	}
	if len(p.panes()) > 1 {
		more = append(more, keys.Pane, keys.PaneBefore)
	}
	return keys.Map{{Title: "Operation", Bindings: first}, {Title: "View", Bindings: more}, p.tree.Keys()}
}

// lineOf makes the command line that does what a key does, nil if there is none.
func (p *Page) lineOf(b keys.Binding) func() string {
	line := func(args ...string) func() string { return func() string { return p.Env.CommandLine(args...) } }
	switch b.Keys[0] {
	case keys.Apply.Keys[0], keys.Anew.Keys[0]:
		if !p.named() {
			return nil
		}
	}
	switch b.Keys[0] {
	case keys.Apply.Keys[0]:
		return func() string { return p.Env.CommandLine(p.args(string(p.req.Operation), p.applicable())...) }
	case keys.Anew.Keys[0]:
		verb := string(stack.OperationPreview)
		if p.req.Operation != stack.OperationUp {
			verb = string(p.req.Operation)
		}
		return func() string { return p.Env.CommandLine(p.args(verb, p.req.Pipelines)...) }
	case keys.Visit.Keys[0]:
		return line("show", p.selected.String())
	case keys.Execute.Keys[0]:
		return line("run", p.selected.String(), "--input", "@input.json")
	}
	return nil
}

// named tells that a command which names the pipelines means them as they are here: not
// before what the form has made or changed was applied.
func (p *Page) named() bool {
	return !p.req.Unrecorded || p.phase == finished && p.job != nil && !p.job.Failed() && !p.job.Cancelled
}

// args are a verb with pipelines.
func (p *Page) args(verb string, list []*spec.Pipeline) []string {
	args := []string{verb}
	for _, x := range list {
		args = append(args, x.ID.String())
	}
	return args
}

// selectedExists tells whether there is a pipeline to be opened afterwards.
func (p *Page) selectedExists() bool {
	return p.job != nil && p.job.Err == nil && (p.req.Operation != stack.OperationDestroy || p.figure(p.selected).state != succeeded)
}

func (p *Page) drifted() bool {
	return p.req.Operation == stack.OperationRefresh && p.job != nil && p.figure(p.selected).drift > 0
}

func (p *Page) key(m tea.KeyMsg) tea.Cmd {
	switch {
	case p.detail != nil:
		return p.detailKey(m)
	case p.Capturing(), p.focus == logPane && p.log.Searching() && (keys.Next.Is(m) || keys.Previous.Is(m) || keys.Back.Is(m)):
		p.toPane(m)
		return nil
	}
	if cmd, ok := p.command(m); ok {
		return cmd
	}
	if p.toPane(m) {
		return nil
	}
	if keys.Back.Is(m) {
		return p.leave()
	}
	return nil
}

// command does what a key of the page's own says.
func (p *Page) command(m tea.KeyMsg) (tea.Cmd, bool) {
	switch {
	case p.phase == asking && keys.Apply.Is(m):
		return p.ask(), true
	case p.phase == asking && keys.Decline.Is(m):
		return p.leave(), true
	case keys.TurnBack.Is(m) && len(p.rollouts()) > 0:
		return p.askTurnBack(), true
	case keys.Abort.Is(m) && p.running():
		return p.askCancel(), true
	case p.phase == finished && keys.Anew.Is(m) && p.req.Operation != stack.OperationDestroy:
		return p.again(), true
	case p.phase == finished && keys.Visit.Is(m) && p.selectedExists():
		return ui.Send(ui.OpenPipeline{ID: p.selected}), true
	case p.phase == finished && keys.Execute.Is(m) && p.selectedExists() && p.req.Operation == stack.OperationUp:
		return ui.Send(ui.OpenPipeline{ID: p.selected, Tab: "executions"}), true
	case keys.Reapply.Is(m) && p.drifted():
		return p.mend(), true
	case keys.Problem.Is(m):
		p.openProblem()
	case keys.Inspect.Is(m):
		p.inspect()
	case keys.Details.Is(m):
		p.details = !p.details
		p.tree.Reset()
		p.showTree()
	case keys.Unchanged.Is(m):
		p.unchanged = !p.unchanged
		p.showTree()
	case keys.BottomPane.Is(m):
		p.turnBelow()
	case keys.Follow.Is(m):
		p.follow = !p.follow
		p.showTree()
	case keys.Pane.Is(m):
		p.nextPane(1)
	case keys.PaneBefore.Is(m):
		p.nextPane(-1)
	default:
		return nil, false
	}
	return nil, true
}

// running tells whether there is something to cancel.
func (p *Page) running() bool {
	job := p.shown()
	return job != nil && !job.Done()
}

// toPane gives a key to the part of the page that has the focus.
func (p *Page) toPane(m tea.KeyMsg) bool {
	switch p.focus {
	case listPane:
		took := p.list.Update(m)
		p.takeSelection()
		return took
	case logPane:
		return p.log.Update(m)
	default:
		took := p.tree.Update(m)
		if took {
			p.follow = false
		}
		return took
	}
}

func (p *Page) takeSelection() {
	row, ok := p.list.Selected()
	if !ok || p.figures[row].id == p.selected {
		return
	}
	p.selected = p.figures[row].id
	p.tree.SetFilter("")
	p.showTree()
	p.takeOutputs()
}

func (p *Page) panes() []pane {
	out := []pane{treePane}
	if len(p.req.Pipelines) > 1 {
		out = append(out, listPane)
	}
	if p.shown() != nil && p.belowNow() != belowNothing {
		out = append(out, logPane)
	}
	return out
}

func (p *Page) nextPane(by int) {
	all := p.panes()
	at := 0
	for i, x := range all {
		if x == p.focus {
			at = i
		}
	}
	if p.focus = all[(at+by+len(all))%len(all)]; p.focus == logPane {
		p.openLog()
	}
}

// turnBelow shows the next thing in the lower part: log, outputs, nothing.
func (p *Page) turnBelow() {
	switch now := p.belowNow(); {
	case now == belowLog && len(p.outputs) > 0:
		p.below = belowOutputs
	case now == belowNothing:
		p.below = belowLog
	default:
		p.below = belowNothing
		if p.focus == logPane {
			p.focus = treePane
		}
	}
	p.fillBelow()
}

// leave goes back. A preview that nobody waits for is not worth its work.
func (p *Page) leave() tea.Cmd {
	if p.own && p.job == nil && !p.preview.Done() {
		p.preview.Cancel()
	}
	return ui.Send(ui.Back{})
}

// again begins anew with looking ahead.
func (p *Page) again() tea.Cmd {
	switch {
	case p.running():
		return nil
	case p.req.Operation == stack.OperationUp:
		return p.lookAhead()
	default:
		return p.readStates()
	}
}

// mend goes on with an update that puts back what a refresh has found changed.
func (p *Page) mend() tea.Cmd {
	req := pipelines.Request{Operation: stack.OperationUp}
	for _, x := range p.job.Request.Pipelines {
		if f := p.figure(x.ID); f.drift > 0 && x.Template != "" {
			req.Pipelines = append(req.Pipelines, x)
		}
	}
	if len(req.Pipelines) == 0 {
		return ui.Send(ui.Toast{Text: "the stack holds no spec to go back to; use `pipelinetui up -f`", Bad: true})
	}
	return ui.Send(ui.OpenDeploy{Request: req})
}

func (p *Page) dangerText(d danger) string {
	text := render.Line(d.name, 0) + ": " + d.text
	if len(p.req.Pipelines) > 1 {
		text = d.id.String() + " " + text
	}
	return text
}

// askCancel offers to wait, to cancel, and to force.
func (p *Page) askCancel() tea.Cmd {
	job := p.shown()
	if job.Request.Operation == stack.OperationPreview {
		job.Cancel() // nothing is touched, so nothing is lost
		return nil
	}
	th := &p.Env.Theme
	names := make([]string, 0, 4)
	for _, id := range job.Running() {
		names = append(names, id.String())
	}
	text := dialog.Where(p.Env, "")
	if len(names) == 0 {
		text += "It is about to begin."
	} else {
		text += "Working on " + strings.Join(names, ", ") + "."
	}
	if job.Waiting() {
		text += ui.NotYet
	}
	text += ui.GoOn(job.Rollouts())
	off := ""
	if job.Cancelled {
		off = "asked for already"
	}
	choices := []dialog.Choice{{Key: "k", Label: "keep waiting", Help: "Nothing changes."}}
	if len(job.Rollouts()) > 0 {
		turns := job.Turns()
		choices = append(choices, dialog.TurnBack(turns, turnBackMsg{turns}))
	}
	return ui.Send(ui.Ask{From: p.Host, Dialog: dialog.NewChoose(th, "Cancel "+job.Request.Title()+"?", text, true, append(choices,
		dialog.Choice{
			Key: "g", Label: ui.Gracefully(job.Rollouts()), Off: off, Answer: cancelMsg{},
			Help: "Begins nothing new and waits for what is in flight: an endpoint may take minutes. What is done stays; up goes on from there.",
		},
		dialog.Choice{
			Key: "f", Label: "force", Danger: true, Answer: killMsg{},
			Help: "Ends the engine at once. " + p.orphans() + " may then exist without being recorded: run refresh and up afterwards.",
		})...)})
}

// orphans names what is in flight.
func (p *Page) orphans() string {
	var names []string
	for _, x := range p.job.Request.Pipelines {
		progress := p.job.Progress[x.ID]
		if progress == nil {
			continue
		}
		for _, r := range progress.Rows() {
			if r.Status == stack.StatusRunning && !r.IsStack() && !r.IsProvider() {
				names = append(names, render.Line(r.Name, 40))
			}
		}
	}
	if len(names) > 5 {
		names = append(names[:5], fmt.Sprintf("%d more", len(names)-5))
	}
	if len(names) == 0 {
		return "What is in flight"
	}
	return strings.Join(names, ", ")
}
