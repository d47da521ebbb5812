package execution

import (
	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// key takes a key: what is being typed, then the tabs, the open tab, and what can
// be done with the execution.
func (p *Page) key(m tea.KeyMsg) tea.Cmd {
	if p.Capturing() {
		p.toTab(m)
		return nil
	}
	switch {
	case keys.NextTab.Is(m):
		return p.openTab((p.tab + 1) % tabs)
	case keys.PrevTab.Is(m):
		return p.openTab((p.tab + tabs - 1) % tabs)
	}
	if keys.ToTab.Is(m) {
		return p.openTab(tab(m.String()[0] - '1'))
	}
	if cmd, ok := p.tabKey(m); ok {
		return cmd
	}
	if p.toTab(m) {
		return nil
	}
	if keys.Back.Is(m) {
		if p.tab == tabRuns && p.runs.leave(p) {
			return nil
		}
		return ui.Send(ui.Back{})
	}
	cmd, _ := p.act(m)
	return cmd
}

func (p *Page) openTab(t tab) tea.Cmd {
	p.tab = t
	return p.opened()
}

// toTab gives a key or a mouse event to the widget of the open tab.
func (p *Page) toTab(msg tea.Msg) bool {
	switch p.tab {
	case tabGraph:
		if p.graph == nil || !p.graph.Update(msg) {
			return false
		}
		if n, ok := p.graph.Selected(); ok && n.Name != p.state {
			p.chooseState(n.Name)
		}
		return true
	case tabTimeline:
		p.gantt.Set(p.line)
		if !p.gantt.Update(msg) {
			return false
		}
		if i, ok := p.gantt.Selected(); ok && i != p.visit {
			p.visit, p.state, p.chosen = i, p.line.Visits[i].State, true
			if p.graph != nil {
				p.graph.Select(p.state)
			}
		}
		return true
	case tabEvents:
		return p.list.update(msg)
	case tabData:
		return p.doc.viewer.Update(msg)
	case tabRuns:
		return p.runs.grid.Update(msg)
	case tabLogs:
		return p.logs.viewer.Update(msg)
	case tabs:
	}
	return false
}

// tabKey takes the keys that mean something in the open tab only.
func (p *Page) tabKey(m tea.KeyMsg) (tea.Cmd, bool) {
	switch p.tab {
	case tabGraph, tabTimeline:
		return p.pictureKey(m)
	case tabEvents:
		if p.list.reading {
			break
		}
		if keys.EventState.Is(m) {
			p.toggleState()
			return nil, true
		}
	case tabData:
		return p.dataKey(m)
	case tabRuns:
		return p.runKey(m)
	case tabLogs:
		switch {
		case keys.LogScope.Is(m):
			p.logs.all = !p.logs.all
			p.logs.fill(p)
			return nil, true
		case keys.ReadLogs.Is(m):
			return p.logs.read(p, true), true
		}
	case tabs:
	}
	return p.textKey(m)
}

// toggleState limits the events to those of the selected event's state, or lifts
// that.
func (p *Page) toggleState() {
	switch e := p.list.selected(); {
	case p.list.state != "":
		p.list.state = ""
	case e != nil && e.State != "":
		p.list.state = e.State
	case p.state != "":
		p.list.state = p.state
	}
	p.list.refilter()
}

// textKey are copying and saving.
func (p *Page) textKey(m tea.KeyMsg) (tea.Cmd, bool) {
	switch {
	case keys.Copy.Is(m):
		return p.copyShown(), true
	case keys.Pager.Is(m):
		if _, _, text := p.shownText(); text != "" {
			return ui.Send(ui.Pager{Text: text}), true
		}
		return nil, true
	case keys.Save.Is(m):
		return p.askSave(), true
	}
	return nil, false
}

// visitKey goes by visits of the selected state.
func (p *Page) visitKey(m tea.KeyMsg) (tea.Cmd, bool) {
	switch {
	case keys.NextVisit.Is(m):
		p.nextVisit(1)
	case keys.PreviousVisit.Is(m):
		p.nextVisit(-1)
	case keys.GoToVisit.Is(m):
		return p.askVisit(), true
	default:
		return nil, false
	}
	return nil, true
}

func (p *Page) pictureKey(m tea.KeyMsg) (tea.Cmd, bool) {
	switch {
	case keys.Open.Is(m):
		p.doc.part, p.doc.whole, p.doc.picked = partOutput, false, true
		if v := p.selected(); v != nil {
			switch {
			case v.Error != "" || v.Cause != "":
				p.doc.part = partError
			case v.Output == "":
				p.doc.part = partInput
			}
		}
		return p.openTab(tabData), true
	case keys.ShowInput.Is(m):
		p.doc.part, p.doc.whole, p.doc.picked = partInput, false, true
		return p.openTab(tabData), true
	case keys.FollowState.Is(m):
		p.chosen = false
		if p.graph != nil {
			p.graph.Follow()
		}
		p.gantt.Follow()
		p.follow()
		return nil, true
	}
	if cmd, ok := p.visitKey(m); ok {
		return cmd, true
	}
	return p.textKey(m)
}

func (p *Page) dataKey(m tea.KeyMsg) (tea.Cmd, bool) {
	if text, what, ok := p.doc.viewer.Copied(m); ok {
		return ui.Send(ui.Copy{Text: text, What: what}), true
	}
	switch {
	case keys.ShowInput.Is(m):
		p.doc.part = partInput
	case keys.ShowOutput.Is(m):
		p.doc.part = partOutput
	case keys.WholeError.Is(m):
		p.doc.part = partError
	case keys.ShowAttempts.Is(m):
		p.doc.part = partAttempts
	case keys.ShowWhole.Is(m):
		p.doc.whole = !p.doc.whole
	default:
		if cmd, ok := p.visitKey(m); ok {
			return cmd, true
		}
		return p.textKey(m)
	}
	p.doc.picked = true
	p.fill()
	return nil, true
}

func (p *Page) runKey(m tea.KeyMsg) (tea.Cmd, bool) {
	switch {
	case keys.Open.Is(m):
		arn := p.runs.child()
		if p.runs.enter(p) || arn == "" {
			return nil, true
		}
		return ui.Send(ui.OpenExecution{ID: p.id, ARN: arn}), true
	case keys.ShowChildren.Is(m):
		return p.runs.nextListing(p), true
	case keys.MoreFailures.Is(m):
		return p.runs.more(p), true
	case keys.SetMapRun.Is(m):
		return p.askSet(), true
	case keys.NextRun.Is(m):
		return p.runs.next(p, 1), true
	case keys.PreviousRun.Is(m):
		return p.runs.next(p, -1), true
	case keys.Copy.Is(m):
		if arn := p.runs.child(); arn != "" {
			return ui.Send(ui.Copy{Text: arn, What: "the child's ARN"}), true
		}
		return p.textKey(m)
	}
	return nil, false
}

// mouse gives an event to what is under it.
func (p *Page) mouse(m tea.MouseMsg) {
	if m.Y < p.bodyTop {
		if m.Y == p.bodyTop-1 && m.Action == tea.MouseActionPress && m.Button == tea.MouseButtonLeft {
			if t := widget.TabAt(p.th, shownTabs(p.width), int(p.tab), p.width, m.X); t >= 0 && t < int(tabs) {
				p.tab = tab(t)
			}
		}
		return
	}
	m.Y -= p.bodyTop
	switch {
	case p.tab == tabGraph && m.X >= p.graphWidth:
		return
	case p.tab == tabEvents && (m.X >= p.eventsWidth || m.Y >= p.eventsHeight):
		p.list.detail().Update(m)
		return
	case p.tab == tabData || p.tab == tabLogs:
		m.Y-- // the line above the text
	case p.tab == tabRuns:
		m.Y -= p.runs.top
	}
	p.toTab(m)
}
