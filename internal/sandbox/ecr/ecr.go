// Package ecr owns the sandbox's Elastic Container Registry: repositories with their
// policies and tags, and images as records. There is no registry behind it: nothing is
// pushed or pulled, layers are not served, and an image is what `sandbox images add` says
// of it. Of the sandbox it may import only wire, store, iam/policy and kit.
package ecr

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/policy"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/defaults"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/limits"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const (
	id                 = "ecr"
	repositoriesBucket = "ecr.repositories" // scope's key of the name -> repository
)

// Config is what the service needs. DB is required.
type Config struct {
	DB     *store.DB
	Clock  clock.Clock  // nil: the machine's
	Log    *slog.Logger // nil: none
	Limits *limits.Book // how many repositories and images an account may have; nil: what accounts start with
}

// Service is ECR. It is safe for concurrent use.
type Service struct {
	Config
	policies policy.Cache
}

// repository is a repository as it is kept, with its images, the oldest first.
type repository struct {
	Name       string
	Created    time.Time
	Mutability types.ImageTagMutability
	Exclusions []types.ImageTagMutabilityExclusionFilter `json:",omitempty"`
	Scanning   *types.ImageScanningConfiguration
	Encryption *types.EncryptionConfiguration
	Policy     string
	Lifecycle  string `json:",omitempty"`
	Tags       map[string]string
	Images     []image
}

// image is a record of an image: of one platform, whose architecture is that of OCI
// ("amd64", "arm64").
type image struct {
	Digest, Architecture, Manifest string
	Tags                           []string
	Size                           int64
	Pushed                         time.Time
}

// New returns the service over the store.
func New(c Config) (*Service, error) {
	if c.DB == nil {
		return nil, errors.New("ecr: DB is required")
	}
	c.Clock, c.Log = defaults.Of(c.Clock, c.Log)
	return &Service{Config: c}, nil
}

// Register adds the service and its operations to the router.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html
func (s *Service) Register(r *wire.Router) {
	r.Register(wire.Service{ID: id, Check: constraint.For(id, "InvalidParameterException", "repositoryName:pattern").Check, Guard: policy.Guard(s.target)})
	one, many, tagged := wire.On(onOne), wire.On(onMany), wire.On(func(_ *wire.Request, in wire.Input) []string { return []string{in.Text("resourceArn")} })
	wire.Handle(r, id, "CreateRepository", s.create, one.Tags("ecr:TagResource"))
	wire.Handle(r, id, "DescribeRepositories", s.describe, many)
	wire.Handle(r, id, "DeleteRepository", s.remove, one)
	wire.Handle(r, id, "PutImageTagMutability", s.putMutability, one)
	wire.Handle(r, id, "ListImages", s.listImages, one)
	wire.Handle(r, id, "DescribeImages", s.describeImages, one)
	wire.Handle(r, id, "BatchGetImage", s.getImages, one)
	wire.Handle(r, id, "BatchDeleteImage", s.removeImages, one)
	wire.Handle(r, id, "SetRepositoryPolicy", s.setPolicy, one)
	wire.Handle(r, id, "GetRepositoryPolicy", s.getPolicy, one)
	wire.Handle(r, id, "DeleteRepositoryPolicy", s.removePolicy, one)
	wire.Handle(r, id, "PutLifecyclePolicy", s.putLifecycle, one)
	wire.Handle(r, id, "GetLifecyclePolicy", s.getLifecycle, one)
	wire.Handle(r, id, "DeleteLifecyclePolicy", s.removeLifecycle, one)
	wire.Handle(r, id, "PutImageScanningConfiguration", s.putScanning, one)
	wire.Handle(r, id, "GetAuthorizationToken", s.token, wire.Access{})
	wire.Handle(r, id, "TagResource", s.tag, tagged)
	wire.Handle(r, id, "UntagResource", s.untag, tagged)
	wire.Handle(r, id, "ListTagsForResource", s.listTags, tagged)
	s.registerRegistry(r, many)
}

