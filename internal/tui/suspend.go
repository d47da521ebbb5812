package tui

import (
	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// suspend stops the program until the shell lets it go on. Where no shell would, it does
// not: nobody could ever wake it.
func (a *App) suspend() tea.Cmd {
	if why := noShell(); why != "" {
		return a.toast(ui.Toast{Text: "suspend: " + why, Bad: true})
	}
	return tea.Suspend
}
