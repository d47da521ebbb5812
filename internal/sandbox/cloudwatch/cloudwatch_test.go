package cloudwatch_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/cloudwatch"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// recorder takes the events of alarms.
type recorder chan string

func (r recorder) PutEvent(_ context.Context, _ wire.Scope, source, detailType string, resources []string, detail any) {
	r <- source + " " + detailType + " " + resources[0]
}

func register(t *testing.T, w *iamtest.World, events recorder) (*cloudwatch.Service, *sdk.Client) {
	t.Helper()
	c := cloudwatch.Config{DB: w.DB, Clock: w.Clock}
	if events != nil {
		c.Events = events
	}
	s, err := cloudwatch.New(c)
	require.NoError(t, err)
	s.Register(w.Router)
	return s, sdk.NewFromConfig(w.Admin())
}

func input() *sdk.PutMetricAlarmInput {
	return &sdk.PutMetricAlarmInput{
		AlarmName: aws.String("a"), AlarmDescription: aws.String("failed <executions>"), Namespace: aws.String("AWS/States"), MetricName: aws.String("ExecutionsFailed"),
		Dimensions: []types.Dimension{{Name: aws.String("StateMachineArn"), Value: aws.String("arn:m")}}, Statistic: types.StatisticSum,
		Period: aws.Int32(300), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(1), ComparisonOperator: types.ComparisonOperatorGreaterThanOrEqualToThreshold,
		TreatMissingData: aws.String("notBreaching"), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
	}
}

func describe(t *testing.T, c *sdk.Client, name string) types.MetricAlarm {
	t.Helper()
	out, err := c.DescribeAlarms(t.Context(), &sdk.DescribeAlarmsInput{AlarmNames: []string{name}})
	require.NoError(t, err)
	require.Len(t, out.MetricAlarms, 1)
	return out.MetricAlarms[0]
}

// look has all alarms evaluated: what is put is looked at.
func look(t *testing.T, c *sdk.Client) {
	t.Helper()
	put(t, c, types.MetricDatum{MetricName: aws.String("unrelated"), Value: aws.Float64(1)})
}

func put(t *testing.T, c *sdk.Client, data ...types.MetricDatum) {
	t.Helper()
	_, err := c.PutMetricData(t.Context(), &sdk.PutMetricDataInput{Namespace: aws.String("Mine"), MetricData: data})
	require.NoError(t, err)
}

func TestAlarmLifecycle(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w, nil)
	_, err := c.PutMetricAlarm(ctx, input())
	require.NoError(t, err)
	a := describe(t, c, "a")
	require.Equal(t, "arn:aws:cloudwatch:us-east-1:000000000000:alarm:a", *a.AlarmArn)
	require.Equal(t, "failed <executions>", *a.AlarmDescription)
	require.InDelta(t, 1, *a.Threshold, 0)
	require.EqualValues(t, 300, *a.Period)
	require.True(t, *a.ActionsEnabled)
	require.Empty(t, a.AlarmActions)
	require.True(t, w.Clock.Now().Equal(*a.AlarmConfigurationUpdatedTimestamp))
	require.Nil(t, a.DatapointsToAlarm)

	_, err = c.TagResource(ctx, &sdk.TagResourceInput{ResourceARN: a.AlarmArn, Tags: []types.Tag{{Key: aws.String("l"), Value: aws.String("w")}}})
	require.NoError(t, err)
	_, err = c.UntagResource(ctx, &sdk.UntagResourceInput{ResourceARN: a.AlarmArn, TagKeys: []string{"k"}})
	require.NoError(t, err)
	w.Reopen(t)
	_, c = register(t, w, nil)
	tags, err := c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceARN: a.AlarmArn})
	require.NoError(t, err)
	require.Equal(t, []types.Tag{{Key: aws.String("l"), Value: aws.String("w")}}, tags.Tags)

	// Names that there are not are passed over
	// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DeleteAlarms.html).
	_, err = c.DeleteAlarms(ctx, &sdk.DeleteAlarmsInput{AlarmNames: []string{"b", "a"}})
	require.NoError(t, err)
	out, err := c.DescribeAlarms(ctx, &sdk.DescribeAlarmsInput{AlarmNamePrefix: aws.String("a")})
	require.NoError(t, err)
	require.Empty(t, out.MetricAlarms)
}

