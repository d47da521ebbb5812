package states

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// defaultChildren is how many child executions run at a time where the Map does
// not say; AWS's own limit is 10,000.
const defaultChildren = 1000

func (r *runRecord) key() string { return r.children() + ":" + r.ID }

// children begins the keys of the run's child executions.
func (r *runRecord) children() string { return r.Scope.Key(r.Machine + "/" + r.Label) }

// mapRunner runs one Map Run.
type mapRunner struct {
	b  *branch
	st *asl.State
	ev *evaluation

	mu      sync.Mutex
	run     runRecord
	active  int        // children that run
	slots   *sync.Cond // signalled when one ends or the limit changes
	results []childResult
	pending []any // the inputs of all children
	// redriven is set if children that failed are to run again.
	redriven bool
}

// distributed runs a Map state's items in child executions.
func (b *branch) distributed(st *asl.State, ev *evaluation) error {
	b.bindings() // before goroutines read them
	m := &mapRunner{b: b, st: st, ev: ev}
	m.slots = sync.NewCond(&m.mu)
	if b.cur.Phase != phaseChildren {
		if err := m.begin(); err != nil || b.cur.Phase == phaseFailed {
			return err
		}
	} else {
		if err := m.load(); err != nil {
			return err
		}
		m.redrive()
	}
	if err := b.sync(); err != nil {
		return err
	}
	out, err := m.process()
	if err != nil {
		return m.fail(err)
	}
	m.close(statusSucceeded)
	b.step(func(s *stepper) {
		b.x.puts = append(b.x.puts, m.put())
		s.event("MapRunSucceeded", nil)
		s.side("MapStateSucceeded", b.cur.Head, nil)
		b.childrenDone(out)
		b.cur.Job = ""
	})
	return nil
}

// begin records the start of the state and of its run, in one step: no crash can
// leave the one without the other. The failure of a limit is recorded there too,
// and left to the next visit.
func (m *mapRunner) begin() error {
	b, st := m.b, m.st
	var source any
	length := 0
	if st.Map.Reader == nil {
		var err error
		if source, length, err = m.ev.items(); err != nil {
			return err
		}
	}
	started := &details{Length: &length}
	if err := m.limits(); err != nil {
		f, failed := failureOf(err)
		if !failed {
			return err
		}
		b.step(func(s *stepper) {
			s.event("MapStateStarted", started)
			s.fail(st, f)
		})
		return nil
	}
	label := st.Map.Label
	if label == "" {
		label = wire.NewID()
	}
	m.run.ID, m.run.Label, m.run.Scope, m.run.Machine = wire.NewID(), label, b.x.rec.Scope, b.x.def.Machine
	m.run.Execution, m.run.Status, m.run.Start = b.x.rec.key(), statusRunning, b.x.s.now()
	b.step(func(s *stepper) {
		c := &b.cur
		c.Side = s.event("MapStateStarted", started)
		c.Phase, c.Items, c.Job = phaseChildren, docOf(source), m.run.key()
		c.Round++
		b.x.puts = append(b.x.puts, m.put())
		s.event("MapRunStarted", &details{MapRunARN: m.run.arn()})
	})
	return nil
}

// limits evaluates concurrency and tolerance.
func (m *mapRunner) limits() error {
	in, err := m.ev.input()
	if err != nil {
		return err
	}
	e := m.ev.with(in)
	spec := m.st.Map
	if m.run.Tolerated, _, err = e.integer(spec.ToleratedFailureCount, 0, maxSeconds); err != nil {
		return err
	}
	if m.run.Percentage, err = e.percentage(spec.ToleratedFailurePercentage); err != nil {
		return err
	}
	n, _, err := e.integer(spec.MaxConcurrency, 0, maxSeconds)
	m.run.Concurrency = int(n)
	return err
}

// percentage evaluates a number from 0 to 100.
func (e *evaluation) percentage(s asl.Scalar) (float64, error) {
	if !s.IsSet() {
		return 0, nil
	}
	v := s.Literal
	if s.Expr != nil {
		var err error
		if s.Expr.Kind == asl.KindJSONata {
			v, err = e.typed(s.Expr, "number")
		} else {
			v, err = e.path(s.Expr)
		}
		if err != nil {
			return 0, err
		}
	}
	n, ok := v.(value.Number)
	if text, isText := v.(string); isText {
		parsed, err := value.Parse(text)
		if err == nil {
			n, ok = parsed.(value.Number)
		}
	}
	switch {
	case !ok:
		text := ""
		if s.Expr != nil {
			text = s.Expr.Text
		}
		return 0, e.runtime("The %s field refers to value \"%s\" which is not a valid float: %s", s.Name, plain(v), text)
	case n.Float64() < 0 || n.Float64() > 100:
		return 0, e.runtime("ToleratedFailurePercentage must be between 0 and 100.")
	}
	return n.Float64(), nil
}

