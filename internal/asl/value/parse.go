package value

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds nesting, so that hostile text cannot exhaust the stack.
const maxDepth = 1000

// maxNumber bounds the characters of a number, as Jackson does: what is done with
// a number takes more than linear time.
const maxNumber = 1000

// SyntaxError tells where a text stops being JSON. Line and Column count from 1,
// as Jackson (the parser of AWS) counts them.
type SyntaxError struct {
	Msg          string
	Line, Column int
	Source       string
}

// Error is the message without the position, as Step Functions shows it.
func (e *SyntaxError) Error() string { return e.Msg }

// Location is the position as ValidateStateMachineDefinition writes it.
func (e *SyntaxError) Location() string {
	return fmt.Sprintf("[Source: (String)\"%s\"; line: %d, column: %d]", e.Source, e.Line, e.Column)
}

// Parse reads one JSON document.
func Parse(text string) (any, error) {
	s := scanner{text: text}
	return document(&s, (*scanner).value)
}

// MustParse is Parse for texts known to be right; it panics otherwise.
func MustParse(text string) any {
	v, err := Parse(text)
	if err != nil {
		panic(err)
	}
	return v
}

func document[T any](s *scanner, read func(*scanner, int) (T, error)) (T, error) {
	var zero T
	s.space()
	if s.pos >= len(s.text) {
		return zero, s.failAt(s.pos, "No content to map due to end-of-input")
	}
	v, err := read(s, 0)
	if err != nil {
		return zero, err
	}
	s.space()
	if s.pos < len(s.text) {
		return zero, s.unexpected("Unexpected trailing content after the document")
	}
	return v, nil
}

type scanner struct {
	text string
	pos  int
}

func (s *scanner) space() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

func (s *scanner) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, s.failAt(s.pos, "Document nesting depth exceeds the maximum allowed")
	}
	switch c := s.text[s.pos]; c {
	case '{':
		o := NewObject(4)
		err := s.object(func(key string, _ int) error {
			v, err := s.value(depth + 1)
			o.Set(key, v)
			return err
		})
		return o, err
	case '[':
		list := []any{}
		err := s.array(func() error {
			v, err := s.value(depth + 1)
			list = append(list, v)
			return err
		})
		return list, err
	case '"':
		return s.str()
	default:
		return s.scalar(c)
	}
}

func (s *scanner) scalar(c byte) (any, error) {
	if c == '-' || (c >= '0' && c <= '9') {
		return s.num()
	}
	switch word := s.word(); word {
	case "true":
		s.pos += 4
		return true, nil
	case "false":
		s.pos += 5
		return false, nil
	case "null":
		s.pos += 4
		return nil, nil
	case "":
		return nil, s.unexpected("expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')")
	default:
		return nil, s.failAt(s.pos+len(word), fmt.Sprintf("Unrecognized token '%s': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')", word))
	}
}

// word returns the identifier at the position: Jackson reports the whole of it.
func (s *scanner) word() string {
	end := s.pos
	for end < len(s.text) {
		r, n := utf8.DecodeRuneInString(s.text[end:])
		if r != '_' && r != '$' && !isLetter(r) && !(end > s.pos && r >= '0' && r <= '9') {
			break
		}
		end += n
	}
	return s.text[s.pos:end]
}

func isLetter(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= 0x80 && r != utf8.RuneError
}

func (s *scanner) object(field func(key string, keyAt int) error) error {
	s.pos++
	for first := true; ; first = false {
		s.space()
		if s.eof() {
			return s.failAt(s.pos, "Unexpected end-of-input within/between Object entries")
		}
		if s.text[s.pos] == '}' && first {
			s.pos++
			return nil
		}
		if s.text[s.pos] != '"' {
			return s.unexpected("was expecting double-quote to start field name")
		}
		at := s.pos
		key, err := s.str()
		if err != nil {
			return err
		}
		s.space()
		if s.eof() {
			return s.failAt(s.pos, "Unexpected end-of-input within/between Object entries")
		}
		if s.text[s.pos] != ':' {
			return s.unexpected("was expecting a colon to separate field name and value")
		}
		s.pos++
		s.space()
		if s.eof() {
			return s.failAt(s.pos, "Unexpected end-of-input within/between Object entries")
		}
		if err := field(key, at); err != nil {
			return err
		}
		s.space()
		if s.eof() {
			return s.failAt(s.pos, "Unexpected end-of-input: expected close marker for Object")
		}
		switch s.text[s.pos] {
		case ',':
			s.pos++
		case '}':
			s.pos++
			return nil
		default:
			return s.unexpected("was expecting comma to separate Object entries")
		}
	}
}

func (s *scanner) array(element func() error) error {
	s.pos++
	s.space()
	if !s.eof() && s.text[s.pos] == ']' {
		s.pos++
		return nil
	}
	for {
		s.space()
		if s.eof() {
			return s.failAt(s.pos, "Unexpected end-of-input: expected close marker for Array")
		}
		if err := element(); err != nil {
			return err
		}
		s.space()
		if s.eof() {
			return s.failAt(s.pos, "Unexpected end-of-input: expected close marker for Array")
		}
		switch s.text[s.pos] {
		case ',':
			s.pos++
		case ']':
			s.pos++
			return nil
		default:
			return s.unexpected("was expecting comma to separate Array entries")
		}
	}
}

func (s *scanner) eof() bool { return s.pos >= len(s.text) }

