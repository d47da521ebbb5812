package cloudwatch_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
)

func datum(name string, v float64, at time.Time, unit types.StandardUnit) types.MetricDatum {
	return types.MetricDatum{MetricName: &name, Value: &v, Timestamp: &at, Unit: unit}
}

func metric(id, name, statistic string, period int32) types.MetricDataQuery {
	return types.MetricDataQuery{Id: &id, MetricStat: &types.MetricStat{
		Metric: &types.Metric{Namespace: aws.String("Mine"), MetricName: &name}, Period: &period, Stat: &statistic,
	}}
}

func expression(id, text string) types.MetricDataQuery {
	return types.MetricDataQuery{Id: &id, Expression: &text}
}

func hidden(q types.MetricDataQuery) types.MetricDataQuery {
	q.ReturnData = aws.Bool(false)
	return q
}

func TestPercentiles(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w, nil)
	now := w.Clock.Now().Truncate(time.Minute)
	for i := range 100 {
		put(t, c, datum("latency", float64(i+1), now, types.StandardUnitMilliseconds))
	}
	put(t, c, types.MetricDatum{MetricName: aws.String("set"), Timestamp: &now, StatisticValues: &types.StatisticSet{
		SampleCount: aws.Float64(2), Sum: aws.Float64(4), Minimum: aws.Float64(1), Maximum: aws.Float64(3),
	}})
	w.Reopen(t)
	_, c = register(t, w, nil)
	want := map[string]float64{
		"p50": 50, "p99": 99, "p99.9": 100, "tm90": 45.5, "TM(25%:75%)": 50.5, "IQM": 50.5, "tc90": 90, "ts50": 1275,
		"PR(:25)": 25, "TC(10:20)": 11, "wm50": 37.75,
	}
	in := &sdk.GetMetricStatisticsInput{
		Namespace: aws.String("Mine"), MetricName: aws.String("latency"), StartTime: &now,
		EndTime: aws.Time(now.Add(time.Minute)), Period: aws.Int32(60),
	}
	for name, value := range want {
		in.ExtendedStatistics = []string{name}
		out, err := c.GetMetricStatistics(ctx, in)
		require.NoError(t, err, name)
		require.InDelta(t, value, out.Datapoints[0].ExtendedStatistics[name], 1e-6, name)
	}
	for _, name := range []string{"99", "p101", "q5", "TM(5:1)", "PR(1%:2%)"} {
		in.ExtendedStatistics = []string{name}
		_, err := c.GetMetricStatistics(ctx, in)
		iamtest.RequireCode(t, err, "InvalidParameterValue")
	}
	// Of a set of statistics the values are not known.
	out, err := c.GetMetricData(ctx, &sdk.GetMetricDataInput{
		StartTime: &now, EndTime: aws.Time(now.Add(time.Minute)),
		MetricDataQueries: []types.MetricDataQuery{metric("p", "set", "p50", 60), metric("m", "set", "Maximum", 60)},
	})
	require.NoError(t, err)
	require.Empty(t, out.MetricDataResults[0].Values)
	require.Equal(t, []float64{3}, out.MetricDataResults[1].Values)
}

// So many values that not all can be kept: percentiles are right to a hundredth.
func TestPercentilesOfMany(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w, nil)
	now := w.Clock.Now().Truncate(time.Minute)
	for batch := range 20 {
		var data []types.MetricDatum
		for i := range 100 {
			data = append(data, datum("latency", float64(batch*100+i+1), now, types.StandardUnitMilliseconds))
		}
		put(t, c, data...)
	}
	out, err := c.GetMetricData(ctx, &sdk.GetMetricDataInput{StartTime: &now, EndTime: aws.Time(now.Add(time.Minute)), MetricDataQueries: []types.MetricDataQuery{
		metric("a", "latency", "p50", 60), metric("b", "latency", "p99", 60), metric("c", "latency", "p100", 60), metric("d", "latency", "SampleCount", 60),
	}})
	require.NoError(t, err)
	for i, want := range []float64{1000, 1980, 2000, 2000} {
		require.InEpsilon(t, want, out.MetricDataResults[i].Values[0], 0.011)
	}
}

