package autoscaling_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/sagemaker"
	smtypes "github.com/aws/aws-sdk-go-v2/service/sagemaker/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/autoscaling"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const dimension = types.ScalableDimensionSageMakerVariantDesiredInstanceCount

// register adds the service, and a SageMaker of which endpoints tells the states.
func register(t *testing.T, w *iamtest.World, endpoints map[string]smtypes.EndpointStatus) *sdk.Client {
	t.Helper()
	s, err := autoscaling.New(autoscaling.Config{DB: w.DB, Clock: w.Clock})
	require.NoError(t, err)
	s.Register(w.Router)
	w.Router.Register(wire.Service{ID: "sagemaker", Scope: "sagemaker", Target: "SageMaker", Protocol: wire.JSON11})
	wire.Handle(w.Router, "sagemaker", "DescribeEndpoint",
		func(ctx context.Context, req *wire.Request, in *sagemaker.DescribeEndpointInput) (*sagemaker.DescribeEndpointOutput, error) {
			if err := req.Authorize(ctx, "sagemaker:DescribeEndpoint", "arn:aws:sagemaker:us-east-1:000000000000:endpoint/"+*in.EndpointName, nil); err != nil {
				return nil, err
			}
			status, ok := endpoints[*in.EndpointName]
			if !ok {
				return nil, wire.Errorf(400, "ValidationException", "Could not find endpoint %q.", *in.EndpointName)
			}
			return &sagemaker.DescribeEndpointOutput{EndpointStatus: status, ProductionVariants: []smtypes.ProductionVariantSummary{{VariantName: aws.String("v")}}}, nil
		}, wire.Access{})
	return sdk.NewFromConfig(w.Admin())
}

func target(id string) *sdk.RegisterScalableTargetInput {
	return &sdk.RegisterScalableTargetInput{
		ServiceNamespace: types.ServiceNamespaceSagemaker, ScalableDimension: dimension, ResourceId: &id,
		MinCapacity: aws.Int32(1), MaxCapacity: aws.Int32(3), Tags: map[string]string{"a": "1"},
	}
}

func tracking(id string, value float64) *sdk.PutScalingPolicyInput {
	return &sdk.PutScalingPolicyInput{
		PolicyName: aws.String("tt"), ServiceNamespace: types.ServiceNamespaceSagemaker, ScalableDimension: dimension, ResourceId: &id, PolicyType: types.PolicyTypeTargetTrackingScaling,
		TargetTrackingScalingPolicyConfiguration: &types.TargetTrackingScalingPolicyConfiguration{
			TargetValue: &value, ScaleInCooldown: aws.Int32(300),
			PredefinedMetricSpecification: &types.PredefinedMetricSpecification{PredefinedMetricType: types.MetricTypeSageMakerVariantInvocationsPerInstance},
		},
	}
}

// Who registers a target needs the right to do it on scalable targets, and none on all that there
// is: the action's required resource is ScalableTarget, and AWS's own policy of who registers new
// ones allows it on arn:aws:application-autoscaling:*:*:scalable-target/*, which is the least that
// `permissions` can give.
// (service-authorization/latest/reference/list_awsapplicationautoscaling.html,
// aws-managed-policy/latest/reference/AmazonECSInfrastructureRoleforExpressGatewayServices.html)
func TestRegisteringANewTarget(t *testing.T) {
	t.Parallel()
	w := iamtest.New(t)
	register(t, w, map[string]smtypes.EndpointStatus{"ep": smtypes.EndpointStatusInService})
	in := target("endpoint/ep/variant/v")
	in.Tags = nil
	of := func(name, region, namespace string) error {
		_, cfg := w.User(t, name, `{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Action":"sagemaker:DescribeEndpoint","Resource":"*"},
			{"Effect":"Allow","Action":"application-autoscaling:RegisterScalableTarget","Resource":"arn:aws:application-autoscaling:`+region+`:000000000000:scalable-target/*",
			 "Condition":{"StringEquals":{"application-autoscaling:service-namespace":"`+namespace+`"}}}]}`)
		_, err := sdk.NewFromConfig(cfg).RegisterScalableTarget(t.Context(), in)
		return err
	}
	const refused = "is not authorized to perform: application-autoscaling:RegisterScalableTarget on resource: arn:aws:application-autoscaling:us-east-1:000000000000:scalable-target/*"
	require.ErrorContains(t, of("elsewhere", "eu-west-1", "sagemaker"), refused)
	require.ErrorContains(t, of("another", "us-east-1", "ecs"), refused)
	require.NoError(t, of("right", "us-east-1", "sagemaker"))
	require.NoError(t, of("again", "us-east-1", "sagemaker"), "there is one by now")
}

