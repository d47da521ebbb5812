package home

import (
	"context"
	"slices"
	"strconv"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// askNameMsg asks for the name under which the list's look is kept.
type askNameMsg struct{}

// askView offers the views there are, and to keep the present one.
func (p *Page) askView() tea.Cmd {
	choices := []dialog.Choice{{Key: "a", Label: "all pipelines, by name", Answer: ui.ShowView{}}}
	for i, v := range p.Env.Views {
		key := ""
		if i < 9 {
			key = strconv.Itoa(i + 1)
		}
		choices = append(choices, dialog.Choice{Key: key, Label: v.Name, Help: describe(v), Answer: ui.ShowView{View: v}})
	}
	choices = append(choices, dialog.Choice{Key: "s", Label: "save this look ...", Help: describe(p.look()), Answer: askNameMsg{}})
	return ui.Send(ui.Ask{From: p.Host, Dialog: dialog.NewChoose(&p.Env.Theme, "Views", "", false, choices...)})
}

func (p *Page) askViewName() tea.Cmd {
	look := p.look()
	return ui.Send(ui.Ask{From: p.Host, Dialog: dialog.NewPrompt(&p.Env.Theme, "Save this look",
		"Its name; the palette finds it as \"view NAME\". "+describe(look), "", func(s string) (tea.Msg, error) {
			if look.Name = strings.TrimSpace(s); look.Name == "" {
				return nil, fault.New(fault.Invalid, "a view needs a name")
			}
			return savedViewMsg{look}, nil
		})})
}

// savedViewMsg is a look with the name that it was given.
type savedViewMsg struct{ view ui.View }

// describe says a view in words.
func describe(v ui.View) string {
	parts := []string{"all"}
	if v.Filter != "" {
		parts[0] = "filter " + v.Filter
	}
	if v.Sort != "" {
		parts = append(parts, "by "+v.Sort)
	}
	if v.Reverse {
		parts = append(parts, "reversed")
	}
	if v.Tag != "" {
		parts = append(parts, "with the tag "+v.Tag)
	}
	if v.Tenants {
		parts = append(parts, "tenants together")
	}
	if len(v.Columns) > 0 {
		parts = append(parts, "columns "+strings.Join(v.Columns, ", "))
	}
	return strings.Join(parts, ", ") + "."
}

// look is how the list looks now.
func (p *Page) look() ui.View {
	v := ui.View{Filter: p.grid.Filter(), Tag: p.tag, Tenants: p.byTenant, Columns: p.only}
	if p.healthy && len(v.Columns) == 0 {
		for i, c := range p.columns() {
			if i != colTag && !slices.Contains(workColumns, i) {
				v.Columns = append(v.Columns, strings.ToLower(c.Title))
			}
		}
	}
	if column, reverse := p.grid.Order(); column >= 0 {
		v.Sort, v.Reverse = strings.ToLower(p.columns()[column].Title), reverse
	}
	return v
}

// showView has the list look as a view says. Columns that there are not any more are left
// out.
func (p *Page) showView(v ui.View) {
	columns := p.columns()
	at := func(name string) int {
		for i := range columns {
			if i != colTag && strings.ToLower(columns[i].Title) == name {
				return i
			}
		}
		return -1
	}
	p.only = v.Columns
	p.showHealth(wantsHealth(columns, v.Columns))
	for i := range columns {
		if len(v.Columns) == 0 && (slices.Contains(healthColumns, i) || slices.Contains(workColumns, i)) {
			continue
		}
		hidden := len(v.Columns) > 0 && !slices.Contains(v.Columns, strings.ToLower(columns[i].Title))
		if i != colTag {
			p.grid.Hide(i, hidden || i == colTenant && v.Tenants)
		}
	}
	p.setTag(v.Tag)
	p.group(v.Tenants)
	if len(v.Columns) > 0 && !slices.Contains(v.Columns, "tenant") {
		p.grid.Hide(colTenant, true)
	}
	p.grid.SortBy(at(v.Sort), v.Reverse)
	p.grid.SetFilter(v.Filter)
}

// exampleMsg is the example, or why there is none.
type exampleMsg struct {
	pipeline *spec.Pipeline
	err      error
}

// noExample is why there can be no example here, "" if there can.
func (p *Page) noExample() string {
	place := p.Env.Place()
	switch {
	case p.making:
		return "it is being made"
	case place.Target != "" && !place.Sandbox():
		return "only the sandbox has its image: " + keys.Context.Label(p.Env.Theme.Glyphs.Unicode) + " goes there"
	}
	return ""
}

// exampleHint is what the empty list says of it.
func (p *Page) exampleHint() string {
	if why := p.noExample(); why != "" {
		return "an example; " + why
	}
	return "an example that works as it is: preview it, then " + keys.Apply.Label(p.Env.Theme.Glyphs.Unicode) + " makes it"
}

// makeExample opens the preview of an example that works as it is.
func (p *Page) makeExample() tea.Cmd {
	p.making = true
	source := p.Env.Source
	return p.Do(func(ctx context.Context) tea.Msg {
		pipeline, err := source.Example(ctx)
		return exampleMsg{pipeline, err}
	})
}

func (p *Page) madeExample(m exampleMsg) tea.Cmd {
	p.making = false
	if m.err != nil {
		return p.show("There is no example here", "what is wrong", dialog.ErrorText(m.err))
	}
	return ui.Send(ui.OpenDeploy{Request: pipelines.Request{Operation: stack.OperationUp, Pipelines: []*spec.Pipeline{m.pipeline}, Unrecorded: true}})
}

// Subject is the selected pipeline, for commands of the user's own.
func (p *Page) Subject() ui.Subject {
	r := p.selected()
	if r == nil {
		return ui.Subject{}
	}
	s := ui.Subject{Pipeline: r.p.ID, Region: r.p.Region()}
	if r.p.State != nil {
		s.Outputs = r.p.State.Outputs
	}
	return s
}
