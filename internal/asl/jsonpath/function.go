package jsonpath

import (
	"github.com/pipelinetui/pipelinetui/internal/asl/value"
)

func knownFunction(name string) bool {
	switch name {
	case "length", "size", "min", "max", "avg", "sum", "keys", "first", "last":
		return true
	}
	return false
}

// apply runs a trailing function.
func apply(name string, v any) (any, error) {
	list, isList := v.([]any)
	o, isObject := v.(*value.Object)
	switch name {
	case "length", "size":
		switch {
		case isList:
			return value.Int(int64(len(list))), nil
		case isObject:
			return value.Int(int64(o.Len())), nil
		}
		if s, ok := v.(string); ok {
			return value.Int(int64(len([]rune(s)))), nil
		}
		return nil, nil
	case "keys":
		if !isObject {
			return nil, nil
		}
		out := make([]any, o.Len())
		for i, k := range o.Keys() {
			out[i] = k
		}
		return out, nil
	case "first", "last":
		if len(list) == 0 {
			return nil, nil
		}
		if name == "first" {
			return list[0], nil
		}
		return list[len(list)-1], nil
	}
	return aggregate(name, list)
}

func aggregate(name string, list []any) (any, error) {
	var nums []float64
	for _, e := range list {
		if n, ok := e.(value.Number); ok {
			nums = append(nums, n.Float64())
		}
	}
	if len(nums) == 0 {
		return nil, &NotFoundError{"Aggregation function attempted to calculate value using empty array"}
	}
	out := nums[0]
	for _, f := range nums[1:] {
		switch name {
		case "min":
			out = min(out, f)
		case "max":
			out = max(out, f)
		default:
			out += f
		}
	}
	if name == "avg" {
		out /= float64(len(nums))
	}
	return value.Float(out), nil
}