func TestMetricMath(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w, nil)
	start := w.Clock.Now().Truncate(time.Hour)
	for i, v := range []float64{1, 2, 4} {
		at := start.Add(time.Duration(i) * time.Minute)
		put(t, c, datum("errors", v, at, types.StandardUnitCount), datum("calls", 8, at, types.StandardUnitCount))
	}
	ask := func(queries ...types.MetricDataQuery) (*sdk.GetMetricDataOutput, error) {
		return c.GetMetricData(ctx, &sdk.GetMetricDataInput{
			StartTime: &start, EndTime: aws.Time(start.Add(5 * time.Minute)), MetricDataQueries: queries,
			ScanBy: types.ScanByTimestampAscending,
		})
	}
	errors, calls := metric("errors", "errors", "Sum", 60), metric("calls", "calls", "Sum", 60)
	out, err := ask(expression("share", "100 * errors / calls"), hidden(errors), hidden(calls), expression("twice", "share * 2"), expression("filled", "FILL(errors, 0)"))
	require.NoError(t, err)
	require.Len(t, out.MetricDataResults, 3)
	require.Equal(t, []float64{12.5, 25, 50}, out.MetricDataResults[0].Values)
	require.Equal(t, "share", *out.MetricDataResults[0].Label)
	require.Equal(t, []float64{25, 50, 100}, out.MetricDataResults[1].Values)
	require.Equal(t, []float64{1, 2, 4, 0, 0}, out.MetricDataResults[2].Values)
	out, err = ask(expression("all", `METRICS("r") * 1`), errors, calls)
	require.NoError(t, err)
	require.Len(t, out.MetricDataResults, 3)
	require.Equal(t, "errors", *out.MetricDataResults[0].Label)

	for _, bad := range [][]types.MetricDataQuery{
		{expression("a", "nothing * 2")},
		{expression("a", "b"), expression("b", "a")},
		{expression("a", "SUM(")},
		{expression("a", "SUM(errors)"), errors},
		{{Id: aws.String("a")}},
		{metric("Big", "errors", "Sum", 60)},
		{metric("a", "errors", "Median", 60)},
		{metric("a", "errors", "Sum", 61)},
	} {
		_, err := ask(bad...)
		iamtest.RequireCode(t, err, "ValidationError")
	}
}

// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html
func TestSearch(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w, nil)
	start := w.Clock.Now().Truncate(time.Hour)
	with := func(name string, v float64, dims ...string) types.MetricDatum {
		d := datum(name, v, start, types.StandardUnitCount)
		for i := 0; i < len(dims); i += 2 {
			d.Dimensions = append(d.Dimensions, types.Dimension{Name: &dims[i], Value: &dims[i+1]})
		}
		return d
	}
	put(t, c, with("ErrorCount", 1, "Model", "fraud"), with("ErrorCount", 2, "Model", "churn"), with("CallCount", 4, "Model", "fraud"),
		with("ErrorCount", 8, "Model", "fraud", "Stage", "prod"), with("ErrorCount", 16))
	sum := func(query string) float64 {
		out, err := c.GetMetricData(ctx, &sdk.GetMetricDataInput{
			StartTime: &start, EndTime: aws.Time(start.Add(time.Minute)),
			MetricDataQueries: []types.MetricDataQuery{expression("e", "SEARCH('"+query+"', 'Sum', 60)")},
		})
		require.NoError(t, err, query)
		total := 0.0
		for _, r := range out.MetricDataResults {
			total += r.Values[0]
		}
		return total
	}
	for query, want := range map[string]float64{
		`{Mine,Model} MetricName="ErrorCount"`: 3, `{Mine,Model}`: 7, `{Mine} error`: 16, `{Mine,Stage,Model} count`: 8,
		`error`: 27, `MetricName=ErrorCount Model=fraud`: 9, `"Error"`: 0, `{Mine,Model} NOT error`: 4,
		`{Mine,Model} Model=(fraud OR churn) AND error`: 3, `{Mine,Model}, Model="churn" OR CallCount`: 6, `{"Mine","Model"} fraud`: 5,
	} {
		require.InDelta(t, want, sum(query), 1e-9, query)
	}
	out, err := c.GetMetricData(ctx, &sdk.GetMetricDataInput{StartTime: &start, EndTime: aws.Time(start.Add(time.Minute)), MetricDataQueries: []types.MetricDataQuery{
		expression("e", `SUM(SEARCH('{Mine,Model} error', 'Sum', 60))`),
	}})
	require.NoError(t, err)
	require.Equal(t, []float64{3}, out.MetricDataResults[0].Values)
	for _, bad := range []string{``, `{Mine`, `{Mine,} x`, `(a`, `a = `, `"a`, `OR`, `a)`} {
		_, err := c.GetMetricData(ctx, &sdk.GetMetricDataInput{StartTime: &start, EndTime: aws.Time(start.Add(time.Minute)), MetricDataQueries: []types.MetricDataQuery{
			expression("e", "SEARCH('"+bad+"', 'Sum', 60)"),
		}})
		iamtest.RequireCode(t, err, "ValidationError")
	}
	_, err = c.PutMetricAlarm(ctx, &sdk.PutMetricAlarmInput{
		AlarmName: aws.String("a"), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(1), ComparisonOperator: types.ComparisonOperatorGreaterThanThreshold,
		Metrics: []types.MetricDataQuery{expression("e", `SUM(SEARCH('{Mine,Model} error', 'Sum', 60))`)},
	})
	iamtest.RequireCode(t, err, "ValidationError") // alarms take no search
}

// Labels, units and pages as AWS was recorded with
// (https://github.com/localstack/localstack, test_cloudwatch.snapshot.json: label_generation,
// get_metric_data_with_no_unit_specified, get_metric_statistics_with_different_units).
func TestMetricDataAsRecorded(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w, nil)
	start := w.Clock.Now().Truncate(time.Hour)
	put(t, c, datum("m", 60_000, start, types.StandardUnitMilliseconds), datum("m", 60, start, types.StandardUnitSeconds), datum("m", 3, start, ""))
	ask := func(most int32, token *string, queries ...types.MetricDataQuery) *sdk.GetMetricDataOutput {
		in := &sdk.GetMetricDataInput{StartTime: &start, EndTime: aws.Time(start.Add(time.Hour)), MetricDataQueries: queries, NextToken: token}
		if most > 0 {
			in.MaxDatapoints = &most
		}
		out, err := c.GetMetricData(ctx, in)
		require.NoError(t, err)
		return out
	}
	for label, other := range map[string]types.MetricDataQuery{
		"m": metric("b", "n", "Sum", 60), "m Sum": metric("b", "m", "Minimum", 60),
		"m 60": metric("b", "m", "Sum", 30), "m Sum 60": metric("b", "m", "Minimum", 30),
	} {
		require.Equal(t, label, *ask(0, nil, metric("a", "m", "Sum", 60), other).MetricDataResults[0].Label)
	}
	got := ask(0, nil, metric("a", "m", "Sum", 60)).MetricDataResults[0]
	require.Equal(t, []float64{60_000}, got.Values, "of several units one")
	require.Equal(t, "Multiple units returned: '[Milliseconds, None, Seconds]'", *got.Messages[0].Value)
	stats, err := c.GetMetricStatistics(ctx, &sdk.GetMetricStatisticsInput{
		Namespace: aws.String("Mine"), MetricName: aws.String("m"), StartTime: &start, EndTime: aws.Time(start.Add(time.Minute)), Period: aws.Int32(60),
		Statistics: []types.Statistic{types.StatisticSum},
	})
	require.NoError(t, err)
	require.Len(t, stats.Datapoints, 3)
	_, err = c.GetMetricStatistics(ctx, &sdk.GetMetricStatisticsInput{
		Namespace: aws.String("Mine"), MetricName: aws.String("m"), StartTime: &start, EndTime: aws.Time(start.Add(24 * time.Hour)), Period: aws.Int32(1),
		Statistics: []types.Statistic{types.StatisticSum},
	})
	require.ErrorContains(t, err, "You have requested up to 86400 datapoints, which exceeds the limit of 1440.")

	for i := range 7 {
		put(t, c, datum("paged", float64(i), start.Add(time.Duration(i)*time.Minute), ""))
	}
	var values []float64
	var token *string
	for range 6 {
		out := ask(3, token, metric("a", "paged", "Sum", 60), metric("b", "paged", "Sum", 60))
		for _, r := range out.MetricDataResults {
			values = append(values, r.Values...)
		}
		if token = out.NextToken; token == nil {
			break
		}
	}
	require.Nil(t, token, "the last page has no token")
	require.Equal(t, []float64{6, 5, 4, 3, 2, 1, 0, 6, 5, 4, 3, 2, 1, 0}, values)
}

