package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/schema"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/services"
)

// options is the configuration of both packages. Where requests go and who
// signs them first is Config's business: a profile is taken as a name for what
// Config.AWS already is, and so are the switches that only matter for finding
// credentials. Endpoints are taken and have no effect (see readOptions).
type options struct {
	AccessKey         *string        `pulumi:"accessKey"`
	AllowedAccounts   []string       `pulumi:"allowedAccountIds,set"`
	AssumeRole        *assumedRole   `pulumi:"assumeRole"`
	AssumeRoles       []assumedRole  `pulumi:"assumeRoles"`
	DefaultTags       *defaultTags   `pulumi:"defaultTags"`
	ForbiddenAccounts []string       `pulumi:"forbiddenAccountIds,set"`
	IgnoreTags        *ignoredTags   `pulumi:"ignoreTags"`
	MaxRetries        *int           `pulumi:"maxRetries" check:"min=0"`
	Profile           *string        `pulumi:"profile"`
	Region            *string        `pulumi:"region" check:"match=^[a-z]{2,}(-[a-z]+)+-\\d+$"`
	RetryMode         *string        `pulumi:"retryMode" check:"enum=standard|adaptive"`
	RoleArn           *string        `pulumi:"roleArn" check:"arn"`
	PathStyle         *bool          `pulumi:"s3UsePathStyle"`
	SecretKey         *string        `pulumi:"secretKey"`
	SkipCredentials   *bool          `pulumi:"skipCredentialsValidation"`
	SkipEC2           *bool          `pulumi:"skipGetEc2Platforms"`
	SkipMetadata      *bool          `pulumi:"skipMetadataApiCheck"`
	SkipRegion        *bool          `pulumi:"skipRegionValidation"`
	SkipAccount       *bool          `pulumi:"skipRequestingAccountId"`
	Token             *string        `pulumi:"token"`
	Version           *string        `pulumi:"version"`
	AutoNaming        *autoNamingOpt `pulumi:"autoNaming"`
}

type assumedRole struct {
	Duration          *string           `pulumi:"duration"`
	DurationSeconds   *int              `pulumi:"durationSeconds"`
	ExternalID        *string           `pulumi:"externalId"`
	Policy            *string           `pulumi:"policy,json"`
	PolicyArns        []string          `pulumi:"policyArns,set"`
	RoleArn           *string           `pulumi:"roleArn" check:"arn"`
	SessionName       *string           `pulumi:"sessionName"`
	SourceIdentity    *string           `pulumi:"sourceIdentity"`
	Tags              map[string]string `pulumi:"tags"`
	TransitiveTagKeys []string          `pulumi:"transitiveTagKeys,set"`
}

type defaultTags struct {
	Tags map[string]string `pulumi:"tags"`
}

type ignoredTags struct {
	Keys        []string `pulumi:"keys,set"`
	KeyPrefixes []string `pulumi:"keyPrefixes,set"`
}

// autoNamingOpt is accepted because the official default is what happens here.
type autoNamingOpt struct {
	AutoTrim *bool `pulumi:"autoTrim"`
}

// readOptions takes the provider's inputs apart. Nested values may be given as
// JSON, as stack configuration gives them. Endpoints are left out, whatever their
// form (aws has a list of services, aws-native an object): a program that names
// some wants its requests to go to a stand-in for AWS, and here they do.
func (s *server) readOptions(in resource.PropertyMap) (resource.PropertyMap, []schema.Failure) {
	in = in.Copy()
	delete(in, "endpoints")
	for key, v := range in {
		p := s.options.Prop(string(key))
		bare := schema.Strip(v)
		if p == nil || !bare.IsString() || p.Kind == schema.String {
			continue
		}
		var decoded any
		if json.Unmarshal([]byte(bare.StringValue()), &decoded) == nil {
			in[key] = resource.NewPropertyValue(decoded)
		}
	}
	return s.options.Check(in)
}

// CheckConfig checks the configuration of the provider.
func (s *server) CheckConfig(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	news, err := unmarshal(req.GetNews())
	if err != nil {
		return nil, err
	}
	_, failures := s.readOptions(news)
	inputs, err := marshal(news)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.CheckResponse{Inputs: inputs, Failures: rpcFailures(failures)}, nil
}

// DiffConfig says that a provider for another region is another provider: what
// it made before is not there.
func (s *server) DiffConfig(_ context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	olds, err := unmarshal(either(req.GetOldInputs(), req.GetOlds()))
	if err != nil {
		return nil, err
	}
	news, err := unmarshal(req.GetNews())
	if err != nil {
		return nil, err
	}
	old, _ := s.readOptions(olds)
	in, _ := s.readOptions(news)
	changes := s.options.Diff(old, in)
	for i := range changes {
		changes[i].Replace = changes[i].Top() == "region"
	}
	changes = slices.DeleteFunc(changes, func(c schema.Change) bool { return c.Top() == "version" })
	return diffResponse(changes, false), nil
}

