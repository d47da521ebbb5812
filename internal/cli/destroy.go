package cli

import (
	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/stack"
)

func newDestroy(deps *Deps, do action[deployOptions]) *cobra.Command {
	o := &deployOptions{operation: stack.OperationDestroy}
	cmd := &cobra.Command{
		Use:   "destroy [PIPELINE...] [-f SPEC]",
		Short: "delete pipelines and everything in them",
		Long: `Deletes pipelines: endpoints, functions, state machines, roles, and the bucket with
all inputs and results. Protected pipelines are refused; set protect: false first.`,
		RunE: func(cmd *cobra.Command, args []string) error { return do(cmd.Context(), deps, o.of(cmd, args)) },
	}
	o.flags(cmd, false)
	o.common(cmd)
	o.refreshFlag(cmd)
	o.runningFlag(cmd, "on what is deleted")
	cmd.Flags().BoolVar(&o.keep, "keep-stack", false, "keep the empty stack with its history")
	yesFlag(cmd, &o.yes)
	cmd.ValidArgsFunction = deps.completes(manyPipelines)
	o.completions(deps, cmd)
	return comments(changes(cmd))
}
