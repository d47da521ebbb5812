package widget_test

import (
	"os"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

func series(values ...float64) []*float64 {
	out := make([]*float64, len(values))
	for i := range values {
		if values[i] >= 0 {
			out[i] = &values[i]
		}
	}
	return out
}

// A column is as high as its value is of the greatest; what is small is seen, and what is
// not known is blank.
func TestChart(t *testing.T) {
	t.Parallel()
	th := theme.NewScreen(os.Stderr, theme.ScreenOptions{Unicode: true})
	got := ansi.Strip(widget.Chart(&th, series(0, 8, 4, -1, 0.01), "8 ms", "10:00", "11:00", 11+5+5, 3))
	lines := strings.Split(got, "\n")
	require.Equal(t, []string{"8 ms │   ███         ", "   0 │   ██████   ▁▁▁"}, []string{lines[0], lines[1]})
	require.Contains(t, lines[2], "└─ 10:00")
	for _, size := range [][2]int{{0, 0}, {1, 1}, {3, 9}, {200, 1}} {
		widget.Chart(&th, series(1), "1", "a", "b", size[0], size[1])
	}
	th.Glyphs = theme.ASCIIGlyphs()
	for _, r := range widget.Chart(&th, series(0, 8, 4), "8", "a", "b", 30, 5) + widget.Spark(&th, series(0, 8, 4), 9) {
		require.Less(t, r, rune(0x80))
	}
}

func TestSparkFoldsWhatHasNoRoom(t *testing.T) {
	t.Parallel()
	th := theme.NewScreen(os.Stderr, theme.ScreenOptions{Unicode: true})
	require.Equal(t, "▁█ ▅", widget.Spark(&th, series(0, 8, -1, 4), 10))
	require.Equal(t, "█▅", widget.Spark(&th, series(0, 8, -1, 4), 2), "the greatest of those that share a cell")
	require.Empty(t, widget.Spark(&th, nil, 10))
}
