// Package widget owns the parts that pages are made of: grids, scrolling text,
// boxes, bars. Widgets are plain structs with imperative methods; they hold what
// they show and where they are scrolled to, and know no page and no source. It
// may import keys, theme and render.
package widget

import (
	"slices"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// Fit cuts or pads one line of styled text to exactly width cells.
func Fit(s string, width int, ellipsis string) string {
	if width <= 0 {
		return ""
	}
	w := cellsOf(s)
	switch {
	case w > width:
		// What is cut off may have held the end of a style.
		s = ansi.Truncate(s, width, ellipsis)
		w = cellsOf(s)
		if w < width {
			s += strings.Repeat(" ", width-w)
		}
		return s
	case w < width:
		return s + strings.Repeat(" ", width-w)
	}
	return s
}

// FitRight is Fit with the text at the right edge.
func FitRight(s string, width int, ellipsis string) string {
	if w := cellsOf(s); w < width {
		return strings.Repeat(" ", width-w) + s
	}
	return Fit(s, width, ellipsis)
}

// Box makes text exactly height lines of width cells: longer ones are cut, missing
// ones are blank.
func Box(s string, width, height int) string {
	if height <= 0 || width <= 0 {
		return ""
	}
	lines := strings.Split(s, "\n")
	if len(lines) > height {
		lines = lines[:height]
	}
	for len(lines) < height {
		lines = append(lines, "")
	}
	for i, l := range lines {
		lines[i] = Fit(l, width, "")
	}
	return strings.Join(lines, "\n")
}

// Rule is a horizontal line with a title in it.
func Rule(th *theme.Screen, title string, width int) string {
	b := th.Glyphs.Border
	if title == "" {
		return th.Border.Render(strings.Repeat(b.Top, max(0, width)))
	}
	head := th.Border.Render(b.Top+" ") + th.Title.Render(title) + " "
	rest := width - cellsOf(head)
	if rest < 0 {
		return Fit(head, width, th.Glyphs.Ellipsis)
	}
	return head + th.Border.Render(strings.Repeat(b.Top, rest))
}

// Frame draws a box with a title around text; width and height are those of the
// outside.
func Frame(th *theme.Screen, title, body string, width, height int, focus bool) string {
	if width < 4 || height < 2 {
		return Box(body, width, height)
	}
	style := th.Border
	if focus {
		style = th.Focus
	}
	b := th.Glyphs.Border
	head := b.TopLeft + b.Top
	if title != "" {
		title = " " + ansi.Truncate(title, width-6, th.Glyphs.Ellipsis) + " "
	}
	rest := max(0, width-3-cellsOf(title))
	var out strings.Builder
	out.WriteString(style.Render(head) + th.Title.Render(title) + style.Render(strings.Repeat(b.Top, rest)+b.TopRight))
	for _, l := range strings.Split(Box(body, width-4, height-2), "\n") {
		if height > 2 {
			out.WriteString("\n" + style.Render(b.Left) + " " + l + " " + style.Render(b.Right))
		}
	}
	out.WriteString("\n" + style.Render(b.BottomLeft+strings.Repeat(b.Bottom, width-2)+b.BottomRight))
	return out.String()
}

// Overlay draws a box over a background at a position; both may be styled. What
// lies outside the background is cut off.
func Overlay(background, box string, x, y int) string {
	lines := strings.Split(background, "\n")
	for i, l := range strings.Split(box, "\n") {
		row := y + i
		if row < 0 || row >= len(lines) {
			continue
		}
		w := cellsOf(l)
		bg := lines[row]
		width := cellsOf(bg)
		left := Fit(ansi.Truncate(bg, x, ""), x, "")
		right := ""
		if x+w < width {
			right = ansi.TruncateLeft(bg, x+w, "")
			// A wide character that was cut in two leaves a hole.
			if missing := width - x - w - cellsOf(right); missing > 0 {
				right = strings.Repeat(" ", missing) + right
			}
		}
		lines[row] = left + "\x1b[m" + l + "\x1b[m" + right
	}
	return strings.Join(lines, "\n")
}

// Bar is a progress bar of width cells for done of total, of which failed are
// drawn as such.
func Bar(th *theme.Screen, done, failed, total int64, width int) string {
	if width <= 0 {
		return ""
	}
	full, bad := 0, 0
	if total > 0 {
		full = int(min(total, max(0, done)) * int64(width) / total)
		bad = int(min(total, max(0, failed)) * int64(width) / total)
		if failed > 0 && bad == 0 && full > 0 {
			bad = 1 // one failure of a million must be seen
		}
		bad = min(bad, full)
	}
	g := th.Glyphs
	return th.Bar.Render(strings.Repeat(g.BarFull, full-bad)) + th.BarFailed.Render(strings.Repeat(g.BarFull, bad)) +
		th.BarRest.Render(strings.Repeat(g.BarRest, width-full))
}

// Tabs draws a line of tabs; the numbers before the titles are their keys. Where there is
// no room the titles of the others than the open one are cut, all to one length, which is
// the same whichever is open.
func Tabs(th *theme.Screen, titles []string, open, width int) string {
	titles = tabTitles(titles, open, width, tabMarks(th))
	parts := make([]string, len(titles))
	for i, t := range titles {
		style := th.Tab
		if i == open {
			style = th.TabOn
			if !th.Glyphs.Unicode {
				t = "[" + t + "]"
			}
		}
		parts[i] = th.Muted.Render(string(rune('1'+i))+" ") + style.Render(t)
	}
	return Fit(strings.Join(parts, "  "), width, th.Glyphs.Ellipsis)
}

// tabMarks is how many cells mark the open tab where a style may not be seen.
func tabMarks(th *theme.Screen) int {
	if th.Glyphs.Unicode {
		return 0
	}
	return 2
}

// tabTitles are the titles as there is room for them, with so many cells for the marks of
// the open one.
func tabTitles(titles []string, open, width, marks int) []string {
	widest := 0
	for _, t := range titles {
		widest = max(widest, cellsOf(t))
	}
	const least = 2
	most := widest
	for ; most > least; most-- {
		// As if the tab were open that gains most by it.
		used, gain := marks-2, 0
		for _, t := range titles {
			w := cellsOf(t)
			used += min(w, most) + 4
			gain = max(gain, w-most)
		}
		if used+gain <= width {
			break
		}
	}
	out := slices.Clone(titles)
	for i, t := range titles {
		if i != open {
			out[i] = ansi.Truncate(t, most, "")
		}
	}
	return out
}

// TabAt returns the tab at a column of the line that Tabs draws, or -1.
func TabAt(th *theme.Screen, titles []string, open, width, x int) int {
	marks := tabMarks(th)
	titles = tabTitles(titles, open, width, marks)
	at := 0
	for i, t := range titles {
		w := cellsOf(t) + 2
		if i == open {
			w += marks
		}
		if x >= at && x < at+w {
			return i
		}
		at += w + 2
	}
	return -1
}

// Spin is the frame of the spinner at a step.
func Spin(th *theme.Screen, step int) string {
	f := th.Glyphs.Spinner
	return th.Busy.Render(f[((step%len(f))+len(f))%len(f)])
}

// Lines stacks blocks of text.
func Lines(blocks ...string) string { return strings.Join(blocks, "\n") }

// Beside puts blocks side by side, each a Box of its own width and equal height.
func Beside(blocks ...string) string { return lipgloss.JoinHorizontal(lipgloss.Top, blocks...) }
