package spec

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// decode fills a struct from a node strictly: an unknown key and a wrong type
// are errors with their place, all of them at once. Field names are those of
// the json tags. A field of type *node takes any value as it is; it is a bad node where
// something was said of it, or may have been, that could not be understood.
func decode(n *node, into any) problems {
	d := &decoder{}
	return d.decode(n, into)
}

// nodeDecoder is a type that reads itself.
type nodeDecoder interface {
	decodeNode(n *node, path string) problems
}

// decoder collects errors; path is how it calls what it begins with.
type decoder struct {
	path string
	errs problems
	// unsure are the fields of maps, by the map's node, of which something was said, or
	// may have been, that could not be understood. That one has no value means nothing.
	unsure map[*node]map[string]bool
}

func (d *decoder) decode(n *node, into any) problems {
	d.value(n, reflect.ValueOf(into).Elem(), d.path)
	return d.errs
}

// doubt notes that a field of a map is unsure.
func (d *decoder) doubt(n *node, field string) {
	if d.unsure == nil {
		d.unsure = map[*node]map[string]bool{}
	}
	if d.unsure[n] == nil {
		d.unsure[n] = map[string]bool{}
	}
	d.unsure[n][field] = true
}

// sure tells whether the fields of a map have the values that were meant.
func (d *decoder) sure(n *node, fields ...string) bool {
	return !n.bad && !slices.ContainsFunc(fields, func(f string) bool { return d.unsure[n][f] })
}

var (
	nodeType = reflect.TypeFor[*node]()
	jsonType = reflect.TypeFor[JSON]()
)

func (d *decoder) value(n *node, v reflect.Value, path string) {
	if n.bad && v.Type() != nodeType {
		return // said
	}
	if dec, ok := v.Addr().Interface().(nodeDecoder); ok {
		d.errs = append(d.errs, dec.decodeNode(n, path)...)
		return
	}
	switch v.Type() {
	case nodeType:
		v.Set(reflect.ValueOf(n))
		return
	case jsonType:
		text, err := json.Marshal(n.plain())
		if err != nil {
			d.errs = append(d.errs, n.problem(CodeType, "%s: %s", path, err))
			return
		}
		v.SetBytes(text)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		d.value(n, p.Elem(), path)
		v.Set(p)
	case reflect.Interface:
		if value := n.plain(); value != nil {
			v.Set(reflect.ValueOf(value))
		}
	case reflect.Struct:
		d.structure(n, v, path)
	case reflect.Slice:
		d.slice(n, v, path)
	case reflect.Map:
		d.mapping(n, v, path)
	default:
		d.scalar(n, v, path)
	}
}

func (d *decoder) wrongType(n *node, path, want string) {
	d.errs = append(d.errs, typeError(n, path, want))
}

func typeError(n *node, path, want string) *Problem {
	if path == "" {
		path = "the file"
	}
	e := n.problem(CodeType, "%s must be %s, not %s", path, want, describe(n))
	if want == "a string" && n.text != "" {
		return e.WithHint("Put it in quotes: %q.", clip(n.text))
	}
	return e.WithHint("Write %s here.", want)
}

func describe(n *node) string {
	if n.kind == kindNull || n.text == "" {
		return n.kind.String()
	}
	return n.kind.String() + " (" + clip(n.text) + ")"
}

// clip shortens what is shown of a value in a text.
func clip(s string) string { return shorten(s, 60) }

func (d *decoder) scalar(n *node, v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.String:
		if s, ok := n.value.(string); ok {
			v.SetString(s)
			return
		}
		d.wrongType(n, path, "a string")
	case reflect.Bool:
		if b, ok := n.value.(bool); ok {
			v.SetBool(b)
			return
		}
		d.wrongType(n, path, "true or false")
	case reflect.Int, reflect.Int64:
		if i, ok := n.value.(int); ok {
			v.SetInt(int64(i))
			return
		}
		d.wrongType(n, path, "an int")
	case reflect.Float64:
		switch f := n.value.(type) {
		case float64:
			v.SetFloat(f)
			return
		case int:
			v.SetFloat(float64(f))
			return
		}
		d.wrongType(n, path, "a number")
	default:
		panic("spec: decode into " + v.Type().String())
	}
}

