package tui

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// request serves what a page asks; ok is false if the message is no request.
func (a *App) request(msg tea.Msg) (cmd tea.Cmd, ok bool) {
	switch m := msg.(type) {
	case ui.Back:
		return a.back(), true
	case ui.OpenHome:
		return a.goHome(), true
	case ui.Quit:
		return a.leave(), true
	case ui.Ask:
		return a.ask(m), true
	case ui.Toast:
		return a.toast(m), true
	case ui.Copy:
		a.clip(m.Text)
		return a.toast(ui.Toast{Text: "copied " + m.What}), true
	case ui.Edit:
		return a.edit(m), true
	case ui.EditFiles:
		return a.editFiles(m), true
	case ui.Pager:
		return a.page(m), true
	case ui.Browse:
		return a.browse(m), true
	case ui.Note:
		a.notes = append(a.notes, m.Text)
		return nil, true
	case ui.Changed:
		return a.tellAll(m), true
	case ui.ShowView:
		return a.showView(m.View), true
	case ui.SaveView:
		return a.saveView(m.View), true
	case commandMsg:
		return a.give(m.command), true
	case runMsg:
		return a.run(m), true
	case ranMsg:
		return a.ran(m), true
	case ui.Switched:
		return a.switched(), true
	case pressMsg:
		return a.press(m.key), true
	case linesMsg:
		return a.asLines(a.top()), true
	case helpMsg:
		return a.ask(ui.Ask{Dialog: newHelp(a.env, a.top().Keys())}), true
	case stopChoice:
		return a.stopped(m), true
	case turnedMsg:
		if m.err != nil {
			return ui.Send(ui.Failed(m.err)), true
		}
		return a.toast(ui.Toast{Text: m.done}), true
	}
	h := ui.NewHost(a.env)
	p := a.route(h, msg)
	if p == nil {
		h.Close()
		return nil, false
	}
	return a.push(p), true
}

// press presses a key of the page's for the user. A filter that is being typed is kept
// first, as enter does: the key is no letter of it.
func (a *App) press(m tea.KeyMsg) tea.Cmd {
	p := a.top()
	if !p.Capturing() || answering(p) {
		return a.key(m)
	}
	return tea.Batch(p.Update(keys.Msg("enter")), a.key(m))
}

// answering tells that what is typed on a page is an answer: enter would take it.
func answering(p ui.Page) bool {
	x, ok := p.(interface{ Answering() bool })
	return ok && x.Answering()
}

func (a *App) push(p ui.Page) tea.Cmd {
	hidden := a.top().Update(ui.Hidden{})
	a.pages = append(a.pages, p)
	return tea.Batch(hidden, p.Init(), p.Update(ui.Shown{}))
}

// back closes the top page; the last one stays.
func (a *App) back() tea.Cmd {
	if len(a.pages) == 1 {
		return nil
	}
	p := a.top()
	p.Base().Close()
	a.pages = a.pages[:len(a.pages)-1]
	return a.top().Update(ui.Shown{})
}

// goHome goes to the first page.
func (a *App) goHome() tea.Cmd {
	if cmd, asked := a.guard(false); asked {
		return cmd
	}
	return a.closeAll()
}

// closeAll closes all pages but the first one.
func (a *App) closeAll() tea.Cmd {
	for len(a.pages) > 1 {
		p := a.top()
		p.Base().Close()
		a.pages = a.pages[:len(a.pages)-1]
	}
	return a.top().Update(ui.Shown{})
}

// switched begins anew where the session is now. What pages know is of another place.
func (a *App) switched() tea.Cmd {
	for _, p := range a.pages {
		p.Base().Close()
	}
	for _, d := range a.dialogs {
		if h, ok := d.Dialog.(interface{ Base() *ui.Host }); ok {
			h.Base().Close()
		}
	}
	a.dialogs = nil
	a.place, a.placeErr = data.Place{}, nil
	a.places++
	first := a.first(ui.NewHost(a.env))
	a.pages = []ui.Page{first}
	return tea.Batch(a.askPlace(), first.Init(), first.Update(ui.Shown{}), a.toast(ui.Toast{Text: "switched"}))
}

