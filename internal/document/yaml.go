package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// YAML returns v as YAML, in the order that its JSON has. Only block collections,
// plain words and double-quoted strings are used, which YAML 1.1 and 1.2 read alike:
// what could be taken for a boolean, a number in any base, a date or a merge key is
// quoted, and hidden characters are escaped.
//
// (yaml.org/spec/1.1 and 1.2.2, section 5.7 "Escaped Characters": a double-quoted
// scalar takes \u for 16 bits and \U for 32; unlike in JSON two surrogates make no
// character.)
func YAML(v any) ([]byte, error) {
	root, err := tree(v)
	if err != nil {
		return nil, err
	}
	var w yamlWriter
	w.value(root, 0, false)
	return w.b.Bytes(), nil
}

// Flow returns v on one line, for a place inside of other YAML: every string is
// quoted, so that no word is taken for something else and no hidden character is
// raw.
func Flow(v any) (string, error) {
	root, err := tree(v)
	if err != nil {
		return "", err
	}
	return flow(root), nil
}

// tree is v as its JSON has it, members in their order.
func tree(v any) (any, error) {
	raw, err := json.Marshal(v)
	if err == nil {
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		v, err = decode(dec)
	}
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	return v, nil
}

func flow(v any) string {
	var parts []string
	switch v := v.(type) {
	case *object:
		for _, name := range v.names {
			key := quoteYAML(name) + ": "
			if len(key) > longKey {
				key = "? " + key
			}
			parts = append(parts, key+flow(v.values[name]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		for _, item := range v {
			parts = append(parts, flow(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case string:
		return quoteYAML(v)
	}
	return scalar(v)
}

// object is a JSON object in its own order; of members of the same name the last
// one counts, as for encoding/json.
type object struct {
	names  []string
	values map[string]any
}

func decode(dec *json.Decoder) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		o := &object{values: map[string]any{}}
		for dec.More() {
			name, err := dec.Token()
			if err != nil {
				return nil, err
			}
			value, err := decode(dec)
			if err != nil {
				return nil, err
			}
			key, ok := name.(string)
			if !ok {
				return nil, errors.New("a name that is no string")
			}
			if _, there := o.values[key]; !there {
				o.names = append(o.names, key)
			}
			o.values[key] = value
		}
		_, err = dec.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			value, err := decode(dec)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err = dec.Token()
		return list, err
	}
	return token, nil
}

type yamlWriter struct{ b bytes.Buffer }

// value writes a value. With inline the place before it is on the line of a key or
// a dash: a scalar goes there, a collection begins its own lines.
func (w *yamlWriter) value(v any, depth int, inline bool) {
	space := ""
	if inline {
		space = " "
	}
	switch v := v.(type) {
	case *object:
		if len(v.names) == 0 {
			w.b.WriteString(space + "{}\n")
			return
		}
		if inline {
			w.b.WriteByte('\n')
		}
		for _, name := range v.names {
			w.indent(depth)
			w.member(name, v.values[name], depth)
		}
	case []any:
		if len(v) == 0 {
			w.b.WriteString(space + "[]\n")
			return
		}
		if inline {
			w.b.WriteByte('\n')
		}
		for _, item := range v {
			w.indent(depth)
			w.item(item, depth)
		}
	default:
		w.b.WriteString(space + scalar(v) + "\n")
	}
}

// longKey is how long a key may be beside its colon; YAML allows 1024 characters.
const longKey = 120

func (w *yamlWriter) member(name string, v any, depth int) {
	key := scalar(name)
	if len(key) > longKey {
		w.b.WriteString("? " + key + "\n")
		w.indent(depth)
		key = ""
	}
	w.b.WriteString(key + ":")
	w.value(v, depth+1, true)
}

// item writes an element of a list. The first member of an object stands beside
// the dash.
func (w *yamlWriter) item(v any, depth int) {
	w.b.WriteByte('-')
	o, ok := v.(*object)
	if !ok || len(o.names) == 0 {
		w.value(v, depth+1, true)
		return
	}
	for i, name := range o.names {
		if i == 0 {
			w.b.WriteByte(' ')
		} else {
			w.indent(depth + 1)
		}
		w.member(name, o.values[name], depth+1)
	}
}

func (w *yamlWriter) indent(depth int) { w.b.WriteString(strings.Repeat("  ", depth)) }

func scalar(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		if v {
			return "true"
		}
		return "false"
	case json.Number:
		return number(v.String())
	case string:
		if plain(v) {
			return v
		}
		return quoteYAML(v)
	}
	return quoteYAML(fmt.Sprint(v)) // decode makes nothing else
}

// number writes a JSON number so that YAML 1.1 takes it for one too: a float there
// needs a point, and its exponent a sign (yaml.org/type/float.html).
func number(s string) string {
	mantissa, exponent, has := strings.Cut(strings.ToLower(s), "e")
	if !has {
		return s
	}
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	if exponent[0] != '-' && exponent[0] != '+' {
		exponent = "+" + exponent
	}
	return mantissa + "e" + exponent
}

func quoteYAML(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case !Hidden(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
