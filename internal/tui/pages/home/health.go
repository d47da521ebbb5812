package home

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/health"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// pulseBack is how far back the list looks for metrics.
const pulseBack = time.Hour

// healthColumns are those that show how pipelines are, and workColumns those that make room
// for them: what was done to pipelines.
var (
	healthColumns = []int{colCalls, colErrors, colLatency, colIdle, colTrend}
	workColumns   = []int{colTemplate, colLast, colRunning, colRun, colDrift, colAge}
)

// showHealth shows the one set of columns or the other. CloudWatch is asked as long as the
// first is shown.
func (p *Page) showHealth(on bool) {
	p.healthy = on
	for i := range p.columns() {
		switch {
		case slices.Contains(healthColumns, i):
			p.grid.Hide(i, !on)
		case slices.Contains(workColumns, i):
			p.grid.Hide(i, on)
		}
	}
}

// wantsHealth tells whether a view names one of the columns of how pipelines are.
func wantsHealth(columns []widget.Column, names []string) bool {
	return slices.ContainsFunc(healthColumns, func(i int) bool { return slices.Contains(names, strings.ToLower(columns[i].Title)) })
}

// pulseDue tells that CloudWatch is to be asked: once all states were read, so that all
// pipelines share calls.
func (p *Page) pulseDue(now time.Time) bool {
	every := ui.PulseEvery
	if p.pulse.Err != nil {
		every = ui.RetryAfter
	}
	if p.isAway(now) {
		every *= ui.AwayTimes
	}
	return p.healthy && p.list.Known && len(p.rows) > 0 && p.unread == 0 && p.pulse.Due(now, every)
}

func (p *Page) askPulse(now time.Time) tea.Cmd {
	var list []pipelines.Pipeline
	for _, r := range p.rows {
		if r.pollable() {
			list = append(list, r.p)
		}
	}
	source := p.Env.Source
	return p.pulse.Ask(p.Host, func(ctx context.Context) ([]pipelines.Health, error) {
		return source.Health(ctx, list, health.Question{Since: now.Add(-pulseBack), Until: now, Brief: true})
	})
}

// tookPulse gives the rows what CloudWatch told. What it could not be asked about is not
// known, however it was before.
func (p *Page) tookPulse() {
	if p.pulse.Err != nil {
		return
	}
	all := p.pulse.Value
	for i := range all {
		if at, ok := p.at[all[i].ID]; ok {
			p.rows[at].pulse = &all[i]
			p.grid.Changed(at)
		}
	}
}

// of is a metric of the row, nil if none is known.
func (r *row) of(name string) *health.Metric {
	if r.pulse == nil {
		return nil
	}
	return r.pulse.Report.Of(name)
}

// total orders rows by a metric: its sum, or its worst value if it is none that adds up.
func (r *row) total(name string) float64 {
	m := r.of(name)
	switch {
	case m == nil:
		return -1
	case m.Total != nil:
		return *m.Total
	case m.Worst != nil:
		return *m.Worst
	}
	return 0
}

// compareIdle puts what is idle first, what was invoked longest ago before the rest.
func compareIdle(a, b *row) int {
	idle := func(r *row) int {
		if r.pulse != nil && r.pulse.Idle {
			return 0
		}
		return 1
	}
	if c := cmp.Compare(idle(a), idle(b)); c != 0 || idle(a) != 0 {
		return c
	}
	return a.pulse.IdleSince().Compare(b.pulse.IdleSince())
}

// idleAge is since when an endpoint is idle.
func idleAge(h *pipelines.Health, now time.Time) string {
	since := h.IdleSince()
	if since.IsZero() {
		return ">15d"
	}
	return render.ShortAge(since, now)
}

// healthCell is a cell of how the pipeline is, empty as long as that is not known.
func (p *Page) healthCell(r *row, column int, now time.Time) widget.Cell {
	th := &p.Env.Theme
	if r.pulse == nil {
		return widget.Cell{}
	}
	if r.pulse.Err != nil {
		if column == colCalls {
			return widget.Cell{Text: "?", Style: th.Warn}
		}
		return widget.Cell{}
	}
	calls := r.of(health.Invocations)
	if calls == nil {
		if column == colTrend || column == colIdle {
			return widget.Cell{}
		}
		return widget.Cell{Text: "-", Style: th.Muted}
	}
	switch column {
	case colCalls:
		return widget.Cell{Text: render.Amount(calls.Total, calls.Unit, "0")}
	case colErrors:
		m := r.of(health.ServerFails)
		if m == nil || m.Total == nil || *m.Total == 0 {
			return widget.Cell{Text: "0", Style: th.Muted}
		}
		return widget.Cell{Text: render.Amount(m.Total, m.Unit, "0"), Style: th.Bad}
	case colLatency:
		if m := r.of(health.ModelP99); m != nil {
			return widget.Cell{Text: render.Amount(m.Worst, m.Unit, "-")}
		}
	case colIdle:
		if !r.pulse.Idle {
			return widget.Cell{}
		}
		text := idleAge(r.pulse, now)
		if r.pulse.Month != "" {
			whole, _, _ := strings.Cut(r.pulse.Month, ".") // the line below has it whole
			text += " $" + render.Line(whole, 0) + "/mo"
		}
		return signed(th.Glyphs.Warn, text, th.Warn)
	case colTrend:
		return widget.Cell{Signs: th.Bar.Render(widget.Spark(th, calls.Points, trendCells)), Tail: true}
	}
	return widget.Cell{}
}

// trendCells is the most that a line over time takes.
const trendCells = 48

// healthNote says of which time the columns are, or why there is nothing in them, and the
// same in short; "" if they are not shown.
func (p *Page) healthNote() (text, short string) {
	th := &p.Env.Theme
	switch {
	case !p.healthy:
		return "", ""
	case p.pulse.Err != nil:
		return th.Bad.Render(th.Glyphs.Bad + " no metrics: " + render.Line(p.pulse.Err.Error(), 60)), ""
	case !p.pulse.Known:
		return th.Muted.Render("asking CloudWatch"), ""
	}
	return th.Muted.Render("metrics of 1 hour, read " + render.Age(p.pulse.At, p.Env.Now())), th.Muted.Render("metrics of 1 hour")
}
