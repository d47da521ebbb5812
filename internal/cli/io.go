package cli

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/term"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// IO are a command's streams. What a script reads goes to Out; prose, progress,
// questions and errors go to Err.
type IO struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
	// Whether a person can be asked and shown live output.
	InTTY, OutTTY, ErrTTY bool
	// Colors of the two writers; plain until the settings are known.
	OutStyle, ErrStyle theme.Styles
	// Whether the styles write escapes.
	OutColor, ErrColor bool
	// dumb says that the terminal is one that cannot move its cursor; ci that nobody
	// sits before it.
	dumb, ci bool
}

func systemIO() *IO {
	return &IO{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTTY: isTerminal(os.Stdin), OutTTY: isTerminal(os.Stdout), ErrTTY: isTerminal(os.Stderr),
	}
}

// testIO returns streams without a terminal, and their buffers.
func testIO(in string) (*IO, *bytes.Buffer, *bytes.Buffer) {
	out, errb := &bytes.Buffer{}, &bytes.Buffer{}
	return &IO{In: bytes.NewBufferString(in), Out: out, Err: errb}, out, errb
}

// Values of the setting of colours.
const (
	colorAlways = "always"
	colorNever  = "never"
)

// setColor applies the setting, auto, always or never, for a dark or light
// background. On its own it uses the colours that the terminal has.
func (s *IO) setColor(mode string, environ func(string) (string, bool), dark bool) {
	kind, _ := environ("TERM")
	s.dumb = kind == "dumb"
	ci, _ := environ("CI")
	s.ci = ci != ""
	of := func(tty bool) theme.Colors {
		switch {
		case mode == colorAlways:
			return max(theme.ColorsOf(environ), theme.Colors256)
		case mode == colorNever || !tty:
			return theme.NoColors
		}
		return theme.ColorsOf(environ)
	}
	out, err := of(s.OutTTY), of(s.ErrTTY)
	s.OutColor, s.ErrColor = out != theme.NoColors, err != theme.NoColors
	s.OutStyle, s.ErrStyle = theme.New(s.Out, out, dark), theme.New(s.Err, err, dark)
}

// canPrompt tells whether a question can be asked: both the answers and the
// question must reach a person.
func (s *IO) canPrompt() bool { return s.InTTY && s.ErrTTY && !s.ci && !s.dumb }

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// sink is a stream that never ends what writes to it: a deployment goes on if the
// reader of its events has gone (up | head) or the disk that they go to is full.
// After the first error everything is dropped. It is safe for concurrent use.
type sink struct {
	mu  sync.Mutex
	w   io.Writer
	err error
}

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
// away, or a terminal that was closed, did not want it: that is none.
func (s *sink) lost() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil || errors.Is(s.err, syscall.EPIPE) || errors.Is(s.err, io.ErrClosedPipe) || errors.Is(s.err, syscall.EIO) {
		return nil
	}
	return fault.New(fault.Internal, "standard output could not be written: %s", fault.Reason(s.err)).Because(s.err).
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
