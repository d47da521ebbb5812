package stack

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// Run is one operation under way. Its methods are safe for concurrent use.
type Run struct {
	engine *Engine
	op     Operation
	job    Job
	place  place
	relay  *relay
	done   chan struct{}

	result Result // set before done is closed
	err    error

	// alive ends with Kill, or with the Run; setup, which is below it, with Cancel: it ends the
	// short processes before the operation itself.
	alive, setup      context.Context // live exactly as long as the Run
	kill, cancelSetup context.CancelFunc

	// Only the goroutine that receives events touches these while it runs.
	progress Progress
	seq      int
	outputs  map[string]Output
	drift    []Drift
	doubts   []apitype.StepEventStateMetadata // creations of which nobody knows the end
	planned  []apitype.StepEventStateMetadata // those that are doubted because they are planned, see Job.Doubt
	panicked error
	refused  error // by the program itself, for a reason the user can mend

	repairing bool // something of what was cut off has been changed

	seen *apitype.DeploymentV3 // the state as settle found it; nil if it had no reason to look

	spare *spare // room that is held for the state; nil if there is none
	full  bool   // the disk of the state was full
	lost  bool   // and what is there now may be older than what was made

	noted, before *outcome // what is written down about this operation, and was about the last

	mu          sync.Mutex
	proc        *cliProcess
	events      *eventServer
	output      processOutput
	canceled    bool
	killed      bool
	interrupted bool // the one SIGINT was sent
	ready       bool // the engine has installed its signal handler
	finishing   bool // the engine has taken it away again
	grace       *time.Timer
}

// processOutput is what the operation's process left behind.
type processOutput struct {
	ran            bool
	stdout, stderr string
	code           int
}

// errStopped is why a process was not started.
var errStopped = errors.New("stopped before the engine started")

// Events is the stream of the operation, always the same channel. Only the Run
// closes it, after the EventEnd. The engine never waits for its reader; a
// reader must read on until it is closed.
func (r *Run) Events() <-chan Event { return r.relay.channel() }

// Log is a copy of the events so far.
func (r *Run) Log() []Event { return r.relay.log() }

// Operation tells what the Run does, Stack to what.
func (r *Run) Operation() Operation { return r.op }

// Stack is the name of the stack.
func (r *Run) Stack() string { return r.job.Stack }

// Done is closed when the operation has ended.
func (r *Run) Done() <-chan struct{} { return r.done }

// Wait returns when the operation has ended, whether or not the events are
// read. The Result is filled in as far as known even if there is an error; the
// error is a *fault.Error.
func (r *Run) Wait() (Result, error) {
	<-r.done
	return r.result, r.err
}

// Cancel asks the engine to stop gracefully: what is in flight is finished, what
// has not begun is not begun. It returns at once and may be called more than
// once; the engine gets exactly one SIGINT and is waited for without a limit.
//
// The signal waits until the engine is ready for it: between taking the stack's
// lock and installing its signal handler the CLI would die of it and leave the
// lock behind. An engine that reports nothing for a while (an unreachable
// backend) gets it nevertheless.
func (r *Run) Cancel() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.canceled {
		return
	}
	r.canceled = true
	r.cancelSetup()
	if r.proc == nil {
		return
	}
	if r.ready {
		r.interruptLocked()
		return
	}
	r.grace = time.AfterFunc(r.engine.interruptGrace, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.interruptLocked()
	})
}

func (r *Run) interruptLocked() {
	if r.interrupted || r.finishing || r.proc == nil {
		return
	}
	r.interrupted = true
	r.proc.signal(syscall.SIGINT)
}

// Kill ends the engine at once (SIGKILL to its process group). Resources that
// are being changed end up in an unknown state, recorded as pending operations,
// and the stack stays locked: see Engine.Locks and Engine.Unlock.
func (r *Run) Kill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.canceled, r.killed = true, true
	r.kill()
	if r.proc != nil {
		r.proc.signal(syscall.SIGKILL)
	}
}

// start is called by the command for the operation's process.
func (r *Run) start(p *cliProcess) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.canceled {
		return errStopped
	}
	if err := p.start(context.Background()); err != nil {
		return err
	}
	r.proc, r.output.ran = p, true
	return nil
}

// ended is called by the command when the operation's process is gone.
func (r *Run) ended(stdout, stderr string, code int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.proc = nil
	if r.grace != nil {
		r.grace.Stop()
	}
	r.output = processOutput{ran: true, stdout: stdout, stderr: stderr, code: code}
}

