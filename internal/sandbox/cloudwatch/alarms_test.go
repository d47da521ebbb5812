package cloudwatch_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

func onMine(name, metric string, edit func(*sdk.PutMetricAlarmInput)) *sdk.PutMetricAlarmInput {
	in := &sdk.PutMetricAlarmInput{
		AlarmName: &name, Namespace: aws.String("Mine"), MetricName: &metric, Statistic: types.StatisticSum, Period: aws.Int32(60),
		EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(5), ComparisonOperator: types.ComparisonOperatorGreaterThanThreshold,
	}
	if edit != nil {
		edit(in)
	}
	return in
}

func TestAlarmsOnMetricMathAndPercentiles(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w, nil)
	_, err := c.PutMetricAlarm(ctx, onMine("math", "", func(in *sdk.PutMetricAlarmInput) {
		in.Namespace, in.MetricName, in.Statistic, in.Period = nil, nil, "", nil
		in.Metrics = []types.MetricDataQuery{expression("share", "100 * errors / calls"), hidden(metric("errors", "errors", "Sum", 60)), hidden(metric("calls", "calls", "Sum", 60))}
	}))
	require.NoError(t, err)
	_, err = c.PutMetricAlarm(ctx, onMine("slow", "latency", func(in *sdk.PutMetricAlarmInput) { in.Statistic, in.ExtendedStatistic = "", aws.String("p90") }))
	require.NoError(t, err)
	_, err = c.PutMetricAlarm(ctx, onMine("few", "latency", func(in *sdk.PutMetricAlarmInput) {
		in.Statistic, in.ExtendedStatistic, in.EvaluateLowSampleCountPercentile = "", aws.String("p90"), aws.String("ignore")
	}))
	require.NoError(t, err)
	now := w.Clock.Now()
	put(t, c, datum("errors", 1, now, ""), datum("calls", 10, now, ""), datum("latency", 1, now, ""), datum("latency", 9, now, ""))
	require.Equal(t, types.StateValueAlarm, describe(t, c, "math").StateValue)
	require.Regexp(t, `^Threshold Crossed: 1 datapoint \[10\.0 \(\d\d/\d\d/\d\d \d\d:\d\d:00\)\] was greater than the threshold \(5\.0\)\.$`, *describe(t, c, "math").StateReason)
	require.Equal(t, types.StateValueAlarm, describe(t, c, "slow").StateValue)
	require.Equal(t, types.StateValueInsufficientData, describe(t, c, "few").StateValue, "too few samples for a percentile")

	found, err := c.DescribeAlarmsForMetric(ctx, &sdk.DescribeAlarmsForMetricInput{Namespace: aws.String("Mine"), MetricName: aws.String("latency")})
	require.NoError(t, err)
	require.Len(t, found.MetricAlarms, 2)
	for _, bad := range [][]types.MetricDataQuery{
		{metric("a", "x", "Sum", 60), metric("b", "x", "Sum", 60)},
		{expression("a", "SUM(b)"), hidden(metric("b", "x", "Sum", 60))},
		{expression("a", "METRICS()"), hidden(metric("b", "x", "Sum", 60))},
	} {
		_, err := c.PutMetricAlarm(ctx, onMine("bad", "", func(in *sdk.PutMetricAlarmInput) {
			in.Namespace, in.MetricName, in.Statistic, in.Period, in.Metrics = nil, nil, "", nil, bad
		}))
		iamtest.RequireCode(t, err, "ValidationError")
	}
}

