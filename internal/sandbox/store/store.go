// Package store owns the sandbox's embedded database: one bbolt file, fsynced
// on every commit, so that what was acknowledged survives kill -9. Values are
// JSON. Each service uses buckets that begin with its own name ("iam.roles").
// It may import nothing else of the sandbox.
package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// ErrInUse is returned by Open if another process has the file open.
var ErrInUse = errors.New("store is in use by another process")

// errUndo rolls a transaction back.
var errUndo = errors.New("undo")

// DB is an open store. It is safe for concurrent use; writers queue.
type DB struct {
	bolt    *bolt.DB
	batcher batcher
	idle    idleSync
	opaque  []string // buckets whose values may be anything
	shared  shared
	// Full, if tests set it, is asked before each commit; its error is what a full disk
	// answers.
	Full func() error
}

// lockPatience bounds the wait for another process that has the file open.
const (
	lockPatience = time.Second
	lockPause    = 10 * time.Millisecond
)

// Open opens or creates the database file, mode 0600. It gives up with ErrInUse
// after one second if another process holds the file's lock, and with a
// *DamageError if the file is not what was written to it: a file that was neither
// closed in good order nor idle, or that has changed since, is inspected as a whole. The
// values of the buckets opaque may be anything; all others are JSON.
func Open(path string, opaque ...string) (*DB, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("create store directory: %w", err)
	}
	if err := create(path); err != nil {
		return nil, fmt.Errorf("create store %s: %w", path, err)
	}
	doubtful, err := inspectFile(path, opaque)
	if err != nil {
		return nil, err
	}
	b, err := openBolt(path)
	if err != nil {
		return nil, err
	}
	if doubtful {
		if err := consistent(b); err != nil {
			return nil, errors.Join(err, b.Close())
		}
	}
	d := &DB{bolt: b, opaque: opaque}
	d.idle.start(d)
	if doubtful {
		d.idle.busy() // it is in good order now: once it is idle that is written down
	}
	return d, nil
}

func openBolt(path string) (*bolt.DB, error) {
	b, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: lockPatience, FreelistType: bolt.FreelistMapType, NoFreelistSync: true, NoStatistics: true})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, ErrInUse
	}
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	return b, nil
}

// create makes the file in one step, so that one which is empty or half written
// has lost what it held and is not taken for a new one.
func create(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	if err := f.Close(); err != nil {
		return err
	}
	b, err := openBolt(f.Name())
	if err != nil {
		return err
	}
	if err := b.Close(); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	_ = dir.Sync() // not every system can
	return dir.Close()
}

// inspectFile inspects the file while nobody has it open.
func inspectFile(path string, opaque []string) (doubtful bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	if err := lockFile(f); err != nil {
		return false, err
	}
	return inspect(f, opaque)
}

// consistent runs bbolt's own check.
func consistent(b *bolt.DB) error {
	return b.View(func(tx *bolt.Tx) error {
		var first error
		for err := range tx.Check() {
			if first == nil {
				first = &DamageError{Path: b.Path(), What: err.Error()}
			}
		}
		return first
	})
}

// Close releases the file. It waits for running transactions. The list of free
// pages is kept: see idleSync.
func (d *DB) Close() error {
	d.idle.stop()
	path := d.bolt.Path()
	err := d.keepFree()
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return d.bolt.Close()
	}
	if err = errors.Join(err, d.bolt.Close()); err == nil {
		_ = keepNote(path) // some systems tell the time of a write once the file is closed; without it the next Open takes longer
	}
	return err
}

// View runs a read-only transaction over one consistent snapshot.
func (d *DB) View(fn func(*Tx) error) error {
	return d.bolt.View(func(t *bolt.Tx) error { return fn(&Tx{t, d}) })
}

// Update runs a read-write transaction. When it returns nil the change is on
// disk; when fn returns an error nothing has changed.
func (d *DB) Update(fn func(*Tx) error) error {
	d.idle.busy()
	return d.bolt.Update(func(t *bolt.Tx) error {
		if err := fn(&Tx{t, d}); err != nil {
			return err
		}
		return d.room()
	})
}

// room is the error of a disk that tests have filled.
func (d *DB) room() error {
	if d.Full == nil {
		return nil
	}
	return d.Full()
}

// Tx is a transaction; it is not safe for concurrent use and not valid after
// the function that was given it returns.
type Tx struct {
	tx *bolt.Tx
	db *DB
}

// GetRaw returns a copy of the value, or nil if there is none.
func (t *Tx) GetRaw(bucket, key string) []byte {
	b := t.tx.Bucket([]byte(bucket))
	if b == nil {
		return nil
	}
	return bytes.Clone(b.Get([]byte(key)))
}

// PutRaw sets the value: JSON, or nothing, but for the opaque buckets. What is not
// JSON would be taken for damage at the next doubtful start, so it is refused here.
func (t *Tx) PutRaw(bucket, key string, value []byte) error {
	if len(value) > 0 && !slices.Contains(t.db.opaque, bucket) && !json.Valid(value) {
		return fmt.Errorf("bucket %s: the value of %.200q is not JSON", bucket, key)
	}
	return t.put(bucket, key, value)
}

