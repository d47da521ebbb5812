// Package context owns the page on which a session goes elsewhere: to the sandbox or to an
// AWS profile, to another region or backend. It may import what pages may, no other page.
package context

import (
	"context"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// Page lists where the session can go.
type Page struct {
	*ui.Host
	grid *widget.Grid
	list ui.Loader[data.Contexts]
	rows []place
	// to is where the session is about to go, nil while it goes nowhere.
	to *data.Context
	// first is a profile or "sandbox" to go to as soon as the list was read; "" for none.
	first string
}

// place is a row: a target with a profile.
type place struct {
	data.Context
	profile data.Profile
	// note says what there is to know.
	note string
}

// name is what the row is called.
func (p *place) name() string {
	switch {
	case p.Target == sandbox:
		return sandbox
	case p.Profile == "":
		return "aws"
	}
	return p.Profile
}

// The targets.
const (
	sandbox = "sandbox"
	aws     = "aws"
)

// Messages of the page.
type (
	switchedMsg struct {
		to  data.Context
		err error
	}
	goMsg struct{ to data.Context }
)

// New returns the page. first is a profile, or the sandbox, to go to at once; "" asks.
func New(h *ui.Host, first string) ui.Page {
	p := &Page{Host: h, first: first}
	p.grid = widget.NewGrid(&h.Env.Theme,
		widget.Column{Title: "", Min: 1},
		widget.Column{Title: "CONTEXT", Min: 14, Max: 40, Flex: 2},
		widget.Column{Title: "TARGET", Min: 8},
		widget.Column{Title: "REGION", Min: 10, Max: 16, Flex: 1},
		widget.Column{Title: "WHAT IT IS", Min: 20, Flex: 4, Drop: 1})
	p.grid.SetRows(p)
	return p
}

// Init reads what there is to choose from.
func (p *Page) Init() tea.Cmd {
	p.list.Soon()
	return p.read()
}

func (p *Page) read() tea.Cmd {
	if !p.list.Due(p.Env.Now(), ui.Once) {
		return nil
	}
	source := p.Env.Source
	return p.list.Ask(p.Host, source.Contexts)
}

// Title is the page's part of the path.
func (p *Page) Title() string { return "context" }

// Age is when the configuration files were read.
func (p *Page) Age() time.Time { return p.list.At }

// Capturing tells that the filter is being typed.
func (p *Page) Capturing() bool { return p.grid.Capturing() }

// Pace implements ui.Page: a spinner turns while the session goes elsewhere.
func (p *Page) Pace() ui.Pace {
	if p.to != nil {
		return ui.Spinning
	}
	return ui.Still
}

// Keys are what can be done now.
func (p *Page) Keys() keys.Map {
	none := ""
	if p.selected() == nil {
		none = "there is no context selected"
	}
	held := p.held()
	signIn := none
	if x := p.selected(); x != nil && x.profile.SignIn == "" {
		signIn = "it needs no sign-in"
	}
	return keys.Map{
		{Title: "Context", Bindings: []keys.Binding{
			keys.Switch.Unless(first(none, held)), keys.OtherRegion.Unless(held), keys.OtherBackend.Unless(held), keys.SignIn.Unless(signIn), keys.Back,
		}},
		{Title: "List", Bindings: []keys.Binding{keys.Search}},
		keys.Moving(),
	}
}

// held is why the session can't leave where it is, "" if it can.
func (p *Page) held() string {
	var names []string
	for _, job := range p.Env.Jobs.Running() {
		names = append(names, job.Request.Title())
	}
	for _, l := range p.Env.Launches.Running() {
		names = append(names, "batch "+l.Name+" of "+l.ID.String())
	}
	switch {
	case p.to != nil:
		return "the session is on its way"
	case len(names) > 0:
		return strings.Join(names, "; ") + ": wait for the end, or cancel it (" + keys.Jobs.Label(p.Env.Theme.Glyphs.Unicode) + ")"
	case p.Env.Unsaved() != "":
		return "this would lose " + p.Env.Unsaved()
	}
	return ""
}

func first(reasons ...string) string {
	for _, r := range reasons {
		if r != "" {
			return r
		}
	}
	return ""
}

func (p *Page) selected() *place {
	if i, ok := p.grid.Selected(); ok {
		return &p.rows[i]
	}
	return nil
}

// Update takes keys and answers.
func (p *Page) Update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case tea.KeyMsg:
		return p.key(m)
	case tea.MouseMsg:
		p.grid.Update(m)
	case ui.Reload:
		p.list.Soon()
	case goMsg:
		return p.goTo(m.to)
	case switchedMsg:
		return p.switched(m)
	default:
		if p.list.Take(msg) {
			return p.took()
		}
	}
	return p.read()
}

func (p *Page) key(m tea.KeyMsg) tea.Cmd {
	if p.grid.Capturing() {
		p.grid.Update(m)
		return nil
	}
	x := p.selected()
	switch {
	case keys.Switch.Is(m):
		to := x.Context
		to.Backend = p.list.Value.Now.Backend
		return p.goTo(to)
	case keys.OtherRegion.Is(m):
		return p.ask("Region", "The region where the spec names none, such as eu-west-1. Empty: that of the profile.", p.list.Value.Now.Region,
			func(c *data.Context, s string) { c.Region = s })
	case keys.OtherBackend.Is(m):
		return p.ask("Backend", "The URL of a Pulumi backend: file:///folder, s3://bucket, https://api.pulumi.com. Empty: files in the home of the tool.",
			p.list.Value.Now.Backend, func(c *data.Context, s string) { c.Backend = s })
	case keys.SignIn.Is(m):
		return ui.Send(ui.Copy{Text: x.profile.SignIn, What: "the command that signs in"})
	case keys.Back.Is(m) && p.grid.Filter() == "":
		return ui.Send(ui.Back{})
	}
	p.grid.Update(m)
	return nil
}

