// Package theme owns colours: semantic tokens and the styles made of them.
// Nothing outside it names a colour. It imports nothing of this module.
package theme

import (
	"io"

	"github.com/charmbracelet/lipgloss"
)

// Styles are what renderers draw with. The zero-colour build draws plain text.
type Styles struct {
	Title   lipgloss.Style // headings of tables and sections
	Muted   lipgloss.Style // what is there only for completeness
	Key     lipgloss.Style // names in "name: value"
	Good    lipgloss.Style // succeeded, in service, created
	Bad     lipgloss.Style // failed, deleted
	Warn    lipgloss.Style // replaced, stale, cancelled
	Busy    lipgloss.Style // running, creating
	Create  lipgloss.Style // + lines of a diff
	Update  lipgloss.Style // ~ lines
	Delete  lipgloss.Style // - lines
	Replace lipgloss.Style // +- lines
}

// New returns styles for a writer in the colours that there are, for a dark or a
// light background. With NoColors no escape is ever written. The terminal is not
// asked anything.
func New(w io.Writer, colors Colors, dark bool) Styles {
	r := lipgloss.NewRenderer(w)
	r.SetColorProfile(colors.profile())
	r.SetHasDarkBackground(dark)
	return styles(r, true)
}

// styles are the styles of lines of text in a renderer's colours. Without colour
// they have none, even if the renderer could: it is then there for the attributes.
func styles(r *lipgloss.Renderer, color bool) Styles {
	fg := func(light, dark string) lipgloss.Style {
		if !color {
			return r.NewStyle()
		}
		return r.NewStyle().Foreground(lipgloss.AdaptiveColor{Light: light, Dark: dark})
	}
	return Styles{
		Title:   r.NewStyle().Bold(true),
		Muted:   fg("242", "245"),
		Key:     fg("25", "75"),
		Good:    fg("28", "78"),
		Bad:     fg("160", "203"),
		Warn:    fg("130", "214"),
		Busy:    fg("26", "111"),
		Create:  fg("28", "78"),
		Update:  fg("130", "214"),
		Delete:  fg("160", "203"),
		Replace: fg("127", "213"),
	}
}
