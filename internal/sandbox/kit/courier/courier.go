// Package courier owns work that is kept in the store until it is done: what is to be
// brought somewhere, when, and again if that fails. What was kept before a crash goes on
// after it, and what is done is forgotten in the store before it is forgotten here.
package courier

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/guard"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/agenda"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/persist"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

// Config says what is brought, and how. All of it is required.
type Config[T any] struct {
	DB     *store.DB
	Clock  clock.Clock
	Log    *slog.Logger
	Bucket string // number -> parcel
	What   string // "the delivery of an event", for the log
	// Lane is where a parcel goes: few go to one place at a time, and a place that takes
	// its time holds up no other.
	Lane func(T) string
	// Bring brings a parcel once. It may change it, which is kept if it is to be brought
	// again, after the pause that it returns; again is false when it is done with. When
	// ctx is done what it returns does not count: it is asked again after the next start.
	Bring func(ctx context.Context, v *T) (pause time.Duration, again bool)
	// Done, if it is not nil, changes the store together with the end of a parcel.
	Done func(tx *store.Tx, v T) error
}

// parcel is what is kept.
type parcel[T any] struct {
	Due time.Time
	V   T
}

// Courier brings what was handed to it. It is safe for concurrent use.
type Courier[T any] struct {
	Config[T]
	agenda *agenda.Agenda
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// New returns a courier that brings nothing before Start.
func New[T any](c Config[T]) *Courier[T] {
	return &Courier[T]{Config: c, agenda: agenda.New(), cancel: func() {}}
}

// Ticket is a parcel that is kept once its transaction is.
type Ticket struct {
	key string
	due time.Time
}

// Keep puts a parcel into the store, due at a time. Begin has it brought when the
// transaction is on disk.
func (c *Courier[T]) Keep(tx *store.Tx, v T, due time.Time) (Ticket, error) {
	seq, err := tx.NextSequence(c.Bucket)
	if err != nil {
		return Ticket{}, err
	}
	t := Ticket{fmt.Sprintf("%020d", seq), due}
	return t, store.Put(tx, c.Bucket, t.key, parcel[T]{due, v})
}

// Begin has what is on disk brought.
func (c *Courier[T]) Begin(tickets ...Ticket) {
	for _, t := range tickets {
		c.agenda.Add(t.key, t.due)
	}
}

// Start begins with what an earlier run has left.
func (c *Courier[T]) Start(ctx context.Context) error {
	c.agenda.Reset()
	err := c.DB.View(func(tx *store.Tx) error {
		return store.Each(tx, c.Bucket, "", "", func(key string, p parcel[T]) bool {
			c.agenda.Add(key, p.Due)
			return true
		})
	})
	if err != nil {
		return err
	}
	var run context.Context
	run, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	c.done.Go(guard.Func(c.Log, c.What, func() { c.dispatch(run) }))
	return ctx.Err()
}

// Close ends what is under way; what is left goes on after the next Start.
func (c *Courier[T]) Close() error {
	c.cancel()
	c.done.Wait()
	return nil
}

// dispatch brings what is due, some at the same time, until ctx is done.
func (c *Courier[T]) dispatch(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	for ctx.Err() == nil {
		key, wait := c.agenda.Next(c.Clock.Now())
		if key == "" {
			c.agenda.Wait(ctx, c.Clock, wait)
			continue
		}
		c.open(ctx, key, func(p parcel[T]) {
			running.Go(guard.Func(c.Log, c.What, func() {
				c.agenda.Do(ctx, c.Lane(p.V), key, func(key string) { c.open(ctx, key, func(p parcel[T]) { c.bring(ctx, key, p) }) })
			}))
		})
	}
}

// lastPause is how long what cannot even be read waits.
const lastPause = 10 * time.Minute

// open gives do what the store has of a key, if it is not done yet.
func (c *Courier[T]) open(ctx context.Context, key string, do func(parcel[T])) {
	err := guard.Run(c.Log, c.What, func() error {
		p, found, err := store.Read[parcel[T]](c.DB, c.Bucket, key)
		if err == nil && found {
			do(p)
		}
		return err
	})
	if err != nil && ctx.Err() == nil {
		c.Log.Error(c.What+" has to wait", "error", err.Error())
		c.agenda.Add(key, c.Clock.Now().Add(lastPause))
	}
}

// bring brings a parcel once, and notes what became of it.
func (c *Courier[T]) bring(ctx context.Context, key string, p parcel[T]) {
	pause, again := c.Bring(ctx, &p.V)
	if ctx.Err() != nil && again {
		return
	}
	p.Due = c.Clock.Now().UTC().Add(pause)
	err := persist.Until(ctx, c.Clock, c.Log, c.What, func() error {
		return c.DB.Batch(func(tx *store.Tx) error {
			if again {
				return store.Put(tx, c.Bucket, key, p)
			}
			if c.Done != nil {
				if err := c.Done(tx, p.V); err != nil {
					return err
				}
			}
			return tx.Delete(c.Bucket, key)
		})
	})
	if err == nil && again {
		c.agenda.Add(key, p.Due)
	}
}

// Backoff is the pause before a try, of which so many have failed: it doubles from a
// second up to ten minutes, with jitter. AWS documents "exponential backoff" without
// numbers.
func Backoff(tries int) time.Duration {
	d := min(time.Second<<min(max(tries-1, 0), 20), lastPause)
	return d/2 + time.Duration(rand.Int64N(int64(d/2)+1)) // jitter
}
