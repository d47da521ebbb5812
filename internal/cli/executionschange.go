package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

// changeOptions are those of what changes one execution: stop and redrive.
type changeOptions struct {
	executionOptions
	yes       bool
	cause     string // stop: for the record
	errorName string
}

func newExecutionsStop(deps *Deps, do action[changeOptions]) *cobra.Command {
	o := &changeOptions{}
	cmd := &cobra.Command{
		Use:   "stop " + executionArgs,
		Short: "stop a running execution",
		Long:  "Stops a running execution; it ends as ABORTED." + executionHelp,
		Args:  cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args = args
			return do(cmd.Context(), deps, o)
		},
	}
	cmd.Flags().StringVar(&o.cause, "cause", "", "why, for the record")
	cmd.Flags().StringVar(&o.errorName, "error", "", "error name, for the record")
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
		Short: "run a failed execution again from the state that failed",
		Long:  "Runs an execution that failed, timed out or was stopped again, from the state that did not succeed." + executionHelp,
		Args:  cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.args = args
			return do(cmd.Context(), deps, o)
		},
	}
	yesFlag(cmd, &o.yes)
	cmd.ValidArgsFunction = deps.completes(anExecution)
	return changes(cmd)
}

func runExecutionsRedrive(ctx context.Context, deps *Deps, o *changeOptions) error {
	return changeExecution(ctx, deps, o, "redrive", func(ctx context.Context, c *executions.Client, arn string) error {
		return c.Redrive(ctx, arn)
	})
}

// changeExecution does something to one execution, after asking.
func changeExecution(ctx context.Context, deps *Deps, o *changeOptions, verb string, do func(context.Context, *executions.Client, string) error) error {
	if err := deps.Consent("executions "+verb, o.yes); err != nil {
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
	if !o.yes {
		if err := deps.YesNo(ctx, fmt.Sprintf("%s%s execution %s (%s)?", strings.ToUpper(verb[:1]), verb[1:], render.Line(d.Name, 0), d.Status), nil); err != nil {
			return err
		}
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