func (a *App) clickCrumb(x int) tea.Cmd {
	at := 0
	for i, p := range a.pages {
		at += len([]rune(p.Title())) + 3
		if x < at {
			if i == len(a.pages)-1 {
				return nil
			}
			if cmd, asked := a.guard(false); asked {
				return cmd
			}
			var cmd tea.Cmd
			for len(a.pages) > i+1 {
				cmd = a.back()
			}
			return cmd
		}
	}
	return nil
}

// ask opens a dialog, unless the same one is open already.
func (a *App) ask(m ui.Ask) tea.Cmd {
	for _, d := range a.dialogs {
		if d.Title() == m.Dialog.Title() {
			return nil
		}
	}
	d := openDialog{Dialog: m.Dialog, from: m.From}
	if m.Dialog.Grave() {
		d.deaf = a.env.Now().Add(graveFor)
	}
	a.dialogs = append(a.dialogs, d)
	var cmds []tea.Cmd
	if m.Dialog.Grave() {
		cmds = append(cmds, a.after(graveFor, expireMsg{})) // the footer shows that it listens now
	}
	if i, ok := m.Dialog.(interface{ Init() tea.Cmd }); ok {
		cmds = append(cmds, i.Init())
	}
	return tea.Batch(cmds...)
}

func (a *App) toDialog(msg tea.Msg) tea.Cmd { return a.dialogUpdate(len(a.dialogs)-1, msg) }

func (a *App) dialogUpdate(i int, msg tea.Msg) tea.Cmd {
	d := a.dialogs[i]
	answer, done, cmd := d.Update(msg)
	if !done {
		return cmd
	}
	a.dialogs = append(a.dialogs[:i:i], a.dialogs[i+1:]...)
	if h, ok := d.Dialog.(interface{ Base() *ui.Host }); ok {
		h.Base().Close()
	}
	if answer == nil {
		return cmd
	}
	if d.from == nil { // the root's own
		return tea.Batch(cmd, a.update(answer))
	}
	return tea.Batch(cmd, a.deliver(ui.Deliver{To: d.from.ID, Msg: answer}))
}

// stopChoice is the answer to what is to become of running operations.
type stopChoice int

const (
	stopCancel stopChoice = iota
	stopWait
	stopForce
	stopTurnBack
)

// turnedMsg is what came of turning rollouts back.
type turnedMsg struct {
	done string
	err  error
}

// leave ends the program, after asking if an operation is running.
func (a *App) leave() tea.Cmd {
	if a.atWork() > 0 {
		return a.stop()
	}
	if cmd, asked := a.guard(true); asked {
		return cmd
	}
	a.quit = true
	return tea.Quit
}

// stop is ctrl+c: with nothing running it ends the program.
func (a *App) stop() tea.Cmd {
	running, launches := a.env.Jobs.Running(), a.env.Launches.Running()
	if a.atWork() == 0 {
		if cmd, asked := a.guard(true); asked {
			return cmd
		}
		a.quit = true
		return tea.Quit
	}
	var names []string
	changing := false
	for _, job := range running {
		for _, id := range job.Running() {
			names = append(names, id.String())
		}
		changing = changing || changes(job)
	}
	var what []string
	var rollouts []*stack.Rollout
	if len(running) > 0 {
		text := render.Count(len(running), "operation is running", "operations are running")
		if len(names) > 0 {
			text += " on " + render.Line(shorten(names, 6), 0)
		}
		text += "."
		if slices.ContainsFunc(running, (*ui.Job).Waiting) {
			text += ui.NotYet
		}
		for _, job := range running {
			rollouts = append(rollouts, job.Rollouts()...)
		}
		text += ui.GoOn(rollouts)
		what = append(what, text)
	}
	for i, l := range launches {
		if i == shownLaunches && len(launches) > i+1 {
			what = append(what, fmt.Sprintf("And %d more batches.", len(launches)-i))
			break
		}
		what = append(what, fmt.Sprintf("Batch %s of %s: %s of %s executions were started. Cut off, it goes on if it is started again with the same name and file.",
			render.Line(l.Name, 30), render.Line(l.ID.String(), 0), render.Number(int64(l.Dealt())), render.Number(int64(l.Total))))
	}
	text := strings.Join(what, "\n")
	force := dialog.Choice{Key: "f", Label: "force: end now", Danger: true, Answer: stopForce}
	if changing {
		force.Help = "Kills the engine. What it is just creating or deleting may exist without being recorded (an endpoint costs money by the hour), and " +
			"the stack stays locked: `pipelinetui cancel`, then refresh and up again put it right."
	}
	flight := "Nothing new is begun; what is in flight is waited for (an endpoint can take minutes). Nothing is lost or orphaned."
	last := []dialog.Choice{force}
	if len(running) == 0 { // executions that were started go on by themselves
		flight, last = "No more are started; those that were go on.", nil
	}
	choices := []dialog.Choice{{Key: "k", Label: "keep working", Help: "Nothing happens."}}
	if len(rollouts) > 0 {
		back := dialog.TurnBack(a.turns(), stopTurnBack)
		back.Label += ", then leave"
		choices = append(choices, back)
	}
	choices = append(choices, append([]dialog.Choice{
		{Key: "c", Label: ui.Gracefully(rollouts) + ", then leave", Answer: stopCancel, Help: flight},
		{Key: "w", Label: "leave when it is done", Answer: stopWait, Help: "What runs goes on to its end, then the program ends."},
	}, last...)...)
	cmd := a.ask(ui.Ask{Dialog: dialog.NewChoose(&a.env.Theme, leaveTitle, text, changing, choices...)})
	if last := len(a.dialogs) - 1; a.dialogs[last].Title() == leaveTitle {
		a.dialogs[last].atWork = true
	}
	return cmd
}

