// Package ledger shares token buckets between all programs of one home, so that two
// terminals do not throttle each other: a small file says how full each bucket is. Who takes
// a token holds the file's lock for the time of one read and one write. The kernel frees it
// when a program ends, however it ends; a token that was taken by one that was killed is lost
// for as long as the bucket needs to make another.
//
// It knows nothing of AWS: which buckets there are, and which part of them may be used, is
// its callers' business. It imports clock and fault only.
package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/clock"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/wholefile"
)

// Bucket is a token bucket as it may be used: at most Burst tokens at once, and PerSecond
// new ones each second.
type Bucket struct{ Burst, PerSecond float64 }

// Level is how full a bucket is.
type Level struct {
	Name string `json:"name"`
	// Tokens may be below zero: that many are promised to who waits.
	Tokens float64 `json:"tokens"`
	Burst  float64 `json:"burst"`
	// PerSecond is what is made now: Rate, a part from 0.05 to 1, of the bucket's own.
	PerSecond float64 `json:"perSecond"`
	Rate      float64 `json:"rate"`
}

// entry is a bucket in the file. It has its size too, for who only looks.
type entry struct {
	Tokens float64 `json:"tokens"`
	// At is when Tokens was true, in nanoseconds since 1970; Rate is what part of the
	// bucket's own rate is used since the server has throttled.
	At    int64   `json:"at"`
	Rate  float64 `json:"rate"`
	Burst float64 `json:"burst"`
	Per   float64 `json:"perSecond"`
}

type contents struct {
	Version int              `json:"version"`
	Buckets map[string]entry `json:"buckets"`
}

const (
	version = 1
	// sizeMax bounds what is read: a ledger of all APIs has 2 KiB.
	sizeMax  = 64 << 10
	patience = 250 * time.Millisecond
	tryEvery = time.Millisecond
	// future is how far a time in the file may be ahead: more, and the clock was set back.
	future = time.Minute

	slowdown = 0.5  // factor of the rate each time the server throttles
	floor    = 0.05 // least part of the rate
	recovery = 0.02 // part of the rate that is regained by a success
)

// Ledger is the file of the buckets of one account and region. It is safe for concurrent
// use by goroutines and by programs.
type Ledger struct {
	// Patience is how long the file's lock is waited for. It is held for less than a
	// millisecond, but for a program that was stopped meanwhile (SIGSTOP), which must stop no
	// other one. It may be set before the first use.
	Patience time.Duration

	path string
	// trouble hears what is wrong with the file, each kind once.
	trouble             func(error)
	forgotten, unusable sync.Once
}

// Open returns the ledger of a path. It asks nothing of the disk: the file is made when the
// first token is taken. trouble, which may be nil, hears, each once, that what is in the file
// cannot be read, so that it begins anew, and that the file cannot be used: those who take
// tokens pace themselves alone then, and have no other way to tell it.
func Open(path string, trouble func(error)) *Ledger {
	if trouble == nil {
		trouble = func(error) {}
	}
	return &Ledger{Patience: patience, path: path, trouble: trouble}
}

// Try tells whether the file can be used, as an error that says why not. It changes nothing of
// what is in it.
func (l *Ledger) Try(ctx context.Context) error {
	f, err := l.open()
	if err != nil {
		return l.cannot(err)
	}
	defer f.Close()
	if err := l.lock(ctx, f); err != nil {
		return l.cannot(err)
	}
	return nil
}

// Take takes a token and returns how long to wait before it may be used, in order of
// arrival; slowed says that the server has throttled lately, so that Succeeded has something
// to tell. An error says that the file cannot be used; nothing was taken then.
func (l *Ledger) Take(ctx context.Context, name string, b Bucket, now time.Time) (wait time.Duration, slowed bool, err error) {
	err = l.change(ctx, name, b, now, func(e *entry) {
		e.Tokens--
		slowed = e.Rate < 1
		if e.Tokens < 0 {
			wait = time.Duration(-e.Tokens / (b.PerSecond * e.Rate) * float64(time.Second))
		}
	})
	return wait, slowed, err
}

// Return gives a token back that was not used.
func (l *Ledger) Return(ctx context.Context, name string, b Bucket, now time.Time) error {
	return l.change(ctx, name, b, now, func(e *entry) { e.Tokens = min(b.Burst, e.Tokens+1) })
}

// Throttled halves the rate and empties the bucket, for all: the server's own is empty,
// whoever has emptied it.
func (l *Ledger) Throttled(ctx context.Context, name string, b Bucket, now time.Time) error {
	return l.change(ctx, name, b, now, func(e *entry) {
		e.Rate = max(floor, e.Rate*slowdown)
		e.Tokens = min(e.Tokens, 0)
	})
}

// Succeeded brings a rate that was slowed down a little nearer to the bucket's own.
func (l *Ledger) Succeeded(ctx context.Context, name string, b Bucket, now time.Time) error {
	return l.change(ctx, name, b, now, func(e *entry) { e.Rate = min(1, e.Rate+recovery) })
}

