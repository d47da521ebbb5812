package program

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// fileIdentity is what a file system says of a file that changes whenever its content
// does. Times are nanoseconds since 1970.
type fileIdentity struct {
	device, inode uint64
	size          int64
	modified      int64
	changed       int64 // of the inode: no program can set it
}

// settled is how long a file has to have been left alone before its digest is kept: two
// changes within the resolution of a file system's times (up to two seconds, FAT) look
// like one.
const settled = 3 * time.Second

// mostDigests bounds what is remembered; beyond it all begins anew.
const mostDigests = 10_000

// digests remembers the digests of files by their identity: a model of gigabytes is that
// of a hundred tenants, and is looked at for the preview and for the update. It is safe
// for concurrent use.
type digests struct {
	now func() time.Time

	mu    sync.Mutex
	known map[fileIdentity]string
	reads singleflight.Group
}

// ofFiles are the digests of this process.
var ofFiles = &digests{now: time.Now} // a cache: what it holds is true for everybody

// of is the digest of a file's content. The file stands behind head, what was read of it
// already; where it stands after is not said.
func (d *digests) of(f *os.File, head []byte) (string, error) {
	began := d.now()
	id, ok := identityOf(f)
	if !ok || !id.settledBy(began) { // or a pipe, or a system that does not tell
		return digestFrom(head, f)
	}
	d.mu.Lock()
	sum, ok := d.known[id]
	d.mu.Unlock()
	if ok {
		return sum, nil
	}
	// Whoever comes while it is read gets what that gives: it began with the same identity.
	v, err, _ := d.reads.Do(fmt.Sprint(id), func() (any, error) {
		sum, err := digestFrom(head, f)
		if err != nil {
			return "", err
		}
		if after, ok := identityOf(f); ok && after == id {
			d.keep(id, sum)
		}
		return sum, nil
	})
	if err != nil {
		return "", err
	}
	return v.(string), nil
}

// settledBy tells whether a change after a moment is sure to show in the identity. A file
// from the future never is.
func (id fileIdentity) settledBy(at time.Time) bool {
	return max(id.modified, id.changed) <= at.Add(-settled).UnixNano()
}

func (d *digests) keep(id fileIdentity, sum string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil || len(d.known) >= mostDigests {
		d.known = map[fileIdentity]string{}
	}
	d.known[id] = sum
}

func digestFrom(head []byte, rest io.Reader) (string, error) {
	h := sha256.New()
	h.Write(head)
	_, err := io.Copy(h, rest)
	return hex.EncodeToString(h.Sum(nil)), err
}
