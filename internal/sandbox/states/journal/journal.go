// Package journal owns how the records of Step Functions get to disk: the writes of many
// executions share commits, those of one keep their order even if some fail. It knows
// nothing of what is written.
package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/persist"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

// Put is one write: no value deletes the key, prefix deletes all keys that begin with
// it.
type Put struct {
	Bucket, Key string
	Value       store.Encoded
	Prefix      bool
}

// Encoded is a record as the store keeps it. Nothing of ours cannot be encoded.
func Encoded(v any) store.Encoded {
	e, err := store.Encode(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %s", v, err))
	}
	return e
}

// Journal commits writes of many executions together: while one transaction is
// being synced to disk the next ones gather, so that a busy service pays for a
// few syncs only and an idle one waits for nobody. Writes are applied in the
// order in which they were added.
type Journal struct {
	db     *store.DB
	clock  clock.Clock
	log    *slog.Logger
	mu     sync.Mutex
	wake   *sync.Cond
	queue  []entry
	closed bool
	// unwritten counts the bytes of what is queued or being written; room, if somebody
	// waits for there being fewer, is closed when there are.
	unwritten int
	room      chan struct{}
	ended     chan struct{}
	// Crash, if tests set it, is asked before each entry is queued; once it says
	// true nothing is written any more, as after kill -9.
	Crash func() bool
	// Waits, if tests set it, is told of how many bytes are unwritten when somebody waits
	// for there being fewer.
	Waits func(unwritten int)
}

type entry struct {
	puts []Put
	done chan error
	lane *Lane // nil for writes that nothing else follows
	seq  int
}

// MaxUnwritten is how many bytes may be queued or being written before executions wait:
// what only computes makes records faster than a disk takes them.
const MaxUnwritten = 16 << 20

// size is about what an entry takes in memory.
func (e entry) size() int {
	n := 0
	for i := range e.puts {
		n += len(e.puts[i].Bucket) + len(e.puts[i].Key) + e.puts[i].Value.Len()
	}
	return n
}

// Room waits until no more than MaxUnwritten bytes are unwritten, or ctx is done.
func (j *Journal) Room(ctx context.Context) {
	for {
		j.mu.Lock()
		if j.closed || j.unwritten <= MaxUnwritten {
			j.mu.Unlock()
			return
		}
		if j.room == nil {
			j.room = make(chan struct{})
		}
		room := j.room
		if j.Waits != nil {
			j.Waits(j.unwritten)
		}
		j.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return
		}
	}
}

// end tells what became of an entry of the queue.
func (j *Journal) end(e entry, err error) {
	e.done <- err
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.unwritten -= e.size(); j.unwritten <= MaxUnwritten {
		j.makeRoom()
	}
}

// makeRoom wakes those who wait for room; j.mu must be held.
func (j *Journal) makeRoom() {
	if j.room != nil {
		close(j.room)
		j.room = nil
	}
}

// Lane keeps the writes of one execution in order when some cannot be written:
// what follows a failed write waits with it, since a cursor that is older than
// what is on disk must not be written over it.
type Lane struct {
	mu     sync.Mutex
	seq    int
	held   []entry // failed, or behind what failed
	queued int     // in the journal's queue
}

// Broken reports whether there are writes that failed.
func (l *Lane) Broken() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.held) > 0
}

// take numbers a new entry. If writes failed and none of the lane is queued any
// more, they become the entry's first.
func (l *Lane) take(puts []Put) (out []Put, seq int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.held) > 0 && l.queued == 0 {
		slices.SortFunc(l.held, func(a, b entry) int { return a.seq - b.seq })
		var all []Put
		for _, e := range l.held {
			all = append(all, e.puts...)
		}
		puts, l.held = append(all, puts...), nil
	}
	l.seq++
	l.queued++
	return puts, l.seq
}

// admit reports whether an entry may be written; one behind a failed one is held.
func (l *Lane) admit(e entry) bool {
	if l == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.held) == 0 {
		return true
	}
	l.held = append(l.held, e)
	l.queued--
	return false
}

// settle notes what became of an entry.
func (l *Lane) settle(e entry, err error) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queued--
	if err != nil {
		l.held = append(l.held, e)
	}
}

// errHeld says that a write waits for an earlier one that failed.
var errHeld = errors.New("an earlier write of the execution failed")

// ErrClosed is the outcome of what is added after the end.
var ErrClosed = errors.New("the service is closed")

// New begins a journal over a store; Close ends it.
func New(db *store.DB, c clock.Clock, log *slog.Logger) *Journal {
	j := &Journal{db: db, clock: c, log: log, ended: make(chan struct{})}
	j.wake = sync.NewCond(&j.mu)
	guard.Go(nil, "the journal", j.run, nil)
	return j
}

// Add queues writes; the channel yields their outcome once.
func (j *Journal) Add(puts []Put) <-chan error { return j.AddTo(nil, puts) }

// Insist waits until writes are on disk, and makes them again while they fail: nobody else
// would. An error is ErrClosed, or that of ctx, which is done.
func (j *Journal) Insist(ctx context.Context, puts []Put) error {
	return j.Persist(ctx, j.Add(puts), func() <-chan error { return j.Add(puts) })
}

// Persist is Insist for writes that are queued already; again queues those that failed.
func (j *Journal) Persist(ctx context.Context, done <-chan error, again func() <-chan error, args ...any) error {
	closed := false
	err := persist.Until(ctx, j.clock, j.log, "an execution", func() error {
		if done == nil {
			done = again()
		}
		if done == nil {
			return nil
		}
		err := <-done
		if done = nil; errors.Is(err, ErrClosed) {
			closed = true
			return nil
		}
		return err
	}, args...)
	if closed {
		return ErrClosed
	}
	return err
}

// AddTo is Add for the writes of one execution, which are in order even if some
// fail.
func (j *Journal) AddTo(l *Lane, puts []Put) <-chan error {
	done := make(chan error, 1)
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.closed && j.Crash != nil && j.Crash() {
		j.closed = true
		j.wake.Signal()
		j.makeRoom()
	}
	if j.closed {
		done <- ErrClosed
		return done
	}
	e := entry{puts: puts, done: done, lane: l}
	if l != nil {
		e.puts, e.seq = l.take(puts)
	}
	j.queue = append(j.queue, e)
	j.unwritten += e.size()
	j.wake.Signal()
	return done
}

// Close commits what is queued and ends the journal.
func (j *Journal) Close() {
	j.mu.Lock()
	j.closed = true
	j.wake.Signal()
	j.makeRoom()
	j.mu.Unlock()
	<-j.ended
}

func (j *Journal) run() {
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
		j.commit(batch)
	}
}

func (j *Journal) commit(batch []entry) {
	batch = slices.DeleteFunc(batch, func(e entry) bool {
		if e.lane.admit(e) {
			return false
		}
		j.end(e, errHeld)
		return true
	})
	if len(batch) == 0 {
		return
	}
	err := guard.Run(nil, "the journal", func() error {
		return j.db.Batch(func(tx *store.Tx) error { // with what others write at the time
			for _, e := range batch {
				if err := apply(tx, e.puts); err != nil {
					return err
				}
			}
			return nil
		})
	})
	for _, e := range batch {
		e.lane.settle(e, err)
		j.end(e, err)
	}
}

func apply(tx *store.Tx, puts []Put) error {
	for _, p := range puts {
		var err error
		switch {
		case p.Prefix:
			err = tx.DeletePrefix(p.Bucket, p.Key)
		case p.Value.IsZero():
			err = tx.Delete(p.Bucket, p.Key)
		default:
			err = tx.PutEncoded(p.Bucket, p.Key, p.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
