package awscfg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// silence is how long a server that has got a request may say nothing, before its answer and
// in the middle of it: a connection that has gone black (a VPN that ended, a laptop that
// slept) is otherwise noticed by the kernel, after a quarter of an hour. All that is called
// here answers, or begins to, within seconds; streams of logs say something every second
// (AmazonCloudWatchLogs/latest/APIReference/API_StartLiveTail.html).
const silence = time.Minute

// listener ends answers that fall silent. The time before an answer is the transport's.
type listener struct {
	next    aws.HTTPClient
	silence time.Duration
}

// Do implements aws.HTTPClient.
func (l listener) Do(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	resp, err := l.next.Do(r.WithContext(ctx))
	if err != nil {
		cancel(nil)
		return resp, err
	}
	resp.Body = &heard{body: resp.Body, ctx: ctx, cancel: cancel, silence: l.silence}
	return resp, nil
}

// heard is the body of an answer. It has one reader, as bodies have.
type heard struct {
	body    io.ReadCloser
	ctx     context.Context // the request's, whose answer it is
	cancel  context.CancelCauseFunc
	silence time.Duration
}

var errSilent = errors.New("silent")

// Read implements io.Reader.
func (h *heard) Read(p []byte) (int, error) {
	// To close a body waits for its reader; the end of its request does not.
	timer := time.AfterFunc(h.silence, func() { h.cancel(errSilent) })
	n, err := h.body.Read(p)
	timer.Stop()
	if err != nil && errors.Is(context.Cause(h.ctx), errSilent) {
		err = &net.OpError{Op: "read", Net: "tcp", Err: fmt.Errorf("the server has said nothing for %v", h.silence)}
	}
	return n, err
}

// Close implements io.Closer.
func (h *heard) Close() error {
	err := h.body.Close()
	h.cancel(nil)
	return err
}
