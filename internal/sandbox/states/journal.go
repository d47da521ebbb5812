package states

import (
	"errors"
	"sync"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

// put is one write: a nil value deletes the key, prefix deletes all keys that
// begin with it.
type put struct {
	bucket, key string
	value       []byte
	prefix      bool
}

// journal commits writes of many executions together: while one transaction is
// being synced to disk the next ones gather, so that a busy service pays for a
// few syncs only and an idle one waits for nobody. Writes are applied in the
// order in which they were added.
type journal struct {
	db     *store.DB
	mu     sync.Mutex
	wake   *sync.Cond
	queue  []entry
	closed bool
	ended  chan struct{}
	// crash, if tests set it, is asked before each entry is queued; once it says
	// true nothing is written any more, as after kill -9.
	crash func() bool
}

type entry struct {
	puts []put
	done chan error
}

var errClosed = errors.New("the service is closed")

func newJournal(db *store.DB) *journal {
	j := &journal{db: db, ended: make(chan struct{})}
	j.wake = sync.NewCond(&j.mu)
	go j.run()
	return j
}

// add queues writes; the channel yields their outcome once.
func (j *journal) add(puts []put) <-chan error {
	done := make(chan error, 1)
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.closed && j.crash != nil && j.crash() {
		j.closed = true
		j.wake.Signal()
	}
	if j.closed {
		done <- errClosed
		return done
	}
	j.queue = append(j.queue, entry{puts, done})
	j.wake.Signal()
	return done
}

// close commits what is queued and ends the journal.
func (j *journal) close() {
	j.mu.Lock()
	j.closed = true
	j.wake.Signal()
	j.mu.Unlock()
	<-j.ended
}

func (j *journal) run() {
	defer close(j.ended)
	for {
		j.mu.Lock()
		for len(j.queue) == 0 && !j.closed {
			j.wake.Wait()
		}
		batch := j.queue
		j.queue = nil
		j.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		err := j.db.Update(func(tx *store.Tx) error {
			for _, e := range batch {
				if err := apply(tx, e.puts); err != nil {
					return err
				}
			}
			return nil
		})
		for _, e := range batch {
			e.done <- err
		}
	}
}

func apply(tx *store.Tx, puts []put) error {
	for _, p := range puts {
		var err error
		switch {
		case p.prefix:
			err = tx.DeletePrefix(p.bucket, p.key)
		case p.value == nil:
			err = tx.Delete(p.bucket, p.key)
		default:
			err = tx.PutRaw(p.bucket, p.key, p.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
