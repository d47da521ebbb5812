package pipelines

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// Assent is what a person types to agree to a destroy. One pipeline's is its name.
// Of several it says how many go, or the one env in which all of them are: either is
// something that a slip of the finger or of the selection does not produce.
type Assent struct {
	// Asked are the texts to be named in the question, the usual one first.
	Asked []string
	taken []string
}

// AssentTo is the assent to the destroy of pipelines, at least one.
func AssentTo(ids []spec.ID) Assent {
	if len(ids) == 1 {
		return Assent{Asked: []string{ids[0].String()}}
	}
	count := "destroy " + strconv.Itoa(len(ids))
	a := Assent{Asked: []string{count}, taken: []string{count + " pipelines"}}
	if env := ids[0].Env; env != "" && !slices.ContainsFunc(ids, func(id spec.ID) bool { return id.Env != env }) {
		a.Asked = append(a.Asked, env)
	}
	return a
}

// Given tells whether a line that was typed agrees.
func (a Assent) Given(line string) bool {
	line = strings.Join(strings.Fields(line), " ")
	return slices.Contains(a.Asked, line) || slices.Contains(a.taken, line)
}
