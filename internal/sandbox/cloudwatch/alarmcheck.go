package cloudwatch

import (
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// checkAlarm checks what the API's model does not say of an alarm on metrics.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
func (s *Service) checkAlarm(sc wire.Scope, in *sdk.PutMetricAlarmInput) error {
	var period int64
	var err error
	if len(in.Metrics) > 0 {
		period, err = s.checkMath(sc, in)
	} else {
		period, err = checkSimple(in)
	}
	if err != nil {
		return err
	}
	switch {
	case in.EvaluationPeriods == nil:
		return missing("EvaluationPeriods")
	case period*int64(*in.EvaluationPeriods) > 7*86400:
		return badValue("Metrics cannot be checked across more than 7 days (EvaluationPeriods * Period must be <= 604800).")
	case in.DatapointsToAlarm != nil && (*in.DatapointsToAlarm < 1 || *in.DatapointsToAlarm > *in.EvaluationPeriods):
		return validation("DatapointsToAlarm must be between 1 and EvaluationPeriods.")
	case in.ThresholdMetricId != nil:
		return unsupported("the sandbox trains no models for anomaly detection")
	case in.Threshold == nil:
		return missing("Threshold")
	}
	if err := finite("Threshold", *in.Threshold); err != nil {
		return err
	}
	if _, ok := comparisons[in.ComparisonOperator]; !ok {
		return unsupported("the sandbox does not compare by %q", in.ComparisonOperator)
	}
	switch aws.ToString(in.TreatMissingData) {
	case "", "missing", "ignore", "breaching", "notBreaching":
	default:
		return badValue("The value '%s' for parameter TreatMissingData is not supported.", *in.TreatMissingData)
	}
	if v := aws.ToString(in.EvaluateLowSampleCountPercentile); v != "" && v != "evaluate" && v != "ignore" {
		return validation("Option %s is not supported. Supported options for parameter EvaluateLowSampleCountPercentile are evaluate and ignore.", v)
	}
	return nil
}

// checkSimple checks an alarm on one metric.
func checkSimple(in *sdk.PutMetricAlarmInput) (period int64, err error) {
	switch {
	case aws.ToString(in.Namespace) == "":
		return 0, missing("Namespace")
	case aws.ToString(in.MetricName) == "":
		return 0, missing("MetricName")
	case in.Statistic == "" && in.ExtendedStatistic == nil:
		return 0, missing("Statistic")
	case in.Statistic != "" && in.ExtendedStatistic != nil:
		return 0, exclusive("Statistic", "ExtendedStatistic")
	}
	if st, ok := parseStatistic(aws.ToString(in.ExtendedStatistic)); in.ExtendedStatistic != nil && (!ok || slices.Contains(plain, st.kind)) {
		return 0, badValue("The value %s for parameter ExtendedStatistic is not supported.", *in.ExtendedStatistic)
	}
	if p := aws.ToInt32(in.Period); p != 10 && p != 20 && p != 30 && (p < 60 || p%60 != 0) {
		return 0, badValue("The parameter Period must be 10, 20, 30 or a multiple of 60.")
	}
	_, err = dimensionMap(in.Dimensions)
	return int64(*in.Period), err
}

// checkMath checks an alarm on metric math: one query is what it watches, and gives one
// time series.
func (s *Service) checkMath(sc wire.Scope, in *sdk.PutMetricAlarmInput) (period int64, err error) {
	for _, x := range []struct {
		name  string
		given bool
	}{
		{"MetricName", in.MetricName != nil},
		{"Namespace", in.Namespace != nil},
		{"Dimensions", len(in.Dimensions) > 0},
		{"Period", in.Period != nil},
		{"Unit", in.Unit != ""},
		{"Statistic", in.Statistic != ""},
		{"ExtendedStatistic", in.ExtendedStatistic != nil},
	} {
		if x.given {
			return 0, validation("The parameters Metrics and %s are mutually exclusive and you have specified both.", x.name)
		}
	}
	watched := watchedBy(in.Metrics)
	if len(watched) != 1 {
		return 0, validation("Exactly one element of the metrics list should return data.")
	}
	for _, q := range in.Metrics {
		if e := strings.ToUpper(aws.ToString(q.Expression)); strings.Contains(e, "ANOMALY_DETECTION_BAND") {
			return 0, unsupported("the sandbox trains no models for anomaly detection")
		}
	}
	now := s.Clock.Now()
	a, err := s.asking(sc, in.Metrics, now.Add(-time.Minute), now)
	if err != nil {
		return 0, err
	}
	v, err := a.value(watched[0])
	if err == nil && (v.IsNumber() || v.IsArray()) {
		err = validation("The expression for an alarm must return a single time series.")
	}
	return a.period, err
}

// watchedBy are the ids of the queries that return data, which is so unless said
// otherwise.
func watchedBy(queries []types.MetricDataQuery) (ids []string) {
	for _, q := range queries {
		if q.ReturnData == nil || *q.ReturnData {
			ids = append(ids, aws.ToString(q.Id))
		}
	}
	return ids
}
