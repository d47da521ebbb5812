package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/cli/console"
)

func newSandboxImages(deps *Deps) *cobra.Command {
	return group("images", "container images in the sandbox's registry (Amazon ECR)", newSandboxImagesAdd(deps, runSandboxImagesAdd))
}

// imagesAddOptions are those of sandbox images add.
type imagesAddOptions struct {
	account string
	image   app.SandboxImage
	megs    int
}

func newSandboxImagesAdd(deps *Deps, do action[imagesAddOptions]) *cobra.Command {
	o := &imagesAddOptions{}
	cmd := &cobra.Command{
		Use: "add IMAGE", Short: "record an image", Args: cobra.ExactArgs(1),
		Long: `Records an image in the registry of an account, with its repository if there is none.
IMAGE is as a model names it: ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG. Nothing
is pushed: the sandbox has no registry, and runs an image only where it is mapped to a server
of yours. ECR's operations, and checks before an up, find the record.`,
		Example: `  pipelinetui sandbox images add 000000000000.dkr.ecr.us-east-1.amazonaws.com/serve:1 --arch arm64`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.image.Image, o.image.Size = args[0], int64(o.megs)<<20
			return do(cmd.Context(), deps, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.image.Architecture, "arch", "amd64", "architecture: amd64 or arm64")
	countFlag(f, &o.megs, "size", 100, 0, 1<<20, "size in MiB")
	accountFlag(deps, cmd, &o.account)
	deps.flag(cmd, "arch", fixed("amd64", "arm64"))
	return changes(cmd)
}

func runSandboxImagesAdd(ctx context.Context, deps *Deps, o *imagesAddOptions) error {
	added, err := deps.app().SandboxAddImage(ctx, o.account, o.image)
	if err != nil {
		return err
	}
	doc := struct {
		console.Header
		app.SandboxAddedImage
	}{console.NewHeader("SandboxImage"), added}
	return deps.Write(doc, func() string { return fmt.Sprintf("%s  %s\n%s\n", added.Image, added.Architecture, added.Digest) })
}
