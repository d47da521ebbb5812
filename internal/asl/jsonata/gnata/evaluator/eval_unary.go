package evaluator

import (
	"fmt"

	"github.com/pipelinetui/pipelinetui/internal/asl/jsonata/gnata/parser"
)

func evalUnary(node *parser.Node, input any, env *Environment) (any, error) {
	switch node.Value {
	case "-":
		val, err := Eval(node.Expression, input, env)
		if err != nil {
			return nil, err
		}
		if val == nil {
			return nil, nil
		}
		if err := CheckNumeric(val); err != nil {
			return nil, err
		}
		f, ok := operand(val)
		if !ok {
			return nil, &JSONataError{
				Code:    "D1002",
				Message: "Cannot negate a non-numeric value: " + Quote(val),
			}
		}
		return -f, nil

	case "[":
		// Array constructor.
		made := CreateSequence()
		for _, expr := range node.Expressions {
			val, err := Eval(expr, input, env)
			if err != nil {
				return nil, err
			}
			if val == nil {
				continue
			}
			// Determine whether this expression is an explicit array constructor
			// (NodeUnary "["). Explicit inner arrays are preserved as single elements.
			// All other expressions that return arrays/sequences are spread.
			isExplicitArray := expr.Type == parser.NodeUnary && expr.Value == "["
			switch v := val.(type) {
			case *Sequence:
				if v.ConsArray || isExplicitArray {
					err = env.meter.grow(made, CollapseSequence(v))
				} else {
					err = env.meter.grow(made, v.Values...)
				}
			case []any:
				if isExplicitArray {
					err = env.meter.grow(made, val)
				} else {
					err = env.meter.grow(made, v...)
				}
			default:
				err = env.meter.grow(made, val)
			}
			if err != nil {
				return nil, err
			}
		}
		return made.Values, nil

	case "{":
		return evalObjectConstructor(node, input, env)

	default:
		return nil, fmt.Errorf("unknown unary operator: %s", node.Value)
	}
}

func evalObjectConstructor(node *parser.Node, input any, env *Environment) (any, error) {
	result := NewOrderedMap()
	for i := 0; i+1 < len(node.LHS); i += 2 {
		keyNode := node.LHS[i]
		valNode := node.LHS[i+1]

		keyVal, err := Eval(keyNode, input, env)
		if err != nil {
			return nil, err
		}
		if keyVal == nil {
			continue
		}
		key, ok := keyVal.(string)
		if !ok {
			return nil, &JSONataError{Code: "T1003", Message: "Key in object structure must evaluate to a string; got: " + Quote(keyVal)}
		}
		if result.Has(key) {
			return nil, &JSONataError{Code: "D1009", Message: "Multiple key definitions evaluate to same key: " + Quote(key)}
		}
		val, err := Eval(valNode, input, env)
		if err != nil {
			return nil, err
		}
		if seq, ok2 := val.(*Sequence); ok2 {
			val = CollapseSequence(seq)
		}
		if val == nil {
			continue
		}
		result.Set(key, val)
	}
	return result, nil
}
