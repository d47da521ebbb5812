// Package health is what CloudWatch tells of a pipeline: invocations, errors, latencies,
// executions and what waits, as numbers, as lines and, of the selected one, as a chart. The
// pipeline's page embeds it. It may import what pages may.
package health

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/health"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// span is a time to look back.
type span struct {
	key, words, flag string
	length           time.Duration
}

var spans = []span{{"1", "1 hour", "1h", time.Hour}, {"2", "6 hours", "6h", 6 * time.Hour}, {"3", "24 hours", "24h", 24 * time.Hour}, {"4", "7 days", "168h", 7 * 24 * time.Hour}}

// Panel is the metrics. Its methods are called by the program's goroutine.
type Panel struct {
	*ui.Host
	th *theme.Screen
	id spec.ID

	back   span // that is asked for
	look   ui.Loader[answer]
	grid   *widget.Grid
	hidden bool
}

// answer is what CloudWatch told, and of which time.
type answer struct {
	pipelines.Health
	back span
}

// spanMsg is the answer how far back is looked.
type spanMsg struct{ back span }

// New returns the metrics of a pipeline.
func New(h *ui.Host, id spec.ID) *Panel {
	p := &Panel{Host: h, th: &h.Env.Theme, id: id, back: spans[0]}
	p.grid = widget.NewGrid(p.th,
		widget.Column{Title: "METRIC", Min: 28},
		widget.Column{Title: "TOTAL", Min: 7, Right: true, Drop: 2},
		widget.Column{Title: "LAST", Min: 7, Right: true},
		widget.Column{Title: "MOST", Min: 7, Right: true},
		widget.Column{Title: "OVER TIME", Min: 8, Flex: 1, Drop: 1},
	)
	p.grid.SetRows(rows{p})
	return p
}

// Init begins to read.
func (p *Panel) Init() tea.Cmd { return p.ask() }

// Age is when CloudWatch was asked last.
func (p *Panel) Age() time.Time { return p.look.At }

// Capturing tells that the filter is being typed.
func (p *Panel) Capturing() bool { return p.grid.Capturing() }

// Clears tells that esc takes the filter away.
func (p *Panel) Clears() bool { return p.grid.Filter() != "" }

func (p *Panel) ask() tea.Cmd {
	source, id, now, back := p.Env.Source, p.id, p.Env.Now(), p.back
	return p.look.Ask(p.Host, func(ctx context.Context) (answer, error) {
		x, err := source.Read(ctx, id)
		if err != nil {
			return answer{}, err
		}
		all, err := source.Health(ctx, []pipelines.Pipeline{x}, health.Question{Since: now.Add(-back.length), Until: now})
		if err != nil {
			return answer{}, err
		}
		if all[0].Err != nil && len(all[0].Report.Metrics) == 0 {
			return answer{}, all[0].Err
		}
		return answer{all[0], back}, nil
	})
}

// Update takes what the page was told.
func (p *Panel) Update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case tea.KeyMsg:
		return p.key(m)
	case tea.MouseMsg:
		m.Y -= headRows
		p.grid.Update(m)
		return nil
	case spanMsg:
		p.back = m.back
		return p.ask()
	case ui.Shown:
		p.hidden = false
		return p.beat()
	case ui.Beat:
		return p.beat()
	case ui.Hidden:
		p.hidden = true
		return nil
	case ui.Reload:
		return p.ask()
	case ui.Changed:
		if slices.Contains(m.IDs, p.id) {
			p.look.Soon()
		}
		return nil
	}
	if p.look.Take(msg) && p.look.Err == nil {
		p.grid.SetRows(rows{p})
	}
	return nil
}

// beat asks again when it is time.
func (p *Panel) beat() tea.Cmd {
	every := ui.HealthEvery
	if p.look.Err != nil {
		every = ui.RetryAfter
	}
	if p.hidden || !p.look.Due(p.Env.Now(), every) {
		return nil
	}
	return p.ask()
}