func TestAlarmFollowsMetric(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	events := make(recorder, 10)
	s, c := register(t, w, events)
	require.NoError(t, s.Start(ctx))
	defer func() { require.NoError(t, s.Close()) }()
	require.NoError(t, w.Clock.WaitTimers(ctx, 1))
	_, err := c.PutMetricAlarm(ctx, input())
	require.NoError(t, err)
	w.Clock.Advance(10 * time.Second)
	require.Equal(t, "aws.cloudwatch CloudWatch Alarm State Change arn:aws:cloudwatch:us-east-1:000000000000:alarm:a", <-events)

	require.NoError(t, w.Clock.WaitTimers(ctx, 1))
	s.PutPoint(ctx, iamtest.Scope, wire.MetricPoint{
		Namespace: "AWS/States", Name: "ExecutionsFailed",
		Dimensions: map[string]string{"StateMachineArn": "arn:other"}, Value: 1, Time: w.Clock.Now(),
	})
	s.PutPoint(ctx, iamtest.Scope, wire.MetricPoint{
		Namespace: "AWS/States", Name: "ExecutionsFailed",
		Dimensions: map[string]string{"StateMachineArn": "arn:m"}, Value: 1, Time: w.Clock.Now(),
	})
	require.NoError(t, w.Clock.WaitTimers(ctx, 2))
	w.Clock.Advance(time.Second)
	<-events
	a := describe(t, c, "a")
	require.Equal(t, types.StateValueAlarm, a.StateValue)
	require.Contains(t, *a.StateReason, "Threshold Crossed: 1 datapoint [1.0 (")

	// After two periods without failures it is over.
	require.NoError(t, w.Clock.WaitTimers(ctx, 1))
	w.Clock.Advance(10 * time.Minute)
	<-events
	require.Equal(t, types.StateValueOk, describe(t, c, "a").StateValue)

	_, err = c.SetAlarmState(ctx, &sdk.SetAlarmStateInput{AlarmName: aws.String("a"), StateValue: types.StateValueAlarm, StateReason: aws.String("rehearsal")})
	require.NoError(t, err)
	require.Equal(t, "rehearsal", *describe(t, c, "a").StateReason)
}

func TestMissingData(t *testing.T) {
	t.Parallel()
	for treat, want := range map[string]types.StateValue{
		"": types.StateValueInsufficientData, "missing": types.StateValueInsufficientData, "ignore": types.StateValueInsufficientData,
		"breaching": types.StateValueAlarm, "notBreaching": types.StateValueOk,
	} {
		t.Run(treat, func(t *testing.T) {
			t.Parallel()
			w := iamtest.New(t)
			_, c := register(t, w, nil)
			in := input()
			in.TreatMissingData = nil
			if treat != "" {
				in.TreatMissingData = &treat
			}
			_, err := c.PutMetricAlarm(t.Context(), in)
			require.NoError(t, err)
			require.Equal(t, "Unchecked: Initial alarm creation", *describe(t, c, "a").StateReason)
			look(t, c)
			require.Equal(t, want, describe(t, c, "a").StateValue)
		})
	}
}