// rewrite adapts the SDK's arguments: our event stream instead of the SDK's, and
// flags that it does not offer.
func (r *Run) rewrite(args []string) []string {
	out := slices.Clone(args)
	drop := func(flags ...string) {
		out = slices.DeleteFunc(out, func(a string) bool { return slices.Contains(flags, a) })
	}
	switch {
	case r.op == OperationPreview:
		// Stack.Preview of the SDK leaks a goroutine whenever the CLI ends
		// before it opens the event stream, so Up is used for both.
		out[slices.Index(out, "up")] = "preview"
		drop("--yes", "--skip-preview")
	case r.job.DryRun:
		drop("--yes", "--skip-preview")
		out = append(out, "--preview-only")
	case r.op == OperationDestroy && r.job.Remove:
		// The SDK's option runs a second process.
		out = append(out, "--remove")
	}
	if r.job.Message != "" {
		out = append(out, "--message", r.job.Message) // the SDK puts it in quotes
	}
	return append(out, "--event-log", r.events.addr, "--color", "never", "--suppress-outputs", "--suppress-progress")
}

// receive takes one line of the engine's stream. It is called by one goroutine.
func (r *Run) receive(line string) {
	raw, err := decodeEvent(line)
	if err != nil {
		r.emit(Event{Type: EventError, Message: fmt.Sprintf("the engine sent an event that cannot be read: %v", err)})
		return
	}
	r.observe(raw)
	r.spare.nudge()
	if e, ok := convert(raw); ok {
		if e.Diagnostic != nil {
			e.Diagnostic.Message = closingOf(r.op, e.Diagnostic.Message)
		}
		r.emit(e)
	}
}

