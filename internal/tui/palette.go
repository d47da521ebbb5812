package tui

import (
	"context"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// palette finds everything that can be done by a few letters of its name: the keys
// of the page, commands with arguments, places to go, and the pipelines. It says the
// command line that does the same.
type palette struct {
	*ui.Host
	th      *theme.Screen
	line    *widget.Line
	cursor  widget.Cursor
	past    *past
	all     []command
	list    []pipelines.Pipeline
	loaded  bool
	unread  error // why there is no list
	shown   []command
	hint    string // why nothing is shown
	working bool
	err     error
	// copies says that it shows command lines of a page, to be copied.
	copies bool
}

// command is an entry of the palette.
type command struct {
	name, help, key string
	off             string
	// line is the command line that does the same, "" if there is none.
	line string
	// What it comes to: a request, work in the background that ends with one, or a text
	// to be typed on.
	msg  tea.Msg
	work func(ctx context.Context) (tea.Msg, error)
	fill string
	// again says that fill was a command before: it is done at once.
	again bool
}

// ranked is a command with how well it was found.
type ranked struct {
	command
	rank int
}

// sorted are the commands, the best first; equal ones keep their order.
func sorted(list []ranked) []command {
	slices.SortStableFunc(list, func(a, b ranked) int { return b.rank - a.rank })
	out := make([]command, len(list))
	for i, r := range list {
		out[i] = r.command
	}
	return out
}

// What the palette asks of the root: to press a key of the page for the user, and what is
// no key while a text is typed.
type (
	pressMsg struct{ key tea.KeyMsg }
	linesMsg struct{}
	helpMsg  struct{}
)

// Answers of the palette's own work.
type (
	paletteLoaded struct {
		list     []pipelines.Pipeline
		contexts data.Contexts
		err      error
	}
	paletteDone struct {
		msg tea.Msg
		err error
	}
)

func newPalette(e *ui.Env, p ui.Page, past *past, own []command) *palette {
	pal := &palette{Host: ui.NewHost(e), th: &e.Theme, line: widget.NewLine(&e.Theme, ""), past: past}
	for _, g := range p.Keys() {
		for _, b := range g.Bindings {
			if !isMovement(b) && !(answering(p) && keys.Msg(b.Keys[0]).Type == tea.KeyRunes) {
				pal.all = append(pal.all, pressing(e, b))
			}
		}
	}
	pal.all = append(pal.all, own...)
	readOnly := e.ReadOnly()
	for _, v := range verbs() {
		c := command{name: v.name + " ...", help: v.help, fill: v.name + " "}
		if v.changes {
			c.off = readOnly
		}
		pal.all = append(pal.all, c)
	}
	pal.all = append(pal.all,
		command{name: "pipelines", help: keys.Home.Help, key: keys.Home.Label(false), msg: ui.OpenHome{}, line: e.CommandLine("list")},
		command{name: "new pipeline", help: "create a pipeline from a template", off: readOnly, msg: ui.OpenWizard{}, line: e.CommandLine("new")},
		command{name: "ctx", help: keys.Context.Help, key: keys.Context.Label(false), msg: ui.OpenContext{}},
		command{name: "operations", help: keys.Jobs.Help, key: keys.Jobs.Label(false), msg: ui.OpenJobs{}},
		command{name: "as commands", help: keys.AsLines.Help, key: keys.AsLines.Label(false), msg: linesMsg{}},
		command{name: "help", help: keys.Help.Help, key: "?", msg: helpMsg{}},
		command{name: "quit", help: keys.Quit.Help, key: "q", msg: ui.Quit{}},
	)
	pal.filter()
	return pal
}

// pressing is a page's binding as a command.
func pressing(e *ui.Env, b keys.Binding) command {
	c := command{
		name: render.Line(b.Short, 0), help: render.Line(b.Help, 0), key: b.Labels(e.Theme.Glyphs.Unicode),
		off: render.Line(b.Off, 0), msg: pressMsg{keys.Msg(b.Keys[0])},
	}
	if b.Line != nil {
		c.line = b.Line()
	}
	return c
}

// isMovement tells the bindings that nobody looks up by their name: those of cursors.
// (A name alone does not tell: "up" is an action, too.)
func isMovement(b keys.Binding) bool {
	return slices.ContainsFunc(append(keys.Moving().Bindings, keys.Left, keys.Right, keys.Mark), func(m keys.Binding) bool { return slices.Equal(m.Keys, b.Keys) && m.Help == b.Help })
}

// Init asks for the pipelines to go to.
func (p *palette) Init() tea.Cmd {
	if p.copies {
		return nil
	}
	source := p.Env.Source
	return p.Do(func(ctx context.Context) tea.Msg {
		list, err := source.Pipelines(ctx)
		if err != nil {
			list = nil
		}
		contexts, _ := source.Contexts(ctx)       // its page says what is wrong
		return paletteLoaded{list, contexts, err} // the home page tells; here only verbs need the list
	})
}

// Title is the head of the box.
func (p *palette) Title() string {
	if p.copies {
		return "As commands"
	}
	return "Command"
}

func (p *palette) Grave() bool { return false }

func (p *palette) Keys() keys.Map {
	if p.copies {
		return keys.Map{{Bindings: []keys.Binding{keys.New("copy", "", "enter"), keys.ListUp, keys.ListDown, keys.Back}}}
	}
	return keys.Map{{Bindings: []keys.Binding{keys.Do, keys.Complete, keys.CopyLine.Unless(p.noLine()), keys.ListUp, keys.ListDown, keys.Back}}}
}

func (p *palette) noLine() string {
	if c, ok := p.at(); !ok || c.line == "" {
		return "no command line does the same"
	}
	return ""
}

// at is the command under the cursor.
func (p *palette) at() (command, bool) {
	if p.cursor.At >= len(p.shown) {
		return command{}, false
	}
	return p.shown[p.cursor.At], true
}

func (p *palette) Update(msg tea.Msg) (tea.Msg, bool, tea.Cmd) {
	switch m := msg.(type) {
	case paletteLoaded:
		p.list, p.loaded, p.unread = m.list, true, m.err
		for _, x := range append([]data.Profile{{Name: "sandbox"}}, m.contexts.Profiles...) {
			p.all = append(p.all, command{name: "ctx " + x.Name, help: "go there with the session", msg: ui.OpenContext{To: x.Name}})
		}
		for _, x := range m.list {
			id := x.ID.String()
			p.all = append(p.all, command{name: id, help: "open the pipeline", line: p.Env.CommandLine("show", id), msg: ui.OpenPipeline{ID: x.ID}})
		}
		p.filter()
	case paletteDone:
		p.working = false
		if p.err = m.err; m.err == nil {
			return m.msg, true, nil
		}
	case tea.KeyMsg:
		return p.key(m)
	default:
		p.typed(msg)
	}
	return nil, false, nil
}

// typed takes a key, or what was pasted, into the line.
func (p *palette) typed(msg tea.Msg) {
	before := p.line.Text()
	p.line.Update(msg)
	if p.line.Text() != before {
		p.err = nil
		p.filter()
	}
}

func (p *palette) key(m tea.KeyMsg) (tea.Msg, bool, tea.Cmd) {
	c, ok := p.at()
	switch {
	case keys.Back.Is(m):
		return nil, true, nil
	case keys.ListUp.Is(m), keys.ListDown.Is(m):
		p.cursor.Update(m, len(p.shown))
	case keys.Palette.Is(m) && m.Type != tea.KeyRunes:
		p.cursor.Put(p.cursor.At-1, len(p.shown))
	case m.Type == tea.KeyCtrlN:
		p.cursor.Put(p.cursor.At+1, len(p.shown))
	case keys.CopyLine.Is(m):
		if ok && c.line != "" {
			return nil, false, ui.Send(ui.Copy{Text: c.line, What: "the command line"})
		}
	case keys.Complete.Is(m):
		if ok {
			p.setLine(c.typed())
		}
	case keys.Do.Is(m):
		if ok {
			return p.take(c)
		}
	default:
		p.typed(m)
	}
	return nil, false, nil
}

// typed is what one types to have the command.
func (c command) typed() string {
	switch {
	case c.fill != "":
		return c.fill
	case c.work != nil:
		return c.name + " "
	}
	return c.name
}

func (p *palette) setLine(text string) {
	p.line.SetText(text)
	p.err = nil
	p.filter()
}

func (p *palette) take(c command) (tea.Msg, bool, tea.Cmd) {
	switch {
	case c.off != "" || p.working:
	case c.fill != "":
		p.setLine(c.fill)
		if first, ok := p.at(); ok && c.again && first.name == c.fill {
			return p.take(first)
		}
	case c.work != nil:
		p.past.add(c.name)
		p.working = true
		work := c.work
		return nil, false, p.Do(func(ctx context.Context) tea.Msg {
			msg, err := work(ctx)
			return paletteDone{msg, err}
		})
	default:
		p.past.add(c.name)
		return c.msg, true, nil
	}
	return nil, false, nil
}

// filter finds what the line names, the best first.
func (p *palette) filter() {
	line := p.line.Text()
	p.shown, p.hint, p.cursor = nil, "", widget.Cursor{}
	if v, rest, ok := verbOf(line); ok && !p.copies {
		switch {
		case !p.loaded:
			p.hint = "reading the pipelines ..."
		case p.unread != nil:
			p.hint = render.Line("the pipelines can't be read: "+p.unread.Error(), 0)
		default:
			p.shown = p.complete(v, rest)
		}
		return
	}
	text := strings.TrimSpace(line)
	switch {
	case text == "" && p.copies:
		p.shown = p.all
		return
	case text == "":
		p.shown = append(p.again(), p.all...)
		return
	}
	var found []ranked
	for _, c := range p.all {
		if n := find(text, strings.TrimSuffix(c.name, " ..."), c.help); n > 0 {
			found = append(found, ranked{c, n})
		}
	}
	p.shown = sorted(found)
	if !p.copies && strings.HasPrefix(text, "arn:") && strings.Contains(text, ":execution:") {
		p.shown = append(p.shown, command{name: "open execution", help: render.Line(text, 0), line: p.Env.CommandLine("executions", "show", text), msg: ui.OpenExecution{ARN: text}})
	}
}

// again are the newest commands that were given, to be given again.
func (p *palette) again() []command {
	var out []command
	for _, text := range p.past.newest(5) {
		out = append(out, command{name: text, help: "again", fill: text, again: true})
	}
	return out
}

func (p *palette) View(width, height int) string {
	out := []string{p.th.Key.Render(":") + p.line.View(width-1), ""}
	foot := p.foot(width)
	from, to := p.cursor.Sight(len(p.shown), max(1, height-len(out)-len(foot)))
	nameWidth := 14
	for _, c := range p.shown { // the few that are longer take what they need from their own help
		if w := ansi.StringWidth(c.name); w <= shortName {
			nameWidth = max(nameWidth, w)
		}
	}
	for i := from; i < to; i++ {
		out = append(out, p.row(p.shown[i], i == p.cursor.At, nameWidth, width))
	}
	if len(p.shown) == 0 {
		hint := p.hint
		if hint == "" {
			hint = "nothing is called so"
		}
		out = append(out, p.th.Muted.Render(widget.Fit(hint, width, p.th.Glyphs.Ellipsis)))
	}
	return strings.Join(append(out, foot...), "\n")
}

// shortName is up to what a name decides where the help of all begins.
const shortName = 20

func (p *palette) row(c command, on bool, nameWidth, width int) string {
	nameWidth = max(nameWidth, min(width*2/3, ansi.StringWidth(c.name)))
	text, style := c.help, p.th.Hint
	if c.off != "" {
		text, style = "not now: "+c.off, p.th.Disabled
	}
	keyWidth := min(10, max(0, width-nameWidth-16))
	line := widget.Fit(render.Line(c.name, 0), nameWidth, p.th.Glyphs.Ellipsis) + "  " +
		widget.Fit(text, max(0, width-nameWidth-keyWidth-5), p.th.Glyphs.Ellipsis) + "  " + widget.FitRight(c.key, keyWidth, "")
	line = widget.Fit(line, width-1, p.th.Glyphs.Ellipsis)
	if on {
		return p.th.Focus.Render(p.th.Glyphs.Cursor) + p.th.Cursor.Render(line)
	}
	return " " + style.Render(line)
}

// foot is what is wrong, or the command line that does the same.
func (p *palette) foot(width int) []string {
	c, ok := p.at()
	switch {
	case p.err != nil:
		lines := strings.Split(ansi.Wrap(dialog.ErrorText(p.err), width, ""), "\n")
		for i, l := range lines[:min(4, len(lines))] {
			lines[i] = p.th.Bad.Render(l)
		}
		return append([]string{""}, lines[:min(4, len(lines))]...)
	case p.working:
		return []string{"", p.th.Busy.Render("checking ...")}
	case ok && c.line != "":
		return []string{"", p.th.Muted.Render("= ") + p.th.Hint.Render(widget.Fit(render.Line(c.line, 0), width-2, p.th.Glyphs.Ellipsis))}
	}
	return []string{"", ""}
}

// past are the commands that were given, the newest last, each once.
type past struct{ lines []string }

// maxPast bounds what is kept.
const maxPast = 100

func (p *past) add(line string) {
	p.lines = append(slices.DeleteFunc(p.lines, func(l string) bool { return l == line }), line)
	p.lines = p.lines[max(0, len(p.lines)-maxPast):]
}

func (p *past) newest(n int) []string {
	out := slices.Clone(p.lines[max(0, len(p.lines)-n):])
	slices.Reverse(out)
	return out
}
