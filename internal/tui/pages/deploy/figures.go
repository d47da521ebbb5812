package deploy

import (
	"fmt"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// state is where one pipeline of an operation is.
type state int

const (
	waiting state = iota // not begun yet
	running
	succeeded
	failed
	cancelled
	notBegun
)

// figures are what is said of one pipeline in a line.
type figures struct {
	id    spec.ID
	state state
	// done, failed and total count the resources that change.
	done, failed, running, total int
	changes                      map[stack.Op]int
	drift                        int
	began, ended                 time.Time
	result                       *pipelines.Outcome
	err                          error  // why it failed
	note                         string // what is waited for before the engine has begun
	stays                        bool   // it is protected, so nothing will happen to it
	// of and events are the job and how much of it this is made of.
	of     *ui.Job
	events int
	final  bool
}

// took is how long it has worked.
func (f figures) took(now time.Time) time.Duration {
	switch {
	case f.began.IsZero():
		return 0
	case !f.ended.IsZero():
		return f.ended.Sub(f.began)
	}
	return max(0, now.Sub(f.began))
}

// over tells whether nothing more will happen to it.
func (f figures) over() bool { return f.state > running }

// fresh tells that the figures are those of the job as it is now.
func (f figures) fresh(job *ui.Job) bool {
	p := job.Progress[f.id]
	return f.of == job && f.final == job.Done() && p != nil && f.events == p.Events
}

// figure sums up one pipeline of a job.
func figure(job *ui.Job, id spec.ID) figures {
	f := figures{id: id, of: job, final: job.Done()}
	if p := job.Progress[id]; p != nil {
		f.events = p.Events
	}
	if p := job.Progress[id]; p != nil && !p.Started.IsZero() {
		f.state, f.began, f.changes = running, p.Started, p.Changes()
		for r := range p.All() {
			f.count(r, job.Request.Operation)
		}
		if n := len(p.Messages); n > 0 && p.Config == nil { // its first word is the config
			f.note = render.Line(p.Messages[n-1].Message, 0)
		}
		if p.End != nil {
			f.ended, f.state = p.Updated, ending(p.End.Outcome)
			if p.End.Error != "" {
				f.err = fault.New(fault.Kind(p.End.Kind), "%s", p.End.Error).WithHint("%s", p.End.Hint)
			}
		}
	} else if p != nil {
		for r := range p.All() { // those of the preview
			f.count(r, job.Request.Operation)
		}
	}
	for i := range job.Results {
		if r := &job.Results[i]; r.ID == id {
			f.settle(r)
		}
	}
	return f
}

func (f *figures) count(r *stack.Row, op stack.Operation) {
	if r.IsProvider() || op != stack.OperationRefresh && !changes(r.Op) && r.Status != stack.StatusFailed {
		return
	}
	f.total++
	switch r.Status {
	case stack.StatusDone:
		f.done++
	case stack.StatusFailed:
		f.failed++
	case stack.StatusRunning:
		if !r.IsStack() { // which runs as long as all the others do
			f.running++
		}
	}
}

// settle takes what the operation itself says in the end.
func (f *figures) settle(r *pipelines.Outcome) {
	f.result, f.err, f.drift = r, r.Err, len(r.Result.Drift)
	switch {
	case r.Skipped:
		f.state = notBegun
	case fault.KindOf(r.Err) == fault.Canceled:
		f.state = cancelled
	case r.Err != nil:
		f.state = failed
	default:
		f.state = succeeded
	}
	if len(r.Result.Changes) > 0 {
		f.changes = r.Result.Changes
	}
	if f.began.IsZero() {
		f.began, f.ended = r.Result.Started, r.Result.Started.Add(r.Result.Duration)
	}
}

func ending(o stack.Outcome) state {
	switch o {
	case stack.Succeeded:
		return succeeded
	case stack.Canceled:
		return cancelled
	default:
		return failed
	}
}

// text is the outcome in words: "3 created, 1 updated".
func (f figures) text(op stack.Operation) string {
	changed := render.Changes(f.changes, op != stack.OperationPreview)
	switch {
	case f.state == notBegun:
		return "not begun"
	case f.state == waiting:
		return "waiting"
	case f.state == running && f.note != "":
		return f.note
	case f.state == running && f.total > 0:
		return fmt.Sprintf("%d of %d", f.done+f.failed, f.total)
	case f.state == running:
		return "working"
	case f.state == failed:
		return "failed: " + changed
	case f.state == cancelled:
		return "cancelled: " + changed
	case op == stack.OperationRefresh && f.drift == 0:
		return "no drift"
	case op == stack.OperationRefresh:
		return render.Count(f.drift, "resource has", "resources have") + " drifted"
	}
	return changed
}

// Summary is what stays of an operation that has ended, a line for each pipeline:
// for the scrollback.
func Summary(job *ui.Job) string {
	if job.Err != nil {
		return fmt.Sprintf("%s: did not begin: %s", render.Line(job.Request.Title(), 0), render.Line(job.Err.Error(), 0))
	}
	lines := make([]string, 0, len(job.Request.Pipelines))
	for _, p := range job.Request.Pipelines {
		f := figure(job, p.ID)
		what := string(job.Request.Operation) + " " + p.ID.String()
		if job.Request.Back != nil {
			what = job.Request.Title() // it is of one pipeline
		}
		line := fmt.Sprintf("%s: %s", what, f.text(job.Request.Operation))
		if d := f.took(job.Ended); d > 0 {
			line += " (" + render.Duration(d) + ")"
		}
		if f.err != nil && f.state == failed {
			line += "\n  " + render.Line(reason(job, p.ID, f), 0)
			if hint := fault.HintOf(f.err); hint != "" {
				line += "\n  hint: " + render.Line(hint, 0)
			}
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// reason is the first real error of a pipeline with the resource it is of.
func reason(job *ui.Job, id spec.ID, f figures) string {
	if p := job.Progress[id]; p != nil {
		if d, ok := p.FirstError(); ok {
			if row, ok := p.Row(d.URN); ok && !row.IsStack() {
				return row.Name + " (" + render.PlainType(row.Type) + "): " + d.Message
			}
			return d.Message
		}
	}
	if f.err != nil {
		return f.err.Error()
	}
	return ""
}
