package program

import (
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/appautoscaling"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// How long autoscaling waits after a step, in seconds: quick to grow, slow to
// shrink, since an instance takes minutes to start.
const (
	scaleInCooldown  = 300
	scaleOutCooldown = 60
)

// defaultInvocations is the load of one instance, in calls a minute, that
// autoscaling aims at.
const defaultInvocations = 100

// scalingBlock lets the number of instances follow the load, if maxInstances is
// more than minInstances. A serverless endpoint scales by itself.
func scalingBlock() block {
	return block{
		BlockInfo: BlockInfo{
			Name:  "scaling",
			Title: "Autoscaling of the endpoint (maxInstances above minInstances)",
			Needs: []string{"endpoint"},
			Reads: []string{"endpointKind", "minInstances", "maxInstances", "targetInvocationsPerInstance"},
		},
		plan: func(*plan) fault.List { return nil },
		add:  addScaling,
	}
}

// scales tells whether autoscaling was asked for.
func (p *plan) scales() bool {
	return !p.serverless() && p.numberOr("maxInstances", 1) > p.numberOr("minInstances", 1)
}

func addScaling(b *build) error {
	if !b.scales() {
		return nil
	}
	target, err := appautoscaling.NewTarget(b.ctx, "scale", &appautoscaling.TargetArgs{
		ServiceNamespace:  pulumi.String("sagemaker"),
		ScalableDimension: pulumi.String("sagemaker:variant:DesiredInstanceCount"),
		// Of the fleet, so that it goes before another fleet comes; see addFleet.
		ResourceId:  pulumi.Sprintf("endpoint/%s/variant/%v", b.endpoint.EndpointName, b.fleet.Output),
		MinCapacity: pulumi.Int(b.numberOr("minInstances", 1)),
		MaxCapacity: pulumi.Int(b.numberOr("maxInstances", 1)),
		Tags:        b.tags(),
		// An endpoint's name is known before it exists, and only an endpoint
		// in service can be registered.
	}, pulumi.DependsOn([]pulumi.Resource{b.endpoint}), pulumi.DeleteBeforeReplace(true)) // its id stays the same
	if err != nil {
		return err
	}
	aim := b.values.Float("targetInvocationsPerInstance")
	if aim <= 0 {
		aim = defaultInvocations
	}
	_, err = appautoscaling.NewPolicy(b.ctx, "scale-policy", &appautoscaling.PolicyArgs{
		Name:              pulumi.String(b.names.ScalingPolicy),
		PolicyType:        pulumi.String("TargetTrackingScaling"),
		ServiceNamespace:  target.ServiceNamespace,
		ScalableDimension: target.ScalableDimension,
		ResourceId:        target.ResourceId,
		TargetTrackingScalingPolicyConfiguration: &appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationArgs{
			TargetValue:      pulumi.Float64(aim),
			ScaleInCooldown:  pulumi.Int(scaleInCooldown),
			ScaleOutCooldown: pulumi.Int(scaleOutCooldown),
			PredefinedMetricSpecification: &appautoscaling.PolicyTargetTrackingScalingPolicyConfigurationPredefinedMetricSpecificationArgs{
				PredefinedMetricType: pulumi.String("SageMakerVariantInvocationsPerInstance"),
			},
		},
	}, pulumi.DeleteBeforeReplace(true))
	return err
}
