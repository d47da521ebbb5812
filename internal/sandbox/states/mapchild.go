package states

import (
	"context"
	"errors"
	"fmt"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// child runs one child execution to its end, or takes the result of one that
// ended before a restart.
func (m *mapRunner) child(ctx context.Context, i int, input any, items int) error {
	rec, err := m.childRecord(i, input, items)
	if err != nil {
		return err
	}
	m.count("PENDING", statusRunning, items)
	if m.redriven && rec.Status != statusRunning && rec.Status != statusSucceeded {
		x, err := m.b.x.s.redrive(*rec, m.b.x.def)
		if err != nil {
			return err
		}
		if rec, err = m.finishChild(ctx, x); err != nil {
			return err
		}
	}
	if rec.Status == statusRunning {
		if rec, err = m.runChild(ctx, rec); err != nil {
			return err
		}
	}
	m.count(statusRunning, rec.Status, items)
	r := childResult{rec: rec}
	if rec.Status == statusSucceeded {
		if r.output, err = value.Parse(rec.Output); err != nil {
			return fail(errRuntime, err.Error()).err()
		}
	} else {
		f := failure{NoError: rec.Error == nil, NoCause: rec.Cause == nil}
		if rec.Error != nil {
			f.Error = *rec.Error
		}
		if rec.Cause != nil {
			f.Cause = *rec.Cause
		}
		r.output = f.output()
	}
	m.results[i] = r
	m.mu.Lock()
	exceeded := m.run.exceeded()
	m.mu.Unlock()
	m.b.x.s.journal.add([]put{m.put()})
	if exceeded {
		return fail(errToleratedFail, "The specified tolerated failure threshold was exceeded").err()
	}
	return nil
}

func (m *mapRunner) count(from, to string, items int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.run.Items.add(from, to, int64(items))
	m.run.Children.add(from, to, 1)
}

// childRecord tells which child execution handles a batch, and of how many items.
type childRecord struct {
	Name  string `json:"name"`
	Items int    `json:"items"`
}

// runChild runs a child execution in this goroutine.
func (m *mapRunner) runChild(ctx context.Context, rec *execRecord) (*execRecord, error) {
	x, err := m.b.x.s.newExecution(*rec, m.b.x.def)
	if err != nil {
		return nil, err
	}
	if !x.s.adopt(x) {
		return nil, errors.New("the child execution runs already")
	}
	return m.finishChild(ctx, x)
}

// finishChild runs a child that is in the table of running executions.
func (m *mapRunner) finishChild(ctx context.Context, x *execution) (*execRecord, error) {
	x.principal = m.b.x.principal
	stop := context.AfterFunc(ctx, func() {
		if !errors.Is(context.Cause(ctx), errShutdown) {
			x.cancel(stopError{})
		}
	})
	defer stop()
	x.run()
	if x.rec.Stop == nil {
		return nil, errShutdown
	}
	return &x.rec, nil
}

// childResult is what came of a child execution.
type childResult struct {
	rec    *execRecord
	output any
}

func childKey(run string, index int) string { return fmt.Sprintf("%s#%08d", run, index) }
