package pipeline

import (
	"context"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// Answers of the dialogs about locks and cut-off operations.
type (
	unlockMsg   struct{ shown []stack.Lock }
	unlockedMsg struct{ err error }
	mendMsg     struct{ clear bool }
)

// stale tells that the holders of all locks are known to be gone.
func stale(locks []stack.Lock) bool {
	for _, l := range locks {
		if !l.Stale {
			return false
		}
	}
	return len(locks) > 0
}

// lockLine is the banner about locks.
func (p *Page) lockLine() string {
	th := &p.Env.Theme
	l := p.locks[0]
	what := "locked by "
	if p.job == nil && !l.Stale && !l.Broken {
		what = "being updated by "
	}
	text := what + render.Line(pipelines.Holder(l), 0)
	if l.Broken {
		text = "locked by a file that is no whole lock"
	}
	if !l.Since.IsZero() {
		text += " for " + render.ShortAge(l.Since, p.Env.Now())
	}
	switch {
	case p.job != nil:
		text += ": the operation of this session"
	case l.Broken:
		text += "; L clears it"
	case l.Stale:
		text += ": that process is gone; L clears the lock"
	default:
		text += "; L tells more"
	}
	style := th.Warn
	if p.job != nil {
		style = th.Busy
	}
	return style.Render(th.Glyphs.Warn + " " + text)
}

// askLock looks who holds the stack, and then tells: what was read last may be old.
func (p *Page) askLock() tea.Cmd {
	p.wantLock = true
	return p.read()
}

// tellLock answers whoever has asked for the lock, now that it was looked at.
func (p *Page) tellLock() tea.Cmd {
	if !p.wantLock {
		return nil
	}
	p.wantLock = false
	switch {
	case p.state.Err != nil:
		return p.show("It can't be told who holds "+p.id.String(), "the error", dialog.ErrorText(p.state.Err))
	case len(p.locks) > 0:
		return p.aboutLock()
	}
	text := p.condition().Note // of a backend that does not say who it is
	if text == "" {
		text = "nobody holds the stack"
	}
	return ui.Send(ui.Toast{Text: text})
}

// askHeld looks at the files that tell who holds the stack.
func (p *Page) askHeld() tea.Cmd {
	id, source := p.id, p.Env.Source
	return p.held.Ask(p.Host, func(ctx context.Context) ([]stack.Lock, error) { return source.Locks(ctx, id) })
}

// heldDue tells that it is to be looked whether somebody has begun to change the stack since
// it was read. Where that is known to be so, the state itself is read again and again.
func (p *Page) heldDue(now time.Time) bool {
	return p.state.Known && p.fileBackend() && p.job == nil && !p.changing() && !p.state.Asking() &&
		now.Sub(p.looked) >= ui.HeldEvery && p.held.Due(now, ui.HeldEvery)
}

// changing tells that somebody is changing the pipeline, as far as is known: its stack is
// held, or its endpoint is on its way to another state.
func (p *Page) changing() bool {
	return p.p.Summary.InProgress || len(p.locks) > 0 || pipelines.EndpointBusy(p.live.Value.Endpoint)
}

// aboutLock explains the lock and offers to clear it, gravely if its holder may
// still be at work.
func (p *Page) aboutLock() tea.Cmd {
	now := p.Env.Now()
	var b strings.Builder
	for _, l := range p.locks {
		b.WriteString("Held by " + render.Line(pipelines.Holder(l), 0))
		if !l.Since.IsZero() {
			b.WriteString(", since " + render.Stamp(l.Since) + ", " + render.Age(l.Since, now))
		}
		b.WriteString(".\n")
		if l.Where != "" {
			b.WriteString(render.Line(l.Where, 0) + "\n")
		}
	}
	b.WriteString("\n")
	th := &p.Env.Theme
	title := "The lock of " + p.id.String()
	if stale(p.locks) {
		b.WriteString("It ran on this machine and its process is gone: it was killed or the machine went down. Nothing will take the lock away by itself.\n\n" +
			"What it was just doing may be recorded as cut off (M tells then): the next operation takes in or forgets each of them.")
		return ui.Send(ui.Ask{From: p.Base(), Dialog: dialog.NewConfirm(th, "Clear the lock of "+p.id.String()+"?", b.String(), unlockMsg{p.locks})})
	}
	b.WriteString("It may be at work, here or on another machine. Two operations at once can ruin the state: clear the lock only if you know that its holder is dead.\n" +
		"Otherwise wait, or end it where it runs.")
	return ui.Send(ui.Ask{From: p.Base(), Dialog: dialog.NewTypeName(th, title, b.String(), p.id.String(), unlockMsg{p.locks})})
}

func (p *Page) unlock(shown []stack.Lock) tea.Cmd {
	id, source := p.id, p.Env.Source
	return p.Do(func(ctx context.Context) tea.Msg { return unlockedMsg{source.Unlock(ctx, id, shown)} })
}

func (p *Page) unlocked(m unlockedMsg) tea.Cmd {
	if m.err != nil {
		return p.show("The lock can't be cleared", "the error", dialog.ErrorText(m.err))
	}
	return tea.Batch(ui.Send(ui.Toast{Text: "the lock of " + p.id.String() + " is cleared"}), ui.Send(ui.Changed{IDs: []spec.ID{p.id}}))
}

// cutOffLine is the banner about operations whose end was never recorded.
func (p *Page) cutOffLine() string {
	th, n := &p.Env.Theme, len(p.p.State.Pending)
	names := make([]string, 0, 3)
	for i, o := range p.p.State.Pending {
		if i == 2 && n > 3 {
			names = append(names, "...")
			break
		}
		names = append(names, o.Kind+" "+render.Line(o.Name, 0))
	}
	return th.Warn.Render(th.Glyphs.Warn + " cut off: " + strings.Join(names, ", ") + "; M tells the way out")
}

// aboutCutOff explains the operations that were cut off and offers the ways out.
func (p *Page) aboutCutOff() tea.Cmd {
	if p.damaged() {
		return p.findCopies()
	}
	if p.condition().Status == pipelines.Updating && len(p.locks) > 0 {
		return p.aboutLock() // they are under way
	}
	var b strings.Builder
	b.WriteString("The end of these was never recorded: the engine was killed or lost its connection. The real resources may or may not exist.\n\n")
	for _, o := range p.p.State.Pending {
		b.WriteString("  " + render.Line(o.Kind+" "+o.Name+"  "+render.ShortType(o.Type)+"  "+o.ID, 0) + "\n")
	}
	b.WriteString("\nThe next operation looks each of them up in the account first: what is there is taken in, what is not is forgotten. So a refresh is " +
		"enough to know, and an up makes the rest.")
	off := first(p.Env.ReadOnly(), p.busy())
	d := dialog.NewChoose(&p.Env.Theme, "Cut off: "+p.id.String(), b.String(), false,
		dialog.Choice{Key: "r", Label: "refresh", Off: off, Answer: mendMsg{}, Help: "Takes in or forgets what was cut off, and reads what is really there."},
		dialog.Choice{
			Key: "f", Label: "refresh, and forget what was being created", Off: off, Answer: mendMsg{clear: true}, Danger: true,
			Help: "For what can't be looked up. If it exists after all, AWS refuses the second one of the same name; delete the first by hand then.",
		})
	return ui.Send(ui.Ask{From: p.Base(), Dialog: d})
}

func (p *Page) mend(m mendMsg) tea.Cmd {
	req := pipelines.Request{Operation: stack.OperationRefresh, ClearPending: m.clear, Pipelines: []*spec.Pipeline{p.p.Reach(p.Env.Place().Region)}}
	return ui.Send(ui.OpenDeploy{Request: req})
}
