package ecr_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/ecr"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/limits"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func register(t *testing.T, w *iamtest.World) *sdk.Client {
	t.Helper()
	return registerWith(t, w, nil)
}

func registerWith(t *testing.T, w *iamtest.World, book *limits.Book) *sdk.Client {
	t.Helper()
	s, err := ecr.New(ecr.Config{DB: w.DB, Clock: w.Clock, Limits: book})
	require.NoError(t, err)
	s.Register(w.Router)
	w.Router.Register(wire.Service{ID: "sandbox", Scope: "sandbox"})
	s.RegisterControl(w.Router, "sandbox")
	return sdk.NewFromConfig(w.Admin())
}

func add(t *testing.T, w *iamtest.World, image, architecture string) (out ecr.AddedImage, err error) {
	t.Helper()
	doc, err := json.Marshal(ecr.NewImage{Image: image, Architecture: architecture, Size: 100})
	require.NoError(t, err)
	raw, err := w.Router.Invoke(t.Context(), iamtest.Scope, wire.Principal{Account: iamtest.Account, Admin: true}, "sandbox", ecr.OpAddImage, doc)
	if err == nil {
		require.NoError(t, json.Unmarshal(raw, &out))
	}
	return out, err
}

const home = "000000000000.dkr.ecr.us-east-1.amazonaws.com/"

func TestRepositories(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	made, err := c.CreateRepository(ctx, &sdk.CreateRepositoryInput{RepositoryName: aws.String("ml/serve"), Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("ml")}}})
	require.NoError(t, err)
	require.Equal(t, home+"ml/serve", *made.Repository.RepositoryUri)
	require.Equal(t, types.ImageTagMutabilityMutable, made.Repository.ImageTagMutability)
	_, err = c.CreateRepository(ctx, &sdk.CreateRepositoryInput{RepositoryName: aws.String("Serve")})
	require.Contains(t, iamtest.RequireCode(t, err, "InvalidParameterException").ErrorMessage(),
		"Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular expression '")
	_, err = c.CreateRepository(ctx, &sdk.CreateRepositoryInput{RepositoryName: aws.String("ml/serve")})
	require.Equal(t, "The repository with name 'ml/serve' already exists in the registry with id '000000000000'",
		iamtest.RequireCode(t, err, "RepositoryAlreadyExistsException").ErrorMessage())
	_, err = c.DescribeRepositories(ctx, &sdk.DescribeRepositoriesInput{RepositoryNames: []string{"nope"}})
	iamtest.RequireCode(t, err, "RepositoryNotFoundException")
	_, err = add(t, w, home+"ml/serve:1", "amd64")
	require.NoError(t, err)
	w.Reopen(t)
	c = register(t, w)
	tags, err := c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceArn: made.Repository.RepositoryArn})
	require.NoError(t, err)
	require.Len(t, tags.Tags, 1)
	_, err = c.DeleteRepository(ctx, &sdk.DeleteRepositoryInput{RepositoryName: aws.String("ml/serve")})
	iamtest.RequireCode(t, err, "RepositoryNotEmptyException")
	_, err = c.DeleteRepository(ctx, &sdk.DeleteRepositoryInput{RepositoryName: aws.String("ml/serve"), Force: true})
	require.NoError(t, err)
	token, err := c.GetAuthorizationToken(ctx, &sdk.GetAuthorizationTokenInput{})
	require.NoError(t, err)
	require.Equal(t, "https://000000000000.dkr.ecr.us-east-1.amazonaws.com", *token.AuthorizationData[0].ProxyEndpoint)
	_, err = c.InitiateLayerUpload(ctx, &sdk.InitiateLayerUploadInput{RepositoryName: aws.String("ml/serve")})
	iamtest.RequireCode(t, err, "UnknownOperationException")
}

