package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"sort"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// readConditions are the conditional headers of a read or of a copy's source.
type readConditions struct {
	match, noneMatch, modified, unmodified string
	copied                                 bool // not met: 412 instead of 304, and told by their own names
}

// check follows RFC 9110 section 13.2.2: an ETag condition outweighs the date.
func (c readConditions) check(v *version) error {
	unmet := func(name string) error {
		if c.copied {
			name = "x-amz-copy-source-" + name
		}
		return errPrecondition(name)
	}
	notModified := func(name string) error {
		if c.copied {
			return unmet(name)
		}
		return &wire.Error{Status: http.StatusNotModified, Code: "NotModified", Message: "Not Modified"}
	}
	if c.match != "" {
		if !etagMatches(c.match, v.ETag) {
			return unmet("If-Match")
		}
	} else if t, err := http.ParseTime(c.unmodified); err == nil && v.Modified.After(t) {
		return unmet("If-Unmodified-Since")
	}
	if c.noneMatch != "" {
		if etagMatches(c.noneMatch, v.ETag) {
			return notModified("If-None-Match")
		}
	} else if t, err := http.ParseTime(c.modified); err == nil && !v.Modified.After(t) {
		return notModified("If-Modified-Since")
	}
	return nil
}

// getObject serves GetObject and HeadObject.
func (c *call) getObject() error {
	if err := c.refuseUnserved(); err != nil {
		return err
	}
	for attempt := 0; ; attempt++ {
		v, err := c.lookup()
		if v != nil && v.Marker {
			c.w.Header().Set("X-Amz-Delete-Marker", "true")
			c.w.Header().Set("X-Amz-Version-Id", v.ID)
		}
		if err != nil {
			return err
		}
		// Metadata can be read without the key, checksums cannot.
		if c.h.Method != http.MethodHead || c.h.Header.Get("X-Amz-Checksum-Mode") == "ENABLED" {
			if err := c.s.decrypt(c.ctx(), c.req, v); err != nil {
				return err
			}
		}
		err = c.send(v)
		// The version may have been replaced between looking it up and opening it.
		if errors.Is(err, fs.ErrNotExist) && attempt < 3 {
			continue
		}
		return err
	}
}

func (c *call) send(v *version) error {
	h := c.h.Header
	c.setMetadata(v)
	err := readConditions{
		match: h.Get("If-Match"), noneMatch: h.Get("If-None-Match"),
		modified: h.Get("If-Modified-Since"), unmodified: h.Get("If-Unmodified-Since"),
	}.check(v)
	if err != nil {
		return err
	}
	from, length, status, err := c.extent(v)
	if err != nil {
		return err
	}
	out := c.w.Header()
	if status == http.StatusPartialContent {
		out.Set("Content-Range", contentRange(from, length, v.Size))
	} else if h.Get("X-Amz-Checksum-Mode") == "ENABLED" {
		setChecksum(out, v.Checksum)
	}
	out.Set("Content-Length", strconv.FormatInt(length, 10))
	if c.h.Method == http.MethodHead {
		c.w.WriteHeader(status)
		return nil
	}
	body, err := c.s.blobs.open(v.Segments, from, length)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	c.w.WriteHeader(status)
	if _, err := io.Copy(c.w, body); err != nil {
		c.s.Log.Debug("reader went away", "service", "s3", "bucket", c.bucket, "key", c.key, "error", err)
	}
	return nil
}

func (c *call) setMetadata(v *version) {
	out := c.w.Header()
	for name, x := range v.Headers {
		out.Set(name, x)
	}
	for param, name := range map[string]string{
		"response-content-type": "Content-Type", "response-content-language": "Content-Language", "response-expires": "Expires",
		"response-cache-control": "Cache-Control", "response-content-disposition": "Content-Disposition", "response-content-encoding": "Content-Encoding",
	} {
		if x := c.q.Get(param); x != "" {
			out.Set(name, x)
		}
	}
	for k, x := range v.Meta {
		out["x-amz-meta-"+k] = []string{x} // as they were given, in lower case: clients read the names as they come
	}
	out.Set("ETag", quote(v.ETag))
	out.Set("Last-Modified", v.Modified.UTC().Format(http.TimeFormat))
	out.Set("Accept-Ranges", "bytes")
	if v.ID != nullID || c.q.Get("versionId") != "" {
		out.Set("X-Amz-Version-Id", v.ID)
	}
	if v.StorageClass != "" && v.StorageClass != "STANDARD" {
		out.Set("X-Amz-Storage-Class", v.StorageClass)
	}
	if n := len(v.Tags); n > 0 {
		out.Set("X-Amz-Tagging-Count", strconv.Itoa(n))
	}
	setEncryption(out, v)
}

