// Package metricmath owns CloudWatch's metric math: expressions over scalars, time
// series and arrays of time series. It knows no metrics: who evaluates an expression
// tells it the results that the expression names.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
package metricmath

import (
	"fmt"
	"math"
	"slices"
)

// Series are data points in order of time: Times in Unix seconds, as many as Values.
// Period is what lies between two points at least, in seconds; 0 is not known.
type Series struct {
	Label  string
	Times  []int64
	Values []float64
	Period int64
}

// Value is what an expression evaluates to: a number, one series or many.
type Value struct {
	Number float64
	Series []Series
	kind   kind
	text   string
}

type kind int

const (
	number kind = iota
	one
	many
	text
)

// Number is a scalar.
func Number(x float64) Value { return Value{Number: x, kind: number} }

// One is a time series.
func One(s Series) Value { return Value{Series: []Series{s}, kind: one} }

// Many is an array of time series.
func Many(list []Series) Value { return Value{Series: list, kind: many} }

// IsNumber reports whether the value is a scalar, which no query may return.
func (v Value) IsNumber() bool { return v.kind == number }

// IsArray reports whether the value is an array of time series, which no alarm may watch.
func (v Value) IsArray() bool { return v.kind == many }

// Env is where an expression is evaluated.
type Env struct {
	// Lookup is the result of a query by its id.
	Lookup func(id string) (Value, bool)
	// Metrics are the metrics of the request whose ids have a text in them.
	Metrics func(part string) []Series
	// Search finds metrics; nil where nothing may be searched.
	Search func(query, statistic string, period int64) ([]Series, error)
	// Left is how many points may still be made for what is asked, in all its expressions,
	// which share it; nil is no bound.
	Left *int
	// Start and End bound the time of the request, Period is its grid, in seconds.
	Start, End, Period int64
}

// maxSeries is how many time series an array has at most: as many as a request may name.
// Ids that refer to one another would multiply them without end.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html
const maxSeries = 500

// MaxPoints is a bound for Env.Left that no honest request meets: 500 metrics of two weeks
// in minutes. What it holds is 160 MB at most. AWS documents none.
const MaxPoints = 10_000_000

// afford refuses to make so many points.
func (env *Env) afford(n int) error {
	if env.Left != nil && n > *env.Left {
		return wrong("The expressions have too many data points")
	}
	return nil
}

// Spend counts a value as made, or refuses it where it is too much.
func (env *Env) Spend(v Value) error {
	if len(v.Series) > maxSeries {
		return wrong("An array of time series has %d at most", maxSeries)
	}
	n := 0
	for _, s := range v.Series {
		n += 1 + len(s.Times)
	}
	if err := env.afford(n); err != nil || env.Left == nil {
		return err
	}
	*env.Left -= n
	return nil
}

// counted is a part of an expression whose values are counted.
func counted(n node) node {
	return func(env *Env) (Value, error) {
		v, err := n(env)
		if err == nil {
			err = env.Spend(v)
		}
		return v, err
	}
}

// Error is what is wrong with an expression.
type Error struct{ What string }

func (e *Error) Error() string { return e.What }

func wrong(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// Expression is an expression that was read.
type Expression struct {
	root node
	// Names are the ids that the expression mentions.
	Names []string
	// All tells that the expression is about all metrics of the request.
	All bool
}

// node is a part of an expression.
type node func(*Env) (Value, error)

// Parse reads an expression.
func Parse(expression string) (*Expression, error) {
	p := &parser{rest: expression, out: &Expression{}}
	if err := p.next(); err != nil {
		return nil, err
	}
	root, err := p.binary(0)
	if err != nil {
		return nil, err
	}
	if p.token != "" {
		return nil, wrong("Unexpected %q", p.token)
	}
	p.out.root = root
	slices.Sort(p.out.Names)
	p.out.Names = slices.Compact(p.out.Names)
	return p.out, nil
}

// Eval evaluates the expression.
func (e *Expression) Eval(env *Env) (Value, error) { return e.root(env) }

// each applies fn to all points of a value.
func (v Value) each(fn func(float64) float64) Value {
	if v.kind == number {
		return Number(fn(v.Number))
	}
	return v.series(func(s Series) Series {
		out := Series{Label: s.Label, Period: s.Period}
		for i, x := range s.Values {
			out.add(s.Times[i], fn(x))
		}
		return out
	})
}

// series applies fn to every series of a value.
func (v Value) series(fn func(Series) Series) Value {
	out := Value{kind: v.kind}
	for _, s := range v.Series {
		out.Series = append(out.Series, fn(s))
	}
	return out
}

// add appends a point; what is no number is no point.
func (s *Series) add(at int64, x float64) {
	if !math.IsNaN(x) && !math.IsInf(x, 0) {
		s.Times, s.Values = append(s.Times, at), append(s.Values, x)
	}
}

// at is the value of a moment.
func (s *Series) at(t int64) (float64, bool) {
	i, ok := slices.BinarySearch(s.Times, t)
	if !ok {
		return 0, false
	}
	return s.Values[i], true
}

// combine applies an operator to two values: points of series meet where both have one.
func combine(a, b Value, fn func(x, y float64) float64) (Value, error) {
	switch {
	case a.kind == text || b.kind == text:
		return Value{}, wrong("A text is no operand")
	case a.kind == many && b.kind == many:
		return Value{}, wrong("An operator cannot be applied to two arrays of time series")
	case b.kind == number:
		return a.each(func(x float64) float64 { return fn(x, b.Number) }), nil
	case a.kind == number:
		return b.each(func(y float64) float64 { return fn(a.Number, y) }), nil
	case b.kind == many:
		return b.series(func(s Series) Series { return meet(a.Series[0], s, s.Label, fn) }), nil
	}
	return a.series(func(s Series) Series { return meet(s, b.Series[0], s.Label, fn) }), nil
}

func meet(a, b Series, label string, fn func(x, y float64) float64) Series {
	out := Series{Label: label, Period: max(a.Period, b.Period)}
	for i, t := range a.Times {
		if y, ok := b.at(t); ok {
			out.add(t, fn(a.Values[i], y))
		}
	}
	return out
}
