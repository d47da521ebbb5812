package program

import (
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sagemaker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/revisions"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// modelBlock makes the SageMaker model: image, weights, role. A model can't be
// changed, only replaced, and the one in use has to stay until the endpoint has
// moved over. So its name is not fixed: the engine adds random digits to the
// resource's name, which therefore begins with the pipeline's.
func modelBlock() block {
	return block{
		BlockInfo: BlockInfo{
			Name:     "model",
			Title:    "A SageMaker model: image, weights and role",
			Requires: []string{"image"},
			Reads: []string{
				"image", "modelDataUrl", "modelEnvironment", "networkIsolation", "subnets", "securityGroups",
				"dataCapturePercent", "kmsMode",
			},
			Provides: []string{"modelName"},
			Exports:  []string{"modelName"},
		},
		plan: planModel,
		add:  addModel,
	}
}

func planModel(p *plan) fault.List {
	data, err := p.readModelData()
	if err != nil {
		return fault.List{err}
	}
	p.model = data
	p.provide("modelName", p.modelResource()+"-0000000")
	p.grant(sagemakerRole, p.modelGrants()...)
	return nil
}

// modelResource is the name of the model's resource: with the engine's digits
// behind it at most 61 of the 63 characters that SageMaker allows.
func (p *plan) modelResource() string { return p.names.Base + "-m" }

// modelGrants are the rights of the model's container.
// (sagemaker/latest/dg/sagemaker-roles.html, "CreateModel API: Execution Role
// Permissions", narrowed to this pipeline.)
func (p *plan) modelGrants() []statement {
	grants := []statement{
		allow("Logs", oneOrMany{"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"},
			oneOrMany{p.arn("logs", "log-group:/aws/sagemaker/*")}),
		allow("Metrics", oneOrMany{"cloudwatch:PutMetricData"}, anything).
			when("StringLike", "cloudwatch:namespace", "/aws/sagemaker/*", "AWS/SageMaker", "aws/sagemaker/*"),
	}
	grants = append(grants, p.modelDataGrants()...)
	grants = append(grants, p.imageGrants(p.text("image"))...)
	if p.capturing() {
		grants = append(grants, allow("DataCapture", oneOrMany{"s3:PutObject"}, oneOrMany{p.names.BucketARN + "/" + capturePrefix + "*"}))
	}
	if p.ownKey() {
		grants = append(grants, keyStatement(),
			allow("PipelineKeyVolumeGrants", oneOrMany{"kms:CreateGrant"}, oneOrMany{keyARN}).
				when("Bool", "kms:GrantIsForAWSResource", "true"))
	}
	if len(p.list("subnets")) > 0 {
		grants = append(grants, allow("Vpc", oneOrMany{
			"ec2:CreateNetworkInterface", "ec2:CreateNetworkInterfacePermission", "ec2:DeleteNetworkInterface",
			"ec2:DeleteNetworkInterfacePermission", "ec2:DescribeNetworkInterfaces", "ec2:DescribeVpcs",
			"ec2:DescribeDhcpOptions", "ec2:DescribeSubnets", "ec2:DescribeSecurityGroups",
		}, anything))
	}
	return grants
}

func addModel(b *build) error {
	role, policy, err := b.addRole(sagemakerRole, b.names.SageMakerRole)
	if err != nil {
		return err
	}
	before := []pulumi.Resource{policy}
	container, uploaded, err := b.container()
	if err != nil {
		return err
	}
	before = append(before, uploaded...)
	tags := b.tags()
	opts := []pulumi.ResourceOption{pulumi.DependsOn(before)}
	if b.model != nil && b.model.local == "" {
		tags, opts = b.modelIdentity(tags, opts)
	}
	args := &sagemaker.ModelArgs{
		ExecutionRoleArn:       role.Arn,
		EnableNetworkIsolation: pulumi.Bool(b.on("networkIsolation")),
		PrimaryContainer:       container,
		Tags:                   tags,
	}
	if subnets := b.list("subnets"); len(subnets) > 0 {
		args.VpcConfig = &sagemaker.ModelVpcConfigArgs{
			Subnets:          pulumi.ToStringArray(subnets),
			SecurityGroupIds: pulumi.ToStringArray(b.list("securityGroups")),
		}
	}
	model, err := sagemaker.NewModel(b.ctx, b.modelResource(), args, opts...)
	if err != nil {
		return err
	}
	b.sagemakerModel = model
	b.output("modelName", model.Name)
	b.export("modelName", model.Name)
	return nil
}

// identityTag is the tag that says which content of the model's object was deployed.
const identityTag = "pipelinetui:model-data"

// modelIdentity makes what lies at the model's URL a part of the model: SageMaker
// takes a URL and no version, and reads it whenever an instance starts. So an object
// that was overwritten makes a new model, to which the endpoint moves over, instead
// of serving it by chance after the next scaling. The tag shows it in a diff.
func (b *build) modelIdentity(tags pulumi.StringMap, opts []pulumi.ResourceOption) (pulumi.StringMap, []pulumi.ResourceOption) {
	path := []string{`tags["` + identityTag + `"]`}
	if b.model.identity == "" {
		return tags, append(opts, pulumi.IgnoreChanges(path))
	}
	tags[identityTag] = pulumi.String(b.model.identity)
	return tags, append(opts, pulumi.ReplaceOnChanges(path))
}

// container is the one container of the model, with the upload it waits for.
func (b *build) container() (*sagemaker.ModelPrimaryContainerArgs, []pulumi.Resource, error) {
	c := &sagemaker.ModelPrimaryContainerArgs{
		Image: pulumi.String(revisions.Pinned(b.text("image"), b.imageDigest())),
		Mode:  pulumi.String("SingleModel"),
	}
	if env := b.environment("modelEnvironment"); len(env) > 0 {
		c.Environment = env
		if b.secrets[spec.SecretPath{Parameter: "modelEnvironment"}] { // the names too
			c.Environment = pulumi.ToSecret(env.ToStringMapOutput()).(pulumi.StringMapOutput)
		}
	}
	switch {
	case b.model == nil:
		return c, nil, nil
	case b.model.prefix():
		c.ModelDataSource = &sagemaker.ModelPrimaryContainerModelDataSourceArgs{
			S3DataSources: sagemaker.ModelPrimaryContainerModelDataSourceS3DataSourceArray{
				&sagemaker.ModelPrimaryContainerModelDataSourceS3DataSourceArgs{
					S3Uri:           pulumi.String(b.model.url),
					S3DataType:      pulumi.String("S3Prefix"),
					CompressionType: pulumi.String("None"),
				},
			},
		}
		return c, nil, nil
	}
	c.ModelDataUrl = pulumi.String(b.model.url)
	if b.model.local == "" {
		return c, nil, nil
	}
	object, err := b.addObject("artifact", b.model.key, b.model.local)
	return c, []pulumi.Resource{object}, err
}
