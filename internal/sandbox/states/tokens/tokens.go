// Package tokens owns the tokens by which tasks wait for what happens outside of the
// sandbox: which are out, what was told of them, and which tasks of activities no
// worker has taken. It knows nothing of executions.
package tokens

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/failure"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/journal"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/record"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

// Record is what is known of a task that waits for its token. It is written
// before the token is handed out and deleted when the task ends.
type Record struct {
	Execution string    `json:"execution"`
	Path      string    `json:"path"`
	Activity  string    `json:"activity,omitempty"` // ARN
	Input     string    `json:"input,omitempty"`    // of the activity's task
	Created   time.Time `json:"created"`
	// Started is set once a worker took an activity's task.
	Started bool      `json:"started,omitempty"`
	Worker  string    `json:"worker,omitempty"`
	Beat    time.Time `json:"beat"` // last sign of life
	// Done holds the outcome.
	Done   bool    `json:"done,omitempty"`
	Output *string `json:"output,omitempty"`
	Error  *string `json:"error,omitempty"`
	Cause  *string `json:"cause,omitempty"`
}

// New returns a task token: opaque and not to be guessed.
func New() string {
	var b [96]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return "AQCIAAAA" + base64.StdEncoding.EncodeToString(b[:])
}

// Put writes a token's record.
func Put(token string, rec *Record) journal.Put {
	return journal.Put{Bucket: record.BucketTokens, Key: token, Value: journal.Encoded(rec)}
}

// Desk knows who waits for what: tasks for their tokens, and workers for the tasks of
// their activities. It is safe for concurrent use.
type Desk struct {
	db        *store.DB
	mu        sync.Mutex
	listeners map[string]chan struct{} // by task token
	queues    map[string]*queue        // by activity ARN
}

// NewDesk makes a desk over what the store holds.
func NewDesk(db *store.DB) *Desk {
	return &Desk{db: db, listeners: map[string]chan struct{}{}, queues: map[string]*queue{}}
}

// Get reads a token's record; false if no task waits for it any more.
func (d *Desk) Get(token string) (Record, bool, error) {
	return store.Read[Record](d.db, record.BucketTokens, token)
}

// Listen returns a channel that is signalled whenever the token's record
// changes, and a function that ends that.
func (d *Desk) Listen(token string) (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	d.mu.Lock()
	d.listeners[token] = c
	d.mu.Unlock()
	return c, func() {
		d.mu.Lock()
		delete(d.listeners, token)
		d.mu.Unlock()
	}
}

func (d *Desk) signal(token string) {
	d.mu.Lock()
	c := d.listeners[token]
	d.mu.Unlock()
	if c != nil {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Outcome is what SendTaskSuccess or SendTaskFailure told.
func (rec *Record) Outcome() (any, error) {
	if rec.Output != nil {
		v, err := value.Parse(*rec.Output)
		if err != nil {
			return nil, failure.New(failure.Runtime, err.Error()).Err()
		}
		return v, nil
	}
	return nil, failure.Given(rec.Error, rec.Cause).Err()
}

// ErrUnknown tells that nothing waits for a token.
var ErrUnknown = errors.New("no task waits for this token")

// Settle changes a token's record, durably, and wakes its task.
func (d *Desk) Settle(token string, change func(*Record) error) error {
	err := d.db.Update(func(tx *store.Tx) error {
		rec, found, err := store.Get[Record](tx, record.BucketTokens, token)
		if err != nil {
			return err
		}
		if !found || rec.Done {
			return ErrUnknown
		}
		if err := change(&rec); err != nil {
			return err
		}
		return store.Put(tx, record.BucketTokens, token, rec)
	})
	if err == nil {
		d.signal(token)
	}
	return err
}

// Valid reports whether a text has the form of a token.
func Valid(s string) bool { return len(s) >= 100 && strings.HasPrefix(s, "AQCIAAAA") }

// queue holds the tokens of tasks that no worker has taken. wake is closed
// and replaced when one is added.
type queue struct {
	tokens []string
	wake   chan struct{}
}

// queue returns an activity's queue; d.mu must be held.
func (d *Desk) queue(arn string) *queue {
	q := d.queues[arn]
	if q == nil {
		q = &queue{wake: make(chan struct{})}
		d.queues[arn] = q
	}
	return q
}

// Offer makes a task known to an activity's workers.
func (d *Desk) Offer(arn, token string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	q := d.queue(arn)
	q.tokens = append(q.tokens, token)
	close(q.wake)
	q.wake = make(chan struct{})
}

// Take returns the token of the task that has waited longest for a worker of an
// activity; where none waits it is "", and wake is closed when one does.
func (d *Desk) Take(arn string) (token string, wake <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	q := d.queue(arn)
	if len(q.tokens) > 0 {
		token, q.tokens = q.tokens[0], q.tokens[1:]
	}
	return token, q.wake
}

// Restore offers the tasks again that waited for a worker when the
// process ended.
func (d *Desk) Restore() error {
	type waiting struct {
		token string
		rec   Record
	}
	var all []waiting
	err := d.db.View(func(tx *store.Tx) error {
		return tx.Scan(record.BucketTokens, "", "", func(key string, raw []byte) (bool, error) {
			var rec Record
			err := json.Unmarshal(raw, &rec)
			if rec.Activity != "" && !rec.Started && !rec.Done {
				all = append(all, waiting{key, rec})
			}
			return true, err
		})
	})
	for _, w := range all {
		d.Offer(w.rec.Activity, w.token)
	}
	return err
}