// A metric of high resolution has points of seconds.
func TestHighResolution(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w, nil)
	start := w.Clock.Now().Truncate(time.Minute)
	for i := range 6 {
		d := datum("fine", float64(i), start.Add(time.Duration(i)*5*time.Second), "")
		d.StorageResolution = aws.Int32(1)
		put(t, c, d)
	}
	for period, want := range map[int32]string{1: "[5 4 3 2 1 0]", 10: "[9 5 1]", 30: "[15]", 60: "[15]"} {
		out, err := c.GetMetricData(ctx, &sdk.GetMetricDataInput{
			StartTime: &start, EndTime: aws.Time(start.Add(time.Minute)),
			MetricDataQueries: []types.MetricDataQuery{metric("a", "fine", "Sum", period)},
		})
		require.NoError(t, err)
		require.Equal(t, want, fmt.Sprint(out.MetricDataResults[0].Values))
	}
}

// What a request makes the sandbox hold is bounded: ids that refer to one another would
// multiply their series, and functions that fill gaps make points of nothing.
func TestMetricMathIsBounded(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w, nil)
	end := w.Clock.Now()
	ask := func(queries ...types.MetricDataQuery) error {
		_, err := c.GetMetricData(ctx, &sdk.GetMetricDataInput{StartTime: aws.Time(end.Add(-48 * time.Hour)), EndTime: &end, MetricDataQueries: queries})
		return err
	}
	times := func(text string, n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(text+",", n), ",") + "]"
	}
	require.NoError(t, ask(metric("m", "m", "Sum", 60), hidden(expression("a", times("m", 500)))))
	err := ask(metric("m", "m", "Sum", 60), hidden(expression("a", times("m", 500))), expression("b", times("a", 2)))
	iamtest.RequireCode(t, err, "ValidationError")
	require.ErrorContains(t, err, "Error in expression 'b': An array of time series has 500 at most")

	var many []types.MetricDataQuery
	for i := range 110 {
		many = append(many, metric(fmt.Sprint("m", i), "m", "Sum", 1))
	}
	err = ask(append(many, expression("a", "FILL(METRICS(), 0)"))...) // 110 series of a point for each second
	iamtest.RequireCode(t, err, "ValidationError")
	require.ErrorContains(t, err, "too many data points")

	_, err = c.PutMetricAlarm(ctx, onMine("a", "", func(in *sdk.PutMetricAlarmInput) {
		in.Namespace, in.MetricName, in.Statistic, in.Period = nil, nil, "", nil
		in.Metrics = []types.MetricDataQuery{hidden(metric("m", "m", "Sum", 60)), hidden(expression("a", times("m", 500))), expression("b", "SUM("+times("a", 2)+")")}
	}))
	iamtest.RequireCode(t, err, "ValidationError")
}
