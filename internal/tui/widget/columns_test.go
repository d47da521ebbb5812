package widget_test

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// sheet are rows of texts.
type sheet [][]string

func (s sheet) Len() int         { return len(s) }
func (s sheet) Key(i int) string { return s[i][0] }

func (s sheet) Cell(i, column int) widget.Cell { return widget.Cell{Text: s[i][column]} }

func sheetGrid(s sheet) *widget.Grid {
	g := widget.NewGrid(
		plainScreen(),
		widget.Column{Title: "NAME", Min: 8, Max: 30, Flex: 2},
		widget.Column{Title: "ENV", Min: 4, Max: 8, Flex: 1},
		widget.Column{Title: "STATUS", Min: 12, Max: 18, Flex: 1},
		widget.Column{Title: "LAST", Min: 9, Max: 16, Flex: 1, Drop: 2},
		widget.Column{Title: "AGE", Min: 3, Right: true, Drop: 3},
		widget.Column{Title: "NOTE", Min: 6, Flex: 4, Drop: 1},
	)
	g.SetRows(s)
	return g
}

// TestNamesAreWholeWhileCellsAreFree looks at every width: as long as one column has
// blank cells in all rows, or one that may go is there, no name ends in an ellipsis.
func TestNamesAreWholeWhileCellsAreFree(t *testing.T) {
	t.Parallel()
	s := sheet{
		{"globex/visionary-large", "prod", "ready", "up 2h", "3d", "a long story about what has happened to it in all those days"},
		{"globex/visionary-large2", "dev", "ready", "", "3d", ""},
		{"acme/a", "staging", "updating", "refresh 1m", "12mo", "short"},
	}
	for width := 30; width < 160; width++ {
		g := sheetGrid(s)
		view := ansi.Strip(g.View(width, 5))
		for _, l := range strings.Split(view, "\n") {
			require.LessOrEqual(t, ansi.StringWidth(l), width)
		}
		if width >= 2+len("globex/visionary-large2")+2+len("staging")+2+len("updating") {
			require.Contains(t, view, "globex/visionary-large ", "width %d\n%s", width, view)
			require.Contains(t, view, "globex/visionary-large2", "width %d\n%s", width, view)
			require.Contains(t, view, "staging", "width %d\n%s", width, view)
		}
	}
}

func TestColumnsDoNotJumpWhileNothingIsCut(t *testing.T) {
	t.Parallel()
	s := make(sheet, 60)
	for i := range s {
		s[i] = []string{"name" + strings.Repeat("x", i%12), "dev", "ready", "up 2h", "3d", "note"}
	}
	g := sheetGrid(s)
	head := func() string { return strings.Split(ansi.Strip(g.View(90, 10)), "\n")[0] }
	for range 3 {
		press(g, "pgdown")
		head()
	}
	before := head()
	for range 50 {
		press(g, "j")
		require.Equal(t, before, head())
	}
}

func TestWideCharactersAreCutWhole(t *testing.T) {
	t.Parallel()
	s := sheet{{strings.Repeat("模型", 20), "dev", "ready", "", "", ""}}
	for width := 10; width < 100; width++ {
		for _, l := range strings.Split(ansi.Strip(sheetGrid(s).View(width, 4)), "\n") {
			require.Equal(t, width, ansi.StringWidth(l), "%q", l)
		}
	}
}
