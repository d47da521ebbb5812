// Package jsonpath owns JSONPath as Step Functions evaluates it, which is the
// Jayway dialect and not RFC 9535: a definite path yields one value or fails
// with "No results for path", an indefinite one yields a list, and negative
// indexes, unions, deep scan, filters and trailing functions are allowed. It
// works on the values of internal/asl/value and imports nothing else of this
// module.
package jsonpath

import (
	"errors"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// ErrSyntax is what errors of Compile wrap.
var ErrSyntax = errors.New("not a valid JSONPath")

// NotFoundError says that a definite path leads nowhere. Its text is Jayway's.
type NotFoundError struct{ Msg string }

// Error returns the text.
func (e *NotFoundError) Error() string { return e.Msg }

// Path is a compiled path; it is immutable.
type Path struct {
	text     string
	steps    []step
	definite bool
	function string
}

// String returns the path as written.
func (p *Path) String() string { return p.text }

// Root reports whether the path is "$".
func (p *Path) Root() bool { return len(p.steps) == 0 && p.function == "" }

// Reference reports whether the path consists of names and single indexes only,
// as a Reference Path must.
func (p *Path) Reference() bool {
	for i := range p.steps {
		if len(p.steps[i].names) > 1 {
			return false
		}
	}
	return p.definite && p.function == ""
}

type stepKind int

const (
	stepNames stepKind = iota
	stepIndexes
	stepSlice
	stepWildcard
	stepFilter
)

type step struct {
	kind       stepKind
	deep       bool // ".." before it
	names      []string
	indexes    []int
	from, to   int
	hasFrom    bool
	hasTo      bool
	filter     filter
	filterText string
}

func (s *step) definite() bool {
	if s.deep {
		return false
	}
	switch s.kind {
	case stepNames:
		return true // several names at once merge into one object
	case stepIndexes:
		return len(s.indexes) == 1
	default:
		return false
	}
}

// canonical writes the step as Jayway does: ['name'], [0].
func (s *step) canonical() string {
	pre := ""
	if s.deep {
		pre = ".."
	}
	switch s.kind {
	case stepNames:
		return pre + "['" + strings.Join(s.names, "','") + "']"
	case stepIndexes:
		parts := make([]string, len(s.indexes))
		for i, n := range s.indexes {
			parts[i] = strconv.Itoa(n)
		}
		return pre + "[" + strings.Join(parts, ",") + "]"
	case stepSlice:
		b := "["
		if s.hasFrom {
			b += strconv.Itoa(s.from)
		}
		b += ":"
		if s.hasTo {
			b += strconv.Itoa(s.to)
		}
		return pre + b + "]"
	case stepFilter:
		return pre + "[?]"
	default:
		return pre + "[*]"
	}
}

func canonical(steps []step) string {
	var b strings.Builder
	b.WriteByte('$')
	for i := range steps {
		b.WriteString(steps[i].canonical())
	}
	return b.String()
}

// Canonical writes the path in Jayway's bracket form: $['a'][0].
func (p *Path) Canonical() string { return canonical(p.steps) }

// Eval applies the path to doc. Errors are *NotFoundError.
func (p *Path) Eval(doc any) (any, error) {
	var result any
	if p.definite {
		v, err := p.evalDefinite(doc)
		if err != nil {
			return nil, err
		}
		result = v
	} else {
		found := []any{doc}
		for i := range p.steps {
			if found = p.steps[i].expand(found, doc); len(found) > maxFound {
				return nil, &NotFoundError{"The path " + p.text + " leads to too many places"}
			}
		}
		if found == nil {
			found = []any{}
		}
		result = found
	}
	if p.function != "" {
		return apply(p.function, result)
	}
	return result, nil
}

func (p *Path) evalDefinite(doc any) (any, error) {
	cur := doc
	for i := range p.steps {
		s := &p.steps[i]
		next, ok := s.single(cur)
		if ok {
			cur = next
			continue
		}
		return nil, p.missing(i, cur)
	}
	return cur, nil
}

// missing words the failure of step i on value cur.
func (p *Path) missing(i int, cur any) error {
	s := &p.steps[i]
	last := i == len(p.steps)-1
	_, isObject := cur.(*value.Object)
	if s.kind == stepNames && !isObject && cur != nil {
		return &NotFoundError{"Expected to find an object with property ['" + s.names[0] + "'] in path " + canonical(p.steps[:i]) +
			" but found '" + jacksonType(cur) + "'. This is not a json object according to the JsonProvider: 'com.jayway.jsonpath.spi.json.JacksonJsonNodeJsonProvider'."}
	}
	if s.kind == stepNames && !last {
		return &NotFoundError{"Missing property in path " + canonical(p.steps[:i+1])}
	}
	return &NotFoundError{"No results for path: " + canonical(p.steps[:i+1])}
}

func jacksonType(v any) string {
	name := "NullNode"
	switch x := v.(type) {
	case bool:
		name = "BooleanNode"
	case string:
		name = "TextNode"
	case []any:
		name = "ArrayNode"
	case value.Number:
		name = "DoubleNode"
		if x.IsInt() {
			name = "IntNode"
			if n, ok := x.Int64(); ok && n != int64(int32(n)) {
				name = "LongNode"
			}
		}
	}
	return "com.fasterxml.jackson.databind.node." + name
}

// single applies a definite step.
func (s *step) single(cur any) (any, bool) {
	if s.kind == stepNames {
		o, ok := cur.(*value.Object)
		if !ok {
			return nil, false
		}
		if len(s.names) > 1 {
			return s.pick(o), true
		}
		return o.Get(s.names[0])
	}
	list, ok := cur.([]any)
	if !ok {
		return nil, false
	}
	return at(list, s.indexes[0])
}

// pick returns the object of the named members that o has, as Jayway does.
func (s *step) pick(o *value.Object) *value.Object {
	picked := value.NewObject(len(s.names))
	for _, n := range s.names {
		if e, ok := o.Get(n); ok {
			picked.Set(n, e)
		}
	}
	return picked
}

func at(list []any, i int) (any, bool) {
	if i < 0 {
		i += len(list)
	}
	if i < 0 || i >= len(list) {
		return nil, false
	}
	return list[i], true
}

// expand applies a step to each value found so far.
// It stops once there are more than maxFound.
func (s *step) expand(found []any, root any) []any {
	if s.deep {
		var all []any
		for _, v := range found {
			if all = descend(all, v); len(all) > maxFound {
				return all
			}
		}
		found = all
	}
	var out []any
	for _, v := range found {
		if out = s.children(out, v, root); len(out) > maxFound {
			return out
		}
	}
	return out
}

// maxFound bounds the places that a path leads to: with each ".." it can be their
// number times the depth of the document.
const maxFound = 500_000

func descend(out []any, v any) []any {
	out = append(out, v)
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			out = descend(out, e)
		}
	case *value.Object:
		for i := range x.Len() {
			_, e := x.At(i)
			out = descend(out, e)
		}
	}
	return out
}

