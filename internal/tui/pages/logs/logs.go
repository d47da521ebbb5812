// Package logs is the stream of what a pipeline logs: function, endpoint and state machine
// in the order of time, followed as they grow. The pipeline's page embeds it. It may import
// what pages may.
package logs

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/pipelinetui/pipelinetui/internal/logstream"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

const (
	// maxLines bounds the lines that are kept, the newest, and those of one look at a group;
	// maxBytes bounds their texts, of which one may be a megabyte.
	maxLines = 10_000
	maxBytes = 32 << 20
	// maxWhole bounds what is kept of a line beside its text, for its row.
	maxWhole = 1000
)

// sources are what can be looked at: all groups, or one.
var sources = []string{"", pipelines.LogsFunction, pipelines.LogsEndpoint, pipelines.LogsStates}

// levels are the least levels that can be asked for.
var levels = []logstream.Level{logstream.Unknown, logstream.Debug, logstream.Info, logstream.Warn, logstream.Error}

// Panel is the stream. Its methods are called by the program's goroutine.
type Panel struct {
	*ui.Host
	th *theme.Screen
	id spec.ID

	source string
	level  logstream.Level
	since  string
	filter *widget.Filter
	grep   *regexp.Regexp
	// wrong is why the filter is taken as a text, "" if it is a regular expression.
	wrong string

	// stream is what is read, nil before the first answer. One look at it goes on at most.
	stream *stream
	look   ui.Loader[news]
	lines  []line
	shown  []int // places in lines that the filter lets through
	// sift finds what a new filter lets through of the lines that there are, by their
	// numbers: to look through all of them takes longer than a frame may.
	sift ui.Loader[map[int]bool]
	// read is how many lines came so far: the number of the next one.
	read           int
	dropped        int // of the oldest that were read and kept
	grid           *widget.Grid
	paused, hidden bool
}

// stream is a reader with how far it has come.
type stream struct {
	reader   *logstream.Reader
	follower *logstream.Follower
}

// news is what a look brings.
type news struct {
	stream  *stream
	lines   []line
	left    int64 // lines that the stream left out so far
	missing []string
}

// line is a line taken apart.
type line struct {
	number int
	logstream.Line
	level logstream.Level
	// whole is the beginning of message and fields in one.
	whole string
	// passes tells that the filter lets it through.
	passes bool
}

// sinceMsg is the answer from when on lines are wanted.
type sinceMsg struct{ since string }

// New returns the stream of a pipeline's logs.
func New(h *ui.Host, id spec.ID) *Panel {
	p := &Panel{Host: h, th: &h.Env.Theme, id: id, since: "1h", filter: widget.NewFilter(&h.Env.Theme)}
	p.grid = widget.NewGrid(p.th,
		widget.Column{Title: "TIME", Min: 12},
		widget.Column{Title: "FROM", Min: 8, Drop: 1},
		widget.Column{Title: "LEVEL", Min: 5, Drop: 2},
		widget.Column{Title: "MESSAGE", Min: 10, Flex: 1},
	)
	p.grid.SetRows(rows{p})
	return p
}

// Init begins to read.
func (p *Panel) Init() tea.Cmd { return p.next() }

// Age is when the logs were looked at last.
func (p *Panel) Age() time.Time { return p.look.At }

// Capturing tells that the filter is being typed.
func (p *Panel) Capturing() bool { return p.filter.Typing() }

// Clears tells that esc takes the filter away.
func (p *Panel) Clears() bool { return p.filter.Text() != "" }

// Update takes what the page was told.
func (p *Panel) Update(msg tea.Msg) tea.Cmd {
	switch m := msg.(type) {
	case tea.KeyMsg:
		return p.key(m)
	case tea.MouseMsg:
		m.Y -= headRows
		p.grid.Update(m)
		return nil
	case sinceMsg:
		p.since = m.since
		return p.afresh()
	case ui.Beat:
		return p.beat()
	case ui.Shown:
		p.hidden = false
		return p.beat()
	case ui.Hidden:
		p.hidden = true
		return nil
	case ui.Reload:
		return p.afresh()
	case ui.Changed:
		if slices.Contains(m.IDs, p.id) {
			return p.afresh()
		}
		return nil
	}
	switch {
	case p.look.Take(msg):
		p.took()
	case p.sift.Take(msg):
		for i := range p.lines {
			if passes, known := p.sift.Value[p.lines[i].number]; known {
				p.lines[i].passes = passes
			}
		}
		p.sift.Reset()
		p.arrange()
	}
	return nil
}

// beat looks again when it is time.
func (p *Panel) beat() tea.Cmd {
	every := ui.LogsEvery
	if p.look.Err != nil {
		every = ui.RetryAfter
	}
	if p.hidden || p.paused || !p.look.Due(p.Env.Now(), every) {
		return nil
	}
	return p.next()
}

// afresh forgets what was read and reads anew: something else is asked for. The answer of
// a look that is under way is not waited for; it has its own stream.
func (p *Panel) afresh() tea.Cmd {
	p.stream, p.lines, p.dropped = nil, nil, 0
	p.sift.Reset()
	p.arrange()
	return p.next()
}