// registry is where the repositories of an account are that a document names.
func registry(req *wire.Request, account *string) wire.Scope {
	sc := req.Scope
	if a := aws.ToString(account); a != "" {
		sc.Account = a
	}
	return sc
}

func arnOf(sc wire.Scope, name string) string { return sc.ARN("ecr", "repository/"+name) }

func onOne(req *wire.Request, in wire.Input) []string {
	account := in.Text("registryId")
	return []string{arnOf(registry(req, &account), in.Text("repositoryName"))}
}

func onMany(req *wire.Request, in wire.Input) (arns []string) {
	account := in.Text("registryId")
	for _, name := range in.Texts("repositoryNames") {
		arns = append(arns, arnOf(registry(req, &account), name))
	}
	if len(arns) == 0 { // all of the registry, which may be another account's
		arns = append(arns, arnOf(registry(req, &account), "*"))
	}
	return arns
}

// target is what a decision about a repository has to know.
func (s *Service) target(_ *wire.Request, arn string) (policy.Target, error) {
	t := policy.Target{ARN: arn}
	a, ok := wire.ParseARN(arn)
	name, is := strings.CutPrefix(a.Resource, "repository/")
	if !ok || !is {
		return t, nil
	}
	x, found, err := store.Read[repository](s.DB, repositoriesBucket, wire.ScopeOfARN(a).Key(name))
	if err != nil || !found {
		return t, err
	}
	t.Tags, t.Keys = x.Tags, map[string][]string{}
	for k, v := range x.Tags {
		t.Keys["ecr:ResourceTag/"+k] = []string{v}
	}
	t.Policy, err = s.policies.Parse(withResource(x.Policy), policy.Resource)
	return t, err
}

func fail(code, format string, args ...any) *wire.Error {
	return wire.Errorf(http.StatusBadRequest, code, format, args...)
}

// The texts are AWS's as https://github.com/getmoto/moto has them (moto/ecr/exceptions.py).
func noRepository(sc wire.Scope, name string) error {
	return fail("RepositoryNotFoundException", "The repository with name '%s' does not exist in the registry with id '%s'", name, sc.Account)
}

func (s *Service) read(sc wire.Scope, name string) (repository, error) {
	x, found, err := s.current(store.Read[repository](s.DB, repositoriesBucket, sc.Key(name)))
	if err == nil && !found {
		err = noRepository(sc, name)
	}
	return x, err
}

// change lets fn change a repository as it is now.
func (s *Service) change(sc wire.Scope, name string, fn func(*repository) error) error {
	return s.DB.Update(func(tx *store.Tx) error {
		x, err := s.find(tx, sc, name)
		if err != nil {
			return err
		}
		if err := fn(&x); err != nil {
			return err
		}
		return store.Put(tx, repositoriesBucket, sc.Key(name), x)
	})
}

func host(sc wire.Scope) string {
	end := "amazonaws.com"
	if sc.Partition == wire.PartitionChina {
		end += ".cn"
	}
	return sc.Account + ".dkr.ecr." + sc.Region + "." + end
}

func (x *repository) output(sc wire.Scope) types.Repository {
	return types.Repository{
		RepositoryArn: aws.String(arnOf(sc, x.Name)), RegistryId: &sc.Account, RepositoryName: &x.Name, RepositoryUri: aws.String(host(sc) + "/" + x.Name),
		CreatedAt: &x.Created, ImageTagMutability: x.Mutability, ImageTagMutabilityExclusionFilters: x.Exclusions, ImageScanningConfiguration: x.Scanning,
		EncryptionConfiguration: x.Encryption,
	}
}

// repositoryName is the model's pattern.
var repositoryName = lazyregexp.New(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)

// checkName refuses a name in words of ECR's own
// (https://github.com/jenkins-x/jx/issues/1344, https://github.com/localstack/localstack/issues/8051).
func checkName(name string) error {
	if repositoryName.MatchString(name) {
		return nil
	}
	return fail("InvalidParameterException", "Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular expression '%s''",
		strings.Trim(repositoryName.String(), "^$"))
}

