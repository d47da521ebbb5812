package cloudcontrol

import (
	"encoding/json"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// model is the properties of a resource, by CloudFormation's names.
type model map[string]any

func parse(text string) (model, error) {
	var m model
	dec := json.NewDecoder(strings.NewReader(text))
	if err := dec.Decode(&m); err != nil || m == nil {
		return nil, fail("ValidationException", "The properties of a resource are a JSON object")
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fail("ValidationException", "There is more after the properties")
	}
	return m, nil
}

// text is the model as JSON, as Cloud Control gives it back.
func (m model) text() string {
	raw, err := json.Marshal(m)
	if err != nil {
		return "{}" // a document is never that
	}
	return string(raw)
}

// text1 is a property that is a text, "" if it is not.
func (m model) text1(name string) string { s, _ := m[name].(string); return s }

func (m model) copy() model {
	out, _ := cloned(map[string]any(m)).(map[string]any)
	return out
}

func cloned(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			out[k] = cloned(x)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = cloned(x)
		}
		return out
	}
	return v
}

// kind is a resource type: which properties it has, and what its service is asked for.
type kind struct {
	name string
	// properties are all, required those that a creation needs, fixed those that never
	// change, told those that only the service sets.
	properties, required, fixed, told []string
	// either are two properties of which a creation has one.
	either [2]string
	// verify refuses what a property's own schema does; nil: nothing.
	verify func(m model) error
	// invalid are the codes of the service's refusals that the type's handler calls invalid
	// requests; nil: nobody has published its handler.
	invalid []string
	// named is the property with the name that is made up if there is none.
	named string
	// identifier is the property that tells one from another, "" for Arn.
	identifier string
	// parent is the property that a list needs.
	parent string
	create func(c *call, m model) (id string, err error)
	read   func(c *call, id string) (model, error)
	update func(c *call, id string, was, now model) error
	remove func(c *call, id string) error
	list   func(c *call, parent string) ([]string, error)
}

// madeUp begins the names of resources that were given none.
func (k *kind) madeUp() string { return k.name[strings.LastIndexByte(k.name, ':')+1:] + "-" }

// complete gives a resource that has no name one, which follows from the request: one
// that is done again makes no other.
func (k *kind) complete(m model, token string) {
	if k.named != "" && m.text1(k.named) == "" {
		m[k.named] = k.madeUp() + strings.ReplaceAll(token, "-", "")[:12]
	}
}

// check refuses properties that the type has not, or that are not the client's to set. The
// words are those of the type's schema being checked (unsure: as clients quote them).
func (k *kind) check(m model, changes bool) error {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !slices.Contains(k.properties, name) {
			return fail("ValidationException", "Model validation failed (#: extraneous key [%s] is not permitted)", name)
		}
		if !changes && slices.Contains(k.told, name) {
			return fail("ValidationException", "Encountered unsupported property %s: it is read-only", name)
		}
	}
	for _, name := range k.required {
		if m[name] == nil {
			return fail("ValidationException", "Model validation failed (#: required key [%s] not found)", name)
		}
	}
	if one, other := k.either[0], k.either[1]; one != "" && (m[one] == nil && m[other] == nil || !changes && m[one] != nil && m[other] != nil) {
		return fail("ValidationException", "You must provide one of '%s' and '%s'.", one, other)
	}
	if k.verify != nil {
		return k.verify(m)
	}
	return nil
}

// patched is a resource after a patch, unless that changes what never changes.
func (k *kind) patched(was model, text string) (model, error) {
	now, err := patch(was, text)
	if err != nil {
		return nil, err
	}
	if err := k.check(now, true); err != nil {
		return nil, err
	}
	for what, names := range map[string][]string{"createOnlyProperties": k.fixed, "readOnlyProperties": k.told} {
		for _, name := range names {
			if !reflect.DeepEqual(was[name], now[name]) {
				return nil, fail("NotUpdatableException", "Invalid patch update: %s [/properties/%s] cannot be updated", what, name)
			}
		}
	}
	return now, nil
}

// recased is a value with the names in it begun otherwise: CloudFormation has StateName
// where the API has stateName.
func recased(v any, first func(rune) rune) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			r := []rune(k)
			if len(r) > 0 {
				r[0] = first(r[0])
			}
			out[string(r)] = recased(x, first)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = recased(x, first)
		}
		return out
	}
	return v
}

func toAPI(v any) any { return recased(v, unicode.ToLower) }
func ofAPI(v any) any { return recased(v, unicode.ToUpper) }

// substituted is a definition with ${Name} replaced.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-stepfunctions-statemachine.html
func substituted(text string, values map[string]any) string {
	var pairs []string
	for k, v := range values {
		with := ""
		switch v := v.(type) {
		case string:
			with = v
		case bool:
			with = strconv.FormatBool(v)
		case float64:
			with = strconv.FormatFloat(v, 'f', -1, 64)
		}
		pairs = append(pairs, "${"+k+"}", with)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}
