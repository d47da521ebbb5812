package cloudwatch

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

// comparisons tell whether a value breaches the threshold, and how that is said.
var comparisons = map[types.ComparisonOperator]struct {
	breach func(v, threshold float64) bool
	text   string
}{
	types.ComparisonOperatorGreaterThanOrEqualToThreshold: {func(v, t float64) bool { return v >= t }, "greater than or equal to"},
	types.ComparisonOperatorGreaterThanThreshold:          {func(v, t float64) bool { return v > t }, "greater than"},
	types.ComparisonOperatorLessThanThreshold:             {func(v, t float64) bool { return v < t }, "less than"},
	types.ComparisonOperatorLessThanOrEqualToThreshold:    {func(v, t float64) bool { return v <= t }, "less than or equal to"},
}

// evaluate looks at every alarm and keeps what has changed.
func (s *Service) evaluate() {
	var all []alarm
	err := s.DB.View(func(tx *store.Tx) (err error) {
		all, err = store.List[alarm](tx, alarmsBucket, "")
		return err
	})
	for i := range all {
		if err == nil {
			err = s.evaluateOne(all[i])
		}
	}
	if err != nil {
		s.Log.Error("alarms not evaluated", "error", err.Error())
	}
}

func (s *Service) evaluateOne(a alarm) error {
	to, reason, err := s.judge(a)
	if err != nil || to == "" || to == a.StateValue {
		return err
	}
	var before, after alarm
	err = s.DB.Update(func(tx *store.Tx) error {
		now, found, err := store.Get[alarm](tx, alarmsBucket, a.key())
		// It may have been deleted or changed since: then the next look decides.
		if err != nil || !found || !now.AlarmConfigurationUpdatedTimestamp.Equal(*a.AlarmConfigurationUpdatedTimestamp) || now.StateValue != a.StateValue {
			return err
		}
		before = now
		s.transit(&now, to, reason)
		after = now
		return store.Put(tx, alarmsBucket, now.key(), now)
	})
	if err == nil && after.AlarmName != nil {
		s.announce(before, after)
	}
	return err
}

// judge decides by the last periods. The period under way counts as soon as it
// has data, so that an alarm does not wait for its end. An empty state means: as
// it is.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
func (s *Service) judge(a alarm) (types.StateValue, string, error) {
	n, need := int(*a.EvaluationPeriods), int(*a.EvaluationPeriods)
	if a.DatapointsToAlarm != nil {
		need = int(*a.DatapointsToAlarm)
	}
	dims, err := dimensionMap(a.Dimensions)
	if err != nil {
		return "", "", err
	}
	series := seriesKey(a.Scope, *a.Namespace, *a.MetricName, dims)
	last := s.Clock.Now().UTC().Truncate(a.window())
	minutes, err := s.read(series, last.Add(-time.Duration(n)*a.window()), last.Add(a.window()))
	if err != nil {
		return "", "", err
	}
	if a.Unit != "" {
		for at, v := range minutes {
			if v.Unit != string(a.Unit) {
				delete(minutes, at)
			}
		}
	}
	points := periods(minutes, a.window())
	if _, ok := points[last]; !ok {
		last = last.Add(-a.window())
	}
	compare := comparisons[a.ComparisonOperator]
	var have, breaching, absent int
	var shown []string
	for i := range n {
		at := last.Add(-time.Duration(i) * a.window())
		v, ok := points[at]
		if !ok {
			absent++
			continue
		}
		have++
		x := v.value(string(a.Statistic))
		if compare.breach(x, *a.Threshold) {
			breaching++
			shown = append(shown, fmt.Sprintf("%s (%s)", strconv.FormatFloat(x, 'f', -1, 64), at.Format("02/01/06 15:04:05")))
		}
	}
	treat := aws.ToString(a.TreatMissingData)
	if treat == "breaching" {
		breaching += absent
	}
	threshold := strconv.FormatFloat(*a.Threshold, 'f', -1, 64)
	switch {
	case have == 0 && (treat == "" || treat == "missing"):
		return types.StateValueInsufficientData, fmt.Sprintf("Insufficient Data: %d datapoints were unknown.", absent), nil
	case have == 0 && treat == "ignore":
		return "", "", nil
	case breaching >= need:
		text := fmt.Sprintf("Threshold Crossed: %d out of the last %d datapoints", breaching, n)
		if len(shown) > 0 {
			text += " [" + strings.Join(shown, ", ") + "]"
		}
		return types.StateValueAlarm, text + fmt.Sprintf(" was %s the threshold (%s) (minimum %d datapoint for OK -> ALARM transition).", compare.text, threshold, need), nil
	case treat == "ignore" && absent > 0 && a.StateValue == types.StateValueAlarm && breaching+absent >= need:
		return "", "", nil // what is missing could be breaching
	}
	return types.StateValueOk, fmt.Sprintf("Threshold Crossed: %d of the last %d datapoints was not %s the threshold (%s) (minimum %d datapoint for ALARM -> OK transition).",
		n-breaching, n, compare.text, threshold, n-need+1), nil
}
