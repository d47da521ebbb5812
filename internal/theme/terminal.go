package theme

import (
	"strings"

	"github.com/muesli/termenv"
	"github.com/xo/terminfo"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// Colors is how many colours a terminal has.
type Colors int

// The numbers of colours that styles know.
const (
	NoColors Colors = iota
	Colors16
	Colors256
	TrueColors
)

func (c Colors) profile() termenv.Profile {
	switch c {
	case Colors16:
		return termenv.ANSI
	case Colors256:
		return termenv.ANSI256
	case TrueColors:
		return termenv.TrueColor
	default:
		return termenv.Ascii
	}
}

// Attributes are what a terminal can do to characters besides colouring them.
type Attributes struct{ Bold, Underline, Reverse bool }

// colourless are the families of terminals of which none has colours. On them the
// 5 in the sequence of an indexed colour would be "blink". (vt100.net, "VT220
// Programmer Reference Manual", 4.8 "Select Graphic Rendition"; the VT525 has
// colours, but systems describe it too.)
var colourless = lazyregexp.New(`^(dumb|unknown|vt\d+|ansi-m|.*-m|.*-mono)$`)

// ColorsOf tells the colours of the terminal that an environment describes: what
// the system's terminfo says of TERM, and where it knows nothing of it, what such
// names mean. COLORTERM raises a terminal that has colours to all of them.
func ColorsOf(environ func(string) (string, bool)) Colors {
	name, _ := environ("TERM")
	direct := false
	switch v, _ := environ("COLORTERM"); strings.ToLower(v) {
	case "truecolor", "24bit":
		direct = true
	}
	found := byName(name)
	if strings.Contains(name, "/") { // no name, but a way to a file
		return NoColors
	}
	if info, err := terminfo.Load(name); name != "" && err == nil {
		switch n := info.Nums[terminfo.MaxColors]; {
		case n < 8:
			found = NoColors
		case n < 256:
			// A name with 256 is meant so, whatever a stripped database says.
			found = max(Colors16, found)
		default:
			found = max(Colors256, found)
		}
	} else if name == "" && direct {
		return TrueColors
	}
	if found != NoColors && direct {
		return TrueColors
	}
	return found
}

// byName knows the names that terminals of this century have.
func byName(name string) Colors {
	switch {
	case name == "" || colourless.MatchString(name):
		return NoColors
	case strings.HasSuffix(name, "-direct") || strings.HasSuffix(name, "-truecolor"):
		return TrueColors
	}
	for _, known := range []string{"alacritty", "contour", "rio", "wezterm", "xterm-ghostty", "xterm-kitty", "foot"} {
		if name == known || strings.HasPrefix(name, known+"-") {
			return TrueColors
		}
	}
	if strings.Contains(name, "256color") {
		return Colors256
	}
	for _, part := range []string{"color", "ansi", "xterm", "linux", "screen", "tmux", "rxvt", "konsole", "gnome", "putty", "cygwin", "st-"} {
		if strings.Contains(name, part) {
			return Colors16
		}
	}
	return NoColors
}

// AttributesOf tells the attributes of the terminal that an environment describes.
// What terminfo does not know is taken for one that has them, but for the dumb
// ones.
func AttributesOf(environ func(string) (string, bool)) Attributes {
	name, _ := environ("TERM")
	if name == "dumb" || name == "unknown" {
		return Attributes{}
	}
	info, err := terminfo.Load(name)
	if name == "" || err != nil {
		return Attributes{Bold: true, Underline: true, Reverse: true}
	}
	has := func(capability int) bool { return len(info.Strings[capability]) > 0 }
	return Attributes{
		Bold: has(terminfo.EnterBoldMode), Underline: has(terminfo.EnterUnderlineMode), Reverse: has(terminfo.EnterReverseMode),
	}
}

// Answers tells whether a terminal can be asked for its background colour (OSC 11):
// others show the question or, behind a multiplexer, have no one answer.
func Answers(environ func(string) (string, bool)) bool {
	name, _ := environ("TERM")
	for _, deaf := range []string{"screen", "tmux", "dumb", "linux", "vt", "cygwin"} {
		if strings.HasPrefix(name, deaf) {
			return false
		}
	}
	return name != ""
}
