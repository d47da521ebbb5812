package tui

import (
	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/tui/pages/home"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// routes makes the page that a request asks for, nil if it asks for none.
func routes(h *ui.Host, request tea.Msg) ui.Page {
	switch request.(type) {
	case ui.OpenHome:
		return home.New(h)
	default:
		return nil
	}
}
