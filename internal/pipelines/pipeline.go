package pipelines

import (
	"fmt"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// Pipeline is one pipeline as its stack on the backend tells it. What was not read yet
// is not there; what could not be read says why.
type Pipeline struct {
	ID spec.ID
	// Summary is what the backend's list says of the stack; of one that was found by its
	// name only who holds it.
	Summary stack.Summary
	// State is nil if it was not read yet, or could not be (then Err says why).
	State *stack.State
	// Spec is what the stack was made from; nil if it is not known.
	Spec *spec.Pipeline
	// Err is why State or Spec is not there, or what today's rules say against Spec.
	Err error
	// Undecided is set if labels were asked for and its tags can't be read: it is not
	// known whether they select it. Nothing may be done to it.
	Undecided error
	// History are its newest entries, the newest first; nil if not known.
	History []stack.Update
	// HistoryErr is why they could not be read.
	HistoryErr error
	// Read is when State was read.
	Read time.Time
}

// RecentHistory is how much of a history is read to tell how a pipeline is: enough to
// find the last operation that changed something, and the newest refresh, behind some
// others.
const RecentHistory = 10

// Output is a string output of the stack, "" if it has none of that name.
func (p *Pipeline) Output(name string) string {
	if p.State == nil {
		return ""
	}
	s, _ := p.State.Outputs[name].Value.(string)
	return s
}

// Template is the name of the pipeline's template, "" if it is not known.
func (p *Pipeline) Template() string {
	if p.Spec == nil {
		return ""
	}
	return p.Spec.Template
}

// Region is where the pipeline lives, "" if it is not known.
func (p *Pipeline) Region() string {
	if p.Spec == nil {
		return ""
	}
	return p.Spec.Region
}

// Protected tells whether its data may not be deleted, as far as that is known.
func (p *Pipeline) Protected() bool { return p.Spec != nil && p.Spec.Protect }

// Resources is how many it has (see stack.Counted), 0 if that is not known.
func (p *Pipeline) Resources() int {
	if p.State != nil {
		return p.State.Count()
	}
	return max(0, p.Summary.Resources)
}

// Updated is when its state was written last, zero if that is not known.
func (p *Pipeline) Updated() time.Time {
	if p.State != nil && !p.State.Updated.IsZero() {
		return p.State.Updated
	}
	return p.Summary.LastUpdate
}

// Created is when its oldest resource was made, zero if that is not known.
func (p *Pipeline) Created() time.Time {
	var first time.Time
	if p.State == nil {
		return first
	}
	for _, r := range p.State.Resources {
		if !r.Created.IsZero() && (first.IsZero() || r.Created.Before(first)) {
			first = r.Created
		}
	}
	return first
}

// Last is the newest entry of the history; nil if not known.
func (p *Pipeline) Last() *stack.Update {
	if len(p.History) == 0 {
		return nil
	}
	return &p.History[0]
}

// LastChange is the newest entry of the history that was to change the pipeline: a
// refresh makes nothing whole that an update has left half done. Nil if not known.
func (p *Pipeline) LastChange() *stack.Update {
	for i := range p.History {
		if k := p.History[i].Kind; k == "update" || k == "destroy" {
			return &p.History[i]
		}
	}
	return nil
}

// TurnedBack begins the message of an update that takes one back which has failed, and is
// no user's.
const TurnedBack = "turned back: "

// WentBack tells of the last up, if it was turned back by an update of its own, where to and why; "" if
// what is in service is what somebody has asked for.
func (p *Pipeline) WentBack() string {
	last := p.LastChange()
	if p.State == nil || last == nil || last.Kind != "update" || !strings.HasPrefix(last.Message, TurnedBack) {
		return ""
	}
	ledger, err := Ledger(p.State)
	if err != nil {
		return ""
	}
	r := ledger.Find(ledger.Current)
	if r == nil || r.Origin == nil || r.Origin.TurnedBack == 0 {
		return ""
	}
	return fmt.Sprintf("the last up was %s: %s", r.Origin, firstLine(strings.TrimPrefix(last.Message, TurnedBack)))
}

// Refreshed is the newest refresh of the whole pipeline in the history that ended well; nil
// if none is known, which may be because the history was not read that far back.
func (p *Pipeline) Refreshed() *stack.Update {
	for i := range p.History {
		if u := &p.History[i]; u.Kind == "refresh" && u.Result == string(stack.Succeeded) && !p.look(i) {
			return u
		}
	}
	return nil
}

// look tells whether an entry of the history is no refresh of the pipeline, but a look at the
// few resources that were cut off. Those that were written before looks were marked are known
// by what they count: a refresh counts all resources that there are.
func (p *Pipeline) look(i int) bool {
	u := &p.History[i]
	if u.Look() {
		return true
	}
	there := 0
	if i > 0 { // what the next operation found there
		there = sum(p.History[i-1].Changes) - p.History[i-1].Changes[stack.OpCreate]
	}
	for _, before := range p.History[i+1:] { // what the newest whole update left
		if before.Kind == "destroy" {
			break
		}
		if before.Kind == "update" && before.Result == string(stack.Succeeded) {
			there = max(there, sum(before.Changes)-before.Changes[stack.OpDelete])
			break
		}
	}
	return 2*sum(u.Changes) < there
}

// sum is how many resources an operation has counted.
func sum(changes map[stack.Op]int) int {
	n := 0
	for _, c := range changes {
		n += c
	}
	return n
}

// Reach is what is needed to refresh or destroy the pipeline, whether or not its spec
// can be read; region is used where the spec names none.
func (p *Pipeline) Reach(region string) *spec.Pipeline {
	if p.Spec != nil {
		return p.Spec
	}
	return &spec.Pipeline{ID: p.ID, Region: region}
}

// KindWord is the kind of an update as the tool's commands call it: "up" for "update".
func KindWord(kind string) string {
	if kind == "update" {
		return string(stack.OperationUp)
	}
	return kind
}

// Drift is what the newest refresh found to differ from the recorded state. It says
// nothing about later changes.
type Drift struct {
	// Found is how many resources differed or were gone.
	Found int
	// At is when the refresh ended; zero if none is known.
	At time.Time
	// Settled is set if something had drifted and an update ended well since: it has
	// put that right, as far as the program says anything about it.
	Settled bool
}

// Known tells whether there was a refresh.
func (d Drift) Known() bool { return !d.At.IsZero() }

// Open tells whether drift was found that nothing is known to have put right.
func (d Drift) Open() bool { return d.Found > 0 && !d.Settled }

// Drift tells what the history knows of drift.
func (p *Pipeline) Drift() Drift {
	refreshed := p.Refreshed()
	if refreshed == nil {
		return Drift{}
	}
	d := Drift{At: refreshed.End}
	if d.At.IsZero() {
		d.At = refreshed.Start
	}
	for op, n := range refreshed.Changes {
		if op != stack.OpSame && op != stack.OpRead && op != stack.OpRefresh {
			d.Found += n
		}
	}
	last := p.LastChange()
	d.Settled = d.Found > 0 && last != nil && last.Kind == "update" && last.Result == string(stack.Succeeded) && last.Start.After(refreshed.Start)
	return d
}

// names are the first few of several pipelines, for a title.
func names(list []*spec.Pipeline) string {
	const few = 3
	out := make([]string, 0, few)
	for _, p := range list {
		if len(out) == few {
			out = append(out[:few-1], "...")
			break
		}
		out = append(out, p.ID.String())
	}
	return strings.Join(out, ", ")
}
