package metricmath_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/cloudwatch/metricmath"
)

func series(label string, points map[int64]float64) metricmath.Series {
	out := metricmath.Series{Label: label, Period: 60}
	for t := int64(0); t < 600; t += 60 {
		if x, ok := points[t]; ok {
			out.Times, out.Values = append(out.Times, t), append(out.Values, x)
		}
	}
	return out
}

func env() *metricmath.Env {
	known := map[string]metricmath.Series{
		"m1": series("one", map[int64]float64{0: 1, 60: 2, 120: -3}),
		"m2": series("two", map[int64]float64{60: 10, 120: 20, 180: 30}),
		"e":  series("empty", nil),
	}
	return &metricmath.Env{
		Start: 0, End: 240, Period: 60,
		Lookup: func(id string) (metricmath.Value, bool) {
			s, ok := known[id]
			return metricmath.One(s), ok
		},
		Metrics: func(string) []metricmath.Series { return []metricmath.Series{known["m1"], known["m2"]} },
	}
}

// What the functions do: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
func TestSeries(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string][]float64{
		"m1":                               {1, 2, -3},
		"m1 + m2":                          {12, 17},
		"-m1 * 2 + 1":                      {-1, -3, 7},
		"2 ^ 3 - m2 / 10":                  {7, 6, 5},
		"m2 / (m1 + 3)":                    {2},
		"m1 > 1 AND m2 >= 10":              {1, 0},
		"m1 > 1 || m2 == 20":               {1, 1},
		"ABS(m1)":                          {1, 2, 3},
		"CEIL(m2 / 3)":                     {4, 7, 10},
		"m2 - AVG(m2)":                     {-10, 0, 10},
		"m1 * SUM(m1) + MAX(m1)":           {2, 2, 2},
		"SUM([m1, m2])":                    {1, 12, 17, 30},
		"SUM(METRICS())":                   {1, 12, 17, 30},
		"MIN(METRICS()) + STDDEV(e)":       {},
		"DATAPOINT_COUNT(METRICS())":       {1, 2, 2, 1},
		"FILL(m1, 0)":                      {1, 2, -3, 0},
		"FILL(m2, LINEAR)":                 {10, 20, 30},
		"FILL(m1, REPEAT)":                 {1, 2, -3, -3},
		"FILL(e, m2)":                      {10, 20, 30},
		"IF(m1 > 0, m1, 7)":                {1, 2, 7},
		"IF(m1 > 0, m1)":                   {1, 2},
		"IF(1 < 2, m2, m1)":                {10, 20, 30},
		"DIFF(m1)":                         {1, -5},
		"RATE(m2)":                         {10.0 / 60, 10.0 / 60},
		"DIFF_TIME(m2)":                    {60, 60},
		"RUNNING_SUM(m1)":                  {1, 3, 0},
		"m1 / PERIOD(m1)":                  {1.0 / 60, 2.0 / 60, -3.0 / 60},
		"TIME_SERIES(4)":                   {4, 4, 4, 4},
		"FIRST(METRICS()) * 1":             {1, 2, -3},
		"LAST([m1, m2])":                   {10, 20, 30},
		"SLICE([m1, m2], 1)":               {10, 20, 30},
		"FIRST(SORT([m1, m2], AVG, DESC))": {10, 20, 30},
		"MINUTE(m1)":                       {0, 1, 2},
		"DAY(m1)":                          {4, 4, 4}, // 1 January 1970 was a Thursday
		"m1 * METRIC_COUNT([m1, m2])":      {2, 4, -6},
		"LOG10(m2 * 10) * 0 + 5":           {5, 5, 5},
		"m1 / (m1 - m1)":                   {}, // no number is no point
	} {
		t.Run(expression, func(t *testing.T) {
			t.Parallel()
			e, err := metricmath.Parse(expression)
			require.NoError(t, err)
			v, err := e.Eval(env())
			require.NoError(t, err)
			require.False(t, v.IsNumber())
			require.Len(t, v.Series, 1)
			require.InDeltaSlice(t, want, append([]float64{}, v.Series[0].Values...), 1e-9)
			require.Len(t, v.Series[0].Times, len(want))
		})
	}
}

func TestArrays(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]int{
		"METRICS()": 2, "[m1, m2] * 2": 2, "[m1, e] + m2": 2, "REMOVE_EMPTY([m1, e])": 1, "SLICE([m1, m2, e], 1, 3)": 2,
		"SORT([m1, m2, e], SUM, ASC, 1)": 1, "FILL([m1, e], 0)": 2, "IF(m1, METRICS(), 0)": 2,
	} {
		e, err := metricmath.Parse(expression)
		require.NoError(t, err, expression)
		v, err := e.Eval(env())
		require.NoError(t, err, expression)
		require.True(t, v.IsArray(), expression)
		require.Len(t, v.Series, want, expression)
	}
	for _, number := range []string{"1 + 2 * 3", "SUM(m1)", "AVG(m2) - 1", "METRIC_COUNT(METRICS())"} {
		e, err := metricmath.Parse(number)
		require.NoError(t, err)
		v, err := e.Eval(env())
		require.NoError(t, err)
		require.True(t, v.IsNumber(), number)
	}
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	for _, expression := range []string{
		"", "m1 +", "(m1", "m1)", "NOSUCH(m1)", "SUM()", "SUM(m1, m2)", "m1 $ m2", "[m1", "1..2.3.4", "\"a", "AND", "unknown", "METRICS() * METRICS()",
		"SUM(3)", "\"a\" + 1", "FIRST(m1)", "SORT(METRICS(), MEDIAN, ASC)", "FILL(m1, SOMEHOW)", "IF(\"x\", 1, 2)", "SEARCH('x', 'Sum')",
	} {
		e, err := metricmath.Parse(expression)
		if err == nil {
			_, err = e.Eval(env())
		}
		var wrong *metricmath.Error
		require.ErrorAs(t, err, &wrong, expression)
	}
	_, err := metricmath.Parse(strings.Repeat("(", 100_000))
	require.Error(t, err)
}