// Keys are what can be done now.
func (p *Panel) Keys() keys.Map {
	none := ""
	if p.selected() == nil {
		none = "there is no metric"
	}
	return keys.Map{{Title: "Health", Bindings: []keys.Binding{
		keys.WholeValue.Unless(none), keys.HealthSince.As(p.line), keys.Copy.Unless(none), keys.Search,
	}}}
}

// line is the command line that shows the same.
func (p *Panel) line() string {
	return p.Env.CommandLine("metrics", p.id.String(), "--since", p.back.flag)
}

func (p *Panel) key(m tea.KeyMsg) tea.Cmd {
	x := p.selected()
	switch {
	case p.grid.Capturing():
		p.grid.Update(m)
	case keys.HealthSince.Is(m):
		choices := make([]dialog.Choice, len(spans))
		for i, s := range spans {
			choices[i] = dialog.Choice{Key: s.key, Label: s.words, Answer: spanMsg{s}}
		}
		return ui.Send(ui.Ask{From: p.Host, Dialog: dialog.NewChoose(p.th, "How far back?", "", false, choices...)})
	case x != nil && keys.WholeValue.Is(m):
		return ui.Send(ui.Ask{From: p.Host, Dialog: dialog.NewReader(p.th, x.Name, "the values", p.text(x))})
	case x != nil && keys.Copy.Is(m):
		return ui.Send(ui.Copy{Text: p.text(x), What: "the values of " + x.Name})
	default:
		p.grid.Update(m)
	}
	return nil
}

func (p *Panel) metrics() []health.Metric { return p.look.Value.Report.Metrics }

// selected is the metric under the cursor, nil if there is none.
func (p *Panel) selected() *health.Metric {
	if i, ok := p.grid.Selected(); ok && i < len(p.metrics()) {
		return &p.metrics()[i]
	}
	return nil
}

// text is each value of a metric with its time.
func (p *Panel) text(m *health.Metric) string {
	r := &p.look.Value.Report
	period := time.Duration(r.Seconds) * time.Second
	var b strings.Builder
	fmt.Fprintf(&b, "%s, by %s\n", m.Name, render.Period(period))
	for i, v := range m.Points {
		fmt.Fprintf(&b, "%s  %s\n", render.Stamp(r.Since.Add(time.Duration(i)*period)), render.Amount(v, m.Unit, "-"))
	}
	return strings.TrimRight(b.String(), "\n")
}

// rows are the metrics as the grid asks for them.
type rows struct{ p *Panel }

func (r rows) Len() int { return len(r.p.metrics()) }

func (r rows) Key(i int) string { return r.p.metrics()[i].Name }

// Hay is what the filter looks through.
func (r rows) Hay(i int) string { return r.p.metrics()[i].Name }

func (r rows) Cell(i, column int) widget.Cell {
	th, m := r.p.th, &r.p.metrics()[i]
	style := th.Renderer.NewStyle()
	if bad(m) {
		style = th.Bad
	}
	switch column {
	case 0:
		sign := "  "
		if bad(m) {
			sign = th.Bad.Render(th.Glyphs.Bad) + " "
		}
		return widget.Cell{Signs: sign, Text: m.Name, Style: style}
	case 1:
		return widget.Cell{Text: render.Amount(m.Total, m.Unit, ""), Style: style}
	case 2:
		return widget.Cell{Text: render.Amount(m.Last, m.Unit, "-"), Style: style}
	case 3:
		return widget.Cell{Text: render.Amount(m.Worst, m.Unit, "-"), Style: style}
	}
	return widget.Cell{Signs: th.Bar.Render(widget.Spark(th, m.Points, sparkCells)), Tail: true}
}

// sparkCells is the most that a line over time takes.
const sparkCells = 60

// troubles are metrics of which any but 0 is bad.
var troubles = []string{health.ServerFails, "function.errors", "function.throttles", health.NotWell, "executions.timedOut", "executions.throttled", "failures.waiting"}

