package maprun

import (
	"context"
	"errors"
	"fmt"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/failure"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/journal"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// child runs one child execution to its end, or takes the result of one that
// ended before a restart.
func (m *Run) child(ctx context.Context, i int, input childInput) error {
	items := input.items
	rec, err := m.childRecord(ctx, i, input)
	if err != nil {
		return err
	}
	m.count("PENDING", record.Running, items)
	if m.redriven && rec.Status != record.Running && rec.Status != record.Succeeded {
		if rec, err = m.Parent.RedriveChild(ctx, rec); err != nil {
			return err
		}
	}
	if rec.Status == record.Running {
		if rec, err = m.Parent.RunChild(ctx, rec); err != nil {
			return err
		}
	}
	m.count(record.Running, rec.Status, items)
	if !m.writes() {
		output, err := outputOf(rec)
		if err != nil {
			return err
		}
		m.mu.Lock()
		m.outputs.put(i, output)
		m.mu.Unlock()
	}
	m.mu.Lock()
	exceeded := m.rec.Exceeded()
	m.mu.Unlock()
	m.Journal.Add([]journal.Put{m.Put()})
	if exceeded {
		return failure.New(failure.ToleratedExceeded, "The specified tolerated failure threshold was exceeded").Err()
	}
	return nil
}

func (m *Run) count(from, to string, items int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rec.Items.Add(from, to, int64(items))
	m.rec.Children.Add(from, to, 1)
}

// childRecord tells which child execution handles a batch, and of how many items.
type childRecord struct {
	Name  string `json:"name"`
	Items int    `json:"items"`
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
func (m *Run) ended(ctx context.Context, fn func(i int, rec *record.Execution) error) error {
	m.Parent.Recorded()
	if err := m.keep(ctx, nil); err != nil { // what was added before is on disk
		return err
	}
	for from := 0; from < m.started; {
		recs := map[int]*record.Execution{}
		size, to := 0, from
		err := m.DB.View(func(tx *store.Tx) error { // a part at a time: a transaction keeps pages from being used again
			for ; to < m.started && size < maxPart; to++ {
				known, found, err := store.Get[childRecord](tx, record.BucketRuns, childKey(m.rec.Key(), to))
				if err != nil {
					return err
				}
				if !found {
					continue
				}
				rec, found, err := store.Get[record.Execution](tx, record.BucketExecutions, m.rec.ChildPrefix()+":"+known.Name)
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

// keep waits until writes are on disk.
func (m *Run) keep(ctx context.Context, puts []journal.Put) error {
	err := m.Journal.Insist(ctx, puts)
	switch {
	case errors.Is(err, journal.ErrClosed):
		return failure.ErrShutdown
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return err
}

func childKey(run string, index int) string { return fmt.Sprintf("%s#%08d", run, index) }

// childRecord finds the child execution of a batch, or records a new one.
func (m *Run) childRecord(ctx context.Context, i int, input childInput) (*record.Execution, error) {
	key := childKey(m.rec.Key(), i)
	if m.resumed {
		rec, err := m.begun(i)
		if err != nil || rec != nil {
			return rec, err
		}
	}
	machine := m.rec.Machine + "/" + m.rec.Label
	rec := record.Execution{
		Summary: record.Summary{Scope: m.rec.Scope, Machine: machine, Name: wire.NewID(), Status: record.Running, Start: m.Now(), MapRun: m.rec.ARN(), Items: input.items},
		Express: m.Spec.ExecutionType == record.Express, Revision: m.Revision, RoleARN: m.RoleARN,
		Input: input.text, MapState: m.State,
	}
	if rec.Express {
		t := rec.Start.Add(record.MaxExpress)
		rec.Deadline = &t
	}
	puts := append(record.Puts(&rec), journal.Put{Bucket: record.BucketRuns, Key: key, Value: journal.Encoded(childRecord{rec.Name, input.items})})
	if len(rec.Input) > record.MaxData {
		return nil, failure.New(failure.DataLimit, "The input of a child execution exceeds the maximum number of bytes service limit.").Err()
	}
	return &rec, m.keep(ctx, puts)
}

// begun finds a child that an earlier process recorded, nil if none did.
func (m *Run) begun(i int) (*record.Execution, error) {
	known, found, err := store.Read[childRecord](m.DB, record.BucketRuns, childKey(m.rec.Key(), i))
	if err != nil || !found {
		return nil, err
	}
	rec, _, err := record.Load(m.DB, m.rec.ChildPrefix()+":"+known.Name)
	if err != nil {
		return nil, err
	}
	return &rec, record.CountEvents(m.DB, &rec)
}
