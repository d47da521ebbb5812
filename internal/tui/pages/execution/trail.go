package execution

import (
	"slices"

	"github.com/pipelinetui/pipelinetui/internal/executions"
	"github.com/pipelinetui/pipelinetui/internal/tui/widget"
)

// trail is the way that an execution has gone from state to state. It grows with
// the timeline: each visit is looked at once.
type trail struct {
	line *executions.Timeline
	seen int
	// ends are visits, by the workflow that they are in, that no other has followed
	// yet: a Parallel state has one for each branch.
	ends map[workflow][]int
	to   map[string][]string
}

// workflow is one run of a list of states: of the execution, of a branch or of an
// iteration.
type workflow struct{ parent, iteration int }

// mostEnds bounds how far back is looked for what a visit may have followed: more
// branches at a time are of no use in a picture.
const mostEnds = 64

// add takes in visits that have come. leads tells which state can follow which.
func (t *trail) add(line *executions.Timeline, leads func(from, to string) bool) {
	if t.line != line {
		*t = trail{line: line, ends: map[workflow][]int{}, to: map[string][]string{}}
	}
	for ; t.seen < len(line.Visits); t.seen++ {
		v := &line.Visits[t.seen]
		in := workflow{v.Parent, -1}
		if v.Iteration != nil {
			in.iteration = *v.Iteration
		}
		ends := t.ends[in]
		for k := len(ends) - 1; k >= 0; k-- {
			from := line.Visits[ends[k]].State
			if !leads(from, v.State) {
				continue
			}
			if !slices.Contains(t.to[from], v.State) {
				t.to[from] = append(t.to[from], v.State)
			}
			ends = slices.Delete(ends, k, k+1)
			break
		}
		if len(ends) == mostEnds {
			ends = slices.Delete(ends, 0, 1)
		}
		t.ends[in] = append(ends, t.seen)
	}
}

// mark says of each state where it has led to.
func (t *trail) mark(states map[string]widget.NodeState) {
	for name, to := range t.to {
		s := states[name]
		s.To = to
		states[name] = s
	}
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
