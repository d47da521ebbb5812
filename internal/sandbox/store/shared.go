package store

import (
	"bytes"
	"encoding/json"
	"sync"
)

// maxShared bounds how many decoded values are kept.
const maxShared = 1024

// shared keeps decoded values with the bytes that they were made of.
type shared struct {
	mu     sync.RWMutex
	values map[string]sharedValue
}

type sharedValue struct {
	raw []byte
	v   any
}

// Shared is Get for values that are read far more often than they change: it decodes
// one only when its bytes are not those of the last time. All who ask get the same
// maps, slices and pointers, which they must not change.
func Shared[T any](t *Tx, bucket, key string) (v T, found bool, err error) {
	b := t.tx.Bucket([]byte(bucket))
	if b == nil {
		return v, false, nil
	}
	raw := b.Get([]byte(key))
	if raw == nil {
		return v, false, nil
	}
	s, name := &t.db.shared, bucket+"\x00"+key
	s.mu.RLock()
	known, ok := s.values[name]
	s.mu.RUnlock()
	if ok && bytes.Equal(known.raw, raw) {
		if v, ok := known.v.(T); ok {
			return v, true, nil
		}
	}
	raw = bytes.Clone(raw)
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, false, t.undecodable(bucket, key, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values == nil || len(s.values) >= maxShared {
		s.values = map[string]sharedValue{}
	}
	s.values[name] = sharedValue{raw, v}
	return v, true, nil
}

// Encoded is a value as JSON, made by Encode: it is not examined again when it is
// put. The zero Encoded is none.
type Encoded struct{ raw []byte }

// Encode writes v as JSON.
func Encode(v any) (Encoded, error) {
	raw, err := json.Marshal(v)
	return Encoded{raw}, err
}

// IsZero reports whether there is no value.
func (e Encoded) IsZero() bool { return e.raw == nil }

// Len is how many bytes the value has.
func (e Encoded) Len() int { return len(e.raw) }

// PutEncoded sets the value.
func (t *Tx) PutEncoded(bucket, key string, e Encoded) error { return t.put(bucket, key, e.raw) }
