package widget

import (
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// cellsOf is how many cells a text takes, styles not counted: ansi.StringWidth, which
// looks for clusters of characters and is what a frame would spend most of its time
// in. What is made of letters and of the signs that the terminal draws with needs none
// of that.
func cellsOf(s string) int {
	n := 0
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c >= ' ' && c <= '~':
			n++
			i++
		case c == 0x1b:
			end := styleEnd(s, i)
			if end < 0 {
				return ansi.StringWidth(s)
			}
			i = end
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			if !single(r) {
				return ansi.StringWidth(s)
			}
			n++
			i += size
		}
	}
	return n
}

// styleEnd is where a style that begins at a place ends, -1 if none begins there.
func styleEnd(s string, at int) int {
	if at+2 >= len(s) || s[at+1] != '[' {
		return -1
	}
	for i := at + 2; i < len(s); i++ {
		switch c := s[i]; {
		case c == 'm':
			return i + 1
		case c != ';' && c != ':' && (c < '0' || c > '9'):
			return -1
		}
	}
	return -1
}

// single tells that a character takes one cell and joins with no other of these: Latin
// letters, and the signs of boxes, blocks, spinners and arrows.
func single(r rune) bool {
	switch {
	case r >= 0xa1 && r <= 0x2ff:
		return r != 0xad // it may be hyphenated here: no cell
	case r >= 0x2500 && r <= 0x259f, r >= 0x2801 && r <= 0x28ff, r >= 0x2190 && r <= 0x2193:
		return true
	}
	switch r {
	case '…', '✔', '✘', '●', '○', '◌', '▲', '▼', '▸', '▾', '◆', '◇', '■', '□', '⏎', '↺', '–', '—':
		return true
	}
	return false
}
