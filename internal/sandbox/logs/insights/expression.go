package insights

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// expression is evaluated for a record; nil is nothing.
type expression func(Record) any

func fieldOf(name string) expression { return func(r Record) any { return r[name] } }

// reader reads expressions of a command.
type reader struct {
	rest, token string
	depth       int
	q           *Query
	fields      map[string]bool // that were read
}

// maxDepth bounds how deep an expression may be nested.
const maxDepth = 200

var lexeme = lazyregexp.New("^(?:[0-9]+(?:\\.[0-9]+)?(?:ms|[smhdw])?\\b|[@A-Za-z_][@A-Za-z0-9_.]*|`[^`]*`|\"(?:[^\"\\\\]|\\\\.)*\"|'(?:[^'\\\\]|\\\\.)*'|/(?:[^/\\\\]|\\\\.)+/i?|=~|!=|<=|>=|[-+*/^%=<>(),\\[\\]])")

// field is that of a name.
func (r *reader) field(name string) expression {
	r.fields[name] = true
	return fieldOf(name)
}

func (q *Query) read(text string) (*reader, error) {
	r := &reader{rest: text, q: q, fields: map[string]bool{}}
	return r, r.next()
}

func (r *reader) next() error {
	r.rest = strings.TrimLeft(r.rest, " \t\r\n")
	r.token = lexeme.FindString(r.rest)
	if r.token == "" && r.rest != "" {
		return wrong("unexpected symbol found %s", strconv.Quote(r.rest))
	}
	r.rest = r.rest[len(r.token):]
	return nil
}

// word reports whether the next token is a word, in any case.
func (r *reader) word(words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(r.token, w) })
}

func (r *reader) expect(token string) error {
	if r.token != token {
		return wrong("expected %q before %q", token, r.token+r.rest)
	}
	return r.next()
}

func (r *reader) enter() error {
	if r.depth++; r.depth > maxDepth {
		return wrong("the expression is nested too deep")
	}
	return nil
}

func (r *reader) or() (expression, error) {
	return r.chain("or", r.and, func(a, b expression) expression {
		return func(x Record) any { return truth(a(x)) || truth(b(x)) }
	})
}

func (r *reader) and() (expression, error) {
	return r.chain("and", r.not, func(a, b expression) expression {
		return func(x Record) any { return truth(a(x)) && truth(b(x)) }
	})
}

func (r *reader) chain(word string, operand func() (expression, error), join func(a, b expression) expression) (expression, error) {
	left, err := operand()
	for err == nil && r.word(word) {
		if err = r.next(); err != nil {
			break
		}
		var right expression
		if right, err = operand(); err == nil {
			left = join(left, right)
		}
	}
	return left, err
}

func (r *reader) not() (expression, error) {
	if !r.word("not") {
		return r.comparison()
	}
	if err := r.enter(); err != nil {
		return nil, err
	}
	defer func() { r.depth-- }()
	if err := r.next(); err != nil {
		return nil, err
	}
	of, err := r.not()
	return func(x Record) any { return !truth(of(x)) }, err
}

var comparisons = map[string]func(c int) bool{
	"=": func(c int) bool { return c == 0 }, "!=": func(c int) bool { return c != 0 }, "<": func(c int) bool { return c < 0 },
	"<=": func(c int) bool { return c <= 0 }, ">": func(c int) bool { return c > 0 }, ">=": func(c int) bool { return c >= 0 },
}

func (r *reader) comparison() (expression, error) {
	left, err := r.sum()
	if err != nil {
		return nil, err
	}
	negated := false
	if r.word("not") {
		negated = true
		if err := r.next(); err != nil {
			return nil, err
		}
	}
	var out expression
	switch fn := comparisons[r.token]; {
	case fn != nil:
		out, err = r.compared(left, fn)
	case r.token == "=~" || r.word("like"):
		out, err = r.like(left)
	case r.word("in"):
		out, err = r.in(left)
	case negated:
		return nil, wrong("unexpected %q behind not", r.token)
	default:
		return left, nil
	}
	if err != nil || !negated {
		return out, err
	}
	return func(x Record) any { return !truth(out(x)) }, nil
}