// An alarm is evaluated when it is put; nobody waits for the next look at all alarms.
func TestAlarmsAreEvaluatedWhenPut(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	s, c := register(t, w, nil)
	require.NoError(t, s.Start(ctx))
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	require.NoError(t, w.Clock.WaitTimers(ctx, 1)) // the first look is over: there is nothing
	put := func(treat string, want types.StateValue) {
		in := input()
		in.TreatMissingData = &treat
		_, err := c.PutMetricAlarm(ctx, in)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return describe(t, c, "a").StateValue == want }, time.Minute, time.Millisecond)
	}
	put("notBreaching", types.StateValueOk)
	_, err := c.PutCompositeAlarm(ctx, &sdk.PutCompositeAlarmInput{AlarmName: aws.String("all"), AlarmRule: aws.String("ALARM(a)")})
	require.NoError(t, err)
	put("breaching", types.StateValueAlarm)
	require.Eventually(t, func() bool {
		out, err := c.DescribeAlarms(ctx, &sdk.DescribeAlarmsInput{AlarmTypes: []types.AlarmType{types.AlarmTypeCompositeAlarm}})
		return err == nil && len(out.CompositeAlarms) == 1 && out.CompositeAlarms[0].StateValue == types.StateValueAlarm
	}, time.Minute, time.Millisecond)
}

func TestDatapointsToAlarm(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w, nil)
	in := input()
	in.Namespace, in.Period, in.EvaluationPeriods, in.DatapointsToAlarm, in.Dimensions = aws.String("Mine"), aws.Int32(60), aws.Int32(3), aws.Int32(2), nil
	_, err := c.PutMetricAlarm(ctx, in)
	require.NoError(t, err)
	put := func(ago time.Duration, v float64) {
		_, err := c.PutMetricData(ctx, &sdk.PutMetricDataInput{Namespace: aws.String("Mine"), MetricData: []types.MetricDatum{
			{MetricName: aws.String("ExecutionsFailed"), Value: &v, Timestamp: aws.Time(w.Clock.Now().Add(-ago))},
		}})
		require.NoError(t, err)
	}
	put(0, 0)
	put(2*time.Minute, 5)
	require.Equal(t, types.StateValueOk, describe(t, c, "a").StateValue)
	put(time.Minute, 5)
	require.Equal(t, types.StateValueAlarm, describe(t, c, "a").StateValue)
}

func TestStatistics(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, before := register(t, w, nil)
	start := w.Clock.Now().Truncate(5 * time.Minute)
	dims := []types.Dimension{{Name: aws.String("d"), Value: aws.String("1")}}
	_, err := before.PutMetricData(ctx, &sdk.PutMetricDataInput{Namespace: aws.String("Mine"), MetricData: []types.MetricDatum{
		{MetricName: aws.String("m"), Dimensions: dims, Values: []float64{1, 4}, Counts: []float64{2, 1}, Timestamp: &start, Unit: types.StandardUnitCount},
		{MetricName: aws.String("m"), Dimensions: dims, StatisticValues: &types.StatisticSet{
			SampleCount: aws.Float64(1), Sum: aws.Float64(-3),
			Minimum: aws.Float64(-3), Maximum: aws.Float64(-3),
		}, Timestamp: &start, Unit: types.StandardUnitCount},
	}})
	require.NoError(t, err)
	// What was acknowledged is there after a restart.
	w.Reopen(t)
	s, c := register(t, w, nil)
	get := func(namespace string, dims []types.Dimension) []types.Datapoint {
		out, err := c.GetMetricStatistics(ctx, &sdk.GetMetricStatisticsInput{
			Namespace: &namespace, MetricName: aws.String("m"), Dimensions: dims, StartTime: aws.Time(start), EndTime: aws.Time(start.Add(5 * time.Minute)), Period: aws.Int32(300),
			Statistics: types.Statistic("").Values(),
		})
		require.NoError(t, err)
		return out.Datapoints
	}
	got := get("Mine", dims)
	require.Len(t, got, 1)
	require.True(t, start.Equal(*got[0].Timestamp))
	for name, v := range map[string][2]float64{
		"sum": {*got[0].Sum, 3}, "min": {*got[0].Minimum, -3}, "max": {*got[0].Maximum, 4},
		"n": {*got[0].SampleCount, 4}, "avg": {*got[0].Average, 0.75},
	} {
		require.InDelta(t, v[1], v[0], 1e-9, name)
	}
	require.Empty(t, get("Mine", nil))
	s.PutPoint(ctx, iamtest.Scope, wire.MetricPoint{Namespace: "AWS/X", Name: "m", Dimensions: nil, Value: 7, Time: w.Clock.Now()})
	require.Len(t, get("AWS/X", nil), 1, "what is in memory counts")
	list, err := c.ListMetrics(ctx, &sdk.ListMetricsInput{Namespace: aws.String("Mine")})
	require.NoError(t, err)
	require.Equal(t, []types.Metric{{Namespace: aws.String("Mine"), MetricName: aws.String("m"), Dimensions: dims}}, list.Metrics)
}

