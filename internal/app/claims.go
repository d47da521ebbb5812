package app

import (
	"context"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// claimNames refuses pipelines whose names on AWS another pipeline has: one of the
// same request, or one with a stack on the backend. The second of two such would
// fail half-way, on whatever AWS makes first.
func (a *App) claimNames(ctx context.Context, t *Target, e *stack.Engine, pipelines []*spec.Pipeline) error {
	var claims spec.Claims
	var errs fault.List
	asked := map[spec.ID]bool{}
	bases := map[string]*spec.Pipeline{}
	for _, p := range pipelines {
		if err := claims.Add(p, t.accountOf(p)); err != nil {
			errs = append(errs, err)
		}
		asked[p.ID] = true
		if p.MayClash() {
			bases[p.BaseName()] = p
		}
	}
	if len(errs) > 0 || len(bases) == 0 {
		return errs.OrNil()
	}
	list, err := e.List(ctx)
	if err != nil {
		return err
	}
	for _, s := range list {
		id, err := spec.ParseStackName(s.Name)
		if err != nil || asked[id] || bases[id.BaseName()] == nil {
			continue
		}
		if other := a.holder(ctx, id, bases[id.BaseName()]); other != nil {
			if err := claims.Add(other, t.accountOf(other)); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errs.OrNil()
}

// holder is the pipeline of a stack that may have the names of p, or nil if the
// stack holds nothing. One whose spec can't be read is taken to be where p is.
func (a *App) holder(ctx context.Context, id spec.ID, p *spec.Pipeline) *spec.Pipeline {
	x := Existing{ID: id}
	a.read(ctx, &x)
	if x.State != nil && !slices.ContainsFunc(x.State.Resources, func(r stack.Resource) bool { return !strings.HasPrefix(r.Type, "pulumi:") }) {
		return nil
	}
	if x.Spec != nil {
		return x.Spec
	}
	return &spec.Pipeline{ID: id, Region: p.Region, AssumeRole: p.AssumeRole}
}
