package data

import (
	"context"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// Again returns existing pipelines as they were asked for, checked by the rules and
// with the files of today: what an up or a preview of them works on. It reads
// files. All errors come at once, each with the name of its pipeline.
func Again(ctx context.Context, s Source, list []pipelines.Pipeline) ([]*spec.Pipeline, error) {
	out := make([]*spec.Pipeline, 0, len(list))
	var errs fault.List
	for _, p := range list {
		if p.State == nil {
			read, err := s.Read(ctx, p.ID)
			if err != nil {
				errs = append(errs, fault.Wrap(err, "%s", p.ID))
				continue
			}
			p = read
		}
		again, err := AsAsked(ctx, s, p)
		if err != nil {
			errs = append(errs, fault.Wrap(err, "%s", p.ID))
			continue
		}
		out = append(out, again)
	}
	return out, errs.OrNil()
}

// AsAsked returns a pipeline as it was asked for, secrets included.
func AsAsked(ctx context.Context, s Source, p pipelines.Pipeline) (*spec.Pipeline, error) {
	switch {
	case p.State == nil:
		return nil, p.Err
	case p.State.Spec == nil:
		return nil, fault.New(fault.NotFound, "the stack holds no spec: its first update never got that far").
			WithHint("Create it anew with the same name, or destroy it to clear it away.")
	}
	return s.Rebuild(ctx, p)
}
