package widget

import (
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// Fact is a part of a line of them.
type Fact struct {
	// Text is the fact; Short, if it is not empty, says it in fewer cells.
	Text, Short string
	// Spare says how well it can be done without: the highest are said in short first, and
	// then go first; those of 0 stay.
	Spare int
}

// Facts joins facts to a line of at most width cells. No word of it is cut as long as
// there is one to spare: as much as has to be is said in short, and then left out.
func Facts(th *theme.Screen, width int, facts ...Fact) string {
	sep := th.Muted.Render(" " + th.Glyphs.Dot + " ")
	short, gone := make([]bool, len(facts)), make([]bool, len(facts))
	for {
		var parts []string
		for i, f := range facts {
			switch {
			case gone[i]:
			case short[i]:
				parts = append(parts, f.Short)
			default:
				parts = append(parts, f.Text)
			}
		}
		line := strings.Join(parts, sep)
		if cellsOf(line) <= width {
			return line
		}
		if at := spare(facts, func(i int) bool { return !short[i] && facts[i].Short != "" }); at >= 0 {
			short[at] = true
		} else if at := spare(facts, func(i int) bool { return !gone[i] }); at >= 0 {
			gone[at] = true
		} else {
			return Fit(line, width, th.Glyphs.Ellipsis)
		}
	}
}

// spare is the one of some facts that can best be done without, -1 if there is none.
func spare(facts []Fact, among func(i int) bool) int {
	at := -1
	for i, f := range facts {
		if f.Spare > 0 && among(i) && (at < 0 || f.Spare >= facts[at].Spare) {
			at = i
		}
	}
	return at
}