// observe takes from an event what the result needs and what tells the engine's
// readiness for signals.
func (r *Run) observe(raw apitype.EngineEvent) {
	r.doubt(raw.ResOpFailedEvent)
	if r.job.Doubt != nil && raw.ResourcePreEvent != nil {
		r.doubtPlanned(raw.ResourcePreEvent.Metadata)
	}
	if p := raw.ResOutputsEvent; p != nil {
		if p.Metadata.Type == rootType && p.Metadata.New != nil {
			r.outputs = outputs(p.Metadata.New.Outputs, false)
		}
		if r.op == OperationRefresh {
			if d := drift(p.Metadata); d != nil {
				r.drift = append(r.drift, *d)
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ready = true
	if raw.SummaryEvent != nil || raw.CancelEvent != nil {
		r.finishing = true
	}
	if r.canceled {
		r.interruptLocked()
	}
}

func (r *Run) emit(e Event) {
	r.seq++
	e = stamp(e, r.seq, time.Now(), r.job.Stack)
	r.progress.Apply(e)
	r.relay.push(e)
}

func (r *Run) sawEngine() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ready
}

// guard wraps the program. A panic in it becomes its error, with the stack trace
// kept as a cause; goroutines that the program starts are its own affair. A
// program that waits for what an engine that is gone will never tell is left
// behind: the SDK would wait for it for ever.
func (r *Run) guard(program pulumi.RunFunc) pulumi.RunFunc {
	if program == nil {
		return func(*pulumi.Context) error { return nil }
	}
	type outcome struct{ err, panicked error }
	return func(ctx *pulumi.Context) error {
		r.mu.Lock()
		proc := r.proc
		r.mu.Unlock()
		if proc == nil {
			return errStopped
		}
		ended := make(chan outcome, 1)
		go func() {
			var o outcome
			defer func() {
				if p := recover(); p != nil {
					o.err = fmt.Errorf("panic in the program: %v", p)
					o.panicked = fmt.Errorf("%w\n%s", o.err, debug.Stack())
				}
				ended <- o
			}()
			o.err = program(ctx)
		}()
		select {
		case o := <-ended:
			r.panicked = o.panicked
			if fault.KindOf(o.err) == fault.Invalid {
				r.refused = o.err
			}
			return o.err
		case <-proc.done:
			return errors.New("the engine is gone")
		}
	}
}

// execute is the whole life of the operation.
func (r *Run) execute(ctx context.Context) {
	stop := context.AfterFunc(ctx, r.Cancel)
	defer stop()
	defer r.kill()
	started := time.Now()
	err := r.attempt()
	r.rescue(err)
	r.keepDoubts()
	r.finish(started, err)
	r.relay.close()
	close(r.done)
}

// attempt runs the operation; where the files on this machine turn out to be
// out of date with the backend, it mends them and runs it again.
func (r *Run) attempt() error {
	// On a mount that is dead the first touch is where it waits.
	if err := r.engine.reachable(r.setup); err != nil && !errors.Is(err, ErrNoFolder) { // it is made with the first stack
		return err
	}
	if err := r.engine.CheckLayout(r.setup); err != nil {
		return err
	}
	if _, err := r.engine.secrets(r.setup); err != nil {
		return err
	}
	if err := r.room(); err != nil {
		return err
	}
	if err := r.writable(); err != nil {
		return err
	}
	if err := r.holdSpare(); err != nil {
		return err
	}
	if err := r.unlockDead(); err != nil {
		return err
	}
	if !r.records() {
		r.tellHeld()
	}
	r.noteBegin()
	create := r.op == OperationUp
	created, err := r.engine.ensure(r.setup, r.place, create)
	if r.op == OperationPreview && errors.Is(err, fault.NotFound) {
		r.place = r.place.scratch()
		defer r.engine.discard(r.place)
		created, err = r.engine.ensure(r.setup, r.place, true)
	}
	r.result.Created = created
	if err != nil {
		return err
	}
	if err := r.settle(); err != nil {
		return err
	}
	discard, err := r.migrate()
	if err != nil {
		return err
	}
	defer discard()
	if err := r.engine.setConfig(r.setup, r.place, r.job.Config); err != nil {
		return err
	}
	if r.job.Before != nil && r.op == OperationDestroy && !r.job.DryRun {
		if err := r.alone(); err != nil {
			return err
		}
		r.job.Before(r.setup)
	}
	err = r.operate()
	if mended, err := r.mend(err); mended {
		return err
	}
	if err == nil && r.job.Doubt != nil && r.op == OperationPreview {
		return r.engine.addDoubts(r.setup, r.place, r.planned)
	}
	return err
}

// mend looks at an error that came before the engine started; true if it has
// run the operation in another way, with what that came to.
func (r *Run) mend(err error) (bool, error) {
	r.mu.Lock()
	stderr, stopped := r.output.stderr, r.canceled
	r.mu.Unlock()
	if err == nil || stopped || r.sawEngine() {
		return false, nil
	}
	absent := auto.IsSelectStack404Error(err) && (r.op == OperationUp || r.op == OperationPreview)
	if absent && r.place.backend == r.engine.opts.Backend {
		if _, _, err := r.engine.objectExport(r.setup, r.place.stack); err != nil && !errors.Is(err, fault.NotFound) {
			return true, err // it is missing, and not only not there
		}
	}
	switch {
	case auto.IsSelectStack404Error(err) && r.op == OperationUp:
		// Removed by somebody else since this machine last saw it.
		r.result.Created = true
		if err := r.engine.initStack(r.setup, r.place); err != nil {
			return true, err
		}
		return true, r.operate()
	case auto.IsSelectStack404Error(err) && r.op == OperationPreview:
		return true, r.previewAbsent()
	case auto.IsConcurrentUpdateError(err) && r.recovers() && r.job.Recovery.ClearDeadLocks:
		locks, _ := lockedBy(stderr) // nobody named is nobody who is known to be gone
		if !allStale(locks) {
			return false, nil
		}
		if err := r.engine.clearDead(r.setup, r.job.Stack); err != nil {
			return true, err
		}
		r.tellCleared(locks)
		return true, r.operate()
	case textRules[0].re.MatchString(stderr):
		// Perhaps the stack was made anew elsewhere, and the key here is an old one.
		before, beforeErr := r.engine.settings(r.place)
		adoptErr := r.engine.adoptKey(r.setup, r.place)
		after, afterErr := r.engine.settings(r.place)
		if errors.Join(beforeErr, adoptErr, afterErr) != nil || before.EncryptionSalt == after.EncryptionSalt {
			return false, nil //nolint:nilerr // nothing to mend: the first error stands
		}
		return true, r.operate()
	}
	return false, nil
}

// previewAbsent previews a stack that turned out not to exist.
func (r *Run) previewAbsent() error {
	r.place = r.place.scratch()
	defer r.engine.discard(r.place)
	created, err := r.engine.ensure(r.setup, r.place, true)
	r.result.Created = created
	if err == nil {
		err = r.engine.setConfig(r.setup, r.place, r.job.Config)
	}
	if err == nil {
		err = r.operate()
	}
	return err
}

// finish builds the result and the last event.
func (r *Run) finish(started time.Time, err error) {
	res := &r.result
	res.Operation, res.Stack, res.DryRun = r.op, r.job.Stack, r.job.DryRun || r.op == OperationPreview
	res.Started, res.Duration = started.UTC(), time.Since(started)
	res.Outcome = Succeeded
	end := &End{Outcome: Succeeded}
	if err != nil {
		r.err = r.classify(err)
		res.Outcome = Failed
		if fault.KindOf(r.err) == fault.Canceled {
			res.Outcome = Canceled
		}
		end = &End{Outcome: res.Outcome, Kind: string(fault.KindOf(r.err)), Error: r.err.Error(), Hint: fault.HintOf(r.err)}
	}
	res.Changes = r.progress.Changes()
	res.Outputs, res.Drift = r.outputs, r.drift
	res.Summary = ChangeLine(res.Changes, res.DryRun)
	res.Removed = err == nil && r.op == OperationDestroy && r.job.Remove && !r.job.DryRun
	if link, linkErr := auto.GetPermalink(r.output.stdout); linkErr == nil {
		res.Permalink = link
	}
	r.noteEnd(*res)
	r.emit(Event{Type: EventEnd, End: end})
}
