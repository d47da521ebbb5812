// Package program owns the Pulumi program of a pipeline: it turns a checked
// spec into a pulumi.RunFunc, out of blocks. A block is one piece of a pipeline
// (storage, endpoint, workflow ...) in one file; a template names the blocks it
// is made of.
//
// It is the only package that imports the provider SDKs (pulumi-aws,
// pulumi-aws-native). It may not import the Automation API, an AWS client,
// internal/stack or internal/sandbox, and it reaches no network: everything it
// needs is in the spec, the template and Env.
package program

import (
	"context"
	"encoding/json"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// Env is where a pipeline will live, as found out from the credentials.
type Env struct {
	// Account is the 12-digit id of the account that will own the resources.
	Account string
	// Region is used for a pipeline that names no region itself.
	Region string
	// Partition is "aws", "aws-cn" ...; "" means that of the region.
	Partition string
	// PlainHTTP says that the endpoint has no TLS: the bucket policy then does
	// not demand TLS, which would lock everybody out.
	PlainHTTP bool
	// Objects is what lies in S3 where parameters say, by parameter (see
	// S3References): a text of up to 128 letters, digits and hyphens that changes
	// with the content. One that is not there is not known; then what was deployed
	// last counts as unchanged.
	Objects map[string]string
	// ImageDigest is what the tag of the image stands for now, "" if that is not known: it is
	// deployed by that digest, so that all instances run the same, those of tomorrow too.
	ImageDigest string
	// Endpoint is what the stack records of its endpoint; nil if it has none yet.
	Endpoint *EndpointNow
	// Secrets are the values of what the pipeline refers to (see
	// spec.Pipeline.References), read now. They are in no plan that is shown.
	Secrets map[spec.SecretPath]string
	// AtOnce lets endpoint and aliases take over at once, whatever rollout the pipeline asks for:
	// what is in service is known to be bad.
	AtOnce bool
	// Shift moves an alias over to another version bit by bit; it returns when all but the
	// last step is done, which is the provider's, or says why the alias leads to what it led
	// to before. nil lets aliases move at once.
	Shift func(ctx context.Context, s Shift) error
	// Revise numbers the revision that the program makes, when it runs and so holds the
	// stack: content is what it is made from, document the same document with secrets in
	// clear. nil keeps no ledger of revisions.
	Revise func(ctx context.Context, content revisions.Content, document map[string]any) (*revisions.Step, error)
	// Revision describes a revision that is to be written down, but for its content.
	Revision revisions.Record
}

var accountRule = lazyregexp.New(`^\d{12}$`)

// Pipeline returns the Pulumi program of a pipeline. All that can be known to
// be wrong before the engine starts is found here and returned, all at once, as
// fault.Invalid: an unknown or missing block, a definition that is no JSON, a
// ${name} that nothing provides, an artifact that can't be read. The program
// itself makes no request of its own and waits for nothing.
//
// The program may be run several times, at once too; it keeps no state.
func Pipeline(p *spec.Pipeline, t *spec.Template, env Env) (pulumi.RunFunc, error) {
	if err := checkSecrets(p, env); err != nil {
		return nil, err
	}
	pl, err := newPlan(p, t, env)
	if err != nil {
		return nil, err
	}
	return pl.run, nil
}

// Config returns the stack's configuration for the default providers. Region
// and role are part of the stack, so that it is the same for everybody who
// deploys it; credentials and endpoints are not: they come by the environment.
//
// pulumi-aws v6 takes one object in assumeRole; the list assumeRoles came with
// v7 (https://github.com/pulumi/pulumi-aws/pull/5563). aws-native has the same
// name and form.
func Config(p *spec.Pipeline, env Env) map[string]string {
	region := regionOf(p, env)
	cfg := map[string]string{
		"aws:region":        region,
		"aws-native:region": region,
	}
	if p.AssumeRole != "" {
		// A map of two strings always marshals.
		role, _ := json.Marshal(map[string]string{
			"roleArn":     p.AssumeRole,
			"sessionName": sessionName(p),
		})
		cfg["aws:assumeRole"] = string(role)
		cfg["aws-native:assumeRole"] = string(role)
	}
	return cfg
}

// sessionName shows in CloudTrail who did it. STS allows 2 to 64 characters;
// the longest base name has 51.
func sessionName(p *spec.Pipeline) string { return p.BaseName() }

func regionOf(p *spec.Pipeline, env Env) string {
	if p.Region != "" {
		return p.Region
	}
	return env.Region
}

// run is the program.
func (p *plan) run(ctx *pulumi.Context) error {
	b, err := p.build(ctx)
	if err != nil {
		return err
	}
	for name, value := range b.exports {
		ctx.Export(name, value)
	}
	return nil
}

// build adds everything. Blocks come in the order of the registry, so what a
// block needs is there.
func (p *plan) build(ctx *pulumi.Context) (*build, error) {
	b := &build{plan: p, ctx: ctx, outputs: map[string]pulumi.Input{}, exports: pulumi.Map{}}
	region, err := b.checkRegion()
	if err != nil {
		return nil, err
	}
	if err := b.addTemplate(); err != nil {
		return nil, fault.Wrap(err, "keep the template")
	}
	ledger, err := b.addRevisions(region)
	if err != nil {
		return nil, err
	}
	if err := b.addSpec(ledger); err != nil {
		return nil, fault.Wrap(err, "keep the spec")
	}
	for _, blk := range p.blocks {
		b.block = blk.Name
		if err := blk.add(b); err != nil {
			return nil, fault.Wrap(err, "block %s", blk.Name)
		}
	}
	b.export("template", pulumi.String(p.tmpl.Name))
	b.export("templateVersion", pulumi.String(p.tmpl.Version))
	b.exportRevision()
	return b, nil
}
