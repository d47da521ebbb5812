package render

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// Working is one pipeline of a live view.
type Working struct {
	Name     string
	Progress *stack.Progress
}

// Live is what several pipelines that are worked on look like at one moment.
type Live struct {
	// Running are being worked on, in the order in which they began.
	Running []Working
	// Total counts all pipelines of the operation, Done those that ended, Failed
	// those among them that failed.
	Total, Done, Failed int
	Planning            bool // a preview
	Started, Now        time.Time
	// Width and Height bound the view, in cells; 0 is no bound.
	Width, Height int
}

// Lines draws the view: a line for each running pipeline, then one for all. No
// line is wider than Width, and there are no more than Height.
func (l Live) Lines(st theme.Styles) []string {
	room := len(l.Running)
	if l.Height > 0 {
		room = max(0, min(room, l.Height-2)) // one for all, one for the cursor
	}
	shown := l.Running[:room]
	name := 0
	for _, w := range shown {
		name = max(name, ansi.StringWidth(Line(w.Name, 0)))
	}
	lines := make([]string, 0, room+1)
	for _, w := range shown {
		lines = append(lines, l.fit(l.pipeline(st, w, min(name, 40))))
	}
	return append(lines, l.fit(l.all(st, len(l.Running)-room)))
}

func (l Live) fit(s string) string {
	if l.Width <= 0 {
		return s
	}
	// The last column stays free: a full line makes some terminals wrap.
	return ansi.Truncate(s, max(1, l.Width-1), "…")
}

func (l Live) all(st theme.Styles, hidden int) string {
	parts := []string{fmt.Sprintf("%d of %s", l.Done, Count(l.Total, "pipeline", "pipelines"))}
	if l.Failed > 0 {
		parts = append(parts, st.Bad.Render(fmt.Sprintf("%d failed", l.Failed)))
	}
	if n := len(l.Running); n > 0 {
		text := fmt.Sprintf("%d running", n)
		if hidden > 0 {
			text += fmt.Sprintf(" (%d not shown)", hidden)
		}
		parts = append(parts, text)
	}
	if n := l.Total - l.Done - len(l.Running); n > 0 {
		parts = append(parts, fmt.Sprintf("%d waiting", n))
	}
	return strings.Join(parts, ", ") + st.Muted.Render(" · "+seconds(l.Now.Sub(l.Started)))
}

// pipeline is the line of one: how far it is, and what is in flight.
func (l Live) pipeline(st theme.Styles, w Working, width int) string {
	text := Line(w.Name, width)
	text += strings.Repeat(" ", width-ansi.StringWidth(text)) + "  "
	if w.Progress == nil || w.Progress.Started.IsZero() {
		return text + st.Muted.Render("starting")
	}
	text += st.Muted.Render(progressCount(w.Progress))
	if n := w.Progress.Counts().Failed; n > 0 {
		text += " " + st.Bad.Render(fmt.Sprintf("%d failed", n))
	}
	if now := InFlight(w.Progress, l.Now); !l.Planning && len(now) > 0 {
		text += "  " + strings.Join(now, ", ")
	}
	return text
}

// progressCount is "12/27", or "12 done" as long as the total is not known.
func progressCount(p *stack.Progress) string {
	c := p.Counts()
	if len(p.Planned) > 0 {
		total := fmt.Sprint(c.Total())
		return fmt.Sprintf("%*d/%s", len(total), c.Done+c.Failed, total)
	}
	return fmt.Sprintf("%3d done", c.Done)
}

// InFlight names the resources that are being worked on, the oldest first, with
// what is done to them and for how long: "create endpoint 12s".
func InFlight(p *stack.Progress, now time.Time) []string {
	rows := slices.DeleteFunc(p.Rows(), func(r stack.Row) bool {
		return r.Status != stack.StatusRunning || r.IsStack() || r.IsProvider() || r.Step == stack.OpSame
	})
	slices.SortStableFunc(rows, func(a, b stack.Row) int { return a.Started.Compare(b.Started) })
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = OpVerb(r.Step, false) + " " + Line(r.Name, 0) + " " + seconds(r.Elapsed(now))
	}
	return out
}

// seconds is Duration without parts of seconds, which would only flicker.
func seconds(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%ds", max(0, int(d.Seconds())))
	}
	return Duration(d)
}
