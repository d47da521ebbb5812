package functions

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata/gnata/evaluator"
)

// A function whose result may be much larger than its arguments, or which walks
// its arguments to their leaves, has a check that runs before it.
type check func(m *evaluator.Meter, args []any, focus any) error

func checked(fn evaluator.BuiltinFunction, before check) evaluator.EnvAwareBuiltin {
	return func(args []any, focus any, env *evaluator.Environment) (any, error) {
		work := 0
		for _, a := range args {
			if s, ok := a.(string); ok {
				work += len(s) / 64
			}
		}
		if err := env.Meter().Spend(work); err != nil {
			return nil, err
		}
		if err := before(env.Meter(), args, focus); err != nil {
			return nil, err
		}
		return fn(args, focus)
	}
}

var checks = map[string]check{
	"string": walked, "boolean": walked, "not": walked,
	"distinct": func(m *evaluator.Meter, args []any, focus any) error {
		if err := walked(m, args, focus); err != nil {
			return err
		}
		n := composites(arg(args, 0))
		return m.Spend(n * n / 16)
	},
	"join": func(m *evaluator.Meter, args []any, _ any) error {
		sep, _ := arg(args, 1).(string)
		total := 0
		for _, e := range tryAsArray(arg(args, 0)) {
			s, _ := e.(string)
			total += len(s) + len(sep)
			if total-len(sep) > evaluator.MaxBytes {
				return evaluator.ErrMemory
			}
		}
		return nil
	},
	"pad": func(m *evaluator.Meter, args []any, _ any) error {
		width, _ := evaluator.ToFloat64(arg(args, 1))
		if math.Abs(width) > evaluator.MaxBytes {
			return evaluator.ErrMemory
		}
		return m.Room(4 * int(math.Abs(width)) / 4)
	},
	"split": func(m *evaluator.Meter, args []any, _ any) error {
		text, _ := arg(args, 0).(string)
		if sep, ok := arg(args, 1).(string); ok {
			return m.Elements(strings.Count(text, sep) + 1)
		}
		return matchable(m, text, arg(args, 1))
	},
	"contains": func(m *evaluator.Meter, args []any, focus any) error {
		if len(args) == 1 {
			args = []any{focus, args[0]}
		}
		text, _ := arg(args, 0).(string)
		return matchable(m, text, arg(args, 1))
	},
	"zip": func(m *evaluator.Meter, args []any, _ any) error {
		shortest := math.MaxInt32
		for _, a := range args {
			shortest = min(shortest, len(wrapArray(a)))
		}
		if len(args) == 0 {
			return nil
		}
		return m.Elements(shortest * len(args))
	},
	"formatInteger": func(m *evaluator.Meter, args []any, focus any) error {
		if err := drawable("formatInteger")(m, args, focus); err != nil {
			return err
		}
		// A Roman numeral has a letter for each thousand.
		token, _ := splitPictureModifier(textOf(arg(args, 1)))
		if n, _ := evaluator.ToFloat64(arg(args, 0)); token == "i" || token == "I" {
			return m.Room(int(min(math.Abs(n)/1000, math.MaxInt32)))
		}
		return nil
	},
	"formatNumber": drawable("formatNumber"), "formatBase": drawable("formatBase"), "fromMillis": drawable("fromMillis"),
	"keys": summed, "merge": summed, "lookup": summed,
	"spread": func(m *evaluator.Meter, args []any, focus any) error {
		n := len(wrapArray(arg(args, 0)))
		for _, e := range append(tryAsArray(arg(args, 0)), arg(args, 0)) {
			n += 8 * evaluator.MapLen(e) // each key becomes an object
		}
		return m.Elements(n)
	},
}

// drawable says whether a number has digits, whole ones as many as a long has,
// and a picture is worth its time. The language does not compute with what is
// not finite (reference implementation, isNumeric and signatures).
func drawable(name string) check {
	return func(m *evaluator.Meter, args []any, focus any) error {
		v := arg(args, 0)
		if v == nil {
			v = focus
		}
		if n, ok := evaluator.ToFloat64(v); ok {
			if math.IsNaN(n) {
				return &evaluator.JSONataError{Code: "T0410", Message: fmt.Sprintf("Argument 1 of function %q does not match function signature", name)}
			}
			if err := evaluator.CheckNumeric(n); err != nil {
				return err
			}
			if name != "formatNumber" && math.Abs(n) >= 1<<63 && !inWords(arg(args, 1)) {
				return &evaluator.JSONataError{Code: "D1001", Message: fmt.Sprintf("Number out of range: %v", n)}
			}
		}
		picture := len(textOf(arg(args, 1)))
		return m.Spend(picture * picture / 256)
	}
}

// inWords says whether a picture of $formatInteger asks for words, which there
// are for any number.
func inWords(picture any) bool {
	token, _ := splitPictureModifier(textOf(picture))
	return strings.EqualFold(token, "w")
}

func textOf(v any) string {
	s, _ := v.(string)
	return s
}

func arg(args []any, i int) any {
	if i < len(args) {
		return args[i]
	}
	return nil
}

func walked(m *evaluator.Meter, args []any, focus any) error {
	if len(args) == 0 {
		return m.Tree(focus)
	}
	return m.Tree(args[0])
}

// summed bounds what comes together of the objects in a list, which may be the
// same one many times.
func summed(m *evaluator.Meter, args []any, _ any) error {
	n := 0
	for _, e := range tryAsArray(arg(args, 0)) {
		n += evaluator.MapLen(e)
	}
	if err := m.Elements(n); err != nil {
		return err
	}
	return m.Spend(n / 16)
}

// composites counts the arrays and objects of a list.
func composites(v any) int {
	n := 0
	for _, e := range tryAsArray(v) {
		switch e.(type) {
		case []any, *evaluator.OrderedMap, map[string]any:
			n++
		}
	}
	return n
}

// matchable bounds the work of a regular expression: the engine's time grows
// with the product of text and pattern, and it lists all matches at once.
func matchable(m *evaluator.Meter, text string, pattern any) error {
	p, ok := pattern.(map[string]any)
	if !ok {
		return nil
	}
	expr, _ := p["pattern"].(string)
	return m.Spend(len(text) / 16 * max(1, utf8.RuneCountInString(expr)))
}
