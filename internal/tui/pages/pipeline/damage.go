package pipeline

import (
	"context"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// Answers about a state that is damaged.
type (
	copiesMsg struct {
		copies []stack.Copy
		err    error
	}
	restoreMsg  struct{}
	restoredMsg struct {
		pipelines.Restored
		err error
	}
)

// damaged tells whether the state of the stack cannot be used.
func (p *Page) damaged() bool { return p.damage() != nil }

func (p *Page) damage() error {
	for _, err := range []error{p.state.Err, p.p.Err, p.p.Summary.Err} {
		if fault.KindOf(err) == fault.Damaged {
			return err
		}
	}
	return nil
}

// findCopies looks for what can take the place of the damaged state.
func (p *Page) findCopies() tea.Cmd {
	id, source := p.id, p.Env.Source
	return p.Do(func(ctx context.Context) tea.Msg {
		list, err := source.Copies(ctx, id)
		return copiesMsg{list, err}
	})
}

// offerCopy asks whether the best copy is to take the state's place.
func (p *Page) offerCopy(m copiesMsg) tea.Cmd {
	damage := p.damage()
	switch {
	case damage == nil:
		return nil // mended meanwhile
	case m.err != nil:
		return p.show("No copy can be put in its place", "the error", dialog.ErrorText(m.err))
	case len(m.copies) == 0:
		return p.show("There is no copy of the state", "the error", dialog.ErrorText(damage))
	}
	text := render.Line(damage.Error(), 0) + "\n\n" +
		"In its place comes " + render.Line(m.copies[0].String(), 0) + ", from\n" + render.Line(m.copies[0].File, 0) + "\n\n" +
		"The damaged file is kept beside it. What was made since then still exists, but is not recorded: the next operation looks for it by the names that the pipeline's resources have."
	return ui.Send(ui.Ask{From: p.Base(), Dialog: dialog.NewConfirm(&p.Env.Theme, "Restore the state of "+p.id.String()+"?", text, restoreMsg{})})
}

func (p *Page) restore() tea.Cmd {
	id, source := p.id, p.Env.Source
	return p.Do(func(ctx context.Context) tea.Msg {
		r, err := source.Restore(ctx, id)
		return restoredMsg{r, err}
	})
}

func (p *Page) restored(m restoredMsg) tea.Cmd {
	if m.err != nil {
		return p.show("The state can't be restored", "the error", dialog.ErrorText(m.err))
	}
	text := "the state of " + p.id.String() + " is restored: " + render.Line(m.String(), 0)
	if m.Aside != "" { // the file was not missing
		text += "; the damaged file is kept in " + render.Line(m.Aside, 0)
	}
	changed := ui.Send(ui.Changed{IDs: []spec.ID{p.id}})
	for _, x := range m.Foreign {
		text += "\n\n" + render.Line(x, 0) + ". It is not taken over, and stands in the way of the next up."
	}
	if m.Unsure != nil {
		text += "\n\nWhat was made after the copy was not looked for to the end, and may exist:\n" + dialog.ErrorText(m.Unsure)
		return tea.Batch(p.show("The state is restored, perhaps not all of it", "what is known", text), changed)
	}
	if len(m.Foreign) > 0 {
		return tea.Batch(p.show("The state is restored, but for what is somebody else's", "what is known", text), changed)
	}
	return tea.Batch(ui.Send(ui.Toast{Text: render.Line(text, 0)}), changed)
}