const leaveTitle = "Leave?"

// dropPast takes a question about what runs away when nothing does any more: its answers are
// about something that is over.
func (a *App) dropPast() {
	if a.atWork() > 0 {
		return
	}
	a.dialogs = slices.DeleteFunc(a.dialogs, func(d openDialog) bool { return d.atWork })
}

// shownLaunches bounds the batches that a question tells of one by one.
const shownLaunches = 4

// turns are the rollouts of all running operations that can be turned back.
func (a *App) turns() []ui.Turn {
	var out []ui.Turn
	for _, job := range a.env.Jobs.Running() {
		out = append(out, job.Turns()...)
	}
	return out
}

func changes(job *ui.Job) bool { return job.Request.Operation != stack.OperationPreview }

func shorten(names []string, most int) string {
	if len(names) > most {
		names = append(names[:most:most], "...")
	}
	return strings.Join(names, ", ")
}

func (a *App) stopped(c stopChoice) tea.Cmd {
	for _, job := range a.env.Jobs.Running() {
		switch c {
		case stopCancel:
			job.Cancel()
		case stopForce:
			job.Kill()
		case stopWait, stopTurnBack:
		}
	}
	if c == stopCancel || c == stopForce {
		for _, l := range a.env.Launches.Running() {
			l.Cancel()
		}
	}
	a.leaving = true
	if cmd := a.leaveIfDone(); cmd != nil {
		return cmd
	}
	switch c {
	case stopCancel:
		return a.toast(ui.Toast{Text: "cancelling: waiting for what is in flight; ctrl+c again to force"})
	case stopForce:
		return a.toast(ui.Toast{Text: "ending the engines", Bad: true})
	case stopTurnBack:
		ctx, source, turns := a.env.Ctx, a.env.Source, a.turns()
		return tea.Batch(a.toast(ui.Toast{Text: "turning back: leaving when it is done"}), func() tea.Msg {
			return ui.Guard(func() tea.Msg {
				done, err := ui.TurnBack(ctx, source, turns)
				return turnedMsg{done, err}
			})
		})
	default:
		return a.toast(ui.Toast{Text: "leaving when it is done"})
	}
}

// interrupted is a signal from outside, where nobody can be asked: the first one
// is a polite request, the next one forces. A terminal that was closed is told of
// more than once, and wants nothing forced.
func (a *App) interrupted(m interruptMsg) tea.Cmd {
	if a.lent && m.signal == os.Interrupt {
		return nil // ctrl+c is meant for the program that has the terminal
	}
	hangup := m.signal == syscall.SIGHUP
	if a.atWork() == 0 {
		a.quit = true
		return tea.Quit
	}
	switch {
	case a.leaving && hangup:
		return nil
	case a.leaving:
		return a.stopped(stopForce)
	}
	return a.stopped(stopCancel)
}
