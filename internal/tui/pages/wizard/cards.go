package wizard

import (
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/form"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

func (p *Page) cardKey(m tea.KeyMsg) tea.Cmd {
	n := len(p.cat.List())
	switch {
	case keys.Up.Is(m), keys.PrevTab.Is(m):
		p.card = (p.card + n - 1) % max(1, n)
	case keys.Down.Is(m), keys.NextTab.Is(m):
		p.card = (p.card + 1) % max(1, n)
	case keys.TakeOne.Is(m) && n > 0:
		return p.takeCard()
	case keys.Back.Is(m):
		return p.leave()
	}
	return nil
}

func (p *Page) takeCard() tea.Cmd {
	p.form.Choose(p.cat.List()[p.card].Name)
	p.stage, p.step = filling, 0
	return p.enter(0)
}

// cardText are the lines inside of a card, without bounds.
func (p *Page) cardText(t *spec.Template, width int) []string {
	th := &p.Env.Theme
	var out []string
	wrap := func(key, text string) {
		head := ""
		if key != "" {
			head = th.Key.Render(widget.Fit(key, 8, "")) + " "
		}
		indent := strings.Repeat(" ", ansi.StringWidth(head))
		for i, l := range strings.Split(ansi.Wrap(render.Line(text, 0), max(10, width-ansi.StringWidth(head)), ""), "\n") {
			if i == 0 {
				out = append(out, head+l)
			} else {
				out = append(out, indent+l)
			}
		}
	}
	wrap("idle", form.Idle(t))
	if len(t.Example) > 0 {
		wrap("input", string(t.Example))
	}
	if t.Origin != "" && t.Origin != "built-in" {
		wrap("from", t.Origin)
	}
	for _, para := range strings.Split(strings.TrimSpace(t.Description), "\n\n") {
		wrap("", para)
	}
	return out
}

// cardHeights are the heights of the frames, with titles and borders.
func (p *Page) cardHeights(width int) (each []int, all int) {
	for _, t := range p.cat.List() {
		h := len(p.cardText(t, width-4)) + 2
		each, all = append(each, h), all+h
	}
	return each, all
}

func (p *Page) cardsView(w, h int) string {
	th := &p.Env.Theme
	list := p.cat.List()
	if len(list) == 0 {
		return "  " + th.Muted.Render("There are no templates. `pipelinetui templates new` makes one.")
	}
	head := th.Title.Render("What kind of pipeline?") + "  " + th.Muted.Render("Each has its own questions, most with defaults.")
	out := []string{widget.Fit(head, w, th.Glyphs.Ellipsis)}
	heights, all := p.cardHeights(w)
	if all+1 <= h {
		for i, t := range list {
			out = append(out, widget.Frame(th, p.cardTitle(t, i == p.card), strings.Join(p.cardText(t, w-4), "\n"), w, heights[i], i == p.card))
		}
		return strings.Join(out, "\n")
	}
	for i, t := range list {
		line := "  " + p.cardTitle(t, false)
		if i == p.card {
			line = th.Focus.Render(th.Glyphs.Cursor) + th.Cursor.Render(widget.Fit(" "+p.cardTitle(t, false), w-1, th.Glyphs.Ellipsis))
		}
		out = append(out, widget.Fit(line, w, th.Glyphs.Ellipsis))
	}
	t := list[p.card]
	return strings.Join(append(out, widget.Frame(th, render.Line(t.Name, 0), strings.Join(p.cardText(t, w-4), "\n"), w, max(3, h-len(out)), true)), "\n")
}

func (p *Page) cardTitle(t *spec.Template, on bool) string {
	title := render.Line(t.Name, 0) + ": " + render.Line(t.Title, 0)
	if on {
		return p.Env.Theme.Glyphs.Cursor + " " + title
	}
	return title
}

// cardAt is the card at a line of the page, -1 if there is none.
func (p *Page) cardAt(y int) int {
	heights, all := p.cardHeights(p.size[0])
	at := 1
	for i := range heights {
		h := heights[i]
		if all+1 > p.size[1] {
			h = 1
		}
		if y >= at && y < at+h {
			return i
		}
		at += h
	}
	return -1
}
