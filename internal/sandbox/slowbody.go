package sandbox

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// patience is how slow the body of a request may be.
type patience struct {
	// idle is how long nothing may come.
	idle time.Duration
	// rate is how many bytes a second must come on average, after idle.
	rate int64
}

// bodyPatience is about that of S3, which gives up after 20 seconds.
var bodyPatience = patience{idle: 20 * time.Second, rate: 1 << 10}

// timedBody is a request's body that fails when it comes too slowly, so that a
// client who says nothing holds no connection and no memory.
type timedBody struct {
	io.ReadCloser
	patience
	control *http.ResponseController
	header  http.Header
	began   time.Time
	read    int64
}

// limitBody returns the request with a body that fails when it is too slow. The
// server keeps its own request: by its body it knows whether the client still waits
// to be told to send (100-continue).
func limitBody(w http.ResponseWriter, r *http.Request, p patience) *http.Request {
	if r.Body == nil || r.Body == http.NoBody {
		return r
	}
	r = r.WithContext(r.Context())
	r.Body = &timedBody{ReadCloser: r.Body, patience: p, control: http.NewResponseController(w), header: w.Header(), began: time.Now()}
	return r
}

// Read implements io.Reader. The connection has a deadline while it is read only:
// afterwards the handler may take its time.
func (b *timedBody) Read(p []byte) (int, error) {
	now := time.Now()
	deadline := b.began.Add(b.idle + time.Duration(b.read/b.rate)*time.Second)
	if idle := now.Add(b.idle); idle.Before(deadline) {
		deadline = idle
	}
	if err := b.control.SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		b.header.Set("Connection", "close") // what is left of the body must not be taken for a request
		return n, wire.Errorf(http.StatusBadRequest, "RequestTimeout",
			"Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.")
	}
	if e := b.control.SetReadDeadline(time.Time{}); e != nil && err == nil {
		err = e
	}
	return n, err
}
