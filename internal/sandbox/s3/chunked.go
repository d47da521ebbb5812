package s3

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// chunkedReader decodes the aws-chunked transfer coding of streaming uploads
// (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html): chunks
// of "size[;chunk-signature=...]CRLF data CRLF", a last one of size 0, then
// trailers. Chunk signatures are not checked: the request's own signature has
// been, and the data are covered by the checksum in the trailer.
type chunkedReader struct {
	r       *bufio.Reader
	left    int64 // of the current chunk
	done    bool
	trailer http.Header // complete after io.EOF
}

// maxTrailers bounds the lines after the last chunk.
const maxTrailers = 32

func isChunked(h http.Header) bool {
	return strings.HasPrefix(h.Get("X-Amz-Content-Sha256"), "STREAMING-")
}

func newChunkedReader(r io.Reader) *chunkedReader {
	return &chunkedReader{r: bufio.NewReaderSize(r, 64<<10), trailer: http.Header{}}
}

func (c *chunkedReader) Read(p []byte) (int, error) {
	for c.left == 0 {
		if c.done {
			return 0, io.EOF
		}
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if c.left == 0 && err == nil {
		err = c.endOfLine()
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (c *chunkedReader) next() error {
	line, err := c.line()
	if err != nil {
		return err
	}
	size, _, _ := strings.Cut(line, ";")
	n, err := strconv.ParseInt(strings.TrimSpace(size), 16, 64)
	if err != nil || n < 0 {
		return errRequest("The body is not aws-chunked: bad chunk size.")
	}
	if n > 0 {
		c.left = n
		return nil
	}
	c.done = true
	for range maxTrailers {
		line, err := c.line()
		if line == "" || err != nil { // the last empty line may be missing
			return nil //nolint:nilerr // an end is an end, with or without the empty line
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return errRequest("The body is not aws-chunked: bad trailer.")
		}
		c.trailer.Set(textproto.TrimString(name), textproto.TrimString(value))
	}
	return errRequest("The body has too many trailers.")
}

func (c *chunkedReader) endOfLine() error {
	line, err := c.line()
	if err == nil && line != "" {
		err = errRequest("The body is not aws-chunked: chunk is longer than its size.")
	}
	return err
}

func (c *chunkedReader) line() (string, error) {
	raw, err := c.r.ReadSlice('\n')
	if err == io.EOF {
		return "", io.ErrUnexpectedEOF
	}
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", errRequest("The body is not aws-chunked: a line is too long.")
	}
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(raw), "\r\n"), nil
}
