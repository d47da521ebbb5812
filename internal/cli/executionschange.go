package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/fleet"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

// changeOptions are those of what changes one execution: stop and redrive.
type changeOptions struct {
	executionOptions
	fleet     manyOptions
	yes       bool
	cause     string // stop: for the record
	errorName string
}

func newExecutionsStop(deps *Deps, do action[changeOptions]) *cobra.Command {
	o := &changeOptions{}
	cmd := &cobra.Command{
		Use:   "stop " + executionArgs,
		Short: "stop a running execution, or many",
		Long: `Stops a running execution; it ends as ABORTED. With --all, or a pattern in place of the
pipeline, it stops all that run and are chosen by --since, --name, --batch and --input, after
saying how many they are, at the pace that the quotas allow. One that was cut off goes on when it
is run again. --error is what the record of one execution says.` + executionHelp,
		Example: "  pipelinetui executions stop 'acme/*' --since 1h --cause 'wrong model'",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args = args
			return do(cmd.Context(), deps, o)
		},
	}
	cmd.Flags().StringVar(&o.cause, "cause", "", "why, for the record")
	cmd.Flags().StringVar(&o.errorName, "error", "", "of one execution, an error name, for the record")
	o.fleet.flags(cmd)
	o.fleet.when(deps, cmd)
	yesFlag(cmd, &o.yes)
	cmd.ValidArgsFunction = deps.completes(anExecution)
	return changes(cmd)
}

func runExecutionsStop(ctx context.Context, deps *Deps, o *changeOptions) error {
	return changeExecution(ctx, deps, o, "stop", func(ctx context.Context, c *executions.Client, arn string) error {
		return c.Stop(ctx, arn, o.errorName, o.cause)
	})
}

func newExecutionsRedrive(deps *Deps, do action[changeOptions]) *cobra.Command {
	o := &changeOptions{}
	cmd := &cobra.Command{
		Use:   "redrive " + executionArgs,
		Short: "run a failed execution again from the state that failed, or many",
		Long: `Runs an execution that failed, timed out or was stopped again, from the state that did not
succeed. With --all, or a pattern in place of the pipeline, it redrives all that are chosen
by --failed, --error, --since, --name, --batch and --input, after saying how many they are,
at the pace that the quotas allow. One that was cut off goes on when it is run again.` + executionHelp,
		Example: "  pipelinetui executions redrive --all --error Pipeline.PayloadTooLarge --since 24h",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args = args
			return do(cmd.Context(), deps, o)
		},
	}
	yesFlag(cmd, &o.yes)
	o.fleet.flags(cmd)
	o.fleet.errors(cmd)
	o.fleet.when(deps, cmd)
	cmd.ValidArgsFunction = deps.completes(anExecution)
	return changes(cmd)
}

func runExecutionsRedrive(ctx context.Context, deps *Deps, o *changeOptions) error {
	return changeExecution(ctx, deps, o, "redrive", func(ctx context.Context, c *executions.Client, arn string) error {
		return c.Redrive(ctx, arn)
	})
}

// ofRunning refuses a choice by how executions ended: none of those that run has, and to leave
// the condition out would stop them all.
func (o *changeOptions) ofRunning() error {
	switch {
	case o.fleet.failed:
		return wrongFlag("failed", nil, "what has failed is not running, and cannot be stopped").
			WithHint("Leave --failed out to stop what runs, or choose by --since, --name, --batch or --input.")
	case o.errorName != "":
		return wrongFlag("error", o.errorName, "what runs has no error by which it could be chosen").WithHint("Leave --error out; --cause is recorded with each one that is stopped.")
	}
	return nil
}

// changeExecution does something to one execution, or to all that are chosen, after asking.
func changeExecution(ctx context.Context, deps *Deps, o *changeOptions, verb string, do func(context.Context, *executions.Client, string) error) error {
	if o.fleet.several(o.args) {
		if err := o.fleet.check(o.args, "executions "+verb); err != nil {
			return err
		}
		if o.fleet.statuses = []string{string(executions.Failed), string(executions.TimedOut), string(executions.Aborted)}; verb == "stop" {
			if err := o.ofRunning(); err != nil {
				return err
			}
			o.fleet.statuses = []string{string(executions.Running)}
		}
		return changeFleet(ctx, deps, &o.fleet, verb, o.yes, func(ctx context.Context, x *fleet.Execution) error { return do(ctx, x.Client, x.ARN) })
	}
	if n := len(o.args); n < 1 || n > 2 {
		return &usageError{err: fmt.Errorf("accepts between 1 and 2 arg(s), received %d", n), command: "pipelinetui executions " + verb}
	}
	if err := oneOfSeveral(o.args); err != nil {
		return err
	}
	if err := deps.Consent(o.yes); err != nil {
		return err
	}
	c, id, arn, err := findExecution(ctx, deps, o.args)
	if err != nil {
		return err
	}
	d, err := c.Describe(ctx, arn)
	if err != nil {
		return err
	}
	question := fmt.Sprintf("%s%s execution %s (%s)?", strings.ToUpper(verb[:1]), verb[1:], render.Line(d.Name, 0), d.Status)
	if err := agreeOn(ctx, deps, o.yes, slices.Values([]string{arn}), question, nil); err != nil {
		return err
	}
	if err := do(ctx, c, arn); err != nil {
		return fault.Wrap(err, "%s %s", verb, d.Name)
	}
	if d, err = c.Describe(ctx, arn); err != nil {
		return err
	}
	out := executions.Outcome{ARN: arn, Name: d.Name, Status: d.Status, Output: d.Output, Error: d.Error, Cause: d.Cause, Start: d.Start, Stop: d.Stop}
	return deps.Write(newExecutionDoc(id, out, &executions.Timeline{Input: d.Input}), func() string {
		return fmt.Sprintf("%s  %s\n", render.Line(d.Name, 0), render.StatusStyle(deps.OutStyle, d.Status).Render(string(d.Status)))
	})
}
