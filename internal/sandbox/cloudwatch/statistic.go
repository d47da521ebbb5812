package cloudwatch

import (
	"math"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// statistic is a statistic that was read: one of the plain ones by its name, or p, tm,
// wm, tc, ts or pr with the bounds of what counts, of the values or, by percent, of
// their ranks.
type statistic struct {
	kind      string
	low, high float64
	percent   bool
}

var plain = []string{"SampleCount", "Average", "Sum", "Minimum", "Maximum"}

var (
	ofOne   = lazyregexp.New(`^(?i:(p|tm|wm|tc|ts))(\d{1,3}(?:\.\d{1,10})?)$`)
	ofRange = lazyregexp.New(`^(?i:(tm|wm|tc|ts|pr))\((-?\d+(?:\.\d{1,10})?)?(%)?:(-?\d+(?:\.\d{1,10})?)?(%)?\)$`)
)

// parseStatistic reads the name of a statistic as AWS has them.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
func parseStatistic(text string) (statistic, bool) {
	for _, name := range plain {
		if text == name {
			return statistic{kind: name}, true
		}
	}
	if strings.EqualFold(text, "IQM") {
		return statistic{kind: "tm", low: 25, high: 75, percent: true}, true
	}
	if m := ofOne.FindStringSubmatch(text); m != nil {
		high, err := strconv.ParseFloat(m[2], 64)
		return statistic{kind: strings.ToLower(m[1]), high: high, percent: true}, err == nil && high <= 100
	}
	m := ofRange.FindStringSubmatch(text)
	if m == nil || m[2] == "" && m[4] == "" {
		return statistic{}, false
	}
	s := statistic{kind: strings.ToLower(m[1]), percent: m[3]+m[5] != "", low: math.Inf(-1), high: math.Inf(1)}
	if s.percent {
		s.low, s.high = 0, 100
	}
	if m[2] != "" {
		s.low, _ = strconv.ParseFloat(m[2], 64) // by the pattern a number
	}
	if m[4] != "" {
		s.high, _ = strconv.ParseFloat(m[4], 64)
	}
	half := m[2] != "" && m[4] != "" && m[3] != m[5] // a percent with a value
	return s, s.low < s.high && !half && !(s.percent && (s.low < 0 || s.high > 100 || s.kind == "pr"))
}
