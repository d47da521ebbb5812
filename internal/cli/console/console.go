package console

import (
	"bufio"
	"fmt"
	"io"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/render"
	"github.com/pipelinetui/pipelinetui/internal/theme"
)

// Console is the streams of one command line, guarded: nothing of them ends an
// operation, nothing raw passes. Writing is safe for concurrent use, as far as the
// streams that it was given are; the rest belongs to one goroutine.
type Console struct {
	// Streams are guarded; Raw are as they were given, for a program or a screen that
	// takes them over.
	Streams
	Raw *Streams
	// Styles of the two writers; plain until SetColor.
	OutStyle, ErrStyle theme.Styles
	// Dumb says that the terminal is one that cannot move its cursor; CI that nobody
	// sits before it.
	Dumb, CI bool

	outColor, errColor bool // whether the styles write escapes
	stdout             *sink
	reader             *bufio.Reader // answers to questions; one for all, as it reads ahead

	form    string
	command string
	marker  string
	view    View
	filter  filter
	hints   bool
	now     func() time.Time
	// begun says that the version line of a stream of lines has been written, printed
	// that the document or the result has, so that an error must not add a second one.
	begun, printed bool
}

// New returns a console without colours, whose output is for people.
func New(streams *Streams, environ func(string) (string, bool)) *Console {
	c := &Console{Streams: *streams, Raw: streams, form: Table, marker: "error", now: time.Now, stdout: &sink{w: streams.Out, tty: streams.OutTTY}}
	c.Out = guard{c.stdout, func() bool { return c.outColor }}
	c.Err = guard{&sink{w: streams.Err}, func() bool { return c.errColor }}
	kind, _ := environ("TERM")
	c.Dumb = kind == "dumb"
	ci, _ := environ("CI")
	c.CI = ci != ""
	c.SetColor(ColorNever, environ, true)
	return c
}

// Values of the setting of colours; any other uses those that the terminal has.
const (
	ColorAlways = "always"
	ColorNever  = "never"
)

// SetColor applies the setting of colours, for a dark or light background.
func (c *Console) SetColor(mode string, environ func(string) (string, bool), dark bool) {
	of := func(tty bool) theme.Colors {
		switch {
		case mode == ColorAlways:
			return max(theme.ColorsOf(environ), theme.Colors256)
		case mode == ColorNever || !tty:
			return theme.NoColors
		}
		return theme.ColorsOf(environ)
	}
	out, err := of(c.OutTTY), of(c.ErrTTY)
	c.outColor, c.errColor = out != theme.NoColors, err != theme.NoColors
	c.OutStyle, c.ErrStyle = theme.New(c.Out, out, dark), theme.New(c.Err, err, dark)
}

// Note tells the user something beside the command's result, such as what takes time
// before the work itself begins. What it is given may come from outside.
func (c *Console) Note(format string, args ...any) {
	fmt.Fprintln(c.Err, c.ErrStyle.Muted.Render(render.Safe(fmt.Sprintf(format, args...))))
}

// StandardInput is what it is called in messages.
const StandardInput = "standard input"

// Stdin is standard input, for what is read to its end. Who has to type that is told
// that it is waited for, and how it ends.
func (c *Console) Stdin() io.Reader {
	if c.InTTY {
		c.Note("reading %s: ctrl-D ends it, ctrl-C gives up", StandardInput)
	}
	return c.In
}

// Lost is the error of a standard output that did not take everything that was
// written, nil if it did or if nobody wanted it.
func (c *Console) Lost() error { return c.stdout.lost() }
