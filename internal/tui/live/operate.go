package live

import (
	"context"

	"github.com/pipelinetui/pipelinetui/internal/app"
	"github.com/pipelinetui/pipelinetui/internal/spec"
	"github.com/pipelinetui/pipelinetui/internal/stack"
	"github.com/pipelinetui/pipelinetui/internal/tui/data"
)

// Operate implements data.Source.
func (s *Source) Operate(ctx context.Context, req data.Request) (data.Operation, error) {
	expect := map[spec.ID]string{}
	for _, r := range req.Expect {
		expect[r.ID] = r.Basis
	}
	op, err := s.app.Operate(ctx, app.Request{
		Operation: req.Operation, Pipelines: req.Pipelines, Parallel: req.Parallel, Refresh: req.Refresh,
		Remove: req.Operation == stack.OperationDestroy, Message: req.Message, ClearPending: req.ClearPending, Expect: expect,
		Settle: req.Settle,
	})
	if err != nil {
		return nil, err
	}
	o := &operation{op: op, updates: make(chan data.Update)}
	go o.relay()
	return o, nil
}

// operation is app's operation in data's words.
type operation struct {
	op      *app.Operation
	updates chan data.Update
}

func (o *operation) relay() {
	defer close(o.updates)
	for u := range o.op.Updates() {
		o.updates <- data.Update{ID: u.ID, Event: u.Event}
	}
}

func (o *operation) Updates() <-chan data.Update { return o.updates }
func (o *operation) Cancel()                     { o.op.Cancel() }
func (o *operation) Kill()                       { o.op.Kill() }
func (o *operation) Running() []spec.ID          { return o.op.Running() }

func (o *operation) Wait() []data.Result {
	results := o.op.Wait()
	out := make([]data.Result, len(results))
	for i, r := range results {
		out[i] = data.Result{ID: r.ID, Result: r.Result, Err: r.Err, Skipped: r.Skipped, Basis: r.Result.Basis}
	}
	return out
}
