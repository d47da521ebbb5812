package theme

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASkinPaints(t *testing.T) {
	t.Parallel()
	yes := true
	skin := map[string]Paint{"good": {Text: Color{"101", "102"}, Bold: &yes}, "key": {Text: Color{"#102030", "#102030"}}, "cursor": {Background: Color{"107", "108"}}}
	s := NewScreen(io.Discard, ScreenOptions{Colors: Colors256, Unicode: true})
	before := s.Bad.Render("x")
	s.Wear(skin)
	require.Contains(t, s.Good.Render("x"), "\x1b[1;38;5;102m")
	require.Contains(t, s.Cursor.Render("x"), "48;5;108")
	require.NotEqual(t, s.Styles.Key.Render("x"), s.Key.Render("x"), "it is the key of the footer")
	require.Equal(t, before, s.Bad.Render("x"))

	plain := NewScreen(io.Discard, ScreenOptions{Attributes: Attributes{Bold: true, Reverse: true}})
	want := plain.Cursor.Render("x")
	plain.Wear(skin)
	require.Equal(t, want, plain.Cursor.Render("x"), "without colours nothing is painted")
	require.Equal(t, "x", plain.Good.Render("x"))
}

func TestWhatIsAColour(t *testing.T) {
	t.Parallel()
	for _, ok := range []string{"", "0", "255", "#a0B1c2"} {
		require.NoError(t, Color{Light: ok}.Check(), ok)
	}
	for _, bad := range []string{"256", "-1", "red", "#12345", "#12345g", "0xffffff"} {
		require.Error(t, Color{Dark: bad}.Check(), bad)
	}
	require.Contains(t, Tokens(), "cursor-off")
	require.Contains(t, Tokens(), "bar-failed")
	require.NotContains(t, Tokens(), "glyphs")
}
