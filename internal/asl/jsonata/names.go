package jsonata

import (
	"slices"
	"sort"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata/gnata"
)

// Name is one place of an expression that names a variable or a function.
type Name struct {
	// Name is without the "$".
	Name string
	// Offset is that of the "$", in bytes.
	Offset int
	// Call says that it is called: "$name(".
	Call bool
	// Bound says that the expression itself gives the name its value.
	Bound bool
	// Member is the field that is read from it: "result" in "$states.result".
	Member string
}

// Names lists the variables and functions that an expression names, in order.
// The expression need not be valid.
func Names(text string) []Name {
	toks := scan(text)
	words := make([]string, len(toks))
	for i, t := range toks {
		words[i] = t.text
	}
	word := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	var out []Name
	var bound []string
	for i, t := range toks {
		if len(t.text) < 2 || t.text[0] != '$' || t.text == "$$" {
			continue
		}
		n := Name{Name: t.text[1:], Offset: t.at}
		switch next := word(i + 1); {
		case next == ":=" || isParameter(words, i):
			bound = append(bound, n.Name)
		case next == "(":
			n.Call = true
		case next == "." && word(i+2) != "" && isNameByte(word(i + 2)[0]):
			n.Member = word(i + 2)
		}
		out = append(out, n)
	}
	for i := range out {
		out[i].Bound = slices.Contains(bound, out[i].Name)
	}
	return out
}

// ErrorOffset returns the place, in bytes, at which an expression that Compile
// refuses stops being JSONata; its length if it is merely incomplete. The parser
// names the offending token but not its place, so this looks for the shortest
// beginning that is wrong for another reason than that it ends.
func ErrorOffset(text string) int {
	toks := scan(text)
	wrong := func(n int) bool { // is there an error in the first n tokens?
		end := len(text)
		if n < len(toks) {
			end = toks[n].at
		}
		_, err := gnata.Compile(text[:end])
		return err != nil && !incomplete(err)
	}
	n := sort.Search(len(toks)+1, wrong)
	switch {
	case n > len(toks):
		return len(text)
	case n == 0:
		return 0
	}
	return toks[n-1].at
}

// incomplete tells an expression that only lacks its end from a wrong one.
func incomplete(err error) bool {
	msg := err.Error()
	return strings.Contains(msg, "error S0207") || strings.Contains(msg, `at token "EOF"`) || strings.Contains(msg, `at token ""`)
}

type scanned struct {
	text string
	at   int
}

// scan is tokens with the byte offset of each token.
func scan(t string) []scanned {
	var out []scanned
	var words []string
	add := func(text string, at int) {
		out = append(out, scanned{text, at})
		words = append(words, text)
	}
	for i := 0; i < len(t); {
		c, start := t[i], i
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '"' || c == '\'' || c == '`':
			i = min(skipTo(t, i+1, c), len(t))
			add("string", start)
		case strings.HasPrefix(t[i:], "/*"):
			end := strings.Index(t[i+2:], "*/")
			if end < 0 {
				return out
			}
			i += end + 4
		case c == '/' && regexMayStart(words):
			i = min(skipTo(t, i+1, '/'), len(t))
			add("regex", start)
		case strings.HasPrefix(t[i:], ":="):
			add(":=", start)
			i += 2
		case c == '$' || isNameByte(c):
			i++
			if c == '$' && i < len(t) && t[i] == '$' {
				i++
			}
			for i < len(t) && isNameByte(t[i]) {
				i++
			}
			add(t[start:i], start)
		case slices.Contains(operators, t[i:min(i+2, len(t))]):
			out = append(out, scanned{t[i : i+2], start})
			words = append(words, t[i+1:i+2])
			i += 2
		default:
			add(t[i:i+1], start)
			i++
		}
	}
	return out
}

// operators are those of two characters: the first alone may be an error.
var operators = []string{"~>", "!=", "<=", ">=", "..", "**", "?:", "??"}
