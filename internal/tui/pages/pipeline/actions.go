package pipeline

import (
	"context"
	"slices"
	"strconv"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// copyMsg is the answer of a dialog that offers something to copy.
type copyMsg ui.Copy

// first is the first reason that there is.
func first(reasons ...string) string {
	for _, r := range reasons {
		if r != "" {
			return r
		}
	}
	return ""
}

// busy says that the pipeline is being changed by this session, "" if it is not.
func (p *Page) busy() string {
	if p.job != nil && p.job.Request.Operation != stack.OperationPreview {
		return p.job.Request.Verb() + " is at work on it: o shows it"
	}
	return ""
}

// actions are what can be done with the pipeline, on every tab.
func (p *Page) actions() []keys.Binding {
	readOnly, unknown, operation, machine, cut := p.Env.ReadOnly(), "", "", "", ""
	if !p.state.Known {
		unknown = "the pipeline is not read yet"
	}
	if p.lastJob == nil {
		operation = "no operation of this session has worked on it"
	}
	if p.state.Known && p.p.Output("stateMachineArn") == "" {
		machine = "it has no state machine yet"
	}
	switch {
	case p.damaged():
		cut = readOnly
	case p.p.State == nil || len(p.p.State.Pending) == 0:
		cut = "nothing was cut off"
	}
	write := first(readOnly, unknown, p.busy())
	line := func(args ...string) func() string {
		return func() string { return p.Env.CommandLine(append(slices.Clone(args), p.id.String())...) }
	}
	return []keys.Binding{
		keys.ApplyAgain.Unless(write).As(line("up")),
		keys.PreviewOnly.Unless(unknown).As(line("preview")),
		keys.ReadReal.Unless(write).As(line("refresh")),
		keys.RunOne.Unless(first(readOnly, machine)).As(func() string { return line("run")() + " --input @input.json" }),
		keys.Change.Unless(write),
		keys.Delete.Unless(write).As(line("destroy")),
		keys.LikePipeline.Unless(first(readOnly, unknown)),
		keys.Operation.Unless(operation),
		keys.Lock.Unless(write).As(line("cancel")),
		keys.CutOff.Unless(cut).As(line("cancel")),
	}
}

// tabKeys are what the open tab itself can do.
func (p *Page) tabKeys() keys.Map {
	var none string
	if x := p.panels[p.tab]; x != nil {
		return x.Keys()
	}
	switch p.tab {
	case tabOverview:
		if len(p.rows) == 0 {
			none = "there is nothing to show yet"
		}
		noSpec := none
		if p.p.Spec == nil || p.template == nil {
			noSpec = "the pipeline's spec or its template is not known here"
		}
		return keys.Map{{Title: "Overview", Bindings: []keys.Binding{keys.WholeValue.Unless(none), keys.Copy.Unless(none), keys.SaveSpec.Unless(noSpec), keys.Search}}}
	case tabResources:
		console := ""
		if x := p.resource(); x == nil {
			none, console = "no resource is selected", "no resource is selected"
		} else if p.Env.Source.ConsoleURL(*x) == "" {
			console = "it has no page in the AWS console"
		}
		return keys.Map{{Title: "Resources", Bindings: []keys.Binding{
			keys.WholeValue.Unless(none), keys.Copy.Unless(none), keys.CopyConsole.Unless(console), keys.InBrowser.Unless(console), keys.CopyURN.Unless(none),
			keys.OpenAll, keys.Search, keys.Right, keys.Left,
		}}}
	case tabExecutions:
		return p.runs.Keys()
	case tabUpdates:
		if len(p.history.Value) == 0 {
			none = "there is no update"
		}
		return keys.Map{{Title: "Updates", Bindings: []keys.Binding{keys.WholeValue.Unless(none), keys.Copy.Unless(none), keys.Search, keys.Sort, keys.Reverse}}}
	}
	if p.tab == tabRevisions {
		return p.revisionKeys()
	}
	if !p.machine.Known {
		none = "there is no definition to show"
	}
	toggle := first(none)
	if p.machine.Known && p.graph == nil {
		toggle = "the definition can't be drawn"
	}
	b := []keys.Binding{keys.GraphText.Unless(toggle), keys.WholeValue.Unless(none), keys.Copy.Unless(none), keys.Save.Unless(none), keys.Pager.Unless(none)}
	if p.showsText() {
		b = append(append(b, keys.Search), keys.Document()...)
		if p.text.Searching() {
			b = append(b, keys.Next, keys.Previous)
		}
	} else {
		b = append(b, keys.GraphList, keys.Left, keys.Right)
	}
	return keys.Map{{Title: "Definition", Bindings: b}}
}

// Keys are what can be done now. A key that the open tab uses itself is not the
// page's there.
func (p *Page) Keys() keys.Map {
	own := p.tabKeys()
	var mine []keys.Binding
	for _, b := range p.actions() {
		if !uses(own, b) {
			mine = append(mine, b)
		}
	}
	tabs := keys.Group{Title: "Tabs", Bindings: []keys.Binding{keys.TabNumber, keys.NextTab, keys.PrevTab}}
	if p.tab == tabExecutions || p.panels[p.tab] != nil {
		return append(slices.Clone(own), keys.Group{Title: "Pipeline", Bindings: mine}, tabs)
	}
	// The footer shows the first group: what the tab is for, then the pipeline's.
	n := min(2, len(own[0].Bindings))
	footer := keys.Group{Title: "Pipeline", Bindings: slices.Concat(own[0].Bindings[:n], mine)}
	rest := keys.Group{Title: own[0].Title, Bindings: own[0].Bindings[n:]}
	return keys.Map{footer, rest, tabs, keys.Moving()}
}

// uses tells whether a map has one of a binding's keys.
func uses(m keys.Map, b keys.Binding) bool {
	for _, g := range m {
		for _, x := range g.Bindings {
			for _, k := range b.Keys {
				if slices.Contains(x.Keys, k) {
					return true
				}
			}
		}
	}
	return false
}

func (p *Page) key(m tea.KeyMsg) tea.Cmd {
	if p.Capturing() {
		return p.toTab(m)
	}
	own := p.tabKeys()
	if uses(own, keys.Binding{Keys: []string{m.String()}}) {
		return p.tabKey(m)
	}
	for _, b := range p.actions() {
		if b.Is(m) {
			if b.Off != "" {
				return ui.Send(ui.Toast{Text: b.Off, Bad: true})
			}
			return p.act(m)
		}
	}
	switch {
	case keys.TabNumber.Is(m):
		if i := int(m.String()[0] - '1'); i < len(titles) {
			return p.open(i)
		}
		return nil
	case keys.NextTab.Is(m):
		return p.open((p.tab + 1) % len(titles))
	case keys.PrevTab.Is(m):
		return p.open((p.tab + len(titles) - 1) % len(titles))
	case keys.Back.Is(m) && !p.clears():
		return ui.Send(ui.Back{})
	}
	return p.toTab(m)
}

// clears tells that esc takes a filter or a search away rather than the page.
func (p *Page) clears() bool {
	if x := p.panels[p.tab]; x != nil {
		return x.Clears()
	}
	switch p.tab {
	case tabOverview:
		return p.facts.Filter() != ""
	case tabResources:
		return p.tree.Filter() != ""
	case tabUpdates:
		return p.updates.Filter() != ""
	case tabRevisions:
		return p.past.Filter() != ""
	case tabDefinition:
		return p.showsText() && p.text.Searching()
	}
	return true // the panel knows what esc is for, and goes back itself
}

// act does what a key asks for.
func (p *Page) act(m tea.KeyMsg) tea.Cmd {
	id := p.id
	switch {
	case keys.ApplyAgain.Is(m):
		return p.rebuild(stack.OperationUp)
	case keys.PreviewOnly.Is(m):
		return p.rebuild(stack.OperationPreview)
	case keys.ReadReal.Is(m):
		return p.reach(stack.OperationRefresh)
	case keys.Delete.Is(m):
		return p.reach(stack.OperationDestroy)
	case keys.Change.Is(m):
		return ui.Send(ui.OpenWizard{Change: &id})
	case keys.LikePipeline.Is(m):
		return ui.Send(ui.OpenWizard{Like: &id})
	case keys.RunOne.Is(m):
		return tea.Batch(p.open(tabExecutions), p.runs.Start())
	case keys.Operation.Is(m):
		return ui.Send(ui.OpenJob{Job: p.lastJob})
	case keys.Lock.Is(m):
		return p.askLock()
	case keys.CutOff.Is(m):
		return p.aboutCutOff()
	}
	return nil
}

// toTab hands a key to the widget of the open tab.
func (p *Page) toTab(m tea.Msg) tea.Cmd {
	if x := p.panels[p.tab]; x != nil {
		return x.Update(m)
	}
	switch p.tab {
	case tabOverview:
		p.facts.Update(m)
	case tabResources:
		p.tree.Update(m)
	case tabExecutions:
		return p.toRuns(m)
	case tabUpdates:
		p.updates.Update(m)
	case tabRevisions:
		p.past.Update(m)
	case tabDefinition:
		switch {
		case p.showsText():
			p.text.Update(m)
		default:
			p.graph.Update(m)
		}
	}
	return nil
}

// tabKey does what a key asks of the open tab.
func (p *Page) tabKey(m tea.KeyMsg) tea.Cmd {
	if p.panels[p.tab] != nil {
		for _, b := range p.tabKeys()[0].Bindings {
			if b.Is(m) && b.Off != "" {
				return ui.Send(ui.Toast{Text: b.Off, Bad: true})
			}
		}
	}
	switch p.tab {
	case tabOverview:
		if keys.SaveSpec.Is(m) && p.p.Spec != nil && p.template != nil {
			return p.askWhere(true)
		}
		if i, ok := p.facts.Selected(); ok {
			f := p.rows[i]
			switch {
			case keys.WholeValue.Is(m):
				return p.showFact(f)
			case keys.Copy.Is(m):
				if f.hidden {
					return ui.Send(ui.Toast{Text: "a hidden value can't be copied", Bad: true})
				}
				return ui.Send(ui.Copy{Text: f.text(), What: f.name})
			}
		}
	case tabResources:
		if x := p.resource(); x != nil {
			if cmd := p.resourceKey(x, m); cmd != nil {
				return cmd
			}
		}
		if keys.OpenAll.Is(m) {
			p.opened = !p.opened
			p.tree.SetAll(!p.opened)
			return nil
		}
	case tabUpdates:
		if i, ok := p.updates.Selected(); ok {
			switch {
			case keys.WholeValue.Is(m):
				return p.show("Update "+updateRows{p}.number(i)+" of "+p.id.String(), "the details", p.updateText(i))
			case keys.Copy.Is(m):
				return ui.Send(ui.Copy{Text: p.updateText(i), What: "the details"})
			}
		}
	case tabRevisions:
		if cmd := p.revisionKey(m); cmd != nil {
			return cmd
		}
	case tabDefinition:
		return p.definitionKey(m)
	}
	return p.toTab(m)
}

func (p *Page) showFact(f fact) tea.Cmd {
	text := f.text()
	if f.help != "" {
		text += "\n\n" + f.help
	}
	if f.hidden {
		return ui.Send(ui.Ask{From: p.Base(), Dialog: dialog.NewReader(&p.Env.Theme, f.name, f.name, text)})
	}
	return ui.Send(ui.Ask{From: p.Base(), Dialog: dialog.NewReader(&p.Env.Theme, f.name, f.name, text,
		dialog.Choice{Key: "c", Label: "copy the value alone", Answer: copyMsg{Text: f.text(), What: f.name}})})
}

func (p *Page) resourceKey(x *stack.Resource, m tea.KeyMsg) tea.Cmd {
	switch {
	case keys.WholeValue.Is(m):
		url := p.Env.Source.ConsoleURL(*x)
		off := ""
		if url == "" {
			off = "it has no page in the AWS console"
		}
		return ui.Send(ui.Ask{From: p.Base(), Dialog: dialog.NewReader(&p.Env.Theme, x.Name, "all about "+x.Name, p.resourceText(x),
			dialog.Choice{Key: "i", Label: "copy id", Answer: copyMsg{Text: x.ID, What: "the id of " + x.Name}},
			dialog.Choice{Key: "C", Label: "copy console link", Off: off, Answer: copyMsg{Text: url, What: "the console link of " + x.Name}})})
	case keys.Copy.Is(m):
		if x.ID == "" {
			return ui.Send(ui.Copy{Text: x.URN, What: "the URN of " + x.Name})
		}
		return ui.Send(ui.Copy{Text: x.ID, What: "the id of " + x.Name})
	case keys.CopyURN.Is(m):
		return ui.Send(ui.Copy{Text: x.URN, What: "the URN of " + x.Name})
	case keys.InBrowser.Is(m):
		return ui.Send(ui.Browse{URL: p.Env.Source.ConsoleURL(*x), What: "the console"})
	case keys.CopyConsole.Is(m):
		return ui.Send(ui.Copy{Text: p.Env.Source.ConsoleURL(*x), What: "the console link of " + x.Name})
	}
	return nil
}

func (p *Page) definitionKey(m tea.KeyMsg) tea.Cmd {
	switch {
	case !p.machine.Known:
		return nil
	case keys.GraphText.Is(m):
		p.asText = !p.asText
		return nil
	case p.showsText():
		if text, what, ok := p.text.Copied(m); ok {
			return ui.Send(ui.Copy{Text: text, What: what})
		}
	}
	switch {
	case keys.Copy.Is(m):
		return ui.Send(ui.Copy{Text: p.machine.Value.Definition, What: "the definition"})
	case keys.Save.Is(m):
		return p.askWhere(false)
	case keys.Pager.Is(m):
		return ui.Send(ui.Pager{Text: render.JSON(p.machine.Value.Definition, "")})
	case keys.WholeValue.Is(m) && !p.showsText():
		if name, text := p.stateText(); text != "" {
			return p.show("State "+name, "the state", text)
		}
		return nil
	}
	return p.toTab(m)
}

// rebuild opens an up or a preview, after the pipeline was checked.
func (p *Page) rebuild(op stack.Operation) tea.Cmd {
	if p.rebuilding != "" {
		return nil
	}
	p.rebuilding = op
	source, list := p.Env.Source, []pipelines.Pipeline{p.p}
	return p.Do(func(ctx context.Context) tea.Msg {
		pipelines, err := data.Again(ctx, source, list)
		return rebuiltMsg{operation: op, pipelines: pipelines, err: err}
	})
}

func (p *Page) rebuilt(m rebuiltMsg) tea.Cmd {
	p.rebuilding = ""
	if m.err != nil {
		how := "up"
		if m.back != nil {
			how = "back to revision " + strconv.Itoa(m.back.Number)
		}
		return p.show(p.id.String()+" can't be brought "+how, "what is wrong", dialog.ErrorText(m.err))
	}
	req := pipelines.Request{Operation: m.operation, Pipelines: m.pipelines, Back: m.back}
	if m.back != nil {
		req.Unrecorded, req.Origin = true, map[spec.ID]*pipelines.Origin{p.id: {RollbackTo: m.back.Number}}
	}
	return ui.Send(ui.OpenDeploy{Request: req})
}

// reach opens a refresh or destroy, for which the name is enough.
func (p *Page) reach(op stack.Operation) tea.Cmd {
	return ui.Send(ui.OpenDeploy{Request: pipelines.Request{Operation: op, Pipelines: []*spec.Pipeline{p.p.Reach(p.Env.Place().Region)}}})
}

func (p *Page) show(title, what, text string) tea.Cmd {
	return ui.Send(ui.Ask{From: p.Base(), Dialog: dialog.NewReader(&p.Env.Theme, title, what, text)})
}

func (p *Page) mouse(m tea.MouseMsg) tea.Cmd {
	if m.Action == tea.MouseActionPress && m.Button == tea.MouseButtonLeft && m.Y == p.tabsAt {
		if i := widget.TabAt(&p.Env.Theme, titles, p.tab, p.tabsIn, m.X-1); i >= 0 {
			return p.open(i)
		}
		return nil
	}
	m.Y -= p.bodyTop
	if m.Y < 0 {
		return nil
	}
	return p.toTab(m)
}
