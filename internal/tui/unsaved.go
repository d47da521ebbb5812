package tui

import (
	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// unsaved is a page that holds what would be lost with it.
type unsaved interface {
	// Unsaved names it: "the answers of the form"; "" if there is nothing.
	Unsaved() string
}

// unsaved names what the pages hold that would be lost, "" if nothing.
func (a *App) unsaved() string {
	for _, p := range a.pages {
		if u, ok := p.(unsaved); ok && u.Unsaved() != "" {
			return u.Unsaved()
		}
	}
	return ""
}

// abandonMsg is the answer that it may be lost.
type abandonMsg struct{ quit bool }

const unsavedTitle = "Leave what is not saved?"

// guard asks before pages with something unsaved are closed: to leave, or to go
// home. asked is false if nobody has to be asked, or was and insists.
func (a *App) guard(quit bool) (cmd tea.Cmd, asked bool) {
	for _, p := range a.pages {
		u, ok := p.(unsaved)
		if !ok || u.Unsaved() == "" {
			continue
		}
		for _, d := range a.dialogs {
			if d.Title() == unsavedTitle {
				return nil, false
			}
		}
		return a.ask(ui.Ask{Dialog: dialog.NewChoose(&a.env.Theme, unsavedTitle, "This loses "+u.Unsaved()+".", false,
			dialog.Choice{Key: "s", Label: "stay"},
			dialog.Choice{Key: "l", Label: "leave", Danger: true, Answer: abandonMsg{quit}})}), true
	}
	return nil, false
}

func (a *App) abandon(m abandonMsg) tea.Cmd {
	if m.quit {
		a.quit = true
		return tea.Quit
	}
	return a.closeAll()
}
