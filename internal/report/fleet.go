package report

import (
	"cmp"
	"slices"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

// fleetView is a page about many executions as the template shows it.
type fleetView struct {
	head
	Chosen      []string
	Total       string
	First, Last stamp
	Statuses    []statusShare
	Failures    []failureRow
	Undescribed string
	Pipelines   []pipelineRow
	MorePipes   string
	Columns     []column
	ColumnStep  string
	Bad         []memberRow
	MoreBad     string
	Note        string
}

// statusShare is how many ended so.
type statusShare struct {
	Status, Mood, Sign, Count, Share string
}

type pipelineRow struct {
	Name, Total, Succeeded, Failed, Stopped, Running, Share string
	Mood                                                    string
	Last                                                    stamp
}

// column is what began in one stretch of time.
type column struct {
	X, W, Good, GoodY, Bad, BadY int
	Title                        string
}

type memberRow struct {
	Pipeline, Name, Status, Mood, Sign, Duration, Error string
	Started                                             stamp
}

func newFleetView(made Made, f *Fleet) *fleetView {
	v := &fleetView{head: newHead(made, f.Title, f.Missing), Total: many(len(f.Members), "execution", "executions")}
	for _, c := range f.Chosen {
		v.Chosen = append(v.Chosen, line(c, textRoom))
	}
	if f.More {
		v.Note = "There are more executions than were listed: these are the newest."
	}
	counts := map[executions.Status]int{}
	var first, last time.Time
	for i := range f.Members {
		m := &f.Members[i]
		counts[m.Status]++
		if first.IsZero() || m.Start.Before(first) {
			first = m.Start
		}
		if m.Start.After(last) {
			last = m.Start
		}
	}
	v.First, v.Last = stampOf(first), stampOf(last)
	for _, s := range []executions.Status{executions.Succeeded, executions.Failed, executions.TimedOut, executions.Aborted, executions.Running, executions.PendingRedrive} {
		if n := counts[s]; n > 0 {
			v.Statuses = append(v.Statuses, statusShare{word(s), mood(s), sign(mood(s)), render.Number(int64(n)), percent(n, len(f.Members))})
		}
	}
	for i := range f.Groups[:min(len(f.Groups), rowsRoom)] {
		v.Failures = append(v.Failures, groupRow(&f.Groups[i]))
	}
	if f.Undescribed > 0 {
		v.Undescribed = many(f.Undescribed, "failed execution was", "failed executions were") + " not asked why: no group has them."
	}
	v.perPipeline(f.Members)
	v.columns(f.Members, first, last)
	v.bad(f.Members, made.At)
	return v
}

// many is a number of things with its thousands set apart.
func many(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return render.Number(int64(n)) + " " + more
}

func percent(n, of int) string {
	if of == 0 {
		return ""
	}
	tenths := (1000*n + of/2) / of
	if tenths == 0 && n > 0 {
		return "< 0.1 %"
	}
	return render.Number(int64(tenths/10)) + "." + string(rune('0'+tenths%10)) + " %"
}

func groupRow(g *Group) failureRow {
	row := failureRow{
		Count: render.Number(int64(g.Count)), Mood: mood(g.Status), Status: word(g.Status), Error: line(g.Error, nameRoom), Message: line(g.Message, textRoom),
		Where: joined(g.Pipelines), First: stampOf(g.First), Last: stampOf(g.Last), Versions: joined(g.Versions), Example: line(g.Example, textRoom),
	}
	for _, c := range []string{g.Look, g.Data, g.Again} {
		if c != "" {
			row.Commands = append(row.Commands, line(c, textRoom))
		}
	}
	return row
}

// mostNames is how many names are told of a list.
const mostNames = 12

func joined(names []string) string {
	text := ""
	for i, n := range names {
		if i == mostNames {
			return line(text, 2*textRoom) + " and " + render.Number(int64(len(names)-i)) + " more"
		}
		if i > 0 {
			text += ", "
		}
		text += line(n, nameRoom)
	}
	return line(text, 2*textRoom)
}

func unsuccessful(s executions.Status) bool {
	return s == executions.Failed || s == executions.TimedOut || s == executions.Aborted
}

// perPipeline counts by pipeline, the worst first.
func (v *fleetView) perPipeline(all []Member) {
	type sum struct {
		name                                  string
		total, good, failed, stopped, running int
		last                                  time.Time
	}
	sums := map[string]*sum{}
	for i := range all {
		m := &all[i]
		s := sums[m.Pipeline]
		if s == nil {
			s = &sum{name: m.Pipeline}
			sums[m.Pipeline] = s
		}
		s.total++
		switch m.Status {
		case executions.Succeeded:
			s.good++
		case executions.Failed, executions.TimedOut:
			s.failed++
		case executions.Aborted:
			s.stopped++
		case executions.Running, executions.PendingRedrive:
			s.running++
		}
		if m.Start.After(s.last) {
			s.last = m.Start
		}
	}
	list := make([]*sum, 0, len(sums))
	for _, s := range sums {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *sum) int {
		return cmp.Or(cmp.Compare(b.failed*max(1, a.total), a.failed*max(1, b.total)), cmp.Compare(b.failed, a.failed), cmp.Compare(a.name, b.name))
	})
	if len(list) > rowsRoom {
		v.MorePipes = render.Number(int64(len(list)-rowsRoom)) + " more pipelines with a smaller share of failures are left out."
		list = list[:rowsRoom]
	}
	n := func(i int) string { return render.Number(int64(i)) }
	for _, s := range list {
		row := pipelineRow{
			Name: line(s.name, nameRoom), Total: n(s.total), Succeeded: n(s.good), Failed: n(s.failed), Stopped: n(s.stopped), Running: n(s.running),
			Share: percent(s.failed, s.total), Last: stampOf(s.last), Mood: "good",
		}
		if s.failed > 0 {
			row.Mood = "bad"
		}
		v.Pipelines = append(v.Pipelines, row)
	}
}

