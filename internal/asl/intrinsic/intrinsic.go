// Package intrinsic owns the intrinsic functions of JSONPath states
// (States.Format, States.ArrayRange, ...): their grammar, their limits and what
// they compute. It imports only internal/asl/value and internal/asl/jsonpath.
//
// Documentation: Step Functions Developer Guide, "Intrinsics for JSONPath states".
package intrinsic

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/asl/jsonpath"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// ErrSyntax is what errors of Compile wrap.
var ErrSyntax = errors.New("not a valid intrinsic function call")

// maxNesting is the limit of AWS for calls inside calls.
const maxNesting = 10

// Call is a compiled call; it is immutable.
type Call struct {
	Name string // "Format", without "States."
	Args []Arg
	Text string // as written
}

// Arg is one argument: a literal, a reference or a nested call.
type Arg struct {
	Literal any
	Ref     *jsonpath.Ref
	Call    *Call
	// template is a string literal with its escaped braces still marked, for
	// States.Format.
	template string
}

// Error is a failure of a function: States.Runtime, whatever the documentation says
// of States.IntrinsicFailure (measured on AWS: github.com/gabrielmoreira/tiny-asl-machine,
// tests/conformance/cases/.snapshots/aws/States.*).
type Error struct {
	Call *Call // the outermost
	Msg  string
}

// Error words the failure as Step Functions does.
func (e *Error) Error() string {
	return fmt.Sprintf("There was an error while evaluating the intrinsic function: %s. %s", e.Call.Text, e.Msg)
}

// Env gives functions what is not in their arguments.
type Env struct {
	// UUID returns a random version 4 UUID.
	UUID func() string
	// Random returns a number in [0,1).
	Random func() float64
}

// Eval computes the call. Errors are *Error, or *jsonpath.NotFoundError wrapped
// in *RefError for an argument that leads nowhere.
func (c *Call) Eval(s jsonpath.Scope, env Env) (any, error) {
	v, err := c.eval(s, env)
	var e *Error
	if errors.As(err, &e) {
		e.Call = c
	}
	return v, err
}

func (c *Call) eval(s jsonpath.Scope, env Env) (any, error) {
	args := make([]any, len(c.Args))
	for i, a := range c.Args {
		var err error
		switch {
		case a.Ref != nil:
			if args[i], err = a.Ref.Eval(s); err != nil {
				return nil, &RefError{Ref: a.Ref, Err: err}
			}
		case a.Call != nil:
			if args[i], err = a.Call.eval(s, env); err != nil {
				return nil, err
			}
		default:
			args[i] = a.Literal
		}
	}
	fn := functions[c.Name]
	if len(args) < fn.min || fn.max >= 0 && len(args) > fn.max {
		return nil, &Error{Msg: errArguments.Error() + " in States." + c.Name}
	}
	v, err := fn.run(c, args, env)
	switch {
	case errors.Is(err, errArguments):
		return nil, &Error{Msg: err.Error() + " in States." + c.Name}
	case errors.Is(err, ErrTooLarge):
		return nil, err
	case err != nil:
		return nil, &Error{Msg: err.Error()}
	case !value.Fits(v, maxResult):
		return nil, ErrTooLarge
	}
	return v, nil
}

// ErrTooLarge says that a function made more than any state may hold. Calls can
// be nested and can have any number of arguments, so that without this the last
// one of ten makes a thousand to the power of ten copies of its input.
var ErrTooLarge = errors.New("the result is larger than the data of a state may be")

// maxResult is four times what a state may hand on, in bytes: an outer function
// may make it smaller again.
const maxResult = 4 << 18

// RefError is an argument that leads nowhere.
type RefError struct {
	Ref *jsonpath.Ref
	Err error
}

// Error is the text of the cause.
func (e *RefError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *RefError) Unwrap() error { return e.Err }

// Walk calls fn for every reference inside the call.
func (c *Call) Walk(fn func(*jsonpath.Ref)) {
	for _, a := range c.Args {
		if a.Ref != nil {
			fn(a.Ref)
		}
		if a.Call != nil {
			a.Call.Walk(fn)
		}
	}
}

// Compile parses "States.Name(arguments)".
func Compile(text string) (*Call, error) {
	p := &parser{text: text}
	p.space()
	c, err := p.call(1)
	if err != nil {
		return nil, err
	}
	p.space()
	if p.pos != len(text) {
		return nil, p.fail("text after the call")
	}
	return c, nil
}

type parser struct {
	text string
	pos  int
}

