package render

import (
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/lipgloss/table"
	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// Cell is one cell of a table: raw text and the style it is drawn with.
type Cell struct {
	Text  string
	Style *lipgloss.Style
}

// T is a cell in the default style.
func T(text string) Cell { return Cell{Text: text} }

// S is a cell in a style.
func S(text string, style lipgloss.Style) Cell { return Cell{Text: text, Style: &style} }

// Table draws rows under a header as kubectl does: no borders, two spaces
// between columns. Text is made safe. It ends with a line break.
func Table(st theme.Styles, header []string, rows [][]Cell) string {
	t := table.New().
		BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).
		BorderHeader(false).BorderColumn(false).BorderRow(false).
		Wrap(false).
		StyleFunc(func(row, col int) lipgloss.Style {
			pad := 2
			if col == len(header)-1 {
				pad = 0
			}
			style := st.Muted
			if row != table.HeaderRow {
				style = lipgloss.NewStyle()
				if c := cellAt(rows, row, col); c.Style != nil {
					style = *c.Style
				}
			}
			return style.PaddingRight(pad)
		}).
		Headers(header...)
	for _, r := range rows {
		line := make([]string, len(header))
		for i := range header {
			if i < len(r) {
				line[i] = Line(r[i].Text, 0)
			}
		}
		t.Row(line...)
	}
	return trimLines(t.Render())
}

// TableBelow is a table that belongs to the line above it: all of it is two blanks further in.
func TableBelow(st theme.Styles, header []string, rows [][]Cell) string {
	table := strings.TrimSuffix(Table(st, header, rows), "\n")
	return "  " + strings.ReplaceAll(table, "\n", "\n  ") + "\n"
}

func cellAt(rows [][]Cell, row, col int) Cell {
	if row < 0 || row >= len(rows) || col >= len(rows[row]) {
		return Cell{}
	}
	return rows[row][col]
}

// trimLines drops the padding at the ends of lines that hold no escapes.
func trimLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if ansi.StringWidth(l) == len([]rune(l)) {
			lines[i] = strings.TrimRight(l, " ")
		}
	}
	return strings.Join(lines, "\n") + "\n"
}
