package app

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"golang.org/x/sync/errgroup"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// settlePoll lies between two looks at executions that are waited for: an account
// has 2 to 5 ListExecutions a second for everybody.
const settlePoll = 2 * time.Second

// Running are the executions of one pipeline that run.
type Running struct {
	ID spec.ID
	// Executions are at most pipelines.LiveLimit.
	Executions []executions.Execution
	client     *executions.Client
	machine    string
}

// Running lists the executions that run, of the pipelines that have some. A pipeline
// that cannot have any (it has no stack, or no machine) is left out; the machine may
// be gone as well.
func (a *App) Running(ctx context.Context, list []*spec.Pipeline) ([]Running, error) {
	return lookAt(ctx, list, a.runningOf)
}

// lookAt looks at several pipelines at once, as many as there may be readers of
// states, and keeps the order of those where something runs.
func lookAt(ctx context.Context, list []*spec.Pipeline, look func(context.Context, *spec.Pipeline) (Running, error)) ([]Running, error) {
	found := make([]Running, len(list))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, p := range list {
		g.Go(func() (err error) {
			found[i], err = look(gctx, p)
			return fault.Wrap(err, "look for running executions of %s", p.ID)
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(r Running) bool { return len(r.Executions) == 0 }), nil
}

// runningOf looks at one pipeline. Without a state there is no machine; that a state
// can't be read is an error, for it may have one.
func (a *App) runningOf(ctx context.Context, p *spec.Pipeline) (Running, error) {
	r := Running{ID: p.ID}
	e, err := a.Engine(ctx)
	if err != nil {
		return r, err
	}
	state, err := e.State(ctx, p.StackName())
	if fault.KindOf(err) == fault.NotFound {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if r.machine, err = state.Text("stateMachineArn"); err != nil || r.machine == "" {
		return r, err // without one its first update did not get that far
	}
	region := p.Region
	if region == "" { // nothing is known of the stack but its name
		at, err := arn.Parse(r.machine)
		if err != nil {
			return r, fault.New(fault.Damaged, "the stack's output stateMachineArn, %q, is no ARN: it is not known what runs", r.machine).Because(err).
				WithHint("Run `pipelinetui up %s` to write it anew.", p.ID)
		}
		region = at.Region
	}
	if r.client, err = a.Executions(ctx, region, p.AssumeRole); err != nil {
		return r, err
	}
	return r, r.look(ctx)
}

func (r *Running) look(ctx context.Context) error {
	list, err := r.client.List(ctx, executions.ListInput{Machine: r.machine, Statuses: []executions.Status{executions.Running}, Limit: pipelines.LiveLimit})
	if fault.KindOf(err) == fault.NotFound {
		r.Executions = nil
		return nil
	}
	r.Executions = list
	return err
}

// settle returns when nothing of a pipeline runs any more, after stopping it if that
// is how. told is given how many are left: of the first look if there are any, and
// each time that changes; pause lets time pass between two looks. Nothing has been
// changed yet if it fails.
func (a *App) settle(
	ctx context.Context, p *spec.Pipeline, how pipelines.Running, why string, told func(left int), pause func(context.Context) error,
) error {
	r, err := a.runningOf(ctx, p)
	for last := 0; ; err = r.look(ctx) {
		if err != nil {
			return unsettled(err, "look for running executions")
		}
		left := len(r.Executions)
		fresh := left != last
		if last = left; fresh {
			told(left)
		}
		if left == 0 {
			return nil
		}
		if how == pipelines.RunningStop {
			if err := r.stop(ctx, why); err != nil {
				return err
			}
			if fresh {
				continue // what was stopped is gone at the next look, most often
			}
		}
		if err := pause(ctx); err != nil {
			return unsettled(err, "wait for executions")
		}
	}
}

// stop stops what the last look has found.
func (r *Running) stop(ctx context.Context, why string) error {
	for _, x := range r.Executions {
		if err := r.client.Stop(ctx, x.ARN, "Pipelinetui.Stopped", why); err != nil && fault.KindOf(err) != fault.NotFound {
			return unsettled(err, "stop "+x.Name)
		}
	}
	return nil
}

// unsettled says that an operation was not begun because of what runs.
func unsettled(err error, doing string) error {
	if fault.KindOf(err) == fault.Canceled {
		return &fault.Error{Kind: fault.Canceled, Msg: "stopped waiting for executions: nothing was changed", Err: err}
	}
	return fault.Wrap(err, "nothing was changed: %s", doing)
}
