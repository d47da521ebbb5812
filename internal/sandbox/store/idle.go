package store

import (
	"errors"
	"sync"
	"time"
)

// idleAfter is how long a store has had no commit when it counts as idle.
const idleAfter = 300 * time.Millisecond

// idleSync keeps the list of the file's free pages while nothing else is to be
// done. A commit that writes the list costs more the more pages are free, so no
// commit does; but without it the next Open walks through the whole file to find
// it out. So it is written once after each burst of commits, and at Close, with the note
// that makes an inspection needless: what is killed while it is idle starts as fast as
// what was closed.
type idleSync struct {
	mu    sync.Mutex
	timer *time.Timer
	done  chan struct{} // closed when no keeping is under way; nil if none is
	ended bool
}

func (s *idleSync) start(d *DB) {
	s.timer = time.AfterFunc(idleAfter, func() {
		s.mu.Lock()
		if s.ended || s.done != nil {
			s.mu.Unlock()
			return
		}
		done := make(chan struct{})
		s.done = done
		s.mu.Unlock()
		_ = d.keepFree() // without them the next Open is slower, no more
		s.mu.Lock()
		s.done = nil
		s.mu.Unlock()
		close(done)
	})
	s.timer.Stop() // nothing was written yet
}

// busy puts the keeping off: a commit is about to be made.
func (s *idleSync) busy() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.timer.Reset(idleAfter)
	}
}

// stop ends it and waits for a keeping that is under way.
func (s *idleSync) stop() {
	s.mu.Lock()
	s.ended = true
	s.timer.Stop()
	done := s.done
	s.mu.Unlock()
	if done != nil {
		<-done
	}
}

// keepFree commits the list of free pages, and notes how the file looks then. The switch
// is read by commits only, so it is set inside of write transactions, of which there is
// one at a time; the note is made inside of one too, while nobody writes.
func (d *DB) keepFree() error {
	tx, err := d.bolt.Begin(true)
	if err != nil {
		return err
	}
	d.bolt.NoFreelistSync = false
	err = tx.Commit()
	if tx, e := d.bolt.Begin(true); e == nil {
		d.bolt.NoFreelistSync = true
		if err == nil {
			_ = keepNote(d.bolt.Path())
		}
		err = errors.Join(err, tx.Rollback())
	}
	return err
}
