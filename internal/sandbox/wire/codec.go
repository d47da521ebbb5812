package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Casing is how an API begins the names of its members.
type Casing struct {
	// Lower: in lower case.
	Lower bool
	// Odd are the members, as Shape.member, that begin otherwise than the others do.
	Odd []string
}

// lower tells how a field of a struct begins.
func (c Casing) lower(of reflect.Type, f reflect.StructField) bool {
	for _, name := range c.Odd {
		if shape, member, _ := strings.Cut(name, "."); shape == of.Name() && strings.EqualFold(member, f.Name) {
			return !c.Lower
		}
	}
	return c.Lower
}

// Encode writes v as an AWS JSON document. v may hold the SDK's own types: a
// struct's members are named like its fields (first letter as the casing has it), nil pointers, nil slices and maps and empty enums are left out,
// times are epoch seconds and blobs base64 (awsJson protocols). A json tag wins
// over the field's name; json.RawMessage and json.Marshaler values are taken as
// they are.
func Encode(v any, casing Casing) (json.RawMessage, error) {
	doc, err := toDoc(reflect.ValueOf(v), casing)
	if err != nil {
		return nil, err
	}
	if doc == nil {
		doc = map[string]any{}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

var (
	timeType      = reflect.TypeFor[time.Time]()
	timePtrType   = reflect.TypeFor[*time.Time]()
	marshalerType = reflect.TypeFor[json.Marshaler]()
)

func toDoc(v reflect.Value, casing Casing) (any, error) {
	if !v.IsValid() {
		return nil, nil
	}
	if v.Type() == timeType {
		t, _ := v.Interface().(time.Time)
		return json.Number(strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', -1, 64)), nil
	}
	// *time.Time has time.Time's MarshalJSON, which is not the wire's form.
	if v.Type() != timePtrType && v.Type().Implements(marshalerType) && (v.Kind() != reflect.Pointer || !v.IsNil()) {
		return v.Interface(), nil
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil, nil
		}
		return toDoc(v.Elem(), casing)
	case reflect.Struct:
		return structDoc(v, casing)
	case reflect.Map:
		if v.IsNil() {
			return nil, nil
		}
		out := make(map[string]any, v.Len())
		for _, k := range v.MapKeys() {
			x, err := toDoc(v.MapIndex(k), casing)
			if err != nil {
				return nil, err
			}
			out[k.String()] = x
		}
		return out, nil
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return base64.StdEncoding.EncodeToString(v.Bytes()), nil
		}
		out := make([]any, v.Len())
		for i := range out {
			x, err := toDoc(v.Index(i), casing)
			if err != nil {
				return nil, err
			}
			out[i] = x
		}
		return out, nil
	case reflect.Float32, reflect.Float64:
		f := v.Float()
		switch {
		case math.IsNaN(f) || math.IsInf(f, 0):
			return fmt.Sprint(f), nil
		case f == math.Trunc(f) && math.Abs(f) < 1e7: // AWS writes 1.0: a float stays one for its reader
			return json.Number(strconv.FormatFloat(f, 'f', 1, 64)), nil
		}
		return v.Interface(), nil
	case reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return nil, fmt.Errorf("cannot encode %s", v.Type())
	default:
		return v.Interface(), nil
	}
}

func structDoc(v reflect.Value, casing Casing) (any, error) {
	out := map[string]any{}
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() || f.Name == "ResultMetadata" {
			continue
		}
		name, tagged := memberName(f, casing.lower(t, f))
		if name == "-" {
			continue
		}
		fv := v.Field(i)
		if absent(fv) && (!tagged || strings.Contains(f.Tag.Get("json"), "omitempty")) {
			continue
		}
		x, err := toDoc(fv, casing)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		out[name] = x
	}
	return out, nil
}

// absent tells a member that was never set: nil, or an empty enum.
func absent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Map:
		return v.IsNil()
	case reflect.String:
		return v.Len() == 0
	default:
		return false
	}
}

func memberName(f reflect.StructField, lower bool) (name string, tagged bool) {
	if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); tag != "" {
		return tag, true
	}
	if lower {
		r := []rune(f.Name)
		r[0] = unicode.ToLower(r[0])
		return string(r), false
	}
	return f.Name, false
}

// Decode reads an AWS JSON document into a pointer to struct. Member names match
// without regard to case; unknown members are ignored, as AWS does; strings
// convert to numbers and booleans (query protocol); times are epoch seconds or
// RFC 3339.
func Decode(raw []byte, into any) error {
	doc, err := Parse(raw)
	if err != nil {
		return err
	}
	return DecodeDoc(doc, into)
}

