package sagemaker

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/linear"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// pullActions are what who pulls an image must be allowed.
var pullActions = []string{"ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage", "ecr:BatchCheckLayerAvailability"}

var registryImage = lazyregexp.New(`^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([a-z0-9]+(?:[._/-][a-z0-9]+)*)(?::([^@]+))?(?:@(sha256:[0-9a-f]{64}))?$`)

// pulled is an image of ECR, as SageMaker looks it up.
type pulled struct {
	name       string // as the model has it
	home       wire.Scope
	repository string // its ARN
	found      bool   // there is such a repository
	missing    bool   // the repository has no such image
	digest     string // of the image that is found
	// architectures are those of OCI that the image is for; none if that is not known.
	architectures []string
}

// lookUp asks ECR, as the registry's own account, for an image; nil for one that is in
// no registry of ECR.
func (s *Service) lookUp(ctx context.Context, image string) (*pulled, error) {
	m := registryImage.FindStringSubmatch(image)
	if m == nil || s.router == nil {
		return nil, nil // there is nothing to look up
	}
	home := wire.ScopeOf(m[1], m[2])
	x := &pulled{name: image, home: home, repository: home.ARN("ecr", "repository/"+m[3])}
	id := ecrtypes.ImageIdentifier{}
	switch tag, digest := m[4], m[5]; {
	case digest != "":
		id.ImageDigest = &digest
	case tag != "":
		id.ImageTag = &tag
	default:
		id.ImageTag = aws.String("latest")
	}
	doc, err := wire.Encode(&ecr.BatchGetImageInput{RegistryId: &home.Account, RepositoryName: &m[3], ImageIds: []ecrtypes.ImageIdentifier{id}}, wire.Casing{Lower: true})
	if err != nil {
		return nil, err
	}
	raw, err := s.router.Invoke(ctx, home, wire.Principal{Account: home.Account, Admin: true}, "ecr", "BatchGetImage", doc)
	switch {
	case wire.IsCode(err, "UnknownOperationException"):
		return nil, nil // there is no registry here
	case wire.IsCode(err, "RepositoryNotFoundException"):
		return x, nil
	}
	if err != nil {
		return nil, err
	}
	var out struct {
		Images []struct {
			ImageID       struct{ ImageDigest string }
			ImageManifest string
		}
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, err
	}
	x.found, x.missing = true, len(out.Images) == 0
	for _, i := range out.Images {
		x.digest = i.ImageID.ImageDigest
		var list struct {
			Manifests []struct{ Platform struct{ Architecture string } }
		}
		if json.Unmarshal([]byte(i.ImageManifest), &list) == nil {
			for _, m := range list.Manifests {
				x.architectures = append(x.architectures, m.Platform.Architecture)
			}
		}
	}
	return x, nil
}

// mayPull tells whether somebody may pull an image. The repository's policy counts, and
// the caller's own unless a service is asked for. A role logs in first, which is for the
// registry and not for a repository, so that only its own policies can allow it.
// https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html#sagemaker-roles-createmodel-perms
func (s *Service) mayPull(ctx context.Context, x *pulled, p wire.Principal) bool {
	req := s.router.Inside(x.home, p, "ecr")
	if p.Role != "" && req.AuthorizeIdentity(ctx, "ecr:GetAuthorizationToken", "*", nil) != nil {
		return false
	}
	return !slices.ContainsFunc(pullActions, func(action string) bool { return req.May(ctx, action, x.repository, nil) != nil })
}

