package program

import (
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sagemaker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// How long an endpoint may take. The provider waits until it serves, and a
// large image on a scarce machine takes its time.
const (
	endpointWait       = "60m"
	endpointDeleteWait = "30m"
)

// Defaults of an endpoint whose template has no parameter for them.
const (
	defaultInstanceType         = "ml.m5.large"
	defaultServerlessMemory     = 2048
	defaultServerlessConcurrent = 20
)

// endpointBlock makes the endpoint and its configuration. The configuration,
// like the model, is replaced and never changed, so its name is not fixed; the
// endpoint keeps its name and moves over without a gap.
func endpointBlock() block {
	return block{
		BlockInfo: BlockInfo{
			Name:  "endpoint",
			Title: "A SageMaker endpoint: instances, or serverless (endpointKind)",
			Needs: []string{"storage", "model"},
			Reads: []string{
				"endpointKind", "instanceType", "initialInstances", "serverlessMemoryMb", "serverlessMaxConcurrency",
				"provisionedConcurrency", "dataCapturePercent", "kmsMode", "volumeGb", "modelDownloadTimeoutSec",
				"containerStartupTimeoutSec", "logRetentionDays",
			},
			Provides: []string{"endpointName"},
			Exports:  []string{"endpointName"},
		},
		plan: planEndpoint,
		add:  addEndpoint,
	}
}

func planEndpoint(p *plan) fault.List {
	p.provide("endpointName", p.names.Endpoint)
	switch kind := p.text("endpointKind"); kind {
	case "", kindInstance, kindServerless:
		return nil
	default:
		return fault.List{fault.New(fault.Invalid, "block \"endpoint\" does not know the endpointKind %q", kind).
			WithHint("Use %s or %s.", kindInstance, kindServerless)}
	}
}

const (
	kindInstance   = "instance"
	kindServerless = "serverless"
)

func (p *plan) serverless() bool { return p.text("endpointKind") == kindServerless }

// capturing tells whether requests and answers are recorded in the bucket; a
// serverless endpoint can't.
func (p *plan) capturing() bool {
	return p.has("endpoint") && p.number("dataCapturePercent") > 0 && !p.serverless()
}

// ownDisks are the machine types whose storage is NVMe of their own: it is
// encrypted by the hardware, and SageMaker refuses a key for it.
// (sagemaker/latest/APIReference/API_CreateEndpointConfig.html, KmsKeyId)
var ownDisks = lazyregexp.New(`^ml\.(m5d|c5d|r5d|m6gd|c6gd|r6gd|g4dn|g5|g6|g6e|p4d|p4de|p5|p5e|p5en|trn1|trn1n|trn2|dl1)\.`)

func addEndpoint(b *build) error {
	args := &sagemaker.EndpointConfigurationArgs{
		ProductionVariants: sagemaker.EndpointConfigurationProductionVariantArray{b.variant()},
		Tags:               b.tags(),
	}
	if !b.serverless() && !ownDisks.MatchString(b.instanceType()) {
		args.KmsKeyArn = b.keyArn()
	}
	if b.capturing() {
		args.DataCaptureConfig = b.dataCapture()
	}
	config, err := sagemaker.NewEndpointConfiguration(b.ctx, b.names.Base+"-c", args)
	if err != nil {
		return err
	}
	// The log group comes first, like that of the function: one that SageMaker
	// makes by itself never expires and outlives the pipeline.
	logs, err := b.addLogGroup("endpoint-logs", b.names.EndpointLogs)
	if err != nil {
		return err
	}
	kind := kindInstance
	if b.serverless() {
		kind = kindServerless
	}
	endpoint, err := sagemaker.NewEndpoint(b.ctx, "endpoint", &sagemaker.EndpointArgs{
		Name:               pulumi.String(b.names.Endpoint),
		EndpointConfigName: config.Name,
		Tags:               b.tags(),
	}, pulumi.DependsOn([]pulumi.Resource{logs}),
		pulumi.Timeouts(&pulumi.CustomTimeouts{Create: endpointWait, Update: endpointWait, Delete: endpointDeleteWait}),
		// SageMaker refuses to make an endpoint with instances serverless: it has
		// to go first, since the new one has its name.
		// (sagemaker/latest/dg/serverless-endpoints.html)
		pulumi.ReplacementTrigger(pulumi.String(kind)), pulumi.DeleteBeforeReplace(true))
	if err != nil {
		return err
	}
	b.endpoint = endpoint
	b.output("endpointName", endpoint.Name)
	b.export("endpointName", endpoint.Name)
	return nil
}

func (p *plan) instanceType() string { return or(p.text("instanceType"), defaultInstanceType) }

// variant is the one production variant of the endpoint.
func (b *build) variant() *sagemaker.EndpointConfigurationProductionVariantArgs {
	v := &sagemaker.EndpointConfigurationProductionVariantArgs{
		VariantName:          pulumi.String(spec.Variant),
		ModelName:            b.sagemakerModel.Name,
		InitialVariantWeight: pulumi.Float64(1),
	}
	if b.serverless() {
		serverless := &sagemaker.EndpointConfigurationProductionVariantServerlessConfigArgs{
			MemorySizeInMb: pulumi.Int(b.numberOr("serverlessMemoryMb", defaultServerlessMemory)),
			MaxConcurrency: pulumi.Int(b.numberOr("serverlessMaxConcurrency", defaultServerlessConcurrent)),
		}
		if n := b.number("provisionedConcurrency"); n > 0 {
			serverless.ProvisionedConcurrency = pulumi.Int(n)
		}
		v.ServerlessConfig = serverless
		return v
	}
	v.InstanceType = pulumi.String(b.instanceType())
	v.InitialInstanceCount = pulumi.Int(b.numberOr("initialInstances", 1))
	v.VolumeSizeInGb = positive(b.number("volumeGb"))
	v.ModelDataDownloadTimeoutInSeconds = positive(b.number("modelDownloadTimeoutSec"))
	v.ContainerStartupHealthCheckTimeoutInSeconds = positive(b.number("containerStartupTimeoutSec"))
	return v
}

// dataCapture records a share of requests and answers.
func (b *build) dataCapture() *sagemaker.EndpointConfigurationDataCaptureConfigArgs {
	return &sagemaker.EndpointConfigurationDataCaptureConfigArgs{
		EnableCapture:             pulumi.Bool(true),
		InitialSamplingPercentage: pulumi.Int(b.number("dataCapturePercent")),
		DestinationS3Uri:          pulumi.Sprintf("s3://%s/%s", b.bucket.Bucket, strings.TrimSuffix(capturePrefix, "/")),
		KmsKeyId:                  b.keyArn(),
		CaptureOptions: sagemaker.EndpointConfigurationDataCaptureConfigCaptureOptionArray{
			&sagemaker.EndpointConfigurationDataCaptureConfigCaptureOptionArgs{CaptureMode: pulumi.String("Input")},
			&sagemaker.EndpointConfigurationDataCaptureConfigCaptureOptionArgs{CaptureMode: pulumi.String("Output")},
		},
	}
}

// positive is n, or not set if n is 0.
func positive(n int) pulumi.IntPtrInput {
	if n <= 0 {
		return nil
	}
	return pulumi.Int(n)
}
