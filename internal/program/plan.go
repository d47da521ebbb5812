package program

import (
	"strings"

	awsnative "github.com/pulumi/pulumi-aws-native/sdk/go/aws"
	nsfn "github.com/pulumi/pulumi-aws-native/sdk/go/aws/stepfunctions"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/kms"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lambda"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/s3"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sagemaker"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sqs"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/program/native"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// plan is all about one pipeline that is known before the engine starts. It is
// read-only once newPlan has returned.
type plan struct {
	pipe   *spec.Pipeline
	tmpl   *spec.Template
	env    Env
	names  spec.Names
	blocks []block

	// document is the spec that is kept with the stack.
	document any
	// values are the pipeline's parameters, with those that it refers to filled in.
	values spec.Values
	// secrets are what is to be kept from readers: parameters, and entries of some.
	secrets map[spec.SecretPath]bool
	// grants are the statements of each service role's policy.
	grants map[role][]statement
	// expected are the values that definitions may use, as they will be.
	expected map[string]any
	code     *codePackage
	// invokerCode is the code of the invoker function.
	invokerCode *codePackage
	// notifierCode is the code of the function that tells of failures.
	notifierCode *codePackage
	// maps is whether the definition has distributed Maps: an execution is a batch.
	maps  bool
	model *modelData
	// rollout is how the endpoint moves over to another configuration.
	rollout spec.Rollout
	// copies are what the bucket keeps of local artifacts.
	copies     []Copy
	definition *definition
}

// build is one run of a plan in the engine: what the blocks so far have made,
// for those that come after. A field is nil if its block was not asked for.
type build struct {
	*plan
	ctx *pulumi.Context
	// outputs are the values that definitions may use and that a resource
	// gives; what isn't here is in plan.expected.
	outputs map[string]pulumi.Input
	exports pulumi.Map
	block   string    // being built
	planned []Planned // so far, in order
	made    []pulumi.Resource
	// revision is the number of the revision that is made, 0 if none is kept.
	revision int

	key            *kms.Key
	bucket         *s3.BucketV2
	bucketReady    []pulumi.Resource // encryption and ownership: before any object
	dlq            *sqs.Queue
	topic          pulumi.StringInput // of notices
	function       *lambda.Alias
	invoker        *lambda.Alias
	sagemakerModel *sagemaker.Model
	fleet          *pulumi.Stash
	endpoint       *native.Endpoint
	machine        *nsfn.StateMachine
}

func newPlan(p *spec.Pipeline, t *spec.Template, env Env) (*plan, error) {
	if p == nil || t == nil {
		return nil, fault.New(fault.Internal, "a program needs a pipeline and its template")
	}
	var errs fault.List
	env.Region = regionOf(p, env)
	partition, _ := spec.Partition(env.Region)
	if env.Partition == "" {
		env.Partition = partition
	}
	if partition == "" {
		errs = append(errs, fault.New(fault.Invalid, "region %q of pipeline %s is not an AWS region", env.Region, p.ID).
			WithHint("Name a region such as us-east-1."))
	}
	if !accountRule.MatchString(env.Account) {
		errs = append(errs, fault.New(fault.Invalid, "account id %q does not have 12 digits", env.Account).
			WithHint("Check the credentials with pipelinetui doctor."))
	}
	if len(errs) > 0 {
		return nil, errs
	}
	pl := &plan{
		pipe: p, tmpl: t, env: env, names: p.Names(env.Account),
		grants: map[role][]statement{}, expected: map[string]any{},
	}
	blocks, errs := selectBlocks(t.Blocks)
	pl.blocks = blocks
	errs = append(errs, pl.coverSecrets()...)
	pl.provideParameters()
	errs = append(errs, pl.readDocument()...)
	errs = append(errs, pl.readDefinition()...)
	if len(errs) > 0 {
		return nil, errs
	}
	for _, b := range blocks {
		for _, name := range b.Requires {
			if _, ok := p.Parameters[name]; !ok && p.Files[name] == "" {
				errs = append(errs, fault.New(fault.Invalid, "pipeline %s has no %s, which block %q needs", p.ID, name, b.Name).
					WithHint("Set it with --set %s=... or in the spec.", name))
			}
		}
	}
	if len(errs) > 0 {
		return nil, errs
	}
	for _, b := range blocks {
		errs = append(errs, b.plan(pl)...)
	}
	pl.planCopies()
	pl.provide("modelDigest", pl.modelDigest())
	pl.provide("codeDigest", pl.codeDigest())
	if errs = append(errs, pl.checkDefinition()...); len(errs) == 0 && pl.has("workflow") {
		errs = append(errs, pl.grantDefinition()...)
	}
	if err := errs.OrNil(); err != nil {
		return nil, err
	}
	return pl, nil
}

// provideParameters offers what every definition may use.
func (p *plan) provideParameters() {
	for name, value := range p.values {
		p.expected[name] = value
	}
	p.expected["accountId"] = p.env.Account
	p.expected["name"] = p.names.Base
	p.expected["partition"] = p.env.Partition
	p.expected["region"] = p.env.Region
	p.expected["revision"] = 0 // known when the stack is held: see addRevisions
}

// provide offers a value to the definition: what it will be, as far as that is
// known before it exists.
func (p *plan) provide(name string, value any) { p.expected[name] = value }

// grant gives a service role rights.
func (p *plan) grant(r role, statements ...statement) {
	p.grants[r] = append(p.grants[r], statements...)
}

// arn is an ARN in the pipeline's region and account.
func (p *plan) arn(service, resource string) string {
	return strings.Join([]string{"arn", p.env.Partition, service, p.env.Region, p.env.Account, resource}, ":")
}

// has tells whether the template lists a block.
func (p *plan) has(name string) bool {
	for _, b := range p.blocks {
		if b.Name == name {
			return true
		}
	}
	return false
}

func (p *plan) text(name string) string            { return p.values.String(name) }
func (p *plan) number(name string) int             { return p.values.Int(name) }
func (p *plan) on(name string) bool                { return p.values.Bool(name) }
func (p *plan) list(name string) []string          { return p.values.Strings(name) }
func (p *plan) dict(name string) map[string]string { return p.values.Map(name) }

// numberOr is the value of an int parameter, or another if it has none.
func (p *plan) numberOr(name string, otherwise int) int {
	if p.values.Has(name) {
		return p.number(name)
	}
	return otherwise
}

// onOr is the value of a bool parameter, or another if it has none.
func (p *plan) onOr(name string, otherwise bool) bool {
	if p.values.Has(name) {
		return p.on(name)
	}
	return otherwise
}

// The options that more than one block looks at.

func (p *plan) ownKey() bool      { return p.has("encryption") && p.text("kmsMode") == "customer" }
func (p *plan) deadLetters() bool { return p.has("deadletter") && p.on("deadLetter") }
func (p *plan) tracing() bool     { return p.on("tracing") }

// logRetention is how long logs are kept, in days; 0 is for ever.
func (p *plan) logRetention() int { return p.numberOr("logRetentionDays", 30) }

// keyStatement lets a role use the pipeline's own key.
func keyStatement() statement {
	return allow("PipelineKey", oneOrMany{"kms:Decrypt", "kms:GenerateDataKey"}, oneOrMany{keyARN})
}

// tags are the tags of a resource of pulumi-aws.
func (b *build) tags() pulumi.StringMap {
	tags := pulumi.StringMap{}
	for k, v := range b.pipe.AllTags() {
		tags[k] = pulumi.String(v)
	}
	return tags
}

// nativeTags are the same in the list form of aws-native, in a fixed order.
func (b *build) nativeTags() awsnative.TagArray {
	all := spec.Values{}
	for k, v := range b.pipe.AllTags() {
		all[k] = v
	}
	var tags awsnative.TagArray
	for _, k := range all.Names() {
		tags = append(tags, &awsnative.TagArgs{Key: pulumi.String(k), Value: pulumi.String(all.String(k))})
	}
	return tags
}

// keyArn is the ARN of the pipeline's own key, or nil.
func (b *build) keyArn() pulumi.StringPtrInput {
	if b.key == nil {
		return nil
	}
	return b.key.Arn
}

// output offers the value of a resource to the definition.
func (b *build) output(name string, value pulumi.Input) { b.outputs[name] = value }

// export makes a stack output.
func (b *build) export(name string, value pulumi.Input) { b.exports[name] = value }