// Configure makes the session of the connection.
func (s *server) Configure(ctx context.Context, req *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	args, err := unmarshal(req.GetArgs())
	if err != nil {
		return nil, err
	}
	checked, failures := s.readOptions(args)
	if len(failures) > 0 {
		return nil, status.Errorf(codes.InvalidArgument, "configuration of the provider %s: %s: %s", s.pkg.name, failures[0].Property, failures[0].Reason)
	}
	var o options
	if err := s.options.Decode(checked, &o); err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "configuration of the provider %s: %s", s.pkg.name, err)
	}
	sess, err := s.newSession(&o)
	if err != nil {
		return nil, err
	}
	if err := sess.allowed(&o); err != nil {
		return nil, err
	}
	connOf(ctx).configure(sess)
	s.remember(sess)
	return &pulumirpc.ConfigureResponse{
		AcceptSecrets: true, SupportsPreview: true, SupportsAutonamingConfiguration: true,
	}, nil
}

// session is a configured provider.
type session struct{ env *services.Env }

func (s *server) newSession(o *options) (*session, error) {
	cfg := s.cfg.AWS.Copy()
	for _, region := range []*string{o.Region, &s.cfg.Region} {
		if region != nil && *region != "" {
			cfg.Region = *region
			break
		}
	}
	if cfg.Region == "" {
		return nil, status.Errorf(codes.InvalidArgument, "the provider %s has no region: set the configuration %s:region", s.pkg.name, s.pkg.name)
	}
	if o.AccessKey != nil || o.SecretKey != nil {
		cfg.Credentials = credentials.NewStaticCredentialsProvider(deref(o.AccessKey), deref(o.SecretKey), deref(o.Token))
	}
	if o.MaxRetries != nil {
		cfg.RetryMaxAttempts = *o.MaxRetries + 1
	}
	if o.RetryMode != nil {
		cfg.RetryMode = aws.RetryMode(*o.RetryMode)
	}
	account := s.cfg.Account
	for _, role := range o.roles() {
		cfg.Credentials = assume(cfg, role)
		account = accountOf(*role.RoleArn)
	}
	settings := services.Settings{
		AWS: cfg, Account: account, PathStyle: s.cfg.PathStyle || deref(o.PathStyle), WorkDir: s.cfg.WorkDir,
		Poll: s.cfg.PollInterval, Propagation: s.cfg.Propagation,
	}
	if o.DefaultTags != nil {
		settings.DefaultTags = o.DefaultTags.Tags
	}
	if o.IgnoreTags != nil {
		settings.IgnoreTags, settings.IgnorePrefixes = o.IgnoreTags.Keys, o.IgnoreTags.KeyPrefixes
	}
	return &session{env: services.NewEnv(settings)}, nil
}

// roles returns the roles to assume, one after the other.
func (o *options) roles() []assumedRole {
	roles := slices.Clone(o.AssumeRoles)
	if o.AssumeRole != nil {
		roles = append(roles, *o.AssumeRole)
	}
	if o.RoleArn != nil {
		roles = append(roles, assumedRole{RoleArn: o.RoleArn})
	}
	return slices.DeleteFunc(roles, func(r assumedRole) bool { return deref(r.RoleArn) == "" })
}

// assume returns credentials for the role, got with those of cfg when they are
// first needed and renewed before they expire.
func assume(cfg aws.Config, role assumedRole) aws.CredentialsProvider {
	return aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), *role.RoleArn, func(a *stscreds.AssumeRoleOptions) {
		a.ExternalID, a.SourceIdentity, a.Policy, a.TransitiveTagKeys = role.ExternalID, role.SourceIdentity, role.Policy, role.TransitiveTagKeys
		if n := deref(role.SessionName); n != "" {
			a.RoleSessionName = n
		}
		if d, err := time.ParseDuration(deref(role.Duration)); err == nil {
			a.Duration = d
		} else if n := deref(role.DurationSeconds); n > 0 {
			a.Duration = time.Duration(n) * time.Second
		}
		for _, arn := range role.PolicyArns {
			a.PolicyARNs = append(a.PolicyARNs, ststypes.PolicyDescriptorType{Arn: aws.String(arn)})
		}
		for k, v := range role.Tags {
			a.Tags = append(a.Tags, ststypes.Tag{Key: aws.String(k), Value: aws.String(v)})
		}
	}))
}

// accountOf returns the account in an ARN.
func accountOf(text string) string {
	a, _ := arn.Parse(text) // of none, none
	return a.AccountID
}

// allowed refuses an account that the program does not want to touch.
func (s *session) allowed(o *options) error {
	if len(o.AllowedAccounts)+len(o.ForbiddenAccounts) == 0 {
		return nil
	}
	account, err := s.env.AccountID()
	if err != nil {
		return status.Error(codes.Unauthenticated, err.Error())
	}
	if slices.Contains(o.ForbiddenAccounts, account) || len(o.AllowedAccounts) > 0 && !slices.Contains(o.AllowedAccounts, account) {
		return status.Error(codes.PermissionDenied, fmt.Sprintf("AWS account ID not allowed: %s", account))
	}
	return nil
}

// deref returns what p points to, or the zero value.
func deref[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

// either returns the first that is there.
func either[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

// marshal and unmarshal keep unknown values and secrets.
var keepAll = plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, SkipNulls: true}
