package console

import (
	"errors"
	"io"
	"sync"
	"syscall"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

// sink is a stream that never ends what writes to it: a deployment goes on if the
// reader of its events has gone (up | head) or the disk that they go to is full.
// After the first error everything is dropped. It is safe for concurrent use.
type sink struct {
	mu  sync.Mutex
	w   io.Writer
	err error
	// tty says that it is a terminal.
	tty bool
}

// Lasting returns a stream that takes whatever is written to it, as Console's own do,
// and passes it on as it is.
func Lasting(w io.Writer) io.Writer { return &sink{w: w} }

// Write implements io.Writer; it never fails.
func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		_, s.err = s.w.Write(p)
	}
	return len(p), nil
}

// lost is the error of a stream that did not take everything. A reader that went
// away, or a terminal that was closed, did not want it: that is none. A disk that fails
// says the same as such a terminal.
func (s *sink) lost() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil || errors.Is(s.err, syscall.EPIPE) || errors.Is(s.err, io.ErrClosedPipe) || s.tty && errors.Is(s.err, syscall.EIO) {
		return nil
	}
	return fault.New(fault.Output, "standard output could not be written: %s", fault.Reason(s.err)).Because(s.err).
		WithHint("What the command did is done; its output is not whole. Make room, or write it elsewhere.")
}

// guard lets only what can be seen through to a stream of text, and the colours of
// our own styles where they are on. It is the last of several nets: what comes from
// outside is made safe where it is rendered.
type guard struct {
	next   io.Writer
	styled func() bool
}

// Write implements io.Writer.
func (g guard) Write(p []byte) (int, error) {
	if _, err := io.WriteString(g.next, render.Visible(string(p), g.styled())); err != nil {
		return 0, err
	}
	return len(p), nil
}
