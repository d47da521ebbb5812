package cloudwatch_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/iam/iamtest"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// An alarm that cannot be evaluated says why, and holds up no other: EvaluationState of
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricAlarm.html
func TestOneAlarmFailsAlone(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	_, c := register(t, w, nil)
	_, err := c.PutMetricAlarm(ctx, onMine("a-first", "", func(in *sdk.PutMetricAlarmInput) {
		in.Namespace, in.MetricName, in.Statistic, in.Period = nil, nil, "", nil
		in.Metrics = []types.MetricDataQuery{expression("e", "FIRST(IF(SUM(m) > 0, m, METRICS()))"), hidden(metric("m", "m", "Sum", 60))}
	}))
	require.NoError(t, err, "it fails only when there are data")
	for _, name := range []string{"b-damaged", "c"} {
		_, err := c.PutMetricAlarm(ctx, onMine(name, "m", nil))
		require.NoError(t, err)
	}
	for _, name := range []string{"a-composite", "z-composite"} {
		_, err = c.PutCompositeAlarm(ctx, &sdk.PutCompositeAlarmInput{AlarmName: &name, AlarmRule: aws.String("ALARM(c)")})
		require.NoError(t, err)
	}
	damage := func(name, from, to string) {
		require.NoError(t, w.DB.Update(func(tx *store.Tx) error {
			raw := bytes.Clone(tx.GetRaw("cloudwatch.alarms", iamtest.Scope.Key(name)))
			require.Contains(t, string(raw), from)
			return tx.PutRaw("cloudwatch.alarms", iamtest.Scope.Key(name), bytes.ReplaceAll(raw, []byte(from), []byte(to)))
		}))
	}
	damage("b-damaged", `"EvaluationPeriods":1`, `"EvaluationPeriods":null`)
	damage("a-composite", `ALARM(c)`, `ALARM(`)
	put(t, c, datum("m", 9, w.Clock.Now(), ""))
	require.Equal(t, types.StateValueAlarm, describe(t, c, "c").StateValue)
	state := func(name string) types.StateValue {
		out, err := c.DescribeAlarms(ctx, &sdk.DescribeAlarmsInput{AlarmNames: []string{name}, AlarmTypes: []types.AlarmType{types.AlarmTypeCompositeAlarm}})
		require.NoError(t, err)
		return out.CompositeAlarms[0].StateValue
	}
	require.Equal(t, types.StateValueAlarm, state("z-composite"))
	first := describe(t, c, "a-first")
	require.Equal(t, "Error in expression 'e': An array of time series is expected", *first.StateReason)
	require.Equal(t, []any{types.StateValueInsufficientData, types.EvaluationStateEvaluationError}, []any{first.StateValue, first.EvaluationState})
	require.Equal(t, types.EvaluationStateEvaluationFailure, describe(t, c, "b-damaged").EvaluationState)

	w.Clock.Advance(5 * time.Minute) // without data it can be evaluated
	look(t, c)
	require.Empty(t, describe(t, c, "a-first").EvaluationState)
}

// An action that fails in any way holds up no other, and is not run again and again.
func TestOneActionFailsAlone(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	w.Router.Register(wire.Service{ID: "lambda"})
	calls := make(function, 10)
	wire.Handle(w.Router, "lambda", "Invoke", func(_ context.Context, _ *wire.Request, in *awslambda.InvokeInput) (*awslambda.InvokeOutput, error) {
		calls <- in
		if *in.FunctionName == "arn:aws:lambda:us-east-1:000000000000:function:bad" {
			panic("boom")
		}
		return &awslambda.InvokeOutput{StatusCode: 202}, nil
	}, wire.Free("a stand-in"))
	s, c := register(t, w, nil)
	require.NoError(t, s.Start(ctx))
	defer func() { require.NoError(t, s.Close()) }()
	_, err := c.PutMetricAlarm(ctx, onMine("a", "m", func(in *sdk.PutMetricAlarmInput) {
		in.AlarmActions = []string{"arn:aws:lambda:us-east-1:000000000000:function:bad", "arn:aws:lambda:us-east-1:000000000000:function:good"}
	}))
	require.NoError(t, err)
	put(t, c, datum("m", 9, w.Clock.Now(), ""))
	var history []types.AlarmHistoryItem
	require.Eventually(t, func() bool {
		out, err := c.DescribeAlarmHistory(ctx, &sdk.DescribeAlarmHistoryInput{HistoryItemType: types.HistoryItemTypeAction, ScanBy: types.ScanByTimestampAscending})
		if err == nil {
			history = out.AlarmHistoryItems
		}
		return len(history) == 2
	}, 2*time.Minute, time.Millisecond)
	require.Equal(t, "Failed to execute action arn:aws:lambda:us-east-1:000000000000:function:bad", *history[0].HistorySummary)
	require.Equal(t, "Successfully executed action arn:aws:lambda:us-east-1:000000000000:function:good", *history[1].HistorySummary)
	require.Len(t, calls, 2)
}

