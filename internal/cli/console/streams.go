// Package console is what a command speaks through: the streams it is given, questions
// and their answers, documents and lines of machine output, and the user's signals. It
// knows no command, and nothing of pipelines.
package console

import (
	"bytes"
	"io"
	"os"

	"golang.org/x/term"
)

// Streams are those that the program is given. What a script reads goes to Out; prose,
// progress, questions and errors go to Err.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
	// Whether they are terminals: a person can be asked and shown live output.
	InTTY, OutTTY, ErrTTY bool
}

// System are the process's own.
func System() *Streams {
	return &Streams{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTTY: isTerminal(os.Stdin), OutTTY: isTerminal(os.Stdout), ErrTTY: isTerminal(os.Stderr),
	}
}

// Buffers are streams without a terminal, for tests: in is what is typed, and what is
// written is in the buffers.
func Buffers(in string) (streams *Streams, out, errOut *bytes.Buffer) {
	out, errOut = &bytes.Buffer{}, &bytes.Buffer{}
	return &Streams{In: bytes.NewBufferString(in), Out: out, Err: errOut}, out, errOut
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
