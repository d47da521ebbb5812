package tui

import (
	tea "github.com/charmbracelet/bubbletea"

	where "github.com/pipelinetui/pipelinetui/internal/tui/pages/context"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/deploy"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/execution"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/fleet"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/home"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/pipeline"
	"github.com/pipelinetui/pipelinetui/internal/tui/pages/wizard"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// routes makes the page that a request asks for, nil if it asks for none.
func routes(h *ui.Host, request tea.Msg) ui.Page {
	switch m := request.(type) {
	case ui.OpenHome:
		return home.New(h)
	case ui.OpenPipeline:
		if m.Input != "" {
			return pipeline.NewRun(h, m.ID, m.Input)
		}
		return pipeline.New(h, m.ID, m.Tab)
	case ui.OpenDeploy:
		return deploy.New(h, m.Request)
	case ui.OpenJob:
		return deploy.ForJob(h, m.Job)
	case ui.OpenJobs:
		return deploy.List(h)
	case ui.OpenWizard:
		return wizard.New(h, m)
	case ui.OpenContext:
		return where.New(h, m.To)
	case ui.OpenExecutions:
		return fleet.New(h, m.Query)
	case ui.OpenExecution:
		return execution.New(h, m.ID, m.ARN)
	default:
		return nil
	}
}
