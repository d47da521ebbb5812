// Package awscfg owns how the tool gets an aws.Config: profile, region,
// endpoint, assumed roles, and the check that the credentials work, with errors
// that say what to do. It may import fault only, and no service SDK but STS.
package awscfg

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/plainbody"
)

// Options choose the credentials and the place.
type Options struct {
	Profile     string
	Region      string
	EndpointURL string // all services; "" for AWS's own
	// ServiceEndpoints lets a service's client prefer an endpoint that the environment
	// has for it alone (AWS_ENDPOINT_URL_S3).
	ServiceEndpoints bool
	// Static are fixed credentials in place of the default chain.
	Static *aws.Credentials
	// AssumeRole is an ARN to assume with the credentials found, "" for none.
	AssumeRole string
}

// Identity is who the credentials belong to.
type Identity struct {
	Account string
	ARN     string
	// Skew is by how much this machine's clock is ahead of AWS's, to about a second.
	Skew time.Duration
}

// Load builds the configuration; it makes no network call but those of the
// credential chain when a request is signed.
func Load(ctx context.Context, o Options) (aws.Config, error) {
	if o.Static != nil {
		return sealed(o)
	}
	// The SDK's own logger writes to standard error, such as that a store gives no checksums:
	// into the middle of a screen, or of what a script reads.
	opts := []func(*config.LoadOptions) error{config.WithRetryMode(aws.RetryModeStandard), config.WithLogger(logging.Nop{})}
	if o.Profile != "" {
		opts = append(opts, config.WithSharedConfigProfile(o.Profile))
	}
	if o.Region != "" {
		opts = append(opts, config.WithRegion(o.Region))
	}
	if o.EndpointURL != "" {
		opts = append(opts, config.WithBaseEndpoint(o.EndpointURL))
	}
	cfg, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		var noProfile config.SharedConfigProfileNotExistError
		if errors.As(err, &noProfile) {
			return aws.Config{}, fault.New(fault.Unauthenticated, "profile %q is not in the AWS configuration files", noProfile.Profile).
				WithHint("Run `aws configure --profile %s`, or choose another one with --profile or AWS_PROFILE.", noProfile.Profile).Because(err)
		}
		return aws.Config{}, fault.New(fault.Unauthenticated, "load the AWS configuration: %s", err).Because(err).
			WithHint("Check ~/.aws/config and the AWS_* variables.")
	}
	if cfg.BaseEndpoint != nil && !o.ServiceEndpoints {
		// Service clients would look there for endpoints of their own
		// (AWS_ENDPOINT_URL_S3) and prefer them: one is shown, so one it is.
		cfg.ConfigSources = nil
	}
	if cfg.HTTPClient == nil { // always, but where AWS_CA_BUNDLE is set
		cfg.HTTPClient = awshttp.NewBuildableClient()
	}
	return o.finish(cfg)
}

// sealed is a configuration for fixed credentials and nothing else: no variable, no
// file and no proxy of the user's takes part in it. What it sets are the defaults of
// LoadDefaultConfig.
func sealed(o Options) (aws.Config, error) {
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.Proxy = nil })
	cfg := aws.Config{
		Region: o.Region, HTTPClient: client, RetryMode: aws.RetryModeStandard,
		Credentials:                 credentials.StaticCredentialsProvider{Value: *o.Static},
		RequestChecksumCalculation:  aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation:  aws.ResponseChecksumValidationWhenSupported,
		RequestMinCompressSizeBytes: 10240,
		AccountIDEndpointMode:       aws.AccountIDEndpointModePreferred,
	}
	if o.EndpointURL != "" {
		cfg.BaseEndpoint = aws.String(o.EndpointURL)
	}
	return o.finish(cfg)
}

func (o Options) finish(cfg aws.Config) (aws.Config, error) {
	if client, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		cfg.HTTPClient = client.WithTransportOptions(func(t *http.Transport) { t.ResponseHeaderTimeout = silence })
	}
	cfg.HTTPClient = plainbody.Client{Next: listener{next: cfg.HTTPClient, silence: silence}}
	if cfg.Region == "" {
		return aws.Config{}, fault.New(fault.Invalid, "no AWS region is set").
			WithHint("Set --region, AWS_REGION, or region in the spec or in ~/.aws/config.")
	}
	if o.AssumeRole != "" {
		provider := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), o.AssumeRole, func(a *stscreds.AssumeRoleOptions) {
			a.RoleSessionName = "pipelinetui"
		})
		cfg.Credentials = aws.NewCredentialsCache(provider)
	}
	return cfg, nil
}

// identityTimeout bounds the credential check: it is the first network call of
// most commands and must not hang them.
const identityTimeout = 20 * time.Second

