package deploy

import (
	"github.com/pipelinetui/pipelinetui/internal/program/kinds"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// meaning says what the replacement or deletion of a resource does to those who
// use the pipeline; grave if it takes something away from them.
func meaning(row stack.Row) (text string, grave bool) {
	var e kinds.Effect
	switch row.Op {
	case stack.OpReplace:
		e = kinds.OnReplace(row.Type)
	case stack.OpDelete:
		if e = kinds.OnDelete(row.Type); e.Weight == kinds.Harmless {
			return "", false // most of a destroy is: what hurts would drown
		}
	default:
	}
	return e.Text, e.Weight == kinds.Grave
}

// danger is one thing that an operation takes away.
type danger struct {
	id   spec.ID
	name string // of the resource
	text string
}

// dangers are what users of the pipeline lose by the changes in rows.
func dangers(id spec.ID, rows []stack.Row) []danger {
	var out []danger
	for _, r := range rows {
		if text, grave := meaning(r); grave {
			out = append(out, danger{id, r.Name, text})
		}
	}
	return out
}
