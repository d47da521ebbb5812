package pipelines

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// Request asks for one operation on several pipelines.
type Request struct {
	Operation stack.Operation
	// Pipelines are what to work on. Destroy and refresh take stacks without a
	// readable spec too: where a stack holds none, only ID and Region need be set.
	Pipelines []*spec.Pipeline
	// Unrecorded says that the pipelines are other than their stacks have recorded them:
	// just made or changed. A command that only names them would do something else.
	Unrecorded bool
	// Parallel bounds the pipelines worked on at once; 0 is the default.
	Parallel int
	// FailFast starts no further pipeline after one has failed.
	FailFast bool
	// Refresh reads the real state of every resource first.
	Refresh bool
	// Keep keeps the emptied stack, and its history, after a destroy.
	Keep    bool
	Message string
	// ClearPending forgets creations that were cut off (refresh).
	ClearPending bool
	// Doubt chooses what a preview would create that is noted as creations of which nobody
	// knows the end (stack.Job.Doubt): the next operation finds out. nil: nothing.
	Doubt func(stack.PendingOperation) bool
	// NamesAsked says that nobody need ask whether names that an up would give are taken: that
	// was done, or is to stop nothing.
	NamesAsked bool
	// ClearDeadLocks removes locks whose owner is provably gone. Pending operations are
	// always repaired.
	ClearDeadLocks bool
	// Expect holds, by pipeline, the stack.Result.Basis of the preview (or the
	// stack.State.Basis) that the user agreed to: a pipeline whose stack has changed
	// since is refused with fault.Conflict.
	Expect map[spec.ID]string
	// Settle says, by pipeline, that its executions are waited for or stopped before
	// its engine begins (up, destroy). What is not named is not looked at.
	Settle map[spec.ID]Running
	// MaxMonthlyCost is the most, in USD, that the pipelines of an up may cost in a month by
	// being there, in place of the setting; "" is the setting's.
	MaxMonthlyCost string
	// AtOnce lets endpoints take over at once, whatever rollout their pipelines ask for.
	AtOnce bool
	// Salt, if there is one, has a preview tell digests of secrets: Outcome.Secrets.
	Salt []byte
	// PolicyPacks are the folders of policy packs that have to agree (up, preview),
	// PolicyConfigs their configurations, none or one for each.
	PolicyPacks, PolicyConfigs []string
	// Origin says, by pipeline, where its next revision comes from if it is no plain up.
	Origin map[spec.ID]*revisions.Origin
	// Back is the revision that the one pipeline goes back to, if that is what is asked for.
	Back *Revision
}

// Verb is what is done: "up", or "roll back" of an up that brings a revision back.
func (r *Request) Verb() string {
	if r.Back != nil && r.Operation == stack.OperationUp {
		return "roll back"
	}
	return string(r.Operation)
}

// Title says what is asked for: "up acme/fraud", "destroy acme/a, acme/b", "roll back
// acme/fraud to revision 12".
func (r *Request) Title() string { return r.Verb() + " " + r.What() }

// What says what that is done with: "acme/a, acme/b", "acme/fraud to revision 12".
func (r *Request) What() string {
	what := names(r.Pipelines)
	if r.Back != nil {
		what += " to revision " + strconv.Itoa(r.Back.Number)
	}
	return what
}

// Check refuses what cannot be meant.
func (r *Request) Check() error {
	for id, how := range r.Settle {
		switch {
		case how != RunningIgnore && !how.Settles():
			return fault.New(fault.Invalid, "%s: executions are waited for, stopped or ignored, not %q", id, how)
		case how.Settles() && r.Operation != stack.OperationUp && r.Operation != stack.OperationDestroy:
			return fault.New(fault.Invalid, "%s: %s disturbs no executions", id, r.Operation)
		}
	}
	return nil
}

