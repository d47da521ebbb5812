package interpreter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/failure"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/history"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/journal"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/report"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// maxDeaths is how often the daemon may die while an execution is evaluated in
// the same place before the execution is failed instead of resumed.
const maxDeaths = 3

// errDeadly is what becomes of an execution that the daemon did not survive.
var errDeadly = failure.New(failure.Runtime, fmt.Sprintf("The sandbox ended %d times while it evaluated this execution, which is therefore not "+
	"resumed. The sandbox's log has the details.", maxDeaths)).Err()

// place names where a branch stands, for the watch.
func place(tx *store.Tx, execution, path string) (string, error) {
	cur, _, err := store.Get[cursor](tx, record.BucketCursors, record.CursorKey(execution, path))
	return fmt.Sprintf("%s|%s|%d", path, cur.State, cur.Head), err
}

// execution is one that runs in this process. All of its branches share it.
type execution struct {
	s       *Engine
	machine *asl.Machine
	// workflow is the machine's, or the item processor of a distributed Map.
	workflow *asl.Workflow
	def      *record.Revision
	logger   *report.Logger
	done     chan struct{}

	ctx    context.Context
	cancel context.CancelCauseFunc

	// deaths counts how often the daemon died while the execution was evaluated in
	// the same place.
	deaths int
	// broken says why the execution has no workflow to run by: it can only end.
	broken string

	// inspected is set while TestState runs a state by itself.
	inspected *inspected

	principal func() (wire.Principal, error)
	context   *value.Object // Execution and StateMachine of the context object

	stored atomic.Int64 // bytes of all variables in scope

	mu      sync.Mutex
	rec     record.Execution
	pending []history.Event
	data    int // bytes of the pending events' data
	dirty   map[string]*branch
	puts    []journal.Put
	full    bool
	// unsaved are writes that failed, in their order. They go before the next ones.
	unsaved *journal.Lane
	// left counts the ends of a Map Run's children that are not on disk yet; nil of others.
	left *sync.WaitGroup
}

// durable reports whether the execution has a history in the store.
func (x *execution) durable() bool { return !x.rec.Express }

func (x *execution) arn() string { return x.rec.ARN() }

// newExecution prepares a record to run.
func (s *Engine) newExecution(rec record.Execution, def *record.Revision) (*execution, error) {
	m, err := s.Parsed(def)
	if err != nil {
		return nil, err
	}
	x := &execution{
		s: s, machine: m, workflow: &m.Workflow, def: def, rec: rec,
		done: make(chan struct{}), dirty: map[string]*branch{}, unsaved: &journal.Lane{}, deaths: s.evaluating.Deaths(rec.RunKey()),
	}
	if rec.MapState != "" {
		if x.workflow = processorOf(m, rec.MapState); x.workflow == nil {
			return nil, errors.New("the Map state of a child execution is gone: " + rec.MapState)
		}
	}
	x.prepare()
	return x, nil
}

func (x *execution) prepare() {
	x.ctx, x.cancel = context.WithCancelCause(x.s.ctx)
	x.principal = sync.OnceValues(x.assumeRole)
	x.context = x.contextObject()
	x.logger = x.s.Report.Logger(&x.rec, x.def)
}

// newBroken prepares a record to end, since it cannot run any more.
func (s *Engine) newBroken(rec record.Execution, def *record.Revision, why error) *execution {
	x := &execution{s: s, machine: &asl.Machine{}, def: def, rec: rec, broken: why.Error(), done: make(chan struct{}), dirty: map[string]*branch{}, unsaved: &journal.Lane{}}
	x.prepare()
	return x
}

func processorOf(m *asl.Machine, state string) *asl.Workflow {
	var found *asl.Workflow
	m.Walk(func(st *asl.State) {
		if st.Name == state && st.Map != nil {
			found = st.Map.Processor
		}
	})
	return found
}

// assumeRole acts as the state machine's role, once for an execution.
func (x *execution) assumeRole() (wire.Principal, error) {
	return x.s.Assume(x.ctx, x.rec.Scope, x.rec.RoleARN, record.ARN(x.rec.Scope, "stateMachine", x.def.Machine), x.rec.Name)
}

