package widget_test

import (
	"io"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

func plainScreen() *theme.Screen {
	th := theme.NewScreen(io.Discard, theme.ScreenOptions{Unicode: true})
	return &th
}

func pressLine(l *widget.Line, names ...string) {
	for _, k := range names {
		l.Update(keys.Msg(k))
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, begin string
		keys        []string
		want        string
	}{
		{"letters go where the cursor is", "acme", []string{"left", "left", "x"}, "acxme"},
		{"a word before the cursor goes", "acme fraud", []string{"ctrl+w"}, "acme "},
		{"to the beginning and all before it", "acme fraud", []string{"home", "x", "end", "y"}, "xacme fraudy"},
		{"all before the cursor goes", "acme fraud", []string{"left", "ctrl+u"}, "d"},
		{"all after the cursor goes", "acme fraud", []string{"home", "right", "ctrl+k"}, "a"},
		{"a letter of two bytes is one", "größe", []string{"left", "left", "backspace"}, "grße"},
		{"enter, escape, tab and arrows are not the line's", "acme", []string{"enter", "esc", "tab", "shift+tab", "up", "down"}, "acme"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := widget.NewLine(plainScreen(), tc.begin)
			pressLine(l, tc.keys...)
			require.Equal(t, tc.want, l.Text())
		})
	}
}

// What is pasted is one line, and no escape of it reaches the screen.
func TestLineTakesAPasteOnOneLine(t *testing.T) {
	t.Parallel()
	l := widget.NewLine(plainScreen(), "")
	l.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("one\ntwo\tthree\x1b[31m\u202e"), Paste: true})
	require.NotContains(t, l.Text(), "\n")
	view := l.View(60)
	require.NotContains(t, view, "\n")
	require.NotContains(t, view, "\x1b[31m")
	require.NotContains(t, view, "\u202e")
	require.Contains(t, ansi.Strip(view), "one two")
}

func TestLineScrollsInItsRoom(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789", 10) + "end"
	for _, width := range []int{2, 5, 20, 80, 102, 103, 104, 200} {
		l := widget.NewLine(plainScreen(), long)
		require.LessOrEqual(t, ansi.StringWidth(l.View(width)), width, "width %d", width)
		if width >= 5 {
			require.Contains(t, ansi.Strip(l.View(width)), "end", "width %d", width)
		}
		pressLine(l, "home")
		if width >= 5 {
			require.True(t, strings.HasPrefix(ansi.Strip(l.View(width)), "012"), "width %d: %q", width, l.View(width))
		}
		require.LessOrEqual(t, ansi.StringWidth(l.View(width)), width)
	}
}

func TestLineHidesASecret(t *testing.T) {
	t.Parallel()
	l := widget.NewLine(plainScreen(), "hunter2")
	l.SetSecret(true)
	require.NotContains(t, l.View(40), "hunter2")
	require.Equal(t, "hunter2", l.Text())
	l.SetSecret(false)
	require.Contains(t, ansi.Strip(l.View(40)), "hunter2")
}

func TestFilterIsOpenedKeptAndTakenAway(t *testing.T) {
	t.Parallel()
	f := widget.NewFilter(plainScreen())
	press := func(names ...string) (took bool) {
		for _, k := range names {
			took = f.Press(keys.Msg(k))
		}
		return took
	}
	require.False(t, press("x"), "nothing is typed yet")
	require.True(t, press("/"))
	require.True(t, f.Typing())
	require.True(t, press("a", "b", "/", "q", "left", "backspace"))
	require.Equal(t, "abq", f.Text())
	require.True(t, press("enter"))
	require.False(t, f.Typing())
	require.Equal(t, "abq", f.Text())
	require.False(t, press("q"), "a key of the page again")
	require.True(t, press("/", "z"), "goes on where it was")
	require.Equal(t, "abqz", f.Text())
	require.False(t, press("down"), "moves in the list")
	require.False(t, f.Typing())
	require.True(t, press("esc"))
	require.Empty(t, f.Text())
	require.False(t, press("esc"), "the second one is the page's")
	press("/", "a")
	require.True(t, press("esc"))
	require.False(t, f.Shown())
}

func TestCursor(t *testing.T) {
	t.Parallel()
	const n, height = 30, 10
	for _, tc := range []struct {
		keys         []string
		at, from, to int
	}{
		{nil, 0, 0, 10},
		{[]string{"up"}, 0, 0, 10},
		{[]string{"down", "j"}, 2, 0, 10},
		{[]string{"pgdown"}, 9, 0, 10},
		{[]string{"pgdown", "pgdown"}, 18, 9, 19},
		{[]string{"G"}, 29, 20, 30},
		{[]string{"end", "down"}, 29, 20, 30},
		{[]string{"end", "pgup"}, 20, 20, 30},
		{[]string{"end", "pgup", "k"}, 19, 19, 29},
		{[]string{"end", "home"}, 0, 0, 10},
	} {
		var c widget.Cursor
		c.Sight(n, height)
		for _, k := range tc.keys {
			require.True(t, c.Update(keys.Msg(k), n))
			c.Sight(n, height)
		}
		from, to := c.Sight(n, height)
		require.Equal(t, []int{tc.at, tc.from, tc.to}, []int{c.At, from, to}, "%v", tc.keys)
	}
}

func TestCursorOfAListThatShrinksOrIsEmpty(t *testing.T) {
	t.Parallel()
	c := widget.Cursor{At: 50, Top: 45}
	from, to := c.Sight(3, 10)
	require.Equal(t, []int{2, 0, 3}, []int{c.At, from, to})
	from, to = c.Sight(0, 10)
	require.Equal(t, []int{0, 0, 0}, []int{c.At, from, to})
	require.True(t, c.Update(keys.Msg("down"), 0))
	require.Equal(t, 0, c.At)
	_, ok := c.PlaceAt(0, 0)
	require.False(t, ok)
	require.False(t, c.Update(keys.Msg("x"), 9))
	require.True(t, c.Update(tea.MouseMsg{Button: tea.MouseButtonWheelDown}, 9))
	require.Equal(t, 3, c.At)
}

// names are rows of one word each.
type names []string

func (r names) Len() int                  { return len(r) }
func (r names) Key(i int) string          { return r[i] }
func (r names) Cell(i, _ int) widget.Cell { return widget.Cell{Text: r[i]} }

func press(g *widget.Grid, names ...string) {
	for _, k := range names {
		g.Update(keys.Msg(k))
	}
}

func selectedName(t *testing.T, g *widget.Grid, r names) string {
	t.Helper()
	i, ok := g.Selected()
	require.True(t, ok)
	return r[i]
}

func TestANewFilterSelectsTheFirstMatch(t *testing.T) {
	t.Parallel()
	r := names{"acme/fraud", "acme/vision", "globex/fraud", "globex/vision", "initech/vision"}
	g := widget.NewGrid(plainScreen(), widget.Column{Title: "NAME", Min: 8, Flex: 1})
	g.SetRows(r)
	g.Select("initech/vision")
	press(g, "/", "v", "i", "s")
	require.Equal(t, "acme/vision", selectedName(t, g, r), "though the selected row matches too")
	press(g, "down")
	g.SetRows(r)
	require.Equal(t, "globex/vision", selectedName(t, g, r), "other rows are no other filter")
	press(g, "esc")
	require.Equal(t, "globex/vision", selectedName(t, g, r), "what was found stays selected")
	require.Equal(t, 5, g.Len())
}
