package app

import (
	"context"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"golang.org/x/sync/errgroup"

	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// imagePlace is an image of ECR as a pipeline's deployment sees it.
type imagePlace struct {
	role  string
	image program.ECRImage
}

// tagged is the place of a pipeline's image, if it is named by a tag; false if there is
// nothing to ask ECR for.
func tagged(p *spec.Pipeline, t *spec.Template) (imagePlace, bool) {
	if param, ok := t.Parameter(imageParameter); !ok || param.Secret {
		return imagePlace{}, false
	}
	image, ok := program.ParseECRImage(p.Parameters.String(imageParameter))
	return imagePlace{p.AssumeRole, image}, ok && image.Digest == ""
}

// digest asks ECR for the digest of an image; "" if it has none. BatchGetImage is what
// the policies of repositories let others do, who may pull from them.
// (AmazonECR/latest/APIReference/API_BatchGetImage.html)
func (at imagePlace) digest(ctx context.Context, t *Target) (string, error) {
	e := at.image
	cfg, err := t.awsConfig(ctx, e.Region, at.role)
	if err != nil {
		return "", err
	}
	out, err := ecr.NewFromConfig(cfg).BatchGetImage(ctx, &ecr.BatchGetImageInput{
		RegistryId: &e.Account, RepositoryName: &e.Repository, ImageIds: []ecrtypes.ImageIdentifier{imageID(e)},
	})
	switch {
	case code(err) == "RepositoryNotFoundException":
		return "", nil // SageMaker will say so
	case err != nil:
		return "", awscfg.Classify(err)
	case len(out.Images) == 0 || out.Images[0].ImageId == nil:
		return "", nil
	}
	return aws.ToString(out.Images[0].ImageId.ImageDigest), nil
}

// imageID is how ECR is asked for an image; one without tag and digest is the latest.
func imageID(e program.ECRImage) ecrtypes.ImageIdentifier {
	switch {
	case e.Digest != "":
		return ecrtypes.ImageIdentifier{ImageDigest: &e.Digest}
	case e.Tag != "":
		return ecrtypes.ImageIdentifier{ImageTag: &e.Tag}
	}
	return ecrtypes.ImageIdentifier{ImageTag: aws.String("latest")}
}

// images are what the tags of the pipelines' images stand for.
type images struct {
	found map[imagePlace]string
	wrong map[imagePlace]error
	// was is the newest revision of each pipeline that tells its image by digest.
	was map[spec.ID]*revisions.Record
}

// lookUpImages asks ECR for the image of each tag, each once.
func (a *App) lookUpImages(ctx context.Context, t *Target, list []*spec.Pipeline, template func(*spec.Pipeline) (*spec.Template, error)) images {
	x := images{found: map[imagePlace]string{}, wrong: map[imagePlace]error{}, was: map[spec.ID]*revisions.Record{}}
	places := map[imagePlace]bool{}
	for _, p := range list {
		tmpl, err := template(p)
		if err != nil {
			continue // said by job
		}
		if at, ok := tagged(p, tmpl); ok {
			places[at] = true
			x.was[p.ID] = a.lastImage(ctx, p)
		}
	}
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(objectChecks)
	for at := range places {
		g.Go(func() error {
			digest, err := at.digest(ctx, t)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				x.wrong[at] = err
			} else {
				x.found[at] = digest
			}
			return nil
		})
	}
	_ = g.Wait() // none returns an error
	return x
}

// lastImage is the newest revision of a pipeline that tells its image by digest; nil if
// there is none, or that is not known.
func (a *App) lastImage(ctx context.Context, p *spec.Pipeline) *revisions.Record {
	e, err := a.Engine(ctx)
	if err != nil {
		return nil
	}
	state, err := e.State(ctx, p.StackName())
	if err != nil {
		return nil
	}
	ledger, err := pipelines.Ledger(state)
	if err != nil {
		return nil
	}
	for _, r := range ledger.List() {
		if r.ImageDigest != "" {
			return &r
		}
	}
	return nil
}

