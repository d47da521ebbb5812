package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

func newEject(e *env) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "eject PIPELINE DIR",
		Short: "write a pipeline as a Pulumi project that needs no pipelinetui",
		Long: `Writes an existing pipeline as a Pulumi project in YAML: the same project, stack,
resources and URNs, its artifacts beside it, and a README of how to go on. Plain
` + "`pulumi preview`" + ` in that folder shows no changes.

Nothing else is touched: pipelinetui goes on working with the pipeline.`,
		Example: `  pipelinetui eject acme/fraud ./fraud
  cd fraud && pipelinetui sandbox exec -- pulumi preview --stack acme.fraud.dev`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := e.interruptible(cmd.Context())
			defer cancel()
			return e.eject(ctx, args[0], args[1], force)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace an older project in DIR; other files there stay")
	return reads(cmd)
}

func (e *env) eject(ctx context.Context, name, dir string, force bool) error {
	id, err := spec.ParseID(name)
	if err != nil {
		return err
	}
	out, err := e.open().Eject(ctx, id, dir, force)
	if err != nil {
		return err
	}
	doc := struct {
		header
		Pipeline  string   `json:"pipeline"`
		Stack     string   `json:"stack"`
		Backend   string   `json:"backend"`
		Dir       string   `json:"dir"`
		Resources int      `json:"resources"`
		Secrets   []string `json:"secrets,omitempty"`
		Files     []string `json:"files"`
	}{newHeader("Ejected"), out.ID.String(), out.Stack, out.Backend, out.Dir, out.Resources, out.Secrets, out.Files}
	return e.write(doc, func() string { return ejected(out) })
}

func ejected(out *app.Ejected) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d resources written to %s\n", out.ID, out.Resources, out.Dir)
	for _, f := range out.Files {
		fmt.Fprintf(&b, "  %s\n", f)
	}
	run := ""
	if out.Sandbox {
		run = "pipelinetui sandbox exec -- "
	}
	fmt.Fprintf(&b, "\nTo see that nothing differs:\n  cd %s\n  %spulumi preview --stack %s --expect-no-changes\n", fault.Shell(out.Dir), run, out.Stack)
	return b.String()
}