// Operation is a running operation. Its methods are safe for concurrent use.
type Operation interface {
	// Updates are the events of all pipelines as they arrive. The channel is closed
	// when everything has ended; it has to be read to its end.
	Updates() <-chan Update
	// Wait returns the outcomes in the order of the request after everything ended.
	// Updates must be read, or Wait may block for ever.
	Wait() []Outcome
	// Cancel asks politely: nothing new is begun, what is in flight is waited for.
	Cancel()
	// Kill ends the engines at once; what is in flight may be orphaned.
	Kill()
	// Running returns the pipelines that are being worked on.
	Running() []spec.ID
}

// Update is one event of one pipeline's operation.
type Update struct {
	ID    spec.ID
	Event stack.Event
}

// Outcome is how an operation ended for one pipeline.
type Outcome struct {
	ID spec.ID
	// Result is what the engine told; its Basis is what a Request may Expect.
	Result stack.Result
	// Err is nil if it ended well.
	Err error
	// Skipped is set if it was never begun.
	Skipped bool
	// Revision is the number of the revision that it made, made whole, or found to be
	// there already (up), or would make (preview); 0 if it never got that far.
	Revision int
	// Content is what that revision is made from; nil if it never got that far.
	Content *revisions.Content
	// Secrets is a digest of the secrets that it is made from, with Request.Salt; "" if there
	// are none.
	Secrets string
}

// Ending is how an operation ended for one pipeline, in a word.
type Ending string

// The endings.
const (
	EndSucceeded Ending = "succeeded"
	EndFailed    Ending = "failed"
	EndCancelled Ending = "cancelled"
	EndNotBegun  Ending = "not-begun"
)

// Ending tells how it ended, as the exit code does: by the kind of the error itself, not
// by what was the cause of it.
func (o Outcome) Ending() Ending {
	switch {
	case o.Skipped:
		return EndNotBegun
	case o.Err == nil:
		return EndSucceeded
	case fault.KindOf(o.Err) == fault.Canceled:
		return EndCancelled
	default:
		return EndFailed
	}
}

// Changed tells whether the operation changed, or found to change, anything.
func (o Outcome) Changed() bool { return o.Result.HasChanges() || len(o.Result.Drift) > 0 }

// Expect is what a later request is to find: the state that these outcomes looked at, of
// the pipelines that are in list. Those that failed looked at none.
func Expect(outcomes []Outcome, list []*spec.Pipeline) map[spec.ID]string {
	out := map[spec.ID]string{}
	for _, o := range outcomes {
		if o.Err == nil && slices.ContainsFunc(list, func(p *spec.Pipeline) bool { return p.ID == o.ID }) {
			out[o.ID] = o.Result.Basis
		}
	}
	return out
}

// Summary counts outcomes by how they ended.
type Summary struct {
	Succeeded int `json:"succeeded"`
	Failed    int `json:"failed"`
	Cancelled int `json:"cancelled"`
	NotBegun  int `json:"notBegun"`
}

// Summarize counts outcomes.
func Summarize(outcomes []Outcome) Summary {
	var s Summary
	for _, o := range outcomes {
		switch o.Ending() {
		case EndSucceeded:
			s.Succeeded++
		case EndCancelled:
			s.Cancelled++
		case EndNotBegun:
			s.NotBegun++
		default:
			s.Failed++
		}
	}
	return s
}

// Ending is how the whole has ended: badly if one has, cancelled if one was or was never
// begun.
func (s Summary) Ending() Ending {
	switch {
	case s.Failed > 0:
		return EndFailed
	case s.Cancelled+s.NotBegun > 0:
		return EndCancelled
	default:
		return EndSucceeded
	}
}

// String is "2 succeeded, 1 failed": what there is none of is left out, but for what
// succeeded.
func (s Summary) String() string {
	parts := []string{fmt.Sprintf("%d succeeded", s.Succeeded)}
	for _, x := range []struct {
		n    int
		word string
	}{{s.Failed, "failed"}, {s.Cancelled, "cancelled"}, {s.NotBegun, "not begun"}} {
		if x.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", x.n, x.word))
		}
	}
	return strings.Join(parts, ", ")
}