// The texts are those of the recordings that evaluate.go names.
func TestReasons(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w, nil)
	reason := func(name string) string { return *describe(t, c, name).StateReason }
	make := func(name, metric, treat string, periods, of int32) {
		_, err := c.PutMetricAlarm(ctx, onMine(name, metric, func(in *sdk.PutMetricAlarmInput) {
			in.TreatMissingData, in.EvaluationPeriods = &treat, &periods
			if of > 0 {
				in.DatapointsToAlarm = &of
			}
		}))
		require.NoError(t, err)
	}
	make("breaching", "none", "breaching", 2, 0)
	make("fine", "none", "notBreaching", 1, 0)
	make("missing", "none", "missing", 1, 0)
	make("some", "m", "missing", 3, 2)
	make("below", "n", "missing", 1, 0)
	now := w.Clock.Now()
	put(t, c, datum("m", 9, now, ""), datum("m", 21.5, now.Add(-time.Minute), ""), datum("n", 1, now, ""))
	require.Equal(t, "Threshold Crossed: no datapoints were received for 2 periods and 2 missing datapoints were treated as [Breaching].", reason("breaching"))
	require.Equal(t, "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as [NonBreaching].", reason("fine"))
	require.Equal(t, "Insufficient Data: 1 datapoint was unknown.", reason("missing"))
	require.Regexp(t, `^Threshold Crossed: 2 out of the last 3 datapoints \[9\.0 \(.*\), 21\.5 \(.*\)\] were greater than the threshold \(5\.0\) `+
		`\(minimum 2 datapoints for OK -> ALARM transition\)\.$`, reason("some"))
	require.Regexp(t, `^Threshold Crossed: 1 datapoint \[1\.0 \(.*\)\] was not greater than the threshold \(5\.0\)\.$`, reason("below"))
	var data struct {
		Version, Statistic  string
		RecentDatapoints    []float64
		EvaluatedDatapoints []struct{ SampleCount, Value *float64 }
	}
	require.NoError(t, json.Unmarshal([]byte(*describe(t, c, "some").StateReasonData), &data))
	require.Equal(t, []float64{21.5, 9}, data.RecentDatapoints)
	require.Len(t, data.EvaluatedDatapoints, 3)
	require.Nil(t, data.EvaluatedDatapoints[2].Value)
}

func TestAlarmHistory(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w, nil)
	_, err := c.PutMetricAlarm(ctx, onMine("a", "m", nil))
	require.NoError(t, err)
	w.Clock.Advance(time.Minute)
	put(t, c, datum("m", 9, w.Clock.Now(), ""))
	w.Clock.Advance(time.Minute)
	_, err = c.PutMetricAlarm(ctx, onMine("a", "m", func(in *sdk.PutMetricAlarmInput) { in.Threshold = aws.Float64(7) }))
	require.NoError(t, err)
	w.Clock.Advance(time.Minute)
	_, err = c.DeleteAlarms(ctx, &sdk.DeleteAlarmsInput{AlarmNames: []string{"a"}})
	require.NoError(t, err)
	w.Reopen(t)
	_, c = register(t, w, nil)
	list := func(in *sdk.DescribeAlarmHistoryInput) (out []string) {
		got, err := c.DescribeAlarmHistory(ctx, in)
		require.NoError(t, err)
		for _, h := range got.AlarmHistoryItems {
			out = append(out, string(h.HistoryItemType)+": "+*h.HistorySummary)
		}
		return out
	}
	require.Equal(t, []string{
		`ConfigurationUpdate: Alarm "a" deleted`, `ConfigurationUpdate: Alarm "a" updated`, "StateUpdate: Alarm updated from INSUFFICIENT_DATA to ALARM",
		`ConfigurationUpdate: Alarm "a" created`,
	}, list(&sdk.DescribeAlarmHistoryInput{AlarmName: aws.String("a")}), "it outlives the alarm")
	require.Len(t, list(&sdk.DescribeAlarmHistoryInput{HistoryItemType: types.HistoryItemTypeStateUpdate}), 1)
	require.Equal(t, []string{`ConfigurationUpdate: Alarm "a" created`}, list(&sdk.DescribeAlarmHistoryInput{ScanBy: types.ScanByTimestampAscending, MaxRecords: aws.Int32(1)}))
	require.Empty(t, list(&sdk.DescribeAlarmHistoryInput{AlarmTypes: []types.AlarmType{types.AlarmTypeCompositeAlarm}}))
	got, err := c.DescribeAlarmHistory(ctx, &sdk.DescribeAlarmHistoryInput{HistoryItemType: types.HistoryItemTypeStateUpdate})
	require.NoError(t, err)
	require.Contains(t, *got.AlarmHistoryItems[0].HistoryData, `"oldState":{"stateReason":"Unchecked: Initial alarm creation","stateValue":"INSUFFICIENT_DATA"}`)
}

