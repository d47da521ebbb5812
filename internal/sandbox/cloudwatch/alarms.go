package cloudwatch

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/tags"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func (s *Service) registerAlarms(r *wire.Router) {
	one, tagged := wire.On(onAlarms), wire.On(onARN)
	wire.Handle(r, id, "PutMetricAlarm", s.putAlarm, one.Tags("cloudwatch:TagResource"))
	wire.Handle(r, id, "DescribeAlarms", s.describeAlarms, wire.On(func(req *wire.Request, _ wire.Input) []string { return []string{alarmARN(req, "*")} }))
	wire.Handle(r, id, "DeleteAlarms", s.deleteAlarms, one)
	wire.Handle(r, id, "SetAlarmState", s.setState, one)
	wire.Handle(r, id, "EnableAlarmActions", s.enableActions, one)
	wire.Handle(r, id, "DisableAlarmActions", s.disableActions, one)
	wire.Handle(r, id, "TagResource", s.tag, tagged)
	wire.Handle(r, id, "UntagResource", s.untag, tagged)
	wire.Handle(r, id, "ListTagsForResource", s.listTags, tagged)
}

// onAlarms are the alarms that a document names.
func onAlarms(req *wire.Request, in wire.Input) (arns []string) {
	names := in.Texts("AlarmNames")
	if in.Has("AlarmName") {
		names = append(names, in.Text("AlarmName"))
	}
	for _, name := range names {
		arns = append(arns, alarmARN(req, name))
	}
	return arns
}

func onARN(_ *wire.Request, in wire.Input) []string { return []string{in.Text("ResourceARN")} }

// tagsOf are the tags of the alarm of an ARN.
func (s *Service) tagsOf(req *wire.Request, arn string) (tags map[string]string, err error) {
	name, _ := strings.CutPrefix(arn, alarmARN(req, ""))
	err = s.DB.View(func(tx *store.Tx) error {
		a, _, err := store.Get[alarm](tx, alarmsBucket, req.Key(name))
		tags = a.Tags
		return err
	})
	return tags, err
}

// alarm is an alarm as it is kept.
type alarm struct {
	Scope wire.Scope
	types.MetricAlarm
	Tags map[string]string
}

func (a alarm) key() string { return a.Scope.Key(*a.AlarmName) }

func alarmARN(req *wire.Request, name string) string {
	return req.ARN("cloudwatch", "alarm:"+name)
}

func (s *Service) putAlarm(_ context.Context, req *wire.Request, in *sdk.PutMetricAlarmInput) (*sdk.PutMetricAlarmOutput, error) {
	name := aws.ToString(in.AlarmName)
	if err := checkAlarm(in); err != nil {
		return nil, err
	}
	given, err := tagRules.Add(nil, tags.Of(in.Tags, splitTag))
	if err != nil {
		return nil, err
	}
	now := s.Clock.Now().UTC()
	a := alarm{Scope: req.Scope, Tags: given, MetricAlarm: types.MetricAlarm{
		AlarmName: &name, AlarmArn: aws.String(alarmARN(req, name)), AlarmDescription: in.AlarmDescription, AlarmConfigurationUpdatedTimestamp: &now,
		ActionsEnabled: aws.Bool(in.ActionsEnabled == nil || *in.ActionsEnabled),
		AlarmActions:   nonNil(in.AlarmActions), OKActions: nonNil(in.OKActions), InsufficientDataActions: nonNil(in.InsufficientDataActions),
		Namespace: in.Namespace, MetricName: in.MetricName, Dimensions: in.Dimensions, Statistic: in.Statistic, Period: in.Period, Unit: in.Unit,
		ComparisonOperator: in.ComparisonOperator, Threshold: in.Threshold, EvaluationPeriods: in.EvaluationPeriods, DatapointsToAlarm: in.DatapointsToAlarm,
		TreatMissingData: in.TreatMissingData,
		StateValue:       types.StateValueInsufficientData, StateReason: aws.String("Unchecked: Initial alarm creation"),
		StateUpdatedTimestamp: &now, StateTransitionedTimestamp: &now,
	}}
	err = s.DB.Update(func(tx *store.Tx) error {
		old, found, err := store.Get[alarm](tx, alarmsBucket, a.key())
		if err != nil {
			return err
		}
		if found { // the state stays; tags are changed by TagResource only
			a.Tags = old.Tags
			a.StateValue, a.StateReason, a.StateReasonData = old.StateValue, old.StateReason, old.StateReasonData
			a.StateUpdatedTimestamp, a.StateTransitionedTimestamp = old.StateUpdatedTimestamp, old.StateTransitionedTimestamp
		}
		return store.Put(tx, alarmsBucket, a.key(), a)
	})
	if err != nil {
		return nil, err
	}
	s.evaluate()
	return &sdk.PutMetricAlarmOutput{}, nil
}

func nonNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func checkAlarm(in *sdk.PutMetricAlarmInput) error {
	switch {
	case len(in.Metrics) > 0 || in.ThresholdMetricId != nil:
		return unsupported("the sandbox has no metric math")
	case in.ExtendedStatistic != nil:
		return unsupported("the sandbox keeps no percentiles")
	case aws.ToString(in.Namespace) == "":
		return missing("Namespace")
	case aws.ToString(in.MetricName) == "":
		return missing("MetricName")
	case in.Threshold == nil:
		return missing("Threshold")
	case in.Statistic == "":
		return missing("Statistic")
	case in.EvaluationPeriods == nil:
		return missing("EvaluationPeriods")
	case aws.ToInt32(in.Period) < 60 || *in.Period%60 != 0:
		return badValue("The parameter Period must be a multiple of 60: the sandbox keeps minutes.")
	case int64(*in.Period)*int64(*in.EvaluationPeriods) > 7*86400:
		return badValue("Metrics cannot be checked across more than 7 days (EvaluationPeriods * Period must be <= 604800).")
	case in.DatapointsToAlarm != nil && (*in.DatapointsToAlarm < 1 || *in.DatapointsToAlarm > *in.EvaluationPeriods):
		return validation("DatapointsToAlarm must be between 1 and EvaluationPeriods.")
	}
	if _, ok := comparisons[in.ComparisonOperator]; !ok {
		return unsupported("the sandbox does not compare by %q", in.ComparisonOperator)
	}
	switch aws.ToString(in.TreatMissingData) {
	case "", "missing", "ignore", "breaching", "notBreaching":
	default:
		return badValue("The value '%s' for parameter TreatMissingData is not supported.", *in.TreatMissingData)
	}
	_, err := dimensionMap(in.Dimensions)
	return err
}

func (s *Service) describeAlarms(_ context.Context, req *wire.Request, in *sdk.DescribeAlarmsInput) (*sdk.DescribeAlarmsOutput, error) {
	if len(in.AlarmNames) > 0 && in.AlarmNamePrefix != nil {
		return nil, badRequest("InvalidParameterCombinationException", "InvalidParameterCombination", "AlarmNames and AlarmNamePrefix cannot be used together.")
	}
	out := &sdk.DescribeAlarmsOutput{MetricAlarms: []types.MetricAlarm{}, CompositeAlarms: []types.CompositeAlarm{}}
	if len(in.AlarmTypes) > 0 && !slices.Contains(in.AlarmTypes, types.AlarmTypeMetricAlarm) {
		return out, nil
	}
	var all []alarm
	err := s.DB.View(func(tx *store.Tx) (err error) {
		all, err = store.List[alarm](tx, alarmsBucket, req.Key(aws.ToString(in.AlarmNamePrefix)))
		return err
	})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(a alarm) bool {
		return len(in.AlarmNames) > 0 && !slices.Contains(in.AlarmNames, *a.AlarmName) || in.StateValue != "" && in.StateValue != a.StateValue ||
			in.ActionPrefix != nil && !slices.ContainsFunc(a.AlarmActions, func(x string) bool { return strings.HasPrefix(x, *in.ActionPrefix) })
	})
	some, next, err := page.Of(all, in.NextToken, in.MaxRecords, 100, func(a alarm) string { return *a.AlarmName })
	if err != nil {
		return nil, badRequest("InvalidNextToken", "InvalidNextToken", "The next token is invalid.")
	}
	out.NextToken = next
	for _, a := range some {
		out.MetricAlarms = append(out.MetricAlarms, a.MetricAlarm)
	}
	return out, nil
}

func noAlarm(name string) error {
	return badRequest("ResourceNotFound", "ResourceNotFound", "Unknown alarm: %s", name)
}

// deleteAlarms deletes all or, if one does not exist, none.
func (s *Service) deleteAlarms(_ context.Context, req *wire.Request, in *sdk.DeleteAlarmsInput) (*sdk.DeleteAlarmsOutput, error) {
	err := s.DB.Update(func(tx *store.Tx) error {
		for _, name := range in.AlarmNames {
			if tx.GetRaw(alarmsBucket, req.Key(name)) == nil {
				return noAlarm(name)
			}
			if err := tx.Delete(alarmsBucket, req.Key(name)); err != nil {
				return err
			}
		}
		return nil
	})
	return &sdk.DeleteAlarmsOutput{}, err
}

// change lets fn change an alarm.
func (s *Service) change(req *wire.Request, name string, fn func(*alarm) error) error {
	return s.DB.Update(func(tx *store.Tx) error {
		a, found, err := store.Get[alarm](tx, alarmsBucket, req.Key(name))
		if err != nil {
			return err
		}
		if !found {
			return noAlarm(name)
		}
		if err := fn(&a); err != nil {
			return err
		}
		return store.Put(tx, alarmsBucket, a.key(), a)
	})
}

// setState holds until the alarm is evaluated next.
func (s *Service) setState(_ context.Context, req *wire.Request, in *sdk.SetAlarmStateInput) (*sdk.SetAlarmStateOutput, error) {
	var before, after alarm
	err := s.change(req, aws.ToString(in.AlarmName), func(a *alarm) error {
		before = *a
		s.transit(a, in.StateValue, aws.ToString(in.StateReason))
		a.StateReasonData = in.StateReasonData
		after = *a
		return nil
	})
	if err == nil {
		s.announce(before, after)
	}
	return &sdk.SetAlarmStateOutput{}, err
}

