package report

import (
	"slices"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

// executionView is a page about an execution as the template shows it.
type executionView struct {
	head
	Name, Pipeline, ARN, Ran  string
	Status, Mood, Sign        string
	Started, Stopped          stamp
	Duration, Events, Redrive string
	Error, FailedState        string
	Cause                     *block
	Graph                     *picture
	GraphNote                 string
	Scale                     []tick
	States                    []stateRow
	MoreStates                string
	Failures                  []failureRow
	MapRuns                   []mapRunView
	Data                      []*block
}

// stateRow is a visit of a state in the timeline.
type stateRow struct {
	Name, Type, Status, Mood, Sign string
	Indent                         int // CSS pixels
	After, Duration, Tries, Error  string
	Bars                           []bar
}

// bar is a part of a row in thousandths of the whole time.
type bar struct {
	X, W, Y, H int
	Mood       string
}

// tick is a mark of the scale over the bars.
type tick struct {
	X    int
	Text string
}

// failureRow is what went wrong alike.
type failureRow struct {
	Count                  string
	Mood, Status           string
	Error, Message         string
	Where                  string
	First, Last            stamp
	Versions, Example, Say string
	Commands               []string
}

type mapRunView struct {
	Label, Status, Mood, Sign, Duration, Rules string
	Counts                                     []countRow
	Failures                                   []failureRow
	Rest                                       string
}

// countRow is a row of a Map Run's numbers.
type countRow struct {
	Of                                                              string
	Total, Succeeded, Failed, TimedOut, Aborted, Running, Unstarted string
}

func newExecutionView(made Made, x *Execution) *executionView {
	d, t := x.Details, x.Timeline
	title := d.Name
	if x.Pipeline != "" {
		title = x.Pipeline + " " + d.Name
	}
	v := &executionView{
		head: newHead(made, title, x.Missing), Name: line(d.Name, nameRoom), Pipeline: line(x.Pipeline, nameRoom), ARN: line(d.ARN, textRoom), Ran: line(x.Ran, textRoom),
		Status: word(d.Status), Mood: mood(d.Status), Started: stampOf(d.Start), Stopped: stampOf(d.Stop), Duration: render.Duration(d.Duration(made.At)),
		Events: many(int(t.LastID), "event", "events"), Error: line(d.Error, textRoom),
	}
	v.Sign = sign(v.Mood)
	if d.Redrives > 0 {
		v.Redrive = many(d.Redrives, "redrive", "redrives")
	}
	if f := t.Failed(); f != nil {
		v.FailedState = line(f.State, nameRoom)
	}
	room := budget(pageRoom)
	v.Cause = room.block("Cause", d.Cause)
	if v.Cause != nil {
		v.Cause.Open = len(v.Cause.Text) < 2000
	}
	end := d.Stop
	if end.IsZero() {
		end = made.At
	}
	if v.Graph = graphOf(x.Definition, t, end); v.Graph == nil && x.Definition != "" {
		v.GraphNote = "The graph is left out: the definition has more states than can be looked at, or cannot be read."
	}
	v.timeline(t, d.Start, end)
	v.Failures = failuresOf(t)
	for i := range x.MapRuns {
		v.MapRuns = append(v.MapRuns, newMapRunView(&x.MapRuns[i], made.At))
	}
	v.Data = dataOf(&room, x)
	return v
}

// timeline makes the rows of the table of states. If there are too many, those that did not
// succeed are shown before others.
func (v *executionView) timeline(t *executions.Timeline, start, end time.Time) {
	if start.IsZero() {
		start = t.Start
	}
	whole := max(end.Sub(start), time.Millisecond)
	at := func(when time.Time) int { return int(max(0, min(1000, 1000*when.Sub(start)/whole))) }
	for i := range 5 {
		v.Scale = append(v.Scale, tick{i * 250, render.Duration(whole * time.Duration(i) / 4)})
	}
	shown, left := executions.ChooseVisits(t.Visits, rowsRoom)
	if left > 0 {
		v.MoreStates = many(left, "more visit of a state is", "more visits of states are") + " left out; those that did not succeed were taken first."
	}
	for _, i := range shown {
		x := &t.Visits[i]
		row := stateRow{
			Name: line(x.State, nameRoom), Type: line(x.Type, nameRoom), Status: statusWord(x.Status), Mood: visitMood(x.Status), Indent: 14 * min(x.Depth, 12),
			After: render.Duration(x.Entered.Sub(start)), Duration: render.Duration(x.Duration(end)), Error: line(x.Error, textRoom),
		}
		row.Sign = sign(row.Mood)
		if x.Iteration != nil {
			row.Name += " #" + render.Number(int64(*x.Iteration))
		}
		if len(x.Attempts) > 1 {
			row.Tries = many(len(x.Attempts), "attempt", "attempts")
		}
		row.Bars = barsOf(x, at, end)
		v.States = append(v.States, row)
	}
}

// mostBars bounds the attempts that a row shows.
const mostBars = 30

// barsOf are the time in a state, and over it each attempt if there was more than one.
func barsOf(x *executions.Visit, at func(time.Time) int, end time.Time) []bar {
	part := func(from, to time.Time, mood string) bar {
		if to.IsZero() {
			to = end
		}
		b := bar{X: min(at(from), 996), Mood: mood}
		b.W = max(4, at(to)-b.X)
		return b
	}
	bars := []bar{part(x.Entered, x.Exited, visitMood(x.Status))}
	bars[0].Y, bars[0].H = 1, 8
	if len(x.Attempts) < 2 {
		return bars
	}
	bars[0].Y, bars[0].H, bars[0].Mood = 4, 2, "none"
	for i := range x.Attempts {
		if a := &x.Attempts[i]; len(bars) <= mostBars {
			b := part(a.Scheduled, a.Ended, visitMood(a.Status))
			b.Y, b.H = 1, 8
			bars = append(bars, b)
		}
	}
	return bars
}

// failuresOf groups what went wrong in states by cause.
func failuresOf(t *executions.Timeline) []failureRow {
	type group struct {
		status       executions.VisitStatus
		error, alike string
		message      string
		n            int
		first, last  time.Time
		states       []string
	}
	var groups []*group
	add := func(v *executions.Visit, s executions.VisitStatus, name, cause string, at time.Time) {
		message := executions.MessageOf(cause)
		alike := executions.Alike(line(message, textRoom))
		i := slices.IndexFunc(groups, func(g *group) bool { return g.status == s && g.error == name && g.alike == alike })
		if i < 0 {
			if len(groups) == rowsRoom {
				return
			}
			i, groups = len(groups), append(groups, &group{status: s, error: name, alike: alike, message: message, first: at})
		}
		g := groups[i]
		g.n++
		g.last = at
		if state := line(v.State, nameRoom); !slices.Contains(g.states, state) && len(g.states) < 8 {
			g.states = append(g.states, state)
		}
	}
	for i := range t.Visits {
		v := &t.Visits[i]
		had := false
		for k := range v.Attempts {
			if a := &v.Attempts[k]; a.Error != "" || a.Cause != "" {
				add(v, a.Status, a.Error, a.Cause, a.Ended)
				had = true
			}
		}
		if !had && (v.Error != "" || v.Cause != "") {
			add(v, v.Status, v.Error, v.Cause, v.Exited)
		}
	}
	slices.SortStableFunc(groups, func(a, b *group) int { return b.n - a.n })
	var out []failureRow
	for _, g := range groups {
		out = append(out, failureRow{
			Count: render.Number(int64(g.n)), Mood: visitMood(g.status), Status: statusWord(g.status), Error: line(g.error, nameRoom), Message: line(g.message, textRoom),
			Where: strings.Join(g.states, ", "), First: stampOf(g.first), Last: stampOf(g.last),
		})
	}
	return out
}

func newMapRunView(r *MapRun, now time.Time) mapRunView {
	v := mapRunView{
		Label: line(r.Label, nameRoom), Status: word(r.Status), Mood: mood(r.Status), Duration: render.Duration(r.Duration(now)),
		Rules: render.AtOnce(&r.MapRun) + " · tolerates " + render.Tolerated(&r.MapRun),
	}
	v.Sign = sign(v.Mood)
	for _, of := range []struct {
		name string
		n    executions.Counts
	}{{"items", r.Items}, {"child executions", r.Children}} {
		n := render.Number
		v.Counts = append(v.Counts, countRow{
			of.name, n(of.n.Total), n(of.n.Succeeded), n(of.n.Failed), n(of.n.TimedOut), n(of.n.Aborted), n(of.n.Running),
			n(of.n.Pending + of.n.PendingRedrive),
		})
	}
	looked := int64(0)
	for _, f := range r.Failures[:min(len(r.Failures), rowsRoom)] {
		looked += int64(f.Count)
		v.Failures = append(v.Failures, failureRow{
			Count: render.Number(int64(f.Count)), Mood: mood(f.Status), Status: word(f.Status), Error: line(f.Error, nameRoom), Message: line(f.Message, textRoom),
			Say: line(f.ExampleMessage, textRoom), Example: line(f.Example, textRoom),
		})
	}
	if rest := r.Children.Unsuccessful() - looked; rest > 0 {
		v.Rest = "Of " + render.Number(looked+rest) + " children that did not succeed " + render.Number(looked) + " were looked at."
	}
	return v
}

// dataOf are the texts of an execution: its own, then those of its states, of what failed
// first.
func dataOf(room *budget, x *Execution) []*block {
	var out []*block
	add := func(b *block) {
		if b != nil {
			out = append(out, b)
		}
	}
	input := x.Details.Input
	if input == "" {
		input = x.Timeline.Input
	}
	add(room.block("Input of the execution", input))
	add(room.block("Output of the execution", x.Details.Output))
	shown, _ := executions.ChooseVisits(x.Timeline.Visits, rowsRoom)
	rank := func(i int) int {
		if x.Timeline.Visits[i].Error != "" {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(shown, func(a, b int) int { return rank(a) - rank(b) })
	for _, i := range shown {
		v := &x.Timeline.Visits[i]
		name := line(v.State, nameRoom)
		if v.Iteration != nil {
			name += " #" + render.Number(int64(*v.Iteration))
		}
		add(room.cut(name+": input", v.Input, v.InputBytes))
		add(room.cut(name+": output", v.Output, v.OutputBytes))
		add(room.block(name+": cause of "+line(v.Error, nameRoom), v.Cause))
	}
	add(room.block("Definition", x.Definition))
	return out
}
