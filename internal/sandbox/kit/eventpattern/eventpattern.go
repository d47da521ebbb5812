// Package eventpattern owns the patterns that EventBridge's rules, Lambda's event source
// mappings and SNS's filter policies have in common.
package eventpattern

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Pattern is a compiled event pattern: every field must match. It is safe for concurrent use.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
type Pattern struct {
	fields map[string]node
	or     []Pattern // one of these must match too, if there are any
}

// node is what is asked of one field: a pattern of its members, or leaves of
// which one must match.
type node struct {
	object *Pattern
	leaves []leaf
}

// leaf tests one value; present is false if the field is absent.
type leaf func(value any, present bool) bool

// Decode reads one JSON document, its numbers as they are written (json.Number).
func Decode(text string) (any, error) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) { // More does not see a bracket
		return nil, errors.New("text after the document")
	}
	return v, nil
}

// Compile reads a pattern; its error is the reason AWS would give.
func Compile(text string) (Pattern, error) {
	v, err := Decode(text)
	if err != nil {
		return Pattern{}, fmt.Errorf("not a JSON document: %w", err)
	}
	obj, ok := v.(map[string]any)
	if !ok {
		return Pattern{}, errors.New("filter is not an object")
	}
	if len(obj) == 0 {
		return Pattern{}, errors.New("empty patterns are not allowed")
	}
	return compileObject(Nested(obj).(map[string]any)) // an object stays one
}

// Nested takes names with dots for what they join: EventBridge compares paths, so that
// "a.b" and b within a are one (recorded from AWS in https://github.com/localstack/localstack,
// tests/aws/services/events/event_pattern_templates, dot_joining_*).
func Nested(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = Nested(x)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) { // a name comes before those that go on from it
			join(out, name, Nested(v[name]))
		}
		return out
	}
	return v
}

// join puts a value where a name with dots leads; a name that leads nowhere stays.
func join(into map[string]any, name string, v any) {
	first, rest, dotted := strings.Cut(name, ".")
	if dotted && first != "" && rest != "" {
		inner, isObject := into[first].(map[string]any)
		if _, taken := into[first]; !taken {
			inner, isObject = map[string]any{}, true
			into[first] = inner
		}
		if isObject {
			join(inner, rest, v)
			return
		}
	}
	have, both := into[name].(map[string]any)
	more, objects := v.(map[string]any)
	if both && objects {
		for k, x := range more {
			join(have, k, x)
		}
		return
	}
	into[name] = v
}

func compileObject(obj map[string]any) (Pattern, error) {
	p := Pattern{fields: map[string]node{}}
	for name, v := range obj {
		if list, ok := v.([]any); ok && name == "$or" {
			for _, x := range list {
				alt, ok := x.(map[string]any)
				if !ok {
					return p, errors.New(`"$or" must be an array of objects`)
				}
				c, err := compileObject(alt)
				if err != nil {
					return p, err
				}
				p.or = append(p.or, c)
			}
			continue
		}
		switch v := v.(type) {
		case map[string]any:
			if len(v) == 0 {
				return p, fmt.Errorf("empty objects are not allowed: %q", name)
			}
			c, err := compileObject(v)
			if err != nil {
				return p, err
			}
			p.fields[name] = node{object: &c}
		case []any:
			if len(v) == 0 {
				return p, fmt.Errorf("empty arrays are not allowed: %q", name)
			}
			var n node
			for _, x := range v {
				l, err := compileLeaf(x)
				if err != nil {
					return p, fmt.Errorf("%q: %w", name, err)
				}
				n.leaves = append(n.leaves, l)
			}
			p.fields[name] = n
		default:
			return p, fmt.Errorf("%q must be an object or an array", name)
		}
	}
	return p, nil
}

func compileLeaf(v any) (leaf, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return func(x any, present bool) bool { return present && equal(x, v) }, nil
	}
	if len(m) != 1 {
		return nil, errors.New("only one key is allowed in a match expression")
	}
	for op, arg := range m {
		return compileOperator(op, arg)
	}
	return nil, errors.New("empty match expression")
}

func compileOperator(op string, arg any) (leaf, error) {
	switch op {
	case "exists":
		want, ok := arg.(bool)
		if !ok {
			return nil, errors.New("exists match pattern must be either true or false")
		}
		return func(x any, present bool) bool {
			_, object := x.(map[string]any) // exists looks at leaves only
			return (present && !object) == want
		}, nil
	case "anything-but":
		return compileAnythingBut(arg)
	case "numeric":
		return compileNumeric(arg)
	}
	match, err := textMatcher(op, arg)
	if err != nil {
		return nil, err
	}
	return func(x any, _ bool) bool {
		s, ok := x.(string)
		return ok && match(s)
	}, nil
}

// textMatcher makes the operators on strings.
func textMatcher(op string, arg any) (func(string) bool, error) {
	fold := func(s string) string { return s }
	if m, ok := arg.(map[string]any); ok && len(m) == 1 && (op == "prefix" || op == "suffix") {
		if inner, ok := m["equals-ignore-case"]; ok {
			fold, arg = strings.ToLower, inner
		}
	}
	want, ok := arg.(string)
	if !ok {
		return nil, fmt.Errorf("%s match pattern must be a string", op)
	}
	switch op {
	case "prefix":
		return func(s string) bool { return strings.HasPrefix(fold(s), fold(want)) }, nil
	case "suffix":
		return func(s string) bool { return strings.HasSuffix(fold(s), fold(want)) }, nil
	case "equals-ignore-case":
		return func(s string) bool { return strings.EqualFold(s, want) }, nil
	case "wildcard":
		w, err := compileWildcard(want)
		if err != nil {
			return nil, err
		}
		return w.matches, nil
	case "cidr":
		network, err := netip.ParsePrefix(want)
		if err != nil {
			return nil, fmt.Errorf("malformed CIDR: %w", err)
		}
		return func(s string) bool {
			a, err := netip.ParseAddr(s)
			return err == nil && network.Contains(a)
		}, nil
	}
	return nil, fmt.Errorf("unrecognized match type %s", op)
}

