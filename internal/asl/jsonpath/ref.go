package jsonpath

import "strings"

// Source is what a reference reads from.
type Source int

// The sources.
const (
	FromData     Source = iota // "$.a": the data at hand
	FromContext                // "$$.Execution.Id": the context object
	FromVariable               // "$name.a": a workflow variable
)

// Scope is what references are resolved in. Implementations need not be safe
// for concurrent use.
type Scope interface {
	Data() any
	Context() any
	// Variable returns a variable of this scope or of one around it.
	Variable(name string) (any, bool)
}

// Ref is a path together with what it reads from.
type Ref struct {
	Source   Source
	Variable string // name, for FromVariable
	Path     *Path
	Text     string // as written
}

// CompileRef parses "$.a", "$$.a" or "$variable.a".
func CompileRef(text string) (*Ref, error) {
	r := &Ref{Text: text}
	var err error
	if strings.HasPrefix(text, "$$") {
		r.Source = FromContext
		r.Path, err = Compile(text[1:])
		return r, err
	}
	if !strings.HasPrefix(text, "$") {
		return nil, (&compiler{text: text}).fail("a path must begin with '$'")
	}
	name, rest := SplitVariable(text)
	if name != "" {
		if !ValidName(name) {
			return nil, (&compiler{text: text}).fail("a bad variable name")
		}
		r.Source, r.Variable = FromVariable, name
	}
	r.Path, err = Compile("$" + rest)
	return r, err
}

// ValidName reports whether name may name a variable: a Unicode identifier of at
// most 80 characters.
func ValidName(name string) bool {
	for i, c := range name {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != "" && len([]rune(name)) <= 80
}

// Eval resolves the reference. Errors are *NotFoundError.
func (r *Ref) Eval(s Scope) (any, error) {
	switch r.Source {
	case FromContext:
		return r.Path.Eval(s.Context())
	case FromVariable:
		v, ok := s.Variable(r.Variable)
		if !ok {
			return nil, &NotFoundError{"No results for path: $['" + r.Variable + "']"}
		}
		return r.Path.Eval(v)
	default:
		return r.Path.Eval(s.Data())
	}
}
