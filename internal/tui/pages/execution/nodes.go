package execution

import (
	"fmt"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/tui/ui"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// nodes are the states for the graph; they are found anew only if something has
// happened, or as time goes by while the execution runs.
func (p *Page) nodes(now time.Time) map[string]widget.NodeState {
	key := nodesKey{p.line, p.line.LastID, p.runs.changes, time.Time{}}
	if p.running() {
		key.now = now.Truncate(ui.BeatEvery / 4)
	}
	if key != p.nodesOf || p.nodesAre == nil {
		p.nodesOf, p.nodesAre = key, nodeStates(p.line, p.runs.counts(), now)
		p.trail.Add(p.line, p.leadsTo)
		for name, to := range p.trail.To {
			s := p.nodesAre[name]
			s.To = to
			p.nodesAre[name] = s
		}
	}
	return p.nodesAre
}

// nodesKey tells what nodes were found for.
type nodesKey struct {
	line    *executions.Timeline
	event   int64
	changes int
	now     time.Time
}

// nodeStates is what the graph shows of an execution. counts are those of Map Runs
// by state.
func nodeStates(t *executions.Timeline, counts map[string]string, now time.Time) map[string]widget.NodeState {
	type sum struct {
		last, n      int
		open, failed bool
		current      bool
	}
	sums := map[string]*sum{}
	inner := map[int]bool{} // visits with one inside that runs
	var s *sum
	for i := len(t.Visits) - 1; i >= 0; i-- {
		v := &t.Visits[i]
		if i+1 == len(t.Visits) || t.Visits[i+1].State != v.State { // the iterations of a Map come in a row
			if s = sums[v.State]; s == nil {
				s = &sum{last: i}
				sums[v.State] = s
			}
		}
		s.n++
		if v.Status.Open() {
			s.open = true
			inner[v.Parent] = true
			s.current = s.current || !inner[i]
		}
		s.failed = s.failed || v.Status == executions.VisitFailed || v.Status == executions.VisitTimedOut
	}
	out := make(map[string]widget.NodeState, len(sums))
	for name, s := range sums {
		v := &t.Visits[s.last]
		n := widget.NodeState{Status: v.Status, Current: s.current, Note: render.Duration(v.Duration(now)), Counts: counts[name]}
		switch {
		case s.open:
			n.Status = executions.VisitRunning
		case s.failed:
			n.Status = executions.VisitFailed
		}
		if s.n > 1 {
			n.Note = "×" + render.Number(int64(s.n))
		} else if r := v.Retries(); r > 0 {
			n.Note += fmt.Sprintf(" +%d", r)
		}
		if v.Map != nil && n.Counts == "" && v.Map.Run == "" {
			n.Counts = widget.MapCounts(v.Map)
		}
		out[name] = n
	}
	return out
}

// leadsTo tells whether the state machine has a transition from one state to
// another.
func (p *Page) leadsTo(from, to string) bool {
	if p.graph == nil {
		return false
	}
	for _, e := range p.graph.Transitions(from) {
		if e.To == to {
			return true
		}
	}
	return false
}
