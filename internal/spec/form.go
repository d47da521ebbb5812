package spec

import (
	"encoding/json"
	"slices"
	"strings"
)

// Unmet returns the names of the parameters whose condition does not hold, in
// alphabetical order; none: the conditions hold.
func (cs Conditions) Unmet(v Values) []string { return cs.failing(v) }

// Effective returns the values that a pipeline would have which was given these:
// defaults filled in, and what does not apply reset, as New does it. It checks
// nothing.
func (t *Template) Effective(given Values) Values {
	v := Values{}
	for _, p := range t.Parameters {
		if value, ok := given[p.Name]; ok {
			v[p.Name] = value
		} else if p.Default != nil {
			v[p.Name] = p.Default
		}
	}
	for _, p := range t.Parameters {
		if len(p.When.failing(v)) > 0 {
			v.reset(p)
		}
	}
	return v
}

// Text writes a value the way Read reads it back, whatever is in it. Unlike
// Format it shows secrets.
func (p *Parameter) Text(value any, secrets map[string]Secret) string {
	if v := covered(value, secrets); len(secrets) > 0 {
		return jsonText(v)
	}
	list, ok := value.([]string)
	if !ok || !slices.ContainsFunc(list, needsJSON) && (len(list) == 0 || list[0] == "" || list[0][0] != '[') {
		return format(value)
	}
	return jsonText(list)
}

// needsJSON tells the items that can't stand between commas.
func needsJSON(item string) bool {
	return item == "" || strings.TrimSpace(item) != item || strings.Contains(item, ",")
}

func jsonText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
