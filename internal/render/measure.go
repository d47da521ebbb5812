package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/health"
	"github.com/pipelinetui/pipelinetui/internal/results"
)

// Amount is a value in its unit, or what stands for none.
func Amount(v *float64, unit health.Unit, none string) string {
	switch {
	case v == nil:
		return none
	case unit == health.Milliseconds:
		return Duration(time.Duration(*v * float64(time.Millisecond)))
	case unit == health.Seconds:
		return Duration(time.Duration(*v * float64(time.Second)))
	}
	if whole := int64(*v); float64(whole) == *v {
		return Number(whole)
	}
	return Short(*v)
}

// Idle says since when an endpoint is idle (zero: for 15 days or more), and what it costs in a
// month, "" if that is not known.
func Idle(last time.Time, month string, now time.Time) string {
	text := "idle for 15 days or more"
	if !last.IsZero() {
		text = "idle for " + ShortAge(last, now)
	}
	if month != "" {
		text += ", at about " + month + " a month"
	}
	return text
}

// Short is a number with four digits that matter.
func Short(n float64) string { return fmt.Sprintf("%.4g", n) }

// Prediction is a prediction as one reads it: its fields, without quotes and brackets.
func Prediction(it *results.Item) string {
	if it.Head != "" {
		return fmt.Sprintf("%s (%s)", it.Head, Bytes(it.Size))
	}
	fields := results.Flatten(it.Prediction)
	parts := make([]string, len(fields))
	for i := range fields {
		parts[i] = fields[i].Text()
		if fields[i].Path != "" {
			parts[i] = fields[i].Path + "=" + parts[i]
		}
	}
	return strings.Join(parts, " ")
}
