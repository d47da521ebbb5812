package execution

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/theme"
	"github.com/pipelinetui/pipelinetui/internal/tui/keys"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// kind is which events are shown.
type kind int

const (
	kindAll kind = iota
	kindTransitions
	kindFailures
	kindCount
)

func (k kind) String() string {
	return [...]string{"all events", "transitions", "failures"}[k%kindCount]
}

// eventList lists up to 25,000 events. It grows without being sorted again, and
// draws visible rows only.
type eventList struct {
	th     *theme.Screen
	events []*executions.Event
	// shown are the events that fit the filter, as places in events; nil: all.
	shown  []int
	filter *widget.Filter
	kind   kind
	state  string // of one state only
	seen   int    // events that were filtered
	cursor widget.Cursor
	// following keeps the newest event selected.
	following bool
	// reading says that the selected event's text has the keys.
	reading bool
	text    *widget.Viewer
	textOf  int64
}

func newEventList(th *theme.Screen) *eventList {
	return &eventList{th: th, text: widget.NewViewer(th), filter: widget.NewFilter(th), following: true}
}

func (l *eventList) capturing() bool { return l.filter.Typing() || l.reading && l.text.Capturing() }

func (l *eventList) reset() {
	l.events, l.seen, l.textOf = nil, 0, 0
	if l.shown != nil {
		l.shown = l.shown[:0]
	}
}

// append shows the events with those that were added at their end.
func (l *eventList) append(events []*executions.Event) {
	l.events = events
	if l.filtered() {
		if l.shown == nil {
			l.shown = []int{}
		}
		for ; l.seen < len(events); l.seen++ {
			if l.fits(events[l.seen]) {
				l.shown = append(l.shown, l.seen)
			}
		}
	}
	if l.following {
		l.cursor.At = max(0, l.len()-1)
	}
}

func (l *eventList) filtered() bool {
	return l.filter.Text() != "" || l.kind != kindAll || l.state != ""
}

// refilter looks at all events anew: the selected one stays selected if it can.
func (l *eventList) refilter() {
	var id int64
	if e := l.selected(); e != nil {
		id = e.ID
	}
	l.shown, l.seen = nil, 0
	l.append(l.events)
	if l.following {
		return
	}
	l.cursor.At = 0
	for i := range l.len() {
		if l.at(i).ID > id {
			break
		}
		l.cursor.At = i
	}
}

// search is refilter for another text: it selects the first event that has it.
func (l *eventList) search() {
	l.following = l.following && l.filter.Text() == ""
	l.refilter()
	if l.filter.Text() != "" {
		l.cursor.Put(0, l.len())
	}
}

func (l *eventList) fits(e *executions.Event) bool {
	switch l.kind {
	case kindTransitions:
		if !strings.HasSuffix(e.Type, "StateEntered") && !strings.HasSuffix(e.Type, "StateExited") && !strings.HasPrefix(e.Type, "Execution") {
			return false
		}
	case kindFailures:
		if !bad(e) {
			return false
		}
	case kindAll, kindCount:
	}
	if l.state != "" && e.State != l.state {
		return false
	}
	for _, w := range strings.Fields(strings.ToLower(l.filter.Text())) {
		if !contains(e.Type, w) && !contains(e.State, w) && !contains(e.Error, w) && !contains(e.Cause, w) && !contains(e.Resource, w) &&
			!contains(e.Input, w) && !contains(e.Output, w) && strconv.FormatInt(e.ID, 10) != w {
			return false
		}
	}
	return true
}

// contains looks for a lower-case text in any letter case.
func contains(s, low string) bool { return s != "" && strings.Contains(strings.ToLower(s), low) }

func bad(e *executions.Event) bool {
	return e.Error != "" || strings.HasSuffix(e.Type, "Failed") || strings.HasSuffix(e.Type, "TimedOut") || strings.HasSuffix(e.Type, "Aborted")
}

func (l *eventList) len() int {
	if l.filtered() {
		return len(l.shown)
	}
	return len(l.events)
}

func (l *eventList) at(i int) *executions.Event {
	if l.filtered() {
		i = l.shown[i]
	}
	return l.events[i]
}

