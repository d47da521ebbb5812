package cli

import (
	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/stack"
)

func newPreview(deps *Deps, do action[deployOptions]) *cobra.Command {
	o := &deployOptions{operation: stack.OperationPreview}
	cmd := &cobra.Command{
		Use:   "preview [PIPELINE...] [-f SPEC]",
		Short: "show what up would change, property by property",
		RunE:  func(cmd *cobra.Command, args []string) error { return do(cmd.Context(), deps, o.of(cmd, args)) },
	}
	o.flags(cmd, true)
	o.common(cmd)
	o.refreshFlag(cmd)
	cmd.Flags().BoolVar(&o.expect, "expect-no-changes", false, "exit with 7 if there are any changes")
	cmd.Flags().BoolVar(&o.asking, "check", false, "ask the account, and no engine, what would make an up fail: quotas, image, model data, names, permissions")
	o.ignoreFlag(deps, cmd)
	o.saved.saveFlag(cmd)
	o.policies.flags(cmd)
	cmd.Flags().BoolVar(&o.details, "details", false, "show the properties of new resources too")
	cmd.ValidArgsFunction = deps.completes(builtPipelines)
	o.completions(deps, cmd)
	return comments(reads(cmd))
}