// bad tells that a metric tells of a failure.
func bad(m *health.Metric) bool {
	return slices.Contains(troubles, m.Name) && (m.Total != nil && *m.Total > 0 || m.Total == nil && m.Last != nil && *m.Last > 0)
}

const (
	// headRows are the lines above the grid.
	headRows = 1
	// leastChart and mostChart are how high the chart is.
	leastChart, mostChart = 5, 14
)

// View draws the metrics, and below them the selected one as a chart.
func (p *Panel) View(width, height int) string {
	if width <= 0 || height <= 0 {
		return ""
	}
	rest := height - headRows
	chart := min(mostChart, rest/3)
	m := p.selected()
	if chart < leastChart || m == nil {
		chart = 0
	}
	p.grid.Empty = ansi.Wrap(p.emptyText(), max(1, width-4), "")
	out := p.head(width) + "\n" + p.grid.View(width, rest-chart)
	if chart > 0 {
		r := &p.look.Value.Report
		out += "\n" + widget.Rule(p.th, m.Name, width) + "\n" +
			widget.Chart(p.th, m.Points, render.Amount(m.Worst, m.Unit, "0"), r.Since.UTC().Format("01-02 15:04"), r.Until.UTC().Format("01-02 15:04 UTC"), width, chart-1)
	}
	return widget.Box(out, width, height)
}

func (p *Panel) emptyText() string {
	switch {
	case p.look.Err != nil:
		return dialog.ErrorText(p.look.Err) + "\nctrl+r tries again"
	case !p.look.Known:
		return "asking CloudWatch"
	}
	return "The pipeline has nothing of which there are metrics yet."
}

// head says how the endpoint is.
func (p *Panel) head(width int) string {
	th, h := p.th, &p.look.Value
	var parts []string
	if h.Status != "" {
		style, sign := th.Warn, th.Glyphs.Busy
		if h.Status == "InService" {
			style, sign = th.Good, th.Glyphs.Good
		}
		parts = append(parts, style.Render(sign+" "+render.Line(h.Status, 0)))
	}
	if h.Instances != nil && h.Wanted != nil {
		parts = append(parts, fmt.Sprintf("%d of %s", *h.Instances, render.Count(int(*h.Wanted), "instance", "instances")))
	}
	if h.Idle {
		parts = append(parts, th.Warn.Render(render.Idle(h.IdleSince(), render.Line(h.Month, 0), p.Env.Now())))
	}
	for i := range h.MapRuns {
		r := &h.MapRuns[i]
		text := fmt.Sprintf("%s: %s of %s items", render.Line(r.Label, 24), render.Number(r.Items.Succeeded+r.Items.Failed), render.Number(r.Items.Total))
		if took := p.Env.Now().Sub(r.Start).Seconds(); took > 0 {
			text += " " + render.Rate(float64(r.Items.Succeeded+r.Items.Failed)/took) + "/s"
		}
		parts = append(parts, th.Busy.Render(text))
	}
	if p.look.Known {
		parts = append(parts, th.Muted.Render("the last "+h.back.words+", by "+render.Period(time.Duration(h.Report.Seconds)*time.Second)))
	}
	if h.back != p.back && p.look.Asking() {
		parts = append(parts, th.Busy.Render("asking for "+p.back.words))
	}
	switch {
	case p.look.Err != nil:
		parts = append([]string{th.Bad.Render(th.Glyphs.Bad + " " + render.Line(p.look.Err.Error(), max(10, width/2)))}, parts...)
	case h.Err != nil:
		parts = append(parts, th.Warn.Render(th.Glyphs.Warn+" "+render.Line(h.Err.Error(), 0)))
	}
	return widget.Fit(" "+strings.Join(parts, th.Muted.Render(" "+th.Glyphs.Dot+" ")), width, th.Glyphs.Ellipsis)
}