func (t *Tx) put(bucket, key string, value []byte) error {
	b, err := t.tx.CreateBucketIfNotExists([]byte(bucket))
	if err != nil {
		return fmt.Errorf("bucket %s: %w", bucket, err)
	}
	return b.Put([]byte(key), value)
}

// Delete removes the key; it is no error if there is none.
func (t *Tx) Delete(bucket, key string) error {
	if b := t.tx.Bucket([]byte(bucket)); b != nil {
		return b.Delete([]byte(key))
	}
	return nil
}

// DeletePrefix removes every key that begins with prefix.
func (t *Tx) DeletePrefix(bucket, prefix string) error {
	b := t.tx.Bucket([]byte(bucket))
	if b == nil {
		return nil
	}
	var keys [][]byte
	c := b.Cursor()
	for k, _ := c.Seek([]byte(prefix)); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	for _, k := range keys {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// NextSequence returns a number that the bucket has never returned before.
func (t *Tx) NextSequence(bucket string) (uint64, error) {
	b, err := t.tx.CreateBucketIfNotExists([]byte(bucket))
	if err != nil {
		return 0, err
	}
	return b.NextSequence()
}

// Scan calls fn for each key from `from` (inclusive) that begins with prefix, in
// byte order, until fn returns false. Key and value are valid only inside fn.
func (t *Tx) Scan(bucket, prefix, from string, fn func(key string, value []byte) (bool, error)) error {
	b := t.tx.Bucket([]byte(bucket))
	if b == nil {
		return nil
	}
	c := b.Cursor()
	seek := max(prefix, from)
	for k, v := c.Seek([]byte(seek)); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, v = c.Next() {
		more, err := fn(string(k), v)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// undecodable is a record that is not what was written.
func (t *Tx) undecodable(bucket, key string, err error) error {
	return &DamageError{Path: t.tx.DB().Path(), What: fmt.Sprintf("record %.200q of %s cannot be read: %s", key, bucket, err)}
}

// Get decodes the JSON value of key; found is false if there is none.
func Get[T any](t *Tx, bucket, key string) (v T, found bool, err error) {
	raw := t.GetRaw(bucket, key)
	if raw == nil {
		return v, false, nil
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, false, t.undecodable(bucket, key, err)
	}
	return v, true, nil
}

// Read is Get in a transaction of its own.
func Read[T any](d *DB, bucket, key string) (v T, found bool, err error) {
	err = d.View(func(tx *Tx) error {
		v, found, err = Get[T](tx, bucket, key)
		return err
	})
	return v, found, err
}

// Find is Get for what has to be there: missing is the error of a key without a value.
func Find[T any](t *Tx, bucket, key string, missing error) (T, error) {
	v, found, err := Get[T](t, bucket, key)
	if err == nil && !found {
		err = missing
	}
	return v, err
}

// Change lets fn change the value of a key that has to be there, and keeps it. An error
// of fn keeps nothing; missing is the error of a key without a value.
func Change[T any](t *Tx, bucket, key string, missing error, fn func(*T) error) (v T, err error) {
	if v, err = Find[T](t, bucket, key, missing); err != nil {
		return v, err
	}
	if err = fn(&v); err != nil {
		return v, err
	}
	return v, Put(t, bucket, key, v)
}

// Look returns what fn reads, in a transaction of its own.
func Look[T any](d *DB, fn func(*Tx) (T, error)) (v T, err error) {
	err = d.View(func(tx *Tx) error {
		v, err = fn(tx)
		return err
	})
	return v, err
}

// Put sets key to v as JSON.
func Put[T any](t *Tx, bucket, key string, v T) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s/%s: %w", bucket, key, err)
	}
	return t.put(bucket, key, raw)
}

// Each is Scan with the values decoded.
func Each[T any](t *Tx, bucket, prefix, from string, fn func(key string, v T) bool) error {
	return t.Scan(bucket, prefix, from, func(key string, raw []byte) (bool, error) {
		var v T
		if err := json.Unmarshal(raw, &v); err != nil {
			return false, t.undecodable(bucket, key, err)
		}
		return fn(key, v), nil
	})
}

// List decodes every value whose key begins with prefix, in key order.
func List[T any](t *Tx, bucket, prefix string) (out []T, err error) {
	err = Each(t, bucket, prefix, "", func(_ string, v T) bool {
		out = append(out, v)
		return true
	})
	return out, err
}

// ReadAll is List in a transaction of its own.
func ReadAll[T any](d *DB, bucket, prefix string) (out []T, err error) {
	return Look(d, func(tx *Tx) ([]T, error) { return List[T](tx, bucket, prefix) })
}

// Select is ReadAll of those values that keep accepts.
func Select[T any](d *DB, bucket, prefix string, keep func(T) bool) ([]T, error) {
	return Look(d, func(tx *Tx) (out []T, err error) {
		err = Each(tx, bucket, prefix, "", func(_ string, v T) bool {
			if keep(v) {
				out = append(out, v)
			}
			return true
		})
		return out, err
	})
}
