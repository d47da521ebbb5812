package tui

import (
	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// asLines shows which command lines do what can be done on a page: a palette whose
// entries are copied.
func (a *App) asLines(p ui.Page) tea.Cmd {
	pal := &palette{Host: ui.NewHost(a.env), th: &a.env.Theme, line: widget.NewLine(&a.env.Theme, ""), past: &past{}, copies: true, loaded: true}
	seen := map[string]bool{}
	for _, g := range p.Keys() {
		for _, b := range g.Bindings {
			c := pressing(a.env, b)
			if c.line == "" || seen[c.name+c.line] {
				continue
			}
			seen[c.name+c.line] = true
			c.help, c.off, c.msg = c.line, "", ui.Copy{Text: c.line, What: "the command line"}
			pal.all = append(pal.all, c)
		}
	}
	if len(pal.all) == 0 {
		return a.toast(ui.Toast{Text: keys.AsLines.Short + ": nothing on this page is a command of its own", Bad: true})
	}
	pal.filter()
	return a.ask(ui.Ask{Dialog: pal})
}
