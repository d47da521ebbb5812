package terminal

import (
	"fmt"
	"html"
	"image/color"
	"strings"

	uv "github.com/charmbracelet/ultraviolet"
)

// Measures of a cell and colours of the picture, in pixels and hex.
const (
	cellWidth  = 8.4
	cellHeight = 18
	margin     = 12
	fontSize   = 14
	background = "#1b1d23"
	foreground = "#d6d8de"
)

// SVG is the screen as a picture.
func (t *Terminal) SVG(title string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	w, h := float64(t.width)*cellWidth+2*margin, float64(t.height)*cellHeight+2*margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.1f %.1f" role="img">`+"\n", w, h, w, h)
	fmt.Fprintf(&b, "<title>%s</title>\n", html.EscapeString(title))
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="8" fill="%s"/>`+"\n", background)
	fmt.Fprintf(&b, `<g font-family="ui-monospace,SFMono-Regular,Menlo,DejaVu Sans Mono,Consolas,monospace" font-size="%d" fill="%s" xml:space="preserve">`+"\n", fontSize, foreground)
	for y := range t.height {
		t.backgrounds(&b, y)
		t.texts(&b, y)
	}
	b.WriteString("</g>\n</svg>\n")
	return b.String()
}

// run is a stretch of cells that look alike.
type run struct {
	x, width int
	text     string
	style    uv.Style
}

func (t *Terminal) runs(y int) []run {
	var out []run
	for x := 0; x < t.width; {
		c := t.emu.CellAt(x, y)
		content, width, style := " ", 1, uv.Style{}
		if c != nil {
			style, width = c.Style, max(1, c.Width)
			if c.Content != "" {
				content = c.Content
			}
		}
		if n := len(out); n > 0 && out[n-1].style.Equal(&style) {
			out[n-1].text += content
			out[n-1].width += width
		} else {
			out = append(out, run{x, width, content, style})
		}
		x += width
	}
	return out
}

// colors of a run, "" for the picture's own.
func colors(s uv.Style) (fg, bg string) {
	fg, bg = hex(s.Fg), hex(s.Bg)
	if s.Attrs&uv.AttrReverse != 0 {
		fg, bg = bg, fg
		if fg == "" {
			fg = background
		}
		if bg == "" {
			bg = foreground
		}
	}
	return fg, bg
}

func hex(c color.Color) string {
	if c == nil {
		return ""
	}
	r, g, b, _ := c.RGBA()
	return fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8)
}

func (t *Terminal) backgrounds(b *strings.Builder, y int) {
	for _, r := range t.runs(y) {
		if _, bg := colors(r.style); bg != "" {
			fmt.Fprintf(b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n",
				margin+float64(r.x)*cellWidth, margin+y*cellHeight, float64(r.width)*cellWidth, cellHeight, bg)
		}
	}
}

func (t *Terminal) texts(b *strings.Builder, y int) {
	for _, r := range t.runs(y) {
		trimmed := strings.TrimLeft(r.text, " ")
		x := r.x + len(r.text) - len(trimmed)
		trimmed = strings.TrimRight(trimmed, " ")
		if trimmed == "" {
			continue
		}
		attrs := ""
		if fg, _ := colors(r.style); fg != "" {
			attrs += ` fill="` + fg + `"`
		}
		if r.style.Attrs&uv.AttrBold != 0 {
			attrs += ` font-weight="bold"`
		}
		if r.style.Underline != uv.UnderlineStyleNone {
			attrs += ` text-decoration="underline"`
		}
		cells := r.width - (x - r.x) - (len(r.text) - (x - r.x) - len(trimmed))
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" textLength="%.1f"%s>%s</text>`+"\n",
			margin+float64(x)*cellWidth, margin+float64(y)*cellHeight+fontSize-1, float64(cells)*cellWidth, attrs, html.EscapeString(trimmed))
	}
}
