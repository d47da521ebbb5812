package cloudwatch

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/cloudwatch/metricmath"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/page"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Limits of one call
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html).
const (
	maxQueries    = 500
	maxDatapoints = 100_800
)

// getMetricData answers queries of metrics and of metric math, newest points first
// unless asked otherwise.
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
	a, err := s.asking(req.Scope, in.MetricDataQueries, *in.StartTime, *in.EndTime)
	if err != nil {
		return nil, err
	}
	a.searches = true
	all := []types.MetricDataResult{}
	for _, q := range in.MetricDataQueries {
		if q.ReturnData != nil && !*q.ReturnData {
			continue
		}
		some, err := a.results(q)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	if in.ScanBy != types.ScanByTimestampAscending {
		for _, r := range all {
			slices.Reverse(r.Timestamps)
			slices.Reverse(r.Values)
		}
	}
	out := &sdk.GetMetricDataOutput{Messages: []types.MessageData{}}
	out.MetricDataResults, out.NextToken, err = pageOf(all, in.NextToken, aws.ToInt32(in.MaxDatapoints))
	return out, err
}

func noSeries(id string) error {
	return validation("Error in expression '%s': The expression must return a time series or an array of time series.", id)
}

// results are what a query returns: one, or each series of an array.
func (a *asking) results(q types.MetricDataQuery) ([]types.MetricDataResult, error) {
	v, err := a.value(*q.Id)
	if err != nil {
		return nil, err
	}
	if v.IsNumber() {
		return nil, noSeries(*q.Id)
	}
	if q.Expression != nil { // arrays share points, answers do not
		if err := (&metricmath.Env{Left: &a.left}).Spend(v); err != nil {
			return nil, inExpression(*q.Id, err)
		}
	}
	out := make([]types.MetricDataResult, 0, len(v.Series))
	for _, series := range v.Series {
		r := types.MetricDataResult{Id: q.Id, Label: q.Label, StatusCode: types.StatusCodeComplete, Timestamps: []time.Time{}, Values: []float64{}, Messages: a.messages[*q.Id]}
		switch {
		case q.Label != nil:
		case q.Expression != nil && !v.IsArray():
			r.Label = q.Id
		default:
			r.Label = aws.String(series.Label)
		}
		for i, t := range series.Times {
			r.Timestamps, r.Values = append(r.Timestamps, time.Unix(t, 0).UTC()), append(r.Values, series.Values[i])
		}
		out = append(out, r)
	}
	return out, nil
}

// pageOf gives out so many points. A token tells of how many results and of how many
// points of the next one are given out already. What is cut is PartialData.
func pageOf(all []types.MetricDataResult, token *string, most int32) ([]types.MetricDataResult, *string, error) {
	left := maxDatapoints
	if most > 0 {
		left = min(left, int(most))
	}
	place, err := page.Place(token)
	first, done := 0, 0
	if err == nil && place != "" {
		a, b, _ := strings.Cut(place, ":")
		if first, err = strconv.Atoi(a); err == nil {
			done, err = strconv.Atoi(b)
		}
	}
	if err != nil || first < 0 || done < 0 || first > len(all) || first < len(all) && done > len(all[first].Values) {
		return nil, nil, badValue("The value for parameter NextToken is invalid.")
	}
	out := []types.MetricDataResult{}
	for i, r := range all[first:] {
		if i == 0 {
			r.Timestamps, r.Values = r.Timestamps[done:], r.Values[done:]
		} else {
			done = 0
		}
		if len(r.Values) > left {
			r.Timestamps, r.Values, r.StatusCode = r.Timestamps[:left], r.Values[:left], types.StatusCodePartialData
			return append(out, r), page.Token(strconv.Itoa(first+i) + ":" + strconv.Itoa(done+left)), nil
		}
		left -= len(r.Values)
		out = append(out, r)
	}
	return out, nil, nil
}
