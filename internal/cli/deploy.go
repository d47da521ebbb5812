package cli

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/plans"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// up, preview, destroy and refresh go one way: which pipelines (selection.go), may it be
// done (question.go), do it and show it (follow.go, view.go), sum up (verdict.go). Each
// step takes what the one before has found out; the options stay as they were typed.

// deployOptions are those of up, preview, destroy and refresh, as they were typed.
type deployOptions struct {
	selection
	command   string // as it was called: the name of the operation, or new
	operation stack.Operation
	yes       bool
	parallel  int
	failFast  bool
	refresh   bool
	details   bool
	expect    bool // --expect-no-changes
	keep      bool // destroy: keep the empty stack and its history
	clear     bool // refresh: forget creations that were cut off
	// runningHow is what is to become of executions that run, as it was typed.
	runningHow string
	message    string
	// maxCost is --max-monthly-cost, as it was typed.
	maxCost string
	// asking is preview --check, ignore the codes of --ignore.
	asking bool
	ignore []string
	// atOnce is a rollback that waits for no rollout, whatever the revision says.
	atOnce bool
	// origin says where the next revision comes from, of a rollback or a promotion.
	origin map[spec.ID]*revisions.Origin
	fleetOptions
	fleet    *byWaves // nil: all at once
	saved    savedPlan
	policies policyPacks
}

// of completes the options with what is no flag.
func (o *deployOptions) of(cmd *cobra.Command, args []string) *deployOptions {
	o.command, o.args = cmd.Name(), args
	return o
}

func (o *deployOptions) common(cmd *cobra.Command) {
	f := cmd.Flags()
	countFlag(f, &o.parallel, "parallel", 0, 1, noLimit, "pipelines to work on at the same time (default by memory and cores)")
	f.BoolVar(&o.failFast, "fail-fast", false, "begin no further pipeline after one has failed")
	f.StringVarP(&o.message, "message", "m", "", "message for the history")
}

func (o *deployOptions) refreshFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.refresh, "refresh", false, "read the real state of every resource first")
}

// runningFlag adds --running to an operation that may pull the ground away from
// under executions.
func (o *deployOptions) runningFlag(cmd *cobra.Command, when string) {
	cmd.Flags().StringVar(&o.runningHow, "running", string(pipelines.RunningIgnore), "executions that run "+when+": wait for them, stop them, or ignore them")
}

// completions says what the flags take, those that there are.
func (o *deployOptions) completions(deps *Deps, cmd *cobra.Command) {
	files(cmd, "file", "yaml", "yml", "json")
	for name, find := range map[string]completer{
		"tenant": tenants, "template": templateNames, "set": parameters, "running": howRunning,
	} {
		if cmd.Flags().Lookup(name) != nil {
			deps.flag(cmd, name, find)
		}
	}
}

// running is what is to become of executions that run; a command without the flag lets
// them be.
func (o *deployOptions) running() pipelines.Running {
	return cmp.Or(pipelines.Running(o.runningHow), pipelines.RunningIgnore)
}

// named is the command as it was typed: an up may be a rollback, and is one to who reads.
func (o *deployOptions) named() string { return cmp.Or(o.command, string(o.operation)) }

// changing tells whether the operation is to change anything.
func (o *deployOptions) changing() bool { return o.operation != stack.OperationPreview }

// building tells whether pipelines are made of something, and not only taken as they are.
func (o *deployOptions) building() bool {
	return o.operation == stack.OperationUp || o.operation == stack.OperationPreview
}

// check refuses what cannot be meant, before anything is looked at.
func (o *deployOptions) check(deps *Deps) error {
	if err := o.selection.check("pipelinetui " + o.command); err != nil {
		return err
	}
	if how := o.running(); how != "" && how != pipelines.RunningIgnore && !how.Settles() {
		return wrongFlag("running", o.runningHow, "it is one of wait, stop, ignore").
			WithHint("ignore is what happens without it: the operation goes on, whatever runs.")
	}
	if !o.changing() {
		return nil
	}
	return deps.Consent(o.yes)
}

// runDeploy is the one path of the four operations.
func runDeploy(ctx context.Context, deps *Deps, o *deployOptions) error {
	deps.SetMarker(o.marker(deps))
	if o.asking {
		return runCheck(ctx, deps, o)
	}
	plan, err := o.recall(ctx)
	if err != nil {
		return err
	}
	if err := o.check(deps); err != nil {
		return err
	}
	if err := o.saved.canSave(ctx); err != nil {
		return err
	}
	if err := o.policies.check(ctx); err != nil {
		return err
	}
	if plan != nil || o.saved.save != "" {
		if err := o.policies.identify(ctx); err != nil {
			return err
		}
	}
	c, err := choose(ctx, deps, o)
	if err != nil {
		return err
	}
	c.agreed = plan
	return deploy(ctx, deps, o, c)
}

// deploy asks, works and sums up.
func deploy(ctx context.Context, deps *Deps, o *deployOptions, c *chosen) error {
	target, err := deps.app().Target(ctx)
	if err != nil {
		return err
	}
	if err := o.withinCosts(ctx, deps, c); err != nil {
		return err
	}
	checks, err := checked(ctx, deps, o, target, c)
	if err != nil {
		return err
	}
	q := &question{deps: deps, o: o, target: target, chosen: *c}
	if o.saved.save != "" {
		q.salt = plans.NewSalt()
	}
	if err := q.settle(ctx); err != nil {
		return err
	}
	var v *view
	var results []app.PipelineResult
	var waves *fleetDoc
	if o.fleet != nil && len(q.pipelines) > 0 {
		v, results, waves, err = inWaves(ctx, deps, o, q)
	} else {
		v, results, err = work(ctx, deps, o, q)
	}
	if err != nil {
		return err
	}
	v.checks = checks
	results = append(results, q.aside...)
	if o.saved.save != "" {
		if err := o.write(deps, target, v, results, q.salt); err != nil {
			return err
		}
	}
	return report(deps, o, target, v, results, waves)
}
