package widget

import (
	"math"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// Heights of a cell, the lowest first; nothing is drawn of what is not known.
var (
	blocks      = []string{" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}
	asciiBlocks = []string{" ", ".", ":", "|"}
	asciiSparks = []string{"_", ".", ":", "-", "=", "+", "*", "#"}
)

// fold makes as many values of a series as there are cells: of those that share a cell the
// greatest. Nil is not known.
func fold(values []*float64, width int) []*float64 {
	if len(values) == 0 || width <= 0 {
		return nil
	}
	if len(values) <= width {
		out := make([]*float64, width)
		for i := range out {
			out[i] = values[i*len(values)/width]
		}
		return out
	}
	out := make([]*float64, width)
	for i, v := range values {
		at := i * width / len(values)
		if v != nil && (out[at] == nil || *v > *out[at]) {
			out[at] = v
		}
	}
	return out
}

func greatest(values []*float64) float64 {
	most := 0.0
	for _, v := range values {
		if v != nil && !math.IsNaN(*v) && !math.IsInf(*v, 0) {
			most = max(most, *v)
		}
	}
	return most
}

// Spark draws a series as one line of at most width bars, from nothing to the greatest of
// them; what is not known is a blank.
func Spark(th *theme.Screen, values []*float64, width int) string {
	values = fold(values, min(width, len(values)))
	most := greatest(values)
	sparks := asciiSparks
	if th.Glyphs.Unicode {
		sparks = blocks[1:]
	}
	var b strings.Builder
	for _, v := range values {
		switch {
		case v == nil || math.IsNaN(*v):
			b.WriteString(" ")
		case most <= 0 || *v <= 0:
			b.WriteString(sparks[0])
		default:
			b.WriteString(sparks[max(0, min(len(sparks)-1, int(*v/most*float64(len(sparks)))))])
		}
	}
	return b.String()
}

// Chart draws a series as columns over time, from nothing to the greatest of them. top says
// how much that is, and stands at its height; from and to stand below both ends.
func Chart(th *theme.Screen, values []*float64, top, from, to string, width, height int) string {
	gutter := max(cellsOf(top), 1) + 1
	room, rows := width-gutter-1, height-1
	if room < 4 || rows < 1 {
		return Box("", width, height)
	}
	cells := fold(values, room)
	most := greatest(cells)
	steps := asciiBlocks
	bar, corner, line := "|", "+", "-"
	if th.Glyphs.Unicode {
		steps, bar, corner, line = blocks, "│", "└", "─"
	}
	full := len(steps) - 1
	out := make([]string, 0, height)
	for r := range rows {
		label := ""
		switch r {
		case 0:
			label = top
		case rows - 1:
			label = "0"
		}
		var b strings.Builder
		for _, v := range cells {
			level := 0
			if v != nil && most > 0 && !math.IsNaN(*v) {
				level = int(math.Round(min(*v, most) / most * float64(rows*full)))
				if *v > 0 {
					level = max(level, 1) // what is there is seen
				}
			}
			b.WriteString(steps[max(0, min(full, level-(rows-1-r)*full))])
		}
		out = append(out, th.Muted.Render(FitRight(label, gutter-1, "")+" "+bar)+th.Bar.Render(b.String()))
	}
	axis := corner + line + " " + from + " "
	if rest := width - gutter - cellsOf(axis) - cellsOf(to) - 1; rest > 0 {
		axis += strings.Repeat(line, rest) + " " + to
	}
	out = append(out, th.Muted.Render(strings.Repeat(" ", gutter)+axis))
	return Box(strings.Join(out, "\n"), width, height)
}
