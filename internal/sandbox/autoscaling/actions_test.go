package autoscaling_test

import (
	"context"
	"sync"
	"testing"
	"time"

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

// fleet is a SageMaker of one endpoint in service.
type fleet struct {
	mu    sync.Mutex
	count int32
}

func (f *fleet) instances() int32 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

// open adds a service that works by itself; stop ends it.
func (f *fleet) open(t *testing.T, w *iamtest.World) (c *sdk.Client, stop func()) {
	t.Helper()
	s, err := autoscaling.New(autoscaling.Config{DB: w.DB, Clock: w.Clock})
	require.NoError(t, err)
	s.Register(w.Router)
	w.Router.Register(wire.Service{ID: "sagemaker", Scope: "sagemaker", Target: "SageMaker", Protocol: wire.JSON11})
	wire.Handle(w.Router, "sagemaker", "DescribeEndpoint", func(context.Context, *wire.Request, *sagemaker.DescribeEndpointInput) (*sagemaker.DescribeEndpointOutput, error) {
		return &sagemaker.DescribeEndpointOutput{
			EndpointStatus: smtypes.EndpointStatusInService, ProductionVariants: []smtypes.ProductionVariantSummary{{VariantName: aws.String("v"), DesiredInstanceCount: aws.Int32(f.instances())}},
		}, nil
	}, wire.Access{})
	wire.Handle(w.Router, "sagemaker", "UpdateEndpointWeightsAndCapacities", func(_ context.Context, _ *wire.Request, in *sagemaker.UpdateEndpointWeightsAndCapacitiesInput) (*sagemaker.UpdateEndpointWeightsAndCapacitiesOutput, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.count = *in.DesiredWeightsAndCapacities[0].DesiredInstanceCount
		return &sagemaker.UpdateEndpointWeightsAndCapacitiesOutput{}, nil
	}, wire.Access{})
	require.NoError(t, s.Start(t.Context()))
	return sdk.NewFromConfig(w.Admin()), func() { require.NoError(t, s.Close()) }
}

// Scheduled actions set the bounds of a target at their times, and the variant follows; both
// are activities, in the words of
// https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-scaling-activities.html
func TestScheduledActions(t *testing.T) {
	t.Parallel()
	w, ctx, f := iamtest.New(t), t.Context(), &fleet{count: 1}
	c, stop := f.open(t, w)
	const id = "endpoint/ep/variant/v"
	put := func(in *sdk.PutScheduledActionInput) error {
		in.ServiceNamespace, in.ScalableDimension, in.ResourceId, in.ScheduledActionName = types.ServiceNamespaceSagemaker, dimension, aws.String(id), aws.String("day")
		_, err := c.PutScheduledAction(ctx, in)
		return err
	}
	day := &types.ScalableTargetAction{MinCapacity: aws.Int32(4), MaxCapacity: aws.Int32(6)}
	iamtest.RequireCode(t, put(&sdk.PutScheduledActionInput{Schedule: aws.String("rate(1 minute)"), ScalableTargetAction: day}), "ObjectNotFoundException")
	_, err := c.RegisterScalableTarget(ctx, target(id)) // 1 to 3
	require.NoError(t, err)
	for _, in := range []*sdk.PutScheduledActionInput{
		{Schedule: aws.String("rate(1 minute)")},
		{ScalableTargetAction: day},
		{Schedule: aws.String("rate(1 minutes)"), ScalableTargetAction: day},
		{Schedule: aws.String("rate(1 minute)"), ScalableTargetAction: &types.ScalableTargetAction{}},
		{Schedule: aws.String("rate(1 minute)"), ScalableTargetAction: day, Timezone: aws.String("Nowhere/Town")},
		{Schedule: aws.String("rate(1 minute)"), ScalableTargetAction: &types.ScalableTargetAction{MinCapacity: aws.Int32(2), MaxCapacity: aws.Int32(1)}},
	} {
		iamtest.RequireCode(t, put(in), "ValidationException")
	}
	at := w.Clock.Now().Add(90 * time.Second)
	require.NoError(t, put(&sdk.PutScheduledActionInput{Schedule: aws.String("at(" + at.Format("2006-01-02T15:04:05") + ")"), ScalableTargetAction: day}))
	require.NoError(t, put(&sdk.PutScheduledActionInput{ScalableTargetAction: &types.ScalableTargetAction{MinCapacity: aws.Int32(5), MaxCapacity: aws.Int32(6)}}), "what is left out stays")
	list, err := c.DescribeScheduledActions(ctx, &sdk.DescribeScheduledActionsInput{ServiceNamespace: types.ServiceNamespaceSagemaker})
	require.NoError(t, err)
	require.Len(t, list.ScheduledActions, 1)
	require.Regexp(t, `^arn:aws:autoscaling:us-east-1:000000000000:scheduledAction:[0-9a-f-]{36}:resource/sagemaker/endpoint/ep/variant/v:scheduledActionName/day$`, *list.ScheduledActions[0].ScheduledActionARN)
	require.EqualValues(t, 5, *list.ScheduledActions[0].ScalableTargetAction.MinCapacity)

	// It is there after a restart.
	stop()
	w.Reopen(t)
	c, stop = f.open(t, w)
	t.Cleanup(func() { stop() })
	require.NoError(t, w.Clock.WaitTimers(ctx, 1))
	require.EqualValues(t, 1, f.instances())
	w.Clock.Advance(2 * time.Minute)
	var got []types.ScalingActivity
	require.Eventually(t, func() bool {
		out, err := c.DescribeScalingActivities(ctx, &sdk.DescribeScalingActivitiesInput{ServiceNamespace: types.ServiceNamespaceSagemaker, ResourceId: aws.String(id)})
		got = out.ScalingActivities
		return err == nil && len(got) == 2
	}, time.Minute, 5*time.Millisecond)
	require.EqualValues(t, 5, f.instances())
	require.Equal(t, []string{
		"minimum capacity was set to 5", "Setting desired instance count to 5.", "Successfully set desired instance count to 5. Change successfully fulfilled by sagemaker.",
		"scheduled action name day was triggered", "Setting min capacity to 5 and max capacity to 6", "Successfully set min capacity to 5 and max capacity to 6",
	}, []string{*got[0].Cause, *got[0].Description, *got[0].StatusMessage, *got[1].Cause, *got[1].Description, *got[1].StatusMessage})
	targets, err := c.DescribeScalableTargets(ctx, &sdk.DescribeScalableTargetsInput{ServiceNamespace: types.ServiceNamespaceSagemaker})
	require.NoError(t, err)
	require.EqualValues(t, 5, *targets.ScalableTargets[0].MinCapacity)

	// Bounds that are set by hand count at once.
	low := target(id)
	low.Tags = nil
	_, err = c.RegisterScalableTarget(ctx, low)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return f.instances() == 3 }, time.Minute, 5*time.Millisecond)

	del := &sdk.DeleteScheduledActionInput{ServiceNamespace: types.ServiceNamespaceSagemaker, ScalableDimension: dimension, ResourceId: aws.String(id), ScheduledActionName: aws.String("day")}
	_, err = c.DeleteScheduledAction(ctx, del)
	require.NoError(t, err)
	_, err = c.DeleteScheduledAction(ctx, del)
	iamtest.RequireCode(t, err, "ObjectNotFoundException")
}

// Of other services nothing is registered, and nothing can be.
func TestOtherServices(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	c := register(t, w, nil)
	ecs := types.ServiceNamespaceEcs
	targets, err := c.DescribeScalableTargets(ctx, &sdk.DescribeScalableTargetsInput{ServiceNamespace: ecs})
	require.NoError(t, err)
	require.Empty(t, targets.ScalableTargets)
	actions, err := c.DescribeScheduledActions(ctx, &sdk.DescribeScheduledActionsInput{ServiceNamespace: ecs})
	require.NoError(t, err)
	require.Empty(t, actions.ScheduledActions)
	_, err = c.DeregisterScalableTarget(ctx, &sdk.DeregisterScalableTargetInput{ServiceNamespace: ecs, ScalableDimension: types.ScalableDimensionECSServiceDesiredCount, ResourceId: aws.String("service/a/b")})
	require.Equal(t, "No scalable target found for service namespace: ecs, resource ID: service/a/b, scalable dimension: ecs:service:DesiredCount", iamtest.RequireCode(t, err, "ObjectNotFoundException").ErrorMessage())
}