// mostColumns is how many stretches of time the chart has.
const mostColumns = 60

// columns counts what began when.
func (v *fleetView) columns(all []Member, first, last time.Time) {
	if len(all) < 2 || !last.After(first) {
		return
	}
	step := last.Sub(first)/mostColumns + 1
	good, bad := make([]int, mostColumns), make([]int, mostColumns)
	most := 1
	for i := range all {
		k := min(mostColumns-1, int(all[i].Start.Sub(first)/step))
		if unsuccessful(all[i].Status) {
			bad[k]++
		} else {
			good[k]++
		}
		most = max(most, good[k]+bad[k])
	}
	v.ColumnStep = render.Duration(step)
	const high, wide = 100, 1000 / mostColumns
	for k := range good {
		if good[k]+bad[k] == 0 {
			continue
		}
		c := column{X: k * 1000 / mostColumns, W: wide - 1, Bad: (bad[k]*high + most - 1) / most, Good: (good[k]*high + most - 1) / most}
		c.BadY, c.GoodY = high-c.Bad, max(0, high-c.Bad-c.Good)
		c.Title = stampOf(first.Add(time.Duration(k)*step)).Text + ": " + render.Number(int64(good[k]+bad[k])) + ", of which " + render.Number(int64(bad[k])) + " did not succeed"
		v.Columns = append(v.Columns, c)
	}
}

// bad lists those that did not succeed.
func (v *fleetView) bad(all []Member, now time.Time) {
	left := 0
	for i := range all {
		m := &all[i]
		if !unsuccessful(m.Status) {
			continue
		}
		if len(v.Bad) == rowsRoom {
			left++
			continue
		}
		why := m.Error
		if m.Cause != "" {
			why += ": " + line(m.Cause, textRoom)
		}
		row := memberRow{
			Pipeline: line(m.Pipeline, nameRoom), Name: line(m.Name, nameRoom), Status: word(m.Status), Mood: mood(m.Status), Started: stampOf(m.Start),
			Duration: render.Duration(m.Duration(now)), Error: line(why, textRoom),
		}
		row.Sign = sign(row.Mood)
		v.Bad = append(v.Bad, row)
	}
	if left > 0 {
		v.MoreBad = render.Number(int64(left)) + " more are left out."
	}
}