// of is the digest of a pipeline's image, "" if that is not known. Who can't be asked has
// changed nothing: then it is what the same tag stood for when it was deployed last.
func (x images) of(p *spec.Pipeline, t *spec.Template) string {
	at, ok := tagged(p, t)
	if !ok {
		return ""
	}
	if digest, ok := x.found[at]; ok {
		return digest
	}
	if was := x.was[p.ID]; was != nil && was.Image == p.Parameters.String(imageParameter) {
		return was.ImageDigest
	}
	return ""
}

// notice says of a pipeline's image that its tag has moved, or that this is not known; ""
// if neither is so.
func (x images) notice(p *spec.Pipeline, t *spec.Template) string {
	at, ok := tagged(p, t)
	if !ok {
		return ""
	}
	image, was := p.Parameters.String(imageParameter), x.was[p.ID]
	if err := x.wrong[at]; err != nil {
		what := "it is deployed by its tag, and what that stands for may change"
		if digest := x.of(p, t); digest != "" {
			what = "it is taken to be what it was, " + revisions.Short(digest)
		}
		return fmt.Sprintf("which image %s is now is not known, so that %s: %s", image, what, err)
	}
	now := x.found[at]
	if was == nil || now == "" || was.ImageDigest == now {
		return ""
	}
	before, ok := program.ParseECRImage(was.Image)
	if ok && before.Digest == "" && before.Tag != at.image.Tag || before.Repository != at.image.Repository {
		return "" // another image was asked for
	}
	return fmt.Sprintf("the tag of %s has moved: it stands for %s now, and revision %d was made with %s", image, revisions.Short(now), was.Number, revisions.Short(was.ImageDigest))
}

// pinImage is the image of a revision by digest in the form of --set; none if that is not
// known. Of the revision in service that does not tell it, the endpoint may: SageMaker tells by
// which digest it runs an image that was named by a tag.
// (sagemaker/latest/APIReference/API_DeployedImage.html)
func (a *App) pinImage(ctx context.Context, x *Existing, r *revisions.Record) ([]string, error) {
	image, ok := program.ParseECRImage(r.Image)
	if !ok || image.Digest != "" {
		return nil, nil
	}
	digest := r.ImageDigest
	if digest == "" {
		digest = a.deployedDigest(ctx, x, r)
	}
	if digest == "" {
		return nil, nil
	}
	pinned := revisions.Pinned(r.Image, digest)
	return []string{imageParameter + "=" + pinned}, a.sameImage(ctx, x, r, pinned)
}

// deployedDigest is the digest of the image that a pipeline's endpoint runs, if the
// revision is the one in service; "" if that is not known.
func (a *App) deployedDigest(ctx context.Context, x *Existing, r *revisions.Record) string {
	ledger, err := pipelines.Ledger(x.State)
	if err != nil || r.Number != ledger.Current || x.Spec == nil {
		return ""
	}
	name := a.endpointName(ctx, x.Spec)
	if name == "" {
		return ""
	}
	out, err := a.describeEndpoint(ctx, x.Spec, name)
	if err != nil {
		return ""
	}
	return digestIn(out, r.Image)
}

// digestIn is the digest by which an endpoint runs an image; "" if it does not tell.
func digestIn(out *sagemaker.DescribeEndpointOutput, image string) string {
	for _, v := range out.ProductionVariants {
		for _, d := range v.DeployedImages {
			if e, ok := program.ParseECRImage(aws.ToString(d.ResolvedImage)); ok && aws.ToString(d.SpecifiedImage) == image {
				return e.Digest
			}
		}
	}
	return ""
}

// sameImage refuses a revision whose image, by digest, is no more in its repository: the
// rules of a repository may delete images that have lost their tag.
func (a *App) sameImage(ctx context.Context, x *Existing, r *revisions.Record, pinned string) error {
	image, ok := program.ParseECRImage(pinned)
	if !ok || x.Spec == nil {
		return nil
	}
	t, err := a.Target(ctx)
	if err != nil {
		return err
	}
	digest, err := imagePlace{x.Spec.AssumeRole, image}.digest(ctx, t)
	if err != nil || digest != "" {
		return nil //nolint:nilerr // who may not ask leaves it to SageMaker
	}
	return fault.New(fault.NotFound, "the image of revision %d is not in ECR any more: %s", r.Number, pinned).
		WithHint("Push it again, go back to another revision (`pipelinetui history %s`), or give the image with `pipelinetui up %s --set image=...`.", x.ID, x.ID)
}
