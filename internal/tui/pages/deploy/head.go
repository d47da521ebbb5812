package deploy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// head is what stands above everything: what happens, where, and what is wrong.
func (p *Page) head(w, h int) []string {
	lines := []string{p.headline(w)}
	room := max(1, h/8)
	if p.phase == asking || p.phase == looking {
		lines = append(lines, p.place(w))
	}
	if p.phase == asking {
		lines = append(lines, p.warnings(w, room)...)
	}
	for _, r := range p.rollouts() {
		lines = append(lines, p.rolloutLines(r, w, room)...)
	}
	if text, ok := p.problem(); ok && p.phase != looking {
		lines = append(lines, p.problemLines(text, w, room)...)
	} else if f := p.figure(p.selected); p.phase == finished && f.state == cancelled {
		th := &p.Env.Theme
		text := "Cancelled on the way: what was done stays."
		if hint := fault.HintOf(f.err); hint != "" {
			text = render.Line(hint, 0)
		}
		if f.note != "" && f.err != nil { // the engine never began
			text = render.Line(f.err.Error(), 0)
		}
		lines = append(lines, th.Warn.Render(widget.Fit(th.Glyphs.Warn+" "+text, w, th.Glyphs.Ellipsis)))
	}
	return lines
}

func (p *Page) headline(w int) string {
	th := &p.Env.Theme
	now := p.Env.Now()
	spin := widget.Spin(th, ui.SpinAt(now)) + " "
	job := p.shown()
	var text string
	switch p.phase {
	case looking:
		text = spin + th.Title.Render("reading "+p.meant())
		if job != nil {
			looked := 0
			for _, f := range p.figures {
				if progress := job.Progress[f.id]; progress != nil {
					looked += progress.Counts().Done
				}
			}
			text = spin + th.Title.Render("previewing "+p.meant()) +
				th.Muted.Render(dot(th)+render.Count(looked, "resource", "resources")+" looked at"+dot(th)+render.Duration(now.Sub(job.Started)))
		}
	case asking:
		text = p.askingLine()
	case working:
		if d := p.download(); d != "" {
			text = spin + th.Title.Render(p.verb()+" "+p.names(nil)+p.to()) + dot(th) + d
			break
		}
		done, bad, running, total := p.totals()
		if note := p.figures[0].note; len(p.figures) == 1 && note != "" {
			text = spin + th.Title.Render(p.verb()+" "+p.names(nil)+p.to()) + dot(th) + note + th.Muted.Render(dot(th)+render.Duration(now.Sub(job.Started)))
			break
		}
		text = spin + th.Title.Render(p.verb()+" "+p.names(nil)+p.to()) + " " + widget.Bar(th, int64(done+bad), int64(bad), int64(total), min(24, max(6, w/5))) +
			th.Muted.Render(fmt.Sprintf(" %d of %d", done+bad, total)+dot(th)+fmt.Sprintf("%d in flight", running)+dot(th)+render.Duration(now.Sub(job.Started))+p.endedText())
		switch {
		case job.Killed:
			text += th.Bad.Render(dot(th) + "stopping by force")
		case job.Cancelled:
			text += th.Warn.Render(dot(th) + "cancelling: waiting for what is in flight")
		}
	case finished:
		text = p.finishedLine()
	}
	return widget.Fit(text, w, th.Glyphs.Ellipsis)
}

// download says which plugin is being fetched, "" if none is: that comes first,
// once, and takes its time.
func (p *Page) download() string {
	for _, x := range p.req.Pipelines {
		progress := p.shown().Progress[x.ID]
		if progress == nil {
			continue
		}
		for _, d := range progress.Downloads() {
			text := "fetching " + render.Line(d.ID, 40)
			if d.Total > 0 {
				text += " " + render.Bytes(d.Completed) + " of " + render.Bytes(d.Total)
			}
			return text
		}
	}
	return ""
}

func dot(th *theme.Screen) string { return " " + th.Glyphs.Dot + " " }

func (p *Page) totals() (done, bad, running, total int) {
	for _, f := range p.figures {
		done, bad, running, total = done+f.done, bad+f.failed, running+f.running, total+f.total
	}
	return done, bad, running, total
}

// endedText counts pipelines, if there are several.
func (p *Page) endedText() string {
	if len(p.figures) < 2 {
		return ""
	}
	ended := 0
	for _, f := range p.figures {
		if f.over() {
			ended++
		}
	}
	text := fmt.Sprintf("%d of %s ended", ended, render.Count(len(p.figures), "pipeline", "pipelines"))
	if n := p.failures(); n > 0 {
		text += fmt.Sprintf(", %d failed", n)
	}
	return dot(&p.Env.Theme) + text
}

func (p *Page) askingLine() string {
	th := &p.Env.Theme
	sum := map[stack.Op]int{}
	for _, f := range p.figures {
		for op, n := range f.changes {
			sum[op] += n
		}
	}
	if p.impatient {
		return th.Title.Render("Preview of "+p.meant()) + ": counting what runs ..."
	}
	switch p.req.Operation {
	case stack.OperationDestroy:
		what := p.names(nil)
		if todo := p.applicable(); len(todo) < len(p.req.Pipelines) && len(p.req.Pipelines) > 1 {
			what = fmt.Sprintf("%d of %s", len(todo), what)
		}
		return th.Title.Render("Destroy "+what) + ": " + th.Delete.Render(render.Count(sum[stack.OpDelete], "resource", "resources")+" to delete")
	case stack.OperationRefresh:
		return th.Title.Render("Refresh "+p.names(nil)) + ": " + render.Count(sum[stack.OpRefresh], "resource", "resources") + " to be compared with what is recorded"
	}
	if p.req.Back != nil {
		return th.Title.Render("Roll back "+p.names(nil)+p.to()) + p.madeBy() + ": " + chips(th, sum)
	}
	return th.Title.Render("Preview of "+p.names(nil)) + ": " + chips(th, sum)
}

