package store

import (
	"sync"

	bolt "go.etcd.io/bbolt"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
)

// maxBatch bounds the calls that share one commit.
const maxBatch = 1000

// batcher commits the changes of concurrent callers together. While one commit
// is being synced to disk the next calls gather, so that a busy store pays for
// few syncs and a single caller waits for its own only; bbolt's own Batch waits
// ten milliseconds for company each time.
type batcher struct {
	mu    sync.Mutex
	queue []*batched
	busy  bool // a goroutine works off the queue
}

type batched struct {
	fn   func(*Tx) error
	done chan struct{}
	err  error
	// crash is what fn panicked with; its caller panics in turn.
	crash any
}

// Batch is Update that shares its commit with other concurrent Batch calls. fn
// may run more than once, so it must have no effect besides the transaction. An
// error of fn undoes its own change only.
func (d *DB) Batch(fn func(*Tx) error) error {
	c := &batched{fn: fn, done: make(chan struct{})}
	b := &d.batcher
	b.mu.Lock()
	b.queue = append(b.queue, c)
	if !b.busy {
		b.busy = true
		guard.Go(nil, "the store", d.commitQueue, nil)
	}
	b.mu.Unlock()
	<-c.done
	if c.crash != nil {
		panic(c.crash)
	}
	return c.err
}

// commitQueue works until the queue is empty.
func (d *DB) commitQueue() {
	for {
		d.batcher.mu.Lock()
		if len(d.batcher.queue) == 0 {
			d.batcher.busy = false
			d.batcher.mu.Unlock()
			return
		}
		d.batcher.mu.Unlock()
		d.commitSome()
	}
}

// take removes the calls of one commit from the queue.
func (b *batcher) take() []*batched {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(b.queue), maxBatch)
	out := b.queue[:n:n]
	b.queue = b.queue[n:]
	if len(b.queue) == 0 {
		b.queue = nil
	}
	return out
}

// commitSome commits what is in the queue when the writer's lock is ours. A call
// that fails is taken out, and the others are done again without it.
func (d *DB) commitSome() {
	var calls []*batched
	taken := false
	for {
		var failed *batched
		d.idle.busy()
		err := guard.Run(nil, "the store", func() error {
			return d.bolt.Update(func(t *bolt.Tx) error {
				if !taken {
					calls, taken = d.batcher.take(), true
				}
				for _, c := range calls {
					if err := c.run(&Tx{t, d}); err != nil || c.crash != nil {
						failed = c
						return errUndo
					}
				}
				return d.room()
			})
		})
		if failed != nil {
			calls = without(calls, failed)
			close(failed.done)
			continue
		}
		if !taken { // the store is closed: nothing was begun
			calls = d.batcher.take()
		}
		for _, c := range calls {
			c.err = err
			close(c.done)
		}
		return
	}
}

func without(calls []*batched, gone *batched) []*batched {
	out := make([]*batched, 0, len(calls))
	for _, c := range calls {
		if c != gone {
			out = append(out, c)
		}
	}
	return out
}

// run calls fn and keeps what became of it.
func (c *batched) run(tx *Tx) error {
	defer func() { c.crash = recover() }()
	c.err = c.fn(tx)
	return c.err
}
