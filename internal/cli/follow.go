package cli

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
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
		Origin: o.origin, AtOnce: o.atOnce, MaxMonthlyCost: o.maxCost, Salt: salt,
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
	stop := newStopper(deps, begin(), v)
	stop.pipelines, stop.turnBack = request.Pipelines, func(p *spec.Pipeline, endpoint string) error {
		return deps.app().TurnBack(context.WithoutCancel(ctx), p, endpoint)
	}
	return follow(stop, signals)
}

// follow shows an operation to its end and passes the user's signals on: the
// first one asks politely, the second one asks whether to force, or forces where
// nobody can be asked. In a rollout the first ctrl-C asks what is to become of it. What can't be
// shown ends nothing.
func follow(stop *stopper, signals <-chan os.Signal) ([]app.PipelineResult, error) {
	op, v := stop.op, stop.v
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
		case said := <-stop.turned:
			stop.deps.Note("%s", said)
		}
	}
}

// frame is how often a live view is drawn at most.
const frame = 100 * time.Millisecond
