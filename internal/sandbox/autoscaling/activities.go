package autoscaling

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/bell"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// activity is a scaling activity as it is kept.
type activity struct {
	ID, ResourceID, Cause, Description, Message string
	Status                                      types.ScalingActivityStatusCode
	Began, Ended                                time.Time
}

// remembered is how long activities are told: six weeks.
// https://docs.aws.amazon.com/autoscaling/application/APIReference/API_DescribeScalingActivities.html
const remembered = 42 * 24 * time.Hour

// serviceName is who scales.
const serviceName = "sagemaker.application-autoscaling.amazonaws.com"

// note keeps an activity and forgets those of the target that are too old.
func (a activity) note(tx *store.Tx, t target) error {
	seq, err := tx.NextSequence(doneBucket)
	if err != nil {
		return err
	}
	prefix := t.Scope.Key(t.ResourceID) + "|"
	var old []string
	if err := store.Each(tx, doneBucket, prefix, "", func(key string, x activity) bool {
		if a.Ended.Sub(x.Ended) <= remembered {
			return false
		}
		old = append(old, key)
		return true
	}); err != nil {
		return err
	}
	for _, key := range old {
		if err := tx.Delete(doneBucket, key); err != nil {
			return err
		}
	}
	return store.Put(tx, doneBucket, prefix+fmt.Sprintf("%020d%020d", a.Ended.UnixMilli(), seq), a)
}

// describeActivities tells the newest first.
func (s *Service) describeActivities(_ context.Context, req *wire.Request, in *sdk.DescribeScalingActivitiesInput) (*sdk.DescribeScalingActivitiesOutput, error) {
	out := &sdk.DescribeScalingActivitiesOutput{ScalingActivities: []types.ScalingActivity{}}
	if !ours(in.ServiceNamespace, in.ScalableDimension) {
		return out, nil
	}
	var all []activity
	now := s.Clock.Now()
	err := s.DB.View(func(tx *store.Tx) error {
		return store.Each(tx, doneBucket, req.Prefix(), "", func(_ string, a activity) bool {
			if (in.ResourceId == nil || *in.ResourceId == a.ResourceID) && now.Sub(a.Ended) <= remembered {
				all = append(all, a)
			}
			return true
		})
	})
	if err != nil {
		return nil, err
	}
	slices.Reverse(all)
	slices.SortStableFunc(all, func(a, b activity) int { return b.Ended.Compare(a.Ended) })
	limit := in.MaxResults
	if limit != nil && *limit > 50 {
		limit = nil
	}
	some, next, err := page.At(all, in.NextToken, limit, 50)
	if err != nil {
		return nil, wire.Errorf(http.StatusBadRequest, "InvalidNextTokenException", "The next token supplied was invalid.")
	}
	out.NextToken = next
	for _, a := range some {
		out.ScalingActivities = append(out.ScalingActivities, types.ScalingActivity{
			ActivityId: &a.ID, ResourceId: &a.ResourceID, Cause: &a.Cause, Description: &a.Description, StatusCode: a.Status, StatusMessage: &a.Message,
			StartTime: &a.Began, EndTime: &a.Ended, ServiceNamespace: types.ServiceNamespaceSagemaker,
			ScalableDimension: types.ScalableDimensionSageMakerVariantDesiredInstanceCount,
		})
	}
	return out, nil
}

// Start begins to run scheduled actions and to keep variants within their bounds.
func (s *Service) Start(ctx context.Context) error {
	var run context.Context
	run, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	from := s.Clock.Now().UTC()
	s.done.Go(guard.Func(s.Log, "scheduled actions", func() {
		var retry bell.Retry
		watched := false
		for {
			now := s.Clock.Now().UTC()
			next, err := s.fire(from, now)
			if !watched {
				lacking := s.watchAll(run)
				watched, err = lacking == nil, errors.Join(err, lacking)
			}
			if err = errors.Join(err, s.bound(run)); err != nil && run.Err() == nil {
				s.Log.Error("scaling", "error", err.Error())
			}
			if !s.changed.Wait(run, s.Clock, retry.Wait(err, bell.Until(now, next))) {
				return
			}
		}
	}))
	return ctx.Err()
}

