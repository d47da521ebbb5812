package render

import (
	"fmt"

	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// Attention says what a plan costs that its signs do not: what is not served
// meanwhile, and what is lost. One sentence for each, none if all is harmless.
func Attention(rows []stack.Row) []string {
	var out []string
	replaced, deleted := 0, 0
	for _, r := range rows {
		for _, d := range r.Diagnostics {
			// What is told of an endpoint without being a warning is about the plan as well.
			if d.Severity == stack.SeverityWarning || d.Severity == stack.SeverityInfo && r.Type == kinds.Endpoint && !d.Ephemeral {
				out = append(out, Line(d.Message, 0))
			}
		}
		if kinds.Engines(r.Type) {
			continue
		}
		name := Line(r.Name, 0)
		switch r.Op {
		case stack.OpReplace, stack.OpDeleteReplaced, stack.OpCreateReplacement:
			replaced++
			if e := kinds.OnReplace(r.Type); e.Weight == kinds.Grave {
				out = append(out, fmt.Sprintf("replacing %s: %s", name, e.Text))
			}
		case stack.OpDelete:
			deleted++
			if e := kinds.OnDelete(r.Type); e.Weight == kinds.Grave {
				out = append(out, fmt.Sprintf("deleting %s: %s", name, e.Text))
			}
		}
	}
	if replaced+deleted > 0 {
		out = append(out, fmt.Sprintf("%s replaced, %d deleted", Count(replaced, "resource is", "resources are"), deleted))
	}
	return out
}
