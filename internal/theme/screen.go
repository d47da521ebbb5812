package theme

import (
	"io"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"
)

// Screen is what the full-screen terminal draws with: the styles of lines of
// text, those of the furniture around them, and the signs.
type Screen struct {
	Styles
	Header    lipgloss.Style // the line with target, account and region
	Brand     lipgloss.Style // the program's name in it
	Safe      lipgloss.Style // badge: nothing here costs money
	Danger    lipgloss.Style // badge: this is a real account
	Crumb     lipgloss.Style // where we are
	Stale     lipgloss.Style // how old what is shown is, when it is old
	Cursor    lipgloss.Style // the selected row
	CursorOff lipgloss.Style // the selected row of a list without focus
	Marked    lipgloss.Style // sign of a marked row
	Column    lipgloss.Style // heads of columns
	Match     lipgloss.Style // what a search found
	Tab       lipgloss.Style // a tab
	TabOn     lipgloss.Style // the open tab
	Border    lipgloss.Style // frames and rules
	Focus     lipgloss.Style // frames of what has the focus
	Key       lipgloss.Style // a key in the footer; shadows Styles.Key
	KeyOff    lipgloss.Style // one that can't be used now
	Hint      lipgloss.Style // what a key does
	Input     lipgloss.Style // text being typed
	Disabled  lipgloss.Style // what can't be changed
	ToastGood lipgloss.Style
	ToastBad  lipgloss.Style
	Bar       lipgloss.Style // the done part of a progress bar
	BarFailed lipgloss.Style // the failed part of it
	BarRest   lipgloss.Style // the part to come
	Glyphs    Glyphs
	// Renderer makes further styles in the same colours; widgets of libraries need
	// it.
	Renderer *lipgloss.Renderer
}

// ScreenOptions choose a Screen.
type ScreenOptions struct {
	Color   bool
	Unicode bool
	// Background is "light", or "dark", which is also the default.
	Background string
}

// AskDark asks a terminal whether its background is dark. It writes to it and reads
// from it, so nothing else may at that time; a terminal that does not answer costs
// five seconds.
func AskDark(terminal io.Writer) bool { return termenv.NewOutput(terminal).HasDarkBackground() }

// NewScreen returns the styles for a terminal behind w. With Color false,
// selection and focus show by signs and by bold and reverse video alone.
func NewScreen(w io.Writer, o ScreenOptions) Screen {
	r := lipgloss.NewRenderer(w)
	switch {
	case !o.Color:
		r.SetColorProfile(termenv.Ascii)
	case r.ColorProfile() == termenv.Ascii:
		r.SetColorProfile(termenv.ANSI256)
	}
	r.SetHasDarkBackground(o.Background != "light")
	fg := func(light, dark string) lipgloss.Style {
		return r.NewStyle().Foreground(lipgloss.AdaptiveColor{Light: light, Dark: dark})
	}
	on := func(s lipgloss.Style, light, dark string) lipgloss.Style {
		return s.Background(lipgloss.AdaptiveColor{Light: light, Dark: dark})
	}
	s := Screen{
		Styles:    styles(r),
		Header:    on(fg("236", "252"), "254", "236"),
		Brand:     on(fg("231", "231"), "61", "61").Bold(true),
		Safe:      on(fg("231", "16"), "28", "78"),
		Danger:    on(fg("231", "231"), "160", "160").Bold(true),
		Crumb:     fg("61", "147").Bold(true),
		Stale:     fg("130", "214"),
		Cursor:    on(fg("16", "231"), "189", "60"),
		CursorOff: on(r.NewStyle(), "254", "237"),
		Marked:    fg("127", "213").Bold(true),
		Column:    fg("240", "248").Bold(true),
		Match:     on(fg("16", "16"), "221", "221"),
		Tab:       fg("244", "245"),
		TabOn:     fg("61", "147").Bold(true).Underline(true),
		Border:    fg("250", "240"),
		Focus:     fg("61", "147"),
		Key:       fg("61", "147").Bold(true),
		KeyOff:    fg("250", "240"),
		Hint:      fg("240", "248"),
		Input:     fg("16", "231"),
		Disabled:  fg("250", "240"),
		ToastGood: on(fg("231", "16"), "28", "78"),
		ToastBad:  on(fg("231", "231"), "160", "160"),
		Bar:       fg("28", "78"),
		BarFailed: fg("160", "203"),
		BarRest:   fg("252", "238"),
		Glyphs:    UnicodeGlyphs(),
		Renderer:  r,
	}
	if !o.Color {
		s.Cursor, s.Brand = r.NewStyle().Reverse(true), r.NewStyle().Bold(true)
	}
	if !o.Unicode {
		s.Glyphs = ASCIIGlyphs()
	}
	return s
}

// Glyphs are the signs that are drawn; all are one cell wide, but for Spinner's
// frames, which are equally wide.
type Glyphs struct {
	Unicode bool
	// Status signs: their shape tells them apart without colour.
	Good, Bad, Busy, Warn, Pending, Skipped string
	Cursor, Mark, Ellipsis, Dot             string
	Open, Closed                            string // tree branches
	TreeMid, TreeEnd, TreeBar               string // two cells wide
	BarFull, BarRest, BarLeft               string // BarLeft: half of a cell, or BarFull
	Ascending, Descending                   string
	Up, Down, Left, Right                   string // arrows
	Spinner                                 []string
	Border                                  lipgloss.Border
}

// UnicodeGlyphs are for terminals with a font of this century.
func UnicodeGlyphs() Glyphs {
	return Glyphs{
		Unicode: true,
		Good:    "✔", Bad: "✘", Busy: "●", Warn: "▲", Pending: "○", Skipped: "◌",
		Cursor: "▌", Mark: "◆", Ellipsis: "…", Dot: "·",
		Open: "▾", Closed: "▸", TreeMid: "├╴", TreeEnd: "└╴", TreeBar: "│ ",
		BarFull: "█", BarRest: "░", BarLeft: "▌", Ascending: "▴", Descending: "▾",
		Up: "↑", Down: "↓", Left: "←", Right: "→",
		Spinner: []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"},
		Border:  lipgloss.RoundedBorder(),
	}
}

// ASCIIGlyphs are for everything else.
func ASCIIGlyphs() Glyphs {
	return Glyphs{
		Good: "+", Bad: "x", Busy: "*", Warn: "!", Pending: "o", Skipped: "-",
		Cursor: ">", Mark: "#", Ellipsis: "~", Dot: "-",
		Open: "v", Closed: ">", TreeMid: "|-", TreeEnd: "`-", TreeBar: "| ",
		BarFull: "#", BarRest: ".", BarLeft: "#", Ascending: "^", Descending: "v",
		Up: "^", Down: "v", Left: "<", Right: ">",
		Spinner: []string{"|", "/", "-", "\\"},
		Border:  lipgloss.ASCIIBorder(),
	}
}
