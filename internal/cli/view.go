package cli

import (
	"fmt"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/preflight"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// view folds the updates of an operation and shows them as they come.
type view struct {
	deps     *Deps
	lines    *console.Stream
	live     bool   // print a line per event
	board    *board // several pipelines on a terminal; nil elsewhere
	progress map[spec.ID]*stack.Progress
	// costs are those that a preview tells of.
	costs map[spec.ID]*app.Costs
	// checks are what the account was asked before; nil if it was not.
	checks *preflight.Report
}

// newView prepares the view of an operation on several pipelines. quiet shows no
// line per event.
func newView(deps *Deps, quiet bool, total int, planning bool) (*view, error) {
	l, err := deps.Stream()
	return &view{deps: deps, lines: l, live: !quiet, board: newBoard(deps, total, planning), progress: map[spec.ID]*stack.Progress{}}, err
}

// expect tells what was planned, so that it is known how much is to come.
func (v *view) expect(planned map[spec.ID][]stack.Row) {
	for id, rows := range planned {
		v.progress[id] = &stack.Progress{}
		v.progress[id].Expect(rows)
	}
}

func (v *view) apply(u app.Update) error {
	p := v.progress[u.ID]
	if p == nil {
		p = &stack.Progress{}
		v.progress[u.ID] = p
	}
	p.Apply(u.Event)
	if v.lines != nil {
		return v.lines.Emit(struct {
			Type     string      `json:"type"`
			Pipeline string      `json:"pipeline"`
			Event    stack.Event `json:"event"`
		}{"event", u.ID.String(), u.Event})
	}
	if v.board != nil {
		if line := v.line(p, u); line != "" && v.live && noteworthy(u.Event) {
			v.board.say(line)
		}
		v.board.event(u.ID, p, u.Event)
		return nil
	}
	if line := v.line(p, u); line != "" && v.live {
		fmt.Fprintln(v.deps.Err, line)
	}
	return nil
}

func (v *view) line(p *stack.Progress, u app.Update) string {
	var took time.Duration
	if u.Event.Resource != nil {
		if row, ok := p.Row(u.Event.Resource.URN); ok {
			took = row.Ended.Sub(row.Started)
		}
	}
	return render.DeployLine(v.deps.ErrStyle, u.ID.String(), u.Event, took)
}

// noteworthy tells what stays on the screen beside a live view.
func noteworthy(ev stack.Event) bool {
	switch ev.Type {
	case stack.EventResourceFailed, stack.EventError, stack.EventPolicy:
		return true
	case stack.EventDiagnostic:
		return ev.Diagnostic != nil && (ev.Diagnostic.Severity == stack.SeverityError || ev.Diagnostic.Severity == stack.SeverityWarning)
	default:
		return false
	}
}

// ticks is when to draw.
func (v *view) ticks() <-chan time.Time {
	if v.board == nil {
		return nil
	}
	return v.board.ticker.C
}

func (v *view) draw() {
	if v.board != nil {
		v.board.draw()
	}
}

func (v *view) erase() {
	if v.board != nil {
		v.board.erase()
	}
}

// pause keeps the live view off the screen, for a question.
func (v *view) pause(on bool) {
	if v.board != nil {
		v.board.erase()
		v.board.paused = on
	}
}

// end takes the live view away for good: the summary follows.
func (v *view) end() {
	if v.board != nil {
		v.board.ticker.Stop()
		v.board.erase()
		v.board.paused = true
	}
}

// plan is what a preview of a pipeline found, and what to think of before it is done.
func (v *view) plan(st theme.Styles, id spec.ID, details bool) string {
	p := v.progress[id]
	if p == nil {
		return ""
	}
	text := render.Plan(st, p.Rows(), details)
	for _, m := range p.Messages { // of the stack as a whole
		if m.Severity == stack.SeverityWarning {
			text += st.Warn.Render("  ! "+render.Line(m.Message, 0)) + "\n"
		}
	}
	for _, line := range render.Attention(p.Rows()) {
		text += st.Warn.Render("  ! "+line) + "\n"
	}
	if c := newCostsDoc(v.costs[id]); c != nil {
		text += c.text(st)
	}
	return text
}