func (s *Service) create(_ context.Context, req *wire.Request, in *sdk.CreateRepositoryInput) (*sdk.CreateRepositoryOutput, error) {
	x := repository{
		Name: *in.RepositoryName, Created: s.Clock.Now().UTC(), Mutability: in.ImageTagMutability, Scanning: in.ImageScanningConfiguration, Encryption: in.EncryptionConfiguration,
	}
	x.complete()
	if err := checkName(x.Name); err != nil {
		return nil, err
	}
	err := x.mutable(x.Mutability, in.ImageTagMutabilityExclusionFilters)
	if err != nil {
		return nil, err
	}
	if x.Tags, err = tagRules.Add(nil, tags.Of(in.Tags, splitTag)); err != nil {
		return nil, err
	}
	err = s.DB.Update(func(tx *store.Tx) error {
		if tx.GetRaw(repositoriesBucket, req.Key(x.Name)) != nil {
			return fail("RepositoryAlreadyExistsException", "The repository with name '%s' already exists in the registry with id '%s'", x.Name, req.Account)
		}
		if err := s.room(tx, req.Scope); err != nil {
			return err
		}
		return store.Put(tx, repositoriesBucket, req.Key(x.Name), x)
	})
	if err != nil {
		return nil, err
	}
	out := x.output(req.Scope)
	return &sdk.CreateRepositoryOutput{Repository: &out}, nil
}

// complete sets what a new repository has unless it is asked for otherwise.
func (x *repository) complete() {
	if x.Mutability == "" {
		x.Mutability = types.ImageTagMutabilityMutable
	}
	if x.Scanning == nil {
		x.Scanning = &types.ImageScanningConfiguration{}
	}
	if x.Encryption == nil {
		x.Encryption = &types.EncryptionConfiguration{EncryptionType: types.EncryptionTypeAes256}
	}
}

// room refuses one repository more than the account may have in the region.
func (s *Service) room(tx *store.Tx, sc wire.Scope) error {
	have := 0
	if err := tx.Scan(repositoriesBucket, sc.Prefix(), "", func(string, []byte) (bool, error) { have++; return true, nil }); err != nil {
		return err
	}
	if most := s.Limits.Limit(sc, limits.ECRRepositories); have >= most { // the text is unsure
		return fail("LimitExceededException", "The repository limit of %d repositories has been reached for the registry with id '%s'", most, sc.Account)
	}
	return nil
}

// mutable sets whether tags may move. Filters go with the kinds that have exclusions, and
// those do not go without; the words are ours.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-tag-mutability.html
func (x *repository) mutable(kind types.ImageTagMutability, filters []types.ImageTagMutabilityExclusionFilter) error {
	excludes := kind == types.ImageTagMutabilityImmutableWithExclusion || kind == types.ImageTagMutabilityMutableWithExclusion
	switch {
	case excludes && len(filters) == 0:
		return fail("InvalidParameterException", "Invalid parameter at 'imageTagMutabilityExclusionFilters' failed to satisfy constraint: '%s needs at least one filter'", kind)
	case !excludes && len(filters) > 0:
		return fail("InvalidParameterException", "Invalid parameter at 'imageTagMutabilityExclusionFilters' failed to satisfy constraint: 'filters do not go with %s'", kind)
	}
	x.Mutability, x.Exclusions = kind, filters
	return nil
}

// moves tells whether a tag may go from one image to another.
func (x *repository) moves(tag string) bool {
	excluded := slices.ContainsFunc(x.Exclusions, func(f types.ImageTagMutabilityExclusionFilter) bool { return like(aws.ToString(f.Filter), tag) })
	switch x.Mutability {
	case types.ImageTagMutabilityImmutable, types.ImageTagMutabilityImmutableWithExclusion:
		return excluded
	case types.ImageTagMutabilityMutable, types.ImageTagMutabilityMutableWithExclusion:
	}
	return !excluded
}

