package fleet

import (
	"cmp"
	"fmt"
	"path"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fleet"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

const (
	// headRows are the lines above the table.
	headRows = 2
	// colError is the column of errors, which is there if any is known.
	colError = 7
)

func (p *Page) executionsGrid() *widget.Grid {
	by := func(compare func(a, b *fleet.Execution) int) func(a, b int) int {
		return func(a, b int) int { return compare(p.list[a], p.list[b]) }
	}
	g := widget.NewGrid(p.th,
		widget.Column{Title: "STATUS", Min: 11, Compare: by(func(a, b *fleet.Execution) int { return cmp.Compare(a.Status, b.Status) })},
		widget.Column{Title: "PIPELINE", Min: 10, Max: 40, Flex: 1, Compare: by(func(a, b *fleet.Execution) int { return cmp.Compare(a.Pipeline, b.Pipeline) })},
		widget.Column{Title: "NAME", Min: 12, Max: 60, Flex: 1, Compare: by(func(a, b *fleet.Execution) int { return cmp.Compare(a.Name, b.Name) })},
		widget.Column{Title: "STARTED", Min: 9, Compare: by(func(a, b *fleet.Execution) int { return b.Start.Compare(a.Start) })},
		widget.Column{Title: "TOOK", Min: 7, Right: true, Drop: 2, Compare: by(func(a, b *fleet.Execution) int {
			now := p.Env.Now()
			return cmp.Compare(b.Duration(now), a.Duration(now))
		})},
		widget.Column{Title: "REDRIVES", Min: 8, Right: true, Drop: 4, Compare: by(func(a, b *fleet.Execution) int { return cmp.Compare(b.Redrives, a.Redrives) })},
		widget.Column{Title: "VERSION", Min: 7, Drop: 3, Compare: by(func(a, b *fleet.Execution) int { return cmp.Compare(version(a), version(b)) })},
		widget.Column{Title: "ERROR", Min: 10, Flex: 2, Drop: 1, Compare: by(func(a, b *fleet.Execution) int { return cmp.Compare(reason(a), reason(b)) })},
	)
	g.Marking = true
	g.SetRows(rows{p})
	return g
}

// version is that of the machine that it runs, "" if it runs none.
func version(x *fleet.Execution) string {
	if x.Version == "" {
		return ""
	}
	return path.Base(strings.ReplaceAll(x.Version, ":", "/"))
}

// reason is why an execution ended badly, as far as that was asked for.
func reason(x *fleet.Execution) string { return strings.TrimSuffix(x.Error+": "+x.Cause, ": ") }

// rows are the executions as the grid asks for them.
type rows struct{ p *Page }

func (r rows) Len() int { return len(r.p.list) }

func (r rows) Key(i int) string { return r.p.list[i].ARN }

// Hay is what the filter looks through.
func (r rows) Hay(i int) string {
	x := r.p.list[i]
	return x.Pipeline + " " + x.Name + " " + widget.ExecutionWord(x.Status) + " " + reason(x)
}

func (r rows) Cell(i, column int) widget.Cell {
	x, th := r.p.list[i], r.p.th
	switch column {
	case 0:
		return statusCell(r.p, x.Status)
	case 1:
		return widget.Cell{Text: x.Pipeline}
	case 2:
		return widget.Cell{Text: x.Name}
	case 3:
		return widget.Cell{Text: render.Age(x.Start, r.p.Env.Now()), Style: th.Muted}
	case 4:
		return widget.Cell{Text: render.Duration(x.Duration(r.p.Env.Now()))}
	case 5:
		if x.Redrives == 0 {
			return widget.Cell{}
		}
		return widget.Cell{Text: render.Number(int64(x.Redrives)), Style: th.Warn}
	case 6:
		return widget.Cell{Text: version(x), Style: th.Muted}
	}
	return widget.Cell{Text: reason(x), Style: th.Bad}
}

func statusCell(p *Page, s executions.Status) widget.Cell {
	return widget.Cell{Text: widget.ExecutionGlyph(p.th, s) + " " + widget.ExecutionWord(s), Style: widget.ExecutionStyle(p.th, s)}
}

func (p *Page) groupsGrid() *widget.Grid {
	by := func(compare func(a, b *fleet.Group) int) func(a, b int) int {
		return func(a, b int) int { return compare(&p.groups[a], &p.groups[b]) }
	}
	g := widget.NewGrid(p.th,
		widget.Column{Title: "COUNT", Min: 5, Right: true, Compare: by(func(a, b *fleet.Group) int { return b.Count - a.Count })},
		widget.Column{Title: "STATUS", Min: 11, Compare: by(func(a, b *fleet.Group) int { return cmp.Compare(a.Status, b.Status) })},
		widget.Column{Title: "ERROR", Min: 20, Flex: 3, Compare: by(func(a, b *fleet.Group) int { return cmp.Compare(cause(a), cause(b)) })},
		widget.Column{Title: "FIRST", Min: 9, Drop: 2, Compare: by(func(a, b *fleet.Group) int { return a.First.Compare(b.First) })},
		widget.Column{Title: "LAST", Min: 9, Compare: by(func(a, b *fleet.Group) int { return b.Last.Compare(a.Last) })},
		widget.Column{Title: "PIPELINES", Min: 9, Right: true, Drop: 3, Compare: by(func(a, b *fleet.Group) int { return len(b.Pipelines) - len(a.Pipelines) })},
		widget.Column{Title: "TENANTS", Min: 7, Max: 30, Flex: 1, Drop: 1, Compare: by(func(a, b *fleet.Group) int { return len(b.Tenants) - len(a.Tenants) })},
		widget.Column{Title: "VERSIONS", Min: 8, Max: 16, Drop: 4},
	)
	g.Marking = true
	g.SetRows(heaps{p})
	return g
}

// cause is what those of a group have in common.
func cause(g *fleet.Group) string { return strings.TrimSuffix(g.Error+": "+g.Message, ": ") }

// heaps are the groups as the grid asks for them.
type heaps struct{ p *Page }

func (h heaps) Len() int { return len(h.p.groups) }

func (h heaps) Key(i int) string { return groupKey(&h.p.groups[i]) }

// Hay is what the filter looks through.
func (h heaps) Hay(i int) string {
	g := &h.p.groups[i]
	return cause(g) + " " + widget.ExecutionWord(g.Status) + " " + strings.Join(g.Pipelines, " ")
}

func (h heaps) Cell(i, column int) widget.Cell {
	g, th, now := &h.p.groups[i], h.p.th, h.p.Env.Now()
	switch column {
	case 0:
		return widget.Cell{Text: render.Number(int64(g.Count))}
	case 1:
		return statusCell(h.p, g.Status)
	case 2:
		return widget.Cell{Text: cause(g), Style: th.Bad}
	case 3:
		return widget.Cell{Text: render.Age(g.First, now), Style: th.Muted}
	case 4:
		return widget.Cell{Text: render.Age(g.Last, now), Style: th.Muted}
	case 5:
		return widget.Cell{Text: render.Number(int64(len(g.Pipelines)))}
	case 6:
		return widget.Cell{Text: strings.Join(g.Tenants, ", ")}
	}
	return widget.Cell{Text: strings.Join(g.Versions, ", "), Style: th.Muted}
}

// View draws what was found, and below it more of what is selected.
func (p *Page) View(width, height int) string {
	if width <= 0 || height <= 0 {
		return ""
	}
	foot := p.foot(width, height)
	rest := height - headRows - len(foot)
	if rest < 3 {
		foot, rest = nil, max(0, height-headRows)
	}
	t := p.table()
	t.Empty = ansi.Wrap(p.emptyText(), max(1, width-4), "")
	out := []string{p.head(width), p.state(width)}
	return widget.Box(widget.Lines(append(append(out, t.View(width, rest)), foot...)...), width, height)
}

func (p *Page) emptyText() string {
	switch {
	case p.look.Err != nil && !p.answered():
		return dialog.ErrorText(p.look.Err)
	case !p.answered():
		return "reading the executions"
	case len(p.look.Value.Notices) > 0:
		return "none of those that could be asked; " + render.Count(len(p.look.Value.Notices), "pipeline", "pipelines") + " could not, or not whole"
	case p.query.Failed:
		return "nothing has failed; F shows everything"
	case p.query.Since != "" || p.query.Name != "" || p.query.Batch != "" || p.query.Error != "" || p.query.Input != "" || len(p.query.Statuses) > 0:
		return "no execution is like that; 0 shows all"
	}
	return "no executions yet"
}

// head says how many there are of what.
func (p *Page) head(width int) string {
	th := p.th
	var parts []string
	switch {
	case !p.look.Known: // nothing is counted yet
	case p.grouped():
		parts = append(parts, th.Title.Render(render.Count(len(p.groups), "cause", "causes"))+th.Muted.Render(" of "+render.Count(len(p.list), "execution", "executions")))
	default:
		for _, s := range fleet.Statuses() {
			if n := p.counts[s]; n > 0 {
				parts = append(parts, widget.ExecutionStyle(th, s).Render(widget.ExecutionGlyph(th, s)+" "+render.Number(int64(n))+" "+widget.ExecutionWord(s)))
			}
		}
	}
	right := ""
	if p.look.Known && p.look.Value.More {
		right = th.Warn.Render("the newest " + render.Number(int64(len(p.look.Value.List))) + ", m: more")
	}
	if t := p.table(); t.Marks() > 0 {
		right += "  " + th.Marked.Render(render.Number(int64(t.MarksShown()))+" marked")
		if hidden := t.Marks() - t.MarksShown(); hidden > 0 {
			right += th.Muted.Render(", " + render.Number(int64(hidden)) + " more hidden by the filter")
		}
	}
	room := width - ansi.StringWidth(right) - 1
	if room < 10 {
		return widget.Fit(right, width, th.Glyphs.Ellipsis)
	}
	return widget.Fit(" "+strings.Join(parts, "  "), room, th.Glyphs.Ellipsis) + right + " "
}

// state says what is at work, what is wrong, or what is chosen.
func (p *Page) state(width int) string {
	th := p.th
	busy := func(text string) string {
		return " " + widget.Spin(th, p.Env.Spin()) + " " + th.Busy.Render(render.Line(text, 0))
	}
	var text string
	switch {
	case p.work != nil:
		text = busy(cmp.Or(p.work.far.String(), p.work.title) + "; esc stops it")
	case p.starting():
		text = busy(p.startingText())
	case p.look.Asking():
		text = busy(cmp.Or(p.far.String(), "reading the executions"))
	case p.look.Err != nil && p.look.Known:
		text = " " + th.Bad.Render(th.Glyphs.Bad+" "+render.Line(p.look.Err.Error(), 0))
	default:
		text = " " + th.Warn.Render(render.Line(p.chosen(), 0))
		if p.look.Known {
			text += p.unasked()
		}
	}
	return widget.Fit(text, width, th.Glyphs.Ellipsis)
}

// unasked says of which pipelines not all is known.
func (p *Page) unasked() string {
	notices := p.look.Value.Notices
	if len(notices) == 0 {
		return ""
	}
	n := notices[0]
	more := ""
	if len(notices) > 1 {
		more = fmt.Sprintf(" (and %d more)", len(notices)-1)
	}
	return "  " + p.th.Bad.Render(p.th.Glyphs.Warn+" not all is here: "+render.Line(n.Pipeline+": "+n.Err.Error(), 0)+more)
}

// chosen is the query in words.
func (p *Page) chosen() string {
	var out []string
	if p.inside != "" && len(p.list) > 0 {
		out = append(out, "those that failed with "+reason(p.list[0]))
	} else if p.query.Failed {
		out = append(out, "failed or timed out")
	}
	if len(p.query.Statuses) > 0 {
		out = append(out, strings.ToLower(strings.Join(p.query.Statuses, ", ")))
	}
	for _, f := range [][2]string{{"since ", p.query.Since}, {"named ", p.query.Name}, {"batch ", p.query.Batch}, {"error ", p.query.Error}, {"input ", p.query.Input}} {
		if f[1] != "" {
			out = append(out, f[0]+f[1])
		}
	}
	if len(p.query.Patterns) > 1 {
		out = append(out, "of "+strings.Join(p.query.Patterns, ", "))
	}
	return strings.Join(out, ", ")
}

// foot is more of what is selected: the error whole, as far as there is room.
func (p *Page) foot(width, height int) []string {
	th := p.th
	if height < 12 {
		return nil
	}
	lines := min(4, height/8)
	var head, body string
	var style lipgloss.Style
	switch x, g := p.selected(), p.group(); {
	case x != nil:
		head = x.Pipeline + "  " + x.Name
		body, style = reason(x), th.Bad
		if body == "" {
			body, style = p.unknown(x), th.Muted
		}
	case g != nil:
		now := p.Env.Now()
		head = fmt.Sprintf("first %s, last %s, %s: %s", render.Age(g.First, now), render.Age(g.Last, now),
			render.Count(len(g.Pipelines), "pipeline", "pipelines"), strings.Join(g.Pipelines, ", "))
		body, style = cause(g), th.Bad
	default:
		return nil
	}
	out := []string{widget.Rule(th, "", width), widget.Fit(" "+th.Crumb.Render(render.Line(head, 0)), width, th.Glyphs.Ellipsis)}
	wrapped := strings.Split(ansi.Wrap(render.Line(body, 0), max(1, width-2), ""), "\n")
	if len(wrapped) > lines {
		wrapped = append(wrapped[:lines-1], strings.Join(wrapped[lines-1:], " "))
	}
	for _, l := range wrapped {
		out = append(out, widget.Fit(" "+style.Render(l), width, th.Glyphs.Ellipsis))
	}
	for len(out) < lines+2 {
		out = append(out, "")
	}
	return out
}

// unknown says why there is no error of an execution.
func (p *Page) unknown(x *fleet.Execution) string {
	switch {
	case x.Status == executions.Running:
		return "running since " + render.Stamp(x.Start)
	case x.Status == executions.Succeeded:
		return "began " + render.Stamp(x.Start) + " and took " + render.Duration(x.Duration(p.Env.Now()))
	case p.look.Value.choice.Described:
		return "AWS tells no error"
	case x.Status == executions.Aborted:
		return "why it was stopped was not asked for: f and b show those that were, with causes"
	}
	return "its error was not asked for: F shows what failed, with errors"
}
