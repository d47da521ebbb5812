package interpreter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/failure"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/history"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/journal"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
)

// branch walks one workflow: the execution's own, a branch of a Parallel state
// or an iteration of a Map state. One goroutine owns it; its cursor changes only
// under the execution's lock, together with the events of the step.
type branch struct {
	x      *execution
	parent *branch
	ctx    context.Context
	w      *asl.Workflow
	path   string
	cur    cursor
	item   *value.Object // "Map" of the context object, inside an iteration

	// children are the branches of the state that runs, by index; nil before they
	// begin. They belong to the goroutine of this branch once all have ended.
	children []*branch

	vars  map[string]any
	sizes map[string]int           // of the variables, in bytes
	bound map[string]jsonata.Bound // vars in the evaluator's form, with the parents'
}

// lookup finds a variable here or in a workflow around this one.
func (b *branch) lookup(name string) (any, bool) {
	for ; b != nil; b = b.parent {
		if v, ok := b.vars[name]; ok {
			return v, true
		}
	}
	return nil, false
}

// setVar sets a variable of this branch's scope, which takes so many bytes.
func (b *branch) setVar(name string, v any, size int) {
	if b.vars == nil {
		b.vars = map[string]any{}
	}
	if b.sizes == nil {
		b.sizes = map[string]int{}
	}
	b.vars[name], b.sizes[name] = v, size
	if b.bound != nil {
		b.bound[name] = jsonata.Bind(v)
	}
}

// bindings returns all visible variables for JSONata.
func (b *branch) bindings() map[string]jsonata.Bound {
	if b.bound != nil {
		return b.bound
	}
	out := map[string]jsonata.Bound{}
	if b.parent != nil {
		for k, v := range b.parent.bindings() {
			out[k] = v
		}
	}
	for k, v := range b.vars {
		out[k] = jsonata.Bind(v)
	}
	b.bound = out
	return out
}

// step changes the cursor and records events as one: what is written to the
// store always shows both or neither.
func (b *branch) step(change func(s *stepper)) {
	x := b.x
	x.mu.Lock()
	defer x.mu.Unlock()
	change(&stepper{b})
	x.dirty[b.path] = b
	if len(x.pending) >= x.s.Flush || x.data >= maxPending {
		x.flushLocked()
	}
}

// stepper records events inside a step.
type stepper struct{ b *branch }

// event appends an event to the branch's chain.
func (s *stepper) event(typ string, d *history.Details) int64 {
	s.b.cur.Head = s.b.x.record(typ, s.b.cur.Head, d)
	return s.b.cur.Head
}

// side appends an event that follows the given one but is not part of the chain.
func (s *stepper) side(typ string, previous int64, d *history.Details) int64 {
	return s.b.x.record(typ, previous, d)
}

// run walks the workflow from where the cursor stands to its end.
func (b *branch) run() (any, error) {
	if b.ctx == nil {
		b.ctx = b.x.ctx
	}
	for {
		if err := b.room(); err != nil {
			return nil, err
		}
		if err := b.interrupted(); err != nil {
			return nil, err
		}
		if b.cur.Done {
			if b.cur.Failure != nil {
				return nil, b.cur.Failure.Err()
			}
			return b.cur.Result.v, nil
		}
		st := b.w.State(b.cur.State)
		if st == nil {
			return nil, failure.New(failure.Runtime, fmt.Sprintf("The state '%s' does not exist", b.cur.State)).Err()
		}
		if err := b.visit(st); err != nil {
			if _, failed := failure.Of(err); !failed {
				return nil, err
			}
			b.step(func(*stepper) {
				b.cur.Failure, _ = failure.Of(err)
				b.cur.Done = true
			})
		}
	}
}

// room waits while too much is unwritten, and while what the execution has recorded cannot
// be written: what stays in memory is bounded.
func (b *branch) room() error {
	b.x.s.Journal.Room(b.ctx)
	b.x.s.Report.Room(b.ctx)
	if b.x.unsaved.Broken() {
		return b.sync()
	}
	return nil
}

// interrupted reports what ends the branch from outside.
func (b *branch) interrupted() error {
	if b.ctx.Err() == nil {
		return nil
	}
	return context.Cause(b.ctx)
}

// visit takes one state from its phase to the next. A failure that is returned
// ends the branch.
func (b *branch) visit(st *asl.State) error {
	if b.cur.Entered == 0 {
		if err := b.enter(st); err != nil {
			return err
		}
	}
	ev := b.evaluation(st)
	switch b.cur.Phase {
	case phaseRetry:
		if err := b.sleepUntil(b.cur.Until); err != nil {
			return err
		}
		b.step(func(*stepper) { b.cur.Phase = phaseEntered })
		return nil
	case phaseFailed:
		return b.afterFailure(st, ev, b.cur.Failure)
	case phaseResult:
		if err := b.leave(st, ev, b.cur.Result.v); err != nil {
			return b.failed(st, err)
		}
		return nil
	}
	if err := b.execute(st, ev); err != nil {
		return b.failed(st, err)
	}
	return nil
}

