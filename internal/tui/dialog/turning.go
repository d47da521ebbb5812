package dialog

import (
	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// TurnBack is the choice to turn back what moves over.
func TurnBack(turns []ui.Turn, answer tea.Msg) Choice {
	c := Choice{Key: "b", Label: "turn the rollout back", Answer: answer, Help: ui.GoesBack(turns)}
	if len(turns) == 0 {
		c.Off = "it is being turned back, or no alarm of its own watches it"
	}
	return c
}
