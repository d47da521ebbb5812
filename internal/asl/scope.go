package asl

import (
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// scopes refuses variables of an inner workflow that have the name of one of a
// workflow around it (measured on AWS: github.com/gabrielmoreira/tiny-asl-machine,
// tests/conformance/cases/.snapshots/aws/Feature.JsonataScopeSource-001 and -002).
// The children of a distributed Map are executions of their own and see none of the
// parent's variables, so their names are free.
func (p *parser) scopes(workflow *value.Node, loc string, outer map[string]bool) {
	states := workflow.Get("States")
	if states == nil {
		return
	}
	here := map[string]bool{}
	for name := range outer {
		here[name] = true
	}
	for _, st := range states.Fields {
		at := loc + "/States/" + st.Key
		assigns(st.Node, at, func(assign *value.Node, loc string) {
			for _, f := range assign.Fields {
				name := strings.TrimSuffix(f.Key, ".$")
				if outer[name] {
					p.schema(f.Node, loc+"/"+f.Key, "The variable name '%s' was already defined in a parent scope.", name)
				}
				here[name] = true
			}
		})
	}
	for _, st := range states.Fields {
		at := loc + "/States/" + st.Key
		if branches := st.Node.Get("Branches"); branches != nil {
			for i, b := range branches.Items {
				p.scopes(b, at+"/Branches["+strconv.Itoa(i)+"]", here)
			}
		}
		for _, name := range []string{"ItemProcessor", "Iterator"} {
			inner := st.Node.Get(name)
			if inner == nil {
				continue
			}
			visible := here
			if mode := inner.Get("ProcessorConfig").Get("Mode"); mode != nil && mode.Value == "DISTRIBUTED" {
				visible = nil
			}
			p.scopes(inner, at+"/"+name, visible)
		}
	}
}

// assigns calls fn for every Assign of a state: its own, those of its rules and
// those of its catchers.
func assigns(state *value.Node, loc string, fn func(assign *value.Node, loc string)) {
	if a := state.Get("Assign"); a != nil {
		fn(a, loc+"/Assign")
	}
	for _, list := range []string{"Choices", "Catch"} {
		n := state.Get(list)
		if n == nil {
			continue
		}
		for i, item := range n.Items {
			if a := item.Get("Assign"); a != nil {
				fn(a, loc+"/"+list+"["+strconv.Itoa(i)+"]/Assign")
			}
		}
	}
}
