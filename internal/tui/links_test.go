package tui

import (
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"
)

func TestAddressesAreLinks(t *testing.T) {
	t.Parallel()
	link := func(url string) string { return "\x1b]8;;" + url + "\x07" + url + "\x1b]8;;\x07" }
	for name, tt := range map[string]struct{ in, want string }{
		"none":            {"a b://c", "a b://c"},
		"one":             {"see https://x.example/a?b=c#d, or not", "see " + link("https://x.example/a?b=c#d") + ", or not"},
		"styled":          {"\x1b[1mhttps://x.example\x1b[0m", "\x1b[1m" + link("https://x.example") + "\x1b[0m"},
		"two, one plain":  {"http://127.0.0.1:80 https://y.example.", link("http://127.0.0.1:80") + " " + link("https://y.example") + "."},
		"cut off":         {"https://x.exam…", "https://x.exam…"},
		"a scheme alone":  {"https:// is one", "https:// is one"},
		"between others'": {"│https://x.example│", "│" + link("https://x.example") + "│"},
	} {
		got := linked(tt.in, "…")
		require.Equal(t, tt.want, got, name)
		require.Equal(t, ansi.StringWidth(tt.in), ansi.StringWidth(got), name)
	}
}
