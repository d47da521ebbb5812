package states

import (
	"context"
	"errors"
	"fmt"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/failure"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/journal"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

// child runs one child execution to its end, or takes the result of one that
// ended before a restart.
func (m *mapRunner) child(ctx context.Context, i int, input childInput) error {
	items := input.items
	rec, err := m.childRecord(i, input)
	if err != nil {
		return err
	}
	m.count("PENDING", record.Running, items)
	if m.redriven && rec.Status != record.Running && rec.Status != record.Succeeded {
		x, err := m.b.x.s.redrive(*rec, m.b.x.def)
		if err != nil {
			return err
		}
		if rec, err = m.finishChild(ctx, x); err != nil {
			return err
		}
	}
	if rec.Status == record.Running {
		if rec, err = m.runChild(ctx, rec); err != nil {
			return err
		}
	}
	m.count(record.Running, rec.Status, items)
	if w := m.st.Map.Writer; w == nil || w.Resource == "" {
		output, err := outputOf(rec)
		if err != nil {
			return err
		}
		m.mu.Lock()
		m.outputs.put(i, output)
		m.mu.Unlock()
	}
	m.mu.Lock()
	exceeded := m.run.Exceeded()
	m.mu.Unlock()
	m.b.x.s.journal.Add([]journal.Put{m.put()})
	if exceeded {
		return failure.New(failure.ToleratedExceeded, "The specified tolerated failure threshold was exceeded").Err()
	}
	return nil
}

func (m *mapRunner) count(from, to string, items int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.run.Items.Add(from, to, int64(items))
	m.run.Children.Add(from, to, 1)
}

// childRecord tells which child execution handles a batch, and of how many items.
type childRecord struct {
	Name  string `json:"name"`
	Items int    `json:"items"`
}

// runChild runs a child execution in this goroutine.
func (m *mapRunner) runChild(ctx context.Context, rec *record.Execution) (*record.Execution, error) {
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
func (m *mapRunner) finishChild(ctx context.Context, x *execution) (*record.Execution, error) {
	x.principal = m.b.x.principal
	stop := context.AfterFunc(ctx, func() {
		if !errors.Is(context.Cause(ctx), failure.ErrShutdown) {
			x.cancel(stopError{})
		}
	})
	defer stop()
	x.run()
	if x.rec.Stop == nil {
		return nil, failure.ErrShutdown
	}
	return &x.rec, nil
}

// outputOf is what came of a child that has ended: its output, or its error.
func outputOf(rec *record.Execution) (any, error) {
	if rec.Status == record.Succeeded {
		v, err := value.Parse(rec.Output)
		if err != nil {
			return nil, failure.New(failure.Runtime, err.Error()).Err()
		}
		return v, nil
	}
	return failure.Given(rec.Error, rec.Cause).Output(), nil
}

// ended calls fn for each child that has been begun, in order. It reads them from
// the store, where they are once they have ended.
func (m *mapRunner) ended(fn func(i int, rec *record.Execution) error) error {
	s := m.b.x.s
	if err := <-s.journal.Add(nil); err != nil { // what was added before is on disk
		if errors.Is(err, journal.ErrClosed) {
			return failure.ErrShutdown
		}
		return err
	}
	for from := 0; from < m.started; {
		recs := map[int]*record.Execution{}
		size, to := 0, from
		err := s.DB.View(func(tx *store.Tx) error { // a part at a time: a transaction keeps pages from being used again
			for ; to < m.started && size < maxPart; to++ {
				known, found, err := store.Get[childRecord](tx, record.BucketRuns, childKey(m.run.Key(), to))
				if err != nil {
					return err
				}
				if !found {
					continue
				}
				rec, found, err := store.Get[record.Execution](tx, record.BucketExecutions, m.run.ChildPrefix()+":"+known.Name)
				if err != nil {
					return err
				}
				if found && rec.Status != record.Running {
					recs[to] = &rec
					size += len(rec.Input) + len(rec.Output) + weightOfOne
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for ; from < to; from++ {
			if recs[from] == nil {
				continue
			}
			if err := fn(from, recs[from]); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxPart is how much of what children have returned is in memory at a time.
const maxPart = 4 << 20

func childKey(run string, index int) string { return fmt.Sprintf("%s#%08d", run, index) }