func TestCompositeAlarms(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w, nil)
	for _, name := range []string{"one", "two"} {
		_, err := c.PutMetricAlarm(ctx, onMine(name, name, nil))
		require.NoError(t, err)
	}
	compose := func(name, rule string) error {
		_, err := c.PutCompositeAlarm(ctx, &sdk.PutCompositeAlarmInput{AlarmName: &name, AlarmRule: &rule, Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}})
		return err
	}
	require.NoError(t, compose("either", `ALARM("arn:aws:cloudwatch:us-east-1:000000000000:alarm:one") OR ALARM(two)`))
	require.NoError(t, compose("calm", `NOT (ALARM(either) OR OK("one")) AND TRUE`))
	state := func(name string) types.CompositeAlarm {
		out, err := c.DescribeAlarms(ctx, &sdk.DescribeAlarmsInput{AlarmNames: []string{name}, AlarmTypes: []types.AlarmType{types.AlarmTypeCompositeAlarm}})
		require.NoError(t, err)
		require.Empty(t, out.MetricAlarms)
		require.Len(t, out.CompositeAlarms, 1)
		return out.CompositeAlarms[0]
	}
	require.Equal(t, types.StateValueOk, state("either").StateValue)
	require.Equal(t, types.StateValueAlarm, state("calm").StateValue)
	put(t, c, datum("two", 9, w.Clock.Now(), ""))
	require.Equal(t, types.StateValueAlarm, state("either").StateValue)
	require.Equal(t, types.StateValueOk, state("calm").StateValue, "an alarm on an alarm on others")
	require.Contains(t, *state("either").StateReason, "arn:aws:cloudwatch:us-east-1:000000000000:alarm:two transitioned to ALARM at ")
	require.Contains(t, *state("either").StateReasonData, `"triggeringAlarms":[{"arn":"arn:aws:cloudwatch:us-east-1:000000000000:alarm:two"`)
	_, err := c.SetAlarmState(ctx, &sdk.SetAlarmStateInput{AlarmName: aws.String("two"), StateValue: types.StateValueOk, StateReason: aws.String("r")})
	require.NoError(t, err)
	require.Equal(t, types.StateValueOk, state("either").StateValue)

	all, err := c.DescribeAlarms(ctx, &sdk.DescribeAlarmsInput{})
	require.NoError(t, err)
	require.Empty(t, all.CompositeAlarms, "only metric alarms unless asked")
	require.Len(t, all.MetricAlarms, 2)
	family, err := c.DescribeAlarms(ctx, &sdk.DescribeAlarmsInput{ChildrenOfAlarmName: aws.String("either")})
	require.NoError(t, err)
	require.Len(t, family.MetricAlarms, 2)
	tags, err := c.ListTagsForResource(ctx, &sdk.ListTagsForResourceInput{ResourceARN: state("calm").AlarmArn})
	require.NoError(t, err)
	require.Len(t, tags.Tags, 1)

	for _, rule := range []string{"ALARM(", "ALARM(nobody)", "one", "ALARM(one) XOR ALARM(two)", "ALARM(bad)", "NOT", "()"} {
		iamtest.RequireCode(t, compose("bad", rule), "ValidationError")
	}
	_, err = c.DeleteAlarms(ctx, &sdk.DeleteAlarmsInput{AlarmNames: []string{"one"}})
	iamtest.RequireCode(t, err, "ValidationError")
	_, err = c.DeleteAlarms(ctx, &sdk.DeleteAlarmsInput{AlarmNames: []string{"one", "either", "calm"}})
	require.NoError(t, err)
}

// Alarms in a circle end.
func TestCompositeCircle(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w, nil)
	put := func(name, rule string) {
		_, err := c.PutCompositeAlarm(ctx, &sdk.PutCompositeAlarmInput{AlarmName: &name, AlarmRule: &rule})
		require.NoError(t, err)
	}
	put("a", "TRUE")
	put("b", "NOT ALARM(a)")
	put("a", "ALARM(b)")
	put("b", "NOT ALARM(a)")
}

// function stands for Lambda: it takes calls and says who made them.
type function chan *awslambda.InvokeInput

