package states

import (
	"context"
	"errors"
	"sync"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/failure"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/history"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/items"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/journal"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// defaultChildren is how many child executions run at a time where the Map does
// not say; AWS's own limit is 10,000.
const defaultChildren = 1000

// maxUnderWay bounds the memory of the children that run at a time, about. What is
// done with an input takes some ten times its text, and there may be a thousand of
// 256 KiB.
const (
	maxUnderWay  = 64 << 20
	weightOfText = 10
	weightOfOne  = 8 << 10
)

// mapRunner runs one Map Run. It holds the items of the children that run, and of no
// others: what is to come is read when there is room for it, what has ended is in
// the store.
type mapRunner struct {
	b  *branch
	st *asl.State
	ev *evaluation

	mu       sync.Mutex
	run      record.MapRun
	active   int        // children that run
	underWay int        // their weight
	slots    *sync.Cond // signalled when one ends or the limit changes
	outputs  *outputs
	started  int // children that have been begun, by this process or an earlier one
	// resumed is set if an earlier process may have begun children.
	resumed bool
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
		m.resumed = true
		m.redrive()
	}
	if err := b.sync(); err != nil {
		return err
	}
	out, err := m.process()
	if err != nil {
		return m.fail(err)
	}
	m.close(record.Succeeded)
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
	started := &history.Details{Length: &length}
	if err := m.limits(); err != nil {
		f, failed := failure.Of(err)
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
	m.run.Execution, m.run.Status, m.run.Start = b.x.rec.Key(), record.Running, b.x.s.now()
	b.step(func(s *stepper) {
		c := &b.cur
		c.Side = s.event("MapStateStarted", started)
		c.Phase, c.Items, c.Job = phaseChildren, docOf(source), m.run.Key()
		c.Round++
		b.x.puts = append(b.x.puts, m.put())
		s.event("MapRunStarted", &history.Details{MapRunARN: m.run.ARN()})
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
		r, found, err := store.Get[record.MapRun](tx, record.BucketRuns, m.b.cur.Job)
		if err == nil && !found {
			err = errors.New("the map run is missing: " + m.b.cur.Job)
		}
		m.run = r
		m.run.Items, m.run.Children = record.Counts{}, record.Counts{} // counted anew
		return err
	})
}

// redrive records that a run which had ended goes on. A run that was aborted by a
// stop that a crash undid was not redriven: it is reopened only.
func (m *mapRunner) redrive() {
	b := m.b
	if m.run.Status == record.Running {
		return
	}
	now := b.x.s.now()
	if at := b.x.rec.RedriveAt; m.run.Stop != nil && (at == nil || at.Before(*m.run.Stop)) {
		m.run.Status, m.run.Stop = record.Running, nil
		b.step(func(*stepper) { b.x.puts = append(b.x.puts, m.put()) })
		return
	}
	m.redriven = true
	m.run.ETag = ""
	m.run.Status, m.run.Stop, m.run.RedriveAt = record.Running, nil, &now
	m.run.Redrives++
	count := m.run.Redrives
	b.step(func(s *stepper) {
		b.x.puts = append(b.x.puts, m.put())
		s.event("MapRunRedriven", &history.Details{MapRunARN: m.run.ARN(), RedriveCount: &count})
	})
}

// put writes the run's record.
func (m *mapRunner) put() journal.Put {
	m.mu.Lock()
	defer m.mu.Unlock()
	return journal.Put{Bucket: record.BucketRuns, Key: m.run.Key(), Value: journal.Encoded(&m.run)}
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
	f, failed := failure.Of(err)
	if !failed {
		if errors.Is(err, failure.ErrShutdown) {
			return err
		}
		m.close(record.Aborted)
		b.step(func(s *stepper) {
			b.x.puts = append(b.x.puts, m.put())
			s.event("MapRunAborted", nil)
		})
		return err
	}
	m.close(record.Failed)
	b.step(func(s *stepper) {
		b.x.puts = append(b.x.puts, m.put())
		s.event("MapRunFailed", (&history.Details{}).WithFailure(f.ErrorText(), f.CauseText()))
		b.cur.Side = 0
		s.fail(m.st, f)
	})
	return nil
}

// process reads the items, runs the children and makes the state's output. The items
// are read twice: first to count them, so that nothing begins of what cannot be read
// to its end, then to be handed out.
func (m *mapRunner) process() (any, error) {
	p, err := m.b.x.principal()
	if err != nil {
		return nil, failure.New(failure.Permissions, wire.AsError(err).Message).Err()
	}
	feed, err := m.feed(p)
	if err != nil {
		return nil, err
	}
	total := int64(0)
	if err := feed(m.b.ctx, true, func(items.Item) error { total++; return nil }); err != nil {
		return nil, err
	}
	m.mu.Lock()
	m.run.Items.Total, m.run.Items.Pending = total, total
	if m.st.Map.Batcher == nil {
		m.run.Children.Total, m.run.Children.Pending = total, total
	}
	m.mu.Unlock()
	m.b.x.s.journal.Add([]journal.Put{m.put()}) // a later process knows by it what was read
	m.outputs = &outputs{}
	if err := m.runAll(feed); err != nil {
		m.export(p, feed, err)
		return nil, err
	}
	return m.output(p, feed)
}

// feed gives the items of the run: those of the state's data, or those that its
// reader reads.
func (m *mapRunner) feed(p wire.Principal) (items.Feed, error) {
	if m.st.Map.Reader != nil {
		return m.reader(p)
	}
	all, known := items.Of(m.b.cur.Items.v)
	if !known { // recorded by begin, from what evaluation.items returns
		return nil, m.ev.runtime("The items of the Map state cannot be read.")
	}
	return func(_ context.Context, _ bool, yield func(items.Item) error) error {
		for _, item := range all {
			item.Source = items.StateData
			if err := yield(item); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// etag notes the ETag of the object that is read, and returns the one that is known.
func (m *mapRunner) etag(tag string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if tag != "" {
		m.run.ETag = tag
	}
	return m.run.ETag
}

// errCut ends the reading of items when no more children begin.
var errCut = errors.New("the map run ends")

// runAll starts the children in order, as many at a time as the run and the memory
// allow, and waits for all of them. The first that fails the run cancels the others.
func (m *mapRunner) runAll(feed items.Feed) error {
	ctx, cancel := context.WithCancelCause(m.b.ctx)
	defer cancel(nil)
	s := m.b.x.s
	s.mu.Lock()
	s.runs[m.run.Key()] = m
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.runs, m.run.Key())
		s.mu.Unlock()
	}()
	defer context.AfterFunc(ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.slots.Broadcast()
	})()
	var first error
	failed := func(err error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if first == nil {
			first = err
			cancel(failure.ErrBranch)
		}
	}
	var wg sync.WaitGroup
	err := m.inputs(ctx, feed, func(input childInput) error {
		weight := weightOfOne + weightOfText*len(input.text)
		if !m.acquire(ctx, weight) {
			return errCut
		}
		i := m.started
		m.started++
		m.counted()
		wg.Go(guard.Func(s.Log, "a Map Run", func() {
			defer m.release(weight)
			if err := m.b.x.guarded(func() error { return m.child(ctx, i, input) }); err != nil {
				failed(err)
			}
		}))
		return nil
	})
	if err != nil && !errors.Is(err, errCut) {
		failed(err)
	}
	wg.Wait()
	if first == nil {
		return m.b.interrupted()
	}
	return first
}

// counted counts a child of a batch, of which there are as many as turn out.
func (m *mapRunner) counted() {
	if m.st.Map.Batcher == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.run.Children.Total++
	m.run.Children.Pending++
}

// acquire waits for a free slot and for room; false if ctx is done. A child that is
// larger than the room runs alone.
func (m *mapRunner) acquire(ctx context.Context, weight int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for ctx.Err() == nil {
		limit := m.run.Concurrency
		if limit == 0 {
			limit = defaultChildren
		}
		if m.active < limit && (m.active == 0 || m.underWay+weight <= maxUnderWay) {
			m.active++
			m.underWay += weight
			return true
		}
		m.slots.Wait()
	}
	return false
}

func (m *mapRunner) release(weight int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.active--
	m.underWay -= weight
	m.slots.Signal()
}

// childInput is the input of a child as text, and of how many items it is made.
type childInput struct {
	text  string
	items int
}

// inputs makes the children's inputs: selected items, alone or in batches.
func (m *mapRunner) inputs(ctx context.Context, feed items.Feed, yield func(childInput) error) error {
	index := 0
	next := func(item items.Item) (any, error) {
		index++
		if m.st.Map.Selector == nil {
			return item.Input(), nil
		}
		return m.ev.selectItem(item.Context(index - 1))
	}
	if m.st.Map.Batcher == nil {
		return feed(ctx, false, func(item items.Item) error {
			v, err := next(item)
			if err != nil {
				return err
			}
			return yield(childInput{value.String(v), 1})
		})
	}
	b, err := m.batcher()
	if err != nil {
		return err
	}
	b.yield = yield
	err = feed(ctx, false, func(item items.Item) error {
		v, err := next(item)
		if err != nil {
			return err
		}
		return b.add(v)
	})
	if err != nil {
		return err
	}
	return b.flush()
}

// batcher groups items as ItemBatcher says.
type batcher struct {
	maxItems, maxBytes int64
	head               []byte // what a batch begins with
	batch              []byte
	items              int64
	yield              func(childInput) error
}

func (m *mapRunner) batcher() (*batcher, error) {
	in, err := m.ev.input()
	if err != nil {
		return nil, err
	}
	e := m.ev.with(in)
	b := &batcher{head: []byte(`{"Items":[`)}
	var limited, bounded bool
	if b.maxItems, limited, err = e.integer(m.st.Map.Batcher.MaxItems, 1, maxSeconds); err != nil {
		return nil, err
	}
	if !limited {
		b.maxItems = items.Most
	}
	if b.maxBytes, bounded, err = e.integer(m.st.Map.Batcher.MaxBytes, 1, maxData); err != nil {
		return nil, err
	}
	if !bounded {
		b.maxBytes = maxData
	}
	if t := m.st.Map.Batcher.BatchInput; t != nil {
		common, err := e.template(t)
		if err != nil {
			return nil, err
		}
		b.head = append(value.Append([]byte(`{"BatchInput":`), common), `,"Items":[`...)
	}
	return b, nil
}

func (b *batcher) add(item any) error {
	text := value.Encode(item)
	size := int64(len(b.batch) + len(text) + len(`,]}`))
	if b.items == b.maxItems || b.items > 0 && size > b.maxBytes {
		if err := b.flush(); err != nil {
			return err
		}
	}
	if b.items == 0 {
		b.batch = append(b.batch[:0], b.head...)
	} else {
		b.batch = append(b.batch, ',')
	}
	b.batch = append(b.batch, text...)
	b.items++
	return nil
}

func (b *batcher) flush() error {
	if b.items == 0 {
		return nil
	}
	in := childInput{string(append(b.batch, "]}"...)), int(b.items)}
	b.batch, b.items = b.batch[:0], 0
	return b.yield(in)
}

// childRecord finds the child execution of a batch, or records a new one.
func (m *mapRunner) childRecord(i int, input childInput) (*record.Execution, error) {
	s := m.b.x.s
	key := childKey(m.run.Key(), i)
	if m.resumed {
		rec, err := m.begun(i)
		if err != nil || rec != nil {
			return rec, err
		}
	}
	machine := m.run.Machine + "/" + m.run.Label
	rec := record.Execution{
		Summary: record.Summary{Scope: m.run.Scope, Machine: machine, Name: wire.NewID(), Status: record.Running, Start: s.now(), MapRun: m.run.ARN(), Items: input.items},
		Express: m.st.Map.ExecutionType == record.Express, Revision: m.b.x.rec.Revision, RoleARN: m.b.x.rec.RoleARN,
		Input: input.text, MapState: m.st.Name,
	}
	if rec.Express {
		t := rec.Start.Add(maxExpress)
		rec.Deadline = &t
	}
	puts := append(record.Puts(&rec), journal.Put{Bucket: record.BucketRuns, Key: key, Value: journal.Encoded(childRecord{rec.Name, input.items})})
	if len(rec.Input) > maxData {
		return nil, failure.New(failure.DataLimit, "The input of a child execution exceeds the maximum number of bytes service limit.").Err()
	}
	return &rec, <-s.journal.Add(puts)
}

// begun finds a child that an earlier process recorded, nil if none did.
func (m *mapRunner) begun(i int) (*record.Execution, error) {
	s := m.b.x.s
	var known childRecord
	var found bool
	err := s.DB.View(func(tx *store.Tx) error {
		var err error
		known, found, err = store.Get[childRecord](tx, record.BucketRuns, childKey(m.run.Key(), i))
		return err
	})
	if err != nil || !found {
		return nil, err
	}
	rec, _, err := record.Load(s.DB, m.run.ChildPrefix()+":"+known.Name)
	if err != nil {
		return nil, err
	}
	return &rec, record.CountEvents(s.DB, &rec)
}

// output makes the state's result: the children's outputs, or where they were
// written.
func (m *mapRunner) output(p wire.Principal, feed items.Feed) (any, error) {
	w := m.st.Map.Writer
	if w != nil && w.Resource != "" {
		return m.write(m.b.ctx, p, feed)
	}
	m.mu.Lock()
	m.run.Items.Written, m.run.Children.Written = m.run.Items.Total, m.run.Children.Total
	m.mu.Unlock()
	out, err := m.result(w)
	if err != nil {
		return nil, err
	}
	if out == nil || !value.Fits(out, maxData) {
		return nil, errDataOf(m.st.Name)
	}
	return out, nil
}

// result is the list of all results; nil if it is too large to be a state's.
func (m *mapRunner) result(w *asl.ResultWriter) ([]any, error) {
	if w != nil && w.Transformation == "NONE" {
		left := 2 * maxData
		out := []any{}
		err := m.ended(func(_ int, rec *record.Execution) error {
			o := m.exported(rec)
			if left = value.Room(o, left); left < 0 {
				return errCut
			}
			out = append(out, o)
			return nil
		})
		if errors.Is(err, errCut) {
			return nil, nil
		}
		return out, err
	}
	out := m.outputs.list(m.started)
	if out == nil || w == nil || w.Transformation != "FLATTEN" {
		return out, nil
	}
	flat := []any{}
	for _, o := range out {
		if list, ok := o.([]any); ok {
			flat = append(flat, list...)
		} else {
			flat = append(flat, o)
		}
	}
	return flat, nil
}

// outputs are what the children returned, as long as that may become the state's
// output: a Map Run that writes its results, or whose results are too many, keeps
// none of them. It is guarded by the runner's lock.
type outputs struct {
	byIndex map[int]any
	size    int
	over    bool
}

// maxOutputs is more than a state may return, since a transformation can make the
// results smaller.
const maxOutputs = 4 * maxData

func (o *outputs) put(i int, v any) {
	if o.over {
		return
	}
	left := value.Room(v, maxOutputs-o.size)
	if left < 0 {
		o.over, o.byIndex = true, nil
		return
	}
	if o.byIndex == nil {
		o.byIndex = map[int]any{}
	}
	o.byIndex[i], o.size = v, maxOutputs-left+1
}

// list returns the outputs of n children in order, nil if they were too many.
func (o *outputs) list(n int) []any {
	if o.over {
		return nil
	}
	out := make([]any, n)
	for i := range out {
		out[i] = o.byIndex[i]
	}
	return out
}