// Parse reads an AWS JSON document with numbers as they were written; nothing is
// nil.
func Parse(raw []byte) (doc any, err error) {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("not a JSON document: %w", err)
	}
	return doc, nil
}

// DecodeDoc is Decode for a document that Parse has read.
func DecodeDoc(doc, into any) error {
	return fromDoc(doc, reflect.ValueOf(into).Elem(), "")
}

func fromDoc(doc any, v reflect.Value, path string) error {
	if doc == nil {
		return nil
	}
	if b, ok := doc.([]byte); ok && v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
		v.SetBytes(b)
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		if err := fromDoc(doc, p.Elem(), path); err != nil {
			return err
		}
		v.Set(p)
		return nil
	case reflect.Interface:
		if v.NumMethod() == 0 {
			v.Set(reflect.ValueOf(doc))
			return nil
		}
		return fmt.Errorf("%s: cannot be given here", path)
	}
	if v.Type() == timeType {
		return timeFrom(doc, v, path)
	}
	if u, ok := v.Addr().Interface().(json.Unmarshaler); ok {
		raw, err := json.Marshal(doc)
		if err != nil {
			return err
		}
		return u.UnmarshalJSON(raw)
	}
	switch x := doc.(type) {
	case map[string]any:
		return objectFrom(x, v, path)
	case []any:
		return arrayFrom(x, v, path)
	default:
		return scalarFrom(x, v, path)
	}
}

func objectFrom(doc map[string]any, v reflect.Value, path string) error {
	switch v.Kind() {
	case reflect.Map:
		m := reflect.MakeMapWithSize(v.Type(), len(doc))
		for k, x := range doc {
			e := reflect.New(v.Type().Elem()).Elem()
			if err := fromDoc(x, e, path+"."+k); err != nil {
				return err
			}
			m.SetMapIndex(reflect.ValueOf(k).Convert(v.Type().Key()), e)
		}
		v.Set(m)
		return nil
	case reflect.Struct:
		t := v.Type()
		for k, x := range doc {
			f, ok := t.FieldByNameFunc(func(n string) bool { return strings.EqualFold(n, k) })
			if !ok || !f.IsExported() {
				if f, ok = tagged(t, k); !ok {
					continue
				}
			}
			if err := fromDoc(x, v.FieldByIndex(f.Index), path+"."+k); err != nil {
				return err
			}
		}
		return nil
	default:
		return fmt.Errorf("%s: want %s, got an object", place(path), v.Kind())
	}
}

func tagged(t reflect.Type, key string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name == key {
			return t.Field(i), true
		}
	}
	return reflect.StructField{}, false
}

func arrayFrom(doc []any, v reflect.Value, path string) error {
	if v.Kind() != reflect.Slice {
		return fmt.Errorf("%s: want %s, got a list", place(path), v.Kind())
	}
	s := reflect.MakeSlice(v.Type(), len(doc), len(doc))
	for i, x := range doc {
		if err := fromDoc(x, s.Index(i), path+"["+strconv.Itoa(i)+"]"); err != nil {
			return err
		}
	}
	v.Set(s)
	return nil
}

func scalarFrom(doc any, v reflect.Value, path string) error {
	text := fmt.Sprint(doc)
	_, isString := doc.(string)
	_, isNumber := doc.(json.Number)
	fail := func() error { return fmt.Errorf("%s: want %s, got %q", place(path), v.Kind(), text) }
	switch v.Kind() {
	case reflect.String:
		if !isString {
			return fail()
		}
		v.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil || isNumber {
			return fail()
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int32, reflect.Int64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || f != math.Trunc(f) {
			return fail()
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			n = int64(f)
		}
		v.SetInt(n)
	case reflect.Float32, reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fail()
		}
		v.SetFloat(f)
	case reflect.Slice:
		if isString && text == "" { // the query protocol writes an empty list so
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
			return nil
		}
		if v.Type().Elem().Kind() != reflect.Uint8 || !isString {
			return fail()
		}
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return fail()
		}
		v.SetBytes(b)
	default:
		return fail()
	}
	return nil
}

func timeFrom(doc any, v reflect.Value, path string) error {
	text := fmt.Sprint(doc)
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		v.Set(reflect.ValueOf(time.UnixMilli(int64(math.Round(f * 1000))).UTC()))
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return fmt.Errorf("%s: want a time, got %q", place(path), text)
	}
	v.Set(reflect.ValueOf(t.UTC()))
	return nil
}

func place(path string) string {
	if path == "" {
		return "document"
	}
	return strings.TrimPrefix(path, ".")
}
