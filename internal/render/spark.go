package render

import "math"

// sparks are the heights of a sparkline, the lowest first.
var sparks = []rune("▁▂▃▄▅▆▇█")

// Spark draws numbers as one line of bars, from nothing to the greatest of them; what is
// not a number is a blank.
func Spark(values []float64) string {
	most := 0.0
	for _, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			most = max(most, v)
		}
	}
	out := make([]rune, len(values))
	for i, v := range values {
		switch {
		case math.IsNaN(v) || math.IsInf(v, 0):
			out[i] = ' '
		case most == 0 || v <= 0:
			out[i] = sparks[0]
		default:
			out[i] = sparks[min(len(sparks)-1, int(v/most*float64(len(sparks))))]
		}
	}
	return string(out)
}
