package services

import (
	"maps"
	"slices"
	"strings"
)

// Tagged is embedded in the inputs of every type that takes tags.
type Tagged struct {
	Tags map[string]string `pulumi:"tags"`
	// TagsAll is Tags with the provider's default tags: what the resource has.
	TagsAll map[string]string `pulumi:"tagsAll,managed"`
}

// tagged returns the tag properties for a resource with those live tags. prior
// tells tags of the program from default tags.
func (c *Call) tagged(live map[string]string, prior Tagged) Tagged {
	all := map[string]string{}
	own := map[string]string{}
	for k, v := range live {
		if c.ignoresTag(k) {
			continue
		}
		all[k] = v
		if d, ok := c.DefaultTags[k]; ok && d == v {
			if _, named := prior.Tags[k]; !named {
				continue
			}
		}
		own[k] = v
	}
	return Tagged{Tags: nilIfEmpty(own), TagsAll: nilIfEmpty(all)}
}

func (c *Call) ignoresTag(key string) bool {
	return strings.HasPrefix(key, "aws:") || slices.Contains(c.IgnoreTags, key) ||
		slices.ContainsFunc(c.IgnorePrefixes, func(p string) bool { return strings.HasPrefix(key, p) })
}

// tagChanges returns what to set and what to remove to come from old to new.
func tagChanges(before, after map[string]string) (set map[string]string, remove []string) {
	set = map[string]string{}
	for k, v := range after {
		if old, ok := before[k]; !ok || old != v {
			set[k] = v
		}
	}
	for _, k := range slices.Sorted(maps.Keys(before)) {
		if _, ok := after[k]; !ok {
			remove = append(remove, k)
		}
	}
	return set, remove
}

// tagList makes a service's list of tags, sorted by key.
func tagList[T any](tags map[string]string, one func(k, v string) T) []T {
	var list []T
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, one(k, tags[k]))
	}
	return list
}

// tagMap is the reverse of tagList.
func tagMap[T any](list []T, one func(T) (k, v *string)) map[string]string {
	m := map[string]string{}
	for _, t := range list {
		k, v := one(t)
		if k != nil {
			m[*k] = deref(v)
		}
	}
	return m
}

func nilIfEmpty(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	return m
}

// retag brings the tags of a resource from those of its state to those of the program.
func retag(last, in Tagged, add func(map[string]string) error, remove func(keys []string) error) error {
	set, gone := tagChanges(last.TagsAll, in.TagsAll)
	if len(gone) > 0 {
		if err := remove(gone); err != nil {
			return err
		}
	}
	if len(set) == 0 {
		return nil
	}
	return add(set)
}
