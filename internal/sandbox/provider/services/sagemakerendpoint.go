package services

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
)

type endpointArgs struct {
	// The API shows a deployment configuration only after an update used it.
	DeploymentConfig   *deploymentConfig `pulumi:"deploymentConfig,local"`
	EndpointConfigName string            `pulumi:"endpointConfigName,required" check:"len=1..63;match=^[0-9A-Za-z](-*[0-9A-Za-z])*$"`
	Name               *string           `pulumi:"name,replace,computed" check:"len=1..63;match=^[0-9A-Za-z](-*[0-9A-Za-z])*$"`
	Tagged
}

// The structs below have their fields named as those of the SDK, for recast.

type deploymentConfig struct {
	AutoRollbackConfiguration *autoRollback  `pulumi:"autoRollbackConfiguration"`
	BlueGreenUpdatePolicy     *blueGreen     `pulumi:"blueGreenUpdatePolicy"`
	RollingUpdatePolicy       *rollingUpdate `pulumi:"rollingUpdatePolicy"`
}

type autoRollback struct {
	Alarms []rollbackAlarm `pulumi:"alarms,set" check:"items=0..10"`
}

type rollbackAlarm struct {
	AlarmName string `pulumi:"alarmName,required" check:"len=1..255"`
}

type blueGreen struct {
	MaximumExecutionTimeoutInSeconds *int           `pulumi:"maximumExecutionTimeoutInSeconds" check:"min=600;max=14400"`
	TerminationWaitInSeconds         *int           `pulumi:"terminationWaitInSeconds" default:"0" check:"min=0;max=3600"`
	TrafficRoutingConfiguration      trafficRouting `pulumi:"trafficRoutingConfiguration,required"`
}

type trafficRouting struct {
	CanarySize            *capacitySize `pulumi:"canarySize"`
	LinearStepSize        *capacitySize `pulumi:"linearStepSize"`
	Type                  string        `pulumi:"type,required" check:"enum=ALL_AT_ONCE|CANARY|LINEAR"`
	WaitIntervalInSeconds int           `pulumi:"waitIntervalInSeconds,required" check:"min=0;max=3600"`
}

type capacitySize struct {
	Type  string `pulumi:"type,required" check:"enum=INSTANCE_COUNT|CAPACITY_PERCENT"`
	Value int    `pulumi:"value,required" check:"min=1"`
}

type rollingUpdate struct {
	MaximumBatchSize                 capacitySize  `pulumi:"maximumBatchSize,required"`
	MaximumExecutionTimeoutInSeconds *int          `pulumi:"maximumExecutionTimeoutInSeconds" check:"min=600;max=28800"`
	RollbackMaximumBatchSize         *capacitySize `pulumi:"rollbackMaximumBatchSize"`
	WaitIntervalInSeconds            int           `pulumi:"waitIntervalInSeconds,required" check:"min=0;max=3600"`
}

type endpointState struct {
	endpointArgs
	Arn string `pulumi:"arn"`
	// Status is kept so that the next plan replaces an endpoint that failed.
	Status string `pulumi:"__status"`
}

func sagemakerEndpoint() Resource {
	return define(Def[endpointArgs, endpointState]{
		Type: "aws:sagemaker/endpoint:Endpoint", Title: "SageMaker Endpoint",
		Named: &Naming{Property: "name", Max: 63}, Slow: time.Hour,
		TaintedFn: func(o *endpointState) string { return brokenEndpoint(o.Status) },
		CreateFn:  createEndpoint, ReadFn: readEndpoint, UpdateFn: updateEndpoint, DeleteFn: deleteEndpoint,
	})
}

// brokenEndpoint is the property to blame if an endpoint in that status has to be replaced.
// One of which the way back failed as well (UpdateRollbackFailed) serves still, with both
// fleets: another update brings it back (docs/rollouts.md), and to replace it would be an
// outage.
func brokenEndpoint(status string) string {
	if types.EndpointStatus(status) == types.EndpointStatusFailed {
		return "endpointConfigName"
	}
	return ""
}

func createEndpoint(ctx context.Context, c *Call, in *endpointArgs) (string, error) {
	deployment, err := recast[*types.DeploymentConfig](in.DeploymentConfig)
	if err != nil {
		return "", err
	}
	if err := c.Propagated(ctx, func() error {
		_, err := c.SageMaker().CreateEndpoint(ctx, &sagemaker.CreateEndpointInput{
			EndpointName: in.Name, EndpointConfigName: aws.String(in.EndpointConfigName), DeploymentConfig: deployment,
			Tags: tagList(in.TagsAll, smTag),
		})
		return err
	}, "Could not assume role"); err != nil {
		return "", err
	}
	return *in.Name, waitEndpoint(ctx, c, *in.Name, in.EndpointConfigName)
}

