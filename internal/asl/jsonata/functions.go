package jsonata

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/recolabs/gnata"

	"github.com/pipelinetui/pipelinetui/internal/asl/intrinsic"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

type builtin = func(args []any, focus any) (any, error)

// extensions are the functions that Step Functions adds to the language.
func extensions(env Env) map[string]builtin {
	return map[string]builtin{
		"partition": partition,
		"range":     rangeOf,
		"hash":      hash,
		"random":    random(env),
		"uuid": func(args []any, _ any) (any, error) {
			if len(args) > 0 {
				return nil, signature("uuid", 1)
			}
			return env.UUID(), nil
		},
		"parse": parse,
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

func number(v any) (float64, bool) {
	switch x := v.(type) {
	case float64:
		return x, true
	case json.Number:
		f, err := x.Float64()
		return f, err == nil
	case int:
		return float64(x), true
	}
	return 0, false
}

// now is $now; without a picture it has milliseconds, as the reference says.
func now(original reflect.Value) builtin {
	return func(args []any, focus any) (any, error) {
		if len(args) == 0 {
			return time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), nil
		}
		out := original.Call([]reflect.Value{reflect.ValueOf(args), reflect.ValueOf(&focus).Elem()})
		err, _ := out[1].Interface().(error)
		return out[0].Interface(), err
	}
}

func partition(args []any, _ any) (any, error) {
	if argument(args, 0) == nil {
		return nil, nil
	}
	l, ok := args[0].([]any)
	if !ok {
		l = []any{args[0]} // the language takes a single value for an array of one
	}
	size, ok := number(argument(args, 1))
	if !ok {
		return nil, signature("partition", 2)
	}
	n := int64(math.Floor(size))
	if n <= 0 {
		return nil, fmt.Errorf("D3130: The second argument of function \"partition\" must be a positive number")
	}
	return intrinsic.Partition(l, n), nil
}

func rangeOf(args []any, _ any) (any, error) {
	var n [3]float64
	for i := range n {
		f, ok := number(argument(args, i))
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
	if count > 1_000_000 {
		return nil, fmt.Errorf("D2014: The size of the sequence allocated by function \"range\" must not exceed 1e6")
	}
	out := []any{}
	for i := 0.0; i < count; i++ {
		out = append(out, first+i*step)
	}
	if len(out) == 1 { // a sequence of one is its item
		return out[0], nil
	}
	return out, nil
}

func hash(args []any, _ any) (any, error) {
	if argument(args, 0) == nil {
		return nil, nil
	}
	algorithm, ok := argument(args, 1).(string)
	if !ok {
		return nil, signature("hash", 2)
	}
	text, isText := args[0].(string)
	if !isText {
		v, err := Unbind(args[0])
		if err != nil {
			return nil, signature("hash", 1)
		}
		text = value.String(v)
	}
	return intrinsic.Hash(text, algorithm)
}

func random(env Env) builtin {
	return func(args []any, _ any) (any, error) {
		if len(args) == 0 {
			return env.Random(), nil
		}
		seed, ok := number(args[0])
		if !ok {
			return nil, signature("random", 1)
		}
		return intrinsic.Seeded(int64(seed)), nil
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
	if v == nil {
		return gnata.DecodeJSON([]byte("null"))
	}
	return Bind(v), nil
}
