package cloudcontrol

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// operation is one of a JSON Patch (RFC 6902).
type operation struct {
	Op    string           `json:"op"`
	Path  *string          `json:"path"`
	From  *string          `json:"from"`
	Value *json.RawMessage `json:"value"`
}

func badPatch(format string, args ...any) error {
	return fail("ValidationException", "Invalid patch document: "+format, args...)
}

// patch is a document with a JSON Patch applied; the document itself stays as it is.
func patch(m model, text string) (model, error) {
	var list []operation
	dec := json.NewDecoder(strings.NewReader(text))
	if err := dec.Decode(&list); err != nil {
		return nil, badPatch("%s", err)
	}
	var doc any = map[string]any(m.copy())
	for i, o := range list {
		var err error
		if doc, err = o.apply(doc); err != nil {
			return nil, badPatch("operation %d (%s): %s", i, o.Op, err)
		}
	}
	out, ok := doc.(map[string]any)
	if !ok {
		return nil, badPatch("what it makes is no object")
	}
	return out, nil
}

type patchError string

// Error implements error.
func (e patchError) Error() string { return string(e) }

func (o *operation) apply(doc any) (any, error) {
	if o.Path == nil {
		return nil, patchError("path is missing")
	}
	path, err := pointer(*o.Path)
	if err != nil {
		return nil, err
	}
	switch o.Op {
	case "add", "replace", "test":
		if o.Value == nil {
			return nil, patchError("value is missing")
		}
		var v any
		if err := json.Unmarshal(*o.Value, &v); err != nil {
			return nil, err
		}
		if o.Op == "test" {
			have, err := at(doc, path)
			if err == nil && !reflect.DeepEqual(have, v) {
				err = patchError("the value at " + *o.Path + " is another")
			}
			return doc, err
		}
		if o.Op == "replace" {
			if _, err := at(doc, path); err != nil {
				return nil, err
			}
		}
		return put(doc, path, v, o.Op == "add")
	case "remove":
		if _, err := at(doc, path); err != nil {
			return nil, err
		}
		return without(doc, path)
	case "copy", "move":
		return o.carry(doc, path)
	}
	return nil, patchError("there is no such operation")
}

func (o *operation) carry(doc any, path []string) (any, error) {
	if o.From == nil {
		return nil, patchError("from is missing")
	}
	from, err := pointer(*o.From)
	if err != nil {
		return nil, err
	}
	v, err := at(doc, from)
	if err != nil {
		return nil, err
	}
	if o.Op == "move" {
		if len(path) > len(from) && slices.Equal(path[:len(from)], from) {
			return nil, patchError("a value does not move into itself")
		}
		if doc, err = without(doc, from); err != nil {
			return nil, err
		}
	}
	return put(doc, path, cloned(v), true)
}

// pointer reads a JSON Pointer (RFC 6901).
func pointer(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	rest, ok := strings.CutPrefix(text, "/")
	if !ok {
		return nil, patchError("path " + strconv.Quote(text) + " does not begin with /")
	}
	parts := strings.Split(rest, "/")
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(strings.ReplaceAll(p, "~1", "/"), "~0", "~")
	}
	return parts, nil
}

func index(list []any, part string, last int) (int, error) {
	i, err := strconv.Atoi(part)
	if err != nil || i < 0 || i > last || strconv.Itoa(i) != part {
		return 0, patchError("the list of " + strconv.Itoa(len(list)) + " has no place " + strconv.Quote(part))
	}
	return i, nil
}

func none(part string) error { return patchError("there is nothing at " + strconv.Quote(part)) }

func at(doc any, path []string) (any, error) {
	for _, part := range path {
		switch d := doc.(type) {
		case map[string]any:
			v, ok := d[part]
			if !ok {
				return nil, none(part)
			}
			doc = v
		case []any:
			i, err := index(d, part, len(d)-1)
			if err != nil {
				return nil, err
			}
			doc = d[i]
		default:
			return nil, none(part)
		}
	}
	return doc, nil
}

// put sets a value; with insert, places of lists are made.
func put(doc any, path []string, v any, insert bool) (any, error) {
	if len(path) == 0 {
		return v, nil
	}
	part, rest := path[0], path[1:]
	switch d := doc.(type) {
	case map[string]any:
		below, ok := d[part]
		if !ok && len(rest) > 0 {
			return nil, none(part)
		}
		var err error
		d[part], err = put(below, rest, v, insert)
		return d, err
	case []any:
		if len(rest) == 0 && insert {
			if part == "-" {
				return append(d, v), nil
			}
			i, err := index(d, part, len(d))
			if err != nil {
				return nil, err
			}
			return slices.Insert(d, i, v), nil
		}
		i, err := index(d, part, len(d)-1)
		if err != nil {
			return nil, err
		}
		d[i], err = put(d[i], rest, v, insert)
		return d, err
	}
	return nil, none(part)
}

func without(doc any, path []string) (any, error) {
	if len(path) == 0 {
		return nil, patchError("the whole cannot be removed")
	}
	part, rest := path[0], path[1:]
	switch d := doc.(type) {
	case map[string]any:
		if len(rest) == 0 {
			delete(d, part)
			return d, nil
		}
		var err error
		d[part], err = without(d[part], rest)
		return d, err
	case []any:
		i, err := index(d, part, len(d)-1)
		if err != nil {
			return nil, err
		}
		if len(rest) == 0 {
			return slices.Delete(d, i, i+1), nil
		}
		d[i], err = without(d[i], rest)
		return d, err
	}
	return nil, none(part)
}
