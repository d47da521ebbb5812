package jsonata

import (
	"fmt"
	"math"
	"time"

	"github.com/pipelinetui/pipelinetui/internal/asl/intrinsic"
	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata/gnata"
	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata/gnata/evaluator"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// maxRange is the number of elements that $range may make, which is less than the
// bound of memory allows to [a..b] (measured: github.com/floci-io/floci, pull
// request 2790).
const maxRange = 360_145

// extensions are the functions that Step Functions adds to the language.
func extensions(env Env) map[string]any {
	return map[string]any{
		"partition": gnata.Function(partition),
		"range":     gnata.Function(rangeOf),
		"hash":      evaluator.EnvAwareBuiltin(hash),
		"random":    random(env),
		"uuid": gnata.Function(func(args []any, _ any) (any, error) {
			if len(args) > 0 {
				return nil, signature("uuid", 1)
			}
			return env.UUID(), nil
		}),
		"parse": gnata.Function(parse),
	}
}

// signature is the language's error for a wrong argument.
func signature(fn string, arg int) error {
	return fmt.Errorf("T0410: Argument %d of function \"%s\" does not match function signature", arg, fn)
}

func argument(args []any, i int) any {
	if i < len(args) {
		return args[i]
	}
	return nil
}

// whole reads a number that must be an integer. Step Functions cuts a fraction
// off, towards zero (measured: github.com/floci-io/floci, pull request 2676).
func whole(v any) (float64, bool) {
	f, ok := evaluator.ToFloat64(v)
	return math.Trunc(f), ok && finite(f)
}

// now is $now; without a picture it has milliseconds, as the reference says.
func now(original gnata.Function) gnata.Function {
	return func(args []any, focus any) (any, error) {
		if len(args) == 0 {
			return time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), nil
		}
		return original(args, focus)
	}
}

func partition(args []any, _ any) (any, error) {
	if argument(args, 0) == nil || argument(args, 1) == nil {
		return nil, nil
	}
	l, ok := args[0].([]any)
	if !ok {
		l = []any{args[0]} // the language takes a single value for an array of one
	}
	size, ok := whole(args[1])
	if !ok {
		return nil, signature("partition", 2)
	}
	if size <= 0 {
		return nil, fmt.Errorf("D3130: The second argument of function \"partition\" must be a positive number")
	}
	return intrinsic.Partition(l, int64(min(size, evaluator.MaxElements))), nil
}

func rangeOf(args []any, _ any) (any, error) {
	var n [3]float64
	for i := range n {
		if argument(args, i) == nil {
			return nil, nil
		}
		f, ok := whole(args[i])
		if !ok {
			return nil, signature("range", i+1)
		}
		n[i] = f
	}
	first, last, step := n[0], n[1], n[2]
	if step == 0 {
		return nil, fmt.Errorf("D3131: The third argument of function \"range\" must not be zero")
	}
	count := math.Floor((last-first)/step) + 1
	switch {
	case count <= 0:
		return []any{}, nil
	case count > maxRange:
		return nil, evaluator.ErrMemory
	}
	out := make([]any, int(count))
	for i := range out {
		out[i] = first + float64(i)*step
	}
	if len(out) == 1 { // a sequence of one is its item
		return out[0], nil
	}
	return out, nil
}

func hash(args []any, _ any, env *evaluator.Environment) (any, error) {
	if argument(args, 0) == nil {
		return nil, nil
	}
	algorithm, ok := argument(args, 1).(string)
	if !ok {
		return nil, signature("hash", 2)
	}
	text, isText := args[0].(string)
	if !isText {
		if err := env.Meter().Tree(args[0]); err != nil {
			return nil, err
		}
		v, err := unbind(args[0])
		if err != nil {
			return nil, signature("hash", 1)
		}
		text = value.String(v)
	}
	return intrinsic.Hash(text, algorithm)
}

func random(env Env) gnata.Function {
	return func(args []any, _ any) (any, error) {
		if argument(args, 0) == nil {
			return env.Random(), nil
		}
		seed, ok := whole(args[0])
		if !ok {
			return nil, signature("random", 1)
		}
		return intrinsic.Seeded(intrinsic.Long(seed)), nil
	}
}

func parse(args []any, _ any) (any, error) {
	if argument(args, 0) == nil {
		return nil, nil
	}
	text, ok := args[0].(string)
	if !ok {
		return nil, signature("parse", 1)
	}
	v, err := value.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("D3132: The argument of function \"parse\" is not valid JSON: %w", err)
	}
	return Bind(v), nil
}
