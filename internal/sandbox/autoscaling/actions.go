package autoscaling

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/constraint"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/schedule"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// scheduledAction is a scheduled action as it is kept.
type scheduledAction struct {
	Name, ARN, ResourceID, Schedule, Zone string
	Start, End                            *time.Time
	Min, Max                              *int32
	// Created is when it was made, Since when its schedule began to count, Fired the last
	// time that it named.
	Created, Since, Fired time.Time
}

// parsed is the action's schedule.
func (a scheduledAction) parsed() (schedule.Schedule, error) {
	zone, err := schedule.Zone(a.Zone)
	if err != nil {
		return schedule.Schedule{}, validation("Invalid time zone: %s", a.Zone) // the words are ours
	}
	x, err := schedule.Parse(a.Schedule, zone)
	if err != nil {
		return x, validation("Invalid schedule expression: %s", a.Schedule) // the words are ours
	}
	return x, nil
}

// due is the first time of the action after a time, within its start and end.
func (a scheduledAction) due(after time.Time) (time.Time, bool) {
	x, err := a.parsed()
	if err != nil {
		return time.Time{}, false // it was checked when it was put
	}
	since := a.Since
	if a.Start != nil && a.Start.After(since) {
		since = *a.Start
		after = later(after, since.Add(-time.Nanosecond))
	}
	next, ok := x.Next(since, later(after, a.Fired))
	if ok && a.End != nil && next.After(*a.End) {
		return time.Time{}, false
	}
	return next, ok
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// actionNamePattern is the model's, which Go cannot compile: it looks ahead.
const actionNamePattern = `(?!((^[ ]+.*)|(.*([\u0000-\u001f]|[\u007f-\u009f]|[:/|])+.*)|(.*[ ]+$))).+`

// actionName tells whether a name has neither spaces at its ends, nor control characters,
// nor one of ":/|".
func actionName(name string) bool {
	return name == strings.Trim(name, " ") && !strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || strings.ContainsRune(":/|", r) })
}

// putAction makes an action, or changes what is given of one that there is.
// https://docs.aws.amazon.com/autoscaling/application/APIReference/API_PutScheduledAction.html
func (s *Service) putAction(_ context.Context, req *wire.Request, in *sdk.PutScheduledActionInput) (*sdk.PutScheduledActionOutput, error) {
	if err := checkOne(in.ServiceNamespace, in.ScalableDimension, in.ResourceId, noTarget); err != nil {
		return nil, err
	}
	name, now := *in.ScheduledActionName, s.Clock.Now().UTC()
	if !actionName(name) {
		return nil, constraint.Broken("ValidationException", "scheduledActionName", name, constraint.Pattern(actionNamePattern))
	}
	err := s.DB.Update(func(tx *store.Tx) error {
		key := req.Key(*in.ResourceId)
		if tx.GetRaw(targetsBucket, key) == nil {
			return noTarget(in.ServiceNamespace, *in.ResourceId, in.ScalableDimension)
		}
		key += "|" + name
		a, found, err := store.Get[scheduledAction](tx, actionsBucket, key)
		if err != nil {
			return err
		}
		if !found {
			if in.Schedule == nil || in.ScalableTargetAction == nil {
				return validation("Schedule and ScalableTargetAction are required to create a scheduled action.") // the words are ours
			}
			a = scheduledAction{
				Name: name, ResourceID: *in.ResourceId, Created: now, Since: now,
				ARN: req.ARN("autoscaling", "scheduledAction:"+wire.NewID()+":resource/sagemaker/"+*in.ResourceId+":scheduledActionName/"+name),
			}
		}
		if err := a.apply(in, now); err != nil {
			return err
		}
		return store.Put(tx, actionsBucket, key, a)
	})
	if err == nil {
		s.changed.Ring()
	}
	return &sdk.PutScheduledActionOutput{}, err
}

