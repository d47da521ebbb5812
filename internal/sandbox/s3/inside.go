package s3

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// This file is wire.Objects: S3 for the other services where they read and write
// streams.

func (v *version) info() wire.ObjectInfo {
	id := v.ID
	if id == nullID {
		id = ""
	}
	return wire.ObjectInfo{
		Bucket: v.Bucket, Key: v.Key, VersionID: id, ETag: quote(v.ETag), ContentType: v.Headers["Content-Type"], StorageClass: storageClass(v),
		Size: v.Size, LastModified: v.Modified, Metadata: v.Meta,
	}
}

// GetObject implements wire.Objects. The reader stays valid when the object is
// replaced or deleted meanwhile; the caller closes it.
func (s *Service) GetObject(ctx context.Context, sc wire.Scope, p wire.Principal, bucket, key, versionID string) (io.ReadCloser, wire.ObjectInfo, error) {
	v, r, err := s.read(ctx, s.inside(sc, p), bucket, key, versionID)
	if err != nil {
		return nil, wire.ObjectInfo{}, refusals.Error(err)
	}
	return r, v.info(), nil
}

func (s *Service) read(ctx context.Context, req *wire.Request, bucket, key, id string) (*version, io.ReadCloser, error) {
	for attempt := 0; ; attempt++ {
		v, err := s.find(ctx, req, bucket, key, id)
		if err != nil {
			return nil, nil, err
		}
		if err := s.decrypt(ctx, req, v); err != nil {
			return nil, nil, err
		}
		r, err := s.blobs.open(v.Segments, 0, v.Size)
		if errors.Is(err, fs.ErrNotExist) && attempt < 3 {
			continue
		}
		return v, r, err
	}
}

// PutObject implements wire.Objects.
func (s *Service) PutObject(ctx context.Context, sc wire.Scope, p wire.Principal, bucket, key, contentType string, body io.Reader) (wire.ObjectInfo, error) {
	v := &version{Bucket: bucket, Key: key, Headers: map[string]string{"Content-Type": contentType}}
	if err := s.write(ctx, s.inside(sc, p), v, conditions{}, defaultAlgorithm, nil, body); err != nil {
		return wire.ObjectInfo{}, refusals.Error(err)
	}
	return v.info(), nil
}

// write puts what body has, as who asks; keys are the condition keys of the headers that a
// client would send.
func (s *Service) write(ctx context.Context, req *wire.Request, v *version, cond conditions, algorithm string, keys map[string][]string, body io.Reader) error {
	if v.Key == "" || len(v.Key) > maxKey || strings.ContainsRune(v.Key, 0) {
		return fail(http.StatusBadRequest, "KeyTooLongError", "Your key is too long")
	}
	if v.Headers["Content-Type"] == "" {
		v.Headers["Content-Type"] = "binary/octet-stream"
	}
	b, err := s.bucket(v.Bucket)
	if err != nil {
		return err
	}
	if err := s.authorize(ctx, req, b, "s3:PutObject", objectARN(b.Scope, v.Bucket, v.Key), keys); err != nil {
		return err
	}
	if err := s.encrypt(ctx, req, b, v); err != nil {
		return err
	}
	d := &digest{md5: newMD5(), algorithm: algorithm, sum: newHash(algorithm)}
	seg, err := s.blobs.keep(body, d)
	if err != nil {
		return err
	}
	v.Segments, v.Size, v.ETag, v.Checksum = []segment{seg}, seg.Size, d.etag(), d.checksum()
	v.why = cause{"ObjectCreated:Put", "PutObject", req}
	return s.put(v, cond)
}

// ListObjects implements wire.Objects. It reads in pages, so fn may be slow and
// may call the service.
func (s *Service) ListObjects(ctx context.Context, sc wire.Scope, p wire.Principal, bucket, prefix string, fn func(wire.ObjectInfo) bool) error {
	b, err := s.bucket(bucket)
	if err != nil {
		return err
	}
	if err := s.authorize(ctx, s.inside(sc, p), b, "s3:ListBucket", bucketARN(b.Scope, bucket), map[string][]string{"s3:prefix": {prefix}}); err != nil {
		return worded(err)
	}
	l := listing{bucket: bucket, prefix: prefix, max: maxList}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		var pg found
		err := s.DB.View(func(tx *store.Tx) error {
			pg, err = list(tx, l)
			return err
		})
		if err != nil {
			return err
		}
		for _, v := range pg.items {
			if !fn(v.info()) {
				return nil
			}
		}
		if !pg.more {
			return nil
		}
		l.after = pg.last
	}
}