// Images are records: a tag names one of them, the manifest tells the platform.
func TestImages(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	first, err := add(t, w, home+"serve:1", "amd64")
	require.NoError(t, err)
	second, err := add(t, w, home+"serve:1", "arm64")
	require.NoError(t, err)
	require.NotEqual(t, first.Digest, second.Digest)
	again, err := add(t, w, home+"serve:stable", "arm64")
	require.NoError(t, err)
	name := aws.String("serve")
	got, err := c.BatchGetImage(ctx, &sdk.BatchGetImageInput{RepositoryName: name, ImageIds: []types.ImageIdentifier{{ImageTag: aws.String("1")}, {ImageTag: aws.String("2")}, {}}})
	require.NoError(t, err)
	require.Len(t, got.Images, 1)
	require.Equal(t, second.Digest, *got.Images[0].ImageId.ImageDigest)
	require.Contains(t, *got.Images[0].ImageManifest, `"architecture":"arm64"`)
	require.Equal(t, []types.ImageFailureCode{types.ImageFailureCodeImageNotFound, types.ImageFailureCodeMissingDigestAndTag},
		[]types.ImageFailureCode{got.Failures[0].FailureCode, got.Failures[1].FailureCode})
	list, err := c.ListImages(ctx, &sdk.ListImagesInput{RepositoryName: name, Filter: &types.ListImagesFilter{TagStatus: types.TagStatusUntagged}})
	require.NoError(t, err)
	require.Len(t, list.ImageIds, 1)
	require.Equal(t, first.Digest, *list.ImageIds[0].ImageDigest, "its tag went to the other")
	details, err := c.DescribeImages(ctx, &sdk.DescribeImagesInput{RepositoryName: name})
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(details.ImageDetails), 2)
	require.InDelta(t, 100, *details.ImageDetails[0].ImageSizeInBytes, 0)
	_, err = c.DescribeImages(ctx, &sdk.DescribeImagesInput{RepositoryName: name, ImageIds: []types.ImageIdentifier{{ImageTag: aws.String("9")}}})
	require.Equal(t, "The image with imageId {imageDigest:'null', imageTag:'9'} does not exist within the repository with name 'serve' in the registry "+
		"with id '000000000000'", iamtest.RequireCode(t, err, "ImageNotFoundException").ErrorMessage())
	gone, err := c.BatchDeleteImage(ctx, &sdk.BatchDeleteImageInput{RepositoryName: name, ImageIds: []types.ImageIdentifier{{ImageDigest: &again.Digest}}})
	require.NoError(t, err)
	require.NotEmpty(t, gone.ImageIds)
	for image, architecture := range map[string]string{"serve:1": "amd64", home + "serve:1": "x86", "111122223333.dkr.ecr.us-east-1.amazonaws.com/a:1": "amd64", home + "A": "amd64"} {
		_, err := add(t, w, image, architecture)
		require.True(t, wire.IsCode(err, "ValidationException"), "%s: %v", image, err)
	}
}

// Another account pulls where its own policy and the repository's allow it.
func TestPoliciesOfRepositories(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	_, err := add(t, w, home+"serve:1", "amd64")
	require.NoError(t, err)
	name := aws.String("serve")
	_, err = c.GetRepositoryPolicy(ctx, &sdk.GetRepositoryPolicyInput{RepositoryName: name})
	iamtest.RequireCode(t, err, "RepositoryPolicyNotFoundException")
	theirs := wire.Principal{Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/sandbox", Admin: true}
	pull := func() error {
		_, err := w.Router.Invoke(ctx, wire.ScopeOf("111122223333", iamtest.Region), theirs, "ecr", "BatchGetImage",
			[]byte(`{"registryId":"000000000000","repositoryName":"serve","imageIds":[{"imageTag":"1"}]}`))
		return err
	}
	require.True(t, wire.IsCode(pull(), "AccessDeniedException"))
	_, err = c.SetRepositoryPolicy(ctx, &sdk.SetRepositoryPolicyInput{
		RepositoryName: name,
		PolicyText:     aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"ecr:BatchGetImage"}]}`),
	})
	require.NoError(t, err)
	require.NoError(t, pull())
	text, err := c.GetRepositoryPolicy(ctx, &sdk.GetRepositoryPolicyInput{RepositoryName: name})
	require.NoError(t, err)
	require.Equal(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},`+
		`"Action":"ecr:BatchGetImage"}]}`, *text.PolicyText, "as it was set")
	_, err = c.SetRepositoryPolicy(ctx, &sdk.SetRepositoryPolicyInput{RepositoryName: name, PolicyText: aws.String(`{`)})
	iamtest.RequireCode(t, err, "InvalidParameterException")
	_, err = c.DeleteRepositoryPolicy(ctx, &sdk.DeleteRepositoryPolicyInput{RepositoryName: name})
	require.NoError(t, err)
	require.Error(t, pull())
}