func (s *Service) switchActions(req *wire.Request, names []string, on bool) error {
	for _, name := range names {
		if err := s.change(req, name, func(a *alarm) error { a.ActionsEnabled = &on; return nil }); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) enableActions(_ context.Context, req *wire.Request, in *sdk.EnableAlarmActionsInput) (*sdk.EnableAlarmActionsOutput, error) {
	return &sdk.EnableAlarmActionsOutput{}, s.switchActions(req, in.AlarmNames, true)
}

func (s *Service) disableActions(_ context.Context, req *wire.Request, in *sdk.DisableAlarmActionsInput) (*sdk.DisableAlarmActionsOutput, error) {
	return &sdk.DisableAlarmActionsOutput{}, s.switchActions(req, in.AlarmNames, false)
}

var tagRules = tags.Rules{Max: 50, TooMany: badRequest("InvalidParameterValueException", "InvalidParameterValue", "There are more than 50 tags.")}

func splitTag(t types.Tag) (key, value *string) { return t.Key, t.Value }

func joinTag(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} }

// alarmName reads the name out of an alarm's ARN.
func alarmName(req *wire.Request, arn *string) (string, error) {
	name, ok := strings.CutPrefix(aws.ToString(arn), alarmARN(req, ""))
	if !ok {
		return "", badRequest("ResourceNotFoundException", "ResourceNotFoundException", "%s does not exist", aws.ToString(arn))
	}
	return name, nil
}

func (s *Service) tag(_ context.Context, req *wire.Request, in *sdk.TagResourceInput) (*sdk.TagResourceOutput, error) {
	name, err := alarmName(req, in.ResourceARN)
	if err != nil {
		return nil, err
	}
	return &sdk.TagResourceOutput{}, tagging(s.change(req, name, func(a *alarm) (err error) {
		a.Tags, err = tagRules.Add(a.Tags, tags.Of(in.Tags, splitTag))
		return err
	}), in.ResourceARN)
}

// tagging words that there is no such alarm as the operations on tags do.
func tagging(err error, arn *string) error {
	var e *wire.Error
	if errors.As(err, &e) && e.Code == "ResourceNotFound" {
		return badRequest("ResourceNotFoundException", "ResourceNotFoundException", "%s does not exist", aws.ToString(arn))
	}
	return err
}

func (s *Service) untag(_ context.Context, req *wire.Request, in *sdk.UntagResourceInput) (*sdk.UntagResourceOutput, error) {
	name, err := alarmName(req, in.ResourceARN)
	if err != nil {
		return nil, err
	}
	return &sdk.UntagResourceOutput{}, tagging(s.change(req, name, func(a *alarm) error {
		a.Tags = tags.Without(a.Tags, in.TagKeys)
		return nil
	}), in.ResourceARN)
}

func (s *Service) listTags(_ context.Context, req *wire.Request, in *sdk.ListTagsForResourceInput) (*sdk.ListTagsForResourceOutput, error) {
	name, err := alarmName(req, in.ResourceARN)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListTagsForResourceOutput{}
	err = s.DB.View(func(tx *store.Tx) error {
		a, found, err := store.Get[alarm](tx, alarmsBucket, req.Key(name))
		if err == nil && !found {
			err = badRequest("ResourceNotFoundException", "ResourceNotFoundException", "%s does not exist", *in.ResourceARN)
		}
		out.Tags = tags.List(a.Tags, joinTag)
		return err
	})
	return out, err
}

// transit sets a state; the time of the transition only if it is another.
func (s *Service) transit(a *alarm, to types.StateValue, reason string) {
	now := s.Clock.Now().UTC()
	if a.StateValue != to {
		a.StateTransitionedTimestamp = &now
	}
	a.StateValue, a.StateReason, a.StateUpdatedTimestamp, a.StateReasonData = to, &reason, &now, nil
}

type alarmState struct {
	Value     string `json:"value"`
	Reason    string `json:"reason"`
	Timestamp string `json:"timestamp"`
}

func stateOf(a alarm) alarmState {
	return alarmState{string(a.StateValue), aws.ToString(a.StateReason), a.StateUpdatedTimestamp.UTC().Format("2006-01-02T15:04:05.000+0000")}
}

// announce tells EventBridge of a change of state.
func (s *Service) announce(before, after alarm) {
	if before.StateValue == after.StateValue {
		return
	}
	s.Log.Info("alarm", "name", *after.AlarmName, "from", string(before.StateValue), "to", string(after.StateValue), "reason", aws.ToString(after.StateReason))
	if s.Events == nil {
		return
	}
	s.Events.PutEvent(context.Background(), after.Scope, "aws.cloudwatch", "CloudWatch Alarm State Change", []string{*after.AlarmArn}, map[string]any{
		"alarmName": *after.AlarmName, "state": stateOf(after), "previousState": stateOf(before),
		"configuration": map[string]any{"description": aws.ToString(after.AlarmDescription)},
	})
}

// window is how long a period is.
func (a alarm) window() time.Duration { return time.Duration(*a.Period) * time.Second }
