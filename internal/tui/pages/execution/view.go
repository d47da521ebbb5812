package execution

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/diagram"
	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// Sizes in cells: from wide on, what is selected is told beside the picture.
const (
	wide     = 104
	headRows = 3
)

// View implements ui.Page.
func (p *Page) View(width, height int) string {
	now := p.Env.Now()
	head := []string{p.headline(width, now), p.subline(width, now), widget.Tabs(p.th, shownTabs(width), int(p.tab), width)}
	if height < 9 { // the tab's content matters more
		head = head[2:]
	}
	p.width, p.bodyTop = width, len(head)
	body := max(0, height-len(head))
	return widget.Box(widget.Lines(append(head, widget.Box(p.body(width, body, now), width, body))...), width, height)
}

// headline is status, name and when.
func (p *Page) headline(width int, now time.Time) string {
	th := p.th
	s := p.status()
	style := widget.ExecutionStyle(th, s)
	word := widget.ExecutionWord(s)
	if s == "" {
		word, style = "reading", th.Muted
		if p.machineErr != nil || p.watchErr != nil {
			word = "unknown"
		}
	}
	left := style.Render(widget.ExecutionGlyph(th, s)+" "+word) + "  " + th.Title.Render(render.Line(p.name(), 0))
	if p.busy != "" {
		left += "  " + th.Busy.Render(p.busy)
	}
	facts := p.facts(now)
	for len(facts) > 0 {
		text := "  " + th.Muted.Render(strings.Join(facts, " "+th.Glyphs.Dot+" "))
		if ansi.StringWidth(left)+ansi.StringWidth(text) <= width {
			return left + widget.FitRight(text, width-ansi.StringWidth(left), "")
		}
		facts = facts[:len(facts)-1]
	}
	return widget.Fit(left, width, th.Glyphs.Ellipsis)
}

// facts are about the execution, the most important first.
func (p *Page) facts(now time.Time) []string {
	var out []string
	start, d := p.line.Start, p.details
	if start.IsZero() && d != nil {
		start = d.Start
	}
	if start.IsZero() {
		return nil
	}
	took := p.line.Duration(now)
	if d != nil && (p.line.Start.IsZero() || !d.Stop.IsZero() && !p.running()) {
		took = d.Duration(now) // as lists say it: the first event may be later than the start
	}
	verb := "took "
	if p.running() {
		verb = "for "
	}
	out = append(out, verb+render.Duration(took), "started "+render.Age(start, now))
	n := p.line.Redrives
	if d != nil {
		n = max(n, d.Redrives)
	}
	if n > 0 {
		out = append(out, render.Count(n, "redrive", "redrives"))
	}
	if len(p.events) > 0 {
		out = append(out, render.Number(int64(len(p.events)))+" events")
	}
	if d != nil && d.Version != "" {
		text := "version " + last(d.Version)
		if d.Alias != "" {
			text = last(d.Alias) + " " + text
		}
		if r := p.ranOn(); r != nil && r.Number > 0 {
			text = "revision " + strconv.Itoa(r.Number) + ", " + text
			if r.Redriven > 0 {
				text += ", redriven under revision " + strconv.Itoa(r.Redriven)
			}
		}
		out = append(out, text)
	}
	return append(out, start.UTC().Format("2006-01-02 15:04:05 UTC"))
}

// last is the last part of an ARN.
func last(arn string) string { return arn[strings.LastIndexByte(arn, ':')+1:] }

// subline is what matters most: the error, or where it is, or what came out.
func (p *Page) subline(width int, _ time.Time) string {
	th := p.th
	if p.machineErr != nil {
		return widget.Fit(th.Bad.Render(render.Line(p.machineErr.Error(), 0)), width, th.Glyphs.Ellipsis)
	}
	name, cause := p.failure()
	switch {
	case p.watchErr != nil && len(p.events) > 0: // what is shown is not all
		return widget.Fit(th.Bad.Render("the history could not be read to its end: "+render.Line(p.watchErr.Error(), 0)), width, th.Glyphs.Ellipsis)
	case name != "" || cause != "":
		where := ""
		if f := p.line.Failed(); f != nil {
			where = render.Line(f.State, 0) + ": "
		}
		text := th.Bad.Render(where + render.Line(name, 0))
		if m := render.Line(shorten(executions.MessageOf(cause), 600), 0); m != "" {
			text += "  " + m
		}
		const hint = "  e: all of it"
		if ansi.StringWidth(text) > width {
			return widget.Fit(text, width-len(hint), th.Glyphs.Ellipsis) + th.Hint.Render(hint)
		}
		return text
	case p.running():
		if c := p.current(); c != "" {
			return th.Busy.Render("in ") + ansi.Truncate(c, max(1, width-3), th.Glyphs.Ellipsis)
		}
	case p.details != nil && p.details.Output != "":
		return widget.Fit(th.Muted.Render("output ")+render.Line(shorten(p.details.Output, 600), 0), width, th.Glyphs.Ellipsis)
	}
	return ""
}

