package home

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/fleet"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// actions are what can be done with pipelines, in the order of the footer.
func (p *Page) actions() []keys.Binding {
	none, busy, readOnly := p.noRow(), p.busyRow(), p.Env.ReadOnly()
	write := first(readOnly, none, busy)
	r := p.selected()
	machine, operation := none, none
	if r != nil && !r.machine() {
		machine = r.p.ID.String() + " has no state machine yet"
	}
	if r != nil && r.lastJob == nil {
		operation = "no operation of this session has worked on " + r.p.ID.String()
	}
	return []keys.Binding{
		keys.Open.Unless(none).As(p.line(false, "show")),
		keys.NewPipeline.Unless(readOnly).As(func() string { return p.Env.CommandLine("new") }),
		keys.ApplyAgain.Unless(write).As(p.line(true, "up")),
		keys.PreviewOnly.Unless(none).As(p.line(true, "preview")),
		keys.ReadReal.Unless(write).As(p.line(true, "refresh")),
		keys.Delete.Unless(write).As(p.line(true, "destroy")),
		keys.RunOne.Unless(first(readOnly, machine)).As(func() string { return p.line(false, "run")() + " --input @input.json" }),
		keys.Executions.Unless(machine).As(p.line(false, "executions", "list")),
		keys.Fleet.Unless(none).As(func() string {
			return p.Env.CommandLine(append([]string{"executions", "list"}, p.fleet().Args()...)...)
		}),
		keys.Change.Unless(write),
		keys.LikePipeline.Unless(first(readOnly, none)),
		keys.Operation.Unless(operation),
		keys.Facts.Unless(none).As(p.line(false, "show")),
		keys.CopyName.Unless(none),
		keys.HealthCols.Unless(none).As(func() string { return p.Env.CommandLine("metrics", "--all") }),
		keys.TagColumn.Unless(p.noTags()),
		keys.Views,
		keys.Example.Unless(first(readOnly, p.noExample())),
	}
}

// line makes the command line that does with the marked pipelines, or with the selected
// one, what a key does.
func (p *Page) line(marked bool, args ...string) func() string {
	return func() string {
		rows := p.targets()
		if r := p.selected(); !marked && r != nil {
			rows = []*row{r}
		}
		all := slices.Clone(args)
		for _, r := range rows {
			all = append(all, r.p.ID.String())
		}
		return p.Env.CommandLine(all...)
	}
}

// first is the first reason that there is.
func first(reasons ...string) string {
	for _, r := range reasons {
		if r != "" {
			return r
		}
	}
	return ""
}

func (p *Page) noRow() string {
	if p.selected() == nil {
		return "there is no pipeline selected"
	}
	return ""
}

// busyRow says which of the targets is being worked on, "" if none is.
func (p *Page) busyRow() string {
	if len(p.jobs) == 0 {
		return ""
	}
	for _, r := range p.targets() {
		if r.job != nil && r.job.Request.Operation != stack.OperationPreview {
			return fmt.Sprintf("%s is at work on %s: o shows it", r.job.Request.Operation, r.p.ID)
		}
	}
	return ""
}

func (p *Page) key(m tea.KeyMsg) tea.Cmd {
	if p.grid.Capturing() {
		p.grid.Update(m)
		return nil
	}
	for _, b := range p.actions() {
		if !b.Is(m) {
			continue
		}
		if b.Off != "" {
			return ui.Send(ui.Toast{Text: b.Off, Bad: true})
		}
		return p.act(b, m)
	}
	if keys.ByTenant.Is(m) {
		p.group(!p.byTenant)
		return nil
	}
	if keys.Back.Is(m) && p.grid.Filter() == "" && p.grid.Marks() > 0 {
		p.grid.ClearMarks()
		return nil
	}
	p.grid.Update(m)
	return nil
}

// act does what a key asks for; there is a row if the key needs one.
func (p *Page) act(b keys.Binding, m tea.KeyMsg) tea.Cmd {
	r := p.selected()
	switch {
	case keys.Open.Is(m):
		return ui.Send(ui.OpenPipeline{ID: r.p.ID})
	case keys.NewPipeline.Is(m):
		return ui.Send(ui.OpenWizard{})
	case keys.LikePipeline.Is(m):
		id := r.p.ID
		return ui.Send(ui.OpenWizard{Like: &id})
	case keys.Change.Is(m):
		id := r.p.ID
		return ui.Send(ui.OpenWizard{Change: &id})
	case keys.ApplyAgain.Is(m):
		return p.rebuild(stack.OperationUp)
	case keys.PreviewOnly.Is(m):
		return p.rebuild(stack.OperationPreview)
	case keys.ReadReal.Is(m):
		return p.reach(stack.OperationRefresh)
	case keys.Delete.Is(m):
		return p.reach(stack.OperationDestroy)
	case keys.RunOne.Is(m):
		return ui.Send(ui.OpenPipeline{ID: r.p.ID, Tab: "run"})
	case keys.Executions.Is(m):
		return ui.Send(ui.OpenPipeline{ID: r.p.ID, Tab: "executions"})
	case keys.Fleet.Is(m):
		return ui.Send(ui.OpenExecutions{Query: p.fleet()})
	case keys.Operation.Is(m):
		return ui.Send(ui.OpenJob{Job: r.lastJob})
	case keys.Facts.Is(m):
		return p.facts(r)
	case keys.Views.Is(m):
		return p.askView()
	case keys.Example.Is(m):
		return p.makeExample()
	case keys.HealthCols.Is(m):
		p.only = nil
		p.showHealth(!p.healthy)
		return nil
	case keys.TagColumn.Is(m):
		p.nextTag()
		return nil
	case keys.CopyName.Is(m):
		return ui.Send(ui.Copy{Text: r.p.ID.String(), What: "the name " + r.p.ID.String()})
	}
	return ui.Send(ui.Toast{Text: b.Short + " is not known here", Bad: true})
}