// execute does what the state is for and records its result or its exit.
func (b *branch) execute(st *asl.State, ev *evaluation) error {
	switch st.Type {
	case asl.Pass:
		return b.pass(st, ev)
	case asl.Task:
		return b.task(st, ev)
	case asl.Choice:
		return b.choose(st, ev)
	case asl.Wait:
		return b.wait(st, ev)
	case asl.Succeed:
		return b.succeed(st, ev)
	case asl.Fail:
		return b.failState(st, ev)
	case asl.Parallel:
		return b.parallel(st, ev)
	case asl.Map:
		return b.mapState(st, ev)
	}
	return failure.New(failure.Runtime, "unknown state type "+string(st.Type)).Err()
}

// enter records the entry of a state.
func (b *branch) enter(st *asl.State) error {
	text := b.cur.Raw
	if text == "" {
		text = value.String(b.cur.Input.v)
	}
	b.step(func(s *stepper) {
		b.cur.Raw = ""
		b.cur.EnteredPrev = b.cur.Head
		b.cur.EnteredAt = b.x.s.now()
		b.cur.Entered = s.event(string(st.Type)+"StateEntered", (&history.Details{Name: st.Name}).WithInput(text))
	})
	if len(text) > record.MaxData {
		return failure.TooLarge(st.Name)
	}
	return nil
}

// exit records the exit of a state and moves on to the next, or to the
// workflow's end if next is empty.
func (b *branch) exit(st *asl.State, output any, vars *value.Object, next string) error {
	if err := result(st.Name, output, record.MaxData); err != nil {
		return err
	}
	text := value.String(output)
	if len(text) > record.MaxData {
		return failure.TooLarge(st.Name)
	}
	set, err := b.assignment(st.Name, vars)
	if err != nil {
		return err
	}
	b.keep(set)
	b.step(func(s *stepper) {
		s.event(string(st.Type)+"StateExited", (&history.Details{Name: st.Name}).WithOutput(text).WithVariables(set.texts))
		c := cursor{State: next, Input: docOf(output), Head: b.cur.Head}
		if vars.Len() > 0 || len(b.cur.Vars) > 0 {
			c.Vars = make(map[string]doc, len(b.vars))
			for k, v := range b.vars {
				c.Vars[k] = docOf(v)
			}
		}
		if next == "" {
			c.State, c.Input, c.Done, c.Result = st.Name, doc{}, true, docOf(output)
		}
		b.cur = c
	})
	return nil
}

// failed records a failure of the state: first the event that an evaluation has,
// then what the state's type adds. The decision about it comes next.
func (b *branch) failed(st *asl.State, err error) error {
	f, ok := failure.Of(err)
	if !ok {
		return err
	}
	b.step(func(s *stepper) { s.fail(st, f) })
	return nil
}

// fail records a failure of the state in the step that brought it about.
func (s *stepper) fail(st *asl.State, f *failure.Failure) {
	c := &s.b.cur
	if f.Evaluation && f.State == st.Name { // not one that a branch inside has recorded
		previous := c.Head
		if c.Head == c.Entered && f.AtEntry {
			previous = c.EnteredPrev
		}
		c.Head = s.side("EvaluationFailed", previous, (&history.Details{Location: f.Location, State: f.State}).WithFailure(f.ErrorText(), f.CauseText()))
	}
	c.Phase, c.Failure = phaseFailed, f
}

// sleepUntil waits for a time on the service's clock; what is recorded is on
// disk before.
func (b *branch) sleepUntil(t time.Time) error {
	d := t.Sub(b.x.s.Clock.Now())
	if d <= 0 {
		return nil
	}
	if err := b.sync(); err != nil {
		return err
	}
	if err := clock.Sleep(b.ctx, b.x.s.Clock, d); err != nil {
		return b.interruption(err)
	}
	return nil
}

// interruption prefers the cause of a done context to its bare error.
func (b *branch) interruption(err error) error {
	if cause := b.interrupted(); cause != nil {
		return cause
	}
	return err
}

// sync puts on disk what is recorded, before something is done that cannot be
// taken back.
func (b *branch) sync() error {
	err := b.x.sync()
	if errors.Is(err, journal.ErrClosed) {
		return failure.ErrShutdown
	}
	return err
}