// failure is the execution's error, "" as long as it has none.
func (p *Page) failure() (name, cause string) {
	if p.details != nil && (p.details.Error != "" || p.details.Cause != "") && !p.watching {
		return p.details.Error, p.details.Cause
	}
	return p.line.Error, p.line.Cause
}

// current names the states that run.
func (p *Page) current() string {
	var names []string
	seen := map[string]int{}
	visits := p.line.Visits
	parent := map[int]bool{}
	for i := len(visits) - 1; i >= 0; i-- {
		if !visits[i].Status.Open() {
			continue
		}
		parent[visits[i].Parent] = true
		if parent[i] {
			continue
		}
		if seen[visits[i].State]++; seen[visits[i].State] == 1 {
			names = append(names, visits[i].State)
		}
	}
	for i, n := range names {
		if seen[n] > 1 {
			names[i] = fmt.Sprintf("%s (%d)", n, seen[n])
		}
	}
	return render.Line(strings.Join(names, ", "), 0)
}

func (p *Page) body(width, height int, now time.Time) string {
	if height <= 0 {
		return ""
	}
	why := p.historyWhy()
	if p.express && p.tab == tabGraph && p.graph != nil {
		why = "" // what the states did is not known, but which there are
	}
	if why != "" && len(p.events) == 0 && p.tab != tabData {
		return p.say(why, width)
	}
	switch p.tab {
	case tabGraph:
		return p.viewGraph(width, height, now)
	case tabTimeline:
		return p.viewTimeline(width, height, now)
	case tabEvents:
		return p.viewEvents(width, height)
	case tabData:
		return p.viewData(width, height)
	case tabRuns:
		return p.runs.view(p, width, height, now)
	case tabLogs:
		return p.logs.view(p, width, height)
	case tabs:
	}
	return ""
}

// say is a text in an otherwise empty body.
func (p *Page) say(text string, width int) string {
	out := []string{""}
	for _, l := range strings.Split(ansi.Wrap(render.Safe(text), max(1, width-4), ""), "\n") {
		out = append(out, "  "+p.th.Muted.Render(l))
	}
	return strings.Join(out, "\n")
}

func (p *Page) viewGraph(width, height int, now time.Time) string {
	if p.graph == nil {
		return p.say(p.graphWhy, width)
	}
	if note := p.definition.note; note != "" && height > 8 {
		return widget.Lines(widget.Fit(" "+p.th.Warn.Render(render.Line(note, 0)), width, p.th.Glyphs.Ellipsis), p.drawn(width, height-1, now))
	}
	return p.drawn(width, height, now)
}

// drawn is the graph and what is selected in it.
func (p *Page) drawn(width, height int, now time.Time) string {
	p.graph.SetStates(p.nodes(now))
	if !p.chosen && p.state != "" {
		p.graph.Show(p.state)
	}
	if n, ok := p.graph.Selected(); ok && n.Name != p.state && len(p.line.Visits) == 0 {
		p.state = n.Name
	}
	side := min(56, width*2/5)
	p.graphWidth = width - side - 1
	graphWidth, graphHeight := p.graph.Size()
	// What is selected is told below where the drawing needs the whole width.
	if width < wide || graphWidth > p.graphWidth && graphHeight <= height-4 {
		below := min(4, max(0, height-8))
		if width >= wide {
			below = max(below, min(14, height-graphHeight))
		}
		p.graphWidth = width
		g := p.graph.View(width, height-below)
		switch below {
		case 0:
			return g
		case 1, 2, 3, 4:
			return widget.Lines(g, widget.Rule(p.th, "", width), widget.Box(strings.Join(p.brief(width, true, now), "\n"), width, below-1))
		}
		return widget.Lines(g, widget.Rule(p.th, "", width), widget.Box(p.about(width, below-1, now), width, below-1))
	}
	bar := strings.TrimRight(strings.Repeat(p.th.Border.Render(p.th.Glyphs.Border.Left)+"\n", height), "\n")
	return widget.Beside(p.graph.View(p.graphWidth, height), bar, widget.Box(p.about(side-1, height, now), side, height))
}

