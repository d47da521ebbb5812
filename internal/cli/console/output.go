package console

import (
	"fmt"

	"github.com/pipelinetui/pipelinetui/internal/document"
)

// Version is the version of every document and line of machine output. It
// changes when a field changes its meaning or goes away (docs/json-output.md).
const Version = "pipelinetui/v1"

// Forms of output. All but Table are for machines.
const (
	Table = "table"
	JSON  = "json"
	YAML  = "yaml"
	Lines = "jsonl"
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

// NewHeader is the header of a kind of document.
func NewHeader(kind string) Header { return Header{Version, kind} }

// SetForm says in which form results are written; what is none is Table.
func (c *Console) SetForm(form string) {
	c.form = Table
	if form == JSON || form == YAML || form == Lines {
		c.form = form
	}
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
	if !c.Machine() {
		if human != nil {
			fmt.Fprint(c.Out, human())
		}
		return nil
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
	_, err := c.stdout.Write(text)
	return err
}

// Encode returns a document in the form of output that was asked for; JSON where
// that is a table.
func (c *Console) Encode(doc any) ([]byte, error) {
	switch c.form {
	case YAML:
		return document.YAML(doc)
	case Lines:
		return document.Tagged("result", doc)
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
	_, err = c.stdout.Write(text)
	return err
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
