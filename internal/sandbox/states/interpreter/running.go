package interpreter

import (
	"context"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/journal"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Begin records and starts an execution. If one of the same name runs with the
// same input it returns that one.
func (s *Engine) Begin(rec record.Execution, def *record.Revision) (*record.Execution, error) {
	x, err := s.newExecution(rec, def)
	if err != nil {
		return nil, err
	}
	if s.ctx.Err() != nil {
		return nil, errUnavailable()
	}
	if rec.Express {
		done := s.Journal.Add([]journal.Put{{Bucket: record.BucketExpress, Key: rec.RunKey(), Value: journal.Encoded(&rec)}})
		x.start() // its end is queued after its start
		return &rec, <-done
	}
	fresh, err := s.admit(x)
	if err != nil {
		return nil, err
	}
	if !fresh { // runs, or is being started by another call
		return s.repeated(rec)
	}
	old, _, err := record.Load(s.DB, rec.Key())
	if err == nil || !wire.IsCode(err, "ExecutionDoesNotExist") {
		s.forget(x)
		if err == nil {
			err = wire.Errorf(400, "ExecutionAlreadyExists", "Execution Already Exists: '%s'", old.ARN())
		}
		return nil, err
	}
	puts := append(record.Puts(&rec), journal.Put{Bucket: record.BucketRunning, Key: rec.Key(), Value: journal.Encoded(struct{}{})})
	if err := <-s.Journal.Add(puts); err != nil {
		s.forget(x)
		return nil, err
	}
	s.Report.Announce(s.ctx, &rec)
	x.start()
	return &rec, nil
}

// repeated answers a start whose name is taken by a running execution.
func (s *Engine) repeated(rec record.Execution) (*record.Execution, error) {
	x := s.executing(rec.Key())
	if x == nil {
		return nil, wire.Errorf(400, "ExecutionAlreadyExists", "Execution Already Exists: '%s'", rec.ARN())
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.rec.Status == record.Running && x.rec.Input == rec.Input {
		old := x.rec
		return &old, nil
	}
	return nil, wire.Errorf(400, "ExecutionAlreadyExists", "Execution Already Exists: '%s'", x.rec.ARN())
}

// RunSync runs an express execution to its end and returns its record. What ends ctx
// ends it.
func (s *Engine) RunSync(ctx context.Context, rec record.Execution, def *record.Revision) (*record.Execution, error) {
	x, err := s.newExecution(rec, def)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { x.cancel(stopError{}) })()
	x.start()
	<-x.done
	if x.rec.Stop == nil {
		return nil, errUnavailable()
	}
	return &x.rec, nil
}

func errUnavailable() error {
	return wire.Errorf(503, "ServiceUnavailable", "the service is shutting down")
}

// Stop aborts a running execution, for a reason that may be nil, and waits for its end.
func (s *Engine) Stop(ctx context.Context, rec record.Execution, def *record.Revision, name, cause *string) error {
	x := s.executing(rec.Key())
	if x == nil { // not resumed yet
		if err := record.CountEvents(s.DB, &rec); err != nil {
			return err
		}
		var err error
		if x, err = s.newExecution(rec, def); err != nil {
			return err
		}
		if s.adopt(x) {
			x.start()
		} else {
			x = s.executing(rec.Key())
		}
	}
	if x == nil {
		return nil
	}
	x.cancel(stopError{name: name, cause: cause})
	select {
	case <-x.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// StopAll aborts the running executions of the state machine that has a key, and waits
// for their ends.
func (s *Engine) StopAll(key string) {
	s.mu.Lock()
	var running []*execution
	for _, x := range s.live {
		if name, _, _ := strings.Cut(x.rec.Machine, "/"); x.rec.Scope.Key(name) == key {
			running = append(running, x)
		}
	}
	s.mu.Unlock()
	for _, x := range running {
		x.cancel(stopError{})
	}
	for _, x := range running {
		<-x.done
	}
}
