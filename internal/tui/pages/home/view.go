package home

import (
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// View draws the summary, the table, and below it more of the selected row.
func (p *Page) View(width, height int) string {
	p.gridTop = 1
	if len(p.rows) == 0 {
		return widget.Box(p.emptyView(width), width, height)
	}
	detail, rule := 1, 0
	switch {
	case height < 8:
		detail = 0
	case height >= 16:
		detail, rule = 2, 1
	}
	parts := []string{widget.Fit(p.summary(width), width, p.Env.Theme.Glyphs.Ellipsis)}
	if rows := height - 1 - detail - rule; rows > 0 {
		parts = append(parts, p.grid.View(width, rows))
	}
	if rule > 0 {
		parts = append(parts, widget.Rule(&p.Env.Theme, "", width))
	}
	if detail > 0 {
		parts = append(parts, p.detail(width, detail))
	}
	return widget.Box(strings.Join(parts, "\n"), width, height)
}

// totals are about all pipelines: executions as far as AWS was asked.
type totals struct {
	running, failed         pipelines.Count
	known, unknown, drifted int
}

func (p *Page) sumUp() *totals {
	var t totals
	for _, r := range p.rows {
		if r.drift().Open() {
			t.drifted++
		}
		switch {
		case r.live.Asked() && r.live.ExecutionsErr == nil:
			t.known++
			t.running = t.running.Plus(r.live.Running)
			t.failed = t.failed.Plus(r.live.Failed)
		case r.unread || r.pollable():
			t.unknown++
		}
	}
	return &t
}

// summary is one line about all pipelines.
func (p *Page) summary(width int) string {
	th := &p.Env.Theme
	if p.sum == nil {
		p.sum = p.sumUp()
	}
	t := p.sum
	facts := []widget.Fact{{Text: th.Title.Render(count(len(p.rows), "pipeline", "pipelines"))}}
	add := func(spare, n int, text string, style lipgloss.Style) {
		if n > 0 {
			facts = append(facts, widget.Fact{Text: style.Render(render.Number(int64(n)) + " " + text), Spare: spare})
		}
	}
	if n, shown := p.grid.Marks(), p.grid.MarksShown(); n == shown {
		add(0, n, "marked", th.Marked)
	} else {
		add(0, n, "marked, "+render.Number(int64(n-shown))+" of them hidden by the filter", th.Marked)
	}
	if t.known > 0 {
		what := "executions: "
		if t.unknown > 0 {
			what = "executions of " + render.Number(int64(t.known)) + ": "
		}
		facts = append(facts, widget.Fact{Text: th.Muted.Render(what) + figure(th, t.running, "running", th.Busy) + th.Muted.Render(", ") +
			figure(th, t.failed, "failed in 24h", th.Bad)})
	}
	add(0, t.drifted, "drifted", th.Warn)
	n := len(p.Env.Jobs.Running())
	add(1, n, plural(n, "operation", "operations")+" under way", th.Busy) // the line above tells it, too
	add(2, p.unread, "still to read", th.Muted)
	if text, short := p.healthNote(); text != "" {
		note := widget.Fact{Text: text, Short: short, Spare: 3}
		if p.pulse.Err != nil {
			note.Spare = 0
		}
		facts = append(facts, note)
	}
	if p.list.Err != nil {
		facts = slices.Insert(facts, 0, widget.Fact{Text: th.Bad.Render(th.Glyphs.Bad + " the list can't be read: " + render.Line(p.list.Err.Error(), 0))})
	}
	return " " + widget.Facts(th, width-1, facts...)
}

// figure is a number that stands out unless it is 0.
func figure(th *theme.Screen, n pipelines.Count, text string, style lipgloss.Style) string {
	if n.N == 0 {
		style = th.Muted
	}
	return style.Render(n.String() + " " + text)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func count(n int, one, many string) string {
	return render.Number(int64(n)) + " " + plural(n, one, many)
}

// detail tells more of the selected row: what is wrong with it and what helps, or
// where it is and how old what is shown is.
func (p *Page) detail(width, height int) string {
	th := &p.Env.Theme
	r := p.selected()
	if r == nil {
		return widget.Box("", width, height)
	}
	first, second := p.facts1(r), p.facts2(r, width-1)
	if height < 2 {
		return widget.Fit(" "+first, width, th.Glyphs.Ellipsis)
	}
	return widget.Fit(" "+first, width, th.Glyphs.Ellipsis) + "\n" + widget.Fit(" "+second, width, th.Glyphs.Ellipsis)
}

func (p *Page) facts1(r *row) string {
	th := &p.Env.Theme
	name := th.Crumb.Render(render.Line(r.p.ID.String(), 0)) + "  "
	if r.cond.Status == pipelines.Updating && r.job == nil {
		return name + th.Busy.Render(th.Glyphs.Busy+" "+render.Line(r.cond.Note, 0)+r.heldFor(p.Env.Now()))
	}
	if r.cond.Note != "" && r.failed() == nil && r.job == nil {
		return name + th.Warn.Render(th.Glyphs.Warn+" "+render.Line(r.cond.Note, 0))
	}
	if err := r.failed(); err != nil {
		sign, style := th.Glyphs.Bad, th.Bad
		if r.cond.Status == pipelines.Cancelled || r.cond.Status == pipelines.Incomplete {
			sign, style = th.Glyphs.Warn, th.Warn
		}
		return name + style.Render(sign+" "+render.Line(err.Error(), 0))
	}
	if d := r.drift(); d.Open() {
		return name + th.Warn.Render(th.Glyphs.Warn+" a refresh "+render.Age(d.At, p.Env.Now())+" found "+count(d.Found, "resource", "resources")+" changed outside; u puts them right")
	}
	if r.p.State == nil {
		return name + th.Muted.Render("not read yet")
	}
	if r.cond.Status == pipelines.Empty {
		return name + th.Muted.Render("nothing of it exists: u creates it, D takes the stack away")
	}
	if last := r.p.Last(); last != nil && last.Result == string(stack.Failed) {
		return name + th.Bad.Render(th.Glyphs.Bad+" the last "+pipelines.KindWord(last.Kind)+" failed "+render.Age(last.End, p.Env.Now())) +
			th.Muted.Render("  enter, then Updates tells what was done")
	}
	if last := r.live.Last; last != nil {
		return name + th.Muted.Render("last run ") + render.StatusStyle(th.Styles, last.Status).Render(string(last.Status)) +
			th.Muted.Render(" "+render.Line(last.Name, 0)+", started "+render.Age(last.Start, p.Env.Now()))
	}
	if !r.live.At.IsZero() && r.machine() {
		return name + th.Muted.Render("has never run: R starts an execution")
	}
	return name + th.Muted.Render(render.Line(r.p.Template(), 0))
}

// heldFor says since when somebody works on it.
func (r *row) heldFor(now time.Time) string {
	if r.cond.Lock == nil || r.cond.Lock.Since.IsZero() {
		return ""
	}
	return ", since " + render.Age(r.cond.Lock.Since, now)
}

// specErr is what is wrong with the spec: that the state can't be had is told
// elsewhere.
func (r *row) specErr() error {
	if r.p.State == nil {
		return nil
	}
	return r.p.Err
}

func (p *Page) facts2(r *row, width int) string {
	th := &p.Env.Theme
	if hint := fault.HintOf(r.failed()); hint != "" {
		return th.Muted.Render(render.Line(hint, 0))
	}
	var facts []widget.Fact
	add := func(spare int, text string) {
		facts = append(facts, widget.Fact{Text: th.Muted.Render(text), Spare: spare})
	}
	if r.p.Spec != nil {
		add(1, render.Line(r.p.Template(), 0)+" in "+render.Line(r.p.Region(), 0))
	}
	if r.p.Protected() {
		add(0, "protected")
	}
	if r.p.State != nil {
		add(3, count(r.p.Resources(), "resource", "resources"))
	}
	if r.pulse != nil && r.pulse.Idle {
		add(0, "endpoint "+render.Idle(r.pulse.IdleSince(), render.Line(r.pulse.Month, 0), p.Env.Now()))
	}
	if !r.live.At.IsZero() {
		add(4, "live "+render.Age(r.live.At, p.Env.Now()))
	}
	if !r.p.Read.IsZero() {
		add(5, "state read "+render.Age(r.p.Read, p.Env.Now()))
	}
	switch d := r.drift(); {
	case d.Open() || r.p.State == nil:
	case !d.Known():
		facts = append(facts, widget.Fact{Text: th.Muted.Render("never refreshed: drift is not known"), Short: th.Muted.Render("never refreshed"), Spare: 2})
	case d.Settled:
		add(2, "drift found "+render.Age(d.At, p.Env.Now())+", put right since")
	default:
		add(2, "no drift "+render.Age(d.At, p.Env.Now()))
	}
	return widget.Facts(th, width, facts...)
}

// facts opens everything that is known of a row.
func (p *Page) facts(r *row) tea.Cmd {
	now := p.Env.Now()
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			b.WriteString(name + strings.Repeat(" ", max(1, 16-len(name))) + value + "\n")
		}
	}
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return render.Stamp(t) + ", " + render.Age(t, now)
	}
	line("pipeline", r.p.ID.String())
	line("stack", r.key)
	line("status", string(r.cond.Status))
	line("template", r.p.Template())
	line("region", r.p.Region())
	if r.p.Protected() {
		line("protection", "on: destroy is refused as long as it is")
	}
	line("created", at(r.created))
	if last := r.p.Last(); last != nil {
		line("last operation", pipelines.KindWord(last.Kind)+" "+last.Result+" "+at(last.Start))
		line("", "")
	}
	line("endpoint", r.live.Endpoint)
	if r.pulse != nil && r.pulse.Idle {
		line("", render.Idle(r.pulse.IdleSince(), render.Line(r.pulse.Month, 0), now))
	}
	for _, s := range r.live.Shared {
		line("alias", s.String())
	}
	if r.live.Executions() {
		line("executions", r.live.Text(r.live.Running)+" running, "+r.live.Text(r.live.Failed)+" failed in 24h")
	}
	if r.live.Asked() {
		line("asked AWS", at(r.live.At))
	}
	if last := r.live.Last; last != nil {
		line("last run", string(last.Status)+" "+last.Name+" "+at(last.Start))
	}
	line("drift", driftWords(r.drift(), now))
	line("state read", at(r.p.Read))
	for _, e := range []struct {
		what string
		err  error
	}{{"The state", r.readErr}, {"How it is", r.cond.Err}, {"The spec", r.specErr()}, {"AWS", r.liveErr}} {
		if e.err != nil {
			b.WriteString("\n" + e.what + ": " + dialog.ErrorText(e.err) + "\n")
		}
	}
	if r.p.State != nil && len(r.p.State.Pending) > 0 && r.cond.Status != pipelines.Updating {
		b.WriteString("\nCut off, the real resources may or may not exist (the next operation finds out):\n")
		for _, o := range r.p.State.Pending {
			b.WriteString("  " + o.String() + "\n")
		}
	}
	return p.show(r.p.ID.String(), "the details of "+r.p.ID.String(), strings.TrimRight(b.String(), "\n"))
}

