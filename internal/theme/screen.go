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
	// Links says that the terminal takes links: one that knows no sequence for them might
	// write it out, and those are old ones with few colours.
	Links bool
	// colors says that there are any.
	colors bool
}

// ScreenOptions choose a Screen.
type ScreenOptions struct {
	// Colors that the terminal has and the user wants.
	Colors  Colors
	Unicode bool
	// Light says that the background is light.
	Light bool
	// Attributes that the terminal has: without colours they tell apart what would
	// be told by colours.
	Attributes Attributes
}

// NewScreen returns the styles for a terminal behind w. Without colours selection,
// focus and what can't be used now show by signs, and by reverse video, bold and
// underline where the terminal has them.
//
// Which colours of the two backgrounds are used can be changed later through the
// Renderer: styles choose when they draw.
func NewScreen(w io.Writer, o ScreenOptions) Screen {
	r := lipgloss.NewRenderer(w)
	color := o.Colors != NoColors
	profile := o.Colors.profile()
	if !color && o.Attributes != (Attributes{}) {
		// A renderer without colours would leave attributes out too. No style has a
		// colour then.
		profile = termenv.ANSI
	}
	r.SetColorProfile(profile)
	r.SetHasDarkBackground(!o.Light)
	fg := func(light, dark string) lipgloss.Style {
		if !color {
			return r.NewStyle()
		}
		return r.NewStyle().Foreground(lipgloss.AdaptiveColor{Light: light, Dark: dark})
	}
	on := func(s lipgloss.Style, light, dark string) lipgloss.Style {
		if !color {
			return s
		}
		return s.Background(lipgloss.AdaptiveColor{Light: light, Dark: dark})
	}
	s := Screen{
		Styles:    styles(r, color),
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
		Tab:       fg("242", "245"),
		TabOn:     fg("61", "147").Bold(true).Underline(true),
		Border:    fg("250", "240"),
		Focus:     fg("61", "147"),
		Key:       fg("61", "147").Bold(true),
		KeyOff:    fg("245", "242"),
		Hint:      fg("240", "248"),
		Input:     fg("16", "231"),
		Disabled:  fg("245", "242"),
		ToastGood: on(fg("231", "16"), "28", "78"),
		ToastBad:  on(fg("231", "231"), "160", "160"),
		Bar:       fg("28", "78"),
		BarFailed: fg("160", "203"),
		BarRest:   fg("252", "238"),
		Glyphs:    UnicodeGlyphs(),
		Renderer:  r,
		colors:    color,
		Links:     o.Colors >= Colors256,
	}
	if !color {
		s.colourless(r, o.Attributes)
	}
	if !o.Unicode {
		s.Glyphs = ASCIIGlyphs()
	}
	return s
}

// colourless tells apart by attributes what colours would.
func (s *Screen) colourless(r *lipgloss.Renderer, a Attributes) {
	reverse := r.NewStyle().Reverse(a.Reverse)
	bold := r.NewStyle().Bold(a.Bold)
	under := r.NewStyle().Underline(a.Underline)
	s.Cursor, s.Danger, s.ToastBad = reverse, reverse.Bold(a.Bold), reverse
	s.Brand, s.Safe, s.ToastGood, s.Crumb, s.Column, s.Focus, s.Marked = bold, bold, bold, bold, bold, bold, bold
	s.CursorOff, s.Match, s.Input = under, under, under
	s.TabOn = bold.Underline(a.Underline)
	s.Title = bold
	// A key that can be used is bold, one that can't is not.
	s.Key = bold
	if !a.Bold {
		s.Key = under
	}
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
