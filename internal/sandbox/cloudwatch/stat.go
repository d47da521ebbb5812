package cloudwatch

import "math"

// stat is what is known of the values of one stretch of time in one unit.
type stat struct {
	Count, Sum, Min, Max float64
	Unit                 string
	// V are the values, in order, and N how often each came, for the statistics that
	// need to know them. Blind tells that some came as a set of statistics, of which
	// nobody knows the values: then there are no such statistics, as on AWS.
	V, N  []float64 `json:",omitempty"`
	Blind bool      `json:",omitempty"`
}

// values is the statistic of one value that came n times.
func values(v, n float64, unit string) stat {
	return stat{Count: n, Sum: v * n, Min: v, Max: v, Unit: unit, V: []float64{v}, N: []float64{n}}
}

// set is a set of statistics that a client made. Its values are known if it has but
// one, or all are the same.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#Percentiles
func set(count, sum, least, most float64, unit string) stat {
	if least == most {
		s := values(least, count, unit)
		s.Sum = sum
		return s
	}
	return stat{Count: count, Sum: sum, Min: least, Max: most, Unit: unit, Blind: true}
}

// maxValues is how many values a stat keeps as they are. Of more it keeps where they
// lie to within precision.
const (
	maxValues = 128
	precision = 1.01
)

func (a stat) merge(b stat) stat {
	switch {
	case a.Count == 0 && !a.Blind:
		return b
	case b.Count == 0 && !b.Blind:
		return a
	}
	out := stat{Count: a.Count + b.Count, Sum: a.Sum + b.Sum, Min: min(a.Min, b.Min), Max: max(a.Max, b.Max), Unit: a.Unit, Blind: a.Blind || b.Blind ||
		len(a.V) == 0 || len(b.V) == 0}
	if out.Blind {
		return out
	}
	for i, j := 0, 0; i < len(a.V) || j < len(b.V); {
		switch {
		case j == len(b.V) || i < len(a.V) && a.V[i] < b.V[j]:
			out.V, out.N = append(out.V, a.V[i]), append(out.N, a.N[i])
			i++
		case i == len(a.V) || b.V[j] < a.V[i]:
			out.V, out.N = append(out.V, b.V[j]), append(out.N, b.N[j])
			j++
		default:
			out.V, out.N = append(out.V, a.V[i]), append(out.N, a.N[i]+b.N[j])
			i, j = i+1, j+1
		}
	}
	if len(out.V) > maxValues {
		out.V, out.N = coarse(out.V, out.N)
	}
	return out
}

// coarse puts values together that are nearly the same. The least and the greatest
// stay as they are.
func coarse(v, n []float64) (cv, cn []float64) {
	for i := range v {
		x := v[i]
		if i > 0 && i < len(v)-1 && x != 0 {
			x = math.Copysign(math.Pow(precision, math.Round(math.Log(math.Abs(x))/math.Log(precision))), x)
			x = min(max(x, v[0]), v[len(v)-1])
		}
		if k := len(cv) - 1; k >= 0 && cv[k] == x {
			cn[k] += n[i]
			continue
		}
		cv, cn = append(cv, x), append(cn, n[i])
	}
	return cv, cn
}

// value is one statistic; false where there is none, since the values are not known
// or none lies within the bounds.
func (a stat) value(s statistic) (float64, bool) {
	switch s.kind {
	case "Sum":
		return a.Sum, true
	case "Minimum":
		return a.Min, true
	case "Maximum":
		return a.Max, true
	case "SampleCount":
		return a.Count, true
	case "Average":
		return a.Sum / a.Count, true
	}
	if a.Blind || len(a.V) == 0 {
		return 0, false
	}
	if s.kind == "p" {
		return a.percentile(s.high), true
	}
	return a.trimmed(s)
}

// percentile is the least value that so many of a hundred do not exceed. AWS does not
// say how it interpolates: unsure for few values.
func (a stat) percentile(p float64) float64 {
	need, sum := p/100*a.total(), 0.0
	for i, n := range a.N {
		if sum += n; sum >= need-1e-9 {
			return a.V[i]
		}
	}
	return a.V[len(a.V)-1]
}

func (a stat) total() (sum float64) {
	for _, n := range a.N {
		sum += n
	}
	return sum
}

// trimmed are the statistics of the values within bounds.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
func (a stat) trimmed(s statistic) (float64, bool) {
	low, high := s.low, s.high
	total := a.total()
	if s.percent {
		low, high = low/100*total, high/100*total
	}
	var count, sum, below, above, at float64
	first, last := math.NaN(), math.NaN()
	for i, v := range a.V {
		n := a.N[i]
		within := n
		switch {
		case s.percent: // how much of the value's rank lies within
			within = max(0, min(at+n, high)-max(at, low))
			below += max(0, min(at+n, low)-at)
			above += max(0, at+n-max(at, high))
		case v < low || v > high:
			within = 0
			if v < low {
				below += n
			} else {
				above += n
			}
		}
		at += n
		if within <= 0 {
			continue
		}
		if math.IsNaN(first) {
			first = v
		}
		last = v
		count, sum = count+within, sum+within*v
	}
	switch s.kind {
	case "tc":
		return count, true
	case "ts":
		return sum, true
	case "pr":
		return 100 * count / total, true
	case "wm": // what lies outside counts as the nearest within
		if math.IsNaN(first) {
			return 0, false
		}
		return (sum + below*first + above*last) / total, true
	}
	if count == 0 {
		return 0, false
	}
	return sum / count, true
}
