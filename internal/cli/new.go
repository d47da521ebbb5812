package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

func newNew(deps *Deps) *cobra.Command {
	o := &deployOptions{command: "new", operation: stack.OperationUp}
	start := spec.Answers{}
	cmd := &cobra.Command{
		Use:   "new [PIPELINE]",
		Short: "answer questions, line by line, and create a pipeline",
		Long: `Asks what a new pipeline needs, one question a line, then shows what will be created, asks,
and creates it. Nothing is drawn or redrawn: it suits screen readers and any terminal.

The same questions are in the full-screen terminal (pipelinetui, then n). In scripts use
up --template.

` + secretsHelp,
		Example: `  pipelinetui new acme/fraud
  pipelinetui new --template realtime`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !deps.CanPrompt() || deps.Machine() {
				return fault.New(fault.Invalid, "new asks questions and nobody can be asked here").
					WithHint("Use `pipelinetui up TENANT/MODEL --template NAME --set parameter=value ... --yes`.")
			}
			if len(args) == 1 {
				var err error
				if start.ID, err = spec.ParseID(args[0]); err != nil {
					return err
				}
			}
			return askAndApply(cmd.Context(), deps, o, start)
		},
	}
	cmd.Flags().StringVar(&start.Template, "template", "", "template to begin with")
	cmd.Flags().StringVarP(&o.message, "message", "m", "", "message for the history")
	cmd.ValidArgsFunction = deps.completes(newPipeline)
	deps.flag(cmd, "template", templateNames)
	return changes(cmd)
}

func askAndApply(ctx context.Context, deps *Deps, o *deployOptions, start spec.Answers) error {
	cat, err := catalog(ctx, deps)
	if err != nil {
		return err
	}
	// The same reader takes the answer to the last question.
	p, err := askPlain(ctx, deps.Answers(), deps.Err, cat, deps.app().SpecOptions(nil), start)
	if err != nil {
		return err
	}
	return deploy(ctx, deps, o, &chosen{pipelines: []*spec.Pipeline{p}, all: 1})
}
