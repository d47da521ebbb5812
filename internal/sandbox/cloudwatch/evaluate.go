package cloudwatch

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
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

// verdict is what an evaluation says of an alarm. An empty state means: as it is.
type verdict struct {
	state  types.StateValue
	reason string
	data   *string
	// trouble is why the alarm could not be evaluated, empty if it could.
	trouble types.EvaluationState
}

// evaluate looks at every alarm and keeps what has changed. What is wrong with one alarm is
// that one's matter: the others are looked at all the same.
func (s *Service) evaluate() {
	all, err := s.alarms("")
	if err != nil {
		s.Log.Error("alarms not evaluated", "error", err.Error())
	}
	changed := map[wire.Scope]bool{}
	for _, a := range all {
		if a.Rule != "" {
			changed[a.Scope] = true
			continue
		}
		if err := s.evaluateOne(a); err != nil {
			s.Log.Error("alarm not evaluated", "alarm", *a.AlarmArn, "error", err.Error())
		}
	}
	for sc := range changed {
		s.evaluateComposites(sc)
	}
}

func (s *Service) evaluateOne(a alarm) error {
	var to verdict
	err := guard.Run(s.Log, "the evaluation of an alarm", func() (err error) {
		to, err = s.judge(a)
		return err
	}, "alarm", *a.AlarmArn)
	if err != nil {
		var own bool
		if to, own = trouble(err); !own {
			return err
		}
	}
	if to.state == "" || to.state == a.StateValue && to.trouble == a.EvaluationState && !a.unchecked() {
		return nil
	}
	_, err = s.transit(a.key(), to, a.same)
	return err
}

// trouble is the verdict on an alarm that cannot be evaluated as it is: an expression may
// fail only when there are data. own is false where the fault is not the alarm's.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricAlarm.html
// (EvaluationState, with the reason in StateReason)
func trouble(err error) (to verdict, own bool) {
	var e *wire.Error
	var p *guard.Panic
	switch {
	case errors.As(err, &e) && e.Status < http.StatusInternalServerError:
		return verdict{state: types.StateValueInsufficientData, reason: e.Message, trouble: types.EvaluationStateEvaluationError}, true
	case errors.As(err, &p):
		return verdict{state: types.StateValueInsufficientData, reason: p.Error(), trouble: types.EvaluationStateEvaluationFailure}, true
	}
	return to, false
}

// unchecked tells that an alarm was never evaluated.
func (a alarm) unchecked() bool { return strings.HasPrefix(aws.ToString(a.StateReason), "Unchecked:") }

// same tells that an alarm is as it was when it was judged; else the next look decides.
func (a alarm) same(now alarm) bool {
	return now.AlarmConfigurationUpdatedTimestamp.Equal(*a.AlarmConfigurationUpdatedTimestamp) && now.StateValue == a.StateValue
}

// datapoint is what an alarm sees of a period.
type datapoint struct {
	at      time.Time
	samples float64 // 0 for metric math
	value   float64
}

// seen are the data points of an alarm, by the beginning of their periods.
func (s *Service) seen(a alarm, start, end time.Time) (map[time.Time]datapoint, error) {
	out := map[time.Time]datapoint{}
	if len(a.Metrics) > 0 {
		ask, err := s.asking(a.Scope, a.Metrics, start, end)
		if err != nil {
			return nil, err
		}
		v, err := ask.value(watchedBy(a.Metrics)[0])
		if err == nil && (v.IsNumber() || v.IsArray()) {
			err = noSeries(watchedBy(a.Metrics)[0])
		}
		if err != nil || len(v.Series) == 0 {
			return out, err
		}
		for i, t := range v.Series[0].Times {
			at := time.Unix(t, 0).UTC()
			out[at] = datapoint{at: at, value: v.Series[0].Values[i]}
		}
		return out, nil
	}
	m := &types.MetricStat{
		Metric: &types.Metric{Namespace: a.Namespace, MetricName: a.MetricName, Dimensions: a.Dimensions},
		Period: a.Period, Stat: aws.String(a.statistic()), Unit: a.Unit,
	}
	points, _, err := s.points(a.Scope, m, start, end)
	st, _ := parseStatistic(a.statistic())
	for _, p := range points {
		if x, ok := p.value(st); ok {
			out[p.at] = datapoint{at: p.at, samples: p.Count, value: x}
		}
	}
	return out, err
}

