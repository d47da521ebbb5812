package deploy

import (
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// listRows are the pipelines of the operation.
type listRows struct{ p *Page }

func (r listRows) Len() int { return len(r.p.figures) }

func (r listRows) Key(row int) string { return r.p.figures[row].id.String() }

func (r listRows) Cell(row, column int) widget.Cell {
	f, th := r.p.figures[row], &r.p.Env.Theme
	switch column {
	case 0:
		sign := stateSign(th, f.state, r.p.Env)
		if f.stays {
			sign = th.Warn.Render(th.Glyphs.Warn)
		}
		return widget.Cell{Signs: sign + " ", Text: f.id.String()}
	case 1:
		if r.p.job == nil { // no bar: the text has its place
			c := r.Cell(row, 2)
			c.Span = true
			return c
		}
		return widget.Cell{Signs: widget.Bar(th, int64(f.done+f.failed), int64(f.failed), int64(max(1, f.total)), 8)}
	}
	if column == 3 {
		if d := f.took(r.p.Env.Now()); d > 0 && r.p.job != nil {
			return widget.Cell{Text: render.Duration(d), Style: th.Muted}
		}
		return widget.Cell{}
	}
	text := f.text(r.op())
	switch {
	case f.stays:
		return widget.Cell{Text: "stays: protected", Style: th.Warn}
	case f.state == waiting && r.p.shown() == nil:
		text = render.Count(f.total, "resource", "resources")
	case f.state == succeeded && r.p.job == nil:
		return widget.Cell{Signs: marks(th, f.changes)}
	}
	style := th.Muted
	switch f.state {
	case failed:
		style = th.Bad
	case cancelled, notBegun:
		style = th.Warn
	}
	return widget.Cell{Text: text, Style: style}
}

// marks are the counts of a preview in as little room as possible.
func marks(th *theme.Screen, changes map[stack.Op]int) string {
	var parts []string
	for _, op := range []stack.Op{stack.OpReplace, stack.OpDelete, stack.OpUpdate, stack.OpCreate} {
		if n := changes[op]; n > 0 {
			parts = append(parts, render.OpStyle(th.Styles, op).Render(render.OpMark(op)+" "+strconv.Itoa(n)))
		}
	}
	if len(parts) == 0 {
		return th.Muted.Render("no changes")
	}
	return strings.Join(parts, "  ")
}

func (r listRows) op() stack.Operation {
	if r.p.job == nil && r.p.preview != nil {
		return stack.OperationPreview
	}
	return r.p.req.Operation
}

func stateSign(th *theme.Screen, s state, e *ui.Env) string {
	g := th.Glyphs
	switch s {
	case running:
		return widget.Spin(th, e.Spin())
	case succeeded:
		return th.Good.Render(g.Good)
	case failed:
		return th.Bad.Render(g.Bad)
	case cancelled, notBegun:
		return th.Warn.Render(g.Skipped)
	default:
		return th.Muted.Render(g.Pending)
	}
}