// Assume acts as a role on behalf of Step Functions, for the sake of a source (an ARN).
func (s *Engine) Assume(ctx context.Context, sc wire.Scope, role, source, session string) (wire.Principal, error) {
	if s.Roles == nil {
		return wire.Principal{Account: sc.Account, ARN: sc.Root(), Admin: true, Service: "states.amazonaws.com"}, nil
	}
	if len(session) > 64 { // the limit of a role session's name
		session = session[:64]
	}
	return s.Roles.AssumeServiceRole(ctx, sc, "states.amazonaws.com", role, source, session)
}

func (x *execution) contextObject() *value.Object {
	input, err := value.Parse(x.rec.Input)
	if err != nil {
		input = nil
	}
	exec := value.Of("Id", x.arn(), "Input", input, "Name", x.rec.Name, "RoleArn", x.rec.RoleARN,
		"StartTime", asl.Timestamp(x.rec.Start), "RedriveCount", value.Int(int64(x.rec.RedriveCount)))
	if x.rec.RedriveAt != nil {
		exec.Set("RedriveTime", asl.Timestamp(*x.rec.RedriveAt))
	}
	return value.Of("Execution", exec, "StateMachine",
		value.Of("Id", x.rec.MachineARN(), "Name", x.rec.Machine))
}

// start runs the execution in the background.
func (x *execution) start() {
	x.s.running.Go(guard.Func(x.s.Log, "an execution", x.run))
}

// run takes the execution to its end, or to the service's shutdown.
func (x *execution) run() {
	defer close(x.done)
	defer x.s.forget(x)
	defer x.cancel(nil)
	stopTimer := x.limit()
	defer stopTimer()
	var b *branch
	var out any
	err := x.guarded(func() (err error) {
		if x.deaths >= maxDeaths {
			return errDeadly
		}
		if b, err = x.root(); err == nil {
			out, err = b.run()
		}
		return err
	})
	if errors.Is(err, failure.ErrShutdown) || x.s.ctx.Err() != nil && !errors.Is(context.Cause(x.ctx), failure.ErrStopped) {
		return // what is recorded is where the next start goes on
	}
	x.finish(b, out, err)
}

// guarded runs a part of the execution: a panic fails the execution, and is
// logged with its stack.
func (x *execution) guarded(fn func() error) error {
	err := guard.Run(x.s.Log, "an execution", fn, "execution", x.rec.Key())
	var p *guard.Panic
	if errors.As(err, &p) {
		return failure.New(failure.Runtime, "An internal error of the sandbox ended the execution: "+p.Error()+". The sandbox's log has the details.").Err()
	}
	return err
}

// limit ends the execution at its deadline.
func (x *execution) limit() func() {
	if x.rec.Deadline == nil {
		return func() {}
	}
	t := x.s.Clock.NewTimer(x.rec.Deadline.Sub(x.s.Clock.Now()))
	guard.Go(x.s.Log, "a deadline", func() {
		select {
		case <-t.C():
			x.cancel(failure.ErrTime)
		case <-x.ctx.Done():
		}
	}, nil)
	return func() { t.Stop() }
}

// root returns the execution's own branch as the store knows it.
func (x *execution) root() (*branch, error) {
	input, err := value.Parse(x.rec.Input)
	if err != nil {
		return nil, failure.New(failure.Runtime, err.Error()).Err()
	}
	if x.workflow == nil {
		return nil, failure.New(failure.Runtime, x.broken).Err()
	}
	b := &branch{x: x, w: x.workflow, path: "0", cur: cursor{State: x.workflow.StartAt, Input: docOf(input), Raw: x.rec.Input}}
	if err := x.restore(b); err != nil {
		return nil, err
	}
	if b.cur.Head == 0 && b.cur.Entered == 0 && x.rec.LastEvent == 0 {
		x.begin(b)
	}
	return b, nil
}

// begin records the start.
func (x *execution) begin(b *branch) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.recordStart()
	x.dirty[b.path] = b
}

// recordStart records the first event; x.mu must be held.
func (x *execution) recordStart() {
	d := &history.Details{RoleARN: x.rec.RoleARN}
	if x.rec.Version > 0 {
		d.VersionARN = x.rec.VersionARN()
	}
	if x.rec.Alias != "" {
		d.AliasARN = x.rec.AliasARN()
	}
	x.record("ExecutionStarted", 0, d.WithInput(x.rec.Input))
}

