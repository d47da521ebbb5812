package spec

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"unicode/utf8"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// within returns the place of an offset in a file's content; that of the file
// itself if the offset lies outside.
func (p pos) within(data []byte, offset int) pos {
	if offset < 0 || offset > len(data) {
		return p
	}
	before := data[:offset]
	p.line = bytes.Count(before, []byte("\n")) + 1
	p.col = utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return p
}

// Place returns where template.yaml says something: Place("parameters", 3,
// "name"). It is the place of the nearest thing around it that is there.
func (t *Template) Place(path ...any) (line, column int) {
	if t.root == nil {
		return 0, 0
	}
	n, at := t.root, t.root.pos
	for _, step := range path {
		switch step := step.(type) {
		case string:
			e := n.find(step)
			if e == nil {
				return at.line, at.col
			}
			n, at = e.value, e.pos
		case int:
			if step >= len(n.items) {
				return at.line, at.col
			}
			n = n.items[step]
			at = n.pos
		}
	}
	return at.line, at.col
}

// Suggest returns the name that is most like an unknown one, or "" if none is.
func Suggest(name string, known []string) string { return suggest(name, known) }

// Code opens a function's sources in the template's folder.
func (t *Template) Code(folder string) (Code, error) {
	if _, err := fs.Stat(t.FS, folder); err != nil {
		return nil, err
	}
	return openCode("", t, folder)
}

// Trial makes a pipeline of a template out of its defaults, and the examples of
// its required parameters: for trying out whether a program can be made of it.
// ok is false if a required parameter has no example.
func Trial(t *Template, region string) (p *Pipeline, ok bool, err error) {
	a := Answers{ID: ID{Tenant: "sample", Model: "sample"}, Template: t.Name, Values: map[string]string{}}
	for _, param := range t.Parameters {
		if !param.Required {
			continue
		}
		if param.Example == nil {
			return nil, false, nil
		}
		text, isText := param.Example.(string)
		if !isText {
			raw, err := json.Marshal(param.Example)
			if err != nil {
				return nil, false, fault.Wrap(err, "example of parameter %s", param.Name)
			}
			text = string(raw)
		}
		a.Values[param.Name] = text
	}
	cat := &Catalog{templates: []*Template{t}}
	p, err = Build(a, cat, Options{Region: region, SkipFiles: true})
	return p, true, err
}
