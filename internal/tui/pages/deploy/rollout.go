package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// Answers of the question whether a rollout is to be turned back.
type (
	turnBackMsg struct{ turns []ui.Turn }
	turnedMsg   struct {
		done string
		err  error
	}
)

// rollouts are those of the selected pipeline that are under way.
func (p *Page) rollouts() []*stack.Rollout {
	if p.job == nil || p.phase != working {
		return nil
	}
	progress := p.job.Progress[p.selected]
	if progress == nil || progress.End != nil {
		return nil
	}
	return progress.Rollouts()
}

// rolloutLines show the traffic of both fleets or versions, how long this step takes, and what would
// turn it back.
func (p *Page) rolloutLines(r *stack.Rollout, w, room int) []string {
	th := &p.Env.Theme
	style, word := th.Busy, "rollout"
	if r.TurningBack {
		style, word = th.Bad, "turning back"
	}
	phase := th.Muted.Render(dot(th)) + render.Line(r.Phase, 40)
	if left := r.Next.Sub(p.Env.Now()).Round(time.Second); left > 0 {
		phase += th.Muted.Render(dot(th) + "next step in " + render.Duration(left))
	}
	share, done, all := "", r.New, max(1, r.Wanted)
	if r.Percent > 0 {
		share, done, all = fmt.Sprintf(" takes %d%%", r.Percent), r.Percent, 100
	}
	fleets := fmt.Sprintf(" new %d of %d%s%sold %d", r.New, r.Wanted, share, dot(th), r.Old)
	if a := r.Alias; a != nil {
		done, all = a.Percent, 100
		fleets = fmt.Sprintf(" %s version %s %d%%%sversion %s %d%%", render.Line(a.Of, 20), render.Line(a.To, 12), a.Percent, dot(th), render.Line(a.From, 12), 100-a.Percent)
	}
	bar := widget.Bar(th, int64(done), 0, int64(all), min(24, max(6, w/5)))
	lines := []string{widget.Fit(" "+style.Render(th.Glyphs.Busy+" "+word)+" "+bar+fleets+phase, w, th.Glyphs.Ellipsis)}
	if room < 2 {
		return lines
	}
	if len(r.Alarms) == 0 {
		return append(lines, th.Muted.Render(widget.Fit("   no alarm watches it", w, th.Glyphs.Ellipsis)))
	}
	parts := make([]string, len(r.Alarms))
	for i, a := range r.Alarms {
		name := strings.TrimPrefix(a.Name, p.selected.BaseName()+"-")
		switch a.State {
		case "OK":
			parts[i] = th.Good.Render(th.Glyphs.Good + " " + render.Line(name, 40))
		case "ALARM":
			parts[i] = th.Bad.Render(th.Glyphs.Bad + " " + render.Line(name, 40))
		default: // there was no request yet, perhaps
			parts[i] = th.Muted.Render(th.Glyphs.Pending + " " + render.Line(name, 40))
		}
	}
	return append(lines, widget.Fit("   "+th.Muted.Render("turned back by ")+strings.Join(parts, "  "), w, th.Glyphs.Ellipsis))
}

// againstTurnBack is why no rollout can be turned back, "" if one can.
func (p *Page) againstTurnBack() string {
	rollouts := p.rollouts()
	switch {
	case len(rollouts) == 0:
		return "no rollout is under way"
	case p.Env.ReadOnly() != "":
		return p.Env.ReadOnly()
	case !slices.ContainsFunc(rollouts, func(r *stack.Rollout) bool { return !r.TurningBack }):
		return "it is being turned back"
	case len(stack.Turnable(rollouts)) == 0:
		return "no alarm of its own watches it, and AWS has no other way to stop a rollout"
	}
	return ""
}

// askTurnBack asks whether what is under way is to be turned back, all of it: half of an
// update is what nobody has tried.
func (p *Page) askTurnBack() tea.Cmd {
	i := slices.IndexFunc(p.req.Pipelines, func(x *spec.Pipeline) bool { return x.ID == p.selected })
	if off := p.againstTurnBack(); off != "" || i < 0 {
		return ui.Send(ui.Toast{Text: off, Bad: true})
	}
	rollouts := stack.Turnable(p.rollouts())
	turns := []ui.Turn{{Pipeline: p.req.Pipelines[i], Rollouts: rollouts}}
	text := dialog.Where(p.Env, "") + ui.GoesBack(turns)
	return ui.Send(ui.Ask{From: p.Host, Dialog: dialog.NewConfirm(&p.Env.Theme, "Turn the rollout of "+p.selected.String()+" back?", text,
		turnBackMsg{turns})})
}

func (p *Page) turnBack(m turnBackMsg) tea.Cmd {
	source := p.Env.Source
	return p.Do(func(ctx context.Context) tea.Msg {
		done, err := ui.TurnBack(ctx, source, m.turns)
		return turnedMsg{done, err}
	})
}