// Who registers a target with tags needs the right to tag scalable targets, and none on all that
// there is. An account's refusal names them so:
// "not authorized to perform: application-autoscaling:TagResource on resource: ...:scalable-target/*"
func TestTagsOfANewTarget(t *testing.T) {
	t.Parallel()
	w := iamtest.New(t)
	register(t, w, map[string]smtypes.EndpointStatus{"ep": smtypes.EndpointStatusInService})
	const id, targets = "endpoint/ep/variant/v", "arn:aws:application-autoscaling:us-east-1:000000000000:scalable-target/*"
	for name, on := range map[string]string{"targets": targets, "others": "arn:aws:application-autoscaling:eu-west-1:000000000000:scalable-target/*"} {
		_, cfg := w.User(t, name, `{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Action":["application-autoscaling:RegisterScalableTarget","sagemaker:DescribeEndpoint"],"Resource":"*"},
			{"Effect":"Allow","Action":"application-autoscaling:TagResource","Resource":"`+on+`"}]}`)
		_, err := sdk.NewFromConfig(cfg).RegisterScalableTarget(t.Context(), target(id))
		if on == targets {
			require.NoError(t, err)
			_, err = sdk.NewFromConfig(w.Admin()).DeregisterScalableTarget(t.Context(), &sdk.DeregisterScalableTargetInput{
				ServiceNamespace: types.ServiceNamespaceSagemaker, ScalableDimension: dimension, ResourceId: aws.String(id),
			})
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, "is not authorized to perform: application-autoscaling:TagResource on resource: "+targets)
	}
}

