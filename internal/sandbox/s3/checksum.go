package s3

import (
	"crypto/md5"  // ETags are MD5
	"crypto/sha1" // one of S3's checksum algorithms
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// checksum is an additional checksum of an object, base64, by algorithm. Type is
// FULL_OBJECT, or COMPOSITE for a multipart object whose checksum is taken over
// those of its parts.
type checksum struct {
	Algorithm, Value, Type string
}

const (
	fullObject = "FULL_OBJECT"
	composite  = "COMPOSITE"
	// defaultAlgorithm is what S3 computes if the client gives no checksum.
	defaultAlgorithm = "CRC64NVME"
	checksumHeader   = "X-Amz-Checksum-"
)

// newHash returns nil for an algorithm that is not served.
func newHash(algorithm string) hash.Hash {
	switch algorithm {
	case "CRC32":
		return crc32.NewIEEE()
	case "CRC32C":
		return crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case "CRC64NVME":
		return crc64.New(crc64.MakeTable(0x9a6c9329ac4bc9b5)) // NVMe polynomial, reflected
	case "SHA1":
		return sha1.New() // see import
	case "SHA256":
		return sha256.New()
	default:
		return nil
	}
}

// newMD5 is the hash of ETags and Content-MD5.
func newMD5() hash.Hash { return md5.New() } // see import

// digest hashes a body while it is written and then checks what the client said
// about it.
type digest struct {
	md5       hash.Hash
	sha       hash.Hash // of the payload, if the signature covers it
	sum       hash.Hash
	algorithm string
	given     bool // the client chose the algorithm
}

// newDigest reads from the headers what has to be computed. algorithm is the
// preset of a multipart upload, or "".
func newDigest(h http.Header, algorithm string) (*digest, error) {
	d := &digest{md5: newMD5(), algorithm: algorithm}
	said, err := saidAlgorithm(h)
	if err != nil {
		return nil, err
	}
	if said != "" {
		d.algorithm, d.given = said, true
	}
	if d.algorithm == "" {
		d.algorithm = defaultAlgorithm
	}
	if d.sum = newHash(d.algorithm); d.sum == nil {
		return nil, errAlgorithm()
	}
	if len(h.Get("X-Amz-Content-Sha256")) == 64 {
		d.sha = sha256.New()
	}
	return d, nil
}

// noChecksum stands in place of a checksum in what the Pulumi CLI sends to an
// endpoint of one's own (gocloud.dev/blob/s3blob, request_checksum_calculation).
const noChecksum = "UNSIGNED-PAYLOAD"

// saidAlgorithm finds the checksum algorithm of a request: by its checksum
// header, the announced trailer, or the SDK's hint.
func saidAlgorithm(h http.Header) (string, error) {
	var found []string
	for name, values := range h {
		if len(values) == 1 && values[0] == noChecksum {
			continue
		}
		if a, ok := strings.CutPrefix(name, checksumHeader); ok && a != "Algorithm" && a != "Type" && a != "Mode" {
			found = append(found, strings.ToUpper(a))
		}
	}
	for _, name := range h.Values("X-Amz-Trailer") {
		if a, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(name)), strings.ToLower(checksumHeader)); ok {
			found = append(found, strings.ToUpper(a))
		}
	}
	switch {
	case len(found) > 1:
		return "", errRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
	case len(found) == 1:
		return found[0], nil
	}
	return strings.ToUpper(h.Get("X-Amz-Sdk-Checksum-Algorithm")), nil
}

func (d *digest) Write(p []byte) (int, error) {
	for _, h := range []hash.Hash{d.md5, d.sha, d.sum} {
		if h != nil {
			_, _ = h.Write(p) // never fails (hash.Hash)
		}
	}
	return len(p), nil
}

func (d *digest) etag() string { return hex.EncodeToString(d.md5.Sum(nil)) }

func (d *digest) checksum() checksum {
	return checksum{d.algorithm, base64.StdEncoding.EncodeToString(d.sum.Sum(nil)), fullObject}
}

// verify compares the hashes with the request's headers and trailers.
func (d *digest) verify(h, trailer http.Header) error {
	if d.sha != nil && hex.EncodeToString(d.sha.Sum(nil)) != strings.ToLower(h.Get("X-Amz-Content-Sha256")) {
		return fail(http.StatusBadRequest, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	if want := h.Get("Content-Md5"); want != "" {
		raw, err := base64.StdEncoding.DecodeString(want)
		if err != nil || len(raw) != md5.Size {
			return fail(http.StatusBadRequest, "InvalidDigest", "The Content-MD5 you specified was invalid.", "Content-MD5", want)
		}
		if hex.EncodeToString(raw) != d.etag() {
			return fail(http.StatusBadRequest, "BadDigest", "The Content-MD5 you specified did not match what we received.", "ExpectedDigest", want)
		}
	}
	name := checksumHeader + d.algorithm
	want := h.Get(name)
	if want == "" {
		want = trailer.Get(name)
	}
	if want == "" || want == noChecksum {
		return nil
	}
	raw, err := base64.StdEncoding.DecodeString(want)
	if err != nil || len(raw) != d.sum.Size() {
		return errRequest("Value for " + strings.ToLower(name) + " header is invalid.")
	}
	if want != d.checksum().Value {
		return fail(http.StatusBadRequest, "BadDigest", "The "+d.algorithm+" you specified did not match the calculated checksum.")
	}
	return nil
}

// setChecksum shows an object's checksum in reply headers.
func setChecksum(h http.Header, c checksum) {
	if c.Value == "" {
		return
	}
	h.Set(checksumHeader+c.Algorithm, c.Value)
	h.Set("X-Amz-Checksum-Type", c.Type)
}

// compositeSum is the checksum over the binary checksums of parts; ok is false
// if one of them has none of this algorithm.
func compositeSum(algorithm string, parts []part) (checksum, bool) {
	h := newHash(algorithm)
	for _, p := range parts {
		raw, err := base64.StdEncoding.DecodeString(p.Checksum.Value)
		if err != nil || p.Checksum.Algorithm != algorithm {
			return checksum{}, false
		}
		_, _ = h.Write(raw)
	}
	v := base64.StdEncoding.EncodeToString(h.Sum(nil))
	return checksum{algorithm, v + "-" + strconv.Itoa(len(parts)), composite}, true
}

// fullSum computes a checksum over stored data.
func (s *Service) fullSum(algorithm string, segments []segment) (checksum, error) {
	var size int64
	for _, x := range segments {
		size += x.Size
	}
	r, err := s.blobs.open(segments, 0, size)
	if err != nil {
		return checksum{}, err
	}
	defer func() { _ = r.Close() }()
	h := newHash(algorithm)
	if _, err := io.Copy(h, r); err != nil {
		return checksum{}, err
	}
	return checksum{algorithm, base64.StdEncoding.EncodeToString(h.Sum(nil)), fullObject}, nil
}