// record appends an event; x.mu must be held. A history that is full takes no
// more.
func (x *execution) record(typ string, previous int64, d *history.Details) int64 {
	if x.durable() && x.rec.LastEvent >= record.MaxEvents-1 && !isEnd(typ) {
		if !x.full {
			x.full = true
			x.cancel(errFull)
		}
		return x.rec.LastEvent
	}
	x.rec.LastEvent++
	x.data += d.Size()
	x.pending = append(x.pending, history.Event{ID: x.rec.LastEvent, Previous: previous, Time: x.s.now(), Type: typ, Details: d})
	return x.rec.LastEvent
}

// errFull ends an execution whose history is full.
var errFull = failure.New(failure.Runtime, "The execution reached the maximum number of history events (25000).").Err()

// errUnrecorded ends an execution whose place cannot be recorded: it would do again what
// it has done. Nothing that is bounded as data is comes here.
var errUnrecorded = failure.New(failure.Runtime, "An internal error of the sandbox ended the execution: its place cannot be recorded. The sandbox's log has the details.").Err()

func isEnd(typ string) bool {
	switch typ {
	case "ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted":
		return true
	}
	return false
}

// flush queues everything that is not yet written. The channel yields the
// outcome; nil means that there was nothing to write.
func (x *execution) flush() <-chan error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.flushLocked()
}

func (x *execution) flushLocked() <-chan error {
	x.logger.Write(x.pending)
	x.data = 0
	if !x.durable() {
		x.pending, x.puts = x.pending[:0], nil
		clear(x.dirty)
		return nil
	}
	if len(x.pending) == 0 && len(x.dirty) == 0 && len(x.puts) == 0 && !x.unsaved.Broken() {
		return nil
	}
	key := x.rec.Key()
	puts := x.puts
	x.puts = nil
	for i := range x.pending {
		raw, err := store.Encode(&x.pending[i])
		if err != nil {
			x.s.Log.Error("encode event", "execution", key, "error", err)
			continue
		}
		puts = append(puts, journal.Put{Bucket: record.BucketEvents, Key: record.EventKey(key, x.pending[i].ID), Value: raw})
	}
	x.pending = nil
	for path, b := range x.dirty {
		raw, err := store.Encode(&b.cur)
		if err != nil {
			x.s.Log.Error("encode cursor", "execution", key, "error", err)
			x.cancel(errUnrecorded)
			continue
		}
		puts = append(puts, journal.Put{Bucket: record.BucketCursors, Key: record.CursorKey(key, path), Value: raw})
	}
	clear(x.dirty)
	return x.s.Journal.AddTo(x.unsaved, puts)
}

// sync writes everything and waits until it is on disk: an execution that cannot be
// recorded stands still. What ends the execution ends the wait.
func (x *execution) sync() error {
	err := x.persist(x.ctx, x.flush())
	if err != nil && !errors.Is(err, journal.ErrClosed) && x.ctx.Err() != nil {
		return context.Cause(x.ctx)
	}
	return err
}

// restore reads a branch's cursor if the store has one.
func (x *execution) restore(b *branch) error {
	if !x.durable() {
		return nil
	}
	cur, found, err := x.s.cursor(x.rec.Key(), b.path)
	if err != nil || !found {
		return err
	}
	b.cur = cur
	for name, d := range cur.Vars {
		size := len(value.String(d.v))
		x.stored.Add(int64(size))
		b.setVar(name, d.v, size)
	}
	return nil
}