func TestTargetAndPolicy(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	endpoints := map[string]smtypes.EndpointStatus{"ep": smtypes.EndpointStatusInService}
	c := register(t, w, endpoints)
	const id = "endpoint/ep/variant/v"
	first, err := c.RegisterScalableTarget(ctx, target(id))
	require.NoError(t, err)
	// Registering again changes what is given and keeps the rest.
	again, err := c.RegisterScalableTarget(ctx, &sdk.RegisterScalableTargetInput{
		ServiceNamespace:  types.ServiceNamespaceSagemaker,
		ScalableDimension: dimension, ResourceId: aws.String(id), MaxCapacity: aws.Int32(5),
	})
	require.NoError(t, err)
	require.Equal(t, *first.ScalableTargetARN, *again.ScalableTargetARN)
	policy, err := c.PutScalingPolicy(ctx, tracking(id, 70))
	require.NoError(t, err)
	require.Contains(t, *policy.PolicyARN, ":scalingPolicy:")

	w.Reopen(t)
	c = register(t, w, endpoints)
	list, err := c.DescribeScalableTargets(ctx, &sdk.DescribeScalableTargetsInput{ServiceNamespace: types.ServiceNamespaceSagemaker, ResourceIds: []string{id}})
	require.NoError(t, err)
	require.Len(t, list.ScalableTargets, 1)
	got := list.ScalableTargets[0]
	require.EqualValues(t, 1, *got.MinCapacity)
	require.EqualValues(t, 5, *got.MaxCapacity)
	require.False(t, *got.SuspendedState.DynamicScalingInSuspended)
	require.True(t, w.Clock.Now().Equal(*got.CreationTime))
	_, err = c.TagResource(ctx, &sdk.TagResourceInput{ResourceARN: got.ScalableTargetARN, Tags: map[string]string{"b": "2"}})
	require.NoError(t, err)
	_, err = c.UntagResource(ctx, &sdk.UntagResourceInput{ResourceARN: got.ScalableTargetARN, TagKeys: []string{"a"}})
	require.NoError(t, err)
	tags, err := c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceARN: got.ScalableTargetARN})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"b": "2"}, tags.Tags)

	updated, err := c.PutScalingPolicy(ctx, tracking(id, 80))
	require.NoError(t, err)
	require.Equal(t, *policy.PolicyARN, *updated.PolicyARN)
	policies, err := c.DescribeScalingPolicies(ctx, &sdk.DescribeScalingPoliciesInput{
		ServiceNamespace: types.ServiceNamespaceSagemaker,
		ResourceId:       aws.String(id), PolicyNames: []string{"tt"},
	})
	require.NoError(t, err)
	require.Len(t, policies.ScalingPolicies, 1)
	require.InDelta(t, 80, *policies.ScalingPolicies[0].TargetTrackingScalingPolicyConfiguration.TargetValue, 0)

	del := &sdk.DeleteScalingPolicyInput{PolicyName: aws.String("tt"), ServiceNamespace: types.ServiceNamespaceSagemaker, ScalableDimension: dimension, ResourceId: aws.String(id)}
	_, err = c.DeleteScalingPolicy(ctx, del)
	require.NoError(t, err)
	_, err = c.DeleteScalingPolicy(ctx, del)
	var gone *types.ObjectNotFoundException
	require.ErrorAs(t, err, &gone)

	// A target goes with its policies, and without its endpoint.
	_, err = c.PutScalingPolicy(ctx, tracking(id, 80))
	require.NoError(t, err)
	delete(endpoints, "ep")
	off := &sdk.DeregisterScalableTargetInput{ServiceNamespace: types.ServiceNamespaceSagemaker, ScalableDimension: dimension, ResourceId: aws.String(id)}
	_, err = c.DeregisterScalableTarget(ctx, off)
	require.NoError(t, err)
	policies, err = c.DescribeScalingPolicies(ctx, &sdk.DescribeScalingPoliciesInput{ServiceNamespace: types.ServiceNamespaceSagemaker})
	require.NoError(t, err)
	require.Empty(t, policies.ScalingPolicies)
	_, err = c.DeregisterScalableTarget(ctx, off)
	require.ErrorAs(t, err, &gone)
}

func TestRefused(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w, map[string]smtypes.EndpointStatus{"new": smtypes.EndpointStatusCreating, "ep": smtypes.EndpointStatusInService})
	reg := func(c *sdk.Client, in *sdk.RegisterScalableTargetInput) error {
		_, err := c.RegisterScalableTarget(ctx, in)
		return err
	}
	require.Contains(t, iamtest.RequireCode(t, reg(c, target("endpoint/none/variant/v")), "ValidationException").ErrorMessage(), "Could not find endpoint")
	require.Contains(t, iamtest.RequireCode(t, reg(c, target("endpoint/new/variant/v")), "ValidationException").ErrorMessage(), "Creating")
	iamtest.RequireCode(t, reg(c, target("endpoint/ep/variant/w")), "ValidationException")
	iamtest.RequireCode(t, reg(c, target("service/a/b")), "ValidationException")
	bad := target("endpoint/ep/variant/v")
	bad.MaxCapacity = aws.Int32(0)
	iamtest.RequireCode(t, reg(c, bad), "ValidationException")
	other := target("endpoint/ep/variant/v")
	other.ServiceNamespace, other.ScalableDimension = types.ServiceNamespaceEcs, types.ScalableDimensionECSServiceDesiredCount
	iamtest.RequireCode(t, reg(c, other), "NotImplemented")
	_, err := c.PutScalingPolicy(ctx, tracking("endpoint/ep/variant/v", 70))
	iamtest.RequireCode(t, err, "ObjectNotFoundException")

	// SageMaker is asked as the caller.
	_, half := w.Role(t, "half", iamtest.Allow("application-autoscaling:*", "*"))
	require.Contains(t, iamtest.RequireCode(t, reg(sdk.NewFromConfig(half), target("endpoint/ep/variant/v")), "ValidationException").ErrorMessage(), "sagemaker:DescribeEndpoint")
	_, none := w.Role(t, "none", "")
	iamtest.RequireCode(t, reg(sdk.NewFromConfig(none), target("endpoint/ep/variant/v")), "AccessDeniedException")
}
