package pipeline

import (
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// View draws the status, what is wrong, the tabs and the open tab.
func (p *Page) View(width, height int) string {
	th := &p.Env.Theme
	head := []string{p.statusLine(width - 1)}
	head = append(head, p.banners()...)
	if len(head) > 1 && height < 10 {
		head = head[:2] // the tab matters more
	}
	p.tabsAt = len(head)
	p.tabsIn = max(1, width-1)
	head = append(head, widget.Tabs(th, titles, p.tab, p.tabsIn))
	p.bodyTop = len(head)
	for i, l := range head {
		head[i] = widget.Fit(" "+l, width, th.Glyphs.Ellipsis)
	}
	if rows := height - len(head); rows > 0 {
		head = append(head, widget.Box(p.body(width, rows), width, rows))
	}
	return widget.Box(strings.Join(head, "\n"), width, height)
}

// statusLine is the pipeline in one line.
func (p *Page) statusLine(width int) string {
	th := &p.Env.Theme
	facts := []widget.Fact{{Text: p.status()}}
	if s := p.p.Spec; s != nil {
		name := render.Line(s.Template, 0)
		facts = append(facts, widget.Fact{Text: name + th.Muted.Render(" v"+render.Line(s.TemplateVersion, 0)), Short: name, Spare: 3},
			widget.Fact{Text: render.Line(s.Region, 0), Spare: 2})
	}
	if e := p.live.Value.Endpoint; e != "" {
		style, sign := th.Bad, th.Glyphs.Bad
		switch {
		case e == "InService":
			style, sign = th.Good, th.Glyphs.Good
		case pipelines.EndpointBusy(e):
			style, sign = th.Busy, th.Glyphs.Busy
		}
		short := style.Render(sign + " " + render.Line(e, 0))
		facts = append(facts, widget.Fact{Text: th.Muted.Render("endpoint ") + short, Short: short, Spare: 4})
	}
	if p.live.Value.Executions() {
		running, failed := th.Muted, th.Muted
		if p.live.Value.Running.N > 0 {
			running = th.Busy
		}
		if p.live.Value.Failed.N > 0 {
			failed = th.Bad
		}
		bad := p.live.Value.Text(p.live.Value.Failed) + " failed"
		facts = append(facts, widget.Fact{Text: running.Render(p.live.Value.Text(p.live.Value.Running) + " running")},
			widget.Fact{Text: failed.Render(bad + " in 24h"), Short: failed.Render(bad), Spare: 1})
	}
	return widget.Facts(th, width, facts...)
}

func (p *Page) status() string {
	th := &p.Env.Theme
	g := th.Glyphs
	if p.job != nil {
		text := p.job.Request.Verb()
		if pr := p.job.Progress[p.id]; pr != nil {
			if c := pr.Counts(); c.Total() > 0 {
				text += " " + render.Number(int64(c.Done)) + "/" + render.Number(int64(c.Total()))
			}
		}
		return widget.Spin(th, p.Env.Spin()) + " " + th.Busy.Render(text)
	}
	switch {
	case !p.state.Known && p.state.Err != nil:
		return th.Bad.Render(g.Bad + " unreadable")
	case !p.state.Known:
		return widget.Spin(th, p.Env.Spin()) + " " + th.Muted.Render("reading")
	}
	switch status := p.condition().Status; status {
	case pipelines.Ready:
		if p.p.Err != nil {
			return th.Warn.Render(g.Warn + " ready")
		}
		return th.Good.Render(g.Good + " ready")
	case pipelines.Updating:
		return th.Busy.Render(g.Busy + " updating")
	case pipelines.Failed, pipelines.Damaged, pipelines.Unreadable:
		return th.Bad.Render(g.Bad + " " + string(status))
	case pipelines.Cancelled, pipelines.Incomplete:
		return th.Warn.Render(g.Warn + " " + string(status))
	case pipelines.Empty:
		return th.Muted.Render(g.Skipped + " empty")
	default:
		return th.Muted.Render(g.Pending + " not read")
	}
}

// condition is how the pipeline is, with the locks that were read last.
func (p *Page) condition() pipelines.Condition {
	x := p.p
	if len(p.locks) > 0 {
		x.Summary.Locks = p.locks
	}
	return x.Condition()
}

// banners are what must not be overlooked.
func (p *Page) banners() []string {
	th := &p.Env.Theme
	var out []string
	if len(p.locks) > 0 {
		out = append(out, p.lockLine())
	}
	cond := p.condition()
	switch {
	case p.job != nil || cond.Status == pipelines.Updating:
		// What is pending now is under way, not cut off.
	case p.p.State != nil && len(p.p.State.Pending) > 0:
		out = append(out, p.cutOffLine())
	case len(p.locks) == 0 && p.p.State != nil && cond.Err != nil:
		out = append(out, th.Bad.Render(th.Glyphs.Bad+" "+render.Line(cond.Err.Error(), 0)))
	}
	switch err := p.p.Err; {
	case p.damaged():
		out = append(out, th.Bad.Render(th.Glyphs.Bad+" M puts a copy in its place: "+render.Line(p.damage().Error(), 0)))
	case p.state.Known && p.state.Err != nil:
		out = append(out, th.Bad.Render(th.Glyphs.Bad+" what is shown is old: "+render.Line(p.state.Err.Error(), 0)))
	case err != nil:
		out = append(out, th.Bad.Render(th.Glyphs.Bad+" "+render.Line(err.Error(), 0)))
	case p.liveErr() != nil:
		out = append(out, th.Warn.Render(th.Glyphs.Warn+" AWS can't be asked: "+render.Line(p.liveErr().Error(), 0)))
	}
	if d := p.p.Drift(); d.Open() {
		out = append(out, th.Warn.Render(th.Glyphs.Warn+" a refresh "+render.Age(d.At, p.Env.Now())+" found "+render.Count(d.Found, "resource",
			"resources")+" changed outside; u puts them right"))
	}
	return out
}

// body is the open tab.
func (p *Page) body(width, height int) string {
	if p.tab == tabExecutions {
		return p.runs.View(width, height)
	}
	if x := p.panels[p.tab]; x != nil {
		return x.View(width, height)
	}
	if !p.state.Known {
		return p.unknown()
	}
	switch p.tab {
	case tabOverview:
		return p.facts.View(width, height)
	case tabResources:
		return p.tree.View(width, height)
	case tabUpdates:
		return p.updatesView(width, height)
	case tabRevisions:
		return p.revisionsView(width, height)
	default:
		return p.definitionView(width, height)
	}
}

// unknown is shown as long as nothing was read.
func (p *Page) unknown() string {
	if p.state.Err == nil {
		return ""
	}
	return p.problem(p.state.Err, "esc goes back, ctrl+r tries again")
}

// problem is an error in the place of a tab.
func (p *Page) problem(err error, ways string) string {
	th := &p.Env.Theme
	out := []string{"", "  " + th.Bad.Render(th.Glyphs.Bad+" "+render.Line(err.Error(), 0))}
	if hint := fault.HintOf(err); hint != "" {
		out = append(out, "", "  "+render.Line(hint, 0))
	}
	return strings.Join(append(out, "", "  "+th.Muted.Render(ways)), "\n")
}

func (p *Page) updatesView(width, height int) string {
	switch {
	case p.history.Err != nil:
		return p.problem(p.history.Err, "ctrl+r tries again")
	case !p.history.Known && len(p.history.Value) == 0:
		return "\n  " + p.Env.Theme.Muted.Render("reading the history")
	}
	return p.updates.View(width, height)
}

func (p *Page) revisionsView(width, height int) string {
	switch {
	case p.revisions.Err != nil:
		return p.problem(p.revisions.Err, "ctrl+r tries again")
	case !p.revisions.Known && len(p.revisions.Value) == 0:
		return "\n  " + p.Env.Theme.Muted.Render("reading the revisions")
	}
	return p.past.View(width, height)
}

func (p *Page) definitionView(width, height int) string {
	th := &p.Env.Theme
	switch {
	case p.machine.Err != nil:
		return p.problem(p.machine.Err, "ctrl+r tries again")
	case !p.machine.Known:
		return "\n  " + th.Muted.Render("reading the definition")
	case !p.showsText():
		return p.graph.View(width, height)
	case p.graph == nil && p.graphErr != nil && height > 2:
		why := widget.Fit(" "+th.Warn.Render(th.Glyphs.Warn+" it can't be drawn: "+render.Line(p.graphErr.Error(), 0)), width, th.Glyphs.Ellipsis)
		return why + "\n" + p.text.View(width, height-1)
	}
	return p.text.View(width, height)
}
