package s3

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// This file is S3 for the other services: wire.Objects, and the operations of
// Step Functions' SDK integrations.

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
	v, r, err := s.read(ctx, inside(sc, p), bucket, key, versionID)
	if err != nil {
		return nil, wire.ObjectInfo{}, wire.AsError(err)
	}
	return r, v.info(), nil
}

func (s *Service) read(ctx context.Context, c caller, bucket, key, id string) (*version, io.ReadCloser, error) {
	for attempt := 0; ; attempt++ {
		v, _, err := s.find(ctx, c, bucket, key, id)
		if err != nil {
			return nil, nil, err
		}
		if err := s.decrypt(ctx, c, v); err != nil {
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
	if err := s.write(ctx, inside(sc, p), v, conditions{}, defaultAlgorithm, body); err != nil {
		return wire.ObjectInfo{}, wire.AsError(err)
	}
	return v.info(), nil
}

func (s *Service) write(ctx context.Context, c caller, v *version, cond conditions, algorithm string, body io.Reader) error {
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
	if err := s.authorize(ctx, c, b, "s3:PutObject", objectARN(b.Scope, v.Bucket, v.Key), nil); err != nil {
		return err
	}
	if err := s.encrypt(ctx, c, b, v); err != nil {
		return err
	}
	d := &digest{md5: newMD5(), algorithm: algorithm, sum: newHash(algorithm)}
	seg, err := s.blobs.write(body, d)
	if err != nil {
		return err
	}
	v.Segments, v.Size, v.ETag, v.Checksum = []segment{seg}, seg.Size, d.etag(), d.checksum()
	return s.put(v, cond)
}

// ListObjects implements wire.Objects. It reads in pages, so fn may be slow and
// may call the service.
func (s *Service) ListObjects(ctx context.Context, sc wire.Scope, p wire.Principal, bucket, prefix string, fn func(wire.ObjectInfo) bool) error {
	b, err := s.bucket(bucket)
	if err != nil {
		return err
	}
	if err := s.authorize(ctx, inside(sc, p), b, "s3:ListBucket", bucketARN(b.Scope, bucket), map[string][]string{"s3:prefix": {prefix}}); err != nil {
		return err
	}
	l := listing{bucket: bucket, prefix: prefix, max: maxList}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		var pg page
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

// objectInput has the members of the served operations; the API's names.
type objectInput struct {
	Bucket, Key, VersionID, ExpectedBucketOwner              string
	Body                                                     json.RawMessage
	ContentType, CacheControl, ContentDisposition            string
	ContentEncoding, ContentLanguage, StorageClass           string
	ServerSideEncryption, SSEKMSKeyID                        string
	BucketKeyEnabled                                         bool
	Metadata                                                 map[string]string
	Tagging, IfMatch, IfNoneMatch, Range                     string
	CopySource, MetadataDirective                            string
	Prefix, Delimiter, StartAfter, ContinuationToken, Marker string
	MaxKeys                                                  *int
}

// opFunc serves one operation from inside.
type opFunc func(ctx context.Context, c caller, in objectInput) (map[string]any, error)

func (s *Service) registerOps(r *wire.Router) {
	for name, fn := range map[string]opFunc{
		"PutObject": s.opPut, "GetObject": s.opGet, "HeadObject": s.opHead, "ListObjectsV2": s.opList, "DeleteObject": s.opDelete, "CopyObject": s.opCopy,
	} {
		r.Handle("s3", name, func(ctx context.Context, req *wire.Request, raw []byte) (any, error) {
			var in objectInput
			if err := json.Unmarshal(raw, &in); err != nil {
				return nil, wire.Errorf(http.StatusBadRequest, "SerializationException", "%s", err)
			}
			if in.ExpectedBucketOwner != "" && !s.owned(in.Bucket, in.ExpectedBucketOwner) {
				return nil, errDenied()
			}
			out, err := fn(ctx, inside(req.Scope, req.Principal), in)
			if err != nil {
				return nil, err
			}
			return out, nil
		})
	}
}

// taskAlgorithm and taskContentType are what the SDK of Step Functions sends
// with an object where the task says nothing.
const (
	taskAlgorithm   = "CRC32"
	taskContentType = "text/plain; charset=UTF-8"
)

// opPut writes the Body's JSON text: a string keeps its quotes. That is what
// Step Functions' SDK integration does.
func (s *Service) opPut(ctx context.Context, c caller, in objectInput) (map[string]any, error) {
	var body bytes.Buffer
	if len(in.Body) > 0 {
		if err := json.Compact(&body, in.Body); err != nil {
			return nil, err
		}
	}
	tags, err := headerTags(in.Tagging)
	if err != nil {
		return nil, err
	}
	v := &version{
		Bucket: in.Bucket, Key: in.Key, Headers: in.headers(), Meta: in.Metadata, Tags: tags, StorageClass: in.StorageClass,
		SSE: in.ServerSideEncryption, SSEKey: in.SSEKMSKeyID, BucketKey: in.BucketKeyEnabled,
	}
	if v.Headers["Content-Type"] == "" {
		v.Headers["Content-Type"] = taskContentType
	}
	if err := s.write(ctx, c, v, conditions{in.IfMatch, in.IfNoneMatch}, taskAlgorithm, &body); err != nil {
		return nil, err
	}
	out := v.sse(map[string]any{"ETag": quote(v.ETag), "Checksum" + v.Checksum.Algorithm: v.Checksum.Value, "ChecksumType": v.Checksum.Type})
	return out, nil
}

func (in objectInput) headers() map[string]string {
	h := map[string]string{}
	for name, x := range map[string]string{
		"Content-Type": in.ContentType, "Cache-Control": in.CacheControl, "Content-Disposition": in.ContentDisposition,
		"Content-Encoding": in.ContentEncoding, "Content-Language": in.ContentLanguage,
	} {
		if x != "" {
			h[name] = x
		}
	}
	return h
}

// sse adds the members that every reply about a version has.
func (v *version) sse(out map[string]any) map[string]any {
	out["ServerSideEncryption"] = v.SSE
	if v.SSEKey != "" {
		out["SSEKMSKeyId"] = v.SSEKey
	}
	if v.BucketKey {
		out["BucketKeyEnabled"] = true
	}
	if v.ID != nullID {
		out["VersionId"] = v.ID
	}
	return out
}

func (v *version) describe() map[string]any {
	meta := v.Meta
	if meta == nil {
		meta = map[string]string{}
	}
	out := v.sse(map[string]any{
		"AcceptRanges": "bytes", "ContentLength": v.Size, "ETag": quote(v.ETag), "LastModified": jsonTime(v.Modified), "Metadata": meta,
	})
	for name, x := range v.Headers {
		out[strings.ReplaceAll(name, "-", "")] = x
	}
	if n := len(v.Tags); n > 0 {
		out["TagCount"] = n
	}
	if v.StorageClass != "" && v.StorageClass != "STANDARD" {
		out["StorageClass"] = v.StorageClass
	}
	return out
}

// maxResult bounds what an operation reads into memory; Step Functions refuses
// results above 256 KiB anyway.
const maxResult = 16 << 20

func (s *Service) opGet(ctx context.Context, c caller, in objectInput) (map[string]any, error) {
	v, r, err := s.read(ctx, c, in.Bucket, in.Key, in.VersionID)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	if err := (readConditions{match: in.IfMatch, noneMatch: in.IfNoneMatch}).check(v); err != nil {
		return nil, err
	}
	from, length, ranged, satisfiable := parseRange(in.Range, v.Size)
	if !satisfiable {
		return nil, fail(http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range is not satisfiable")
	}
	out := v.describe()
	if ranged {
		if _, err := io.CopyN(io.Discard, r, from); err != nil {
			return nil, err
		}
		out["ContentLength"] = length
		out["ContentRange"] = contentRange(from, length, v.Size)
	} else {
		length = v.Size
	}
	if length > maxResult {
		return nil, fail(http.StatusBadRequest, "EntityTooLarge", "The object is too large to be a result")
	}
	body, err := io.ReadAll(io.LimitReader(r, length))
	if err != nil {
		return nil, err
	}
	out["Body"] = strings.ToValidUTF8(string(body), "\uFFFD")
	return out, nil
}

func (s *Service) opHead(ctx context.Context, c caller, in objectInput) (map[string]any, error) {
	v, _, err := s.find(ctx, c, in.Bucket, in.Key, in.VersionID)
	if err != nil {
		return nil, err
	}
	return v.describe(), nil
}

func (s *Service) opList(ctx context.Context, c caller, in objectInput) (map[string]any, error) {
	b, err := s.bucket(in.Bucket)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, c, b, "s3:ListBucket", bucketARN(b.Scope, in.Bucket), map[string][]string{"s3:prefix": {in.Prefix}}); err != nil {
		return nil, err
	}
	l := listing{bucket: in.Bucket, prefix: in.Prefix, delimiter: in.Delimiter, after: in.StartAfter, max: maxList}
	if in.MaxKeys != nil {
		l.max = max(0, min(*in.MaxKeys, maxList))
	}
	if in.ContinuationToken != "" {
		if l.after, err = fromPageToken(in.ContinuationToken); err != nil {
			return nil, err
		}
	}
	var pg page
	err = s.DB.View(func(tx *store.Tx) error {
		pg, err = list(tx, l)
		return err
	})
	if err != nil {
		return nil, err
	}
	contents, prefixes := []map[string]any{}, []map[string]any{}
	for _, v := range pg.items {
		contents = append(contents, map[string]any{
			"Key": v.Key, "ETag": quote(v.ETag), "LastModified": jsonTime(v.Modified), "Size": v.Size, "StorageClass": storageClass(v),
			"ChecksumAlgorithm": []string{v.Checksum.Algorithm}, "ChecksumType": v.Checksum.Type,
		})
	}
	for _, x := range pg.prefixes {
		prefixes = append(prefixes, map[string]any{"Prefix": x})
	}
	out := map[string]any{
		"Name": in.Bucket, "Prefix": in.Prefix, "MaxKeys": l.max, "KeyCount": len(contents) + len(prefixes), "IsTruncated": pg.more,
		"Contents": contents, "CommonPrefixes": prefixes,
	}
	if pg.more {
		out["NextContinuationToken"] = pageToken(pg.last)
	}
	return out, nil
}

func (s *Service) opDelete(ctx context.Context, c caller, in objectInput) (map[string]any, error) {
	d := deletion{in.Key, in.VersionID, in.IfMatch}
	b, err := s.bucket(in.Bucket)
	if err != nil {
		return nil, err
	}
	action, keys := deleteAction(d)
	if err := s.authorize(ctx, c, b, action, objectARN(b.Scope, in.Bucket, in.Key), keys); err != nil {
		return nil, err
	}
	var out deleted
	var freed []segment
	err = s.commit(func(tx *store.Tx) error {
		b, err := getBucket(tx, in.Bucket)
		if err != nil {
			return err
		}
		out, freed, err = s.delete(tx, b, d)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.blobs.remove(freed)
	reply := map[string]any{}
	if out.marker {
		reply["DeleteMarker"], reply["VersionId"] = true, out.markerID
	}
	return reply, nil
}

func (s *Service) opCopy(ctx context.Context, c caller, in objectInput) (map[string]any, error) {
	path, query, _ := strings.Cut(strings.TrimPrefix(in.CopySource, "/"), "?")
	path, err := url.PathUnescape(path)
	bucket, key, ok := strings.Cut(path, "/")
	if err != nil || !ok {
		return nil, errInvalid("x-amz-copy-source", in.CopySource, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	}
	b, err := s.bucket(in.Bucket)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, c, b, "s3:PutObject", objectARN(b.Scope, in.Bucket, in.Key), nil); err != nil {
		return nil, err
	}
	q, err := url.ParseQuery(query)
	if err != nil {
		return nil, errInvalid("x-amz-copy-source", in.CopySource, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	}
	src, _, err := s.find(ctx, c, bucket, key, q.Get("versionId"))
	if err != nil {
		return nil, err
	}
	if err := s.decrypt(ctx, c, src); err != nil {
		return nil, err
	}
	v := &version{Bucket: in.Bucket, Key: in.Key, Headers: src.Headers, Meta: src.Meta, Tags: src.Tags, StorageClass: in.StorageClass, SSE: in.ServerSideEncryption, SSEKey: in.SSEKMSKeyID}
	if in.MetadataDirective == "REPLACE" {
		v.Headers, v.Meta = in.headers(), in.Metadata
		if v.Headers["Content-Type"] == "" {
			v.Headers["Content-Type"] = "binary/octet-stream"
		}
	}
	if err := s.copyTo(ctx, c, b, src, v, "", conditions{in.IfMatch, in.IfNoneMatch}); err != nil {
		return nil, err
	}
	return v.sse(map[string]any{"CopyObjectResult": map[string]any{"ETag": quote(v.ETag), "LastModified": jsonTime(v.Modified)}}), nil
}
