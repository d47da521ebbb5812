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
	// What SageMaker answers the service; nil is as it should be.
	describing, setting error
	// ready is told of the service before it starts.
	ready func(*autoscaling.Service)
	// service is the last that was opened.
	service *autoscaling.Service
}

func (f *fleet) fail(describing, setting error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.describing, f.setting = describing, setting
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
	wire.Handle(w.Router, "sagemaker", "DescribeEndpoint", func(_ context.Context, req *wire.Request, _ *sagemaker.DescribeEndpointInput) (*sagemaker.DescribeEndpointOutput, error) {
		f.mu.Lock()
		failed := f.describing
		f.mu.Unlock()
		if failed != nil && req.Principal.Service != "" {
			return nil, failed
		}
		return &sagemaker.DescribeEndpointOutput{
			EndpointStatus:     smtypes.EndpointStatusInService,
			ProductionVariants: []smtypes.ProductionVariantSummary{{VariantName: aws.String("v"), DesiredInstanceCount: aws.Int32(f.instances())}},
		}, nil
	}, wire.Access{})
	wire.Handle(w.Router, "sagemaker", "UpdateEndpointWeightsAndCapacities",
		func(_ context.Context, _ *wire.Request, in *sagemaker.UpdateEndpointWeightsAndCapacitiesInput) (*sagemaker.UpdateEndpointWeightsAndCapacitiesOutput, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			if f.setting != nil {
				return nil, f.setting
			}
			f.count = *in.DesiredWeightsAndCapacities[0].DesiredInstanceCount
			return &sagemaker.UpdateEndpointWeightsAndCapacitiesOutput{}, nil
		}, wire.Access{})
	f.service = s
	if f.ready != nil {
		f.ready(s)
	}
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
	for _, name := range []string{"a|b", "a:b", "a/b", " a", "a ", "a\tb", "a\u0085b"} {
		_, err := c.PutScheduledAction(ctx, &sdk.PutScheduledActionInput{
			ServiceNamespace: types.ServiceNamespaceSagemaker, ScalableDimension: dimension, ResourceId: aws.String(id),
			ScheduledActionName: &name, Schedule: aws.String("rate(1 minute)"), ScalableTargetAction: day,
		})
		iamtest.RequireCode(t, err, "ValidationException")
	}
	at := w.Clock.Now().Add(90 * time.Second)
	require.NoError(t, put(&sdk.PutScheduledActionInput{Schedule: aws.String("at(" + at.Format("2006-01-02T15:04:05") + ")"), ScalableTargetAction: day}))
	require.NoError(t, put(&sdk.PutScheduledActionInput{ScalableTargetAction: &types.ScalableTargetAction{
		MinCapacity: aws.Int32(5),
		MaxCapacity: aws.Int32(6),
	}}), "what is left out stays")
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

	del := &sdk.DeleteScheduledActionInput{
		ServiceNamespace: types.ServiceNamespaceSagemaker, ScalableDimension: dimension, ResourceId: aws.String(id),
		ScheduledActionName: aws.String("day"),
	}
	_, err = c.DeleteScheduledAction(ctx, del)
	require.NoError(t, err)
	_, err = c.DeleteScheduledAction(ctx, del)
	iamtest.RequireCode(t, err, "ObjectNotFoundException")
}

// Bounds that could not be applied are tried again: SageMaker may be busy, or the endpoint be
// updated.
func TestScalingIsTriedAgain(t *testing.T) {
	t.Parallel()
	w, ctx, f := iamtest.New(t), t.Context(), &fleet{count: 1}
	c, stop := f.open(t, w)
	t.Cleanup(func() { stop() })
	waits, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	const id = "endpoint/ep/variant/v"
	bounds := func(low int32) {
		in := target(id)
		in.Tags, in.MinCapacity, in.MaxCapacity = nil, &low, aws.Int32(9)
		_, err := c.RegisterScalableTarget(ctx, in)
		require.NoError(t, err)
		require.NoError(t, w.Clock.WaitTimers(waits, 1)) // it has failed, and waits
	}
	follows := func(want int32) {
		t.Helper()
		f.fail(nil, nil)
		require.Eventually(t, func() bool {
			w.Clock.Advance(100 * time.Millisecond)
			return f.instances() == want
		}, 2*time.Minute, 5*time.Millisecond)
	}
	_, err := c.RegisterScalableTarget(ctx, target(id))
	require.NoError(t, err)
	f.fail(wire.Errorf(400, "ThrottlingException", "Rate exceeded"), nil)
	bounds(4)
	follows(4)
	f.fail(nil, wire.Errorf(400, "ValidationException", "Cannot update in-progress endpoint"))
	bounds(5)
	w.Clock.Advance(time.Second)
	require.NoError(t, w.Clock.WaitTimers(waits, 1)) // once more
	follows(5)
	var got []string
	require.Eventually(t, func() bool {
		out, err := c.DescribeScalingActivities(ctx, &sdk.DescribeScalingActivitiesInput{ServiceNamespace: types.ServiceNamespaceSagemaker, ResourceId: aws.String(id)})
		got = nil
		for _, a := range out.ScalingActivities {
			got = append(got, string(a.StatusCode)+": "+*a.StatusMessage)
		}
		return err == nil && len(got) == 3
	}, 2*time.Minute, 5*time.Millisecond)
	require.Equal(t, []string{
		"Successful: Successfully set desired instance count to 5. Change successfully fulfilled by sagemaker.",
		"Failed: Failed to set desired instance count to 5. Reason: Cannot update in-progress endpoint",
		"Successful: Successfully set desired instance count to 4. Change successfully fulfilled by sagemaker.",
	}, got)
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
	_, err = c.DeregisterScalableTarget(ctx, &sdk.DeregisterScalableTargetInput{
		ServiceNamespace:  ecs,
		ScalableDimension: types.ScalableDimensionECSServiceDesiredCount, ResourceId: aws.String("service/a/b"),
	})
	require.Equal(t, "No scalable target found for service namespace: ecs, resource ID: service/a/b, scalable dimension: ecs:service:DesiredCount",
		iamtest.RequireCode(t, err, "ObjectNotFoundException").ErrorMessage())
}