func (p *parser) fail(format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrSyntax, fmt.Sprintf(format, args...), p.text)
}

func (p *parser) space() {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
}

func (p *parser) call(depth int) (*Call, error) {
	start := p.pos
	if depth > maxNesting {
		return nil, p.fail("calls are nested too deeply")
	}
	if !strings.HasPrefix(p.text[p.pos:], "States.") {
		return nil, p.fail("a function of 'States.' is missing")
	}
	p.pos += len("States.")
	open := strings.IndexByte(p.text[p.pos:], '(')
	if open < 0 {
		return nil, p.fail("'(' is missing")
	}
	c := &Call{Name: strings.TrimSpace(p.text[p.pos : p.pos+open])}
	if _, ok := functions[c.Name]; !ok {
		return nil, p.fail("unknown function States.%s", c.Name)
	}
	p.pos += open + 1
	if err := p.arguments(c, depth); err != nil {
		return nil, err
	}
	c.Text = p.text[start:p.pos]
	return c, nil
}

func (p *parser) arguments(c *Call, depth int) error {
	p.space()
	if p.pos < len(p.text) && p.text[p.pos] == ')' {
		p.pos++
		return nil
	}
	for {
		p.space()
		a, err := p.argument(depth)
		if err != nil {
			return err
		}
		c.Args = append(c.Args, a)
		p.space()
		if p.pos >= len(p.text) {
			return p.fail("')' is missing")
		}
		ch := p.text[p.pos]
		p.pos++
		switch ch {
		case ',':
		case ')':
			return nil
		default:
			return p.fail("unexpected '%c'", ch)
		}
	}
}

func (p *parser) argument(depth int) (Arg, error) {
	rest := p.text[p.pos:]
	switch {
	case strings.HasPrefix(rest, "'"):
		return p.literal()
	case strings.HasPrefix(rest, "$"):
		end := refEnd(rest)
		r, err := jsonpath.CompileRef(strings.TrimSpace(rest[:end]))
		if err != nil {
			return Arg{}, p.fail("%s", err)
		}
		p.pos += end
		return Arg{Ref: r}, nil
	case strings.HasPrefix(rest, "States."):
		c, err := p.call(depth + 1)
		return Arg{Call: c}, err
	}
	end := strings.IndexAny(rest, ",)")
	if end < 0 {
		return Arg{}, p.fail("')' is missing")
	}
	v, err := value.Parse(strings.TrimSpace(rest[:end]))
	if err != nil {
		return Arg{}, p.fail("a bad argument")
	}
	switch v.(type) {
	case nil, bool, value.Number:
		p.pos += end
		return Arg{Literal: v}, nil
	}
	return Arg{}, p.fail("a bad argument")
}

// refEnd finds where a path ends: at a comma or a parenthesis that is outside
// of brackets and quotes.
func refEnd(t string) int {
	depth := 0
	var quote byte
	for i := range len(t) {
		ch := t[i]
		if quote != 0 {
			if ch == quote && t[i-1] != '\\' {
				quote = 0
			}
			continue
		}
		switch ch {
		case '\'', '"':
			if depth > 0 {
				quote = ch
			}
		case '[', '(':
			depth++
		case ']':
			depth--
		case ')':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
	return len(t)
}

// Markers of escaped braces inside a format string; not characters of JSON text
// that a user can type in a definition.
const (
	openBrace  = "\x00{"
	closeBrace = "\x00}"
)

// literal reads a string in single quotes: \' \\ \{ \} are its only escapes.
func (p *parser) literal() (Arg, error) {
	var plain, tmpl strings.Builder
	for i := p.pos + 1; i < len(p.text); i++ {
		ch := p.text[i]
		switch ch {
		case '\'':
			p.pos = i + 1
			return Arg{Literal: plain.String(), template: tmpl.String()}, nil
		case '\\':
			i++
			if i >= len(p.text) {
				return Arg{}, p.fail("a string is not closed")
			}
			switch p.text[i] {
			case '{':
				tmpl.WriteString(openBrace)
			case '}':
				tmpl.WriteString(closeBrace)
			case '\'', '\\':
				tmpl.WriteByte(p.text[i])
			default:
				return Arg{}, p.fail("an unknown escape \\%c", p.text[i])
			}
			plain.WriteByte(p.text[i])
		default:
			plain.WriteByte(ch)
			tmpl.WriteByte(ch)
		}
	}
	return Arg{}, p.fail("a string is not closed")
}
