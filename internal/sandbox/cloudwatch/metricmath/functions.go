package metricmath

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"
)

// function takes from least to most arguments.
type function struct {
	least, most int
	run         func(env *Env, args []Value) (Value, error)
}

// functions by their names, as documented at
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html#metric-math-syntax-functions-list.
// Those that need models or other services (ANOMALY_DETECTION_BAND, SERVICE_QUOTA and
// the like) are not there.
var functions = map[string]function{
	"ABS": points(math.Abs), "CEIL": points(math.Ceil), "FLOOR": points(math.Floor), "LOG": points(math.Log), "LOG10": points(math.Log10),
	"AVG": fold(folds["AVG"]), "SUM": fold(folds["SUM"]), "MIN": fold(folds["MIN"]), "MAX": fold(folds["MAX"]), "STDDEV": fold(deviation),
	"DATAPOINT_COUNT": fold(func(list []float64) float64 { return float64(len(list)) }),
	"MINUTE":          clock(func(t time.Time) int { return t.Minute() }), "HOUR": clock(time.Time.Hour), "DAY": clock(weekday), "DATE": clock(time.Time.Day),
	"MONTH": clock(func(t time.Time) int { return int(t.Month()) }), "YEAR": clock(time.Time.Year), "EPOCH": clock(func(t time.Time) int { return int(t.Unix()) }),
	"DIFF": steps(func(dx, _ float64) float64 { return dx }), "DIFF_TIME": steps(func(_, dt float64) float64 { return dt }),
	"RATE":        steps(func(dx, dt float64) float64 { return dx / dt }),
	"RUNNING_SUM": {1, 1, runningSum}, "PERIOD": {1, 1, period}, "TIME_SERIES": {1, 1, constant},
	"FILL": {2, 2, fill}, "IF": {2, 3, choose}, "FIRST": {1, 1, first}, "LAST": {1, 1, last}, "SLICE": {2, 3, slice}, "SORT": {3, 4, sorted},
	"METRICS": {0, 1, metrics}, "METRIC_COUNT": {1, 1, count}, "REMOVE_EMPTY": {1, 1, removeEmpty}, "SEARCH": {2, 3, search},
}

// folds are what series may be sorted by.
var folds = map[string]func([]float64) float64{"AVG": mean, "SUM": sum, "MIN": slices.Min[[]float64], "MAX": slices.Max[[]float64]}

// weekday counts from Monday, as AWS does.
func weekday(t time.Time) int { return (int(t.Weekday())+6)%7 + 1 }

func mean(list []float64) float64 { return sum(list) / float64(len(list)) }

func sum(list []float64) (out float64) {
	for _, x := range list {
		out += x
	}
	return out
}

func deviation(list []float64) float64 {
	m, out := mean(list), 0.0
	for _, x := range list {
		out += (x - m) * (x - m)
	}
	return math.Sqrt(out / float64(len(list)))
}

func numeric(v Value) error {
	if v.kind == text {
		return wrong("A text stands where data are expected")
	}
	return nil
}

// points is a function of every point.
func points(fn func(float64) float64) function {
	return function{1, 1, func(_ *Env, a []Value) (Value, error) { return a[0].each(fn), numeric(a[0]) }}
}

// fold is a function of the values of one series, which gives a number, or of those
// that many series have at one time, which gives a series.
func fold(fn func([]float64) float64) function {
	return function{1, 1, func(_ *Env, a []Value) (Value, error) {
		switch v := a[0]; v.kind {
		case number, text:
			return v, wrong("A time series is expected")
		case one:
			if len(v.Series[0].Values) == 0 {
				return Number(math.NaN()), nil
			}
			return Number(fn(v.Series[0].Values)), nil
		default:
			return One(across(v.Series, fn)), nil
		}
	}}
}

func across(list []Series, fn func([]float64) float64) (out Series) {
	byTime := map[int64][]float64{}
	for _, s := range list {
		out.Period = max(out.Period, s.Period)
		for i, t := range s.Times {
			byTime[t] = append(byTime[t], s.Values[i])
		}
	}
	for _, t := range slices.Sorted(maps.Keys(byTime)) {
		out.add(t, fn(byTime[t]))
	}
	return out
}

