package form

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/fault"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// Lines is the answer of a list or map as lines to edit: one entry a line, secrets
// blanked out.
func (f Field) Lines() string {
	if f.Type == spec.TypeMap {
		m := entriesOf(f.Text)
		out := make([]string, 0, len(m))
		for _, k := range slices.Sorted(maps.Keys(m)) {
			v := m[k].shown()
			if m[k].form == nil && strings.ContainsAny(v, "\n\"") {
				raw, err := json.Marshal(v)
				if err != nil {
					continue
				}
				v = string(raw)
			}
			out = append(out, k+"="+v)
		}
		return strings.Join(out, "\n")
	}
	var list []string
	if json.Unmarshal([]byte(f.Text), &list) == nil {
		return strings.Join(list, "\n")
	}
	parts := strings.Split(f.Text, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return strings.Join(parts, "\n")
}

// FromLines makes an answer of lines as Lines gives them: KEY=value for a map.
func (f Field) FromLines(lines string) (string, error) {
	if f.Type == spec.TypeMap {
		return mapText(lines, f.Text)
	}
	return listText(lines), nil
}

// listText makes an answer of lines.
func listText(text string) string {
	items := []string{}
	for _, l := range strings.Split(text, "\n") {
		if l = strings.TrimSpace(l); l != "" {
			items = append(items, l)
		}
	}
	if len(items) == 0 {
		return ""
	}
	raw, err := json.Marshal(items)
	if err != nil {
		return ""
	}
	return string(raw)
}

// mapEntry is an entry of a map as an answer has it: a text, or a secret in its form.
type mapEntry struct {
	text string
	form map[string]any
}

// shown is the entry as a line of the editor has it. The text of a secret is blanked
// out; a line that is left so keeps it.
func (e mapEntry) shown() string {
	if e.form == nil {
		return e.text
	}
	if _, given := e.form["secret"].(string); given {
		return spec.BlankedSecret
	}
	raw, err := json.Marshal(e.form)
	if err != nil {
		return ""
	}
	return string(raw)
}

// MarshalJSON writes the entry as an answer has it.
func (e mapEntry) MarshalJSON() ([]byte, error) {
	if e.form != nil {
		return json.Marshal(e.form)
	}
	return json.Marshal(e.text)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (e *mapEntry) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '{' {
		return json.Unmarshal(raw, &e.form)
	}
	return json.Unmarshal(raw, &e.text)
}

// entriesOf are the entries of an answer; none if it is no map.
func entriesOf(text string) map[string]mapEntry {
	var m map[string]mapEntry
	if json.Unmarshal([]byte(text), &m) != nil {
		return nil
	}
	return m
}

// mapText makes an answer of KEY=value lines; a value in double quotes or braces is
// JSON. before is the answer that was there: secrets blanked out are taken from it.
func mapText(text, before string) (string, error) {
	old, m := entriesOf(before), map[string]mapEntry{}
	for _, l := range strings.Split(text, "\n") {
		if strings.TrimSpace(l) == "" {
			continue
		}
		k, v, ok := strings.Cut(l, "=")
		k = strings.TrimSpace(k)
		_, twice := m[k]
		switch {
		case !ok || k == "":
			return "", fault.New(fault.Invalid, "a line is not KEY=value").WithHint("Write one KEY=value a line.")
		case twice:
			return "", fault.New(fault.Invalid, "%s is given twice", k).WithHint("Remove one of the two.")
		}
		e := mapEntry{text: v}
		was, there := old[k]
		switch {
		case was.form != nil && v == was.shown():
			e = was
		case v == spec.BlankedSecret && (!there || was.text != v):
			return "", fault.New(fault.Invalid, "%s: there is no secret under this name yet that %s could stand for", k, v).
				WithHint(`Write %s={"secret": "TEXT"}; a secret does not move to another name.`, k)
		case strings.HasPrefix(v, `"`) && strings.HasSuffix(v, `"`) && len(v) > 1:
			var s string
			if json.Unmarshal([]byte(v), &s) == nil {
				e.text = s
			}
		case strings.HasPrefix(strings.TrimSpace(v), "{"):
			if err := spec.CheckSecretText(v); err != nil {
				return "", fault.New(fault.Invalid, "%s: %s", k, err.Msg).WithHint("%s", err.Hint)
			}
			var form map[string]any
			if json.Unmarshal([]byte(v), &form) == nil && isForm(form) {
				e = mapEntry{form: form}
			}
		}
		m[k] = e
	}
	if len(m) == 0 {
		return "", nil
	}
	raw, err := json.Marshal(m)
	return string(raw), err
}

// isForm tells the form of a secret from JSON that happens to be a value.
func isForm(form map[string]any) bool {
	for _, key := range []string{"secret", "secretsManager", "ssm"} {
		if _, ok := form[key]; ok {
			return true
		}
	}
	return false
}
