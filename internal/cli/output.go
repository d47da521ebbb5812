package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipelinetui/pipelinetui/internal/document"
	"github.com/pipelinetui/pipelinetui/internal/settings"
)

// outputVersion is the version of every document and line of machine output. It
// changes when a field changes its meaning or goes away (docs/json-output.md).
const outputVersion = "pipelinetui/v1"

// Forms of output.
const (
	outputTable = "table"
	outputJSON  = "json"
	outputYAML  = "yaml"
	outputLines = "jsonl"
)

// header begins every document.
type header struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
}

func newHeader(kind string) header { return header{outputVersion, kind} }

// write writes a command's result: doc in the machine form asked for, or what
// human returns. Among lines it is the last one, of type result.
func (e *env) write(doc any, human func() string) error {
	if !e.machine() {
		if human != nil {
			fmt.Fprint(e.Out, human())
		}
		return nil
	}
	text, err := e.encode(doc)
	if err != nil {
		return err
	}
	return e.writeText(text)
}

// writeText writes the whole of a command's machine output, or what is left of it.
func (e *env) writeText(text []byte) error {
	if e.output() == outputLines {
		if err := e.begin(); err != nil {
			return err
		}
	}
	e.printed = true
	_, err := e.stdout.Write(text)
	return err
}

// encode returns a document in the form of output that was asked for; JSON where
// that is a table.
func (e *env) encode(doc any) ([]byte, error) {
	switch e.output() {
	case outputYAML:
		return document.YAML(doc)
	case outputLines:
		return document.Tagged("result", doc)
	default:
		return document.JSON(doc, "  ")
	}
}

// begin writes the first line of a stream of lines, once.
func (e *env) begin() error {
	if e.begun {
		return nil
	}
	e.begun = true
	return e.line(struct {
		Type       string `json:"type"`
		APIVersion string `json:"apiVersion"`
		Command    string `json:"command"`
	}{"version", outputVersion, e.command})
}

func (e *env) line(v any) error {
	text, err := document.JSON(v, "")
	if err != nil {
		return err
	}
	_, err = e.stdout.Write(text)
	return err
}

// lines writes a stream of events as JSON lines. The first line says the version,
// the last one, which write adds, is the result.
type lines struct{ e *env }

// newLines returns nil unless lines were asked for.
func (e *env) newLines() (*lines, error) {
	if e.output() != outputLines {
		return nil, nil
	}
	return &lines{e}, e.begin()
}

// emit writes one line; on a nil receiver it does nothing.
func (l *lines) emit(v any) error {
	if l == nil {
		return nil
	}
	return l.e.line(v)
}

// nameOf is a command's path without the program's name: "executions list".
func nameOf(cmd *cobra.Command) string { return pathOf(cmd.CommandPath()) }

// pathOf is nameOf of a command's whole path; that of the program itself stays.
func pathOf(path string) string {
	if _, name, ok := strings.Cut(path, " "); ok {
		return name
	}
	return path
}

// settle makes sure that the form of the output is known, also where the command
// line was wrong and nothing has been resolved: what it says of the output counts
// all the same.
func (e *env) settle() {
	if e.settings != nil {
		return
	}
	flags := map[string]string{}
	if form, ok := outputIn(e.args); ok {
		flags["output"] = form
	}
	s, _ := settings.Resolve(settings.Sources{Flags: flags, Environ: e.environ}) // the error that there is comes first
	if s != nil {
		e.settings = s
	}
}

// outputIn finds the form of output in arguments that could not be parsed.
func outputIn(args []string) (form string, ok bool) {
	for i, a := range args {
		switch {
		case a == "--":
			return form, ok
		case strings.HasPrefix(a, "--output="):
			form, ok = strings.TrimPrefix(a, "--output="), true
		case a == "--output" && i+1 < len(args):
			form, ok = args[i+1], true
		case len(a) > 1 && a[0] == '-' && a[1] != '-':
			// -o json, -ojson, -o=json, and behind other letters that take no value: -yo json
			before, after, found := strings.Cut(a[1:], "o")
			switch {
			case !found || strings.Trim(before, "yh") != "":
			case after != "":
				form, ok = strings.TrimPrefix(after, "="), true
			case i+1 < len(args):
				form, ok = args[i+1], true
			}
		}
	}
	return form, ok
}

// help gives help in the form of output that was asked for.
func (e *env) help(text func(*cobra.Command, []string)) func(*cobra.Command, []string) {
	return func(cmd *cobra.Command, args []string) {
		e.settle()
		if !e.machine() {
			text(cmd, args)
			return
		}
		e.command = nameOf(cmd)
		about := cmd.Long
		if about == "" {
			about = cmd.Short
		}
		_ = e.write(struct { // nothing of it can fail
			header
			Command string `json:"command"`
			Text    string `json:"text"`
			Usage   string `json:"usage"`
		}{newHeader("Help"), cmd.CommandPath(), about, cmd.UsageString()}, nil)
	}
}