func driftWords(d pipelines.Drift, now time.Time) string {
	switch {
	case !d.Known():
		return "not known: no refresh in the history"
	case d.Found == 0:
		return "none found by the refresh " + render.Age(d.At, now)
	case d.Settled:
		return count(d.Found, "resource", "resources") + " found by the refresh " + render.Age(d.At, now) + ", put right by an update since"
	default:
		return count(d.Found, "resource", "resources") + " found by the refresh " + render.Age(d.At, now)
	}
}

// emptyView is shown as long as there are no rows.
func (p *Page) emptyView(width int) string {
	th := &p.Env.Theme
	switch {
	case p.list.Err != nil:
		out := []string{"", "  " + th.Bad.Render(th.Glyphs.Bad+" The list of pipelines can't be read.")}
		for _, l := range strings.Split(dialog.ErrorText(p.list.Err), "\n") {
			out = append(out, "  "+render.Line(l, max(1, width-4)))
		}
		return strings.Join(append(out, "", "  "+hint(th.Key, th.Hint, keys.Refresh.Label(th.Glyphs.Unicode), "try again")), "\n")
	case p.list.At.IsZero():
		return "\n  " + widget.Spin(th, p.Env.Spin()) + " " + th.Muted.Render("reading the list of pipelines")
	}
	u := th.Glyphs.Unicode
	return strings.Join([]string{
		"",
		"  " + th.Title.Render("No pipelines yet"),
		"",
		"  A pipeline is a template (real-time, batch, ...) made real for one tenant",
		"  and one model: a state machine, its functions, a model and its endpoint.",
		"",
		"  " + hint(th.Key, th.Hint, keys.NewPipeline.Label(u), "create one: choose a template, answer a few questions, see the preview"),
		"  " + hint(th.Key, th.Hint, keys.Example.Label(u), p.exampleHint()),
		"  " + hint(th.Key, th.Hint, keys.Palette.Label(u), "all commands"),
		"  " + hint(th.Key, th.Hint, keys.Help.Label(u), "all keys"),
		"",
		"  " + th.Muted.Render("In the sandbox nothing costs anything."),
	}, "\n")
}

func hint(key, text lipgloss.Style, label, what string) string {
	return key.Render(widget.Fit(label, 3, "")) + " " + text.Render(what)
}
