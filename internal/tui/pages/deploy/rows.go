package deploy

import (
	"strconv"
	"time"

	"github.com/charmbracelet/lipgloss"

	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// Columns of the tree; timeColumn is missing in a plan.
const (
	nameColumn = iota
	typeColumn
	statusColumn
	timeColumn
	messageColumn
)

// entry is one line of the tree: a resource, a property of it, or a message.
type entry struct {
	row    int // in resources.rows
	prop   int // in its Diff, -1: none
	note   int // in its Diagnostics, -1: none
	parent int // in resources.entries, -1: a resource
}

// resources are the lines of one pipeline's tree: what changes, and under each
// resource its properties and messages.
type resources struct {
	th      *theme.Screen
	now     func() time.Time
	rows    []stack.Row
	entries []entry
	look
}

// look is how resources are shown.
type look struct {
	live      bool // with status and time: the operation runs or ran
	details   bool // everything is open
	unchanged bool // what stays as it is is shown too
	drift     bool // the changes are what somebody else has made
}

// newResources makes the lines of rows as a Progress has them. What may hurt
// comes first; otherwise the order is kept.
func newResources(th *theme.Screen, now func() time.Time, rows []stack.Row, l look) *resources {
	r := &resources{th: th, now: now, look: l}
	// Weights are few, so rows are dealt out by them rather than sorted.
	var by [heaviest + 1][]int
	lines := 0
	for i := range rows {
		if row := &rows[i]; shown(row, l) {
			w := weight(row)
			by[w] = append(by[w], i)
			lines += 1 + len(row.Diff) + len(row.Diagnostics)
		}
	}
	// Rows are large: they stay where they are, entries tell their order.
	r.rows, r.entries = rows, make([]entry, 0, lines)
	for _, group := range by {
		for _, i := range group {
			row, at := &rows[i], len(r.entries)
			r.entries = append(r.entries, entry{row: i, prop: -1, note: -1, parent: -1})
			for n := range row.Diagnostics {
				r.entries = append(r.entries, entry{row: i, prop: -1, note: n, parent: at})
			}
			for n := range row.Diff {
				r.entries = append(r.entries, entry{row: i, prop: n, note: -1, parent: at})
			}
		}
	}
	return r
}

func shown(row *stack.Row, l look) bool {
	switch {
	case row.IsStack() || row.IsProvider():
		return row.Status == stack.StatusFailed && row.Error() != ""
	case l.unchanged || row.Status == stack.StatusFailed || len(row.Diagnostics) > 0:
		return true
	}
	return changes(row.Op)
}

// changes tells the operations that leave a resource other than it was.
func changes(op stack.Op) bool {
	switch op {
	case "", stack.OpSame, stack.OpRead, stack.OpRefresh:
		return false
	}
	return true
}

// heaviest is the largest weight.
const heaviest = 5

// weight orders rows: what may hurt first, what stays as it is last.
func weight(r *stack.Row) int {
	switch r.Op {
	case stack.OpReplace, stack.OpDelete:
		if _, grave := meaning(*r); grave {
			return 0
		}
		if r.Op == stack.OpReplace {
			return 1
		}
		return 2
	case stack.OpUpdate:
		return 3
	case stack.OpSame, stack.OpRead, stack.OpRefresh:
		return heaviest
	default:
		return 4
	}
}

func (r *resources) Len() int { return len(r.entries) }

func (r *resources) Key(i int) string {
	e := r.entries[i]
	urn := r.rows[e.row].URN
	switch {
	case e.prop >= 0:
		return urn + "#" + r.rows[e.row].Diff[e.prop].Path
	case e.note >= 0:
		return urn + "!" + strconv.Itoa(e.note)
	}
	return urn
}

func (r *resources) Parent(i int) int { return r.entries[i].parent }

// Shut hides the properties of what is created and deleted: they are many and
// say little. While an operation runs only failures are open.
func (r *resources) Shut(i int) bool {
	row := &r.rows[r.entries[i].row]
	switch {
	case r.details:
		return false
	case r.live:
		return row.Status != stack.StatusFailed || row.Error() == ""
	default:
		return row.Op != stack.OpUpdate && row.Op != stack.OpReplace
	}
}

func (r *resources) Cell(i, column int) widget.Cell {
	e := r.entries[i]
	row := &r.rows[e.row]
	switch {
	case e.prop >= 0:
		return r.property(row.Diff[e.prop])
	case e.note >= 0:
		d := row.Diagnostics[e.note]
		style := r.th.Muted
		switch d.Severity {
		case stack.SeverityError:
			style = r.th.Bad
		case stack.SeverityWarning:
			style = r.th.Warn
		}
		return widget.Cell{Text: d.Message, Style: style, Span: true}
	}
	switch {
	case column == nameColumn:
		return widget.Cell{Signs: r.sign(*row), Text: row.Name}
	case column == typeColumn:
		return widget.Cell{Signs: r.th.Muted.Render(render.Icon(row.Type, r.th.Glyphs.Unicode)) + " ", Text: render.PlainType(row.Type), Style: r.th.Muted}
	case column == statusColumn:
		return r.status(*row)
	case column == timeColumn && r.live:
		return widget.Cell{Text: took(*row, r.now()), Style: r.th.Muted}
	default:
		return r.message(*row)
	}
}

func (r *resources) property(d stack.PropertyDiff) widget.Cell {
	before, after := render.Change(d.Old, d.New)
	mark, style, text := "~", r.th.Update, before+" "+arrow(r.th)+" "+after
	switch d.Kind {
	case stack.DiffAdd:
		mark, style, text = "+", r.th.Create, render.Value(d.New, 0)
	case stack.DiffDelete:
		mark, style, text = "-", r.th.Delete, render.Value(d.Old, 0)
	}
	signs := style.Render(mark + " " + render.Line(d.Path, 0))
	if d.Replace { // the sign stands before the values, of which the end may be out of sight
		signs = r.th.Replace.Render(render.OpMark(stack.OpReplace)) + " " + style.Render(render.Line(d.Path, 0))
		text += "  (forces replacement)"
	}
	return widget.Cell{Signs: signs + ": ", Text: text, Span: true}
}

func arrow(th *theme.Screen) string {
	if th.Glyphs.Unicode {
		return th.Glyphs.Right
	}
	return "->"
}

func (r *resources) sign(row stack.Row) string {
	g, th := r.th.Glyphs, r.th
	if !r.live {
		return render.OpStyle(th.Styles, row.Op).Render(widget.Fit(render.OpMark(row.Op), 2, "")) + " "
	}
	switch row.Status {
	case stack.StatusRunning:
		return widget.Spin(th, ui.SpinAt(r.now())) + " "
	case stack.StatusDone:
		return th.Good.Render(g.Good) + " "
	case stack.StatusFailed:
		return th.Bad.Render(g.Bad) + " "
	case stack.StatusSkipped:
		return th.Muted.Render(g.Skipped) + " "
	default:
		return th.Muted.Render(g.Pending) + " "
	}
}

// status is what is or was done to a resource, in words.
func (r *resources) status(row stack.Row) widget.Cell {
	op := render.OpStyle(r.th.Styles, row.Op)
	if !r.live {
		text := render.OpVerb(row.Op, false)
		switch {
		case r.drift && row.Op == stack.OpDelete:
			text = "deleted"
		case r.drift && changes(row.Op):
			text = "changed"
		case row.Op == stack.OpReplace || row.Op == stack.OpDelete:
			op = op.Bold(true)
		}
		return widget.Cell{Text: text, Style: op}
	}
	switch row.Status {
	case stack.StatusRunning:
		return widget.Cell{Text: doing(row.Step), Style: r.th.Busy}
	case stack.StatusDone:
		return widget.Cell{Text: render.OpVerb(row.Op, true), Style: op}
	case stack.StatusFailed:
		return widget.Cell{Text: render.OpVerb(row.Op, false) + " failed", Style: r.th.Bad}
	case stack.StatusSkipped:
		return widget.Cell{Text: "not begun", Style: r.th.Muted}
	default:
		return widget.Cell{Text: "to " + render.OpVerb(row.Op, false), Style: r.th.Muted}
	}
}

// doing is a step that is under way.
func doing(op stack.Op) string {
	switch op {
	case stack.OpCreate:
		return "creating"
	case stack.OpUpdate:
		return "updating"
	case stack.OpDelete:
		return "deleting"
	case stack.OpReplace:
		return "replacing"
	case stack.OpCreateReplacement:
		return "creating new"
	case stack.OpDeleteReplaced:
		return "deleting old"
	case stack.OpRefresh, stack.OpRead:
		return "reading"
	case stack.OpSame:
		return "checking"
	default:
		return string(op)
	}
}

// patience says what is being waited for where nobody else says it and it may take
// long.
func patience(row stack.Row) string {
	kind, _ := kinds.Of(row.Type)
	switch row.Step {
	case stack.OpCreate, stack.OpCreateReplacement:
		return kind.Patience.Create
	case stack.OpUpdate:
		return kind.Patience.Update
	default:
		return ""
	}
}

// took is the time of a step, nothing if it is too short to mean anything.
func took(row stack.Row, now time.Time) string {
	d := row.Elapsed(now)
	if d < 100*time.Millisecond {
		return ""
	}
	return render.Duration(d)
}

func (r *resources) message(row stack.Row) widget.Cell {
	if r.live {
		if e := row.Error(); e != "" {
			return widget.Cell{Text: e, Style: r.th.Bad}
		}
		text := row.Info
		if text == "" && row.Status == stack.StatusRunning {
			text = patience(row)
		}
		return widget.Cell{Text: text, Style: r.th.Muted}
	}
	if r.drift {
		text := "other than recorded"
		if row.Op == stack.OpDelete {
			text = "not there any more; an update makes it anew"
		}
		return widget.Cell{Text: text, Style: r.th.Warn}
	}
	text, grave := meaning(row)
	var style lipgloss.Style
	if style = r.th.Muted; grave {
		style = r.th.Warn
	}
	return widget.Cell{Text: text, Style: style}
}