// extent tells which bytes the request wants: a Range, a part, or all.
func (c *call) extent(v *version) (from, length int64, status int, err error) {
	if p := c.q.Get("partNumber"); p != "" {
		n, err := strconv.Atoi(p)
		if err != nil || n < 1 {
			return 0, 0, 0, errInvalid("partNumber", p, "Part number must be an integer between 1 and 10000, inclusive")
		}
		parts := v.Segments
		if !v.Multipart {
			parts = []segment{{Size: v.Size}}
		}
		if n > len(parts) {
			return 0, 0, 0, fail(http.StatusRequestedRangeNotSatisfiable, "InvalidPartNumber", "The requested partnumber is not satisfiable")
		}
		for _, x := range parts[:n-1] {
			from += x.Size
		}
		if v.Multipart {
			c.w.Header().Set("X-Amz-Mp-Parts-Count", strconv.Itoa(len(parts)))
		}
		return from, parts[n-1].Size, http.StatusPartialContent, nil
	}
	from, length, ok, satisfiable := parseRange(c.h.Header.Get("Range"), v.Size)
	if !satisfiable {
		return 0, 0, 0, fail(http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range is not satisfiable",
			"RangeRequested", c.h.Header.Get("Range"), "ActualObjectSize", strconv.FormatInt(v.Size, 10))
	}
	if !ok {
		return 0, v.Size, http.StatusOK, nil
	}
	return from, length, http.StatusPartialContent, nil
}

// parseRange reads a single byte range. Like S3 it ignores what it cannot read,
// and several ranges.
func parseRange(header string, size int64) (from, length int64, ok, satisfiable bool) {
	spec, found := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	if !found || !dash || strings.Contains(spec, ",") {
		return 0, 0, false, true
	}
	if first == "" {
		n, err := strconv.ParseInt(last, 10, 64)
		if err != nil || n < 0 {
			return 0, 0, false, true
		}
		if n == 0 || size == 0 {
			return 0, 0, false, false
		}
		n = min(n, size)
		return size - n, n, true, true
	}
	a, err := strconv.ParseInt(first, 10, 64)
	if err != nil || a < 0 {
		return 0, 0, false, true
	}
	b := size - 1
	if last != "" {
		if b, err = strconv.ParseInt(last, 10, 64); err != nil || b < a {
			return 0, 0, false, true
		}
		b = min(b, size-1)
	}
	if a >= size {
		return 0, 0, false, false
	}
	return a, b - a + 1, true, true
}

func (c *call) getObjectAttributes() error {
	v, err := c.lookup()
	if err != nil {
		return err
	}
	want := strings.Join(c.h.Header.Values("X-Amz-Object-Attributes"), ",")
	type xmlPart struct {
		PartNumber int
		Size       int64
	}
	type parts struct {
		PartsCount int `xml:"PartsCount"`
		Part       []xmlPart
	}
	out := struct {
		XMLName      struct{}     `xml:"http://s3.amazonaws.com/doc/2006-03-01/ GetObjectAttributesResponse"`
		ETag         string       `xml:",omitempty"`
		Checksum     *checksumXML `xml:",omitempty"`
		ObjectParts  *parts       `xml:",omitempty"`
		StorageClass string       `xml:",omitempty"`
		ObjectSize   *int64       `xml:",omitempty"`
	}{}
	if strings.Contains(want, "ETag") {
		out.ETag = v.ETag
	}
	if strings.Contains(want, "Checksum") && v.Checksum.Value != "" {
		// Here alone S3 leaves out how many parts a checksum of checksums is of:
		// https://docs.aws.amazon.com/AmazonS3/latest/userguide/tutorial-s3-mpu-additional-checksums.html
		sum := v.Checksum
		sum.Value, _, _ = strings.Cut(sum.Value, "-")
		x := sum.xml()
		out.Checksum = &x
	}
	if strings.Contains(want, "ObjectParts") && v.Multipart {
		out.ObjectParts = &parts{PartsCount: len(v.Segments)}
		for i, x := range v.Segments {
			out.ObjectParts.Part = append(out.ObjectParts.Part, xmlPart{i + 1, x.Size})
		}
	}
	if strings.Contains(want, "StorageClass") {
		out.StorageClass = storageClass(v)
	}
	if strings.Contains(want, "ObjectSize") {
		out.ObjectSize = &v.Size
	}
	c.w.Header().Set("Last-Modified", v.Modified.UTC().Format(http.TimeFormat))
	if v.ID != nullID {
		c.w.Header().Set("X-Amz-Version-Id", v.ID)
	}
	return c.xml(http.StatusOK, out)
}

func storageClass(v *version) string {
	if v.StorageClass == "" {
		return "STANDARD"
	}
	return v.StorageClass
}

// checksumXML is how reply documents show a checksum.
type checksumXML struct {
	ChecksumCRC32     string `xml:",omitempty"`
	ChecksumCRC32C    string `xml:",omitempty"`
	ChecksumCRC64NVME string `xml:",omitempty"`
	ChecksumSHA1      string `xml:",omitempty"`
	ChecksumSHA256    string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
}

