package cloudwatch

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// maxQueries bounds the queries of one call
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html).
const maxQueries = 500

// getMetricData answers queries of metrics; expressions are refused. All points
// come on one page, newest first unless asked otherwise.
func (s *Service) getMetricData(_ context.Context, req *wire.Request, in *sdk.GetMetricDataInput) (*sdk.GetMetricDataOutput, error) {
	switch {
	case in.StartTime != nil && in.EndTime != nil && in.StartTime.Truncate(time.Second).Equal(in.EndTime.Truncate(time.Second)):
		return nil, validation("The parameter StartTime must not equal parameter EndTime.")
	case in.StartTime == nil || in.EndTime == nil || !in.StartTime.Before(*in.EndTime):
		return nil, validation("The parameter EndTime must be greater than StartTime.")
	case len(in.MetricDataQueries) > maxQueries:
		return nil, validation("The collection MetricDataQueries must not have a size greater than %d.", maxQueries)
	}
	if err := s.flush(); err != nil {
		return nil, err
	}
	out := &sdk.GetMetricDataOutput{MetricDataResults: []types.MetricDataResult{}, Messages: []types.MessageData{}}
	seen := map[string]bool{}
	for _, q := range in.MetricDataQueries {
		if id := aws.ToString(q.Id); seen[id] {
			return nil, validation("The values for parameter id in MetricDataQueries are not unique.")
		}
		seen[*q.Id] = true
		r, err := s.query(req.Scope, q, *in.StartTime, *in.EndTime)
		if err != nil {
			return nil, err
		}
		if in.ScanBy != types.ScanByTimestampAscending {
			slices.Reverse(r.Timestamps)
			slices.Reverse(r.Values)
		}
		if q.ReturnData == nil || *q.ReturnData {
			out.MetricDataResults = append(out.MetricDataResults, r)
		}
	}
	return out, nil
}

// query answers one query, oldest point first.
func (s *Service) query(sc wire.Scope, q types.MetricDataQuery, start, end time.Time) (types.MetricDataResult, error) {
	r := types.MetricDataResult{Id: q.Id, Label: q.Label, StatusCode: types.StatusCodeComplete, Timestamps: []time.Time{}, Values: []float64{}}
	m := q.MetricStat
	switch {
	case q.Expression != nil:
		return r, unsupported("the sandbox does not serve metric math")
	case m == nil || m.Metric == nil || m.Metric.MetricName == nil || m.Metric.Namespace == nil:
		return r, validation("The parameter MetricDataQueries.member.1.MetricStat or Expression is required.\n")
	case m.Period == nil || *m.Period < 60 || *m.Period%60 != 0:
		return r, validation("The parameter MetricDataQueries.member.1.MetricStat.Period must be a multiple of 60: the sandbox keeps minutes.")
	}
	if r.Label == nil {
		r.Label = m.Metric.MetricName
	}
	statistic := aws.ToString(m.Stat)
	if !slices.Contains(types.Statistic("").Values(), types.Statistic(statistic)) {
		return r, unsupported("the sandbox keeps no percentiles: the statistic %q", statistic)
	}
	dims, err := dimensionMap(m.Metric.Dimensions)
	if err != nil {
		return r, err
	}
	minutes, err := s.read(seriesKey(sc, *m.Metric.Namespace, *m.Metric.MetricName, dims), start, end)
	if err != nil {
		return r, err
	}
	points := periods(minutes, time.Duration(*m.Period)*time.Second)
	for at, v := range points {
		if m.Unit == "" || string(m.Unit) == v.Unit {
			r.Timestamps = append(r.Timestamps, at)
		}
	}
	slices.SortFunc(r.Timestamps, time.Time.Compare)
	for _, at := range r.Timestamps {
		r.Values = append(r.Values, points[at].value(statistic))
	}
	return r, nil
}
