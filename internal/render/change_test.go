package render_test

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"github.com/pipelinetui/pipelinetui/internal/render"
)

// Of a long value that changes in its middle two equal beginnings say nothing.
func TestChange(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("abcdefghij", 12)
	for name, tt := range map[string]struct{ before, after, was, is any }{
		"short":       {256, 512, "256", "512"},
		"nothing":     {nil, "x", "none", `"x"`},
		"at the end":  {long + "=one", long + "=two", `…fghijabcdefghij=one"`, `…fghijabcdefghij=two"`},
		"longer":      {long, long + "more", `…efghijabcdefghij"`, `…efghijabcdefghijmore"`},
		"at the head": {"one=" + long, "two=" + long, `"one=` + long[:54] + "…", `"two=` + long[:54] + "…"},
		"wide":        {strings.Repeat("型", 60) + "a", strings.Repeat("型", 60) + "b", "…型型型型型型型型a\"", "…型型型型型型型型b\""},
		"a document":  {map[string]any{"a": long, "b": 1}, map[string]any{"a": long, "b": 2}, `…abcdefghij","b":1}`, `…abcdefghij","b":2}`},
	} {
		was, is := render.Change(tt.before, tt.after)
		require.Equal(t, tt.was, was, name)
		require.Equal(t, tt.is, is, name)
		require.LessOrEqual(t, ansi.StringWidth(was), 60, name)
		require.LessOrEqual(t, ansi.StringWidth(is), 60, name)
		require.NotEqual(t, was, is, name)
	}
	was, is := render.Change(long, long)
	require.Equal(t, was, is, "what is equal is shown from its beginning")
	require.Equal(t, `"abc`, was[:4])
}