// apply sets what the request gives and leaves the rest.
func (a *scheduledAction) apply(in *sdk.PutScheduledActionInput, now time.Time) error {
	if in.Schedule != nil && *in.Schedule != a.Schedule {
		a.Schedule, a.Since, a.Fired = *in.Schedule, now, time.Time{}
	}
	if in.Timezone != nil {
		a.Zone = *in.Timezone
	}
	if in.StartTime != nil {
		a.Start = in.StartTime
	}
	if in.EndTime != nil {
		a.End = in.EndTime
	}
	if x := in.ScalableTargetAction; x != nil {
		a.Min, a.Max = x.MinCapacity, x.MaxCapacity
	}
	_, err := a.parsed()
	switch {
	case err != nil:
		return err
	case a.Min == nil && a.Max == nil:
		return validation("MinCapacity or MaxCapacity must be specified in ScalableTargetAction.") // the words are ours
	case a.Min != nil && a.Max != nil && *a.Max < *a.Min:
		return validation("Maximum capacity cannot be less than minimum capacity")
	}
	return nil
}

func (a scheduledAction) output() types.ScheduledAction {
	out := types.ScheduledAction{
		ScheduledActionName: &a.Name, ScheduledActionARN: &a.ARN, ResourceId: &a.ResourceID, Schedule: &a.Schedule, CreationTime: &a.Created,
		ServiceNamespace: types.ServiceNamespaceSagemaker, ScalableDimension: types.ScalableDimensionSageMakerVariantDesiredInstanceCount,
		StartTime: a.Start, EndTime: a.End, ScalableTargetAction: &types.ScalableTargetAction{MinCapacity: a.Min, MaxCapacity: a.Max},
	}
	if a.Zone != "" {
		out.Timezone = &a.Zone
	}
	return out
}

func (s *Service) describeActions(_ context.Context, req *wire.Request, in *sdk.DescribeScheduledActionsInput) (*sdk.DescribeScheduledActionsOutput, error) {
	all := []types.ScheduledAction{}
	if !ours(in.ServiceNamespace, in.ScalableDimension) {
		return &sdk.DescribeScheduledActionsOutput{ScheduledActions: all}, nil
	}
	err := s.DB.View(func(tx *store.Tx) error {
		return store.Each(tx, actionsBucket, req.Prefix(), "", func(_ string, a scheduledAction) bool {
			if (in.ResourceId == nil || *in.ResourceId == a.ResourceID) && (len(in.ScheduledActionNames) == 0 || slices.Contains(in.ScheduledActionNames, a.Name)) {
				all = append(all, a.output())
			}
			return true
		})
	})
	if err != nil {
		return nil, err
	}
	some, next, err := pageOf(all, in.NextToken, in.MaxResults, func(a types.ScheduledAction) string { return *a.ResourceId + "|" + *a.ScheduledActionName })
	return &sdk.DescribeScheduledActionsOutput{ScheduledActions: some, NextToken: next}, err
}

func (s *Service) deleteAction(_ context.Context, req *wire.Request, in *sdk.DeleteScheduledActionInput) (*sdk.DeleteScheduledActionOutput, error) {
	name := aws.ToString(in.ScheduledActionName)
	none := wire.Errorf(http.StatusBadRequest, "ObjectNotFoundException",
		"No scheduled action found for service namespace: %s, resource ID: %s, scalable dimension: %s, scheduled action name: %s", in.ServiceNamespace,
		aws.ToString(in.ResourceId), in.ScalableDimension, name)
	if !ours(in.ServiceNamespace, in.ScalableDimension) {
		return nil, none
	}
	return &sdk.DeleteScheduledActionOutput{}, s.DB.Update(func(tx *store.Tx) error {
		key := req.Key(*in.ResourceId) + "|" + name
		if tx.GetRaw(actionsBucket, key) == nil {
			return none
		}
		return tx.Delete(actionsBucket, key)
	})
}
