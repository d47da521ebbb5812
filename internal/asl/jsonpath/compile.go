package jsonpath

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Compile parses a path that begins with "$".
func Compile(text string) (*Path, error) {
	c := &compiler{text: text}
	if !strings.HasPrefix(text, "$") {
		return nil, c.fail("a path must begin with '$'")
	}
	c.pos = 1
	p := &Path{text: text, definite: true}
	for c.pos < len(text) {
		s, err := c.step()
		if err != nil {
			return nil, err
		}
		if s == nil { // a trailing function
			p.function = c.function
			if c.pos != len(text) {
				return nil, c.fail("a function must end the path")
			}
			break
		}
		p.steps = append(p.steps, *s)
		p.definite = p.definite && s.definite()
	}
	return p, nil
}

// SplitVariable splits "$name.rest" into "name" and ".rest"; name is empty if
// the text is a path ("$", "$.a", "$[0]").
func SplitVariable(text string) (name, rest string) {
	body := strings.TrimPrefix(text, "$")
	end := 0
	for end < len(body) && body[end] != '.' && body[end] != '[' {
		end++
	}
	return body[:end], body[end:]
}

type compiler struct {
	text     string
	pos      int
	function string
	filters  int // how many filters are open around the position
}

func (c *compiler) fail(format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrSyntax, fmt.Sprintf(format, args...), c.text)
}

func (c *compiler) peek() byte {
	if c.pos < len(c.text) {
		return c.text[c.pos]
	}
	return 0
}

func (c *compiler) step() (*step, error) {
	deep := false
	switch c.peek() {
	case '.':
		c.pos++
		if c.peek() == '.' {
			deep = true
			c.pos++
		}
		if c.peek() != '[' {
			return c.dotted(deep)
		}
		if !deep {
			return nil, c.fail("'.' before '['")
		}
	case '[':
	default:
		return nil, c.fail("unexpected '%c'", c.peek())
	}
	s, err := c.bracket()
	if s != nil {
		s.deep = deep
	}
	return s, err
}

func (c *compiler) dotted(deep bool) (*step, error) {
	if c.peek() == '*' {
		c.pos++
		return &step{kind: stepWildcard, deep: deep}, nil
	}
	start := c.pos
	for c.pos < len(c.text) {
		b := c.text[c.pos]
		if strings.IndexByte(".[( ,)", b) >= 0 || c.filters > 0 && strings.IndexByte("=<>!&|~", b) >= 0 {
			break
		}
		c.pos++
	}
	name := c.text[start:c.pos]
	if name == "" {
		return nil, c.fail("a name is missing")
	}
	if strings.HasPrefix(c.text[c.pos:], "()") {
		if !knownFunction(name) {
			return nil, c.fail("unknown function %s()", name)
		}
		c.pos += 2
		c.function = name
		return nil, nil
	}
	if b := c.peek(); b != 0 && b != '.' && b != '[' && c.filters == 0 {
		return nil, c.fail("unexpected '%c'", b)
	}
	return &step{kind: stepNames, names: []string{name}, deep: deep}, nil
}

func (c *compiler) skip() {
	for c.peek() == ' ' {
		c.pos++
	}
}

func (c *compiler) bracket() (*step, error) {
	c.pos++ // '['
	c.skip()
	var s *step
	var err error
	switch b := c.peek(); {
	case b == '*':
		c.pos++
		s = &step{kind: stepWildcard}
	case b == '\'' || b == '"':
		s, err = c.names()
	case b == '?':
		s, err = c.filterStep()
	case b == ':' || b == '-' || unicode.IsDigit(rune(b)):
		s, err = c.numbers()
	default:
		err = c.fail("unexpected content in brackets")
	}
	if err != nil {
		return nil, err
	}
	c.skip()
	if c.peek() != ']' {
		return nil, c.fail("']' is missing")
	}
	c.pos++
	return s, nil
}

func (c *compiler) names() (*step, error) {
	s := &step{kind: stepNames}
	for {
		name, err := c.quoted()
		if err != nil {
			return nil, err
		}
		s.names = append(s.names, name)
		c.skip()
		if c.peek() != ',' {
			return s, nil
		}
		c.pos++
		c.skip()
	}
}

// quoted reads a quoted name. Only an escaped quote is unescaped: Step Functions
// takes every other backslash as it stands.
func (c *compiler) quoted() (string, error) {
	q := c.peek()
	if q != '\'' && q != '"' {
		return "", c.fail("a quoted name is missing")
	}
	var b strings.Builder
	for i := c.pos + 1; i < len(c.text); i++ {
		ch := c.text[i]
		if ch == '\\' && i+1 < len(c.text) && c.text[i+1] == q {
			b.WriteByte(q)
			i++
			continue
		}
		if ch == q {
			c.pos = i + 1
			return b.String(), nil
		}
		b.WriteByte(ch)
	}
	return "", c.fail("a quote is not closed")
}

func (c *compiler) int() (int, bool, error) {
	start := c.pos
	if c.peek() == '-' {
		c.pos++
	}
	for c.pos < len(c.text) && c.text[c.pos] >= '0' && c.text[c.pos] <= '9' {
		c.pos++
	}
	if c.pos == start {
		return 0, false, nil
	}
	n, err := strconv.Atoi(c.text[start:c.pos])
	if err != nil {
		return 0, false, c.fail("a bad index")
	}
	return n, true, nil
}

func (c *compiler) numbers() (*step, error) {
	first, has, err := c.int()
	if err != nil {
		return nil, err
	}
	c.skip()
	if c.peek() == ':' {
		c.pos++
		c.skip()
		s := &step{kind: stepSlice, from: first, hasFrom: has}
		s.to, s.hasTo, err = c.int()
		return s, err
	}
	s := &step{kind: stepIndexes, indexes: []int{first}}
	for c.peek() == ',' {
		c.pos++
		c.skip()
		n, has, err := c.int()
		if err != nil || !has {
			return nil, c.fail("an index is missing")
		}
		s.indexes = append(s.indexes, n)
		c.skip()
	}
	return s, nil
}
