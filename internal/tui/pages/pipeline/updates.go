package pipeline

import (
	"strconv"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// updateRows are the history as the grid sees it, the newest first.
type updateRows struct{ p *Page }

func newUpdates(p *Page) *widget.Grid {
	by := func(compare func(a, b stack.Update) int) func(a, b int) int {
		return func(a, b int) int { return compare(p.history.Value[a], p.history.Value[b]) }
	}
	g := widget.NewGrid(&p.Env.Theme,
		widget.Column{Title: "#", Min: 4, Right: true, Compare: by(func(a, b stack.Update) int { return a.Start.Compare(b.Start) })},
		widget.Column{Title: "KIND", Min: 8, Compare: by(func(a, b stack.Update) int { return strings.Compare(a.Kind, b.Kind) })},
		widget.Column{Title: "RESULT", Min: 13, Compare: by(func(a, b stack.Update) int { return strings.Compare(a.Result, b.Result) })},
		widget.Column{Title: "WHEN", Min: 5, Right: true},
		widget.Column{Title: "TOOK", Min: 7, Right: true, Drop: 3, Compare: by(func(a, b stack.Update) int { return int(took(b) - took(a)) })},
		widget.Column{Title: "CHANGES", Min: 20, Max: 60, Flex: 3},
		widget.Column{Title: "BY", Min: 11, Max: 24, Flex: 1, Drop: 4},
		widget.Column{Title: "MESSAGE", Min: 10, Flex: 2, Drop: 5},
	)
	g.Empty = "nothing was ever done to this stack"
	return g
}

func (r updateRows) Len() int { return len(r.p.history.Value) }

func (r updateRows) Key(i int) string { return r.number(i) }

// number counts from the oldest: not every backend numbers its updates.
func (r updateRows) number(i int) string {
	if v := r.p.history.Value[i].Version; v > 0 {
		return strconv.Itoa(v)
	}
	return strconv.Itoa(len(r.p.history.Value) - i)
}

func took(u stack.Update) time.Duration {
	if u.End.IsZero() {
		return 0
	}
	return u.End.Sub(u.Start)
}

func (r updateRows) Cell(i, column int) widget.Cell {
	th, u := &r.p.Env.Theme, r.p.history.Value[i]
	switch column {
	case 0:
		return widget.Cell{Text: r.number(i), Style: th.Muted}
	case 1:
		return widget.Cell{Text: pipelines.KindWord(u.Kind)}
	case 2:
		switch u.Result {
		case string(stack.Succeeded):
			return widget.Cell{Signs: th.Good.Render(th.Glyphs.Good) + " ", Text: u.Result, Style: th.Good}
		case string(stack.Failed):
			return widget.Cell{Signs: th.Bad.Render(th.Glyphs.Bad) + " ", Text: u.Result, Style: th.Bad}
		}
		return widget.Cell{Signs: th.Busy.Render(th.Glyphs.Busy) + " ", Text: u.Result, Style: th.Busy}
	case 3:
		return widget.Cell{Text: render.ShortAge(u.Start, r.p.Env.Now())}
	case 4:
		if d := took(u); d > 0 {
			return widget.Cell{Text: render.Duration(d), Style: th.Muted}
		}
		return widget.Cell{Text: "-", Style: th.Muted}
	case 5:
		return widget.Cell{Text: render.Changes(u.Changes, true)}
	case 6:
		return widget.Cell{Text: who(u), Style: th.Muted}
	default:
		return widget.Cell{Text: u.Message}
	}
}

// who says who did it, as far as the engine has noted that: a person out of git or
// a CI system, otherwise the program.
func who(u stack.Update) string {
	e := u.Environment
	for _, key := range []string{"pulumi.user", "ci.user", "git.author.email", "git.author", "git.committer.email", "git.committer"} {
		if e[key] != "" {
			return e[key]
		}
	}
	if ci := e["ci.system"]; ci != "" {
		return strings.TrimSpace(ci + " " + e["ci.build.number"])
	}
	return e["exec.agent"]
}

// updateText is everything about an update.
func (p *Page) updateText(i int) string {
	u := p.history.Value[i]
	var b strings.Builder
	line := func(name, value string) {
		if value != "" {
			b.WriteString(name + strings.Repeat(" ", max(1, 10-len(name))) + value + "\n")
		}
	}
	line("number", updateRows{p}.number(i))
	line("kind", pipelines.KindWord(u.Kind))
	line("result", u.Result)
	line("began", render.Stamp(u.Start))
	line("ended", render.Stamp(u.End))
	if d := took(u); d > 0 {
		line("took", render.Duration(d))
	}
	line("changes", render.Changes(u.Changes, true))
	line("by", who(u))
	line("message", u.Message)
	if len(u.Environment) > 0 {
		b.WriteString("\nwhat the engine noted of the machine\n")
		for _, k := range sorted(u.Environment) {
			b.WriteString("  " + k + " = " + u.Environment[k] + "\n")
		}
	}
	return strings.TrimRight(b.String(), "\n")
}