// Levels tells how full the buckets are, by name; none if the file is not there or cannot
// be read. It changes nothing and waits for nobody.
func (l *Ledger) Levels(now time.Time) []Level {
	raw, err := wholefile.Read(l.path)
	c, ok := read(raw)
	if err != nil || !ok {
		return nil
	}
	var out []Level
	for name, e := range c.Buckets {
		b := Bucket{e.Burst, e.Per}
		e.refill(b, now)
		out = append(out, Level{Name: name, Tokens: e.Tokens, Burst: e.Burst, PerSecond: e.Per * e.Rate, Rate: e.Rate})
	}
	slices.SortFunc(out, func(a, b Level) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// refill adds what was made since.
func (e *entry) refill(b Bucket, now time.Time) {
	at := time.Unix(0, e.At)
	if at.Sub(now) > future {
		at = now
	}
	if since := now.Sub(at); since > 0 {
		e.Tokens += since.Seconds() * b.PerSecond * e.Rate
		at = now
	}
	e.Tokens, e.At = min(e.Tokens, b.Burst), at.UnixNano()
	e.Burst, e.Per = b.Burst, b.PerSecond
}

// change does something to one bucket, alone.
func (l *Ledger) change(ctx context.Context, name string, b Bucket, now time.Time, do func(*entry)) (err error) {
	defer func() {
		if err != nil && ctx.Err() == nil {
			l.unusable.Do(func() { l.trouble(err) })
		}
	}()
	f, err := l.open()
	if err != nil {
		return l.cannot(err)
	}
	defer func() { // frees the lock too
		if e := f.Close(); err == nil && e != nil {
			err = l.cannot(e)
		}
	}()
	if err := l.lock(ctx, f); err != nil {
		return l.cannot(err)
	}
	raw, err := io.ReadAll(io.LimitReader(f, sizeMax+1))
	if err != nil {
		return l.cannot(err)
	}
	c, ok := read(raw)
	fresh := entry{Tokens: b.Burst, At: now.UnixNano(), Rate: 1}
	if !ok && len(raw) > 0 {
		// What was used is not known: begin with nothing, and with no harm.
		l.forget()
		fresh.Tokens = 0
	}
	e, known := c.Buckets[name]
	if !known {
		e = fresh
	}
	e.refill(b, now)
	do(&e)
	c.Buckets[name] = e
	return l.write(f, c, len(raw))
}

// read takes a file's contents apart; false if they are not a ledger's.
func read(raw []byte) (contents, bool) {
	c := contents{}
	ok := len(raw) <= sizeMax && json.Unmarshal(raw, &c) == nil && c.Version == version
	for _, e := range c.Buckets {
		for _, n := range []float64{e.Tokens, e.Rate, e.Burst, e.Per} {
			ok = ok && !math.IsNaN(n) && math.Abs(n) < 1e9
		}
		ok = ok && e.Rate >= floor && e.Rate <= 1
	}
	if !ok || c.Buckets == nil {
		c = contents{Buckets: map[string]entry{}}
	}
	c.Version = version
	return c, ok
}

// write puts the contents in the place of what was there, in one call: a program that is
// killed has written all of it or nothing. What is shorter is filled up with spaces, so that
// nothing has to be cut off afterwards.
func (l *Ledger) write(f *os.File, c contents, before int) error {
	text, err := json.Marshal(c)
	if err != nil {
		return l.cannot(err)
	}
	if n := before - len(text) - 1; n > 0 && before <= sizeMax {
		text = append(text, bytes.Repeat([]byte{' '}, n)...)
	}
	if before > sizeMax {
		if err := f.Truncate(0); err != nil {
			return l.cannot(err)
		}
	}
	if _, err := f.WriteAt(append(text, '\n'), 0); err != nil {
		return l.cannot(err)
	}
	return nil
}

func (l *Ledger) open() (*os.File, error) {
	f, err := wholefile.Open(l.path, os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(l.path), 0o700); err != nil {
			return nil, err
		}
		f, err = wholefile.Open(l.path, os.O_RDWR|os.O_CREATE, 0o600)
	}
	return f, err
}

// lock waits for the file's lock, for a short time.
func (l *Ledger) lock(ctx context.Context, f *os.File) error {
	for end := time.Now().Add(l.Patience); ; {
		free, err := tryLock(f)
		if err != nil || free {
			return err
		}
		if time.Now().After(end) {
			return errors.New("another program holds it and does not go on")
		}
		if err := clock.Sleep(ctx, clock.Real{}, tryEvery); err != nil {
			return err
		}
	}
}

func (l *Ledger) forget() {
	l.forgotten.Do(func() {
		l.trouble(fault.New(fault.Damaged, "the ledger of request quotas %s was damaged and begins anew", l.path))
	})
}

func (l *Ledger) cannot(err error) error {
	return fault.New(fault.Internal, "cannot use the ledger of request quotas %s: %s", l.path, err).Because(err).
		WithHint("Check the folder's permissions and free space; without it each program paces itself alone.")
}