// chips are the counts of a preview, each in its colour.
func chips(th *theme.Screen, changes map[stack.Op]int) string {
	var parts []string
	for _, op := range []stack.Op{stack.OpReplace, stack.OpDelete, stack.OpUpdate, stack.OpCreate} {
		if n := changes[op]; n > 0 {
			parts = append(parts, render.OpStyle(th.Styles, op).Render(fmt.Sprintf("%s %d to %s", render.OpMark(op), n, render.OpVerb(op, false))))
		}
	}
	if len(parts) == 0 {
		parts = append(parts, th.Good.Render("no changes"))
	}
	if n := changes[stack.OpSame]; n > 0 {
		parts = append(parts, th.Muted.Render(fmt.Sprintf("%d unchanged", n)))
	}
	return strings.Join(parts, "  ")
}

func (p *Page) finishedLine() string {
	th := &p.Env.Theme
	job := p.shown()
	took := th.Muted.Render(dot(th) + render.Duration(job.Ended.Sub(job.Started)))
	title := th.Title.Render(job.Request.Verb() + " " + p.names(nil) + p.to())
	sum := job.Outcome()
	sign := th.Good.Render(th.Glyphs.Good)
	switch ending := sum.Ending(); {
	case job.Err != nil:
		return th.Bad.Render(th.Glyphs.Bad) + " " + title + ": " + th.Bad.Render("did not begin")
	case ending == pipelines.EndFailed:
		sign = th.Bad.Render(th.Glyphs.Bad)
	case ending == pipelines.EndCancelled:
		sign = th.Warn.Render(th.Glyphs.Skipped)
	}
	if len(p.figures) == 1 {
		return sign + " " + title + ": " + p.outcome(p.figures[0]) + took
	}
	return sign + " " + title + ": " + sum.String() + took
}

// outcome is what came of a pipeline, in the colour of it.
func (p *Page) outcome(f figures) string {
	th := &p.Env.Theme
	text := f.text(p.req.Operation)
	switch f.state {
	case failed:
		return th.Bad.Render(text)
	case cancelled, notBegun:
		return th.Warn.Render(text)
	case succeeded:
		return th.Good.Render(text)
	default:
		return text
	}
}

// names are the pipelines in a few words; nil are those of the request.
func (p *Page) names(of []*spec.Pipeline) string {
	if of == nil {
		of = p.req.Pipelines
	}
	if len(of) == 1 {
		return of[0].ID.String()
	}
	return render.Count(len(of), "pipeline", "pipelines")
}

// verb is what is done.
func (p *Page) verb() string { return p.req.Verb() }

// to says what a pipeline is brought back to, "" if it is not.
func (p *Page) to() string {
	if p.req.Back == nil {
		return ""
	}
	return " to revision " + strconv.Itoa(p.req.Back.Number)
}

// meant is what is looked at before it is done: the pipelines, or the rollback of one.
func (p *Page) meant() string {
	if p.req.Back == nil {
		return p.names(nil)
	}
	return "the rollback of " + p.names(nil) + p.to()
}

// madeBy says when a revision that is brought back was made, and by whom.
func (p *Page) madeBy() string {
	back := p.req.Back
	if back == nil {
		return ""
	}
	text := ", of " + render.Age(back.Begun, p.Env.Now())
	if back.By != "" {
		text += " by " + render.Line(back.By, 0)
	}
	return p.Env.Theme.Muted.Render(text)
}

// where is the place in a few words: "the sandbox", "AWS account 1234".
func (p *Page) where() string {
	place := p.Env.Place()
	switch {
	case place.Sandbox():
		return "the sandbox"
	case place.Account != "":
		return "AWS account " + render.Line(place.Account, 0)
	}
	return "a place not known yet"
}

// place names target, account, region, identity and backend.
func (p *Page) place(w int) string {
	th := &p.Env.Theme
	place := p.Env.Place()
	if place.Target == "" {
		return th.Muted.Render("finding out where this runs ...")
	}
	badge := th.Danger.Render(" " + strings.ToUpper(render.Line(place.Target, 0)) + " ")
	if place.Sandbox() {
		badge = th.Safe.Render(" SANDBOX ")
	}
	var regions []string
	for _, x := range p.req.Pipelines {
		if x.Region != "" && !slices.Contains(regions, x.Region) {
			regions = append(regions, x.Region)
		}
	}
	if len(regions) == 0 {
		regions = []string{place.Region}
	}
	who := place.Identity
	if i := strings.LastIndex(who, ":"); i >= 0 {
		who = who[i+1:]
	}
	parts := []string{
		"account " + place.Account, strings.Join(regions, ", "), "as " + who, "backend " + place.Backend,
	}
	if place.Endpoint != "" && !place.Sandbox() {
		parts = append(parts, "endpoint "+place.Endpoint)
	}
	return widget.Fit(badge+" "+render.Line(strings.Join(parts, dot(th)), 0), w, th.Glyphs.Ellipsis)
}
