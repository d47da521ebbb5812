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
	caller caller
	q      url.Values
	bucket string
	key    string
	meta   bucketMeta // once the call was authorised
	form   *postForm  // of an upload by a form
}

func (c *call) ctx() context.Context { return c.h.Context() }

// serve implements wire.Service.Handler.
func (s *Service) serve(w http.ResponseWriter, h *http.Request, req *wire.Request) {
	c := &call{s: s, w: w, h: h, req: req, q: h.URL.Query(), caller: outside(req, h)}
	c.bucket, c.key = address(h)
	w.Header().Set("X-Amz-Request-Id", req.ID)
	w.Header().Set("Server", "AmazonS3")
	err := c.route()
	if err == nil {
		s.Log.Debug("request", "service", "s3", "operation", req.Operation, "id", req.ID, "bucket", c.bucket, "key", c.key)
		return
	}
	var e *wire.Error
	if !errors.As(err, &e) {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			e = fail(http.StatusBadRequest, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header")
		} else {
			s.Log.Error("request failed", "service", "s3", "operation", req.Operation, "id", req.ID, "error", err)
			e = fail(http.StatusInternalServerError, "InternalError", "We encountered an internal error. Please try again.")
		}
	}
	s.Log.Debug("request", "service", "s3", "operation", req.Operation, "id", req.ID, "bucket", c.bucket, "key", c.key, "error", e.Code)
	if e.Status == http.StatusNotModified {
		w.WriteHeader(e.Status)
		return
	}
	wire.WriteS3Error(w, h, req.ID, e)
}

