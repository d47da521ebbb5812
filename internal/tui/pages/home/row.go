package home

import (
	"cmp"
	"errors"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/health"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// row is what the page knows of one pipeline.
type row struct {
	p   pipelines.Pipeline
	key string // the stack's name
	// cond is how p is; it is worked out once, not for every frame.
	cond pipelines.Condition
	// hay is what the filter looks at.
	hay     string
	created time.Time
	// unread says that the state is to be read, reading that it is being read; after
	// an error not before retry.
	unread, reading bool
	readErr         error
	retry           time.Time

	live    pipelines.Live
	liveErr error
	polling bool
	// polled is when live was answered last, well or not.
	polled time.Time

	// heard is when ends were told last, told those that live was changed by.
	heard time.Time
	told  map[told]bool

	// pulse is what CloudWatch told, nil if it was not asked.
	pulse *pipelines.Health

	// job works on the pipeline now, lastJob is the newest of the session.
	job, lastJob *ui.Job
	// recorded is what the history knows of drift.
	recorded pipelines.Drift
	// found is what a refresh of this session has found.
	found pipelines.Drift
}

func newRow(p pipelines.Pipeline) *row {
	r := &row{key: p.ID.StackName()}
	r.set(p)
	r.unread = p.State == nil && p.Err == nil
	return r
}

// set takes in what was read.
func (r *row) set(p pipelines.Pipeline) {
	r.p, r.created, r.recorded, r.cond = p, p.Created(), p.Drift(), p.Condition()
	r.words()
}

// merge takes in what a list says and reports whether anything is new. What the
// list does not know is kept, to be read again if the stack has changed.
func (r *row) merge(p *pipelines.Pipeline) bool {
	old := &r.p.Summary
	if p.State != nil || p.Err != nil {
		if p.Read.Equal(r.p.Read) && p.Summary.Equal(*old) {
			return false
		}
		r.set(*p)
		return true
	}
	if p.Summary.Equal(*old) {
		return false
	}
	if old.Err != nil {
		r.p.Err = nil // it was mended
	}
	r.p.Summary = p.Summary
	r.cond = r.p.Condition()
	r.stale()
	return true
}

// stale asks for everything to be read again.
func (r *row) stale() {
	r.unread, r.retry, r.polled = true, time.Time{}, time.Time{}
}

// words makes what the filter looks at.
func (r *row) words() {
	words := []string{r.p.ID.String(), r.p.ID.Env, r.p.Template(), r.p.Region(), string(r.cond.Status), r.live.Endpoint}
	if last := r.p.Last(); last != nil {
		words = append(words, pipelines.KindWord(last.Kind), last.Result)
	}
	if r.live.Last != nil {
		words = append(words, string(r.live.Last.Status))
	}
	if r.drift().Open() {
		words = append(words, "drift")
	}
	if r.p.Protected() {
		words = append(words, "protected")
	}
	if r.p.Spec != nil {
		for k, v := range r.p.Spec.Tags {
			words = append(words, k+"="+v)
		}
	}
	r.hay = strings.Join(words, " ")
}

// tag is the value of a tag, "" if the pipeline has none such.
func (r *row) tag(key string) string {
	if r.p.Spec == nil {
		return ""
	}
	return r.p.Spec.Tags[key]
}

// drift is what is known of drift, from this session or the history.
func (r *row) drift() pipelines.Drift {
	if r.found.At.After(r.recorded.At) {
		return r.found
	}
	return r.recorded
}

// failed is why the row shows less than it should, nil if it does not.
func (r *row) failed() error {
	return cmp.Or(r.readErr, r.cond.Err, r.p.Err, r.liveErr)
}

// machine tells whether the pipeline has, as far as is known, a state machine.
func (r *row) machine() bool {
	return r.p.State == nil || r.p.Output("stateMachineArn") != ""
}

// pollable tells whether AWS can be asked about it.
func (r *row) pollable() bool {
	return r.p.Askable()
}

// active tells that something of it is moving.
func (r *row) active() bool {
	return r.job != nil || r.live.Moving() || r.p.Summary.InProgress
}

// old tells that what AWS said was a while ago.
func (r *row) old(now time.Time) bool {
	return !r.live.At.IsZero() && now.Sub(r.live.At) >= ui.LiveFresh
}

func isGone(err error) bool { return errors.Is(err, fault.NotFound) }

// The columns.
const (
	colTenant = iota
	colModel
	colEnv
	colTemplate
	colTag
	colStatus
	colLast
	colEndpoint
	colCalls
	colErrors
	colLatency
	colIdle
	colTrend
	colRunning
	colFailed
	colRun
	colSeen
	colDrift
	colAge
)

func (p *Page) columns() []widget.Column {
	by := func(compare func(a, b *row) int) func(a, b int) int {
		return func(a, b int) int { return compare(p.rows[a], p.rows[b]) }
	}
	text := func(of func(r *row) string) func(a, b int) int {
		return by(func(a, b *row) int { return strings.Compare(of(a), of(b)) })
	}
	recent := func(of func(r *row) time.Time) func(a, b int) int {
		return by(func(a, b *row) int { return of(b).Compare(of(a)) })
	}
	return []widget.Column{
		colTenant:   {Title: "TENANT", Min: 6, Max: 20, Flex: 2, Compare: by(func(a, b *row) int { return a.p.ID.Compare(b.p.ID) })},
		colModel:    {Title: "MODEL", Min: 8, Max: 28, Flex: 3, Compare: text(func(r *row) string { return r.p.ID.Model })},
		colEnv:      {Title: "ENV", Min: 4, Max: 8, Flex: 1, Compare: text(func(r *row) string { return r.p.ID.Env })},
		colTemplate: {Title: "TEMPLATE", Min: 9, Max: 14, Flex: 1, Drop: 5, Compare: text(func(r *row) string { return r.p.Template() })},
		colTag:      {Title: "TAG", Min: 6, Max: 20, Flex: 1, Compare: text(func(r *row) string { return r.tag(p.tag) })},
		colStatus:   {Title: "STATUS", Min: 12, Max: 18, Flex: 1, Compare: by(func(a, b *row) int { return cmp.Compare(a.urgency(), b.urgency()) })},
		colLast:     {Title: "LAST OP", Min: 13, Max: 16, Flex: 1, Drop: 4, Compare: recent(func(r *row) time.Time { return r.lastOp() })},
		colEndpoint: {Title: "ENDPOINT", Min: 11, Max: 16, Flex: 1, Drop: 2, Compare: text(func(r *row) string { return r.live.Endpoint })},
		colCalls:    {Title: "CALLS", Min: 6, Right: true, Compare: by(func(a, b *row) int { return cmp.Compare(b.total(health.Invocations), a.total(health.Invocations)) })},
		colErrors:   {Title: "5XX", Min: 4, Right: true, Compare: by(func(a, b *row) int { return cmp.Compare(b.total(health.ServerFails), a.total(health.ServerFails)) })},
		colLatency:  {Title: "P99", Min: 6, Right: true, Drop: 1, Compare: by(func(a, b *row) int { return cmp.Compare(b.total(health.ModelP99), a.total(health.ModelP99)) })},
		colIdle:     {Title: "IDLE", Min: 12, Max: 20, Flex: 1, Compare: by(compareIdle)},
		colTrend:    {Title: "CALLS OVER TIME", Min: 12, Max: 48, Flex: 1, Drop: 9},
		colRunning:  {Title: "RUN", Min: 4, Right: true, Compare: by(func(a, b *row) int { return b.live.Running.N - a.live.Running.N })},
		colFailed:   {Title: "FAIL", Min: 4, Right: true, Compare: by(func(a, b *row) int { return b.live.Failed.N - a.live.Failed.N })},
		colRun:      {Title: "LAST RUN", Min: 8, Max: 18, Flex: 1, Drop: 3, Compare: recent(func(r *row) time.Time { return r.lastRun() })},
		colSeen:     {Title: "SEEN", Min: 4, Right: true, Drop: 6, Compare: recent(func(r *row) time.Time { return r.live.At })},
		colDrift:    {Title: "DRIFT", Min: 7, Max: 12, Flex: 1, Drop: 7, Compare: by(compareDrift)},
		colAge:      {Title: "AGE", Min: 3, Right: true, Drop: 8, Compare: recent(func(r *row) time.Time { return r.created })},
	}
}

func (r *row) lastOp() time.Time {
	if r.p.Last() == nil {
		return time.Time{}
	}
	return r.p.Last().Start
}

func (r *row) lastRun() time.Time {
	if r.live.Last == nil {
		return time.Time{}
	}
	return r.live.Last.Start
}

func compareDrift(a, b *row) int {
	x, y := a.drift(), b.drift()
	if x.Open() != y.Open() {
		if x.Open() {
			return -1
		}
		return 1
	}
	return y.At.Compare(x.At)
}

// urgency orders by how much a row wants to be looked at.
func (r *row) urgency() int {
	switch {
	case r.job != nil:
		return 0
	case r.readErr != nil:
		return 1
	}
	switch r.cond.Status {
	case pipelines.Updating:
		return 0
	case pipelines.Damaged, pipelines.Unreadable:
		return 1
	case pipelines.Failed, pipelines.Cancelled, pipelines.Incomplete:
		return 2
	case pipelines.Empty:
		return 3
	case pipelines.Ready:
		if r.p.Last() != nil && r.p.Last().Result == string(stack.Failed) {
			return 2
		}
		return 4
	default:
		return 5
	}
}

// table are the rows as the grid sees them.
type table struct{ p *Page }

func (t table) Len() int           { return len(t.p.rows) }
func (t table) Key(i int) string   { return t.p.rows[i].key }
func (t table) Hay(i int) string   { return t.p.rows[i].hay }
func (t table) group(i int) string { return t.p.rows[i].p.ID.Tenant }

func (t table) Cell(i, column int) widget.Cell {
	p, r := t.p, t.p.rows[i]
	th := &p.Env.Theme
	now := p.Env.Now()
	switch column {
	case colTenant:
		return widget.Cell{Text: r.p.ID.Tenant}
	case colModel:
		return widget.Cell{Text: r.p.ID.Model}
	case colEnv:
		return widget.Cell{Text: r.p.ID.Env}
	case colTemplate:
		return widget.Cell{Text: r.p.Template()}
	case colTag:
		return widget.Cell{Text: r.tag(p.tag)}
	case colStatus:
		return p.statusCell(r)
	case colLast:
		return p.lastCell(r, now)
	case colEndpoint:
		return p.endpointCell(r)
	case colCalls, colErrors, colLatency, colIdle, colTrend:
		return p.healthCell(r, column, now)
	case colRunning:
		return p.countCell(r, r.live.Running, th.Busy)
	case colFailed:
		return p.countCell(r, r.live.Failed, th.Bad)
	case colRun:
		return p.runCell(r, now)
	case colSeen:
		if !r.old(now) {
			return widget.Cell{}
		}
		return widget.Cell{Text: render.ShortAge(r.live.At, now), Style: th.Stale}
	case colDrift:
		return p.driftCell(r, now)
	default:
		return widget.Cell{Text: render.ShortAge(r.created, now), Style: th.Muted}
	}
}

// signed is a cell with a sign before the text, both in one style.
func signed(sign, text string, style lipgloss.Style) widget.Cell {
	return widget.Cell{Signs: style.Render(sign) + " ", Text: text, Style: style}
}

func (p *Page) statusCell(r *row) widget.Cell {
	th := &p.Env.Theme
	g := th.Glyphs
	if r.job != nil {
		return widget.Cell{Signs: widget.Spin(th, p.Env.Spin()) + " ", Text: jobWord(r.job, r), Style: th.Busy}
	}
	status := r.cond.Status
	switch {
	case r.readErr != nil && r.p.State == nil && status == pipelines.Unread:
		status = pipelines.Unreadable
	case r.reading && (status == pipelines.Unread || r.unread && status == pipelines.Incomplete):
		// A state that was read in the midst of an update looks incomplete.
		return signed(g.Pending, "reading", th.Muted)
	}
	switch status {
	case pipelines.Ready:
		switch {
		case r.p.Err != nil:
			return signed(g.Warn, "ready", th.Warn)
		case r.drift().Open():
			// The column of drift may have no room.
			return signed(g.Good, "ready "+g.Warn, th.Good)
		}
		return signed(g.Good, "ready", th.Good)
	case pipelines.Updating:
		return signed(g.Busy, "updating", th.Busy)
	case pipelines.Failed, pipelines.Damaged, pipelines.Unreadable:
		return signed(g.Bad, string(status), th.Bad)
	case pipelines.Cancelled, pipelines.Incomplete:
		return signed(g.Warn, string(status), th.Warn)
	case pipelines.Empty:
		return signed(g.Skipped, "empty", th.Muted)
	default:
		return signed(g.Pending, "not read", th.Muted)
	}
}

// jobWord says what an operation of this session does with the pipeline.
func jobWord(job *ui.Job, r *row) string {
	op := job.Request.Verb()
	progress := job.Progress[r.p.ID]
	switch {
	case progress == nil:
		return op + " queued"
	case progress.End != nil:
		return op + " " + string(progress.End.Outcome)
	case job.Killed:
		return "killing " + op
	case job.Cancelled:
		return "cancelling"
	}
	c := progress.Counts()
	if c.Total() == 0 {
		return op
	}
	return op + " " + render.Number(int64(c.Done)) + "/" + render.Number(int64(c.Total()))
}

func (p *Page) lastCell(r *row, now time.Time) widget.Cell {
	th := &p.Env.Theme
	last := r.p.Last()
	if last == nil {
		return widget.Cell{}
	}
	at := last.End
	if at.IsZero() {
		at = last.Start
	}
	text := pipelines.KindWord(last.Kind) + " " + render.ShortAge(at, now)
	switch last.Result {
	case string(stack.Succeeded):
		return signed(th.Glyphs.Good, text, th.Muted)
	case string(stack.Failed):
		return signed(th.Glyphs.Bad, text, th.Bad)
	case stack.ResultCanceled, stack.ResultInterrupted, stack.ResultUnreadable:
		return signed(th.Glyphs.Warn, text, th.Warn)
	default:
		return signed(th.Glyphs.Busy, text, th.Busy)
	}
}

func (p *Page) endpointCell(r *row) widget.Cell {
	th := &p.Env.Theme
	s := r.live.Endpoint
	switch {
	case s == "" && !r.live.Asked():
		return widget.Cell{}
	case s == "" && r.live.EndpointErr != nil:
		return widget.Cell{Text: "?", Style: th.Warn}
	case s == "":
		return widget.Cell{Text: "-", Style: th.Muted}
	case s == "InService":
		if r.pulse != nil && r.pulse.Idle {
			return signed(th.Glyphs.Warn, "idle "+idleAge(r.pulse, p.Env.Now()), th.Warn)
		}
		return signed(th.Glyphs.Good, s, th.Good)
	case pipelines.EndpointBusy(s):
		return signed(th.Glyphs.Busy, s, th.Busy)
	default:
		return signed(th.Glyphs.Bad, s, th.Bad)
	}
}

// countCell is a number of executions, nothing as long as it is not known.
func (p *Page) countCell(r *row, n pipelines.Count, style lipgloss.Style) widget.Cell {
	switch {
	case !r.live.Asked():
		return widget.Cell{}
	case n.N == 0:
		style = p.Env.Theme.Muted
	}
	return widget.Cell{Text: r.live.Text(n), Style: style}
}

func (p *Page) runCell(r *row, now time.Time) widget.Cell {
	th := &p.Env.Theme
	last := r.live.Last
	if last == nil {
		switch {
		case !r.live.Asked():
			return widget.Cell{}
		case !r.live.Running.Known:
			return widget.Cell{Text: r.live.Text(r.live.Running), Style: th.Muted}
		}
		return widget.Cell{Text: "never", Style: th.Muted}
	}
	age := render.ShortAge(last.Start, now)
	switch last.Status {
	case executions.Succeeded:
		return signed(th.Glyphs.Good, age, th.Good)
	case executions.Running, executions.PendingRedrive:
		return signed(th.Glyphs.Busy, age, th.Busy)
	case executions.Aborted:
		return signed(th.Glyphs.Skipped, age, th.Warn)
	default:
		return signed(th.Glyphs.Bad, age, th.Bad)
	}
}

func (p *Page) driftCell(r *row, now time.Time) widget.Cell {
	th := &p.Env.Theme
	d := r.drift()
	age := render.ShortAge(d.At, now)
	switch {
	case !d.Known():
		return widget.Cell{Text: "-", Style: th.Muted}
	case d.Open():
		return signed(th.Glyphs.Warn, render.Number(int64(d.Found))+" "+age, th.Warn)
	default:
		// None was found, or an update has put it right since.
		return signed(th.Glyphs.Good, age, th.Muted)
	}
}
