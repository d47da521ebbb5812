package logs

import (
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/logstream"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// rows are the lines as the grid asks for them.
type rows struct{ p *Panel }

func (r rows) Len() int { return len(r.p.shown) }

func (r rows) Key(i int) string { return strconv.Itoa(r.p.lines[r.p.shown[i]].number) }

func (r rows) Cell(i, column int) widget.Cell {
	th, l := r.p.th, &r.p.lines[r.p.shown[i]]
	switch column {
	case 0:
		return widget.Cell{Text: l.Time.UTC().Format("15:04:05.000"), Style: th.Muted}
	case 1:
		return widget.Cell{Text: l.Source, Style: th.Column}
	case 2:
		return widget.Cell{Text: l.level.String(), Style: widget.LevelStyle(th, l.level)}
	}
	c := widget.Cell{Text: l.whole}
	if l.level >= logstream.Error {
		c.Style = th.Bad
	}
	return c
}

// headRows are the lines above the grid.
const headRows = 1

// View draws the stream.
func (p *Panel) View(width, height int) string {
	if width <= 0 || height <= 0 {
		return ""
	}
	bottom := ""
	rest := height - headRows
	if p.filter.Shown() && rest > 1 {
		tally := "  " + p.th.Muted.Render(render.Number(int64(len(p.shown)))+" of "+render.Number(int64(len(p.lines))))
		if p.sift.Asking() {
			tally = "  " + p.th.Busy.Render("filtering")
		}
		if p.wrong != "" {
			tally = "  " + p.th.Warn.Render(p.wrong)
		}
		bottom = "\n" + widget.Fit(p.filter.View(max(4, width-ansi.StringWidth(tally)))+tally, width, p.th.Glyphs.Ellipsis)
		rest--
	}
	p.grid.Empty = ansi.Wrap(p.emptyText(), max(1, width-4), "")
	return widget.Box(p.head(width)+"\n"+p.grid.View(width, rest)+bottom, width, height)
}

func (p *Panel) emptyText() string {
	switch {
	case p.look.Err != nil:
		return dialog.ErrorText(p.look.Err) + "\nctrl+r tries again"
	case p.stream == nil:
		return "reading the logs"
	case p.sift.Asking():
		return "filtering"
	case len(p.lines) > 0:
		return render.Count(len(p.lines), "line", "lines") + ", none of them like that; 0 shows all"
	}
	text := "Nothing was logged in the last " + p.since + ". What is logged from now on appears here; t looks further back."
	if gone := p.look.Value.missing; len(gone) > 0 {
		text += "\nNot there yet, or switched off: " + render.Line(strings.Join(gone, ", "), 0)
	}
	return text
}

// head says what is shown.
func (p *Panel) head(width int) string {
	th := p.th
	state := th.Good.Render(th.Glyphs.Busy + " following")
	switch {
	case p.look.Err != nil:
		state = th.Bad.Render(th.Glyphs.Bad + " " + render.Line(p.look.Err.Error(), max(10, width/2)))
	case p.paused:
		state = th.Warn.Render(th.Glyphs.Skipped + " paused")
	case p.stream == nil:
		state = widget.Spin(th, p.Env.Spin()) + th.Muted.Render(" reading")
	case !p.atEnd():
		state = th.Good.Render(th.Glyphs.Busy+" following") + th.Muted.Render(", G: the newest")
	}
	from := "function, endpoint and states"
	if p.source != "" {
		from = p.source + " only"
	}
	level := "all levels"
	if p.level != logstream.Unknown {
		level = p.level.String() + " or worse"
	}
	parts := []string{from, level, "since " + p.since}
	if p.dropped > 0 || p.stream != nil && p.look.Value.left > 0 {
		parts = append(parts, "the newest "+render.Number(int64(len(p.lines))))
	}
	dot := th.Muted.Render(" " + th.Glyphs.Dot + " ")
	return widget.Fit(" "+state+dot+th.Muted.Render(strings.Join(parts, " "+th.Glyphs.Dot+" ")), width, th.Glyphs.Ellipsis)
}
