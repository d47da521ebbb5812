package interpreter

import (
	"time"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/failure"
)

// doc is a value of the language inside a stored record.
type doc struct {
	v   any
	set bool
}

func docOf(v any) doc { return doc{v, true} }

// MarshalJSON writes the value, null if there is none.
func (d doc) MarshalJSON() ([]byte, error) { return value.Encode(d.v), nil }

// UnmarshalJSON reads the value with its numbers and its order of keys.
func (d *doc) UnmarshalJSON(b []byte) error {
	v, err := value.Parse(string(b))
	*d = doc{v, err == nil}
	return err
}

// IsZero makes omitzero leave out an unset value.
func (d doc) IsZero() bool { return !d.set }

// Phases of a state between its entry and its exit.
const (
	phaseEntered  = ""         // nothing done yet
	phaseTask     = "task"     // a task was scheduled and is under way
	phaseCallback = "callback" // a task waits for its token, its job or a worker
	phaseResult   = "result"   // the result is known, the exit is not recorded
	phaseFailed   = "failed"   // the failure is known, what follows is not
	phaseRetry    = "retry"    // waits for the next attempt
	phaseWait     = "wait"     // a Wait state waits
	phaseChildren = "children" // branches or iterations run
)

// cursor is where a branch stands: all that is needed to go on after a restart.
// It changes only together with the events that record the step.
type cursor struct {
	State string `json:"s"`
	Input doc    `json:"i,omitzero"`
	// Raw is the input's text as it was given, for the first state.
	Raw         string           `json:"raw,omitempty"`
	Vars        map[string]doc   `json:"v,omitempty"`
	Head        int64            `json:"h"` // the branch's last event
	Entered     int64            `json:"e,omitempty"`
	EnteredPrev int64            `json:"ep,omitempty"`
	EnteredAt   time.Time        `json:"at,omitzero"`
	Phase       string           `json:"p,omitempty"`
	Until       time.Time        `json:"u,omitzero"`
	Attempts    []int            `json:"a,omitempty"` // per retrier
	Retries     int              `json:"r,omitempty"`
	Result      doc              `json:"res,omitzero"`
	Failure     *failure.Failure `json:"f,omitempty"`
	Token       string           `json:"t,omitempty"`
	Deadline    time.Time        `json:"dl,omitzero"`
	Heartbeat   int64            `json:"hb,omitempty"` // seconds
	Job         string           `json:"job,omitempty"`
	// Items are the inputs of the children, Round counts their starts.
	Items doc `json:"it,omitzero"`
	Round int `json:"n,omitempty"`
	// Done ends the branch: with Result, or with Failure if it is set.
	Done bool `json:"d,omitempty"`
	// Side is the last event that is not part of the branch's own chain.
	Side int64 `json:"sd,omitempty"`
}

func (c *cursor) redrive(head int64, now time.Time) {
	job := c.Job
	c.Head, c.Done, c.Failure, c.Result = head, false, nil, doc{}
	c.Attempts, c.Retries, c.Side, c.Token, c.Job = nil, 0, 0, "", ""
	c.Until, c.Deadline, c.Heartbeat, c.Phase = time.Time{}, time.Time{}, 0, phaseEntered
	if c.Entered != 0 {
		c.EnteredAt = now
	}
	if c.Items.set { // a state with children: only those that failed run again
		c.Phase, c.Side, c.Job = phaseChildren, head, job
	}
}
