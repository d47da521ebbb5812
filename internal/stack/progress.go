package stack

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"
)

// Status of one row.
type Status string

// The statuses.
const (
	StatusPending Status = "pending" // planned, not begun
	StatusRunning Status = "running"
	StatusDone    Status = "done"
	StatusFailed  Status = "failed"
	StatusSkipped Status = "skipped" // planned, never begun, and the operation is over
)

// Row is what is known about one resource.
type Row struct {
	URN    string `json:"urn"`
	Type   string `json:"type"`
	Name   string `json:"name"`
	Parent string `json:"parent,omitempty"`
	ID     string `json:"id,omitempty"`
	// Op is what happens to the resource as a whole: the several steps of a
	// replacement all count as OpReplace. "" if no step has begun.
	Op Op `json:"op,omitempty"`
	// Step is the step that runs or ran last.
	Step    Op             `json:"step,omitempty"`
	Status  Status         `json:"status"`
	Started time.Time      `json:"started,omitzero"`
	Ended   time.Time      `json:"ended,omitzero"`
	Diff    []PropertyDiff `json:"diff,omitempty"`
	// Diagnostics are the lasting messages, Info the newest ephemeral one.
	Diagnostics []Diagnostic `json:"diagnostics,omitempty"`
	Info        string       `json:"info,omitempty"`
}

// Elapsed is how long the row has run: until it ended, or until now.
func (r Row) Elapsed(now time.Time) time.Duration {
	switch {
	case r.Started.IsZero():
		return 0
	case !r.Ended.IsZero():
		return r.Ended.Sub(r.Started)
	case now.Before(r.Started):
		return 0
	}
	return now.Sub(r.Started)
}

// Error is the row's first error message, "" if there is none.
func (r Row) Error() string {
	for _, d := range r.Diagnostics {
		if d.Severity == SeverityError {
			return d.Message
		}
	}
	return ""
}

// IsStack tells whether the row stands for the stack itself.
func (r Row) IsStack() bool { return r.Type == rootType }

// IsProvider tells whether the row stands for a provider.
func (r Row) IsProvider() bool { return !Counted(r.Type) }