// Close ends it.
func (s *Service) Close() error {
	if s.cancel != nil {
		s.cancel()
	}
	s.done.Wait()
	return nil
}

// watchAll makes the alarms that policies lack: a stop may have come before them, or a
// version of the sandbox that made none.
func (s *Service) watchAll(ctx context.Context) error {
	all, err := store.ReadAll[scalingPolicy](s.DB, policiesBucket, "")
	for _, p := range all {
		arn, _ := wire.ParseARN(p.ARN)
		sc := wire.ScopeOfARN(arn)
		before := p.High
		p.alarmNames()
		if before != p.High {
			err = errors.Join(err, s.DB.Update(func(tx *store.Tx) error {
				key := sc.Key(p.ResourceID) + "|" + p.Name
				if tx.GetRaw(policiesBucket, key) == nil {
					return nil
				}
				return store.Put(tx, policiesBucket, key, p)
			}))
		}
		err = errors.Join(err, s.watch(ctx, sc, &p))
	}
	return err
}

// fire runs the scheduled actions that are due, and returns when the next one is, zero for
// none. What was due while the sandbox did not run is not made up for.
func (s *Service) fire(from, now time.Time) (next time.Time, err error) {
	late := map[string]scheduledAction{}
	err = s.DB.View(func(tx *store.Tx) error {
		return store.Each(tx, actionsBucket, "", "", func(key string, a scheduledAction) bool {
			at, ok := a.due(from)
			if ok && !at.After(now) {
				late[key] = a
				at, ok = a.due(now)
			}
			if ok && (next.IsZero() || at.Before(next)) {
				next = at
			}
			return true
		})
	})
	for key, a := range late {
		err = errors.Join(err, s.DB.Update(func(tx *store.Tx) error { return a.run(tx, key, now) }))
	}
	return next, err
}

// run sets the bounds of the action's target, and notes that it did in the same change, so
// that no crash doubles or loses it.
func (a scheduledAction) run(tx *store.Tx, key string, now time.Time) error {
	current, found, err := store.Get[scheduledAction](tx, actionsBucket, key)
	if err != nil || !found || current.Schedule != a.Schedule || !current.Fired.Equal(a.Fired) {
		return err // it was changed meanwhile
	}
	targetKey := key[:len(key)-len(a.Name)-1]
	t, found, err := store.Get[target](tx, targetsBucket, targetKey)
	if err != nil || !found {
		return err
	}
	current.Fired = now
	if err := store.Put(tx, actionsBucket, key, current); err != nil {
		return err
	}
	low, high := t.Min, t.Max
	if current.Min != nil {
		low = *current.Min
	}
	if current.Max != nil {
		high = *current.Max
	}
	done := activity{
		ID: wire.NewID(), ResourceID: t.ResourceID, Cause: "scheduled action name " + a.Name + " was triggered", Began: now, Ended: now,
		Description: fmt.Sprintf("Setting min capacity to %d and max capacity to %d", low, high), Status: types.ScalingActivityStatusCodeSuccessful,
		Message: fmt.Sprintf("Successfully set min capacity to %d and max capacity to %d", low, high),
	}
	if t.Suspended.ScheduledScalingSuspended != nil && *t.Suspended.ScheduledScalingSuspended {
		return nil
	}
	if high < low {
		done.Status, done.Message = types.ScalingActivityStatusCodeFailed, "Maximum capacity cannot be less than minimum capacity"
		return done.note(tx, t)
	}
	t.Min, t.Max, t.Unseen = low, high, true
	if err := done.note(tx, t); err != nil {
		return err
	}
	return store.Put(tx, targetsBucket, targetKey, t)
}

// bound scales the variants whose bounds were set and that are outside of them.
func (s *Service) bound(ctx context.Context) error {
	todo := map[string]target{}
	err := s.DB.View(func(tx *store.Tx) error {
		return store.Each(tx, targetsBucket, "", "", func(key string, t target) bool {
			if t.Unseen {
				todo[key] = t
			}
			return true
		})
	})
	for key, t := range todo {
		if ctx.Err() != nil {
			break
		}
		err = errors.Join(err, s.scale(ctx, key, t))
	}
	return err
}

