package logs

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/logstream"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

// Keys are what can be done now.
func (p *Panel) Keys() keys.Map {
	none := ""
	if p.selected() == nil {
		none = "there is no line"
	}
	return keys.Map{{Title: "Logs", Bindings: []keys.Binding{
		keys.LogPause.As(p.line), keys.LogSource.As(p.line), keys.LogLevel.As(p.line), keys.LogGrep.As(p.line), keys.LogSince.As(p.line),
		keys.WholeValue.Unless(none), keys.Copy.Unless(none), keys.Pager.Unless(none), keys.AllLines,
	}}}
}

// line is the command line that shows the same.
func (p *Panel) line() string {
	args := []string{"logs", p.id.String(), "--since", p.since}
	if p.source != "" {
		args = append(args, "--"+p.source)
	}
	if p.level != logstream.Unknown {
		args = append(args, "--level", strings.ToLower(p.level.String()))
	}
	if p.grep != nil {
		args = append(args, "--grep", p.filter.Text())
	}
	if !p.paused {
		args = append(args, "--follow")
	}
	return p.Env.CommandLine(args...)
}

// key takes a key. esc is the page's, unless a filter is set.
func (p *Panel) key(m tea.KeyMsg) tea.Cmd {
	before := p.filter.Text()
	if p.filter.Press(m) {
		if p.filter.Text() != before {
			return p.setFilter()
		}
		return nil
	}
	switch {
	case keys.LogPause.Is(m):
		if p.paused = !p.paused; !p.paused {
			return p.beat()
		}
	case keys.LogSource.Is(m):
		p.source = after(sources, p.source)
		return p.afresh()
	case keys.LogLevel.Is(m):
		p.level = after(levels, p.level)
		return p.refilter()
	case keys.LogSince.Is(m):
		return p.askSince()
	case keys.AllLines.Is(m):
		p.level = logstream.Unknown
		p.filter.SetText("")
		cmd := p.setFilter()
		if p.source != "" {
			p.source = ""
			return tea.Batch(cmd, p.afresh())
		}
		return cmd
	case p.selected() != nil:
		if cmd := p.lineKey(m); cmd != nil {
			return cmd
		}
		p.grid.Update(m)
	default:
		p.grid.Update(m)
	}
	return nil
}

// after is what follows a value among others, the first after the last.
func after[T comparable](all []T, x T) T { return all[(slices.Index(all, x)+1)%len(all)] }

// lineKey does what a key asks of the selected line; nil if it is none of these.
func (p *Panel) lineKey(m tea.KeyMsg) tea.Cmd {
	l := p.selected()
	switch {
	case keys.WholeValue.Is(m):
		title := strings.TrimSpace(l.Time.UTC().Format(time.RFC3339Nano) + " " + l.Source + " " + l.level.String())
		return ui.Send(ui.Ask{From: p.Host, Dialog: dialog.NewReader(p.th, title, "the line", l.Text)})
	case keys.Copy.Is(m):
		return ui.Send(ui.Copy{Text: l.Text, What: "the line"})
	case keys.Pager.Is(m):
		return ui.Send(ui.Pager{Text: p.text()})
	}
	return nil
}

// text is everything that is shown.
func (p *Panel) text() string {
	var b strings.Builder
	for _, i := range p.shown {
		l := &p.lines[i]
		parsed := logstream.Parse(l.Text)
		fmt.Fprintf(&b, "%s %-8s %-5s %s\n", l.Time.UTC().Format("15:04:05.000"), l.Source, l.level, whole(&parsed))
	}
	return b.String()
}

func (p *Panel) askSince() tea.Cmd {
	choice := func(key, label, since string) dialog.Choice {
		return dialog.Choice{Key: key, Label: label, Answer: sinceMsg{since}}
	}
	return ui.Send(ui.Ask{From: p.Host, Dialog: dialog.NewChoose(p.th, "Logged since when?", "", false,
		choice("1", "15 minutes", "15m"), choice("2", "1 hour", "1h"), choice("3", "6 hours", "6h"), choice("4", "24 hours", "24h"))})
}