// ask asks for one thing to be other than it is.
func (p *Page) ask(title, help, now string, set func(*data.Context, string)) tea.Cmd {
	to := p.list.Value.Now
	return ui.Send(ui.Ask{From: p.Host, Dialog: dialog.NewPrompt(&p.Env.Theme, title, help, now, func(s string) (tea.Msg, error) {
		set(&to, strings.TrimSpace(s))
		return goMsg{to}, nil
	})})
}

// goTo goes elsewhere, unless something holds the session.
func (p *Page) goTo(to data.Context) tea.Cmd {
	if why := p.held(); why != "" {
		return ui.Send(ui.Toast{Text: keys.Switch.Short + ": " + why, Bad: true})
	}
	p.to = &to
	source := p.Env.Source
	return p.Do(func(ctx context.Context) tea.Msg { return switchedMsg{to, source.Switch(ctx, to)} })
}

func (p *Page) switched(m switchedMsg) tea.Cmd {
	p.to = nil
	if m.err != nil {
		text := dialog.ErrorText(m.err) + "\n\nThe session is where it was."
		return ui.Send(ui.Ask{From: p.Host, Dialog: dialog.NewReader(&p.Env.Theme, "Not switched", "the error", text)})
	}
	return ui.Send(ui.Switched{})
}

// took makes rows of what was read.
func (p *Page) took() tea.Cmd {
	now := p.list.Value.Now
	p.rows = []place{
		{Context: data.Context{Target: sandbox}, note: "AWS in miniature on this machine: offline and free"},
		{Context: data.Context{Target: aws}, note: "the credentials of the environment, or of the profile default"},
	}
	for _, x := range p.list.Value.Profiles {
		row := place{Context: data.Context{Target: aws, Profile: x.Name}, profile: x}
		switch {
		case x.SignIn != "":
			row.note = "sign in with: " + x.SignIn
		case x.Role != "":
			row.note = "assumes " + x.Role
		default:
			row.note = "a profile of the AWS configuration"
		}
		p.rows = append(p.rows, row)
	}
	p.grid.SetRows(p)
	for i := range p.rows {
		if p.current(i) {
			p.grid.Select(p.Key(i))
		}
	}
	if err := p.list.Value.Err; err != nil {
		return ui.Send(ui.Failed(err))
	}
	name := p.first
	p.first = ""
	for i := range p.rows {
		if x := &p.rows[i]; name != "" && x.name() == name {
			to := x.Context
			to.Backend = now.Backend
			return p.goTo(to)
		}
	}
	return nil
}

// current tells that the session is where a row says.
func (p *Page) current(row int) bool {
	now := p.list.Value.Now
	return p.rows[row].Target == now.Target && p.rows[row].Profile == now.Profile
}

// Len implements widget.Rows.
func (p *Page) Len() int { return len(p.rows) }

// Key implements widget.Rows.
func (p *Page) Key(row int) string { return p.rows[row].Target + "/" + p.rows[row].Profile }

// Cell implements widget.Rows.
func (p *Page) Cell(row, column int) widget.Cell {
	th, x := &p.Env.Theme, &p.rows[row]
	switch column {
	case 0:
		switch {
		case p.to != nil && p.to.Target == x.Target && p.to.Profile == x.Profile:
			return widget.Cell{Signs: widget.Spin(th, p.Env.Spin())}
		case p.current(row):
			return widget.Cell{Signs: th.Good.Render(th.Glyphs.Good)}
		}
		return widget.Cell{}
	case 1:
		return widget.Cell{Text: x.name()}
	case 2:
		style := th.Bad
		if x.Target == sandbox {
			style = th.Good
		}
		return widget.Cell{Text: x.Target, Style: style}
	case 3:
		region := x.profile.Region
		if p.current(row) {
			region = p.Env.Place().Region
		}
		return widget.Cell{Text: render.Dash(region), Style: th.Muted}
	}
	return widget.Cell{Text: x.note, Style: th.Muted}
}

// View draws where the session is, and the list.
func (p *Page) View(width, height int) string {
	th := &p.Env.Theme
	var head []string
	if p.list.Known {
		now, place := p.list.Value.Now, p.Env.Place()
		region := first(now.Region, place.Region)
		head = append(head, " "+th.Title.Render("Now ")+render.Line(strings.Join([]string{now.Target, "region " + render.Dash(region), "backend " +
			render.Dash(first(now.Backend, place.Backend))}, " "+th.Glyphs.Dot+" "), 0))
		if p.list.Value.Endpoint != "" {
			head = append(head, " "+th.Warn.Render(th.Glyphs.Warn+" all of them by the endpoint "+render.Line(p.list.Value.Endpoint, 0)))
		}
		if why := p.held(); why != "" && p.to == nil {
			head = append(head, " "+th.Warn.Render(th.Glyphs.Warn+" not now: "+render.Line(why, 0)))
		}
		head = append(head, "")
	} else {
		head = append(head, " "+widget.Spin(th, p.Env.Spin())+" "+th.Muted.Render("reading the AWS configuration"))
	}
	for i := range head {
		head[i] = widget.Fit(head[i], width, th.Glyphs.Ellipsis)
	}
	if len(head) >= height {
		return widget.Box(strings.Join(head, "\n"), width, height)
	}
	return widget.Box(strings.Join(append(head, p.grid.View(width, height-len(head))), "\n"), width, height)
}

var (
	_ ui.Page     = (*Page)(nil)
	_ widget.Rows = (*Page)(nil)
)
