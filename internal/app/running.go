package app

import (
	"context"
	"slices"
	"strings"
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
	client     runs
	machine    string
}

// runs are the executions of a machine: *executions.Client.
type runs interface {
	List(ctx context.Context, in executions.ListInput) ([]executions.Execution, error)
	Stop(ctx context.Context, arn, errorName, cause string) error
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
	if err != nil {
		return unsettled(err, "look for running executions")
	}
	return r.settle(ctx, how, why, told, pause)
}

// stopRounds is how often executions are stopped that were started only after others had been:
// whoever starts them goes on, and is not outrun. waitRounds is how often all those that are
// waited for end, and others run that were started meanwhile.
const (
	stopRounds = 15
	waitRounds = 15
)

func (r *Running) settle(ctx context.Context, how pipelines.Running, why string, told func(left int), pause func(context.Context) error) error {
	var newest time.Time // of those that ran when it began
	for last, again := 0, 0; ; {
		left := len(r.Executions)
		fresh := left != last
		if last = left; fresh {
			told(left)
		}
		if left == 0 {
			return nil
		}
		if how == pipelines.RunningStop {
			if newest.IsZero() {
				newest = latest(r.Executions)
			}
			since := startedSince(r.Executions, newest)
			if len(since) > 0 {
				again++
			}
			if again > stopRounds {
				return r.restarted(since)
			}
			if err := r.stop(ctx, why); err != nil {
				return err
			}
			fresh = fresh && len(since) == 0 // what was stopped is gone at the next look, most often
		}
		if how != pipelines.RunningStop {
			if newest.IsZero() {
				newest = latest(r.Executions)
			}
			if since := startedSince(r.Executions, newest); len(since) == left {
				if again++; again > waitRounds {
					return r.restarted(since)
				}
				newest = latest(since)
			}
		}
		if how != pipelines.RunningStop || !fresh {
			if err := pause(ctx); err != nil {
				return unsettled(err, "wait for executions")
			}
		}
		if err := r.look(ctx); err != nil {
			return unsettled(err, "look for running executions")
		}
	}
}

func latest(list []executions.Execution) (t time.Time) {
	for i := range list {
		if list[i].Start.After(t) {
			t = list[i].Start
		}
	}
	return t
}

// startedSince are those that were started later, by the clock of who started them.
func startedSince(list []executions.Execution, t time.Time) []executions.Execution {
	return slices.DeleteFunc(slices.Clone(list), func(x executions.Execution) bool { return !x.Start.After(t) })
}

// restarted says that somebody starts executions as fast as others end or are stopped. Who it is AWS tells
// in no answer about an execution: their names tell the most.
func (r *Running) restarted(list []executions.Execution) error {
	slices.SortFunc(list, func(a, b executions.Execution) int { return b.Start.Compare(a.Start) })
	newest := &list[0]
	who := "somebody"
	if n := executions.BatchNumber(newest.Name); n > 0 {
		if batch := newest.Name[:strings.LastIndexByte(newest.Name, '-')]; executions.OfBatch(batch, newest.Name) {
			who = "the batch " + batch
		}
	}
	return fault.New(fault.Conflict, "nothing was changed: %s goes on starting executions of %s as others end; the newest is %s, since %s",
		who, r.ID, newest.Name, newest.Start.UTC().Format(time.RFC3339)).
		WithHint("Stop what starts them first: a `pipelinetui run` that goes on, a schedule or a rule of EventBridge, a program (CloudTrail has each StartExecution with who asked for it). " +
			"Then run the command again; or choose to let them run.")
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
