package health_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/health"
)

// watch answers each query with one point, half of them on a second page.
type watch struct {
	t     *testing.T
	calls int
	asked int
	at    time.Time
}

func (w *watch) GetMetricData(_ context.Context, in *cloudwatch.GetMetricDataInput, _ ...func(*cloudwatch.Options)) (*cloudwatch.GetMetricDataOutput, error) {
	require.LessOrEqual(w.t, len(in.MetricDataQueries), 500)
	w.calls++
	out := &cloudwatch.GetMetricDataOutput{}
	half := len(in.MetricDataQueries) / 2
	some := in.MetricDataQueries[:half]
	if in.NextToken != nil {
		some = in.MetricDataQueries[half:]
	} else {
		out.NextToken = aws.String("more")
	}
	for _, q := range some {
		w.asked++
		out.MetricDataResults = append(out.MetricDataResults, types.MetricDataResult{Id: q.Id, Timestamps: []time.Time{w.at, w.at.Add(-1000 * time.Hour)}, Values: []float64{2000, 1}})
	}
	return out, nil
}

// A hundred pipelines are asked about in as few calls as there may be.
func TestFewCalls(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 12, 30, 20, 0, time.UTC)
	var subjects []health.Subject
	for i := range 100 {
		subjects = append(subjects, health.Subject{Endpoint: fmt.Sprint("e", i), Variant: "v", Function: "f", Machine: "arn", Queue: "q"})
	}
	subjects = append(subjects, health.Subject{Machine: "only"}, health.Subject{})
	w := &watch{t: t, at: now.Add(-10 * time.Minute).Truncate(time.Minute)}
	reports, calls, err := health.Ask(t.Context(), w, subjects, health.Question{Since: now.Add(-time.Hour), Until: now, Brief: true}, now)
	require.NoError(t, err)
	require.Equal(t, w.calls, calls)
	require.Equal(t, 6*100+2, w.asked)
	require.Equal(t, 2*2, calls, "two pages of two calls")
	require.Len(t, reports, 102)
	require.Empty(t, reports[101].Metrics)
	require.InDelta(t, 2, *reports[99].Of(health.ModelP99).Last, 1e-9, "microseconds are told in milliseconds")
	require.InDelta(t, 2000, *reports[100].Of(health.Started).Total, 1e-9, "what lies outside of the time does not count")
	require.Nil(t, reports[100].Of(health.Invocations))
	last, err := health.LastInvocations(t.Context(), w, subjects[:2], now)
	require.NoError(t, err)
	require.Equal(t, now, last[0], "this hour, and not after now")
}

// refuses answers with a code in the place of values.
type refuses struct{ code types.StatusCode }

func (r refuses) GetMetricData(_ context.Context, in *cloudwatch.GetMetricDataInput, _ ...func(*cloudwatch.Options)) (*cloudwatch.GetMetricDataOutput, error) {
	return &cloudwatch.GetMetricDataOutput{MetricDataResults: []types.MetricDataResult{{
		Id: in.MetricDataQueries[0].Id, Label: aws.String("Invocations"), StatusCode: r.code,
		Messages: []types.MessageData{{Value: aws.String("why")}},
	}}}, nil
}

// What CloudWatch may not or can't tell is not told as nothing.
func TestNoAnswerIsNotZero(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 12, 30, 20, 0, time.UTC)
	for code, kind := range map[types.StatusCode]fault.Kind{types.StatusCodeForbidden: fault.Denied, types.StatusCodeInternalError: fault.Internal} {
		_, _, err := health.Ask(t.Context(), refuses{code}, []health.Subject{{Machine: "m"}}, health.Question{Since: now.Add(-time.Hour), Until: now}, now)
		require.ErrorIs(t, err, kind)
		require.ErrorContains(t, err, "Invocations")
		require.ErrorContains(t, err, "why")
	}
}

func TestPeriods(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 12, 30, 20, 0, time.UTC)
	for ago, want := range map[time.Duration]int{5 * time.Minute: 60, time.Hour: 120, 24 * time.Hour: 1800, 30 * 24 * time.Hour: 54000, 90 * 24 * time.Hour: 162000} {
		reports, _, err := health.Ask(t.Context(), &watch{t: t, at: now}, []health.Subject{{Machine: "m"}}, health.Question{Since: now.Add(-ago), Until: now}, now)
		require.NoError(t, err)
		require.Equal(t, want, reports[0].Seconds, ago)
		require.LessOrEqual(t, len(reports[0].Metrics[0].Points), 51, ago)
	}
}
