package theme

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func environ(m map[string]string) func(string) (string, bool) {
	return func(k string) (string, bool) { v, ok := m[k]; return v, ok }
}

func TestColorsOfATerminal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		term, colorterm string
		want            Colors
	}{
		{"vt100", "", NoColors},
		{"vt220", "", NoColors},
		{"vt220", "truecolor", NoColors}, // inherited from the terminal that it is shown in
		{"dumb", "truecolor", NoColors},
		{"unknown", "", NoColors},
		{"", "", NoColors},
		{"", "truecolor", TrueColors},
		{"linux", "", Colors16},
		{"xterm", "", Colors16},
		{"xterm-256color", "", Colors256},
		{"xterm-256color", "truecolor", TrueColors},
		{"screen-256color", "24bit", TrueColors},
		{"some-256color", "", Colors256}, // which no database knows
		{"../../etc/passwd", "", NoColors},
	} {
		require.Equal(t, tt.want, ColorsOf(environ(map[string]string{"TERM": tt.term, "COLORTERM": tt.colorterm})), "%s %s", tt.term, tt.colorterm)
	}
}

func TestOnlyWhoAnswersIsAsked(t *testing.T) {
	t.Parallel()
	for term, want := range map[string]bool{
		"xterm-256color": true, "alacritty": true, "screen": false, "tmux-256color": false, "linux": false,
		"vt220": false, "dumb": false, "": false,
	} {
		require.Equal(t, want, Answers(environ(map[string]string{"TERM": term})), term)
	}
}

func TestWithoutColoursAttributesTellApart(t *testing.T) {
	t.Parallel()
	all := Attributes{Bold: true, Underline: true, Reverse: true}
	s := NewScreen(io.Discard, ScreenOptions{Attributes: all})
	require.Equal(t, "\x1b[7mx\x1b[0m", s.Cursor.Render("x"))
	require.Equal(t, "\x1b[1mx\x1b[0m", s.Key.Render("x"))
	require.Equal(t, "x", s.KeyOff.Render("x"), "a key that can't be used looks different")
	require.NotEqual(t, s.Tab.Render("x"), s.TabOn.Render("x"))
	for name, style := range map[string]string{"good": s.Good.Render("x"), "bar": s.Bar.Render("x"), "header": s.Header.Render("x")} {
		require.Equal(t, "x", style, name)
	}
	s = NewScreen(io.Discard, ScreenOptions{Attributes: Attributes{Underline: true}})
	require.Equal(t, "x", s.Cursor.Render("x"), "no reverse video where there is none: the sign tells")
	require.NotEqual(t, s.KeyOff.Render("x"), s.Key.Render("x"))
	s = NewScreen(io.Discard, ScreenOptions{})
	require.Equal(t, "x", s.Cursor.Render("x"))
}

func TestTheBackgroundCanBeToldLater(t *testing.T) {
	t.Parallel()
	s := NewScreen(io.Discard, ScreenOptions{Colors: Colors256})
	dark := s.Good.Render("x")
	s.Renderer.SetHasDarkBackground(false)
	require.NotEqual(t, dark, s.Good.Render("x"))
}