func compileAnythingBut(arg any) (leaf, error) {
	switch arg := arg.(type) {
	case map[string]any:
		if len(arg) != 1 {
			return nil, errors.New("only one key is allowed in anything-but")
		}
		for op, inner := range arg {
			return anythingButTexts(op, inner)
		}
	case []any:
		if len(arg) == 0 {
			return nil, errors.New("empty anything-but")
		}
		if err := oneKind(arg); err != nil {
			return nil, err
		}
		return func(x any, present bool) bool {
			return present && !slices.ContainsFunc(arg, func(no any) bool { return equal(x, no) })
		}, nil
	case string, json.Number:
		return func(x any, present bool) bool { return present && !equal(x, arg) }, nil
	}
	return nil, errors.New("anything-but match pattern must be a value, a list or an object")
}

// anythingButTexts takes what is there and matches none of some texts; what is no text
// matches none.
func anythingButTexts(op string, arg any) (leaf, error) {
	words, ok := arg.([]any)
	if !ok {
		words = []any{arg}
	}
	var matchers []func(string) bool
	for _, w := range words {
		text, isText := w.(string)
		if (op == "prefix" || op == "suffix") && (!isText || text == "") {
			return nil, fmt.Errorf("null %s is not allowed in anything-but", op)
		}
		m, err := textMatcher(op, w)
		if err != nil {
			return nil, err
		}
		matchers = append(matchers, m)
	}
	return func(x any, present bool) bool {
		s, isText := x.(string)
		return present && !(isText && slices.ContainsFunc(matchers, func(m func(string) bool) bool { return m(s) }))
	}, nil
}

// oneKind refuses lists of anything but texts alone or numbers alone.
func oneKind(list []any) error {
	texts, numbers := 0, 0
	for _, x := range list {
		switch x.(type) {
		case string:
			texts++
		case json.Number:
			numbers++
		}
	}
	if texts != len(list) && numbers != len(list) {
		return errors.New("inside anything-but list, only strings alone or numbers alone are supported")
	}
	return nil
}

// numericRange tells whether operators bound a range: from below and then from above.
func numericRange(first, second string) bool {
	return strings.HasPrefix(first, ">") && strings.HasPrefix(second, "<")
}

func compileNumeric(arg any) (leaf, error) {
	list, ok := arg.([]any)
	if !ok || len(list) == 0 || len(list)%2 != 0 || len(list) > 4 {
		return nil, errors.New("invalid member in numeric match")
	}
	type bound struct {
		op string
		n  float64
	}
	var bounds []bound
	for i := 0; i < len(list); i += 2 {
		op, _ := list[i].(string)
		n, ok := list[i+1].(json.Number)
		f, err := n.Float64()
		if !ok || err != nil || !slices.Contains([]string{"=", "<", "<=", ">", ">="}, op) {
			return nil, errors.New("invalid member in numeric match")
		}
		bounds = append(bounds, bound{op, f})
	}
	if len(bounds) == 2 && (!numericRange(bounds[0].op, bounds[1].op) || bounds[0].n >= bounds[1].n) {
		return nil, errors.New("bad numeric range")
	}
	return func(x any, _ bool) bool {
		n, ok := x.(json.Number)
		f, err := n.Float64()
		if !ok || err != nil {
			return false
		}
		for _, b := range bounds {
			in := map[string]bool{"=": f == b.n, "<": f < b.n, "<=": f <= b.n, ">": f > b.n, ">=": f >= b.n}[b.op]
			if !in {
				return false
			}
		}
		return true
	}, nil
}

// equal compares JSON values; numbers by value.
func equal(a, b any) bool {
	x, okX := a.(json.Number)
	y, okY := b.(json.Number)
	if okX && okY {
		fx, errX := strconv.ParseFloat(x.String(), 64)
		fy, errY := strconv.ParseFloat(y.String(), 64)
		return errX == nil && errY == nil && fx == fy
	}
	switch a.(type) {
	case map[string]any, []any:
		return false
	}
	switch b.(type) {
	case map[string]any, []any:
		return false
	}
	return a == b
}

// Matches reports whether an event, as Decode and Nested have it, matches.
func (p *Pattern) Matches(event any) bool {
	obj, ok := event.(map[string]any)
	if !ok {
		// A list of objects matches if one of them does.
		if list, isList := event.([]any); isList {
			return slices.ContainsFunc(list, p.Matches)
		}
		obj = nil
	}
	for name, n := range p.fields {
		v, present := obj[name]
		if !n.matches(v, present) {
			return false
		}
	}
	return len(p.or) == 0 || slices.ContainsFunc(p.or, func(alt Pattern) bool { return alt.Matches(event) })
}

func (n node) matches(v any, present bool) bool {
	if n.object != nil {
		return n.object.Matches(v)
	}
	if list, ok := v.([]any); ok {
		if slices.ContainsFunc(list, func(x any) bool { return n.any(x, true) }) {
			return true
		}
		return len(list) == 0 && n.any(nil, false)
	}
	return n.any(v, present)
}

func (n node) any(v any, present bool) bool {
	return slices.ContainsFunc(n.leaves, func(l leaf) bool { return l(v, present) })
}