func (p *Page) viewTimeline(width, height int, now time.Time) string {
	p.gantt.Set(p.line)
	if !p.chosen && p.visit >= 0 {
		p.gantt.Show(p.visit)
	}
	below := min(4, max(0, height-8))
	if width >= wide {
		below = min(8, height/3)
	}
	g := p.gantt.View(width, height-below, now)
	if below == 0 {
		return g
	}
	return widget.Lines(g, widget.Rule(p.th, "", width), widget.Box(strings.Join(p.brief(width, true, now), "\n"), width, below-1))
}

func (p *Page) viewEvents(width, height int) string {
	start := p.line.Start
	p.eventsWidth, p.eventsHeight = width, height
	if p.list.reading && height < 16 && width < 120 {
		p.eventsHeight = 0
		return p.list.detail().View(width, height)
	}
	if width >= 120 {
		side := width / 2
		p.eventsWidth = width - side
		bar := strings.TrimRight(strings.Repeat(p.th.Border.Render(p.th.Glyphs.Border.Left)+"\n", height), "\n")
		return widget.Beside(p.list.view(width-side, height, start), bar, widget.Box(p.list.detail().View(side-1, height), side-1, height))
	}
	if height < 12 {
		return p.list.view(width, height, start)
	}
	below := height * 2 / 5
	p.eventsHeight = height - below
	return widget.Lines(p.list.view(width, height-below, start), widget.Rule(p.th, "", width), p.list.detail().View(width, below-1))
}

// visitStyle is the style of a visit's status.
func visitStyle(th *theme.Screen, s executions.VisitStatus) lipgloss.Style {
	switch s {
	case executions.VisitSucceeded:
		return th.Good
	case executions.VisitFailed, executions.VisitTimedOut:
		return th.Bad
	case executions.VisitCaught, executions.VisitAborted:
		return th.Warn
	case executions.VisitRunning:
		return th.Busy
	}
	return th.Muted
}

// brief is the selected state in a few lines: with its error, or with the beginning
// of its data.
func (p *Page) brief(width int, data bool, now time.Time) []string {
	th := p.th
	v := p.selected()
	if v == nil && p.express {
		return p.wholeBrief(width, data)
	}
	if v == nil {
		if p.state == "" {
			return []string{th.Muted.Render("no state was entered yet")}
		}
		return []string{th.Title.Render(render.Line(p.state, 0)) + "  " + th.Muted.Render("not reached"), p.leads(width)}
	}
	style := visitStyle(th, v.Status)
	line := style.Render(widget.StatusGlyph(th, v.Status)+" ") + th.Title.Render(render.Line(p.shortSubject(), 0)) + "  " +
		style.Render(widget.StatusWord(v.Status)) + "  " + th.Muted.Render(render.Duration(v.Duration(now)))
	if n := v.Retries(); n > 0 {
		line += "  " + th.Warn.Render(render.Count(n, "retry", "retries"))
	}
	out := []string{widget.Fit(line, width, th.Glyphs.Ellipsis)}
	if v.Error != "" || v.Cause != "" {
		text := th.Bad.Render(render.Line(v.Error, 0)) + "  " + render.Line(shorten(executions.MessageOf(v.Cause), 600), 0)
		return append(out, strings.Split(ansi.Wrap(text, max(1, width), ""), "\n")...)
	}
	if !data {
		return out
	}
	if v.Output != "" {
		out = append(out, widget.Fit(th.Muted.Render("output ")+render.Line(shorten(v.Output, 600), 0), width, th.Glyphs.Ellipsis))
	}
	if v.Input != "" {
		out = append(out, widget.Fit(th.Muted.Render("input  ")+render.Line(shorten(v.Input, 600), 0), width, th.Glyphs.Ellipsis))
	}
	return out
}