// load reads the run after a restart.
func (m *mapRunner) load() error {
	return m.b.x.s.DB.View(func(tx *store.Tx) error {
		r, found, err := store.Get[runRecord](tx, bucketRuns, m.b.cur.Job)
		if err == nil && !found {
			err = errors.New("the map run is missing: " + m.b.cur.Job)
		}
		m.run = r
		m.run.Items, m.run.Children = counts{}, counts{} // counted anew
		return err
	})
}

// redrive records that a run which had ended goes on. A run that was aborted by a
// stop that a crash undid was not redriven: it is reopened only.
func (m *mapRunner) redrive() {
	b := m.b
	if m.run.Status == statusRunning {
		return
	}
	now := b.x.s.now()
	if at := b.x.rec.RedriveAt; m.run.Stop != nil && (at == nil || at.Before(*m.run.Stop)) {
		m.run.Status, m.run.Stop = statusRunning, nil
		b.step(func(*stepper) { b.x.puts = append(b.x.puts, m.put()) })
		return
	}
	m.redriven = true
	m.run.Status, m.run.Stop, m.run.RedriveAt = statusRunning, nil, &now
	m.run.Redrives++
	count := m.run.Redrives
	b.step(func(s *stepper) {
		b.x.puts = append(b.x.puts, m.put())
		s.event("MapRunRedriven", &details{MapRunARN: m.run.arn(), RedriveCount: &count})
	})
}

// put writes the run's record.
func (m *mapRunner) put() put {
	m.mu.Lock()
	defer m.mu.Unlock()
	return put{bucket: bucketRuns, key: m.run.key(), value: encode(&m.run)}
}

func (m *mapRunner) close(status string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.b.x.s.now()
	m.run.Status, m.run.Stop = status, &now
}

// fail records the end of a run that failed or was aborted.
func (m *mapRunner) fail(err error) error {
	b := m.b
	f, failed := failureOf(err)
	if !failed {
		if errors.Is(err, errShutdown) {
			return err
		}
		m.close(statusAborted)
		b.step(func(s *stepper) {
			b.x.puts = append(b.x.puts, m.put())
			s.event("MapRunAborted", nil)
		})
		return err
	}
	m.close(statusFailed)
	b.step(func(s *stepper) {
		b.x.puts = append(b.x.puts, m.put())
		s.event("MapRunFailed", (&details{}).withFailure(f))
		b.cur.Side = 0
		s.fail(m.st, f)
	})
	return nil
}

// process reads the items, runs the children and makes the state's output.
func (m *mapRunner) process() (any, error) {
	p, err := m.b.x.principal()
	if err != nil {
		return nil, fail(errPermissions, wire.AsError(err).Message).err()
	}
	items, known := mapItems(m.b.cur.Items.v)
	if m.st.Map.Reader != nil {
		if items, err = m.read(m.b.ctx, p); err != nil {
			return nil, err
		}
	} else if !known { // recorded by begin, from what evaluation.items returns
		return nil, m.ev.runtime("The items of the Map state cannot be read.")
	}
	inputs, sizes, err := m.inputs(items)
	if err != nil {
		return nil, err
	}
	m.results = make([]childResult, len(inputs))
	m.run.Items.Total, m.run.Children.Total = int64(len(items)), int64(len(inputs))
	m.run.Items.Pending, m.run.Children.Pending = int64(len(items)), int64(len(inputs))
	m.pending = inputs
	if err := m.runAll(inputs, sizes); err != nil {
		m.export(p, err)
		return nil, err
	}
	return m.output(p)
}

// runAll starts the children in order, as many at a time as the run allows, and
// waits for all of them. The first that fails the run cancels the others.
func (m *mapRunner) runAll(inputs []any, sizes []int) error {
	ctx, cancel := context.WithCancelCause(m.b.ctx)
	defer cancel(nil)
	s := m.b.x.s
	s.mu.Lock()
	s.runs[m.run.key()] = m
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.runs, m.run.key())
		s.mu.Unlock()
	}()
	defer context.AfterFunc(ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.slots.Broadcast()
	})()
	var first error
	var wg sync.WaitGroup
	for i := range inputs {
		if !m.acquire(ctx) {
			break
		}
		wg.Go(guard.Func(s.Log, "a Map Run", func() {
			err := m.b.x.guarded(func() error { return m.child(ctx, i, inputs[i], sizes[i]) })
			m.mu.Lock()
			defer m.mu.Unlock()
			if err != nil && first == nil {
				first = err
				cancel(errBranchTo)
			}
			m.active--
			m.slots.Signal()
		}))
	}
	wg.Wait()
	if first == nil {
		return m.b.interrupted()
	}
	return first
}

