package cloudwatch_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/cloudwatch"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
)

func serve(t *testing.T) *sdk.Client {
	t.Helper()
	w := iamtest.New(t)
	s, err := cloudwatch.New(cloudwatch.Config{DB: w.DB, Clock: w.Clock})
	require.NoError(t, err)
	s.Register(w.Router)
	return sdk.NewFromConfig(w.Admin())
}

func TestDashboards(t *testing.T) {
	t.Parallel()
	c, ctx := serve(t), t.Context()
	put := func(name, body string) error {
		_, err := c.PutDashboard(ctx, &sdk.PutDashboardInput{DashboardName: &name, DashboardBody: &body})
		return err
	}
	for _, name := range []string{"a1", "a2", "b"} {
		require.NoError(t, put(name, `{"widgets":[]}`))
	}
	iamtest.RequireCode(t, put("a", "{"), "InvalidParameterInput")
	got, err := c.GetDashboard(ctx, &sdk.GetDashboardInput{DashboardName: aws.String("a1")})
	require.NoError(t, err)
	require.Equal(t, []string{`{"widgets":[]}`, "arn:aws:cloudwatch::000000000000:dashboard/a1"}, []string{*got.DashboardBody, *got.DashboardArn})
	_, err = c.DeleteDashboards(ctx, &sdk.DeleteDashboardsInput{DashboardNames: []string{"a1", "none"}})
	iamtest.RequireCode(t, err, "ResourceNotFound")
	_, err = c.DeleteDashboards(ctx, &sdk.DeleteDashboardsInput{DashboardNames: []string{"a2"}})
	require.NoError(t, err)
	list, err := c.ListDashboards(ctx, &sdk.ListDashboardsInput{DashboardNamePrefix: aws.String("a")})
	require.NoError(t, err)
	require.Len(t, list.DashboardEntries, 1, "none was deleted with the one that does not exist")
	require.Equal(t, "a1", *list.DashboardEntries[0].DashboardName)
}

// Points that are no numbers, or say two things at once.
func TestPointsThatAreRefused(t *testing.T) {
	t.Parallel()
	c, ctx := serve(t), t.Context()
	one := aws.Float64(1)
	set := &types.StatisticSet{SampleCount: one, Sum: one, Minimum: one, Maximum: one}
	for want, d := range map[string]types.MetricDatum{
		"The value NaN for parameter MetricData.member.1.Value is invalid.":                                                           {Value: aws.Float64(math.NaN())},
		"The value +Inf for parameter MetricData.member.1.Values is invalid.":                                                         {Values: []float64{1, math.Inf(1)}},
		"The parameters MetricData.member.1.Value and MetricData.member.1.Values are mutually exclusive and you have specified both.": {Value: one, Values: []float64{1}},
		"InvalidParameterCombination: The parameters MetricData.member.1.Value and MetricData.member.1.StatisticValues":               {Value: one, StatisticValues: set},
		"The parameters MetricData.member.1.Values and MetricData.member.1.Counts must be of the same size.":                          {Values: []float64{1, 2}, Counts: []float64{1}},
	} {
		d.MetricName = aws.String("m")
		_, err := c.PutMetricData(ctx, &sdk.PutMetricDataInput{Namespace: aws.String("n"), MetricData: []types.MetricDatum{d}})
		require.ErrorContains(t, err, want)
	}
}

// A list of many metrics comes in pages of 500, each metric once.
func TestListMetricsInPages(t *testing.T) {
	t.Parallel()
	c, ctx := serve(t), t.Context()
	in := &sdk.PutMetricDataInput{Namespace: aws.String("n")}
	for i := range 501 {
		in.MetricData = append(in.MetricData, types.MetricDatum{MetricName: aws.String(fmt.Sprintf("m%03d", i)), Value: aws.Float64(1)})
	}
	_, err := c.PutMetricData(ctx, in)
	require.NoError(t, err)
	first, err := c.ListMetrics(ctx, &sdk.ListMetricsInput{})
	require.NoError(t, err)
	require.Len(t, first.Metrics, 500)
	second, err := c.ListMetrics(ctx, &sdk.ListMetricsInput{NextToken: first.NextToken})
	require.NoError(t, err)
	require.Len(t, second.Metrics, 1)
	require.Equal(t, "m500", *second.Metrics[0].MetricName)
	require.Nil(t, second.NextToken)
	_, err = c.ListMetrics(ctx, &sdk.ListMetricsInput{NextToken: aws.String("00000000-0000-0000-0000-000000000000")})
	require.ErrorContains(t, err, "Request parameter NextToken is invalid")
}
