package s3

import (
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/store"
)

const (
	maxParts = 10000
	minPart  = 5 << 20 // every part but the last
)

// upload is a multipart upload in progress.
type upload struct {
	ID        string
	Version   version // what it becomes: names, metadata, encryption
	Started   time.Time
	Algorithm string // checksum algorithm, "" if the client chose none
	SumType   string
}

type part struct {
	Number   int
	Segment  segment
	ETag     string
	Checksum checksum
	Modified time.Time
}

func (u upload) dbKey() string { return versionPrefix(u.Version.Bucket, u.Version.Key) + u.ID }

func partKey(uploadID string, number int) string { return fmt.Sprintf("%s\x00%05d", uploadID, number) }

func (c *call) upload(tx *store.Tx) (upload, error) {
	id := c.q.Get("uploadId")
	u, ok, err := store.Get[upload](tx, dbUploads, versionPrefix(c.bucket, c.key)+id)
	if err == nil && !ok {
		err = errNoSuchUpload(id)
	}
	return u, err
}

// dropUpload removes an upload and its part records. The parts' data are
// returned to be removed; with blobsToo their marks go too.
func dropUpload(tx *store.Tx, u upload, blobsToo bool) ([]segment, error) {
	parts, err := store.List[part](tx, dbParts, u.ID+"\x00")
	if err != nil {
		return nil, err
	}
	var segs []segment
	for _, p := range parts {
		segs = append(segs, p.Segment)
	}
	if blobsToo {
		if err := dropBlobs(tx, segs); err != nil {
			return nil, err
		}
	}
	if err := tx.DeletePrefix(dbParts, u.ID+"\x00"); err != nil {
		return nil, err
	}
	return segs, tx.Delete(dbUploads, u.dbKey())
}

func (c *call) createUpload() error {
	v, err := c.newVersion()
	if err != nil {
		return err
	}
	b, err := c.open()
	if err != nil {
		return err
	}
	if err := c.s.encrypt(c.ctx(), c.req, b, v); err != nil {
		return err
	}
	u := upload{
		ID: newVersionID() + newVersionID(), Version: *v, Started: c.s.now(),
		Algorithm: strings.ToUpper(c.h.Header.Get("X-Amz-Checksum-Algorithm")), SumType: c.h.Header.Get("X-Amz-Checksum-Type"),
	}
	if err := u.checkAlgorithm(); err != nil {
		return err
	}
	err = c.s.commit(func(tx *store.Tx) error {
		if _, err := getBucket(tx, c.bucket); err != nil {
			return err
		}
		return store.Put(tx, dbUploads, u.dbKey(), u)
	})
	if err != nil {
		return err
	}
	setEncryption(c.w.Header(), v)
	if u.Algorithm != "" {
		c.w.Header().Set("X-Amz-Checksum-Algorithm", u.Algorithm)
		c.w.Header().Set("X-Amz-Checksum-Type", u.SumType)
	}
	return c.xml(http.StatusOK, struct {
		XMLName  struct{} `xml:"http://s3.amazonaws.com/doc/2006-03-01/ InitiateMultipartUploadResult"`
		Bucket   string
		Key      string
		UploadID string `xml:"UploadId"`
	}{Bucket: c.bucket, Key: c.key, UploadID: u.ID})
}

