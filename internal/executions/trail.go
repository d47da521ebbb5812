package executions

import "slices"

// Trail is the way that an execution has gone from state to state. It grows with
// the timeline: each visit is looked at once. The zero value is ready; it is not safe for
// concurrent use.
type Trail struct {
	// To are the states that each has led to, by name.
	To map[string][]string

	line *Timeline
	seen int
	// ends are visits, by the workflow that they are in, that no other has followed
	// yet: a Parallel state has one for each branch.
	ends map[workflow][]int
}

// workflow is one run of a list of states: of the execution, of a branch or of an
// iteration.
type workflow struct{ parent, iteration int }

// mostEnds bounds how far back is looked for what a visit may have followed: more
// branches at a time are of no use in a picture.
const mostEnds = 64

// Add takes in visits that have come; those of another timeline begin anew. leads tells
// which state can follow which.
func (t *Trail) Add(line *Timeline, leads func(from, to string) bool) {
	if t.line != line {
		*t = Trail{line: line, ends: map[workflow][]int{}, To: map[string][]string{}}
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
			if !slices.Contains(t.To[from], v.State) {
				t.To[from] = append(t.To[from], v.State)
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
