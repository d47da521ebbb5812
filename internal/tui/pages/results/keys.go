package results

import (
	"context"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/results"
	"github.com/pipelinetui/pipelinetui/internal/tui/dialog"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
)

var top, bottom = keys.Msg(keys.Top.Keys[0]), keys.Msg(keys.Bottom.Keys[0])

// Answers of dialogs, and of what they ask for.
type (
	placeMsg  struct{ to string }
	searchMsg struct{ text string }
	statsMsg  struct {
		name  string
		files int
		bytes int64
		stats results.Stats
		err   error
	}
	linkMsg struct {
		url    string
		until  time.Time
		browse bool
		err    error
	}
)

// Keys are what can be done now.
func (p *Panel) Keys() keys.Map {
	none, noSet := "", ""
	if p.selected() == nil {
		none = "there is no prediction"
	}
	set := p.set.Value.found
	if !p.opened || !p.set.Known || set.Set == nil {
		noSet = "these are single predictions, not those of a data set"
	}
	if !p.opened {
		own := []keys.Binding{
			keys.Open.Unless(none).As(p.showLine), keys.Copy.Unless(none), keys.ResultLink.Unless(none).As(p.linkLine),
			keys.ResultBrowse.Unless(none), keys.MoreOfThem, keys.Search,
		}
		return keys.Map{{Title: "Results", Bindings: own}}
	}
	next, before := noSet, noSet
	at := &p.set.Value
	if noSet == "" && !at.More {
		next = "this is the end"
	}
	if noSet == "" && at.From.IsZero() {
		before = "this is the beginning"
	}
	if at.search != "" {
		before = "a search goes on only"
	}
	return keys.Map{{Title: "Results", Bindings: []keys.Binding{
		keys.Open.Unless(none).As(p.showLine), keys.NextPart.Unless(next).As(p.listLine), keys.PartBefore.Unless(before), keys.ResultPlace.Unless(noSet).As(p.listLine),
		keys.SearchResults.Unless(noSet).As(p.listLine), keys.ResultSummary.Unless(noSet).As(func() string { return p.Env.CommandLine("results", "show", p.id.String(), p.name) }),
		keys.Copy.Unless(none), keys.ResultLink.Unless(none).As(p.linkLine), keys.ResultBrowse.Unless(none),
	}}}
}

func (p *Panel) execution() string {
	if r := p.selected(); r != nil && !p.opened {
		return r.item.Execution
	}
	return p.name
}

func (p *Panel) showLine() string {
	args := []string{"results", "show", p.id.String(), p.execution()}
	if r := p.selected(); p.opened && r != nil && r.item.Key() != "" {
		args = append(args, r.item.Key())
	}
	return p.Env.CommandLine(args...)
}

func (p *Panel) linkLine() string {
	return p.Env.CommandLine("results", "get", p.id.String(), p.execution(), "--link")
}

// listLine is the command line that lists what is shown.
func (p *Panel) listLine() string {
	args := []string{"results", "list", p.id.String(), p.name}
	if at := p.set.Value.From; !at.IsZero() {
		args = append(args, "--at", at.String())
	}
	if p.set.Value.search != "" {
		args = append(args, "--search", p.set.Value.search)
	}
	return p.Env.CommandLine(args...)
}

// key takes a key.
func (p *Panel) key(m tea.KeyMsg) tea.Cmd {
	if p.opened {
		return p.setKey(m)
	}
	r := p.selected()
	switch {
	case p.grid.Capturing():
		p.grid.Update(m)
	case r != nil && keys.Open.Is(m):
		if holdsSet(&r.item) {
			return p.open(r.item.Execution)
		}
		return p.show(r)
	case keys.MoreOfThem.Is(m):
		if p.list.Asking() {
			return nil
		}
		p.limit += newest
		had := make([]results.Item, len(p.list.Value.rows))
		for i := range had {
			had[i] = p.list.Value.rows[i].item
		}
		return p.readList(had)
	case r != nil && p.isCommon(m):
		return p.common(r, m)
	default:
		p.grid.Update(m)
	}
	return nil
}

