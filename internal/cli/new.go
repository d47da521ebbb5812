package cli

import (
	"bufio"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/wizard"
)

func newNew(e *env) *cobra.Command {
	o := &deployOptions{operation: stack.OperationUp}
	start := wizard.Answers{}
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
			if !e.canPrompt() || e.machine() {
				return fault.New(fault.Invalid, "new asks questions and nobody can be asked here").
					WithHint("Use `pipelinetui up TENANT/MODEL --template NAME --set parameter=value ... --yes`.")
			}
			if len(args) == 1 {
				var err error
				if start.ID, err = spec.ParseID(args[0]); err != nil {
					return err
				}
			}
			return e.askAndApply(cmd, o, start)
		},
	}
	cmd.Flags().StringVar(&start.Template, "template", "", "template to begin with")
	cmd.Flags().StringVarP(&o.message, "message", "m", "", "message for the history")
	return changes(cmd)
}

func (e *env) askAndApply(cmd *cobra.Command, o *deployOptions, start wizard.Answers) error {
	if err := e.mutating("new"); err != nil {
		return err
	}
	cat, err := e.catalog(cmd.Context())
	if err != nil {
		return err
	}
	if e.reader == nil {
		e.reader = bufio.NewReader(e.In) // the same one reads the answer to the last question
	}
	ctx, cancel := e.interruptible(cmd.Context())
	p, err := wizard.AskPlain(ctx, e.reader, e.Err, cat, e.open().SpecOptions(nil), start)
	cancel()
	if err != nil {
		return err
	}
	return e.apply(cmd.Context(), cmd.Name(), o, []*spec.Pipeline{p})
}
