package cloudwatch

import (
	"context"
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
	every := wire.On(func(req *wire.Request, _ wire.Input) []string { return []string{alarmARN(req, "*")} })
	wire.Handle(r, id, "PutMetricAlarm", s.putAlarm, one.Tags("cloudwatch:TagResource"))
	wire.Handle(r, id, "PutCompositeAlarm", s.putComposite, one.Tags("cloudwatch:TagResource"))
	wire.Handle(r, id, "DescribeAlarms", s.describeAlarms, every)
	wire.Handle(r, id, "DescribeAlarmsForMetric", s.describeForMetric, wire.Access{})
	wire.Handle(r, id, "DescribeAlarmHistory", s.describeHistory, wire.On(onHistory))
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

// onHistory is the alarm whose history is asked for, or all.
func onHistory(req *wire.Request, in wire.Input) []string {
	if in.Has("AlarmName") {
		return []string{alarmARN(req, in.Text("AlarmName"))}
	}
	return []string{alarmARN(req, "*")}
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

// alarm is an alarm as it is kept: on a metric or on metric math, or, with a Rule, on
// other alarms. What both kinds have is in MetricAlarm.
type alarm struct {
	Scope wire.Scope
	types.MetricAlarm
	Tags map[string]string
	Rule string `json:",omitempty"`
}

func (a alarm) key() string { return a.Scope.Key(*a.AlarmName) }

// kind is what the API calls the alarm's kind.
func (a alarm) kind() types.AlarmType {
	if a.Rule != "" {
		return types.AlarmTypeCompositeAlarm
	}
	return types.AlarmTypeMetricAlarm
}

func alarmARN(req *wire.Request, name string) string {
	return req.ARN("cloudwatch", "alarm:"+name)
}

// putAlarm makes or changes an alarm, which is evaluated behind it.
func (s *Service) putAlarm(_ context.Context, req *wire.Request, in *sdk.PutMetricAlarmInput) (*sdk.PutMetricAlarmOutput, error) {
	if err := s.checkAlarm(req.Scope, in); err != nil {
		return nil, err
	}
	if err := checkActions(req.Scope, false, in.AlarmActions, in.OKActions, in.InsufficientDataActions); err != nil {
		return nil, err
	}
	a := s.newAlarm(req, in.AlarmName, in.AlarmDescription, in.ActionsEnabled)
	a.AlarmActions, a.OKActions, a.InsufficientDataActions = nonNil(in.AlarmActions), nonNil(in.OKActions), nonNil(in.InsufficientDataActions)
	a.Namespace, a.MetricName, a.Dimensions, a.Period, a.Unit = in.Namespace, in.MetricName, in.Dimensions, in.Period, in.Unit
	a.Statistic, a.ExtendedStatistic, a.Metrics = in.Statistic, in.ExtendedStatistic, in.Metrics
	a.ComparisonOperator, a.Threshold = in.ComparisonOperator, in.Threshold
	a.EvaluationPeriods, a.DatapointsToAlarm = in.EvaluationPeriods, in.DatapointsToAlarm
	a.TreatMissingData, a.EvaluateLowSampleCountPercentile = in.TreatMissingData, in.EvaluateLowSampleCountPercentile
	for i, q := range a.Metrics {
		if q.ReturnData == nil {
			a.Metrics[i].ReturnData = aws.Bool(true)
		}
	}
	if err := s.place(a, in.Tags); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.placed[a.key()] = true
	s.mu.Unlock()
	s.put.Ring()
	return &sdk.PutMetricAlarmOutput{}, nil
}

// newAlarm is an alarm before its first evaluation.
func (s *Service) newAlarm(req *wire.Request, name, description *string, enabled *bool) alarm {
	now := s.Clock.Now().UTC()
	return alarm{Scope: req.Scope, MetricAlarm: types.MetricAlarm{
		AlarmName: name, AlarmArn: aws.String(alarmARN(req, *name)), AlarmDescription: description, AlarmConfigurationUpdatedTimestamp: &now,
		ActionsEnabled: aws.Bool(enabled == nil || *enabled),
		StateValue:     types.StateValueInsufficientData, StateReason: aws.String("Unchecked: Initial alarm creation"),
		StateUpdatedTimestamp: &now, StateTransitionedTimestamp: &now,
	}}
}

// place keeps an alarm, which has the state and the tags of the one before it: tags are
// changed by TagResource only.
func (s *Service) place(a alarm, given []types.Tag) error {
	added, err := tagRules.Add(nil, tags.Of(given, splitTag))
	if err != nil {
		return err
	}
	return s.DB.Update(func(tx *store.Tx) error {
		old, found, err := store.Get[alarm](tx, alarmsBucket, a.key())
		switch {
		case err != nil:
			return err
		case found && old.kind() != a.kind():
			return validation("An alarm of another type has the name %s already.", *a.AlarmName)
		case found:
			a.Tags = old.Tags
			a.StateValue, a.StateReason, a.StateReasonData = old.StateValue, old.StateReason, old.StateReasonData
			a.StateUpdatedTimestamp, a.StateTransitionedTimestamp = old.StateUpdatedTimestamp, old.StateTransitionedTimestamp
		default:
			a.Tags = added
		}
		if err := s.recordConfiguration(tx, a, old, found); err != nil {
			return err
		}
		return store.Put(tx, alarmsBucket, a.key(), a)
	})
}

func nonNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// described are the alarms of a scope that the input of DescribeAlarms asks for.
func described(all []alarm, in *sdk.DescribeAlarmsInput) []alarm {
	kinds := in.AlarmTypes
	if len(kinds) == 0 { // then AWS returns metric alarms only
		kinds = []types.AlarmType{types.AlarmTypeMetricAlarm}
	}
	family := relatives(all, aws.ToString(in.ChildrenOfAlarmName), aws.ToString(in.ParentsOfAlarmName))
	return slices.DeleteFunc(all, func(a alarm) bool {
		actions := slices.Concat(a.AlarmActions, a.OKActions, a.InsufficientDataActions)
		return !slices.Contains(kinds, a.kind()) || family != nil && !family[*a.AlarmName] ||
			len(in.AlarmNames) > 0 && !slices.Contains(in.AlarmNames, *a.AlarmName) || in.StateValue != "" && in.StateValue != a.StateValue ||
			in.ActionPrefix != nil && !slices.ContainsFunc(actions, func(x string) bool { return strings.HasPrefix(x, *in.ActionPrefix) })
	})
}

func (s *Service) describeAlarms(_ context.Context, req *wire.Request, in *sdk.DescribeAlarmsInput) (*sdk.DescribeAlarmsOutput, error) {
	if len(in.AlarmNames) > 0 && in.AlarmNamePrefix != nil {
		return nil, badRequest("InvalidParameterCombinationException", "InvalidParameterCombination", "AlarmNames and AlarmNamePrefix cannot be used together.")
	}
	out := &sdk.DescribeAlarmsOutput{MetricAlarms: []types.MetricAlarm{}, CompositeAlarms: []types.CompositeAlarm{}}
	all, err := s.alarms(req.Key(aws.ToString(in.AlarmNamePrefix)))
	if err != nil {
		return nil, err
	}
	some, next, err := page.Of(described(all, in), in.NextToken, in.MaxRecords, 50, func(a alarm) string { return *a.AlarmName })
	if err != nil {
		return nil, badRequest("InvalidNextToken", "InvalidNextToken", "The next token is invalid.")
	}
	out.NextToken = next
	for _, a := range some {
		if a.Rule != "" {
			out.CompositeAlarms = append(out.CompositeAlarms, a.composite())
			continue
		}
		out.MetricAlarms = append(out.MetricAlarms, a.MetricAlarm)
	}
	return out, nil
}

// alarms are those whose keys have a prefix, in order.
func (s *Service) alarms(prefix string) (all []alarm, err error) {
	return store.ReadAll[alarm](s.DB, alarmsBucket, prefix)
}

// describeForMetric are the alarms on one metric, on metric math left out, as AWS does.
func (s *Service) describeForMetric(_ context.Context, req *wire.Request, in *sdk.DescribeAlarmsForMetricInput) (*sdk.DescribeAlarmsForMetricOutput, error) {
	dims, err := dimensionMap(in.Dimensions)
	if err != nil {
		return nil, err
	}
	all, err := s.alarms(req.Prefix())
	if err != nil {
		return nil, err
	}
	series := seriesKey(req.Scope, *in.Namespace, *in.MetricName, dims)
	out := &sdk.DescribeAlarmsForMetricOutput{MetricAlarms: []types.MetricAlarm{}}
	for _, a := range all {
		if a.MetricName == nil {
			continue
		}
		its, err := dimensionMap(a.Dimensions)
		if err != nil {
			return nil, err
		}
		if seriesKey(a.Scope, *a.Namespace, *a.MetricName, its) != series || in.Statistic != "" && in.Statistic != a.Statistic ||
			in.ExtendedStatistic != nil && *in.ExtendedStatistic != aws.ToString(a.ExtendedStatistic) ||
			in.Period != nil && *in.Period != *a.Period || in.Unit != "" && in.Unit != a.Unit {
			continue
		}
		out.MetricAlarms = append(out.MetricAlarms, a.MetricAlarm)
	}
	return out, nil
}

// noAlarm has no message, by the recordings of AWS in
// https://github.com/localstack/localstack (test_cloudwatch.snapshot.json, not-found-response).
func noAlarm() error { return badRequest("ResourceNotFound", "ResourceNotFound", "") }

// deleteAlarms deletes those that there are of the names.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DeleteAlarms.html
func (s *Service) deleteAlarms(_ context.Context, req *wire.Request, in *sdk.DeleteAlarmsInput) (*sdk.DeleteAlarmsOutput, error) {
	return &sdk.DeleteAlarmsOutput{}, s.DB.Update(func(tx *store.Tx) error {
		all, err := store.List[alarm](tx, alarmsBucket, req.Prefix())
		if err != nil {
			return err
		}
		for _, a := range all {
			if !slices.Contains(in.AlarmNames, *a.AlarmName) {
				continue
			}
			for _, other := range all {
				if !slices.Contains(in.AlarmNames, *other.AlarmName) && other.Rule != "" && slices.Contains(children(other), *a.AlarmName) {
					return validation("Cannot delete %s as there are composite alarm(s) depending on it.", *a.AlarmName)
				}
			}
			if err := s.record(tx, a, types.HistoryItemTypeConfigurationUpdate, `Alarm "`+*a.AlarmName+`" deleted`,
				map[string]any{"version": "1.0", "type": "Delete", "deletedAlarm": configuration(a)}); err != nil {
				return err
			}
			if err := tx.Delete(alarmsBucket, a.key()); err != nil {
				return err
			}
		}
		return nil
	})
}

// change lets fn change an alarm.
func (s *Service) change(req *wire.Request, name string, fn func(*alarm) error) error {
	return s.DB.Update(func(tx *store.Tx) error {
		_, err := store.Change(tx, alarmsBucket, req.Key(name), noAlarm(), fn)
		return err
	})
}

// setState holds until the alarm is evaluated next.
func (s *Service) setState(_ context.Context, req *wire.Request, in *sdk.SetAlarmStateInput) (*sdk.SetAlarmStateOutput, error) {
	to := verdict{state: in.StateValue, reason: aws.ToString(in.StateReason), data: in.StateReasonData}
	found, err := s.transit(req.Key(*in.AlarmName), to, func(alarm) bool { return true })
	if err == nil && !found {
		err = noAlarm()
	}
	if err == nil {
		s.evaluateComposites(req.Scope)
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

// window is how long a period is.
func (a alarm) window() time.Duration {
	if a.Period != nil {
		return time.Duration(*a.Period) * time.Second
	}
	shortest := int32(0)
	for _, q := range a.Metrics {
		switch {
		case q.MetricStat != nil && (shortest == 0 || *q.MetricStat.Period < shortest):
			shortest = *q.MetricStat.Period
		case q.Expression != nil && q.Period != nil && shortest == 0:
			shortest = *q.Period
		}
	}
	return max(time.Duration(shortest)*time.Second, time.Second)
}