// next looks for what was logged since the last look.
func (p *Panel) next() tea.Cmd {
	source, id, now, since := p.Env.Source, p.id, p.Env.Now(), p.since
	var which []string
	if p.source != "" {
		which = []string{p.source}
	}
	at := p.stream
	return p.look.Ask(p.Host, func(ctx context.Context) (news, error) {
		if at == nil {
			r, err := source.LogStream(ctx, id, which, "")
			if err != nil {
				return news{}, err
			}
			back, err := time.ParseDuration(since)
			if err != nil {
				return news{}, err
			}
			at = &stream{reader: r, follower: r.Follower(now.Add(-back))}
			at.follower.Limit, at.follower.Bytes = maxLines, maxBytes
		}
		lines, err := at.follower.Next(ctx)
		if err != nil {
			return news{}, err
		}
		n := news{stream: at, left: at.follower.Left, missing: at.reader.Missing(), lines: make([]line, len(lines))}
		for i := range lines {
			n.lines[i] = parse(lines[i])
		}
		return n, nil
	})
}

// parse takes a line apart.
func parse(l logstream.Line) line {
	parsed := logstream.Parse(l.Text)
	text := whole(&parsed)
	if len(text) > maxWhole {
		text = strings.ToValidUTF8(strings.Clone(text[:maxWhole]), "") // and the rest goes
	}
	return line{Line: l, level: parsed.Level, whole: text}
}

// whole is message and fields of a line in one.
func whole(l *logstream.Parsed) string {
	if len(l.Fields) == 0 {
		return l.Message
	}
	var b strings.Builder
	b.WriteString(l.Message)
	for _, f := range l.Fields {
		b.WriteString(" " + f.Name + "=" + f.Value)
	}
	return b.String()
}

// took takes in what a look has brought: behind what there is, in the order of time.
func (p *Panel) took() {
	if p.look.Err != nil {
		return
	}
	n := p.look.Value
	p.stream = n.stream
	if len(n.lines) == 0 {
		return
	}
	late := len(p.lines) > 0 && n.lines[0].Time.Before(p.lines[len(p.lines)-1].Time)
	passes := p.test()
	for i := range n.lines {
		l := &n.lines[i]
		l.number, l.passes = p.read, passes(l)
		p.read++
	}
	p.look.Value.lines = nil // they are the panel's now
	p.lines = append(p.lines, n.lines...)
	if late {
		slices.SortStableFunc(p.lines, func(a, b line) int { return a.Time.Compare(b.Time) })
	}
	if over := logstream.Beyond(len(p.lines), maxLines, maxBytes, func(i int) int { return len(p.lines[i].Text) }); over > 0 {
		p.lines, p.dropped = slices.Clone(p.lines[over:]), p.dropped+over
	}
	p.arrange()
}

// test is what the filter lets through. It may be called by any goroutine.
func (p *Panel) test() func(*line) bool {
	level, grep, text := p.level, p.grep, strings.ToLower(p.filter.Text())
	return func(l *line) bool {
		switch {
		case l.level < level:
			return false
		case grep != nil:
			return grep.MatchString(l.Text)
		default:
			return text == "" || strings.Contains(strings.ToLower(l.Text), text)
		}
	}
}

// refilter finds in the background which lines a new filter lets through. Those that come
// meanwhile are looked at as they come.
func (p *Panel) refilter() tea.Cmd {
	passes, lines := p.test(), slices.Clone(p.lines)
	return p.sift.Ask(p.Host, func(ctx context.Context) (map[int]bool, error) {
		out := make(map[int]bool, len(lines))
		for i := range lines {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			out[lines[i].number] = passes(&lines[i])
		}
		return out, nil
	})
}

// arrange finds which lines are shown. The cursor stays at the end if it is there.
func (p *Panel) arrange() {
	end := p.atEnd()
	p.shown = p.shown[:0]
	for i := range p.lines {
		if p.lines[i].passes {
			p.shown = append(p.shown, i)
		}
	}
	p.grid.SetRows(rows{p})
	if end {
		p.grid.Update(keys.Msg(keys.Bottom.Keys[0]))
	}
}

// atEnd tells that the newest line is under the cursor, or that there is none.
func (p *Panel) atEnd() bool {
	i, ok := p.grid.Selected()
	return !ok || i == len(p.shown)-1
}

// setFilter reads the filter: a regular expression, or what is none as a text.
func (p *Panel) setFilter() tea.Cmd {
	text := p.filter.Text()
	p.grep, p.wrong = nil, ""
	if text != "" {
		grep, err := regexp.Compile(text)
		if err != nil {
			p.wrong = "no regular expression: taken as a text"
		} else {
			p.grep = grep
		}
	}
	return p.refilter()
}

// selected is the line under the cursor, nil if there is none.
func (p *Panel) selected() *line {
	if i, ok := p.grid.Selected(); ok && i < len(p.shown) {
		return &p.lines[p.shown[i]]
	}
	return nil
}
