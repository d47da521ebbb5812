package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// StatusStyle is the style of an execution's status.
func StatusStyle(st theme.Styles, s executions.Status) lipgloss.Style {
	switch s {
	case executions.Succeeded:
		return st.Good
	case executions.Failed, executions.TimedOut:
		return st.Bad
	case executions.Aborted, executions.PendingRedrive:
		return st.Warn
	default:
		return st.Busy
	}
}

// visitMark is the sign and the style of a visit.
func visitMark(st theme.Styles, s executions.VisitStatus) (string, lipgloss.Style) {
	switch s {
	case executions.VisitSucceeded:
		return "✔", st.Good
	case executions.VisitFailed, executions.VisitTimedOut:
		return "✘", st.Bad
	case executions.VisitCaught, executions.VisitAborted:
		return "!", st.Warn
	default:
		return "…", st.Busy
	}
}

// Timeline draws the states of an execution in the order they were entered, with
// attempts, durations and errors.
func Timeline(st theme.Styles, t *executions.Timeline, now time.Time) string {
	var b strings.Builder
	width := 0
	for i := range t.Visits {
		width = max(width, len(t.Visits[i].State)+2*t.Visits[i].Depth)
	}
	for i := range t.Visits {
		v := &t.Visits[i]
		b.WriteString(visit(st, v, min(width, 40), now))
	}
	return b.String()
}

func visit(st theme.Styles, v *executions.Visit, width int, now time.Time) string {
	mark, style := visitMark(st, v.Status)
	name := strings.Repeat("  ", v.Depth) + Line(v.State, 0)
	line := fmt.Sprintf("  %s %-*s  %s %s", style.Render(mark), width, name, st.Muted.Render(fmt.Sprintf("%-6s", v.Type)), Duration(v.Duration(now)))
	if n := v.Retries(); n > 0 {
		line += st.Warn.Render("  " + Count(n, "retry", "retries"))
	}
	if m := v.Map; m != nil && m.Total > 0 {
		line += st.Muted.Render(fmt.Sprintf("  %d/%d", m.Succeeded+m.Failed, m.Total))
	}
	if v.Error != "" {
		line += "  " + st.Bad.Render(Line(v.Error, 60))
	}
	return line + "\n"
}

// EventLine is one history event as a line, "" if it says nothing to a person
// who follows along.
func EventLine(st theme.Styles, ev executions.Event, start time.Time) string {
	at := st.Muted.Render(fmt.Sprintf("%8s", Duration(ev.Time.Sub(start))))
	switch {
	case strings.HasSuffix(ev.Type, "StateEntered"):
		return fmt.Sprintf("%s  %s %s", at, st.Busy.Render("→"), Line(ev.State, 0))
	case strings.HasSuffix(ev.Type, "StateExited"):
		return fmt.Sprintf("%s  %s %s", at, st.Good.Render("✔"), Line(ev.State, 0))
	case ev.Error != "" || strings.HasSuffix(ev.Type, "Failed") || strings.HasSuffix(ev.Type, "TimedOut") || strings.HasSuffix(ev.Type, "Aborted"):
		what := ev.State
		if what == "" {
			what = "execution"
		}
		text := ev.Error
		if text == "" {
			text = ev.Type
		}
		return fmt.Sprintf("%s  %s %s  %s", at, st.Bad.Render("✘"), Line(what, 0), st.Bad.Render(Line(text, 100)))
	case ev.Type == "ExecutionSucceeded":
		return fmt.Sprintf("%s  %s", at, st.Good.Render("execution succeeded"))
	case ev.Type == "ExecutionRedriven":
		return fmt.Sprintf("%s  %s", at, st.Warn.Render("execution redriven"))
	}
	return ""
}

// JSON indents a JSON text and makes it safe; what is no JSON comes back as
// safe text.
func JSON(text, indent string) string {
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(text), indent, "  "); err != nil {
		return Safe(text)
	}
	return Safe(b.String())
}