// An action that could not be noted is tried again by itself.
func TestActionsAreTriedAgain(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	s, c := register(t, w, nil)
	_, err := c.PutMetricAlarm(ctx, onMine("a", "m", func(in *sdk.PutMetricAlarmInput) {
		in.AlarmActions = []string{"arn:aws:autoscaling:us-east-1:000000000000:scalingPolicy:x"}
	}))
	require.NoError(t, err)
	put(t, c, datum("m", 9, w.Clock.Now(), ""))
	var key string
	var whole []byte
	require.NoError(t, w.DB.Update(func(tx *store.Tx) error {
		err := tx.Scan("cloudwatch.actions", "", "", func(k string, raw []byte) (bool, error) {
			key, whole = k, bytes.Clone(raw)
			return true, nil
		})
		require.NoError(t, err)
		return tx.PutRaw("cloudwatch.actions", key, []byte("[]"))
	}))
	require.NoError(t, s.Start(ctx))
	defer func() { require.NoError(t, s.Close()) }()
	waits, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	require.NoError(t, w.Clock.WaitTimers(waits, 2)) // that of the alarms, and that of the actions
	require.NoError(t, w.DB.Update(func(tx *store.Tx) error { return tx.PutRaw("cloudwatch.actions", key, whole) }))
	require.Eventually(t, func() bool { // nobody rings
		w.Clock.Advance(100 * time.Millisecond)
		out, err := c.DescribeAlarmHistory(ctx, &sdk.DescribeAlarmHistoryInput{HistoryItemType: types.HistoryItemTypeAction})
		return err == nil && len(out.AlarmHistoryItems) == 1
	}, 2*time.Minute, 5*time.Millisecond)
}

