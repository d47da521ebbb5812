package cloudwatch

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

// transit gives the alarm of a key a state, if it exists and holds says that it is still
// the one that is meant. What follows a change, its history and its actions, is kept with
// it: no crash loses them.
func (s *Service) transit(key string, to verdict, holds func(now alarm) bool) (found bool, err error) {
	var before, after alarm
	acts := false
	err = s.DB.Update(func(tx *store.Tx) error {
		a, ok, err := store.Get[alarm](tx, alarmsBucket, key)
		if found = ok; err != nil || !ok || !holds(a) {
			return err
		}
		before = a
		now := s.Clock.Now().UTC()
		if a.StateValue != to.state {
			a.StateTransitionedTimestamp = &now
		}
		a.StateValue, a.StateReason, a.StateReasonData, a.StateUpdatedTimestamp = to.state, &to.reason, to.data, &now
		a.EvaluationState = to.trouble
		after = a
		if before.StateValue != after.StateValue {
			if err := s.recordState(tx, before, after); err != nil {
				return err
			}
			if acts, err = s.queueActions(tx, before, after); err != nil {
				return err
			}
		}
		return store.Put(tx, alarmsBucket, a.key(), a)
	})
	if err == nil && after.AlarmName != nil {
		s.announce(before, after)
	}
	if err == nil && acts {
		s.acts.Ring()
	}
	return found, err
}

type alarmState struct {
	Value      string `json:"value"`
	Reason     string `json:"reason"`
	ReasonData string `json:"reasonData,omitempty"`
	Timestamp  string `json:"timestamp"`
}

func stateOf(a alarm) alarmState {
	return alarmState{string(a.StateValue), aws.ToString(a.StateReason), aws.ToString(a.StateReasonData), a.StateUpdatedTimestamp.UTC().Format(stamp)}
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
		"alarmName": *after.AlarmName, "state": stateOf(after), "previousState": stateOf(before), "configuration": eventConfiguration(after),
	})
}

// eventConfiguration is the part of an event that tells what the alarm looks at.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
func eventConfiguration(a alarm) map[string]any {
	out := map[string]any{}
	if a.AlarmDescription != nil {
		out["description"] = *a.AlarmDescription
	}
	if a.Rule != "" {
		out["alarmRule"] = a.Rule
		return out
	}
	metrics := []map[string]any{}
	if a.MetricName != nil {
		dims := map[string]string{}
		for _, d := range a.Dimensions {
			dims[*d.Name] = *d.Value
		}
		metrics = append(metrics, map[string]any{"id": "m1", "metricStat": map[string]any{
			"metric": map[string]any{"namespace": *a.Namespace, "name": *a.MetricName, "dimensions": dims}, "period": *a.Period, "stat": a.statistic(),
		}, "returnData": true})
	}
	for _, q := range a.Metrics {
		one := map[string]any{"id": *q.Id, "returnData": aws.ToBool(q.ReturnData)}
		if q.Label != nil {
			one["label"] = *q.Label
		}
		if q.Expression != nil {
			one["expression"] = *q.Expression
		} else {
			dims := map[string]string{}
			for _, d := range q.MetricStat.Metric.Dimensions {
				dims[*d.Name] = *d.Value
			}
			one["metricStat"] = map[string]any{
				"metric": map[string]any{"namespace": *q.MetricStat.Metric.Namespace, "name": *q.MetricStat.Metric.MetricName, "dimensions": dims},
				"period": *q.MetricStat.Period, "stat": *q.MetricStat.Stat,
			}
		}
		metrics = append(metrics, one)
	}
	out["metrics"] = metrics
	return out
}