// waitEndpoint waits until the endpoint is in service with the configuration.
// An empty configuration takes any.
// waitEndpoint waits until the endpoint serves with a configuration; without one, until it
// can be updated.
func waitEndpoint(ctx context.Context, c *Call, name, config string) error {
	return c.Wait(ctx, "SageMaker Endpoint "+name+" to be in service", func(ctx context.Context) (bool, error) {
		out, err := c.SageMaker().DescribeEndpoint(ctx, &sagemaker.DescribeEndpointInput{EndpointName: aws.String(name)})
		if err != nil {
			return false, err
		}
		switch out.EndpointStatus {
		case types.EndpointStatusInService:
			if got := deref(out.EndpointConfigName); config != "" && got != config {
				return false, fmt.Errorf("the rollout of %s was turned back, %s serves as before: %s", config, got, deref(out.FailureReason))
			}
			return true, nil
		case types.EndpointStatusFailed, types.EndpointStatusOutOfService, types.EndpointStatusUpdateRollbackFailed:
			if config == "" && out.EndpointStatus == types.EndpointStatusUpdateRollbackFailed {
				return true, nil
			}
			return false, fmt.Errorf("unexpected state '%s', wanted target 'InService'. last error: %s", out.EndpointStatus, deref(out.FailureReason))
		default:
			return false, nil
		}
	})
}

func readEndpoint(ctx context.Context, c *Call, id string, last *endpointState) (*endpointState, error) {
	out, err := c.SageMaker().DescribeEndpoint(ctx, &sagemaker.DescribeEndpointInput{EndpointName: aws.String(id)})
	if err != nil {
		return nil, noSageMaker(err)
	}
	if out.EndpointStatus == types.EndpointStatusDeleting {
		return nil, ErrGone
	}
	tags, err := sagemakerTags(ctx, c, out.EndpointArn, last.Tagged)
	if err != nil {
		return nil, err
	}
	return &endpointState{
		endpointArgs: endpointArgs{EndpointConfigName: deref(out.EndpointConfigName), Name: out.EndpointName, Tagged: tags},
		Arn:          deref(out.EndpointArn), Status: string(out.EndpointStatus),
	}, nil
}

func updateEndpoint(ctx context.Context, c *Call, id string, last *endpointState, in *endpointArgs) error {
	// An operation that was cut off may have left the endpoint on its way.
	if err := waitEndpoint(ctx, c, id, ""); err != nil {
		return err
	}
	if err := setSagemakerTags(ctx, c, last.Arn, last.TagsAll, in.TagsAll); err != nil {
		return err
	}
	if !c.Changed("endpointConfigName") {
		return nil
	}
	deployment, err := recast[*types.DeploymentConfig](in.DeploymentConfig)
	if err != nil {
		return err
	}
	if _, err := c.SageMaker().UpdateEndpoint(ctx, &sagemaker.UpdateEndpointInput{
		EndpointName: aws.String(id), EndpointConfigName: aws.String(in.EndpointConfigName), DeploymentConfig: deployment,
	}); err != nil {
		return err
	}
	return waitEndpoint(ctx, c, id, in.EndpointConfigName)
}

func deleteEndpoint(ctx context.Context, c *Call, id string, _ *endpointState) error {
	return deleteEndpointNamed(ctx, c, id)
}

func deleteEndpointNamed(ctx context.Context, c *Call, id string) error {
	name := aws.String(id)
	err := c.Wait(ctx, "SageMaker Endpoint "+id+" to become deletable", func(ctx context.Context) (bool, error) {
		_, err := c.SageMaker().DeleteEndpoint(ctx, &sagemaker.DeleteEndpointInput{EndpointName: name})
		// SageMaker refuses while the endpoint is being created or updated.
		if isCode(err, "ValidationException") && strings.Contains(message(err), "in-progress") {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return noSageMaker(err)
	}
	return c.Wait(ctx, "SageMaker Endpoint "+id+" to be deleted", func(ctx context.Context) (bool, error) {
		_, err := c.SageMaker().DescribeEndpoint(ctx, &sagemaker.DescribeEndpointInput{EndpointName: name})
		if noSageMaker(err) == ErrGone { //nolint:errorlint // made right here
			return true, nil
		}
		return false, err
	})
}
