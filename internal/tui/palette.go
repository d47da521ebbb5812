package tui

import (
	"context"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// palette finds everything that can be done by a few letters of its name: the keys
// of the page, places to go, and the pipelines.
type palette struct {
	*ui.Host
	th    *theme.Screen
	query string
	all   []command
	shown []command
	at    int
	top   int
}

// command is an entry of the palette.
type command struct {
	name, help, key string
	off             string
	msg             tea.Msg
}

// pressMsg asks the root to press a key for the user.
type pressMsg struct{ key tea.KeyMsg }

type paletteLoaded struct {
	list []data.Pipeline
}

func newPalette(e *ui.Env, p ui.Page) *palette {
	pal := &palette{Host: ui.NewHost(e), th: &e.Theme}
	for _, g := range p.Keys() {
		for _, b := range g.Bindings {
			if isMovement(b) {
				continue
			}
			pal.all = append(pal.all, command{name: render.Line(b.Short, 0), help: render.Line(b.Help, 0), key: b.Labels(e.Theme.Glyphs.Unicode), off: render.Line(b.Off, 0), msg: pressMsg{keys.Msg(b.Keys[0])}})
		}
	}
	readOnly := e.ReadOnly()
	pal.all = append(pal.all,
		command{name: "pipelines", help: keys.Home.Help, key: keys.Home.Label(false), msg: ui.OpenHome{}},
		command{name: "new pipeline", help: "create a pipeline from a template", off: readOnly, msg: ui.OpenWizard{}},
		command{name: "operations", help: keys.Jobs.Help, key: keys.Jobs.Label(false), msg: ui.OpenJobs{}},
		command{name: "help", help: keys.Help.Help, key: "?", msg: pressMsg{keys.Msg("?")}},
		command{name: "quit", help: keys.Quit.Help, key: "q", msg: ui.Quit{}},
	)
	pal.filter()
	return pal
}

func isMovement(b keys.Binding) bool {
	return slices.ContainsFunc(append(keys.Moving().Bindings, keys.Left, keys.Right, keys.Mark), func(m keys.Binding) bool { return m.Short == b.Short })
}

// Init asks for the pipelines to go to.
func (p *palette) Init() tea.Cmd {
	source := p.Env.Source
	return p.Do(func(ctx context.Context) tea.Msg {
		list, err := source.Pipelines(ctx)
		if err != nil {
			list = nil // the home page tells; here there is just less to go to
		}
		return paletteLoaded{list}
	})
}

func (p *palette) Title() string { return "Command" }
func (p *palette) Grave() bool   { return false }

func (p *palette) Keys() keys.Map {
	return keys.Map{{Bindings: []keys.Binding{keys.New("do it", "", "enter"), keys.Up, keys.Down, keys.Back}}}
}

func (p *palette) Update(msg tea.Msg) (tea.Msg, bool, tea.Cmd) {
	switch m := msg.(type) {
	case paletteLoaded:
		for _, x := range m.list {
			p.all = append(p.all, command{name: x.ID.String(), help: "open the pipeline", msg: ui.OpenPipeline{ID: x.ID}})
		}
		p.filter()
	case tea.KeyMsg:
		return p.key(m)
	}
	return nil, false, nil
}

func (p *palette) key(m tea.KeyMsg) (tea.Msg, bool, tea.Cmd) {
	switch m.String() {
	case "esc":
		return nil, true, nil
	case "up", "ctrl+p":
		p.at = max(0, p.at-1)
	case "down", "ctrl+n":
		p.at = min(len(p.shown)-1, p.at+1)
	case "pgdown":
		p.at = min(len(p.shown)-1, p.at+10)
	case "pgup":
		p.at = max(0, p.at-10)
	case "enter":
		if p.at < 0 || p.at >= len(p.shown) {
			return nil, false, nil
		}
		if c := p.shown[p.at]; c.off == "" {
			return c.msg, true, nil
		}
	case "backspace":
		if r := []rune(p.query); len(r) > 0 {
			p.query = string(r[:len(r)-1])
			p.filter()
		}
	case "ctrl+u":
		p.query = ""
		p.filter()
	default:
		if m.Type == tea.KeyRunes || m.Type == tea.KeySpace {
			p.query += render.Safe(string(m.Runes))
			p.filter()
		}
	}
	return nil, false, nil
}

// filter keeps what contains all words of the query, names that begin with it
// first.
func (p *palette) filter() {
	words := strings.Fields(strings.ToLower(p.query))
	p.shown = nil
	for _, c := range p.all {
		hay := strings.ToLower(c.name + " " + c.help)
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(hay, w) }) {
			p.shown = append(p.shown, c)
		}
	}
	if arn := strings.TrimSpace(p.query); strings.HasPrefix(arn, "arn:") && strings.Contains(arn, ":execution:") {
		p.shown = append(p.shown, command{name: "open execution", help: arn, msg: ui.OpenExecution{ARN: arn}})
	}
	if len(words) > 0 {
		rank := func(c command) int {
			name := strings.ToLower(c.name)
			switch {
			case strings.HasPrefix(name, words[0]):
				return 0
			case strings.Contains(name, words[0]):
				return 1
			default:
				return 2
			}
		}
		slices.SortStableFunc(p.shown, func(a, b command) int { return rank(a) - rank(b) })
	}
	p.at, p.top = 0, 0
}

func (p *palette) View(width, height int) string {
	out := []string{p.th.Key.Render(":") + p.th.Input.Render(p.query) + p.th.Cursor.Render(" "), ""}
	rows := max(1, height-len(out))
	p.top = max(0, min(p.top, p.at))
	if p.at >= p.top+rows {
		p.top = p.at - rows + 1
	}
	nameWidth := 14
	for _, c := range p.shown {
		nameWidth = max(nameWidth, min(30, len([]rune(c.name))))
	}
	for i := p.top; i < min(len(p.shown), p.top+rows); i++ {
		c := p.shown[i]
		name, text := render.Line(c.name, 0), c.help
		style := p.th.Hint
		if c.off != "" {
			text, style = text+" (not now: "+c.off+")", p.th.Disabled
		}
		line := widget.Fit(name, nameWidth, p.th.Glyphs.Ellipsis) + "  " + widget.Fit(text, max(8, width-nameWidth-16), p.th.Glyphs.Ellipsis) + "  " + widget.FitRight(c.key, 10, "")
		if i == p.at {
			out = append(out, p.th.Focus.Render(p.th.Glyphs.Cursor)+p.th.Cursor.Render(line))
		} else {
			out = append(out, " "+style.Render(line))
		}
	}
	if len(p.shown) == 0 {
		out = append(out, p.th.Muted.Render("nothing is called so"))
	}
	return strings.Join(out, "\n")
}
