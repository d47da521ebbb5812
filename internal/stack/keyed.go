package stack

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// byKey turns changes inside lists of keys and values into changes of keys, and changes
// inside lists of distinct texts into texts that come and go: a tag that is added to a
// sorted list, or a policy to a set, would show as a shuffle of all that come after it.
// before and after give the whole value of a list, by its path.
func byKey(diffs []PropertyDiff, before, after func(path string) any) []PropertyDiff {
	var out []PropertyDiff
	replaces := map[string]bool{} // by path of the list
	for _, d := range diffs {
		list, keyed := keyedList(d.Path, before, after)
		if !keyed {
			out = append(out, d)
			continue
		}
		replaces[list] = replaces[list] || d.Replace
	}
	for _, list := range slices.Sorted(maps.Keys(replaces)) {
		old, now, _ := keyedPair(before(list), after(list))
		changed := keyDiffs(list, old, now)
		if len(changed) == 0 { // the order alone
			changed = []PropertyDiff{difference(list, before(list), after(list))}
		}
		for _, d := range changed {
			d.Replace = replaces[list]
			out = append(out, d)
		}
	}
	return out
}

// keyedList is the outermost list on a path, or the value at its end, that is compared
// by keys.
func keyedList(path string, before, after func(path string) any) (list string, ok bool) {
	for i := 0; i < len(path); i++ {
		if path[i] != '[' {
			continue
		}
		end := strings.IndexByte(path[i:], ']')
		if end < 0 {
			break
		}
		if _, err := strconv.Atoi(path[i+1 : i+end]); err != nil {
			continue
		}
		if _, _, ok := keyedPair(before(path[:i]), after(path[:i])); ok {
			return path[:i], true
		}
	}
	_, _, ok = keyedPair(before(path), after(path))
	return path, ok
}

func keyDiffs(list string, old, now map[string]any) []PropertyDiff {
	keys := maps.Clone(old)
	maps.Copy(keys, now)
	path, err := resource.ParsePropertyPath(list)
	if err != nil {
		path = resource.PropertyPath{list}
	}
	var out []PropertyDiff
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		was, had := old[key]
		is, has := now[key]
		d := PropertyDiff{Path: append(slices.Clip(path), key).String(), Kind: DiffUpdate, Old: plain(was, false), New: plain(is, false)}
		switch {
		case !had:
			d.Kind = DiffAdd
		case !has:
			d.Kind = DiffDelete
		case reflect.DeepEqual(was, is):
			continue
		}
		out = append(out, d)
	}
	return out
}

// keyedPair reads two lists of objects with a key and a value and nothing else, or of
// distinct texts, which are their own keys; one of them may be missing.
func keyedPair(before, after any) (old, now map[string]any, ok bool) {
	old, ok = keyed(before)
	if !ok {
		return nil, nil, false
	}
	if now, ok = keyed(after); !ok || len(old)+len(now) == 0 {
		return nil, nil, false
	}
	return old, now, true
}

func keyed(v any) (map[string]any, bool) {
	if v == nil {
		return map[string]any{}, true
	}
	items, ok := v.([]any)
	if !ok {
		return nil, false
	}
	out := make(map[string]any, len(items))
	if len(items) == 0 {
		return out, true
	}
	if _, texts := items[0].(string); texts {
		for _, item := range items {
			text, ok := item.(string)
			if _, twice := out[text]; !ok || twice || text == plugin.UnknownStringValue {
				return nil, false
			}
			out[text] = text
		}
		return out, true
	}
	for _, item := range items {
		o, ok := item.(map[string]any)
		if !ok {
			return nil, false
		}
		key, ok := o["key"].(string)
		value, has := o["value"]
		if _, twice := out[key]; !ok || !has || len(o) != 2 || twice {
			return nil, false
		}
		out[key] = value
	}
	return out, true
}
