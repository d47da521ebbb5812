package render

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// spans reads a line as CommonMark 0.31 does (6.1): what of it is in code spans, and what is
// left beside them.
func spans(t *testing.T, s string) (code []string, beside string) {
	t.Helper()
	for {
		at := strings.IndexByte(s, '`')
		if at < 0 {
			return code, beside + s
		}
		beside += s[:at]
		fence := len(s[at:]) - len(strings.TrimLeft(s[at:], "`"))
		rest := s[at+fence:]
		end := -1
		for i := 0; i < len(rest); {
			if rest[i] != '`' {
				i++
				continue
			}
			run := len(rest[i:]) - len(strings.TrimLeft(rest[i:], "`"))
			if run == fence {
				end = i
				break
			}
			i += run
		}
		require.GreaterOrEqual(t, end, 0, "a code span without an end: %q", s)
		text := rest[:end]
		if len(text) > 1 && text[0] == ' ' && text[len(text)-1] == ' ' && strings.TrimSpace(text) != "" {
			text = text[1 : len(text)-1]
		}
		code = append(code, text)
		s = rest[end+fence:]
	}
}

// hostile are texts that would be something else than a text.
var hostile = []string{
	"`", "``", "```", "a`b", "`a", "a`", "` `", "<img src=x onerror=alert(1)>", "</details><script>", "-->", "<!-- pipelinetui:preview:0 -->",
	"[x](javascript:alert(1))", "![x](http://example.invalid/pixel)", "@everyone", "#1", "org/repo#1", "&lt;b&gt;", "https://example.invalid", "a@b.invalid",
	"| a | b |", `\|`, `\\|`, `\`, "a\nb\n\n# head", "\r\n- item", "$`x`$", "***", "~~~", "a\u202eb", "a\u200bb\u2066", "\x1b[31mred", "{\"a\": \"`|`\"}",
	strings.Repeat("`", 70), strings.Repeat("a\u0301\u0301\u0301", 4000),
}

func TestCodeIsOnlyText(t *testing.T) {
	t.Parallel()
	for _, text := range hostile {
		for _, width := range []int{0, 40} {
			got := Code(text, width)
			code, beside := spans(t, "x "+got+" y")
			require.Equal(t, "x  y", beside, "%q becomes %q", text, got)
			require.Len(t, code, 1)
			require.NotContains(t, got, "\n")
			require.NotContains(t, got, "\u200b")
			require.NotContains(t, got, "\u202e")
			if width > 0 {
				require.Less(t, len(got), 8*width, "%q", text)
			}
		}
		cell := CodeCell(text, 40)
		require.Empty(t, strings.ReplaceAll(strings.Trim(onlyBars(cell), " "), `\|`, ""), "%q ends its cell", cell)
		require.NotContains(t, cell, `\\|`, "an escaped backslash and the end of the cell")
	}
	require.Equal(t, "`a b`", Code("a\tb", 0))
	require.Equal(t, "(nothing)", Code("", 10))
	require.Equal(t, "`` a`b` ``", Code("a`b`", 0))
}

// onlyBars leaves the bars of a cell with what escapes them.
func onlyBars(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if s[i] == '|' {
			if i > 0 && s[i-1] == '\\' {
				b.WriteByte('\\')
			}
			b.WriteByte('|')
		}
	}
	return b.String()
}

func TestFit(t *testing.T) {
	t.Parallel()
	items := make([]string, 30)
	for i := range items {
		items[i] = fmt.Sprintf("item %02d\n", i)
	}
	more := func(left int) string { return fmt.Sprintf("and %d more\n", left) }
	for room := range 400 {
		text, left := Fit(room, "head\n", "tail\n", items, more)
		require.LessOrEqual(t, len(text), room)
		require.Equal(t, len(items), strings.Count(text, "item")+left, "room %d: %q", room, text)
		if text != "" {
			require.True(t, strings.HasPrefix(text, "head\n") && strings.HasSuffix(text, "tail\n"))
			require.Equal(t, left > 0, strings.Contains(text, more(left)), "it says what it leaves out")
		}
	}
	text, left := Fit(1000, "", "", items, more)
	require.Zero(t, left)
	require.Equal(t, strings.Join(items, ""), text)
}
