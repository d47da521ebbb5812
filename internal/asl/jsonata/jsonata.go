// Package jsonata owns JSONata as Step Functions evaluates it: the language of
// jsonata.org without $eval, with $partition, $range, $hash, $random(seed),
// $uuid and $parse, with $states and the workflow's variables as its only
// input. It works on the values of internal/asl/value; the evaluator itself is
// the gnata library.
//
// Documentation: Step Functions Developer Guide, "Transforming data with JSONata".
package jsonata

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/recolabs/gnata"

	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// Errors of Eval besides those of the language.
var (
	// ErrUndefined says that the expression returned nothing.
	ErrUndefined = errors.New("returned nothing (undefined)")
	// ErrUnsupported says that the result is not data, but a function.
	ErrUnsupported = errors.New("returned an unsupported result type")
)

// Expr is a compiled expression; it is immutable and safe for concurrent use.
type Expr struct {
	text string
	expr *gnata.Expression
	refs []string
}

// Compile parses an expression (without the {% %} around it).
func Compile(text string) (*Expr, error) {
	e, err := gnata.Compile(text)
	if err != nil {
		return nil, syntaxError(err)
	}
	return &Expr{text: text, expr: e, refs: references(text)}, nil
}

// TopLevel lists the names that the expression reads without a path to them
// ("phone" in "phone & $x"). Step Functions evaluates expressions without an
// input of their own, so it refuses these.
func (e *Expr) TopLevel() []string { return topLevel(e.text) }

// Variables lists the workflow variables that the expression refers to, each
// once, in the order of appearance.
func (e *Expr) Variables() []string { return e.refs }

// Bound is a value in the evaluator's own form; see Bind.
type Bound any

// Bind converts a value for use in evaluations. The result is immutable and may
// be used many times: conversion costs, so callers keep it.
func Bind(v any) Bound {
	switch x := v.(type) {
	case string, bool:
		return x
	case value.Number:
		return json.Number(x)
	}
	b, err := gnata.DecodeJSON(value.Encode(v))
	if err != nil { // Encode writes JSON only
		panic(fmt.Sprintf("jsonata: %v", err))
	}
	return b
}

// Engine holds what evaluations need besides the expression. It is safe for
// concurrent use.
type Engine struct{ functions map[string]any }

// Env gives functions what is not in their arguments.
type Env struct {
	UUID   func() string
	Random func() float64
}

// NewEngine makes an Engine.
func NewEngine(env Env) *Engine {
	base := gnata.NewCustomEnv(nil)
	sample, _ := base.Lookup("sum")
	builtin := reflect.TypeOf(sample)
	fns := map[string]any{"eval": nil} // Step Functions has no $eval
	if original, ok := base.Lookup("now"); ok {
		fns["now"] = reflect.ValueOf(now(reflect.ValueOf(original))).Convert(builtin).Interface()
	}
	for name, fn := range extensions(env) {
		// Functions go in as the evaluator's own function type, so that they see
		// objects with their order of keys.
		fns[name] = reflect.ValueOf(fn).Convert(builtin).Interface()
	}
	return &Engine{functions: fns}
}

// Eval evaluates e with the bound names: "states" and the workflow's variables.
// Errors are ErrUndefined, ErrUnsupported, or the language's own ("T2001: ...").
func (g *Engine) Eval(ctx context.Context, e *Expr, bound map[string]Bound) (any, error) {
	vars := make(map[string]any, len(bound)+len(g.functions))
	for k, v := range g.functions {
		vars[k] = v
	}
	for k, v := range bound {
		vars[k] = v
	}
	out, err := e.expr.EvalWithVars(ctx, nil, vars)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, reference(err)
	}
	if out == nil {
		return nil, ErrUndefined
	}
	return Unbind(out)
}

// ordered is the part of the evaluator's object type that is used.
type ordered interface {
	Keys() []string
	Get(string) (any, bool)
}

// Unbind converts a value of the evaluator. It fails with ErrUnsupported for
// functions.
func Unbind(v any) (any, error) {
	if v == nil || gnata.IsNull(v) {
		return nil, nil
	}
	switch x := v.(type) {
	case bool, string:
		return x, nil
	case float64:
		return value.Float(x), nil
	case int:
		return value.Int(int64(x)), nil
	case int64:
		return value.Int(x), nil
	case json.Number:
		return value.Parse(string(x))
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			var err error
			if out[i], err = Unbind(e); err != nil {
				return nil, err
			}
		}
		return out, nil
	case ordered:
		out := value.NewObject(len(x.Keys()))
		for _, k := range x.Keys() {
			e, _ := x.Get(k)
			u, err := Unbind(e)
			if err != nil {
				return nil, err
			}
			out.Set(k, u)
		}
		return out, nil
	}
	return unbindOther(v)
}

// unbindOther handles sequences and plain maps, which only reflection can see.
func unbindOther(v any) (any, error) {
	switch n := gnata.NormalizeValue(v).(type) {
	case map[string]any:
		out := value.NewObject(len(n))
		for k, e := range n {
			u, err := Unbind(e)
			if err != nil {
				return nil, err
			}
			out.Set(k, u)
		}
		return out, nil
	case []any, bool, string, float64, json.Number:
		return Unbind(n)
	case nil:
		return nil, nil
	}
	return nil, ErrUnsupported
}
