package ecr

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/limits"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const manifestType = "application/vnd.docker.distribution.manifest.v2+json"

// listType is that of a manifest that names one for each platform, as `docker buildx`
// pushes it; the records' manifests are lists of one, so that they tell the architecture.
const listType = "application/vnd.docker.distribution.manifest.list.v2+json"

// find is the image of an identifier, or why there is none.
func (x *repository) find(want types.ImageIdentifier) (*image, *types.ImageFailure) {
	failure := func(code types.ImageFailureCode, reason string) *types.ImageFailure {
		return &types.ImageFailure{ImageId: &want, FailureCode: code, FailureReason: &reason}
	}
	if want.ImageDigest == nil && want.ImageTag == nil {
		return nil, failure(types.ImageFailureCodeMissingDigestAndTag, "Invalid request parameters: both tag and digest cannot be null")
	}
	for i := range x.Images {
		m := &x.Images[i]
		if (want.ImageDigest == nil || *want.ImageDigest == m.Digest) && (want.ImageTag == nil || slices.Contains(m.Tags, *want.ImageTag)) {
			return m, nil
		}
	}
	return nil, failure(types.ImageFailureCodeImageNotFound, "Requested image not found")
}

// each calls fn for each identifier of an image: one for each tag, one without if it has
// none.
func (m *image) each(fn func(types.ImageIdentifier)) {
	for _, t := range m.Tags {
		fn(types.ImageIdentifier{ImageDigest: &m.Digest, ImageTag: aws.String(t)})
	}
	if len(m.Tags) == 0 {
		fn(types.ImageIdentifier{ImageDigest: &m.Digest})
	}
}

// wanted tells whether an image is one of those that a filter is for.
func wanted(status types.TagStatus, tagged bool) bool {
	return status == "" || status == types.TagStatusAny || tagged == (status == types.TagStatusTagged)
}

func (s *Service) listImages(_ context.Context, req *wire.Request, in *sdk.ListImagesInput) (*sdk.ListImagesOutput, error) {
	x, err := s.read(registry(req, in.RegistryId), *in.RepositoryName)
	if err != nil {
		return nil, err
	}
	all := []types.ImageIdentifier{}
	for i := range x.Images {
		if in.Filter == nil || wanted(in.Filter.TagStatus, len(x.Images[i].Tags) > 0) {
			x.Images[i].each(func(id types.ImageIdentifier) { all = append(all, id) })
		}
	}
	some, next, err := page.At(all, in.NextToken, in.MaxResults, 100)
	if err != nil {
		return nil, badToken()
	}
	return &sdk.ListImagesOutput{ImageIds: some, NextToken: next}, nil
}

func (s *Service) describeImages(_ context.Context, req *wire.Request, in *sdk.DescribeImagesInput) (*sdk.DescribeImagesOutput, error) {
	sc := registry(req, in.RegistryId)
	x, err := s.read(sc, *in.RepositoryName)
	if err != nil {
		return nil, err
	}
	var list []*image
	for _, want := range in.ImageIds {
		m, failure := x.find(want)
		if failure != nil {
			return nil, fail("ImageNotFoundException", "The image with imageId {imageDigest:'%s', imageTag:'%s'} does not exist within the repository with "+
				"name '%s' in the registry with id '%s'",
				null(want.ImageDigest), null(want.ImageTag), x.Name, sc.Account)
		}
		list = append(list, m)
	}
	if len(in.ImageIds) == 0 {
		for i := range x.Images {
			if in.Filter == nil || wanted(in.Filter.TagStatus, len(x.Images[i].Tags) > 0) {
				list = append(list, &x.Images[i])
			}
		}
	}
	some, next, err := page.At(list, in.NextToken, in.MaxResults, 100)
	if err != nil {
		return nil, badToken()
	}
	out := &sdk.DescribeImagesOutput{ImageDetails: []types.ImageDetail{}, NextToken: next}
	for _, m := range some {
		out.ImageDetails = append(out.ImageDetails, types.ImageDetail{
			RegistryId: &sc.Account, RepositoryName: &x.Name, ImageDigest: &m.Digest, ImageTags: m.Tags, ImageSizeInBytes: &m.Size, ImagePushedAt: &m.Pushed,
			ImageManifestMediaType: aws.String(listType), ImageStatus: types.ImageStatusActive,
		})
	}
	return out, nil
}

