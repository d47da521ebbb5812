package cli

import (
	"bytes"
	"io"
	"os"

	"golang.org/x/term"

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
}

func systemIO() *IO {
	streams := &IO{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTTY: isTerminal(os.Stdin), OutTTY: isTerminal(os.Stdout), ErrTTY: isTerminal(os.Stderr),
	}
	streams.setColor("auto", true)
	return streams
}

// testIO returns streams without a terminal, and their buffers.
func testIO(in string) (*IO, *bytes.Buffer, *bytes.Buffer) {
	out, errb := &bytes.Buffer{}, &bytes.Buffer{}
	streams := &IO{In: bytes.NewBufferString(in), Out: out, Err: errb}
	streams.setColor("never", true)
	return streams, out, errb
}

// setColor applies the setting, auto, always or never, for a dark or light
// background.
func (s *IO) setColor(mode string, dark bool) {
	dumb := os.Getenv("TERM") == "dumb"
	on := func(tty bool) bool { return mode == "always" || mode == "auto" && tty && !dumb }
	s.OutStyle = theme.New(s.Out, on(s.OutTTY), dark)
	s.ErrStyle = theme.New(s.Err, on(s.ErrTTY), dark)
}

// canPrompt tells whether a question can be asked: both the answers and the
// question must reach a person.
func (s *IO) canPrompt() bool {
	return s.InTTY && s.ErrTTY && os.Getenv("CI") == "" && os.Getenv("TERM") != "dumb"
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