// acquire waits for a free slot; false if ctx is done.
func (m *mapRunner) acquire(ctx context.Context) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for ctx.Err() == nil {
		limit := m.run.Concurrency
		if limit == 0 {
			limit = defaultChildren
		}
		if m.active < limit {
			m.active++
			return true
		}
		m.slots.Wait()
	}
	return false
}

// inputs makes the children's inputs: selected items, alone or in batches.
func (m *mapRunner) inputs(items []mapItem) ([]any, []int, error) {
	selected := make([]any, len(items))
	for i, item := range items {
		selected[i] = item.input()
		if m.st.Map.Selector != nil {
			v, err := m.ev.selectItem(item.context(i))
			if err != nil {
				return nil, nil, err
			}
			selected[i] = v
		}
	}
	if m.st.Map.Batcher == nil {
		sizes := make([]int, len(items))
		for i := range sizes {
			sizes[i] = 1
		}
		return selected, sizes, nil
	}
	return m.batches(selected)
}

// batches groups items as ItemBatcher says.
func (m *mapRunner) batches(items []any) (inputs []any, sizes []int, err error) {
	in, err := m.ev.input()
	if err != nil {
		return nil, nil, err
	}
	e := m.ev.with(in)
	maxItems, limited, err := e.integer(m.st.Map.Batcher.MaxItems, 1, maxSeconds)
	if err != nil {
		return nil, nil, err
	}
	if !limited {
		maxItems = int64(len(items)) + 1
	}
	maxBytes, bounded, err := e.integer(m.st.Map.Batcher.MaxBytes, 1, maxData)
	if err != nil {
		return nil, nil, err
	}
	if !bounded {
		maxBytes = maxData
	}
	var common any
	overhead := int64(len(`{"Items":[]}`))
	if t := m.st.Map.Batcher.BatchInput; t != nil {
		if common, err = e.template(t); err != nil {
			return nil, nil, err
		}
		overhead += int64(len(value.String(common)) + len(`"BatchInput":,`))
	}
	var batch []any
	size := overhead
	flush := func() {
		if len(batch) == 0 {
			return
		}
		o := value.NewObject(2)
		if common != nil {
			o.Set("BatchInput", common)
		}
		o.Set("Items", batch)
		inputs, sizes = append(inputs, o), append(sizes, len(batch))
		batch, size = nil, overhead
	}
	for _, item := range items {
		n := int64(len(value.String(item)) + 1)
		if int64(len(batch)) == maxItems || len(batch) > 0 && size+n > maxBytes {
			flush()
		}
		batch = append(batch, item)
		size += n
	}
	flush()
	return inputs, sizes, nil
}

// childRecord finds the child execution of a batch, or records a new one.
func (m *mapRunner) childRecord(i int, input any, items int) (*execRecord, error) {
	s := m.b.x.s
	key := childKey(m.run.key(), i)
	var known childRecord
	var found bool
	err := s.DB.View(func(tx *store.Tx) error {
		var err error
		known, found, err = store.Get[childRecord](tx, bucketRuns, key)
		return err
	})
	if err != nil {
		return nil, err
	}
	machine := m.run.Machine + "/" + m.run.Label
	if found {
		rec, _, err := s.loadExecution(m.run.children() + ":" + known.Name)
		if err != nil {
			return nil, err
		}
		return &rec, s.countEvents(&rec)
	}
	rec := execRecord{
		summary: summary{Scope: m.run.Scope, Machine: machine, Name: wire.NewID(), Status: statusRunning, Start: s.now(), MapRun: m.run.arn(), Items: items},
		Express: m.st.Map.ExecutionType == typeExpress, Revision: m.b.x.rec.Revision, RoleARN: m.b.x.rec.RoleARN,
		Input: value.String(input), MapState: m.st.Name,
	}
	if rec.Express {
		t := rec.Start.Add(maxExpress)
		rec.Deadline = &t
	}
	puts := append(recordPuts(&rec), put{bucket: bucketRuns, key: key, value: encode(childRecord{rec.Name, items})})
	if len(rec.Input) > maxData {
		return nil, fail(errDataLimit, "The input of a child execution exceeds the maximum number of bytes service limit.").err()
	}
	return &rec, <-s.journal.add(puts)
}

// output makes the state's result: the children's outputs, or where they were
// written.
func (m *mapRunner) output(p wire.Principal) (any, error) {
	if m.st.Map.Writer != nil && m.st.Map.Writer.Resource != "" {
		return m.write(m.b.ctx, p)
	}
	out := make([]any, 0, len(m.results))
	for _, r := range m.results {
		out = append(out, r.output)
		m.written(r)
	}
	if w := m.st.Map.Writer; w != nil {
		return m.transform(w, out)
	}
	if n := len(value.String(out)); n > maxData {
		return nil, fail(errDataLimit, fmt.Sprintf("The state/task '%s' returned a result with a size exceeding the maximum number of bytes service limit.", m.st.Name)).err()
	}
	return out, nil
}