// compared compares; what is not there is equal to nothing.
func (r *reader) compared(left expression, fn func(int) bool) (expression, error) {
	unequal := r.token == "!="
	if err := r.next(); err != nil {
		return nil, err
	}
	right, err := r.sum()
	return func(x Record) any {
		a, b := left(x), right(x)
		if a == nil || b == nil {
			return unequal && (a == nil) != (b == nil)
		}
		return fn(compare(a, b))
	}, err
}

// like looks for a text or a regular expression.
func (r *reader) like(left expression) (expression, error) {
	if err := r.next(); err != nil {
		return nil, err
	}
	token := r.token
	if strings.HasPrefix(token, "/") && len(token) > 1 {
		re, err := regular(token)
		if err != nil {
			return nil, err
		}
		return func(x Record) any {
			v := left(x)
			return v != nil && re.MatchString(text(v))
		}, r.next()
	}
	right, err := r.sum()
	return func(x Record) any {
		v := left(x)
		return v != nil && strings.Contains(text(v), text(right(x)))
	}, err
}

// regular reads /pattern/ or /pattern/i.
func regular(token string) (*regexp.Regexp, error) {
	body, fold := strings.CutSuffix(token, "i")
	body = strings.TrimSuffix(strings.TrimPrefix(body, "/"), "/")
	if fold && strings.HasSuffix(token, "/i") {
		body = "(?i)" + body
	}
	re, err := regexp.Compile(strings.ReplaceAll(strings.ReplaceAll(body, `\/`, "/"), "(?<", "(?P<"))
	if err != nil {
		return nil, wrong("invalid regular expression %s", token)
	}
	return re, nil
}

func (r *reader) in(left expression) (expression, error) {
	if err := r.next(); err != nil {
		return nil, err
	}
	if err := r.expect("["); err != nil {
		return nil, err
	}
	list, err := r.list("]")
	return func(x Record) any {
		v := left(x)
		return v != nil && slices.ContainsFunc(list, func(e expression) bool { return compare(v, e(x)) == 0 })
	}, err
}

// list reads expressions with commas between them.
func (r *reader) list(closing string) (out []expression, err error) {
	for r.token != closing {
		if len(out) > 0 {
			if err := r.expect(","); err != nil {
				return nil, err
			}
		}
		e, err := r.or()
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, r.next()
}

func (r *reader) primary() (expression, error) {
	token := r.token
	if token == "" {
		return nil, wrong("the expression ends where a value is expected")
	}
	if err := r.next(); err != nil {
		return nil, err
	}
	switch c := token[0]; {
	case token == "(":
		if err := r.enter(); err != nil {
			return nil, err
		}
		defer func() { r.depth-- }()
		inner, err := r.or()
		if err != nil {
			return nil, err
		}
		return inner, r.expect(")")
	case c == '"' || c == '\'':
		v := unquote(token)
		return func(Record) any { return v }, nil
	case c == '`':
		return r.field(token[1 : len(token)-1]), nil
	case c >= '0' && c <= '9':
		if n, ok := decimal(token); ok {
			if whole(token) && n >= 1<<53 {
				return func(Record) any { return json.Number(token) }, nil
			}
			return func(Record) any { return n }, nil
		}
		return func(Record) any { return token }, nil // 5m, for the functions that take it
	case strings.ContainsRune("-+*/^%=<>),[]!", rune(c)):
		return nil, wrong("unexpected symbol found %q", token)
	case r.token == "(":
		return r.call(token)
	}
	return r.field(token), nil
}

func unquote(token string) string {
	var b strings.Builder
	for i := 1; i < len(token)-1; i++ {
		if token[i] == '\\' && i+1 < len(token)-1 {
			i++
		}
		b.WriteByte(token[i])
	}
	return b.String()
}