// setKey takes a key while a data set is open.
func (p *Panel) setKey(m tea.KeyMsg) tea.Cmd {
	r := p.selected()
	switch {
	case keys.Back.Is(m):
		p.set.Drop()
		if p.opened = false; p.stale {
			return p.readList(nil)
		}
	case r != nil && keys.Open.Is(m):
		return p.show(r)
	case keys.NextPart.Is(m):
		return p.turn(false)
	case keys.PartBefore.Is(m):
		return p.turn(true)
	case keys.ResultPlace.Is(m):
		return p.ask(dialog.NewPrompt(p.th, "Where to?", "A share such as 50%, the place that a page tells (0:1048576), or @end.", "50%",
			func(s string) (tea.Msg, error) { return placeMsg{strings.TrimSpace(s)}, nil }))
	case keys.SearchResults.Is(m):
		return p.ask(dialog.NewPrompt(p.th, "Search the predictions",
			"A text in a prediction or an id, in any letter case; up to "+render.Bytes(searchBytes)+" are read at a time. Empty shows all again.", p.set.Value.search,
			func(s string) (tea.Msg, error) { return searchMsg{s}, nil }))
	case keys.ResultSummary.Is(m):
		return p.summarize()
	case r != nil && p.isCommon(m):
		return p.common(r, m)
	default:
		// Beyond the last row the next page begins, and before the first one the page before.
		i, _ := p.page.Selected()
		switch {
		case (keys.Down.Is(m) || keys.PageDown.Is(m)) && i == len(p.set.Value.rows)-1:
			return p.turn(false)
		case (keys.Up.Is(m) || keys.PageUp.Is(m)) && i == 0:
			return p.turn(true)
		}
		p.page.Update(m)
	}
	return nil
}

func (p *Panel) isCommon(m tea.KeyMsg) bool {
	return keys.Copy.Is(m) || keys.ResultLink.Is(m) || keys.ResultBrowse.Is(m)
}

// common does what can be done with any result.
func (p *Panel) common(r *row, m tea.KeyMsg) tea.Cmd {
	if keys.Copy.Is(m) {
		return ui.Send(ui.Copy{Text: string(r.item.Prediction), What: "the prediction"})
	}
	return p.link(r, keys.ResultBrowse.Is(m))
}

func (p *Panel) ask(d ui.Dialog) tea.Cmd { return ui.Send(ui.Ask{From: p.Host, Dialog: d}) }

func (p *Panel) show(r *row) tea.Cmd {
	return p.ask(dialog.NewReader(p.th, "Result of "+render.Dash(r.id), "the result", r.document()))
}

// link makes an address of the object that a result stands in.
func (p *Panel) link(r *row, browse bool) tea.Cmd {
	l, at, name, in := p.list.Value, p.set.Value, p.execution(), r.item.At
	opened := p.opened
	return p.Do(func(ctx context.Context) tea.Msg {
		var o results.Object
		if opened && at.found.Set != nil {
			o = results.Object{Bucket: at.found.Set.Bucket, Key: at.found.Set.Parts[in.Part].Key}
		} else {
			_, found, err := find(ctx, &l, name)
			if err != nil {
				return linkMsg{err: err}
			}
			o = found.Object
		}
		if o.Key == "" {
			return linkMsg{err: fault.New(fault.NotFound, "execution %s has stored no prediction: its output is the prediction", name)}
		}
		url, until, err := l.store.Link(ctx, o, linkLife)
		return linkMsg{url, until, browse, err}
	})
}

// summarize makes the statistics over the open data set.
func (p *Panel) summarize() tea.Cmd {
	if p.summary != "" || p.set.Value.found == nil || p.set.Value.found.Set == nil {
		return nil
	}
	p.summary = "making the summary"
	set, name := p.set.Value.found.Set, p.name
	return p.Do(func(ctx context.Context) tea.Msg {
		stats, err := set.Stats(ctx)
		return statsMsg{name, len(set.Parts), set.Size(), stats, err}
	})
}

// acted takes the answers of dialogs and of questions.
func (p *Panel) acted(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case placeMsg:
		return p.goTo(m.to, "")
	case searchMsg:
		return p.goTo("0:0", m.text)
	case statsMsg:
		p.summary = ""
		if m.err != nil {
			return ui.Send(ui.Failed(m.err))
		}
		return p.ask(dialog.NewReader(p.th, "Predictions of "+m.name, "the summary", summaryText(p.th, &m)))
	case linkMsg:
		until := "a link that works until " + m.until.UTC().Format("15:04:05 UTC")
		switch {
		case m.err != nil:
			return ui.Send(ui.Failed(m.err))
		case m.browse:
			return ui.Send(ui.Browse{URL: m.url, What: until})
		}
		return ui.Send(ui.Copy{Text: m.url, What: until})
	}
	return nil
}