func TestAlarmActions(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	calls := make(function, 10)
	var caller wire.Principal
	serve := func() {
		w.Router.Register(wire.Service{ID: "lambda"})
		wire.Handle(w.Router, "lambda", "Invoke", func(_ context.Context, req *wire.Request, in *awslambda.InvokeInput) (*awslambda.InvokeOutput, error) {
			caller = req.Principal
			calls <- in
			return &awslambda.InvokeOutput{StatusCode: 202}, nil
		}, wire.Free("a stand-in"))
	}
	serve()
	_, c := register(t, w, nil)
	arn := "arn:aws:lambda:us-east-1:000000000000:function:f"
	_, err := c.PutMetricAlarm(ctx, onMine("a", "m", func(in *sdk.PutMetricAlarmInput) {
		in.AlarmActions, in.OKActions = []string{arn, "arn:aws:autoscaling:us-east-1:000000000000:scalingPolicy:x"}, []string{arn}
	}))
	require.NoError(t, err)
	put(t, c, datum("m", 9, w.Clock.Now(), ""))
	require.Empty(t, calls, "nothing runs before the service has started")
	w.Reopen(t) // as after a crash
	serve()
	s, c := register(t, w, nil)
	require.NoError(t, s.Start(ctx))
	defer func() { require.NoError(t, s.Close()) }()
	in := <-calls
	require.Equal(t, arn, *in.FunctionName)
	require.Equal(t, "lambda.alarms.cloudwatch.amazonaws.com", caller.Service)
	require.Equal(t, "arn:aws:cloudwatch:us-east-1:000000000000:alarm:a", caller.Source)
	var event struct {
		Source, AlarmArn string
		AlarmData        struct {
			State, PreviousState struct{ Value string }
			Configuration        struct{ Metrics []any }
		}
	}
	require.NoError(t, json.Unmarshal(in.Payload, &event))
	require.Equal(t, "aws.cloudwatch", event.Source)
	require.Equal(t, "ALARM", event.AlarmData.State.Value)
	require.Equal(t, "INSUFFICIENT_DATA", event.AlarmData.PreviousState.Value)
	require.Len(t, event.AlarmData.Configuration.Metrics, 1)

	require.Eventually(t, func() bool {
		out, err := c.DescribeAlarmHistory(ctx, &sdk.DescribeAlarmHistoryInput{HistoryItemType: types.HistoryItemTypeAction})
		return err == nil && len(out.AlarmHistoryItems) == 2
	}, time.Minute, time.Millisecond)
	out, err := c.DescribeAlarmHistory(ctx, &sdk.DescribeAlarmHistoryInput{HistoryItemType: types.HistoryItemTypeAction, ScanBy: types.ScanByTimestampAscending})
	require.NoError(t, err)
	require.Equal(t, "Successfully executed action "+arn, *out.AlarmHistoryItems[0].HistorySummary)
	require.Contains(t, *out.AlarmHistoryItems[1].HistorySummary, "Failed to execute action")
	_, err = c.DisableAlarmActions(ctx, &sdk.DisableAlarmActionsInput{AlarmNames: []string{"a"}})
	require.NoError(t, err)
	_, err = c.SetAlarmState(ctx, &sdk.SetAlarmStateInput{AlarmName: aws.String("a"), StateValue: types.StateValueOk, StateReason: aws.String("r")})
	require.NoError(t, err)
	require.Empty(t, calls, "actions that are switched off do not run")
}

// An alarm scales what is in its account and region, and a composite one scales nothing.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
func TestActionsOnScalingPolicies(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w, nil)
	const own = "arn:aws:autoscaling:us-east-1:000000000000:scalingPolicy:x"
	for _, action := range []string{"arn:aws:autoscaling:us-east-1:111122223333:scalingPolicy:x", "arn:aws:autoscaling:eu-west-1:000000000000:scalingPolicy:x"} {
		for _, set := range []func(*sdk.PutMetricAlarmInput){
			func(in *sdk.PutMetricAlarmInput) { in.AlarmActions = []string{action} },
			func(in *sdk.PutMetricAlarmInput) { in.OKActions = []string{own, action} },
			func(in *sdk.PutMetricAlarmInput) { in.InsufficientDataActions = []string{action} },
		} {
			_, err := c.PutMetricAlarm(ctx, onMine("a", "m", set))
			require.Contains(t, iamtest.RequireCode(t, err, "ValidationError").ErrorMessage(), action)
		}
	}
	_, err := c.PutMetricAlarm(ctx, onMine("a", "m", func(in *sdk.PutMetricAlarmInput) { in.AlarmActions = []string{own} }))
	require.NoError(t, err)
	_, err = c.PutCompositeAlarm(ctx, &sdk.PutCompositeAlarmInput{AlarmName: aws.String("both"), AlarmRule: aws.String(`ALARM("a")`), OKActions: []string{own}})
	require.Contains(t, iamtest.RequireCode(t, err, "ValidationError").ErrorMessage(), own)
}