func null(p *string) string {
	if p == nil {
		return "null"
	}
	return *p
}

func (s *Service) getImages(_ context.Context, req *wire.Request, in *sdk.BatchGetImageInput) (*sdk.BatchGetImageOutput, error) {
	sc := registry(req, in.RegistryId)
	x, err := s.read(sc, *in.RepositoryName)
	if err != nil {
		return nil, err
	}
	out := &sdk.BatchGetImageOutput{Images: []types.Image{}, Failures: []types.ImageFailure{}}
	for _, want := range in.ImageIds {
		m, failure := x.find(want)
		if failure != nil {
			out.Failures = append(out.Failures, *failure)
			continue
		}
		out.Images = append(out.Images, types.Image{
			RegistryId: &sc.Account, RepositoryName: &x.Name, ImageId: &types.ImageIdentifier{ImageDigest: &m.Digest, ImageTag: want.ImageTag},
			ImageManifest: &m.Manifest, ImageManifestMediaType: aws.String(listType),
		})
	}
	return out, nil
}

func (s *Service) removeImages(_ context.Context, req *wire.Request, in *sdk.BatchDeleteImageInput) (*sdk.BatchDeleteImageOutput, error) {
	out := &sdk.BatchDeleteImageOutput{ImageIds: []types.ImageIdentifier{}, Failures: []types.ImageFailure{}}
	err := s.change(registry(req, in.RegistryId), *in.RepositoryName, func(x *repository) error {
		for _, want := range in.ImageIds {
			m, failure := x.find(want)
			switch {
			case failure != nil:
				out.Failures = append(out.Failures, *failure)
				continue
			case want.ImageTag != nil && want.ImageDigest == nil && len(m.Tags) > 1: // the tag goes, the image stays
				m.Tags = slices.DeleteFunc(m.Tags, func(t string) bool { return t == *want.ImageTag })
				out.ImageIds = append(out.ImageIds, types.ImageIdentifier{ImageDigest: aws.String(m.Digest), ImageTag: want.ImageTag})
				continue
			}
			digest := m.Digest
			m.each(func(id types.ImageIdentifier) {
				out.ImageIds = append(out.ImageIds, types.ImageIdentifier{ImageDigest: &digest, ImageTag: id.ImageTag})
			})
			x.Images = slices.DeleteFunc(x.Images, func(o image) bool { return o.Digest == digest })
		}
		return nil
	})
	return out, err
}

// OpAddImage is the operation of the sandbox's own service that records an image.
const OpAddImage = "AddImage"

// NewImage is an image to be recorded.
type NewImage struct {
	// Image is as a model names it: ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY[:TAG],
	// of the caller's account. The repository is made if there is none.
	Image        string `json:"image"`
	Architecture string `json:"architecture"` // of OCI: amd64, arm64
	Size         int64  `json:"size"`         // in bytes
}

// AddedImage is one that was.
type AddedImage struct {
	Image        string `json:"image"`
	Digest       string `json:"digest"`
	Architecture string `json:"architecture"`
	Size         int64  `json:"size"`
}

var reference = lazyregexp.New(`^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([a-z0-9]+(?:[._/-][a-z0-9]+)*)(?::([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?$`)

