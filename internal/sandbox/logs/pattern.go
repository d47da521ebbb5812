package logs

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Filter patterns, by
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html.

// pattern is a filter pattern that was read.
type pattern interface {
	// holds tells whether the pattern matches a message.
	holds(message string) bool
	// values are what the pattern names of a message that it matches, by the names
	// that the pattern has for them: $.member, $column. Terms name nothing.
	values(message string) map[string]string
	// value is what a metric filter takes from a message: a $.member, whether or
	// not the pattern has it, or a $column.
	value(message, selector string) (string, bool)
}

// parsePattern reads a filter pattern: terms, a %regular expression%, a
// { condition } on the members of a JSON message, or [names, and conditions on
// them] for the columns of a message.
func parsePattern(p string) (pattern, error) {
	p = strings.TrimSpace(strings.ToValidUTF8(p, "\ufffd"))
	switch {
	case strings.HasPrefix(p, "{"):
		return parseJSONPattern(p)
	case strings.HasPrefix(p, "["):
		return parseColumns(p)
	case len(p) > 2 && strings.HasPrefix(p, "%") && strings.HasSuffix(p, "%"):
		re, err := regexp.Compile(p[1 : len(p)-1])
		if err != nil {
			return nil, badPattern("the regular expression cannot be read")
		}
		return textPattern(re.MatchString), nil
	}
	return parseTerms(p)
}

// textPattern looks at the text of a message alone. The members of a message that
// is JSON may be asked for all the same.
type textPattern func(message string) bool

func (p textPattern) holds(message string) bool     { return p(message) }
func (textPattern) values(string) map[string]string { return map[string]string{} }
func (textPattern) value(message, selector string) (string, bool) {
	return memberOf(message, selector)
}

func badPattern(why string) error { return errInvalid("Invalid filter pattern: %s", why) }

// parseTerms reads terms: all must occur, -term must not, of ?terms one must;
// "quotes" hold a phrase together.
func parseTerms(p string) (pattern, error) {
	var all, none, some []string
	for ; p != ""; p = strings.TrimLeft(p, " ") {
		list := &all
		switch p[0] {
		case '-':
			list, p = &none, p[1:]
		case '?':
			list, p = &some, p[1:]
		}
		var term string
		if strings.HasPrefix(p, `"`) {
			end := strings.Index(p[1:], `"`)
			if end < 0 {
				return nil, badPattern("a quotation mark is not closed")
			}
			term, p = p[1:1+end], p[2+end:]
		} else {
			term, p, _ = strings.Cut(p, " ")
		}
		if term != "" {
			*list = append(*list, term)
		}
	}
	return textPattern(func(message string) bool {
		in := func(term string) bool { return strings.Contains(message, term) }
		if slices.ContainsFunc(none, in) || slices.ContainsFunc(all, func(t string) bool { return !in(t) }) {
			return false
		}
		return len(some) == 0 || len(all) > 0 || slices.ContainsFunc(some, in)
	}), nil
}

// condition is a condition on a decoded message.
type condition func(doc any) bool

// jsonPattern is a condition on the members of a message, and the members that it
// names.
type jsonPattern struct {
	condition
	selectors []string
}