// fleet chooses the executions of the marked pipelines, of those that the filter shows, or
// of all.
func (p *Page) fleet() fleet.Query {
	var q fleet.Query
	rows := p.grid.Shown()
	switch {
	case p.grid.Marks() > 0:
		rows = p.grid.Marked()
	case p.grid.Filter() == "":
		return q
	}
	for _, i := range rows {
		q.Patterns = append(q.Patterns, p.rows[i].p.ID.String())
	}
	return q
}

// rebuild opens an up or a preview of the targets, after they were checked.
func (p *Page) rebuild(op stack.Operation) tea.Cmd {
	if p.rebuilding != "" {
		return nil
	}
	p.rebuilding = op
	rows := p.targets()
	list := make([]pipelines.Pipeline, len(rows))
	for i, r := range rows {
		list[i] = r.p
	}
	check := p.checkAgain(list)
	return p.Do(func(ctx context.Context) tea.Msg {
		pipelines, err := check(ctx)
		return rebuiltMsg{op, pipelines, err}
	})
}

func (p *Page) rebuilt(m rebuiltMsg) tea.Cmd {
	p.rebuilding = ""
	if m.err != nil {
		return p.show("These pipelines can't be brought up", "what is wrong", dialog.ErrorText(m.err))
	}
	return ui.Send(ui.OpenDeploy{Request: pipelines.Request{Operation: m.operation, Pipelines: m.pipelines}})
}

// reach opens a refresh or destroy of the targets, for which names are enough.
func (p *Page) reach(op stack.Operation) tea.Cmd {
	rows := p.targets()
	list := make([]*spec.Pipeline, len(rows))
	for i, r := range rows {
		list[i] = r.p.Reach(p.Env.Place().Region)
	}
	return ui.Send(ui.OpenDeploy{Request: pipelines.Request{Operation: op, Pipelines: list}})
}

// tags are the keys of all pipelines' tags, sorted.
func (p *Page) tags() []string {
	seen := map[string]bool{}
	for _, r := range p.rows {
		if r.p.Spec != nil {
			for k := range r.p.Spec.Tags {
				seen[k] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

func (p *Page) noTags() string {
	for _, r := range p.rows {
		if r.p.Spec != nil && len(r.p.Spec.Tags) > 0 {
			return ""
		}
	}
	return "no pipeline that was read has tags"
}

// nextTag shows the next tag as a column, and none after the last.
func (p *Page) nextTag() {
	all := p.tags()
	i := 0
	if p.tag != "" {
		i = slices.Index(all, p.tag) + 1
	}
	tag := ""
	if i < len(all) {
		tag = all[i]
	}
	p.setTag(tag)
}

// setTag shows a tag as a column, or none.
func (p *Page) setTag(tag string) {
	p.tag = tag
	p.grid.SetTitle(colTag, strings.ToUpper(render.Line(p.tag, 20)))
	p.grid.Hide(colTag, p.tag == "")
}

func (p *Page) show(title, what, text string) tea.Cmd {
	return ui.Send(ui.Ask{From: p.Base(), Dialog: dialog.NewReader(&p.Env.Theme, title, what, text)})
}

// group keeps tenants together under headings, or lets them go.
func (p *Page) group(on bool) {
	p.byTenant = on
	p.grid.Hide(colTenant, on)
	if !on {
		p.grid.GroupBy(nil, nil)
		return
	}
	p.grid.GroupBy(table{p}.group, func(tenant string, rows int) string {
		th := &p.Env.Theme
		running, failed := p.ofTenant(tenant)
		text := render.Count(rows, "pipeline", "pipelines")
		if running.N > 0 {
			text += ", " + running.String() + plural(running.N, " execution", " executions") + " running"
		}
		if failed.N > 0 {
			text += ", " + failed.String() + plural(failed.N, " execution", " executions") + " failed in 24h"
		}
		return " " + th.Crumb.Render(render.Line(tenant, 0)) + "  " + th.Muted.Render(text)
	})
}

// ofTenant counts what is known of a tenant's executions.
func (p *Page) ofTenant(tenant string) (running, failed pipelines.Count) {
	for _, r := range p.rows {
		if r.p.ID.Tenant == tenant {
			running = running.Plus(r.live.Running)
			failed = failed.Plus(r.live.Failed)
		}
	}
	return running, failed
}

func (p *Page) mouse(m tea.MouseMsg) tea.Cmd {
	m.Y -= p.gridTop
	before := p.selected()
	if p.grid.Update(m) && m.Button == tea.MouseButtonLeft && m.Y > 0 && before != nil && before == p.selected() {
		return ui.Send(ui.OpenPipeline{ID: before.p.ID})
	}
	return nil
}
