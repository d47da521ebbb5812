package check

import (
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata"
)

// read is one place where a state reads a variable.
type read struct {
	name    string
	offset  int
	guarded bool // the expression asks first whether it exists
}

// functions are the functions of JSONata that Step Functions has: all of
// jsonata.org but $eval, and some of its own.
// (step-functions/latest/dg/transforming-data.html)
var functions = strings.Fields(`abs append assert average base64decode base64encode boolean ceil contains count
	decodeUrl decodeUrlComponent distinct each encodeUrl encodeUrlComponent error exists filter floor formatBase formatInteger
	formatNumber fromMillis join keys length lookup lowercase map match max merge millis min not now number pad parseInteger power
	random reduce replace reverse round shuffle sift single sort split spread sqrt string substring substringAfter substringBefore
	sum toMillis trim type uppercase zip
	hash parse partition range uuid`)

// plain are fields whose text is never an expression.
var plain = []string{"Type", "Resource", "Comment", "Next", "Default", "QueryLanguage", "ErrorEquals", "Label", "ProcessorConfig"}

// expression returns the JSONata of a leaf, with its offset in the leaf's text.
func expression(l leaf) (text string, at int, ok bool) {
	s, _ := l.node.Value.(string)
	if slices.Contains(plain, l.key()) || len(s) < 4 || !strings.HasPrefix(s, "{%") || !strings.HasSuffix(s, "%}") {
		return "", 0, false
	}
	inner := s[2 : len(s)-2]
	text = strings.TrimLeft(inner, " \t\r\n")
	return strings.TrimRight(text, " \t\r\n"), 2 + len(inner) - len(text), true
}

// readsOf lists the variables that a state reads.
func (m *machine) readsOf(s *state) []read {
	var out []read
	s.leaves(func(l leaf) {
		if s.jsonata {
			text, at, ok := expression(l)
			if !ok {
				return
			}
			names := jsonata.Names(text)
			for _, n := range names {
				if n.Call || n.Bound || n.Name == "states" || slices.Contains(functions, n.Name) {
					continue
				}
				out = append(out, read{n.Name, inLiteral(m.src.text, l.node, at+n.Offset), guarded(names, n.Name)})
			}
			return
		}
		if !isPath(l) {
			return
		}
		e, err := asl.CompilePath(l.node.Value.(string), true)
		if err != nil {
			return // told by the language itself
		}
		for _, name := range e.Variables() {
			at := max(strings.Index(e.Text, "$"+name), 0)
			out = append(out, read{name, inLiteral(m.src.text, l.node, at), false})
		}
	})
	return out
}

// guarded tells whether an expression asks with $exists for a variable.
func guarded(names []jsonata.Name, variable string) bool {
	for i, n := range names[:max(len(names)-1, 0)] {
		if n.Call && n.Name == "exists" && names[i+1].Name == variable {
			return true
		}
	}
	return false
}

// payloads are fields in which only members that end with ".$" are paths.
var payloads = []string{"Parameters", "Arguments", "ResultSelector", "Assign", "Result", "ItemSelector", "BatchInput", "Credentials"}

// isPath tells whether a leaf of a JSONPath state holds a path or an intrinsic.
func isPath(l leaf) bool {
	key := l.key()
	if strings.HasSuffix(key, ".$") {
		return true
	}
	if slices.ContainsFunc(l.path, func(k string) bool { return slices.Contains(payloads, k) }) {
		return false
	}
	return strings.HasSuffix(key, "Path") || key == "Variable"
}

// expressions checks each expression of a state by itself.
func (m *machine) expressions(s *state) {
	s.leaves(func(l leaf) {
		if s.jsonata {
			m.jsonata(s, l)
			return
		}
		if v := l.node.Value.(string); strings.HasPrefix(v, "{%") && !slices.Contains(plain, l.key()) {
			m.on(l.node, Warning, "wrong-language", "Set \"QueryLanguage\": \"JSONata\" in the state or at the top of the definition.",
				"state %q is in JSONPath, where this JSONata expression is plain text", s.name)
		}
	})
}

