package eventpattern

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWildcards(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "any\nthing", true},
		{"a*", "a", true},
		{"a*", "ba", false},
		{"*a", "aa", true},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"a*b*c", "abbc", true},
		{"a*b*c", "acb", false},
		{"*ab*ab*", "abab", true},
		{"*ab*ab*", "abaab", true},
		{"*aba*", "aba", true},
		{"*aba*aba*", "ababa", false},
		{`a\*b`, "a*b", true},
		{`a\*b`, "axb", false},
		{`a\\*`, `a\b`, true},
		{"*.tar.*", "m.tar.gz", true},
		{"é*", "éa", true},
	} {
		w, err := compileWildcard(x.pattern)
		require.NoError(t, err, x.pattern)
		require.Equal(t, x.want, w.matches(x.text), "%s %s", x.pattern, x.text)
	}
	for _, bad := range []string{"a**b", "**", `a\b`, `a\`} {
		_, err := compileWildcard(bad)
		require.Error(t, err, bad)
	}
}

// Many stars against a long text that almost matches cost no more than a few passes over
// it: a search that goes back at every star would not end.
func TestWildcardsGoBackNowhere(t *testing.T) {
	t.Parallel()
	w, err := compileWildcard(strings.Repeat("a*", 40) + "b")
	require.NoError(t, err)
	require.False(t, w.matches(strings.Repeat("a", 1<<16)))
}
