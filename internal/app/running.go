package app

import (
	"context"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// What is to become of executions that run when their pipeline is deleted, or when
// what they run on is replaced.
const (
	RunningIgnore = "ignore" // they fail, or go on with what is new
	RunningWait   = "wait"
	RunningStop   = "stop"
)

// mostRunning is the most that is counted, and stopped at a time.
const mostRunning = 1000

// settlePoll lies between two looks at executions that are waited for: an account
// has 2 to 5 ListExecutions a second for everybody.
const settlePoll = 2 * time.Second

// Running are the executions of one pipeline that run.
type Running struct {
	ID spec.ID
	// Executions are at most mostRunning.
	Executions []executions.Execution
	client     *executions.Client
	machine    string
}

// Running lists the executions that run, of the pipelines that have some. A pipeline
// that cannot have any (it has no stack, or no machine) is left out; the machine may
// be gone as well.
func (a *App) Running(ctx context.Context, pipelines []*spec.Pipeline) ([]Running, error) {
	e, err := a.Engine(ctx)
	if err != nil {
		return nil, err
	}
	var out []Running
	for _, p := range pipelines {
		state, err := e.State(ctx, p.StackName())
		if err != nil || p.Region == "" {
			continue // the operation itself will say
		}
		r := Running{ID: p.ID}
		r.machine, _ = state.Outputs["stateMachineArn"].Value.(string)
		if r.machine == "" {
			continue
		}
		if r.client, err = a.Executions(ctx, p.Region, p.AssumeRole); err != nil {
			return nil, err
		}
		if err := r.look(ctx); err != nil {
			return nil, fault.Wrap(err, "look for running executions of %s", p.ID)
		}
		if len(r.Executions) > 0 {
			out = append(out, r)
		}
	}
	return out, nil
}

func (r *Running) look(ctx context.Context) error {
	list, err := r.client.List(ctx, executions.ListInput{Machine: r.machine, Statuses: []executions.Status{executions.Running}, Limit: mostRunning})
	if fault.KindOf(err) == fault.NotFound {
		r.Executions = nil
		return nil
	}
	r.Executions = list
	return err
}

// Settle waits until nothing of a pipeline runs any more, after stopping it if that
// is how. told is given how many are left, each time that changes.
func (a *App) Settle(ctx context.Context, r Running, how, why string, told func(left int)) error {
	last := len(r.Executions)
	for {
		if how == RunningStop {
			for _, x := range r.Executions {
				if err := r.client.Stop(ctx, x.ARN, "Pipelinetui.Stopped", why); err != nil && fault.KindOf(err) != fault.NotFound {
					return fault.Wrap(err, "stop %s of %s", x.Name, r.ID)
				}
			}
		}
		if err := r.look(ctx); err != nil {
			return fault.Wrap(err, "look for running executions of %s", r.ID)
		}
		if left := len(r.Executions); left != last {
			last = left
			told(left)
		}
		if last == 0 {
			return nil
		}
		if err := clock.Sleep(ctx, a.opts.Clock, settlePoll); err != nil {
			return &fault.Error{Kind: fault.KindOf(err), Msg: "stopped waiting for executions: nothing was changed", Err: err}
		}
	}
}
