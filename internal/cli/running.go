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
		WithHint("ignore is what happens without it: the operation goes on, whatever runs.")
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
// wait or stop: for that it has to be known whether anything is replaced. It returns
// the pipelines to go on with.
func (e *env) beforehand(ctx context.Context, o *deployOptions, list []*spec.Pipeline) ([]*spec.Pipeline, error) {
	switch {
	case o.operation != stack.OperationUp && o.operation != stack.OperationDestroy:
		return list, nil
	case e.yes && o.operation == stack.OperationUp && !o.running().Settles():
		return list, nil
	case e.yes && o.operation == stack.OperationUp:
		results, _, err := e.plan(ctx, o, list)
		if list, err = o.leaveOut(list, results, err); err != nil {
			return nil, err
		}
	}
	if e.yes {
		if err := e.tellRunning(ctx, o, list); err != nil {
			return nil, err
		}
	}
	if o.running().Settles() {
		o.settle = map[spec.ID]pipelines.Running{}
		for _, p := range o.disturbed(list) {
			o.settle[p.ID] = o.running()
		}
	}
	return list, nil
}

// leaveOut takes the pipelines out whose plan failed: it is not known what they would
// disturb. They are reported as failed, and the others go on. err is that of the plan
// as a whole; it stays where nothing could be planned, or where nothing more is wanted.
func (o *deployOptions) leaveOut(list []*spec.Pipeline, results []app.PipelineResult, err error) ([]*spec.Pipeline, error) {
	failed := map[spec.ID]error{}
	for _, r := range results {
		if r.Err != nil {
			failed[r.ID] = r.Err
		}
		if fault.KindOf(r.Err) == fault.Canceled {
			return nil, err
		}
	}
	if err != nil && (len(failed) == 0 || len(failed) == len(list) || o.failFast) {
		return nil, err
	}
	var left []*spec.Pipeline
	for _, p := range list {
		err, bad := failed[p.ID]
		if !bad {
			left = append(left, p)
			continue
		}
		o.damaged = append(o.damaged, app.PipelineResult{ID: p.ID, Stack: p.StackName(), Err: fault.Wrap(err, "nothing was changed: preview")})
	}
	return left, nil
}
