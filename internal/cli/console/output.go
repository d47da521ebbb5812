package console

import (
	"fmt"

	"github.com/pipelinetui/pipelinetui/internal/document"
	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/render"
)

// Version is the version of every document and line of machine output.
const Version = document.Version

// Forms of output. All but Table are for machines.
const (
	Table = "table"
	JSON  = "json"
	YAML  = "yaml"
	Lines = "jsonl"
	// Markdown is for a comment of a forge. Only a Comment has that form.
	Markdown = "markdown"
)

// Header begins every document.
type Header struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
}

func (Header) document() {}

// Document is a command's result in machine output: a struct that embeds Header, so that
// none is without version and kind.
type Document interface{ document() }

// Comment is a document that can be a comment of a forge: one that replaces the one before.
type Comment interface {
	Document
	// Comment is the text, in GitHub's Markdown. Its first line is marker, which nobody sees
	// and by which a script finds it again.
	Comment(marker string) string
}

// Marker is what nobody sees of a comment: which it is.
func Marker(which string) string { return "<!-- pipelinetui:" + which + " -->" }

// SetMarker says which comment it is that is written, in letters, digits and colons.
func (c *Console) SetMarker(which string) { c.marker = which }

// NewHeader is the header of a kind of document.
func NewHeader(kind string) Header { return Header{Version, kind} }

// SetForm says in which form results are written; what is none is Table.
func (c *Console) SetForm(form string) {
	c.form = Table
	if IsForm(form) {
		c.form = form
	}
}

// IsForm tells whether a form of output is one.
func IsForm(form string) bool {
	return form == Table || form == JSON || form == YAML || form == Lines || form == Markdown
}

// Form is the form of the output, and Machine tells whether a machine reads it.
func (c *Console) Form() string { return c.form }

// Machine tells whether the output is for a machine.
func (c *Console) Machine() bool { return c.form != Table }

// SetCommand says which command it is that speaks ("executions list"), for the first
// of a stream of lines.
func (c *Console) SetCommand(path string) { c.command = path }

// Printed tells whether the document or the result has been written.
func (c *Console) Printed() bool { return c.printed }

// GiveAway says that standard output belongs to another program, which writes the
// result.
func (c *Console) GiveAway() { c.printed = true }

// Write writes a command's result: doc in the machine form asked for, or what
// human returns. Among lines it is the last one, of type result.
func (c *Console) Write(doc Document, human func() string) error {
	switch {
	case c.view.Quiet:
		return c.names(doc)
	case !c.Machine():
		if human != nil {
			fmt.Fprint(c.Out, human())
		}
		return c.next(doc)
	}
	text, err := c.Encode(doc)
	if err != nil {
		return err
	}
	return c.WriteText(text)
}

// WriteText writes the whole of a command's machine output, or what is left of it.
func (c *Console) WriteText(text []byte) error {
	if c.form == Lines {
		if err := c.begin(); err != nil {
			return err
		}
	}
	c.printed = true
	return c.put(text)
}

// Encode returns a document in the form of output that was asked for; JSON where
// that is a table.
func (c *Console) Encode(doc any) ([]byte, error) {
	switch c.form {
	case YAML:
		return document.YAML(doc)
	case Lines:
		return document.Tagged("result", doc)
	case Markdown:
		text, ok := doc.(Comment)
		if !ok {
			return nil, fault.New(fault.Internal, "this result has no form as a comment")
		}
		return []byte(render.Safe(text.Comment(Marker(c.marker)))), nil
	default:
		return document.JSON(doc, "  ")
	}
}

// begin writes the first line of a stream of lines, once.
func (c *Console) begin() error {
	if c.begun {
		return nil
	}
	c.begun = true
	if c.filter != nil {
		return nil // who filters reads values, not the protocol
	}
	return c.line(struct {
		Type       string `json:"type"`
		APIVersion string `json:"apiVersion"`
		Command    string `json:"command"`
	}{"version", Version, c.command})
}

func (c *Console) line(v any) error {
	text, err := document.JSON(v, "")
	if err != nil {
		return err
	}
	return c.put(text)
}

// Stream writes a stream of events as JSON lines. The first line says the version,
// the last one, which Write adds, is the result.
type Stream struct{ console *Console }

// Stream begins a stream of lines; it is nil unless lines were asked for.
func (c *Console) Stream() (*Stream, error) {
	if c.form != Lines {
		return nil, nil // documented
	}
	return &Stream{c}, c.begin()
}

// Emit writes one line; on a nil receiver it does nothing.
func (s *Stream) Emit(v any) error {
	if s == nil {
		return nil
	}
	return s.console.line(v)
}