// Check calls sts:GetCallerIdentity and returns whose credentials these are.
func Check(ctx context.Context, cfg aws.Config) (Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, identityTimeout)
	defer cancel()
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		var dns *net.DNSError
		if errors.As(err, &dns) && dns.IsNotFound && aws.ToString(cfg.BaseEndpoint) == "" {
			// What has no host name is no region, or there is no network at all.
			return Identity{}, fault.New(fault.Unauthenticated, "nobody can be asked about the credentials in region %q: there is no host %s", cfg.Region, dns.Name).
				Because(err).WithHint("Check --region, AWS_REGION and the region in the spec, and the network.")
		}
		return Identity{}, Classify(err)
	}
	return Identity{Account: aws.ToString(out.Account), ARN: aws.ToString(out.Arn), Skew: SkewOf(out.ResultMetadata)}, nil
}

// SkewOf is by how much this machine's clock was ahead when an answer came; 0 if the server did
// not tell its time.
func SkewOf(answer middleware.Metadata) time.Duration {
	at, told := awsmiddleware.GetServerTime(answer)
	got, ok := awsmiddleware.GetResponseAt(answer)
	if !told || !ok {
		return 0
	}
	return got.Sub(at)
}

// Classify turns an SDK error into a fault with the way out. Errors that are
// faults already, and nil, come back as they are.
func Classify(err error) error {
	if err == nil {
		return nil
	}
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		return classifyAPI(api, err)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return fault.New(fault.Canceled, "cancelled").Because(err)
	case strings.Contains(err.Error(), "SSO session has expired"):
		return fault.New(fault.Unauthenticated, "the AWS sign-in has expired").Because(err).
			WithHint("Sign in again with `aws sso login` (and --profile, if you use one).")
	case strings.Contains(err.Error(), "no EC2 IMDS role found"), // nobody listens where a machine of EC2 asks, last of all
		strings.Contains(err.Error(), "failed to refresh cached credentials") && !strings.Contains(err.Error(), "AssumeRole,") && !fault.OfNetwork(err):
		return fault.New(fault.Unauthenticated, "no AWS credentials were found").Because(err).
			WithHint("Set AWS_PROFILE or --profile, or run `aws configure` or `aws sso login`.")
	case fault.OfNetwork(err): // also of who gives the credentials
		return fault.New(fault.Unreachable, "the endpoint cannot be reached: %s", last(err)).Because(err).
			WithHint("Check the network, HTTPS_PROXY, --region and --endpoint-url; for the sandbox run `pipelinetui sandbox status`.")
	case errors.Is(err, context.DeadlineExceeded):
		return fault.New(fault.Timeout, "the endpoint did not answer in time").Because(err).
			WithHint("Check the network, --region and --endpoint-url.")
	}
	return fault.New(fault.Internal, "%s", last(err)).Because(err)
}

func classifyAPI(api smithy.APIError, err error) error {
	msg := api.ErrorCode() + ": " + api.ErrorMessage()
	switch api.ErrorCode() {
	case "ExpiredToken", "ExpiredTokenException", "RequestExpired":
		return fault.New(fault.Unauthenticated, "the AWS credentials have expired").Because(err).
			WithHint("Sign in again, for example with `aws sso login`.")
	case "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidAccessKeyId",
		"AuthFailure", "MissingAuthenticationToken", "IncompleteSignature", "InvalidSignatureException":
		return fault.New(fault.Unauthenticated, "the AWS credentials are not valid here (%s)", api.ErrorCode()).Because(err).
			WithHint("Check --profile, --region and the AWS_* variables. A region that has to be enabled takes no credentials until it is.")
	case "OptInRequired", "RegionDisabledException":
		return fault.New(fault.Unauthenticated, "the region is not enabled in this account (%s)", api.ErrorCode()).Because(err).
			WithHint("Enable the region in the account's settings, or choose another one with --region or in the spec.")
	case "AccessDenied", "AccessDeniedException", "UnauthorizedOperation":
		if strings.Contains(msg, "sts:AssumeRole") {
			return fault.New(fault.Denied, "%s", msg).Because(err).
				WithHint("Let the role's trust policy name this identity, allow the identity sts:AssumeRole, or change assumeRole in the spec.")
		}
		return fault.New(fault.Denied, "%s", msg).Because(err).
			WithHint("Ask for the permission that the message names, or use another profile or role.")
	case "Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded":
		return fault.New(fault.Throttled, "%s", msg).Because(err).WithHint("Wait a little and try again.")
	}
	return fault.New(fault.Internal, "%s", msg).Because(err)
}

// last is the innermost message: the SDK's outer ones repeat the operation.
func last(err error) string {
	for {
		u := errors.Unwrap(err)
		if u == nil {
			return err.Error()
		}
		err = u
	}
}