// RegisterControl adds the operation to the sandbox's own service, which has an id.
func (s *Service) RegisterControl(r *wire.Router, service string) {
	r.Handle(service, OpAddImage, func(_ context.Context, req *wire.Request, in []byte) (any, error) {
		if !req.Principal.Admin {
			return nil, wire.Errorf(http.StatusForbidden, "AccessDeniedException", "only the account's own user controls the sandbox")
		}
		var n NewImage
		if err := json.Unmarshal(in, &n); err != nil {
			return nil, fail("SerializationException", "%s", err)
		}
		out, err := s.add(req, n)
		if err != nil {
			return nil, err
		}
		raw, err := json.Marshal(out)
		return json.RawMessage(raw), err
	}, wire.Access{Inside: "it is the account's own user's, whatever a policy says"})
}

func (s *Service) add(req *wire.Request, n NewImage) (AddedImage, error) {
	m := reference.FindStringSubmatch(n.Image)
	switch {
	case m == nil:
		return AddedImage{}, fail("ValidationException", "%q is no image in ECR: write ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG", n.Image)
	case m[1] != req.Account:
		return AddedImage{}, fail("ValidationException", "%s is in the registry of account %s, not of %s", n.Image, m[1], req.Account)
	case n.Architecture != "amd64" && n.Architecture != "arm64":
		return AddedImage{}, fail("ValidationException", "%q is no architecture: it is amd64 or arm64", n.Architecture)
	case n.Size < 0:
		return AddedImage{}, fail("ValidationException", "the size of an image is not negative")
	}
	sc, name, tag := wire.ScopeOf(m[1], m[2]), m[3], m[4]
	if tag == "" {
		tag = "latest"
	}
	made, err := newImage(n, tag)
	if err != nil {
		return AddedImage{}, err
	}
	made.Pushed = s.Clock.Now().UTC()
	err = s.DB.Update(func(tx *store.Tx) error {
		x, found, err := s.get(tx, sc, name)
		if err != nil {
			return err
		}
		if !found {
			if err := s.room(tx, sc); err != nil {
				return err
			}
			x = repository{Name: name, Created: made.Pushed}
			x.complete()
		}
		if i := slices.IndexFunc(x.Images, func(o image) bool { return slices.Contains(o.Tags, tag) }); i >= 0 && x.Images[i].Digest != made.Digest && !x.moves(tag) {
			return fail("ImageTagAlreadyExistsException", "The image tag '%s' already exists in the '%s' repository and cannot be overwritten because the tag is immutable.", tag, name)
		}
		for i := range x.Images { // a tag names one image
			x.Images[i].Tags = slices.DeleteFunc(x.Images[i].Tags, func(t string) bool { return t == tag })
		}
		if i := slices.IndexFunc(x.Images, func(o image) bool { return o.Digest == made.Digest }); i >= 0 {
			x.Images[i].Tags = append(x.Images[i].Tags, tag)
		} else if x.Images = append(x.Images, made); len(x.Images) > s.Limits.Limit(sc, limits.ECRImages) {
			return fail("ValidationException", "the repository has as many images as it may")
		}
		return store.Put(tx, repositoriesBucket, sc.Key(name), x)
	})
	return AddedImage{Image: host(sc) + "/" + name + ":" + tag, Digest: made.Digest, Architecture: n.Architecture, Size: n.Size}, err
}

// newImage makes the record: the manifest tells platform and size, and the digest is its
// own, so that the same record is the same image.
func newImage(n NewImage, tag string) (image, error) {
	layer := sha256.Sum256(fmt.Append(nil, strings.TrimSuffix(n.Image, ":"+tag), n.Architecture, n.Size))
	raw, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": listType, "manifests": []any{map[string]any{
			"mediaType": manifestType, "size": n.Size, "digest": "sha256:" + hex.EncodeToString(layer[:]), "platform": map[string]any{"architecture": n.Architecture, "os": "linux"},
		}},
	})
	sum := sha256.Sum256(raw)
	return image{Digest: "sha256:" + hex.EncodeToString(sum[:]), Architecture: n.Architecture, Manifest: string(raw), Tags: []string{tag}, Size: n.Size}, err
}