// statistic is the name of the statistic that the alarm looks at.
func (a alarm) statistic() string {
	if a.ExtendedStatistic != nil {
		return *a.ExtendedStatistic
	}
	return string(a.Statistic)
}

// tooFew reports whether a percentile of so few samples is not to be judged.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/percentiles-with-low-samples.html
func (a alarm) tooFew(samples float64) bool {
	st, _ := parseStatistic(a.statistic())
	if aws.ToString(a.EvaluateLowSampleCountPercentile) != "ignore" || st.kind != "p" {
		return false
	}
	share := st.high / 100
	return samples < 10/max(min(share, 1-share), 1e-9)
}

// sight is what an evaluation has found.
type sight struct {
	alarm
	n, need  int
	points   []datapoint // the newest first
	breaches int
	absent   []time.Time
}

// judge decides by the last periods. The period under way counts as soon as it
// has data, so that an alarm does not wait for its end. It does not take one of several
// periods out of ALARM: of a sum there is little at the beginning of each minute.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
func (s *Service) judge(a alarm) (verdict, error) {
	g := sight{alarm: a, n: int(*a.EvaluationPeriods), need: int(*a.EvaluationPeriods)}
	if a.DatapointsToAlarm != nil {
		g.need = int(*a.DatapointsToAlarm)
	}
	window := a.window()
	last := s.Clock.Now().UTC().Truncate(window)
	points, err := s.seen(a, last.Add(-time.Duration(g.n)*window), last.Add(window))
	if err != nil {
		return verdict{}, err
	}
	if p, ok := points[last]; !ok || g.n > 1 && a.StateValue == types.StateValueAlarm && !comparisons[a.ComparisonOperator].breach(p.value, *a.Threshold) {
		last = last.Add(-window)
	}
	samples := 0.0
	for i := range g.n {
		at := last.Add(-time.Duration(i) * window)
		p, ok := points[at]
		if !ok {
			g.absent = append(g.absent, at)
			continue
		}
		samples += p.samples
		g.points = append(g.points, p)
		if comparisons[a.ComparisonOperator].breach(p.value, *a.Threshold) {
			g.breaches++
		}
	}
	if len(g.points) > 0 && a.tooFew(samples) {
		return verdict{}, nil
	}
	v := g.verdict()
	if v.state != "" {
		v.data, err = g.data(s.Clock.Now(), v.state)
	}
	return v, err
}

// verdict counts what is missing as the alarm wants it.
func (g *sight) verdict() verdict {
	treat, breaching := aws.ToString(g.TreatMissingData), g.breaches
	if treat == "breaching" {
		breaching += len(g.absent)
	}
	switch {
	case len(g.points) == 0 && (treat == "" || treat == "missing"):
		return verdict{state: types.StateValueInsufficientData, reason: "Insufficient Data: " + counted(len(g.absent), "datapoint", "was unknown.", "were unknown.")}
	case len(g.points) == 0 && treat == "ignore":
		return verdict{}
	case breaching >= g.need:
		return verdict{state: types.StateValueAlarm, reason: g.reason(true)}
	case treat == "ignore" && len(g.absent) > 0 && g.StateValue == types.StateValueAlarm && breaching+len(g.absent) >= g.need:
		return verdict{} // what is missing could be breaching
	}
	return verdict{state: types.StateValueOk, reason: g.reason(false)}
}

// counted is a number of things, with what they do.
func counted(n int, thing, one, many string) string {
	if n == 1 {
		return "1 " + thing + " " + one
	}
	return strconv.Itoa(n) + " " + thing + "s " + many
}

