package render

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Code is a text of anybody's as code in Markdown, on one line of at most width cells (0: no
// limit). Nothing in it is Markdown, HTML, a link, a mention or an entity: of a code span
// all characters stand for themselves (CommonMark 0.31, 6.1). What nobody sees is shown.
func Code(s string, width int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) {
			return utf8.RuneError
		}
		return r
	}, Line(s, width))
	if width > 0 {
		s = atMost(s, width)
	}
	if s == "" {
		return "(nothing)"
	}
	fence := strings.Repeat("`", longestRun(s, '`')+1)
	if s[0] == '`' || s[len(s)-1] == '`' {
		s = " " + s + " " // it is taken off again: a fence ends where the backticks end
	}
	return fence + s + fence
}

// CodeCell is Code in a cell of a table, where a bar is the end of the cell unless it is
// escaped, within code too (GitHub Flavored Markdown, 4.10). No backslash stands before it:
// two of them would be one and the end of the cell.
func CodeCell(s string, width int) string {
	return strings.ReplaceAll(strings.ReplaceAll(Code(s, width), `\|`, `\ |`), "|", `\|`)
}

// atMost bounds what a text of so many cells takes: marks that are put on top of each other
// take no cell.
func atMost(s string, width int) string {
	const most = 2 // characters for each cell
	n := 0
	for i := range s {
		if n++; n > most*width {
			return s[:i] + "…"
		}
	}
	return s
}

func longestRun(s string, of byte) int {
	longest, run := 0, 0
	for i := range len(s) {
		if s[i] != of {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// Fit puts as many of the items between head and tail as there is room for, in bytes. more
// is what stands for those that are left out, as an item. If there is no room for head,
// tail and that, the text is "" and left is all.
func Fit(room int, head, tail string, items []string, more func(left int) string) (text string, left int) {
	size := len(head) + len(tail)
	if size > room {
		return "", len(items)
	}
	fitting := 0
	for i, item := range items {
		size += len(item)
		rest := len(items) - i - 1
		if size > room {
			break
		}
		if rest == 0 || size+len(more(rest)) <= room {
			fitting = i + 1
		}
	}
	if left = len(items) - fitting; left == 0 {
		return head + strings.Join(items, "") + tail, 0
	}
	text = head + strings.Join(items[:fitting], "") + more(left) + tail
	if len(text) > room {
		return "", len(items)
	}
	return text, left
}
