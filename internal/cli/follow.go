package cli

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// preparer makes an operation ready, and returns what begins it. Nothing of the
// pipelines is touched before.
type preparer func(ctx context.Context, request app.Request) (begin func() pipelines.Operation, err error)

// work does what the question was about, and shows it.
func work(ctx context.Context, deps *Deps, o *deployOptions, q *question) (*view, []app.PipelineResult, error) {
	if len(q.pipelines) == 0 {
		return &view{deps: deps}, nil, nil
	}
	planning := o.operation == stack.OperationPreview
	v, err := newView(deps, planning, len(q.pipelines), planning)
	if err != nil {
		return nil, nil, err
	}
	v.expect(q.planned)
	if planning {
		v.costs = costsBefore(ctx, deps, q.pipelines)
	}
	results, err := operate(ctx, deps, o.request(q), v)
	return v, results, err
}

// request is what the application is asked for, on what the question was about.
func (o *deployOptions) request(q *question) app.Request {
	salt := q.salt
	if o.operation != stack.OperationPreview {
		salt = nil // nobody compares them then
	}
	return app.Request{
		Operation: o.operation, Pipelines: q.pipelines, Parallel: o.parallel, FailFast: o.failFast,
		Refresh: o.refresh, Keep: o.keep, Message: o.message, ClearPending: o.clear,
		ClearDeadLocks: q.clearDead, Expect: q.expects, Settle: q.to,
		Origin: o.origin, MaxMonthlyCost: o.maxCost, Salt: salt,
		PolicyPacks: o.policies.packs, PolicyConfigs: o.policies.configs,
		NamesAsked: true, // by checked
	}
}

// operate does an operation and shows it. While it is prepared, which asks AWS and may
// install plugins, a signal ends ctx as it does for any command. The engine's signals
// are its own: it has to end in good order. They are held before it begins, so that
// none is lost in between.
func operate(ctx context.Context, deps *Deps, request app.Request, v *view) ([]app.PipelineResult, error) {
	defer v.end()
	begin, err := deps.prepare(ctx, request)
	signals, release := deps.signals.Hold()
	defer release()
	if ctx.Err() != nil {
		return nil, fault.New(fault.Canceled, "interrupted before anything was begun").Because(errors.Join(ctx.Err(), err))
	}
	if err != nil {
		return nil, err
	}
	return follow(deps, begin(), v, signals)
}

// follow shows an operation to its end and passes the user's signals on: the
// first one asks politely, the second one asks whether to force, or forces where
// nobody can be asked. What can't be shown ends nothing.
func follow(deps *Deps, op pipelines.Operation, v *view, signals <-chan os.Signal) ([]app.PipelineResult, error) {
	stop := &stopper{deps: deps, op: op, v: v}
	var firstErr error
	for {
		select {
		case u, ok := <-op.Updates():
			if !ok {
				stop.overtaken()
				return op.Wait(), firstErr
			}
			if err := v.apply(u); err != nil && firstErr == nil {
				firstErr = err
			}
		case <-v.ticks():
			v.draw()
		case sig := <-signals:
			stop.signal(sig)
		case a := <-stop.answer:
			stop.answered(a)
		}
	}
}

// echo is how long the same signal is the same one where nobody can be asked: `timeout`, make,
// npm and the runners of CI send it to their child and to its whole group, so that it comes
// twice. (GNU coreutils, timeout.c, cleanup)
const echo = time.Second

// stopper turns signals into a polite stop, and then into a forced one.
type stopper struct {
	deps   *Deps
	op     pipelines.Operation
	v      *view
	asked  bool        // the polite stop
	first  os.Signal   // that asked
	at     time.Time   // when
	answer chan string // an answer is awaited
}

func (s *stopper) signal(sig os.Signal) {
	switch {
	case s.asked && sig == syscall.SIGHUP:
		// A closed terminal is told of twice, by the kernel and by the shell. It wants
		// nothing forced, and nobody is there to be asked.
	case s.asked && sig == s.first && s.deps.now().Sub(s.at) < echo && !s.deps.CanPrompt():
		// Nobody has asked twice.
	case !s.asked:
		s.asked, s.first, s.at = true, sig, s.deps.now()
		s.v.erase()
		s.deps.Note("cancelling: nothing new is begun; waiting for what is in flight: %s", s.inFlight())
		s.deps.Note("interrupt again to force")
		s.op.Cancel()
	case s.answer == nil && s.deps.CanPrompt():
		s.v.pause(true)
		s.deps.Note("forcing ends the engine at once. What is in flight may be orphaned until the next up, destroy or cancel finds it: %s", s.inFlight())
		s.deps.Ask("Force?", "yes/no")
		s.answer = make(chan string, 1)
		go func(answer chan<- string) {
			text, _ := s.deps.NextLine() // the end of input is no yes
			answer <- text
		}(s.answer)
	default:
		s.force()
	}
}

func (s *stopper) answered(text string) {
	s.answer = nil
	s.v.pause(false)
	if console.IsYes(text) {
		s.force()
		return
	}
	s.deps.Note("still waiting for what is in flight: %s", s.inFlight())
}

func (s *stopper) force() {
	s.deps.Note("forcing: what is in flight may be orphaned until the next up, destroy or cancel finds it: %s", s.inFlight())
	s.op.Kill()
}

// overtaken ends the line of a question that nobody needs an answer to any more.
func (s *stopper) overtaken() {
	if s.answer != nil {
		s.deps.Note("")
		s.v.pause(false)
	}
}

// inFlight names what is being worked on, by pipeline.
func (s *stopper) inFlight() string {
	now := s.deps.now()
	var parts []string
	for _, id := range s.op.Running() {
		text := id.String()
		if p := s.v.progress[id]; p != nil {
			if rows := render.InFlight(p, now); len(rows) > 0 {
				text += " (" + strings.Join(rows, ", ") + ")"
			}
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, "; ")
}

// frame is how often a live view is drawn at most.
const frame = 100 * time.Millisecond