// Counts are numbers of resources (see Counted) by status.
type Counts struct {
	Pending int `json:"pending"`
	Running int `json:"running"`
	Done    int `json:"done"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
}

// Total is the sum.
func (c Counts) Total() int { return c.Pending + c.Running + c.Done + c.Failed + c.Skipped }

// Progress folds the events of one operation into what is known now. It is a
// pure reducer: it reads no clock and does no IO, the same events give the same
// Progress. The zero value is ready. It is not safe for concurrent use.
type Progress struct {
	Stack string
	// Planning is set if the operation is a preview.
	Planning bool
	Started  time.Time // first event
	Updated  time.Time // newest event
	// Events counts what was applied: as long as it is the same, all else is.
	Events int
	Config map[string]string
	// Summary is the engine's own count, nil until it came.
	Summary *ChangeSummary
	// End is set when the operation is over.
	End *End
	// Messages are the diagnostics of no resource, and what the engine printed.
	Messages []Diagnostic
	// Planned counts what Expect announced.
	Planned map[Op]int

	rows      map[string]*Row
	order     []string
	downloads map[string]Download
	firstErr  *Diagnostic
	rollouts  []*Rollout // under way
}

// rollsOut takes in news of a rollout.
func (p *Progress) rollsOut(news *Rollout) {
	if news == nil {
		return
	}
	i := slices.IndexFunc(p.rollouts, func(r *Rollout) bool { return r.URN == news.URN })
	if i < 0 {
		i, p.rollouts = len(p.rollouts), append(p.rollouts, news)
	}
	p.rollouts[i] = news
}

// Rollouts are those that are under way, in the order in which they began: the endpoint and an
// alias go side by side.
func (p *Progress) Rollouts() []*Rollout { return slices.Clone(p.rollouts) }

// Turnable are those of rollouts that can be turned back: an alias is moved by who updates it, an
// endpoint goes back by an alarm of its own.
func Turnable(rollouts []*Rollout) []*Rollout {
	return slices.DeleteFunc(slices.Clone(rollouts), func(r *Rollout) bool { return r.TurningBack || r.Alias == nil && r.Brake == "" })
}

// rolledOut takes out the rollout of a resource, which is over.
func (p *Progress) rolledOut(urn string) {
	p.rollouts = slices.DeleteFunc(p.rollouts, func(r *Rollout) bool { return r.URN == urn })
}

// Expect seeds the rows with those of a preview, as pending, so that totals are
// known from the start. Call it before the first Apply.
func (p *Progress) Expect(preview []Row) {
	p.Planned = map[Op]int{}
	for _, r := range preview {
		if r.IsProvider() || r.Op == "" {
			continue
		}
		p.Planned[r.Op]++
		row := p.row(r.URN, r.Type, r.Name)
		row.Parent, row.Op, row.Diff = r.Parent, r.Op, r.Diff
	}
}

// Apply takes in the next event.
func (p *Progress) Apply(e Event) {
	if p.Started.IsZero() {
		p.Started = e.Time
	}
	p.Updated = e.Time
	p.Events++
	if e.Stack != "" {
		p.Stack = e.Stack
	}
	p.Planning = p.Planning || e.Planning
	switch e.Type {
	case EventPrelude:
		p.Config = e.Config
	case EventResourcePre, EventResourceOutputs, EventResourceFailed:
		if e.Resource != nil {
			p.step(e.Type, *e.Resource, e.Time)
		}
	case EventDiagnostic, EventPolicy:
		if e.Diagnostic != nil {
			p.diagnose(*e.Diagnostic, e.Time)
		}
	case EventStdOut:
		p.Messages = append(p.Messages, Diagnostic{Severity: SeverityInfo, Message: e.Message})
	case EventError:
		p.diagnose(Diagnostic{Severity: SeverityError, Message: e.Message}, e.Time)
	case EventProgress:
		if e.Download != nil {
			p.download(*e.Download)
		}
	case EventRollout:
		p.rollsOut(e.Rollout)
	case EventSummary:
		p.Summary = e.Summary
	case EventEnd:
		p.end(e.End, e.Time)
	case EventCanceled: // the engine's stream is over; End follows
	}
}

func (p *Progress) row(urn, typ, name string) *Row {
	if r := p.rows[urn]; r != nil {
		return r
	}
	if p.rows == nil {
		p.rows = map[string]*Row{}
	}
	r := &Row{URN: urn, Type: typ, Name: name, Status: StatusPending}
	p.rows[urn] = r
	p.order = append(p.order, urn)
	return r
}

func (p *Progress) step(kind EventType, s Step, at time.Time) {
	if kind != EventResourcePre {
		p.rolledOut(s.URN)
	}
	r := p.row(s.URN, s.Type, s.Name)
	r.Type = s.Type
	if s.ID != "" && s.Op != OpDeleteReplaced && s.Op != OpDiscardReplaced {
		r.ID = s.ID // of the new one, once a replacement has both
	}
	if s.Parent != "" {
		r.Parent = s.Parent
	}
	if len(s.Diff) > 0 {
		r.Diff = s.Diff
	}
	if r.Started.IsZero() {
		r.Started = at
	}
	if r.Status == StatusFailed && kind != EventResourceFailed {
		return // what follows a failure of the same resource does not mend it
	}
	r.Step, r.Op = s.Op, overall(r.Op, s.Op)
	switch kind {
	case EventResourcePre:
		r.Status, r.Ended = StatusRunning, time.Time{}
	case EventResourceOutputs:
		r.Status, r.Ended, r.Info = StatusDone, at, ""
	case EventResourceFailed:
		r.Status, r.Ended, r.Info = StatusFailed, at, ""
	}
}

// overall is what the steps of one resource come to.
func overall(before, now Op) Op {
	switch now {
	case OpReplace, OpCreateReplacement, OpDeleteReplaced, OpReadReplacement,
		OpDiscardReplaced, OpImportReplacement, OpRemovePending:
		return OpReplace
	case OpSame, OpRefresh:
		if before == OpReplace {
			return before
		}
	}
	return now
}

func (p *Progress) diagnose(d Diagnostic, at time.Time) {
	stackURN := strings.Contains(d.URN, "::"+rootType+"::")
	if d.Severity == SeverityError && !d.Ephemeral {
		p.noteError(d, stackURN)
	}
	if d.URN == "" || stackURN {
		if !d.Ephemeral {
			p.Messages = append(p.Messages, d)
		}
		return
	}
	r := p.row(d.URN, typeOf(d.URN), nameOf(d.URN))
	if d.Ephemeral {
		r.Info = d.Message
		return
	}
	r.Diagnostics = append(r.Diagnostics, d)
	if d.Severity == SeverityError && r.Step == "" {
		// Refused before a step could begin: no failed-event will come.
		r.Status, r.Started, r.Ended = StatusFailed, at, at
	}
}

// noteError keeps the first error that tells a reason: an error of a resource
// rather than the program's, and either rather than the engine's closing line.
func (p *Progress) noteError(d Diagnostic, ofStack bool) {
	closing := closingLine(d.Message)
	switch {
	case p.firstErr == nil, closingLine(p.firstErr.Message) && !closing:
		p.firstErr = &d
	case p.firstErr.URN == "" && d.URN != "" && !ofStack && !closing:
		p.firstErr = &d
	}
}

// closingOf is a message in the words of its operation: the engine calls all that changes
// something an update in the line that it ends with.
func closingOf(op Operation, message string) string {
	rest, ok := strings.CutPrefix(strings.TrimSpace(message), "update ")
	if !ok || op == OperationUp || !closingLine(message) {
		return message
	}
	return string(op) + " " + rest
}

// closingLine tells whether an error says only that something failed.
func closingLine(s string) bool {
	s = strings.TrimSpace(s)
	switch s {
	case "update failed", "preview failed", "destroy failed", "refresh failed",
		"update canceled", "preview canceled", "destroy canceled", "refresh canceled":
		return true
	}
	return strings.HasPrefix(s, "Resource monitor has terminated, shutting down")
}

func (p *Progress) download(d Download) {
	if p.downloads == nil {
		p.downloads = map[string]Download{}
	}
	if d.Done {
		delete(p.downloads, d.ID)
		return
	}
	p.downloads[d.ID] = d
}

func (p *Progress) end(end *End, at time.Time) {
	p.End = end
	if end == nil {
		return
	}
	for _, r := range p.rows {
		switch {
		case r.Status == StatusPending:
			r.Status = StatusSkipped
		case r.Status == StatusRunning && end.Outcome == Succeeded:
			r.Status, r.Ended = StatusDone, at
		case r.Status == StatusRunning && r.IsStack():
			r.Status, r.Ended = StatusFailed, at
		case r.Status == StatusRunning:
			r.Status, r.Ended, r.Info = StatusFailed, at, "interrupted: its state is not known"
		}
	}
	clear(p.downloads)
}

// Rows are copies of all rows, in the order in which they appeared.
func (p *Progress) Rows() []Row {
	rows := make([]Row, len(p.order))
	for i, urn := range p.order {
		rows[i] = *p.rows[urn]
	}
	return rows
}

// All yields all rows in the order in which they appeared, without copying them:
// they are to be read only, and before the next Apply.
func (p *Progress) All() iter.Seq[*Row] {
	return func(yield func(*Row) bool) {
		for _, urn := range p.order {
			if !yield(p.rows[urn]) {
				return
			}
		}
	}
}

// Row returns a copy of the row of a resource.
func (p *Progress) Row(urn string) (Row, bool) {
	if r := p.rows[urn]; r != nil {
		return *r, true
	}
	return Row{}, false
}

// Downloads are the plugin downloads under way, by id.
func (p *Progress) Downloads() []Download {
	return slices.SortedFunc(maps.Values(p.downloads), func(a, b Download) int { return strings.Compare(a.ID, b.ID) })
}

// Counts counts resources (see Counted) by status.
func (p *Progress) Counts() Counts {
	var c Counts
	for _, r := range p.rows {
		if r.IsProvider() {
			continue
		}
		switch r.Status {
		case StatusPending:
			c.Pending++
		case StatusRunning:
			c.Running++
		case StatusDone:
			c.Done++
		case StatusFailed:
			c.Failed++
		case StatusSkipped:
			c.Skipped++
		}
	}
	return c
}

// Changes counts the rows done so far by what was done to them; once the
// engine has given its own count, that.
func (p *Progress) Changes() map[Op]int {
	if p.Summary != nil {
		return maps.Clone(p.Summary.Changes)
	}
	changes := map[Op]int{}
	for _, r := range p.rows {
		if r.Status == StatusDone && !r.IsProvider() {
			changes[r.Op]++
		}
	}
	return changes
}

// FirstError is the error that tells why the operation failed, if one does.
func (p *Progress) FirstError() (Diagnostic, bool) {
	if p.firstErr == nil {
		return Diagnostic{}, false
	}
	return *p.firstErr, true
}

// Elapsed is how long the operation has run: until it ended, or until now.
func (p *Progress) Elapsed(now time.Time) time.Duration {
	switch {
	case p.Started.IsZero():
		return 0
	case p.End != nil:
		return p.Updated.Sub(p.Started)
	}
	return max(0, now.Sub(p.Started))
}

// ChangeLine is changes as one line for people: "3 to create, 5 unchanged" of a
// preview, "3 created, 5 unchanged" afterwards.
func ChangeLine(changes map[Op]int, planning bool) string {
	words := []struct {
		op         Op
		todo, done string
	}{
		{OpCreate, "to create", "created"},
		{OpImport, "to import", "imported"},
		{OpUpdate, "to update", "updated"},
		{OpReplace, "to replace", "replaced"},
		{OpDelete, "to delete", "deleted"},
		{OpRead, "to read", "read"},
		{OpSame, "unchanged", "unchanged"},
	}
	var parts []string
	for _, w := range words {
		n := changes[w.op]
		if n == 0 {
			continue
		}
		word := w.done
		if planning {
			word = w.todo
		}
		parts = append(parts, fmt.Sprintf("%d %s", n, word))
	}
	if len(parts) == 0 {
		return "no resources"
	}
	return strings.Join(parts, ", ")
}

// changed counts what is not the same as before.
func changed(changes map[Op]int) int {
	n := 0
	for op, c := range changes {
		switch op {
		case OpSame, OpRead, OpRefresh:
		default:
			n += c
		}
	}
	return n
}