func (s *scanner) num() (any, error) {
	start := s.pos
	digits := func() bool {
		from := s.pos
		for !s.eof() && s.text[s.pos] >= '0' && s.text[s.pos] <= '9' {
			s.pos++
		}
		return s.pos > from
	}
	if s.text[s.pos] == '-' {
		s.pos++
	}
	first := s.pos
	if !digits() {
		return nil, s.unexpected("expected digit (0-9) to follow minus sign, for valid numeric value")
	}
	if s.text[first] == '0' && s.pos > first+1 {
		return nil, s.failAt(first+1, "Invalid numeric value: Leading zeroes not allowed")
	}
	if !s.eof() && s.text[s.pos] == '.' {
		s.pos++
		if !digits() {
			return nil, s.unexpected("Decimal point not followed by a digit")
		}
	}
	if !s.eof() && (s.text[s.pos] == 'e' || s.text[s.pos] == 'E') {
		s.pos++
		if !s.eof() && (s.text[s.pos] == '+' || s.text[s.pos] == '-') {
			s.pos++
		}
		if !digits() {
			return nil, s.unexpected("Exponent indicator not followed by a digit")
		}
	}
	if !s.eof() && isLetter(rune(s.text[s.pos])) {
		return nil, s.unexpected("Expected space separating root-level values")
	}
	if n := s.pos - start; n > maxNumber {
		return nil, s.failAt(s.pos, fmt.Sprintf("Number value length (%d) exceeds the maximum allowed (%d, from `StreamReadConstraints.getMaxNumberLength()`)", n, maxNumber))
	}
	return number(s.text[start:s.pos]), nil
}

func (s *scanner) str() (string, error) {
	s.pos++
	start := s.pos
	for i := s.pos; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			s.pos = i + 1
			return s.text[start:i], nil
		case c == '\\':
			return s.escaped(start, i)
		case c < 0x20:
			s.pos = i
			return "", s.failAt(i, fmt.Sprintf("Illegal unquoted character ((CTRL-CHAR, code %d)): has to be escaped using backslash to be included in string value", c))
		}
	}
	s.pos = len(s.text)
	return "", s.failAt(s.pos, "Unexpected end-of-input in VALUE_STRING")
}

func (s *scanner) escaped(start, i int) (string, error) {
	var b strings.Builder
	b.WriteString(s.text[start:i])
	for i < len(s.text) {
		c := s.text[i]
		switch {
		case c == '"':
			s.pos = i + 1
			return b.String(), nil
		case c < 0x20:
			return "", s.failAt(i, fmt.Sprintf("Illegal unquoted character ((CTRL-CHAR, code %d)): has to be escaped using backslash to be included in string value", c))
		case c != '\\':
			b.WriteByte(c)
			i++
			continue
		}
		if i+1 >= len(s.text) {
			break
		}
		r, n := unescape(s.text[i:])
		if n == 0 {
			s.pos = i + 1
			return "", s.failAt(i+1, fmt.Sprintf("Unrecognized character escape '%c' (code %d)", s.text[i+1], s.text[i+1]))
		}
		b.WriteRune(r)
		i += n
	}
	s.pos = len(s.text)
	return "", s.failAt(s.pos, "Unexpected end-of-input in VALUE_STRING")
}

// unescape reads one escape sequence and returns its length, 0 if it is none.
func unescape(t string) (rune, int) {
	switch t[1] {
	case '"', '\\', '/':
		return rune(t[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r, ok := hex4(t[2:])
		if !ok {
			return 0, 0
		}
		if utf16.IsSurrogate(r) && len(t) >= 12 && t[6] == '\\' && t[7] == 'u' {
			if low, ok := hex4(t[8:]); ok {
				if full := utf16.DecodeRune(r, low); full != utf8.RuneError {
					return full, 12
				}
			}
		}
		return r, 6
	}
	return 0, 0
}

func hex4(t string) (rune, bool) {
	if len(t) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(t[:4], 16, 32)
	return rune(n), err == nil
}

// unexpected reports the character at the position.
func (s *scanner) unexpected(want string) error {
	if s.eof() {
		return s.failAt(s.pos, "Unexpected end-of-input")
	}
	r, n := utf8.DecodeRuneInString(s.text[s.pos:])
	return s.failAt(s.pos+n, fmt.Sprintf("Unexpected character ('%c' (code %d)): %s", r, r, want))
}

func (s *scanner) failAt(pos int, msg string) error {
	line, col := Position(s.text, pos)
	return &SyntaxError{Msg: msg, Line: line, Column: col, Source: s.text}
}

// Position turns a byte offset into line and column, both from 1; the column
// counts characters. For many offsets of one text use Positions.
func Position(text string, offset int) (line, column int) {
	line, column = 1, 1
	return advance(text[:min(offset, len(text))], line, column)
}

// advance moves a position over text.
func advance(text string, line, column int) (int, int) {
	if n := strings.Count(text, "\n"); n > 0 {
		line, column = line+n, 1
		text = text[strings.LastIndexByte(text, '\n')+1:]
	}
	for i := range len(text) {
		if utf8.RuneStart(text[i]) { // a part of the text may begin inside a character
			column++
		}
	}
	return line, column
}

// every is how many bytes lie between the marks of Positions.
const every = 1024

// Positions finds lines and columns in one text, each in the same time however
// long the text is. It is immutable and safe for concurrent use.
type Positions struct {
	text  string
	marks []mark // of the offsets 0, every, 2*every, ...
}

type mark struct{ line, column int }

// NewPositions returns the positions of a text.
func NewPositions(text string) *Positions {
	p := &Positions{text: text, marks: make([]mark, 0, len(text)/every+1)}
	m := mark{1, 1}
	for at := 0; ; at += every {
		p.marks = append(p.marks, m)
		if at+every > len(text) {
			return p
		}
		m.line, m.column = advance(text[at:at+every], m.line, m.column)
	}
}

// Of is Position in the text.
func (p *Positions) Of(offset int) (line, column int) {
	offset = min(offset, len(p.text))
	i := offset / every
	return advance(p.text[i*every:offset], p.marks[i].line, p.marks[i].column)
}