// address finds bucket and key: in the path, or the bucket in the host name
// (BUCKET.localhost, BUCKET.s3.localhost).
func address(h *http.Request) (bucket, key string) {
	host := h.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	path := strings.TrimPrefix(h.URL.Path, "/")
	if b, ok := strings.CutSuffix(host, ".localhost"); ok {
		b = strings.TrimSuffix(strings.TrimSuffix(b, ".s3"), "s3")
		if b != "" {
			return b, path
		}
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}

// handler serves one operation; name is the API's.
type handler struct {
	name string
	fn   func(*call) error
}

func (c *call) route() error {
	var op handler
	var ok bool
	switch {
	case c.bucket == "":
		op, ok = handler{"ListBuckets", (*call).listBuckets}, c.h.Method == http.MethodGet
	case c.key == "":
		op, ok = c.bucketOp()
	default:
		if err := c.checkKey(); err != nil {
			return err
		}
		op, ok = c.objectOp()
	}
	if !ok {
		return errMethod(c.h.Method)
	}
	c.req.Operation = op.name
	if owner := c.h.Header.Get("X-Amz-Expected-Bucket-Owner"); owner != "" && c.bucket != "" && !c.s.owned(c.bucket, owner) {
		return errDenied()
	}
	return op.fn(c)
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

func (c *call) bucketOp() (handler, bool) {
	for name := range c.q {
		if st, ok := settings[name]; ok {
			op := map[string]handler{
				http.MethodGet:    {"GetBucket" + st.api, func(c *call) error { return c.getSetting(name, st) }},
				http.MethodPut:    {"PutBucket" + st.api, func(c *call) error { return c.putSetting(name, st) }},
				http.MethodDelete: {"DeleteBucket" + st.api, func(c *call) error { return c.deleteSetting(name, st) }},
			}[c.h.Method]
			return op, op.fn != nil
		}
	}
	for _, name := range []string{"analytics", "intelligent-tiering", "inventory", "metrics", "metadataTable", "metadataConfiguration", "session", "abac"} {
		if c.q.Has(name) {
			return handler{name, func(*call) error { return errUnserved("the sub-resource " + name) }}, true
		}
	}
	get, post := c.h.Method == http.MethodGet, c.h.Method == http.MethodPost
	switch {
	case c.q.Has("location"):
		return handler{"GetBucketLocation", (*call).getLocation}, get
	case c.q.Has("policyStatus"):
		return handler{"GetBucketPolicyStatus", (*call).getPolicyStatus}, get
	case c.q.Has("versions"):
		return handler{"ListObjectVersions", (*call).listVersions}, get
	case c.q.Has("uploads"):
		return handler{"ListMultipartUploads", (*call).listUploads}, get
	case c.q.Has("delete"):
		return handler{"DeleteObjects", (*call).deleteObjects}, post
	}
	op := map[string]handler{
		http.MethodGet:    {"ListObjects", (*call).listObjects},
		http.MethodHead:   {"HeadBucket", (*call).headBucket},
		http.MethodPut:    {"CreateBucket", (*call).createBucket},
		http.MethodDelete: {"DeleteBucket", (*call).deleteBucket},
		http.MethodPost:   {"PostObject", (*call).postObject},
	}[c.h.Method]
	if c.q.Get("list-type") == "2" && get {
		op = handler{"ListObjectsV2", (*call).listObjectsV2}
	}
	return op, op.fn != nil
}

func (c *call) objectOp() (handler, bool) {
	for _, name := range []string{"legal-hold", "retention", "restore", "select", "torrent", "renameObject"} {
		if c.q.Has(name) {
			return handler{name, func(*call) error { return errUnserved("the sub-resource " + name) }}, true
		}
	}
	m := c.h.Method
	var ops map[string]handler
	switch {
	case c.q.Has("acl"):
		ops = map[string]handler{http.MethodGet: {"GetObjectAcl", (*call).getObjectACL}, http.MethodPut: {"PutObjectAcl", (*call).putObjectACL}}
	case c.q.Has("tagging"):
		ops = map[string]handler{
			http.MethodGet: {"GetObjectTagging", (*call).getObjectTagging}, http.MethodPut: {"PutObjectTagging", (*call).putObjectTagging},
			http.MethodDelete: {"DeleteObjectTagging", (*call).deleteObjectTagging},
		}
	case c.q.Has("attributes"):
		ops = map[string]handler{http.MethodGet: {"GetObjectAttributes", (*call).getObjectAttributes}}
	case c.q.Has("uploads"):
		ops = map[string]handler{http.MethodPost: {"CreateMultipartUpload", (*call).createUpload}}
	case c.q.Has("uploadId"):
		put := handler{"UploadPart", (*call).uploadPart}
		if c.h.Header.Get("X-Amz-Copy-Source") != "" {
			put = handler{"UploadPartCopy", (*call).uploadPartCopy}
		}
		ops = map[string]handler{
			http.MethodGet: {"ListParts", (*call).listParts}, http.MethodPut: put,
			http.MethodPost: {"CompleteMultipartUpload", (*call).completeUpload}, http.MethodDelete: {"AbortMultipartUpload", (*call).abortUpload},
		}
	default:
		put := handler{"PutObject", (*call).putObject}
		if c.h.Header.Get("X-Amz-Copy-Source") != "" {
			put = handler{"CopyObject", (*call).copyObject}
		}
		ops = map[string]handler{
			http.MethodGet: {"GetObject", (*call).getObject}, http.MethodHead: {"HeadObject", (*call).getObject},
			http.MethodPut: put, http.MethodDelete: {"DeleteObject", (*call).deleteObject},
		}
	}
	op := ops[m]
	return op, op.fn != nil
}

// may authorises an action on the bucket and returns it.
func (c *call) may(action string, keys map[string][]string) (bucketMeta, error) {
	b, err := c.s.bucket(c.bucket)
	if err != nil {
		return b, err
	}
	c.meta = b
	return b, c.s.authorize(c.ctx(), c.caller, b, action, bucketARN(b.Scope, c.bucket), keys)
}

// mayObject authorises an action on the object and returns its bucket.
func (c *call) mayObject(action string, keys map[string][]string) (bucketMeta, error) {
	b, err := c.s.bucket(c.bucket)
	if err != nil {
		return b, err
	}
	c.meta = b
	return b, c.s.authorize(c.ctx(), c.caller, b, action, objectARN(b.Scope, c.bucket, c.key), keys)
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
