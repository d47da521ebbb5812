package deploy

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// warnings say what is going to be lost and what is left out.
func (p *Page) warnings(w, room int) []string {
	th := &p.Env.Theme
	var all []string
	protected := 0
	for _, x := range p.req.Pipelines {
		if p.isProtected(x) {
			protected++
			all = append(all, fmt.Sprintf("%s is protected and stays; switch protect off in its form first", x.ID))
		}
	}
	if protected > 2 {
		all = []string{fmt.Sprintf("%d of %s stay, since they are protected: switch protect off in their forms first", protected,
			render.Count(len(p.req.Pipelines), "pipeline", "pipelines"))}
	}
	for _, d := range p.dangers {
		all = append(all, p.dangerText(d))
	}
	if len(all) > room {
		all = append(all[:room-1], fmt.Sprintf("%s (%s)", all[room-1], render.Count(len(all)-room, "more warning", "more warnings")))
	}
	var out []string
	for i, s := range all {
		lines := strings.Split(ansi.Wrap(render.Line(s, 0), max(1, w-2), ""), "\n")
		if most := max(1, room-len(out)-(len(all)-i-1)); len(lines) > most {
			lines = append(lines[:most-1], widget.Fit(strings.Join(lines[most-1:], " "), w-2, th.Glyphs.Ellipsis))
		}
		for j, l := range lines {
			sign := "  "
			if j == 0 {
				sign = th.Glyphs.Warn + " "
			}
			out = append(out, th.Warn.Render(sign+l))
		}
	}
	return out
}

// problem is the first thing that went wrong, of the selected pipeline if that
// has failed.
func (p *Page) problem() (trouble, bool) {
	job := p.shown()
	if job != nil && job.Err != nil {
		return trouble{text: job.Err.Error(), err: job.Err}, true
	}
	order := append([]figures{p.figure(p.selected)}, p.figures...)
	for _, f := range order {
		if f.state != failed || f.err == nil {
			continue
		}
		t := trouble{id: f.id, text: f.err.Error(), err: f.err}
		if job != nil {
			t.text = reason(job, f.id, f)
		}
		return t, true
	}
	return p.early()
}

// early is an error of a resource while its pipeline still works.
func (p *Page) early() (trouble, bool) {
	if p.job == nil {
		return trouble{}, false
	}
	for _, f := range p.figures {
		if f.failed == 0 || f.over() {
			continue
		}
		if text := reason(p.job, f.id, f); text != "" {
			return trouble{id: f.id, text: text}, true
		}
	}
	return trouble{}, false
}

// trouble is an error as it is shown.
type trouble struct {
	id   spec.ID
	text string
	err  error // nil while it is not known what comes of it
}

func (p *Page) problemLines(t trouble, w, room int) []string {
	th := &p.Env.Theme
	text := render.Line(t.text, 0)
	if len(p.req.Pipelines) > 1 && t.id.Tenant != "" {
		text = t.id.String() + " " + text
	}
	wrapped := strings.Split(ansi.Wrap(text, max(1, w-2), ""), "\n")
	if len(wrapped) > room+1 {
		wrapped = wrapped[:room+1]
		wrapped[room] = widget.Fit(wrapped[room], max(1, w-14), th.Glyphs.Ellipsis) + " (e: all)"
	}
	out := make([]string, 0, len(wrapped)+1)
	for i, l := range wrapped {
		sign := "  "
		if i == 0 {
			sign = th.Glyphs.Bad + " "
		}
		out = append(out, th.Bad.Render(sign+l))
	}
	if hint := fault.HintOf(t.err); hint != "" {
		lines := strings.Split(ansi.Wrap("hint: "+render.Line(hint, 0), max(1, w-2), ""), "\n")
		if len(lines) > room+1 {
			lines = append(lines[:room], widget.Fit(strings.Join(lines[room:], " "), w-2, th.Glyphs.Ellipsis))
		}
		for _, l := range lines {
			out = append(out, th.Hint.Render("  "+l))
		}
	}
	return out
}
