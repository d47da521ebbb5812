package spec

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
)

// Case is a JSON value that holds under conditions: of several, the first whose
// conditions hold counts. No conditions always hold.
type Case struct {
	When  Conditions `json:"when,omitempty"`
	Value JSON       `json:"value"`
}

// chosen returns the index of the first case that holds, or -1.
func chosen(cases []Case, v Values) int {
	for i, c := range cases {
		if c.When.holds(v) {
			return i
		}
	}
	return -1
}

// DefinitionFor returns the template's definition with its cases decided by the
// values of the parameters. Every other ${name} stays as it is. What is put in
// is written on one line, so that line numbers stay those of the file.
func (t *Template) DefinitionFor(v Values) ([]byte, error) {
	text := t.Definition
	for _, d := range t.Definitions {
		if d.When.holds(v) {
			text = d.Definition
			break
		}
	}
	for _, s := range t.Substitutions {
		if len(s.Cases) == 0 {
			continue
		}
		i := chosen(s.Cases, v)
		if i < 0 {
			return nil, fault.New(fault.Invalid, "template %s: no case of ${%s} fits the parameters", t.Name, s.Name).
				WithHint("Add a case to the substitution %s in template.yaml; one without `when` holds always.", s.Name)
		}
		text = putIn(text, s.Name, s.Cases[i].Value)
	}
	return text, nil
}

// InputFor returns the execution input for a file that was uploaded, out of the
// template's inputFile: ${key} is the object's key, ${prefix} the folder it is
// in, with a slash at its end. ok is false if the template takes no file.
func (t *Template) InputFor(v Values, key string) (input JSON, ok bool) {
	i := chosen(t.InputFile, v)
	if i < 0 {
		return nil, false
	}
	prefix := key[:strings.LastIndexByte(key, '/')+1]
	input = putIn(t.InputFile[i].Value, "key", quoted(key))
	return putIn(input, "prefix", quoted(prefix)), true
}

// TakesFolder tells whether the input for an upload names the folder, so that
// it may hold many files.
func (t *Template) TakesFolder(v Values) bool {
	i := chosen(t.InputFile, v)
	return i >= 0 && bytes.Contains(t.InputFile[i].Value, []byte(`"${prefix}"`))
}

func quoted(s string) JSON {
	raw, _ := json.Marshal(s) // a string always marshals
	return raw
}

// putIn replaces every string of a JSON text that is nothing but ${name}.
func putIn(text []byte, name string, value JSON) []byte {
	token := []byte(`"${` + name + `}"`)
	var out bytes.Buffer
	for {
		i := bytes.Index(text, token)
		if i < 0 {
			break
		}
		out.Write(text[:i])
		if i > 0 && text[i-1] == '\\' {
			out.Write(token) // inside a longer string
		} else {
			out.Write(value)
		}
		text = text[i+len(token):]
	}
	out.Write(text)
	return out.Bytes()
}

// cases checks the cases of a substitution and the inputs for files.
func (l *templateLoader) cases() {
	for i, s := range l.t.Substitutions {
		n := l.item("substitutions", i)
		if len(s.Cases) == 0 || !l.isMap(n) || !l.decoder.sure(n, "name", "cases") {
			continue
		}
		for _, text := range l.t.definitions() {
			if bytes.Count(putIn(text, s.Name, JSON("0")), []byte("${"+s.Name+"}")) > 0 {
				l.fail(n.pos, "Write it as the whole of a string: \"${"+s.Name+"}\".", "the definition uses ${%s}, which has cases, as a part of a longer string", s.Name)
			}
		}
		for _, c := range s.Cases {
			l.oneCase(n, c, "substitution "+s.Name)
			for _, other := range l.t.Substitutions {
				if len(other.Cases) > 0 && bytes.Contains(c.Value, []byte("${"+other.Name+"}")) {
					l.fail(n.pos, "Write the value out.", "a case of %s uses ${%s}, which has cases itself", s.Name, other.Name)
				}
			}
		}
	}
	for i, d := range l.t.Definitions {
		n := l.item("definitions", i)
		if !l.isMap(n) || !l.decoder.sure(n, "when") {
			continue
		}
		l.known(n.pos, sortedKeys(d.When)...)
		if len(d.When) == 0 {
			l.fail(n.pos, "Add `when: {parameter: value}`.", "the definition %s has no conditions", d.File)
		}
	}
	at := l.root.pos
	if e := l.root.find("inputFile"); e != nil {
		at = e.pos
	}
	for i, c := range l.t.InputFile {
		if !l.decoder.sure(l.root, "inputFile") {
			break
		}
		l.oneCase(l.item("inputFile", i), c, "inputFile")
		for _, m := range substitutionForm.FindAllSubmatch(c.Value, -1) {
			if name := string(m[1]); name != "key" && name != "prefix" {
				l.fail(at, "Use ${key} or ${prefix}.", "inputFile uses ${%s}", name)
			}
		}
	}
}

func (l *templateLoader) oneCase(n *node, c Case, of string) {
	l.known(n.pos, sortedKeys(c.When)...)
	if len(c.Value) == 0 {
		l.fail(n.pos, "Add `value: ...`.", "a case of %s has no value", of)
	}
}
