package theme

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/charmbracelet/lipgloss"
)

// Paint is how one thing looks, in a skin: what is empty or nil stays as it is.
type Paint struct {
	Text, Background          Color
	Bold, Underline, Reversed *bool
}

// Color is one of the 256 ("203"), or "#rrggbb", on a light and on a dark background; empty
// is none.
type Color struct{ Light, Dark string }

// Check refuses what is no colour.
func (c Color) Check() error {
	for _, s := range []string{c.Light, c.Dark} {
		if n, err := strconv.Atoi(s); s == "" || err == nil && n >= 0 && n <= 255 {
			continue
		}
		if n, err := strconv.ParseUint(strings.TrimPrefix(s, "#"), 16, 32); err != nil || len(s) != 7 || s[0] != '#' || n > 0xffffff {
			return fmt.Errorf("%q is no colour", s)
		}
	}
	return nil
}

// Tokens are the names of what a skin can paint, sorted.
func Tokens() []string { return slices.Sorted(maps.Keys((&Screen{}).tokens())) }

// tokens are the styles by their names: those of the fields, in words.
func (s *Screen) tokens() map[string]*lipgloss.Style {
	out := map[string]*lipgloss.Style{}
	add := func(v reflect.Value) {
		for i := range v.NumField() {
			if !v.Type().Field(i).IsExported() {
				continue
			}
			if style, ok := v.Field(i).Addr().Interface().(*lipgloss.Style); ok {
				out[words(v.Type().Field(i).Name)] = style
			}
		}
	}
	add(reflect.ValueOf(&s.Styles).Elem())
	add(reflect.ValueOf(s).Elem()) // Key is the one that is drawn on the screen
	return out
}

// words is a name in Go as it is in files: "CursorOff" is "cursor-off".
func words(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// Wear paints things as a skin says, by the names of Tokens. Without colours it changes
// nothing: attributes are what tells things apart there.
func (s *Screen) Wear(skin map[string]Paint) {
	if !s.colors {
		return
	}
	all := s.tokens()
	for name, p := range skin {
		style := all[name]
		if style == nil {
			continue
		}
		if p.Text != (Color{}) {
			*style = style.Foreground(lipgloss.AdaptiveColor(p.Text))
		}
		if p.Background != (Color{}) {
			*style = style.Background(lipgloss.AdaptiveColor(p.Background))
		}
		if p.Bold != nil {
			*style = style.Bold(*p.Bold)
		}
		if p.Underline != nil {
			*style = style.Underline(*p.Underline)
		}
		if p.Reversed != nil {
			*style = style.Reverse(*p.Reversed)
		}
	}
}
