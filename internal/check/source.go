package check

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
	"github.com/pipelinetui/pipelinetui/internal/spec"
)

// reference is ${name}, as package program reads it.
var reference = lazyregexp.New(`\$\{([A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z][A-Za-z0-9_-]*)*)\}`)

// source is a definition whose ${names} were filled in, with the way back from
// places in the filled-in text to those in the file.
type source struct {
	file  string // the text of the file
	text  string // filled in
	parts []part
	// open are the places in text of values whose type is not known: what the
	// language thinks of them means nothing.
	open map[int]bool
}

// part is a stretch of text that came from one place of the file.
type part struct {
	out, in int
	filled  bool // a value: all of it stands for the place in
}

func literal(text string) *source {
	return &source{file: text, text: text, parts: []part{{}}}
}

// place returns line and column in the file of an offset in the text, from 1.
func (s *source) place(offset int) (line, column int) {
	in := s.offset(offset)
	before := s.file[:in]
	line = strings.Count(before, "\n") + 1
	column = utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	return line, column
}

// offset returns the offset in the file of an offset in the text.
func (s *source) offset(offset int) int {
	p := s.partAt(offset)
	in := p.in
	if !p.filled {
		in += offset - p.out
	}
	return min(max(in, 0), len(s.file))
}

func (s *source) partAt(offset int) part {
	p := s.parts[0]
	for _, next := range s.parts {
		if next.out > offset {
			break
		}
		p = next
	}
	return p
}

// written tells whether the stretch of text stands in the file as it is.
func (s *source) written(from, to int) bool {
	return !s.partAt(from).filled && s.partAt(from) == s.partAt(to-1)
}

// at returns the offset in the text of a line and a column, from 1.
func (s *source) at(line, column int) int {
	offset := 0
	for ; line > 1; line-- {
		i := strings.IndexByte(s.text[offset:], '\n')
		if i < 0 {
			break
		}
		offset += i + 1
	}
	for ; column > 1 && offset < len(s.text); column-- {
		_, n := utf8.DecodeRuneInString(s.text[offset:])
		offset += n
	}
	return offset
}

// sample is a value to fill in; open: nothing is known of its type.
type sample struct {
	json  json.RawMessage
	open  bool
	cases bool // it may hold ${names} itself
}

// fill puts samples in the place of the ${names} of a definition.
func fill(file string, lookup func(name string) sample) *source {
	s := &source{file: file, open: map[int]bool{}}
	var b strings.Builder
	s.fill(&b, file, -1, lookup)
	s.text = b.String()
	return s
}

// fill writes text; in is the place in the file that all of it stands for, or -1
// if text is the file itself.
func (s *source) fill(b *strings.Builder, text string, in int, lookup func(string) sample) {
	mark := func(at int, filled bool) {
		if in >= 0 {
			at, filled = in, true
		}
		s.parts = append(s.parts, part{b.Len(), at, filled})
	}
	last := 0
	mark(0, false)
	for _, m := range reference.FindAllStringSubmatchIndex(text, -1) {
		from, to := m[0], m[1]
		v := lookup(text[m[2]:m[3]])
		// The quote before it may be the one behind another: "${A}"${B}".
		whole := from > last && text[from-1] == '"' && (from < 2 || text[from-2] != '\\') && to < len(text) && text[to] == '"'
		if whole && isKey(text[to+1:]) {
			whole = false
		}
		if !whole {
			b.WriteString(text[last:from])
			mark(from, true)
			b.WriteString(inString(v))
			last = to
			mark(to, false)
			continue
		}
		b.WriteString(text[last : from-1])
		mark(from-1, true)
		if v.open {
			s.open[b.Len()] = true
		}
		if v.cases {
			at := from - 1
			if in >= 0 {
				at = in
			}
			s.fill(b, string(v.json), at, lookup)
		} else {
			b.Write(v.json)
		}
		last = to + 1
		mark(to+1, false)
	}
	b.WriteString(text[last:])
}

// isKey tells whether what follows a string shows that it names a field.
func isKey(rest string) bool {
	return strings.HasPrefix(strings.TrimLeft(rest, " \t\r\n"), ":")
}

// inString is a sample as part of a longer string.
func inString(v sample) string {
	text := string(v.json)
	if strings.HasPrefix(text, `"`) && len(text) >= 2 {
		return text[1 : len(text)-1]
	}
	if strings.ContainsAny(text, "[{\"") {
		return "sample" // refused elsewhere: a list can't be part of a text
	}
	return text
}

// sampleOf is a value that a parameter may have.
func sampleOf(p *spec.Parameter) sample {
	v := p.Default
	if v == nil {
		v = p.Example
	}
	if v == nil && len(p.Enum) > 0 {
		v = p.Enum[0]
	}
	if v == nil {
		v = zeroOf(p)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("check: the value of a parameter is JSON: %v", err))
	}
	return sample{json: raw}
}

func zeroOf(p *spec.Parameter) any {
	switch p.Type {
	case spec.TypeInt, spec.TypeFloat:
		if p.Min != nil {
			return *p.Min
		}
		return 1
	case spec.TypeBool:
		return false
	case spec.TypeList:
		return []string{}
	case spec.TypeMap:
		return map[string]string{}
	case spec.TypeARN:
		return "arn:aws:iam::000000000000:role/sample"
	}
	return "sample"
}

// inLiteral returns the offset in the text of the character that stands at index
// i of the string node n.
func inLiteral(text string, n *value.Node, i int) int {
	at := n.Offset + 1
	for i > 0 && at < len(text) && text[at] != '"' {
		if text[at] != '\\' {
			_, size := utf8.DecodeRuneInString(text[at:])
			at, i = at+size, i-size
			continue
		}
		size, decoded := escape(text[at:])
		at, i = at+size, i-decoded
	}
	return min(at, len(text))
}

// escape returns the length of the escape sequence that text begins with, and
// that of the UTF-8 it stands for.
func escape(text string) (size, decoded int) {
	if len(text) < 6 || text[1] != 'u' {
		return min(2, len(text)), 1
	}
	var r rune
	if _, err := fmt.Sscanf(text[2:6], "%04x", &r); err != nil {
		return 2, 1
	}
	if r >= 0xd800 && r < 0xdc00 && len(text) >= 12 && text[6:8] == `\u` {
		return 12, 4
	}
	return 6, max(utf8.RuneLen(r), 1)
}