// errGone is that of a target without a variant, which has no count to keep within bounds.
var errGone = errors.New("the variant is gone")

// scale brings a variant within the bounds of its target and notes what became of it. With
// an error it is to be done again: SageMaker may be busy, or the endpoint be updated. What
// fails again in the same way is noted once.
func (s *Service) scale(ctx context.Context, key string, t target) error {
	began := s.Clock.Now().UTC()
	count, err := s.count(ctx, t)
	if err != nil && !errors.Is(err, errGone) {
		return err
	}
	want := min(max(count, t.Min), t.Max)
	done := activity{ID: wire.NewID(), ResourceID: t.ResourceID, Began: began, Status: types.ScalingActivityStatusCodeSuccessful}
	var failed error
	if err == nil && want != count {
		done.Cause = fmt.Sprintf("minimum capacity was set to %d", t.Min)
		if want < count {
			done.Cause = fmt.Sprintf("maximum capacity was set to %d", t.Max)
		}
		done.Description = fmt.Sprintf("Setting desired instance count to %d.", want)
		done.Message = fmt.Sprintf("Successfully set desired instance count to %d. Change successfully fulfilled by sagemaker.", want)
		if failed = s.set(ctx, t, want); failed != nil {
			done.Status, done.Message = types.ScalingActivityStatusCodeFailed, "Failed to set desired instance count to "+fmt.Sprint(want)+". Reason: "+wire.AsError(failed).Message
		}
	}
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the next start looks again
	}
	done.Ended = s.Clock.Now().UTC()
	err = s.DB.Update(func(tx *store.Tx) error {
		current, found, err := store.Get[target](tx, targetsBucket, key)
		if err != nil || !found {
			return err
		}
		if failed == nil && current.Min == t.Min && current.Max == t.Max {
			current.Unseen = false
		}
		again := failed != nil && current.Failure == done.Message
		if done.Description != "" && !again {
			if err := done.note(tx, current); err != nil {
				return err
			}
		}
		if current.Failure = ""; failed != nil {
			current.Failure = done.Message
		}
		return store.Put(tx, targetsBucket, key, current)
	})
	return errors.Join(failed, err)
}

// count is the desired count of a target's variant, errGone if there is none.
func (s *Service) count(ctx context.Context, t target) (int32, error) {
	m := variant.FindStringSubmatch(t.ResourceID)
	var endpoint struct {
		ProductionVariants []struct {
			VariantName          string
			DesiredInstanceCount int32
		}
	}
	if err := s.sagemaker(ctx, t, "DescribeEndpoint", map[string]any{"EndpointName": m[1]}, &endpoint); err != nil {
		var e *wire.Error
		if errors.As(err, &e) && e.Code == "ValidationException" { // what SageMaker says of what it cannot find
			return 0, errGone
		}
		return 0, err
	}
	for _, v := range endpoint.ProductionVariants {
		if v.VariantName == m[2] {
			return v.DesiredInstanceCount, nil
		}
	}
	return 0, errGone
}

func (s *Service) set(ctx context.Context, t target, count int32) error {
	m := variant.FindStringSubmatch(t.ResourceID)
	return s.sagemaker(ctx, t, "UpdateEndpointWeightsAndCapacities", map[string]any{
		"EndpointName": m[1], "DesiredWeightsAndCapacities": []any{map[string]any{"VariantName": m[2], "DesiredInstanceCount": count}},
	}, nil)
}

// sagemaker calls SageMaker as the service, which has a role linked to it for that.
func (s *Service) sagemaker(ctx context.Context, t target, operation string, in, out any) error {
	raw, err := json.Marshal(in)
	if err != nil {
		return err
	}
	p := wire.Principal{Account: t.Scope.Account, Admin: true, Service: serviceName, Source: t.ARN}
	raw, err = s.router.Invoke(ctx, t.Scope, p, "sagemaker", operation, raw)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(raw, out)
}
