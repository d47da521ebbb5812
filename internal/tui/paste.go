package tui

import (
	"github.com/atotto/clipboard"
	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// pastedMsg is what the clipboard holds, for whoever had the keys when it was asked.
type pastedMsg struct {
	text  string
	focus focus
}

// focus is who has the keys: the page on top, and how many boxes lie over it.
type focus struct {
	page    int64
	dialogs int
}

func (a *App) focus() focus { return focus{a.top().Base().ID, len(a.dialogs)} }

// takesText tells that a text is being typed.
func (a *App) takesText() bool { return len(a.dialogs) > 0 || a.top().Capturing() }

// paste asks for the clipboard. What it holds comes as what a terminal pastes, so that
// whatever takes the one takes the other.
func (a *App) paste() tea.Cmd {
	at := a.focus()
	return func() tea.Msg {
		return ui.Guard(func() tea.Msg {
			text, err := clipboard.ReadAll()
			if err != nil || text == "" {
				return ui.Toast{Text: "the clipboard is empty, or can't be read here; the terminal's own way to paste works", Bad: true}
			}
			return pastedMsg{text, at}
		})
	}
}

// pasted gives the clipboard's text to who asked for it, if that still has the keys.
func (a *App) pasted(m pastedMsg) tea.Cmd {
	if m.focus != a.focus() || !a.takesText() {
		return nil
	}
	return a.key(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(m.text), Paste: true})
}

// leaveBoxes closes the boxes over the page, as esc does. ok is false if one holds a text
// that would be lost: it says so.
func (a *App) leaveBoxes() (cmd tea.Cmd, ok bool) {
	for len(a.dialogs) > 0 {
		n := len(a.dialogs)
		d := a.dialogs[n-1]
		if u, dirty := d.Dialog.(interface{ Dirty() bool }); dirty && u.Dirty() {
			return a.toDialog(keys.Msg("esc")), false
		}
		if h, hosted := d.Dialog.(interface{ Base() *ui.Host }); hosted {
			h.Base().Close()
		}
		a.dialogs = a.dialogs[:n-1]
	}
	return nil, true
}
