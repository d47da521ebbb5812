// Package pipelines owns what a pipeline is to a person: the one place where the
// facts about it (its state, its history, who holds it, what AWS tells) become words, and
// what is asked of pipelines and how that ended. The command line, machine output and the
// terminal show what it says, and derive nothing of their own. It asks AWS only through
// who is handed to it (World), and may import fault, spec, stack and executions.
package pipelines

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// Status of a pipeline, in a word.
type Status string

// The states of a pipeline.
const (
	Unread     Status = ""           // not read yet
	Ready      Status = "ready"      // deployed whole, by an operation that ended well
	Updating   Status = "updating"   // an operation is under way, here or elsewhere
	Failed     Status = "failed"     // the last up or destroy failed
	Cancelled  Status = "cancelled"  // the last up or destroy was cancelled
	Incomplete Status = "incomplete" // the last up or destroy was cut off, or something is half done
	Empty      Status = "empty"      // a stack without resources
	Damaged    Status = "damaged"    // its state is there and cannot be used
	Unreadable Status = "unreadable" // its state cannot be had now
)

// Condition is how a pipeline is.
type Condition struct {
	Status Status
	// Err says why it is not well, with the way out: nil if it is, or if nothing is
	// known to be wrong.
	Err error
	// Note is a remark about a state that is no fault: who is updating it, what is left
	// of a lock.
	Note string
	// Lock is what holds it, nil if nothing does.
	Lock *stack.Lock
}

// Condition says how the pipeline is: the one function of its state, its history and who
// holds it. What nobody has asked is not well: without a state it is Unread.
func (p *Pipeline) Condition() Condition {
	c := p.lock()
	switch {
	case c.Status != Unread:
	case p.State == nil && fault.KindOf(p.Err) == fault.Damaged:
		c.Status, c.Err = Damaged, p.Err
	case p.State == nil && p.Err != nil:
		c.Status, c.Err = Unreadable, p.Err
	case p.State == nil:
	default:
		c.Status, c.Err = p.state()
		if c.Status == Ready && c.Note == "" {
			c.Note = p.WentBack()
		}
		if p.HistoryErr != nil && c.Status == Ready && c.Note == "" {
			c.Note = "it is not known how its last operation ended: its history can't be read: " + firstLine(p.HistoryErr.Error())
		}
	}
	return c
}

// lock is what the locks say. A damaged state says more than one that is only held
// by the dead.
func (p *Pipeline) lock() Condition {
	if len(p.Summary.Locks) == 0 {
		if p.Summary.InProgress {
			return Condition{Status: Updating, Note: "being updated by somebody: the backend does not say by whom"}
		}
		return Condition{}
	}
	for i := range p.Summary.Locks {
		if l := &p.Summary.Locks[i]; !l.Stale && !l.Broken {
			return Condition{Status: Updating, Note: "being updated by " + Holder(*l), Lock: l}
		}
	}
	l := &p.Summary.Locks[max(0, slices.IndexFunc(p.Summary.Locks, func(l stack.Lock) bool { return !l.Broken }))]
	if fault.KindOf(p.Err) == fault.Damaged && p.State == nil {
		return Condition{Lock: l}
	}
	if l.Broken {
		// It says nothing of the pipeline: how that is, its state says.
		return Condition{Lock: l, Note: fmt.Sprintf("%s. `pipelinetui cancel %s` clears it", l.Half(), p.ID)}
	}
	msg := fmt.Sprintf("an operation of %s was cut off: its process is gone, its lock is still there", Holder(*l))
	return Condition{Status: Incomplete, Lock: l, Err: fault.New(fault.Locked, "%s", msg).
		WithHint("Run `pipelinetui cancel %s` to clear the lock and settle what was cut off.", p.ID)}
}

// Holder says whose a lock is: "ana on build-7, process 12".
func Holder(l stack.Lock) string {
	who := l.User
	if who == "" {
		who = "somebody"
	}
	if l.Host != "" {
		who += " on " + l.Host
	}
	if l.PID > 0 {
		who += fmt.Sprintf(", process %d", l.PID)
	}
	return who
}

// state is what the state and the history say together.
func (p *Pipeline) state() (Status, error) {
	if last := p.LastChange(); last != nil {
		if status, err := p.ended(*last); status != Ready {
			return status, err
		}
	}
	half := halfDone(p.State)
	switch {
	case len(p.State.Pending) > 0:
		return Incomplete, fault.New(fault.Deployment, "cut off while %s %s%s", p.State.Pending[0].Kind, p.State.Pending[0].Name, andMore(len(p.State.Pending)-1)).
			WithHint("Run `pipelinetui up %s` to finish it, or `pipelinetui cancel %s` to only settle what was cut off.", p.ID, p.ID)
	case len(p.State.Resources) == 0:
		return Empty, nil
	case half != nil:
		return Incomplete, fault.New(fault.Deployment, "%s is half done: %s", half.Name, firstLine(half.InitErrors[0])).
			WithHint("Run `pipelinetui up %s` again.", p.ID)
	case p.State.Outputs["stateMachineAliasArn"].Value == nil:
		return Incomplete, fault.New(fault.Deployment, "its last update did not get to the end").
			WithHint("Run `pipelinetui up %s` to finish it, or destroy it.", p.ID)
	default:
		return Ready, nil
	}
}

// ended is what the last operation that changes something says.
func (p *Pipeline) ended(last stack.Update) (Status, error) {
	verb := "up"
	if last.Kind != "update" {
		verb = last.Kind
	}
	why := func(what string) *fault.Error {
		msg := "the last " + verb + " " + what
		switch half := halfDone(p.State); {
		case last.Error != "":
			msg += ": " + firstLine(last.Error)
		case half != nil:
			msg += ": " + half.Name + ": " + firstLine(half.InitErrors[0])
		}
		if turned, _ := turnedBack(last.Error); turned { // what is recorded is what was turned back
			return fault.New(fault.Deployment, "%s", msg).
				WithHint("What served before serves on. Mend the change and bring %s up, or `pipelinetui rollback %s` takes it out of the stack; `pipelinetui history %s` has the revisions.", p.ID, p.ID, p.ID)
		}
		return fault.New(fault.Deployment, "%s", msg).
			WithHint("Run `pipelinetui %s %s` again; `pipelinetui show %s` has the history.", verb, p.ID, p.ID)
	}
	switch last.Result {
	case string(stack.Failed):
		return Failed, why("failed")
	case stack.ResultCanceled:
		return Cancelled, why("was cancelled")
	case stack.ResultInterrupted:
		return Incomplete, why("was cut off")
	}
	if p.HalfDestroyed() { // elsewhere, and cancelled: the backend does not tell
		return Incomplete, why("did not get to its end")
	}
	return Ready, nil
}

// HalfDestroyed tells whether the last that was done to the pipeline was to delete it, and
// something is left.
func (p *Pipeline) HalfDestroyed() bool {
	last := p.LastChange()
	return last != nil && last.Kind == "destroy" && p.State != nil && len(p.State.Resources) > 0
}

// halfDone is a resource that is there, but not as it should be.
func halfDone(s *stack.State) *stack.Resource {
	for i := range s.Resources {
		if r := &s.Resources[i]; len(r.InitErrors) > 0 && !r.PendingDelete {
			return r
		}
	}
	return nil
}

func andMore(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(line)
}