// like matches a tag to a filter, in which * stands for any text.
func like(filter, tag string) bool {
	parts := strings.Split(filter, "*")
	rest, ok := strings.CutPrefix(tag, parts[0])
	if !ok || len(parts) == 1 {
		return ok && rest == ""
	}
	for _, p := range parts[1 : len(parts)-1] {
		if _, rest, ok = strings.Cut(rest, p); !ok {
			return false
		}
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}

func badToken() error {
	return fail("InvalidParameterException", "Invalid parameter at 'nextToken' failed to satisfy constraint: 'must be a token that was given out'")
}

func (s *Service) describe(_ context.Context, req *wire.Request, in *sdk.DescribeRepositoriesInput) (*sdk.DescribeRepositoriesOutput, error) {
	sc := registry(req, in.RegistryId)
	all, err := store.ReadAll[repository](s.DB, repositoriesBucket, sc.Key(""))
	if err != nil {
		return nil, err
	}
	for _, name := range in.RepositoryNames {
		if !slices.ContainsFunc(all, func(x repository) bool { return x.Name == name }) {
			return nil, noRepository(sc, name)
		}
	}
	if len(in.RepositoryNames) > 0 {
		all = slices.DeleteFunc(all, func(x repository) bool { return !slices.Contains(in.RepositoryNames, x.Name) })
	}
	some, next, err := page.Of(all, in.NextToken, in.MaxResults, 100, func(x repository) string { return x.Name })
	if err != nil {
		return nil, badToken()
	}
	out := &sdk.DescribeRepositoriesOutput{Repositories: []types.Repository{}, NextToken: next}
	for i := range some {
		out.Repositories = append(out.Repositories, some[i].output(sc))
	}
	return out, nil
}

func (s *Service) remove(_ context.Context, req *wire.Request, in *sdk.DeleteRepositoryInput) (*sdk.DeleteRepositoryOutput, error) {
	sc, name := registry(req, in.RegistryId), *in.RepositoryName
	var out types.Repository
	err := s.DB.Update(func(tx *store.Tx) error {
		x, err := s.find(tx, sc, name)
		if err != nil {
			return err
		}
		if len(x.Images) > 0 && !in.Force {
			return fail("RepositoryNotEmptyException", "The repository with name '%s' in registry with id '%s' cannot be deleted because it still contains images", name, sc.Account)
		}
		out = x.output(sc)
		return tx.Delete(repositoriesBucket, sc.Key(name))
	})
	return &sdk.DeleteRepositoryOutput{Repository: &out}, err
}

func (s *Service) putMutability(_ context.Context, req *wire.Request, in *sdk.PutImageTagMutabilityInput) (*sdk.PutImageTagMutabilityOutput, error) {
	sc := registry(req, in.RegistryId)
	err := s.change(sc, *in.RepositoryName, func(x *repository) error {
		return x.mutable(in.ImageTagMutability, in.ImageTagMutabilityExclusionFilters)
	})
	return &sdk.PutImageTagMutabilityOutput{
		RegistryId: &sc.Account, RepositoryName: in.RepositoryName, ImageTagMutability: in.ImageTagMutability, ImageTagMutabilityExclusionFilters: in.ImageTagMutabilityExclusionFilters,
	}, err
}

// token is a login for clients of Docker, which find no registry here.
func (s *Service) token(_ context.Context, req *wire.Request, _ *sdk.GetAuthorizationTokenInput) (*sdk.GetAuthorizationTokenOutput, error) {
	end := s.Clock.Now().UTC().Add(12 * time.Hour)
	return &sdk.GetAuthorizationTokenOutput{AuthorizationData: []types.AuthorizationData{{
		AuthorizationToken: aws.String(base64.StdEncoding.EncodeToString([]byte("AWS:the-sandbox-has-no-registry"))), ExpiresAt: &end,
		ProxyEndpoint: aws.String("https://" + host(req.Scope)),
	}}}, nil
}

func (s *Service) setPolicy(_ context.Context, req *wire.Request, in *sdk.SetRepositoryPolicyInput) (*sdk.SetRepositoryPolicyOutput, error) {
	sc := registry(req, in.RegistryId)
	// Repository policies name no resource: it is the repository.
	if _, err := policy.Parse(withResource(*in.PolicyText), policy.Resource); err != nil {
		return nil, fail("InvalidParameterException", "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'")
	}
	err := s.change(sc, *in.RepositoryName, func(x *repository) error { x.Policy = *in.PolicyText; return nil })
	return &sdk.SetRepositoryPolicyOutput{RegistryId: &sc.Account, RepositoryName: in.RepositoryName, PolicyText: in.PolicyText}, err
}

// withResource names every resource in statements that name none.
func withResource(text string) string {
	var doc map[string]any
	if json.Unmarshal([]byte(text), &doc) != nil {
		return text
	}
	list, many := doc["Statement"].([]any)
	if !many {
		list = []any{doc["Statement"]}
	}
	for _, x := range list {
		if m, ok := x.(map[string]any); ok && m["Resource"] == nil && m["NotResource"] == nil {
			m["Resource"] = "*"
		}
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		return text
	}
	return string(raw)
}

func noPolicy(sc wire.Scope, name string) error {
	return fail("RepositoryPolicyNotFoundException", "Repository policy does not exist for the repository with name '%s' in the registry with id '%s'", name, sc.Account)
}

func (s *Service) getPolicy(_ context.Context, req *wire.Request, in *sdk.GetRepositoryPolicyInput) (*sdk.GetRepositoryPolicyOutput, error) {
	sc := registry(req, in.RegistryId)
	x, err := s.read(sc, *in.RepositoryName)
	if err == nil && x.Policy == "" {
		err = noPolicy(sc, x.Name)
	}
	return &sdk.GetRepositoryPolicyOutput{RegistryId: &sc.Account, RepositoryName: in.RepositoryName, PolicyText: &x.Policy}, err
}

func (s *Service) removePolicy(_ context.Context, req *wire.Request, in *sdk.DeleteRepositoryPolicyInput) (*sdk.DeleteRepositoryPolicyOutput, error) {
	sc := registry(req, in.RegistryId)
	out := &sdk.DeleteRepositoryPolicyOutput{RegistryId: &sc.Account, RepositoryName: in.RepositoryName}
	return out, s.change(sc, *in.RepositoryName, func(x *repository) error {
		if x.Policy == "" {
			return noPolicy(sc, x.Name)
		}
		text := x.Policy
		out.PolicyText, x.Policy = &text, ""
		return nil
	})
}

var tagRules = tags.Rules{Max: 50, TooMany: fail("TooManyTagsException",
	"The list of tags on the repository is over the limit. The maximum number of tags that can be applied to a repository is 50.")}

func splitTag(t types.Tag) (key, value *string) { return t.Key, t.Value }

func (s *Service) changeTagged(arn *string, fn func(*repository) error) error {
	a, ok := wire.ParseARN(aws.ToString(arn))
	name, is := strings.CutPrefix(a.Resource, "repository/")
	if !ok || !is || a.Service != "ecr" {
		return fail("InvalidParameterException", "Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN'")
	}
	return s.change(wire.ScopeOfARN(a), name, fn)
}

func (s *Service) tag(_ context.Context, _ *wire.Request, in *sdk.TagResourceInput) (*sdk.TagResourceOutput, error) {
	return &sdk.TagResourceOutput{}, s.changeTagged(in.ResourceArn, func(x *repository) (err error) {
		x.Tags, err = tagRules.Add(x.Tags, tags.Of(in.Tags, splitTag))
		return err
	})
}

func (s *Service) untag(_ context.Context, _ *wire.Request, in *sdk.UntagResourceInput) (*sdk.UntagResourceOutput, error) {
	return &sdk.UntagResourceOutput{}, s.changeTagged(in.ResourceArn, func(x *repository) error {
		x.Tags = tags.Without(x.Tags, in.TagKeys)
		return nil
	})
}

func (s *Service) listTags(_ context.Context, _ *wire.Request, in *sdk.ListTagsForResourceInput) (*sdk.ListTagsForResourceOutput, error) {
	out := &sdk.ListTagsForResourceOutput{}
	return out, s.changeTagged(in.ResourceArn, func(x *repository) error {
		out.Tags = tags.List(x.Tags, func(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} })
		return nil
	})
}