func TestMetricData(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w, nil)
	start := w.Clock.Now().Truncate(5 * time.Minute)
	for i, v := range []float64{1, 4, 10} {
		_, err := c.PutMetricData(ctx, &sdk.PutMetricDataInput{Namespace: aws.String("Mine"), MetricData: []types.MetricDatum{
			{MetricName: aws.String("m"), Value: &v, Timestamp: aws.Time(start.Add(time.Duration(i) * time.Minute))},
		}})
		require.NoError(t, err)
	}
	query := func(id, statistic string, period int32) types.MetricDataQuery {
		return types.MetricDataQuery{Id: &id, MetricStat: &types.MetricStat{
			Metric: &types.Metric{Namespace: aws.String("Mine"), MetricName: aws.String("m")}, Period: &period, Stat: &statistic,
		}}
	}
	ask := func(by types.ScanBy, queries ...types.MetricDataQuery) (*sdk.GetMetricDataOutput, error) {
		return c.GetMetricData(ctx, &sdk.GetMetricDataInput{StartTime: &start, EndTime: aws.Time(start.Add(5 * time.Minute)), MetricDataQueries: queries, ScanBy: by})
	}
	hidden := query("c", "Sum", 60)
	hidden.ReturnData = aws.Bool(false)
	out, err := ask("", query("a", "Sum", 60), query("b", "Average", 300), hidden)
	require.NoError(t, err)
	require.Len(t, out.MetricDataResults, 2)
	require.Equal(t, []float64{10, 4, 1}, out.MetricDataResults[0].Values, "the newest first")
	require.True(t, start.Add(2*time.Minute).Equal(out.MetricDataResults[0].Timestamps[0]))
	require.Equal(t, "m Sum 60", *out.MetricDataResults[0].Label, "told apart by statistic and period")
	require.Equal(t, types.StatusCodeComplete, out.MetricDataResults[0].StatusCode)
	require.Equal(t, []float64{5}, out.MetricDataResults[1].Values)
	out, err = ask(types.ScanByTimestampAscending, query("a", "Maximum", 60))
	require.NoError(t, err)
	require.Equal(t, []float64{1, 4, 10}, out.MetricDataResults[0].Values)
	_, err = ask("", query("a", "Sum", 60), query("a", "Sum", 60))
	require.ErrorContains(t, err, "not unique")
}

