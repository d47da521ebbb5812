package interpreter

import (
	"context"
	"errors"
	"sync"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/failure"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/history"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/items"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/maprun"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// distributed is a Map state whose items are handled by child executions: what its
// Map Run asks of it (maprun.Parent), and the steps of the branch that record the run.
type distributed struct {
	b   *branch
	st  *asl.State
	ev  *evaluation
	run *maprun.Run
	// left counts the ends of children that are not on disk yet.
	left sync.WaitGroup
}

// Recorded waits until the ends of all children that have ended are on disk.
func (d *distributed) Recorded() { d.left.Wait() }

// distributed runs a Map state's items in child executions.
func (b *branch) distributed(st *asl.State, ev *evaluation) error {
	b.bindings() // before goroutines read them
	d := &distributed{b: b, st: st, ev: ev}
	if b.cur.Phase != phaseChildren {
		if err := d.begin(); err != nil || b.cur.Phase == phaseFailed {
			return err
		}
	} else if err := d.resume(); err != nil {
		return err
	}
	if err := b.sync(); err != nil {
		return err
	}
	out, err := d.run.Process(b.ctx)
	if err != nil {
		return d.fail(err)
	}
	d.run.Close(record.Succeeded)
	b.step(func(s *stepper) {
		b.x.puts = append(b.x.puts, d.run.Put())
		s.event("MapRunSucceeded", nil)
		s.side("MapStateSucceeded", b.cur.Head, nil)
		b.childrenDone(out)
		b.cur.Job = ""
	})
	return nil
}

// config is what the state's run needs.
func (d *distributed) config() maprun.Config {
	x := d.b.x
	return maprun.Config{
		DB: x.s.DB, Journal: x.s.Journal, Objects: x.s.Objects, Log: x.s.Log, Now: x.s.now, Live: &x.s.runs, Limits: x.s.Limits, Parent: d,
		Count: func(open func() int) func() { return x.s.Report.MapRuns(x.rec.Scope, open) },
		State: d.st.Name, Spec: d.st.Map, Revision: x.rec.Revision, RoleARN: x.rec.RoleARN,
	}
}

// begin records the start of the state and of its run, in one step: no crash can
// leave the one without the other. The failure of a limit is recorded there too,
// and left to the next visit.
func (d *distributed) begin() error {
	b, st := d.b, d.st
	var source any
	length := 0
	if st.Map.Reader == nil {
		var err error
		if source, length, err = d.ev.items(); err != nil {
			return err
		}
	}
	started := &history.Details{Length: &length}
	var rec record.MapRun
	if err := d.limits(&rec); err != nil {
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
	if rec.Label = st.Map.Label; rec.Label == "" {
		rec.Label = wire.NewID()
	}
	rec.ID, rec.Scope, rec.Machine = wire.NewID(), b.x.rec.Scope, b.x.def.Machine
	rec.Execution, rec.Status, rec.Start = b.x.rec.Key(), record.Running, b.x.s.now()
	d.run = maprun.New(d.config(), rec)
	b.step(func(s *stepper) {
		c := &b.cur
		c.Side = s.event("MapStateStarted", started)
		c.Phase, c.Items, c.Job = phaseChildren, docOf(source), rec.Key()
		c.Round++
		b.x.puts = append(b.x.puts, d.run.Put())
		s.event("MapRunStarted", &history.Details{MapRunARN: rec.ARN()})
	})
	return nil
}

// limits evaluates concurrency and tolerance.
func (d *distributed) limits(rec *record.MapRun) error {
	in, err := d.ev.input()
	if err != nil {
		return err
	}
	e := d.ev.with(in)
	spec := d.st.Map
	if rec.Tolerated, _, err = e.integer(spec.ToleratedFailureCount, 0, maxSeconds); err != nil {
		return err
	}
	if rec.Percentage, err = e.percentage(spec.ToleratedFailurePercentage); err != nil {
		return err
	}
	n, _, err := e.integer(spec.MaxConcurrency, 0, maxSeconds)
	rec.Concurrency = int(n)
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

// resume goes on with a run after a restart, and records that one which had ended goes
// on.
func (d *distributed) resume() (err error) {
	b := d.b
	if d.run, err = maprun.Resume(d.config(), b.cur.Job); err != nil {
		return err
	}
	changed, redrives := d.run.Reopen(b.x.rec.RedriveAt)
	if !changed {
		return nil
	}
	b.step(func(s *stepper) {
		b.x.puts = append(b.x.puts, d.run.Put())
		if redrives > 0 {
			s.event("MapRunRedriven", &history.Details{MapRunARN: d.run.ARN(), RedriveCount: &redrives})
		}
	})
	return nil
}

// fail records the end of a run that failed or was aborted.
func (d *distributed) fail(err error) error {
	b := d.b
	f, failed := failure.Of(err)
	if !failed {
		if errors.Is(err, failure.ErrShutdown) {
			return err
		}
		d.run.Close(record.Aborted)
		b.step(func(s *stepper) {
			b.x.puts = append(b.x.puts, d.run.Put())
			s.event("MapRunAborted", nil)
		})
		return err
	}
	d.run.Close(record.Failed)
	b.step(func(s *stepper) {
		b.x.puts = append(b.x.puts, d.run.Put())
		s.event("MapRunFailed", (&history.Details{}).WithFailure(f.ErrorText(), f.CauseText()))
		b.cur.Side = 0
		s.fail(d.st, f)
	})
	return nil
}

// Principal is who reads items and writes results.
func (d *distributed) Principal() (wire.Principal, error) {
	p, err := d.b.x.principal()
	if err != nil {
		return p, failure.New(failure.Permissions, wire.AsError(err).Message).Err()
	}
	return p, nil
}

// Guarded turns a panic of fn into a failure.
func (d *distributed) Guarded(fn func() error) error { return d.b.x.guarded(fn) }

// Select applies ItemSelector.
func (d *distributed) Select(item *value.Object) (any, error) { return d.ev.selectItem(item) }

// Feed gives the items of the state's data, or those that its reader reads.
func (d *distributed) Feed(p wire.Principal) (items.Feed, error) {
	if d.st.Map.Reader != nil {
		return d.reader(p)
	}
	all, known := items.Of(d.b.cur.Items.v)
	if !known { // recorded by begin, from what evaluation.items returns
		return nil, d.ev.runtime("The items of the Map state cannot be read.")
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

// Batching evaluates ItemBatcher.
func (d *distributed) Batching() (how maprun.Batching, err error) {
	in, err := d.ev.input()
	if err != nil {
		return how, err
	}
	e := d.ev.with(in)
	spec := d.st.Map.Batcher
	var limited, bounded bool
	if how.MaxItems, limited, err = e.integer(spec.MaxItems, 1, maxSeconds); err != nil {
		return how, err
	}
	if !limited {
		how.MaxItems = items.Most
	}
	if how.MaxBytes, bounded, err = e.integer(spec.MaxBytes, 1, record.MaxData); err != nil {
		return how, err
	}
	if !bounded {
		how.MaxBytes = record.MaxData
	}
	if spec.BatchInput != nil {
		common, err := e.template(spec.BatchInput)
		if err != nil {
			return how, err
		}
		how.Common = &common
	}
	return how, nil
}

// Destination evaluates the parameters of ResultWriter.
func (d *distributed) Destination() (bucket, prefix string, err error) {
	var params any = value.NewObject(0)
	if t := d.st.Map.Writer.Parameters; t != nil {
		in, err := d.ev.input()
		if err != nil {
			return "", "", err
		}
		if params, err = d.ev.with(in).template(t); err != nil {
			return "", "", err
		}
	}
	if bucket, err = d.ev.textOf(params, "ResultWriter", "Bucket", true); err != nil {
		return "", "", err
	}
	prefix, err = d.ev.textOf(params, "ResultWriter", "Prefix", false)
	return bucket, prefix, err
}

// RunChild runs a recorded child execution in this goroutine.
func (d *distributed) RunChild(ctx context.Context, rec *record.Execution) (*record.Execution, error) {
	x, err := d.b.x.s.newExecution(*rec, d.b.x.def)
	if err != nil {
		return nil, err
	}
	if !x.s.adopt(x) {
		return nil, errors.New("the child execution runs already")
	}
	return d.finishChild(ctx, x)
}

// RedriveChild is RunChild for one that has ended.
func (d *distributed) RedriveChild(ctx context.Context, rec *record.Execution) (*record.Execution, error) {
	x, err := d.b.x.s.redrive(*rec, d.b.x.def)
	if err != nil {
		return nil, err
	}
	return d.finishChild(ctx, x)
}

// finishChild runs a child that is in the table of running executions.
func (d *distributed) finishChild(ctx context.Context, x *execution) (*record.Execution, error) {
	x.principal, x.left = d.b.x.principal, &d.left
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
