package keys

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Names are the names of all bindings in a keymap, sorted.
func Names() []string { return slices.Sorted(maps.Keys(byName())) }

// NameOf is the name of a binding in a keymap, "" if it has none: what a page shows under
// another word is the same binding still.
func NameOf(b Binding) string {
	for _, name := range Names() {
		if x := byName()[name]; x.Help == b.Help && slices.Equal(x.Keys, b.Keys) {
			return name
		}
	}
	return ""
}

// Refusal is why one line of a keymap can't be followed.
type Refusal struct {
	// Name is the binding that the line is about.
	Name      string
	Why, Hint string
}

// Rebind gives bindings other keys, by their names, or none of them other ones if one is
// refused. It changes what the whole program goes by: call it once, before the terminal is
// shown.
func Rebind(by map[string][]string) []Refusal {
	all := byName()
	var out []Refusal
	refuse := func(name, hint, why string, args ...any) {
		out = append(out, Refusal{name, fmt.Sprintf(why, args...), hint})
	}
	for _, name := range slices.Sorted(maps.Keys(by)) {
		if all[name] == nil {
			refuse(name, "docs/keys.md and the help page (?) have the names.", "no action is called %q", name)
		}
		if len(by[name]) == 0 {
			refuse(name, "Give it one, or leave the line out.", "%s needs a key", name)
		}
		for _, k := range by[name] {
			if !IsKey(k) {
				refuse(name, `Keys are written as "a", "ctrl+a", "alt+a", "f5", "enter", "pgup".`, "%q is no key", k)
			}
		}
	}
	if len(out) > 0 {
		return out
	}
	before := clashes()
	old := map[string][]string{}
	for name, list := range by {
		old[name] = all[name].Keys
		all[name].Keys = slices.Clone(list)
	}
	for clash := range clashes() {
		if !before[clash] {
			out = append(out, clash.refusal(by))
		}
	}
	if len(out) > 0 {
		for name, list := range old {
			all[name].Keys = list
		}
		slices.SortFunc(out, func(a, b Refusal) int { return strings.Compare(a.Why, b.Why) })
	}
	return out
}

// IsKey tells whether a name is one of a single key.
func IsKey(name string) bool {
	m := Msg(name)
	return m.String() == name && (len(m.Runes) <= 1 || name == " ") && utf8.ValidString(name)
}

// Taken says what a key does somewhere on a page ("" is every page) or everywhere, "" if it
// does nothing.
func Taken(page, key string) string {
	for _, p := range append(Pages(), Page{Map: Map{Everywhere()}}) {
		if p.Name != "" && page != "" && p.Name != page {
			continue
		}
		for _, g := range p.Map {
			for _, b := range g.Bindings {
				if slices.Contains(b.Keys, key) {
					return b.Short
				}
			}
		}
	}
	return ""
}

// clash is a key that means two things on one page.
type clash struct{ page, key, one, other string }

// clashes are those there are now: tabs of a page may share keys.
func clashes() map[clash]bool {
	out := map[clash]bool{}
	for _, p := range Pages() {
		means := map[string][]string{}
		for _, g := range append(slices.Clone(p.Map), Everywhere()) {
			for _, b := range g.Bindings {
				for _, k := range b.Keys {
					if !slices.Contains(means[k], b.Help) {
						means[k] = append(means[k], b.Help)
					}
				}
			}
		}
		for k, list := range means {
			slices.Sort(list)
			for i, one := range list {
				for _, other := range list[i+1:] {
					out[clash{p.Name, k, one, other}] = true
				}
			}
		}
	}
	return out
}

// refusal is a clash as the fault of the line that has made it.
func (c clash) refusal(by map[string][]string) Refusal {
	name := ""
	for n, list := range by {
		if slices.Contains(list, c.key) && (byName()[n].Help == c.one || byName()[n].Help == c.other) && (name == "" || n < name) {
			name = n
		}
	}
	return Refusal{
		name, fmt.Sprintf("%q would do two things on the page %s: %q and %q", c.key, c.page, c.one, c.other),
		"Choose another key, or give the other action another one too.",
	}
}

// NoText is the binding without keys that are characters: in a text they would be typed.
func (b Binding) NoText() Binding {
	b.Keys = slices.DeleteFunc(slices.Clone(b.Keys), func(k string) bool { return utf8.RuneCountInString(k) == 1 })
	return b
}
