package cli

import (
	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/stack"
)

func newRefresh(deps *Deps, do action[deployOptions]) *cobra.Command {
	o := &deployOptions{operation: stack.OperationRefresh}
	cmd := &cobra.Command{
		Use:   "refresh [PIPELINE...] [-f SPEC]",
		Short: "read the real state and report drift",
		RunE:  func(cmd *cobra.Command, args []string) error { return do(cmd.Context(), deps, o.of(cmd, args)) },
	}
	o.flags(cmd, false)
	o.common(cmd)
	cmd.Flags().BoolVar(&o.expect, "expect-no-changes", false, "exit with 7 if anything has drifted")
	cmd.Flags().BoolVar(&o.clear, "clear-pending-creates", false, "forget creations that were cut off")
	yesFlag(cmd, &o.yes)
	cmd.ValidArgsFunction = deps.completes(manyPipelines)
	o.completions(deps, cmd)
	return comments(instead(changes(cmd), "preview --refresh"))
}