func (c checksum) xml() checksumXML {
	x := checksumXML{ChecksumType: c.Type}
	switch c.Algorithm {
	case "CRC32":
		x.ChecksumCRC32 = c.Value
	case "CRC32C":
		x.ChecksumCRC32C = c.Value
	case "CRC64NVME":
		x.ChecksumCRC64NVME = c.Value
	case "SHA1":
		x.ChecksumSHA1 = c.Value
	case "SHA256":
		x.ChecksumSHA256 = c.Value
	}
	return x
}

// value returns the checksum that a document gives for the algorithm.
func (x checksumXML) value(algorithm string) string {
	return map[string]string{
		"CRC32": x.ChecksumCRC32, "CRC32C": x.ChecksumCRC32C, "CRC64NVME": x.ChecksumCRC64NVME,
		"SHA1": x.ChecksumSHA1, "SHA256": x.ChecksumSHA256,
	}[algorithm]
}

// encrypt chooses the encryption of a new version and, under a KMS key, asks
// KMS on behalf of the caller, who needs kms:GenerateDataKey as on AWS. Data on
// the disk of the sandbox are not encrypted.
func (s *Service) encrypt(ctx context.Context, req *wire.Request, b bucketMeta, v *version) error {
	def := b.encryption()
	switch v.SSE {
	case "":
		v.SSE, v.SSEKey, v.BucketKey = def.algorithm, def.key, def.bucketKey
	case "AES256", "aws:kms", "aws:kms:dsse":
	default:
		return errInvalid("x-amz-server-side-encryption", v.SSE, "The encryption method specified is not supported")
	}
	if v.SSE == "AES256" {
		if v.SSEKey != "" {
			return errInvalid("x-amz-server-side-encryption", v.SSE, "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms")
		}
		v.BucketKey = false
		return nil
	}
	if v.SSEKey == "" {
		v.SSEKey = def.key
	}
	if v.SSEKey == "" {
		v.SSEKey = "alias/aws/s3" // AWS's own key, whose ARN KMS tells
	}
	out, err := s.kms(ctx, req, b, "GenerateDataKey", kmsInput{KeyID: v.SSEKey, KeySpec: "AES_256", EncryptionContext: v.encryptionContext(b.Scope)})
	v.DataKey = out.CiphertextBlob
	if out.KeyID != "" {
		v.SSEKey = out.KeyID // objects name their key by its ARN, however it was given
	}
	return err
}

// decrypt asks KMS on behalf of the reader, who needs kms:Decrypt.
func (s *Service) decrypt(ctx context.Context, req *wire.Request, v *version) error {
	if len(v.DataKey) == 0 {
		return nil
	}
	b, err := s.bucket(v.Bucket)
	if err != nil {
		return err
	}
	_, err = s.kms(ctx, req, b, "Decrypt", kmsInput{KeyID: v.SSEKey, CiphertextBlob: v.DataKey, EncryptionContext: v.encryptionContext(b.Scope)})
	return err
}

// encryptionContext is what S3 binds a data key to
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html#encryption-context).
func (v *version) encryptionContext(sc wire.Scope) map[string]string {
	if v.BucketKey {
		return map[string]string{"aws:s3:arn": bucketARN(sc, v.Bucket)}
	}
	return map[string]string{"aws:s3:arn": objectARN(sc, v.Bucket, v.Key)}
}

type kmsInput struct {
	KeyID             string            `json:"KeyId"`
	KeySpec           string            `json:",omitempty"`
	CiphertextBlob    []byte            `json:",omitempty"`
	EncryptionContext map[string]string `json:",omitempty"`
}

type kmsOutput struct {
	CiphertextBlob []byte
	KeyID          string `json:"KeyId"`
}

// kms calls the sandbox's KMS as the caller, in the bucket's region; without one
// it does nothing. A key that is named by its id only is the caller's.
func (s *Service) kms(ctx context.Context, req *wire.Request, b bucketMeta, operation string, in kmsInput) (out kmsOutput, err error) {
	if s.router == nil || !s.router.Has("kms", operation) {
		return out, nil
	}
	raw, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	reply, err := s.router.Invoke(ctx, wire.ScopeOf(req.Account, b.Scope.Region), req.Principal, "kms", operation, raw)
	if err == nil {
		return out, json.Unmarshal(reply, &out)
	}
	e := wire.AsError(err)
	switch e.Code {
	case "AccessDeniedException":
		return out, fail(http.StatusForbidden, "AccessDenied", e.Message)
	case "NotFoundException", "DisabledException", "KMSInvalidStateException":
		return out, fail(http.StatusBadRequest, "KMS."+e.Code, e.Message)
	}
	return out, e
}

func contentRange(from, length, size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", from, from+length-1, size)
}

func parseSize(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err == nil && n < 0 {
		err = strconv.ErrRange
	}
	return n, err
}

func sortTags(tags []tag) []tag {
	sort.Slice(tags, func(i, j int) bool { return tags[i].Key < tags[j].Key })
	return tags
}
