// Package tags owns the tags of resources: what AWS demands of them beside the
// constraints of the API's models, as data with each service's own refusals, and the
// ways between the lists that services send and the maps that are kept.
// https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html
package tags

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pipelinetui/pipelinetui/internal/sandbox/wire"
)

// Tag is a tag of any service.
type Tag struct{ Key, Value string }

// Rules are a service's. A rule without a refusal does not hold. {key} and {value} in the
// text and the fields of a refusal stand for the tag's.
type Rules struct {
	// Max is the limit of a resource.
	Max     int
	TooMany *wire.Error
	// Key refuses keys that are empty or of more than 128 characters, Value values of more
	// than 256: for services whose model does not.
	Key, Value *wire.Error
	// Reserved refuses keys that begin with "aws:", in any case.
	Reserved *wire.Error
	// Duplicate refuses a key that is given twice; without it the last one counts.
	// Keys that differ in case only are the same if Fold is set.
	Duplicate *wire.Error
	Fold      bool
}

// Add returns what a resource with tags has after more were added; have stays as it is.
func (r Rules) Add(have map[string]string, add []Tag) (map[string]string, error) {
	out := maps.Clone(have)
	if out == nil {
		out = make(map[string]string, len(add))
	}
	seen := map[string]bool{}
	for _, t := range add {
		name := t.Key
		if r.Fold {
			name = strings.ToLower(name)
		}
		switch {
		case r.Key != nil && (t.Key == "" || utf8.RuneCountInString(t.Key) > 128):
			return nil, say(r.Key, t)
		case r.Value != nil && utf8.RuneCountInString(t.Value) > 256:
			return nil, say(r.Value, t)
		case r.Reserved != nil && strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return nil, say(r.Reserved, t)
		case r.Duplicate != nil && seen[name]:
			return nil, say(r.Duplicate, t)
		}
		seen[name], out[t.Key] = true, t.Value
	}
	if r.TooMany != nil && len(out) > r.Max {
		return nil, say(r.TooMany, Tag{})
	}
	return out, nil
}

func say(e *wire.Error, t Tag) error {
	fill := strings.NewReplacer("{key}", t.Key, "{value}", t.Value)
	out := *e
	out.Message, out.Fields = fill.Replace(e.Message), maps.Clone(e.Fields)
	for name, v := range out.Fields {
		if text, ok := v.(string); ok {
			out.Fields[name] = fill.Replace(text)
		}
	}
	return &out
}

// Without returns tags without some keys; have stays as it is.
func Without(have map[string]string, keys []string) map[string]string {
	out := maps.Clone(have)
	maps.DeleteFunc(out, func(k, _ string) bool { return slices.Contains(keys, k) })
	return out
}

// Of reads the tags of a service's list.
func Of[T any](list []T, split func(T) (key, value *string)) []Tag {
	out := make([]Tag, len(list))
	for i, t := range list {
		key, value := split(t)
		out[i] = Tag{text(key), text(value)}
	}
	return out
}

// OfMap reads the tags of a service that has them in a map.
func OfMap(m map[string]string) []Tag {
	return List(m, func(key, value *string) Tag { return Tag{*key, *value} })
}

func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// List writes tags as a service's list, sorted by their keys; it is never nil.
func List[T any](have map[string]string, join func(key, value *string) T) []T {
	out := make([]T, 0, len(have))
	for _, k := range slices.Sorted(maps.Keys(have)) {
		v := have[k]
		out = append(out, join(&k, &v))
	}
	return out
}
