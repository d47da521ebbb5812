package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
)

const (
	// maxFields bounds the fields of one prediction, and the columns of a table.
	maxFields = 64
	// maxElements bounds the elements of a list that get fields of their own: what is
	// longer is a vector, and one value.
	maxElements = 8
)

// Field is a value of a prediction and where it stands in it: "label",
// "predictions[0].label", "" if the prediction is one value.
type Field struct {
	Path string
	// Value is a JSON text, number or truth; or a list or an object that is one value.
	Value json.RawMessage
}

// Text is the value as one reads it.
func (f *Field) Text() string { return plain(f.Value) }

// Number is the value if it is a number, and whether it is.
func (f *Field) Number() (float64, bool) {
	if len(f.Value) == 0 || f.Value[0] != '-' && (f.Value[0] < '0' || f.Value[0] > '9') {
		return 0, false
	}
	n, err := strconv.ParseFloat(string(f.Value), 64)
	return n, err == nil
}

// Flatten takes a prediction apart, in the order of its text. All that it says is in the
// fields, null included, and no two have one path: a prediction of which two would
// ({"a.b": 1, "a": {"b": 2}}) is one value.
func Flatten(prediction json.RawMessage) []Field {
	var out []Field
	flatten(&out, "", prediction)
	seen := make(map[string]bool, len(out))
	for i := range out {
		if seen[out[i].Path] {
			return []Field{{Value: bytes.TrimSpace(prediction)}}
		}
		seen[out[i].Path] = true
	}
	return out
}

func flatten(out *[]Field, path string, raw json.RawMessage) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return
	}
	members, ok := membersOf(raw)
	if !ok || len(*out)+len(members) > maxFields || len(members) == 0 {
		*out = append(*out, Field{path, raw})
		return
	}
	for _, m := range members {
		name := path + m.name
		if path == "" || m.name[0] == '[' {
			flatten(out, name, m.value)
			continue
		}
		flatten(out, path+"."+m.name, m.value)
	}
}

type member struct {
	name  string
	value json.RawMessage
}

// membersOf are the members of an object in their order, or the elements of a short list;
// false for anything else, and for an object with a name that is not once and short.
func membersOf(raw json.RawMessage) (out []member, ok bool) {
	switch raw[0] {
	case '[':
		var list []json.RawMessage
		if json.Unmarshal(raw, &list) != nil || len(list) > maxElements {
			return nil, false
		}
		for i, v := range list {
			out = append(out, member{"[" + strconv.Itoa(i) + "]", v})
		}
		return out, true
	case '{':
		dec := json.NewDecoder(bytes.NewReader(raw))
		if _, err := dec.Token(); err != nil {
			return nil, false
		}
		seen := map[string]bool{}
		for dec.More() {
			tok, err := dec.Token()
			name, isText := tok.(string)
			var v json.RawMessage
			if err != nil || !isText || name == "" || len(name) > 100 || seen[name] || dec.Decode(&v) != nil {
				return nil, false
			}
			seen[name] = true
			out = append(out, member{name, v})
			if len(out) > maxFields {
				return nil, false
			}
		}
		_, err := dec.Token()
		return out, err == nil || errors.Is(err, io.EOF)
	}
	return nil, false
}
