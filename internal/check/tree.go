package check

import (
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// workflow is a set of states with a start, read leniently: a definition that
// is wrong in one place is checked in all others.
type workflow struct {
	node   *value.Node
	start  string
	states []*state
	byName map[string]*state
	// host is the Map or Parallel state it is in; distributed says that it runs
	// in executions of its own.
	host        *state
	distributed bool
	express     bool
}

type state struct {
	name    string
	key     int // offset of the name
	node    *value.Node
	typ     string
	jsonata bool
	in      *workflow
	inner   []*workflow
}

// edge is a transition, with the variables that taking it has assigned.
type edge struct {
	to      string
	node    *value.Node // the value of Next or Default
	assigns []string
	// anything: the variables are computed, so any may be among them.
	anything bool
	caught   bool
}

func newWorkflow(n *value.Node, jsonata bool, host *state) *workflow {
	w := &workflow{node: n, byName: map[string]*state{}, host: host, start: text(n.Get("StartAt"))}
	states := n.Get("States")
	if states == nil {
		return w
	}
	for _, f := range states.Fields {
		if !f.Node.IsObject() {
			continue
		}
		s := &state{name: f.Key, key: f.Offset, node: f.Node, typ: text(f.Node.Get("Type")), jsonata: jsonata, in: w}
		if l := f.Node.Get("QueryLanguage"); l != nil {
			s.jsonata = text(l) == "JSONata"
		}
		s.readInner(jsonata)
		w.states = append(w.states, s)
		w.byName[s.name] = s
	}
	return w
}

func (s *state) readInner(jsonata bool) {
	switch s.typ {
	case "Parallel":
		if b := s.node.Get("Branches"); b != nil {
			for _, n := range b.Items {
				s.inner = append(s.inner, newWorkflow(n, jsonata, s))
			}
		}
	case "Map":
		p := s.node.Get("ItemProcessor")
		if p == nil {
			p = s.node.Get("Iterator")
		}
		if p == nil {
			return
		}
		w := newWorkflow(p, jsonata, s)
		if c := p.Get("ProcessorConfig"); c != nil {
			w.distributed = text(c.Get("Mode")) == "DISTRIBUTED"
			w.express = w.distributed && text(c.Get("ExecutionType")) == "EXPRESS"
		}
		s.inner = append(s.inner, w)
	}
}

// walk visits every state, outer ones first.
func (w *workflow) walk(fn func(*state)) {
	for _, s := range w.states {
		fn(s)
		for _, in := range s.inner {
			in.walk(fn)
		}
	}
}

func (s *state) terminal() bool {
	end := s.node.Get("End")
	return s.typ == "Succeed" || s.typ == "Fail" || end != nil && end.Value == true
}

// edges lists where the state may lead.
func (s *state) edges() []edge {
	var out []edge
	add := func(n, holder *value.Node, caught bool) {
		if t := text(n); t != "" {
			e := edge{to: t, node: n, caught: caught}
			e.assigns, e.anything = assigned(holder.Get("Assign"))
			out = append(out, e)
		}
	}
	add(s.node.Get("Next"), s.node, false)
	if s.typ == "Choice" {
		for _, r := range items(s.node.Get("Choices")) {
			add(r.Get("Next"), r, false)
		}
		add(s.node.Get("Default"), s.node, false)
	}
	for _, c := range items(s.node.Get("Catch")) {
		add(c.Get("Next"), c, true)
	}
	return out
}

// assigned lists the variables of an Assign field.
func assigned(n *value.Node) (names []string, anything bool) {
	if n == nil {
		return nil, false
	}
	if !n.IsObject() {
		return nil, true
	}
	for _, f := range n.Fields {
		names = append(names, strings.TrimSuffix(f.Key, ".$"))
	}
	return names, false
}

// reachable returns the states that the given ones lead to, with themselves.
func (w *workflow) reachable(from ...string) map[string]bool {
	seen := map[string]bool{}
	for len(from) > 0 {
		name := from[0]
		from = from[1:]
		s := w.byName[name]
		if s == nil || seen[name] {
			continue
		}
		seen[name] = true
		for _, e := range s.edges() {
			from = append(from, e.to)
		}
	}
	return seen
}

// text is the string of a node, or "".
func text(n *value.Node) string {
	if n == nil {
		return ""
	}
	s, _ := n.Value.(string)
	return s
}

func items(n *value.Node) []*value.Node {
	if n == nil {
		return nil
	}
	return n.Items
}

// leaf is a string somewhere in a state, with the keys that lead to it.
type leaf struct {
	node *value.Node
	path []string // names of fields; elements of lists add nothing
}

func (l leaf) key() string {
	if len(l.path) == 0 {
		return ""
	}
	return l.path[len(l.path)-1]
}

func (l leaf) under(field string) bool { return len(l.path) > 0 && l.path[0] == field }

// leaves visits the strings of the state itself, not of the workflows inside it.
func (s *state) leaves(fn func(leaf)) {
	var visit func(n *value.Node, path []string)
	visit = func(n *value.Node, path []string) {
		for _, f := range n.Fields {
			if len(path) == 0 && (f.Key == "Branches" || f.Key == "ItemProcessor" || f.Key == "Iterator") {
				continue
			}
			visit(f.Node, append(path[:len(path):len(path)], f.Key))
		}
		for _, item := range n.Items {
			visit(item, path)
		}
		if _, ok := n.Value.(string); ok {
			fn(leaf{n, path})
		}
	}
	visit(s.node, nil)
}
