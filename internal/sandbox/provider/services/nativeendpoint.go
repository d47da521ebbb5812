package services

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/provider/schema"
)

// nativeEndpointArgs are the properties of AWS::SageMaker::Endpoint, which aws-native
// takes over. Those about updates are written only: DescribeEndpoint does not tell them.
type nativeEndpointArgs struct {
	DeploymentConfig   *nativeDeployment `pulumi:"deploymentConfig,local"`
	EndpointConfigName string            `pulumi:"endpointConfigName,required" check:"len=1..64;match=^[0-9A-Za-z](-*[0-9A-Za-z])*$"`
	EndpointName       *string           `pulumi:"endpointName,replace,computed" check:"len=1..64;match=^[0-9A-Za-z](-*[0-9A-Za-z])*$"`
	Exclude            []variantProperty `pulumi:"excludeRetainedVariantProperties,local" check:"items=0..3"`
	RetainAll          *bool             `pulumi:"retainAllVariantProperties,local"`
	Tags               []machineTag      `pulumi:"tags,set"`
}

// The structs below have their fields named as those of the SDK, for recast. They differ
// from those of pulumi-aws in what is required.

type variantProperty struct {
	VariantPropertyType *string `pulumi:"variantPropertyType" check:"enum=DesiredInstanceCount|DesiredWeight|DataCaptureConfig"`
}

type nativeDeployment struct {
	AutoRollbackConfiguration *nativeRollback  `pulumi:"autoRollbackConfiguration"`
	BlueGreenUpdatePolicy     *nativeBlueGreen `pulumi:"blueGreenUpdatePolicy"`
	RollingUpdatePolicy       *rollingUpdate   `pulumi:"rollingUpdatePolicy"`
}

type nativeRollback struct {
	Alarms []rollbackAlarm `pulumi:"alarms,set" check:"items=0..10"`
}

type nativeBlueGreen struct {
	MaximumExecutionTimeoutInSeconds *int          `pulumi:"maximumExecutionTimeoutInSeconds" check:"min=600;max=28800"`
	TerminationWaitInSeconds         *int          `pulumi:"terminationWaitInSeconds" check:"min=0;max=3600"`
	TrafficRoutingConfiguration      nativeRouting `pulumi:"trafficRoutingConfiguration,required"`
}

type nativeRouting struct {
	CanarySize            *capacitySize `pulumi:"canarySize"`
	LinearStepSize        *capacitySize `pulumi:"linearStepSize"`
	Type                  string        `pulumi:"type,required" check:"enum=ALL_AT_ONCE|CANARY|LINEAR"`
	WaitIntervalInSeconds *int          `pulumi:"waitIntervalInSeconds" check:"min=0;max=3600"`
}

type nativeEndpointState struct {
	nativeEndpointArgs
	Arn string `pulumi:"endpointArn"`
	// Status is kept so that the next plan replaces an endpoint that failed.
	Status string `pulumi:"__status"`
}

// rolloutTime is how long an update may take: Cloud Control gives the handler 970 minutes.
const rolloutTime = 970 * time.Minute

func nativeEndpoint() Resource {
	return define(Def[nativeEndpointArgs, nativeEndpointState]{
		Type: "aws-native:sagemaker:Endpoint", Title: "SageMaker Endpoint",
		Named: &Naming{Property: "endpointName", Max: 63}, Slow: rolloutTime,
		CheckFn: func(in *nativeEndpointArgs, _ func(string) bool) []schema.Failure {
			if len(in.Exclude) > 0 && !deref(in.RetainAll) {
				return []schema.Failure{{Property: "excludeRetainedVariantProperties", Reason: "needs retainAllVariantProperties"}}
			}
			return nil
		},
		TaintedFn: func(o *nativeEndpointState) string { return brokenEndpoint(o.Status) },
		CreateFn:  createNativeEndpoint, ReadFn: readNativeEndpoint, UpdateFn: updateNativeEndpoint,
		DeleteFn: func(ctx context.Context, c *Call, _ string, last *nativeEndpointState) error {
			return deleteEndpointNamed(ctx, c, deref(last.EndpointName))
		},
		ImportFn: func(_ context.Context, _ *Call, id string, o *nativeEndpointState) (string, error) {
			_, name, _ := cutLast(id, "/")
			o.EndpointName = &name
			return id, nil
		},
	})
}

