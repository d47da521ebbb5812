package data

import (
	"context"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// Drift is what the newest refresh found to differ from the recorded state. It says
// nothing about later changes.
type Drift struct {
	// Found is how many resources differed or were gone.
	Found int
	// At is when the refresh ended; zero if none is known.
	At time.Time
	// Settled is set if something had drifted and an update ended well since: it has
	// put that right, as far as the program says anything about it.
	Settled bool
}

// Newest are the newest entry of a history and the newest refresh in it that ended
// well; nil where there is none. The history has its newest entry first.
func Newest(history []stack.Update) (last, refreshed *stack.Update) {
	for i := range history {
		if last == nil {
			last = &history[i]
		}
		if history[i].Kind == "refresh" && history[i].Result == string(stack.Succeeded) {
			return last, &history[i]
		}
	}
	return last, nil
}

// Known tells whether there was a refresh.
func (d Drift) Known() bool { return !d.At.IsZero() }

// Open tells whether drift was found that nothing is known to have put right.
func (d Drift) Open() bool { return d.Found > 0 && !d.Settled }

// Drift tells what the history knows of drift.
func (p Pipeline) Drift() Drift {
	if p.Refreshed == nil {
		return Drift{}
	}
	d := Drift{At: p.Refreshed.End}
	if d.At.IsZero() {
		d.At = p.Refreshed.Start
	}
	for op, n := range p.Refreshed.Changes {
		if op != stack.OpSame && op != stack.OpRead && op != stack.OpRefresh {
			d.Found += n
		}
	}
	d.Settled = d.Found > 0 && p.Last != nil && p.Last.Kind == "update" && p.Last.Result == string(stack.Succeeded) && p.Last.Start.After(p.Refreshed.Start)
	return d
}

// Created is when the oldest resource of the pipeline was made, zero if that is not
// known.
func (p Pipeline) Created() time.Time {
	var first time.Time
	if p.State == nil {
		return first
	}
	for _, r := range p.State.Resources {
		if !r.Created.IsZero() && (first.IsZero() || r.Created.Before(first)) {
			first = r.Created
		}
	}
	return first
}

// Again returns existing pipelines as they were asked for, checked by the rules and
// with the files of today: what an up or a preview of them works on. It reads
// files. All errors come at once, each with the name of its pipeline.
func Again(ctx context.Context, s Source, list []Pipeline) ([]*spec.Pipeline, error) {
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
		again, err := p.Again(ctx, s)
		if err != nil {
			errs = append(errs, fault.Wrap(err, "%s", p.ID))
			continue
		}
		out = append(out, again)
	}
	return out, errs.OrNil()
}

// Again returns the pipeline as it was asked for, secrets included.
func (p Pipeline) Again(ctx context.Context, s Source) (*spec.Pipeline, error) {
	switch {
	case p.State == nil:
		return nil, p.Err
	case p.State.Spec == nil:
		return nil, fault.New(fault.NotFound, "the stack holds no spec: its first update never got that far").
			WithHint("Create it anew with the same name, or destroy it to clear it away.")
	}
	return s.Rebuild(ctx, p)
}

// Reach returns what is needed to refresh or destroy a pipeline, whether or not its
// spec can be read; region is used where the spec names none.
func (p Pipeline) Reach(region string) *spec.Pipeline {
	if p.Spec != nil {
		return p.Spec
	}
	return &spec.Pipeline{ID: p.ID, Region: region}
}

// KindWord is the kind of an update as the tool's commands call it: "up" for
// "update".
func KindWord(kind string) string {
	if kind == "update" {
		return string(stack.OperationUp)
	}
	return kind
}
