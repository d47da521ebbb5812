package cloudwatch

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// historyBucket has what happened to alarms: the alarm's key NUL time NUL sequence number.
// It outlives the alarm.
const historyBucket = "cloudwatch.history"

// historyFor is how long it is kept.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarmHistory.html
const historyFor = 30 * 24 * time.Hour

// placeTime is how times stand in keys, so that they are in order.
const placeTime = "20060102150405.000000000"

// happening is one item of a history.
type happening struct {
	Alarm   string
	Kind    types.AlarmType
	Type    types.HistoryItemType
	At      time.Time
	Summary string
	Data    string
	// Place orders items of the same time.
	Place string
}

// record notes what happened to an alarm.
func (s *Service) record(tx *store.Tx, a alarm, what types.HistoryItemType, summary string, data map[string]any) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return err
	}
	n, err := tx.NextSequence(historyBucket)
	if err != nil {
		return err
	}
	h := happening{Alarm: *a.AlarmName, Kind: a.kind(), Type: what, At: s.Clock.Now().UTC(), Summary: summary, Data: string(raw)}
	h.Place = h.At.Format(placeTime) + "\x00" + sequence(n)
	return store.Put(tx, historyBucket, a.key()+"\x00"+h.Place, h)
}

// recordConfiguration notes that an alarm was made or changed.
func (s *Service) recordConfiguration(tx *store.Tx, a, old alarm, found bool) error {
	doc := map[string]any{"version": "1.0", "type": "Create", "createdAlarm": configuration(a)}
	summary := `Alarm "` + *a.AlarmName + `" created`
	if found {
		doc = map[string]any{"version": "1.0", "type": "Update", "updatedAlarm": configuration(a), "oldAlarm": configuration(old)}
		summary = `Alarm "` + *a.AlarmName + `" updated`
	}
	return s.record(tx, a, types.HistoryItemTypeConfigurationUpdate, summary, doc)
}

// configuration is an alarm as histories show it: what was asked for, with small first
// letters. AWS does not document it: unsure.
func configuration(a alarm) map[string]any {
	out := map[string]any{
		"alarmName": *a.AlarmName, "alarmArn": *a.AlarmArn, "actionsEnabled": aws.ToBool(a.ActionsEnabled),
		"alarmActions": a.AlarmActions, "okActions": a.OKActions, "insufficientDataActions": a.InsufficientDataActions,
	}
	if a.AlarmDescription != nil {
		out["alarmDescription"] = *a.AlarmDescription
	}
	if a.Rule != "" {
		out["alarmRule"] = a.Rule
		return out
	}
	out["comparisonOperator"], out["threshold"], out["evaluationPeriods"] = a.ComparisonOperator, a.Threshold, a.EvaluationPeriods
	if a.MetricName != nil {
		out["metricName"], out["namespace"], out["statistic"], out["period"], out["dimensions"] = a.MetricName, a.Namespace, a.statistic(), a.Period, a.Dimensions
	}
	return out
}

// recordState notes a change of state.
func (s *Service) recordState(tx *store.Tx, before, after alarm) error {
	state := func(a alarm) map[string]any {
		out := map[string]any{"stateValue": a.StateValue, "stateReason": aws.ToString(a.StateReason)}
		if data := []byte(aws.ToString(a.StateReasonData)); json.Valid(data) {
			out["stateReasonData"] = json.RawMessage(data)
		}
		return out
	}
	return s.record(tx, after, types.HistoryItemTypeStateUpdate, "Alarm updated from "+string(before.StateValue)+" to "+string(after.StateValue),
		map[string]any{"version": "1.0", "oldState": state(before), "newState": state(after)})
}

// describeHistory gives out the newest first unless asked otherwise, and of metric alarms
// unless asked for others.
func (s *Service) describeHistory(_ context.Context, req *wire.Request, in *sdk.DescribeAlarmHistoryInput) (*sdk.DescribeAlarmHistoryOutput, error) {
	prefix := req.Prefix()
	if in.AlarmName != nil {
		prefix = req.Key(*in.AlarmName) + "\x00"
	}
	kinds := in.AlarmTypes
	if len(kinds) == 0 {
		kinds = []types.AlarmType{types.AlarmTypeMetricAlarm}
	}
	var all []happening
	err := s.DB.View(func(tx *store.Tx) error {
		return store.Each(tx, historyBucket, prefix, "", func(_ string, h happening) bool {
			if slices.Contains(kinds, h.Kind) && (in.HistoryItemType == "" || in.HistoryItemType == h.Type) &&
				(in.StartDate == nil || !h.At.Before(*in.StartDate)) && (in.EndDate == nil || !h.At.After(*in.EndDate)) {
				all = append(all, h)
			}
			return true
		})
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b happening) int {
		if in.ScanBy != types.ScanByTimestampAscending {
			a, b = b, a
		}
		return cmp.Compare(a.Place, b.Place)
	})
	some, next, err := page.At(all, in.NextToken, in.MaxRecords, 100)
	if err != nil {
		return nil, badRequest("InvalidNextToken", "InvalidNextToken", "The next token is invalid.")
	}
	out := &sdk.DescribeAlarmHistoryOutput{AlarmHistoryItems: []types.AlarmHistoryItem{}, NextToken: next}
	for _, h := range some {
		out.AlarmHistoryItems = append(out.AlarmHistoryItems, types.AlarmHistoryItem{
			AlarmName: &h.Alarm, AlarmType: h.Kind, HistoryItemType: h.Type, HistorySummary: &h.Summary, HistoryData: &h.Data, Timestamp: &h.At,
		})
	}
	return out, nil
}

// forget drops what happened too long ago. The time is in the key.
func (s *Service) forget() {
	limit := s.Clock.Now().Add(-historyFor).UTC().Format(placeTime)
	err := s.drop(historyBucket, func(tx *store.Tx, old func(key string)) error {
		return tx.Scan(historyBucket, "", "", func(key string, _ []byte) (bool, error) {
			if parts := strings.Split(key, "\x00"); len(parts) > 2 && parts[len(parts)-2] < limit {
				old(key)
			}
			return true, nil
		})
	})
	if err != nil {
		s.Log.Error("histories of alarms not cut", "error", err.Error())
	}
}
