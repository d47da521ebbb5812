package results

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/pipelinetui/pipelinetui/internal/awscfg"
	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// What one request asks for. A page begins small, for most are; what reads on and on asks
// for more at a time.
const (
	firstRange = 128 << 10
	maxRange   = 2 << 20
)

// ranges reads a part of an object, some of it at a time.
type ranges struct {
	ctx  context.Context
	api  API
	from Object
	// next is the first byte that was not asked for yet, end the one behind the last.
	next, end int64
	size      int64 // of the next request
	have      []byte
}

// read returns a reader of an object from one byte to before another.
func read(ctx context.Context, api API, o Object, from, end int64) *ranges {
	return &ranges{ctx: ctx, api: api, from: o, next: from, end: end, size: firstRange}
}

// Read implements io.Reader.
func (r *ranges) Read(p []byte) (int, error) {
	if len(r.have) == 0 {
		if r.next >= r.end {
			return 0, io.EOF
		}
		to := min(r.end, r.next+r.size)
		raw, _, err := fetch(r.ctx, r.api, r.from, r.next, to)
		if err != nil {
			return 0, err
		}
		if len(raw) == 0 {
			return 0, changed(r.from, nil)
		}
		r.have, r.next, r.size = raw, r.next+int64(len(raw)), min(maxRange, 2*r.size)
	}
	n := copy(p, r.have)
	r.have = r.have[n:]
	return n, nil
}

func changed(o Object, err error) error {
	return fault.New(fault.Conflict, "%s is shorter than it was", o.URI()).Because(err).
		WithHint("It was written anew, by a redrive perhaps: ask again.")
}

// head reads the first bytes of an object, and its size.
func head(ctx context.Context, api API, o Object, most int64) (raw []byte, size int64, err error) {
	raw, size, err = fetch(ctx, api, o, 0, most)
	var api416 smithy.APIError
	if errors.As(err, &api416) && api416.ErrorCode() == "InvalidRange" {
		return nil, 0, nil // an empty object has no range (AmazonS3/latest/API/API_GetObject.html)
	}
	return raw, size, err
}

// fetch reads the bytes of an object from one to before another, and its size. An object
// may end before.
func fetch(ctx context.Context, api API, o Object, from, to int64) ([]byte, int64, error) {
	out, err := api.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &o.Bucket, Key: &o.Key, Range: aws.String(fmt.Sprintf("bytes=%d-%d", from, to-1)),
	})
	if err != nil {
		return nil, 0, unread(o, err)
	}
	defer func() { _ = out.Body.Close() }() // it was only read
	_, total, ok := strings.Cut(aws.ToString(out.ContentRange), "/")
	size, err := strconv.ParseInt(total, 10, 64)
	if !ok || err != nil {
		if from > 0 {
			return nil, 0, fault.New(fault.Unsupported, "the store of %s answers no ranges", o.URI()).
				WithHint("Download it whole: `pipelinetui results get` prints a link.")
		}
		size = aws.ToInt64(out.ContentLength)
	}
	var raw bytes.Buffer
	raw.Grow(int(min(to-from, max(0, aws.ToInt64(out.ContentLength)))) + bytes.MinRead) // a range, of few MiB
	if _, err := raw.ReadFrom(io.LimitReader(out.Body, to-from)); err != nil {
		return nil, 0, unread(o, err)
	}
	return raw.Bytes(), size, nil
}

// unread says why an object could not be read.
func unread(o Object, err error) error {
	if err == nil {
		return nil
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode() {
		case "NoSuchKey", "NotFound", "NoSuchBucket":
			return gone(o, err)
		case "AccessDenied":
			return fault.New(fault.Denied, "%s may not be read: %s", o.URI(), api.ErrorMessage()).Because(err).
				WithHint("Ask for s3:GetObject on it, and kms:Decrypt on its key.")
		case "InvalidRange":
			return changed(o, err)
		}
	}
	return fault.Wrap(awscfg.Classify(err), "read %s", o.URI())
}
