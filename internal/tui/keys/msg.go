package keys

import (
	"unicode/utf8"

	tea "github.com/charmbracelet/bubbletea"
)

// Msg is the message of a key by its name, "ctrl+s" or "a": for the palette,
// which presses keys on the user's behalf, and for tests. A name that is no
// key's is typed as text.
func Msg(name string) tea.KeyMsg {
	if t, ok := named()[name]; ok {
		return tea.KeyMsg{Type: t}
	}
	if name == " " {
		return tea.KeyMsg{Type: tea.KeySpace, Runes: []rune{' '}}
	}
	if rest, ok := cutAlt(name); ok {
		m := Msg(rest)
		m.Alt = true
		return m
	}
	return tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(name)}
}

func cutAlt(name string) (string, bool) {
	if len(name) > 4 && name[:4] == "alt+" && utf8.ValidString(name) {
		return name[4:], true
	}
	return name, false
}

// named maps the names that Bubble Tea gives to keys back to the keys.
func named() map[string]tea.KeyType {
	out := map[string]tea.KeyType{}
	// Control characters are 0 to 31 and 127, all others are negative and few.
	for t := tea.KeyType(-100); t < 128; t++ {
		if s := (tea.Key{Type: t}).String(); s != "" && t != tea.KeyRunes && t != tea.KeySpace {
			if _, dup := out[s]; !dup {
				out[s] = t
			}
		}
	}
	return out
}
