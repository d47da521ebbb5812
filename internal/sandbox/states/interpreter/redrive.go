package interpreter

import (
	"encoding/json"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/history"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/journal"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

// Redrive makes an ended execution go on where it failed; it returns when that began.
func (s *Engine) Redrive(rec record.Execution, def *record.Revision) (time.Time, error) {
	x, err := s.redrive(rec, def)
	if err != nil {
		return time.Time{}, err
	}
	redriven := *x.rec.RedriveAt
	s.Report.Announce(s.ctx, &x.rec)
	x.start()
	return redriven, nil
}

// redrive turns an ended execution into a running one that goes on where it
// failed: finished states and branches stay, the others are done again with their
// retries and time-outs reset. It is recorded when redrive returns.
func (s *Engine) redrive(rec record.Execution, def *record.Revision) (*execution, error) {
	now := s.now()
	rec.RedriveCount++
	rec.RedriveAt, rec.Stop, rec.Error, rec.Cause, rec.Status = &now, nil, nil, nil, record.Running
	if rec.Deadline != nil {
		m, err := s.Parsed(def)
		if err != nil {
			return nil, err
		}
		limit := time.Duration(m.TimeoutSeconds) * time.Second
		if rec.Express {
			limit = record.MaxExpress
		}
		t := now.Add(limit)
		rec.Deadline = &t
	}
	x, err := s.newExecution(rec, def)
	if err != nil {
		return nil, err
	}
	// The end is on record a moment before the run that wrote it has gone. A run
	// with the same count is another redrive's, which is not waited for.
	if old := s.executing(rec.Key()); old != nil && old.rec.RedriveCount < rec.RedriveCount {
		select {
		case <-old.done:
		case <-s.ctx.Done():
		}
	}
	if !s.adopt(x) {
		return nil, record.NotRedrivable("Execution is RUNNING and cannot be redriven")
	}
	key := rec.Key()
	x.mu.Lock()
	id := x.record("ExecutionRedriven", rec.LastEvent, &history.Details{RedriveCount: &rec.RedriveCount})
	cursors, err := s.resetCursors(key, id, now)
	x.puts = append(x.puts, record.Puts(&x.rec)...)
	x.puts = append(x.puts, cursors...)
	if rec.MapRun == "" {
		x.puts = append(x.puts, journal.Put{Bucket: record.BucketRunning, Key: key, Value: journal.Encoded(struct{}{})})
	}
	done := x.flushLocked()
	x.mu.Unlock()
	if err == nil && done != nil {
		err = <-done
	}
	if err != nil {
		s.forget(x)
		return nil, err
	}
	return x, nil
}

// resetCursors sends every branch that did not succeed back into the state where
// it stood. The next events follow the event head.
func (s *Engine) resetCursors(execution string, head int64, now time.Time) ([]journal.Put, error) {
	var puts []journal.Put
	err := s.DB.View(func(tx *store.Tx) error {
		return tx.Scan(record.BucketCursors, execution+"#", "", func(key string, raw []byte) (bool, error) {
			var c cursor
			if err := json.Unmarshal(raw, &c); err != nil {
				return false, err
			}
			if c.Done && c.Failure == nil {
				return true, nil
			}
			c.redrive(head, now)
			puts = append(puts, journal.Put{Bucket: record.BucketCursors, Key: key, Value: journal.Encoded(&c)})
			return true, nil
		})
	})
	return puts, err
}
