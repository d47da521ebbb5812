package s3

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// maxPut is the largest body of one PUT, object or part: 5 GiB.
const maxPut = 5 << 30

// websiteRedirect is the one of them that a copy does not take over.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
const websiteRedirect = "X-Amz-Website-Redirect-Location"

// storedHeaders are the system-defined metadata that come back with the object.
func storedHeaders() []string {
	return []string{"Content-Type", "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Expires", websiteRedirect}
}

// conditions are the If-Match and If-None-Match of a write.
type conditions struct{ match, noneMatch string }

// putObject writes an object over HTTP.
func (c *call) putObject() error {
	v, err := c.write()
	if err != nil {
		return err
	}
	c.written(v)
	setChecksum(c.w.Header(), v.Checksum)
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// write makes a new version of the call's key by the request's headers and body.
func (c *call) write() (*version, error) {
	v, err := c.newVersion()
	if err != nil {
		return nil, err
	}
	b, err := c.open()
	if err != nil {
		return nil, err
	}
	if err := c.s.encrypt(c.ctx(), c.req, b, v); err != nil {
		return nil, err
	}
	d, err := newDigest(c.h.Header, "")
	if err != nil {
		return nil, err
	}
	seg, err := c.receive(d, c.s.blobs.keep)
	if err != nil {
		return nil, err
	}
	v.ETag, v.Size, v.Checksum = d.etag(), seg.Size, d.checksum()
	v.Segments = []segment{seg}
	v.why = cause{"ObjectCreated:Put", "PutObject", c.req}
	if c.form != nil {
		v.why = cause{"ObjectCreated:Post", "POST Object", c.req}
	}
	if err := c.s.put(v, conditions{c.h.Header.Get("If-Match"), c.h.Header.Get("If-None-Match")}); err != nil {
		return nil, err
	}
	return v, nil
}

// written sets the headers that tell of a new version.
func (c *call) written(v *version) {
	h := c.w.Header()
	h.Set("ETag", quote(v.ETag))
	if v.ID != nullID {
		h.Set("X-Amz-Version-Id", v.ID)
	}
	setEncryption(h, v)
}

func setEncryption(h http.Header, v *version) {
	h.Set("X-Amz-Server-Side-Encryption", v.SSE)
	if v.SSEKey != "" {
		h.Set("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", v.SSEKey)
	}
	if v.BucketKey {
		h.Set("X-Amz-Server-Side-Encryption-Bucket-Key-Enabled", "true")
	}
}

// newVersion reads the metadata of a write from the request's headers.
func (c *call) newVersion() (*version, error) {
	h := c.h.Header
	v := &version{Bucket: c.bucket, Key: c.key, Headers: map[string]string{}, Meta: map[string]string{}, StorageClass: h.Get("X-Amz-Storage-Class")}
	if x := types.StorageClass(v.StorageClass); x != "" && !slices.Contains(x.Values(), x) {
		return nil, fail(http.StatusBadRequest, "InvalidStorageClass", "The storage class you specified is not valid", "StorageClassRequested", v.StorageClass)
	}
	for _, name := range storedHeaders() {
		if x := h.Get(name); x != "" {
			v.Headers[name] = x
		}
	}
	if enc, ok := v.Headers["Content-Encoding"]; ok {
		if enc = withoutChunked(enc); enc == "" {
			delete(v.Headers, "Content-Encoding")
		} else {
			v.Headers["Content-Encoding"] = enc
		}
	}
	if v.Headers["Content-Type"] == "" {
		v.Headers["Content-Type"] = "binary/octet-stream"
	}
	size := 0
	for name, x := range h {
		if k, ok := strings.CutPrefix(name, "X-Amz-Meta-"); ok {
			v.Meta[strings.ToLower(k)] = strings.Join(x, ",")
			size += len(k) + len(v.Meta[strings.ToLower(k)])
		}
	}
	if size > 2048 {
		return nil, fail(http.StatusBadRequest, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size", "Size",
			strconv.Itoa(size), "MaxSizeAllowed", "2048")
	}
	v.SSE, v.SSEKey = h.Get("X-Amz-Server-Side-Encryption"), h.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id")
	v.BucketKey = h.Get("X-Amz-Server-Side-Encryption-Bucket-Key-Enabled") == "true"
	var err error
	if v.Tags, err = headerTags(h.Get("X-Amz-Tagging")); err != nil {
		return nil, err
	}
	return v, c.refuseUnserved()
}

// refuseUnserved rejects headers that ask for something the sandbox lacks.
func (c *call) refuseUnserved() error {
	for name := range c.h.Header {
		switch {
		case strings.HasPrefix(name, "X-Amz-Server-Side-Encryption-Customer-"):
			return errUnserved("encryption with customer-provided keys")
		case strings.HasPrefix(name, "X-Amz-Object-Lock-"):
			return errRequest("Bucket is missing Object Lock Configuration")
		case strings.HasPrefix(name, "X-Amz-Grant-"):
			return errNoACLs()
		case name == "X-Amz-Write-Offset-Bytes":
			return errUnserved("appending to objects")
		}
	}
	switch c.h.Header.Get("X-Amz-Acl") {
	case "", "private", "bucket-owner-full-control":
		return nil
	}
	return errNoACLs()
}

func errNoACLs() error {
	return fail(http.StatusBadRequest, "AccessControlListNotSupported", "The bucket does not allow ACLs")
}

func withoutChunked(encoding string) string {
	var keep []string
	for _, e := range strings.Split(encoding, ",") {
		if e = strings.TrimSpace(e); e != "" && e != "aws-chunked" {
			keep = append(keep, e)
		}
	}
	return strings.Join(keep, ",")
}

// receive stores the request's body, by one of the ways of blobs, and checks its
// length and digests.
func (c *call) receive(d *digest, keep func(io.Reader, io.Writer) (segment, error)) (segment, error) {
	length := c.h.ContentLength
	if isChunked(c.h.Header) {
		n, err := parseSize(c.h.Header.Get("X-Amz-Decoded-Content-Length"))
		if err != nil {
			return segment{}, fail(http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header.")
		}
		length = n
	}
	if c.form != nil {
		return c.receiveForm(d)
	}
	if length < 0 {
		return segment{}, fail(http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header.")
	}
	if length > maxPut {
		return segment{}, fail(http.StatusBadRequest, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
	}
	body, trailer := c.body()
	seg, err := keep(io.LimitReader(body, length+1), d)
	if err != nil {
		return seg, err
	}
	if seg.Size == length {
		// The end of the body has to be seen: trailers stand behind it.
		_, err = io.Copy(io.Discard, body)
	} else {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		err = d.verify(c.h.Header, trailer())
	}
	if err != nil {
		c.s.blobs.remove([]segment{seg})
	}
	return seg, err
}

// put makes v the current version of its key. On an error v's data are removed.
func (s *Service) put(v *version, cond conditions) error {
	v.Modified = s.now()
	var dropped []segment
	err := s.commit(func(tx *store.Tx) error {
		b, err := getBucket(tx, v.Bucket)
		if err != nil {
			return err
		}
		if err := cond.check(tx, v.Bucket, v.Key); err != nil {
			return err
		}
		dropped, err = s.insert(tx, b, v)
		return err
	})
	if err != nil {
		s.blobs.remove(v.Segments)
		return err
	}
	s.blobs.remove(dropped)
	s.courier.Begin(v.tickets...)
	return nil
}

// check evaluates the conditions of a write against the current version.
func (c conditions) check(tx *store.Tx, bucket, key string) error {
	if c.match == "" && c.noneMatch == "" {
		return nil
	}
	cur, err := current(tx, bucket, key)
	if err != nil {
		return err
	}
	exists := cur != nil && !cur.Marker
	switch {
	case c.noneMatch != "" && c.noneMatch != "*":
		return errUnserved("If-None-Match with an ETag on writes")
	case c.noneMatch == "*" && exists:
		return errPrecondition("If-None-Match")
	case c.match != "" && !exists:
		return errNoSuchKey(key)
	case c.match != "" && !etagMatches(c.match, cur.ETag):
		return errPrecondition("If-Match")
	}
	return nil
}

func etagMatches(header, etag string) bool {
	for _, x := range strings.Split(header, ",") {
		if x = strings.TrimSpace(x); x == "*" || unquote(strings.TrimPrefix(x, "W/")) == etag {
			return true
		}
	}
	return false
}

// copySource finds, authorises and checks the source of a copy.
func (c *call) copySource() (*version, error) {
	raw := c.h.Header.Get("X-Amz-Copy-Source")
	path, query, _ := strings.Cut(raw, "?")
	if wire.MeansARN(path) {
		return nil, errUnserved("copy sources given by ARN")
	}
	path, err := url.PathUnescape(strings.TrimPrefix(path, "/"))
	bucket, key, ok := strings.Cut(path, "/")
	if err != nil || !ok || bucket == "" || key == "" || !utf8.ValidString(key) {
		return nil, errInvalid("x-amz-copy-source", raw, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	}
	id := ""
	if q, err := url.ParseQuery(query); err == nil {
		id = q.Get("versionId")
	}
	if o := c.h.Header.Get("X-Amz-Source-Expected-Bucket-Owner"); o != "" && !c.s.owned(bucket, o) {
		return nil, errDenied()
	}
	v, err := c.s.find(c.ctx(), c.req, bucket, key, id)
	if err != nil {
		return nil, err
	}
	if err := c.s.decrypt(c.ctx(), c.req, v); err != nil {
		return nil, err
	}
	h := c.h.Header
	return v, readConditions{
		match: h.Get("X-Amz-Copy-Source-If-Match"), noneMatch: h.Get("X-Amz-Copy-Source-If-None-Match"),
		modified: h.Get("X-Amz-Copy-Source-If-Modified-Since"), unmodified: h.Get("X-Amz-Copy-Source-If-Unmodified-Since"), copied: true,
	}.check(v)
}

// copyObject copies an object with its metadata and tags, or with new ones.
func (c *call) copyObject() error {
	v, err := c.newVersion()
	if err != nil {
		return err
	}
	b, err := c.open()
	if err != nil {
		return err
	}
	src, err := c.copySource()
	if err != nil {
		return err
	}
	replace := c.h.Header.Get("X-Amz-Metadata-Directive") == "REPLACE"
	if src.Bucket == c.bucket && src.Key == c.key && !c.changesInPlace(b, src, replace) {
		return errRequest("This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage " +
			"class, website redirect location or encryption attributes.")
	}
	if !replace {
		to := v.Headers[websiteRedirect]
		v.Headers, v.Meta = maps.Clone(src.Headers), src.Meta
		delete(v.Headers, websiteRedirect)
		if to != "" {
			v.Headers[websiteRedirect] = to
		}
	}
	if c.h.Header.Get("X-Amz-Tagging-Directive") != "REPLACE" {
		v.Tags = src.Tags
	}
	cond := conditions{c.h.Header.Get("If-Match"), c.h.Header.Get("If-None-Match")}
	algorithm := strings.ToUpper(c.h.Header.Get("X-Amz-Checksum-Algorithm"))
	if algorithm != "" && newHash(algorithm) == nil {
		return errAlgorithm()
	}
	v.why = cause{"ObjectCreated:Copy", "CopyObject", c.req}
	if err := c.s.copyTo(c.ctx(), c.req, b, src, v, algorithm, cond); err != nil {
		return err
	}
	if src.ID != nullID {
		c.w.Header().Set("X-Amz-Copy-Source-Version-Id", src.ID)
	}
	c.written(v)
	type result struct {
		XMLName      struct{} `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CopyObjectResult"`
		LastModified string
		ETag         string
		checksumXML
	}
	return c.xml(http.StatusOK, result{LastModified: xmlTime(v.Modified), ETag: quote(v.ETag), checksumXML: v.Checksum.xml()})
}

// changesInPlace tells whether a copy of an object onto itself may be: it has to
// ask for something, whether or not that differs, or name the version that
// becomes the current one. An object with a KMS key, and a bucket that was given
// an encryption, ask by themselves (seen on AWS by getmoto/moto's verified tests
// of copy_object in place).
func (c *call) changesInPlace(b bucketMeta, src *version, replace bool) bool {
	h := c.h.Header
	named := strings.Contains(h.Get("X-Amz-Copy-Source"), "?versionId=") && b.Versioning != ""
	return replace || named || h.Get("X-Amz-Storage-Class") != "" || h.Get("X-Amz-Server-Side-Encryption") != "" ||
		h.Get("X-Amz-Website-Redirect-Location") != "" || src.SSE != "AES256" || b.Settings["encryption"] != ""
}

// copyTo writes v with the data of src. A multipart source becomes one part, as
// on S3, so its ETag changes to the MD5 of the data. algorithm is the checksum's,
// "" keeps the source's.
func (s *Service) copyTo(ctx context.Context, req *wire.Request, b bucketMeta, src, v *version, algorithm string, cond conditions) error {
	if err := s.encrypt(ctx, req, b, v); err != nil {
		return err
	}
	if src.Size > maxPut {
		return errRequest("The specified copy source is larger than the maximum allowable size for a copy source: 5368709120")
	}
	v.Size, v.ETag, v.Checksum = src.Size, src.ETag, src.Checksum
	var err error
	if !src.Multipart {
		v.Segments, err = s.blobs.copy(src.Segments)
	} else {
		var seg segment
		if seg, v.ETag, v.Checksum, err = s.join(src); err == nil {
			v.Segments = []segment{seg}
		}
	}
	if err == nil && algorithm != "" && algorithm != v.Checksum.Algorithm {
		v.Checksum, err = s.fullSum(algorithm, v.Segments)
	}
	if err != nil {
		s.blobs.remove(v.Segments)
		return err
	}
	return s.put(v, cond)
}

// join writes the parts of an object as one blob.
func (s *Service) join(src *version) (segment, string, checksum, error) {
	algorithm := src.Checksum.Algorithm
	if algorithm == "" {
		algorithm = defaultAlgorithm
	}
	d := &digest{md5: newMD5(), algorithm: algorithm, sum: newHash(algorithm)}
	r, err := s.blobs.open(src.Segments, 0, src.Size)
	if err != nil {
		return segment{}, "", checksum{}, err
	}
	seg, err := s.blobs.keep(r, d)
	return seg, d.etag(), d.checksum(), errors.Join(err, r.Close())
}
