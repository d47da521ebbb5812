package program

import (
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/sagemaker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/program/native"
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
				"containerStartupTimeoutSec", "logRetentionDays", "alarms",
				"rollout.strategy", "rollout.size", "rollout.interval", "rollout.bake", "rollout.timeout", "rollout.alarms",
				"thresholds.endpoint5xx", "thresholds.endpoint4xx", "thresholds.modelErrors", "thresholds.latencyP99Ms",
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
		return planRollout(p)
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
	fleet, err := b.addFleet()
	if err != nil {
		return err
	}
	var alarms []pulumi.Resource // what is watched has to be there
	for _, a := range b.endpointAlarms() {
		made, err := b.addAlarm(a)
		if err != nil {
			return err
		}
		alarms = append(alarms, made)
	}
	endpoint, err := native.NewEndpoint(b.ctx, "endpoint", &native.EndpointArgs{
		EndpointName:       pulumi.String(b.names.Endpoint),
		EndpointConfigName: config.Name,
		// Autoscaling, or somebody, has made of the number of instances what the load
		// wants: an update would set it to that of the configuration.
		// (sagemaker/latest/APIReference/API_UpdateEndpoint.html)
		RetainAllVariantProperties:       pulumi.Bool(true),
		DeploymentConfig:                 b.deploymentFor(config.Name),
		ExcludeRetainedVariantProperties: b.excluded(config.Name),
		Tags:                             b.nativeTags(),
	}, pulumi.DependsOn(append(alarms, logs, fleet)),
		// aws-native does not keep to them, and waits as long as Cloud Control does.
		pulumi.Timeouts(&pulumi.CustomTimeouts{Create: endpointWait, Update: endpointWait, Delete: endpointDeleteWait}),
		// SageMaker refuses to make an endpoint with instances serverless: it has
		// to go first, since the new one has its name.
		// (sagemaker/latest/dg/serverless-endpoints.html)
		pulumi.ReplacementTrigger(pulumi.String(kind)), pulumi.DeleteBeforeReplace(true))
	if err != nil {
		return err
	}
	b.endpoint = endpoint
	b.output("endpointName", endpoint.EndpointName)
	b.export("endpointName", endpoint.EndpointName)
	return nil
}

// FleetResource is the name of the resource that stands for what the instances of the
// endpoint are: a pulumi:index:Stash, which is nothing in AWS.
const FleetResource = "fleet"

// addFleet makes autoscaling let go of the endpoint while its machines become others.
// SageMaker refuses to change the type of a variant that autoscaling has registered.
// (sagemaker/latest/dg/endpoint-scaling-update.html) The engine deletes what is made of
// something that it deletes: so the target is made of this, which is deleted before it is
// made anew for other machines, and the endpoint waits for it. Interrupted in between,
// target and policy are not in the state, and the next update makes them.
func (b *build) addFleet() (*pulumi.Stash, error) {
	machines := kindServerless
	if !b.serverless() {
		machines = b.instanceType()
	}
	fleet, err := pulumi.NewStash(b.ctx, FleetResource, &pulumi.StashArgs{Input: pulumi.String(spec.Variant)},
		pulumi.ReplacementTrigger(pulumi.String(machines)), pulumi.DeleteBeforeReplace(true))
	if err != nil {
		return nil, err
	}
	b.fleet = fleet
	return fleet, nil
}

// excluded are the properties of the variant that the new configuration decides. The
// number of instances is one of them if it was asked for: initialInstances is another
// than that of the configuration which the endpoint has, and there is no autoscaling to
// know better. Otherwise it stays what it was at the last update, so that nothing changes
// of an endpoint whose configuration does not.
func (b *build) excluded(config pulumi.StringOutput) pulumi.Input {
	now := b.env.Endpoint
	if b.serverless() || now == nil || now.Config == "" {
		return nil
	}
	asked := SetsInstances(b.pipe, now) > 0
	if !asked && !now.Excluded {
		return nil
	}
	return config.ApplyT(func(name string) any {
		if name == now.Config && now.Excluded || name != now.Config && asked {
			return []any{map[string]any{"variantPropertyType": instanceCount}}
		}
		return nil
	})
}

// SetsInstances is the number of instances that an update sets, 0 if it keeps what there
// are: with autoscaling, or if initialInstances is what it was.
func SetsInstances(p *spec.Pipeline, now *EndpointNow) int {
	number := func(name string) int {
		if p.Parameters.Has(name) {
			return p.Parameters.Int(name)
		}
		return 1
	}
	initial := number("initialInstances")
	if now == nil || now.InitialInstances == 0 || initial == now.InitialInstances || number("maxInstances") > number("minInstances") {
		return 0
	}
	return initial
}

// instanceCount is SageMaker's name of the number of instances as a property of a variant.
const instanceCount = "DesiredInstanceCount"

// EndpointNow is what a stack records of the endpoint before an update.
type EndpointNow struct {
	// Config is the name of its configuration.
	Config string
	// InitialInstances is the number of instances in it.
	InitialInstances int
	// Deployment is how the last update was to take over, as the state has it.
	Deployment map[string]any
	// Excluded is set if the last update set the number of instances to that.
	Excluded bool
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