// finish records the end: the last event, the status and the index in one
// transaction.
func (x *execution) finish(b *branch, out any, err error) {
	var head int64
	if b != nil {
		head = b.cur.Head
	}
	var end []journal.Put // of an execution without a history
	x.mu.Lock()
	if x.rec.LastEvent == 0 { // it could not even begin
		x.recordStart()
		head = x.rec.LastEvent
	}
	now := x.s.now()
	x.rec.Stop = &now
	typ, d := x.outcome(out, err)
	if x.rec.Status == record.Aborted {
		head = 0 // what stops an execution comes from outside of its states
	}
	x.record(typ, head, d)
	switch {
	case x.durable():
		key := x.rec.Key()
		x.puts = append(x.puts, journal.Put{Bucket: record.BucketRunning, Key: key})
		if x.rec.Status == record.Succeeded {
			x.puts = append(x.puts, journal.Put{Bucket: record.BucketCursors, Key: key + "#", Prefix: true})
			clear(x.dirty)
		}
		x.puts = append(x.puts, record.Puts(&x.rec)...)
		x.puts = append(x.puts, x.s.evaluating.Forget(x.rec.RunKey())...)
	case x.rec.MapRun != "": // its run shows it
		end = record.Puts(&x.rec)
	default:
		end = []journal.Put{{Bucket: record.BucketExpress, Key: x.rec.RunKey()}}
	}
	done := x.flushLocked()
	rec := x.rec
	x.mu.Unlock()
	x.conclude(end, done)
	x.s.Report.Announce(x.s.ctx, &rec)
}

// conclude has the end written: an execution that has ended must not run again, and whoever
// waits for its end must see it. For that of an execution without a history nobody waits but
// its Map Run. What the end of the service leaves, the next start ends.
func (x *execution) conclude(end []journal.Put, done <-chan error) {
	if end == nil {
		_ = x.persist(x.s.ctx, done)
		return
	}
	queue := func() <-chan error { return x.s.Journal.Add(end) }
	queued, left := queue(), x.left
	if left != nil {
		left.Add(1)
	}
	x.s.running.Go(guard.Func(x.s.Log, "the end of an execution", func() {
		if left != nil {
			defer left.Done()
		}
		_ = x.s.Journal.Persist(x.s.ctx, queued, queue, "execution", x.rec.Key())
	}))
}

// persist waits until what was queued is on disk, and queues it again while it cannot be
// written.
func (x *execution) persist(ctx context.Context, done <-chan error) error {
	if done == nil {
		return nil
	}
	again := func() <-chan error {
		if done := x.flush(); done != nil {
			return done
		}
		return x.s.Journal.AddTo(x.unsaved, nil) // behind what another branch has queued
	}
	return x.s.Journal.Persist(ctx, done, again, "execution", x.rec.Key())
}

// outcome sets status, output and error of the record and returns the last event.
func (x *execution) outcome(out any, err error) (string, *history.Details) {
	cause := context.Cause(x.ctx)
	switch f, failed := failure.Of(err); {
	case errors.Is(cause, failure.ErrStopped):
		x.rec.Status = record.Aborted
		var stop stopError
		if errors.As(cause, &stop) {
			x.rec.Error, x.rec.Cause = stop.name, stop.cause
		}
		return "ExecutionAborted", &history.Details{Error: x.rec.Error, Cause: x.rec.Cause}
	case errors.Is(cause, failure.ErrTime):
		x.rec.Status = record.TimedOut // DescribeExecution shows no error, the history does
		name := failure.Timeout
		return "ExecutionTimedOut", &history.Details{Error: &name}
	case x.full:
		f, _ = failure.Of(errFull)
		x.rec.Status = record.Failed
		x.rec.Error, x.rec.Cause = f.ErrorText(), f.CauseText()
		return "ExecutionFailed", (&history.Details{}).WithFailure(f.ErrorText(), f.CauseText())
	case failed:
		x.rec.Status = record.Failed
		x.rec.Error, x.rec.Cause = f.ErrorText(), f.CauseText()
		return "ExecutionFailed", (&history.Details{}).WithFailure(f.ErrorText(), f.CauseText())
	case err != nil:
		f = failure.New(failure.Runtime, err.Error())
		x.rec.Status = record.Failed
		x.rec.Error, x.rec.Cause = f.ErrorText(), f.CauseText()
		return "ExecutionFailed", (&history.Details{}).WithFailure(f.ErrorText(), f.CauseText())
	default:
		x.rec.Status = record.Succeeded
		x.rec.Output = value.String(out)
		return "ExecutionSucceeded", (&history.Details{}).WithOutput(x.rec.Output)
	}
}

// stopError is why StopExecution ended an execution.
type stopError struct{ name, cause *string }

func (stopError) Error() string { return failure.ErrStopped.Error() }

func (stopError) Is(target error) bool { return target == failure.ErrStopped }