func (l *eventList) selected() *executions.Event {
	if l.cursor.At < 0 || l.cursor.At >= l.len() {
		return nil
	}
	return l.at(l.cursor.At)
}

// update takes a key or a mouse event of the list and reports whether it was its.
func (l *eventList) update(msg tea.Msg) bool {
	switch m := msg.(type) {
	case tea.KeyMsg:
		if !l.reading {
			return l.press(m)
		}
		if l.text.Update(m) {
			return true
		}
		if keys.Back.Is(m) || keys.Open.Is(m) {
			l.reading = false
			return true
		}
		return false
	case tea.MouseMsg:
		if place, ok := l.cursor.PlaceAt(m.Y-1, l.len()); ok && m.Button == tea.MouseButtonLeft && m.Action == tea.MouseActionPress {
			l.cursor.At, l.following, l.reading = place, false, false
			return true
		}
		return l.move(m)
	}
	return false
}

func (l *eventList) press(m tea.KeyMsg) bool {
	if keys.Back.Is(m) && l.filtered() && !l.filter.Typing() {
		l.filter.SetText("")
		l.kind, l.state = kindAll, ""
		l.refilter()
		return true
	}
	before := l.filter.Text()
	if l.filter.Press(m) {
		if l.filter.Text() != before {
			l.search()
		}
		return true
	}
	switch {
	case l.move(m):
	case keys.Open.Is(m):
		l.reading = l.selected() != nil
	case keys.EventKind.Is(m):
		l.kind = (l.kind + 1) % kindCount
		l.refilter()
	default:
		return false
	}
	return true
}

// move moves by a key or the wheel; at the end new events are followed.
func (l *eventList) move(msg tea.Msg) bool {
	ok := l.cursor.Update(msg, l.len())
	if ok {
		l.following = keys.Bottom.Is(msg)
	}
	return ok
}

// view draws the list: heads, rows, and what is filtered at the bottom.
func (l *eventList) view(width, height int, start time.Time) string {
	if width <= 0 || height <= 0 {
		return ""
	}
	top, end := l.cursor.Sight(l.len(), max(0, height-2))
	out := make([]string, 0, height)
	out = append(out, l.th.Column.Render(widget.Fit(l.row("#", "AFTER", "EVENT", "STATE", "", width), width, "")))
	for i := top; i < end; i++ {
		out = append(out, l.line(i, width, start))
	}
	for len(out) < height-1 {
		out = append(out, "")
	}
	if height > 1 {
		out = append(out, l.foot(top, end, width))
	}
	return widget.Box(strings.Join(out, "\n"), width, height)
}

// row lays the columns of a line out.
func (l *eventList) row(id, after, what, state, note string, width int) string {
	ell := l.th.Glyphs.Ellipsis
	rest := max(12, width-21)
	whatWidth := min(28, rest*11/20)
	stateWidth := max(4, min(26, rest-whatWidth-2))
	return "  " + widget.FitRight(id, 6, ell) + " " + widget.FitRight(after, 8, ell) + "  " + widget.Fit(what, whatWidth, ell) + "  " +
		widget.Fit(state, stateWidth, ell) + "  " + note
}

func (l *eventList) line(i, width int, start time.Time) string {
	e := l.at(i)
	note := render.Line(shorten(noteOf(e), 200), 0)
	text := widget.Fit(l.row(render.Number(e.ID), render.Duration(e.Time.Sub(start)), render.Line(e.Type, 0), render.Line(e.State, 0), note, width), width, l.th.Glyphs.Ellipsis)
	switch {
	case i == l.cursor.At && l.reading:
		return l.th.Border.Render(l.th.Glyphs.Cursor) + l.th.CursorOff.Render(ansi.TruncateLeft(text, 1, ""))
	case i == l.cursor.At:
		return l.th.Focus.Render(l.th.Glyphs.Cursor) + l.th.Cursor.Render(ansi.TruncateLeft(text, 1, ""))
	case bad(e):
		return l.th.Bad.Render(text)
	case strings.HasSuffix(e.Type, "Succeeded"):
		return l.th.Good.Render(text)
	case strings.HasSuffix(e.Type, "StateEntered"), strings.HasSuffix(e.Type, "StateExited"):
		return text
	}
	return l.th.Muted.Render(text)
}