func (in *nativeEndpointArgs) tags() map[string]string {
	return (&machineArgs{Tags: in.Tags}).tags()
}

func createNativeEndpoint(ctx context.Context, c *Call, in *nativeEndpointArgs) (string, error) {
	// A deployment is about what there was before: CreateEndpoint takes it, and has no use
	// for it but the alarms.
	deployment, err := recast[*types.DeploymentConfig](in.DeploymentConfig)
	if err != nil {
		return "", err
	}
	var arn string
	if err := c.Propagated(ctx, func() error {
		out, err := c.SageMaker().CreateEndpoint(ctx, &sagemaker.CreateEndpointInput{
			EndpointName: in.EndpointName, EndpointConfigName: aws.String(in.EndpointConfigName), DeploymentConfig: deployment,
			Tags: tagList(in.tags(), smTag),
		})
		if err == nil {
			arn = deref(out.EndpointArn)
		}
		return err
	}, "Could not assume role"); err != nil {
		return "", err
	}
	return arn, waitEndpoint(ctx, c, *in.EndpointName, in.EndpointConfigName)
}

func readNativeEndpoint(ctx context.Context, c *Call, id string, last *nativeEndpointState) (*nativeEndpointState, error) {
	name := deref(last.EndpointName)
	if name == "" {
		_, name, _ = cutLast(id, "/")
	}
	out, err := c.SageMaker().DescribeEndpoint(ctx, &sagemaker.DescribeEndpointInput{EndpointName: &name})
	if err != nil {
		return nil, noSageMaker(err)
	}
	if out.EndpointStatus == types.EndpointStatusDeleting {
		return nil, ErrGone
	}
	tags, err := sagemakerTags(ctx, c, out.EndpointArn, Tagged{})
	if err != nil {
		return nil, err
	}
	s := &nativeEndpointState{
		nativeEndpointArgs: nativeEndpointArgs{EndpointConfigName: deref(out.EndpointConfigName), EndpointName: out.EndpointName},
		Arn:                deref(out.EndpointArn), Status: string(out.EndpointStatus),
	}
	for _, k := range slices.Sorted(maps.Keys(tags.TagsAll)) {
		s.Tags = append(s.Tags, machineTag{Key: k, Value: tags.TagsAll[k]})
	}
	return s, nil
}

// updateNativeEndpoint gives the endpoint another configuration. What is said of how
// updates are done changes nothing by itself.
func updateNativeEndpoint(ctx context.Context, c *Call, _ string, last *nativeEndpointState, in *nativeEndpointArgs) error {
	name := deref(last.EndpointName)
	// An operation that was cut off may have left the endpoint on its way.
	if err := waitEndpoint(ctx, c, name, ""); err != nil {
		return err
	}
	if err := setSagemakerTags(ctx, c, last.Arn, last.tags(), in.tags()); err != nil {
		return err
	}
	if !c.Changed("endpointConfigName") {
		return nil
	}
	req := &sagemaker.UpdateEndpointInput{
		EndpointName: &name, EndpointConfigName: aws.String(in.EndpointConfigName), RetainAllVariantProperties: in.RetainAll,
	}
	var err error
	if req.DeploymentConfig, err = recast[*types.DeploymentConfig](in.DeploymentConfig); err != nil {
		return err
	}
	for _, p := range in.Exclude {
		req.ExcludeRetainedVariantProperties = append(req.ExcludeRetainedVariantProperties,
			types.VariantProperty{VariantPropertyType: types.VariantPropertyType(deref(p.VariantPropertyType))})
	}
	if _, err := c.SageMaker().UpdateEndpoint(ctx, req); err != nil {
		return err
	}
	return waitEndpoint(ctx, c, name, in.EndpointConfigName)
}
