package cli

import (
	"context"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/version"
)

func newVersion(deps *Deps) *cobra.Command {
	return reads(&cobra.Command{
		Use: "version", Short: "print the version", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runVersion(cmd.Context(), deps) },
	})
}

func runVersion(ctx context.Context, deps *Deps) error {
	d := struct {
		console.Header
		Version string `json:"version"`
		Commit  string `json:"commit,omitempty"`
		Go      string `json:"go"`
		Pulumi  string `json:"pulumi,omitempty"`
	}{console.NewHeader("Version"), version.Version, version.Commit(), runtime.Version(), ""}
	if _, v, err := deps.app().FindPulumi(ctx); err == nil {
		d.Pulumi = v
	}
	return deps.Write(d, func() string {
		return fmt.Sprintf("pipelinetui %s (%s, Pulumi CLI %s)\n", d.Version, d.Go, render.Dash(d.Pulumi))
	})
}
