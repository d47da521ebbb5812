// Package native owns the types of pulumi-aws-native that the program makes and whose
// package of its SDK nobody can afford to import: sagemaker's has 52,000 lines of types
// and takes minutes to compile (docs/decisions/0017). The types here are the few that are
// needed, under the tokens and names of the SDK; a test holds them against its source.
//
// It may import kinds and Pulumi's SDK.
package native

import (
	"errors"
	"reflect"

	awsnative "github.com/pulumi/pulumi-aws-native/sdk/go/aws"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
)

// Version is that of the SDK in go.mod: resources of one provider that ask for two
// versions of it would have two. A test holds it against the SDK's own.
const Version = "1.70.0"

// Endpoint is AWS::SageMaker::Endpoint: pulumi-aws' resource can neither keep what is live
// of a variant in an update nor be told to.
type Endpoint struct {
	pulumi.CustomResourceState

	EndpointArn        pulumi.StringOutput `pulumi:"endpointArn"`
	EndpointConfigName pulumi.StringOutput `pulumi:"endpointConfigName"`
	EndpointName       pulumi.StringOutput `pulumi:"endpointName"`
}

// EndpointArgs are its inputs.
type EndpointArgs struct {
	// DeploymentConfig says how an update takes over the traffic, as the Properties of a
	// DeploymentConfig; nil is all at once.
	DeploymentConfig   pulumi.Input
	EndpointConfigName pulumi.StringInput
	EndpointName       pulumi.StringInput
	// ExcludeRetainedVariantProperties are what the new configuration decides all the same.
	// It is a list of objects with a variantPropertyType: DesiredInstanceCount or DesiredWeight.
	ExcludeRetainedVariantProperties pulumi.Input
	// RetainAllVariantProperties keeps, of each variant that stays under its name, the
	// number of instances and the weight that it has when the update begins.
	RetainAllVariantProperties pulumi.BoolInput
	Tags                       awsnative.TagArrayInput
}

type endpointArgs struct {
	DeploymentConfig                 any             `pulumi:"deploymentConfig"`
	EndpointConfigName               string          `pulumi:"endpointConfigName"`
	EndpointName                     *string         `pulumi:"endpointName"`
	ExcludeRetainedVariantProperties any             `pulumi:"excludeRetainedVariantProperties"`
	RetainAllVariantProperties       *bool           `pulumi:"retainAllVariantProperties"`
	Tags                             []awsnative.Tag `pulumi:"tags"`
}

// ElementType implements pulumi.Input.
func (EndpointArgs) ElementType() reflect.Type { return reflect.TypeFor[endpointArgs]() }

// DeploymentConfig is how an update takes over the traffic of an endpoint: by a second
// fleet, or in batches; and the alarms that turn it back.
type DeploymentConfig struct {
	AutoRollbackConfiguration *AutoRollbackConfig    `pulumi:"autoRollbackConfiguration"`
	BlueGreenUpdatePolicy     *BlueGreenUpdatePolicy `pulumi:"blueGreenUpdatePolicy"`
	RollingUpdatePolicy       *RollingUpdatePolicy   `pulumi:"rollingUpdatePolicy"`
}

// Properties are its properties as the engine takes them.
func (d *DeploymentConfig) Properties() map[string]any {
	if d == nil {
		return nil
	}
	m, _ := properties(reflect.ValueOf(d)).(map[string]any) // of a struct it is one
	return m
}

func properties(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return properties(v.Elem())
	case reflect.Struct:
		m := map[string]any{}
		for i := range v.NumField() {
			if value := properties(v.Field(i)); value != nil {
				m[v.Type().Field(i).Tag.Get("pulumi")] = value
			}
		}
		return m
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = properties(v.Index(i))
		}
		return list
	default:
		return v.Interface()
	}
}

// AutoRollbackConfig are the alarms that turn an update back, at most ten.
type AutoRollbackConfig struct {
	Alarms []Alarm `pulumi:"alarms"`
}

// Alarm is an alarm by its name.
type Alarm struct {
	AlarmName string `pulumi:"alarmName"`
}

// BlueGreenUpdatePolicy is an update by a second fleet. Times are in seconds.
type BlueGreenUpdatePolicy struct {
	MaximumExecutionTimeoutInSeconds *int                 `pulumi:"maximumExecutionTimeoutInSeconds"`
	TerminationWaitInSeconds         *int                 `pulumi:"terminationWaitInSeconds"`
	TrafficRoutingConfiguration      TrafficRoutingConfig `pulumi:"trafficRoutingConfiguration"`
}

// TrafficRoutingConfig is how the traffic goes over to the second fleet.
type TrafficRoutingConfig struct {
	CanarySize            *CapacitySize `pulumi:"canarySize"`
	LinearStepSize        *CapacitySize `pulumi:"linearStepSize"`
	Type                  string        `pulumi:"type"`
	WaitIntervalInSeconds *int          `pulumi:"waitIntervalInSeconds"`
}

// CapacitySize is a part of a fleet: INSTANCE_COUNT or CAPACITY_PERCENT, and how many.
type CapacitySize struct {
	Type  string `pulumi:"type"`
	Value int    `pulumi:"value"`
}

// RollingUpdatePolicy is an update in batches. Times are in seconds.
type RollingUpdatePolicy struct {
	MaximumBatchSize                 CapacitySize  `pulumi:"maximumBatchSize"`
	MaximumExecutionTimeoutInSeconds *int          `pulumi:"maximumExecutionTimeoutInSeconds"`
	RollbackMaximumBatchSize         *CapacitySize `pulumi:"rollbackMaximumBatchSize"`
	WaitIntervalInSeconds            int           `pulumi:"waitIntervalInSeconds"`
}

// NewEndpoint asks the engine for an endpoint.
func NewEndpoint(ctx *pulumi.Context, name string, args *EndpointArgs, opts ...pulumi.ResourceOption) (*Endpoint, error) {
	if args == nil || args.EndpointConfigName == nil {
		return nil, errors.New("an endpoint needs a configuration")
	}
	opts = append([]pulumi.ResourceOption{pulumi.Version(Version), pulumi.ReplaceOnChanges([]string{"endpointName"})}, opts...)
	var endpoint Endpoint
	if err := ctx.RegisterResource(kinds.Endpoint, name, args, &endpoint, opts...); err != nil {
		return nil, err
	}
	return &endpoint, nil
}
