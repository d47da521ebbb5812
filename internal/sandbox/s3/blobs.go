package s3

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// blobs keeps object data: one immutable file for each written body, named by a
// random id, below dir/data/<2 hex>/. A file becomes visible there by rename,
// after it was synced; only then may the store refer to it.
type blobs struct{ dir string }

// openBlobs prepares dir and removes unfinished writes and every file that
// `known` denies.
func openBlobs(dir string, known func(id string) (bool, error)) (*blobs, error) {
	b := &blobs{dir}
	for _, d := range []string{b.tmp(), b.data()} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, err
		}
	}
	left, err := os.ReadDir(b.tmp())
	if err != nil {
		return nil, err
	}
	for _, e := range left {
		if err := os.Remove(filepath.Join(b.tmp(), e.Name())); err != nil {
			return nil, err
		}
	}
	err = filepath.WalkDir(b.data(), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		ok, err := known(e.Name())
		if err != nil || ok {
			return err
		}
		return os.Remove(path)
	})
	return b, err
}

func (b *blobs) tmp() string           { return filepath.Join(b.dir, "tmp") }
func (b *blobs) data() string          { return filepath.Join(b.dir, "data") }
func (b *blobs) path(id string) string { return filepath.Join(b.data(), id[:2], id) }

func newBlobID() string {
	var r [16]byte
	_, _ = rand.Read(r[:]) // never fails (crypto/rand)
	return hex.EncodeToString(r[:])
}

// write copies r into a new blob, through `also` if given, and returns it once
// it is on disk. On an error nothing is left.
func (b *blobs) write(r io.Reader, also io.Writer) (segment, error) {
	id := newBlobID()
	name := filepath.Join(b.tmp(), id)
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return segment{}, err
	}
	var w io.Writer = f
	if also != nil {
		w = io.MultiWriter(f, also)
	}
	n, err := io.Copy(w, r)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = b.publish(name, id)
	}
	if err != nil {
		_ = os.Remove(name)
		return segment{}, err
	}
	return segment{ID: id, Size: n}, nil
}

// maxInline is the largest data that are kept in the record of their object.
const maxInline = 2 << 10

// keep is write for the data of an object: small ones need no file, and are on disk
// when the object's record is.
func (b *blobs) keep(r io.Reader, also io.Writer) (segment, error) {
	var small bytes.Buffer
	n, err := io.Copy(&small, io.LimitReader(r, maxInline+1))
	if err != nil {
		return segment{}, err
	}
	if n > maxInline {
		return b.write(io.MultiReader(&small, r), also)
	}
	if also != nil {
		if _, err := also.Write(small.Bytes()); err != nil {
			return segment{}, err
		}
	}
	return segment{Size: n, Data: small.Bytes()}, nil
}

// publish moves a synced file to its final place and makes the move durable.
func (b *blobs) publish(name, id string) error {
	dst := b.path(id)
	if err := os.Rename(name, dst); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(dst), 0o700); err != nil {
			return err
		}
		if err := syncDir(b.data()); err != nil {
			return err
		}
		if err := os.Rename(name, dst); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	return syncDir(filepath.Dir(dst))
}

// syncDir makes changes of a folder's entries durable. Windows cannot and need
// not: there, a rename is in the journal of the file system.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}

// copy makes blobs with the same content: a second name for the same file where
// the file system can, since blobs never change.
func (b *blobs) copy(segments []segment) ([]segment, error) {
	out := make([]segment, 0, len(segments))
	for _, s := range segments {
		if s.ID == "" {
			out = append(out, s)
			continue
		}
		id := newBlobID()
		name := filepath.Join(b.tmp(), id)
		err := os.Link(b.path(s.ID), name)
		if err == nil {
			err = b.publish(name, id)
		} else if !errors.Is(err, fs.ErrNotExist) {
			var r io.ReadCloser
			if r, err = b.open([]segment{s}, 0, s.Size); err == nil {
				var c segment
				c, err = b.write(r, nil)
				_ = r.Close()
				id = c.ID
			}
		}
		if err != nil {
			b.remove(out)
			return nil, err
		}
		out = append(out, segment{ID: id, Size: s.Size})
	}
	return out, nil
}

// remove deletes blobs that nothing refers to any more. A file that cannot be
// deleted now is swept at the next start.
func (b *blobs) remove(segments []segment) {
	for _, s := range segments {
		if s.ID != "" {
			_ = os.Remove(b.path(s.ID))
		}
	}
}

// open returns the bytes [from, from+length) of the joined segments. All files
// are open when it returns, so that a later removal does not disturb the reader.
func (b *blobs) open(segments []segment, from, length int64) (io.ReadCloser, error) {
	r := &segmentReader{}
	for _, s := range segments {
		if length <= 0 {
			break
		}
		if from >= s.Size {
			from -= s.Size
			continue
		}
		n := min(s.Size-from, length)
		if s.ID == "" {
			r.readers = append(r.readers, bytes.NewReader(s.Data[from:from+n]))
			from, length = 0, length-n
			continue
		}
		f, err := os.Open(b.path(s.ID))
		if err != nil {
			_ = r.Close()
			return nil, err
		}
		r.files = append(r.files, f)
		r.readers = append(r.readers, io.NewSectionReader(f, from, n))
		from, length = 0, length-n
	}
	if length > 0 {
		_ = r.Close()
		return nil, fmt.Errorf("object data end %d bytes early", length)
	}
	r.Reader = io.MultiReader(r.readers...)
	return r, nil
}

type segmentReader struct {
	io.Reader
	readers []io.Reader
	files   []*os.File
}

func (r *segmentReader) Close() error {
	var errs []error
	for _, f := range r.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