// shorten cuts what is far too long before it is looked at.
func shorten(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// noteOf says the most important thing about an event.
func noteOf(e *executions.Event) string {
	switch {
	case e.Error != "":
		return e.Error + " " + executions.MessageOf(e.Cause)
	case e.Iteration != nil:
		return fmt.Sprintf("iteration %d", *e.Iteration)
	case e.Length != nil:
		return render.Count(*e.Length, "item", "items")
	case e.MapRun != "":
		return "Map Run " + e.MapRun[strings.LastIndexByte(e.MapRun, ':')+1:]
	case strings.HasSuffix(e.Type, "Scheduled") && e.Resource != "":
		return strings.TrimPrefix(e.Service+":"+e.Resource, ":")
	case e.Output != "":
		return e.Output
	}
	return e.Input
}

func (l *eventList) foot(top, end, width int) string {
	var parts []string
	if l.filter.Shown() {
		parts = append(parts, l.filter.View(max(8, width/2)))
	}
	if l.kind != kindAll {
		parts = append(parts, l.th.Warn.Render(l.kind.String()))
	}
	if l.state != "" {
		parts = append(parts, l.th.Warn.Render("of "+render.Line(l.state, 30)))
	}
	count := render.Number(int64(len(l.events))) + " events"
	if l.filtered() {
		count = render.Number(int64(l.len())) + " of " + count
	}
	if n := l.len(); n > end-top && n > 0 {
		count = fmt.Sprintf("%s-%s %s %s", render.Number(int64(top+1)), render.Number(int64(end)), l.th.Glyphs.Dot, count)
	}
	left := strings.Join(parts, "  ")
	room := width - ansi.StringWidth(count) - 1
	if room < 0 {
		return widget.Fit(count, width, "")
	}
	return widget.Fit(left, room, l.th.Glyphs.Ellipsis) + " " + l.th.Muted.Render(count)
}

// detail is the text of the selected event, as far as it has changed.
func (l *eventList) detail() *widget.Viewer {
	e := l.selected()
	switch {
	case e == nil:
		l.textOf = 0
		l.text.SetText("")
	case e.ID != l.textOf:
		l.textOf = e.ID
		l.text.SetText(eventText(e))
		l.text.Top()
	}
	return l.text
}

// eventText is all that is known of an event.
func eventText(e *executions.Event) string {
	var b strings.Builder
	put := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-12s %s\n", name, value)
		}
	}
	put("event", fmt.Sprintf("%d %s", e.ID, e.Type))
	put("time", e.Time.UTC().Format("2006-01-02 15:04:05.000 UTC"))
	put("after event", number(e.Previous))
	put("state", e.State)
	if e.Iteration != nil {
		put("iteration", strconv.Itoa(*e.Iteration))
	}
	if e.Length != nil {
		put("items", strconv.Itoa(*e.Length))
	}
	put("service", e.Service)
	put("resource", e.Resource)
	put("region", e.Region)
	put("role", e.Role)
	put("worker", e.Worker)
	put("Map Run", e.MapRun)
	put("alias", e.Alias)
	put("version", e.Version)
	put("timeout", seconds(e.TimeoutSeconds))
	put("heartbeat", seconds(e.HeartbeatSeconds))
	put("redrives", number(int64(e.Redrives)))
	put("expression", e.Location)
	put("error", e.Error)
	doc := func(name, text string, cut bool) {
		if text == "" {
			return
		}
		if cut {
			name += " (cut off by AWS)"
		}
		fmt.Fprintf(&b, "\n%s\n%s\n", name, render.JSON(text, ""))
	}
	doc("cause", e.Cause, false)
	doc("input", e.Input, e.InputTruncated)
	doc("output", e.Output, e.OutputTruncated)
	for name, v := range e.Assigned {
		doc("variable "+name, v, e.AssignedTruncated)
	}
	return strings.TrimRight(b.String(), "\n")
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func seconds(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10) + " s"
}
