package program

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// RoleGrants returns the statements that the policies of a pipeline's own roles will have
// together, as a JSON list in IAM's words. OwnKey stands there for the pipeline's own key,
// which nobody knows before it was made. Nobody is asked for anything.
func RoleGrants(p *spec.Pipeline, t *spec.Template, env Env) (json.RawMessage, error) {
	pl, err := newPlan(p, t, env)
	if err != nil {
		return nil, err
	}
	all := []statement{}
	for _, r := range slices.Sorted(maps.Keys(pl.grants)) {
		all = append(all, pl.grants[r]...)
	}
	for i := range all { // a list is read more easily than one or many
		all[i].Action, all[i].Resource = slices.Clone(all[i].Action), slices.Clone(all[i].Resource)
	}
	raw, err := json.Marshal(all)
	return raw, fault.Wrap(err, "the grants of %s", p.ID)
}

// OwnKey is what stands in the statements of RoleGrants for the key of the pipeline.
const OwnKey = keyARN
