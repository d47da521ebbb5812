package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

const (
	namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
	// maxDocument bounds XML and JSON request bodies (DeleteObjects with 1000
	// keys of 1024 bytes is the largest).
	maxDocument = 4 << 20
	maxKey      = 1024
)

// call is one HTTP request.
type call struct {
	s      *Service
	w      http.ResponseWriter
	h      *http.Request
	req    *wire.Request
	q      url.Values
	bucket string
	key    string
	meta   bucketMeta // once it was opened
	form   *postForm  // of an upload by a form
}

func (c *call) ctx() context.Context { return c.h.Context() }

// stream makes an operation of the table.
func (s *Service) stream(op func(*call) error) wire.StreamOp {
	return func(w http.ResponseWriter, h *http.Request, req *wire.Request) error {
		c := &call{s: s, w: w, h: h, req: req, q: h.URL.Query()}
		c.bucket, c.key = address(h)
		w.Header().Set("X-Amz-Request-Id", req.ID)
		w.Header().Set("Server", "AmazonS3")
		err := c.check()
		if err == nil {
			err = op(c)
		}
		var e *wire.Error
		var denied *wire.DeniedError
		switch {
		case err == nil || errors.As(err, &e) || errors.As(err, &denied):
			return err
		case errors.Is(err, io.ErrUnexpectedEOF):
			return fail(http.StatusBadRequest, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header")
		}
		s.Log.Error("request failed", "service", "s3", "operation", req.Operation, "id", req.ID, "error", err)
		return fail(http.StatusInternalServerError, "InternalError", "We encountered an internal error. Please try again.")
	}
}

var accountID = lazyregexp.New(`^[0-9]{12}$`)

// check refuses what no operation takes.
func (c *call) check() error {
	if owner := c.h.Header.Get("X-Amz-Expected-Bucket-Owner"); owner != "" && c.bucket != "" {
		if !accountID.MatchString(owner) {
			return fail(http.StatusBadRequest, "InvalidBucketOwnerAWSAccountID", "The value of the expected bucket owner parameter must be an AWS Account ID... ["+owner+"]")
		}
		if !c.s.owned(c.bucket, owner) {
			return errDenied()
		}
	}
	return c.checkKey()
}

// checkKey refuses what can be no object's key.
func (c *call) checkKey() error {
	switch {
	case len(c.key) > maxKey:
		return fail(http.StatusBadRequest, "KeyTooLongError", "Your key is too long")
	case !utf8.ValidString(c.key):
		return errURI(c.h)
	case strings.ContainsRune(c.key, 0):
		return errInvalid("Key", c.key, "Object key contains a character that is not allowed.")
	}
	return nil
}

// path is the escaped path with the bucket in it, wherever the request has that.
func path(h *http.Request) string {
	if b := hostBucket(h); b != "" {
		return "/" + b + h.URL.EscapedPath()
	}
	return h.URL.EscapedPath()
}

// hostBucket is the bucket in the host's name (BUCKET.localhost,
// BUCKET.s3.localhost).
func hostBucket(h *http.Request) string {
	host := h.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	b, ok := strings.CutSuffix(host, ".localhost")
	if !ok {
		return ""
	}
	return strings.TrimSuffix(strings.TrimSuffix(b, ".s3"), "s3")
}

// address finds bucket and key: in the path, or the bucket in the host's name.
func address(h *http.Request) (bucket, key string) {
	path := strings.TrimPrefix(h.URL.Path, "/")
	if b := hostBucket(h); b != "" {
		return b, path
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}

// formUpload is the operation behind the forms of browsers, which AWS's models do
// not have.
const formUpload = "PostObject"

// operation is one that S3 serves.
type operation struct {
	run    func(*call) error
	access wire.Access
}

// operations are those that S3 serves, but for the settings of buckets.
func operations() map[string]operation {
	bucket, list := wire.On(onBucket), wire.Access{Action: "s3:ListBucket", On: onBucket, Keys: listKeys}
	get, read := object("s3:GetObject", "s3:GetObjectVersion"), object("s3:GetObject", "s3:GetObjectVersion")
	read.Also = attributes
	put, part := wire.Access{Action: "s3:PutObject", On: onObject, Keys: writeKeys}, wire.On(onObject).Does("s3:PutObject")
	write := put
	write.Also = tagging
	return map[string]operation{
		"ListBuckets": {(*call).listBuckets, wire.Access{Action: "s3:ListAllMyBuckets"}}, "CreateBucket": {(*call).createBucket, bucket},
		"HeadBucket": {(*call).headBucket, bucket.Does("s3:ListBucket")}, "DeleteBucket": {(*call).deleteBucket, bucket},
		"GetBucketLocation": {(*call).getLocation, bucket}, "GetBucketPolicyStatus": {(*call).getPolicyStatus, bucket},
		"ListObjects": {(*call).listObjects, list}, "ListObjectsV2": {(*call).listObjectsV2, list}, "ListObjectVersions": {(*call).listVersions, list.Does("s3:ListBucketVersions")},
		"GetObject": {(*call).getObject, get}, "HeadObject": {(*call).getObject, get}, "GetObjectAttributes": {(*call).getObjectAttributes, read},
		"PutObject": {(*call).putObject, write}, "CopyObject": {(*call).copyObject, put},
		"DeleteObject":          {(*call).deleteObject, object("s3:DeleteObject", "s3:DeleteObjectVersion")},
		"DeleteObjects":         {(*call).deleteObjects, wire.Access{Inside: "each object is asked for by itself, and those refused are part of the answer"}},
		"GetObjectAcl":          {(*call).getObjectACL, object("s3:GetObjectAcl", "s3:GetObjectVersionAcl")},
		"PutObjectAcl":          {(*call).putObjectACL, object("s3:PutObjectAcl", "s3:PutObjectVersionAcl")},
		"GetObjectTagging":      {(*call).getObjectTagging, object("s3:GetObjectTagging", "s3:GetObjectVersionTagging")},
		"PutObjectTagging":      {(*call).putObjectTagging, object("s3:PutObjectTagging", "s3:PutObjectVersionTagging")},
		"DeleteObjectTagging":   {(*call).deleteObjectTagging, object("s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging")},
		"CreateMultipartUpload": {(*call).createUpload, write}, "UploadPart": {(*call).uploadPart, part}, "UploadPartCopy": {(*call).uploadPartCopy, part},
		"CompleteMultipartUpload": {(*call).completeUpload, part}, "AbortMultipartUpload": {(*call).abortUpload, wire.On(onObject)},
		"ListParts":            {(*call).listParts, wire.On(onObject).Does("s3:ListMultipartUploadParts")},
		"ListMultipartUploads": {(*call).listUploads, bucket.Does("s3:ListBucketMultipartUploads")},
		formUpload:             {(*call).postObject, wire.Access{Inside: "the key is a field of the form"}},
	}
}

// open returns the bucket of the call.
func (c *call) open() (b bucketMeta, err error) {
	c.meta, err = c.s.bucket(c.bucket)
	return c.meta, err
}

// document reads a request body whole and checks its digests.
func (c *call) document() ([]byte, error) {
	d, err := newDigest(c.h.Header, "")
	if err != nil {
		return nil, err
	}
	body, trailer := c.body()
	raw, err := io.ReadAll(io.LimitReader(body, maxDocument+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxDocument {
		return nil, fail(http.StatusBadRequest, "MaxMessageLengthExceeded", "Your request was too large.")
	}
	_, _ = d.Write(raw)
	return raw, d.verify(c.h.Header, trailer())
}

// body returns the decoded request body, and its trailers once it was read.
func (c *call) body() (io.Reader, func() http.Header) {
	if isChunked(c.h.Header) {
		r := newChunkedReader(c.h.Body)
		return r, func() http.Header { return r.trailer }
	}
	return c.h.Body, func() http.Header { return c.h.Trailer }
}

func (c *call) xml(status int, v any) error {
	raw, err := xml.Marshal(v)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/xml")
	c.w.WriteHeader(status)
	_, _ = io.WriteString(c.w, xml.Header)
	_, _ = c.w.Write(raw)
	return nil
}

func (c *call) noContent() error {
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func xmlTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func quote(etag string) string { return `"` + etag + `"` }
func unquote(s string) string  { return strings.Trim(s, `"`) }

type owner struct {
	ID          string `xml:"ID"`
	DisplayName string `xml:"DisplayName,omitempty"`
}

// owner is the canonical user of the account that has the bucket, a 64-digit id
// derived from it.
func (b bucketMeta) owner() owner { return owner{ID: canonicalID(b.Scope.Account)} }

// bucketMeta is the bucket of the call.
func (c *call) bucketMeta() bucketMeta {
	if c.meta.Name == "" {
		c.meta, _ = c.s.bucket(c.bucket) // of none: whoever needs it was told before
	}
	return c.meta
}

func (c *call) owner() owner { return c.bucketMeta().owner() }

// owned reports whether a bucket, if there is one of the name, is the account's.
func (s *Service) owned(bucket, account string) bool {
	b, err := s.bucket(bucket)
	return err != nil || b.Scope.Account == account
}
