package s3

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/kit/courier"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Buckets of the store.
const (
	dbBuckets  = "s3.buckets"  // name
	dbVersions = "s3.versions" // bucket NUL key NUL inverted sequence: newest version of a key first
	dbBlobs    = "s3.blobs"    // blob id: referred to by a version or a part
	dbUploads  = "s3.uploads"  // bucket NUL key NUL upload id
	dbParts    = "s3.parts"    // upload id NUL part number
	dbComplete = "s3.complete" // bucket NUL key NUL upload id: what a completion answered
)

const (
	enabled   = "Enabled"
	suspended = "Suspended"
	nullID    = "null" // the version id of objects written without versioning
)

// bucketMeta is a bucket with its settings: sub-resource name to document, XML
// as S3 returns it (JSON for "policy").
type bucketMeta struct {
	Name       string
	Scope      wire.Scope // the owner, and where it is
	Created    time.Time
	Versioning string            `json:",omitempty"` // "", Enabled, Suspended
	Settings   map[string]string `json:",omitempty"`
	Notify     *notifications    `json:",omitempty"` // the setting, as it is looked at
}

// segment is a part of an object's data: a blob, or, where it is small, the data
// themselves. A file of its own costs a dozen system calls and two flushes.
type segment struct {
	ID   string `json:",omitempty"` // of the blob, "" if the data are here
	Size int64
	Data []byte `json:",omitempty"`
}

// version is one version of an object, or a delete marker.
type version struct {
	Bucket, Key, ID string
	Seq             uint64
	Marker          bool `json:",omitempty"`
	Size            int64
	ETag            string // without quotes
	Modified        time.Time
	Segments        []segment         `json:",omitempty"`
	Multipart       bool              `json:",omitempty"` // segments are its parts
	Headers         map[string]string `json:",omitempty"` // canonical names: Content-Type, Cache-Control, ...
	Meta            map[string]string `json:",omitempty"` // x-amz-meta-*, lower-case names
	Tags            []tag             `json:",omitempty"`
	Checksum        checksum
	StorageClass    string `json:",omitempty"`
	SSE, SSEKey     string `json:",omitempty"`
	BucketKey       bool   `json:",omitempty"`
	DataKey         []byte `json:",omitempty"` // encrypted by KMS under SSEKey

	why     cause            // of a version that is being written
	tickets []courier.Ticket // of who is told of that
}

type tag struct {
	Key   string `xml:"Key"`
	Value string `xml:"Value"`
}

func versionPrefix(bucket, key string) string { return bucket + "\x00" + key + "\x00" }

func (v *version) dbKey() string {
	return versionPrefix(v.Bucket, v.Key) + fmt.Sprintf("%016x", ^v.Seq)
}

// splitKey takes a dbVersions or dbUploads key apart, which begins with a bucket.
func splitKey(k string) (key, rest string) {
	_, k, _ = strings.Cut(k, "\x00")
	i := strings.LastIndexByte(k, 0)
	return k[:i], k[i+1:]
}

// versionID is the form of ids, by which S3 tells those that were never given out.
var versionID = lazyregexp.New(`^[A-Za-z0-9._]{32}$`)

func newVersionID() string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._"
	var r [32]byte
	_, _ = rand.Read(r[:]) // never fails (crypto/rand)
	for i := range r {
		r[i] = alphabet[r[i]&63]
	}
	return string(r[:])
}

func getBucket(tx *store.Tx, name string) (bucketMeta, error) {
	b, ok, err := store.Get[bucketMeta](tx, dbBuckets, name)
	if err != nil {
		return b, err
	}
	if !ok {
		return b, errNoSuchBucket(name)
	}
	return b, nil
}

// versionsOf lists the versions of a key, newest first, until fn returns false.
func versionsOf(tx *store.Tx, bucket, key string, fn func(*version) bool) error {
	return tx.Scan(dbVersions, versionPrefix(bucket, key), "", func(_ string, raw []byte) (bool, error) {
		v := new(version)
		if err := json.Unmarshal(raw, v); err != nil {
			return false, err
		}
		return fn(v), nil
	})
}

// current returns the newest version of a key, nil if there is none. It may be
// a delete marker.
func current(tx *store.Tx, bucket, key string) (out *version, err error) {
	err = versionsOf(tx, bucket, key, func(v *version) bool { out = v; return false })
	return out, err
}

// byID returns one version of a key, nil if there is none.
func byID(tx *store.Tx, bucket, key, id string) (out *version, err error) {
	err = versionsOf(tx, bucket, key, func(v *version) bool {
		if v.ID == id {
			out = v
		}
		return out == nil
	})
	return out, err
}

// insert makes v the current version of its key, by the rules of the bucket's
// versioning state, and returns the data that this made superfluous.
func (s *Service) insert(tx *store.Tx, b bucketMeta, v *version) (dropped []segment, err error) {
	v.ID = nullID
	if b.Versioning == enabled {
		v.ID = newVersionID()
	} else {
		old, err := byID(tx, v.Bucket, v.Key, nullID)
		if err != nil {
			return nil, err
		}
		if old != nil {
			if err := remove(tx, old); err != nil {
				return nil, err
			}
			dropped = old.Segments
		}
	}
	if v.Seq, err = tx.NextSequence(dbVersions); err != nil {
		return nil, err
	}
	for _, seg := range v.Segments {
		if seg.ID == "" {
			continue
		}
		if err := tx.PutRaw(dbBlobs, seg.ID, []byte{}); err != nil {
			return nil, err
		}
	}
	if v.tickets, err = s.notices(tx, b, v, v.why); err != nil {
		return nil, err
	}
	return dropped, store.Put(tx, dbVersions, v.dbKey(), v)
}

// remove deletes a version; its data are the caller's to remove after the commit.
func remove(tx *store.Tx, v *version) error {
	if err := dropBlobs(tx, v.Segments); err != nil {
		return err
	}
	return tx.Delete(dbVersions, v.dbKey())
}

func dropBlobs(tx *store.Tx, segments []segment) error {
	for _, s := range segments {
		if s.ID == "" {
			continue
		}
		if err := tx.Delete(dbBlobs, s.ID); err != nil {
			return err
		}
	}
	return nil
}

// commit runs a read-write transaction. Writers that come together share a
// flush; a lone one does not wait for company. fn may run more than once.
func (s *Service) commit(fn func(*store.Tx) error) error {
	defer s.writers.Add(-1)
	if s.writers.Add(1) == 1 {
		return s.DB.Update(fn)
	}
	return s.DB.Batch(fn)
}

func (s *Service) bucket(name string) (b bucketMeta, err error) {
	err = s.DB.View(func(tx *store.Tx) error {
		var found bool
		if b, found, err = store.Shared[bucketMeta](tx, dbBuckets, name); err == nil && !found {
			err = errNoSuchBucket(name)
		}
		return err
	})
	return b, err
}

func (s *Service) now() time.Time { return s.Clock.Now().UTC().Truncate(time.Second) }
