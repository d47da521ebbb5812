package cli

import (
	"encoding/json"
	"fmt"

	"github.com/goccy/go-yaml"
)

// outputVersion is the version of every document and line of machine output. It
// changes when a field changes its meaning or goes away (docs/json-output.md).
const outputVersion = "pipelinetui/v1"

// header begins every document.
type header struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
}

func newHeader(kind string) header { return header{outputVersion, kind} }

// write writes a command's result: doc in the machine form asked for, or what
// human returns.
func (e *env) write(doc any, human func() string) error {
	switch e.output() {
	case "json":
		e.printed = true
		return e.writeJSON(doc, "  ")
	case "yaml":
		e.printed = true
		raw, err := json.Marshal(doc)
		if err != nil {
			return err
		}
		out, err := yaml.JSONToYAML(raw)
		if err != nil {
			return err
		}
		_, err = e.Out.Write(out)
		return err
	case "jsonl":
		e.printed = true
		return e.writeJSON(doc, "")
	default:
		if human == nil {
			return nil
		}
		_, err := fmt.Fprint(e.Out, human())
		return err
	}
}

func (e *env) writeJSON(doc any, indent string) error {
	enc := json.NewEncoder(e.Out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	return enc.Encode(doc)
}

// lines writes a stream of events as JSON lines. The first line says the
// version.
type lines struct{ e *env }

func (e *env) newLines(command string) (*lines, error) {
	if e.output() != "jsonl" {
		return nil, nil
	}
	e.printed = true
	return &lines{e}, e.writeJSON(map[string]string{"type": "version", "apiVersion": outputVersion, "command": command}, "")
}

// emit writes one line; on a nil receiver it does nothing.
func (l *lines) emit(v any) error {
	if l == nil {
		return nil
	}
	return l.e.writeJSON(v, "")
}
