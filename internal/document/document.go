// Package document owns the text of machine output: JSON and YAML that every
// parser reads back as the same value, and that holds no raw character which
// could act on a terminal or hide what is read. It imports nothing of this module.
package document

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Version is the version of every document and line of machine output. It
// changes when a field changes its meaning or goes away (docs/json-output.md).
const Version = "pipelinetui/v1"

// JSON returns v as JSON with a line feed at its end, over several lines if indent
// is not empty. Characters that act on a terminal or that nobody sees are escaped,
// also where a json.RawMessage has them as they are.
func JSON(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	return escape(paired(b.Bytes())), nil
}

// paired writes U+FFFD for halves of surrogate pairs, which a json.RawMessage may hold as
// escapes: RFC 8259 (8.2) leaves to parsers what they do with them, and jq refuses
// the whole document.
func paired(text []byte) []byte {
	if !bytes.Contains(text, []byte(`\ud`)) && !bytes.Contains(text, []byte(`\uD`)) {
		return text
	}
	out := bytes.Clone(text)
	for i := 0; i+1 < len(out); i++ {
		if out[i] != '\\' {
			continue
		}
		switch first, second := surrogate(out[i:]), rune(0); {
		case first == 0:
			i++ // an escape of another kind, of a backslash perhaps
		case first < 0xdc00:
			if i+6 < len(out) {
				second = surrogate(out[i+6:])
			}
			if second >= 0xdc00 {
				i += 11
				break
			}
			fallthrough
		default:
			copy(out[i:], `\ufffd`)
			i += 5
		}
	}
	return out
}

// surrogate is the half of a pair that an escape at the beginning of the text is, else 0.
func surrogate(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0
	}
	v, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil || v < 0xd800 || v > 0xdfff {
		return 0
	}
	return rune(v)
}

// Tagged returns v, which has to be a JSON object, on one line with a member
// "type" before its own.
func Tagged(kind string, v any) ([]byte, error) {
	line, err := JSON(v, "")
	if err != nil {
		return nil, err
	}
	if len(line) < 2 || line[0] != '{' {
		return nil, fmt.Errorf("%T is no object", v)
	}
	head := []byte(`{"type":` + quoteJSON(kind))
	if line[1] != '}' {
		head = append(head, ',')
	}
	return append(head, line[1:]...), nil
}

func quoteJSON(s string) string {
	raw, _ := json.Marshal(s) // a string always can be
	return string(raw)
}

// Hidden tells the characters that act on a terminal, reorder the text around them
// or are not seen: control characters (C0, DEL, C1), those of category Cf (bidirectional
// formatting, zero width, byte order mark, tags), and the line and paragraph
// separators. Line feed and tab are among them.
func Hidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) || r&0xfffe == 0xfffe
}

// escape rewrites the hidden characters of an encoded JSON text. The encoder's own
// line feeds and indents stand outside of strings, where there is nothing else but
// ASCII that can be seen.
func escape(text []byte) []byte {
	dirty := !utf8.Valid(text)
	for _, r := range string(text) {
		if r != '\n' && Hidden(r) {
			dirty = true
			break
		}
	}
	if !dirty {
		return text
	}
	var b bytes.Buffer
	for _, r := range string(text) {
		switch {
		case r == '\n' || !Hidden(r):
			b.WriteRune(r) // what is not UTF-8 has become U+FFFD
		case r > 0xffff:
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.Bytes()
}

// words are those that some version of YAML takes for something else than a string
// (yaml.org/type: bool, null, float), and what parsers are known to add.
const words = " y n yes no on off true false null nil none nan inf infinity "

// plain tells whether a string can stand in YAML without quotes: it begins with an
// ASCII letter, holds nothing that is an indicator anywhere, and is no word of
// another type in any version.
func plain(s string) bool {
	if s == "" || s[len(s)-1] == ' ' || len(s) > 100 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || (c < '0' || c > '9') && !strings.ContainsRune(" _./-", rune(c))) {
			return false
		}
	}
	return !strings.Contains(words, " "+strings.ToLower(s)+" ")
}