// wholeBrief is what is known of an execution without history, in a few lines.
func (p *Page) wholeBrief(width int, data bool) []string {
	th := p.th
	out := []string{th.Muted.Render(widget.Fit("of an express execution only this is known", width, th.Glyphs.Ellipsis))}
	if name, cause := p.failure(); name != "" || cause != "" {
		text := th.Bad.Render(render.Line(name, 0)) + "  " + render.Line(shorten(executions.MessageOf(cause), 600), 0)
		return append(out, strings.Split(ansi.Wrap(text, max(1, width), ""), "\n")...)
	}
	if d := p.details; data && d != nil {
		for _, x := range []struct{ name, text string }{{"output ", d.Output}, {"input  ", d.Input}} {
			if x.text != "" {
				out = append(out, widget.Fit(th.Muted.Render(x.name)+render.Line(shorten(x.text, 600), 0), width, th.Glyphs.Ellipsis))
			}
		}
	}
	return out
}

func (p *Page) shortSubject() string {
	whole := p.doc.whole
	p.doc.whole = false
	defer func() { p.doc.whole = whole }()
	return p.subject()
}

// leads says where a state leads to.
func (p *Page) leads(width int) string {
	if p.graph == nil {
		return ""
	}
	var parts []string
	for _, e := range p.graph.Transitions(p.state) {
		text := p.th.Glyphs.Right + " " + render.Line(e.To, 0)
		if e.Label != "" {
			text += " (" + render.Line(string(e.Kind)+" "+e.Label, 60) + ")"
		}
		parts = append(parts, text)
	}
	return widget.Fit(p.th.Muted.Render(strings.Join(parts, "  ")), width, p.th.Glyphs.Ellipsis)
}

// about is the selected state beside the graph.
func (p *Page) about(width, height int, now time.Time) string {
	th := p.th
	out := p.brief(width, false, now)
	v := p.selected()
	wrap := func(text string) []string { return strings.Split(ansi.Wrap(text, max(1, width), ""), "\n") }
	if p.graph != nil {
		if n, ok := p.graph.Selected(); ok && n.Name == p.state {
			out = append([]string{th.Muted.Render(widget.Fit(render.Line(diagram.What(n), 0), width, th.Glyphs.Ellipsis))}, out...)
		}
		for _, e := range p.graph.Transitions(p.state) {
			text := th.Glyphs.Right + " " + render.Line(e.To, 0)
			if e.Label != "" || e.Kind != "next" {
				text = string(e.Kind) + " " + render.Line(e.Label, 0) + " " + text
			}
			out = append(out, wrap(th.Muted.Render(text))...)
		}
	}
	var input, output string
	var attempts []executions.Attempt
	switch {
	case v != nil:
		input, output, attempts = v.Input, v.Output, v.Attempts
	case p.express && p.details != nil: // of the whole, that being all that is known
		input, output = p.details.Input, p.details.Output
	}
	for i := range attempts {
		if len(attempts) < 2 {
			break
		}
		a := &attempts[i]
		took := a.Ended.Sub(a.Scheduled)
		if a.Ended.IsZero() {
			took = now.Sub(a.Scheduled)
		}
		text := fmt.Sprintf("%s attempt %d  %s  %s", widget.StatusGlyph(th, a.Status), i+1, render.Duration(took), render.Line(a.Error, 0))
		out = append(out, visitStyle(th, a.Status).Render(ansi.Truncate(text, width, th.Glyphs.Ellipsis)))
	}
	for _, d := range []struct{ name, text string }{{"input", input}, {"output", output}} {
		if d.text == "" {
			continue
		}
		room := height - len(out) - 2
		if room < 2 {
			break
		}
		if d.name == "input" && output != "" {
			room /= 2
		}
		lines := p.pretty(d.text)
		more := len(lines) > room
		lines = lines[:min(len(lines), room)]
		out = append(out, widget.Rule(th, d.name, width))
		for _, l := range lines {
			out = append(out, ansi.Truncate(l, width, th.Glyphs.Ellipsis))
		}
		if more {
			out[len(out)-1] = th.Hint.Render(th.Glyphs.Ellipsis + " enter shows all of it")
		}
	}
	return strings.Join(out, "\n")
}

// pretty is a JSON text in coloured lines; the last few texts are remembered.
func (p *Page) pretty(text string) []string {
	if p.prettied == nil || len(p.prettied) > 8 {
		p.prettied = map[string][]string{}
	}
	out, ok := p.prettied[text]
	if !ok {
		out = widget.JSON(p.th, text)
		p.prettied[text] = out
	}
	return out
}
