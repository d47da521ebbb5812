package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// ejectOptions are those of eject.
type ejectOptions struct {
	pipeline, dir string
	force         bool
}

func newEject(deps *Deps, do action[ejectOptions]) *cobra.Command {
	o := &ejectOptions{}
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
			o.pipeline, o.dir = args[0], args[1]
			return do(cmd.Context(), deps, o)
		},
	}
	cmd.Flags().BoolVar(&o.force, "force", false, "replace an older project in DIR; other files there stay")
	cmd.ValidArgsFunction = folders(deps, onePipeline)
	return reads(cmd)
}

func runEject(ctx context.Context, deps *Deps, o *ejectOptions) error {
	id, err := spec.ParseID(o.pipeline)
	if err != nil {
		return err
	}
	out, err := deps.app().Eject(ctx, id, o.dir, o.force)
	if err != nil {
		return err
	}
	doc := struct {
		console.Header
		Pipeline  string   `json:"pipeline"`
		Stack     string   `json:"stack"`
		Backend   string   `json:"backend"`
		Dir       string   `json:"dir"`
		Resources int      `json:"resources"`
		Secrets   []string `json:"secrets,omitempty"`
		Files     []string `json:"files"`
	}{console.NewHeader("Ejected"), out.ID.String(), out.Stack, out.Backend, out.Dir, out.Resources, out.Secrets, out.Files}
	return deps.Write(doc, func() string { return ejected(out) })
}

func ejected(out *app.Ejected) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s written to %s\n", out.ID, render.Count(out.Resources, "resource", "resources"), out.Dir)
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