func parseJSONPattern(p string) (pattern, error) {
	inner, ok := strings.CutSuffix(strings.TrimPrefix(p, "{"), "}")
	if !ok {
		return nil, badPattern("a brace is not closed")
	}
	out := &jsonPattern{}
	r := &patternReader{rest: inner, stop: jsonStop}
	r.operand = func() (operand, error) {
		before := r.peek()
		path, err := r.selector()
		out.selectors = append(out.selectors, strings.TrimSpace(before[:len(before)-len(r.rest)]))
		return func(doc any) []any { return selectValues(doc, path) }, err
	}
	var err error
	out.condition, err = r.alternatives(0)
	if err == nil && r.peek() != "" {
		err = badPattern("unexpected " + strconv.Quote(r.rest))
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// decoded is a message that is a JSON object or list, and nothing else: what else
// begins as JSON does, an address or a date, has no members.
func decoded(message string) (any, bool) {
	dec := json.NewDecoder(strings.NewReader(message))
	dec.UseNumber()
	var doc any
	if dec.Decode(&doc) != nil {
		return nil, false
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, false
	}
	switch doc.(type) {
	case map[string]any, []any:
		return doc, true
	}
	return nil, false
}

func (p *jsonPattern) holds(message string) bool {
	doc, ok := decoded(message)
	return ok && p.condition(doc)
}

func (p *jsonPattern) values(message string) map[string]string {
	out := map[string]string{}
	for _, s := range p.selectors {
		if v, ok := memberOf(message, s); ok {
			out[s] = v
		}
	}
	return out
}

func (*jsonPattern) value(message, selector string) (string, bool) {
	return memberOf(message, selector)
}

// memberOf is the text of a message's member.
func memberOf(message, selector string) (string, bool) {
	r := &patternReader{rest: selector}
	path, err := r.selector()
	doc, ok := decoded(message)
	if err != nil || !ok || r.rest != "" {
		return "", false
	}
	found := selectValues(doc, path)
	if len(found) == 0 {
		return "", false
	}
	if text, ok := scalar(found[0]); ok {
		return text, true
	}
	raw, err := json.Marshal(found[0])
	return string(raw), err == nil
}

// operand is what a condition looks at: none, one or several values.
type operand func(doc any) []any

// patternReader reads a condition from left to right.
type patternReader struct {
	rest    string
	operand func() (operand, error)
	stop    string // what ends a value without quotation marks
}

const jsonStop = " \t\r\n)&|"

// maxNesting bounds the parentheses of a pattern; its length the API bounds.
const maxNesting = 50

func (r *patternReader) peek() string {
	r.rest = strings.TrimLeft(r.rest, " \t\r\n")
	return r.rest
}

// take removes a token if it comes next.
func (r *patternReader) take(token string) bool {
	if len(r.peek()) < len(token) || !strings.EqualFold(r.rest[:len(token)], token) {
		return false
	}
	r.rest = r.rest[len(token):]
	return true
}

func (r *patternReader) alternatives(depth int) (condition, error) {
	return r.chain("||", func() (condition, error) {
		return r.chain("&&", func() (condition, error) { return r.single(depth) }, true)
	}, false)
}

// chain reads conditions that are joined by a token. The chain ends with the
// first that is not as `all` says: false for "and", true for "or".
func (r *patternReader) chain(token string, part func() (condition, error), all bool) (condition, error) {
	var parts []condition
	for {
		c, err := part()
		if err != nil {
			return nil, err
		}
		parts = append(parts, c)
		if !r.take(token) {
			break
		}
	}
	return func(doc any) bool {
		for _, c := range parts {
			if c(doc) != all {
				return !all
			}
		}
		return all
	}, nil
}

func (r *patternReader) single(depth int) (condition, error) {
	if r.take("(") {
		if depth == maxNesting {
			return nil, badPattern("too many parentheses")
		}
		c, err := r.alternatives(depth + 1)
		if err == nil && !r.take(")") {
			err = badPattern("a parenthesis is not closed")
		}
		return c, err
	}
	get, err := r.operand()
	if err != nil {
		return nil, err
	}
	some := func(test func(any) bool) condition {
		return func(doc any) bool { return slices.ContainsFunc(get(doc), test) }
	}
	switch {
	case r.take("NOT EXISTS"):
		return func(doc any) bool { return len(get(doc)) == 0 }, nil
	case r.take("EXISTS"):
		return some(func(any) bool { return true }), nil
	case r.take("IS TRUE"):
		return some(func(v any) bool { return v == true }), nil
	case r.take("IS FALSE"):
		return some(func(v any) bool { return v == false }), nil
	case r.take("IS NULL"):
		return some(func(v any) bool { return v == nil }), nil
	}
	for _, op := range []string{"!=", "<=", ">=", "=", "<", ">"} {
		if r.take(op) {
			test, err := r.comparison(op)
			return some(test), err
		}
	}
	return nil, badPattern("a comparison is missing before " + strconv.Quote(r.rest))
}

// step is a member's name, an index, or "*" for all.
type step struct {
	name  string
	index int
	any   bool
}

// selector reads $.name, $.a["b"], $.list[0], $.list[*].x and the like.
func (r *patternReader) selector() ([]step, error) {
	if !r.take("$") {
		return nil, badPattern("a selector begins with $, not " + strconv.Quote(r.rest))
	}
	var path []step
	for {
		switch {
		case strings.HasPrefix(r.rest, "."):
			r.rest = r.rest[1:]
			end := strings.IndexAny(r.rest, ".[ \t\r\n=!<>)")
			if end < 0 {
				end = len(r.rest)
			}
			if end == 0 {
				return nil, badPattern("a name is missing in a selector")
			}
			path = append(path, step{name: r.rest[:end], index: -1, any: r.rest[:end] == "*"})
			r.rest = r.rest[end:]
		case strings.HasPrefix(r.rest, "["):
			inside, rest, ok := strings.Cut(r.rest[1:], "]")
			if !ok {
				return nil, badPattern("a bracket is not closed")
			}
			r.rest = rest
			s := step{name: strings.Trim(inside, `"'`), index: -1, any: inside == "*"}
			if n, err := strconv.Atoi(inside); err == nil {
				s = step{index: n}
			}
			path = append(path, s)
		default:
			if len(path) == 0 {
				return nil, badPattern("a selector names no member")
			}
			return path, nil
		}
	}
}

// selectValues are the values at a path: none, one, or with "*" several.
func selectValues(v any, path []step) []any {
	if len(path) == 0 {
		return []any{v}
	}
	s, rest := path[0], path[1:]
	var out []any
	switch x := v.(type) {
	case map[string]any:
		if s.any {
			for _, e := range x {
				out = append(out, selectValues(e, rest)...)
			}
		} else if e, ok := x[s.name]; ok && s.index < 0 {
			out = selectValues(e, rest)
		}
	case []any:
		for i, e := range x {
			if s.any || i == s.index {
				out = append(out, selectValues(e, rest)...)
			}
		}
	}
	return out
}

// comparison reads the value that a member is compared with: a number, a text
// with or without quotation marks, in which * stands for anything, or a %regular
// expression%.
func (r *patternReader) comparison(op string) (func(any) bool, error) {
	text, quoted, err := r.value()
	if err != nil {
		return nil, err
	}
	equal := op == "="
	if op == "=" || op == "!=" {
		if len(text) > 2 && !quoted && strings.HasPrefix(text, "%") && strings.HasSuffix(text, "%") {
			re, err := regexp.Compile(text[1 : len(text)-1])
			if err != nil {
				return nil, badPattern("the regular expression cannot be read")
			}
			return func(v any) bool { s, ok := scalar(v); return ok && re.MatchString(s) == equal }, nil
		}
	}
	number, err := strconv.ParseFloat(text, 64)
	numeric := err == nil && !quoted
	if op != "=" && op != "!=" {
		if !numeric {
			return nil, badPattern(op + " wants a number, not " + strconv.Quote(text))
		}
		return func(v any) bool {
			n, ok := v.(json.Number)
			f, err := n.Float64()
			return ok && err == nil && compare(f, number, op)
		}, nil
	}
	glob := wildcard(text)
	return func(v any) bool {
		if n, ok := v.(json.Number); ok && numeric {
			f, err := n.Float64()
			return err == nil && (f == number) == equal
		}
		s, ok := scalar(v)
		return ok && glob.MatchString(s) == equal
	}, nil
}

func compare(a, b float64, op string) bool {
	switch op {
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	default:
		return a >= b && !math.IsNaN(a)
	}
}

// scalar is the text of a string or number; objects, lists, null and booleans are
// compared with no text.
func scalar(v any) (string, bool) {
	switch x := v.(type) {
	case string:
		return x, true
	case json.Number:
		return x.String(), true
	}
	return "", false
}

func wildcard(text string) *regexp.Regexp {
	parts := strings.Split(text, "*")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile(`(?s)\A` + strings.Join(parts, ".*") + `\z`)
}

func (r *patternReader) value() (text string, quoted bool, err error) {
	if strings.HasPrefix(r.peek(), `"`) {
		var b strings.Builder
		for i := 1; i < len(r.rest); i++ {
			switch c := r.rest[i]; c {
			case '\\':
				if i++; i < len(r.rest) {
					b.WriteByte(r.rest[i])
				}
			case '"':
				r.rest = r.rest[i+1:]
				return b.String(), true, nil
			default:
				b.WriteByte(c)
			}
		}
		return "", false, badPattern("a quotation mark is not closed")
	}
	if strings.HasPrefix(r.rest, "%") {
		end := strings.Index(r.rest[1:], "%")
		if end < 0 {
			return "", false, badPattern("a regular expression is not closed")
		}
		text, r.rest = r.rest[:end+2], r.rest[end+2:]
		return text, false, nil
	}
	end := strings.IndexAny(r.rest, r.stop)
	if end < 0 {
		end = len(r.rest)
	}
	if end == 0 {
		return "", false, badPattern("a value is missing")
	}
	text, r.rest = r.rest[:end], r.rest[end:]
	return text, false, nil
}