// clock is what a function reads off the times of points.
func clock(fn func(time.Time) int) function {
	return function{1, 1, func(_ *Env, a []Value) (Value, error) {
		if a[0].kind == number || a[0].kind == text {
			return a[0], wrong("A time series is expected")
		}
		return a[0].series(func(s Series) Series {
			out := Series{Label: s.Label, Period: s.Period}
			for _, t := range s.Times {
				out.add(t, float64(fn(time.Unix(t, 0).UTC())))
			}
			return out
		}), nil
	}}
}

// steps is a function of every two points that follow each other.
func steps(fn func(dx, dt float64) float64) function {
	return function{1, 1, func(_ *Env, a []Value) (Value, error) {
		if a[0].kind == number || a[0].kind == text {
			return a[0], wrong("A time series is expected")
		}
		return a[0].series(func(s Series) Series {
			out := Series{Label: s.Label, Period: s.Period}
			for i := 1; i < len(s.Times); i++ {
				out.add(s.Times[i], fn(s.Values[i]-s.Values[i-1], float64(s.Times[i]-s.Times[i-1])))
			}
			return out
		}), nil
	}}
}

func runningSum(_ *Env, a []Value) (Value, error) {
	return a[0].series(func(s Series) Series {
		out, sum := Series{Label: s.Label, Period: s.Period}, 0.0
		for i, x := range s.Values {
			sum += x
			out.add(s.Times[i], sum)
		}
		return out
	}), numeric(a[0])
}

func period(env *Env, a []Value) (Value, error) {
	if a[0].kind != one {
		return a[0], wrong("PERIOD takes one time series")
	}
	return Number(float64(cmp.Or(a[0].Series[0].Period, env.Period))), nil
}

// grid calls fn for the times of a series' period within the request.
func (env *Env) grid(period int64, fn func(int64)) {
	period = max(cmp.Or(period, env.Period), 1)
	t := env.Start - env.Start%period
	for range env.steps(period) {
		fn(t)
		t += period
	}
}

// steps is how many times grid knows.
func (env *Env) steps(period int64) int {
	period = max(cmp.Or(period, env.Period), 1)
	from := env.Start - env.Start%period
	return int(min(max(env.End-from+period-1, 0)/period, 100_000))
}

func constant(env *Env, a []Value) (Value, error) {
	if a[0].kind != number {
		return a[0], wrong("TIME_SERIES takes a number")
	}
	out := Series{Period: env.Period}
	env.grid(0, func(t int64) { out.add(t, a[0].Number) })
	return One(out), nil
}

// fill gives values to the times that have none: a number, those of a series, the last
// before it (REPEAT) or what lies between its neighbours (LINEAR).
func fill(env *Env, a []Value) (Value, error) {
	by := a[1]
	if a[0].kind == number || a[0].kind == text || by.kind == many || by.kind == text && by.text != "REPEAT" && by.text != "LINEAR" {
		return a[0], wrong("FILL takes time series and a number, a time series, REPEAT or LINEAR")
	}
	n := 0
	for _, s := range a[0].Series {
		n += env.steps(s.Period)
	}
	if err := env.afford(n); err != nil {
		return a[0], err
	}
	return a[0].series(func(s Series) Series {
		out := Series{Label: s.Label, Period: s.Period}
		env.grid(s.Period, func(t int64) {
			if x, ok := s.at(t); ok {
				out.add(t, x)
			} else if x, ok := s.between(t, by); ok {
				out.add(t, x)
			}
		})
		return out
	}), nil
}

func (s *Series) between(t int64, by Value) (float64, bool) {
	switch by.kind {
	case number:
		return by.Number, true
	case one:
		return by.Series[0].at(t)
	}
	i, _ := slices.BinarySearch(s.Times, t)
	switch {
	case i == 0:
		return 0, false
	case by.text == "REPEAT":
		return s.Values[i-1], true
	case i == len(s.Times):
		return 0, false
	}
	share := float64(t-s.Times[i-1]) / float64(s.Times[i]-s.Times[i-1])
	return s.Values[i-1] + share*(s.Values[i]-s.Values[i-1]), true
}
