// Package gnata owns the JSONata language: its parser, its evaluator and its
// library of functions. It is github.com/recolabs/gnata v0.2.2 (MIT, see LICENSE
// and NOTICE) without its streaming and its fast paths, and with what running
// other people's expressions needs: every evaluation has bounds of depth, steps
// and memory (evaluator.Meter), numbers that are not finite are values, and $eval
// does not exist. What was found to differ from the reference implementation, version
// 2.0.6, was changed: signatures of functions (evaluator.Check), texts of errors, operators
// of later versions, arrays at the end of a path. It imports nothing else of this module.
package gnata

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata/gnata/evaluator"
	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata/gnata/functions"
	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata/gnata/parser"
)

// Expression is a compiled expression; it is immutable and safe for concurrent
// use.
type Expression struct{ ast *parser.Node }

// Compile parses an expression.
func Compile(expr string) (*Expression, error) {
	ast, err := parser.NewParser(expr).Parse()
	if err != nil {
		return nil, err
	}
	if ast, err = parser.ProcessAST(ast); err != nil {
		return nil, err
	}
	return &Expression{ast}, nil
}

// Function is a function of the library.
type Function = evaluator.BuiltinFunction

// Library returns a scope with all functions of the language, which may be bound
// to more. It must not change once expressions are evaluated in it.
func Library() *evaluator.Environment {
	env := evaluator.NewEnvironment()
	functions.RegisterAll(env, evaluator.ApplyFunction)
	return env
}

// PanicError is a fault of the evaluator itself.
type PanicError struct {
	Value any
	Stack []byte
}

// Error tells the value without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic in an evaluation: %v", e.Value) }

// Is makes it one of the errors that have no words of their own.
func (e *PanicError) Is(target error) bool { return target == evaluator.ErrInternal }

// Eval evaluates the expression without an input, in a scope inside library that
// has the variables. nil is undefined.
func (e *Expression) Eval(ctx context.Context, library *evaluator.Environment, vars map[string]any) (result any, err error) {
	defer func() {
		if r := recover(); r != nil {
			result, err = nil, &PanicError{r, debug.Stack()}
		}
	}()
	m := evaluator.NewMeter(ctx)
	defer m.Done()
	env := evaluator.NewEvaluation(library, m)
	for k, v := range vars {
		env.Bind(k, v)
	}
	result, err = evaluator.Eval(e.ast, nil, env)
	if err != nil {
		return nil, err
	}
	if seq, ok := result.(*evaluator.Sequence); ok {
		result = evaluator.CollapseSequence(seq)
	}
	return result, m.Tree(result)
}
