package widget_test

import (
	"fmt"
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

// pairs are rows of "group/name" with a number each.
type pairs struct {
	names   []string
	numbers []int
}

func (p *pairs) Len() int           { return len(p.names) }
func (p *pairs) Key(row int) string { return p.names[row] }
func (p *pairs) Cell(row, column int) widget.Cell {
	if column == 1 {
		return widget.Cell{Text: fmt.Sprint(p.numbers[row])}
	}
	return widget.Cell{Text: p.names[row]}
}

func (p *pairs) group(row int) string {
	g, _, _ := strings.Cut(p.names[row], "/")
	return g
}

func pairGrid(p *pairs) *widget.Grid {
	th := theme.NewScreen(io.Discard, theme.ScreenOptions{})
	g := widget.NewGrid(&th, widget.Column{Title: "NAME", Min: 6, Flex: 1}, widget.Column{
		Title: "N", Min: 3, Compare: func(a, b int) int { return p.numbers[a] - p.numbers[b] },
	})
	g.SetRows(p)
	return g
}

func lines(g *widget.Grid, width, height int) []string {
	out := strings.Split(ansi.Strip(g.View(width, height)), "\n")
	for i := range out {
		out[i] = strings.TrimSpace(strings.TrimLeft(out[i], "> ▌"))
	}
	return out
}

func heading(group string, rows int) string { return fmt.Sprintf("%s (%d)", group, rows) }

func TestGroupsKeepTogetherAndSortInside(t *testing.T) {
	t.Parallel()
	p := &pairs{names: []string{"b/1", "a/1", "b/2", "a/2", "a/3"}, numbers: []int{1, 5, 9, 4, 6}}
	g := pairGrid(p)
	g.GroupBy(p.group, heading)
	require.Equal(t, []string{"a (3)", "a/1     5", "a/2     4", "a/3     6", "b (2)", "b/1     1", "b/2     9"}, lines(g, 13, 8)[1:])
	g.SortBy(1, true)
	require.Equal(t, []string{"a (3)", "a/3     6", "a/1     5", "a/2     4", "b (2)", "b/2     9", "b/1     1"}, lines(g, 13, 8)[1:])
	g.SetFilter("2")
	require.Equal(t, []string{"a (1)", "a/2     4", "b (1)", "b/2     9"}, lines(g, 13, 6)[1:5])
}

// TestTheCursorStaysInSightUnderHeadings walks down and up again in boxes of every
// height: the selected row is always drawn, and under its own heading.
func TestTheCursorStaysInSightUnderHeadings(t *testing.T) {
	t.Parallel()
	p := &pairs{}
	for i := range 30 {
		p.names, p.numbers = append(p.names, fmt.Sprintf("g%d/%02d", i/4, i)), append(p.numbers, i)
	}
	for height := 2; height < 14; height++ {
		g := pairGrid(p)
		g.GroupBy(p.group, heading)
		walk := make([]string, 0, 70)
		for range 32 {
			walk = append(walk, "j")
		}
		for range 32 {
			walk = append(walk, "k")
		}
		for _, key := range walk {
			g.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(key)})
			out := lines(g, 20, height)
			row, _ := g.Selected()
			at := -1
			for i, l := range out {
				if strings.HasPrefix(l, p.names[row]) {
					at = i
				}
			}
			require.Positive(t, at, "height %d: %s is out of sight in %q", height, p.names[row], out)
			require.Contains(t, g.Visible(), row)
			if height > 2 {
				require.True(t, strings.HasPrefix(out[1], "g"), "a heading comes first: %q", out)
				for at > 0 && strings.Contains(out[at], "/") {
					at--
				}
				require.Equal(t, heading(p.group(row), min(4, 30-row/4*4)), out[at], "height %d", height)
			}
		}
	}
}

func TestChangedMovesARowToItsPlace(t *testing.T) {
	t.Parallel()
	p := &pairs{names: []string{"a/1", "a/2", "a/3", "a/4"}, numbers: []int{1, 2, 3, 4}}
	g := pairGrid(p)
	g.SortBy(1, false)
	g.Select("a/3")
	p.numbers[0] = 9
	g.Changed(0)
	require.Equal(t, []string{"a/2     2", "a/3     3", "a/4     4", "a/1     9"}, lines(g, 13, 5)[1:])
	row, _ := g.Selected()
	require.Equal(t, 2, row, "the cursor stays with its row")

	g.SetFilter("9")
	require.Equal(t, 1, g.Len())
	p.numbers[1] = 99
	g.Changed(1)
	p.numbers[0] = 0
	g.Changed(0)
	require.Equal(t, "a/2     99", lines(g, 13, 5)[1], "the filter looks at what is shown now")
	require.Equal(t, 1, g.Len())
}

func TestClickOnAHeadSortsByIt(t *testing.T) {
	t.Parallel()
	p := &pairs{names: []string{"a/1", "a/2"}, numbers: []int{1, 2}}
	g := pairGrid(p)
	g.View(14, 4)
	press := func(x, y int) bool {
		return g.Update(tea.MouseMsg{X: x, Y: y, Button: tea.MouseButtonLeft, Action: tea.MouseActionPress})
	}
	require.True(t, press(12, 0))
	require.True(t, press(12, 0))
	require.Equal(t, "a/2      2", lines(g, 14, 4)[1])
	require.False(t, press(3, 0), "this column can't be sorted by")
	require.True(t, press(3, 2))
	row, _ := g.Selected()
	require.Equal(t, 0, row)
	require.False(t, press(3, 3), "there is no row")
}

func TestHiddenColumnsAreNotDrawn(t *testing.T) {
	t.Parallel()
	g := pairGrid(&pairs{names: []string{"a/1"}, numbers: []int{7}})
	g.Hide(0, true)
	require.Equal(t, []string{"N", "7"}, lines(g, 14, 2))
}

type figures [][2]string

func (f figures) Len() int                       { return len(f) }
func (f figures) Key(i int) string               { return f[i][0] }
func (f figures) Cell(i, column int) widget.Cell { return widget.Cell{Text: f[i][column]} }

// TestAHiddenColumnOrdersNothing presses the key of the order past it, and hides the one
// that orders.
func TestAHiddenColumnOrdersNothing(t *testing.T) {
	t.Parallel()
	rows := figures{{"b", "1"}, {"a", "2"}}
	by := func(c int) func(a, b int) int {
		return func(a, b int) int { return strings.Compare(rows[a][c], rows[b][c]) }
	}
	g := widget.NewGrid(plainScreen(), widget.Column{Title: "NAME", Min: 6, Compare: by(0)}, widget.Column{Title: "N", Min: 6, Compare: by(1)})
	g.SetRows(rows)
	first := func() string { return strings.TrimSpace(strings.Split(ansi.Strip(g.View(40, 5)), "\n")[1]) }
	g.Hide(0, true)
	g.Update(keys.Msg("s"))
	require.Equal(t, "▌ 1", first(), "by the number: the name is hidden")
	g.Update(keys.Msg("s"))
	require.Equal(t, "▌ 1", first())
	g.Hide(0, false)
	g.SortBy(0, false)
	g.Hide(0, true)
	require.Equal(t, "▌ 1", first())
}
