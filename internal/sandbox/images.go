package sandbox

import (
	"context"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/ecr"
)

// Records of images in the registry of an account.
type (
	// NewImage is one to be recorded.
	NewImage = ecr.NewImage
	// AddedImage is one that was.
	AddedImage = ecr.AddedImage
)

// AddImage records an image in the registry of the account of a daemon's user. Errors are
// *fault.Error: Invalid if it cannot be there.
func AddImage(ctx context.Context, i Info, n NewImage) (out AddedImage, err error) {
	return out, control(ctx, i, ecr.OpAddImage, n, &out)
}
