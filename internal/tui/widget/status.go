package widget

import (
	"strings"

	"github.com/charmbracelet/lipgloss"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/logstream"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// ExecutionGlyph is the sign of an execution's status.
func ExecutionGlyph(th *theme.Screen, s executions.Status) string {
	switch s {
	case executions.Succeeded:
		return th.Glyphs.Good
	case executions.Failed, executions.TimedOut:
		return th.Glyphs.Bad
	case executions.Aborted:
		return th.Glyphs.Skipped
	case executions.Running:
		return th.Glyphs.Busy
	case executions.PendingRedrive:
		return th.Glyphs.Warn
	}
	return th.Glyphs.Pending
}

// ExecutionWord is the word for it: "timed out".
func ExecutionWord(s executions.Status) string {
	return strings.ToLower(strings.ReplaceAll(string(s), "_", " "))
}

// ExecutionStyle is the style of both.
func ExecutionStyle(th *theme.Screen, s executions.Status) lipgloss.Style {
	return render.StatusStyle(th.Styles, s)
}

// LevelStyle is the style of a line's level.
func LevelStyle(th *theme.Screen, l logstream.Level) lipgloss.Style {
	switch l {
	case logstream.Error:
		return th.Bad
	case logstream.Warn:
		return th.Warn
	case logstream.Info:
		return th.Good
	default:
		return th.Muted
	}
}