func TestRefused(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w, nil)
	for name, tc := range map[string]struct {
		edit func(*sdk.PutMetricAlarmInput)
		code string
	}{
		"percentile": {func(in *sdk.PutMetricAlarmInput) { in.Statistic, in.ExtendedStatistic = "", aws.String("99") }, "InvalidParameterValue"},
		"period":     {func(in *sdk.PutMetricAlarmInput) { in.Period = aws.Int32(15) }, "InvalidParameterValue"},
		"statistic":  {func(in *sdk.PutMetricAlarmInput) { in.Statistic = "Median" }, "ValidationError"},
		"no metric":  {func(in *sdk.PutMetricAlarmInput) { in.MetricName = nil }, "MissingParameter"},
		"missing":    {func(in *sdk.PutMetricAlarmInput) { in.TreatMissingData = aws.String("x") }, "InvalidParameterValue"},
		"too many":   {func(in *sdk.PutMetricAlarmInput) { in.DatapointsToAlarm = aws.Int32(2) }, "ValidationError"},
		"metric and math": {func(in *sdk.PutMetricAlarmInput) {
			in.Metrics = []types.MetricDataQuery{{Id: aws.String("e"), Expression: aws.String("1")}}
		}, "ValidationError"},
		"anomalies": {func(in *sdk.PutMetricAlarmInput) { in.Threshold, in.ThresholdMetricId = nil, aws.String("t") }, "NotImplemented"},
		"samples":   {func(in *sdk.PutMetricAlarmInput) { in.EvaluateLowSampleCountPercentile = aws.String("x") }, "ValidationError"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := input()
			tc.edit(in)
			_, err := c.PutMetricAlarm(ctx, in)
			iamtest.RequireCode(t, err, tc.code)
		})
	}
	_, limited := w.Role(t, "limited", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"cloudwatch:PutMetricData","Resource":"*",`+
		`"Condition":{"StringLike":{"cloudwatch:namespace":"mine/*"}}}]}`)
	put := func(namespace string) error {
		_, err := sdk.NewFromConfig(limited).PutMetricData(ctx,
			&sdk.PutMetricDataInput{Namespace: &namespace, MetricData: []types.MetricDatum{{MetricName: aws.String("m"), Value: aws.Float64(1)}}})
		return err
	}
	require.NoError(t, put("mine/a"))
	iamtest.RequireCode(t, put("other"), "AccessDenied")
}

// Older tools speak the query protocol.
func TestQueryProtocol(t *testing.T) {
	t.Parallel()
	w := iamtest.New(t)
	register(t, w, nil)
	call := func(form url.Values) (int, string) {
		body := form.Encode()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL+"/", strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		sum := sha256.Sum256([]byte(body))
		creds, err := w.Admin().Credentials.Retrieve(t.Context())
		require.NoError(t, err)
		require.NoError(t, v4.NewSigner().SignHTTP(t.Context(), creds, req, hex.EncodeToString(sum[:]), "monitoring", "us-east-1", w.Clock.Now()))
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer func() { _ = res.Body.Close() }()
		raw, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(raw)
	}
	status, body := call(url.Values{
		"Action": {"PutMetricAlarm"}, "Version": {"2010-08-01"}, "AlarmName": {"q"}, "Namespace": {"N"}, "MetricName": {"m"}, "Statistic": {"Sum"}, "Period": {"60"},
		"EvaluationPeriods": {"1"}, "Threshold": {"1.5"}, "ComparisonOperator": {"GreaterThanThreshold"}, "Dimensions.member.1.Name": {"d"},
		"Dimensions.member.1.Value": {"1"}, "AlarmActions": {""},
	})
	require.Equal(t, http.StatusOK, status, body)
	status, body = call(url.Values{"Action": {"DescribeAlarms"}, "Version": {"2010-08-01"}, "AlarmNames.member.1": {"q"}})
	require.Equal(t, http.StatusOK, status, body)
	var out struct {
		XMLName xml.Name `xml:"http://monitoring.amazonaws.com/doc/2010-08-01/ DescribeAlarmsResponse"`
		Alarms  []struct {
			AlarmName, StateUpdatedTimestamp string
			Threshold                        float64
			Dimensions                       []struct{ Name, Value string } `xml:"Dimensions>member"`
		} `xml:"DescribeAlarmsResult>MetricAlarms>member"`
	}
	require.NoError(t, xml.Unmarshal([]byte(body), &out))
	require.Equal(t, "q", out.Alarms[0].AlarmName)
	require.InDelta(t, 1.5, out.Alarms[0].Threshold, 0)
	require.Equal(t, "d", out.Alarms[0].Dimensions[0].Name)
	_, err := time.Parse(time.RFC3339, out.Alarms[0].StateUpdatedTimestamp)
	require.NoError(t, err)
	status, body = call(url.Values{"Action": {"SetAlarmState"}, "Version": {"2010-08-01"}, "AlarmName": {"none"}, "StateValue": {"OK"}, "StateReason": {"r"}})
	require.Equal(t, http.StatusNotFound, status)
	require.Contains(t, body, "<Code>ResourceNotFound</Code></Error>", "without a message, as AWS")
}
