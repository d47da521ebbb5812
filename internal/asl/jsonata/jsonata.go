// Package jsonata owns JSONata as Step Functions evaluates it: the language of
// jsonata.org without $eval, with $partition, $range, $hash, $random(seed),
// $uuid and $parse, with $states and the workflow's variables as its only
// input, and within bounds of memory, depth and work. It works on the values of
// internal/asl/value; the evaluator itself is the package gnata below this one.
//
// Documentation: Step Functions Developer Guide, "Transforming data with JSONata".
package jsonata

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"runtime"

	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata/gnata"
	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata/gnata/evaluator"
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

// Errors of Eval besides those of the language.
var (
	// ErrUndefined says that the expression returned nothing.
	ErrUndefined = errors.New("returned nothing (undefined)")
	// ErrUnsupported says that the result is not data, but a function.
	ErrUnsupported = errors.New("returned an unsupported result type")
	// ErrInternal is what Step Functions calls an internal error. It may be a
	// *gnata.PanicError, which has a stack.
	ErrInternal = evaluator.ErrInternal
)

// LimitError says that an evaluation passed one of its bounds; Step Functions
// words these without a code.
type LimitError = evaluator.LimitError

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
	case nil:
		return evaluator.Null
	case value.Number:
		return json.Number(x.String())
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = Bind(e)
		}
		return out
	case *value.Object:
		out := evaluator.NewOrderedMapWithCapacity(x.Len())
		for i := range x.Len() {
			k, e := x.At(i)
			out.Set(k, Bind(e))
		}
		return out
	}
	return v
}

// Engine holds what evaluations need besides the expression. It is safe for
// concurrent use.
type Engine struct {
	library *evaluator.Environment
	// slots bounds how many evaluations are under way: they only compute, so more
	// than there are processors would only hold more memory.
	slots chan struct{}
}

// Env gives functions what is not in their arguments.
type Env struct {
	UUID   func() string
	Random func() float64
}

// NewEngine makes an Engine.
func NewEngine(env Env) *Engine {
	library := gnata.Library()
	if original, ok := library.Lookup("now"); ok {
		if fn, ok := original.(*evaluator.SignedBuiltin); ok {
			library.Bind("now", &evaluator.SignedBuiltin{Fn: now(fn.Fn), Check: fn.Check})
		}
	}
	for name, fn := range extensions(env) {
		library.Bind(name, fn)
	}
	return &Engine{library: library, slots: make(chan struct{}, 2*runtime.GOMAXPROCS(0))}
}

// Eval evaluates e with the bound names: "states" and the workflow's variables.
// Errors are ErrUndefined, ErrUnsupported, ErrInternal, a *LimitError, or the
// language's own ("T2001: ...").
func (g *Engine) Eval(ctx context.Context, e *Expr, bound map[string]Bound) (any, error) {
	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	vars := make(map[string]any, len(bound))
	for k, v := range bound {
		vars[k] = v
	}
	out, err := e.expr.Eval(ctx, g.library, vars)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, reference(err)
	}
	if out == nil {
		return nil, ErrUndefined
	}
	return unbind(out)
}

// unbind converts a value of the evaluator, which must be known to be within the
// bounds of an evaluation. It fails with ErrUnsupported for functions.
func unbind(v any) (any, error) {
	switch x := v.(type) {
	case nil:
		return nil, nil
	case bool, string:
		return x, nil
	case float64:
		return value.Float(x), nil
	case json.Number:
		return value.Parse(string(x))
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			var err error
			if out[i], err = unbind(e); err != nil {
				return nil, err
			}
		}
		return out, nil
	case *evaluator.Sequence:
		return unbind(evaluator.CollapseSequence(x))
	}
	if evaluator.IsNull(v) {
		return nil, nil
	}
	if !evaluator.IsMap(v) {
		return nil, ErrUnsupported
	}
	out := value.NewObject(evaluator.MapLen(v))
	for _, k := range evaluator.MapKeys(v) {
		e, _ := evaluator.MapGet(v, k)
		u, err := unbind(e)
		if err != nil {
			return nil, err
		}
		out.Set(k, u)
	}
	return out, nil
}

// finite reports whether f is a number that JSON has.
func finite(f float64) bool { return !math.IsInf(f, 0) && !math.IsNaN(f) }