// checkAlgorithm fills in the checksum type and refuses what does not combine.
func (u *upload) checkAlgorithm() error {
	if u.Algorithm == "" {
		if u.SumType != "" {
			return errRequest("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
		}
		return nil
	}
	if newHash(u.Algorithm) == nil {
		return errAlgorithm()
	}
	sha := strings.HasPrefix(u.Algorithm, "SHA")
	switch u.SumType {
	case "":
		u.SumType = composite
		if u.Algorithm == "CRC64NVME" {
			u.SumType = fullObject
		}
	case fullObject:
		if sha {
			return errRequest("The FULL_OBJECT checksum type cannot be used with the " + strings.ToLower(u.Algorithm) + " checksum algorithm.")
		}
	case composite:
		if u.Algorithm == "CRC64NVME" {
			return errRequest("The COMPOSITE checksum type cannot be used with the crc64nvme checksum algorithm.")
		}
	default:
		return errRequest("Value for x-amz-checksum-type header is invalid.")
	}
	return nil
}

// partNumber reads the parameter and looks the upload up.
func (c *call) partNumber() (int, upload, error) {
	var u upload
	n, err := strconv.Atoi(c.q.Get("partNumber"))
	if err != nil || n < 1 || n > maxParts {
		return 0, u, errInvalid("partNumber", c.q.Get("partNumber"), "Part number must be an integer between 1 and 10000, inclusive")
	}
	err = c.s.DB.View(func(tx *store.Tx) (err error) {
		u, err = c.upload(tx)
		return err
	})
	return n, u, err
}

func (c *call) uploadPart() error {
	n, u, err := c.partNumber()
	if err != nil {
		return err
	}
	d, err := newDigest(c.h.Header, u.Algorithm)
	if err != nil {
		return err
	}
	if u.Algorithm != "" && d.algorithm != u.Algorithm {
		return errRequest("Checksum Type mismatch occurred, expected checksum Type: " + strings.ToLower(u.Algorithm) + ", actual checksum Type: " + strings.ToLower(d.algorithm))
	}
	seg, err := c.receive(d, c.s.blobs.write)
	if err != nil {
		return err
	}
	p := part{Number: n, Segment: seg, ETag: d.etag(), Checksum: d.checksum(), Modified: c.s.now()}
	if err := c.putPart(p); err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("ETag", quote(p.ETag))
	setEncryption(h, &u.Version)
	if d.given || u.Algorithm != "" {
		h.Set(checksumHeader+p.Checksum.Algorithm, p.Checksum.Value)
	}
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// putPart records a part; a part of the same number is replaced.
func (c *call) putPart(p part) error {
	var dropped []segment
	err := c.s.commit(func(tx *store.Tx) error {
		dropped = nil
		u, err := c.upload(tx)
		if err != nil {
			return err
		}
		old, ok, err := store.Get[part](tx, dbParts, partKey(u.ID, p.Number))
		if err != nil {
			return err
		}
		if ok {
			dropped = []segment{old.Segment}
		}
		if err := dropBlobs(tx, dropped); err != nil {
			return err
		}
		if err := tx.PutRaw(dbBlobs, p.Segment.ID, []byte{}); err != nil {
			return err
		}
		return store.Put(tx, dbParts, partKey(u.ID, p.Number), p)
	})
	if err != nil {
		c.s.blobs.remove([]segment{p.Segment})
		return err
	}
	c.s.blobs.remove(dropped)
	return nil
}

func (c *call) uploadPartCopy() error {
	n, u, err := c.partNumber()
	if err != nil {
		return err
	}
	src, err := c.copySource()
	if err != nil {
		return err
	}
	from, length := int64(0), src.Size
	if r := c.h.Header.Get("X-Amz-Copy-Source-Range"); r != "" {
		var ok, satisfiable bool
		from, length, ok, satisfiable = parseRange(r, src.Size)
		if !ok || !satisfiable {
			return errInvalid("x-amz-copy-source-range", r, "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are "+
				"the zero-based offsets of the first and last bytes to copy")
		}
	}
	algorithm := u.Algorithm
	if algorithm == "" {
		algorithm = defaultAlgorithm
	}
	d := &digest{md5: newMD5(), algorithm: algorithm, sum: newHash(algorithm)}
	r, err := c.s.blobs.open(src.Segments, from, length)
	if err != nil {
		return err
	}
	seg, err := c.s.blobs.write(r, d)
	_ = r.Close()
	if err != nil {
		return err
	}
	p := part{Number: n, Segment: seg, ETag: d.etag(), Checksum: d.checksum(), Modified: c.s.now()}
	if err := c.putPart(p); err != nil {
		return err
	}
	if src.ID != nullID {
		c.w.Header().Set("X-Amz-Copy-Source-Version-Id", src.ID)
	}
	return c.xml(http.StatusOK, struct {
		XMLName      struct{} `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CopyPartResult"`
		LastModified string
		ETag         string
	}{LastModified: xmlTime(p.Modified), ETag: quote(p.ETag)})
}

func (c *call) abortUpload() error {
	var freed []segment
	err := c.s.commit(func(tx *store.Tx) error {
		u, err := c.upload(tx)
		if err != nil {
			return err
		}
		freed, err = dropUpload(tx, u, true)
		return err
	})
	if err != nil {
		return err
	}
	c.s.blobs.remove(freed)
	return c.noContent()
}

// completion is what a CompleteMultipartUpload request names.
type completion struct {
	Part []struct {
		PartNumber int
		ETag       string
		checksumXML
	}
}

func (c *call) completeUpload() error {
	raw, err := c.document()
	if err != nil {
		return err
	}
	var in completion
	if len(raw) > 0 {
		if err := xml.Unmarshal(raw, &in); err != nil {
			return errMalformed()
		}
	}
	b, err := c.open()
	if err != nil {
		return err
	}
	var u upload
	var parts []part
	var done completed
	err = c.s.DB.View(func(tx *store.Tx) (err error) {
		if done, err = c.completedBefore(tx, in); err != nil || done.ETag != "" {
			return err
		}
		if u, err = c.upload(tx); err != nil {
			return err
		}
		if len(in.Part) == 0 {
			return fail(http.StatusBadRequest, "InvalidRequest", "You must specify at least one part")
		}
		parts, err = chosenParts(tx, u, in)
		return err
	})
	if err != nil {
		return err
	}
	v := done.version()
	if done.ETag == "" {
		if v, err = c.assemble(u, parts); err != nil {
			return err
		}
		if err := c.finish(b.Name, u, in, parts, v); err != nil {
			return err
		}
	}
	c.written(v)
	return c.xml(http.StatusOK, struct {
		XMLName  struct{} `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CompleteMultipartUploadResult"`
		Location string
		Bucket   string
		Key      string
		ETag     string
		checksumXML
	}{Location: "http://" + c.h.Host + (&url.URL{Path: "/" + c.bucket + "/" + c.key}).EscapedPath(), Bucket: c.bucket, Key: c.key, ETag: quote(v.ETag), checksumXML: v.Checksum.xml()})
}

// finish replaces the upload by the object in one transaction.
func (c *call) finish(bucket string, u upload, in completion, parts []part, v *version) error {
	cond := conditions{c.h.Header.Get("If-Match"), c.h.Header.Get("If-None-Match")}
	var freed []segment
	err := c.s.commit(func(tx *store.Tx) error {
		freed = nil
		b, err := getBucket(tx, bucket)
		if err != nil {
			return err
		}
		if _, err := c.upload(tx); err != nil {
			return err
		}
		now, err := chosenParts(tx, u, in)
		if err != nil {
			return err
		}
		for i := range now {
			if now[i].Segment.ID != parts[i].Segment.ID {
				return fail(http.StatusConflict, "ConditionalRequestConflict", "The upload changed while it was being completed.")
			}
		}
		if err := cond.check(tx, v.Bucket, v.Key); err != nil {
			return err
		}
		all, err := dropUpload(tx, u, true)
		if err != nil {
			return err
		}
		old, err := c.s.insert(tx, b, v)
		if err != nil {
			return err
		}
		freed = append(unused(all, v.Segments), old...)
		return c.remember(tx, u, in, v)
	})
	if err == nil {
		c.s.blobs.remove(freed)
		c.s.courier.Begin(v.tickets...)
	}
	return err
}

// unused returns the segments of all that are not among used.
func unused(all, used []segment) []segment {
	keep := make(map[string]bool, len(used))
	for _, s := range used {
		keep[s.ID] = true
	}
	var out []segment
	for _, s := range all {
		if !keep[s.ID] {
			out = append(out, s)
		}
	}
	return out
}

// chosenParts checks the list of a completion against the uploaded parts.
func chosenParts(tx *store.Tx, u upload, in completion) ([]part, error) {
	for i, x := range in.Part {
		if i > 0 && x.PartNumber <= in.Part[i-1].PartNumber {
			return nil, fail(http.StatusBadRequest, "InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number.", "UploadId", u.ID)
		}
	}
	var out []part
	for i, x := range in.Part {
		p, ok, err := store.Get[part](tx, dbParts, partKey(u.ID, x.PartNumber))
		if err != nil {
			return nil, err
		}
		said := x.value(p.Checksum.Algorithm)
		if !ok || unquote(x.ETag) != p.ETag || said != "" && said != p.Checksum.Value {
			return nil, fail(http.StatusBadRequest, "InvalidPart",
				"One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
				"UploadId", u.ID, "PartNumber", strconv.Itoa(x.PartNumber), "ETag", unquote(x.ETag))
		}
		if i < len(in.Part)-1 && p.Segment.Size < minPart {
			return nil, fail(http.StatusBadRequest, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size",
				"ProposedSize", strconv.FormatInt(p.Segment.Size, 10), "MinSizeAllowed", strconv.Itoa(minPart), "PartNumber", strconv.Itoa(p.Number), "ETag", p.ETag)
		}
		out = append(out, p)
	}
	return out, nil
}

// assemble makes the version that the parts form: its ETag is the MD5 over the
// parts' MD5s with their number behind it.
func (c *call) assemble(u upload, parts []part) (*version, error) {
	v := u.Version
	v.Multipart, v.Modified = true, c.s.now()
	v.why = cause{"ObjectCreated:CompleteMultipartUpload", "CompleteMultipartUpload", c.req}
	sum := newMD5()
	for _, p := range parts {
		raw, err := hex.DecodeString(p.ETag)
		if err != nil {
			return nil, err
		}
		_, _ = sum.Write(raw)
		v.Segments = append(v.Segments, p.Segment)
		v.Size += p.Segment.Size
	}
	v.ETag = hex.EncodeToString(sum.Sum(nil)) + "-" + strconv.Itoa(len(parts))
	algorithm, kind := u.Algorithm, u.SumType
	if algorithm == "" {
		algorithm, kind = defaultAlgorithm, fullObject
	}
	var err error
	if kind == composite {
		var ok bool
		if v.Checksum, ok = compositeSum(algorithm, parts); !ok {
			return nil, errRequest("The upload was created using a " + strings.ToLower(algorithm) + " checksum. The complete request must include the checksum for each part.")
		}
	} else if v.Checksum, err = c.s.fullSum(algorithm, v.Segments); err != nil {
		return nil, err
	}
	if want := c.h.Header.Get(checksumHeader + algorithm); want != "" && want != v.Checksum.Value && want+"-"+strconv.Itoa(len(parts)) != v.Checksum.Value {
		return nil, fail(http.StatusBadRequest, "BadDigest", "The "+algorithm+" you specified did not match the calculated checksum.")
	}
	if want := c.h.Header.Get("X-Amz-Mp-Object-Size"); want != "" && want != strconv.FormatInt(v.Size, 10) {
		return nil, errRequest("The provided 'x-amz-mp-object-size' header value " + want + " does not match what was computed: " + strconv.FormatInt(v.Size, 10))
	}
	return &v, nil
}
