package app

import (
	"context"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/pipelines"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
)

// Restore puts the best copy in the place of a damaged state. The copy may be older than what
// exists: an endpoint that was made since is in nobody's books, cannot be made again, and
// costs. So what the pipeline would create is looked for by its name, and taken over.
func (a *App) Restore(ctx context.Context, id spec.ID) (out pipelines.Restored, err error) {
	e, err := a.Engine(ctx)
	if err != nil {
		return out, err
	}
	if out.Copy, out.Aside, err = e.Restore(ctx, id.StackName()); err != nil {
		return out, err
	}
	if out.Unsure = a.findLost(ctx, id, nil, &out); out.Unsure == nil {
		e.Found(id.StackName())
	}
	return out, nil
}

// MendLost brings the state of a pipeline up to date that a full disk has cut off in an
// operation of this machine: a copy takes its place, unless one has already, and what was made
// after it is taken over. p, if not nil, is what the pipeline is to be, for a state without
// a spec. It is false if there was nothing to mend.
func (a *App) MendLost(ctx context.Context, id spec.ID, p *spec.Pipeline) (bool, error) {
	e, err := a.Engine(ctx)
	if err != nil || !e.Lost(id.StackName()) {
		return false, nil //nolint:nilerr // the operation itself says what is wrong with the engine
	}
	var out pipelines.Restored
	_, err = e.State(ctx, id.StackName())
	if fault.KindOf(err) == fault.Damaged {
		out.Copy, out.Aside, err = e.Restore(ctx, id.StackName())
		if err == nil {
			a.opts.Note("%s: the disk was full in the middle of the last operation, which has cut off the state: put %s in its place", id, out.Copy)
		}
	}
	if err != nil {
		return false, err
	}
	a.opts.Note("%s: the disk was full in the middle of the last operation: looking for what was made and not recorded", id)
	if err := a.findLost(ctx, id, p, &out); err != nil {
		return false, err
	}
	for _, r := range out.Found {
		a.opts.Note("%s: made then, and taken over: %s (%s)", id, r.Name, r.Type)
	}
	for _, whose := range out.Foreign {
		a.opts.Note("%s: %s. It is not taken over", id, whose)
	}
	e.Found(id.StackName())
	return true, nil
}

// findLost takes over what a pipeline would create and has already. What follows from
// something else, as a version does from its machine, has a name when that is known: so it
// looks again until nothing new is planned. What has such a name and is somebody else's stays so.
func (a *App) findLost(ctx context.Context, id spec.ID, asked *spec.Pipeline, out *pipelines.Restored) error {
	x, err := a.Find(ctx, id)
	if err != nil {
		return err
	}
	if x.Spec == nil {
		x.Spec = asked
	}
	if x.Spec == nil {
		return fault.New(fault.Damaged, "the copy does not hold the spec of %s", id).Because(x.Err)
	}
	t, err := a.Target(ctx)
	if err != nil {
		return err
	}
	s, err := a.settler(ctx, t, x.Spec)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for more := true; more; {
		more = false
		err := a.quietly(ctx, pipelines.Request{Operation: stack.OperationPreview, Pipelines: []*spec.Pipeline{x.Spec}, Doubt: func(op stack.PendingOperation) bool {
			if seen[op.URN] || !s.knows(op) {
				return false
			}
			seen[op.URN] = true
			if whose := s.foreignPlanned(ctx, op); whose != "" {
				out.Foreign = append(out.Foreign, whose)
				return false
			}
			more = true
			return true
		}})
		if err == nil && more {
			err = a.quietly(ctx, pipelines.Request{Operation: stack.OperationRefresh, Pipelines: []*spec.Pipeline{x.Spec}})
		}
		if err != nil {
			return err
		}
	}
	if x, err = a.Find(ctx, id); err != nil {
		return err
	}
	for _, r := range x.State.Resources {
		if seen[r.URN] {
			out.Found = append(out.Found, r)
		}
	}
	return nil
}

// quietly operates on one pipeline without telling anybody how it goes.
func (a *App) quietly(ctx context.Context, req pipelines.Request) error {
	req.Parallel = 1
	op, err := a.Operate(ctx, req)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, op.Cancel)()
	for range op.Updates() {
		continue // nobody looks
	}
	return op.Wait()[0].Err
}
