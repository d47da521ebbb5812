package app

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/program"
	"github.com/pipelinetui/pipelinetui/internal/sandbox"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider"
	"github.com/pipelinetui/pipelinetui/internal/settings"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// The targets.
const (
	TargetSandbox = "sandbox"
	TargetAWS     = "aws"
)

// sandboxRegion is used on the sandbox where no region is asked for: it has all
// of them.
const sandboxRegion = "us-east-1"

// Target is where things run and as whom. It is shown before every
// confirmation.
type Target struct {
	Name     string `json:"target"` // sandbox or aws
	Account  string `json:"account"`
	Identity string `json:"identity"` // ARN
	Region   string `json:"region"`   // where the spec names none; may be empty
	Endpoint string `json:"endpoint,omitempty"`

	load awscfg.Options
	// attached says that our own providers stand in for the official plugins.
	attached bool
	// embedded says that the endpoint is that of this home's own sandbox.
	embedded bool

	configs configs
}

// Target returns the target, after starting the sandbox or checking the
// credentials.
func (a *App) Target(ctx context.Context) (*Target, error) {
	if t, open := a.target.peek(); open {
		if a.alive(t) {
			return t, nil
		}
		a.target.dropIf(func(x *Target) bool { return x == t })
		a.clients.drop(func(k clientKey) bool { return k.target == t }) // they talk to the sandbox that is gone
	}
	return a.target.get(ctx, "the target", a.openTarget)
}

// alive tells whether a target that was opened before can still be used: a session
// may outlive the sandbox, which comes back at another port.
func (a *App) alive(t *Target) bool {
	if !t.embedded {
		return true
	}
	info, running, err := sandbox.Status(a.sandboxDir())
	return err == nil && running && info.Endpoint == t.Endpoint
}

func (a *App) openTarget(ctx context.Context) (*Target, error) {
	s := a.opts.Settings
	t := &Target{
		Name: s.String(settings.Target), Region: s.String(settings.Region), Endpoint: s.String(settings.EndpointURL),
		load: awscfg.Options{Profile: s.String(settings.Profile), EndpointURL: s.String(settings.EndpointURL)},
	}
	if t.Name == TargetSandbox {
		t.attached = true
		if t.Region == "" {
			t.Region = sandboxRegion
		}
		if t.Endpoint == "" {
			info, err := a.startSandbox(ctx)
			if err != nil {
				return nil, err
			}
			t.useSandbox(info)
		}
	}
	cfg, err := awscfg.Load(ctx, t.loadFor(t.Region, ""))
	if err != nil {
		return nil, err
	}
	t.Region = cfg.Region
	if t.Endpoint == "" && cfg.BaseEndpoint != nil {
		// From the profile in the AWS configuration files (endpoint_url).
		t.Endpoint, t.load.EndpointURL = *cfg.BaseEndpoint, *cfg.BaseEndpoint
	}
	id, err := awscfg.Check(ctx, cfg)
	if err != nil {
		return nil, fault.Wrap(err, "check the credentials")
	}
	t.Account, t.Identity = id.Account, id.ARN
	return t, nil
}

func (t *Target) useSandbox(info sandbox.Info) {
	t.Endpoint, t.embedded = info.Endpoint, true
	t.load = awscfg.Options{
		EndpointURL: info.Endpoint,
		Static:      &aws.Credentials{AccessKeyID: info.AccessKeyID, SecretAccessKey: info.SecretAccessKey},
	}
}

// loadFor is how to get an aws.Config in a region, as a role if one is given.
func (t *Target) loadFor(region, role string) awscfg.Options {
	o := t.load
	o.AssumeRole = role
	if region != "" {
		o.Region = region
	}
	return o
}

// plainHTTP tells whether requests go without TLS, so that a policy which
// demands it would lock everybody out.
func (t *Target) plainHTTP() bool { return strings.HasPrefix(t.Endpoint, "http://") }

