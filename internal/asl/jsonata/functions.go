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

// extensions are the functions that Step Functions adds to the language. What they
// answer to wrong arguments was measured on AWS (github.com/gabrielmoreira/tiny-asl-machine,
// tests/conformance/cases/.snapshots/aws/Feature.JSONataBuiltins-*): an argument of the
// wrong type is an error, null included; one that is missing or undefined makes the
// result undefined, and so does a size or a step of zero.
func extensions(env Env) map[string]any {
	return map[string]any{
		"partition": gnata.Function(partition),
		"range":     gnata.Function(rangeOf),
		"hash":      gnata.Function(hash),
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

// refused is the error that the functions raise themselves, as $error does.
func refused(format string, args ...any) error {
	return fmt.Errorf("D3137: "+format, args...)
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
	if len(args) > 2 {
		return nil, signature("partition", 3)
	}
	if argument(args, 0) == nil {
		return nil, nil
	}
	l, ok := args[0].([]any)
	if !ok {
		return nil, fmt.Errorf("T0412: Argument 1 of function \"partition\" must be an array of undefined")
	}
	size := float64(evaluator.MaxElements) // without a size, all of it is one chunk
	if given := argument(args, 1); given != nil {
		if size, ok = whole(given); !ok {
			return nil, signature("partition", 2)
		}
	}
	switch {
	case size < 0:
		return nil, refused("Second argument must be zero or greater")
	case size == 0:
		return nil, nil
	}
	return intrinsic.Partition(l, int64(min(size, evaluator.MaxElements))), nil
}

func rangeOf(args []any, _ any) (any, error) {
	if len(args) > 3 {
		return nil, signature("range", 4)
	}
	var n [3]float64
	undefined := false
	for i := range n {
		if argument(args, i) == nil {
			undefined = true
			continue
		}
		f, ok := whole(args[i])
		if !ok {
			return nil, signature("range", i+1)
		}
		n[i] = f
	}
	first, last, step := n[0], n[1], n[2]
	if undefined || step == 0 {
		return nil, nil
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

func hash(args []any, _ any) (any, error) {
	if len(args) > 2 {
		return nil, signature("hash", 3)
	}
	if len(args) > 0 && args[0] == nil {
		return nil, nil
	}
	text, ok := argument(args, 0).(string)
	if !ok {
		return nil, signature("hash", 1)
	}
	algorithm, ok := argument(args, 1).(string)
	if !ok {
		return nil, signature("hash", 2)
	}
	sum, ok := intrinsic.Hash(text, algorithm)
	if !ok {
		return nil, refused("Hash algorithm '%s' must be one of SHA-1, SHA-384, SHA-256, SHA-512, MD5", algorithm)
	}
	return sum, nil
}

func random(env Env) gnata.Function {
	return func(args []any, _ any) (any, error) {
		if len(args) > 1 {
			return nil, signature("random", 2)
		}
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
	if len(args) > 1 {
		return nil, signature("parse", 2)
	}
	if argument(args, 0) == nil {
		return nil, nil
	}
	text, ok := args[0].(string)
	if !ok {
		return nil, signature("parse", 1)
	}
	v, err := value.Parse(text)
	if err != nil {
		return nil, refused("Invalid JSON")
	}
	return Bind(v), nil
}
