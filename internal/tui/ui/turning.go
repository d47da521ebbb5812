package ui

import (
	"context"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
)

// Turn is what moves over of a pipeline and can be turned back.
type Turn struct {
	Pipeline *spec.Pipeline
	Rollouts []*stack.Rollout
}

// Turns are those of the job's pipelines, in the order of the request.
func (j *Job) Turns() []Turn {
	var out []Turn
	for _, x := range j.Request.Pipelines {
		p := j.Progress[x.ID]
		if p == nil || p.End != nil {
			continue
		}
		if list := stack.Turnable(p.Rollouts()); len(list) > 0 {
			out = append(out, Turn{x, list})
		}
	}
	return out
}

// TurnBack has rollouts turned back, all of what is under way of each pipeline: half of an update is
// what nobody has tried. It returns what is said of it when SageMaker has begun to.
func TurnBack(ctx context.Context, source data.Source, turns []Turn) (string, error) {
	var done []string
	var failed error
	for _, t := range turns {
		said, err := turnBack(ctx, source, t)
		if err != nil && failed == nil {
			failed = err
		}
		for _, s := range said {
			if !slices.Contains(done, s) {
				done = append(done, s)
			}
		}
	}
	return strings.Join(done, "; "), failed
}

func turnBack(ctx context.Context, source data.Source, t Turn) (done []string, err error) {
	alias := false
	var errs []error
	for _, r := range t.Rollouts {
		said := "the alarm is set: SageMaker takes the new fleet back"
		if r.Alias != nil {
			if alias {
				continue // all of a pipeline go back at once
			}
			alias, said = true, "all calls go back to the version that answered before"
		}
		if err := source.TurnBack(ctx, t.Pipeline, r.Endpoint); err != nil {
			errs = append(errs, err)
			continue
		}
		done = append(done, said)
	}
	// One that has come to its end meanwhile is not missed.
	if len(done) > 0 {
		errs = slices.DeleteFunc(errs, func(err error) bool { return fault.KindOf(err) == fault.Conflict })
	}
	if len(errs) > 0 {
		return done, errs[0]
	}
	return done, nil
}

// GoesBack says what turning rollouts back does, once of each kind.
func GoesBack(turns []Turn) string {
	var said, brakes []string
	var rollouts []*stack.Rollout
	for _, t := range turns {
		rollouts = append(rollouts, t.Rollouts...)
	}
	for _, r := range rollouts {
		if r.Alias == nil {
			brakes = append(brakes, r.Brake)
			continue
		}
		text := "All calls go back to the version of the " + r.Alias.Of + " that answered before. "
		if !slices.Contains(said, text) {
			said = append(said, text)
		}
	}
	switch len(brakes) {
	case 0:
	case 1:
		said = append(said, "All traffic goes back to the fleet that answered before. "+
			"AWS has no call for that: the alarm "+brakes[0]+" is brought to ALARM, which whoever is told of it will hear of. ")
	default:
		said = append(said, "All traffic goes back to the fleets that answered before. "+
			"AWS has no call for that: an alarm of each is brought to ALARM, which whoever is told of it will hear of. ")
	}
	return strings.Join(said, "") + "The update fails as turned back."
}

// Gracefully is the label of a polite end: what it means for rollouts.
func Gracefully(rollouts []*stack.Rollout) string {
	if slices.ContainsFunc(rollouts, func(r *stack.Rollout) bool { return r.Alias == nil }) {
		return "leave the rollout going, cancel the rest"
	}
	return "cancel gracefully"
}
