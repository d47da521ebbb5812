package render

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// Number is a count with its thousands set apart: 12,345.
func Number(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// MapRunLine is a Map Run under way as a line: items and children, rate, time
// that is left. start is when the execution started.
func MapRunLine(st theme.Styles, p executions.MapRunProgress, start, now time.Time) string {
	r := &p.MapRun
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s %s  %s of %s items", st.Muted.Render(fmt.Sprintf("%8s", Duration(now.Sub(start)))), st.Busy.Render("▸"), Line(r.Label, 40),
		Number(r.Items.Ended()), Number(r.Items.Total))
	if r.Items.Total > 0 {
		fmt.Fprintf(&b, " (%d %%)", r.Items.Ended()*100/r.Items.Total)
	}
	b.WriteString(st.Muted.Render(fmt.Sprintf("  %s of %s children ended, %s running", Number(r.Children.Ended()), Number(r.Children.Total), Number(r.Children.Running))))
	if n := r.Children.Unsuccessful(); n > 0 {
		b.WriteString(", " + st.Bad.Render(Number(n)+" failed"))
	}
	if p.Rate > 0 && !r.Status.Terminal() {
		b.WriteString(st.Muted.Render(fmt.Sprintf("  %s items/s", Rate(p.Rate))))
	}
	if p.Left > 0 {
		b.WriteString(st.Muted.Render("  about " + Duration(p.Left) + " left"))
	}
	return b.String()
}

// Rate is a number for each second, short.
func Rate(perSecond float64) string {
	if perSecond < 10 {
		return strconv.FormatFloat(perSecond, 'f', 1, 64)
	}
	return Number(int64(perSecond + 0.5))
}

// AtOnce says how many children of a Map Run may run at the same time; 0 is no bound of
// its own (docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html,
// MaxConcurrency).
func AtOnce(r *executions.MapRun) string {
	if r.MaxConcurrency == 0 {
		return "any number at the same time"
	}
	return "at most " + Number(int64(r.MaxConcurrency)) + " at the same time"
}

// MapRun shows a Map Run with its counts, and why children did not succeed.
func MapRun(st theme.Styles, r *executions.MapRun, failures []executions.Failure, now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s  %s\n", st.Key.Render("Map Run "+Line(r.Label, 40)), StatusStyle(st, r.Status).Render(string(r.Status)), Duration(r.Duration(now)))
	fmt.Fprintf(&b, "  %-10s %s\n", "items", Counts(st, r.Items))
	fmt.Fprintf(&b, "  %-10s %s\n", "children", Counts(st, r.Children))
	rules := AtOnce(r) + " · tolerates " + Tolerated(r)
	if r.Redrives > 0 {
		rules += " · " + Count(r.Redrives, "redrive", "redrives")
	}
	fmt.Fprintf(&b, "  %s\n  %s\n", st.Muted.Render(rules), st.Muted.Render(Line(r.ARN, 0)))
	looked := int64(0)
	for _, f := range failures {
		looked += int64(f.Count)
		text := strings.TrimSuffix(strings.TrimSpace(f.Error+": "+f.Message), ":")
		fmt.Fprintf(&b, "  %s %s\n", st.Bad.Render(fmt.Sprintf("%d × %s", f.Count, f.Status)), Line(text, 140))
		if f.ExampleMessage != "" {
			fmt.Fprintf(&b, "      %s\n", st.Muted.Render("for example: "+Line(f.ExampleMessage, 140)))
		}
		fmt.Fprintf(&b, "      %s\n", st.Muted.Render(Line(f.Example, 0)))
	}
	if rest := r.Children.Unsuccessful() - looked; len(failures) > 0 && rest > 0 {
		fmt.Fprintf(&b, "  %s\n", st.Muted.Render("and "+Number(rest)+" more"))
	}
	return b.String()
}

// Tolerated says how much may fail before the run does.
func Tolerated(r *executions.MapRun) string {
	switch {
	case r.ToleratedFailurePercent > 0 && r.ToleratedFailures > 0:
		return fmt.Sprintf("%g %% or %s failed items", r.ToleratedFailurePercent, Number(r.ToleratedFailures))
	case r.ToleratedFailurePercent > 0:
		return fmt.Sprintf("%g %% failed items", r.ToleratedFailurePercent)
	case r.ToleratedFailures > 0:
		return Number(r.ToleratedFailures) + " failed items"
	}
	return "no failed item"
}

// Counts are the counts of a Map Run in words.
func Counts(st theme.Styles, c executions.Counts) string {
	parts := []string{}
	add := func(n int64, word string, paint func(...string) string) {
		if n > 0 {
			parts = append(parts, paint(Number(n)+" "+word))
		}
	}
	add(c.Succeeded, "succeeded", st.Good.Render)
	add(c.Failed, "failed", st.Bad.Render)
	add(c.TimedOut, "timed out", st.Bad.Render)
	add(c.Aborted, "aborted", st.Warn.Render)
	add(c.Running, "running", st.Busy.Render)
	add(c.Pending, "pending", st.Muted.Render)
	add(c.PendingRedrive, "pending redrive", st.Warn.Render)
	if len(parts) == 0 {
		return Number(c.Total)
	}
	return Number(c.Total) + ": " + strings.Join(parts, ", ")
}

// Bytes is a size in units of 1024: 12 B, 3.4 KiB, 120 MiB.
func Bytes(n int64) string {
	const unit = 1024
	if n < unit {
		return strconv.FormatInt(n, 10) + " B"
	}
	value, units := float64(n)/unit, []string{"KiB", "MiB", "GiB", "TiB"}
	i := 0
	for value >= unit && i < len(units)-1 {
		value, i = value/unit, i+1
	}
	if value < 10 {
		return fmt.Sprintf("%.1f %s", value, units[i])
	}
	return fmt.Sprintf("%.0f %s", value, units[i])
}