func periodsOf(n int) string { return strings.TrimSpace(counted(n, "period", "", "")) }

// decimal writes a number as AWS does, never without a decimal point.
func decimal(x float64) string {
	text := strconv.FormatFloat(x, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// reason words a change to or from ALARM as AWS does, by the recordings in
// https://github.com/localstack/localstack (test_cloudwatch.snapshot.json,
// test_put_metric_alarm and test_breaching_alarm_actions) and, for the form with the last
// datapoints, the examples of
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html.
func (g *sight) reason(breach bool) string {
	missing := g.missing()
	if len(g.points) == 0 {
		return fmt.Sprintf("Threshold Crossed: no datapoints were received for %s%s.", periodsOf(g.n), missing)
	}
	var shown []string
	for _, p := range g.points {
		if comparisons[g.ComparisonOperator].breach(p.value, *g.Threshold) == breach {
			shown = append(shown, fmt.Sprintf("%s (%s)", decimal(p.value), p.at.Format("02/01/06 15:04:05")))
		}
	}
	if len(shown) == 0 { // what is missing alone decides
		return fmt.Sprintf("Threshold Crossed: no datapoints were received for %s%s.", periodsOf(len(g.absent)), missing)
	}
	not := "not "
	if breach {
		not = ""
	}
	list := "[" + strings.Join(shown, ", ") + "] "
	crossing := fmt.Sprintf("%s%s the threshold (%s)", not, comparisons[g.ComparisonOperator].text, decimal(*g.Threshold))
	was, were := list+"was "+crossing, list+"were "+crossing
	if g.DatapointsToAlarm == nil {
		return "Threshold Crossed: " + counted(len(shown), "datapoint", was, were) + missing + "."
	}
	verb, least, way := were, g.n-g.need+1, "ALARM -> OK"
	if len(shown) == 1 {
		verb = was
	}
	if breach {
		least, way = g.need, "OK -> ALARM"
	}
	return fmt.Sprintf("Threshold Crossed: %d out of the last %d datapoints %s (minimum %s for %s transition)%s.", len(shown), g.n, verb,
		strings.TrimSpace(counted(least, "datapoint", "", "")), way, missing)
}

// missing tells what the missing data points counted as.
func (g *sight) missing() string {
	as := map[string]string{"breaching": "Breaching", "notBreaching": "NonBreaching"}[aws.ToString(g.TreatMissingData)]
	if len(g.absent) == 0 || as == "" {
		return ""
	}
	return " and " + counted(len(g.absent), "missing datapoint", "was treated as ["+as+"]", "were treated as ["+as+"]")
}

// stamp is how times stand in the documents about alarms.
const stamp = "2006-01-02T15:04:05.000+0000"

// data is the document that goes with a reason.
func (g *sight) data(now time.Time, state types.StateValue) (*string, error) {
	if state == types.StateValueInsufficientData && len(g.points) == 0 && g.MetricName == nil {
		return nil, nil
	}
	recent, evaluated := []float64{}, []map[string]any{}
	for _, p := range g.points {
		one := map[string]any{"timestamp": p.at.Format(stamp), "value": p.value}
		if p.samples > 0 {
			one["sampleCount"] = p.samples
		}
		recent, evaluated = append([]float64{p.value}, recent...), append(evaluated, one)
	}
	for _, at := range g.absent {
		evaluated = append(evaluated, map[string]any{"timestamp": at.Format(stamp)})
	}
	doc := map[string]any{
		"version": "1.0", "queryDate": now.UTC().Format(stamp), "period": int(g.window().Seconds()), "recentDatapoints": recent,
		"threshold": *g.Threshold, "evaluatedDatapoints": evaluated,
	}
	if g.MetricName != nil {
		doc["statistic"] = g.statistic()
	}
	if g.Unit != "" {
		doc["unit"] = g.Unit
	}
	if n := len(g.points); n > 0 {
		doc["startDate"] = g.points[n-1].at.Format(stamp)
	}
	raw, err := json.Marshal(doc)
	return aws.String(string(raw)), err
}
