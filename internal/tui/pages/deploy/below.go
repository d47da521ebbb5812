package deploy

import (
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// belowNow is what the lower part shows if there is room.
func (p *Page) belowNow() below {
	switch {
	case p.shown() == nil || p.job == nil && p.below == belowAuto:
		return belowNothing
	case p.below != belowAuto:
		return p.below
	case p.phase == finished && len(p.outputs) > 0:
		return belowOutputs
	default:
		return belowLog
	}
}

func (p *Page) belowView(w, h int) string {
	th := &p.Env.Theme
	title := "Log"
	if p.belowNow() == belowOutputs {
		title = "Outputs"
	} else if d := p.shown().Dropped; d > 0 {
		title += " (" + render.Number(int64(d)) + " earlier lines dropped)"
	}
	rule := widget.Rule(th, title, w)
	if p.focus == logPane {
		rule = th.Focus.Render(ansi.Strip(rule))
	}
	return rule + "\n" + p.log.View(w, h-1)
}

// tailLines is how many lines of the log are drawn as long as nobody scrolls in it:
// more than are in sight.
const tailLines = 12

// takeLog draws the log entries that are new; only the last ones until the log is
// gone into, since a burst brings more than can be read.
func (p *Page) takeLog() {
	job := p.shown()
	switch {
	case job == nil:
		return
	case !p.wholeLog:
		p.logLines = p.logLines[:0]
		for i := len(job.Log) - 1; i >= 0 && len(p.logLines) < tailLines; i-- {
			lines := p.entryLines(job.Log[i])
			slices.Reverse(lines)
			p.logLines = append(p.logLines, lines...)
		}
		slices.Reverse(p.logLines)
		p.fillBelow()
		return
	case p.logSeen < job.Dropped:
		p.logSeen, p.logLines = job.Dropped, nil
	}
	for _, e := range job.Log[p.logSeen-job.Dropped:] {
		p.logLines = append(p.logLines, p.entryLines(e)...)
	}
	p.logSeen = job.Dropped + len(job.Log)
	p.fillBelow()
}

func (p *Page) entryLines(e ui.LogEntry) []string {
	switch e.Event.Type {
	case stack.EventResourcePre, stack.EventPrelude, stack.EventSummary, stack.EventEnd:
		return nil // not worth a line, and the most frequent ones
	}
	prefix := ""
	if len(p.req.Pipelines) > 1 {
		prefix = e.ID.String()
	}
	line := render.DeployLine(p.Env.Theme.Styles, prefix, e.Event, e.Took)
	if line == "" {
		return nil
	}
	return strings.Split(line, "\n")
}

// openLog has the whole log drawn: somebody wants to look at it.
func (p *Page) openLog() {
	if !p.wholeLog {
		p.wholeLog, p.logSeen, p.logLines = true, 0, nil
		p.takeLog()
	}
}

func (p *Page) takeOutputs() {
	p.outputs = nil
	if f := p.figure(p.selected); p.job != nil && f.result != nil && f.state == succeeded && len(f.result.Result.Outputs) > 0 && p.req.Operation == stack.OperationUp {
		p.outputs = strings.Split(strings.TrimRight(render.Outputs(p.Env.Theme.Styles, f.result.Result.Outputs), "\n"), "\n")
	}
	p.fillBelow()
}

func (p *Page) fillBelow() {
	if p.belowNow() == belowOutputs {
		p.log.SetLines(p.outputs)
		p.log.Top()
		return
	}
	p.log.SetLines(p.logLines)
	if p.focus != logPane {
		p.log.Follow()
	}
}
