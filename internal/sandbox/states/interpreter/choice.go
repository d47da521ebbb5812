package interpreter

import (
	"strings"

	"github.com/pipelinetui/pipelinetui/internal/asl"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
	"github.com/pipelinetui/pipelinetui/internal/sandbox/states/failure"
)

func (b *branch) choose(st *asl.State, ev *evaluation) error {
	in, err := ev.input()
	if err != nil {
		return err
	}
	in2 := ev.with(in)
	for i := range st.Choices {
		r := &st.Choices[i]
		ok, err := in2.condition(r)
		if err != nil {
			return err
		}
		if ok {
			output := r.Output
			return b.through(st, ev, output, r.Assign, r.Next)
		}
	}
	if st.Default == "" {
		return failure.New(failure.NoChoiceMatched, ev.prefix()+"Failed to transition out of the state. No choice rule matched and the state has no Default.").Err()
	}
	return b.through(st, ev, st.Output, st.Assign, st.Default)
}

func (e *evaluation) condition(r *asl.Rule) (bool, error) {
	if r.Condition == nil {
		return e.test(r.Test)
	}
	if r.Condition.Static {
		ok, _ := r.Condition.Literal.(bool)
		return ok, nil
	}
	v, err := e.typed(r.Condition.Expr, "boolean")
	ok, _ := v.(bool)
	return ok, err
}

// test decides a JSONPath comparison.
func (e *evaluation) test(t *asl.Test) (bool, error) {
	switch t.Op {
	case "And", "Or":
		for _, inner := range t.Tests {
			ok, err := e.test(inner)
			if err != nil || ok == (t.Op == "Or") {
				return ok, err
			}
		}
		return t.Op == "And", nil
	case "Not":
		ok, err := e.test(t.Tests[0])
		return !ok, err
	}
	left, err := t.Variable.Ref.Eval(e)
	if t.Op == "IsPresent" {
		want, _ := t.Literal.(bool)
		return (err == nil) == want, nil
	}
	if err != nil {
		return false, e.runtime("Invalid path '%s': The choice state's condition path references an invalid value.", t.Variable.Text)
	}
	right := t.Literal
	if t.Path != nil {
		if right, err = t.Path.Ref.Eval(e); err != nil {
			return false, e.runtime("Invalid path '%s': The choice state's condition path references an invalid value.", t.Path.Text)
		}
	}
	return compare(strings.TrimSuffix(t.Op, "Path"), left, right), nil
}

// compare applies one comparison operator. Values of other types than the
// operator's never match.
func compare(op string, left, right any) bool {
	if strings.HasPrefix(op, "Is") {
		want, _ := right.(bool)
		return is(op, left) == want
	}
	switch {
	case strings.HasPrefix(op, "String"):
		l, ok1 := left.(string)
		r, ok2 := right.(string)
		if op == "StringMatches" {
			return ok1 && ok2 && matches(l, r)
		}
		return ok1 && ok2 && ordered(strings.TrimPrefix(op, "String"), strings.Compare(l, r))
	case strings.HasPrefix(op, "Numeric"):
		l, ok1 := left.(value.Number)
		r, ok2 := right.(value.Number)
		return ok1 && ok2 && ordered(strings.TrimPrefix(op, "Numeric"), value.Compare(l, r))
	case strings.HasPrefix(op, "Boolean"):
		l, ok1 := left.(bool)
		r, ok2 := right.(bool)
		return ok1 && ok2 && l == r
	default:
		l, ok1 := left.(string)
		r, ok2 := right.(string)
		if !ok1 || !ok2 {
			return false
		}
		lt, err1 := asl.ParseTimestamp(l)
		rt, err2 := asl.ParseTimestamp(r)
		return err1 == nil && err2 == nil && ordered(strings.TrimPrefix(op, "Timestamp"), lt.Compare(rt))
	}
}

func ordered(op string, cmp int) bool {
	switch op {
	case "Equals":
		return cmp == 0
	case "LessThan":
		return cmp < 0
	case "LessThanEquals":
		return cmp <= 0
	case "GreaterThan":
		return cmp > 0
	default:
		return cmp >= 0
	}
}

func is(op string, v any) bool {
	switch op {
	case "IsNull":
		return v == nil
	case "IsNumeric":
		_, ok := v.(value.Number)
		return ok
	case "IsString":
		_, ok := v.(string)
		return ok
	case "IsBoolean":
		_, ok := v.(bool)
		return ok
	default: // IsTimestamp
		s, ok := v.(string)
		if !ok {
			return false
		}
		_, err := asl.ParseTimestamp(s)
		return err == nil
	}
}

// matches compares text with a pattern in which "*" stands for any characters
// and "\*" for itself.
func matches(text, pattern string) bool {
	var parts []string // literals between stars
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch {
		case pattern[i] == '\\' && i+1 < len(pattern) && (pattern[i+1] == '*' || pattern[i+1] == '\\'):
			i++
			b.WriteByte(pattern[i])
		case pattern[i] == '*':
			parts = append(parts, b.String())
			b.Reset()
		default:
			b.WriteByte(pattern[i])
		}
	}
	parts = append(parts, b.String())
	if len(parts) == 1 {
		return text == parts[0]
	}
	first, last := parts[0], parts[len(parts)-1]
	if !strings.HasPrefix(text, first) {
		return false
	}
	text = text[len(first):]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(text, p)
		if i < 0 {
			return false
		}
		text = text[i+len(p):]
	}
	return strings.HasSuffix(text, last)
}
