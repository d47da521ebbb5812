package check

import (
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// maxDefinition is Step Functions' limit of a definition, in bytes.
// (step-functions/latest/dg/service-quotas.html)
const maxDefinition = 1 << 20

// machine is one definition being checked.
type machine struct {
	*checker
	src   *source
	shown string
	root  *value.Node
	flow  *workflow
	// said are the values (by offset) of which an exact finding was made, so that
	// the language's own, coarser one of the same severity is left out.
	said map[int]Severity
	// reached are the states that an execution can come to.
	reached map[*state]bool
}

// definition checks the template's statemachine.asl.json and those that stand in
// for it, once for each choice of their cases.
func (c *checker) definition() {
	c.definitionIn(spec.DefinitionFile)
	if c.template == nil {
		return
	}
	for _, d := range c.template.Definitions {
		if d.Definition != nil {
			c.definitionIn(d.File)
		}
	}
}

func (c *checker) definitionIn(name string) {
	shown := c.path(name)
	raw, err := fs.ReadFile(c.folder, name)
	if err != nil {
		if !c.about(shown) {
			c.add(Finding{Severity: Error, Code: "no-definition", Message: shown + " can't be read: " + err.Error(), Hint: "Write the state machine into this file.", File: shown})
		}
		return
	}
	file := string(raw)
	c.references(shown, file)
	for i := range c.choices() {
		c.states(shown, fill(file, func(name string) sample { return c.sampleFor(name, i) }))
	}
}

// about tells whether there is a finding about a file already.
func (c *checker) about(file string) bool {
	return slices.ContainsFunc(c.findings, func(f Finding) bool { return f.File == file })
}

// states checks one filled-in definition.
func (c *checker) states(shown string, src *source) {
	if len(src.text) > maxDefinition {
		c.add(Finding{
			Severity: Error, Code: "too-large", File: shown, Hint: "Shorten it, or move part of it into a state machine of its own.",
			Message: "the definition has " + count(len(src.text)) + " bytes; Step Functions takes at most " + count(maxDefinition),
		})
		return // the rest would only be slow
	}
	m := &machine{checker: c, src: src, shown: shown, said: map[int]Severity{}, reached: map[*state]bool{}}
	if !utf8.ValidString(src.text) {
		at := strings.IndexFunc(src.text, func(r rune) bool { return r == utf8.RuneError })
		m.at(at, Error, "not-utf8", "Save the file as UTF-8.", "the text is not UTF-8")
		return
	}
	root, err := value.ParseNode(src.text)
	if err != nil {
		var syntax *value.SyntaxError
		errors.As(err, &syntax)
		offset := src.at(syntax.Line, syntax.Column)
		// The language counts as AWS's parser does, behind the offending character.
		var own *json.SyntaxError
		if errors.As(json.Unmarshal([]byte(src.text), new(any)), &own) {
			offset = int(own.Offset) - 1
		}
		m.at(offset, Error, "json-syntax", "Correct the JSON.", "%s", strings.TrimSpace(syntax.Msg))
		return
	}
	m.root = root
	m.flow = newWorkflow(root, text(root.Get("QueryLanguage")) == "JSONata", nil)
	m.reach(m.flow)
	m.flow.walk(m.state)
	m.variables()
	m.endings(m.flow)
	m.labels()
	m.partitions()
	m.language()
}

// reach notes the states that an execution can come to.
func (m *machine) reach(w *workflow) {
	names := w.reachable(w.start)
	for _, s := range w.states {
		if names[s.name] {
			m.reached[s] = true
			for _, in := range s.inner {
				m.reach(in)
			}
		}
	}
}

// language takes over what the States Language itself says.
func (m *machine) language() {
	for _, d := range asl.Validate(m.src.text, asl.Options{}) {
		// Both places are right; the one further in is the more exact.
		offset := max(m.locate(d.Location), m.src.at(d.Line, d.Column))
		if d.Line == 0 {
			offset = m.root.Offset
		}
		said := m.said[offset]
		if said == Error || said != "" && d.Severity == asl.SeverityWarning || m.src.open[offset] {
			continue
		}
		f := m.finding(offset, Error, code(d.Code), hints[d.Code], "%s", strings.TrimSpace(d.Message))
		if d.Severity == asl.SeverityWarning {
			f.Severity = Warning
		}
		m.add(f)
	}
}

// code is a diagnostic's code in the form of our own.
func code(awsCode string) string {
	return strings.ReplaceAll(strings.ToLower(awsCode), "_", "-")
}

var hints = map[string]string{
	"MISSING_TRANSITION_TARGET":      "Name a state of the same level, and lead to every state from StartAt.",
	"DUPLICATE_STATE_NAME":           "Rename one: names are unique in a whole state machine, with all its branches.",
	"MISSING_END_STATE":              "Give the last state \"End\": true.",
	"NO_DOLLAR":                      "End the field's name with \".$\", or the value stays plain text.",
	"PASS_RESULT_IS_STATIC":          "Use Parameters instead of Result: expressions in Result are plain text.",
	"INVALID_LABEL_NAME":             "Use up to 40 letters, digits and hyphens.",
	"UNSUPPORTED_JSONATA_EXPRESSION": "Read the state's input as $states.input.",
}

// locate finds the value that a location names ("/States/A/Retry[0]/ErrorEquals"),
// or the last one on the way that is there. Names of states may hold any
// character, so the longest field that fits counts.
func (m *machine) locate(location string) (offset int) {
	n := m.root
	rest := strings.TrimSuffix(location, "/")
	for rest != "" {
		if i, after, isIndex := index(rest); isIndex {
			if i >= len(n.Items) {
				return n.Offset
			}
			n, rest = n.Items[i], after
			continue
		}
		rest = strings.TrimPrefix(rest, "/")
		var best *value.Field
		for i, f := range n.Fields {
			after, fits := strings.CutPrefix(rest, f.Key)
			if fits && (after == "" || after[0] == '/' || after[0] == '[') && (best == nil || len(f.Key) > len(best.Key)) {
				best = &n.Fields[i]
			}
		}
		if best == nil {
			return n.Offset
		}
		n, rest = best.Node, rest[len(best.Key):]
	}
	return n.Offset
}

// index reads "[3]" at the beginning of a location.
func index(location string) (i int, rest string, ok bool) {
	if !strings.HasPrefix(location, "[") {
		return 0, "", false
	}
	digits, rest, closed := strings.Cut(location[1:], "]")
	if !closed || digits == "" || len(digits) > 6 {
		return 0, "", false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, "", false
		}
		i = i*10 + int(c-'0')
	}
	return i, rest, true
}