// The repositories of another account are listed by nobody whom no policy lets, with or
// without names.
func TestOtherAccountsRepositories(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	_, err := add(t, w, home+"serve:1", "amd64")
	require.NoError(t, err)
	theirs := wire.Principal{Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/sandbox", Admin: true}
	for _, in := range []string{`{"registryId":"000000000000"}`, `{"registryId":"000000000000","repositoryNames":[]}`, `{"registryId":"000000000000","repositoryNames":["serve"]}`} {
		_, err := w.Router.Invoke(ctx, wire.ScopeOf("111122223333", iamtest.Region), theirs, "ecr", "DescribeRepositories", []byte(in))
		require.True(t, wire.IsCode(err, "AccessDeniedException"), "%s: %v", in, err)
	}
	own, err := c.DescribeRepositories(ctx, &sdk.DescribeRepositoriesInput{RegistryId: aws.String(iamtest.Account)})
	require.NoError(t, err)
	require.Len(t, own.Repositories, 1)
}

// https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-tag-mutability.html
func TestImmutableTags(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	name := aws.String("serve")
	_, err := c.CreateRepository(ctx, &sdk.CreateRepositoryInput{RepositoryName: name, ImageTagMutability: types.ImageTagMutabilityImmutable})
	require.NoError(t, err)
	for _, tag := range []string{"1", "dev-1", "latest"} {
		_, err = add(t, w, home+"serve:"+tag, "amd64")
		require.NoError(t, err)
		_, err = add(t, w, home+"serve:"+tag, "amd64")
		require.NoError(t, err, "the same image")
		_, err = add(t, w, home+"serve:"+tag, "arm64")
		require.True(t, wire.IsCode(err, "ImageTagAlreadyExistsException"), "%v", err)
	}
	filters := []types.ImageTagMutabilityExclusionFilter{{Filter: aws.String("dev-*"), FilterType: types.ImageTagMutabilityExclusionFilterTypeWildcard}}
	put := func(kind types.ImageTagMutability, filters []types.ImageTagMutabilityExclusionFilter) error {
		_, err := c.PutImageTagMutability(ctx, &sdk.PutImageTagMutabilityInput{RepositoryName: name, ImageTagMutability: kind, ImageTagMutabilityExclusionFilters: filters})
		return err
	}
	iamtest.RequireCode(t, put(types.ImageTagMutabilityImmutable, filters), "InvalidParameterException")
	iamtest.RequireCode(t, put(types.ImageTagMutabilityImmutableWithExclusion, nil), "InvalidParameterException")
	moved := func(tag string) bool {
		_, err := add(t, w, home+"serve:"+tag, "arm64")
		require.True(t, err == nil || wire.IsCode(err, "ImageTagAlreadyExistsException"), "%v", err)
		return err == nil
	}
	require.NoError(t, put(types.ImageTagMutabilityImmutableWithExclusion, filters))
	require.False(t, moved("1"))
	require.True(t, moved("dev-1"))
	got, err := c.DescribeRepositories(ctx, &sdk.DescribeRepositoriesInput{RepositoryNames: []string{"serve"}})
	require.NoError(t, err)
	require.Equal(t, filters, got.Repositories[0].ImageTagMutabilityExclusionFilters)
	filters[0].Filter = aws.String("*te*")
	require.NoError(t, put(types.ImageTagMutabilityMutableWithExclusion, filters))
	require.False(t, moved("latest"))
	require.True(t, moved("1"))
}

// A repository that an image brings along counts as any other.
func TestImplicitRepositoriesCount(t *testing.T) {
	t.Parallel()
	w := iamtest.New(t)
	book := limits.NewBook()
	q, ok := limits.ByID(limits.ECRRepositories)
	require.True(t, ok)
	book.Set(limits.Key(iamtest.Scope, q), 1)
	registerWith(t, w, book)
	_, err := add(t, w, home+"one:1", "amd64")
	require.NoError(t, err)
	_, err = add(t, w, home+"one:2", "arm64")
	require.NoError(t, err)
	_, err = add(t, w, home+"two:1", "amd64")
	require.True(t, wire.IsCode(err, "LimitExceededException"), "%v", err)
}

// The first rule that speaks of an image decides, and what it takes still counts for the
// others: https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_examples.html
func TestLifecyclePolicies(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	name := aws.String("serve")
	for _, image := range []string{"serve:prod-1", "serve:1", "serve:2", "serve:3"} {
		doc, err := json.Marshal(ecr.NewImage{Image: home + image, Architecture: "amd64", Size: int64(len(image)*1000) + int64(image[len(image)-1])})
		require.NoError(t, err)
		_, err = w.Router.Invoke(ctx, iamtest.Scope, wire.Principal{Account: iamtest.Account, Admin: true}, "sandbox", ecr.OpAddImage, doc)
		require.NoError(t, err)
		w.Clock.Advance(time.Minute)
	}
	put := func(text string) error {
		_, err := c.PutLifecyclePolicy(ctx, &sdk.PutLifecyclePolicyInput{RepositoryName: name, LifecyclePolicyText: &text})
		return err
	}
	left := func() (tags []string) {
		// Signed by nobody: signatures of the machine's time are too old for a day later.
		raw, err := w.Router.Invoke(ctx, iamtest.Scope, wire.Principal{Account: iamtest.Account, Admin: true}, "ecr", "ListImages", []byte(`{"repositoryName":"serve"}`))
		require.NoError(t, err)
		var list struct{ ImageIds []struct{ ImageTag string } }
		require.NoError(t, json.Unmarshal(raw, &list))
		for _, i := range list.ImageIds {
			tags = append(tags, i.ImageTag)
		}
		return tags
	}
	_, err := c.GetLifecyclePolicy(ctx, &sdk.GetLifecyclePolicyInput{RepositoryName: name})
	iamtest.RequireCode(t, err, "LifecyclePolicyNotFoundException")
	const kept = `{"rules":[{"rulePriority":2,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":2},"action":{"type":"expire"}},
		{"rulePriority":1,"description":"releases","selection":{"tagStatus":"tagged","tagPrefixList":["prod"],"countType":"sinceImagePushed","countUnit":"days","countNumber":7},"action":{"type":"expire"}}]}`
	require.NoError(t, put(kept))
	require.Equal(t, []string{"prod-1", "2", "3"}, left(), "the release is another rule's")
	w.Reopen(t)
	c = register(t, w)
	got, err := c.GetLifecyclePolicy(ctx, &sdk.GetLifecyclePolicyInput{RepositoryName: name})
	require.NoError(t, err)
	require.Equal(t, kept, *got.LifecyclePolicyText)
	for _, bad := range []string{
		`{`, `{"rules":[]}`, kept + kept, `{"rules":[{"rulePriority":1,"selection":{"tagStatus":"tagged","countType":"imageCountMoreThan","countNumber":2},"action":{"type":"expire"}}]}`,
		`{"rules":[{"rulePriority":1,"selection":{"tagStatus":"untagged","countType":"imageCountMoreThan","countUnit":"days","countNumber":5},"action":{"type":"expire"}}]}`,
		`{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":5},"action":{"type":"expire","targetStorageClass":null}}]}`,
		`{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":5},"action":{"type":"expire"}},` +
			`{"rulePriority":2,"selection":{"tagStatus":"untagged","countType":"imageCountMoreThan","countNumber":5},"action":{"type":"expire"}}]}`,
	} {
		said := iamtest.RequireCode(t, put(bad), "InvalidParameterException").ErrorMessage()
		if len(bad) < 100 { // the least that the API's model allows
			require.Contains(t, said, "Member must have length greater than or equal to 100")
			continue
		}
		require.Contains(t, said, "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation failure: ", bad)
	}
	w.Clock.Advance(7 * 24 * time.Hour)
	require.Equal(t, []string{"2", "3"}, left())
	w.Clock.Advance(-7 * 24 * time.Hour)
	_, err = c.DeleteLifecyclePolicy(ctx, &sdk.DeleteLifecyclePolicyInput{RepositoryName: name})
	require.NoError(t, err)
	_, err = c.DeleteLifecyclePolicy(ctx, &sdk.DeleteLifecyclePolicyInput{RepositoryName: name})
	iamtest.RequireCode(t, err, "LifecyclePolicyNotFoundException")
	_, err = c.PutImageScanningConfiguration(ctx, &sdk.PutImageScanningConfigurationInput{
		RepositoryName:             name,
		ImageScanningConfiguration: &types.ImageScanningConfiguration{ScanOnPush: true},
	})
	require.NoError(t, err)
	all, err := c.DescribeRepositories(ctx, &sdk.DescribeRepositoriesInput{})
	require.NoError(t, err)
	require.True(t, all.Repositories[0].ImageScanningConfiguration.ScanOnPush)
}

// The members of tags are in upper case, unlike all others of ECR's API.
func TestTagsAreTold(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w)
	tags := []types.Tag{{Key: aws.String("team"), Value: aws.String("ml")}}
	made, err := c.CreateRepository(ctx, &sdk.CreateRepositoryInput{RepositoryName: aws.String("serve"), Tags: tags})
	require.NoError(t, err)
	got, err := c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceArn: made.Repository.RepositoryArn})
	require.NoError(t, err)
	require.Equal(t, tags, got.Tags)
}