// probeImage refuses a model whose image is not there, or which SageMaker may not pull.
// Images that run here without a registry (the built-in one, mapped ones) and those of
// accounts that the sandbox does not have are not asked for.
//
// The words are those that clients quote: what is not there,
// https://github.com/aws-samples/easy-amazon-sagemaker-deployments/issues/4; who may not
// pull from another account, https://github.com/aws/deep-learning-containers/issues/5657.
//
// It returns the image by its digest, as the model's endpoints will show it: "If you used
// the registry/repository[:tag] form ... when you created the model hosted in this
// ProductionVariant, the path resolves to a path of the form registry/repository[@digest]"
// (sagemaker/latest/APIReference/API_DeployedImage.html).
func (s *Service) probeImage(ctx context.Context, model, image string, role wire.Principal) (string, error) {
	x, err := s.lookUp(ctx, image)
	if err != nil {
		return "", err
	}
	if x == nil {
		return resolvedImage(image, ""), nil
	}
	return resolvedImage(image, x.digest), s.mayHave(ctx, model, image, x, role)
}

func (s *Service) mayHave(ctx context.Context, model, image string, x *pulled, role wire.Principal) error {
	here := scopeOf(model)
	_, mapped := s.mapped(ctx, image)
	switch {
	case !x.found && (mapped || repository(image) == linear.Image || x.home.Account != here.Account):
		return nil
	case !x.found || x.missing:
		hint := s.cfg.ImageHint
		if hint != "" {
			hint = " (In the sandbox, record it by `sandbox images add`, use the image " + linear.Image + ", or " + hint + ".)"
		}
		return invalid("Requested image %s not found.%s", image, hint)
	case x.home.Region != here.Region:
		return invalid("The image %s must be in the same region as the model, %s.", image, here.Region)
	case x.home.Account == here.Account:
		return nil
	}
	// The policy may name the service, or the account whose role pulls.
	service := wire.Principal{Account: here.Account, ARN: servicePrinc, Service: servicePrinc, Source: model}
	if s.mayPull(ctx, x, service) || s.mayPull(ctx, x, role) {
		return nil
	}
	return invalid("The repository of your image %s does not grant %s permission to %s service principal.", image, strings.Join(pullActions, ", "), servicePrinc)
}

// pull does for an endpoint what AWS does before a container starts: its role pulls the
// image (https://github.com/aws/sagemaker-python-sdk/issues/2002), whose programs have to
// be of the machine's architecture, or the container ends at once with "exec format error".
func (s *Service) pull(ctx context.Context, v *variant, image, host string, role wire.Principal, roleARN string) error {
	instance := v.Instance
	x, err := s.lookUp(ctx, image)
	for busy(err) {
		if err := clock.Sleep(ctx, s.cfg.Clock, again); err != nil {
			return err
		}
		x, err = s.lookUp(ctx, image)
	}
	if err != nil || x == nil || !x.found {
		return err
	}
	switch {
	case x.missing:
		return failf("Requested image %s not found.", image)
	case !s.mayPull(ctx, x, role):
		return failf("The role '%s' does not have BatchGetImage permission for the image: '%s'.", roleARN, image)
	case instance != "" && len(x.architectures) > 0 && !slices.Contains(x.architectures, architectureOf(instance)):
		return failf("The %s container for production variant %s did not pass the ping health check. Please check CloudWatch logs for this endpoint. (exec "+
			"format error: the image %s is for %s, %s is %s)",
			host, v.Name, image, strings.Join(x.architectures, ", "), instance, architectureOf(instance))
	}
	return nil
}

// busy tells that a service had no time to answer, which is no refusal. What is no answer
// of a service is neither.
func busy(err error) bool {
	var e *wire.Error
	return errors.As(err, &e) && wire.Transient(err)
}

// architectureOf is that of OCI which a machine has. Graviton's families have a letter, a
// generation and a g.
// https://docs.aws.amazon.com/sagemaker/latest/dg/notebooks-available-instance-types.html
func architectureOf(instance string) string {
	family, _, _ := strings.Cut(strings.TrimPrefix(instance, "ml."), ".")
	if len(family) >= 3 && strings.IndexByte("cmrt", family[0]) >= 0 && family[1] >= '4' && family[1] <= '9' && family[2] == 'g' {
		return "arm64"
	}
	return "amd64"
}
