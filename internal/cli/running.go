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
	cmd.Flags().StringVar(&o.runningHow, "running", string(pipelines.RunningIgnore), "executions that run "+when+": wait for them, stop them, or ignore them")
}

// running is what is to become of executions that run.
func (o *deployOptions) running() pipelines.Running { return pipelines.Running(o.runningHow) }

func (o *deployOptions) checkRunning() error {
	if how := o.running(); how == "" || how == pipelines.RunningIgnore || how.Settles() {
		return nil
	}
	return fault.New(fault.Invalid, "--running %s: it is one of wait, stop, ignore", o.runningHow).
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
func (e *env) tellRunning(ctx context.Context, o *deployOptions, all []*spec.Pipeline) error {
	list := o.disturbed(all)
	if len(list) == 0 {
		return nil
	}
	found, err := e.open().Running(ctx, list)
	if err != nil {
		if !o.running().Settles() {
			e.note("it is not known how many executions run: %s", render.Line(err.Error(), 0))
			return nil
		}
		return err
	}
	what := map[pipelines.Running]string{
		pipelines.RunningIgnore: "they will fail where they need what is gone (--running wait or --running stop)",
		pipelines.RunningWait:   "they are waited for", pipelines.RunningStop: "they are stopped",
	}[o.running()]
	for _, r := range found {
		fmt.Fprintln(e.Err, e.ErrStyle.Warn.Render(fmt.Sprintf("! %s: %s now: %s", r.ID, app.RunningWords(len(r.Executions)), what)))
	}
	return nil
}

// beforehand says what runs, if nobody was asked, and whose executions are to be
// settled before the operation. With --yes an up is looked at first only if it is to
// wait or stop: for that it has to be known whether anything is replaced.
func (e *env) beforehand(ctx context.Context, o *deployOptions, list []*spec.Pipeline) error {
	switch {
	case o.operation != stack.OperationUp && o.operation != stack.OperationDestroy:
		return nil
	case e.yes && o.operation == stack.OperationUp && !o.running().Settles():
		return nil
	case e.yes && o.operation == stack.OperationUp:
		if _, _, err := e.plan(ctx, o, list); err != nil {
			return err
		}
	}
	if e.yes {
		if err := e.tellRunning(ctx, o, list); err != nil {
			return err
		}
	}
	if o.running().Settles() {
		o.settle = map[spec.ID]pipelines.Running{}
		for _, p := range o.disturbed(list) {
			o.settle[p.ID] = o.running()
		}
	}
	return nil
}
