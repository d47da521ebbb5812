package cli

import (
	"context"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/version"
)

func newVersion(deps *Deps) *cobra.Command {
	check := false
	cmd := reads(&cobra.Command{
		Use: "version", Short: "print the version", Args: cobra.NoArgs,
		Long: `Prints the version of the program, and that of the Pulumi CLI that it found.

With --check it asks for the newest release, at the address of the setting releaseUrl
(PIPELINETUI_RELEASE_URL). Nothing else ever does: no command looks for releases by itself.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runVersion(cmd.Context(), deps, check) },
	})
	cmd.Flags().BoolVar(&check, "check", false, "ask for the newest release")
	return cmd
}

func runVersion(ctx context.Context, deps *Deps, check bool) error {
	d := struct {
		console.Header
		Version string       `json:"version"`
		Commit  string       `json:"commit,omitempty"`
		Go      string       `json:"go"`
		Pulumi  string       `json:"pulumi,omitempty"`
		Release *app.Release `json:"release,omitempty"`
	}{console.NewHeader("Version"), version.Version, version.Commit(), runtime.Version(), "", nil}
	if _, v, err := deps.app().FindPulumi(ctx); err == nil {
		d.Pulumi = v
	}
	if check {
		release, err := deps.app().NewestRelease(ctx)
		if err != nil {
			return err
		}
		d.Release = &release
	}
	return deps.Write(d, func() string {
		return fmt.Sprintf("pipelinetui %s (%s, Pulumi CLI %s)\n", d.Version, d.Go, render.Dash(d.Pulumi)) + releaseText(d.Release)
	})
}

// releaseText says what the newest release means for who runs this program.
func releaseText(r *app.Release) string {
	switch {
	case r == nil:
		return ""
	case r.Newer == nil:
		return fmt.Sprintf("the newest release is %s, and this program is none\n", render.Line(r.Version, 0)) + releasePage(r)
	case *r.Newer:
		return fmt.Sprintf("%s is there\n", render.Line(r.Version, 0)) + releasePage(r)
	}
	return fmt.Sprintf("there is no newer release than %s\n", render.Line(r.Version, 0))
}

func releasePage(r *app.Release) string {
	if r.URL == "" {
		return ""
	}
	return "  " + render.Line(r.URL, 0) + "\n"
}
