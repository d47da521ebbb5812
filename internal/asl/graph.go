package asl

import (
	"fmt"
	"strconv"
	"strings"
)

// Graph is a definition as nodes and edges, for drawing.
type Graph struct {
	// Nodes are in the order of the definition; a state's inner workflows follow it.
	Nodes []Node
	Edges []Edge
}

// Node is a state.
type Node struct {
	Name string
	Type Type
	// Detail is what the state works on: a Task's resource, how a Map runs its
	// iterations, how long a Wait waits, a Fail's error.
	Detail string
	// Parent is the Parallel or Map state around it, empty at the top.
	Parent string
	// Branch is the number of the Parallel state's branch, from 0.
	Branch  int
	Start   bool // first of its workflow
	End     bool // may end its workflow
	Retries bool
}

// EdgeKind tells why an edge is taken.
type EdgeKind string

// The kinds of edges.
const (
	EdgeNext    EdgeKind = "next"
	EdgeChoice  EdgeKind = "choice"
	EdgeDefault EdgeKind = "default"
	EdgeCatch   EdgeKind = "catch"
)

// Edge is a transition between two states of one workflow.
type Edge struct {
	From, To string
	Kind     EdgeKind
	// Label is the condition or the errors, as written.
	Label string
}

// Graph returns the machine's graph.
func (m *Machine) Graph() Graph {
	var g Graph
	g.add(&m.Workflow, "", 0)
	return g
}

func (g *Graph) add(w *Workflow, parent string, branch int) {
	for _, s := range w.States {
		g.Nodes = append(g.Nodes, Node{
			Name: s.Name, Type: s.Type, Detail: s.detail(), Parent: parent, Branch: branch,
			Start: s.Name == w.StartAt, End: s.Terminal(), Retries: len(s.Retry) > 0,
		})
		if s.Next != "" {
			g.Edges = append(g.Edges, Edge{s.Name, s.Next, EdgeNext, ""})
		}
		for _, r := range s.Choices {
			g.Edges = append(g.Edges, Edge{s.Name, r.Next, EdgeChoice, r.label()})
		}
		if s.Default != "" {
			g.Edges = append(g.Edges, Edge{s.Name, s.Default, EdgeDefault, ""})
		}
		for _, c := range s.Catch {
			g.Edges = append(g.Edges, Edge{s.Name, c.Next, EdgeCatch, strings.Join(c.ErrorEquals, ", ")})
		}
		for i, b := range s.Branches {
			g.add(b, s.Name, i)
		}
		if s.Map != nil {
			g.add(s.Map.Processor, s.Name, 0)
		}
	}
}

// detail is Node.Detail.
func (s *State) detail() string {
	switch {
	case s.Map != nil && s.Map.Distributed:
		return "distributed " + strings.ToLower(s.Map.ExecutionType)
	case s.Map != nil:
		return "inline"
	case s.Type == Wait && s.Seconds.IsSet():
		return s.Seconds.text() + " s"
	case s.Type == Wait:
		return "until " + s.Timestamp.text()
	case s.Type == Fail:
		return s.Error.text()
	}
	return s.Resource
}

// text is the value as written.
func (s Scalar) text() string {
	switch {
	case s.Expr != nil:
		return s.Expr.Text
	case s.Literal == nil:
		return ""
	}
	return fmt.Sprint(s.Literal)
}

func (r *Rule) label() string {
	if r.Condition != nil {
		if r.Condition.Expr != nil {
			return r.Condition.Expr.Text
		}
		return "constant"
	}
	return r.Test.label()
}

func (t *Test) label() string {
	switch {
	case t == nil:
		return ""
	case len(t.Tests) > 0:
		parts := make([]string, len(t.Tests))
		for i, inner := range t.Tests {
			parts[i] = inner.label()
		}
		if t.Op == "Not" {
			return "not (" + parts[0] + ")"
		}
		return "(" + strings.Join(parts, ") "+strings.ToLower(t.Op)+" (") + ")"
	case t.Variable == nil:
		return t.Op
	default:
		return strings.TrimSpace(t.Variable.Text + " " + t.Op + " " + t.right())
	}
}

// right is the right side of a comparison; "true" goes without saying.
func (t *Test) right() string {
	switch v := t.Literal.(type) {
	case string:
		return strconv.Quote(v)
	case bool:
		if v {
			return ""
		}
	}
	switch {
	case t.Path != nil:
		return t.Path.Text
	case t.Literal == nil:
		return ""
	}
	return fmt.Sprint(t.Literal)
}
