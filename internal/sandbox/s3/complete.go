package s3

import (
	"slices"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

// completedLife is how long a completion may be asked for again: a client whose
// answer was lost repeats it, and S3 answers it as before.
const completedLife = 24 * time.Hour

// completed is what CompleteMultipartUpload answered.
type completed struct {
	At          time.Time
	VersionID   string
	ETag        string
	Checksum    checksum
	SSE, SSEKey string
	BucketKey   bool
	Parts       []string // the parts' ETags
}

func (d completed) version() *version {
	return &version{ID: d.VersionID, ETag: d.ETag, Checksum: d.Checksum, SSE: d.SSE, SSEKey: d.SSEKey, BucketKey: d.BucketKey}
}

func (in completion) etags() []string {
	out := make([]string, len(in.Part))
	for i, p := range in.Part {
		out[i] = unquote(p.ETag)
	}
	return out
}

// completedBefore finds what the same completion answered before; nothing if it
// was never asked for, or for other parts.
func (c *call) completedBefore(tx *store.Tx, in completion) (completed, error) {
	d, ok, err := store.Get[completed](tx, dbComplete, versionPrefix(c.bucket, c.key)+c.q.Get("uploadId"))
	if err != nil || !ok || c.s.now().Sub(d.At) > completedLife || !slices.Equal(d.Parts, in.etags()) {
		return completed{}, err
	}
	return d, nil
}

// remember keeps a completion.
func (c *call) remember(tx *store.Tx, u upload, in completion, v *version) error {
	return store.Put(tx, dbComplete, u.dbKey(), completed{c.s.now(), v.ID, v.ETag, v.Checksum, v.SSE, v.SSEKey, v.BucketKey, in.etags()})
}

// forgetCompleted removes the completions that are too old to be asked for again.
func (s *Service) forgetCompleted() error {
	return s.DB.Update(func(tx *store.Tx) error {
		var old []string
		err := tx.Scan(dbComplete, "", "", func(key string, _ []byte) (bool, error) {
			d, ok, err := store.Get[completed](tx, dbComplete, key)
			if ok && s.now().Sub(d.At) > completedLife {
				old = append(old, key)
			}
			return true, err // told as it is
		})
		for _, key := range old {
			if err == nil {
				err = tx.Delete(dbComplete, key)
			}
		}
		return err // told as it is
	})
}
