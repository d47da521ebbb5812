package eventpattern

import (
	"fmt"
	"strings"
)

// wildcard is a text with stars, as the pieces between them: the first one begins what it
// matches, the last one ends it, and those between come in order.
type wildcard []string

// compileWildcard reads a pattern. A backslash takes its meaning from a star or another
// backslash and stands before nothing else, as in
// https://github.com/aws/event-ruler (WildcardParser)
func compileWildcard(p string) (wildcard, error) {
	var w wildcard
	var piece strings.Builder
	star := -2 // where the last one was
	for i := 0; i < len(p); i++ {
		switch {
		case p[i] == '*' && star == i-1:
			return nil, fmt.Errorf("consecutive wildcard characters at pos %d", star)
		case p[i] == '*':
			w = append(w, piece.String())
			piece.Reset()
			star = i
			continue
		case p[i] == '\\':
			if i+1 == len(p) || p[i+1] != '*' && p[i+1] != '\\' {
				return nil, fmt.Errorf("invalid escape character at pos %d", i)
			}
			i++
		}
		piece.WriteByte(p[i])
	}
	return append(w, piece.String()), nil
}

// matches takes each piece between the ends at its first place: where any way leads to a
// match, that one does. It looks at no byte of s more than once for each piece.
func (w wildcard) matches(s string) bool {
	first, last := w[0], w[len(w)-1]
	if len(w) == 1 {
		return s == first
	}
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, piece := range w[1 : len(w)-1] {
		i := strings.Index(s, piece)
		if i < 0 {
			return false
		}
		s = s[i+len(piece):]
	}
	return true
}