// programEnv is what the program of a pipeline is told about the place.
func (t *Target) programEnv(p *spec.Pipeline) program.Env {
	partition, _ := spec.Partition(p.Region)
	return program.Env{Account: t.accountOf(p), Region: p.Region, Partition: partition, PlainHTTP: t.plainHTTP()}
}

// accountOf is the account that will own a pipeline's resources.
func (t *Target) accountOf(p *spec.Pipeline) string {
	if account := p.RoleAccount(); account != "" {
		return account
	}
	return t.Account
}

// config is the stack's config for the default providers.
func (t *Target) config(p *spec.Pipeline) map[string]stack.ConfigValue {
	out := map[string]stack.ConfigValue{}
	for k, v := range program.Config(p, t.programEnv(p)) {
		out[k] = stack.ConfigValue{Value: v}
	}
	if t.Name == TargetAWS && t.Endpoint != "" {
		for k, v := range endpointConfig(t.Endpoint) {
			out[k] = stack.ConfigValue{Value: v}
		}
	}
	return out
}

// endpointConfig points the official plugins at another endpoint. aws-native
// wants a JSON object there: the SDK's typed array is refused by the provider
// (provider.go of v1.70.0 decodes a map). Each service is named once: the first
// complains of a service that is there under two of its names.
func endpointConfig(url string) map[string]string {
	services := []string{"s3", "iam", "sts", "lambda", "sagemaker", "sfn", "cloudwatch", "cloudwatchlogs", "events", "appautoscaling", "kms", "sqs", "sns", "scheduler"}
	each := map[string]string{}
	for _, s := range services {
		each[s] = url
	}
	classic, _ := json.Marshal([]map[string]string{each})
	native, _ := json.Marshal(map[string]string{"cloudcontrol": url, "sts": url})
	return map[string]string{
		"aws:endpoints": string(classic), "aws:s3UsePathStyle": "true",
		"aws:skipMetadataApiCheck": "true", "aws:skipRegionValidation": "true",
		"aws-native:endpoints": string(native), "aws-native:skipMetadataApiCheck": "true",
	}
}

// serveProviders starts what one engine operation needs besides the engine. It
// returns the environment for it and what to close afterwards.
func (a *App) serveProviders(ctx context.Context, t *Target, region string) (map[string]string, func(), error) {
	env := map[string]string{}
	if !t.attached {
		if p := t.load.Profile; p != "" {
			env["AWS_PROFILE"] = p
		}
		return env, func() {}, nil
	}
	cfg, err := awscfg.Load(ctx, t.loadFor(region, ""))
	if err != nil {
		return nil, nil, err
	}
	servers, err := provider.Serve(ctx, provider.Config{AWS: cfg, Account: t.Account, Region: region, PathStyle: true, Log: a.logger()})
	if err != nil {
		return nil, nil, err
	}
	return servers.Env(), servers.Close, nil
}

// Executions returns the Step Functions client for a region and a role. There
// is one for each; those of one account and region share its quotas through a ledger, with
// all other programs of this home.
func (a *App) Executions(ctx context.Context, region, role string) (*executions.Client, error) {
	t, err := a.Target(ctx)
	if err != nil {
		return nil, err
	}
	return a.clients.at(clientKey{t, placeKey{region, role}}).get(ctx, "the Step Functions client", func(ctx context.Context) (*executions.Client, error) {
		cfg, err := awscfg.Load(ctx, t.loadFor(region, role))
		if err != nil {
			return nil, err
		}
		conf := executions.Config{API: executions.Connect(cfg), Class: executions.ClassOf(region), Clock: a.opts.Clock, Log: a.logger(), Shared: a.ledgerOf(t, region, role)}
		if t.attached && !a.quotasOn(ctx, t) {
			conf.Limits = executions.Limits{Unlimited: true}
		}
		return executions.New(conf), nil
	})
}