// An idle sandbox writes nothing: the rounds go on while somebody else is writing. What is
// too old is forgotten all the same.
func TestIdleRoundsDoNotWrite(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	s, c := register(t, w, nil)
	_, err := c.PutCompositeAlarm(ctx, &sdk.PutCompositeAlarmInput{AlarmName: aws.String("a"), AlarmRule: aws.String("TRUE")})
	require.NoError(t, err)
	require.NoError(t, s.Start(ctx))
	defer func() { require.NoError(t, s.Close()) }()
	waits, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	require.NoError(t, w.Clock.WaitTimers(waits, 1))
	err = w.DB.Update(func(*store.Tx) error {
		for _, d := range []time.Duration{10 * time.Second, 10 * time.Second, time.Hour} {
			w.Clock.Advance(d)
			if err := w.Clock.WaitTimers(waits, 1); err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(t, err)
	history := func() (n int) {
		require.NoError(t, w.DB.View(func(tx *store.Tx) error {
			return tx.Scan("cloudwatch.history", "", "", func(string, []byte) (bool, error) {
				n++
				return true, nil
			})
		}))
		return n
	}
	require.Positive(t, history())
	w.Clock.Advance(31 * 24 * time.Hour)
	require.NoError(t, w.Clock.WaitTimers(waits, 1))
	require.Zero(t, history())
}

// Values are those of https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDatum.html:
// from -2^360 to 2^360, no infinities, and samples that there are.
func TestValuesThatAreNone(t *testing.T) {
	t.Parallel()
	w, ctx := iamtest.New(t), t.Context()
	s, c := register(t, w, nil)
	try := func(d types.MetricDatum) error {
		d.MetricName = aws.String("m")
		_, err := c.PutMetricData(ctx, &sdk.PutMetricDataInput{Namespace: aws.String("Mine"), MetricData: []types.MetricDatum{d}})
		return err
	}
	most := math.Ldexp(1, 360)
	require.NoError(t, try(types.MetricDatum{Value: &most}))
	require.NoError(t, try(types.MetricDatum{Values: []float64{-most, 1}, Counts: []float64{2, 0.5}}))
	for _, bad := range []float64{1.7e308, -2 * most, math.Inf(1), math.Inf(-1), math.NaN()} {
		iamtest.RequireCode(t, try(types.MetricDatum{Value: &bad}), "InvalidParameterValue")
		iamtest.RequireCode(t, try(types.MetricDatum{Values: []float64{1, bad}}), "InvalidParameterValue")
		iamtest.RequireCode(t, try(types.MetricDatum{Values: []float64{1}, Counts: []float64{bad}}), "InvalidParameterValue")
		iamtest.RequireCode(t, try(types.MetricDatum{StatisticValues: &types.StatisticSet{
			SampleCount: aws.Float64(1), Sum: &bad, Minimum: &bad,
			Maximum: &bad,
		}}), "InvalidParameterValue")
		_, err := c.PutMetricAlarm(ctx, onMine("a", "m", func(in *sdk.PutMetricAlarmInput) { in.Threshold = &bad }))
		iamtest.RequireCode(t, err, "InvalidParameterValue")
	}
	for _, n := range []float64{0, -1} {
		iamtest.RequireCode(t, try(types.MetricDatum{Values: []float64{1}, Counts: []float64{n}}), "InvalidParameterValue")
		iamtest.RequireCode(t, try(types.MetricDatum{StatisticValues: &types.StatisticSet{
			SampleCount: &n, Sum: aws.Float64(1), Minimum: aws.Float64(1),
			Maximum: aws.Float64(1),
		}}), "InvalidParameterValue")
	}

	// Nor do services give such, whatever a log line holds; and what cannot be kept holds up
	// nothing else.
	sum := func(name string) string {
		out, err := c.GetMetricStatistics(ctx, &sdk.GetMetricStatisticsInput{
			Namespace: aws.String("S"), MetricName: &name, StartTime: aws.Time(w.Clock.Now().Add(-time.Minute)), EndTime: aws.Time(w.Clock.Now().Add(time.Minute)),
			Period: aws.Int32(60), Statistics: []types.Statistic{types.StatisticSum},
		})
		require.NoError(t, err)
		got := []float64{}
		for _, d := range out.Datapoints {
			got = append(got, *d.Sum)
		}
		return fmt.Sprint(got)
	}
	for range 2 {
		s.PutPoint(ctx, iamtest.Scope, wire.MetricPoint{Namespace: "S", Name: "bad", Dimensions: nil, Value: 1.7e308, Time: w.Clock.Now()})
		s.PutPoint(ctx, iamtest.Scope, wire.MetricPoint{Namespace: "S", Name: "worse", Dimensions: nil, Value: math.NaN(), Time: w.Clock.Now()})
		s.PutPoint(ctx, iamtest.Scope, wire.MetricPoint{Namespace: "S", Name: "good", Dimensions: nil, Value: 1, Time: w.Clock.Now()})
	}
	require.Equal(t, "[2]", sum("good"))
	require.Equal(t, "[]", sum("bad"))
	require.NoError(t, w.DB.Update(func(tx *store.Tx) error {
		var keys []string
		err := tx.Scan("cloudwatch.data", "", "", func(k string, _ []byte) (bool, error) {
			keys = append(keys, k)
			return true, nil
		})
		for _, k := range keys {
			require.NoError(t, tx.PutRaw("cloudwatch.data", k, []byte("[]")))
		}
		return err
	}))
	s.PutPoint(ctx, iamtest.Scope, wire.MetricPoint{Namespace: "S", Name: "good", Dimensions: nil, Value: 1, Time: w.Clock.Now()})
	s.PutPoint(ctx, iamtest.Scope, wire.MetricPoint{Namespace: "S", Name: "other", Dimensions: nil, Value: 1, Time: w.Clock.Now()})
	require.Equal(t, "[1]", sum("other"))
}
