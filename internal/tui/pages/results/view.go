package results

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/results"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// headRows are the lines above the grid.
const headRows = 1

// View draws the predictions.
func (p *Panel) View(width, height int) string {
	if width <= 0 || height <= 0 {
		return ""
	}
	g := p.shown()
	g.Empty = ansi.Wrap(p.emptyText(), max(1, width-4), "")
	return widget.Box(p.head(width)+"\n"+g.View(width, height-headRows), width, height)
}

func (p *Panel) emptyText() string {
	err, known := p.list.Err, p.list.Known
	if p.opened {
		err, known = p.set.Err, p.set.Known
	}
	switch {
	case err != nil && !known:
		return dialog.ErrorText(err) + "\nctrl+r tries again"
	case !known:
		return "reading the predictions"
	case p.opened && p.set.Value.search != "":
		return fmt.Sprintf("%q is nowhere in what was read; / with an empty text shows all again", render.Line(p.set.Value.search, 40))
	case p.opened:
		return "the data set has no predictions"
	}
	return "There are no results yet: R starts an execution."
}

// head says what is shown.
func (p *Panel) head(width int) string {
	th := p.th
	dot := " " + th.Glyphs.Dot + " "
	var left, right string
	switch {
	case !p.opened:
		left = th.Muted.Render("of the newest " + render.Count(len(p.list.Value.rows), "execution", "executions"))
		if p.list.Asking() {
			right = th.Busy.Render("reading")
		}
		if p.list.Err != nil && p.list.Known {
			right = th.Bad.Render(th.Glyphs.Bad + " " + render.Line(p.list.Err.Error(), max(10, width/2)))
		}
	default:
		left = th.Title.Render(render.Line(p.name, 60))
		at := &p.set.Value
		if p.set.Known && at.found.Set != nil {
			set := at.found.Set
			from, to := 100*set.Share(at.From), 100*set.Share(at.Next)
			parts := []string{fmt.Sprintf("%.1f to %.1f %% of %s in %s", from, to, render.Bytes(set.Size()), render.Count(len(set.Parts), "file", "files")), "at " + at.From.String()}
			if at.search != "" {
				parts = []string{fmt.Sprintf("%d with %q up to %.1f %%", len(at.rows), render.Line(at.search, 30), to)}
				if at.More {
					parts = append(parts, "> goes on")
				}
			}
			if at.inputs != nil {
				parts = append(parts, "the inputs can't be shown: "+render.Line(at.inputs.Error(), 40))
			}
			left += th.Muted.Render(dot + strings.Join(parts, dot))
		}
		if p.set.Asking() {
			right = th.Busy.Render("reading")
		}
	}
	if p.summary != "" {
		right = th.Busy.Render(p.summary)
	}
	room := max(0, width-ansi.StringWidth(right)-2)
	return widget.Fit(" "+left, room, th.Glyphs.Ellipsis) + " " + right
}

// Bounds of what is shown of statistics.
const (
	labelsShown = 10
	barCells    = 40
)

// summaryText is the statistics over a data set: of numbers their quantiles and histogram,
// of other values how often each is there.
func summaryText(th *theme.Screen, m *statsMsg) string {
	var b strings.Builder
	s := &m.stats
	of := render.Number(s.Count) + " predictions"
	if s.Sampled {
		of = fmt.Sprintf("about %s predictions, by a sample of %s", render.Number(s.Of), render.Number(s.Count))
	}
	fmt.Fprintf(&b, "%s, %s, %s\n", of, render.Count(m.files, "file", "files"), render.Bytes(m.bytes))
	for i := range s.Fields {
		b.WriteString("\n" + fieldText(th, &s.Fields[i]))
	}
	if s.Left {
		b.WriteString("\nand more fields, which are not counted\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

func fieldText(th *theme.Screen, f *results.FieldStats) string {
	name := f.Path
	if name == "" {
		name = "prediction"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", render.Line(name, 80), render.Number(f.Count))
	if f.Numbers > 0 {
		q := f.Quantiles
		fmt.Fprintf(&b, "  min %s  p10 %s  p50 %s  p90 %s  max %s  mean %s\n", render.Short(f.Min), render.Short(q.P10), render.Short(q.P50),
			render.Short(q.P90), render.Short(f.Max), render.Short(f.Mean))
		for i, n := range f.Histogram {
			from := f.Min + float64(i)*(f.Max-f.Min)/float64(len(f.Histogram))
			b.WriteString(bar(th, "from "+render.Short(from), n, f.Histogram))
		}
	}
	counts := make([]int64, len(f.Labels))
	for i := range f.Labels {
		counts[i] = f.Labels[i].Count
	}
	for i, l := range f.Labels {
		if i == labelsShown {
			fmt.Fprintf(&b, "  and %s\n", render.Count(len(f.Labels)-i, "more value", "more values"))
			break
		}
		b.WriteString(bar(th, render.Line(l.Value, 24), l.Count, counts))
	}
	return b.String()
}

// bar is a line of a histogram.
func bar(th *theme.Screen, label string, n int64, all []int64) string {
	most := int64(1)
	for _, x := range all {
		most = max(most, x)
	}
	cells := int(n * barCells / most)
	if n > 0 {
		cells = max(cells, 1)
	}
	return fmt.Sprintf("  %s %s  %s\n", widget.Fit(label, 24, th.Glyphs.Ellipsis), widget.FitRight(render.Number(n), 10, ""), strings.Repeat(th.Glyphs.BarFull, cells))
}
