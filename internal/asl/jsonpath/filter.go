package jsonpath

import (
	"regexp"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// filter decides on one candidate.
type filter func(candidate, root any) bool

// operand yields a value; ok is false if its path leads nowhere.
type operand func(candidate, root any) (v any, ok bool)

func (c *compiler) filterStep() (*step, error) {
	start := c.pos
	c.pos++ // '?'
	c.skip()
	if c.peek() != '(' {
		return nil, c.fail("'(' is missing after '?'")
	}
	c.pos++
	f, err := c.or()
	if err != nil {
		return nil, err
	}
	c.skip()
	if c.peek() != ')' {
		return nil, c.fail("')' is missing")
	}
	c.pos++
	return &step{kind: stepFilter, filter: f, filterText: c.text[start:c.pos]}, nil
}

func (c *compiler) take(token string) bool {
	c.skip()
	if strings.HasPrefix(c.text[c.pos:], token) {
		c.pos += len(token)
		return true
	}
	return false
}

func (c *compiler) or() (filter, error) {
	left, err := c.and()
	for err == nil && c.take("||") {
		var right filter
		if right, err = c.and(); err == nil {
			l := left
			left = func(v, root any) bool { return l(v, root) || right(v, root) }
		}
	}
	return left, err
}

func (c *compiler) and() (filter, error) {
	left, err := c.unary()
	for err == nil && c.take("&&") {
		var right filter
		if right, err = c.unary(); err == nil {
			l := left
			left = func(v, root any) bool { return l(v, root) && right(v, root) }
		}
	}
	return left, err
}

func (c *compiler) unary() (filter, error) {
	c.skip()
	if c.peek() == '!' && !strings.HasPrefix(c.text[c.pos:], "!=") {
		c.pos++
		f, err := c.unary()
		if err != nil {
			return nil, err
		}
		return func(v, root any) bool { return !f(v, root) }, nil
	}
	if c.peek() == '(' {
		c.pos++
		f, err := c.or()
		if err != nil {
			return nil, err
		}
		if !c.take(")") {
			return nil, c.fail("')' is missing")
		}
		return f, nil
	}
	return c.comparison()
}

var operators = []string{"==", "!=", "<=", ">=", "=~", "<", ">", "nin", "in", "contains", "size", "empty"}

func (c *compiler) comparison() (filter, error) {
	left, err := c.operand()
	if err != nil {
		return nil, err
	}
	for _, op := range operators {
		if !c.take(op) {
			continue
		}
		c.skip()
		if op == "=~" {
			re, err := c.regex()
			if err != nil {
				return nil, err
			}
			return func(v, root any) bool {
				l, ok := left(v, root)
				s, isText := l.(string)
				return ok && isText && re.MatchString(s)
			}, nil
		}
		right, err := c.operand()
		if err != nil {
			return nil, err
		}
		return func(v, root any) bool {
			l, okl := left(v, root)
			r, okr := right(v, root)
			return compare(op, l, r, okl, okr)
		}, nil
	}
	return func(v, root any) bool { _, ok := left(v, root); return ok }, nil
}

func compare(op string, l, r any, okl, okr bool) bool {
	switch op {
	case "==":
		return okl && okr && value.Equal(l, r)
	case "!=":
		return !(okl && okr && value.Equal(l, r))
	}
	if !okl || !okr {
		return false
	}
	switch op {
	case "in", "nin":
		list, _ := r.([]any)
		return contains(list, l) == (op == "in")
	case "contains":
		if s, ok := l.(string); ok {
			sub, ok := r.(string)
			return ok && strings.Contains(s, sub)
		}
		list, _ := l.([]any)
		return contains(list, r)
	case "size", "empty":
		n := -1
		switch x := l.(type) {
		case []any:
			n = len(x)
		case string:
			n = len([]rune(x))
		}
		if op == "empty" {
			want, ok := r.(bool)
			return ok && n >= 0 && (n == 0) == want
		}
		want, ok := r.(value.Number)
		return ok && value.Compare(want, value.Int(int64(n))) == 0
	}
	cmp, ok := order(l, r)
	if !ok {
		return false
	}
	switch op {
	case "<":
		return cmp < 0
	case "<=":
		return cmp <= 0
	case ">":
		return cmp > 0
	default:
		return cmp >= 0
	}
}

func order(l, r any) (int, bool) {
	switch x := l.(type) {
	case value.Number:
		y, ok := r.(value.Number)
		if !ok {
			return 0, false
		}
		return value.Compare(x, y), true
	case string:
		y, ok := r.(string)
		return strings.Compare(x, y), ok
	}
	return 0, false
}

func contains(list []any, v any) bool {
	for _, e := range list {
		if value.Equal(e, v) {
			return true
		}
	}
	return false
}

func (c *compiler) operand() (operand, error) {
	c.skip()
	switch b := c.peek(); {
	case b == '@' || b == '$':
		return c.pathOperand(b)
	case b == '\'' || b == '"':
		s, err := c.quoted()
		return constant(s), err
	case b == '[':
		return c.literal(matching(c.text[c.pos:], '[', ']'))
	case b == 't' || b == 'f' || b == 'n' || b == '-' || (b >= '0' && b <= '9'):
		end := c.pos
		for end < len(c.text) && !strings.ContainsRune(" )&|=<>!,]", rune(c.text[end])) {
			end++
		}
		return c.literal(end - c.pos)
	}
	return nil, c.fail("a value is missing in a filter")
}

func constant(v any) operand { return func(_, _ any) (any, bool) { return v, true } }

func (c *compiler) literal(n int) (operand, error) {
	if n <= 0 {
		return nil, c.fail("a bad value in a filter")
	}
	text := c.text[c.pos : c.pos+n]
	v, err := value.Parse(text)
	if err != nil {
		v, err = value.Parse(strings.ReplaceAll(text, "'", `"`))
	}
	if err != nil {
		return nil, c.fail("a bad value in a filter")
	}
	c.pos += n
	return constant(v), nil
}

func matching(t string, open, closing byte) int {
	depth := 0
	for i := range len(t) {
		switch t[i] {
		case open:
			depth++
		case closing:
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

func (c *compiler) pathOperand(first byte) (operand, error) {
	start := c.pos
	c.pos++
	c.filters++
	defer func() { c.filters-- }()
	p := &Path{definite: true}
	for c.peek() == '.' || c.peek() == '[' {
		s, err := c.step()
		if err != nil {
			return nil, err
		}
		if s == nil {
			p.function = c.function
			break
		}
		p.steps = append(p.steps, *s)
		p.definite = p.definite && s.definite()
	}
	p.text = c.text[start:c.pos]
	return func(v, root any) (any, bool) {
		if first == '$' {
			v = root
		}
		out, err := p.Eval(v)
		return out, err == nil
	}, nil
}

func (c *compiler) regex() (*regexp.Regexp, error) {
	if c.peek() != '/' {
		return nil, c.fail("a regular expression is missing")
	}
	end := c.pos + 1
	for end < len(c.text) && c.text[end] != '/' {
		if c.text[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(c.text) {
		return nil, c.fail("a regular expression is not closed")
	}
	body := c.text[c.pos+1 : end]
	c.pos = end + 1
	if c.peek() == 'i' {
		c.pos++
		body = "(?i)" + body
	}
	re, err := regexp.Compile("^(?:" + body + ")$")
	if err != nil {
		return nil, c.fail("a bad regular expression")
	}
	return re, nil
}
