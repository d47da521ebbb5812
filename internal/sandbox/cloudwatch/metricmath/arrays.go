package metricmath

import (
	"cmp"
	"math"
	"slices"
)

// choose is IF: by the points of a condition, what the second argument has where it
// holds, else the third, else nothing.
func choose(env *Env, a []Value) (Value, error) {
	cond := a[0]
	if cond.kind == many || cond.kind == text || len(a) == 2 && cond.kind == number {
		return cond, wrong("The condition of IF is a time series, or a number if there is another value")
	}
	for _, v := range a[1:] {
		if v.kind == text {
			return v, numeric(v)
		}
	}
	if cond.kind == number {
		if cond.Number != 0 {
			return a[1], nil
		}
		return a[2], nil
	}
	arms := []Value{a[1], {kind: one, Series: []Series{{}}}}
	if len(a) == 3 {
		arms[1] = a[2]
	}
	width := max(1, len(arms[0].Series), len(arms[1].Series))
	if err := env.afford(width * len(cond.Series[0].Times)); err != nil {
		return cond, err
	}
	out := Value{kind: one}
	if arms[0].kind == many || arms[1].kind == many {
		out.kind = many
	}
	for i := range width {
		s := Series{Period: cond.Series[0].Period, Label: cond.Series[0].Label}
		for j, t := range cond.Series[0].Times {
			arm := arms[1]
			if cond.Series[0].Values[j] != 0 {
				arm = arms[0]
			}
			if x, ok := arm.point(i, t); ok {
				s.add(t, x)
			}
		}
		out.Series = append(out.Series, s)
	}
	return out, nil
}

// point is the value of a moment, of the i-th series of an array.
func (v Value) point(i int, t int64) (float64, bool) {
	switch {
	case v.kind == number:
		return v.Number, true
	case v.kind == one:
		i = 0
	case i >= len(v.Series):
		return 0, false
	}
	return v.Series[i].at(t)
}

func array(v Value) error {
	if v.kind != many {
		return wrong("An array of time series is expected")
	}
	return nil
}

func first(_ *Env, a []Value) (Value, error) {
	if err := array(a[0]); err != nil || len(a[0].Series) == 0 {
		return One(Series{}), err
	}
	return One(a[0].Series[0]), nil
}

func last(_ *Env, a []Value) (Value, error) {
	if err := array(a[0]); err != nil || len(a[0].Series) == 0 {
		return One(Series{}), err
	}
	return One(a[0].Series[len(a[0].Series)-1]), nil
}

// slice takes the series from one index to before another; one alone if but one index
// is given.
func slice(_ *Env, a []Value) (Value, error) {
	list := a[0].Series
	from, ok := index(a[1], len(list))
	if err := array(a[0]); err != nil || !ok {
		return a[0], cmp.Or(err, wrong("An index of SLICE is no number"))
	}
	if len(a) == 2 {
		if from == len(list) {
			return One(Series{}), nil
		}
		return One(list[from]), nil
	}
	to, ok := index(a[2], len(list))
	if !ok {
		return a[2], wrong("An index of SLICE is no number")
	}
	return Many(list[min(from, to):to]), nil
}

func index(v Value, most int) (int, bool) {
	if v.kind != number || math.IsNaN(v.Number) {
		return 0, false
	}
	return int(min(max(v.Number, 0), float64(most))), true
}

// sorted orders an array by a fold of each series, ASC or DESC, and keeps so many of it.
func sorted(_ *Env, a []Value) (Value, error) {
	if err := array(a[0]); err != nil {
		return a[0], err
	}
	by, known := folds[a[1].text]
	if a[1].kind != text || a[2].kind != text || !known || a[2].text != "ASC" && a[2].text != "DESC" {
		return a[0], wrong("SORT takes an array, one of SUM, AVG, MIN and MAX, and ASC or DESC")
	}
	rank := func(s Series) float64 {
		if len(s.Values) == 0 {
			return math.Inf(-1)
		}
		return by(s.Values)
	}
	list := slices.Clone(a[0].Series)
	slices.SortStableFunc(list, func(x, y Series) int {
		if a[2].text == "DESC" {
			x, y = y, x
		}
		return cmp.Compare(rank(x), rank(y))
	})
	if len(a) == 4 {
		n, ok := index(a[3], len(list))
		if !ok {
			return a[3], wrong("The limit of SORT is no number")
		}
		list = list[:n]
	}
	return Many(list), nil
}

func metrics(env *Env, a []Value) (Value, error) {
	part := ""
	if len(a) == 1 {
		if a[0].kind != text {
			return a[0], wrong("METRICS takes a text")
		}
		part = a[0].text
	}
	return Many(env.Metrics(part)), nil
}

func count(_ *Env, a []Value) (Value, error) {
	return Number(float64(len(a[0].Series))), array(a[0])
}

func removeEmpty(_ *Env, a []Value) (Value, error) {
	out := Value{kind: many}
	for _, s := range a[0].Series {
		if len(s.Values) > 0 {
			out.Series = append(out.Series, s)
		}
	}
	return out, array(a[0])
}

// search finds metrics: SEARCH('{Namespace,Dimension} terms', 'statistic', period).
func search(env *Env, a []Value) (Value, error) {
	if a[0].kind != text || a[1].kind != text || len(a) == 3 && a[2].kind != number {
		return a[0], wrong("SEARCH takes a text, a statistic and a period")
	}
	if env.Search == nil {
		return a[0], wrong("SEARCH cannot be used here")
	}
	period := env.Period
	if len(a) == 3 {
		period = int64(a[2].Number)
	}
	list, err := env.Search(a[0].text, a[1].text, period)
	return Many(list), err
}
