package check

import (
	"maps"
	"slices"
)

// known are the variables at a point: those that some way there has assigned,
// and those that every way has. Nothing is known of a point that no way leads to.
type known struct {
	reached  bool
	may      map[string]bool
	must     map[string]bool
	anything bool // computed names: any variable may be there
}

func (k known) clone() known {
	k.may, k.must = maps.Clone(k.may), maps.Clone(k.must)
	return k
}

func none() known { return known{reached: true, may: map[string]bool{}, must: map[string]bool{}} }

// join adds another way to a point; it tells whether that changed anything.
func (k *known) join(other known) bool {
	if !k.reached {
		*k = other.clone()
		return true
	}
	changed := false
	for name := range other.may {
		changed = changed || !k.may[name]
		k.may[name] = true
	}
	for name := range k.must {
		if !other.must[name] {
			delete(k.must, name)
			changed = true
		}
	}
	changed = changed || other.anything && !k.anything
	k.anything = k.anything || other.anything
	return changed
}

// variables finds reads of variables that were not assigned before. A state
// sees what the states before it have assigned, not its own: Assign, Output and
// the rest are evaluated together. Workflows inside a Map or Parallel state see
// those around them, except in distributed mode, and give none back.
// (step-functions/latest/dg/workflow-variables.html)
func (m *machine) variables() {
	everywhere := map[string]*state{}
	m.flow.walk(func(s *state) {
		for _, name := range s.assigns() {
			if everywhere[name] == nil {
				everywhere[name] = s
			}
		}
	})
	m.scope(m.flow, none(), everywhere)
}

func (s *state) assigns() []string {
	own, _ := assigned(s.node.Get("Assign"))
	for _, e := range s.edges() {
		own = append(own, e.assigns...)
	}
	return own
}

func (m *machine) scope(w *workflow, outer known, everywhere map[string]*state) {
	at := map[string]*known{}
	for _, s := range w.states {
		at[s.name] = &known{}
	}
	todo := []string{}
	if w.byName[w.start] != nil {
		*at[w.start] = outer.clone()
		todo = append(todo, w.start)
	}
	for len(todo) > 0 {
		s := w.byName[todo[0]]
		todo = todo[1:]
		for _, e := range s.edges() {
			if w.byName[e.to] == nil {
				continue
			}
			after := at[s.name].clone()
			for _, name := range e.assigns {
				after.may[name], after.must[name] = true, true
			}
			after.anything = after.anything || e.anything
			if at[e.to].join(after) {
				todo = append(todo, e.to)
			}
		}
	}
	for _, s := range w.states {
		k := *at[s.name]
		if !k.reached || !m.reached[s] {
			continue // told already that nothing leads here
		}
		m.reads(s, k, everywhere)
		for _, in := range s.inner {
			if in.distributed {
				k = none()
			}
			m.scope(in, k, everywhere)
		}
	}
}

// reads checks the variables that a state reads.
func (m *machine) reads(s *state, k known, everywhere map[string]*state) {
	for _, r := range m.readsOf(s) {
		switch {
		case k.must[r.name] || k.anything:
		case k.may[r.name] && r.guarded:
		case k.may[r.name]:
			m.at(r.offset, Warning, "maybe-undefined-variable", "Assign it on every way to this state, or ask $exists($"+r.name+") first.",
				"state %q reads $%s, which not every way to it has assigned", s.name, r.name)
		default:
			m.at(r.offset, Error, "undefined-variable", hintFor(r, s, everywhere), "state %q reads the variable $%s, which nothing before it has assigned", s.name, r.name)
		}
	}
}

func hintFor(r read, s *state, everywhere map[string]*state) string {
	by := everywhere[r.name]
	switch {
	case by == s:
		return "Read it in a later state: Assign and the state's other fields are evaluated together."
	case by != nil && outside(by.in, s.in):
		return "Pass it in with ItemSelector: the executions of a distributed Map do not see the variables around it."
	case by != nil && by.in != s.in:
		return "Return it in the output of " + by.in.host.typ + " state \"" + by.in.host.name + "\": variables stay inside."
	case by != nil:
		return "Assign it in a state before this one; now only \"" + by.name + "\" does."
	}
	otherwise := "Assign it in a state before this one."
	if !s.jsonata {
		otherwise = "Assign it in a state before this one, or write $." + r.name + " for a field of the input."
	}
	return suggestion("$"+r.name, dollars(everywhere), otherwise)
}

func dollars(names map[string]*state) []string {
	var out []string
	for _, n := range slices.Sorted(maps.Keys(names)) {
		out = append(out, "$"+n)
	}
	return out
}

// outside tells whether w lies around in.
func outside(w, in *workflow) bool {
	for in.host != nil {
		if in = in.host.in; in == w {
			return true
		}
	}
	return false
}
