package metricmath

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/lazyregexp"
)

// parser reads an expression by the precedence of its operators.
type parser struct {
	rest, token string
	depth       int
	out         *Expression
}

// maxDepth bounds how deep an expression may be nested.
const maxDepth = 100

var lexeme = lazyregexp.New(`^(?:[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+|[A-Za-z_][A-Za-z0-9_]*|"[^"]*"|'[^']*'|==|!=|<=|>=|&&|\|\||[-+*/^<>(),\[\]])`)

func (p *parser) next() error {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	p.token = lexeme.FindString(p.rest)
	if p.token == "" && p.rest != "" {
		return wrong("Unexpected %q", p.rest)
	}
	p.rest = p.rest[len(p.token):]
	return nil
}

func (p *parser) expect(token string) error {
	if p.token != token {
		return wrong("Expected %q before %q", token, p.token+p.rest)
	}
	return p.next()
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// operators by how they bind, the loosest first.
var operators = []map[string]func(x, y float64) float64{
	{"OR": or, "||": or},
	{"AND": and, "&&": and},
	{
		"==": func(x, y float64) float64 { return truth(x == y) }, "!=": func(x, y float64) float64 { return truth(x != y) },
		"<": func(x, y float64) float64 { return truth(x < y) }, "<=": func(x, y float64) float64 { return truth(x <= y) },
		">": func(x, y float64) float64 { return truth(x > y) }, ">=": func(x, y float64) float64 { return truth(x >= y) },
	},
	{"+": func(x, y float64) float64 { return x + y }, "-": func(x, y float64) float64 { return x - y }},
	{"*": func(x, y float64) float64 { return x * y }, "/": func(x, y float64) float64 { return x / y }},
	{"^": math.Pow},
}

func or(x, y float64) float64  { return truth(x != 0 || y != 0) }
func and(x, y float64) float64 { return truth(x != 0 && y != 0) }

// binary reads operands with operators that bind at least so much.
func (p *parser) binary(level int) (node, error) {
	if level == len(operators) {
		return p.unary()
	}
	if p.depth++; p.depth > maxDepth*len(operators) {
		return nil, wrong("The expression is nested too deep")
	}
	defer func() { p.depth-- }()
	left, err := p.binary(level + 1)
	for err == nil {
		fn := operators[level][p.token]
		if fn == nil {
			return left, nil
		}
		if err = p.next(); err != nil {
			break
		}
		var right node
		if right, err = p.binary(level + 1); err != nil {
			break
		}
		a, b := left, right
		left = counted(func(env *Env) (Value, error) {
			x, err := a(env)
			if err != nil {
				return x, err
			}
			y, err := b(env)
			if err != nil {
				return y, err
			}
			return combine(x, y, fn)
		})
	}
	return nil, err
}

func (p *parser) unary() (node, error) {
	if p.token != "-" && p.token != "+" {
		return p.primary()
	}
	if p.depth++; p.depth > maxDepth*len(operators) {
		return nil, wrong("The expression is nested too deep")
	}
	defer func() { p.depth-- }()
	sign := p.token
	if err := p.next(); err != nil {
		return nil, err
	}
	of, err := p.unary()
	if err != nil || sign == "+" {
		return of, err
	}
	return counted(func(env *Env) (Value, error) {
		v, err := of(env)
		if err != nil {
			return v, err
		}
		return v.each(func(x float64) float64 { return -x }), nil
	}), nil
}

func (p *parser) primary() (node, error) {
	token := p.token
	if token == "" {
		return nil, wrong("The expression ends where a value is expected")
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	switch c := token[0]; {
	case token == "(":
		inner, err := p.binary(0)
		if err != nil {
			return nil, err
		}
		return inner, p.expect(")")
	case token == "[":
		return p.array()
	case c == '"' || c == '\'':
		v := Value{kind: text, text: token[1 : len(token)-1]}
		return func(*Env) (Value, error) { return v, nil }, nil
	case c >= '0' && c <= '9' || c == '.':
		x, err := strconv.ParseFloat(token, 64)
		if err != nil {
			return nil, wrong("%q is no number", token)
		}
		return func(*Env) (Value, error) { return Number(x), nil }, nil
	case strings.ContainsAny(token, "+-*/^<>=!&|,)]"):
		return nil, wrong("Unexpected %q", token)
	case p.token == "(":
		return p.call(token)
	}
	return p.name(token), nil
}

// name is the result of another query, or one of the words that functions take.
func (p *parser) name(id string) node {
	if slices.Contains(words, id) {
		v := Value{kind: text, text: id}
		return func(*Env) (Value, error) { return v, nil }
	}
	p.out.Names = append(p.out.Names, id)
	return func(env *Env) (Value, error) {
		if v, ok := env.Lookup(id); ok {
			return v, nil
		}
		return Value{}, wrong("Undefined variable %s", id)
	}
}

// words are arguments that name no query.
var words = []string{"REPEAT", "LINEAR", "SUM", "AVG", "MIN", "MAX", "ASC", "DESC"}

// array reads time series between brackets.
func (p *parser) array() (node, error) {
	items, err := p.list("]")
	if err != nil {
		return nil, err
	}
	return func(env *Env) (Value, error) {
		args, err := all(items, env)
		out := Value{kind: many}
		for _, v := range args {
			if v.kind == number || v.kind == text {
				return v, wrong("An array holds time series only")
			}
			if len(out.Series)+len(v.Series) > maxSeries { // the points are those of its parts
				return out, wrong("An array of time series has %d at most", maxSeries)
			}
			out.Series = append(out.Series, v.Series...)
		}
		return out, err
	}, nil
}

// list reads expressions with commas between them, up to a closing bracket.
func (p *parser) list(closing string) (items []node, err error) {
	for p.token != closing {
		if len(items) > 0 {
			if err := p.expect(","); err != nil {
				return nil, err
			}
		}
		item, err := p.binary(0)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, p.next()
}

func all(items []node, env *Env) (out []Value, err error) {
	for _, item := range items {
		v, err := item(env)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (p *parser) call(name string) (node, error) {
	fn, ok := functions[name]
	if !ok {
		return nil, wrong("The function %s is not known", name)
	}
	if err := p.next(); err != nil {
		return nil, err
	}
	items, err := p.list(")")
	if err != nil {
		return nil, err
	}
	if len(items) < fn.least || len(items) > fn.most {
		return nil, wrong("The function %s does not take %d arguments", name, len(items))
	}
	p.out.All = p.out.All || name == "METRICS" || name == "SEARCH"
	return counted(func(env *Env) (Value, error) {
		args, err := all(items, env)
		if err != nil {
			return Value{}, err
		}
		return fn.run(env, args)
	}), nil
}