func (d *decoder) slice(n *node, v reflect.Value, path string) {
	if n.kind != kindList {
		d.wrongType(n, path, "a list")
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		at := path
		if v.Type().Elem().Kind() != reflect.Struct || item.kind != kindMap {
			at = fmt.Sprintf("%s[%d]", path, i) // else a key of it is told by the list's name
		}
		d.value(item, out.Index(i), at)
	}
	v.Set(out)
}

func (d *decoder) mapping(n *node, v reflect.Value, path string) {
	if n.kind != kindMap {
		d.wrongType(n, path, "a map")
		return
	}
	out := reflect.MakeMapWithSize(v.Type(), len(n.entries))
	for _, e := range n.entries {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(e.value, item, join(path, e.key))
		out.SetMapIndex(reflect.ValueOf(e.key), item)
	}
	v.Set(out)
}

func (d *decoder) structure(n *node, v reflect.Value, path string) {
	if n.kind != kindMap {
		d.wrongType(n, path, "a map")
		return
	}
	fields := map[string][]int{}
	for _, f := range reflect.VisibleFields(v.Type()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" && f.Tag.Get("decode") != "-" {
			fields[name] = f.Index
		}
	}
	known := sortedKeys(fields)
	for _, e := range n.entries {
		i, ok := fields[e.key]
		if !ok && path == "" && isExtension(e.key) && v.Type() == reflect.TypeFor[specFile]() {
			continue
		}
		if !ok {
			d.errs = append(d.errs, unknownKey(e.pos, path, e.key, known))
			if meant := suggest(e.key, known); meant != "" && n.find(meant) == nil {
				d.notRead(n, meant, v.FieldByIndex(fields[meant]), e.pos)
			}
			continue
		}
		before := len(d.errs)
		d.value(e.value, v.FieldByIndex(i), join(path, e.key))
		if len(d.errs) > before || e.value.broken() {
			d.doubt(n, e.key)
		}
	}
	if !n.partial {
		return
	}
	for _, name := range known {
		if n.find(name) == nil {
			d.notRead(n, name, v.FieldByIndex(fields[name]), n.pos)
		}
	}
}

// notRead is said of a field that probably has a value, which could not be read.
func (d *decoder) notRead(n *node, name string, v reflect.Value, at pos) {
	d.doubt(n, name)
	if v.Type() == nodeType {
		v.Set(reflect.ValueOf(&node{pos: at, bad: true}))
	}
}

// isExtension tells the keys at the top of a spec file that are the user's own: a
// place for anchors that aliases and merges take up elsewhere.
func isExtension(key string) bool { return strings.HasPrefix(key, "x-") }

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// unknownKey says which keys there are, and which one was probably meant.
func unknownKey(p pos, path, key string, known []string) *Problem {
	where := "here"
	if path != "" {
		where = "in " + path
	}
	e := p.problem(CodeKey, "unknown key %q %s", clip(key), where)
	if isExtension(key) {
		return e.WithHint("Keys of your own that begin with x- belong at the top of a spec file, beside apiVersion.")
	}
	if s := suggest(key, known); s != "" {
		return e.WithHint("Did you mean %q?", s)
	}
	return e.WithHint("Use one of %s.", strings.Join(known, ", "))
}

// suggest returns the known name that is nearest to a wrong one, or "": near in
// spelling, or the same last part ("memoryMb" for "preprocess.memoryMb").
func suggest(name string, known []string) string {
	lower := strings.ToLower(name)
	best, distance := "", max(2, len(name)/3)+1
	for _, k := range known {
		low := strings.ToLower(k)
		if strings.HasSuffix(low, "."+lower) {
			return k
		}
		if d := levenshtein.Distance(lower, low, nil); d < distance && d < len(k) {
			best, distance = k, d
		}
	}
	return best
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
