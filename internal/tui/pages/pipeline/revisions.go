package pipeline

import (
	"context"
	"strconv"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// revisionRows are the revisions as the grid sees them, the newest first.
type revisionRows struct{ p *Page }

func newRevisions(p *Page) *widget.Grid {
	by := func(compare func(a, b *pipelines.Revision) int) func(a, b int) int {
		return func(a, b int) int { return compare(&p.revisions.Value[a], &p.revisions.Value[b]) }
	}
	g := widget.NewGrid(&p.Env.Theme,
		widget.Column{Title: "#", Min: 4, Right: true, Compare: by(func(a, b *pipelines.Revision) int { return a.Number - b.Number })},
		widget.Column{Title: "STATE", Min: 13, Compare: by(func(a, b *pipelines.Revision) int { return strings.Compare(string(a.State), string(b.State)) })},
		widget.Column{Title: "WHEN", Min: 5, Right: true},
		widget.Column{Title: "MODEL", Min: 14, Drop: 2},
		widget.Column{Title: "CODE", Min: 14, Drop: 3},
		widget.Column{Title: "BY", Min: 11, Max: 24, Flex: 1, Drop: 4},
		widget.Column{Title: "NOTE", Min: 10, Flex: 2, Drop: 5},
	)
	g.Empty = "no revision is known: the next up makes the first"
	return g
}

func (r revisionRows) Len() int { return len(r.p.revisions.Value) }

func (r revisionRows) Key(i int) string { return strconv.Itoa(r.p.revisions.Value[i].Number) }

func (r revisionRows) Cell(i, column int) widget.Cell {
	th, x := &r.p.Env.Theme, &r.p.revisions.Value[i]
	switch column {
	case 0:
		return widget.Cell{Text: r.Key(i), Style: th.Muted}
	case 1:
		switch x.State {
		case pipelines.RevisionLive:
			if !x.Sound() {
				return widget.Cell{Signs: th.Warn.Render(th.Glyphs.Warn) + " ", Text: string(x.State), Style: th.Warn}
			}
			return widget.Cell{Signs: th.Good.Render(th.Glyphs.Good) + " ", Text: string(x.State), Style: th.Good}
		case pipelines.RevisionSuperseded:
			return widget.Cell{Signs: "  ", Text: string(x.State), Style: th.Muted}
		case pipelines.RevisionUpdating:
			return widget.Cell{Signs: th.Busy.Render(th.Glyphs.Busy) + " ", Text: string(x.State), Style: th.Busy}
		}
		return widget.Cell{Signs: th.Bad.Render(th.Glyphs.Bad) + " ", Text: string(x.State), Style: th.Bad}
	case 2:
		return widget.Cell{Text: render.ShortAge(x.Begun, r.p.Env.Now())}
	case 3:
		return widget.Cell{Text: headOf(x.Model), Style: th.Muted}
	case 4:
		return widget.Cell{Text: headOf(x.Code), Style: th.Muted}
	case 5:
		return widget.Cell{Text: x.By, Style: th.Muted}
	default:
		return widget.Cell{Text: x.Note()}
	}
}

// headOf is a digest as people tell it from others.
func headOf(digest string) string {
	const few = 12
	_, sum, ok := strings.Cut(digest, ":")
	if !ok {
		return "-"
	}
	return sum[:min(few, len(sum))]
}

// revision is the selected one; nil if there is none.
func (p *Page) revision() *pipelines.Revision {
	if i, ok := p.past.Selected(); ok {
		return &p.revisions.Value[i]
	}
	return nil
}

// inService is the revision that is in service; nil if it is not known.
func (p *Page) inService() *pipelines.Revision {
	for i := range p.revisions.Value {
		if p.revisions.Value[i].State == pipelines.RevisionLive {
			return &p.revisions.Value[i]
		}
	}
	return nil
}

func (p *Page) readRevisions() tea.Cmd {
	id, source := p.id, p.Env.Source
	return p.revisions.Ask(p.Host, func(ctx context.Context) ([]pipelines.Revision, error) { return source.Revisions(ctx, id) })
}

// tookRevisions shows what was read. The cursor stays on its revision, but for a rollback that
// has made a new one: that is what is in service now, and what is looked for.
func (p *Page) tookRevisions() {
	p.past.SetRows(revisionRows{p})
	if newest := p.newest(); p.rolled > 0 && newest > p.rolled {
		p.past.Select(strconv.Itoa(newest))
		p.rolled = 0
	}
}

// newest is the number of the newest revision, 0 if there is none.
func (p *Page) newest() int {
	if len(p.revisions.Value) == 0 {
		return 0
	}
	return p.revisions.Value[0].Number
}

// revisionKeys are what can be done with revisions.
func (p *Page) revisionKeys() keys.Map {
	none, same := "", ""
	x, live := p.revision(), p.inService()
	switch {
	case x == nil:
		none = "there is no revision"
	case live == nil:
		same = "none is in service"
	case x.Number == live.Number:
		same = "it is the one in service"
	}
	back := first(p.Env.ReadOnly(), none, p.busy())
	if back == "" && live != nil && x.Number == live.Number && p.revisions.Value[0].Number == x.Number {
		back = "it is the one in service"
	}
	line := func(verb string, args ...string) func() string {
		return func() string { return p.Env.CommandLine(append([]string{verb, p.id.String()}, args...)...) }
	}
	diff, rollback := keys.DiffRevision.Unless(first(none, same)), keys.RollbackTo.Unless(back)
	if x != nil {
		if live != nil {
			diff = diff.As(line("diff", strconv.Itoa(x.Number), strconv.Itoa(live.Number)))
		}
		rollback = rollback.As(line("rollback", "--to", strconv.Itoa(x.Number)))
	}
	return keys.Map{{Title: "Revisions", Bindings: []keys.Binding{rollback, diff, keys.WholeValue.Unless(none), keys.Copy.Unless(none), keys.Search, keys.Sort, keys.Reverse}}}
}

// revisionKey does what a key asks of the selected revision; nil if it is none of these.
func (p *Page) revisionKey(m tea.KeyMsg) tea.Cmd {
	x := p.revision()
	for _, b := range p.revisionKeys()[0].Bindings[:2] {
		if b.Is(m) && b.Off != "" {
			return ui.Send(ui.Toast{Text: b.Off, Bad: true})
		}
	}
	if x == nil {
		return nil
	}
	switch {
	case keys.RollbackTo.Is(m):
		return p.rollback(*x)
	case keys.DiffRevision.Is(m):
		live := p.inService()
		lines := x.Differences(live)
		if len(lines) == 0 {
			lines = []string{"no difference but secrets, if any"}
		}
		title := "Revision " + strconv.Itoa(x.Number) + " → " + strconv.Itoa(live.Number) + " of " + p.id.String()
		return p.show(title, "the difference", strings.Join(lines, "\n"))
	case keys.WholeValue.Is(m):
		return p.show("Revision "+strconv.Itoa(x.Number)+" of "+p.id.String(), "the revision", revisionText(x))
	case keys.Copy.Is(m):
		return ui.Send(ui.Copy{Text: revisionText(x), What: "the revision"})
	}
	return nil
}

// rollback opens the up that brings a revision back, after it was found whole.
func (p *Page) rollback(to pipelines.Revision) tea.Cmd {
	if p.rebuilding != "" {
		return nil
	}
	p.rebuilding, p.rolled = stack.OperationUp, p.newest()
	source, x := p.Env.Source, p.p
	return p.Do(func(ctx context.Context) tea.Msg {
		built, err := source.RebuildAt(ctx, x, to.Number)
		return rebuiltMsg{operation: stack.OperationUp, pipelines: []*spec.Pipeline{built}, err: err, back: &to}
	})
}

// revisionText is everything about a revision.
func revisionText(x *pipelines.Revision) string {
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			b.WriteString(name + strings.Repeat(" ", max(1, 10-len(name))) + value + "\n")
		}
	}
	updates := make([]string, len(x.Updates))
	for i, n := range x.Updates {
		updates[i] = strconv.Itoa(n)
	}
	line("number", strconv.Itoa(x.Number))
	line("state", string(x.State))
	line("checks", string(x.Checks))
	line("begun", render.Stamp(x.Begun))
	line("by", x.By)
	line("with", x.Tool)
	line("message", x.Message)
	line("origin", x.Origin.String())
	line("updates", strings.Join(updates, ", "))
	line("error", x.Error)
	line("template", strings.TrimSpace(x.Template.Name+" v"+x.Template.Version))
	line("image", x.Image)
	line("by digest", x.ImageDigest)
	line("model", x.Model)
	line("code", x.Code)
	line("machine", x.Machine)
	line("function", x.Function)
	return strings.TrimRight(b.String(), "\n")
}
