package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// runningFlag adds --running to an operation that may pull the ground away from
// under executions.
func (o *deployOptions) runningFlag(cmd *cobra.Command, when string) {
	cmd.Flags().StringVar(&o.running, "running", app.RunningIgnore, "executions that run "+when+": wait for them, stop them, or ignore them")
}

func (o *deployOptions) checkRunning() error {
	switch o.running {
	case "", app.RunningIgnore, app.RunningWait, app.RunningStop:
		return nil
	}
	return fault.New(fault.Invalid, "--running %s: it is one of wait, stop, ignore", o.running).
		WithHint("Leave it out to be told how many executions run, and to go on.")
}

// disturbed are the pipelines whose executions an operation takes the ground away
// from: all of a destroy; of an up those that replace or delete something they may
// be using.
func (o *deployOptions) disturbed(list []*spec.Pipeline) []*spec.Pipeline {
	if o.operation == stack.OperationDestroy {
		return list
	}
	var out []*spec.Pipeline
	for _, p := range list {
		if pipelines.Disturbs(o.planned[p.ID]) {
			out = append(out, p)
		}
	}
	return out
}

// tellRunning says how many executions an operation would disturb, before it is
// asked for.
func (e *env) tellRunning(ctx context.Context, o *deployOptions, all []*spec.Pipeline) ([]app.Running, error) {
	list := o.disturbed(all)
	if len(list) == 0 {
		return nil, nil
	}
	found, err := e.open().Running(ctx, list)
	if err != nil {
		if o.running == app.RunningIgnore {
			e.note("it is not known how many executions run: %s", render.Line(err.Error(), 0))
			return nil, nil
		}
		return nil, err
	}
	what := map[string]string{
		app.RunningIgnore: "they will fail where they need what is gone (--running wait or --running stop)",
		app.RunningWait:   "they are waited for", app.RunningStop: "they are stopped",
	}[o.running]
	for _, r := range found {
		fmt.Fprintln(e.Err, e.ErrStyle.Warn.Render(fmt.Sprintf("! %s: %s now: %s", r.ID, runningWords(len(r.Executions)), what)))
	}
	return found, nil
}

func runningWords(n int) string {
	if n >= 1000 {
		return "1000 executions or more are running"
	}
	if n == 1 {
		return "1 execution is running"
	}
	return render.Count(n, "execution", "executions") + " are running"
}

// settleRunning waits for, or stops, what runs. Nothing has been changed yet.
func (e *env) settleRunning(ctx context.Context, o *deployOptions, found []app.Running) error {
	if o.running == app.RunningIgnore || len(found) == 0 {
		return nil
	}
	ctx, cancel := e.interruptible(ctx)
	defer cancel()
	for _, r := range found {
		err := e.open().Settle(ctx, r, o.running, "stopped before "+string(o.operation)+" of the pipeline", func(left int) {
			e.note("%s: %s", r.ID, runningWords(left))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// beforehand deals with what runs, after the question and before the operation. With
// --yes an up is looked at first only if it is to wait or stop: for that it has to
// be known whether anything is replaced.
func (e *env) beforehand(ctx context.Context, o *deployOptions, list []*spec.Pipeline) error {
	switch {
	case o.operation != stack.OperationUp && o.operation != stack.OperationDestroy:
		return nil
	case e.yes && o.operation == stack.OperationUp && o.running == app.RunningIgnore:
		return nil
	case e.yes && o.operation == stack.OperationUp:
		if _, _, err := e.plan(ctx, o, list); err != nil {
			return err
		}
	}
	if e.yes {
		found, err := e.tellRunning(ctx, o, list)
		if err != nil {
			return err
		}
		o.found = found
	}
	return e.settleRunning(ctx, o, o.found)
}
