package execution

import (
	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/tui/pump"
)

// Arrived is the message of a batch of events, as the watch delivers it.
func Arrived(items []executions.Event) tea.Msg {
	return eventsMsg{batch: pump.Batch[executions.Event]{Items: items}}
}

// Known is the message that the machine is known.
func Known(m *pipelines.Machine) tea.Msg { return machineMsg{machine: m} }