func (s *step) children(out []any, v, root any) []any {
	switch s.kind {
	case stepNames:
		o, ok := v.(*value.Object)
		if !ok {
			return out
		}
		if len(s.names) > 1 {
			return append(out, s.pick(o))
		}
		if e, ok := o.Get(s.names[0]); ok {
			out = append(out, e)
		}
	case stepIndexes:
		list, _ := v.([]any)
		for _, i := range s.indexes {
			if e, ok := at(list, i); ok {
				out = append(out, e)
			}
		}
	case stepSlice:
		list, _ := v.([]any)
		from, to := s.bounds(len(list))
		for i := from; i < to; i++ {
			out = append(out, list[i])
		}
	case stepWildcard:
		out = append(out, members(v)...)
	case stepFilter:
		candidates := []any{v}
		if list, ok := v.([]any); ok {
			candidates = list
		}
		for _, e := range candidates {
			if s.filter(e, root) {
				out = append(out, e)
			}
		}
	}
	return out
}

func (s *step) bounds(n int) (from, to int) {
	to = n
	if s.hasFrom {
		from = s.from
		if from < 0 {
			from = max(0, from+n)
		}
	}
	if s.hasTo {
		to = s.to
		if to < 0 {
			to += n
		}
		to = min(to, n)
	}
	return from, to
}

func members(v any) []any {
	switch x := v.(type) {
	case []any:
		return x
	case *value.Object:
		out := make([]any, x.Len())
		for i := range out {
			_, out[i] = x.At(i)
		}
		return out
	default:
		return nil
	}
}

// Set returns a copy of doc with v at the place of a reference path; objects on
// the way are made where they are missing. ok is false if the path cannot be
// applied to doc.
func (p *Path) Set(doc, v any) (result any, ok bool) {
	if !p.Reference() {
		return nil, false
	}
	return set(p.steps, doc, v)
}

func set(steps []step, doc, v any) (any, bool) {
	if len(steps) == 0 {
		return v, true
	}
	s := &steps[0]
	if s.kind == stepIndexes {
		list, isList := doc.([]any)
		i := s.indexes[0]
		if !isList || i < 0 || i >= len(list) {
			return nil, false
		}
		inner, ok := set(steps[1:], list[i], v)
		if !ok {
			return nil, false
		}
		c := append([]any(nil), list...)
		c[i] = inner
		return c, true
	}
	o, isObject := doc.(*value.Object)
	if !isObject {
		return nil, false
	}
	old, exists := o.Get(s.names[0])
	if !exists && len(steps) > 1 {
		old = value.NewObject(1)
	}
	inner, ok := set(steps[1:], old, v)
	if !ok {
		return nil, false
	}
	return o.With(s.names[0], inner), true
}