func (m *machine) jsonata(s *state, l leaf) {
	v := l.node.Value.(string)
	text, at, ok := expression(l)
	if !ok {
		m.notJSONata(s, l, v)
		return
	}
	if _, err := jsonata.Compile(text); err != nil {
		if !m.src.open[l.node.Offset] {
			m.said[l.node.Offset] = Error
			offset := inLiteral(m.src.text, l.node, at+jsonata.ErrorOffset(text))
			m.at(offset, Error, "jsonata-syntax", "Correct the expression; try it out at https://try.jsonata.org.", "not JSONata: %s", err)
		}
		return
	}
	for _, n := range jsonata.Names(text) {
		offset := inLiteral(m.src.text, l.node, at+n.Offset)
		switch {
		case n.Bound:
		case n.Name == "states":
			m.statesMember(s, l, n, offset)
		case !n.Call || slices.Contains(functions, n.Name):
		case n.Name == "eval":
			m.at(offset, Error, "unknown-function", "Use $parse to read JSON text.", "Step Functions has no $eval")
		default:
			m.at(offset, Error, "unknown-function", suggestion("$"+n.Name, prefixed("$", functions), "Use a function of JSONata or of Step Functions."),
				"there is no function $%s", n.Name)
		}
	}
}

// statesMember checks a use of $states: what it holds depends on the field.
// (step-functions/latest/dg/transforming-data.html, "Reserved variable")
func (m *machine) statesMember(s *state, l leaf, n jsonata.Name, offset int) {
	after := l.under("Assign") || l.under("Output")
	caught := l.under("Catch")
	switch n.Member {
	case "", "input", "context":
	case "result":
		if !after || !slices.Contains([]string{"Task", "Map", "Parallel"}, s.typ) {
			m.at(offset, Error, "no-result-here", "Read $states.result in Assign or Output of a Task, Map or Parallel state.",
				"state %q reads $states.result where there is none", s.name)
		}
	case "errorOutput":
		if !caught {
			m.at(offset, Error, "no-error-here", "Read $states.errorOutput in Assign or Output of a Catch.",
				"state %q reads $states.errorOutput outside of a Catch", s.name)
		}
	default:
		m.at(offset, Error, "unknown-states-member", suggestion(n.Member, []string{"input", "result", "errorOutput", "context"}, "Use input, result, errorOutput or context."),
			"$states has no %s", n.Member)
	}
}

// notJSONata finds text of a JSONata state that looks like an expression of
// another kind, or like a broken one.
func (m *machine) notJSONata(s *state, l leaf, v string) {
	if slices.Contains(plain, l.key()) || slices.Contains(l.path, "Comment") {
		return
	}
	switch {
	case strings.HasPrefix(v, "$.") || strings.HasPrefix(v, "$$.") || v == "$":
		m.on(l.node, Warning, "wrong-language", "Write {% $states.input... %} or {% $states.context... %}.", "state %q is in JSONata, where the path %s is plain text", s.name, v)
	case strings.HasPrefix(v, "States.") && strings.HasSuffix(v, ")"):
		m.on(l.node, Warning, "wrong-language", "Use a function of JSONata between {% and %}.", "state %q is in JSONata, which has no intrinsic functions; this is plain text", s.name)
	case strings.HasSuffix(l.key(), ".$"):
		m.on(l.node, Warning, "wrong-language", "Leave out \".$\" and write the value as {% ... %}.", "state %q is in JSONata, where the \".$\" of %s means nothing", s.name, l.key())
	case strings.Contains(v, "{%") && strings.Contains(v, "%}"):
		m.on(l.node, Warning, "partial-expression", "Make the whole string one expression, with & between its parts.", "an expression in a part of a string is plain text")
	}
}

func prefixed(prefix string, names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = prefix + n
	}
	return out
}
